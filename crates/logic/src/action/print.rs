//! Actions as text, in the form that stock OVN prints.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;

use super::{
    Action, Actions, Backend, Endpoint, Family, LbFlag, LbKind, NatKind, NatTarget, Nest,
    ObservationPoint, OptionValue, Pipeline, Query, Severity, Transport, Verdict, Zone,
};
use crate::constant::quote;
use crate::{Slice, Str, Value};

impl Display for Actions {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("drop;");
        }
        spaced(f, &self.0)
    }
}

fn spaced(f: &mut Formatter<'_>, actions: &[Action]) -> fmt::Result {
    for (i, action) in actions.iter().enumerate() {
        write!(f, "{}{action}", if i == 0 { "" } else { " " })?;
    }
    Ok(())
}

/// Prints `items` with `between` between them.
fn joined<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    between: &str,
    print: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(between)?;
        }
        print(f, item)?;
    }
    Ok(())
}

fn in_parentheses<T: Display>(f: &mut Formatter<'_>, name: &str, inner: Option<T>) -> fmt::Result {
    match inner {
        Some(inner) => write!(f, "{name}({inner});"),
        None => write!(f, "{name};"),
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output => f.write_str("output;"),
            Self::Next { pipeline, table } => next(f, *pipeline, *table),
            Self::Load { target, value } => write!(f, "{target} = {value};"),
            Self::Move { target, source } => write!(f, "{target} = {source};"),
            Self::Exchange(left, right) => write!(f, "{left} <-> {right};"),
            Self::DecrementTtl => f.write_str("ip.ttl--;"),
            Self::Push(slice) => write!(f, "push({slice});"),
            Self::Pop(slice) => write!(f, "pop({slice});"),
            Self::CtNext(zone) => in_parentheses(f, "ct_next", *zone),
            Self::CtCommit(inner) => commit(f, inner),
            Self::CtCommitToZone(zone) => write!(f, "ct_commit_to_zone({zone});"),
            Self::CtCommitNat(zone) => in_parentheses(f, "ct_commit_nat", *zone),
            Self::Nat { kind, target } => in_parentheses(f, kind.name(), target.as_ref()),
            Self::CtLb {
                kind,
                backends,
                hash_fields,
                flag,
            } => load_balance(f, *kind, backends, hash_fields.as_ref(), *flag),
            Self::CtClear => f.write_str("ct_clear;"),
            Self::CtSnatToVip => f.write_str("ct_snat_to_vip;"),
            Self::Nested(nest, inner) => {
                write!(f, "{} {{ ", nest.name())?;
                if inner.0.is_empty() {
                    f.write_str("drop;")?;
                }
                spaced(f, &inner.0)?;
                f.write_str(" };")
            }
            Self::GetNeighbour { family, port, ip } => {
                write!(f, "get_{}({port}, {ip});", family.name())
            }
            Self::PutNeighbour {
                family,
                port,
                ip,
                mac,
            } => {
                write!(f, "put_{}({port}, {ip}, {mac});", family.name())
            }
            Self::LookupNeighbour {
                family,
                target,
                port,
                ip,
                mac,
            } => {
                let family = family.name();
                match mac {
                    Some(mac) => write!(f, "{target} = lookup_{family}({port}, {ip}, {mac});"),
                    None => write!(f, "{target} = lookup_{family}_ip({port}, {ip});"),
                }
            }
            Self::GetFdb {
                target,
                mac,
                remote,
            } => {
                let name = if *remote { "get_remote_fdb" } else { "get_fdb" };
                write!(f, "{target} = {name}({mac});")
            }
            Self::PutFdb { port, mac } => write!(f, "put_fdb({port}, {mac});"),
            Self::LookupFdb { target, port, mac } => {
                write!(f, "{target} = lookup_fdb({port}, {mac});")
            }
            Self::PutDhcpV4 { target, options } => put(f, target, "put_dhcp_opts", options),
            Self::PutDhcpV6 { target, options } => put(f, target, "put_dhcpv6_opts", options),
            Self::PutNdRa { target, options } => put(f, target, "put_nd_ra_opts", options),
            Self::DhcpRelay {
                target,
                response,
                relay,
                server,
            } => {
                let which = if *response { "resp" } else { "req" };
                write!(f, "{target} = dhcp_relay_{which}_chk({relay}, {server});")
            }
            Self::Query { target, query } => write!(f, "{target} = {}();", query.name()),
            Self::CheckPktLarger { target, length } => {
                write!(f, "{target} = check_pkt_larger({length});")
            }
            Self::Select {
                target,
                members,
                hash_fields,
            } => select(f, target, members, hash_fields.as_ref()),
            Self::SetQueue(queue) => write!(f, "set_queue({queue});"),
            Self::Log {
                name,
                verdict,
                severity,
                meter,
            } => {
                f.write_str("log(")?;
                if let Some(name) = name {
                    write!(f, "name={}, ", quote(name))?;
                }
                write!(f, "verdict={verdict}, severity={severity}")?;
                if let Some(meter) = meter {
                    write!(f, ", meter={}", quote(meter))?;
                }
                f.write_str(");")
            }
            Self::SetMeter {
                rate,
                burst: Some(burst),
            } => {
                write!(f, "set_meter({rate}, {burst});")
            }
            Self::SetMeter { rate, burst: None } => write!(f, "set_meter({rate});"),
            Self::TriggerEvent { event, options } => {
                write!(f, "trigger_event(event = {}", quote(event))?;
                for option in options {
                    write!(f, ", {option}")?;
                }
                f.write_str(");")
            }
            Self::Igmp => f.write_str("igmp;"),
            Self::BindVport { vport, parent } => {
                write!(f, "bind_vport({}, {parent});", quote(vport))
            }
            Self::HandleSvcCheck(port) => write!(f, "handle_svc_check({port});"),
            Self::HandleDhcpV6Reply => f.write_str("handle_dhcpv6_reply;"),
            Self::HandleBfd => f.write_str("handle_bfd_msg();"),
            Self::FwdGroup {
                liveness,
                child_ports,
            } => {
                f.write_str("fwd_group(")?;
                if *liveness {
                    f.write_str("liveness=\"true\", ")?;
                }
                f.write_str("childports=")?;
                joined(f, child_ports, ", ", |f, port| f.write_str(&quote(port)))?;
                f.write_str(");")
            }
            Self::CommitEcmpNh { ipv6, transport } => {
                write!(f, "commit_ecmp_nh(ipv6 = {ipv6}, proto = {transport});")
            }
            Self::CommitLbAff {
                vip,
                backend,
                transport,
                timeout,
            } => {
                write!(f, "commit_lb_aff(vip = \"{vip}\", backend = \"{backend}\"")?;
                if let Some(transport) = transport {
                    write!(f, ", proto = {transport}")?;
                }
                write!(f, ", timeout = {timeout});")
            }
            Self::Sample {
                probability,
                collector_set,
                domain,
                point,
            } => write!(
                f,
                "sample(probability={probability},collector_set={collector_set},\
                 obs_domain={domain},obs_point={point});"
            ),
            Self::MacCacheUse => f.write_str("mac_cache_use;"),
            Self::FloodRemote => f.write_str("flood_remote;"),
            Self::Mirror(port) => write!(f, "mirror({});", quote(port)),
        }
    }
}

fn next(f: &mut Formatter<'_>, pipeline: Option<Pipeline>, table: Option<u8>) -> fmt::Result {
    match (pipeline, table) {
        (None, None) => f.write_str("next;"),
        (None, Some(table)) => write!(f, "next({table});"),
        (Some(pipeline), None) => write!(f, "next(pipeline={pipeline});"),
        (Some(pipeline), Some(table)) => write!(f, "next(pipeline={pipeline}, table={table});"),
    }
}

fn commit(f: &mut Formatter<'_>, inner: &Actions) -> fmt::Result {
    if inner.0.is_empty() {
        return f.write_str("ct_commit;");
    }
    f.write_str("ct_commit { ")?;
    spaced(f, &inner.0)?;
    f.write_str(" };")
}

fn load_balance(
    f: &mut Formatter<'_>,
    kind: LbKind,
    backends: &[Backend],
    hash_fields: Option<&Str>,
    flag: Option<LbFlag>,
) -> fmt::Result {
    f.write_str(kind.name())?;
    if backends.is_empty() {
        return f.write_str(";");
    }
    f.write_str("(backends=")?;
    joined(f, backends, ",", |f, backend| backend.fmt(f))?;
    if let Some(fields) = hash_fields {
        write!(f, "; hash_fields={}", quote(fields))?;
    }
    if let Some(flag) = flag {
        write!(f, "; {}", flag.name())?;
    }
    f.write_str(");")
}

fn put(f: &mut Formatter<'_>, target: &Slice, name: &str, options: &[OptionValue]) -> fmt::Result {
    write!(f, "{target} = {name}(")?;
    joined(f, options, ", ", |f, option| option.fmt(f))?;
    f.write_str(");")
}

fn select(
    f: &mut Formatter<'_>,
    target: &Slice,
    members: &[(u16, u16)],
    hash_fields: Option<&Str>,
) -> fmt::Result {
    write!(
        f,
        "{target} = select({}",
        if hash_fields.is_some() {
            "values=("
        } else {
            ""
        }
    )?;
    joined(f, members, ", ", |f, (id, weight)| {
        write!(f, "{id}={weight}")
    })?;
    f.write_str(")")?;
    if let Some(fields) = hash_fields {
        write!(f, "; hash_fields={})", quote(fields))?;
    }
    f.write_str(";")
}

impl Display for OptionValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} = ", self.option.name)?;
        match self.values.as_slice() {
            [single] => single.fmt(f),
            several => {
                f.write_str("{")?;
                joined(f, several, ", ", |f, value: &Value| value.fmt(f))?;
                f.write_str("}")
            }
        }
    }
}

impl Display for Backend {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.port_name {
            write!(f, "{}:", quote(name))?;
        }
        address_and_port(f, self.address, self.port)
    }
}

impl Display for Endpoint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.address {
            // OVN puts brackets around an IPv6 endpoint with or without a port.
            IpAddr::V6(address) if self.port.is_none() => write!(f, "[{address}]"),
            address => address_and_port(f, address, self.port),
        }
    }
}

fn address_and_port(f: &mut Formatter<'_>, address: IpAddr, port: Option<u16>) -> fmt::Result {
    match (address, port) {
        (address, None) => address.fmt(f),
        (IpAddr::V4(address), Some(port)) => write!(f, "{address}:{port}"),
        (IpAddr::V6(address), Some(port)) => write!(f, "[{address}]:{port}"),
    }
}

impl Display for NatTarget {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.ports {
            None => self.address.fmt(f),
            Some((low, None)) => write!(f, "{},{low}", self.address),
            Some((low, Some(high))) => write!(f, "{},{low}-{high}", self.address),
        }
    }
}

impl Display for ObservationPoint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cookie => f.write_str("$cookie"),
            Self::Number(number) => number.fmt(f),
            Self::Field(slice) => slice.fmt(f),
        }
    }
}

/// Words of the language and the values they stand for, for printing and parsing alike.
macro_rules! words {
    ($type:ty { $($variant:ident => $word:literal),* $(,)? }) => {
        impl $type {
            #[allow(dead_code)]
            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            #[allow(dead_code)]
            pub(super) fn named(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }

        impl Display for $type {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

words!(Pipeline { Ingress => "ingress", Egress => "egress" });
words!(Zone { Dnat => "dnat", Snat => "snat" });
words!(Family { V4 => "arp", V6 => "nd" });
words!(Transport { Tcp => "tcp", Udp => "udp", Sctp => "sctp" });
words!(Verdict { Allow => "allow", Drop => "drop", Reject => "reject", Pass => "pass" });
words!(LbFlag { SkipSnat => "skip_snat", ForceSnat => "force_snat" });
words!(LbKind { Label => "ct_lb", Mark => "ct_lb_mark", MarkLocal => "ct_lb_mark_local" });
words!(Severity {
    Alert => "alert", Warning => "warning", Notice => "notice", Info => "info", Debug => "debug",
});
words!(NatKind {
    Dnat => "ct_dnat",
    Snat => "ct_snat",
    DnatInCommonZone => "ct_dnat_in_czone",
    SnatInCommonZone => "ct_snat_in_czone",
});
words!(Nest {
    Clone => "clone",
    Arp => "arp",
    NdNs => "nd_ns",
    NdNa => "nd_na",
    NdNaRouter => "nd_na_router",
    Icmp4 => "icmp4",
    Icmp4Error => "icmp4_error",
    Icmp6 => "icmp6",
    Icmp6Error => "icmp6_error",
    TcpReset => "tcp_reset",
    SctpAbort => "sctp_abort",
    Reject => "reject",
});
words!(Query {
    DnsLookup => "dns_lookup",
    ChkLbHairpin => "chk_lb_hairpin",
    ChkLbHairpinReply => "chk_lb_hairpin_reply",
    CheckInPortSec => "check_in_port_sec",
    CheckOutPortSec => "check_out_port_sec",
    ChkEcmpNhMac => "chk_ecmp_nh_mac",
    ChkEcmpNh => "chk_ecmp_nh",
    ChkLbAff => "chk_lb_aff",
    CtNwDst => "ct_nw_dst",
    CtIp6Dst => "ct_ip6_dst",
    CtTpDst => "ct_tp_dst",
    CtProto => "ct_proto",
    CtStateSave => "ct_state_save",
});

impl Query {
    /// Width of the result in bits.
    pub(super) const fn result_width(self) -> u8 {
        match self {
            Self::CtNwDst => 32,
            Self::CtIp6Dst => 128,
            Self::CtTpDst => 16,
            Self::CtProto | Self::CtStateSave => 8,
            _ => 1,
        }
    }
}

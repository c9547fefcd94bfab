//! What can be said about actions without running them: prerequisites, ports, fields.

use super::{Action, Actions, Family, Nest, ObservationPoint, OptionValue};
use crate::{Constant, Expr, Slice, Str, Symbols, Value};

impl Actions {
    /// What a packet must be for the actions to make sense: a flow matches only where its match
    /// *and* this hold.
    pub fn prerequisites(&self) -> Expr {
        let mut parts = Vec::new();
        self.collect_prerequisites(&mut parts);
        Expr::and(parts)
    }

    /// The ports that the actions name, so that a caller can depend on just their keys.
    pub fn ports(&self) -> Vec<Str> {
        let mut ports = Vec::new();
        self.collect_ports(&mut ports);
        ports
    }

    fn collect_prerequisites(&self, parts: &mut Vec<Expr>) {
        for action in &self.0 {
            for slice in action.slices() {
                if let Some(prerequisite) = slice.symbol().prerequisite() {
                    add_once(parts, prerequisite.clone());
                }
            }
            if let Some(predicate) = action.implied_predicate() {
                let symbol = Symbols::ovn()
                    .find(predicate)
                    .expect("implied predicates are in the table");
                add_once(parts, Expr::Predicate(symbol));
            }
            // The packet that a nested action works on is another one, except in a clone.
            if let Action::Nested(Nest::Clone, inner) | Action::CtCommit(inner) = action {
                inner.collect_prerequisites(parts);
            }
        }
    }

    fn collect_ports(&self, ports: &mut Vec<Str>) {
        for action in &self.0 {
            match action {
                Action::Load {
                    value: Value::Text(name),
                    ..
                } => ports.push(name.clone()),
                Action::BindVport { vport, .. } => ports.push(vport.clone()),
                Action::Mirror(port) => ports.push(port.clone()),
                Action::FwdGroup { child_ports, .. } => ports.extend(child_ports.iter().cloned()),
                Action::CtLb { backends, .. } => {
                    ports.extend(backends.iter().filter_map(|b| b.port_name.clone()));
                }
                Action::Nested(_, inner) | Action::CtCommit(inner) => inner.collect_ports(ports),
                _ => {}
            }
        }
    }
}

const fn by_family(family: Family, v4: &'static str, v6: &'static str) -> &'static str {
    match family {
        Family::V4 => v4,
        Family::V6 => v6,
    }
}

fn add_once(parts: &mut Vec<Expr>, part: Expr) {
    if !parts.contains(&part) {
        parts.push(part);
    }
}

impl Action {
    /// The word that names it, as in [`super::ACTIONS`]; of a function, the function's.
    pub fn name(&self) -> &'static str {
        use Action::*;
        match self {
            Output => "output",
            Next { .. } => "next",
            Load { .. } | Move { .. } => "=",
            Exchange(..) => "<->",
            DecrementTtl => "ip.ttl",
            Push(_) => "push",
            Pop(_) => "pop",
            CtNext(_) => "ct_next",
            CtCommit(_) => "ct_commit",
            CtCommitToZone(_) => "ct_commit_to_zone",
            CtCommitNat(_) => "ct_commit_nat",
            Nat { kind, .. } => kind.name(),
            CtLb { kind, .. } => kind.name(),
            CtClear => "ct_clear",
            CtSnatToVip => "ct_snat_to_vip",
            Nested(nest, _) => nest.name(),
            GetNeighbour { family, .. } => by_family(*family, "get_arp", "get_nd"),
            PutNeighbour { family, .. } => by_family(*family, "put_arp", "put_nd"),
            LookupNeighbour {
                family,
                mac: Some(_),
                ..
            } => by_family(*family, "lookup_arp", "lookup_nd"),
            LookupNeighbour {
                family, mac: None, ..
            } => by_family(*family, "lookup_arp_ip", "lookup_nd_ip"),
            GetFdb { remote: false, .. } => "get_fdb",
            GetFdb { remote: true, .. } => "get_remote_fdb",
            PutFdb { .. } => "put_fdb",
            LookupFdb { .. } => "lookup_fdb",
            PutDhcpV4 { .. } => "put_dhcp_opts",
            PutDhcpV6 { .. } => "put_dhcpv6_opts",
            PutNdRa { .. } => "put_nd_ra_opts",
            DhcpRelay {
                response: false, ..
            } => "dhcp_relay_req_chk",
            DhcpRelay { response: true, .. } => "dhcp_relay_resp_chk",
            Query { query, .. } => query.name(),
            CheckPktLarger { .. } => "check_pkt_larger",
            Select { .. } => "select",
            SetQueue(_) => "set_queue",
            Log { .. } => "log",
            SetMeter { .. } => "set_meter",
            TriggerEvent { .. } => "trigger_event",
            Igmp => "igmp",
            BindVport { .. } => "bind_vport",
            HandleSvcCheck(_) => "handle_svc_check",
            HandleDhcpV6Reply => "handle_dhcpv6_reply",
            HandleBfd => "handle_bfd_msg",
            FwdGroup { .. } => "fwd_group",
            CommitEcmpNh { .. } => "commit_ecmp_nh",
            CommitLbAff { .. } => "commit_lb_aff",
            Sample { .. } => "sample",
            MacCacheUse => "mac_cache_use",
            FloodRemote => "flood_remote",
            Mirror(_) => "mirror",
        }
    }

    /// The actions inside it.
    pub fn inner(&self) -> Option<&Actions> {
        match self {
            Self::Nested(_, inner) | Self::CtCommit(inner) => Some(inner),
            _ => None,
        }
    }

    /// The fields that the action itself reads or writes by name.
    pub fn slices(&self) -> Vec<Slice> {
        use Action::*;
        match self {
            Load { target, .. }
            | PutDhcpV4 { target, .. }
            | PutDhcpV6 { target, .. }
            | PutNdRa { target, .. }
            | DhcpRelay { target, .. }
            | Query { target, .. }
            | CheckPktLarger { target, .. }
            | Select { target, .. } => vec![*target],
            Move { target, source } => vec![*target, *source],
            Exchange(left, right) => vec![*left, *right],
            Push(slice) | Pop(slice) | HandleSvcCheck(slice) => vec![*slice],
            GetNeighbour { port, ip, .. } => vec![*port, *ip],
            PutNeighbour { port, ip, mac, .. } => vec![*port, *ip, *mac],
            LookupNeighbour {
                target,
                port,
                ip,
                mac,
                ..
            } => [*target, *port, *ip].into_iter().chain(*mac).collect(),
            GetFdb { target, mac, .. } => vec![*target, *mac],
            PutFdb { port, mac } => vec![*port, *mac],
            LookupFdb { target, port, mac } => vec![*target, *port, *mac],
            BindVport { parent, .. } => vec![*parent],
            Sample {
                point: ObservationPoint::Field(slice),
                ..
            } => vec![*slice],
            _ => Vec::new(),
        }
    }

    /// The predicate that the action implies by itself.
    fn implied_predicate(&self) -> Option<&'static str> {
        use Action::*;
        match self {
            DecrementTtl
            | CtNext(_)
            | CtCommit(_)
            | CtCommitToZone(_)
            | CtCommitNat(_)
            | Nat { .. }
            | CtLb { .. } => Some("ip"),
            PutNdRa { .. } => Some("ip6"),
            Query {
                query: super::Query::DnsLookup,
                ..
            } => Some("udp"),
            Nested(nest, _) => nest.implied_predicate(),
            _ => None,
        }
    }
}

impl Nest {
    fn implied_predicate(self) -> Option<&'static str> {
        Some(match self {
            Self::Clone => return None,
            Self::Arp | Self::NdNs | Self::Reject => "ip",
            Self::NdNa | Self::NdNaRouter => "nd_ns",
            Self::Icmp4 | Self::Icmp4Error => "ip4",
            Self::Icmp6 | Self::Icmp6Error => "ip6",
            Self::TcpReset => "tcp",
            Self::SctpAbort => "sctp",
        })
    }
}

impl OptionValue {
    /// The values that are numbers.
    pub fn numbers(&self) -> impl Iterator<Item = &Constant> {
        self.values.iter().filter_map(|value| match value {
            Value::Number(constant) => Some(constant),
            _ => None,
        })
    }

    /// The value that is a text.
    pub fn text(&self) -> Option<&str> {
        self.values.iter().find_map(|value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }
}

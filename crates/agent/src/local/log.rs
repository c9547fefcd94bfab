//! Log lines: those of ACLs, and a limit for those that packets cause.

use std::fmt::Write as _;
use std::net::IpAddr;

use packet::{Frame, Net, Transport, ether_type, proto};
use physical::opcode::LogRequest;
use physical::tables;

use super::{Effect, Module, Now};

/// A token bucket: so many lines a second in the long run, so many at once.
#[derive(Debug)]
pub(super) struct RateLimit {
    per_second: u32,
    burst: u32,
    tokens: u32,
    filled: Now,
}

impl RateLimit {
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second,
            burst,
            tokens: burst,
            filled: Now::ZERO,
        }
    }

    pub(super) fn allow(&mut self, now: Now) -> bool {
        let seconds = now.saturating_sub(self.filled).as_secs();
        if seconds > 0 {
            let new = u32::try_from(seconds)
                .unwrap_or(u32::MAX)
                .saturating_mul(self.per_second);
            self.tokens = self.tokens.saturating_add(new).min(self.burst);
            self.filled = now;
        }
        let allowed = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        allowed
    }
}

/// The line of an ACL with logging, in the form that scripts look for.
pub(super) fn acl(frame: &Frame<'_>, args: &[u8], table: u8) -> Result<Effect, String> {
    let request = LogRequest::decode(args).map_err(|e| e.to_string())?;
    let name = if request.name.is_empty() {
        "<unnamed>"
    } else {
        &request.name
    };
    let verdict = match request.verdict {
        0 => "allow",
        1 => "drop",
        2 => "reject",
        _ => "<unknown>",
    };
    let severity = match request.severity {
        1 => "alert",
        4 => "warning",
        5 => "notice",
        6 => "info",
        7 => "debug",
        _ => "<unknown>",
    };
    let direction = if table < tables::LOG_EGRESS {
        "from-lport"
    } else {
        "to-lport"
    };
    let packet = describe(frame);
    Ok(Effect::Log(
        Module::AclLog,
        format!(
            "name=\"{}\", verdict={verdict}, severity={severity}, direction={direction}: {packet}",
            escape(name)
        ),
    ))
}

/// Escapes as in a JSON string, so that a name cannot break the line.
fn escape(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// The packet's headers in the notation of `ovs-ofctl`.
fn describe(frame: &Frame<'_>) -> String {
    let mut out = kind(frame);
    let tci = frame.eth.vlan.map_or(0, |tci| tci | 0x1000);
    let (src, dst) = (frame.eth.src, frame.eth.dst);
    let _ = write!(out, ",vlan_tci=0x{tci:04x},dl_src={src},dl_dst={dst}");
    match &frame.net {
        Net::Ip(ip) => {
            let family = if ip.src.is_ipv4() { "nw" } else { "ipv6" };
            let _ = write!(out, ",{family}_src={},{family}_dst={}", ip.src, ip.dst);
            if ip.src.is_ipv6() {
                let label = match ip.datagram {
                    [_, a, b, c, ..] => u32::from_be_bytes([0, a & 0xf, *b, *c]),
                    _ => 0,
                };
                let _ = write!(out, ",ipv6_label=0x{label:05x}");
            }
            let (tos, ecn, ttl) = (ip.tos & 0xfc, ip.tos & 3, ip.ttl);
            let frag = if ip.fragment { "yes" } else { "no" };
            let _ = write!(
                out,
                ",nw_tos={tos},nw_ecn={ecn},nw_ttl={ttl},nw_frag={frag}"
            );
            transport(&mut out, &ip.transport);
        }
        Net::Arp(arp) => {
            let _ = write!(
                out,
                ",arp_spa={},arp_tpa={},arp_op={},arp_sha={},arp_tha={}",
                arp.sender_ip, arp.target_ip, arp.operation, arp.sender_mac, arp.target_mac
            );
        }
        Net::Other => {
            let _ = write!(out, ",dl_type=0x{:04x}", frame.ether_type);
        }
    }
    out
}

fn kind(frame: &Frame<'_>) -> String {
    let name = match (&frame.net, frame.ether_type) {
        (Net::Ip(ip), _) => match (ip.src, ip.protocol) {
            (IpAddr::V4(_), proto::TCP) => "tcp",
            (IpAddr::V4(_), proto::UDP) => "udp",
            (IpAddr::V4(_), proto::ICMP) => "icmp",
            (IpAddr::V4(_), proto::SCTP) => "sctp",
            (IpAddr::V6(_), proto::TCP) => "tcp6",
            (IpAddr::V6(_), proto::UDP) => "udp6",
            (IpAddr::V6(_), proto::ICMPV6) => "icmp6",
            (IpAddr::V6(_), proto::SCTP) => "sctp6",
            (IpAddr::V4(_), n) => return format!("ip,nw_proto={n}"),
            (IpAddr::V6(_), n) => return format!("ipv6,nw_proto={n}"),
        },
        (_, ether_type::ARP) => "arp",
        (_, ether_type::IPV4) => "ip",
        (_, ether_type::IPV6) => "ipv6",
        _ => "eth",
    };
    name.to_owned()
}

fn transport(out: &mut String, transport: &Transport<'_>) {
    match transport {
        Transport::Tcp {
            src, dst, flags, ..
        } => {
            const NAMES: [&str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"];
            let set: Vec<_> = NAMES
                .iter()
                .enumerate()
                .filter(|(bit, _)| flags & 1 << bit != 0)
                .map(|(_, name)| *name)
                .collect();
            let flags = if set.is_empty() {
                "0".to_owned()
            } else {
                set.join("|")
            };
            let _ = write!(out, ",tp_src={src},tp_dst={dst},tcp_flags={flags}");
        }
        Transport::Udp { src, dst, .. } => {
            let _ = write!(out, ",tp_src={src},tp_dst={dst}");
        }
        Transport::Icmp { kind, code, .. } => {
            let _ = write!(out, ",icmp_type={kind},icmp_code={code}");
        }
        Transport::Other => {}
    }
}

//! A packet in the notation of Open vSwitch's flows (ovs-fields(7)).

use std::net::{Ipv4Addr, Ipv6Addr};

use logic::Field;

use crate::actions::from_number;
use crate::fields::Fields;

/// A value in the notation of its field.
pub(crate) fn value(field: Field, value: u128) -> String {
    use Field::*;
    match field {
        EthSrc | EthDst | ArpSha | ArpTha | NdSll | NdTll => from_number(value).to_string(),
        Ip4Src | Ip4Dst | ArpSpa | ArpTpa => Ipv4Addr::from_bits(value as u32).to_string(),
        Ip6Src | Ip6Dst | NdTarget => Ipv6Addr::from_bits(value).to_string(),
        InPort | OutPort | RemoteOutPort | Reg(_) | XReg(_) | XxReg(_) | Flags | CtState
        | CtMark | CtLabel | VlanTci | EthType | PktMark => format!("{value:#x}"),
        _ => value.to_string(),
    }
}

/// A packet in the notation of Open vSwitch's flows.
pub fn packet_text(packet: &Fields) -> String {
    use Field::*;
    let get = |field| packet.get(field);
    let show = |field| value(field, get(field));
    let mut parts: Vec<String> = Vec::new();
    let (kind, protocol) = (get(EthType), get(IpProto));
    let word = match (kind, protocol) {
        (0x800, 1) => "icmp",
        (0x800, 6) => "tcp",
        (0x800, 17) => "udp",
        (0x800, 132) => "sctp",
        (0x800, _) => "ip",
        (0x86dd, 58) => "icmp6",
        (0x86dd, 6) => "tcp6",
        (0x86dd, 17) => "udp6",
        (0x86dd, 132) => "sctp6",
        (0x86dd, _) => "ipv6",
        (0x806, _) => "arp",
        (0x8035, _) => "rarp",
        _ => "",
    };
    if !word.is_empty() {
        parts.push(word.into());
    }
    for (field, name) in [
        (CtState, "ct_state"),
        (CtMark, "ct_mark"),
        (CtLabel, "ct_label"),
    ] {
        if get(field) != 0 {
            parts.push(match field {
                CtState => format!("ct_state={}", crate::actions::state_text(get(field) as u32)),
                _ => format!("{name}={}", show(field)),
            });
        }
    }
    for number in 0..10 {
        if get(Reg(number)) != 0 {
            parts.push(format!("reg{number}={}", show(Reg(number))));
        }
    }
    for (field, name) in [(Flags, "reg10"), (InPort, "reg14"), (OutPort, "reg15")] {
        if get(field) != 0 {
            parts.push(format!("{name}={}", show(field)));
        }
    }
    if get(VlanTci) & 0x1000 == 0 {
        parts.push("vlan_tci=0x0000".into());
    } else {
        parts.push(format!("dl_vlan={}", get(VlanTci) & 0xfff));
        parts.push(format!("dl_vlan_pcp={}", get(VlanTci) >> 13));
    }
    parts.push(format!("dl_src={}", show(EthSrc)));
    parts.push(format!("dl_dst={}", show(EthDst)));
    match kind {
        0x800 => {
            parts.push(format!("nw_src={}", show(Ip4Src)));
            parts.push(format!("nw_dst={}", show(Ip4Dst)));
        }
        0x86dd => {
            parts.push(format!("ipv6_src={}", show(Ip6Src)));
            parts.push(format!("ipv6_dst={}", show(Ip6Dst)));
            parts.push(format!("ipv6_label={:#07x}", get(Ip6Label)));
        }
        0x806 | 0x8035 => {
            parts.push(format!("arp_spa={}", show(ArpSpa)));
            parts.push(format!("arp_tpa={}", show(ArpTpa)));
            parts.push(format!("arp_op={}", get(ArpOp)));
            parts.push(format!("arp_sha={}", show(ArpSha)));
            parts.push(format!("arp_tha={}", show(ArpTha)));
        }
        other => parts.push(format!("dl_type={other:#06x}")),
    }
    if matches!(kind, 0x800 | 0x86dd) {
        if matches!(word, "ip" | "ipv6") {
            parts.push(format!("nw_proto={protocol}"));
        }
        parts.push(format!("nw_tos={}", get(IpDscp) << 2));
        parts.push(format!("nw_ecn={}", get(IpEcn)));
        parts.push(format!("nw_ttl={}", get(IpTtl)));
        let fragment = match get(IpFrag) {
            0 => "no",
            1 => "first",
            _ => "later",
        };
        parts.push(format!("nw_frag={fragment}"));
        transport_text(packet, protocol, &mut parts);
    }
    parts.join(",")
}

fn transport_text(packet: &Fields, protocol: u128, parts: &mut Vec<String>) {
    use Field::*;
    let get = |field| packet.get(field);
    let ports = match protocol {
        6 => Some((TcpSrc, TcpDst)),
        17 => Some((UdpSrc, UdpDst)),
        132 => Some((SctpSrc, SctpDst)),
        _ => None,
    };
    if let Some((src, dst)) = ports {
        parts.push(format!("tp_src={},tp_dst={}", get(src), get(dst)));
    }
    match protocol {
        6 => parts.push(format!("tcp_flags={}", tcp_flags(get(TcpFlags)))),
        1 => parts.push(format!(
            "icmp_type={},icmp_code={}",
            get(Icmp4Type),
            get(Icmp4Code)
        )),
        58 => {
            let kind = get(Icmp6Type);
            parts.push(format!("icmp_type={kind},icmp_code={}", get(Icmp6Code)));
            if matches!(kind, 135 | 136) {
                parts.push(format!("nd_target={}", value(NdTarget, get(NdTarget))));
                if kind == 135 {
                    parts.push(format!("nd_sll={}", value(NdSll, get(NdSll))));
                } else {
                    parts.push(format!("nd_tll={}", value(NdTll, get(NdTll))));
                }
            }
        }
        _ => {}
    }
}

fn tcp_flags(flags: u128) -> String {
    let names = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns"];
    let set = names
        .iter()
        .enumerate()
        .filter(|(at, _)| flags >> at & 1 == 1);
    let text = set.map(|it| *it.1).collect::<Vec<_>>().join("|");
    if text.is_empty() { "0".into() } else { text }
}

//! Packets that are made in the place of another one: ARP, neighbour discovery, ICMP errors, resets.

use logic::{Action, Field, Nest};

use crate::actions::{from_number, number};
use crate::machine::{At, Machine, Moving};
use crate::network::FlowId;
use crate::trace::{Node, NodeKind};

/// Destination unreachable, in ICMPv4 and ICMPv6.
const UNREACHABLE_4: u128 = 3;
const UNREACHABLE_6: u128 = 1;
const RST: u128 = 4;

impl Machine<'_> {
    /// Makes the packet and runs the actions on it.
    pub(crate) fn answer(
        &mut self,
        at: At,
        flow: FlowId,
        nest: Nest,
        inner: &[Action],
        moving: &Moving,
        out: &mut Vec<Node>,
    ) {
        let mut made = moving.clone();
        let title = match nest {
            Nest::Clone => "clone",
            Nest::Arp => arp(&mut made),
            Nest::NdNs => solicitation(&mut made),
            Nest::NdNa | Nest::NdNaRouter => advertisement(&mut made),
            Nest::Icmp4 | Nest::Icmp4Error => icmp4(&mut made),
            Nest::Icmp6 | Nest::Icmp6Error => icmp6(&mut made),
            Nest::TcpReset => reset(&mut made),
            Nest::SctpAbort => abort(&mut made),
            Nest::Reject => match refusal(&mut made) {
                Some(title) => title,
                // An error about an error would go round for ever.
                None => return,
            },
        };
        let kind = NodeKind::Transformation(title.into());
        self.within(
            at.datapath,
            kind,
            &mut made,
            out,
            |machine, made, inside| {
                machine.list(at, flow, inner, made, inside);
            },
        );
    }
}

/// Everything behind the IP addresses.
fn clear_transport(made: &mut Moving) {
    use Field::*;
    let fields = [
        Icmp4Type, Icmp4Code, Icmp6Type, Icmp6Code, NdTarget, NdSll, NdTll, TcpSrc, TcpDst,
        TcpFlags, UdpSrc, UdpDst, SctpSrc, SctpDst,
    ];
    for field in fields {
        made.set(field, 0);
    }
}

fn arp(made: &mut Moving) -> &'static str {
    let get = |field| made.fields.get(field);
    let (mac, from, to) = (get(Field::EthSrc), get(Field::Ip4Src), get(Field::Ip4Dst));
    clear_transport(made);
    use Field::*;
    for field in [
        IpProto, IpDscp, IpEcn, IpTtl, IpFrag, Ip4Src, Ip4Dst, Ip6Src, Ip6Dst,
    ] {
        made.set(field, 0);
    }
    made.set(EthType, 0x806);
    made.set(ArpOp, 1);
    made.set(ArpSha, mac);
    made.set(ArpTha, 0);
    made.set(ArpSpa, from);
    made.set(ArpTpa, to);
    "arp"
}

fn solicitation(made: &mut Moving) -> &'static str {
    let to = made.fields.get(Field::Ip6Dst);
    clear_transport(made);
    // The solicited-node address has the last 24 bits (RFC 4291, section 2.7.1), its MAC the last 32.
    made.set(Field::EthDst, 0x3333_ff00_0000 | to & 0xff_ffff);
    made.set(Field::EthType, 0x86dd);
    made.set(Field::IpProto, 58);
    made.set(Field::IpTtl, 255);
    made.set(Field::Icmp6Type, 135);
    made.set(Field::NdTarget, to);
    made.set(Field::NdSll, made.fields.get(Field::EthSrc));
    "nd_ns"
}

fn advertisement(made: &mut Moving) -> &'static str {
    let get = |field| made.fields.get(field);
    let (src, dst) = (get(Field::EthSrc), get(Field::EthDst));
    let (asker, target) = (get(Field::Ip6Src), get(Field::NdTarget));
    clear_transport(made);
    made.set(Field::EthSrc, dst);
    made.set(Field::EthDst, src);
    made.set(Field::Ip6Src, target);
    made.set(Field::Ip6Dst, asker);
    made.set(Field::IpTtl, 255);
    made.set(Field::Icmp6Type, 136);
    made.set(Field::NdTarget, target);
    made.set(Field::NdTll, number(from_number(dst)));
    "nd_na"
}

fn icmp4(made: &mut Moving) -> &'static str {
    clear_transport(made);
    made.set(Field::IpProto, 1);
    made.set(Field::IpTtl, 255);
    made.set(Field::Icmp4Type, UNREACHABLE_4);
    made.set(Field::Icmp4Code, 1);
    "icmp4"
}

fn icmp6(made: &mut Moving) -> &'static str {
    clear_transport(made);
    made.set(Field::IpProto, 58);
    made.set(Field::IpTtl, 255);
    made.set(Field::Icmp6Type, UNREACHABLE_6);
    made.set(Field::Icmp6Code, 1);
    "icmp6"
}

fn reset(made: &mut Moving) -> &'static str {
    made.set(Field::IpTtl, 255);
    made.set(Field::TcpFlags, RST);
    "tcp_reset"
}

fn abort(made: &mut Moving) -> &'static str {
    made.set(Field::IpTtl, 255);
    "sctp_abort"
}

/// Whatever refuses the packet, back to who sent it; nothing for a packet that is itself a refusal.
fn refusal(made: &mut Moving) -> Option<&'static str> {
    let get = |field| made.fields.get(field);
    let is_ip4 = get(Field::EthType) == 0x800;
    let protocol = get(Field::IpProto);
    let refuses = match protocol {
        6 => get(Field::TcpFlags) == RST,
        1 => get(Field::Icmp4Type) == UNREACHABLE_4,
        58 => get(Field::Icmp6Type) == UNREACHABLE_6,
        _ => false,
    };
    if refuses {
        return None;
    }
    let mut swaps = vec![(Field::EthSrc, Field::EthDst)];
    swaps.push(if is_ip4 {
        (Field::Ip4Src, Field::Ip4Dst)
    } else {
        (Field::Ip6Src, Field::Ip6Dst)
    });
    match protocol {
        6 => swaps.push((Field::TcpSrc, Field::TcpDst)),
        132 => swaps.push((Field::SctpSrc, Field::SctpDst)),
        _ => {}
    }
    for (one, other) in swaps {
        let (a, b) = (made.fields.get(one), made.fields.get(other));
        made.set(one, b);
        made.set(other, a);
    }
    Some(match protocol {
        6 => reset(made),
        132 => abort(made),
        _ if is_ip4 => icmp4(made),
        _ => icmp6(made),
    })
}

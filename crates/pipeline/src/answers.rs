//! Packets that are made in the place of another one: ARP, neighbour discovery, ICMP errors, resets.

use std::net::IpAddr;
use std::sync::Arc;

use logic::{Action, Field, Nest};
use packet::{Mac, nd, proto};

use crate::actions::{from_number, number};
use crate::conntrack::Tuple;
use crate::machine::{At, Machine, Moving};
use crate::network::FlowId;
use crate::payload::{self, Payload};
use crate::trace::{Node, NodeKind};

/// Destination unreachable, in ICMPv4 and ICMPv6.
const UNREACHABLE_4: u128 = 3;
const UNREACHABLE_6: u128 = 1;
const PORT_UNREACHABLE_4: u128 = 3;
const PORT_UNREACHABLE_6: u128 = 4;
const RST: u128 = 4;
const ACK: u128 = 16;

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
        let about = Tuple::of(&moving.fields);
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
        if nest != Nest::Clone {
            made.length = None;
            made.payload = Arc::new(match about {
                Some(about) if is_error(&made) => Payload::About(about),
                _ => Payload::Data,
            });
            self.refine(nest, about, &mut made);
        }
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

    /// What an agent does otherwise than `ovn-trace`.
    fn refine(&self, nest: Nest, about: Option<Tuple>, made: &mut Moving) {
        if !self.state.is_modelled() {
            return;
        }
        match (nest, about) {
            (Nest::NdNs, Some(about)) => solicit(about, made),
            (Nest::TcpReset | Nest::Reject, Some(about)) if about.protocol == proto::TCP => {
                made.set(Field::IpTtl, 64);
            }
            _ => {}
        }
        // To a datagram the port is unreachable, not the host.
        let is_datagram = about.is_some_and(|it| it.protocol == proto::UDP);
        let by_protocol = matches!(nest, Nest::Icmp4 | Nest::Icmp6 | Nest::Reject);
        if is_datagram && by_protocol {
            if made.fields.get(Field::EthType) == 0x800 {
                made.set(Field::Icmp4Code, PORT_UNREACHABLE_4);
            } else {
                made.set(Field::Icmp6Code, PORT_UNREACHABLE_6);
            }
        }
    }
}

/// A solicitation comes from the link-local address of who solicits (RFC 4861, section 4.3), to the group of those who
/// may have the address.
fn solicit(about: Tuple, made: &mut Moving) {
    let (IpAddr::V6(target), mac) = (about.dst, from_number(made.fields.get(Field::EthSrc))) else {
        return;
    };
    let group = nd::solicited_node(target);
    made.set(Field::Ip6Src, mac.link_local().to_bits());
    made.set(Field::Ip6Dst, group.to_bits());
    made.set(Field::EthDst, number(Mac::of_ipv6_multicast(group)));
}

fn is_error(made: &Moving) -> bool {
    let get = |field| made.fields.get(field) as u8;
    let protocol = get(Field::IpProto);
    let kind = match protocol {
        proto::ICMP => get(Field::Icmp4Type),
        _ => get(Field::Icmp6Type),
    };
    payload::is_error(protocol, kind)
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

fn exchange(made: &mut Moving, pairs: &[(Field, Field)]) {
    for (one, other) in pairs {
        let (a, b) = (made.fields.get(*one), made.fields.get(*other));
        made.set(*one, b);
        made.set(*other, a);
    }
}

/// The reset of a segment: one without an acknowledgement gets one (RFC 9293, section 3.10.7.1).
fn reset(made: &mut Moving) -> &'static str {
    let acknowledges = made.fields.get(Field::TcpFlags) & ACK != 0;
    made.set(Field::IpTtl, 255);
    made.set(Field::TcpFlags, if acknowledges { RST } else { RST | ACK });
    exchange(made, &[(Field::TcpSrc, Field::TcpDst)]);
    "tcp_reset"
}

fn abort(made: &mut Moving) -> &'static str {
    made.set(Field::IpTtl, 255);
    exchange(made, &[(Field::SctpSrc, Field::SctpDst)]);
    "sctp_abort"
}

/// Whatever refuses the packet, back to who sent it; nothing for a packet that is itself a refusal.
fn refusal(made: &mut Moving) -> Option<&'static str> {
    let get = |field| made.fields.get(field);
    let is_ip4 = get(Field::EthType) == 0x800;
    let protocol = get(Field::IpProto);
    let refuses = match protocol {
        6 => get(Field::TcpFlags) & RST != 0,
        1 => get(Field::Icmp4Type) == UNREACHABLE_4,
        58 => get(Field::Icmp6Type) == UNREACHABLE_6,
        _ => false,
    };
    if refuses {
        return None;
    }
    let addresses = if is_ip4 {
        (Field::Ip4Src, Field::Ip4Dst)
    } else {
        (Field::Ip6Src, Field::Ip6Dst)
    };
    exchange(made, &[(Field::EthSrc, Field::EthDst), addresses]);
    Some(match protocol {
        6 => reset(made),
        132 => abort(made),
        _ if is_ip4 => icmp4(made),
        _ => icmp6(made),
    })
}

//! The bytes of a frame from a packet's fields: what a machine would send that means this packet.

use std::net::{IpAddr, Ipv6Addr};

use etherparse::{
    IpDscp, IpEcn, IpHeaders, IpNumber, Ipv4Header, Ipv6Header, PacketBuilder, TcpHeader,
};
use logic::Field;
use packet::{Arp, Ethernet, Mac, arp, nd, proto, with_vlan};

use crate::actions::from_number;
use crate::conntrack::Tuple;
use crate::fields::Fields;
use crate::payload::{Dhcp4, Payload};

/// What the fields leave open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filling {
    /// The length of the frame in bytes; it is longer when its headers and what it carries need more.
    pub length: usize,
    /// What tells it from others alike: identifier and sequence number of an echo request, sequence number of a TCP
    /// segment, transaction of a question.
    pub number: u32,
}

/// The frame of a packet; none when its fields contradict each other, as addresses of two families do.
pub fn to_bytes(packet: &Fields, payload: &Payload, filling: Filling) -> Option<Vec<u8>> {
    let get = |field| packet.get(field);
    let tci = get(Field::VlanTci);
    let eth = Ethernet {
        src: from_number(get(Field::EthSrc)),
        dst: from_number(get(Field::EthDst)),
        vlan: None,
    };
    let mut bytes = match get(Field::EthType) {
        0x806 => arp::frame(eth, arp_of(packet)),
        0x800 | 0x86dd => ip(packet, eth, payload, filling)?,
        kind => {
            let kind = (kind as u16).to_be_bytes();
            [&eth.dst.0[..], &eth.src.0, &kind].concat()
        }
    };
    if tci & 0x1000 != 0 {
        bytes = with_vlan(bytes, Some(tci as u16 & !0x1000));
    }
    bytes.resize(bytes.len().max(filling.length), 0);
    Some(bytes)
}

fn arp_of(packet: &Fields) -> Arp {
    let get = |field| packet.get(field);
    Arp {
        operation: get(Field::ArpOp) as u16,
        sender_mac: from_number(get(Field::ArpSha)),
        sender_ip: (get(Field::ArpSpa) as u32).into(),
        target_mac: from_number(get(Field::ArpTha)),
        target_ip: (get(Field::ArpTpa) as u32).into(),
    }
}

fn headers(packet: &Fields, tuple: Tuple) -> Option<IpHeaders> {
    let get = |field| packet.get(field);
    let (dscp, ecn) = (get(Field::IpDscp) as u8, get(Field::IpEcn) as u8);
    let ttl = get(Field::IpTtl) as u8;
    Some(match (tuple.src, tuple.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let header = Ipv4Header {
                dscp: IpDscp::try_new(dscp).ok()?,
                ecn: IpEcn::try_new(ecn).ok()?,
                time_to_live: ttl,
                source: src.octets(),
                destination: dst.octets(),
                ..Ipv4Header::default()
            };
            IpHeaders::Ipv4(header, Default::default())
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let header = Ipv6Header {
                traffic_class: dscp << 2 | ecn,
                hop_limit: ttl,
                source: src.octets(),
                destination: dst.octets(),
                ..Ipv6Header::default()
            };
            IpHeaders::Ipv6(header, Default::default())
        }
        _ => return None,
    })
}

fn ip(packet: &Fields, eth: Ethernet, payload: &Payload, filling: Filling) -> Option<Vec<u8>> {
    let tuple = Tuple::of(packet)?;
    let get = |field| packet.get(field) as u8;
    let step = PacketBuilder::ethernet2(eth.src.0, eth.dst.0).ip(headers(packet, tuple)?);
    let mut data = data(payload, filling.number);
    let mut fill = |header: usize| {
        let room = filling.length.saturating_sub(header);
        // Discovery of neighbours holds options up to its end, so nothing is put there.
        data.resize(data.len().max(room), 0);
        std::mem::take(&mut data)
    };
    let number = filling.number.to_be_bytes();
    let mut out = Vec::new();
    let written = match tuple.protocol {
        proto::TCP => {
            let mut header = TcpHeader::new(tuple.src_port, tuple.dst_port, filling.number, 0xffff);
            let flags = get(Field::TcpFlags);
            (header.fin, header.syn, header.rst) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
            (header.psh, header.ack) = (flags & 8 != 0, flags & 16 != 0);
            let step = step.tcp_header(header);
            let data = fill(step.size(0));
            step.write(&mut out, &data)
        }
        proto::UDP => {
            let step = step.udp(tuple.src_port, tuple.dst_port);
            let data = fill(step.size(0));
            step.write(&mut out, &data)
        }
        proto::ICMP => {
            let step = step.icmpv4_raw(get(Field::Icmp4Type), get(Field::Icmp4Code), number);
            let data = fill(step.size(0));
            step.write(&mut out, &data)
        }
        proto::ICMPV6 => {
            let (kind, code) = (get(Field::Icmp6Type), get(Field::Icmp6Code));
            match discovery(packet, kind) {
                Some(options) => step
                    .icmpv6_raw(kind, code, [0; 4])
                    .write(&mut out, &options),
                None => {
                    let step = step.icmpv6_raw(kind, code, number);
                    let data = fill(step.size(0));
                    step.write(&mut out, &data)
                }
            }
        }
        protocol => step.write(&mut out, IpNumber(protocol), &fill(34)),
    };
    written.ok().map(|()| out)
}

/// What a message of neighbour discovery holds behind its header (RFC 4861, section 4).
fn discovery(packet: &Fields, kind: u8) -> Option<Vec<u8>> {
    let link = |option: u8, field: Field| {
        let mac = from_number(packet.get(field));
        let known = mac != Mac::ZERO;
        known.then(|| [&[option, 1][..], &mac.0].concat())
    };
    let target = Ipv6Addr::from(packet.get(Field::NdTarget)).octets();
    let (target, link) = match kind {
        nd::ROUTER_SOLICITATION => (&[][..], link(1, Field::NdSll)),
        nd::NEIGHBOR_SOLICITATION => (&target[..], link(1, Field::NdSll)),
        nd::NEIGHBOR_ADVERTISEMENT => (&target[..], link(2, Field::NdTll)),
        _ => return None,
    };
    Some([target, &link.unwrap_or_default()].concat())
}

fn data(payload: &Payload, number: u32) -> Vec<u8> {
    match payload {
        Payload::Dhcp4(message) => dhcp4_message(message, number),
        Payload::Dhcp6(kind) => {
            let [_, transaction @ ..] = number.to_be_bytes();
            // With the client's identifier, without which no server answers (RFC 8415, section 16).
            let client = [0, 1, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, 0, 1];
            [&[*kind][..], &transaction, &client].concat()
        }
        Payload::Dns { name, kind } => question(name, *kind, number),
        Payload::Unknown | Payload::About(_) | Payload::Data => Vec::new(),
    }
}

fn dhcp4_message(message: &Dhcp4, number: u32) -> Vec<u8> {
    let mut bytes = vec![if message.from_server { 2 } else { 1 }, 1, 6, 0];
    bytes.extend(number.to_be_bytes());
    bytes.extend([0, 0, if message.broadcast { 0x80 } else { 0 }, 0]);
    bytes.extend([0; 4]);
    bytes.extend(message.given.octets());
    bytes.extend([0; 4]);
    bytes.extend(message.relay.octets());
    bytes.extend(message.client.0);
    bytes.resize(236, 0);
    bytes.extend([99, 130, 83, 99, 53, 1, message.kind]);
    if !message.wanted.is_unspecified() {
        bytes.extend([50, 4]);
        bytes.extend(message.wanted.octets());
    }
    if let Some(server) = message.server {
        bytes.extend([54, 4]);
        bytes.extend(server.octets());
    }
    bytes.push(255);
    bytes
}

fn question(name: &str, kind: u16, number: u32) -> Vec<u8> {
    let [_, _, id @ ..] = number.to_be_bytes();
    let mut bytes = id.to_vec();
    // A query that wants recursion, with one question.
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.').filter(|it| !it.is_empty()) {
        // A longer label is none (RFC 1035, section 2.3.4).
        let label = &label.as_bytes()[..label.len().min(63)];
        bytes.push(label.len() as u8);
        bytes.extend(label);
    }
    bytes.push(0);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    bytes
}

//! A packet from the bytes of a frame.

use std::net::IpAddr;

use logic::Field;
use packet::{Frame, Net, Transport, nd};

use crate::actions::number;
use crate::conntrack::{Tuple, ports, set_address};
use crate::fields::Fields;

/// Options of neighbour discovery (RFC 4861, section 4.6).
const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;

/// Reads a frame; none when there is no whole Ethernet header. What cannot be read stays zero.
pub fn from_bytes(bytes: &[u8]) -> Option<Fields> {
    let frame = Frame::parse(bytes)?;
    let mut fields = Fields::default()
        .with(Field::EthSrc, number(frame.eth.src))
        .with(Field::EthDst, number(frame.eth.dst))
        .with(Field::EthType, u128::from(frame.ether_type));
    if let Some(tag) = frame.eth.vlan {
        // Bit 12 says that there is a tag.
        fields.set(Field::VlanTci, u128::from(tag | 0x1000));
    }
    match &frame.net {
        Net::Arp(arp) => {
            fields.set(Field::ArpOp, arp.operation.into());
            fields.set(Field::ArpSha, number(arp.sender_mac));
            fields.set(Field::ArpTha, number(arp.target_mac));
            fields.set(Field::ArpSpa, arp.sender_ip.to_bits().into());
            fields.set(Field::ArpTpa, arp.target_ip.to_bits().into());
        }
        Net::Ip(ip) => ip_fields(ip, &mut fields),
        Net::Other => {}
    }
    Some(fields)
}

fn ip_fields(ip: &packet::Ip<'_>, fields: &mut Fields) {
    set_address(fields, false, ip.src);
    set_address(fields, true, ip.dst);
    fields.set(Field::IpProto, ip.protocol.into());
    fields.set(Field::IpTtl, ip.ttl.into());
    fields.set(Field::IpDscp, (ip.tos >> 2).into());
    fields.set(Field::IpEcn, (ip.tos & 3).into());
    let later = ip.fragment && matches!(ip.transport, Transport::Other);
    fields.set(
        Field::IpFrag,
        u128::from(ip.fragment) | u128::from(later) << 1,
    );
    match ip.transport {
        Transport::Tcp {
            src, dst, flags, ..
        } => {
            fields.set(Field::TcpSrc, src.into());
            fields.set(Field::TcpDst, dst.into());
            fields.set(Field::TcpFlags, flags.into());
        }
        Transport::Udp { src, dst, .. } => {
            fields.set(Field::UdpSrc, src.into());
            fields.set(Field::UdpDst, dst.into());
        }
        Transport::Icmp { kind, code, body } => {
            let is_ip4 = matches!(ip.src, IpAddr::V4(_));
            let (kinds, codes) = if is_ip4 {
                (Field::Icmp4Type, Field::Icmp4Code)
            } else {
                (Field::Icmp6Type, Field::Icmp6Code)
            };
            fields.set(kinds, kind.into());
            fields.set(codes, code.into());
            if !is_ip4 && matches!(kind, nd::NEIGHBOR_SOLICITATION | nd::NEIGHBOR_ADVERTISEMENT) {
                neighbour(kind, body, fields);
            }
        }
        Transport::Other => {}
    }
}

/// The addresses and ports of the packet that an ICMP error quotes the beginning of.
pub(crate) fn quoted(bytes: &[u8]) -> Option<Tuple> {
    let is_ip4 = bytes.first()? >> 4 == 4;
    let (protocol, addresses, rest) = if is_ip4 {
        let length = usize::from(bytes[0] & 0xf) * 4;
        (*bytes.get(9)?, bytes.get(12..20)?, bytes.get(length..)?)
    } else {
        (*bytes.get(6)?, bytes.get(8..40)?, bytes.get(40..)?)
    };
    let (src, dst) = addresses.split_at(addresses.len() / 2);
    let address = |bytes: &[u8]| -> Option<IpAddr> {
        Some(if is_ip4 {
            <[u8; 4]>::try_from(bytes).ok()?.into()
        } else {
            <[u8; 16]>::try_from(bytes).ok()?.into()
        })
    };
    let port = |at: usize| {
        let bytes = rest.get(at..at + 2).and_then(|it| it.try_into().ok());
        bytes.map_or(0, u16::from_be_bytes)
    };
    let has_ports = ports(protocol).is_some();
    Some(Tuple {
        src: address(src)?,
        dst: address(dst)?,
        protocol,
        src_port: if has_ports { port(0) } else { 0 },
        dst_port: if has_ports { port(2) } else { 0 },
    })
}

/// Target and link-layer option of a solicitation or advertisement (RFC 4861, section 4).
fn neighbour(kind: u8, body: &[u8], fields: &mut Fields) {
    let Some(target) = body.get(4..20).and_then(|it| <[u8; 16]>::try_from(it).ok()) else {
        return;
    };
    fields.set(Field::NdTarget, u128::from_be_bytes(target));
    let (option, field) = if kind == nd::NEIGHBOR_SOLICITATION {
        (SOURCE_LINK_LAYER, Field::NdSll)
    } else {
        (TARGET_LINK_LAYER, Field::NdTll)
    };
    let mut rest = &body[20..];
    while let [code, length, ..] = *rest
        && length > 0
    {
        let length = usize::from(length) * 8;
        if code == option
            && let Some(mac) = rest.get(2..8).and_then(|it| <[u8; 6]>::try_from(it).ok())
        {
            fields.set(field, number(packet::Mac(mac)));
        }
        rest = rest.get(length..).unwrap_or_default();
    }
}

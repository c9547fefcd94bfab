//! What a frame says, without copying it.
//!
//! A frame that is cut short or lies about its lengths yields the layers that could be read; the
//! rest is `Other`.

use std::net::{IpAddr, Ipv4Addr};

use etherparse::{LaxNetSlice, LaxSlicedPacket, LinkSlice, TransportSlice};

use crate::{Ethernet, Mac, ether_type};

/// One Ethernet frame, read.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// The whole frame.
    pub bytes: &'a [u8],
    /// Addresses and the outermost VLAN tag.
    pub eth: Ethernet,
    /// The EtherType behind all VLAN tags that could be read.
    pub ether_type: u16,
    /// The network layer.
    pub net: Net<'a>,
}

/// The network layer of a frame.
#[derive(Clone, Debug)]
pub enum Net<'a> {
    /// ARP for IPv4 over Ethernet.
    Arp(Arp),
    /// IPv4 or IPv6.
    Ip(Ip<'a>),
    /// Anything else, or not readable.
    Other,
}

/// An ARP packet for IPv4 over Ethernet (RFC 826).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// 1 is a request, 2 a reply.
    pub operation: u16,
    /// Sender's Ethernet address.
    pub sender_mac: Mac,
    /// Sender's protocol address.
    pub sender_ip: Ipv4Addr,
    /// Target's Ethernet address; zero in requests.
    pub target_mac: Mac,
    /// Target's protocol address.
    pub target_ip: Ipv4Addr,
}

/// An IP packet.
#[derive(Clone, Debug)]
pub struct Ip<'a> {
    /// Source address.
    pub src: IpAddr,
    /// Destination address; of the same family as `src`.
    pub dst: IpAddr,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// DSCP and ECN together.
    pub tos: u8,
    /// The protocol of the transport layer (behind IPv6 extension headers).
    pub protocol: u8,
    /// True for every fragment of a fragmented packet.
    pub fragment: bool,
    /// The IP packet, header included, trimmed to the length that it states.
    pub datagram: &'a [u8],
    /// The transport layer; `Other` in later fragments.
    pub transport: Transport<'a>,
}

/// The transport layer of an IP packet.
#[derive(Clone, Debug)]
pub enum Transport<'a> {
    /// A TCP segment.
    Tcp {
        /// Source port.
        src: u16,
        /// Destination port.
        dst: u16,
        /// Sequence number.
        seq: u32,
        /// Acknowledgement number, when the flag says that it holds.
        ack: Option<u32>,
        /// The flag octet: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32.
        flags: u8,
        /// Data behind the header.
        payload: &'a [u8],
    },
    /// A UDP datagram.
    Udp {
        /// Source port.
        src: u16,
        /// Destination port.
        dst: u16,
        /// Data behind the header.
        payload: &'a [u8],
    },
    /// ICMP or ICMPv6, as `Ip::protocol` says.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// Everything behind type, code and checksum.
        body: &'a [u8],
    },
    /// Anything else, or not readable.
    Other,
}

impl<'a> Frame<'a> {
    /// Reads a frame; `None` only when there is no whole Ethernet header.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let sliced = LaxSlicedPacket::from_ethernet(bytes).ok()?;
        let Some(LinkSlice::Ethernet2(link)) = &sliced.link else {
            return None;
        };
        let mut kind = link.ether_type().0;
        let mut offset = 14;
        let mut vlan = None;
        while matches!(kind, ether_type::VLAN | 0x88a8) {
            let Some(tag) = bytes.get(offset..offset + 4) else {
                break;
            };
            vlan = vlan.or_else(|| Some(u16::from_be_bytes([tag[0], tag[1]])));
            kind = u16::from_be_bytes([tag[2], tag[3]]);
            offset += 4;
        }
        let eth = Ethernet {
            src: Mac(link.source()),
            dst: Mac(link.destination()),
            vlan,
        };
        Some(Self {
            bytes,
            eth,
            ether_type: kind,
            net: net(&sliced, &bytes[offset..]),
        })
    }

    /// The IP layer, when there is one.
    pub fn ip(&self) -> Option<&Ip<'a>> {
        match &self.net {
            Net::Ip(ip) => Some(ip),
            _ => None,
        }
    }

    /// The ARP layer, when there is one.
    pub fn arp(&self) -> Option<&Arp> {
        match &self.net {
            Net::Arp(arp) => Some(arp),
            _ => None,
        }
    }
}

fn net<'a>(sliced: &LaxSlicedPacket<'a>, l3: &'a [u8]) -> Net<'a> {
    let transport = || transport(sliced.transport.as_ref());
    match &sliced.net {
        Some(LaxNetSlice::Arp(arp)) => match arp.to_packet().try_eth_ipv4() {
            Ok(a) => Net::Arp(Arp {
                operation: a.operation.0,
                sender_mac: Mac(a.sender_mac),
                sender_ip: a.sender_ipv4.into(),
                target_mac: Mac(a.target_mac),
                target_ip: a.target_ipv4.into(),
            }),
            Err(_) => Net::Other,
        },
        Some(LaxNetSlice::Ipv4(ip)) => {
            let h = ip.header();
            Net::Ip(Ip {
                src: h.source_addr().into(),
                dst: h.destination_addr().into(),
                ttl: h.ttl(),
                tos: h.dcp().value() << 2 | h.ecn().value(),
                protocol: ip.payload_ip_number().0,
                fragment: ip.is_payload_fragmented(),
                datagram: trim(l3, usize::from(h.total_len())),
                transport: transport(),
            })
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            let h = ip.header();
            Net::Ip(Ip {
                src: h.source_addr().into(),
                dst: h.destination_addr().into(),
                ttl: h.hop_limit(),
                tos: h.traffic_class(),
                protocol: ip.payload().ip_number.0,
                fragment: ip.is_payload_fragmented(),
                datagram: trim(l3, 40 + usize::from(h.payload_length())),
                transport: transport(),
            })
        }
        None => Net::Other,
    }
}

/// Ethernet pads short frames: the length that the header states ends the packet.
fn trim(l3: &[u8], stated: usize) -> &[u8] {
    &l3[..stated.min(l3.len())]
}

fn transport<'a>(slice: Option<&TransportSlice<'a>>) -> Transport<'a> {
    match slice {
        Some(TransportSlice::Tcp(t)) => Transport::Tcp {
            src: t.source_port(),
            dst: t.destination_port(),
            seq: t.sequence_number(),
            ack: t.ack().then(|| t.acknowledgment_number()),
            flags: t.header_slice().get(13).copied().unwrap_or_default(),
            payload: t.payload(),
        },
        Some(TransportSlice::Udp(u)) => Transport::Udp {
            src: u.source_port(),
            dst: u.destination_port(),
            payload: u.payload(),
        },
        Some(TransportSlice::Icmpv4(i)) => Transport::Icmp {
            kind: i.type_u8(),
            code: i.code_u8(),
            body: i.slice().get(4..).unwrap_or_default(),
        },
        Some(TransportSlice::Icmpv6(i)) => Transport::Icmp {
            kind: i.type_u8(),
            code: i.code_u8(),
            body: i.slice().get(4..).unwrap_or_default(),
        },
        _ => Transport::Other,
    }
}

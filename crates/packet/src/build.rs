//! What every builder shares: the Ethernet header, VLAN tags, IP over it.

use std::net::IpAddr;

use etherparse::{IpHeaders, Ipv4Header, Ipv6Header, PacketBuilder, PacketBuilderStep};

use crate::Mac;

/// The Ethernet header of a frame to build, or of one that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ethernet {
    /// Source address.
    pub src: Mac,
    /// Destination address.
    pub dst: Mac,
    /// Tag control information of the outermost VLAN tag (priority, DEI and VLAN id).
    pub vlan: Option<u16>,
}

impl Ethernet {
    /// An untagged header.
    pub fn new(src: Mac, dst: Mac) -> Self {
        Self {
            src,
            dst,
            vlan: None,
        }
    }

    /// The header of an answer: addresses exchanged, same tag.
    pub fn reversed(self) -> Self {
        Self {
            src: self.dst,
            dst: self.src,
            vlan: self.vlan,
        }
    }
}

/// Puts an 802.1Q tag behind the addresses of an untagged frame.
pub fn with_vlan(mut frame: Vec<u8>, tci: Option<u16>) -> Vec<u8> {
    if let (Some(tci), true) = (tci, frame.len() >= 12) {
        let [a, b] = tci.to_be_bytes();
        frame.splice(12..12, [0x81, 0x00, a, b]);
    }
    frame
}

/// Source and destination of one family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
}

/// Begins an IP packet; `None` when the families of the addresses differ.
pub(crate) fn ip(eth: Ethernet, a: Addresses, ttl: u8) -> Option<PacketBuilderStep<IpHeaders>> {
    let header = match (a.src, a.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => IpHeaders::Ipv4(
            Ipv4Header {
                time_to_live: ttl,
                source: src.octets(),
                destination: dst.octets(),
                ..Ipv4Header::default()
            },
            Default::default(),
        ),
        (IpAddr::V6(src), IpAddr::V6(dst)) => IpHeaders::Ipv6(
            Ipv6Header {
                hop_limit: ttl,
                source: src.octets(),
                destination: dst.octets(),
                ..Ipv6Header::default()
            },
            Default::default(),
        ),
        _ => return None,
    };
    Some(PacketBuilder::ethernet2(eth.src.0, eth.dst.0).ip(header))
}

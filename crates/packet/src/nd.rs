//! Neighbour discovery for IPv6 (RFC 4861): solicitations and advertisements of neighbours and
//! routers.

use std::net::Ipv6Addr;

use crate::build::{Addresses, ip};
use crate::{Ethernet, Mac, Transport, proto, with_vlan};

/// ICMPv6 type of a router solicitation.
pub const ROUTER_SOLICITATION: u8 = 133;
/// ICMPv6 type of a router advertisement.
pub const ROUTER_ADVERTISEMENT: u8 = 134;
/// ICMPv6 type of a neighbour solicitation.
pub const NEIGHBOR_SOLICITATION: u8 = 135;
/// ICMPv6 type of a neighbour advertisement.
pub const NEIGHBOR_ADVERTISEMENT: u8 = 136;

const OPT_SOURCE_LINK: u8 = 1;
const OPT_TARGET_LINK: u8 = 2;
const OPT_PREFIX: u8 = 3;
const OPT_MTU: u8 = 5;

/// Flags of a neighbour advertisement (section 4.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NaFlags {
    /// The sender is a router.
    pub router: bool,
    /// Answers a solicitation.
    pub solicited: bool,
    /// Replaces what the receiver has cached.
    pub override_cache: bool,
}

/// A neighbour discovery message that was read; link-layer options where they are present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Who has `target`?
    NeighborSolicitation {
        /// The address asked for.
        target: Ipv6Addr,
        /// Source link-layer address option.
        source: Option<Mac>,
    },
    /// `target` is at ...
    NeighborAdvertisement {
        /// The address announced.
        target: Ipv6Addr,
        /// Flags of the message.
        flags: NaFlags,
        /// Target link-layer address option.
        link: Option<Mac>,
    },
    /// Are there routers?
    RouterSolicitation {
        /// Source link-layer address option.
        source: Option<Mac>,
    },
    /// Here is a router.
    RouterAdvertisement {
        /// Router lifetime in seconds; zero: not a default router.
        lifetime: u16,
        /// Source link-layer address option.
        source: Option<Mac>,
    },
}

/// A prefix information option (section 4.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Prefix bits; the rest must be zero.
    pub address: Ipv6Addr,
    /// Length of the prefix in bits, at most 128.
    pub length: u8,
    /// L (0x80) and A (0x40) flags.
    pub flags: u8,
    /// Seconds.
    pub valid: u32,
    /// Seconds.
    pub preferred: u32,
}

/// What a router advertisement says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterAdvertisement {
    /// Current hop limit for hosts; 0 is unspecified.
    pub hop_limit: u8,
    /// M (0x80), O (0x40) and preference bits.
    pub flags: u8,
    /// Router lifetime in seconds.
    pub lifetime: u16,
    /// Source link-layer address option.
    pub source: Option<Mac>,
    /// MTU option.
    pub mtu: Option<u32>,
    /// Prefix options.
    pub prefixes: Vec<Prefix>,
}

/// Reads a neighbour discovery message; `None` when it is none or is cut short.
pub fn parse(transport: &Transport<'_>) -> Option<Message> {
    let Transport::Icmp {
        kind,
        code: 0,
        body,
    } = *transport
    else {
        return None;
    };
    match kind {
        NEIGHBOR_SOLICITATION => Some(Message::NeighborSolicitation {
            target: address(body.get(4..20)?)?,
            source: link_option(&body[20..], OPT_SOURCE_LINK),
        }),
        NEIGHBOR_ADVERTISEMENT => Some(Message::NeighborAdvertisement {
            target: address(body.get(4..20)?)?,
            flags: NaFlags {
                router: body[0] & 0x80 != 0,
                solicited: body[0] & 0x40 != 0,
                override_cache: body[0] & 0x20 != 0,
            },
            link: link_option(&body[20..], OPT_TARGET_LINK),
        }),
        ROUTER_SOLICITATION => Some(Message::RouterSolicitation {
            source: link_option(body.get(4..)?, OPT_SOURCE_LINK),
        }),
        ROUTER_ADVERTISEMENT => {
            let options = body.get(12..)?;
            Some(Message::RouterAdvertisement {
                lifetime: u16::from_be_bytes([body[2], body[3]]),
                source: link_option(options, OPT_SOURCE_LINK),
            })
        }
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<Ipv6Addr> {
    <[u8; 16]>::try_from(bytes).ok().map(Ipv6Addr::from)
}

/// Options are type, length in units of eight octets (zero is invalid), data.
fn link_option(mut options: &[u8], wanted: u8) -> Option<Mac> {
    while let [kind, units, ..] = *options {
        let len = usize::from(units) * 8;
        if len == 0 || len > options.len() {
            return None;
        }
        if kind == wanted {
            return <[u8; 6]>::try_from(&options[2..8]).ok().map(Mac);
        }
        options = &options[len..];
    }
    None
}

/// The solicited-node multicast address of an address (RFC 4291 section 2.7.1).
pub fn solicited_node(ip: Ipv6Addr) -> Ipv6Addr {
    let o = ip.octets();
    let tail = u16::from_be_bytes([o[14], o[15]]);
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(o[13]), tail)
}

/// A solicitation for `target`, sent to its solicited-node group.
pub fn neighbor_solicitation(src_mac: Mac, src: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let dst = solicited_node(target);
    let eth = Ethernet::new(src_mac, Mac::of_ipv6_multicast(dst));
    let mut payload = target.octets().to_vec();
    put_link(&mut payload, OPT_SOURCE_LINK, src_mac);
    message(eth, src, dst, NEIGHBOR_SOLICITATION, [0; 4], &payload)
}

/// An advertisement that `target` is at `link`.
pub fn neighbor_advertisement(
    eth: Ethernet,
    src: Ipv6Addr,
    dst: Ipv6Addr,
    target: Ipv6Addr,
    flags: NaFlags,
    link: Mac,
) -> Vec<u8> {
    let bits = u8::from(flags.router) << 7
        | u8::from(flags.solicited) << 6
        | u8::from(flags.override_cache) << 5;
    let mut payload = target.octets().to_vec();
    put_link(&mut payload, OPT_TARGET_LINK, link);
    message(
        eth,
        src,
        dst,
        NEIGHBOR_ADVERTISEMENT,
        [bits, 0, 0, 0],
        &payload,
    )
}

/// A solicitation for routers, sent to the all-routers group.
pub fn router_solicitation(src_mac: Mac, src: Ipv6Addr) -> Vec<u8> {
    let dst = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
    let eth = Ethernet::new(src_mac, Mac::of_ipv6_multicast(dst));
    let mut payload = Vec::new();
    // A source link-layer option must not accompany the unspecified address (section 4.1).
    if !src.is_unspecified() {
        put_link(&mut payload, OPT_SOURCE_LINK, src_mac);
    }
    message(eth, src, dst, ROUTER_SOLICITATION, [0; 4], &payload)
}

/// A router advertisement.
pub fn router_advertisement(
    eth: Ethernet,
    src: Ipv6Addr,
    dst: Ipv6Addr,
    ra: &RouterAdvertisement,
) -> Vec<u8> {
    let [hi, lo] = ra.lifetime.to_be_bytes();
    // Reachable and retransmission times stay unspecified (zero).
    let mut payload = vec![0; 8];
    if let Some(mac) = ra.source {
        put_link(&mut payload, OPT_SOURCE_LINK, mac);
    }
    if let Some(mtu) = ra.mtu {
        payload.extend([OPT_MTU, 1, 0, 0]);
        payload.extend(mtu.to_be_bytes());
    }
    for p in &ra.prefixes {
        payload.extend([OPT_PREFIX, 4, p.length.min(128), p.flags]);
        payload.extend(p.valid.to_be_bytes());
        payload.extend(p.preferred.to_be_bytes());
        payload.extend([0; 4]);
        payload.extend(p.address.octets());
    }
    message(
        eth,
        src,
        dst,
        ROUTER_ADVERTISEMENT,
        [ra.hop_limit, ra.flags, hi, lo],
        &payload,
    )
}

fn put_link(payload: &mut Vec<u8>, option: u8, mac: Mac) {
    payload.extend([option, 1]);
    payload.extend(mac.0);
}

/// Neighbour discovery is only valid with hop limit 255 (section 3.1).
fn message(
    eth: Ethernet,
    src: Ipv6Addr,
    dst: Ipv6Addr,
    kind: u8,
    head: [u8; 4],
    payload: &[u8],
) -> Vec<u8> {
    let addresses = Addresses {
        src: src.into(),
        dst: dst.into(),
    };
    let step = ip(eth, addresses, 255)
        .expect("both addresses are IPv6")
        .icmpv6_raw(kind, 0, head);
    let mut out = Vec::with_capacity(step.size(payload.len()) + 4);
    step.write(&mut out, payload)
        .expect("a vector takes it, and the message is far below 64 KiB");
    debug_assert_eq!(out.get(20).copied(), Some(proto::ICMPV6));
    with_vlan(out, eth.vlan)
}

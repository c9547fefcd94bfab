//! ICMP (RFC 792) and ICMPv6 (RFC 4443): errors that quote a packet, and echo replies.

use std::net::IpAddr;

use crate::build::{Addresses, ip};
use crate::{Ethernet, Ip, Transport, proto, with_vlan};

/// Type and code of an ICMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Type, in the numbering of the family.
    pub kind: u8,
    /// Code.
    pub code: u8,
}

/// ICMPv4: destination unreachable.
pub const V4_UNREACHABLE: u8 = 3;
/// ICMPv4: time exceeded.
pub const V4_TIME_EXCEEDED: u8 = 11;
/// ICMPv6: destination unreachable.
pub const V6_UNREACHABLE: u8 = 1;
/// ICMPv6: packet too big.
pub const V6_TOO_BIG: u8 = 2;
/// ICMPv6: time exceeded.
pub const V6_TIME_EXCEEDED: u8 = 3;

/// An ICMPv4 error stays within 576 octets (RFC 1812 section 4.3.2.3).
const V4_LIMIT: usize = 576;
/// An ICMPv6 error stays within the minimum MTU (RFC 4443 section 2.4 c).
const V6_LIMIT: usize = 1280;

/// The "host unreachable" (IPv4) or "administratively prohibited" (IPv6) error, or "port
/// unreachable" for UDP: what a host answers to a datagram that it refuses.
pub fn unreachable(original: &Ip<'_>) -> Kind {
    let udp = original.protocol == proto::UDP;
    match original.src {
        IpAddr::V4(_) => Kind {
            kind: V4_UNREACHABLE,
            code: if udp { 3 } else { 1 },
        },
        IpAddr::V6(_) => Kind {
            kind: V6_UNREACHABLE,
            code: if udp { 4 } else { 1 },
        },
    }
}

/// An ICMP error from `src` to `dst` that quotes as much of `original` as the limits allow.
///
/// `word` is the second word of the header: the MTU in "fragmentation needed" (low 16 bits) and
/// "packet too big", zero elsewhere. `None` when the three families differ.
pub fn error(
    eth: Ethernet,
    src: IpAddr,
    dst: IpAddr,
    kind: Kind,
    word: u32,
    original: &Ip<'_>,
) -> Option<Vec<u8>> {
    let (v4, header, limit) = match original.src {
        IpAddr::V4(_) => (true, 20 + 8, V4_LIMIT),
        IpAddr::V6(_) => (false, 40 + 8, V6_LIMIT),
    };
    if src.is_ipv4() != v4 {
        return None;
    }
    let quote = &original.datagram[..original.datagram.len().min(limit - header)];
    message(eth, Addresses { src, dst }, kind, word.to_be_bytes(), quote)
}

/// The reply to an echo request; `None` when `request` is none.
pub fn echo_reply(eth: Ethernet, request: &Ip<'_>) -> Option<Vec<u8>> {
    let Transport::Icmp {
        kind,
        code: 0,
        body,
    } = request.transport
    else {
        return None;
    };
    let reply = match (request.src, kind) {
        (IpAddr::V4(_), 8) => 0,
        (IpAddr::V6(_), 128) => 129,
        _ => return None,
    };
    let (head, data) = body.split_first_chunk::<4>()?;
    let addresses = Addresses {
        src: request.dst,
        dst: request.src,
    };
    message(
        eth.reversed(),
        addresses,
        Kind {
            kind: reply,
            code: 0,
        },
        *head,
        data,
    )
}

fn message(
    eth: Ethernet,
    addresses: Addresses,
    Kind { kind, code }: Kind,
    head: [u8; 4],
    payload: &[u8],
) -> Option<Vec<u8>> {
    let v4 = addresses.src.is_ipv4();
    let step = ip(eth, addresses, 255)?;
    let mut out = Vec::with_capacity(payload.len() + 14 + 4 + 40 + 8);
    if v4 {
        step.icmpv4_raw(kind, code, head)
            .write(&mut out, payload)
            .ok()?;
    } else {
        step.icmpv6_raw(kind, code, head)
            .write(&mut out, payload)
            .ok()?;
    }
    Some(with_vlan(out, eth.vlan))
}

//! Refusals: ICMP errors and TCP resets made from the packet that is refused.
//!
//! Asked for by `icmp4 { ... }` and its kin, the flow's nested actions turn addresses around, so the
//! packet keeps the direction of the original one. `reject` turns them around here.

use packet::{Ethernet, Frame, Ip, Transport, icmp, proto, tcp};
use physical::opcode::Opcode;

/// Which code an ICMP error starts with; nested actions may change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// "Port unreachable" for UDP.
    ByProtocol,
    /// Always code 1.
    Fixed,
}

impl Kind {
    pub(super) fn of(opcode: Opcode) -> Self {
        if opcode == Opcode::Icmp {
            Self::ByProtocol
        } else {
            Self::Fixed
        }
    }
}

/// An ICMP error that quotes the packet.
pub(super) fn icmp(frame: &Frame<'_>, kind: Kind, turn: bool) -> Result<Vec<u8>, String> {
    let ip = frame.ip().ok_or("not an IP packet")?;
    let (eth, src, dst) = direction(frame, ip, turn);
    let mut what = icmp::unreachable(ip);
    if kind == Kind::Fixed {
        what.code = 1;
    }
    icmp::error(eth, src, dst, what, 0, ip).ok_or_else(|| "cannot be quoted".into())
}

/// The reset of a TCP connection.
pub(super) fn tcp_reset(frame: &Frame<'_>, turn: bool) -> Result<Vec<u8>, String> {
    let ip = frame.ip().ok_or("not an IP packet")?;
    let (eth, src, dst) = direction(frame, ip, turn);
    tcp::reset(eth, src, dst, ip).ok_or_else(|| "not a TCP segment that can be reset".into())
}

/// The refusal that fits the protocol; none for packets that are refusals themselves, so that two
/// sides never refuse each other for ever.
pub(super) fn reject(frame: &Frame<'_>) -> Result<Option<Vec<u8>>, String> {
    let ip = frame.ip().ok_or("not an IP packet")?;
    match (ip.protocol, &ip.transport) {
        (proto::TCP, Transport::Tcp { flags, .. }) if flags & tcp::RST != 0 => Ok(None),
        (proto::TCP, _) => tcp_reset(frame, true).map(Some),
        (
            proto::ICMP,
            Transport::Icmp {
                kind: icmp::V4_UNREACHABLE,
                ..
            },
        )
        | (
            proto::ICMPV6,
            Transport::Icmp {
                kind: icmp::V6_UNREACHABLE,
                ..
            },
        )
        | (proto::ICMP | proto::ICMPV6, Transport::Other) => Ok(None),
        _ => icmp(frame, Kind::ByProtocol, true).map(Some),
    }
}

fn direction(
    frame: &Frame<'_>,
    ip: &Ip<'_>,
    turn: bool,
) -> (Ethernet, std::net::IpAddr, std::net::IpAddr) {
    if turn {
        (frame.eth.reversed(), ip.dst, ip.src)
    } else {
        (frame.eth, ip.src, ip.dst)
    }
}

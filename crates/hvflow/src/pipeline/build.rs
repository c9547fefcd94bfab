//! The words that flows of this pipeline are made of.

use ipnet::IpNet;
use openflow::action::{Ct, CtZone, Nat};
use openflow::{Action, Field, FieldValue, Match, Subfield};

use super::{BITS, MARK_INBOUND, bit, zone};

/// Protocol numbers and ICMPv6 types that the pipeline itself speaks of.
const ICMPV6: u8 = 58;
pub(super) const ND_SOLICIT: u8 = 135;
pub(super) const ND_ADVERT: u8 = 136;
/// Router solicitation and advertisement, neighbour solicitation and advertisement, redirect (RFC 4861).
pub(super) const ND_TYPES: [u8; 5] = [133, 134, ND_SOLICIT, ND_ADVERT, 137];

/// Reports of listeners to multicast groups: of version 1, that one is done, and of version 2 (RFC 3810).
pub(super) const MLD_TYPES: [u8; 3] = [131, 132, 143];

/// IPv4 and IPv6.
pub(super) const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// A version of IP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) const fn of(net: IpNet) -> Self {
        match net {
            IpNet::V4(_) => Self::V4,
            IpNet::V6(_) => Self::V6,
        }
    }

    /// All packets of it.
    pub(super) fn packets(self, matches: Match) -> Match {
        match self {
            Self::V4 => matches.ip(),
            Self::V6 => matches.ipv6(),
        }
    }
}

/// Which side of a packet an address is on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
}

/// Packets with an address of `net` on a side.
pub(super) fn with_address(matches: Match, side: Side, net: IpNet) -> Match {
    let matches = Family::of(net).packets(matches);
    if net.prefix_len() == 0 {
        return matches;
    }
    let (value, mask): (u128, u128) = match net {
        IpNet::V4(net) => (
            net.network().to_bits().into(),
            net.netmask().to_bits().into(),
        ),
        IpNet::V6(net) => (net.network().to_bits(), net.netmask().to_bits()),
    };
    let field = match (net, side) {
        (IpNet::V4(_), Side::Source) => Field::IpSrc,
        (IpNet::V4(_), Side::Destination) => Field::IpDst,
        (IpNet::V6(_), Side::Source) => Field::Ipv6Src,
        (IpNet::V6(_), Side::Destination) => Field::Ipv6Dst,
    };
    matches.with_masked(field, value, mask)
}

/// Packets of a type of ICMPv6.
pub(super) fn icmpv6(matches: Match, kind: u8) -> Match {
    matches
        .ipv6()
        .ip_proto(ICMPV6)
        .with(Field::Icmpv6Type, kind)
}

/// Packets of a type of ICMPv6 that come from no further than the link (RFC 4861, section 7.1).
pub(super) fn nd(matches: Match, kind: u8) -> Match {
    icmpv6(matches, kind).with(Field::IpTtl, 255u8)
}

/// Packets whose bits of register 2, those of `mask`, are as in `value`.
pub(super) fn with_bits(matches: Match, value: u32, mask: u32) -> Match {
    matches.with_masked(BITS, value, mask)
}

/// Packets that came from a machine and are not yet located.
pub(super) fn from_machine() -> Match {
    with_bits(Match::new(), 0, bit::TO_MACHINE | bit::FROM_UPLINK)
}

/// Sets the bits of `mask` in register 2 to those of `value`.
pub(super) fn set_bits(value: u32, mask: u32) -> Action {
    Action::SetField(FieldValue::masked(BITS, value.into(), mask.into()))
}

/// A packet stays as it is and goes on in a later table.
pub(super) fn goto(table: u8) -> Vec<Action> {
    vec![Action::GotoTable(table)]
}

/// Through the connection tracker, and on in `table`; known connections are translated as they were before.
pub(super) fn track(table: u8) -> Action {
    Action::Ct(Box::new(Ct {
        zone: CtZone::Field(zone()),
        table: Some(table),
        actions: vec![Action::Nat(Box::default())],
        ..Ct::default()
    }))
}

/// Makes the connection known, with who opened it. A translation takes effect when the packet comes back in `table`.
pub(super) fn commit(inbound: bool, translation: Option<(Nat, u8)>) -> Action {
    let mark = if inbound { MARK_INBOUND } else { 0 };
    let mark = Action::set_field(Field::CtMark, mark);
    let table = translation.as_ref().map(|(_, table)| *table);
    let nat = translation.map(|(nat, _)| Action::Nat(Box::new(nat)));
    Action::Ct(Box::new(Ct {
        commit: true,
        zone: CtZone::Field(zone()),
        table,
        actions: nat.into_iter().chain([mark]).collect(),
        ..Ct::default()
    }))
}

/// Copies bits.
pub(super) fn copy(source: impl Into<Subfield>, destination: impl Into<Subfield>) -> Action {
    Action::mov(source, destination)
}

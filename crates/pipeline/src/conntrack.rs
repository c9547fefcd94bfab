//! Connections as a switch tracks them: zones, tuples in both directions, translations.
//!
//! Bits of the state are those of `ct_state` in ovs-fields(7).

use std::net::IpAddr;

use logic::Field;
use rustc_hash::FxHashMap;

use crate::fields::Fields;
use crate::network::{ChassisId, DatapathId, PortId};
use crate::payload::is_error;

/// The bits of `ct_state`.
pub(crate) mod bit {
    pub(crate) const NEW: u32 = 1;
    pub(crate) const EST: u32 = 1 << 1;
    pub(crate) const REL: u32 = 1 << 2;
    pub(crate) const RPL: u32 = 1 << 3;
    pub(crate) const INV: u32 = 1 << 4;
    pub(crate) const TRK: u32 = 1 << 5;
    pub(crate) const SNAT: u32 = 1 << 6;
    pub(crate) const DNAT: u32 = 1 << 7;
}

/// The names of the bits of `ct_state`, from the lowest.
pub const STATE_NAMES: [&str; 8] = ["new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"];

/// A zone: connections of different zones do not know each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ZoneId {
    /// Of a logical switch port, for its filter.
    Port(PortId),
    /// For destination translation of a datapath, and whatever a router tracks in its common zone.
    Dnat(DatapathId),
    /// For source translation of a datapath.
    Snat(DatapathId),
}

/// A zone where it is: each chassis tracks connections for itself. None is the whole network as one place.
pub(crate) type PlacedZone = (ZoneId, Option<ChassisId>);

/// One direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// IP protocol.
    pub protocol: u8,
    /// Source port, or ICMP identifier (not modelled: 0).
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
}

/// What is remembered of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The direction of the first packet, as it was before translation.
    pub original: Tuple,
    /// The other direction, as its packets are before they are translated back.
    pub reply: Tuple,
    /// `ct_mark`.
    pub mark: u32,
    /// `ct_label`.
    pub label: u128,
    /// Whether a reply was seen.
    pub replied: bool,
}

/// All connections.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    entries: FxHashMap<u32, (PlacedZone, Connection)>,
    by_tuple: FxHashMap<(PlacedZone, Tuple), (u32, bool)>,
    next: u32,
}

/// What a look-up found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) id: Option<u32>,
    pub(crate) state: u32,
    /// Whether the packet goes in the direction of the reply.
    pub(crate) is_reply: bool,
    /// Whether it is not of the connection, but tells of one of its packets.
    pub(crate) is_related: bool,
}

impl Tuple {
    /// The tuple of an IP packet.
    pub fn of(packet: &Fields) -> Option<Self> {
        let (src, dst) = match packet.get(Field::EthType) {
            0x800 => (
                IpAddr::V4((packet.get(Field::Ip4Src) as u32).into()),
                IpAddr::V4((packet.get(Field::Ip4Dst) as u32).into()),
            ),
            0x86dd => (
                IpAddr::V6(packet.get(Field::Ip6Src).into()),
                IpAddr::V6(packet.get(Field::Ip6Dst).into()),
            ),
            _ => return None,
        };
        let protocol = packet.get(Field::IpProto) as u8;
        let ports = ports(protocol).map_or((0, 0), |(src, dst)| {
            (packet.get(src) as u16, packet.get(dst) as u16)
        });
        Some(Self {
            src,
            dst,
            protocol,
            src_port: ports.0,
            dst_port: ports.1,
        })
    }

    /// The same in the other direction.
    pub const fn reversed(self) -> Self {
        Self {
            src: self.dst,
            dst: self.src,
            protocol: self.protocol,
            src_port: self.dst_port,
            dst_port: self.src_port,
        }
    }

    /// Gives a packet these addresses and ports.
    pub(crate) fn apply(self, packet: &mut Fields) {
        set_address(packet, false, self.src);
        set_address(packet, true, self.dst);
        if let Some((src, dst)) = ports(self.protocol) {
            packet.set(src, self.src_port.into());
            packet.set(dst, self.dst_port.into());
        }
    }
}

/// The type of an ICMP packet.
fn icmp_type(packet: &Fields, is_ip4: bool) -> u8 {
    let field = if is_ip4 {
        Field::Icmp4Type
    } else {
        Field::Icmp6Type
    };
    packet.get(field) as u8
}

/// Sets the source or destination address of an IP packet.
pub(crate) fn set_address(packet: &mut Fields, destination: bool, address: IpAddr) {
    let (field, value) = match (address, destination) {
        (IpAddr::V4(it), false) => (Field::Ip4Src, it.to_bits().into()),
        (IpAddr::V4(it), true) => (Field::Ip4Dst, it.to_bits().into()),
        (IpAddr::V6(it), false) => (Field::Ip6Src, it.to_bits()),
        (IpAddr::V6(it), true) => (Field::Ip6Dst, it.to_bits()),
    };
    packet.set(field, value);
}

/// The fields of source and destination port.
pub(crate) const fn ports(protocol: u8) -> Option<(Field, Field)> {
    match protocol {
        6 => Some((Field::TcpSrc, Field::TcpDst)),
        17 => Some((Field::UdpSrc, Field::UdpDst)),
        132 => Some((Field::SctpSrc, Field::SctpDst)),
        _ => None,
    }
}

impl Connections {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (ZoneId, &Connection)> {
        self.entries.values().map(|((zone, _), it)| (*zone, it))
    }

    /// What a zone knows of a packet; `about` is the packet that an ICMP error is about.
    pub(crate) fn find(
        &mut self,
        zone: PlacedZone,
        packet: &Fields,
        about: Option<Tuple>,
    ) -> Found {
        let unknown = |state| Found {
            id: None,
            state: bit::TRK | state,
            is_reply: false,
            is_related: false,
        };
        let Some(tuple) = Tuple::of(packet) else {
            return unknown(bit::INV);
        };
        let is_related = is_error(tuple.protocol, icmp_type(packet, tuple.src.is_ipv4()));
        let key = if is_related {
            // It goes against the direction of what it is about.
            about.map(Tuple::reversed)
        } else {
            Some(tuple)
        };
        let known = key.and_then(|key| self.by_tuple.get(&(zone, key)).copied());
        let Some((id, is_reply)) = known else {
            return unknown(if is_related { bit::INV } else { bit::NEW });
        };
        let Some((_, connection)) = self.entries.get_mut(&id) else {
            return unknown(bit::NEW);
        };
        connection.replied |= is_reply && !is_related;
        let known = match (is_related, connection.replied) {
            (true, _) => bit::REL,
            (false, true) => bit::EST,
            (false, false) => bit::NEW,
        };
        let direction = if is_reply { bit::RPL } else { 0 };
        Found {
            id: Some(id),
            state: bit::TRK | known | direction,
            is_reply,
            is_related,
        }
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Connection> {
        self.entries.get(&id).map(|entry| &entry.1)
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Connection> {
        self.entries.get_mut(&id).map(|entry| &mut entry.1)
    }

    /// Remembers a connection whose packets go on as `translated`; a reply to that is a reply to it.
    pub(crate) fn commit(&mut self, zone: PlacedZone, original: Tuple, translated: Tuple) -> u32 {
        let reply = translated.reversed();
        self.next += 1;
        let id = self.next;
        let connection = Connection {
            original,
            reply,
            mark: 0,
            label: 0,
            replied: false,
        };
        self.by_tuple.insert((zone, original), (id, false));
        self.by_tuple.insert((zone, reply), (id, true));
        self.entries.insert(id, (zone, connection));
        id
    }
}

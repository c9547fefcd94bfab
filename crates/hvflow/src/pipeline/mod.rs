//! The flows of the bridge: which tables there are, what stands in them, and who owns it.
//!
//! A packet from a machine goes through the sender's half ([`TRACK`] to [`NAT`]) and is then located. One that is for
//! a machine of this host, wherever it came from, goes through the same tables once more in the receiver's half; the
//! register says for whom and in which half. So a card's policies hold whoever the other side is.
//!
//! | table | what it does |
//! |---|---|
//! | [`CLASSIFY`] | which card or uplink, which network, what rate; VLAN headers of uplinks are taken off |
//! | [`GUARD`] | what a machine sends bears its own addresses, or goes no further |
//! | [`ANSWER`], [`ANSWER_ND`] | ARP and neighbour discovery for addresses of this host's machines |
//! | [`TRACK`] | the card's connection-tracking zone; addresses of known connections are translated |
//! | [`STATE`] | who opened the connection, and which policies are to be asked |
//! | [`POLICY`] | whether the connection is allowed |
//! | [`VERDICT`] | what is not allowed ends |
//! | [`NAT`] | new connections become known, with the translation of floating addresses |
//! | [`LOCATE`] | a machine of this host, or the uplink |
//! | [`REWRITE`] | the receiver's Ethernet address and rate |
//! | [`OUTPUT`] | out of the port; VLAN headers for uplinks |
//!
//! Registers: 0 the network (number of the uplink's port, VLAN), 1 the card's port, 2 the [`bit`]s, 3 the zone, 4 the
//! port to leave by, 5 the flags of an advertisement, 6 and 7 an Ethernet address.
//!
//! # Established connections and policies
//!
//! The tracker is asked who opened a connection and what its addresses were then, never whether it was allowed: every
//! packet, also of an established connection and also in its answering direction, is compared with the policies of
//! now, by `resubmit(,POLICY,ct)`, which looks with the addresses of the connection's first packet. So a change of
//! policies ends exactly the connections that it no longer allows, both ways and in the same instant in which the
//! bundle takes effect, and touches no other; nothing is flushed, and the outcome depends on no history. It costs
//! nothing per packet: the switch caches the outcome as any other.
//!
//! Invariants: every flow bears a cookie of this crate; a card's flows match its port, its network or its addresses,
//! so that no two cards have a flow in common; no flow but the host's own is shared.

mod address;
mod announce;
mod answer;
mod build;
mod floating;
mod host;
mod ipv4;
mod ipv6;
mod link;
mod nic;
mod policy;

use openflow::{Field, Subfield};

pub(crate) use announce::{Announcement, announced, announcements};
pub(crate) use host::host_flows;
pub(crate) use link::meters;
pub(crate) use nic::{Nic, aspects, resolve};

/// Which card or uplink a packet came from.
pub const CLASSIFY: u8 = 0;
/// Whether a machine may send it.
pub const GUARD: u8 = 1;
/// ARP and neighbour discovery.
pub const ANSWER: u8 = 2;
/// Advertisements are finished here.
pub const ANSWER_ND: u8 = 3;
/// Into the connection tracker.
pub const TRACK: u8 = 4;
/// Out of the connection tracker.
pub const STATE: u8 = 5;
/// Security policies.
pub const POLICY: u8 = 6;
/// Their outcome.
pub const VERDICT: u8 = 7;
/// New connections.
pub const NAT: u8 = 8;
/// Where a packet goes.
pub const LOCATE: u8 = 9;
/// What the receiver sees.
pub const REWRITE: u8 = 10;
/// Out of the switch.
pub const OUTPUT: u8 = 11;

/// The tables with their names, in their order.
pub const TABLES: [(u8, &str); 12] = [
    (CLASSIFY, "classify"),
    (GUARD, "guard"),
    (ANSWER, "answer"),
    (ANSWER_ND, "answer_nd"),
    (TRACK, "track"),
    (STATE, "state"),
    (POLICY, "policy"),
    (VERDICT, "verdict"),
    (NAT, "nat"),
    (LOCATE, "locate"),
    (REWRITE, "rewrite"),
    (OUTPUT, "output"),
];

/// The greatest number that a card's port may have: zones and meters are counted by it.
pub const MAX_PORT: u16 = 32_511;

/// Bits of register 2.
pub mod bit {
    /// The receiver's half.
    pub const TO_MACHINE: u32 = 1;
    /// The connection was opened towards the machine.
    pub const INBOUND: u32 = 1 << 1;
    /// The policies allow it.
    pub const ALLOWED: u32 = 1 << 2;
    /// The packet came in by an uplink.
    pub const FROM_UPLINK: u32 = 1 << 3;
    /// The packet is an answer, and leaves by the port where the question came in.
    pub const REFLECT: u32 = 1 << 4;
}

/// The bit of a connection's mark that says that it was opened towards the machine.
pub(crate) const MARK_INBOUND: u32 = 1;

/// The network.
pub(crate) const NETWORK: Field = Field::Reg(0);
/// The card that is served.
pub(crate) const CARD: Field = Field::Reg(1);
/// The bits.
pub(crate) const BITS: Field = Field::Reg(2);
/// The flags of an advertisement.
pub(crate) const ND_FLAGS: Field = Field::Reg(5);

/// The connection-tracking zone.
pub(crate) const fn zone() -> Subfield {
    part(Field::Reg(3), 0, 16)
}

/// The port to leave by.
pub(crate) const fn out_port() -> Subfield {
    part(Field::Reg(4), 0, 16)
}

/// The VLAN within the network.
pub(crate) const fn vlan_of_network() -> Subfield {
    part(NETWORK, 0, 12)
}

/// The uplink within the network.
pub(crate) const fn uplink_of_network() -> Subfield {
    part(NETWORK, 16, 16)
}

/// An Ethernet address to answer with.
pub(crate) const fn answer_mac() -> Subfield {
    part(Field::XReg(3), 0, 48)
}

/// Some bits of a field.
pub(crate) const fn part(field: Field, offset: u16, bits: u16) -> Subfield {
    Subfield {
        field,
        offset,
        bits,
    }
}

//! The arguments of the larger actions.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Action;
use crate::field::Subfield;
use crate::port::Port;

/// A packet for the controller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Controller {
    /// How much of the packet it gets.
    pub max_len: u16,
    /// Which controller connection.
    pub controller_id: u16,
    /// Why; one of the packet-in reasons.
    pub reason: u8,
    /// What comes back with the packet.
    pub userdata: Vec<u8>,
    /// Whether the switch waits for the controller to resume the packet's journey.
    pub pause: bool,
    /// The meter that limits these packets.
    pub meter_id: Option<u32>,
}

impl Default for Controller {
    fn default() -> Self {
        Self {
            max_len: u16::MAX,
            controller_id: 0,
            reason: 1,
            userdata: Vec::new(),
            pause: false,
            meter_id: None,
        }
    }
}

/// The zone of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CtZone {
    /// A number.
    Immediate(u16),
    /// What 16 bits of a field say.
    Field(Subfield),
}

/// A pass through the connection tracker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ct {
    /// Whether the connection is made known.
    pub commit: bool,
    /// Whether a connection of the other direction is replaced.
    pub force: bool,
    /// The zone.
    pub zone: CtZone,
    /// The table where the packet comes back with its state; otherwise it goes on without.
    pub table: Option<u8>,
    /// The port of the application whose connections are followed: 21 for FTP, 69 for TFTP.
    pub alg: u16,
    /// [`Action::Nat`], and [`Action::SetField`] of the connection's mark and label.
    pub actions: Vec<Action>,
}

impl Default for Ct {
    fn default() -> Self {
        Self {
            commit: false,
            force: false,
            zone: CtZone::Immediate(0),
            table: None,
            alg: 0,
            actions: Vec::new(),
        }
    }
}

/// Which side is translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NatDirection {
    /// The source.
    Source,
    /// The destination.
    Destination,
}

/// The addresses to pick from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NatRange {
    /// IPv4, from the first to the second, or the first alone.
    V4(Ipv4Addr, Option<Ipv4Addr>),
    /// IPv6, likewise.
    V6(Ipv6Addr, Option<Ipv6Addr>),
}

/// An address translation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Nat {
    /// The side; `None` to translate as the connection was committed.
    pub direction: Option<NatDirection>,
    /// The addresses.
    pub range: Option<NatRange>,
    /// The first port, and the last where there is a range.
    pub ports: Option<(u16, Option<u16>)>,
    /// Prefer the same mapping after a restart.
    pub persistent: bool,
    /// Choose the port by hash.
    pub hash: bool,
    /// Choose the port at random.
    pub random: bool,
}

/// Where a learned flow takes a value from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LearnSource {
    /// Bits of the packet that is being learned from.
    Field(Subfield),
    /// A constant, of as many bits as the specification has.
    Value(u128),
}

/// What a learned flow does with the value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LearnTarget {
    /// Match it.
    Match(Subfield),
    /// Write it.
    Load(Subfield),
    /// Output to it.
    Output,
}

/// One part of a learned flow.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LearnSpec {
    /// The number of bits.
    pub bits: u16,
    /// From where.
    pub source: LearnSource,
    /// To what.
    pub target: LearnTarget,
}

/// A flow that is made out of a packet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Learn {
    /// The learned flow's idle timeout.
    pub idle_timeout: u16,
    /// Its hard timeout.
    pub hard_timeout: u16,
    /// Its priority.
    pub priority: u16,
    /// Its cookie.
    pub cookie: u64,
    /// Its table.
    pub table: u8,
    /// Its idle timeout after the connection ends.
    pub fin_idle_timeout: u16,
    /// Its hard timeout after the connection ends.
    pub fin_hard_timeout: u16,
    /// Tell the controller when it goes.
    pub send_flow_rem: bool,
    /// Remove learned flows together with the learning one.
    pub delete_learned: bool,
    /// How many may be learned; zero for no limit.
    pub limit: u32,
    /// The bit that says whether the limit let this one through.
    pub result: Option<Subfield>,
    /// What it matches and does.
    pub specs: Vec<LearnSpec>,
}

/// A number by which a collector knows where a packet was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Observation {
    /// This number.
    Value(u32),
    /// What these bits of the packet say, 32 at the most. Open vSwitch 3.4 and later know it.
    Field(Subfield),
}

impl From<u32> for Observation {
    fn from(value: u32) -> Self {
        Self::Value(value)
    }
}

/// A message to a collector.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sample {
    /// How many of 65,536 packets.
    pub probability: u16,
    /// The collectors.
    pub collector_set: u32,
    /// The observation domain.
    pub domain: Observation,
    /// The observation point.
    pub point: Observation,
    /// The port that is named as sampled.
    pub port: Option<Port>,
    /// 0 for either, 1 for ingress, 2 for egress.
    pub direction: u8,
}

/// The fields whose hash decides (`enum nx_hash_fields`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HashFields(pub u16);

impl HashFields {
    /// The names that `ovs-ofctl` uses, by number.
    pub(crate) const NAMES: [&'static str; 7] = [
        "eth_src",
        "symmetric_l4",
        "symmetric_l3l4",
        "symmetric_l3l4+udp",
        "nw_src",
        "nw_dst",
        "symmetric_l3",
    ];
}

/// How a bundle picks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BundleAlgorithm {
    /// The first port that is alive.
    ActiveBackup,
    /// By highest random weight.
    Hrw,
    /// An algorithm this crate has no name for.
    Unknown(u16),
}

/// A choice among ports.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bundle {
    /// How.
    pub algorithm: BundleAlgorithm,
    /// By the hash of what.
    pub fields: HashFields,
    /// With this seed.
    pub basis: u16,
    /// The ports.
    pub members: Vec<Port>,
    /// Where the number of the port goes; otherwise the packet goes there.
    pub destination: Option<Subfield>,
}

/// A choice among links.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Multipath {
    /// By the hash of what.
    pub fields: HashFields,
    /// With this seed.
    pub basis: u16,
    /// 0 modulo, 1 hash threshold, 2 highest random weight, 3 iterated hash.
    pub algorithm: u16,
    /// The highest link.
    pub max_link: u16,
    /// The argument of the iterated hash.
    pub argument: u32,
    /// Where the number of the link goes.
    pub destination: Subfield,
}

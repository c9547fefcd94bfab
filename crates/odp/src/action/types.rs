//! What actions say.

use packet::Mac;

use super::Action;
use crate::attribute::Raw;
use crate::id::PortNo;
use crate::key::{MplsEntry, Vlan};

/// For [`Action::Userspace`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Userspace {
    /// The netlink socket that gets it. With dispatch per CPU it is not looked at.
    pub pid: u32,
    /// Bytes that come along.
    pub data: Option<Vec<u8>>,
    /// The tunnel that the packet would get at this port comes along.
    pub tunnel_port: Option<PortNo>,
    /// The flow's actions come along.
    pub with_actions: bool,
    /// What nobody here knows.
    pub unknown: Vec<Raw>,
}

/// For [`Action::PushVlan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PushVlan {
    /// The tag's own Ethernet type: 0x8100 or 0x88a8.
    pub tpid: u16,
    /// The tag. [`Vlan::PRESENT`] must be set.
    pub tci: Vlan,
}

/// For [`Action::Sample`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Sample {
    /// How many of 2^32 - 1 packets.
    pub probability: u32,
    /// What is done with them.
    pub actions: Vec<Action>,
}

/// How [`Action::Hash`] computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HashAlgorithm {
    /// Over addresses and ports.
    L4,
    /// The same in both directions.
    SymmetricL4,
    /// Another one.
    Other(u32),
}

/// For [`Action::Hash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash {
    /// How.
    pub algorithm: HashAlgorithm,
    /// From what number on.
    pub basis: u32,
}

/// For [`Action::PushMpls`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PushMpls {
    /// The label.
    pub entry: MplsEntry,
    /// The Ethernet type then: 0x8847 or 0x8848.
    pub ether_type: u16,
}

/// For [`Action::AddMpls`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddMpls {
    /// The label.
    pub entry: MplsEntry,
    /// The Ethernet type then: 0x8847 or 0x8848.
    pub ether_type: u16,
    /// Bit 0: behind the Ethernet header, not before it.
    pub flags: u16,
}

/// For [`Action::PushEthernet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PushEthernet {
    /// From.
    pub src: Mac,
    /// To.
    pub dst: Mac,
}

/// For [`Action::CheckPacketLength`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct CheckPacketLength {
    /// The length in bytes, with the Ethernet header.
    pub length: u16,
    /// For longer packets.
    pub greater: Vec<Action>,
    /// For the others.
    pub less_equal: Vec<Action>,
}

/// For [`Action::Psample`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Sampled {
    /// The group of samples.
    pub group: u32,
    /// Up to sixteen bytes that come along.
    pub cookie: Option<Vec<u8>>,
}

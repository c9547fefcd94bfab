//! The fixed structures of keys. A mask is a value of the same type, whose bits say which bits count.

use std::net::{Ipv4Addr, Ipv6Addr};

use packet::Mac;

use crate::layout::{layouts, structure, written};

layouts! {
    /// The addresses of an Ethernet header. The kernel takes a packet for Ethernet if its key has them.
    Ethernet[12] {
        /// From.
        src: Mac = "src" Plain,
        /// To.
        dst: Mac = "dst" Plain,
    }

    /// An IPv4 header.
    Ipv4[12] {
        /// From.
        src: Ipv4Addr = "src" Plain,
        /// To.
        dst: Ipv4Addr = "dst" Plain,
        /// What is inside: 6 for TCP.
        proto: u8 = "proto" Dec,
        /// Type of service: DSCP and ECN.
        tos: u8 = "tos" Hex,
        /// Time to live.
        ttl: u8 = "ttl" Dec,
        /// Fragment: [`Fragment`] as a number. As a mask, all or nothing.
        frag: u8 = "frag" Frag,
    }

    /// An IPv6 header.
    Ipv6[40] {
        /// From.
        src: Ipv6Addr = "src" Plain,
        /// To.
        dst: Ipv6Addr = "dst" Plain,
        /// The flow label: twenty bits.
        label: u32 = "label" Label,
        /// What is inside, behind extension headers.
        proto: u8 = "proto" Dec,
        /// The traffic class: DSCP and ECN.
        tclass: u8 = "tclass" Hex,
        /// The hop limit.
        hlimit: u8 = "hlimit" Dec,
        /// Fragment: [`Fragment`] as a number. As a mask, all or nothing.
        frag: u8 = "frag" Frag,
    }

    /// Ports of TCP, UDP or SCTP.
    Ports[4] {
        /// From.
        src: u16 = "src" Dec,
        /// To.
        dst: u16 = "dst" Dec,
    }

    /// What an ICMP or ICMPv6 message is.
    Icmp[2] {
        /// Its type.
        kind: u8 = "type" Dec,
        /// Its code.
        code: u8 = "code" Dec,
    }

    /// An ARP message for IPv4.
    Arp[24] {
        /// The sender's protocol address.
        sip: Ipv4Addr = "sip" Plain,
        /// The target's protocol address.
        tip: Ipv4Addr = "tip" Plain,
        /// The operation: 1 request, 2 reply.
        op: u16 = "op" Dec,
        /// The sender's hardware address.
        sha: Mac = "sha" Plain,
        /// The target's hardware address.
        tha: Mac = "tha" Plain,
    }

    /// A neighbour solicitation or advertisement.
    Nd[28] {
        /// The address that it is about.
        target: Ipv6Addr = "target" Plain,
        /// The source link-layer address, of a solicitation.
        sll: Mac = "sll" Plain,
        /// The target link-layer address, of an advertisement.
        tll: Mac = "tll" Plain,
    }

    /// More of a neighbour message. The kernel does not take it; the datapath in user space does.
    NdExtensions[8] {
        /// The reserved word, which holds the flags of an advertisement.
        reserved: u32 = "nd_reserved" Hex,
        /// The type of the first option.
        options_type: u8 = "nd_options_type" Dec,
    }

    /// What a packet begins with, for the datapath in user space.
    PacketType[4] {
        /// The name space: 0 Ethernet, 1 an Ethernet type.
        namespace: u16 = "ns" Dec,
        /// The type in it.
        id: u16 = "id" Hex,
    }
}

structure! {
    /// The original direction of a tracked connection, IPv4.
    CtTuple4[16] {
        /// From.
        src: Ipv4Addr,
        /// To.
        dst: Ipv4Addr,
        /// From; of ICMP the type.
        src_port: u16,
        /// To; of ICMP the code.
        dst_port: u16,
        /// The protocol.
        proto: u8,
    }
}

written! {
    CtTuple4 {
        src = "src" Plain,
        dst = "dst" Plain,
        proto = "proto" Dec,
        src_port = "tp_src" Dec,
        dst_port = "tp_dst" Dec,
    }
}

structure! {
    /// The original direction of a tracked connection, IPv6.
    CtTuple6[40] {
        /// From.
        src: Ipv6Addr,
        /// To.
        dst: Ipv6Addr,
        /// From; of ICMPv6 the type.
        src_port: u16,
        /// To; of ICMPv6 the code.
        dst_port: u16,
        /// The protocol.
        proto: u8,
    }
}

// `ovs-dpctl` writes other names than it reads.
written! {
    CtTuple6 {
        src = "src" Plain,
        dst = "dst" Plain,
        proto = "proto" Dec,
        src_port = "src_port|tp_src" Dec,
        dst_port = "dst_port|tp_dst" Dec,
    }
}

/// Whether a packet is a fragment, for [`Ipv4::frag`] and [`Ipv6::frag`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Fragment {
    /// A whole packet.
    No = 0,
    /// The first fragment.
    First = 1,
    /// A later one.
    Later = 2,
}

/// An entry of an MPLS label stack, as its header has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MplsEntry(pub u32);

impl MplsEntry {
    /// An entry. Bits that a part has no room for are cut off.
    #[must_use]
    pub const fn new(label: u32, traffic_class: u8, bottom: bool, ttl: u8) -> Self {
        let class = (traffic_class as u32 & 7) << 9;
        Self((label & 0xf_ffff) << 12 | class | (bottom as u32) << 8 | ttl as u32)
    }

    /// The label, twenty bits.
    #[must_use]
    pub const fn label(self) -> u32 {
        self.0 >> 12
    }

    /// The traffic class, three bits.
    #[must_use]
    pub const fn traffic_class(self) -> u8 {
        (self.0 >> 9 & 7) as u8
    }

    /// One, if no entry follows.
    #[must_use]
    pub const fn bottom(self) -> u8 {
        (self.0 >> 8 & 1) as u8
    }

    /// Time to live.
    #[must_use]
    pub const fn ttl(self) -> u8 {
        (self.0 & 0xff) as u8
    }
}

/// A VLAN's tag control information. [`Vlan::PRESENT`] is set where there is a tag, and a mask must have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Vlan(pub u16);

impl Vlan {
    /// There is a tag.
    pub const PRESENT: u16 = 0x1000;

    /// A tag. Bits that a part has no room for are cut off.
    #[must_use]
    pub const fn new(id: u16, priority: u8) -> Self {
        Self(Self::PRESENT | (id & 0xfff) | (priority as u16 & 7) << 13)
    }

    /// The identifier of the VLAN, twelve bits.
    #[must_use]
    pub const fn id(self) -> u16 {
        self.0 & 0xfff
    }

    /// The priority, three bits.
    #[must_use]
    pub const fn priority(self) -> u8 {
        (self.0 >> 13) as u8
    }

    /// True if there is a tag.
    #[must_use]
    pub const fn is_present(self) -> bool {
        self.0 & Self::PRESENT != 0
    }
}

/// Bits of a [`super::KeyField::CtState`].
pub mod ct_state {
    /// The beginning of a connection.
    pub const NEW: u32 = 0x01;
    /// Part of an existing one.
    pub const ESTABLISHED: u32 = 0x02;
    /// Related to an existing one.
    pub const RELATED: u32 = 0x04;
    /// In the direction of the reply.
    pub const REPLY: u32 = 0x08;
    /// Could not be tracked.
    pub const INVALID: u32 = 0x10;
    /// Has been tracked.
    pub const TRACKED: u32 = 0x20;
    /// Its source has been translated.
    pub const SOURCE_NAT: u32 = 0x40;
    /// Its destination has been translated.
    pub const DESTINATION_NAT: u32 = 0x80;
}

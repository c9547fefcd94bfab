//! Bytes of packets to values and back: Ethernet, ARP, neighbour discovery, ICMP errors, TCP
//! resets, DHCPv4 and Geneve metadata.
//!
//! What it must not know: flows, logical networks, databases, sockets, clocks.
//!
//! Invariants: no function panics on any input, whatever its bytes; every packet that is built has
//! correct lengths and checksums; nothing allocates more than the packet it reads or builds.
//!
//! Headers are parsed and checksums computed by `etherparse`, DHCP by `dhcproto`; this crate holds
//! only what an answering host needs on top of them.

pub mod arp;
mod build;
pub mod dhcp4;
pub mod geneve;
pub mod icmp;
mod mac;
pub mod nd;
pub mod tcp;
mod view;

pub use build::{Ethernet, with_vlan};
pub use mac::{Mac, ParseMacError};
pub use view::{Arp, Frame, Ip, Net, Transport};

/// IP protocol numbers (IANA registry) that the builders and their callers name.
pub mod proto {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// SCTP.
    pub const SCTP: u8 = 132;
}

/// EtherType values.
pub mod ether_type {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// 802.1Q tag.
    pub const VLAN: u16 = 0x8100;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
}

#[cfg(test)]
mod tests;

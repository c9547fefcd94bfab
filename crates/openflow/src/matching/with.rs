//! Building matches, a condition at a time.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Match;
use super::needs::{ETH_ARP, ETH_IPV4, ETH_IPV6, ETH_MPLS, ETH_NSH};
use crate::field::{Field, FieldValue, IntoValue, Needs};
use crate::port::Port;
use crate::ranged::VlanId;

/// Building. Each method takes the match and gives it back, with what the field presupposes added
/// where it is unambiguous: an IPv4 address adds the Ethernet type, a TCP port only the protocol.
impl Match {
    /// Fixes all of a field.
    #[must_use]
    pub fn with(self, field: Field, value: impl IntoValue) -> Self {
        self.with_value(FieldValue::exact(field, value.into_value()))
    }

    /// Fixes some bits of a field.
    #[must_use]
    pub fn with_masked(self, field: Field, value: impl IntoValue, mask: impl IntoValue) -> Self {
        self.with_value(FieldValue::masked(
            field,
            value.into_value(),
            mask.into_value(),
        ))
    }

    /// Fixes what `entry` says.
    #[must_use]
    pub fn with_value(mut self, entry: FieldValue) -> Self {
        self.imply(entry.field().info().needs);
        self.insert(entry);
        self
    }

    /// The port of arrival.
    #[must_use]
    pub fn in_port(self, port: impl Into<Port>) -> Self {
        self.with(Field::InPortOxm, port.into())
    }

    /// OpenFlow metadata: with OVN, the datapath's key.
    #[must_use]
    pub fn metadata(self, value: u64) -> Self {
        self.with(Field::Metadata, value)
    }

    /// All of a 32-bit register.
    #[must_use]
    pub fn reg(self, n: u8, value: u32) -> Self {
        self.with(Field::Reg(n), value)
    }

    /// Some bits of a 32-bit register.
    #[must_use]
    pub fn reg_masked(self, n: u8, value: u32, mask: u32) -> Self {
        self.with_masked(Field::Reg(n), value, mask)
    }

    /// The Ethernet type.
    #[must_use]
    pub fn eth_type(self, value: u16) -> Self {
        self.with(Field::EthType, value)
    }

    /// IPv4 packets.
    #[must_use]
    pub fn ip(self) -> Self {
        self.eth_type(0x0800)
    }

    /// IPv6 packets.
    #[must_use]
    pub fn ipv6(self) -> Self {
        self.eth_type(0x86dd)
    }

    /// ARP packets.
    #[must_use]
    pub fn arp(self) -> Self {
        self.eth_type(0x0806)
    }

    /// TCP over IPv4.
    #[must_use]
    pub fn tcp(self) -> Self {
        self.ip().ip_proto(6)
    }

    /// TCP over IPv6.
    #[must_use]
    pub fn tcp6(self) -> Self {
        self.ipv6().ip_proto(6)
    }

    /// UDP over IPv4.
    #[must_use]
    pub fn udp(self) -> Self {
        self.ip().ip_proto(17)
    }

    /// UDP over IPv6.
    #[must_use]
    pub fn udp6(self) -> Self {
        self.ipv6().ip_proto(17)
    }

    /// SCTP over IPv4.
    #[must_use]
    pub fn sctp(self) -> Self {
        self.ip().ip_proto(132)
    }

    /// SCTP over IPv6.
    #[must_use]
    pub fn sctp6(self) -> Self {
        self.ipv6().ip_proto(132)
    }

    /// ICMP, of IPv4.
    #[must_use]
    pub fn icmp(self) -> Self {
        self.ip().ip_proto(1)
    }

    /// ICMPv6.
    #[must_use]
    pub fn icmp6(self) -> Self {
        self.ipv6().ip_proto(58)
    }

    /// The IP protocol. It needs [`Match::ip`] or [`Match::ipv6`] beside it; [`Match::tcp`] and its like say
    /// both.
    #[must_use]
    pub fn ip_proto(self, value: u8) -> Self {
        self.with(Field::IpProto, value)
    }

    /// An Ethernet source.
    #[must_use]
    pub fn eth_src(self, address: [u8; 6]) -> Self {
        self.with(Field::EthSrc, address)
    }

    /// An Ethernet destination.
    #[must_use]
    pub fn eth_dst(self, address: [u8; 6]) -> Self {
        self.with(Field::EthDst, address)
    }

    /// An IPv4 destination.
    #[must_use]
    pub fn ipv4_dst(self, address: Ipv4Addr) -> Self {
        self.with(Field::IpDst, address)
    }

    /// An IPv6 destination.
    #[must_use]
    pub fn ipv6_dst(self, address: Ipv6Addr) -> Self {
        self.with(Field::Ipv6Dst, address)
    }

    /// Packets with this VLAN identifier.
    #[must_use]
    pub fn vlan_vid(self, vid: VlanId) -> Self {
        self.with(Field::VlanVid, 0x1000 | vid.get())
    }

    /// Packets without a VLAN header.
    #[must_use]
    pub fn no_vlan(self) -> Self {
        self.with(Field::VlanVid, 0u16)
    }

    /// Connection-tracking state bits: those of `mask` must be as in `value`.
    #[must_use]
    pub fn ct_state(self, value: u32, mask: u32) -> Self {
        self.with_masked(Field::CtState, value, mask)
    }
}

impl Match {
    /// Adds what `needs` presupposes, where there is only one way to satisfy it and nothing is said yet.
    fn imply(&mut self, needs: Needs) {
        let (eth_type, protocol, icmp_type) = match needs {
            Needs::None | Needs::Ct | Needs::VlanVid | Needs::Ip => return,
            Needs::Mpls => (Some(ETH_MPLS), None, None),
            Needs::Ipv4 => (Some(ETH_IPV4), None, None),
            Needs::Ipv6 => (Some(ETH_IPV6), None, None),
            Needs::Arp => (Some(ETH_ARP), None, None),
            Needs::Nsh => (Some(ETH_NSH), None, None),
            Needs::Tcp => (None, Some(6), None),
            Needs::Udp => (None, Some(17), None),
            Needs::Sctp => (None, Some(132), None),
            Needs::Icmp4 => (Some(ETH_IPV4), Some(1), None),
            Needs::Icmp6 | Needs::Nd => (Some(ETH_IPV6), Some(58), None),
            Needs::NdSolicit => (Some(ETH_IPV6), Some(58), Some(135)),
            Needs::NdAdvert => (Some(ETH_IPV6), Some(58), Some(136)),
        };
        for (field, value) in [
            (Field::EthType, eth_type),
            (Field::IpProto, protocol),
            (Field::Icmpv6Type, icmp_type),
        ] {
            let said = match field {
                Field::EthType => self.ether_type().is_some(),
                _ => self.get(field).is_some(),
            };
            if let Some(value) = value
                && !said
            {
                self.put(FieldValue::exact(field, value));
            }
        }
    }

    /// The Ethernet type, also of a packet that begins behind its Ethernet header.
    fn ether_type(&self) -> Option<u128> {
        self.said().ether_type()
    }
}

/// The fewest values with masks that together are the ports from `first` to `last`, in their order.
/// None where the range is empty.
///
/// ```
/// let masks = openflow::port_masks(1000, 1003);
/// assert_eq!(masks, [(1000, 0xfffc)]);
/// ```
#[must_use]
pub fn port_masks(first: u16, last: u16) -> Vec<(u16, u16)> {
    let mut out = Vec::new();
    let (mut next, end) = (u32::from(first), u32::from(last) + 1);
    while next < end {
        // The largest aligned block that begins here and does not go beyond the end.
        let aligned = next.trailing_zeros().min(16);
        let fits = (end - next).ilog2();
        let size = 1u32 << aligned.min(fits);
        out.push((next as u16, !(size - 1) as u16));
        next += size;
    }
    out
}

//! What conditions presuppose, and whether it is said (`ovs-fields(7)`).

use crate::field::{Field, FieldValue, Needs};

/// A match names a field without the condition that a switch demands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a match on {field} needs {needs:?} as well")]
pub struct MissingPrerequisite {
    /// The field that cannot be matched yet.
    pub field: Field,
    /// What it presupposes.
    pub needs: Needs,
}

pub(super) const ETH_IPV4: u128 = 0x0800;
pub(super) const ETH_ARP: u128 = 0x0806;
const ETH_RARP: u128 = 0x8035;
pub(super) const ETH_IPV6: u128 = 0x86dd;
pub(super) const ETH_MPLS: u128 = 0x8847;
const ETH_MPLS_MULTICAST: u128 = 0x8848;
pub(super) const ETH_NSH: u128 = 0x894f;

/// Whether what every field presupposes is said.
pub(super) fn check(
    fields: impl Iterator<Item = Field>,
    said: impl Fn() -> Said,
) -> Result<(), MissingPrerequisite> {
    let mut known = None;
    for field in fields {
        let needs = field.info().needs;
        if needs != Needs::None && !known.get_or_insert_with(&said).satisfies(needs) {
            return Err(MissingPrerequisite { field, needs });
        }
    }
    Ok(())
}

/// What a match says about what fields presuppose: values that are fixed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said {
    packet_type: Option<u128>,
    eth_type: Option<u128>,
    protocol: Option<u128>,
    icmp_type: Option<u128>,
    ct: bool,
    vlan: bool,
}

impl Said {
    /// Takes one of the conditions.
    pub(super) fn note(&mut self, field: Field, value: impl FnOnce() -> Option<FieldValue>) {
        let place = match field {
            Field::PacketType => &mut self.packet_type,
            Field::EthType => &mut self.eth_type,
            Field::IpProto => &mut self.protocol,
            Field::Icmpv6Type => &mut self.icmp_type,
            Field::CtState => return self.ct = true,
            Field::VlanVid => return self.vlan = true,
            _ => return,
        };
        *place = value().filter(FieldValue::is_exact).map(FieldValue::value);
    }

    /// The Ethernet type, also of a packet that begins behind its Ethernet header.
    pub(super) fn ether_type(&self) -> Option<u128> {
        let bare = self.packet_type.filter(|kind| kind >> 16 == 1);
        bare.map(|kind| kind & 0xffff).or(self.eth_type)
    }

    pub(super) fn satisfies(&self, needs: Needs) -> bool {
        let eth = |types: &[u128]| self.ether_type().is_some_and(|t| types.contains(&t));
        let proto = |p: u128| self.protocol == Some(p);
        let ip = &[ETH_IPV4, ETH_IPV6];
        let icmp_type = |types: &[u128]| self.icmp_type.is_some_and(|t| types.contains(&t));
        let nd = |types: &[u128]| eth(&[ETH_IPV6]) && proto(58) && icmp_type(types);
        match needs {
            Needs::None => true,
            Needs::Ct => self.ct,
            Needs::VlanVid => self.vlan,
            Needs::Mpls => eth(&[ETH_MPLS, ETH_MPLS_MULTICAST]),
            Needs::Ipv4 => eth(&[ETH_IPV4]),
            Needs::Ipv6 => eth(&[ETH_IPV6]),
            Needs::Ip => eth(ip),
            Needs::Arp => eth(&[ETH_ARP, ETH_RARP]),
            Needs::Nsh => eth(&[ETH_NSH]),
            Needs::Tcp => eth(ip) && proto(6),
            Needs::Udp => eth(ip) && proto(17),
            Needs::Sctp => eth(ip) && proto(132),
            Needs::Icmp4 => eth(&[ETH_IPV4]) && proto(1),
            Needs::Icmp6 => eth(&[ETH_IPV6]) && proto(58),
            Needs::Nd => nd(&[135, 136]),
            Needs::NdSolicit => nd(&[135]),
            Needs::NdAdvert => nd(&[136]),
        }
    }
}

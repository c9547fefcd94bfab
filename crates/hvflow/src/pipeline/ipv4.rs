//! A card's own IPv4 addresses.

use std::net::{IpAddr, Ipv4Addr};

use openflow::{Field, Flow};

use super::build::{Side, goto};
use super::nic::Nic;
use super::{ANSWER, GUARD};
use crate::cookie::Kind;

pub(super) fn flows(nic: &Nic<'_>) -> Vec<Flow> {
    let mut out = Vec::new();
    let mut gateways = Vec::new();
    for (place, own) in nic.vnic.addresses.ipv4.iter().enumerate() {
        let by = (Kind::Ipv4, place);
        let address = IpAddr::from(own.ip_address);
        out.extend(guard(nic, by, own.ip_address));
        out.extend(nic.answer(by, address));
        out.extend(nic.locate(by, address));
        // Addresses of one network have a gateway in common.
        if let Some(gateway) = own.gateway
            && !gateways.contains(&gateway)
        {
            gateways.push(gateway);
            out.extend(nic.answer_gateway(by, gateway.into()));
        }
    }
    out
}

/// What the machine may send in the name of the address. A probe bears no address yet (RFC 5227, section 2.1.1).
fn guard(nic: &Nic<'_>, by: (Kind, usize), own: Ipv4Addr) -> Vec<Flow> {
    if !nic.vnic.anti_spoofing {
        return Vec::new();
    }
    let arp = nic.card().with(Field::ArpSha, nic.vnic.mac.0);
    let probe = arp
        .clone()
        .with(Field::ArpOp, 1u16)
        .with(Field::ArpSpa, Ipv4Addr::UNSPECIFIED)
        .with(Field::ArpTpa, own);
    let packets = nic.conversations(nic.card(), Side::Source, own.into());
    [arp.with(Field::ArpSpa, own), probe]
        .into_iter()
        .chain(packets)
        .map(|matches| nic.flow(by, (GUARD, 100), matches, goto(ANSWER)))
        .collect()
}

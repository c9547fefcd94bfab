//! A card's own IPv6 addresses, the link-local one that follows from its Ethernet address among them.

use std::net::Ipv6Addr;

use openflow::{Field, Flow, Match};
use packet::Mac;

use super::build::{MLD_TYPES, ND_ADVERT, ND_SOLICIT, Side, goto, icmpv6, nd};
use super::nic::Nic;
use super::{ANSWER, GUARD};
use crate::cookie::Kind;

/// The place of the address that no list has.
const LINK_LOCAL_PLACE: usize = 0xfff;

pub(super) fn flows(nic: &Nic<'_>) -> Vec<Flow> {
    let listed = &nic.vnic.addresses.ipv6;
    if listed.is_empty() {
        return Vec::new();
    }
    let mut out = Vec::new();
    let link_local = nic.vnic.mac.link_local();
    let all = listed.iter().map(|own| own.ip_address).enumerate();
    let implied = (!listed.iter().any(|own| own.ip_address == link_local))
        .then_some((LINK_LOCAL_PLACE, link_local));
    for group in memberships(nic, link_local) {
        let by = (Kind::Ipv6, LINK_LOCAL_PLACE);
        out.push(nic.flow(by, (GUARD, 100), group, goto(ANSWER)));
    }
    for (place, address) in all.chain(implied) {
        let by = (Kind::Ipv6, place);
        out.extend(guard(nic, by, address));
        out.extend(nic.answer(by, address.into()));
        out.extend(nic.locate(by, address.into()));
    }
    let mut gateways = Vec::new();
    for (place, own) in listed.iter().enumerate() {
        if let Some(gateway) = own.gateway
            && !gateways.contains(&gateway)
        {
            gateways.push(gateway);
            out.extend(nic.answer_gateway((Kind::Ipv6, place), gateway.into()));
        }
    }
    out
}

/// What the machine may say of the multicast groups that it listens to, its neighbours' questions among them: switches
/// that listen in would not bring those otherwise (RFC 3810, section 5.2.13).
fn memberships(nic: &Nic<'_>, link_local: Ipv6Addr) -> Vec<Match> {
    if !nic.vnic.anti_spoofing {
        return Vec::new();
    }
    let from = |source: Ipv6Addr| {
        MLD_TYPES.map(|kind| {
            let source = nic.card().with(Field::Ipv6Src, source.to_bits());
            icmpv6(source, kind).with(Field::IpTtl, 1u8)
        })
    };
    [link_local, Ipv6Addr::UNSPECIFIED].map(from).concat()
}

/// What the machine may send in the name of the address: packets, questions for neighbours, answers about itself, and
/// the question whether the address is free, which bears none yet (RFC 4862, section 5.4.2).
fn guard(nic: &Nic<'_>, by: (Kind, usize), own: Ipv6Addr) -> Vec<Flow> {
    if !nic.vnic.anti_spoofing {
        return Vec::new();
    }
    let source =
        |matches: Match, address: Ipv6Addr| matches.with(Field::Ipv6Src, address.to_bits());
    let about = |matches: Match| matches.with(Field::NdTarget, own.to_bits());
    // An option that is absent reads as zero.
    let option =
        |base: Match, field| [nic.vnic.mac, Mac::ZERO].map(|mac| base.clone().with(field, mac.0));
    let solicit = nd(source(nic.card(), own), ND_SOLICIT);
    let advert = about(nd(source(nic.card(), own), ND_ADVERT));
    let probe = about(nd(source(nic.card(), Ipv6Addr::UNSPECIFIED), ND_SOLICIT))
        .with(Field::NdSll, Mac::ZERO.0);
    let solicits = option(solicit, Field::NdSll);
    let adverts = option(advert, Field::NdTll);
    let neighbours = solicits.into_iter().chain(adverts).chain([probe]);
    let neighbours = neighbours.map(|matches| nic.flow(by, (GUARD, 100), matches, goto(ANSWER)));
    let packets = nic.conversations(nic.card(), Side::Source, own.into());
    let packets = packets
        .into_iter()
        .map(|matches| nic.flow(by, (GUARD, 50), matches, goto(ANSWER)));
    neighbours.chain(packets).collect()
}

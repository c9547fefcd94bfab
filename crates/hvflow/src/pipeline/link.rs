//! A card's place on the switch: its port, its Ethernet address and its rates.

use ipnet::IpNet;
use openflow::message::{Meter, MeterBand};
use openflow::{Action, Field, Flow, Match, Port};

use super::address::LINK_LOCAL;
use super::build::{FAMILIES, Family, ND_ADVERT, ND_SOLICIT, Side, goto, nd, with_address};
use super::nic::Nic;
use super::{ANSWER, CARD, CLASSIFY, GUARD, LOCATE, NETWORK, OUTPUT, REWRITE, out_port, zone};
use crate::cookie::Kind;
use crate::params::{InterfaceType, RateLimit};

const BY: (Kind, usize) = (Kind::Link, 0);

/// The numbers of a card's meters, for what comes to it and for what it sends.
const fn meter_ids(port: u16) -> (u32, u32) {
    (2 * port as u32 + 1, 2 * port as u32 + 2)
}

/// The meters that a card needs.
pub(crate) fn meters(nic: &Nic<'_>) -> Vec<Meter> {
    let (inbound, outbound) = meter_ids(nic.port);
    let limits = nic.vnic.rate_limits;
    let meter = |(id, limit): (u32, Option<RateLimit>)| {
        limit.map(|limit| Meter {
            id,
            flags: Meter::KBPS | Meter::BURST,
            bands: vec![MeterBand::Drop {
                rate: limit.kbps,
                burst: limit.burst_kbits.unwrap_or(limit.kbps),
            }],
        })
    };
    let limits = [(inbound, limits.inbound), (outbound, limits.outbound)];
    limits.into_iter().filter_map(meter).collect()
}

pub(super) fn flows(nic: &Nic<'_>) -> Vec<Flow> {
    let mut out = vec![classify(nic), rewrite(nic)];
    if !nic.vnic.anti_spoofing {
        out.extend(unguarded(nic));
    }
    out
}

fn limited(limit: Option<RateLimit>, meter: u32, actions: Vec<Action>) -> Vec<Action> {
    let meter = limit.map(|_| Action::Meter(meter));
    meter.into_iter().chain(actions).collect()
}

fn classify(nic: &Nic<'_>) -> Flow {
    let port = Match::new().in_port(Port(nic.port.into())).no_vlan();
    let matches = match nic.vnic.anti_spoofing {
        true => port.eth_src(nic.vnic.mac.0),
        false => port,
    };
    let (_, outbound) = meter_ids(nic.port);
    let actions = vec![
        Action::set_field(NETWORK, nic.network()),
        Action::set_field(CARD, u32::from(nic.port)),
        Action::load(nic.zone, zone()),
        Action::GotoTable(GUARD),
    ];
    let actions = limited(nic.vnic.rate_limits.outbound, outbound, actions);
    nic.flow(BY, (CLASSIFY, 100), matches, actions)
}

fn rewrite(nic: &Nic<'_>) -> Flow {
    let (inbound, _) = meter_ids(nic.port);
    let actions = vec![
        Action::set_field(Field::EthDst, nic.vnic.mac.0),
        Action::load(nic.port, out_port()),
        Action::GotoTable(OUTPUT),
    ];
    let actions = limited(nic.vnic.rate_limits.inbound, inbound, actions);
    nic.flow(BY, (REWRITE, 100), nic.card(), actions)
}

/// A card that may speak for others sends anything, and gets what bears its Ethernet address. A private one still
/// speaks with its own networks alone.
fn unguarded(nic: &Nic<'_>) -> Vec<Flow> {
    let (card, frames) = (nic.card(), nic.arriving().eth_dst(nic.vnic.mac.0));
    let mut sent = vec![card.clone()];
    let mut got = vec![frames.clone()];
    if nic.vnic.interface_type == InterfaceType::Private {
        let nets = || {
            FAMILIES
                .into_iter()
                .flat_map(|family| private_nets(nic, family))
        };
        let neighbours = [ND_SOLICIT, ND_ADVERT].map(|kind| nd(card.clone(), kind));
        sent = nets()
            .map(|net| with_address(card.clone(), Side::Destination, net))
            .chain([card.clone().arp()])
            .chain(neighbours)
            .collect();
        got = nets()
            .map(|net| with_address(frames.clone(), Side::Source, net))
            .collect();
    }
    let sent = sent
        .into_iter()
        .map(|matches| nic.flow(BY, (GUARD, 200), matches, goto(ANSWER)));
    let got = got
        .into_iter()
        .map(|matches| nic.flow(BY, (LOCATE, 50), matches, nic.receive()));
    sent.chain(got).collect()
}

fn private_nets(nic: &Nic<'_>, family: Family) -> Vec<IpNet> {
    let link_local = (family == Family::V6).then_some(LINK_LOCAL);
    let nets = nic.peers(family).unwrap_or_default();
    nets.into_iter().chain(link_local).collect()
}

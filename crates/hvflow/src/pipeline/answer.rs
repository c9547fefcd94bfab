//! ARP and neighbour discovery for addresses that this host knows.
//!
//! A question for an address of a machine of this host is answered here, whoever asks; a machine's own question for
//! its own address (a probe, or an announcement) goes to the network instead, where others may object or learn.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use openflow::{Action, Field, Flow, Match};
use packet::Mac;

use super::build::{ND_ADVERT, ND_SOLICIT, copy, goto, nd, set_bits, with_bits};
use super::nic::Nic;
use super::{
    ANSWER, ANSWER_ND, LOCATE, ND_FLAGS, OUTPUT, answer_mac, bit, out_port, uplink_of_network,
};
use crate::cookie::Kind;

/// The group of all nodes of a link.
pub(super) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// An advertisement that answers a question and may replace what was known (RFC 4861, section 4.4).
const SOLICITED_OVERRIDE: u32 = 0x6000_0000;
/// The same of a router.
const ROUTER: u32 = 0x8000_0000;

/// Where others' questions are answered.
pub(super) const ANSWERS: (u8, u16) = (ANSWER, 100);

/// To the network's uplink.
pub(super) fn to_uplink() -> Vec<Action> {
    vec![
        copy(uplink_of_network(), out_port()),
        Action::GotoTable(OUTPUT),
    ]
}

/// Turns an ARP request into the answer that `address` is at `mac`, and sends it back.
fn arp_answer(address: Ipv4Addr, mac: Mac) -> Vec<Action> {
    vec![
        copy(Field::EthSrc, Field::EthDst),
        Action::set_field(Field::EthSrc, mac.0),
        Action::set_field(Field::ArpOp, 2u16),
        copy(Field::ArpSha, Field::ArpTha),
        Action::set_field(Field::ArpSha, mac.0),
        copy(Field::ArpSpa, Field::ArpTpa),
        Action::set_field(Field::ArpSpa, address),
        set_bits(bit::REFLECT, bit::REFLECT),
        Action::GotoTable(OUTPUT),
    ]
}

/// Begins to turn a solicitation into an advertisement; [`finish`] does the rest, once the type says what it is.
fn nd_answer(mac: Mac, flags: u32) -> Vec<Action> {
    vec![
        Action::set_field(ND_FLAGS, flags),
        Action::load(mac.to_u64(), answer_mac()),
        set_bits(bit::REFLECT, bit::REFLECT),
        Action::set_field(Field::Icmpv6Type, ND_ADVERT),
        Action::set_field(Field::NdOptionsType, 2u8),
        Action::GotoTable(ANSWER_ND),
    ]
}

fn arp_request(base: Match, address: Ipv4Addr) -> Match {
    base.with(Field::ArpOp, 1u16).with(Field::ArpTpa, address)
}

fn solicitation(base: Match, target: Ipv6Addr) -> Match {
    nd(base, ND_SOLICIT).with(Field::NdTarget, target.to_bits())
}

impl Nic<'_> {
    /// The flows that answer for an address of this card.
    pub(super) fn answer(&self, by: (Kind, usize), address: IpAddr) -> Vec<Flow> {
        let asked_by_itself = match address {
            IpAddr::V4(address) => self.card().with(Field::ArpTpa, address),
            IpAddr::V6(target) => solicitation(self.card(), target),
        };
        let mut out = vec![self.flow(by, (ANSWER, 200), asked_by_itself, to_uplink())];
        if self.vnic.passive {
            return out;
        }
        let actions = match address {
            IpAddr::V4(address) => arp_answer(address, self.vnic.mac),
            IpAddr::V6(_) => nd_answer(self.vnic.mac, SOLICITED_OVERRIDE),
        };
        out.push(self.flow(by, ANSWERS, self.question(address), actions));
        if let IpAddr::V4(address) = address {
            // Who announces the address asks nothing: it may be the machine itself, just come to another host.
            let announced = arp_request(self.on_network(), address).with(Field::ArpSpa, address);
            out.push(self.flow(by, (ANSWER, 150), announced, goto(LOCATE)));
        }
        out
    }

    /// What somebody else asks about an address of this card.
    pub(super) fn question(&self, address: IpAddr) -> Match {
        match address {
            IpAddr::V4(address) => arp_request(self.on_network(), address),
            IpAddr::V6(target) => solicitation(self.on_network(), target),
        }
    }

    /// The flow that answers this card for its gateway, where the host knows the routers' address.
    pub(super) fn answer_gateway(&self, by: (Kind, usize), gateway: IpAddr) -> Option<Flow> {
        let router = self.router?;
        let (matches, actions) = match gateway {
            IpAddr::V4(gateway) => (
                arp_request(self.card(), gateway),
                arp_answer(gateway, router),
            ),
            IpAddr::V6(gateway) => (
                solicitation(self.card(), gateway),
                nd_answer(router, SOLICITED_OVERRIDE | ROUTER),
            ),
        };
        Some(self.flow(by, (ANSWER, 90), matches, actions))
    }
}

/// What makes an advertisement of what [`nd_answer`] began: for who asked, or for all if nobody is named.
pub(super) fn finish() -> [(u16, Match, Vec<Action>); 2] {
    let begun = with_bits(nd(Match::new(), ND_ADVERT), bit::REFLECT, bit::REFLECT);
    let body = [
        copy(answer_mac(), Field::EthSrc),
        copy(answer_mac(), Field::NdTll),
        copy(Field::NdTarget, Field::Ipv6Src),
        Action::GotoTable(OUTPUT),
    ];
    let asked = [
        copy(Field::EthSrc, Field::EthDst),
        copy(Field::Ipv6Src, Field::Ipv6Dst),
        copy(ND_FLAGS, Field::NdReserved),
    ];
    // Who looks whether an address is free has none yet, and is answered with the address of all nodes.
    let probed = [
        Action::set_field(Field::EthDst, Mac::of_ipv6_multicast(ALL_NODES).0),
        Action::set_field(Field::Ipv6Dst, ALL_NODES.to_bits()),
        Action::set_field(Field::NdReserved, 0x2000_0000u32),
    ];
    let nobody = begun.clone().with(Field::Ipv6Src, 0u128);
    [
        (20, nobody, probed.into_iter().chain(body.clone()).collect()),
        (10, begun, asked.into_iter().chain(body).collect()),
    ]
}

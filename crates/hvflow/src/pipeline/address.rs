//! What is the same for every address of a card, own or floating: who may speak with it, and where it is delivered.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};
use openflow::{Action, Field, Flow, Match};

use super::build::{Family, Side, set_bits, with_address, with_bits};
use super::nic::Nic;
use super::{CARD, LOCATE, REWRITE, TRACK, bit, zone};
use crate::cookie::Kind;
use crate::params::InterfaceType;

/// All link-local addresses.
pub(super) const LINK_LOCAL: IpNet = IpNet::V6(Ipv6Net::new_assert(
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0),
    10,
));

impl Nic<'_> {
    /// The networks with which an address of this family may speak; `None` for all.
    pub(super) fn peers(&self, family: Family) -> Option<Vec<IpNet>> {
        if self.vnic.interface_type == InterfaceType::Public {
            return None;
        }
        let own = &self.vnic.addresses;
        let ipv4 = own
            .ipv4
            .iter()
            .map(|own| (own.ip_address.into(), own.masklen));
        let ipv6 = own
            .ipv6
            .iter()
            .map(|own| (own.ip_address.into(), own.masklen));
        let nets = ipv4
            .chain(ipv6)
            .filter_map(|(address, length): (IpAddr, u8)| IpNet::new(address, length).ok())
            .map(|net| net.trunc());
        let more = self.vnic.peer_networks.iter().map(|prefix| prefix.net());
        let all: Vec<IpNet> = nets
            .chain(more)
            .filter(|net| Family::of(*net) == family)
            .collect();
        Some(IpNet::aggregate(&all))
    }

    /// The same for one address: a link-local one speaks on the link.
    fn peers_of(&self, address: IpAddr) -> Option<Vec<IpNet>> {
        match address {
            IpAddr::V6(own) if own.is_unicast_link_local() => {
                self.peers(Family::V6).map(|_| vec![LINK_LOCAL])
            }
            address => self.peers(Family::of(address.into())),
        }
    }

    /// Packets that have `address` on one side and somebody on the other with whom it may speak.
    pub(super) fn conversations(&self, base: Match, side: Side, address: IpAddr) -> Vec<Match> {
        let base = with_address(base, side, address.into());
        let other = match side {
            Side::Source => Side::Destination,
            Side::Destination => Side::Source,
        };
        match self.peers_of(address) {
            None => vec![base],
            Some(peers) => peers
                .into_iter()
                .map(|peer| with_address(base.clone(), other, peer))
                .collect(),
        }
    }

    /// What is looked at when it is asked where a packet goes: on a card that is passive only what came from outside.
    pub(super) fn arriving(&self) -> Match {
        match self.vnic.passive {
            true => with_bits(self.on_network(), bit::FROM_UPLINK, bit::FROM_UPLINK),
            false => self.on_network(),
        }
    }

    /// What is done with a packet for this card: its receiver's half begins.
    pub(super) fn receive(&self) -> Vec<Action> {
        let half = bit::TO_MACHINE | bit::INBOUND | bit::ALLOWED;
        vec![
            Action::CtClear,
            Action::set_field(CARD, u32::from(self.port)),
            Action::load(self.zone, zone()),
            set_bits(bit::TO_MACHINE, half),
            Action::resubmit(TRACK),
        ]
    }

    /// The flows that deliver what is for `address`.
    pub(super) fn locate(&self, by: (Kind, usize), address: IpAddr) -> Vec<Flow> {
        let to = self.conversations(self.arriving(), Side::Destination, address);
        let mut out: Vec<Flow> = to
            .into_iter()
            .map(|matches| self.flow(by, (LOCATE, 100), matches, self.receive()))
            .collect();
        if let IpAddr::V4(address) = address {
            // Answers to questions of this machine.
            let answers = self
                .arriving()
                .with(Field::ArpOp, 2u16)
                .with(Field::ArpTpa, address);
            let actions = vec![
                Action::set_field(CARD, u32::from(self.port)),
                Action::GotoTable(REWRITE),
            ];
            out.push(self.flow(by, (LOCATE, 100), answers, actions));
        }
        out
    }
}

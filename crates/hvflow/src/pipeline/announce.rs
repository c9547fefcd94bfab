//! Packets that tell the network where an address is now.
//!
//! Who answers for an address says so once by itself, so that routers need not find out: when a machine comes, when it
//! is no longer on its way, when a floating address moves.

use std::net::IpAddr;

use openflow::message::PacketOut;
use openflow::{Action, FlowKey, Message, Port};
use packet::nd::{NaFlags, neighbor_advertisement};
use packet::{Arp, Ethernet, Frame, Mac, Net, arp};

use super::answer::{ALL_NODES, ANSWERS};
use super::nic::Nic;
use crate::cookie::Kind;

/// An announcement, with the flow that it depends on: it is made when that flow is new.
pub(crate) type Announcement = (FlowKey, Message);

/// The announcements of the addresses of one aspect of a card.
pub(crate) fn announcements(nic: &Nic<'_>, kind: Kind) -> Vec<Announcement> {
    let (own, floating) = (&nic.vnic.addresses, &nic.vnic.floating_ips);
    let addresses: Vec<IpAddr> = match kind {
        _ if nic.vnic.passive => Vec::new(),
        Kind::Ipv4 => own.ipv4.iter().map(|own| own.ip_address.into()).collect(),
        Kind::Ipv6 => own.ipv6.iter().map(|own| own.ip_address.into()).collect(),
        Kind::FloatingIpv4 => floating
            .ipv4
            .iter()
            .map(|entry| entry.ip_address.into())
            .collect(),
        Kind::FloatingIpv6 => floating
            .ipv6
            .iter()
            .map(|entry| entry.ip_address.into())
            .collect(),
        Kind::Link | Kind::Policy => Vec::new(),
    };
    let announced = |address: IpAddr| Some((key(nic, address), message(nic, address)?));
    addresses.into_iter().filter_map(announced).collect()
}

fn key(nic: &Nic<'_>, address: IpAddr) -> FlowKey {
    let (table, priority) = ANSWERS;
    FlowKey {
        table,
        priority,
        matches: nic.question(address),
    }
}

/// Out of the uplink, with the network's VLAN. A link-local address belongs to its card alone: nobody is told.
fn message(nic: &Nic<'_>, address: IpAddr) -> Option<Message> {
    let mac = nic.vnic.mac;
    let to = |group| Ethernet {
        vlan: (nic.vlan != 0).then_some(nic.vlan),
        ..Ethernet::new(mac, group)
    };
    let packet = match address {
        IpAddr::V4(own) => {
            // RFC 5227, section 2.3.
            let announcement = Arp {
                operation: arp::REQUEST,
                sender_mac: mac,
                sender_ip: own,
                target_mac: Mac::ZERO,
                target_ip: own,
            };
            arp::frame(to(Mac::BROADCAST), announcement)
        }
        IpAddr::V6(own) if own.is_unicast_link_local() => return None,
        IpAddr::V6(own) => {
            // RFC 4861, section 7.2.6.
            let flags = NaFlags {
                router: false,
                solicited: false,
                override_cache: true,
            };
            let ethernet = to(Mac::of_ipv6_multicast(ALL_NODES));
            neighbor_advertisement(ethernet, own, ALL_NODES, own, flags, mac)
        }
    };
    let out = vec![Action::output(Port(nic.uplink.into()))];
    Some(Message::PacketOut(PacketOut::new(packet, out)))
}

/// What a packet announces, in words.
pub(crate) fn announced(packet: &[u8]) -> Option<String> {
    let frame = Frame::parse(packet)?;
    let address: IpAddr = match frame.net {
        Net::Arp(arp) => arp.sender_ip.into(),
        Net::Ip(ip) => ip.src,
        Net::Other => return None,
    };
    Some(format!("{address} announced at {}", frame.eth.src))
}

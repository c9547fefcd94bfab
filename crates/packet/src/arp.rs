//! ARP for IPv4 over Ethernet (RFC 826).

use etherparse::{ArpEthIpv4Packet, ArpOperation, ArpPacket, PacketBuilder};
use std::net::Ipv4Addr;

use crate::{Arp, Ethernet, Mac, with_vlan};

/// Operation code of a request.
pub const REQUEST: u16 = 1;
/// Operation code of a reply.
pub const REPLY: u16 = 2;

/// The frame of an ARP packet.
pub fn frame(eth: Ethernet, arp: Arp) -> Vec<u8> {
    let packet = ArpPacket::from(ArpEthIpv4Packet {
        operation: ArpOperation(arp.operation),
        sender_mac: arp.sender_mac.0,
        sender_ipv4: arp.sender_ip.octets(),
        target_mac: arp.target_mac.0,
        target_ipv4: arp.target_ip.octets(),
    });
    let builder = PacketBuilder::ethernet2(eth.src.0, eth.dst.0).arp(packet);
    let mut out = Vec::with_capacity(builder.size() + 4);
    builder
        .write(&mut out)
        .expect("a vector takes every byte written to it");
    with_vlan(out, eth.vlan)
}

/// A broadcast request for the owner of `target`.
pub fn request(sender_mac: Mac, sender_ip: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let arp = Arp {
        operation: REQUEST,
        sender_mac,
        sender_ip,
        target_mac: Mac::ZERO,
        target_ip: target,
    };
    frame(Ethernet::new(sender_mac, Mac::BROADCAST), arp)
}

/// The reply that says `mac` owns the address that `request` asked for.
pub fn reply(request: &Arp, mac: Mac) -> Vec<u8> {
    let arp = Arp {
        operation: REPLY,
        sender_mac: mac,
        sender_ip: request.target_ip,
        target_mac: request.sender_mac,
        target_ip: request.sender_ip,
    };
    frame(Ethernet::new(mac, request.sender_mac), arp)
}

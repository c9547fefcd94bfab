//! Asking for neighbours and answering for them. The flow's nested actions finish the packets: they
//! put in the addresses that only the flow knows.

use std::net::IpAddr;

use packet::nd::{self, Message, NaFlags};
use packet::{Arp, Ethernet, Frame, Mac, arp};

/// An ARP request made from an IPv4 packet.
pub(super) fn arp(frame: &Frame<'_>) -> Result<Vec<u8>, String> {
    let (IpAddr::V4(src), IpAddr::V4(dst)) = addresses(frame)? else {
        return Err("not an IPv4 packet".into());
    };
    let request = Arp {
        operation: arp::REQUEST,
        sender_mac: frame.eth.src,
        sender_ip: src,
        target_mac: Mac::ZERO,
        target_ip: dst,
    };
    Ok(arp::frame(frame.eth, request))
}

/// A neighbour solicitation made from an IPv6 packet.
pub(super) fn solicitation(frame: &Frame<'_>) -> Result<Vec<u8>, String> {
    let (_, IpAddr::V6(dst)) = addresses(frame)? else {
        return Err("not an IPv6 packet".into());
    };
    let mac = frame.eth.src;
    Ok(nd::neighbor_solicitation(mac, mac.link_local(), dst))
}

/// The advertisement that answers a solicitation.
pub(super) fn advertisement(frame: &Frame<'_>, router: bool) -> Result<Vec<u8>, String> {
    let ip = frame.ip().ok_or("not an IP packet")?;
    let Some(
        Message::NeighborSolicitation { target, .. }
        | Message::NeighborAdvertisement { target, .. },
    ) = nd::parse(&ip.transport)
    else {
        return Err("not neighbour discovery".into());
    };
    let IpAddr::V6(asker) = ip.src else {
        return Err("not an IPv6 packet".into());
    };
    let flags = NaFlags {
        router,
        solicited: true,
        override_cache: true,
    };
    let eth = Ethernet {
        src: frame.eth.dst,
        dst: frame.eth.src,
        vlan: frame.eth.vlan,
    };
    Ok(nd::neighbor_advertisement(
        eth, target, asker, target, flags, eth.src,
    ))
}

fn addresses(frame: &Frame<'_>) -> Result<(IpAddr, IpAddr), String> {
    let ip = frame.ip().ok_or("not an IP packet")?;
    Ok((ip.src, ip.dst))
}

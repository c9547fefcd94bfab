//! Frames: every parser of `packet`, and every answer that is made of what was parsed.

use std::net::Ipv4Addr;

use packet::{Frame, dhcp4, icmp, nd, tcp, with_vlan};

/// Parses a frame, answers it in every way, and parses the answers.
pub fn check(bytes: &[u8]) {
    let _ = dhcp4::options(bytes);
    let Some(frame) = Frame::parse(bytes) else {
        return;
    };
    if let Some(arp) = frame.arp() {
        let reply = packet::arp::reply(arp, frame.eth.src);
        assert!(Frame::parse(&reply).is_some_and(|frame| frame.arp().is_some()));
    }
    let Some(ip) = frame.ip() else {
        return;
    };
    let _ = nd::parse(&ip.transport);
    if let Ok(request) = dhcp4::Request::parse(ip) {
        let _ = request.client();
        let reply = dhcp4::Reply {
            kind: dhcp4::ReplyKind::Ack,
            yiaddr: request.requested,
            siaddr: request.siaddr(),
            options: dhcp4::options(bytes),
            src: Ipv4Addr::LOCALHOST,
            dst: Ipv4Addr::BROADCAST,
            ports: (dhcp4::SERVER_PORT, dhcp4::CLIENT_PORT),
        };
        readable(request.reply(frame.eth.reversed(), &reply));
    }
    readable(icmp::echo_reply(frame.eth, ip));
    readable(tcp::reset(frame.eth, ip.dst, ip.src, ip));
    let error = icmp::error(frame.eth, ip.dst, ip.src, icmp::unreachable(ip), 0, ip);
    assert!(error.is_some());
    readable(error);
}

fn readable(made: Option<Vec<u8>>) {
    if let Some(bytes) = made {
        assert!(Frame::parse(&bytes).is_some_and(|frame| frame.ip().is_some()));
        let tagged = with_vlan(bytes, Some(7));
        assert!(Frame::parse(&tagged).is_some());
    }
}

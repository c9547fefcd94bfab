//! Properties: any bytes are read without a panic, and what is built reads back the same with
//! checksums that another reader agrees with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use proptest::prelude::*;

use crate::*;

const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
const B: Mac = Mac([2, 0, 0, 0, 0, 2]);

/// Every checksum in the frame, computed again by etherparse.
fn check(frame: &[u8]) {
    let p = SlicedPacket::from_ethernet(frame).expect("a built frame parses strictly");
    match (&p.net, &p.transport) {
        (Some(NetSlice::Ipv4(ip)), t) => {
            let h = ip.header();
            assert_eq!(h.to_header().calc_header_checksum(), h.header_checksum());
            match t {
                Some(TransportSlice::Tcp(t)) => assert_eq!(
                    t.calc_checksum_ipv4(h.source(), h.destination()).unwrap(),
                    t.checksum()
                ),
                Some(TransportSlice::Udp(u)) => assert_eq!(
                    u.to_header()
                        .calc_checksum_ipv4(&h.to_header(), u.payload())
                        .unwrap(),
                    u.checksum()
                ),
                Some(TransportSlice::Icmpv4(i)) => {
                    let mut c = i.header();
                    c.update_checksum(i.payload());
                    assert_eq!(c.checksum, i.checksum());
                }
                other => panic!("unexpected transport {other:?}"),
            }
        }
        (Some(NetSlice::Ipv6(ip)), t) => {
            let (s, d) = (ip.header().source(), ip.header().destination());
            match t {
                Some(TransportSlice::Tcp(t)) => {
                    assert_eq!(t.calc_checksum_ipv6(s, d).unwrap(), t.checksum());
                }
                Some(TransportSlice::Icmpv6(i)) => assert!(i.is_checksum_valid(s, d)),
                other => panic!("unexpected transport {other:?}"),
            }
        }
        other => panic!("not IP: {other:?}"),
    }
}

fn ip_pair() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    prop_oneof![
        (any::<u32>(), any::<u32>())
            .prop_map(|(a, b)| (Ipv4Addr::from(a).into(), Ipv4Addr::from(b).into())),
        (any::<u128>(), any::<u128>())
            .prop_map(|(a, b)| (Ipv6Addr::from(a).into(), Ipv6Addr::from(b).into())),
    ]
}

fn tcp_frame(src: IpAddr, dst: IpAddr, flags: u8, seq: u32, payload: &[u8]) -> Vec<u8> {
    let mut h = etherparse::TcpHeader::new(1000, 80, seq, 100);
    h.syn = flags & 2 != 0;
    h.rst = flags & 4 != 0;
    h.ack = flags & 16 != 0;
    h.acknowledgment_number = if h.ack { 77 } else { 0 };
    let step = build::ip(Ethernet::new(A, B), build::Addresses { src, dst }, 5).unwrap();
    let mut out = Vec::new();
    step.tcp_header(h).write(&mut out, payload).unwrap();
    out
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        kind in prop::sample::select(vec![0x0800u16, 0x86dd, 0x0806, 0x8100, 0x88a8]),
        steer in any::<bool>(),
    ) {
        let mut bytes = bytes;
        if steer && bytes.len() > 14 {
            bytes[12..14].copy_from_slice(&kind.to_be_bytes());
            bytes[14] = if kind == 0x86dd { 0x60 } else { 0x45 };
        }
        if let Some(f) = Frame::parse(&bytes) && let Some(ip) = f.ip() {
            let _ = nd::parse(&ip.transport);
            let _ = dhcp4::Request::parse(ip);
            let _ = icmp::echo_reply(f.eth, ip);
            let _ = tcp::reset(f.eth, ip.dst, ip.src, ip);
            let made = icmp::error(f.eth, ip.dst, ip.src, icmp::unreachable(ip), 0, ip);
            prop_assert!(made.is_some());
        }
        let _ = dhcp4::options(&bytes);
    }

    #[test]
    fn udp_with_any_payload_is_no_danger_to_dhcp(payload in prop::collection::vec(any::<u8>(), 0..600), magic in any::<bool>()) {
        let mut payload = payload;
        if magic && payload.len() > 240 {
            payload[0] = 1;
            payload[236..240].copy_from_slice(&[99, 130, 83, 99]);
        }
        let b = PacketBuilder::ethernet2(A.0, B.0).ipv4([0; 4], [255; 4], 64).udp(68, 67);
        let mut frame = Vec::new();
        b.write(&mut frame, &payload).unwrap();
        let f = Frame::parse(&frame).unwrap();
        if let Ok(r) = dhcp4::Request::parse(f.ip().unwrap()) {
            let _ = r.client();
            let reply = dhcp4::Reply {
                kind: dhcp4::ReplyKind::Ack,
                yiaddr: r.requested,
                siaddr: r.siaddr(),
                options: dhcp4::options(&payload),
                src: Ipv4Addr::LOCALHOST,
                dst: Ipv4Addr::BROADCAST,
                ports: (dhcp4::SERVER_PORT, dhcp4::CLIENT_PORT),
            };
            if let Some(out) = r.reply(f.eth.reversed(), &reply) {
                check(&out);
            }
        }
    }

    #[test]
    fn errors_quote_within_limits((src, dst) in ip_pair(), len in 0usize..3000, vlan in any::<Option<u16>>()) {
        let step = build::ip(Ethernet::new(A, B), build::Addresses { src, dst }, 5).unwrap();
        let mut original = Vec::new();
        step.udp(1, 2).write(&mut original, &vec![7; len]).unwrap();
        let f = Frame::parse(&original).unwrap();
        let ip = f.ip().unwrap();
        let eth = Ethernet { src: B, dst: A, vlan };
        let frame = icmp::error(eth, dst, src, icmp::unreachable(ip), 0, ip).unwrap();
        check(&frame);
        let back = Frame::parse(&frame).unwrap();
        prop_assert_eq!(back.eth, eth);
        let error = back.ip().unwrap();
        prop_assert_eq!((error.src, error.dst, error.ttl), (dst, src, 255));
        let limit = if src.is_ipv4() { 576 } else { 1280 };
        prop_assert!(error.datagram.len() <= limit);
        let Transport::Icmp { body, .. } = error.transport else { panic!("not ICMP") };
        prop_assert!(ip.datagram.starts_with(&body[4..]));
        prop_assert!(body.len() - 4 >= ip.datagram.len().min(28));
    }

    #[test]
    fn resets_answer_at_the_right_number((src, dst) in ip_pair(), seq in any::<u32>(), ack in any::<bool>(), syn in any::<bool>(), len in 0usize..50) {
        let flags = u8::from(ack) * 16 + u8::from(syn) * 2;
        let frame = tcp_frame(src, dst, flags, seq, &vec![0; len]);
        let f = Frame::parse(&frame).unwrap();
        let out = tcp::reset(f.eth.reversed(), dst, src, f.ip().unwrap()).unwrap();
        check(&out);
        let r = Frame::parse(&out).unwrap();
        let Transport::Tcp { src: s, dst: d, seq: rs, ack: ra, flags: rf, .. } = r.ip().unwrap().transport else {
            panic!("not TCP")
        };
        prop_assert_eq!((s, d, rf & tcp::RST), (80, 1000, tcp::RST));
        if ack {
            prop_assert_eq!((rs, ra), (77, None));
        } else {
            prop_assert_eq!((rs, ra), (0, Some(seq.wrapping_add(len as u32 + u32::from(syn)))));
        }
    }

    #[test]
    fn mac_text_round_trips(octets in any::<[u8; 6]>()) {
        let mac = Mac(octets);
        prop_assert_eq!(mac.to_string().parse::<Mac>(), Ok(mac));
        prop_assert_eq!(Mac::from_u64(mac.to_u64()), mac);
    }

    #[test]
    fn geneve_ports_round_trip(inport in 0u16..0x8000, outport in any::<u16>()) {
        let ports = geneve::Ports { inport, outport };
        prop_assert_eq!(geneve::Ports::unpack(ports.pack()), ports);
    }

    #[test]
    fn neighbour_messages_round_trip(src in any::<u128>(), target in any::<u128>(), router in any::<bool>()) {
        let (src, target) = (Ipv6Addr::from(src), Ipv6Addr::from(target));
        let ns = nd::neighbor_solicitation(A, src, target);
        check(&ns);
        let f = Frame::parse(&ns).unwrap();
        prop_assert_eq!(f.ip().unwrap().dst, IpAddr::V6(nd::solicited_node(target)));
        let want = nd::Message::NeighborSolicitation { target, source: Some(A) };
        prop_assert_eq!(nd::parse(&f.ip().unwrap().transport), Some(want));

        let flags = nd::NaFlags { router, solicited: true, override_cache: true };
        let na = nd::neighbor_advertisement(Ethernet::new(B, A), target, src, target, flags, B);
        check(&na);
        let f = Frame::parse(&na).unwrap();
        let want = nd::Message::NeighborAdvertisement { target, flags, link: Some(B) };
        prop_assert_eq!(nd::parse(&f.ip().unwrap().transport), Some(want));
    }
}

#[test]
fn resets_are_not_answered() {
    let frame = tcp_frame(
        Ipv4Addr::LOCALHOST.into(),
        Ipv4Addr::BROADCAST.into(),
        4,
        1,
        &[],
    );
    let f = Frame::parse(&frame).unwrap();
    let ip = f.ip().unwrap();
    assert_eq!(tcp::reset(f.eth, ip.dst, ip.src, ip), None);
}

#[test]
fn bad_addresses_are_refused() {
    for bad in [
        "",
        "1:2:3:4:5",
        "1:2:3:4:5:6:7",
        "g:2:3:4:5:6",
        "+1:2:3:4:5:6",
        "001:2:3:4:5:6",
    ] {
        assert_eq!(bad.parse::<Mac>(), Err(ParseMacError), "{bad}");
    }
}

#[test]
fn arp_request_and_reply() {
    let (me, you) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let request = arp::request(A, me, you);
    let f = Frame::parse(&request).unwrap();
    assert_eq!(f.eth, Ethernet::new(A, Mac::BROADCAST));
    let asked = *f.arp().unwrap();
    assert_eq!(
        (asked.operation, asked.sender_ip, asked.target_ip),
        (arp::REQUEST, me, you)
    );
    let reply = arp::reply(&asked, B);
    let said = *Frame::parse(&reply).unwrap().arp().unwrap();
    assert_eq!(
        (said.operation, said.sender_mac, said.sender_ip),
        (arp::REPLY, B, you)
    );
    assert_eq!((said.target_mac, said.target_ip), (A, me));
}

#[test]
fn router_messages() {
    let rs = nd::router_solicitation(A, A.link_local());
    check(&rs);
    let f = Frame::parse(&rs).unwrap();
    let want = nd::Message::RouterSolicitation { source: Some(A) };
    assert_eq!(nd::parse(&f.ip().unwrap().transport), Some(want));
    assert_eq!(A.link_local().to_string(), "fe80::ff:fe00:1");

    let prefix = nd::Prefix {
        address: "2001:db8::".parse().unwrap(),
        length: 64,
        flags: 0xc0,
        valid: u32::MAX,
        preferred: u32::MAX,
    };
    let said = nd::RouterAdvertisement {
        hop_limit: 255,
        flags: 0x40,
        lifetime: 0xffff,
        source: Some(B),
        mtu: Some(1400),
        prefixes: vec![prefix],
    };
    let all = "ff02::1".parse().unwrap();
    let ra = nd::router_advertisement(Ethernet::new(B, A), B.link_local(), all, &said);
    check(&ra);
    let f = Frame::parse(&ra).unwrap();
    let want = nd::Message::RouterAdvertisement {
        lifetime: 0xffff,
        source: Some(B),
    };
    assert_eq!(nd::parse(&f.ip().unwrap().transport), Some(want));
}

#[test]
fn echo_is_answered() {
    let b = PacketBuilder::ethernet2(A.0, B.0)
        .ipv4([1; 4], [2; 4], 9)
        .icmpv4_echo_request(5, 6);
    let mut request = Vec::new();
    b.write(&mut request, b"hello").unwrap();
    let f = Frame::parse(&request).unwrap();
    let reply = icmp::echo_reply(f.eth, f.ip().unwrap()).unwrap();
    check(&reply);
    let r = Frame::parse(&reply).unwrap();
    assert_eq!(r.eth, Ethernet::new(B, A));
    let Transport::Icmp {
        kind: 0,
        code: 0,
        body,
    } = r.ip().unwrap().transport
    else {
        panic!("not an echo reply")
    };
    assert_eq!(body, b"\0\x05\0\x06hello");
}

#[test]
fn dhcp_discover_gets_an_offer() {
    use dhcproto::{Encodable, v4};
    let mut m = v4::Message::new_with_id(
        9,
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::UNSPECIFIED,
        &A.0,
    );
    m.opts_mut()
        .insert(v4::DhcpOption::MessageType(v4::MessageType::Discover));
    let want = Ipv4Addr::new(10, 0, 0, 7);
    m.opts_mut()
        .insert(v4::DhcpOption::RequestedIpAddress(want));
    let b = PacketBuilder::ethernet2(A.0, [255; 6])
        .ipv4([0; 4], [255; 4], 64)
        .udp(68, 67);
    let mut frame = Vec::new();
    b.write(&mut frame, &m.to_vec().unwrap()).unwrap();

    let f = Frame::parse(&frame).unwrap();
    let r = dhcp4::Request::parse(f.ip().unwrap()).unwrap();
    assert_eq!(
        (r.kind, r.requested, r.client()),
        (dhcp4::RequestKind::Discover, want, Some(A))
    );
    let server = Ipv4Addr::new(10, 0, 0, 1);
    let reply = dhcp4::Reply {
        kind: dhcp4::ReplyKind::Offer,
        yiaddr: want,
        siaddr: Ipv4Addr::UNSPECIFIED,
        options: dhcp4::options(&[
            1, 4, 255, 255, 255, 0, 54, 4, 10, 0, 0, 1, 51, 4, 0, 0, 14, 16,
        ]),
        src: server,
        dst: want,
        ports: (dhcp4::SERVER_PORT, dhcp4::CLIENT_PORT),
    };
    let out = r.reply(Ethernet::new(B, A), &reply).unwrap();
    check(&out);
    let back = Frame::parse(&out).unwrap();
    let Transport::Udp {
        src: 67,
        dst: 68,
        payload,
    } = back.ip().unwrap().transport
    else {
        panic!("not from a DHCP server")
    };
    let said = <v4::Message as dhcproto::Decodable>::from_bytes(payload).unwrap();
    assert_eq!((said.xid(), said.yiaddr()), (9, want));
    assert_eq!(said.opts().msg_type(), Some(v4::MessageType::Offer));
    let mask = said.opts().get(v4::OptionCode::SubnetMask);
    assert_eq!(
        mask,
        Some(&v4::DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0)))
    );
    let lease = said.opts().get(v4::OptionCode::AddressLeaseTime);
    assert_eq!(lease, Some(&v4::DhcpOption::AddressLeaseTime(3600)));
}

#[test]
fn dhcp_options_of_a_wrong_length_are_as_if_absent() {
    for code in 0..=255u8 {
        for length in [0u8, 1, 3, 5, 17] {
            let mut payload = vec![0; 240];
            payload[..3].copy_from_slice(&[1, 1, 6]);
            payload[236..].copy_from_slice(&[99, 130, 83, 99]);
            payload.extend([53, 1, 1, code, length]);
            payload.extend(vec![7; usize::from(length)]);
            let b = PacketBuilder::ethernet2(A.0, [255; 6]).ipv4([0; 4], [255; 4], 64);
            let mut frame = Vec::new();
            b.udp(68, 67).write(&mut frame, &payload).unwrap();
            let f = Frame::parse(&frame).unwrap();
            let request = dhcp4::Request::parse(f.ip().unwrap()).unwrap();
            assert_eq!(request.kind, dhcp4::RequestKind::Discover, "option {code}");
            assert_eq!(
                (request.requested, request.server),
                (Ipv4Addr::UNSPECIFIED, None)
            );
        }
    }
}

//! The answers to packets, one operation at a time, and that no bytes do harm.

use std::time::Duration;

use packet::{Transport, dhcp4, icmp, nd};
use physical::opcode::{Dhcpv4Request, LogRequest, OptionsRequest, ResultField};
use proptest::prelude::*;

use super::*;

const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
const B: Mac = Mac([2, 0, 0, 0, 0, 2]);
const T0: Now = Duration::ZERO;

fn metadata() -> Metadata {
    let mut m = Metadata {
        datapath: 7,
        ..Metadata::default()
    };
    m.regs[0] = u32::from(Ipv4Addr::new(10, 0, 0, 9));
    m.regs[14] = 3;
    m.regs[15] = 4;
    m
}

fn run(local: &mut Local, opcode: Opcode, args: &[u8], packet: &[u8]) -> Vec<Effect> {
    let userdata = Userdata::new(opcode, args).encode();
    let input = Input {
        userdata: &userdata,
        packet,
        metadata: metadata(),
        table: 8,
    };
    local.handle(&input, T0)
}

/// A UDP datagram from `A` at 10.0.0.1 to `B` at 10.0.0.2.
fn udp4() -> Vec<u8> {
    let mut f = [B.0, A.0].concat();
    f.extend([0x08, 0x00, 0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0]);
    f.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    f.extend([0, 53, 0, 54, 0, 12, 0, 0, 1, 2, 3, 4]);
    f
}

fn only_packet(effects: Vec<Effect>, nested: &[u8]) -> Vec<u8> {
    let [
        Effect::PacketOut {
            packet,
            metadata: m,
            actions,
        },
    ] = &effects[..]
    else {
        panic!("expected one packet, got {effects:?}")
    };
    assert_eq!(
        (*m, actions),
        (metadata(), &Actions::Encoded(nested.to_vec()))
    );
    packet.clone()
}

#[test]
fn an_unknown_next_hop_is_asked_for_and_the_packet_follows() {
    let mut local = Local::default();
    let packet = udp4();
    let out = only_packet(run(&mut local, Opcode::Arp, b"nested", &packet), b"nested");
    let frame = Frame::parse(&out).unwrap();
    let arp = frame.arp().unwrap();
    assert_eq!(
        (arp.sender_mac, arp.target_ip),
        (A, Ipv4Addr::new(10, 0, 0, 2))
    );

    let next_hop = Binding {
        datapath: 7,
        port: 4,
        ip: Ipv4Addr::new(10, 0, 0, 9).into(),
    };
    let elsewhere = Binding {
        port: 5,
        ..next_hop
    };
    assert_eq!(local.resolved(elsewhere, B), []);
    let mac = Mac([6; 6]);
    let sent = local.resolved(next_hop, mac);
    let [
        Effect::PacketOut {
            packet: sent,
            actions,
            ..
        },
    ] = &sent[..]
    else {
        panic!("{sent:?}")
    };
    assert_eq!(actions, &Actions::Resubmit(tables::OUTPUT_LARGE_DETECT));
    assert_eq!((&sent[..6], &sent[6..]), (&mac.0[..], &packet[6..]));
    assert_eq!(local.resolved(next_hop, mac), []);
}

#[test]
fn waiting_packets_are_bounded_in_number_and_time() {
    let mut buffer = Buffer::default();
    let key = |n: u32| Binding {
        datapath: 1,
        port: 1,
        ip: Ipv4Addr::from(n).into(),
    };
    for n in 0..MAX_DESTINATIONS as u32 {
        assert!(buffer.push(key(n), &[1], metadata(), T0));
    }
    assert!(!buffer.push(key(u32::MAX), &[1], metadata(), T0));
    for n in 1..MAX_PACKETS as u8 {
        assert!(buffer.push(key(0), &[n], metadata(), T0 + Duration::from_secs(1)));
    }
    assert!(!buffer.push(key(0), &[9], metadata(), T0 + Duration::from_secs(1)));
    assert_eq!(buffer.deadline(), Some(BUFFER_AGE));
    assert_eq!(buffer.expire(BUFFER_AGE), MAX_DESTINATIONS as u64 - 1);
    let kept: Vec<_> = buffer.take(key(0)).map(|(packet, _)| packet).collect();
    assert_eq!(kept, [vec![1], vec![2], vec![3], vec![9]]);
    assert!(buffer.is_empty());
}

#[test]
fn a_solicitation_is_answered() {
    let mut local = Local::default();
    let (me, target) = (A.link_local(), "2001:db8::5".parse().unwrap());
    let ns = nd::neighbor_solicitation(A, me, target);
    for (opcode, router) in [(Opcode::NdNa, false), (Opcode::NdNaRouter, true)] {
        let out = only_packet(run(&mut local, opcode, b"", &ns), b"");
        let frame = Frame::parse(&out).unwrap();
        let ip = frame.ip().unwrap();
        assert_eq!((ip.src, ip.dst), (target.into(), me.into()));
        let Some(nd::Message::NeighborAdvertisement {
            target: t, flags, ..
        }) = nd::parse(&ip.transport)
        else {
            panic!("not an advertisement")
        };
        assert_eq!((t, flags.router, flags.solicited), (target, router, true));
    }
    let ask = only_packet(run(&mut local, Opcode::NdNs, b"x", &ns), b"x");
    assert!(Frame::parse(&ask).unwrap().ip().is_some());
    assert_eq!(local.waiting(), 1);
}

#[test]
fn neighbours_and_addresses_are_learned_where_they_were_seen() {
    let mut local = Local::default();
    let ip = Ipv4Addr::new(10, 0, 0, 9).into();
    let want = Binding {
        datapath: 7,
        port: 3,
        ip,
    };
    assert_eq!(
        run(&mut local, Opcode::PutArp, b"", &udp4()),
        [Effect::Learn(want, A)]
    );
    let fdb = Effect::LearnFdb {
        datapath: 7,
        port: 3,
        mac: A,
    };
    assert_eq!(run(&mut local, Opcode::PutFdb, b"", &udp4()), [fdb]);
    let mut group = udp4();
    group[6] |= 1;
    assert_eq!(run(&mut local, Opcode::PutArp, b"", &group), []);
}

#[test]
fn refusals_quote_and_turn() {
    let mut local = Local::default();
    let packet = udp4();
    for (opcode, code, turned) in [
        (Opcode::Icmp, 3, false),
        (Opcode::Icmp4Error, 1, false),
        (Opcode::Reject, 3, true),
    ] {
        let out = only_packet(run(&mut local, opcode, b"n", &packet), b"n");
        let frame = Frame::parse(&out).unwrap();
        let ip = frame.ip().unwrap();
        assert_eq!(frame.eth.src == B, turned);
        assert_eq!(ip.src == IpAddr::from([10, 0, 0, 2]), turned);
        let Transport::Icmp {
            kind: icmp::V4_UNREACHABLE,
            code: c,
            body,
        } = ip.transport
        else {
            panic!("{ip:?}")
        };
        assert_eq!(c, code);
        assert_eq!(&body[4..], &packet[14..]);
        // A refusal of a refusal would never end.
        assert_eq!(run(&mut local, Opcode::Reject, b"n", &out), []);
    }
}

fn discover(kind: u8, requested: Option<[u8; 4]>) -> Vec<u8> {
    let mut m = vec![1, 1, 6, 0, 0, 0, 0, 42];
    m.resize(28, 0);
    m.extend(A.0);
    m.resize(236, 0);
    m.extend([99, 130, 83, 99, 53, 1, kind]);
    if let Some(ip) = requested {
        m.extend([50, 4]);
        m.extend(ip);
    }
    m.push(255);
    let mut f = vec![0xff; 6];
    f.extend(A.0);
    f.extend([0x08, 0x00, 0x45, 0]);
    f.extend((20 + 8 + m.len() as u16).to_be_bytes());
    f.extend([
        0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0, 68, 0, 67,
    ]);
    f.extend((8 + m.len() as u16).to_be_bytes());
    f.extend([0, 0]);
    f.extend(m);
    f
}

fn offer_args() -> (Vec<u8>, ResultBit) {
    let result = ResultBit {
        field: ResultField::Reg(0),
        bit: 3,
    };
    let options = vec![
        (1, vec![255, 255, 255, 0]),
        (67, b"ipxe".to_vec()),
        (254, b"undionly".to_vec()),
        (253, vec![10, 0, 0, 66]),
        (51, vec![0, 0, 14, 16]),
    ];
    let offer = Dhcpv4Request {
        offer: Ipv4Addr::new(10, 0, 0, 5),
        options,
    };
    let body = offer.encode().unwrap();
    (OptionsRequest { result, body }.encode(), result)
}

fn dhcp(kind: u8, requested: Option<[u8; 4]>) -> (Option<Vec<u8>>, Option<String>) {
    let (args, bit) = offer_args();
    let effects = run(
        &mut Local::default(),
        Opcode::PutDhcpOpts,
        &args,
        &discover(kind, requested),
    );
    let mut effects = effects.into_iter();
    let Some(Effect::Resume { packet, result }) = effects.next() else {
        panic!("no resume")
    };
    assert_eq!(result, Some((bit, packet.is_some())));
    let line = effects.next().map(|e| match e {
        Effect::Log(_, text) => text,
        other => panic!("{other:?}"),
    });
    (packet, line)
}

/// Kind, `yiaddr`, `siaddr` and the options of a DHCP answer.
fn read_answer(packet: &[u8]) -> (u8, [u8; 4], [u8; 4], Vec<dhcp4::RawOption>) {
    let frame = Frame::parse(packet).unwrap();
    let Transport::Udp {
        src: 68,
        dst: 67,
        payload,
    } = frame.ip().unwrap().transport
    else {
        panic!("the flow that turns the packet around knows it by the client's ports")
    };
    let options = dhcp4::options(&payload[240..]);
    let kind = options.iter().find(|o| o.code == 53).unwrap().data[0];
    (
        kind,
        payload[16..20].try_into().unwrap(),
        payload[20..24].try_into().unwrap(),
        options,
    )
}

#[test]
fn dhcp_is_answered_in_place() {
    let (packet, line) = dhcp(1, None);
    let (kind, yiaddr, siaddr, options) = read_answer(&packet.unwrap());
    assert_eq!((kind, yiaddr, siaddr), (2, [10, 0, 0, 5], [10, 0, 0, 66]));
    let has = |code, data: &[u8]| options.iter().any(|o| o.code == code && o.data == data);
    assert!(has(1, &[255, 255, 255, 0]) && has(51, &[0, 0, 14, 16]) && has(67, b"undionly"));
    assert!(!options.iter().any(|o| o.code > 252));
    assert_eq!(line.unwrap(), "DHCPOFFER 02:00:00:00:00:01 10.0.0.5");

    let (packet, line) = dhcp(3, Some([10, 0, 0, 5]));
    assert_eq!(read_answer(&packet.unwrap()).0, 5);
    assert_eq!(line.unwrap(), "DHCPACK 02:00:00:00:00:01 10.0.0.5");
}

#[test]
fn a_wrong_address_is_refused_and_other_messages_are_noted() {
    let (packet, line) = dhcp(3, Some([10, 0, 0, 6]));
    let (kind, yiaddr, _, options) = read_answer(&packet.unwrap());
    assert_eq!((kind, yiaddr, options.len()), (6, [0; 4], 1));
    assert!(line.unwrap().contains("does not match offer 10.0.0.5"));
    assert_eq!(
        dhcp(7, None),
        (None, Some("DHCPRELEASE 02:00:00:00:00:01 0.0.0.0".into()))
    );
    assert_eq!(dhcp(4, Some([10, 0, 0, 6])), (None, None));
    let (packet, _) = dhcp(8, None);
    let (kind, yiaddr, _, options) = read_answer(&packet.unwrap());
    assert_eq!((kind, yiaddr), (5, [0; 4]));
    assert!(!options.iter().any(|o| o.code == 51));
    assert_eq!(dhcp(99, None).0, None);
}

#[test]
fn acl_lines_have_the_form_that_scripts_read() {
    let log = LogRequest {
        verdict: 1,
        severity: 4,
        name: "no \"x\"".into(),
    };
    let effects = run(&mut Local::default(), Opcode::Log, &log.encode(), &udp4());
    let want = "name=\"no \\\"x\\\"\", verdict=drop, severity=warning, direction=from-lport: \
                udp,vlan_tci=0x0000,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,\
                nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=no,\
                tp_src=53,tp_dst=54";
    assert_eq!(effects, [Effect::Log(Module::AclLog, want.into())]);
}

#[test]
fn what_is_not_supported_is_named_once() {
    let mut local = Local::default();
    let line = Effect::Log(Module::Info, "not supported: opcode igmp".into());
    assert_eq!(run(&mut local, Opcode::Igmp, b"", &udp4()), [line]);
    assert_eq!(run(&mut local, Opcode::Igmp, b"", &udp4()), []);
    assert_eq!(local.counters().unsupported, 2);
}

#[test]
fn lines_caused_by_packets_are_limited() {
    let mut local = Local::default();
    let lines = (0..100)
        .flat_map(|_| run(&mut local, Opcode::Arp, b"", &[0; 20]))
        .count();
    assert_eq!((lines, local.counters().unfit), (5, 100));
}

proptest! {
    #[test]
    fn any_packet_and_any_arguments_are_survived(
        opcode in prop::sample::select(Opcode::ALL),
        args in prop::collection::vec(any::<u8>(), 0..64),
        body in prop::collection::vec(any::<u8>(), 0..500),
        kind in prop::sample::select(vec![0x0800u16, 0x86dd, 0x0806, 0x8100]),
        use_offer in any::<bool>(),
    ) {
        let mut packet = body;
        if packet.len() > 14 {
            packet[12..14].copy_from_slice(&kind.to_be_bytes());
            packet[14] = if kind == 0x86dd { 0x60 } else { 0x45 };
        }
        let args = if use_offer { offer_args().0 } else { args };
        let mut local = Local::default();
        let effects = run(&mut local, opcode, &args, &packet);
        // A packet that waits for its answer in the switch must always be let go.
        if opcode == Opcode::PutDhcpOpts && packet.len() >= 14 {
            let resumed = effects.iter().any(|e| matches!(e, Effect::Resume { .. }));
            prop_assert!(resumed);
        }
    }
}

//! What switches and chassis remember and answer, as the interpreter models it.

mod maker;

use logic::Field;
use maker::Maker;
use packet::Mac;
use pipeline::{
    Choice, Dhcp4, End, Fields, Network, Node, NodeKind, Options, Payload, State, Trace,
};
use proptest::prelude::*;

fn udp(from: u32, to: u32, port: u32) -> Fields {
    Fields::default()
        .with(Field::EthSrc, from)
        .with(Field::EthDst, to)
        .with(Field::EthType, 0x800_u32)
        .with(Field::IpProto, 17_u32)
        .with(Field::IpTtl, 64_u32)
        .with(Field::Ip4Src, from)
        .with(Field::Ip4Dst, to)
        .with(Field::UdpSrc, 1000_u32)
        .with(Field::UdpDst, port)
}

fn run(network: &Network, packet: &Fields, state: &mut State, options: &Options) -> Trace {
    network.run(network.port("a").expect("a port"), packet, state, options)
}

fn carrying(payload: Payload) -> Options {
    Options {
        payload,
        ..Options::default()
    }
}

/// The packets that were delivered, with their port.
fn delivered(network: &Network, trace: &Trace) -> Vec<(String, Fields)> {
    let ends = trace.ends.iter().filter_map(|end| match end {
        End::Delivered { port, packet, .. } => {
            Some((network[*port].name.to_string(), (**packet).clone()))
        }
        _ => None,
    });
    ends.collect()
}

fn texts(nodes: &[Node]) -> Vec<String> {
    let mut found = Vec::new();
    for node in nodes {
        if let NodeKind::Remark(text) | NodeKind::Error(text) | NodeKind::Output(text) = &node.kind
        {
            found.push(text.clone());
        }
        found.extend(texts(&node.inside));
    }
    found
}

fn says(trace: &Trace, part: &str) -> bool {
    texts(&trace.nodes).iter().any(|it| it.contains(part))
}

/// A switch whose service at 0.0.0.9 keeps a client's backend.
fn with_affinity() -> Network {
    let mut maker = Maker::default();
    let s = maker.switch();
    maker.flow(
        s,
        ("in", 0, 10),
        "ip4.dst == 0.0.0.9",
        "reg9[6] = chk_lb_aff(); next;",
    );
    maker.flow(s, ("in", 0, 0), "1", "next(9);");
    for (reg, backend) in [("0.0.0.2", "0.0.0.2"), ("0.0.0.3", "0.0.0.3")] {
        maker.flow(
            s,
            ("in", 1, 20),
            &format!("reg9[6] == 1 && reg4 == {reg} && reg8[0..15] == 80"),
            &format!("ip4.dst = {backend}; ip.ttl = 9; next(2);"),
        );
        maker.flow(
            s,
            ("in", 2, 20),
            &format!("ip4.dst == {backend}"),
            &format!(
                "commit_lb_aff(vip = \"0.0.0.9:53\", backend = \"{backend}:80\", proto = udp, timeout = 60); \
                 eth.dst = 00:00:00:00:00:02; next(9);"
            ),
        );
    }
    maker.flow(
        s,
        ("in", 1, 10),
        "reg9[6] == 0",
        "reg1[0..15] = select(2=50, 3=50);",
    );
    for member in [2, 3] {
        maker.flow(
            s,
            ("in", 2, 30),
            &format!("reg1[0..15] == {member} && ip4.dst == 0.0.0.9"),
            &format!("reg1 = 0; ip4.dst = 0.0.0.{member}; next(2);"),
        );
    }
    maker.network()
}

#[test]
fn a_client_stays_with_its_backend() {
    let network = with_affinity();
    let mut state = State::default();
    let backend = |select, from: u32, state: &mut State| {
        let options = Options {
            select: Some(select),
            ..Options::default()
        };
        let packet = udp(from, 9, 53);
        let trace = run(&network, &packet, state, &options);
        let packet = delivered(&network, &trace).remove(0).1;
        (packet.get(Field::Ip4Dst), packet.get(Field::IpTtl))
    };
    assert_eq!(backend(3, 1, &mut state), (3, 64));
    // The choice is made, whatever would be chosen now.
    assert_eq!(backend(2, 1, &mut state), (3, 9));
    // Another client has none yet; a state that remembers nothing either.
    assert_eq!(backend(2, 7, &mut state), (2, 64));
    assert_eq!(backend(2, 1, &mut State::default()), (2, 64));
}

#[test]
fn answers_go_back_to_the_next_hop_that_asked() {
    let mut maker = Maker::default();
    let s = maker.switch();
    let commit = "commit_ecmp_nh(ipv6 = false, proto = udp); next(9);";
    maker.flow(s, ("in", 0, 10), "ip.ttl == 64", commit);
    maker.flow(
        s,
        ("in", 0, 5),
        "ip.ttl == 60",
        "reg0[0] = chk_ecmp_nh_mac(); reg0[1] = chk_ecmp_nh(); next;",
    );
    for (bits, ttl) in [(0, 10), (1, 11), (2, 12), (3, 13)] {
        let matches = format!("reg0[0..1] == {bits}");
        maker.flow(
            s,
            ("in", 1, 5),
            &matches,
            &format!("ip.ttl = {ttl}; next(9);"),
        );
    }
    let network = maker.network();
    let mut state = State::default();
    run(&network, &udp(1, 2, 53), &mut state, &Options::default());
    let mut known = |packet: Fields| {
        let packet = packet.with(Field::IpTtl, 60_u32);
        let trace = run(&network, &packet, &mut state, &Options::default());
        delivered(&network, &trace).remove(0).1.get(Field::IpTtl)
    };
    // The same again from the same next hop, from another one, the answer, and another connection.
    assert_eq!(known(udp(1, 2, 53)), 11);
    assert_eq!(known(udp(1, 2, 53).with(Field::EthSrc, 77_u32)), 10);
    let answer = udp(2, 1, 1000)
        .with(Field::UdpSrc, 53_u32)
        .with(Field::EthDst, 2_u32);
    assert_eq!(known(answer), 12);
    assert_eq!(known(udp(1, 2, 54)), 10);
}

fn with_names() -> Network {
    let mut maker = Maker::default();
    let s = maker.switch();
    maker.names(
        s,
        &[
            ("db.Example", "10.0.0.7 fd00::7"),
            ("four.example", "10.0.0.8"),
        ],
        true,
    );
    maker.flow(
        s,
        ("in", 0, 10),
        "udp.dst == 53",
        "reg0[4] = dns_lookup(); next;",
    );
    maker.flow(
        s,
        ("in", 1, 10),
        "reg0[4] == 1",
        "eth.dst <-> eth.src; ip4.src <-> ip4.dst; outport = inport; flags.loopback = 1; output;",
    );
    maker.flow(s, ("in", 1, 0), "1", "next(9);");
    maker.network()
}

#[test]
fn names_are_answered_by_their_type() {
    let network = with_names();
    let port = |name: &str, kind: u16| {
        let payload = Payload::Dns {
            name: name.into(),
            kind,
        };
        let packet = udp(1, 2, 53);
        let trace = run(&network, &packet, &mut State::default(), &carrying(payload));
        (delivered(&network, &trace).remove(0).0, trace)
    };
    let (to, trace) = port("DB.example.", 1);
    assert_eq!(to, "a");
    assert!(says(&trace, "is 10.0.0.7 */"), "{:?}", texts(&trace.nodes));
    assert!(says(&port("db.example", 28).1, "is fd00::7 */"));
    assert!(says(&port("db.example", 255).1, "is 10.0.0.7, fd00::7 */"));
    // It is ours, and has no such address: nobody else is asked. Another name, or type, goes on to the server.
    assert_eq!(port("four.example", 28).0, "a");
    assert_eq!(port("five.example", 1).0, "b");
    assert_eq!(port("db.example", 15).0, "b");
    let trace = run(
        &network,
        &udp(1, 2, 53),
        &mut State::default(),
        &Options::default(),
    );
    assert!(says(&trace, "nobody said which name"));
}

fn with_dhcp() -> Network {
    let mut maker = Maker::default();
    let s = maker.switch();
    maker.flow(
        s,
        ("in", 0, 10),
        "udp.src == 68 && udp.dst == 67",
        "reg0[3] = put_dhcp_opts(offerip = 10.0.0.5, netmask = 255.255.255.0, server_id = 10.0.0.1, lease_time = 60); next;",
    );
    maker.flow(
        s,
        ("in", 1, 10),
        "reg0[3] == 1",
        "eth.dst = eth.src; udp.src = 67; udp.dst = 68; outport = inport; flags.loopback = 1; output;",
    );
    maker.flow(s, ("in", 1, 0), "1", "drop;");
    maker.network()
}

#[test]
fn dhcp_answers_what_is_asked() {
    let network = with_dhcp();
    let discover = Dhcp4 {
        broadcast: false,
        ..Dhcp4::discover(Mac([0, 0, 0, 0, 0, 1]))
    };
    let asked = |message: Dhcp4| {
        let packet = udp(0, 0xffff_ffff, 67)
            .with(Field::UdpSrc, 68_u32)
            .with(Field::EthSrc, 1_u32);
        let options = carrying(Payload::Dhcp4(message));
        let trace = run(&network, &packet, &mut State::default(), &options);
        let to = delivered(&network, &trace)
            .pop()
            .map(|it| it.1.get(Field::Ip4Dst));
        (to, texts(&trace.nodes).join(" "))
    };
    let offered = 0x0a00_0005;
    let (to, said) = asked(discover);
    assert_eq!(to, Some(offered));
    assert!(said.contains("DHCPOFFER, 10.0.0.5"), "{said}");
    let request = Dhcp4 {
        kind: Dhcp4::REQUEST,
        wanted: "10.0.0.5".parse().unwrap(),
        ..discover
    };
    assert!(asked(request).1.contains("DHCPACK"));
    // Another address is refused, to everybody, because the client has none that it could be sent to.
    let other = Dhcp4 {
        wanted: "10.0.0.6".parse().unwrap(),
        ..request
    };
    let (to, said) = asked(other);
    assert_eq!(to, Some(0xffff_ffff));
    assert!(said.contains("DHCPNAK"), "{said}");
    let release = Dhcp4 {
        kind: Dhcp4::RELEASE,
        ..discover
    };
    assert_eq!(asked(release).0, None);
    let from_server = Dhcp4 {
        from_server: true,
        ..discover
    };
    assert_eq!(asked(from_server).0, None);
}

#[test]
fn a_relay_takes_what_is_for_it() {
    let mut maker = Maker::default();
    let s = maker.switch();
    maker.flow(
        s,
        ("in", 0, 10),
        "udp.dst == 67",
        "reg9[7] = dhcp_relay_req_chk(10.0.0.1, 10.9.0.1); next;",
    );
    maker.flow(
        s,
        ("in", 0, 5),
        "udp.dst == 68",
        "reg9[7] = dhcp_relay_resp_chk(10.0.0.1, 10.9.0.1); next;",
    );
    maker.flow(s, ("in", 1, 10), "reg9[7] == 1", "outport = \"b\"; output;");
    let network = maker.network();
    let to = |port, message| {
        let options = carrying(Payload::Dhcp4(message));
        let trace = run(&network, &udp(1, 2, port), &mut State::default(), &options);
        delivered(&network, &trace).pop().map(|it| it.1)
    };
    let request = Dhcp4::discover(Mac([0, 0, 0, 0, 0, 8]));
    assert!(to(67, request).is_some());
    let relay = "10.0.0.1".parse().unwrap();
    assert!(to(67, Dhcp4 { relay, ..request }).is_none());
    let answer = Dhcp4 {
        from_server: true,
        kind: 2,
        relay,
        given: "10.0.0.5".parse().unwrap(),
        server: "10.9.0.1".parse().ok(),
        broadcast: false,
        ..request
    };
    let given = to(68, answer).unwrap();
    assert_eq!(
        (given.get(Field::Ip4Dst), given.get(Field::EthDst)),
        (0x0a00_0005, 8)
    );
    let server = "10.9.0.2".parse().ok();
    assert!(to(68, Dhcp4 { server, ..answer }).is_none());
    let relay = "10.0.0.9".parse().unwrap();
    assert!(to(68, Dhcp4 { relay, ..answer }).is_none());
}

#[test]
fn a_solicitation_becomes_the_advertisement() {
    let mut maker = Maker::default();
    let s = maker.switch();
    maker.flow(
        s,
        ("in", 0, 10),
        "ip6.dst == ff02::2 && ip.ttl == 255",
        "reg0[5] = put_nd_ra_opts(addr_mode = \"slaac\", slla = 00:00:00:00:00:09, prefix = fd00::/64); next;",
    );
    maker.flow(
        s,
        ("in", 1, 10),
        "reg0[5] == 1 && icmp6.type == 134",
        "outport = inport; flags.loopback = 1; output;",
    );
    let network = maker.network();
    let packet = |kind: u32| {
        Fields::default()
            .with(Field::EthType, 0x86dd_u32)
            .with(Field::IpProto, 58_u32)
            .with(Field::IpTtl, 255_u32)
            .with(Field::Ip6Dst, 0xff02_u128 << 112 | 2)
            .with(Field::Icmp6Type, kind)
    };
    let to = |kind| {
        let trace = run(
            &network,
            &packet(kind),
            &mut State::default(),
            &Options::default(),
        );
        delivered(&network, &trace).len()
    };
    assert_eq!((to(133), to(128)), (1, 0));
}

/// A router's zone that hides 0.0.0.1 behind 0.0.0.50, and lets in only what belongs to a connection.
#[test]
fn an_error_finds_the_connection_that_it_is_about() {
    let mut maker = Maker::default();
    let r = maker.datapath("r", "logical-router");
    maker.port(r, "a", 1, "", None);
    maker.port(r, "b", 2, "", None);
    maker.flow(r, ("in", 0, 10), "inport == \"a\"", "ct_snat(0.0.0.50);");
    maker.flow(r, ("in", 0, 5), "inport == \"b\"", "ct_snat;");
    maker.flow(
        r,
        ("in", 1, 10),
        "inport == \"a\"",
        "outport = \"b\"; output;",
    );
    maker.flow(
        r,
        ("in", 1, 10),
        "inport == \"b\" && ct.rel && ct.rpl && ip4.dst == 0.0.0.1",
        "outport = \"a\"; output;",
    );
    maker.flow(r, ("in", 1, 0), "1", "drop;");
    maker.flow(r, ("out", 0, 0), "1", "output;");
    let network = maker.network();
    let mut state = State::default();
    let there = run(&network, &udp(1, 2, 53), &mut state, &Options::default());
    let sent = delivered(&network, &there).remove(0).1;
    assert_eq!(sent.get(Field::Ip4Src), 50);
    let error = udp(3, 50, 0)
        .with(Field::IpProto, 1_u32)
        .with(Field::UdpSrc, 0_u32)
        .with(Field::Icmp4Type, 11_u32);
    let b = network.port("b").unwrap();
    let mut back = |payload| {
        let trace = network.run(b, &error, &mut state, &carrying(payload));
        delivered(&network, &trace)
    };
    let about = pipeline::Tuple::of(&sent).unwrap();
    let got = back(Payload::About(about)).remove(0);
    assert_eq!((got.0.as_str(), got.1.get(Field::Ip4Dst)), ("a", 1));
    let other = pipeline::Tuple {
        dst_port: 54,
        ..about
    };
    assert!(back(Payload::About(other)).is_empty());
    assert!(back(Payload::Data).is_empty());
}

#[test]
fn choices_are_the_callers() {
    let mut maker = Maker::default();
    let s = maker.switch();
    let select = "reg1[0..15] = select(values=(1=100, 2=100, 3=100); hash_fields=\"ip_src\");";
    maker.flow(s, ("in", 0, 10), "ip4", select);
    for member in [1, 2, 3] {
        let matches = format!("reg1[0..15] == {member}");
        maker.flow(
            s,
            ("in", 1, 10),
            &matches,
            &format!("ip.ttl = {member}; next(9);"),
        );
    }
    let network = maker.network();
    let member = |choice, packet: &Fields| {
        let options = Options {
            choice,
            ..Options::default()
        };
        let trace = run(&network, packet, &mut State::default(), &options);
        delivered(&network, &trace).remove(0).1.get(Field::IpTtl)
    };
    let packet = udp(1, 2, 53);
    assert_eq!(member(Choice::First, &packet), 1);
    let by_address = member(Choice::Addresses, &packet);
    // Only the source takes part.
    assert_eq!(by_address, member(Choice::Addresses, &udp(1, 2, 99)));
    let seen: std::collections::BTreeSet<u128> = (0..40)
        .map(|seed| member(Choice::Seed(seed), &packet))
        .collect();
    assert_eq!(seen.len(), 3);
}

#[test]
fn what_has_no_effect_or_no_model_is_named() {
    let mut maker = Maker::default();
    let s = maker.switch();
    maker.flow(
        s,
        ("in", 0, 10),
        "ip4",
        "set_queue(5); set_meter(100, 200); reg0[0] = check_pkt_larger(1400); flood_remote; \
         remote_outport = get_remote_fdb(eth.dst); mirror(\"b\"); next(9);",
    );
    let network = maker.network();
    let trace = run(
        &network,
        &udp(1, 2, 53),
        &mut State::default(),
        &Options::default(),
    );
    for part in [
        "queue 5",
        "100 kbit/s",
        "how long the packet",
        "get_remote_fdb is not modelled",
    ] {
        assert!(says(&trace, part), "{part}: {:?}", texts(&trace.nodes));
    }
    // The mirror's copy and the packet itself.
    assert_eq!(delivered(&network, &trace).len(), 2);
}

/// A table of every kind of decision that the interpreter has.
fn many_decisions() -> Network {
    let mut maker = Maker::default();
    let s = maker.switch();
    maker.row("a").port_security = ["00:00:00:00:00:01 10.0.0.0/8".into()]
        .into_iter()
        .collect();
    let checks = [
        ("ip.ttl == 64", "reg0[15] = check_in_port_sec(); next;"),
        ("ip.ttl == 63", "reg0[15] = chk_lb_aff(); next;"),
        ("ip.ttl == 62", "ct_next;"),
        (
            "ip.ttl == 61",
            "ct_lb_mark(backends=10.0.0.2:80,10.0.0.3:80);",
        ),
        ("ip.ttl == 60", "reg0[0..15] = select(1=50, 2=50);"),
        (
            "ip.ttl == 59",
            "reg0[15] = lookup_fdb(inport, eth.src); next;",
        ),
        ("ip.ttl == 58", "ip.ttl--; next;"),
        (
            "ip.ttl == 57",
            "reg1 = ip4.src; reg2[0..7] = eth.dst[0..7]; next;",
        ),
        ("ip.ttl == 56", "eth.src <-> eth.dst; next;"),
        ("ip.ttl == 55", "push(ip4.dst); pop(reg3); next;"),
        (
            "ip.ttl == 54",
            "reg0[15] = lookup_arp(inport, ip4.src, eth.src); next;",
        ),
        (
            "ip.ttl == 53",
            "icmp4 { eth.dst <-> eth.src; ip4.dst <-> ip4.src; next; };",
        ),
        ("ip.ttl == 52", "ct_dnat(10.0.0.2);"),
        ("ip.ttl == 51", "fwd_group(childports=\"a\", \"b\");"),
    ];
    for (matches, actions) in checks {
        maker.flow(s, ("in", 0, 10), matches, actions);
    }
    maker.flow(s, ("in", 0, 0), "1", "next;");
    for (at, matches) in (0..).zip([
        "reg0[15] == 1",
        "ct.new && udp.dst == 53",
        "ct.est",
        "ip4.dst == 10.0.0.2",
        "reg0[0..15] == 1",
        "reg1 == 10.0.0.0/30",
        "reg2[0..7] == 2",
        "reg3 == 10.0.0.3",
        "eth.src == 00:00:00:00:00:02",
        "icmp4",
    ]) {
        maker.flow(s, ("in", 1, 50 - at), matches, "outport = \"b\"; output;");
    }
    maker.flow(s, ("in", 1, 0), "1", "next(9);");
    maker.network()
}

fn any_packet() -> impl Strategy<Value = Fields> {
    let address = || prop_oneof![0x0a00_0000_u32..0x0a00_0005, Just(0x0b00_0001)];
    let port = || prop_oneof![Just(53_u32), Just(80), 0..70_000_u32];
    let head = (1..4_u32, 1..4_u32, 50..66_u32);
    (head, address(), address(), port(), port()).prop_map(
        |((eth, to, ttl), src, dst, from, port)| {
            udp(src, dst, port)
                .with(Field::EthSrc, eth)
                .with(Field::EthDst, to)
                .with(Field::IpTtl, ttl)
                .with(Field::UdpSrc, from)
        },
    )
}

proptest! {
    /// Bits that no decision looked at decide nothing: whatever they are, the packet ends at the same places, and the
    /// network remembers as much.
    #[test]
    fn what_was_not_consulted_does_not_matter(one in any_packet(), other in any_packet()) {
        static NETWORK: std::sync::LazyLock<Network> = std::sync::LazyLock::new(many_decisions);
        let (mut first, mut second) = (State::default(), State::default());
        let options = Options::default();
        let trace = run(&NETWORK, &one, &mut first, &options);
        let mut mixed = other;
        for field in Field::MATCHABLE {
            let mask = trace.consulted.mask(field);
            mixed.set(field, one.get(field) & mask | mixed.get(field) & !mask);
        }
        let again = run(&NETWORK, &mixed, &mut second, &options);
        let ends = |trace: &Trace| -> Vec<String> {
            trace.ends.iter().map(|end| match end {
                End::Delivered { port, place, .. } => format!("{port:?} {place:?}"),
                End::Dropped { why, .. } => format!("{why:?}"),
                other => format!("{other:?}"),
            }).collect()
        };
        prop_assert_eq!(ends(&trace), ends(&again));
        prop_assert_eq!(trace.steps, again.steps);
        prop_assert_eq!(first.connections.len(), second.connections.len());
    }

    /// A frame that is made of fields is read as the same fields.
    #[test]
    fn fields_make_a_frame_that_means_them(packet in any_packet(), length in 0..300_usize, number: u32) {
        let packet = packet.with(Field::IpDscp, 11_u32).with(Field::VlanTci, 0x1005_u32);
        let filling = pipeline::Filling { length, number };
        let bytes = pipeline::to_bytes(&packet, &Payload::Data, filling).unwrap();
        prop_assert_eq!(pipeline::from_bytes(&bytes).unwrap(), packet);
        prop_assert!(bytes.len() >= length);
    }
}

#[test]
fn payloads_survive_the_wire() {
    let filling = pipeline::Filling {
        length: 0,
        number: 7,
    };
    let payloads = [
        (67, Payload::Dhcp4(Dhcp4::discover(Mac([2, 0, 0, 0, 0, 1])))),
        (
            53,
            Payload::Dns {
                name: "www.example".into(),
                kind: 28,
            },
        ),
        (5000, Payload::Data),
    ];
    for (port, payload) in payloads {
        let bytes = pipeline::to_bytes(&udp(1, 2, port), &payload, filling).unwrap();
        assert_eq!(Payload::of(&bytes), payload);
    }
}

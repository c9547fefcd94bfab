//! Small networks made by hand: what the machine does with packets, and what it remembers.

mod maker;

use std::sync::LazyLock;

use logic::Field;
use maker::Maker;
use pipeline::{Drop, End, Fields, Form, Network, Options, PortId, State, Trace};
use proptest::prelude::*;

fn port(network: &Network, name: &str) -> PortId {
    network.port(name).expect("a port of the network")
}

fn tcp(from: u128, to: u128) -> Fields {
    Fields::default()
        .with(Field::EthSrc, from)
        .with(Field::EthDst, to)
        .with(Field::EthType, 0x800_u32)
        .with(Field::IpProto, 6_u32)
        .with(Field::IpTtl, 64_u32)
        .with(Field::Ip4Src, from)
        .with(Field::Ip4Dst, to)
        .with(Field::TcpSrc, 1000 + from)
        .with(Field::TcpDst, 1000 + to)
}

fn run(network: &Network, inport: &str, packet: &Fields, state: &mut State) -> Trace {
    network.run(port(network, inport), packet, state, &Options::default())
}

/// To which ports a packet went, by name.
fn delivered(network: &Network, trace: &Trace) -> Vec<String> {
    let ports = trace.ends.iter().filter_map(|end| match end {
        End::Delivered { port, .. } => Some(network[*port].name.to_string()),
        _ => None,
    });
    ports.collect()
}

/// A switch whose port `b` takes only answers.
fn one_way() -> Network {
    let mut maker = Maker::default();
    let s = maker.switch();
    maker.flow(s, ("in", 0, 0), "1", "ct_next;");
    maker.flow(
        s,
        ("in", 1, 10),
        "ct.new",
        "ct_commit { ct_mark = 7; }; next(9);",
    );
    maker.flow(s, ("in", 1, 0), "1", "next(9);");
    maker.flow(s, ("out", 0, 1), "1", "ct_next;");
    maker.flow(s, ("out", 1, 10), "outport == \"a\" && ct.new", "drop;");
    maker.flow(s, ("out", 1, 5), "ct.new", "ct_commit; next(9);");
    maker.flow(s, ("out", 1, 0), "1", "next(9);");
    maker.network()
}

#[test]
fn a_conversation_is_remembered() {
    let network = one_way();
    let mut state = State::default();
    let back = run(&network, "b", &tcp(2, 1), &mut state);
    assert_eq!(delivered(&network, &back), [""; 0]);
    // Once `a` has spoken, `b` may answer, and that is seen as an answer.
    let there = run(&network, "a", &tcp(1, 2), &mut state);
    assert_eq!(delivered(&network, &there), ["b"]);
    let mut state = State::default();
    run(&network, "a", &tcp(1, 2), &mut state);
    let (port, reply) = network.reply(&there).unwrap();
    let back = network.run(port, &reply, &mut state, &Options::default());
    assert_eq!(delivered(&network, &back), ["a"]);
    assert!(
        state
            .connections
            .iter()
            .any(|(_, it)| it.mark == 7 && it.replied)
    );
}

#[test]
fn after_a_commit_a_packet_is_not_tracked() {
    let mut maker = Maker::default();
    let s = maker.switch();
    maker.flow(s, ("in", 0, 0), "1", "ct_next;");
    maker.flow(s, ("in", 1, 0), "1", "ct_commit; next(9);");
    maker.flow(s, ("out", 0, 1), "ct.trk", "drop;");
    maker.flow(s, ("out", 0, 0), "1", "next;");
    let network = maker.network();
    let trace = run(&network, "a", &tcp(1, 2), &mut State::default());
    assert_eq!(delivered(&network, &trace), ["b"]);
    // The stock tracer keeps the state that it was told to assume.
    let mut assumed = State::assuming(vec![]);
    let trace = run(&network, "a", &tcp(1, 2), &mut assumed);
    assert_eq!(delivered(&network, &trace), [""; 0]);
}

#[test]
fn translation_is_undone_on_the_way_back() {
    let mut maker = Maker::default();
    let s = maker.switch();
    maker.flow(
        s,
        ("in", 0, 10),
        "ip4.dst == 0.0.0.9",
        "ct_lb_mark(backends=0.0.0.2:80);",
    );
    maker.flow(s, ("in", 0, 0), "ip4", "ct_lb_mark;");
    maker.flow(
        s,
        ("in", 1, 0),
        "1",
        "eth.dst = 00:00:00:00:00:02; next(9);",
    );
    maker.flow(
        s,
        ("in", 1, 10),
        "ip4.dst == 0.0.0.1",
        "eth.dst = 00:00:00:00:00:01; next(9);",
    );
    maker.flow(s, ("out", 0, 1), "1", "ct_lb_mark;");
    maker.flow(s, ("out", 1, 0), "1", "next(9);");
    let network = maker.network();
    let mut state = State::default();
    let there = run(&network, "a", &tcp(1, 9), &mut state);
    let Some(End::Delivered { packet, .. }) = there.ends.first() else {
        panic!("{there:?}")
    };
    assert_eq!(
        (packet.get(Field::Ip4Dst), packet.get(Field::TcpDst)),
        (2, 80)
    );
    let (port, reply) = network.reply(&there).unwrap();
    let back = network.run(port, &reply, &mut state, &Options::default());
    // The zone is that of the port: the answer enters by `b`, and leaves by `a`, where it is translated back.
    let Some(End::Delivered { packet, .. }) = back.ends.first() else {
        panic!("{back:?}")
    };
    assert_eq!(
        (packet.get(Field::Ip4Src), packet.get(Field::TcpSrc)),
        (9, 1009)
    );
}

#[test]
fn why_it_was_dropped() {
    let mut maker = Maker::default();
    let s = maker.switch();
    maker.flow(s, ("in", 0, 10), "ip.ttl == 1", "drop;");
    maker.flow(
        s,
        ("in", 0, 9),
        "ip.ttl == 2",
        "outport = \"nobody\"; output;",
    );
    maker.flow(s, ("in", 0, 8), "ip.ttl == 3", "next(5);");
    maker.flow(s, ("in", 0, 7), "ip.ttl == 0", "ip.ttl--; next(9);");
    maker.flow(s, ("in", 0, 6), "ip.ttl == 4", "next(0);");
    maker.flow(s, ("in", 0, 0), "1", "next(9);");
    let network = maker.network();
    let why = |ttl: u32, to: u128| {
        let packet = tcp(1, to).with(Field::IpTtl, ttl);
        let trace = run(&network, "a", &packet, &mut State::default());
        match trace.ends.as_slice() {
            [End::Dropped { why, .. }] => why.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(why(1, 2), Drop::Flow(_)));
    assert!(matches!(why(2, 2), Drop::NoPort { key: 0, .. }));
    assert!(matches!(why(3, 2), Drop::NoFlow { table: 5, .. }));
    assert!(matches!(why(0, 2), Drop::TtlExceeded(_)));
    assert!(matches!(why(4, 2), Drop::Loop));
    assert!(matches!(why(64, 1), Drop::Loopback(_)));
}

#[test]
fn a_packet_without_an_output_port_has_the_port_none() {
    let mut maker = Maker::default();
    let s = maker.switch();
    maker.flow(
        s,
        ("in", 0, 10),
        "ip.ttl == 64",
        "outport = get_fdb(eth.dst); next;",
    );
    maker.flow(
        s,
        ("in", 1, 10),
        "outport == \"none\"",
        "outport = \"b\"; output;",
    );
    let network = maker.network();
    let trace = run(&network, "a", &tcp(1, 9), &mut State::default());
    assert_eq!(delivered(&network, &trace), ["b"]);
}

#[test]
fn two_patch_ports_that_face_each_other_end() {
    let mut maker = Maker::default();
    let (one, other) = (
        maker.datapath("one", "logical-switch"),
        maker.datapath("other", "logical-switch"),
    );
    maker.port(one, "a", 1, "", None);
    maker.port(one, "x", 2, "patch", Some("y"));
    maker.port(other, "y", 1, "patch", Some("x"));
    maker.flow(
        one,
        ("in", 0, 0),
        "1",
        "flags.loopback = 1; outport = \"x\"; output;",
    );
    maker.flow(
        other,
        ("in", 0, 0),
        "1",
        "flags.loopback = 1; outport = \"y\"; output;",
    );
    for datapath in [one, other] {
        maker.flow(datapath, ("out", 0, 0), "1", "output;");
    }
    let network = maker.network();
    let trace = run(&network, "a", &tcp(1, 2), &mut State::default());
    assert!(matches!(
        trace.ends.as_slice(),
        [End::Dropped {
            why: Drop::Loop,
            ..
        }]
    ));
    assert!(pipeline::sentence(&network, &trace, &|_| None).contains("round in circles"));
    // Printing what is nested deep works too.
    assert!(pipeline::print(&network, &trace, &[Form::Detailed, Form::Minimal]).len() > 1000);
}

#[test]
fn a_flow_that_cannot_be_read_is_named_and_left_out() {
    let mut maker = Maker::default();
    let s = maker.switch();
    maker.flow(s, ("in", 0, 10), "ip4.dst == nonsense", "drop;");
    maker.flow(s, ("in", 0, 5), "1", "frobnicate;");
    maker.flow(s, ("in", 0, 0), "1", "next(9);");
    let network = maker.network();
    let trace = run(&network, "a", &tcp(1, 2), &mut State::default());
    assert_eq!(delivered(&network, &trace), ["b"]);
    let wrong: Vec<&str> = network.unreadable().map(|it| it.1).collect();
    assert_eq!(wrong.len(), 2);
    assert!(wrong[0].starts_with("match: column"), "{wrong:?}");
    assert!(wrong[1].starts_with("actions: column"), "{wrong:?}");
}

/// A table whose flows look at different bits of a packet, with an end of its own for each.
fn many_ends() -> &'static Network {
    static NETWORK: LazyLock<Network> = LazyLock::new(make_many_ends);
    &NETWORK
}

fn make_many_ends() -> Network {
    let mut maker = Maker::default();
    let s = maker.switch();
    let matches = [
        "ip4.src == 10.0.0.0/8 && tcp.dst == {80, 443}",
        "ip4.src != 10.1.0.0/16 && tcp",
        "tcp.dst >= 1000 && tcp.dst < 3000",
        "inport == \"a\" && ip.ttl == {9, 10, 30}",
        "eth.src[0..3] == 5 || udp",
        "!(ip4.dst == 10.0.0.0/30)",
    ];
    for (at, text) in (0..).zip(matches) {
        let actions = format!("reg0 = {at}; next;");
        maker.flow(s, ("in", 0, 100 - at), text, &actions);
        maker.flow(
            s,
            ("in", 1, 50),
            &format!("reg0 == {at} && ip.ttl == {{{}, 30}}", at * 7),
            "next(9);",
        );
    }
    maker.network()
}

fn any_packet() -> impl Strategy<Value = Fields> {
    let ports = prop_oneof![Just(80_u16), Just(443), 0..4000_u16];
    (0..8_u32, 0..3_u32, 0..40_u8, 0..16_u8, ports, any::<bool>()).prop_map(
        |(net, dst, ttl, mac, port, is_tcp)| {
            let (protocol, to) = if is_tcp {
                (6_u32, Field::TcpDst)
            } else {
                (17, Field::UdpDst)
            };
            Fields::default()
                .with(Field::EthType, 0x800_u32)
                .with(Field::EthSrc, mac)
                .with(Field::EthDst, 2_u32)
                .with(Field::IpProto, protocol)
                .with(Field::IpTtl, ttl)
                .with(Field::Ip4Src, 0x0a00_0000 + (net << 14))
                .with(Field::Ip4Dst, 0x0a00_0000 + dst * 2)
                .with(to, port)
        },
    )
}

proptest! {
    /// What a trace says that it looked at is enough: change anything else, and it ends the same.
    #[test]
    fn only_what_was_consulted_matters(one in any_packet(), other in any_packet()) {
        let network = many_ends();
        let trace = run(network, "a", &one, &mut State::default());
        let mut mixed = other;
        for field in Field::MATCHABLE {
            let mask = trace.consulted.mask(field);
            mixed.set(field, one.get(field) & mask | mixed.get(field) & !mask);
        }
        let again = run(network, "a", &mixed, &mut State::default());
        prop_assert_eq!(trace.steps, again.steps);
        let ends = |trace: &Trace| -> Vec<String> {
            trace.ends.iter().map(|end| match end {
                End::Delivered { port, .. } => format!("{port:?}"),
                End::Dropped { why, .. } => format!("{why:?}"),
                other => format!("{other:?}"),
            }).collect()
        };
        prop_assert_eq!(ends(&trace), ends(&again));
    }

    /// The table that is made ready finds what trying one flow after the other finds.
    #[test]
    fn the_classifier_agrees_with_the_expressions(packet in any_packet()) {
        let network = many_ends();
        let trace = run(network, "a", &packet, &mut State::default());
        let mut known = packet;
        known.set(Field::InPort, 1);
        let place = network.environment(network.datapath("s").unwrap());
        let mut flows: Vec<_> = network.flows().map(|it| it.1)
            .filter(|flow| flow.pipeline == logic::Pipeline::Ingress && flow.table == 0)
            .filter(|flow| logic::parse_match_with(&flow.matches).unwrap().eval(&known, &place))
            .collect();
        flows.sort_by_key(|flow| std::cmp::Reverse(flow.priority));
        let pipeline::NodeKind::Table { flow, .. } = &trace.nodes[0].inside[0].kind else {
            panic!("{:?}", trace.nodes)
        };
        prop_assert_eq!(flow.map(|it| network[it].uuid), flows.first().map(|it| it.uuid));
    }

    /// No bytes are a danger.
    #[test]
    fn any_frame_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let read = pipeline::from_bytes(&bytes);
        prop_assert_eq!(read.is_some(), bytes.len() >= 14);
    }
}

//! Chassis as places: tunnels, gateways, physical networks, and what each chassis remembers for itself.

mod maker;

use logic::Field;
use maker::Maker;
use model::{Uuid, Weak, sb};
use pipeline::{Drop, End, Fields, Network, Node, NodeKind, Options, State, Trace};

const BOTH: &[sb::EncapType] = &[sb::EncapType::Geneve, sb::EncapType::Vxlan];
const VXLAN: &[sb::EncapType] = &[sb::EncapType::Vxlan];

fn packet(from: u32, to: u32) -> Fields {
    Fields::default()
        .with(Field::EthSrc, from)
        .with(Field::EthDst, to)
        .with(Field::EthType, 0x800_u32)
        .with(Field::IpProto, 17_u32)
        .with(Field::IpTtl, 64_u32)
        .with(Field::Ip4Src, from)
        .with(Field::Ip4Dst, to)
        .with(Field::UdpSrc, 1_u32)
        .with(Field::UdpDst, 2_u32)
}

fn run(network: &Network, from: &str, packet: &Fields, state: &mut State) -> Trace {
    let port = network.port(from).expect("a port of the network");
    network.run(port, packet, state, &Options::default())
}

/// Where it was delivered: port and chassis.
fn delivered(network: &Network, trace: &Trace) -> Vec<(String, String)> {
    let ends = trace.ends.iter().filter_map(|end| match end {
        End::Delivered { port, place, .. } => {
            let place = place.map_or("", |it| network[it].name.as_str());
            Some((network[*port].name.to_string(), place.to_owned()))
        }
        _ => None,
    });
    ends.collect()
}

/// Ways between chassis, as they are printed.
fn ways(network: &Network, trace: &Trace) -> Vec<String> {
    fn walk(network: &Network, nodes: &[Node], found: &mut Vec<String>) {
        for node in nodes {
            match &node.kind {
                NodeKind::Tunnel(it) => found.push(format!(
                    "{} {}>{} {} {}>{}",
                    it.encapsulation.map_or("no", |it| it.name()),
                    network[it.from].name,
                    network[it.to].name,
                    it.identifier(network[it.datapath].key),
                    it.inport,
                    it.outport
                )),
                NodeKind::Wire { from, to, .. } => {
                    found.push(format!(
                        "wire {}>{}",
                        network[*from].name, network[*to].name
                    ));
                }
                _ => {}
            }
            walk(network, &node.inside, found);
        }
    }
    let mut found = Vec::new();
    walk(network, &trace.nodes, &mut found);
    found
}

fn pair(port: &str, place: &str) -> (String, String) {
    (port.to_owned(), place.to_owned())
}

/// A switch with `a` on hv1 and `b` on hv2.
fn two_hosts(kinds: [&[sb::EncapType]; 2]) -> (Maker, Uuid, [Uuid; 2]) {
    let mut maker = Maker::default();
    let switch = maker.switch();
    let chassis = [
        maker.chassis("hv1", kinds[0]),
        maker.chassis("hv2", kinds[1]),
    ];
    maker.bind("a", chassis[0]);
    maker.bind("b", chassis[1]);
    maker.flow(
        switch,
        ("in", 0, 0),
        "1",
        "flags.loopback = 0; pkt.mark = 7; next(9);",
    );
    (maker, switch, chassis)
}

#[test]
fn a_port_elsewhere_is_reached_through_a_tunnel() {
    let (maker, ..) = two_hosts([BOTH, BOTH]);
    let network = maker.network();
    let trace = run(&network, "a", &packet(1, 2), &mut State::default());
    assert_eq!(delivered(&network, &trace), [pair("b", "hv2")]);
    assert_eq!(ways(&network, &trace), ["geneve hv1>hv2 1 1>2"]);
    let text = pipeline::print(&network, &trace, &[pipeline::Form::Detailed]);
    let line =
        "/* geneve tunnel from hv1 to hv2 at 192.0.2.2: identifier 1, in a (1), out b (2) */";
    assert!(text.contains(line), "{text}");
    assert!(pipeline::sentence(&network, &trace, &|_| None).contains("delivered to b on hv2"));
    // As one place there is no tunnel, and it ends alike.
    let options = Options {
        places: false,
        ..Options::default()
    };
    let port = network.port("a").unwrap();
    let trace = network.run(port, &packet(1, 2), &mut State::default(), &options);
    assert!(ways(&network, &trace).is_empty());
    assert_eq!(delivered(&network, &trace), [pair("b", "")]);
}

#[test]
fn vxlan_loses_the_input_port_and_marks_stay_behind() {
    let (mut maker, switch, _) = two_hosts([BOTH, VXLAN]);
    maker.flow(
        switch,
        ("out", 0, 10),
        "inport == \"a\" || pkt.mark == 7",
        "drop;",
    );
    let network = maker.network();
    let trace = run(&network, "a", &packet(1, 2), &mut State::default());
    assert_eq!(
        ways(&network, &trace),
        [format!("vxlan hv1>hv2 {} 1>2", 2 << 12 | 1)]
    );
    assert_eq!(delivered(&network, &trace), [pair("b", "hv2")]);
}

#[test]
fn chassis_without_a_common_tunnel_and_ports_without_a_chassis() {
    let (maker, ..) = two_hosts([&[sb::EncapType::Geneve], VXLAN]);
    let network = maker.network();
    let why = |trace: &Trace| match trace.ends.as_slice() {
        [End::Dropped { why, .. }] => why.clone(),
        other => panic!("{other:?}"),
    };
    let trace = run(&network, "a", &packet(1, 2), &mut State::default());
    assert!(matches!(why(&trace), Drop::NoTunnel(..)));
    let said = pipeline::sentence(&network, &trace, &|_| None);
    assert!(
        said.contains("hv1 and hv2 have no kind of tunnel in common"),
        "{said}"
    );

    let (mut maker, ..) = two_hosts([BOTH, BOTH]);
    maker.row("b").chassis = None;
    let network = maker.network();
    let trace = run(&network, "a", &packet(1, 2), &mut State::default());
    assert!(matches!(why(&trace), Drop::Unbound(_)));
}

#[test]
fn a_group_has_one_tunnel_for_each_chassis() {
    let (mut maker, switch, [_, hv2]) = two_hosts([BOTH, BOTH]);
    for (key, name) in [(3, "c"), (4, "d")] {
        maker.port(switch, name, key, "", None);
        maker.bind(name, hv2);
    }
    maker.port(switch, "unbound", 5, "", None);
    maker.group(switch, "_MC_flood", 32768);
    maker.flow(
        switch,
        ("in", 9, 100),
        "eth.mcast",
        "outport = \"_MC_flood\"; output;",
    );
    let network = maker.network();
    let to_all = packet(1, 2).with(Field::EthDst, 0xffff_ffff_ffff_u64);
    let trace = run(&network, "a", &to_all, &mut State::default());
    let mut expected: Vec<_> = ["b", "c", "d"].map(|it| pair(it, "hv2")).into();
    assert_eq!(delivered(&network, &trace), expected);
    assert_eq!(ways(&network, &trace), ["geneve hv1>hv2 1 1>32768"]);
    // Not to the one who sent it, wherever that is.
    expected = vec![pair("c", "hv2"), pair("d", "hv2"), pair("a", "hv1")];
    let trace = run(&network, "b", &to_all, &mut State::default());
    assert_eq!(delivered(&network, &trace), expected);
}

#[test]
fn a_physical_network_takes_the_place_of_tunnels() {
    let (mut maker, switch, _) = two_hosts([BOTH, BOTH]);
    maker.port(switch, "wire", 9, "localnet", None);
    maker.row("wire").options = [("network_name".into(), "phys".into())]
        .into_iter()
        .collect();
    // Only what comes from the wire has been seen on both hosts.
    maker.flow(
        switch,
        ("in", 0, 10),
        "inport == \"wire\"",
        "ip.ttl = 63; next(9);",
    );
    let network = maker.network();
    let trace = run(&network, "a", &packet(1, 2), &mut State::default());
    assert_eq!(ways(&network, &trace), ["wire hv1>hv2"]);
    assert_eq!(delivered(&network, &trace), [pair("b", "hv2")]);
    let Some(End::Delivered {
        packet: arrived, ..
    }) = trace.ends.first()
    else {
        panic!("{:?}", trace.ends)
    };
    assert_eq!(arrived.get(Field::IpTtl), 63);
}

#[test]
fn a_port_on_the_move_gets_copies_on_both_chassis() {
    let (mut maker, _, [hv1, _]) = two_hosts([BOTH, BOTH]);
    let hv3 = maker.chassis("hv3", BOTH);
    maker.row("b").additional_chassis = [Weak::new(hv3)].into_iter().collect();
    maker.bind("a", hv1);
    let network = maker.network();
    let trace = run(&network, "a", &packet(1, 2), &mut State::default());
    assert_eq!(
        delivered(&network, &trace),
        [pair("b", "hv2"), pair("b", "hv3")]
    );
}

/// A router with a distributed port whose gateway is hv2: packets that come in on hv1 are redirected there.
fn redirected() -> Network {
    let (mut maker, switch, [_, hv2]) = two_hosts([BOTH, BOTH]);
    let router = maker.datapath("r", "logical-router");
    maker.port(switch, "s-r", 5, "patch", Some("r-s"));
    maker.port(router, "r-s", 1, "patch", Some("s-r"));
    maker.port(router, "r-out", 2, "patch", None);
    maker.port(router, "cr-r-out", 3, "chassisredirect", None);
    maker.row("cr-r-out").options = [("distributed-port".into(), "r-out".into())]
        .into_iter()
        .collect();
    maker.bind("cr-r-out", hv2);
    maker.flow(switch, ("in", 9, 40), "ip4", "outport = \"s-r\"; output;");
    maker.flow(
        router,
        ("in", 0, 10),
        "is_chassis_resident(\"cr-r-out\")",
        "outport = \"r-out\"; output;",
    );
    maker.flow(router, ("in", 0, 0), "1", "outport = \"cr-r-out\"; output;");
    maker.flow(router, ("out", 0, 0), "1", "output;");
    maker.network()
}

#[test]
fn a_gateway_is_where_its_chassis_is() {
    let network = redirected();
    let far = run(&network, "a", &packet(1, 99), &mut State::default());
    assert_eq!(ways(&network, &far), ["geneve hv1>hv2 2 1>3"]);
    assert_eq!(delivered(&network, &far), [pair("r-out", "hv2")]);
    // On the chassis of the gateway itself, the other flow holds.
    let near = run(&network, "b", &packet(2, 99), &mut State::default());
    assert!(ways(&network, &near).is_empty());
    assert_eq!(delivered(&network, &near), [pair("r-out", "hv2")]);
}

#[test]
fn each_port_tracks_for_itself() {
    let (mut maker, switch, _) = two_hosts([BOTH, BOTH]);
    maker.flow(switch, ("out", 0, 10), "ip4", "ct_next;");
    maker.flow(switch, ("out", 1, 10), "ct.new", "ct_commit; next(9);");
    maker.flow(switch, ("out", 1, 5), "ct.est", "next(9);");
    let network = maker.network();
    let mut state = State::default();
    let there = run(&network, "a", &packet(1, 2), &mut state);
    assert_eq!(delivered(&network, &there), [pair("b", "hv2")]);
    assert_eq!(state.connections.len(), 1);
    let (port, reply) = network.reply(&there).unwrap();
    network.run(port, &reply, &mut state, &Options::default());
    // The answer is new in the zone of `a`, on the other chassis.
    assert_eq!(state.connections.len(), 2);
}

#[test]
fn template_variables_stand_for_what_the_chassis_says() {
    let (mut maker, switch, _) = two_hosts([BOTH, BOTH]);
    maker.template("hv1", "who", "0.0.0.2");
    maker.template("hv2", "who", "0.0.0.1");
    maker.template("hv2", "ttl", "7");
    maker.flow(
        switch,
        ("in", 0, 50),
        "ip4.dst == ^who",
        "ip.ttl = 9; next(9);",
    );
    maker.flow(
        switch,
        ("in", 0, 60),
        "ip4.src == 0.0.0.2",
        "ip.ttl = ^ttl; next(9);",
    );
    let network = maker.network();
    let ttl = |from: &str, packet: &Fields| {
        let trace = run(&network, from, packet, &mut State::default());
        match trace.ends.first() {
            Some(End::Delivered { packet, .. }) => packet.get(Field::IpTtl),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ttl("a", &packet(1, 2)), 9);
    assert_eq!(ttl("b", &packet(2, 1)), 7);
    // On hv1 nothing says what `ttl` is, so the flow is left out there.
    assert_eq!(ttl("a", &packet(2, 2)), 9);
    assert_eq!(ttl("b", &packet(3, 1).with(Field::EthDst, 1_u32)), 9);
}

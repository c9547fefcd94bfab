//! Messages as Linux 6.1 has sent them, and as a newer kernel might.

use odp::message::control::FamilyInfo;
use odp::message::{Content, Frame, frames};
use odp::{
    Action, CtLimits, Datapath, DatapathId, DecodeError, Features, Flow, FlowText, Format,
    KeyField, MeterFeatures, MeterStats, PortNo, Raw, Upcall, UpcallReason, Vport, VportKind, Zone,
};

/// The datagram of a name.
fn bytes(name: &str) -> Vec<u8> {
    let text = include_str!("data/recorded.txt");
    let mut lines = text.lines().skip_while(|line| *line != name).skip(1);
    let hex: String = lines
        .by_ref()
        .take_while(|line| line.starts_with(' '))
        .map(str::trim)
        .collect();
    assert!(!hex.is_empty(), "there is no {name}");
    let pairs = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal"))
        .collect()
}

fn objects(datagram: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let all: Result<Vec<Frame<'_>>, DecodeError> = frames(datagram).collect();
    let object = |frame: Frame<'_>| match frame.content {
        Content::Object { command, body, .. } => (command, body.to_vec()),
        other => panic!("{other:?}"),
    };
    all.expect("messages").into_iter().map(object).collect()
}

/// What the only message of a datagram says.
fn only(name: &str) -> Vec<u8> {
    let mut all = objects(&bytes(name));
    assert_eq!(all.len(), 1, "{name}");
    all.remove(0).1
}

fn ports() -> Vec<Vport> {
    let all = objects(&bytes("ports"));
    all.iter()
        .map(|(_, body)| Vport::decode(body).expect("a port"))
        .collect()
}

#[test]
fn a_family_is_read() {
    let family = FamilyInfo::decode(&only("family")).unwrap();
    assert_eq!(family.id, 33);
    assert_eq!(family.groups, [("ovs_vport".to_owned(), 10)]);
}

#[test]
fn a_datapath_is_read() {
    let datapath = Datapath::decode(&only("datapath")).unwrap();
    assert_eq!(
        (datapath.id, datapath.name.as_str()),
        (DatapathId(5), "dp0")
    );
    assert_eq!(
        datapath.features,
        Features::UNALIGNED.with(Features::VPORT_PIDS)
    );
    assert_eq!(datapath.masks_cache_size, Some(256));
    assert_eq!(
        datapath.megaflow.map(|megaflow| megaflow.cache_hit),
        Some(Some(0))
    );
    assert_eq!(datapath.unknown, []);
    let changed = Datapath::decode(&only("datapath-per-cpu")).unwrap();
    assert!(changed.features.has(Features::PER_CPU_UPCALLS));
    assert_eq!(changed.per_cpu_pids.len(), 2);
    assert_eq!(changed.unknown, []);
}

#[test]
fn ports_are_read() {
    let ports = ports();
    let mut told: Vec<_> = ports
        .iter()
        .map(|port| {
            (
                port.number.0,
                port.kind,
                port.name.as_str(),
                port.options.port,
            )
        })
        .collect();
    told.sort_unstable_by_key(|port| port.0);
    assert_eq!(
        told,
        [
            (0, VportKind::Internal, "dp0", None),
            (1, VportKind::Internal, "in0", None),
            (2, VportKind::Vxlan, "vx", Some(4790)),
            (3, VportKind::Geneve, "gnv", Some(6082)),
            (4, VportKind::Gre, "gre", None),
        ]
    );
    for port in &ports {
        assert_eq!(port.options.group_policy, port.name == "vx");
        assert_eq!(port.upcall_pids, [0]);
        assert_eq!(port.unknown, []);
    }
    assert_eq!(Vport::decode(&only("event")).unwrap().name, "in0");
}

#[test]
fn flows_are_read_and_written_again() {
    let all = objects(&bytes("flows"));
    let lines: Vec<String> = all
        .iter()
        .map(|(_, body)| {
            let (_, flow) = Flow::decode(body).unwrap();
            assert_eq!(flow.unknown, []);
            let text = FlowText {
                flow: &flow,
                format: Format::default(),
                now: 0,
            };
            text.to_string()
        })
        .collect();
    assert_eq!(
        lines,
        [
            "in_port(1),ct_state(+est+trk),ct_zone(0x5),ct_label(0x1/0xf),eth(),eth_type(0x8100),vlan(vid=7,pcp=0),\
             encap(eth_type(0x86dd),ipv6(dst=fd00::/ffff::,proto=58),icmpv6(type=135),nd(target=fd00::1)), \
             packets:0, bytes:0, used:never, actions:pop_vlan,\
             sample(sample=50.0%,actions(userspace(pid=1,userdata(0102030405060708)))),\
             check_pkt_len(size=200,gt(1),le(2)),clone(trunc(100),1)",
            "tunnel(tun_id=0x7,src=1.1.1.1,dst=2.2.2.2,ttl=64,geneve({class=0x102,type=0x80,len=4,0xa000b}),flags(df|key)),\
             in_port(3),eth(),eth_type(0x0806),arp(op=1/0xff), packets:0, bytes:0, used:never, \
             actions:set(tunnel(tun_id=0x1,ipv6_src=fe80::1,ipv6_dst=fe80::2,ttl=64,flags(key))),4,\
             set(eth(dst=02:00:00:00:00:02)),set(skb_mark(0x5/0xff)),2",
            "in_port(1),eth(src=02:00:00:00:00:01),eth_type(0x0800),ipv4(dst=10.0.0.0/255.0.0.0,proto=6,frag=no),\
             tcp(dst=0/0xff00),tcp_flags(+syn-ack), packets:0, bytes:0, used:never, \
             actions:ct(commit,zone=5,mark=0x1/0xff,nat(src=10.0.0.1-10.0.0.9:1-9,random)),recirc(0x5)",
        ]
    );
}

#[test]
fn a_packet_is_read() {
    let all = objects(&bytes("upcall"));
    let upcall = Upcall::decode(all[0].0, &all[0].1).unwrap().unwrap();
    assert_eq!(upcall.reason, UpcallReason::Action);
    assert_eq!(upcall.packet.len(), 42);
    assert_eq!(upcall.key.in_port(), Some(PortNo(1)));
    assert_eq!(upcall.key.arp().map(|arp| arp.op), Some(1));
    assert_eq!(upcall.userdata, Some(vec![1, 2, 3, 4, 5, 6, 7, 8]));
    assert!(matches!(
        upcall.actions.as_deref(),
        Some([Action::Userspace(_)])
    ));
    assert_eq!(upcall.hash, Some(0));
    assert_eq!(upcall.unknown, []);
    assert!(
        !upcall
            .key
            .0
            .iter()
            .any(|field| matches!(field, KeyField::Unknown(_)))
    );
}

#[test]
fn meters_and_limits_are_read() {
    let meter = MeterStats::decode(&only("meter")).unwrap().unwrap();
    assert_eq!((meter.id.0, meter.bands.len()), (3, 1));
    assert_eq!(meter.unknown, []);
    let features = MeterFeatures::decode(&only("meter-features")).unwrap();
    assert_eq!((features.max_meters, features.max_bands), (200_000, 1));
    let limits = CtLimits::decode(&only("limits")).unwrap();
    assert_eq!(limits.default, Some(1000));
    assert_eq!(limits.zones.len(), 1);
    assert_eq!((limits.zones[0].zone, limits.zones[0].limit), (Zone(5), 10));
}

/// Puts other bytes in the place of the first that are these.
fn replaced(body: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = body
        .windows(from.len())
        .position(|window| window == from)
        .expect("it is there");
    [&body[..at], to, &body[at + from.len()..]].concat()
}

/// The peer lists no port at all when there is one of a type that it does not know.
#[test]
fn an_unknown_type_of_port_is_listed() {
    let datagram = bytes("ports");
    let all = objects(&datagram);
    let vxlan = all
        .iter()
        .position(|(_, body)| Vport::decode(body).unwrap().name == "vx")
        .unwrap();
    let mut ports = Vec::new();
    for (n, (_, body)) in all.iter().enumerate() {
        let kind = |number: u8| [8, 0, 2, 0, number, 0, 0, 0];
        let body = match n == vxlan {
            true => replaced(body, &kind(4), &kind(107)),
            false => body.clone(),
        };
        ports.push(Vport::decode(&body).unwrap());
    }
    assert_eq!(ports.len(), 5);
    assert_eq!(ports[vxlan].kind, VportKind::Other(107));
    assert_eq!(ports[vxlan].name, "vx");
}

/// The peer swallows the error, and has no port.
#[test]
fn a_bad_option_of_a_port_is_kept() {
    let all = objects(&bytes("ports"));
    let (_, body) = all
        .iter()
        .find(|(_, body)| Vport::decode(body).unwrap().name == "gnv")
        .unwrap();
    // A port number of three bytes.
    let bad = replaced(body, &[6, 0, 1, 0, 0xc2, 0x17], &[7, 0, 1, 0, 0xc2, 0x17]);
    let port = Vport::decode(&bad).unwrap();
    assert_eq!(port.kind, VportKind::Geneve);
    assert_eq!(port.options.port, None);
    assert_eq!(
        port.options.unknown,
        [Raw {
            kind: 1,
            bytes: vec![0xc2, 0x17, 0]
        }]
    );
}

/// Cut anywhere, a datagram has the messages that are whole, and an error or nothing.
#[test]
fn a_datagram_that_is_cut_ends_well() {
    let datagram = bytes("flows");
    let whole = objects(&datagram).len();
    for end in 0..datagram.len() {
        let read: Vec<_> = frames(&datagram[..end]).collect();
        let good = read.iter().filter(|frame| frame.is_ok()).count();
        assert!(good < whole && read.len() <= whole);
        for frame in read.into_iter().flatten() {
            if let Content::Object { body, .. } = frame.content {
                assert!(Flow::decode(body).is_ok());
            }
        }
    }
}

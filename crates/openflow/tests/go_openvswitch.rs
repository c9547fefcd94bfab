//! What go-openvswitch offers, and what it does wrong: each match and action has its equivalent here, and
//! each of its known defects a test that this crate passes.

mod switch;

use std::net::{Ipv4Addr, Ipv6Addr};

use openflow::message::FlowMod;
use openflow::{
    Action, Cookie, Dscp, Ecn, Field, Flow, FlowFlags, FlowLabel, Match, Message, MplsLabel,
    Parser, Port, Vlan, VlanId, VlanPriority, port_masks,
};
use switch::{Connection, Switch};

/// Every match constructor, by its name there: ours, and the text that both write.
fn matches() -> Vec<(&'static str, Match, &'static str)> {
    let any = Match::new;
    let mac = [0xde, 0xad, 0xbe, 0xef, 0xde, 0xad];
    let v4 = Ipv4Addr::new(192, 0, 2, 1);
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    let tcp = || any().ip().ip_proto(6);
    let udp = || any().ip().ip_proto(17);
    let icmp6 = |kind: u8| any().ipv6().ip_proto(58).with(Field::Icmpv6Type, kind);
    let vlan = |id| Vlan::Id(VlanId::new(id).expect("in range"));
    vec![
        (
            "DataLinkSource",
            any().eth_src(mac),
            "dl_src=de:ad:be:ef:de:ad",
        ),
        (
            "DataLinkDestination",
            any().eth_dst(mac),
            "dl_dst=de:ad:be:ef:de:ad",
        ),
        (
            "DataLinkDestination mask",
            any().with_masked(Field::EthDst, 1u128 << 40, 1u128 << 40),
            "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00",
        ),
        ("DataLinkType", any().eth_type(0x88cc), "dl_type=0x88cc"),
        ("DataLinkVLAN", any().vlan(vlan(10)), "dl_vlan=10"),
        (
            "DataLinkVLAN VLANNone",
            any().vlan(Vlan::Absent),
            "vlan_tci=0x0000/0x1fff",
        ),
        (
            "DataLinkVLANPCP",
            any().vlan_priority(VlanPriority::new(3).expect("in range")),
            "dl_vlan_pcp=3",
        ),
        (
            "VLANTCI",
            any().with_masked(Field::VlanTci, 0x1000u16, 0x1000u16),
            "vlan_tci=0x1000/0x1000",
        ),
        (
            "NetworkSource",
            any().with(Field::IpSrc, v4),
            "ip,nw_src=192.0.2.1",
        ),
        (
            "NetworkDestination CIDR",
            any().with_masked(Field::IpDst, 0xc000_0200u32, 0xffff_ff00u32),
            "ip,nw_dst=192.0.2.0/24",
        ),
        ("NetworkProtocol", any().ip().ip_proto(47), "ip,nw_proto=47"),
        (
            "NetworkECN",
            any().ip().ecn(Ecn::new(2).expect("in range")),
            "ip,nw_ecn=2",
        ),
        (
            "NetworkTOS",
            any().ip().dscp(Dscp::new(10).expect("in range")),
            "ip,nw_tos=40",
        ),
        (
            "NetworkTTL",
            any().ip().with(Field::IpTtl, 64u8),
            "ip,nw_ttl=64",
        ),
        (
            "IPFrag",
            any().ip().with_masked(Field::IpFrag, 0u8, 2u8),
            "ip,nw_frag=not_later",
        ),
        (
            "IPv6Source",
            any().with(Field::Ipv6Src, v6),
            "ipv6,ipv6_src=2001:db8::1",
        ),
        (
            "IPv6Destination",
            any().ipv6_dst(v6),
            "ipv6,ipv6_dst=2001:db8::1",
        ),
        (
            "IPv6Label",
            any().flow_label(FlowLabel::new(0x12345).expect("in range")),
            "ipv6,ipv6_label=0x12345",
        ),
        (
            "ICMPType",
            any().with(Field::IcmpType, 8u8),
            "icmp,icmp_type=8",
        ),
        (
            "ICMPCode",
            any().with(Field::IcmpCode, 1u8),
            "icmp,icmp_code=1",
        ),
        ("ICMP6Type", icmp6(135), "icmp6,icmp_type=135"),
        (
            "ICMP6Code",
            any().with(Field::Icmpv6Code, 0u8),
            "icmp6,icmp_code=0",
        ),
        (
            "NeighborDiscoveryTarget",
            icmp6(136).with(Field::NdTarget, v6),
            "icmp6,icmp_type=136,nd_target=2001:db8::1",
        ),
        (
            "NeighborDiscoverySourceLinkLayer",
            any().with(Field::NdSll, mac),
            "icmp6,icmp_type=135,nd_sll=de:ad:be:ef:de:ad",
        ),
        (
            "NeighborDiscoveryTargetLinkLayer",
            any().with(Field::NdTll, mac),
            "icmp6,icmp_type=136,nd_tll=de:ad:be:ef:de:ad",
        ),
        (
            "ARPOperation",
            any().with(Field::ArpOp, 2u8),
            "arp,arp_op=2",
        ),
        (
            "ARPSourceHardwareAddress",
            any().with(Field::ArpSha, mac),
            "arp,arp_sha=de:ad:be:ef:de:ad",
        ),
        (
            "ARPTargetHardwareAddress",
            any().with(Field::ArpTha, mac),
            "arp,arp_tha=de:ad:be:ef:de:ad",
        ),
        (
            "ARPSourceProtocolAddress",
            any().with(Field::ArpSpa, v4),
            "arp,arp_spa=192.0.2.1",
        ),
        (
            "ARPTargetProtocolAddress",
            any().with(Field::ArpTpa, v4),
            "arp,arp_tpa=192.0.2.1",
        ),
        (
            "TransportSourcePort",
            tcp().with(Field::TcpSrc, 80u16),
            "tcp,tp_src=80",
        ),
        (
            "TransportDestinationPort",
            tcp().with(Field::TcpDst, 80u16),
            "tcp,tp_dst=80",
        ),
        (
            "TransportDestinationMaskedPort",
            tcp().with_masked(Field::TcpDst, 0x1f40u16, 0xfff0u16),
            "tcp,tp_dst=0x1f40/0xfff0",
        ),
        (
            "UDPSourcePort",
            udp().with(Field::UdpSrc, 53u16),
            "udp,tp_src=53",
        ),
        (
            "UDPDestinationPort",
            udp().with(Field::UdpDst, 53u16),
            "udp,tp_dst=53",
        ),
        (
            "TCPFlags",
            tcp().with_masked(Field::TcpFlags, 2u8, 0x12u8),
            "tcp,tcp_flags=+syn-ack",
        ),
        (
            "ConnectionTrackingState",
            any().ct_state(0x21, 0x23),
            "ct_state=+new-est+trk",
        ),
        (
            "ConnectionTrackingMark",
            any().with_masked(Field::CtMark, 1u8, 0xffu8),
            "ct_mark=0x1/0xff",
        ),
        (
            "ConnectionTrackingZone",
            any().with(Field::CtZone, 5u8),
            "ct_zone=5",
        ),
        ("Metadata", any().metadata(10), "metadata=0xa"),
        (
            "MetadataWithMask",
            any().with_masked(Field::Metadata, 10u8, 0xffu8),
            "metadata=0xa/0xff",
        ),
        ("TunnelID", any().with(Field::TunId, 10u8), "tun_id=0xa"),
        (
            "TunnelIDWithMask",
            any().with_masked(Field::TunId, 10u8, 0xffu8),
            "tun_id=0xa/0xff",
        ),
        (
            "TunnelSrc",
            any().with(Field::TunSrc, v4),
            "tun_src=192.0.2.1",
        ),
        (
            "TunnelDst",
            any().with(Field::TunDst, v4),
            "tun_dst=192.0.2.1",
        ),
        (
            "TunnelFlags",
            any().with_masked(Field::TunFlags, 1u8, 1u8),
            "tun_flags=+oam",
        ),
        (
            "TunnelGBP",
            any().with(Field::TunGbpId, 5u8),
            "tun_gbp_id=5",
        ),
        (
            "TunnelGbpFlags",
            any().with(Field::TunGbpFlags, 8u8),
            "tun_gbp_flags=0x8",
        ),
        ("ConjunctionID", any().with(Field::ConjId, 7u8), "conj_id=7"),
        ("InPortMatch", any().in_port(3), "in_port=3"),
        (
            "InPortMatch LOCAL",
            any().in_port(Port::LOCAL),
            "in_port=LOCAL",
        ),
        (
            "FieldMatch",
            any().with(Field::PktMark, 9u8),
            "pkt_mark=0x9",
        ),
        (
            "mpls_label",
            any().mpls_label(MplsLabel::new(5).expect("in range")),
            "mpls,mpls_label=5",
        ),
    ]
}

/// Every action constructor: how it is written there, and how it is printed here.
const ACTIONS: &[(&str, &str, &str)] = &[
    ("All", "all", "ALL"),
    ("Drop", "drop", ""),
    ("Flood", "flood", "FLOOD"),
    ("InPort", "in_port", "IN_PORT"),
    ("Local", "local", "LOCAL"),
    ("Normal", "normal", "NORMAL"),
    ("StripVLAN", "strip_vlan", "pop_vlan"),
    (
        "ConnectionTracking",
        "ct(commit,exec(set_field:1->ct_mark))",
        "ct(commit,exec(set_field:0x1->ct_mark))",
    ),
    (
        "ModDataLinkDestination",
        "mod_dl_dst:de:ad:be:ef:de:ad",
        "set_field:de:ad:be:ef:de:ad->eth_dst",
    ),
    (
        "ModDataLinkSource",
        "mod_dl_src:de:ad:be:ef:de:ad",
        "set_field:de:ad:be:ef:de:ad->eth_src",
    ),
    (
        "ModNetworkDestination",
        "mod_nw_dst:192.0.2.1",
        "set_field:192.0.2.1->ip_dst",
    ),
    (
        "ModNetworkSource",
        "mod_nw_src:192.0.2.1",
        "set_field:192.0.2.1->ip_src",
    ),
    (
        "ModTransportDestinationPort",
        "mod_tp_dst:80",
        "set_field:80->tcp_dst",
    ),
    (
        "ModTransportSourcePort",
        "mod_tp_src:80",
        "set_field:80->tcp_src",
    ),
    (
        "ModVLANVID",
        "mod_vlan_vid:10",
        "push_vlan:0x8100,set_field:4106->vlan_vid",
    ),
    ("Output", "output:5", "output:5"),
    ("OutputField", "output:reg1", "output:NXM_NX_REG1[]"),
    (
        "Multipath",
        "multipath(symmetric_l3l4+udp,1024,hrw,2,0,NXM_NX_REG0[])",
        "multipath(symmetric_l3l4+udp,1024,hrw,2,0,NXM_NX_REG0[])",
    ),
    (
        "Conjunction",
        "conjunction(123,1/2)",
        "conjunction(123,1/2)",
    ),
    ("Resubmit", "resubmit(1,2)", "resubmit(1,2)"),
    ("ResubmitPort", "resubmit:1", "resubmit:1"),
    (
        "SetField",
        "set_field:192.0.2.1->ip_src",
        "set_field:192.0.2.1->ip_src",
    ),
    ("Load", "load:0x2->NXM_OF_ARP_OP[]", "set_field:2->arp_op"),
    ("SetTunnel", "set_tunnel:0xa", "set_field:0xa->tun_id"),
    (
        "Move",
        "move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[]",
        "move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[]",
    ),
    (
        "Learn",
        "learn(table=5,delete_learned,limit=3,load:0x1->NXM_NX_REG0[0],output:NXM_OF_IN_PORT[])",
        "learn(table=5,delete_learned,limit=3,load:0x1->NXM_NX_REG0[0],output:NXM_OF_IN_PORT[])",
    ),
];

fn print(actions: &[Action]) -> String {
    let texts: Vec<_> = actions.iter().map(ToString::to_string).collect();
    texts.join(",")
}

#[test]
fn every_match_has_its_equivalent_and_its_text_is_read_as_the_same() {
    for (name, ours, text) in matches() {
        assert_eq!(ours.to_string(), text, "{name}");
        assert_eq!(text.parse::<Match>(), Ok(ours), "{name}");
    }
}

#[test]
fn every_action_is_read_and_printed() {
    for (name, theirs, ours) in ACTIONS {
        let read = Parser::default().actions(theirs);
        let read = read.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(print(&read), *ours, "{name}");
        if !ours.is_empty() {
            assert_eq!(Parser::default().actions(ours), Ok(read), "{name}");
        }
    }
}

fn install(connection: &mut Connection, flows: &[Flow]) -> Vec<Flow> {
    let adds: Vec<Message> = flows
        .iter()
        .map(|flow| Message::FlowMod(Box::new(FlowMod::add(flow.clone()))))
        .collect();
    assert_eq!(connection.bundle(&adds), Ok(()));
    connection.told().flows().collect()
}

/// There, a dumped tunnel address becomes an address of the packet inside.
#[test]
fn a_tunnel_match_stays_a_tunnel_match() {
    let switch = Switch::start();
    let mut connection = switch.connect();
    let lines = [
        "priority=1,tun_src=192.0.2.1,actions=drop",
        "priority=2,tun_dst=192.0.2.1,actions=drop",
        "priority=3,tun_ipv6_src=2001:db8::1,actions=drop",
        "priority=4,tun_ipv6_dst=2001:db8::1,actions=drop",
    ];
    let flows: Vec<Flow> = lines.iter().map(|line| line.parse().expect(line)).collect();
    let mut held = install(&mut connection, &flows);
    held.sort_by_key(|flow| flow.key.priority);
    assert_eq!(held, flows);
    for line in switch.ofctl(&["dump-flows", "br0"]) {
        let Some(read) = line.contains("actions=").then(|| line.parse::<Flow>()) else {
            continue;
        };
        let read = read.expect("a flow");
        assert!(flows.contains(&read), "{line} was read as {read}");
        for field in [Field::IpSrc, Field::IpDst, Field::Ipv6Src, Field::Ipv6Dst] {
            assert_eq!(read.key.matches.get(field), None, "{line}");
        }
    }
}

/// There, an unknown key of a dump is left out in silence, and with it a condition.
#[test]
fn an_unknown_match_is_never_dropped() {
    for line in [
        "ip,colour=red,actions=drop",
        "ip,nw_src=192.0.2.1,no_such_field=1,actions=drop",
        "ip,nw_src=192.0.2.1=5,actions=drop",
        "ip,nw_src=,actions=drop",
    ] {
        let error = line.parse::<Flow>().expect_err(line);
        assert!(
            !error.token.is_empty() || line.contains("nw_src=,"),
            "{error}"
        );
    }
    // In bytes, what is not understood is kept and written back.
    let unknown: Match = "oxm=ffff0a0800abcdef00000001"
        .parse()
        .expect("an OXM entry");
    let flow = Flow::new(0, 1, unknown, Vec::new());
    let bytes = Message::FlowMod(Box::new(FlowMod::add(flow.clone())))
        .encode(1)
        .expect("short");
    let (_, Message::FlowMod(read)) = Message::decode(&bytes).expect("a message") else {
        panic!("a flow")
    };
    assert_eq!(read.flow, flow);
    assert_eq!(flow.to_string().parse::<Flow>(), Ok(flow));
}

/// There, one flow with one of these actions makes the whole dump fail.
#[test]
fn actions_that_made_a_dump_fail_are_read() {
    let switch = Switch::start();
    let mut connection = switch.connect();
    let lines = [
        "priority=1,actions=all",
        "priority=2,actions=output:NXM_NX_REG0[0..15]",
        "priority=3,actions=multipath(symmetric_l4,1024,hrw,2,0,NXM_NX_REG0[])",
        "priority=4,actions=learn(table=5,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])",
        "priority=5,actions=set_tunnel:0x5",
    ];
    let flows: Vec<Flow> = lines.iter().map(|line| line.parse().expect(line)).collect();
    let mut held = install(&mut connection, &flows);
    held.sort_by_key(|flow| flow.key.priority);
    assert_eq!(held, flows);
    let dumped = switch.ofctl(&["dump-flows", "br0"]);
    let mut read: Vec<Flow> = dumped
        .iter()
        .filter(|line| line.contains("actions="))
        .map(|line| {
            line.parse()
                .unwrap_or_else(|error| panic!("{line}: {error}"))
        })
        .collect();
    read.sort_by_key(|flow| flow.key.priority);
    assert_eq!(read, flows);
}

/// There, these are lost when a dump is read.
#[test]
fn timeouts_importance_and_flags_survive_a_dump() {
    let switch = Switch::start();
    let mut connection = switch.connect();
    let line = "cookie=0x5, idle_timeout=10, hard_timeout=20, send_flow_rem importance=7, \
                priority=9,ip actions=output:1";
    let flow: Flow = line.parse().expect(line);
    assert_eq!(
        (flow.idle_timeout, flow.hard_timeout, flow.importance),
        (10, 20, 7)
    );
    assert_eq!(flow.flags, FlowFlags::SEND_FLOW_REM);
    let held = install(&mut connection, std::slice::from_ref(&flow));
    assert_eq!(held, std::slice::from_ref(&flow));
    let dumped = switch.ofctl(&["dump-flows", "br0"]);
    let line = dumped
        .iter()
        .find(|line| line.contains("actions="))
        .expect("a flow");
    assert_eq!(line.parse(), Ok(flow));
}

/// There, table 0 cannot be resubmitted to.
#[test]
fn table_zero_can_be_resubmitted_to() {
    let actions = Parser::default()
        .actions("resubmit(,0)")
        .expect("an action");
    assert_eq!(actions, [Action::resubmit(0)]);
    assert_eq!(print(&actions), "resubmit(,0)");
}

/// There, what stands in `ct(...)` is a string that nobody looks at; these are not there at all.
#[test]
fn what_is_missing_there_is_typed_here() {
    for text in [
        "ct(commit,zone=5,nat(src=192.0.2.1-192.0.2.9:1000-2000,random))",
        "ct(commit,exec(set_field:0x1/0xff->ct_label))",
        "push_vlan:0x8100,set_field:4101->vlan_vid",
        "push_mpls:0x8847,set_field:5->mpls_label",
        "dec_ttl",
        "group:5",
        "meter:6",
        "controller(reason=action,max_len=128,id=3,userdata=01.02,pause)",
        "note:01.02.03.04.05.06",
        "encap(nsh(md_type=1)),decap()",
        "check_pkt_larger(1500)->NXM_NX_REG0[0]",
        "set_field:0x5->reg3",
    ] {
        let actions = Parser::default().actions(text);
        let actions = actions.unwrap_or_else(|error| panic!("{text}: {error}"));
        let unknown = |action: &Action| matches!(action, Action::Unknown(_));
        assert!(!actions.iter().any(unknown), "{text}");
        let bytes = openflow::action::encode(&actions);
        assert_eq!(openflow::action::decode(&bytes), Ok(actions), "{text}");
    }
    assert!("actions=ct(no_such_thing)".parse::<Flow>().is_err());
}

#[test]
fn nothing_stands_beside_drop() {
    let error = "actions=drop,output:1"
        .parse::<Flow>()
        .expect_err("drop alone");
    assert_eq!(error.expected, "no other action beside drop");
    assert_eq!(
        "actions=drop".parse(),
        Ok(Flow::new(0, 0x8000, Match::new(), Vec::new()))
    );
    let error = "ip".parse::<Flow>().expect_err("no actions");
    assert_eq!(error.expected, "actions=");
}

#[test]
fn numbers_out_of_range_are_refused_with_field_number_and_range() {
    let texts = [
        (
            VlanId::new(4096).map(drop).expect_err("beyond").to_string(),
            "dl_vlan: 4096 is not between 0 and 4095",
        ),
        (
            VlanPriority::new(8)
                .map(drop)
                .expect_err("beyond")
                .to_string(),
            "dl_vlan_pcp: 8 is not between 0 and 7",
        ),
        (
            FlowLabel::new(0x10_0000)
                .map(drop)
                .expect_err("beyond")
                .to_string(),
            "ipv6_label: 1048576 is not between 0 and 1048575",
        ),
        (
            Match::new()
                .try_with(Field::IpDscp, 64u8)
                .expect_err("beyond")
                .to_string(),
            "ip_dscp: 64 is not between 0 and 63",
        ),
    ];
    for (said, expected) in texts {
        assert_eq!(said, expected);
    }
}

#[test]
fn a_range_of_ports_is_as_few_masks_as_can_be() {
    assert_eq!(port_masks(16, 31), [(16, 0xfff0)]);
    assert_eq!(port_masks(1000, 1999).len(), 7);
    assert_eq!(port_masks(2, 1), []);
    let tcp = Match::new().ip().ip_proto(6);
    assert_eq!(tcp.port_range(Field::TcpDst, 80, 81).len(), 1);
}

#[test]
fn a_cookie_has_a_version_and_is_found_by_it() {
    let cookie = Cookie::new(3, 0x77).expect("in range");
    assert_eq!(cookie.payload_of(3), Some(0x77));
    assert_eq!(cookie.payload_of(4), None);
    let line = format!("cookie={:#018x}/-1", cookie.to_bits());
    let query = Parser::default()
        .flow_spec(&line)
        .expect("a filter")
        .query();
    assert_eq!(
        (query.cookie, query.cookie_mask),
        (cookie.to_bits(), u64::MAX)
    );
    assert!(Cookie::new(16, 0).is_err());
    assert!(Cookie::new(0, 1 << 60).is_err());
}

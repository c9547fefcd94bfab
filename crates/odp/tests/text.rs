//! The text of `ovs-dpctl`: what it says is read, and written again as it was.

use odp::{
    Action, Actions, Flow, FlowStats, FlowText, Format, KeyField, Match, PortNames, PortNo, Ufid,
};

/// Keys that stay as they are.
const KEYS: &[&str] = &[
    "in_port(1),eth()",
    "recirc_id(0x5),dp_hash(0x1/0xf),skb_priority(0x7),in_port(2),skb_mark(0x10/0xf0),eth()",
    "in_port(2),eth(src=50:54:00:00:00:01,dst=50:54:00:00:00:02/ff:ff:00:00:00:00),eth_type(0x0806),arp(sip=1.2.3.4,tip=5.6.7.8/255.255.0.0,op=1,sha=00:0f:10:11:12:13,tha=00:14:15:16:17:18)",
    "in_port(2),eth(),eth_type(0x0800),ipv4(src=10.0.0.0/255.0.0.0,dst=10.1.1.1,proto=6,tos=0x4/0xfc,ttl=64,frag=no),tcp(src=80/0xff00,dst=0/0xff)",
    "in_port(2),eth(),eth_type(0x0800),ipv4(proto=6,frag=first),tcp_flags(+syn-ack)",
    "in_port(2),eth(),eth_type(0x86dd),ipv6(src=::1,dst=fe80::/ffff::,label=0x5,proto=17,tclass=0x70,hlimit=128,frag=later),udp(src=53,dst=5353)",
    "in_port(2),eth(),eth_type(0x86dd),ipv6(label=0x5/0xff,proto=58),icmpv6(type=135,code=0),nd(target=::3,sll=00:05:06:07:08:09,tll=00:0a:0b:0c:0d:0e)",
    "in_port(2),eth(),eth_type(0x0800),ipv4(proto=132),sctp(src=1,dst=2)",
    "in_port(2),eth(),eth_type(0x0800),ipv4(proto=1),icmp(type=8,code=0)",
    "in_port(2),eth(),eth_type(0x8100),vlan(vid=99,pcp=7),encap(eth_type(0x0800),ipv4(src=35.8.2.41))",
    "in_port(2),eth(),eth_type(0x88a8),vlan(vid=1/0xf,pcp=0),encap(eth_type(0x8100),vlan(vid=2,pcp=3/0x1),encap(eth_type(0x0806)))",
    "in_port(2),eth(),eth_type(0x8847),mpls(label=100,tc=7,ttl=64,bos=1)",
    "in_port(2),eth(),eth_type(0x8847),mpls(label=100,tc=0,ttl=64,bos=0,label=200,tc=1,ttl=63,bos=1)",
    "in_port(2),eth(),eth_type(0x8847),mpls(label=100/0xff,tc=7/7,ttl=64/0x0,bos=1/1)",
    "ct_state(+new-est+trk),ct_zone(0x5/0xff),ct_mark(0x1/0x1),ct_label(0x1234/0xffff),in_port(1),eth()",
    "ct_state(new|trk),in_port(1),eth()",
    "ct_tuple4(src=1.1.1.1,dst=2.2.2.0/255.255.255.0,proto=6,tp_src=1,tp_dst=2),in_port(1),eth()",
    "tunnel(tun_id=0x7f10354,src=10.10.10.10,dst=20.20.20.20,ttl=64,flags(csum|key)),in_port(1),eth()",
    "tunnel(tun_id=0x1/0xff,ipv6_src=1::,ipv6_dst=2::1/ffff::,tos=0x8,ttl=0/0x1,tp_dst=4789,flags(-df-csum+key)),in_port(1),eth()",
    "tunnel(tun_id=0x1,src=1.1.1.1,dst=2.2.2.2,ttl=64,geneve({class=0x102,type=0x80,len=4,0xa000b}{class=0xffff,type=0x1/0xf,len=8,0x1/0xff}),flags(df|key)),in_port(1),eth()",
    "tunnel(src=1.1.1.1,dst=2.2.2.2,flags(-df+key)),in_port(1),eth()",
    "tunnel(tun_id=0x1,vxlan(gbp(id=10,flags=0)),flags(key)),in_port(1),eth()",
    "tunnel(tun_id=0x1,erspan(ver=1,idx=0x7/0xfffff),flags(key)),in_port(1),eth()",
    "tunnel(tun_id=0x1,erspan(ver=2,dir=1,hwid=0x7),flags(key)),in_port(1),eth()",
    "in_port(1),eth(),eth_type(0x894f),nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x5,si=255,c1=0x1,c2=0x2/0x0000ff00,c3=0x3,c4=0x4)",
    "in_port(1),eth(),eth_type(0x894f),nsh(flags=0x02/0x03,mdtype=1,np=3,spi=0x123456/0x00ffff00,si=255)",
    "in_port(1),eth(),eth_type(0x894f),nsh(c1=0x1)",
    "in_port(1),eth(),key77(01 02 03/ff ff 00)",
];

/// Actions that stay as they are.
const ACTIONS: &[&str] = &[
    "drop",
    "1,2,3",
    "userspace(pid=555666777)",
    "userspace(pid=6633,sFlow(vid=9,pcp=7,output=10))",
    "userspace(pid=9765,slow_path(cfm,match))",
    "userspace(pid=1234567,userdata(0102030405060708090a0b0c0d0e0f))",
    "userspace(pid=6633,flow_sample(probability=123,collector_set_id=1234,obs_domain_id=2345,obs_point_id=3456,output_port=10,egress))",
    "userspace(pid=6633,ipfix(output_port=10),tunnel_out_port=10)",
    "userspace(pid=6633,controller(reason=1,dont_send=0,continuation=1,recirc_id=4444,rule_cookie=0x5555,controller_id=0,max_len=65535),actions)",
    "set(eth(src=00:01:02:03:04:05,dst=10:11:12:13:14:15))",
    "set(eth(src=00:01:02:00:00:00/ff:ff:ff:00:00:00))",
    "set(ipv4(src=35.8.2.41,ttl=5/0xf))",
    "set(ipv6(dst=fd00::2,label=0x5))",
    "set(tcp(dst=80))",
    "set(skb_mark(0x5/0xff)),set(skb_priority(0x7))",
    "set(nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x5,si=255,c1=0x1,c2=0x2,c3=0x3,c4=0x4))",
    "set(nsh(spi=0x5,si=3))",
    "set(nsh(c1=0x1/0x0000ffff,c4=0x4))",
    "set(nsh(ttl=5,mdtype=1,c2=0x2))",
    "set(nsh(flags=0,ttl=63,mdtype=2,np=1,spi=0x5,si=255))",
    "set(tunnel(tun_id=0xabcdef1234567890,src=1.1.1.1,dst=2.2.2.2,ttl=64,tp_src=1,tp_dst=2,flags(df|csum|key)))",
    "set(tunnel(tun_id=0x1,ipv6_src=fe80::1,ipv6_dst=fe80::2,tos=0,ttl=64,geneve({class=0xffff,type=0x80,len=0}{class=0x102,type=0x1,len=4,0x1}),flags(key)))",
    "push_vlan(vid=12,pcp=0),push_vlan(tpid=0x9100,vid=13,pcp=5),pop_vlan",
    "push_vlan(vid=0,pcp=0,cfi=0)",
    "push_mpls(label=10,tc=7,ttl=63,bos=0,eth_type=0x8847),pop_mpls(eth_type=0x800)",
    "add_mpls(label=10,tc=7,ttl=63,bos=0,eth_type=0x8847)",
    "push_eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02),pop_eth",
    "push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x5,si=255,c1=0x1,c2=0x2,c3=0x3,c4=0x4),pop_nsh()",
    "push_nsh(flags=0,ttl=63,mdtype=2,np=1,spi=0x5,si=255,md2=0x01000a0400010203)",
    "sample(sample=9.7%,actions(1,2,3,push_vlan(vid=1,pcp=2)))",
    "recirc(0x7),hash(l4(5)),hash(sym_l4(0))",
    "ct,ct(commit),ct(force_commit,zone=5),ct_clear",
    "ct(commit,zone=5,mark=0xa0a0a0a0/0xfefefefe,label=0x1234567890abcdef1234567890abcdef/0xf1f2f3f4f5f6f7f8f9f0fafbfcfdfeff,helper=ftp,timeout=ovs_tp_1_tcp4)",
    "ct(nat),ct(commit,nat(src)),ct(commit,nat(dst=10.0.0.240,random))",
    "ct(commit,nat(src=10.0.0.1-10.0.0.240:32768-65535,hash))",
    "ct(commit,nat(src=fe80::20c:29ff:fe88:a18b,persistent)),ct(commit,nat(src=[fe80::20c:29ff:fe88:1]-[fe80::20c:29ff:fe88:a18b]:255-4096,random))",
    "trunc(100),meter(3)",
    "clone(1,clone(push_vlan(vid=12,pcp=0),2),3)",
    "check_pkt_len(size=200,gt(4),le(5)),check_pkt_len(size=200,gt(drop),le(ct(nat)))",
    "dec_ttl(le_1(userspace(pid=5))),drop(7)",
    "psample(group=12,cookie=0x0102),psample(group=12)",
    "action99(01 02 03)",
];

#[test]
fn keys_stay_as_they_are() {
    for text in KEYS {
        let matches: Match = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(matches.to_string(), *text);
        let bytes = matches.key.encode();
        assert_eq!(odp::Key::decode(&bytes).unwrap(), matches.key, "{text}");
    }
}

#[test]
fn actions_stay_as_they_are() {
    for text in ACTIONS {
        let actions = Actions::default().parse(text);
        let actions = actions.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(Format::default().actions(&actions), *text);
        let bytes = Action::encode_all(&actions);
        assert_eq!(Action::decode_all(&bytes).unwrap(), actions, "{text}");
    }
}

#[test]
fn other_words_for_the_same_are_read() {
    for (text, written) in [
        (
            "in_port(0x1) , eth_type(2048)",
            "in_port(1),eth_type(0x0800)",
        ),
        ("eth(dst=00:00:00:00:00:01)", "eth(dst=00:00:00:00:00:01)"),
        ("tcp_flags(0x2/0x12)", "tcp_flags(+syn-ack)"),
        ("ct_state(33/33)", "ct_state(+new+trk)"),
        (
            "ct_tuple6(src=::1,tp_src=5)",
            "ct_tuple6(src=::1,src_port=5)",
        ),
        ("vlan(vid=7)", "vlan(vid=7,pcp=0/0x0)"),
        ("tunnel(flags(0/0))", "tunnel()"),
    ] {
        let matches: Match = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        let shown = matches.to_string();
        // What does not count is not written.
        assert_eq!(shown, written.replace(",pcp=0/0x0", ""), "{text}");
    }
}

#[test]
fn errors_say_what_and_where() {
    for (text, error) in [
        (
            "in_port(1),key1()",
            "a field that has no name, or the name of this one expected at byte 16, before \")\"",
        ),
        (
            "in_port(1),ipv9()",
            "a field of a key, such as eth(...) expected at byte 11, before \"ipv9()\"",
        ),
        ("in_port(1", "\")\" expected at byte 9, before \"\""),
        (
            "eth(src=1)",
            "an Ethernet address expected at byte 8, before \"1)\"",
        ),
        (
            "tcp(src=70000)",
            "a number up to 65535 expected at byte 8, before \"70000)\"",
        ),
        (
            "ipv4(colour=1)",
            "a known field or \")\" expected at byte 5, before \"colour=1)\"",
        ),
        (
            "recirc_id(1/1)",
            "a recirculation number without a mask expected at byte 0, before \"recirc_id(1/1)\"",
        ),
        (
            "ct_state(+new+new)",
            "each flag only once expected at byte 17, before \")\"",
        ),
        (
            "vlan(vid=4096)",
            "a number up to 4095 expected at byte 9, before \"4096)\"",
        ),
        (
            "ufid:1234,eth()",
            "a UFID expected at byte 5, before \"1234,eth()\"",
        ),
    ] {
        assert_eq!(
            text.parse::<Match>().unwrap_err().to_string(),
            error,
            "{text}"
        );
    }
    for (text, error) in [
        (
            "fly",
            "an action, or the number or name of a port expected at byte 0, before \"fly\"",
        ),
        (
            "ct(commit,force_commit)",
            "commit or force_commit, not both expected at byte 3, before \"commit,force_commit)\"",
        ),
        (
            "ct(nat(hash))",
            "src or dst expected at byte 7, before \"hash))\"",
        ),
        (
            "sample(sample=101%,actions(1))",
            "at most a hundred percent expected at byte 14, before \"101%,actions(1))\"",
        ),
        ("1)", "an action expected at byte 1, before \")\""),
        (
            "trunc(1)2",
            "a comma or the end expected at byte 8, before \"2\"",
        ),
    ] {
        let found = Actions::default().parse(text).unwrap_err();
        assert_eq!(found.to_string(), error, "{text}");
    }
}

#[test]
fn nesting_without_end_is_refused() {
    let deep = format!("{}1{}", "clone(".repeat(40), ")".repeat(40));
    let error = Actions::default().parse(&deep).unwrap_err();
    assert!(
        error.to_string().starts_with("less nesting expected"),
        "{error}"
    );
    let deep = format!("{}eth(){}", "encap(".repeat(40), ")".repeat(40));
    assert!(deep.parse::<Match>().is_err());
}

#[test]
fn ports_have_names() {
    let names: PortNames = [
        (PortNo(1), "eth0".to_owned()),
        (PortNo(2), "vx-1".to_owned()),
    ]
    .into_iter()
    .collect();
    let text = Actions {
        names: Some(&names),
    };
    let matches = text.key("in_port(vx-1),eth()").unwrap();
    assert_eq!(matches.key.in_port(), Some(PortNo(2)));
    let actions = text
        .parse("eth0,clone(vx-1),userspace(pid=1,tunnel_out_port=vx-1),3")
        .unwrap();
    let format = Format {
        more: false,
        names: Some(&names),
    };
    assert_eq!(
        format.actions(&actions),
        "eth0,clone(vx-1),userspace(pid=1,tunnel_out_port=vx-1),3"
    );
    assert_eq!(
        format.key(&matches.key, matches.mask.as_ref()),
        "in_port(vx-1),eth()"
    );
    assert_eq!(matches.to_string(), "in_port(2),eth()");
}

#[test]
fn with_more_all_is_written() {
    let matches: Match = "in_port(1),eth(),eth_type(0x0800),ipv4(proto=6,frag=no),tcp(dst=80)"
        .parse()
        .unwrap();
    let more = Format {
        more: true,
        names: None,
    };
    assert_eq!(
        more.key(&matches.key, matches.mask.as_ref()),
        "in_port(1),eth(src=00:00:00:00:00:00/00:00:00:00:00:00,dst=00:00:00:00:00:00/00:00:00:00:00:00),\
         eth_type(0x0800),ipv4(src=0.0.0.0/0.0.0.0,dst=0.0.0.0/0.0.0.0,proto=6,tos=0/0,ttl=0/0,frag=no),\
         tcp(src=0/0,dst=80)"
    );
}

#[test]
fn a_flow_is_a_line() {
    let mut flow = Flow {
        matches: Match::new(PortNo(1)),
        actions: Some(Vec::new()),
        ufid: Some(Ufid(*b"0123456789abcdef")),
        stats: FlowStats {
            packets: 3,
            bytes: 180,
            used: Some(1500),
            tcp_flags: 0x12,
        },
        ..Flow::default()
    };
    let line = |flow: &Flow, more| {
        let format = Format { more, names: None };
        FlowText {
            flow,
            format,
            now: 2750,
        }
        .to_string()
    };
    assert_eq!(
        line(&flow, false),
        "in_port(1),eth(), packets:3, bytes:180, used:1.250s, flags:S., actions:drop"
    );
    flow.stats = FlowStats::default();
    assert_eq!(
        line(&flow, true),
        format!(
            "{}, in_port(1),eth(src=00:00:00:00:00:00/00:00:00:00:00:00,dst=00:00:00:00:00:00/00:00:00:00:00:00), \
             packets:0, bytes:0, used:never, dp:ovs, actions:drop",
            flow.ufid.unwrap()
        )
    );
}

/// The peer has no type for these, and fails on the first action that it has none for.
#[test]
fn an_unknown_field_or_action_stands_beside_the_others() {
    let key = odp::Key(vec![
        KeyField::InPort(PortNo(1)),
        KeyField::Unknown(odp::Raw {
            kind: 60,
            bytes: vec![1, 2],
        }),
        KeyField::EtherType(0x0800),
    ]);
    assert_eq!(key.to_string(), "in_port(1),key60(01 02),eth_type(0x0800)");
}

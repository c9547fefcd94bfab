//! Writes what fuzzing begins with: `seeds FOLDER` makes `FOLDER/corpus` and `FOLDER/words`. Each seed is made by
//! the code that is fuzzed, or is a text of its language.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a tool of developers"
)]

use std::path::Path;

use openflow::message::{FlowMod, GroupCommand, GroupMod, Hello};
use openflow::{Flow, Group, Message};
use ovsdb::Record;
use serde_json::{Value, json};

fn main() {
    let Some(folder) = std::env::args().nth(1) else {
        eprintln!("usage: seeds FOLDER");
        std::process::exit(2);
    };
    let folder = Path::new(&folder);
    write_words(folder);
    let sets: [(&str, Vec<Vec<u8>>); 9] = [
        ("server", server()),
        ("transactions", transactions()),
        ("file", files()),
        ("client", client()),
        ("openflow_wire", messages()),
        (
            "openflow_text",
            FLOWS.iter().map(|text| text.as_bytes().to_vec()).collect(),
        ),
        (
            "logic",
            LOGIC.iter().map(|text| text.as_bytes().to_vec()).collect(),
        ),
        ("odp", datapath()),
        ("packet", frames()),
    ];
    for (name, seeds) in sets {
        let folder = folder.join("corpus").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("{number:02}")), seed).unwrap();
        }
    }
}

/// Words that are put into inputs, one dictionary a language.
fn write_words(folder: &Path) {
    let protocol = "id method params result error details transact monitor monitor_cond monitor_cond_since \
        monitor_cond_change monitor_cancel update update2 update3 lock steal unlock locked stolen cancel echo list_dbs get_schema \
        get_server_id set_db_change_aware convert op insert select mutate delete wait commit abort comment assert table \
        where row rows columns mutations until timeout uuid uuid-name named-uuid set map initial modify includes excludes \
        durable _uuid _version Rich _Server Database old new min max key value refTable refType enum _date _comment \
        _is_diff null true false == != < <= >= > += -= *= /= %=";
    let schema = heddle_fuzz::server::schema();
    let columns = schema.tables().iter().flat_map(|table| {
        let columns = table.columns().iter().map(|column| column.name.to_string());
        std::iter::once(table.name.to_string()).chain(columns)
    });
    let quoted = protocol
        .split_whitespace()
        .map(str::to_owned)
        .chain(columns);
    let ovsdb: Vec<String> = quoted.map(|word| format!("\"{word}\"")).collect();
    let fields = openflow::Field::all().flat_map(|field| {
        let codes = field.info().codes.iter().map(|code| code.name.to_owned());
        codes.chain([field.info().name.to_owned()])
    });
    let openflow: Vec<String> = fields
        .chain(FLOWS.iter().flat_map(|text| words_of(text)))
        .collect();
    let symbols = logic::Symbols::ovn()
        .iter()
        .map(|symbol| symbol.name().to_owned());
    let logic: Vec<String> = symbols
        .chain(LOGIC.iter().flat_map(|text| words_of(text)))
        .collect();
    let texts = DATAPATH.iter().flat_map(|(key, actions)| [*key, *actions]);
    let datapath: Vec<String> = texts.flat_map(words_of).collect();
    let folder = folder.join("words");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, mut words) in [
        ("ovsdb", ovsdb),
        ("odp", datapath),
        ("openflow_text", openflow),
        ("logic", logic),
    ] {
        words.sort_unstable();
        words.dedup();
        let lines = words
            .iter()
            .map(|word| format!("\"{}\"\n", word.replace('\\', "\\\\").replace('"', "\\\"")));
        std::fs::write(folder.join(name), lines.collect::<String>()).unwrap();
    }
}

fn words_of(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'));
    words
        .filter(|word| word.len() > 1)
        .map(str::to_owned)
        .collect()
}

fn requests(list: &[(&str, Value)]) -> Vec<u8> {
    let texts = list.iter().enumerate().map(|(id, (method, params))| {
        json!({"id": id + 1, "method": method, "params": params}).to_string()
    });
    texts.collect::<Vec<_>>().join("\0").into_bytes()
}

fn transact(operation: Value) -> (&'static str, Value) {
    ("transact", json!(["Rich", operation]))
}

const ROW: &str = "00000000-0000-0000-0000-00000000000a";

fn server() -> Vec<Vec<u8>> {
    let schema: Value = serde_json::from_str(heddle_fuzz::server::SCHEMA).unwrap();
    let insert = |name: &str| {
        transact(
            json!({"op": "insert", "table": "Root", "uuid": ROW, "row": {"name": name, "num": 3,
            "ratio": 1.5, "options": ["map", [["a", "b"]]], "numbers": ["set", [1, 2]]}}),
        )
    };
    let mutate = transact(
        json!({"op": "mutate", "table": "Root", "where": [["_uuid", "==", ["uuid", ROW]]],
        "mutations": [["num", "+=", 1], ["numbers", "delete", ["set", [1]]], ["options", "insert", ["map", [["c", "d"]]]]]}),
    );
    let update = transact(
        json!({"op": "update", "table": "Root", "where": [["num", ">=", 3]], "row": {"tags": "x"}}),
    );
    let delete = transact(json!({"op": "delete", "table": "Root", "where": [["name", "!=", "a"]]}));
    let select = transact(
        json!({"op": "select", "table": "Root", "where": [["options", "includes", ["map", []]]], "columns": ["name"]}),
    );
    let wait = transact(
        json!({"op": "wait", "table": "Kid", "timeout": 5, "where": [], "columns": ["name"], "until": "==", "rows": [{"name": "k"}]}),
    );
    let kid = (
        "transact",
        json!(["Rich",
        {"op": "insert", "table": "Kid", "uuid-name": "k", "row": {"name": "k"}},
        {"op": "insert", "table": "Root", "row": {"kids": ["named-uuid", "k"]}}]),
    );
    let odd = (
        "transact",
        json!(["Rich", {"op": "comment", "comment": "c"}, {"op": "commit", "durable": true},
        {"op": "assert", "lock": "l"}, {"op": "abort"}]),
    );
    let monitor = (
        "monitor",
        json!(["Rich", "m", {"Root": [{"columns": ["name", "num"], "select": {"initial": false}}], "Kid": {}}]),
    );
    let cond = (
        "monitor_cond",
        json!(["Rich", "n", {"Root": [{"columns": ["name"], "where": [["num", ">", 2]]}]}]),
    );
    let since = (
        "monitor_cond_since",
        json!(["Rich", "o", {"Root": [{"where": [true]}]}, "00000000-0000-0000-0000-000000000000"]),
    );
    let change = (
        "monitor_cond_change",
        json!(["n", "p", {"Root": [{"where": [["name", "==", "a"]]}]}]),
    );
    vec![
        requests(&[
            monitor.clone(),
            insert("a"),
            mutate.clone(),
            update.clone(),
            delete.clone(),
        ]),
        requests(&[
            cond,
            insert("a"),
            change,
            mutate,
            ("monitor_cancel", json!(["p"])),
        ]),
        requests(&[since, kid, select, update, delete]),
        requests(&[wait, insert("k"), odd, ("cancel", json!([1]))]),
        requests(&[
            ("lock", json!(["l"])),
            ("steal", json!(["l"])),
            ("unlock", json!(["l"])),
        ]),
        requests(&[
            ("list_dbs", json!([])),
            ("get_schema", json!(["Rich"])),
            ("get_server_id", json!([])),
            ("set_db_change_aware", json!([true])),
            ("echo", json!([1])),
            ("convert", json!(["Rich", schema])),
            ("monitor", json!(["_Server", null, {"Database": {}}])),
        ]),
        [
            b"\x01".to_vec(),
            requests(&[monitor, insert("a")]),
            b"\0\x01 ".to_vec(),
        ]
        .concat(),
        b"{\"id\":1,\"method\":\"echo\",\"params\":[{\"a\":[[[]]]}]}{]".to_vec(),
    ]
}

/// Bytes that choose, in a fixed but mixed order.
fn transactions() -> Vec<Vec<u8>> {
    let mixed = |seed: u32| {
        let mut state = seed;
        let next = move |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..1500).map(next).collect()
    };
    (1..=12).map(mixed).collect()
}

fn files() -> Vec<Vec<u8>> {
    let schema = Record::schema(&heddle_fuzz::server::schema());
    let schema = schema.data().trim_ascii();
    let insert =
        json!({"_date": 1, "_comment": "c", "_is_diff": true, "Few": {ROW: {"name": "a"}}})
            .to_string();
    let change =
        json!({"_date": 2, "_is_diff": true, "Few": {ROW: {"name": "b"}}, "Kid": {ROW: {}}})
            .to_string();
    let delete = json!({"Few": {ROW: null}}).to_string();
    let join = |parts: &[&str]| {
        [
            &[schema],
            &parts.iter().map(|it| it.as_bytes()).collect::<Vec<_>>()[..],
        ]
        .concat()
        .join(&0)
    };
    vec![
        join(&[&insert]),
        join(&[&insert, &change, &delete]),
        join(&[&insert, "{}", "[]"]),
        b"\x01OVSDB JSON 3 da39a3ee5e6b4b0d3255bfef95601890afd80709\n{}\n".to_vec(),
        b"\x01OVSDB CLUSTER 1 a".to_vec(),
    ]
}

fn client() -> Vec<Vec<u8>> {
    let schema: Value = serde_json::from_str(heddle_fuzz::server::SCHEMA).unwrap();
    let reply =
        |id: u32, result: Value| json!({"id": id, "error": null, "result": result}).to_string();
    let note = |method: &str, params: Value| {
        json!({"id": null, "method": method, "params": params}).to_string()
    };
    let begin = reply(0, schema) + &reply(1, json!({"locked": true}));
    let rows = json!({"Few": {ROW: {"initial": {"name": "a"}}}});
    let insert = json!({"Few": {ROW: {"insert": {"name": "a"}}}});
    let modify = json!({"Few": {ROW: {"modify": {"name": "b"}}}});
    let delete = json!({"Few": {ROW: {"delete": null}}});
    let zero = "00000000-0000-0000-0000-000000000000";
    let whole = |id: u32| reply(id, json!([false, zero, rows]));
    let update3 = |change: &Value| note("update3", json!(["monid", ROW, change]));
    let unknown = json!({"id": 2, "error": "unknown method", "result": null}).to_string();
    let ids = 1..6;
    let all: String = ids.map(whole).collect();
    vec![
        (begin.clone() + &all + &update3(&insert) + &update3(&modify) + &update3(&delete))
            .into_bytes(),
        (begin.clone()
            + &unknown
            + &reply(3, rows.clone())
            + &note("update2", json!(["monid", modify])))
            .into_bytes(),
        (begin.clone()
            + &unknown
            + &unknown.replace("2,", "3,")
            + &reply(4, json!({"Few": {ROW: {"new": {"name": "a"}}}}))
            + &note(
                "update",
                json!(["monid", {"Few": {ROW: {"old": {"name": "a"}}}}]),
            ))
            .into_bytes(),
        (begin
            + &note("locked", json!(["l"]))
            + &note("stolen", json!(["l"]))
            + r#"{"id":"echo","method":"echo","params":[]}"#
            + "\0"
            + &all)
            .into_bytes(),
    ]
}

fn messages() -> Vec<Vec<u8>> {
    let mut out = vec![
        Message::Hello(Hello::default()),
        Message::FeaturesRequest,
        Message::EchoRequest([1, 2].into()),
    ];
    for text in FLOWS {
        if let Ok(flow) = text.parse::<Flow>() {
            out.push(Message::FlowMod(Box::new(FlowMod::add(flow))));
        }
        if let Ok(group) = text.parse::<Group>() {
            out.push(Message::GroupMod(Box::new(GroupMod::new(
                GroupCommand::AddOrModify,
                group,
            ))));
        }
    }
    let encoded = out.iter().map(|message| message.encode(7).unwrap());
    let mut out: Vec<Vec<u8>> = encoded.collect();
    // Every type of message, and every extension, with a body of nothing in particular.
    for kind in 0..36 {
        out.push([&[6, kind, 0, 40, 0, 0, 0, 1][..], &[0; 32]].concat());
    }
    for subtype in 0..34 {
        out.push(
            [
                &[6, 4, 0, 48, 0, 0, 0, 1, 0, 0, 0x23, 0x20, 0, 0, 0, subtype][..],
                &[0; 32],
            ]
            .concat(),
        );
    }
    out
}

const FLOWS: [&str; 16] = [
    "table=3,priority=100,cookie=0x1,ip,nw_src=10.0.0.0/8,nw_dst=1.2.3.4,actions=resubmit(,4)",
    "priority=5,tcp,tp_dst=80,ct_state=+new+trk,actions=ct(commit,zone=NXM_NX_REG13[0..15],nat(dst=10.0.0.1:80),exec(load:0x1->NXM_NX_CT_MARK[])),output:2",
    "ipv6,ipv6_src=fe80::/10,icmp6,icmp_type=135,nd_target=::1,actions=set_field:00:00:00:00:00:01->nd_tll,IN_PORT",
    "in_port=1,dl_vlan=5,dl_vlan_pcp=1,actions=strip_vlan,mod_vlan_vid:7,push_vlan:0x8100,controller(max_len=64,reason=action,userdata=00.01)",
    "reg0=0x1/0xff,metadata=0x3,tun_id=0x5,actions=move:NXM_OF_ETH_SRC[]->NXM_NX_REG0[0..15],load:5->OXM_OF_METADATA[]",
    "conj_id=7,actions=drop",
    "arp,arp_op=1,arp_tpa=10.0.0.1,actions=conjunction(7,1/2),note:01.02",
    "actions=learn(table=2,idle_timeout=300,priority=3,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])",
    "actions=clone(set_queue:3,output:1),group:4,bundle(eth_src,0,hrw,ofport,members:4,8),multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG0[])",
    "actions=check_pkt_larger(1400)->NXM_NX_REG0[0],ct_clear,dec_ttl,dec_ttl(1,2),exit,sample(probability=1,collector_set_id=2,obs_domain_id=3,obs_point_id=4)",
    "group_id=1,type=select,selection_method=dp_hash,bucket=bucket_id:0,weight:100,actions=ct(commit,table=5,nat(dst=1.1.1.1))",
    "group_id=2,type=all,bucket=actions=output:1,bucket=actions=output:2",
    "meter=1 kbps burst stats bands=type=drop rate=100 burst_size=10",
    "ct_label=0x1/0x3,ct_nw_src=1.1.1.1,ct_tp_dst=5,ct_nw_proto=6,ip,actions=meter:3,write_metadata:0x1,goto_table:5",
    "mpls,mpls_label=3,actions=pop_mpls:0x0800,set_mpls_ttl(3),push_mpls:0x8847,encap(nsh),decap()",
    "udp6,tp_src=0x35/0xfff0,ip_frag=no,nw_tos=4,nw_ecn=1,nw_ttl=3,actions=all,flood,local,normal,fin_timeout(idle_timeout=5)",
];

const LOGIC: [&str; 18] = [
    "ip4.src == 10.0.0.0/8 && tcp.dst == {80, 443} || !(udp && udp.src > 1024)",
    "inport == \"a\" && eth.src == 00:00:00:00:00:01 && ip6.dst == fe80::/64",
    "ip4.src == $set && outport == @group && is_chassis_resident(\"cr-p\")",
    "ct.est && !ct.rel && ct_label.blocked == 1 && reg0[3..5] == 2",
    "(arp.op == 1 || nd_ns) && flags.loopback == 0 && vlan.present",
    "0 <= tcp.src < 1024 && icmp4.type != 3 && ip.ttl == {0, 1}",
    "VIP=10.0.0.1\nPORT=80 && ct.est\nip4.dst == ^VIP && tcp.dst == ^PORT",
    "BACKENDS=10.0.0.1:80,[fd00::1]:80\nct_lb_mark(backends=^BACKENDS; skip_snat);",
    "next;",
    "reg0[0] = 1; ip.ttl--; eth.dst <-> eth.src; outport = inport; output;",
    "ct_commit { ct_label.blocked = 1; ct_mark = 3; }; next(pipeline=ingress, table=5);",
    "ct_lb(backends=10.0.0.1:80,10.0.0.2:80; hash_fields=\"ip_src,tcp_dst\"); ct_dnat(1.2.3.4); ct_snat;",
    "arp { eth.dst = ff:ff:ff:ff:ff:ff; arp.spa = reg1; arp.op = 1; output; };",
    "reg0[3] = put_dhcp_opts(offerip = 1.2.3.4, router = 10.0.0.1, netmask = 255.0.0.0, domain_name = \"a\", classless_static_route = {0.0.0.0/0,10.0.0.1}); next;",
    "reg0[1] = put_nd_ra_opts(addr_mode = \"slaac\", mtu = 1450, prefix = aef0::/64, slla = 00:00:00:00:00:01);",
    "log(name=\"x\", severity=info, verdict=drop, meter=\"m\"); reject { outport <-> inport; output; };",
    "get_arp(outport, ip4.dst); put_nd(inport, nd.target, nd.tll); reg9[2] = lookup_arp(inport, arp.spa, arp.sha);",
    "icmp4_error { icmp4.frag_mtu = 1400; icmp4.type = 3; output; }; select(reg8[0..15]; 1=1, 2=2); trigger_event(event = \"empty_lb_backends\", vip = \"10.0.0.1:80\", protocol = \"tcp\", load_balancer = \"x\");",
];

/// Keys and actions of the kernel's datapath, in both of its forms.
const DATAPATH: [(&str, &str); 8] = [
    (
        "in_port(1),eth(),eth_type(0x0800),ipv4(src=10.0.0.0/255.0.0.0,proto=6,frag=no),tcp(dst=80/0xff00),tcp_flags(+syn-ack)",
        "2,userspace(pid=5,slow_path(cfm,match))",
    ),
    (
        "recirc_id(0x5),ct_state(+new-est+trk),ct_zone(0x5/0xff),ct_mark(0x1/0x1),ct_label(0x1234/0xffff),ct_tuple4(src=1.1.1.1,proto=6),in_port(1),eth()",
        "ct(commit,zone=5,mark=0x1/0xf,label=0x1/0xf,helper=ftp,timeout=t,nat(src=10.0.0.1-10.0.0.9:1-9,random)),recirc(0x7)",
    ),
    (
        "tunnel(tun_id=0x1/0xff,src=1.1.1.1,dst=2.2.2.2,ttl=64,geneve({class=0x102,type=0x80,len=4,0xa000b/0xff}),flags(df|key)),in_port(1),eth()",
        "set(tunnel(tun_id=0x1,ipv6_src=fe80::1,ipv6_dst=fe80::2,tos=0x0,ttl=64,vxlan(gbp(id=1,flags=0)),flags(df|csum|key))),3",
    ),
    (
        "in_port(2),eth(),eth_type(0x8100),vlan(vid=99/0xf,pcp=7),encap(eth_type(0x86dd),ipv6(label=0x5,proto=58,frag=later),icmpv6(type=135,code=0),nd(target=::3))",
        "pop_vlan,push_vlan(tpid=0x88a8,vid=1,pcp=2),set(ipv6(dst=fd00::2,label=0x5/0xf)),clone(1,2)",
    ),
    (
        "in_port(2),eth(),eth_type(0x8847),mpls(label=100/0xff,tc=7/7,ttl=64/0x0,bos=1/1)",
        "push_mpls(label=10,tc=7,ttl=63,bos=0,eth_type=0x8847),pop_mpls(eth_type=0x800),add_mpls(label=1,tc=0,ttl=1,bos=1,eth_type=0x8847)",
    ),
    (
        "in_port(1),eth(),eth_type(0x894f),nsh(flags=0x02/0x03,mdtype=1,np=3,spi=0x123456/0x00ffff00,si=255,c1=0x1)",
        "push_nsh(mdtype=2,md2=0x01020304),pop_nsh(),set(nsh(spi=0x5,si=3))",
    ),
    (
        "tunnel(erspan(ver=2,dir=1,hwid=0x7)),in_port(1),key77(01 02/ff ff)",
        "sample(sample=9.7%,actions(1,2)),check_pkt_len(size=200,gt(4),le(drop)),dec_ttl(le_1(1)),drop(7),psample(group=1,cookie=0x01)",
    ),
    (
        "packet_type(ns=1,id=0x800),arp(sip=1.2.3.4,op=1),nd_ext(nd_reserved=0x1,nd_options_type=2),ipv6_exthdrs(0x1)",
        "trunc(100),meter(3),hash(sym_l4(1)),push_eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02),pop_eth,action99(01 02)",
    ),
];

fn datapath() -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for (key, actions) in DATAPATH {
        for text in [key, actions] {
            out.push([&[0], text.as_bytes()].concat());
        }
        let matches: odp::Match = key.parse().unwrap();
        let list = odp::Actions::default().parse(actions).unwrap();
        let execute = odp::Execute {
            packet: vec![1; 60],
            key: matches.key.clone(),
            actions: list.clone(),
            mru: Some(1500),
            hash: Some(7),
            ..odp::Execute::default()
        };
        let mut bytes = vec![1];
        let put = odp::FlowPut::new(matches, list).with_ufid(odp::Ufid([1; 16]));
        put.put(odp::DatapathId(9)).encode(34, 1, &mut bytes);
        execute
            .execute(odp::DatapathId(9))
            .encode(35, 2, &mut bytes);
        out.push(bytes);
    }
    let mut bytes = vec![1];
    for (n, request) in [
        odp::NewDatapath::new("dp0").create(),
        odp::NewVport::vxlan("vx", 4789)
            .group_policy()
            .create(odp::DatapathId(9)),
        odp::Meter::default().set(odp::DatapathId(9)),
        odp::CtLimits {
            default: Some(3),
            zones: Vec::new(),
        }
        .set(odp::DatapathId(9)),
    ]
    .iter()
    .enumerate()
    {
        request.encode(32, u32::try_from(n).unwrap(), &mut bytes);
    }
    out.push(bytes);
    out
}

fn frames() -> Vec<Vec<u8>> {
    use packet::{Ethernet, Frame, Mac, arp, icmp, nd};
    let (a, b) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
    let v6 = "fe80::1".parse().unwrap();
    let ns = nd::neighbor_solicitation(a, v6, "fe80::2".parse().unwrap());
    let frame = Frame::parse(&ns).unwrap();
    let ip = frame.ip().unwrap();
    let error = icmp::error(
        Ethernet::new(a, b),
        ip.dst,
        ip.src,
        icmp::unreachable(ip),
        0,
        ip,
    )
    .unwrap();
    let v4 = |protocol: u8, payload: &[u8]| {
        let mut out = [b.0, a.0].concat();
        let length = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
        out.extend([
            8, 0, 0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10,
            0, 0, 2,
        ]);
        out.extend(payload);
        out
    };
    let mut dhcp = vec![0; 240];
    dhcp[..4].copy_from_slice(&[1, 1, 6, 0]);
    dhcp[236..].copy_from_slice(&[99, 130, 83, 99]);
    dhcp.extend([
        53, 1, 1, 55, 3, 1, 3, 6, 50, 4, 10, 0, 0, 9, 12, 2, 104, 105, 255,
    ]);
    let udp = [&[0, 68, 0, 67, 1, 11, 0, 0][..], &dhcp].concat();
    vec![
        arp::request(a, "10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()),
        arp::reply(
            &packet::Arp {
                operation: 1,
                sender_mac: a,
                sender_ip: "10.0.0.1".parse().unwrap(),
                target_mac: b,
                target_ip: "10.0.0.2".parse().unwrap(),
            },
            b,
        ),
        packet::with_vlan(ns.clone(), Some(5)),
        ns,
        nd::router_solicitation(a, v6),
        error,
        v4(17, &udp),
        v4(1, &[8, 0, 0, 0, 0, 1, 0, 1, 1, 2, 3, 4]),
        v4(
            6,
            &[
                0, 80, 1, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 2, 1, 1, 0, 0, 0, 0,
            ],
        ),
    ]
}

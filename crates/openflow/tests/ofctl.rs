//! The language against `ovs-ofctl` itself: a line that it installs and the same line installed by us
//! leave the switch in the same state.

mod switch;

use std::fs;

use openflow::message::{FlowMod, TlvMap, TlvTableMod};
use openflow::session::Reply;
use openflow::{Flow, Message, Parser, Port};
use switch::{Connection, Switch};

/// Forms that no switch and no printer of ours writes. Each line has the priority of its place.
const LINES: &[&str] = &[
    "actions=drop",
    "in_port=1,actions=2",
    "in_port=LOCAL actions=local",
    "in_port=local actions=IN_PORT",
    "table=3,cookie=0x1234,idle_timeout=5,hard_timeout=6,send_flow_rem,actions=normal",
    "dl_src=00:11:22:33:44:55,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=flood",
    "eth_src=0:1:2:3:4:5 actions=all",
    "dl_type=0x0800,nw_proto=6,tp_src=80,tp_dst=0x1f40/0xfff0 actions=output:1",
    "eth_type=0x800,ip_proto=17,tp_src=53 actions=output:1,output:2",
    "tcp,nw_src=10.0.0.0/8,nw_dst=10.1.2.3/255.255.0.255,tcp_dst=443 actions=output:3",
    "udp6,ipv6_src=fd00::/16,ipv6_dst=::1,udp_dst=53,ipv6_label=0x12345 actions=drop",
    "sctp,tp_dst=5 actions=drop",
    "sctp6,sctp_src=6 actions=drop",
    "icmp,icmp_type=8,icmp_code=0 actions=drop",
    "icmp6,icmp_type=135,icmp_code=0,nd_target=fd00::1,nd_sll=00:01:02:03:04:05 actions=drop",
    "icmp6,icmpv6_type=136,nd_tll=00:01:02:03:04:05 actions=drop",
    "arp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_proto=1 actions=drop",
    "arp,arp_spa=10.0.0.1,arp_tpa=10.0.0.0/24,arp_op=2,arp_sha=00:00:00:00:00:01 actions=drop",
    "rarp,arp_tha=00:00:00:00:00:02 actions=drop",
    "mpls,mpls_label=5,mpls_tc=3,mpls_ttl=9,mpls_bos=1 actions=dec_mpls_ttl",
    "mplsm actions=set_mpls_label:7,set_mpls_tc:1,set_mpls_ttl:2",
    "ip,nw_tos=0x20,nw_ecn=1,nw_ttl=64,nw_frag=later actions=dec_ttl",
    "ip,ip_dscp=10,ip_ecn=2,ip_frag=not_later actions=dec_ttl(1,2)",
    "tcp,tcp_flags=+syn-ack actions=drop",
    "tcp,tcp_flags=syn|ack actions=drop",
    "tcp,tcp_flags=0x12/0x13 actions=drop",
    "dl_vlan=5,dl_vlan_pcp=3 actions=strip_vlan",
    "dl_vlan=0xffff actions=push_vlan:0x8100,set_field:4101->vlan_vid",
    "vlan_tci=0x1123/0x1fff actions=pop_vlan",
    "vlan_vid=0x1000/0x1000 actions=mod_vlan_vid:7",
    "dl_vlan_pcp=2 actions=mod_vlan_pcp:1",
    "priority=1 actions=mod_vlan_vid:9,mod_vlan_pcp:2,output:1",
    "ct_state=+trk+est-new,ct_zone=5,ct_mark=0x1/0xff,ct_label=0x10000000000000001 actions=ct_clear",
    "ct_state=trk|est actions=drop",
    "ct_state=+trk+est,ip,ct_nw_src=1.2.3.4,ct_nw_proto=6,ct_tp_dst=80 actions=drop",
    "reg0=5,reg15=0x10/0xf0 actions=load:0x5->NXM_NX_REG1[0..7],load:1->NXM_NX_REG2[]",
    "xreg1=0x100000002,xxreg2=0x5/0xff actions=load:3->OXM_OF_PKT_REG3[0..40]",
    "metadata=0x5/0xf,tun_id=7,tun_src=1.2.3.4,tun_ipv6_dst=fd00::2 actions=set_tunnel:5",
    "tunnel_id=8/0xf actions=set_tunnel64:0x100000005",
    "tun_flags=+oam actions=drop",
    "pkt_mark=5,recirc_id=0,conj_id=9 actions=drop",
    "actions=set_field:00:00:00:00:00:05->eth_dst,set_field:0x5/0xf->reg3",
    "ip actions=set_field:10.0.0.1->ip_src,mod_nw_dst:10.0.0.2,mod_nw_tos:32,mod_nw_ecn:2,mod_nw_ttl:3",
    "ipv6 actions=set_field:fd00::5->ipv6_dst,set_field:7->ipv6_label",
    "tcp actions=mod_tp_src:1,mod_tp_dst:2,set_field:3->tcp_dst",
    "actions=mod_dl_src:00:00:00:00:00:01,mod_dl_dst:00:00:00:00:00:02",
    "actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],move:NXM_NX_REG0[0..15]->NXM_OF_VLAN_TCI[]",
    "actions=push:NXM_NX_REG0[],push:NXM_NX_REG1[4..7],pop:NXM_NX_REG2[]",
    "actions=output:NXM_NX_REG0[16..31]",
    "actions=output(port=2,max_len=100)",
    "actions=resubmit:1,resubmit(,5),resubmit(2,6),resubmit(3)",
    "ip,ct_state=+trk+est,ct_nw_proto=6 actions=resubmit(,7,ct)",
    "actions=controller,controller:128,CONTROLLER:64",
    "actions=controller(max_len=5,id=3,reason=no_match,userdata=01.02.03,pause)",
    "actions=enqueue:1:5,output:2",
    "actions=set_queue:3,output:1,pop_queue",
    "ip actions=ct(commit,zone=5,table=6,exec(set_field:1->ct_mark,load:2->NXM_NX_CT_LABEL[64..95]))",
    "ip actions=ct(commit,nat(src=10.0.0.1-10.0.0.9:1000-2000,random),zone=NXM_NX_REG0[0..15])",
    "ip actions=ct(nat,table=1)",
    "ip actions=ct(commit,force,nat(dst=10.0.0.1,hash,persistent))",
    "ipv6 actions=ct(commit,nat(src=[fd00::1]-[fd00::9]:80,random))",
    "ipv6 actions=ct(commit,nat(src=fd00::1-fd00::9))",
    "tcp actions=ct(commit,alg=ftp)",
    "udp actions=ct(commit,alg=tftp)",
    "actions=clone(load:1->NXM_NX_REG0[],output:1),output:2",
    "actions=learn(table=5,idle_timeout=7,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])",
    "actions=learn(NXM_OF_VLAN_TCI[0..11],eth_type=0x800,nw_proto=6,load:5->NXM_NX_REG0[0..7])",
    "actions=learn(table=9,hard_timeout=5,priority=3,cookie=0x5,limit=4,result_dst=NXM_NX_REG1[0],\
     delete_learned,send_flow_rem,fin_idle_timeout=1,eth_dst=00:00:00:00:00:05,\
     load:NXM_NX_REG0[0..3]->NXM_NX_REG5[4..7])",
    "conj_id=5 actions=drop",
    "in_port=3 actions=conjunction(5,1/2),conjunction(6,2/3)",
    "actions=note:00.11.22.33.44.55",
    "actions=sample(probability=5,collector_set_id=2,obs_domain_id=3,obs_point_id=4)",
    "actions=sample(probability=5,collector_set_id=2,obs_domain_id=3,obs_point_id=4,\
     sampling_port=2,egress)",
    "actions=check_pkt_larger(1500)->NXM_NX_REG0[3]",
    "actions=bundle(eth_src,50,active_backup,ofport,members:1,2)",
    "actions=bundle_load(symmetric_l4,60,hrw,ofport,NXM_NX_REG0[],members:1,2,3)",
    "actions=multipath(symmetric_l4,50,modulo_n,4,0,NXM_NX_REG0[0..1])",
    "tcp actions=fin_timeout(idle_timeout=5,hard_timeout=6)",
    "actions=exit",
    "actions=clear_actions,write_actions(output:1),write_metadata:0x5/0xff,goto_table:200",
    "actions=write_metadata:7,goto_table:201",
    "actions=push_mpls:0x8847,set_field:5->mpls_label",
    "mpls actions=pop_mpls:0x0800",
    "packet_type=(1,0x800) actions=drop",
    "dl_type=0x894f,nsh_flags=1,nsh_spi=0x5,nsh_si=7,nsh_c1=0x1 actions=dec_nsh_ttl",
    "actions=encap(nsh(md_type=1)),encap(ethernet),output:1",
    "actions=encap(nsh(md_type=2,tlv(0x1000,10,0x12345678),tlv(0x2000,20,0xfedcba9876543210)))",
    "packet_type=(1,0x894f),nsh_si=9 actions=decap(),output:1",
    "actions=encap(mpls),encap(ethernet),output:1",
    "tun_metadata0=0x12345678 actions=drop",
    "tun_metadata0=0x5/0xff actions=move:NXM_NX_TUN_METADATA0[0..15]->NXM_NX_REG0[0..15]",
    "actions=set_field:0x5->tun_metadata0",
    "actions=delete_field:tun_metadata0",
];

fn prepare(connection: &mut Connection) {
    let map = TlvMap {
        class: 0x0102,
        kind: 0x80,
        length: 4,
        index: 0,
    };
    let add = Message::TlvTableMod(TlvTableMod::Add(vec![map]));
    connection.session.send(&add).expect("room");
    // Others may use it only when it is there.
    let done = connection.ask(&Message::BarrierRequest);
    assert_eq!(done, Ok(Reply::Message(Message::BarrierReply)));
}

fn lines() -> Vec<String> {
    let place = |(n, line): (usize, &&str)| format!("priority={},{line}", n + 100);
    // A line that says a priority keeps the first in neither language.
    LINES
        .iter()
        .enumerate()
        .map(|(n, line)| match line.strip_prefix("priority=1 ") {
            Some(rest) => place((n, &rest)),
            None => place((n, line)),
        })
        .collect()
}

fn install(connection: &mut Connection, lines: &[String]) {
    let names = |name: &str| Some(Port(name.strip_prefix('p')?.parse().ok()?));
    let parser = Parser::with_names(&names);
    let adds: Vec<Message> = lines
        .iter()
        .map(|line| match parser.flow(line) {
            Ok(flow) => Message::FlowMod(Box::new(FlowMod::add(flow))),
            Err(error) => panic!("{line}: {error}"),
        })
        .collect();
    if let Err(failure) = connection.bundle(&adds) {
        let lines: Vec<_> = failure
            .messages
            .iter()
            .map(|(at, error)| format!("{error}: {}", lines[*at]))
            .collect();
        panic!("{failure}\n{}", lines.join("\n"));
    }
}

#[test]
fn a_line_means_to_us_what_it_means_to_ovs_ofctl() {
    let switch = Switch::start();
    let mut connection = switch.connect();
    prepare(&mut connection);
    let mut lines = lines();
    lines.push("priority=9,in_port=p1 actions=p2,output:p3".into());
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("flows");
    fs::write(&file, lines.join("\n")).expect("a file");
    switch.ofctl(&["--names", "add-flows", "br0", file.to_str().expect("plain")]);
    let theirs = connection.flows_by_key();
    assert_eq!(theirs.len(), lines.len());
    assert_eq!(
        connection.bundle(&[Message::FlowMod(Box::new(FlowMod::delete_all()))]),
        Ok(())
    );
    assert_eq!(connection.flows_by_key().len(), 0);
    install(&mut connection, &lines);
    let ours = connection.flows_by_key();
    let mut different = String::new();
    for flow in theirs
        .values()
        .filter(|flow| ours.get(&flow.key) != Some(flow))
    {
        different += &format!("theirs: {flow}\n");
    }
    for flow in ours
        .values()
        .filter(|flow| theirs.get(&flow.key) != Some(flow))
    {
        different += &format!("ours:   {flow}\n");
    }
    assert!(different.is_empty(), "{different}");
}

#[test]
fn what_ovs_ofctl_prints_is_read_as_what_the_switch_holds() {
    let switch = Switch::start();
    let mut connection = switch.connect();
    prepare(&mut connection);
    install(&mut connection, &lines());
    let held = connection.flows_by_key();
    let printed = switch.ofctl(&["dump-flows", "br0"]);
    let mut read = 0;
    for line in printed.iter().filter(|line| line.contains("actions=")) {
        let flow: Flow = line
            .parse()
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        // Of some fields it prints nothing, of others no mask.
        if line.contains("nsh_si=7") || line.contains("tun_metadata0=0x5 ") {
            continue;
        }
        assert_eq!(held.get(&flow.key), Some(&flow), "{line}");
        read += 1;
    }
    assert_eq!(read, held.len() - 2);
}

#[test]
fn ofp_print_says_of_our_bytes_what_we_say() {
    let switch = Switch::start();
    for line in lines().iter().filter(|line| !line.contains("tun_metadata")) {
        let flow: Flow = line.parse().expect("a flow");
        let bytes = Message::FlowMod(Box::new(FlowMod::add(flow.clone())));
        let bytes = bytes.encode(1).expect("short");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let printed = switch.ofctl(&["ofp-print", &hex]).join(" ");
        let (_, said) = printed.split_once("ADD ").expect(&printed);
        let mut said = said.replacen("table:", "table=", 1);
        for (theirs, ours) in [
            ("cookie:", "cookie="),
            ("idle:", "idle_timeout="),
            ("hard:", "hard_timeout="),
        ] {
            said = said.replacen(theirs, ours, 1);
        }
        let read: Flow = said
            .parse()
            .unwrap_or_else(|error| panic!("{said}: {error}"));
        // Of some fields it prints nothing.
        if line.contains("nsh_c1") {
            continue;
        }
        assert_eq!(read, flow, "{said}");
    }
}

//! Actions: every one of them read and printed, and errors that a person understands.

use insta::assert_snapshot;

use crate::{Symbols, parse_actions};

/// One of each action, in the form that it prints in.
const EVERY_ACTION: &[&str] = &[
    "drop;",
    "output;",
    "next;",
    "next(3);",
    "next(pipeline=egress, table=4);",
    "reg0 = 10.0.0.1;",
    "reg0[0] = 1;",
    "outport = \"a\"; output;",
    "outport = \"\";",
    "eth.dst = 00:00:00:00:00:01;",
    "xxreg0 = fd00::1;",
    "eth.src = eth.dst;",
    "eth.src <-> eth.dst;",
    "inport <-> outport;",
    "xxreg0 = nd.target;",
    "reg9[0..15] = tcp.dst;",
    "flags.loopback = 1;",
    "ip.ttl--; next;",
    "push(xxreg0);",
    "pop(xxreg0);",
    "ct_next;",
    "ct_next(dnat);",
    "ct_commit;",
    "ct_commit { ct_mark.blocked = 1; ct_label.label = 5; };",
    "ct_commit { ct_label.ecmp_reply_eth = eth.src; ct_mark = 0x1/0x3; };",
    "ct_commit_to_zone(snat);",
    "ct_commit_nat;",
    "ct_commit_nat(dnat);",
    "ct_dnat;",
    "ct_dnat(10.0.0.1);",
    "ct_snat(fd00::1);",
    "ct_snat_in_czone(10.0.0.1,1024-2048);",
    "ct_dnat_in_czone(10.0.0.1,80);",
    "ct_lb;",
    "ct_lb_mark;",
    "ct_lb_mark(backends=10.0.0.2:80,10.0.0.3:80);",
    "ct_lb(backends=10.0.0.2,10.0.0.3; hash_fields=\"ip_src,ip_dst\");",
    "ct_lb_mark(backends=[fd00::1]:80,fd00::2; hash_fields=\"ip_src\"; skip_snat);",
    "ct_lb_mark(backends=10.0.0.2:80; force_snat);",
    "ct_lb_mark_local(backends=\"p1\":10.0.0.2:80,\"p2\":10.0.0.3:80);",
    "ct_clear;",
    "ct_snat_to_vip;",
    "clone { ct_clear; outport = \"x\"; output; };",
    "arp { eth.dst = ff:ff:ff:ff:ff:ff; arp.spa = reg1; output; };",
    "nd_ns { nd.target = xxreg0; output; };",
    "nd_na { eth.src = 00:00:00:00:00:01; nd.tll = 00:00:00:00:00:01; output; };",
    "nd_na_router { output; };",
    "icmp4 { icmp4.type = 11; icmp4.code = 0; next; };",
    "icmp4_error { icmp4.frag_mtu = 1500; next(pipeline=ingress, table=0); };",
    "icmp6 { icmp6.type = 1; output; };",
    "icmp6_error { icmp6.frag_mtu = 1500; output; };",
    "tcp_reset { outport <-> inport; output; };",
    "sctp_abort { output; };",
    "reject { output; };",
    "get_arp(outport, reg0);",
    "get_nd(outport, xxreg0);",
    "put_arp(inport, arp.spa, arp.sha);",
    "put_nd(inport, nd.target, nd.tll);",
    "reg9[2] = lookup_arp(inport, arp.spa, arp.sha);",
    "reg9[2] = lookup_nd(inport, ip6.src, nd.sll);",
    "reg9[3] = lookup_arp_ip(inport, arp.spa);",
    "reg9[3] = lookup_nd_ip(inport, nd.target);",
    "outport = get_fdb(eth.dst);",
    "remote_outport = get_remote_fdb(eth.dst);",
    "put_fdb(inport, eth.src);",
    "reg0[11] = lookup_fdb(inport, eth.src);",
    "reg0[3] = put_dhcp_opts(offerip = 10.0.0.4, netmask = 255.255.255.0, router = 10.0.0.1, \
     dns_server = {8.8.8.8, 8.8.4.4}, lease_time = 3600, mtu = 1442, \
     classless_static_route = {30.0.0.0/24, 10.0.0.4, 0.0.0.0/0, 10.0.0.1}, \
     domain_search_list = \"a.example,b.example\", hostname = \"vm1\", \
     ip_forward_enable = 1, tftp_server = \"boot\");",
    "reg0[3] = put_dhcpv6_opts(ia_addr = fd00::4, server_id = 00:00:00:00:00:01, \
     dns_server = {fd00::5, fd00::6}, domain_search = \"example\");",
    "reg0[5] = put_nd_ra_opts(addr_mode = \"slaac\", prefix = fd00::/64, mtu = 1450, \
     slla = 00:00:00:00:00:01);",
    "reg9[7] = dhcp_relay_req_chk(10.0.0.1, 10.0.1.1);",
    "reg2 = 5; reg9[8] = dhcp_relay_resp_chk(10.0.0.1, 10.0.1.1);",
    "reg0[4] = dns_lookup();",
    "reg0[6] = chk_lb_hairpin();",
    "reg0[12] = chk_lb_hairpin_reply();",
    "reg0[15] = check_in_port_sec();",
    "reg0[15] = check_out_port_sec();",
    "reg9[5] = chk_ecmp_nh_mac();",
    "reg9[5] = chk_ecmp_nh();",
    "reg9[6] = chk_lb_aff();",
    "reg4 = ct_nw_dst();",
    "xxreg1 = ct_ip6_dst();",
    "reg2[0..15] = ct_tp_dst();",
    "reg1[16..23] = ct_proto();",
    "reg4[0..7] = ct_state_save();",
    "reg9[1] = check_pkt_larger(1500);",
    "reg8[16..31] = select(1=20, 2=80);",
    "reg8[16..31] = select(values=(1=100, 2=100); hash_fields=\"ip_src\");",
    "set_queue(5);",
    "log(verdict=allow, severity=info);",
    "log(name=\"acl1\", verdict=drop, severity=alert, meter=\"m\");",
    "set_meter(100);",
    "set_meter(100, 1000);",
    "trigger_event(event = \"empty_lb_backends\", vip = \"10.0.0.1:80\", protocol = \"tcp\", \
     load_balancer = \"12345678-abcd-9876-fedc-11119f8e7d6c\");",
    "igmp;",
    "bind_vport(\"vip\", inport);",
    "handle_svc_check(inport);",
    "handle_dhcpv6_reply;",
    "handle_bfd_msg();",
    "fwd_group(liveness=\"true\", childports=\"a\", \"b\");",
    "fwd_group(childports=\"a\");",
    "commit_ecmp_nh(ipv6 = false, proto = tcp);",
    "commit_lb_aff(vip = \"172.16.0.1:80\", backend = \"10.0.0.2:8080\", proto = tcp, \
     timeout = 30);",
    "commit_lb_aff(vip = \"[fd00::1]\", backend = \"[fd00::2]\", timeout = 30);",
    "sample(probability=65535,collector_set=1,obs_domain=2,obs_point=$cookie);",
    "sample(probability=1,collector_set=1,obs_domain=2,obs_point=12);",
    "sample(probability=1,collector_set=1,obs_domain=2,obs_point=reg1);",
    "mac_cache_use;",
    "flood_remote;",
    "mirror(\"mp-1\");",
];

#[test]
fn every_action_prints_as_it_reads() {
    let examples = crate::ACTIONS.iter().map(|info| info.example);
    for text in EVERY_ACTION.iter().copied().chain(examples) {
        let actions =
            parse_actions(text, Symbols::ovn()).unwrap_or_else(|error| panic!("{text}\n{error}"));
        assert_eq!(actions.to_string(), text);
    }
}

#[test]
fn what_is_written_otherwise_reads_the_same() {
    for (text, same) in [
        (
            "ct_commit(ct_mark=1, ct_label=2/3);",
            "ct_commit { ct_mark = 1; ct_label = 2/3; };",
        ),
        ("ct_commit();", "ct_commit;"),
        (
            "commit_ecmp_nh(ipv6 = \"true\", proto = udp);",
            "commit_ecmp_nh(ipv6 = true, proto = udp);",
        ),
        (
            "fwd_group(liveness=true, childports=\"a\");",
            "fwd_group(liveness=\"true\", childports=\"a\");",
        ),
        ("next ( 3 ) ; // on", "next(3);"),
    ] {
        let read = |text| parse_actions(text, Symbols::ovn()).expect("parses");
        assert_eq!(read(text), read(same));
        assert_eq!(read(text).to_string(), same);
    }
}

/// OVN 26.03's list of actions has 82, and each has a line, and each line's example is that action.
#[test]
fn the_catalogue_is_whole() {
    let ovn: std::collections::BTreeSet<_> = crate::ACTIONS
        .iter()
        .map(|info| info.ovn)
        .filter(|name| !name.is_empty())
        .collect();
    assert_eq!(ovn.len(), 82);
    let names: std::collections::BTreeSet<_> =
        crate::ACTIONS.iter().map(|info| info.name).collect();
    for text in EVERY_ACTION {
        let actions = parse_actions(text, Symbols::ovn()).expect("parses");
        for action in &actions.0 {
            assert!(names.contains(action.name()), "{text}: {}", action.name());
        }
    }
    for info in crate::ACTIONS {
        let actions = parse_actions(info.example, Symbols::ovn()).expect("parses");
        let found = match actions.0.as_slice() {
            [] => "drop",
            [action] if info.ovn == "OVNFIELD_LOAD" => {
                action.inner().map_or("", |inner| inner.0[0].name())
            }
            [action] => action.name(),
            several => panic!("{several:?}"),
        };
        assert_eq!(found, info.name);
    }
}

#[test]
fn prerequisites_come_from_fields_and_actions() {
    let report = |text: &str| {
        let actions = parse_actions(text, Symbols::ovn()).expect("parses");
        format!("{text}\n    {}\n", actions.prerequisites())
    };
    let texts = [
        "next;",
        "reg0 = ip4.src; ip.ttl--; next;",
        "clone { tcp.dst = 5; output; };",
        "arp { tcp.dst = 5; output; };",
        "reg0[4] = dns_lookup();",
        "put_arp(inport, arp.spa, arp.sha);",
    ];
    assert_snapshot!(texts.iter().map(|text| report(text)).collect::<String>());
}

#[test]
fn errors_name_the_place_and_the_remedy() {
    let report = |text: &&str| match parse_actions(text, Symbols::ovn()) {
        Ok(actions) => panic!("{text} was read as {actions}"),
        Err(error) => format!("{text}\n    {error}\n"),
    };
    let texts = [
        "next",
        "fly;",
        "drop; next;",
        "next; drop;",
        "ip.proto = 5;",
        "ip4 = 1;",
        "ct_mark = 1;",
        "ct_commit { reg0 = 1; };",
        "reg0 = eth.src;",
        "reg0 = \"a\";",
        "outport = 5;",
        "outport = reg0;",
        "tcp.dst = 65536;",
        "reg0 = check_in_port_sec();",
        "reg0[0] = invent();",
        "nxt;",
        "ct_comit;",
        "lookup_arp(inport, arp.spa, arp.sha);",
        "reg0[0] = dns_lokup();",
        "reg0[3] = put_dhcp_opts(offerip = 10.0.0.4, ruoter = 10.0.0.1);",
        "reg0 = get_fdb(eth.dst);",
        "sample(collector_set=1);",
        "commit_ecmp_nh(ipv6 = maybe, proto = tcp);",
        "trigger_event(event = \"empty_lb_backend\");",
        "ct_commit(reg0 = 5);",
        "reg0[0] = dns_lookup(5);",
        "reg0[3] = put_dhcp_opts(router = 10.0.0.1);",
        "reg0[3] = put_dhcp_opts(offerip = 10.0.0.4, colour = 5);",
        "reg0[3] = put_dhcp_opts(offerip = 10.0.0.4, mtu = \"big\");",
        "reg0[5] = put_nd_ra_opts(addr_mode = \"slaac\", slla = 00:00:00:00:00:01);",
        "ct_lb_mark(backends=fe80::1 :80);",
        "ct_snat(10.0.0.1, 5-2);",
        "get_arp(reg0, reg1);",
        "get_arp(outport, xxreg0);",
        "set_queue(70000);",
        "log(loud);",
        "commit_lb_aff(vip = \"10.0.0.1\", backend = \"fd00::1\", timeout = 5);",
        "clone { next;",
        "^TEMPLATE;",
        "reg0[0..7] = select(1, 2);",
        "next(pipeline=sideways);",
    ];
    assert_snapshot!(texts.iter().map(report).collect::<String>());
    let deep = format!("{}{}", "clone { ".repeat(40), "}; ".repeat(40));
    let error = parse_actions(&deep, Symbols::ovn()).expect_err("too deep");
    assert!(error.message.contains("nest deeper than 32"), "{error}");
}

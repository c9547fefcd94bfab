//! All actions, with their arguments, who carries them out, and an example: for documents, for hints, and for tests that
//! want one of each.

use CarriedOut::{Agent, Switch};

/// Who carries an action out. What an agent does reaches it as a packet with an opcode (OVN's `include/ovn/actions.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CarriedOut {
    /// The switch, by OpenFlow actions alone.
    Switch,
    /// The agent, who is asked for this operation.
    Agent(u32),
}

/// What a person needs to know of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionInfo {
    /// The word that names it; of a function, its name.
    pub name: &'static str,
    /// OVN's number for it has this name; empty for another spelling of an action that has one.
    pub ovn: &'static str,
    /// How it is written. `R` is a field that receives a result; brackets hold what may be absent.
    pub form: &'static str,
    /// What it does.
    pub meaning: &'static str,
    /// Who does it.
    pub by: CarriedOut,
    /// An example, as it is printed.
    pub example: &'static str,
}

const fn action(
    name: &'static str,
    ovn: &'static str,
    form: &'static str,
    by: CarriedOut,
    meaning: &'static str,
    example: &'static str,
) -> ActionInfo {
    ActionInfo {
        name,
        ovn,
        form,
        meaning,
        by,
        example,
    }
}

/// Every action and every function, those of moving a packet first.
#[rustfmt::skip]
pub const ACTIONS: &[ActionInfo] = &[
    action("drop", "", "drop;", Switch,
        "nothing happens to the packet any more; stands alone", "drop;"),
    action("output", "OUTPUT", "output;", Switch,
        "to `outport`: to the egress pipeline, and there out of the port", "output;"),
    action("next", "NEXT", "next; next(TABLE); next(pipeline=ingress|egress[, table=TABLE]);", Switch,
        "goes on in the next table, or in that one", "next(pipeline=egress, table=4);"),
    action("=", "LOAD", "FIELD = CONSTANT;", Switch,
        "writes a number, or the name of a port; of a masked number only the bits of the mask",
        "reg0 = 10.0.0.1;"),
    action("=", "OVNFIELD_LOAD", "icmp4.frag_mtu = CONSTANT; icmp6.frag_mtu = CONSTANT;", Switch,
        "the MTU in the ICMP error that is being made; only inside `icmp4_error` and `icmp6_error`",
        "icmp4_error { icmp4.frag_mtu = 1500; output; };"),
    action("=", "MOVE", "FIELD = FIELD;", Switch,
        "copies between fields of the same width", "reg9[0..15] = tcp.dst;"),
    action("<->", "EXCHANGE", "FIELD <-> FIELD;", Switch,
        "exchanges two fields of the same width", "eth.src <-> eth.dst;"),
    action("ip.ttl", "DEC_TTL", "ip.ttl--;", Switch,
        "one less; a packet whose time is over goes no further", "ip.ttl--;"),
    action("push", "PUSH", "push(FIELD);", Switch, "puts a field on the packet's stack", "push(xxreg0);"),
    action("pop", "POP", "pop(FIELD);", Switch, "takes a field from the packet's stack", "pop(xxreg0);"),
    action("clone", "CLONE", "clone { ACTIONS };", Switch,
        "does the actions with a copy", "clone { ct_clear; outport = \"p\"; output; };"),
    action("select", "SELECT",
        "R = select(ID[=WEIGHT], ...); R = select(values=(ID[=WEIGHT], ...); hash_fields=\"FIELD,...\");", Switch,
        "one of the numbers by a hash of the packet, then the next table; R has 16 bits or more",
        "reg8[16..31] = select(values=(1=20, 2=80); hash_fields=\"ip_src,ip_dst\");"),
    action("check_pkt_larger", "CHECK_PKT_LARGER", "R = check_pkt_larger(BYTES);", Switch,
        "whether the packet is longer", "reg9[1] = check_pkt_larger(1414);"),
    action("set_queue", "SET_QUEUE", "set_queue(NUMBER);", Switch,
        "the queue at the interface, up to 61440", "set_queue(5);"),
    action("set_meter", "SET_METER", "set_meter(RATE[, BURST]);", Switch,
        "drops what is more than RATE kbit/s with bursts of BURST kbit", "set_meter(100, 1000);"),
    action("sample", "SAMPLE",
        "sample(probability=NUMBER, collector_set=NUMBER, obs_domain=NUMBER, obs_point=$cookie|NUMBER|FIELD);", Switch,
        "tells a collector of packets, of 65535 so many",
        "sample(probability=65535,collector_set=1,obs_domain=2,obs_point=$cookie);"),
    action("mirror", "MIRROR", "mirror(\"PORT\");", Switch,
        "a copy to a mirror's port", "mirror(\"mp-sw0-p1\");"),
    action("flood_remote", "FLOOD_REMOTE", "flood_remote;", Switch,
        "a copy to every chassis of other availability zones", "flood_remote;"),
    action("fwd_group", "FWD_GROUP", "fwd_group([liveness=\"true\", ]childports=\"PORT\", ...);", Switch,
        "to one of the ports by a hash, with `liveness` to one that is up",
        "fwd_group(liveness=\"true\", childports=\"a\", \"b\");"),

    action("ct_next", "CT_NEXT", "ct_next; ct_next(dnat|snat);", Switch,
        "looks the connection up, then the next table", "ct_next(dnat);"),
    action("ct_commit", "CT_COMMIT_V2", "ct_commit; ct_commit { FIELD = ...; ... };", Switch,
        "remembers the connection, with what is written to ct_mark and ct_label",
        "ct_commit { ct_mark.blocked = 1; ct_label.label = 5; };"),
    action("ct_commit_to_zone", "CT_COMMIT_TO_ZONE", "ct_commit_to_zone(dnat|snat);", Switch,
        "remembers the connection in that zone of the router", "ct_commit_to_zone(snat);"),
    action("ct_commit_nat", "CT_COMMIT_NAT", "ct_commit_nat; ct_commit_nat(dnat|snat);", Switch,
        "remembers the connection and translates what is related to one, then the next table", "ct_commit_nat;"),
    action("ct_clear", "CT_CLEAR", "ct_clear;", Switch, "forgets the state that was looked up", "ct_clear;"),
    action("ct_dnat", "CT_DNAT", "ct_dnat; ct_dnat(ADDRESS[, PORT[-PORT]]);", Switch,
        "translates the destination, without arguments as the connection remembers; then the next table",
        "ct_dnat(10.0.0.1);"),
    action("ct_snat", "CT_SNAT", "ct_snat; ct_snat(ADDRESS[, PORT[-PORT]]);", Switch,
        "translates the source, likewise", "ct_snat(172.16.0.1,3000-4000);"),
    action("ct_dnat_in_czone", "CT_DNAT_IN_CZONE", "ct_dnat_in_czone; ct_dnat_in_czone(ADDRESS[, PORT[-PORT]]);",
        Switch, "as ct_dnat, in the zone that both directions share", "ct_dnat_in_czone(10.0.0.1,80);"),
    action("ct_snat_in_czone", "CT_SNAT_IN_CZONE", "ct_snat_in_czone; ct_snat_in_czone(ADDRESS[, PORT[-PORT]]);",
        Switch, "as ct_snat, likewise", "ct_snat_in_czone(fd00::1);"),
    action("ct_snat_to_vip", "CT_SNAT_TO_VIP", "ct_snat_to_vip;", Switch,
        "a packet that comes back to the backend that sent it gets the load balancer's address as source",
        "ct_snat_to_vip;"),
    action("ct_lb", "CT_LB", "ct_lb; ct_lb(backends=ADDRESS[:PORT], ...[; hash_fields=\"FIELD,...\"][; skip_snat|force_snat]);",
        Switch, "as ct_lb_mark, remembered in ct_label; OVN gave it up",
        "ct_lb(backends=10.0.0.2,10.0.0.3; hash_fields=\"ip_src,ip_dst\");"),
    action("ct_lb_mark", "CT_LB_MARK",
        "ct_lb_mark; ct_lb_mark(backends=ADDRESS[:PORT], ...[; hash_fields=\"FIELD,...\"][; skip_snat|force_snat]);",
        Switch, "to one of the backends, without arguments to that of the connection; then the next table",
        "ct_lb_mark(backends=10.0.0.2:80,10.0.0.3:80; skip_snat);"),
    action("ct_lb_mark_local", "CT_LB_MARK_LOCAL",
        "ct_lb_mark_local(backends=\"PORT\":ADDRESS[:PORT], ...[; hash_fields=\"FIELD,...\"][; skip_snat|force_snat]);",
        Switch, "the same with the backends whose ports are on this chassis",
        "ct_lb_mark_local(backends=\"p1\":10.0.0.2:80,\"p2\":10.0.0.3:80);"),
    action("chk_lb_hairpin", "CHK_LB_HAIRPIN", "R = chk_lb_hairpin();", Switch,
        "whether a load-balanced packet comes back to its sender", "reg0[6] = chk_lb_hairpin();"),
    action("chk_lb_hairpin_reply", "CHK_LB_HAIRPIN_REPLY", "R = chk_lb_hairpin_reply();", Switch,
        "whether it is the answer to such a packet", "reg0[12] = chk_lb_hairpin_reply();"),
    action("commit_lb_aff", "COMMIT_LB_AFF",
        "commit_lb_aff(vip = \"ENDPOINT\", backend = \"ENDPOINT\"[, proto = tcp|udp|sctp], timeout = SECONDS);", Switch,
        "remembers which backend a client has; `proto` where the vip has a port",
        "commit_lb_aff(vip = \"172.16.0.1:80\", backend = \"10.0.0.2:8080\", proto = tcp, timeout = 30);"),
    action("chk_lb_aff", "CHK_LB_AFF", "R = chk_lb_aff();", Switch,
        "whether the client has a backend", "reg9[6] = chk_lb_aff();"),
    action("commit_ecmp_nh", "COMMIT_ECMP_NH", "commit_ecmp_nh(ipv6 = true|false, proto = tcp|udp|sctp);", Switch,
        "remembers from which next hop a connection came", "commit_ecmp_nh(ipv6 = false, proto = tcp);"),
    action("chk_ecmp_nh_mac", "CHK_ECMP_NH_MAC", "R = chk_ecmp_nh_mac();", Switch,
        "whether a next hop is remembered, with another MAC address", "reg9[5] = chk_ecmp_nh_mac();"),
    action("chk_ecmp_nh", "CHK_ECMP_NH", "R = chk_ecmp_nh();", Switch,
        "whether a next hop is remembered", "reg9[5] = chk_ecmp_nh();"),
    action("ct_nw_dst", "CT_ORIG_NW_DST", "R = ct_nw_dst();", Switch,
        "the connection's first IPv4 destination; 32 bits", "reg4 = ct_nw_dst();"),
    action("ct_ip6_dst", "CT_ORIG_IP6_DST", "R = ct_ip6_dst();", Switch,
        "the connection's first IPv6 destination; 128 bits", "xxreg1 = ct_ip6_dst();"),
    action("ct_tp_dst", "CT_ORIG_TP_DST", "R = ct_tp_dst();", Switch,
        "the connection's first destination port; 16 bits", "reg2[0..15] = ct_tp_dst();"),
    action("ct_proto", "CT_ORIG_PROTO", "R = ct_proto();", Switch,
        "the connection's protocol; 8 bits", "reg1[16..23] = ct_proto();"),
    action("ct_state_save", "CT_STATE_SAVE", "R = ct_state_save();", Switch,
        "the state that was looked up; 8 bits", "reg4[0..7] = ct_state_save();"),

    action("get_arp", "GET_ARP", "get_arp(PORT, ADDRESS);", Switch,
        "eth.dst from the neighbours of a port, zero when not known", "get_arp(outport, reg0);"),
    action("get_nd", "GET_ND", "get_nd(PORT, ADDRESS);", Switch,
        "the same for IPv6", "get_nd(outport, xxreg0);"),
    action("put_arp", "PUT_ARP", "put_arp(PORT, ADDRESS, MAC);", Agent(1),
        "learns a neighbour", "put_arp(inport, arp.spa, arp.sha);"),
    action("put_nd", "PUT_ND", "put_nd(PORT, ADDRESS, MAC);", Agent(4),
        "the same for IPv6", "put_nd(inport, nd.target, nd.tll);"),
    action("lookup_arp", "LOOKUP_ARP", "R = lookup_arp(PORT, ADDRESS, MAC);", Switch,
        "whether the neighbour is known like this", "reg9[2] = lookup_arp(inport, arp.spa, arp.sha);"),
    action("lookup_arp_ip", "LOOKUP_ARP_IP", "R = lookup_arp_ip(PORT, ADDRESS);", Switch,
        "whether the neighbour is known", "reg9[3] = lookup_arp_ip(inport, arp.spa);"),
    action("lookup_nd", "LOOKUP_ND", "R = lookup_nd(PORT, ADDRESS, MAC);", Switch,
        "as lookup_arp for IPv6", "reg9[2] = lookup_nd(inport, ip6.src, nd.sll);"),
    action("lookup_nd_ip", "LOOKUP_ND_IP", "R = lookup_nd_ip(PORT, ADDRESS);", Switch,
        "as lookup_arp_ip for IPv6", "reg9[3] = lookup_nd_ip(inport, nd.target);"),
    action("mac_cache_use", "MAC_CACHE_USE", "mac_cache_use;", Switch,
        "counts that a learned neighbour is in use", "mac_cache_use;"),
    action("get_fdb", "GET_FDB", "R = get_fdb(MAC);", Switch,
        "the port behind which a MAC address was seen; R is a port", "outport = get_fdb(eth.dst);"),
    action("get_remote_fdb", "GET_REMOTE_FDB", "R = get_remote_fdb(MAC);", Switch,
        "the same beyond this network", "remote_outport = get_remote_fdb(eth.dst);"),
    action("put_fdb", "PUT_FDB", "put_fdb(PORT, MAC);", Agent(25),
        "learns behind which port a MAC address is", "put_fdb(inport, eth.src);"),
    action("lookup_fdb", "LOOKUP_FDB", "R = lookup_fdb(PORT, MAC);", Switch,
        "whether that is known", "reg0[11] = lookup_fdb(inport, eth.src);"),
    action("check_in_port_sec", "CHECK_IN_PORT_SEC", "R = check_in_port_sec();", Switch,
        "whether the port may not send this", "reg0[15] = check_in_port_sec();"),
    action("check_out_port_sec", "CHECK_OUT_PORT_SEC", "R = check_out_port_sec();", Switch,
        "whether the port may not receive this", "reg0[15] = check_out_port_sec();"),

    action("arp", "ARP", "arp { ACTIONS };", Agent(0),
        "an ARP request in place of an IPv4 packet, which waits for the answer",
        "arp { eth.dst = ff:ff:ff:ff:ff:ff; arp.spa = reg1; arp.tpa = reg0; arp.op = 1; output; };"),
    action("nd_ns", "ND_NS", "nd_ns { ACTIONS };", Agent(9),
        "a neighbour solicitation in place of an IPv6 packet, likewise", "nd_ns { nd.target = xxreg0; output; };"),
    action("nd_na", "ND_NA", "nd_na { ACTIONS };", Agent(3),
        "a neighbour advertisement that answers a solicitation",
        "nd_na { eth.src = 00:00:00:00:00:01; nd.tll = 00:00:00:00:00:01; outport = inport; output; };"),
    action("nd_na_router", "ND_NA_ROUTER", "nd_na_router { ACTIONS };", Agent(12),
        "the same of a router", "nd_na_router { outport = inport; output; };"),
    action("icmp4", "ICMP4", "icmp4 { ACTIONS };", Agent(10),
        "an ICMPv4 error to the sender", "icmp4 { icmp4.type = 11; icmp4.code = 0; next; };"),
    action("icmp4_error", "ICMP4_ERROR", "icmp4_error { ACTIONS };", Agent(14),
        "an ICMPv4 error with the addresses as they were set",
        "icmp4_error { icmp4.frag_mtu = 1500; next(pipeline=ingress, table=0); };"),
    action("icmp6", "ICMP6", "icmp6 { ACTIONS };", Agent(10),
        "an ICMPv6 error to the sender", "icmp6 { icmp6.type = 1; output; };"),
    action("icmp6_error", "ICMP6_ERROR", "icmp6_error { ACTIONS };", Agent(20),
        "an ICMPv6 error with the addresses as they were set", "icmp6_error { icmp6.frag_mtu = 1500; output; };"),
    action("tcp_reset", "TCP_RESET", "tcp_reset { ACTIONS };", Agent(11),
        "a TCP reset to the sender", "tcp_reset { outport <-> inport; output; };"),
    action("sctp_abort", "SCTP_ABORT", "sctp_abort { ACTIONS };", Agent(24),
        "an SCTP abort to the sender", "sctp_abort { outport <-> inport; output; };"),
    action("reject", "REJECT", "reject { ACTIONS };", Agent(22),
        "whichever of them is right for the packet", "reject { outport <-> inport; output; };"),
    action("put_dhcp_opts", "PUT_DHCPV4_OPTS", "R = put_dhcp_opts(offerip = ADDRESS, OPTION = VALUE, ...);", Agent(2),
        "turns a DHCPv4 request into its answer; whether there is one",
        "reg0[3] = put_dhcp_opts(offerip = 10.0.0.4, netmask = 255.255.255.0, router = 10.0.0.1, lease_time = 3600);"),
    action("put_dhcpv6_opts", "PUT_DHCPV6_OPTS", "R = put_dhcpv6_opts(OPTION = VALUE, ...);", Agent(5),
        "the same for DHCPv6",
        "reg0[3] = put_dhcpv6_opts(ia_addr = fd00::4, server_id = 00:00:00:00:00:01);"),
    action("dhcp_relay_req_chk", "DHCPV4_RELAY_REQ_CHK", "R = dhcp_relay_req_chk(RELAY, SERVER);", Agent(28),
        "makes a DHCPv4 request one that a relay sends on; whether it may be",
        "reg9[7] = dhcp_relay_req_chk(10.0.0.1, 10.0.1.1);"),
    action("dhcp_relay_resp_chk", "DHCPV4_RELAY_RESP_CHK", "R = dhcp_relay_resp_chk(RELAY, SERVER);", Agent(29),
        "the same for the answer", "reg9[8] = dhcp_relay_resp_chk(10.0.0.1, 10.0.1.1);"),
    action("put_nd_ra_opts", "PUT_ND_RA_OPTS", "R = put_nd_ra_opts(slla = MAC, OPTION = VALUE, ...);", Agent(8),
        "turns a router solicitation into an advertisement; whether it did",
        "reg0[5] = put_nd_ra_opts(addr_mode = \"slaac\", slla = 00:00:00:00:00:01, prefix = fd00::/64, mtu = 1450);"),
    action("dns_lookup", "DNS_LOOKUP", "R = dns_lookup();", Agent(6),
        "turns a DNS query into its answer; whether there is one", "reg0[4] = dns_lookup();"),
    action("log", "LOG",
        "log([name=\"NAME\", ]verdict=allow|drop|reject|pass, severity=alert|warning|notice|info|debug[, meter=\"METER\"]);",
        Agent(7), "a line in the log of the agent",
        "log(name=\"acl1\", verdict=drop, severity=alert, meter=\"m\");"),
    action("trigger_event", "TRIGGER_EVENT", "trigger_event(event = \"empty_lb_backends\", OPTION = VALUE, ...);",
        Agent(15), "tells the control plane",
        "trigger_event(event = \"empty_lb_backends\", vip = \"10.0.0.1:80\", protocol = \"tcp\", \
         load_balancer = \"12345678-abcd-9876-fedc-11119f8e7d6c\");"),
    action("igmp", "IGMP", "igmp;", Agent(16), "snoops IGMP and MLD", "igmp;"),
    action("bind_vport", "BIND_VPORT", "bind_vport(\"PORT\", PORT);", Agent(17),
        "the virtual port is where its parent is", "bind_vport(\"vip\", inport);"),
    action("handle_svc_check", "HANDLE_SVC_CHECK", "handle_svc_check(PORT);", Agent(18),
        "the answer to a probe of a service", "handle_svc_check(inport);"),
    action("handle_dhcpv6_reply", "DHCP6_REPLY", "handle_dhcpv6_reply;", Agent(19),
        "the answer of a server that delegates prefixes", "handle_dhcpv6_reply;"),
    action("handle_bfd_msg", "BFD_MSG", "handle_bfd_msg();", Agent(23), "a BFD packet", "handle_bfd_msg();"),
];

/// Names of what stands for itself: everything but functions.
pub(super) fn statement_names() -> impl Iterator<Item = &'static str> {
    words(false)
}

/// Names of functions, whose result goes into a field.
pub(super) fn function_names() -> impl Iterator<Item = &'static str> {
    words(true)
}

fn words(functions: bool) -> impl Iterator<Item = &'static str> {
    ACTIONS
        .iter()
        .filter(move |info| info.form.starts_with("R = ") == functions)
        .map(|info| info.name)
        .filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
}

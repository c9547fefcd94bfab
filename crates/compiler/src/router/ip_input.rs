//! `lr_in_ip_input`: what is meant for the router itself, and what no router forwards.

use std::fmt::Display;

use crate::address::solicited_node;
use crate::flow::Flows;
use crate::program::Program;
use crate::router::reg::{IN_MAC, LOOPED};
use crate::scope::{Class, Scope};
use crate::stage::Stage::LrInIpInput;
use crate::topology::RouterPort;

/// Sources and destinations that no packet on a network may have (RFC 1812 section 5.3.7).
const MARTIANS: &str = "ip4.src_mcast || ip4.src == 255.255.255.255 || ip4.src == 127.0.0.0/8 || \
                        ip4.dst == 127.0.0.0/8 || ip4.src == 0.0.0.0/8 || ip4.dst == 0.0.0.0/8";

pub(super) fn declare(program: &mut Program) {
    program.router_class_flows("router/ip_input", |class, out| {
        if class == Class::AllRouters {
            shared(&mut out.on(Scope::class(class)));
        }
    });
    let topology = program.topology;
    let localnets = topology.localnets;
    program.flows(
        "router/ip_input port",
        topology.router_port,
        move |cx, id, out| {
            let Some(port) = cx.get(topology.router_port, id) else {
                return;
            };
            let mut flows = out.of(Scope::Datapath(port.router), *id);
            // Where a physical network is behind the port, one chassis alone answers.
            let physical = port
                .switch()
                .is_some_and(|switch| cx.get(localnets, &switch).is_some());
            let resident = if physical {
                port.and_resident()
            } else {
                String::new()
            };
            v4(&mut flows, port, &resident);
            v6(&mut flows, port);
        },
    );
}

fn shared(flows: &mut Flows<'_>) {
    let stage = LrInIpInput;
    flows.add(stage, 100, MARTIANS, "drop;");
    flows.add(stage, 85, "arp || nd", "drop;");
    flows.add(stage, 84, "nd_rs || nd_ra", "next;");
    flows.add(stage, 83, "ip6.mcast_rsvd", "drop;");
    flows.add(stage, 82, "ip4.mcast || ip6.mcast", "drop;");
    flows.add(stage, 50, "eth.bcast", "drop;");
    flows.add(stage, 30, "ip.ttl == {0, 1}", "drop;");
    flows.add(stage, 0, "1", "next;");
}

/// Addresses as an operand: one alone, or several in braces.
fn list<T: Display>(items: &[T]) -> String {
    let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
    if texts.len() == 1 {
        texts.concat()
    } else {
        format!("{{{}}}", texts.join(", "))
    }
}

fn v4(flows: &mut Flows<'_>, port: &RouterPort, resident: &str) {
    let stage = LrInIpInput;
    let nets = &port.networks.v4;
    let Some(first) = nets.first() else { return };
    let own: Vec<_> = nets.iter().map(|net| net.addr()).collect();
    let broadcasts = nets
        .iter()
        .filter(|net| net.prefix_len() < 31)
        .map(|net| net.broadcast());
    let mut sources = own.clone();
    sources.extend(broadcasts);
    let spoofed = format!("ip4.src == {} && {LOOPED} == 0", list(&sources));
    flows.add(stage, 100, spoofed, "drop;");
    let echo = format!(
        "ip4.dst == {} && icmp4.type == 8 && icmp4.code == 0",
        list(&own)
    );
    let reply = "ip4.dst <-> ip4.src; ip.ttl = 255; icmp4.type = 0; flags.loopback = 1; next;";
    flows.add(stage, 90, echo, reply);
    for net in nets {
        let ip = net.addr();
        let asked = format!(
            "inport == {} && arp.op == 1 && arp.tpa == {ip} && arp.spa == {}{resident}",
            port.quoted,
            net.trunc()
        );
        let answer = format!(
            "eth.dst = eth.src; eth.src = {IN_MAC}; arp.op = 2; arp.tha = arp.sha; \
             arp.sha = {IN_MAC}; arp.tpa <-> arp.spa; outport = inport; flags.loopback = 1; output;"
        );
        flows.add(stage, 90, asked, answer);
        if !port.on_gateway && port.redirect.is_none() {
            unreachable(
                flows,
                "4",
                &ip,
                ("icmp4.type = 3", "icmp4.code = 3", "icmp4.code = 2"),
            );
        }
    }
    flows.add(stage, 60, format!("ip4.dst == {}", list(&own)), "drop;");
    let from = match port.redirect {
        Some(_) => "ip4.dst <-> ip4.src".to_string(),
        None => format!("ip4.dst = ip4.src; ip4.src = {}", first.addr()),
    };
    let expired = format!(
        "inport == {} && ip4 && ip.ttl == {{0, 1}} && !ip.later_frag",
        port.quoted
    );
    let error = format!(
        "icmp4 {{ eth.dst <-> eth.src; icmp4.type = 11; icmp4.code = 0; {from}; ip.ttl = 254; \
         outport = {}; flags.loopback = 1; output; }};",
        port.quoted
    );
    flows.add(stage, 31, expired, error);
}

fn v6(flows: &mut Flows<'_>, port: &RouterPort) {
    let stage = LrInIpInput;
    let nets = &port.networks.v6;
    let own: Vec<_> = nets.iter().map(|net| net.addr()).collect();
    if own.is_empty() {
        return;
    }
    let echo = format!(
        "ip6.dst == {} && icmp6.type == 128 && icmp6.code == 0",
        list(&own)
    );
    let reply = "ip6.dst <-> ip6.src; ip.ttl = 255; icmp6.type = 129; flags.loopback = 1; next;";
    flows.add(stage, 90, echo, reply);
    for net in nets {
        let ip = net.addr();
        let asked = format!(
            "inport == {} && ip6.dst == {{{ip}, {}}} && nd_ns && nd.target == {ip}{}",
            port.quoted,
            solicited_node(ip),
            port.and_resident()
        );
        let answer = format!(
            "nd_na_router {{ eth.src = {IN_MAC}; ip6.src = nd.target; nd.tll = {IN_MAC}; \
             outport = inport; flags.loopback = 1; output; }};"
        );
        flows.add(stage, 90, asked, answer);
        if !port.on_gateway && port.redirect.is_none() {
            unreachable(
                flows,
                "6",
                &ip,
                ("icmp6.type = 1", "icmp6.code = 4", "icmp6.code = 3"),
            );
        }
    }
    flows.add(stage, 60, format!("ip6.dst == {}", list(&own)), "drop;");
    for net in nets
        .iter()
        .filter(|net| !net.addr().is_unicast_link_local())
    {
        let from = match port.redirect {
            Some(_) => "ip6.dst <-> ip6.src".to_string(),
            None => format!("ip6.dst = ip6.src; ip6.src = {}", net.addr()),
        };
        let expired = format!(
            "inport == {} && ip6 && ip6.src == {} && ip.ttl == {{0, 1}} && !ip.later_frag",
            port.quoted,
            net.trunc()
        );
        let error = format!(
            "icmp6 {{ eth.dst <-> eth.src; {from}; ip.ttl = 254; icmp6.type = 3; icmp6.code = 0; \
             outport = {}; flags.loopback = 1; output; }};",
            port.quoted
        );
        flows.add(stage, 31, expired, error);
    }
}

/// A router runs no services: ports and protocols of its own are unreachable.
fn unreachable(
    flows: &mut Flows<'_>,
    family: &str,
    ip: &impl Display,
    (kind, port, protocol): (&str, &str, &str),
) {
    let to_me = format!("ip{family} && ip{family}.dst == {ip} && !ip.later_frag");
    let back = format!("eth.dst <-> eth.src; ip{family}.dst <-> ip{family}.src;");
    let reset = format!("tcp_reset {{ {back} next; }};");
    flows.add(LrInIpInput, 80, format!("{to_me} && tcp"), reset);
    let error =
        |code: &str| format!("icmp{family} {{ {back} ip.ttl = 255; {kind}; {code}; next; }};");
    flows.add(LrInIpInput, 80, format!("{to_me} && udp"), error(port));
    flows.add(LrInIpInput, 70, &to_me, error(protocol));
}

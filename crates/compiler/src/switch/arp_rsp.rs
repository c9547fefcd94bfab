//! `ls_in_arp_rsp`: answers ARP and neighbour solicitations for the ports of a switch.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::address::{Mac, solicited_node};
use crate::flow::Flows;
use crate::program::Program;
use crate::scope::{Class, Scope};
use crate::stage::Stage::LsInArpRsp;
use crate::topology::{PortKind, RouterPort};

pub(super) fn declare(program: &mut Program) {
    program.switch_class_flows("switch/arp_rsp", |class, out| {
        if class == Class::AllSwitches {
            out.on(Scope::class(class)).add(LsInArpRsp, 0, "1", "next;");
        }
    });
    let topology = program.topology;
    program.flows(
        "switch/arp_rsp port",
        topology.switch_port,
        move |cx, id, out| {
            let Some(port) = cx.get(topology.switch_port, id).filter(|port| port.enabled) else {
                return;
            };
            let mut flows = out.of(Scope::Datapath(port.switch), *id);
            match port.kind {
                // A request from a physical network reaches every chassis; the port asked for answers.
                PortKind::Localnet => {
                    flows.add(
                        LsInArpRsp,
                        100,
                        format!("inport == {}", port.quoted),
                        "next;",
                    );
                }
                // An address whose place can change must not be answered for by others.
                PortKind::Virtual => {}
                PortKind::Router => {
                    let peer = port.peer.filter(|_| port.router_address);
                    let peer = peer.and_then(|peer| cx.get(topology.router_port, &peer));
                    if let Some(peer) = peer {
                        router(&mut flows, &port.quoted, peer);
                    }
                }
                _ if port.no_responder || port.unknown => {}
                _ => {
                    for station in &port.stations {
                        for ip in &station.v4 {
                            arp(&mut flows, &port.quoted, station.mac, *ip);
                        }
                        for ip in &station.v6 {
                            nd(&mut flows, "nd_na", &port.quoted, station.mac, *ip);
                        }
                    }
                }
            }
        },
    );
}

/// The addresses of a router are answered for as well, so that asking for the gateway floods nothing.
/// A port that is on one chassis only answers there itself: the others must not be heard.
fn router(flows: &mut Flows<'_>, port: &str, peer: &RouterPort) {
    if !peer.enabled || peer.redirect.is_some() {
        return;
    }
    for net in &peer.networks.v4 {
        arp(flows, port, peer.mac, net.addr());
    }
    for net in &peer.networks.v6 {
        nd(flows, "nd_na_router", port, peer.mac, net.addr());
    }
}

/// An owner that asks for its own address looks for duplicates and is not answered.
fn arp(flows: &mut Flows<'_>, port: &str, mac: Mac, ip: Ipv4Addr) {
    let asked = format!("arp.tpa == {ip} && arp.op == 1");
    let answer = format!(
        "eth.dst = eth.src; eth.src = {mac}; arp.op = 2; arp.tha = arp.sha; arp.sha = {mac}; \
         arp.tpa = arp.spa; arp.spa = {ip}; outport = inport; flags.loopback = 1; output;"
    );
    flows.add(LsInArpRsp, 50, &asked, answer);
    flows.add(
        LsInArpRsp,
        100,
        format!("{asked} && inport == {port}"),
        "next;",
    );
}

fn nd(flows: &mut Flows<'_>, action: &str, port: &str, mac: Mac, ip: Ipv6Addr) {
    let asked = format!(
        "nd_ns && ip6.dst == {{{ip}, {}}} && nd.target == {ip}",
        solicited_node(ip)
    );
    let answer = format!(
        "{action} {{ eth.src = {mac}; ip6.src = {ip}; nd.target = {ip}; nd.tll = {mac}; \
         outport = inport; flags.loopback = 1; output; }};"
    );
    flows.add(LsInArpRsp, 50, &asked, answer);
    flows.add(
        LsInArpRsp,
        100,
        format!("{asked} && inport == {port}"),
        "next;",
    );
}

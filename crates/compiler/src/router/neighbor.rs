//! `lr_in_lookup_neighbor`, `lr_in_learn_neighbor`: learning neighbours from ARP and neighbour
//! discovery.
//!
//! What is known already is looked up first, so that only news reach the agent. A router with
//! `always_learn_from_arp_request` set to false takes from requests only what concerns itself or an
//! address that it knows.

use crate::flow::Flows;
use crate::program::Program;
use crate::router::reg::{KNOWN, KNOWN_IP};
use crate::scope::{Class, Scope};
use crate::stage::Stage::{LrInLearnNeighbor, LrInLookupNeighbor};
use crate::topology::RouterPort;

pub(super) fn declare(program: &mut Program) {
    program.router_class_flows("router/neighbor", |class, out| {
        let mut flows = out.on(Scope::class(class));
        match class {
            Class::AllRouters => learn(&mut flows),
            Class::LearnAlways => {
                lookup(&mut flows, "", "");
                flows.add(LrInLearnNeighbor, 100, format!("{KNOWN} == 1"), "next;");
            }
            Class::LearnKnown => {
                let known = format!("{KNOWN_IP} = lookup_nd_ip(inport, ip6.src); ");
                lookup(&mut flows, &format!("{KNOWN_IP} = 1; "), &known);
                // An advertisement to all says nothing that was asked for.
                let unasked = "nd_na && ip6.src == fe80::/10 && ip6.dst == ff00::/8";
                let actions = format!("{KNOWN} = lookup_nd(inport, ip6.src, nd.tll); {known}next;");
                flows.add(LrInLookupNeighbor, 110, unasked, actions);
                let skip = format!("{KNOWN} == 1 || {KNOWN_IP} == 0");
                flows.add(LrInLearnNeighbor, 100, skip, "next;");
            }
            _ => {}
        }
    });
    let topology = program.topology;
    program.flows(
        "router/neighbor port",
        topology.router_port,
        move |cx, id, out| {
            let Some(port) = cx.get(topology.router_port, id) else {
                return;
            };
            let always = cx
                .get(topology.router, &port.router)
                .is_none_or(|it| it.learn_always);
            requests(&mut out.of(Scope::Datapath(port.router), *id), port, always);
        },
    );
}

/// Look-ups for what a router was sent, with what else to note about answers and solicitations.
fn lookup(flows: &mut Flows<'_>, answer: &str, solicitation: &str) {
    let stage = LrInLookupNeighbor;
    let arp = format!("{KNOWN} = lookup_arp(inport, arp.spa, arp.sha); {answer}next;");
    flows.add(stage, 100, "arp.op == 2", arp);
    let na = format!("{KNOWN} = lookup_nd(inport, nd.target, nd.tll); {answer}next;");
    flows.add(stage, 100, "nd_na", na);
    let ns = format!("{KNOWN} = lookup_nd(inport, ip6.src, nd.sll); {solicitation}next;");
    flows.add(stage, 100, "nd_ns", ns);
}

fn learn(flows: &mut Flows<'_>) {
    flows.add(LrInLookupNeighbor, 0, "1", format!("{KNOWN} = 1; next;"));
    let stage = LrInLearnNeighbor;
    flows.add(stage, 95, "nd_ns && (ip6.src == 0 || nd.sll == 0)", "next;");
    flows.add(
        stage,
        95,
        "nd_na && nd.tll == 0",
        "put_nd(inport, nd.target, eth.src); next;",
    );
    flows.add(stage, 90, "arp", "put_arp(inport, arp.spa, arp.sha); next;");
    flows.add(
        stage,
        90,
        "nd_na",
        "put_nd(inport, nd.target, nd.tll); next;",
    );
    flows.add(stage, 90, "nd_ns", "put_nd(inport, ip6.src, nd.sll); next;");
    flows.add(stage, 0, "1", "drop;");
}

/// ARP requests teach only when the sender is of the port's networks.
fn requests(flows: &mut Flows<'_>, port: &RouterPort, always: bool) {
    let resident = port.and_resident();
    for net in &port.networks.v4 {
        let from = format!("inport == {} && arp.spa == {}", port.quoted, net.trunc());
        let look = format!("{KNOWN} = lookup_arp(inport, arp.spa, arp.sha); ");
        let any = format!("{from} && arp.op == 1{resident}");
        if always {
            flows.add(LrInLookupNeighbor, 100, any, format!("{look}next;"));
        } else {
            let to_me = format!(
                "{from} && arp.tpa == {} && arp.op == 1{resident}",
                net.addr()
            );
            flows.add(
                LrInLookupNeighbor,
                110,
                to_me,
                format!("{look}{KNOWN_IP} = 1; next;"),
            );
            let known = format!("{look}{KNOWN_IP} = lookup_arp_ip(inport, arp.spa); next;");
            flows.add(LrInLookupNeighbor, 100, any, known);
        }
    }
}

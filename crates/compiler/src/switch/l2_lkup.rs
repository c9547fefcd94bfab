//! `ls_in_l2_lkup`, `ls_in_l2_unknown`: to which port a packet goes.

use crate::address::solicited_node;
use crate::flow::Flows;
use crate::program::Program;
use crate::scope::{Class, Scope};
use crate::stage::Stage::*;
use crate::topology::{PortKind, RouterPort, SwitchPort};

pub(super) fn declare(program: &mut Program) {
    program.switch_class_flows("switch/l2_lkup", |class, out| {
        let mut flows = out.on(Scope::class(class));
        match class {
            Class::AllSwitches => {
                flows.add(
                    LsInL2Lkup,
                    70,
                    "eth.mcast",
                    "outport = \"_MC_flood\"; output;",
                );
                flows.add(LsInL2Lkup, 0, "1", "outport = get_fdb(eth.dst); next;");
                flows.add(LsInL2Unknown, 50, "outport == \"none\"", "drop;");
                flows.add(LsInL2Unknown, 0, "1", "output;");
            }
            Class::WithUnknown => {
                let flood = "outport = \"_MC_unknown\"; output;";
                flows.add(LsInL2Unknown, 60, "outport == \"none\"", flood);
            }
            _ => {}
        }
    });
    let topology = program.topology;
    program.flows(
        "switch/l2_lkup port",
        topology.switch_port,
        move |cx, id, out| {
            let Some(port) = cx.get(topology.switch_port, id).filter(|port| port.enabled) else {
                return;
            };
            let mut flows = out.of(Scope::Datapath(port.switch), *id);
            for station in &port.stations {
                let matches = format!("eth.dst == {}", station.mac);
                flows.add(LsInL2Lkup, 50, matches, to(port));
            }
            let peer = port
                .peer
                .and_then(|peer| cx.get(topology.router_port, &peer));
            let Some(peer) = peer.filter(|_| port.kind == PortKind::Router) else {
                return;
            };
            if port.router_address {
                // A physical network must see the address at one place only.
                let physical = cx.get(topology.localnets, &port.switch).is_some();
                let resident = if physical {
                    peer.and_resident()
                } else {
                    String::new()
                };
                let matches = format!("eth.dst == {}{resident}", peer.mac);
                flows.add(LsInL2Lkup, 50, matches, to(port));
            }
            router_addresses(&mut flows, port, peer);
        },
    );
}

fn to(port: &SwitchPort) -> String {
    format!("outport = {}; output;", port.quoted)
}

/// Requests for the addresses of a router go to that router and to no other one, so that a request
/// does not cost the work of all routers on the switch. What the router itself asks is for the others.
fn router_addresses(flows: &mut Flows<'_>, port: &SwitchPort, peer: &RouterPort) {
    let to_router = format!(
        "clone {{ outport = {}; output; }}; outport = \"_MC_flood_l2\"; output;",
        port.quoted
    );
    for net in &peer.networks.v4 {
        let matches = format!("flags[1] == 0 && arp.op == 1 && arp.tpa == {}", net.addr());
        flows.add(LsInL2Lkup, 80, matches, &to_router);
    }
    for net in &peer.networks.v6 {
        let ip = net.addr();
        let node = solicited_node(ip);
        let matches =
            format!("flags[1] == 0 && nd_ns && ip6.dst == {{{ip}, {node}}} && nd.target == {ip}");
        flows.add(LsInL2Lkup, 80, matches, &to_router);
    }
    let own = format!(
        "eth.src == {} && (arp.op == 1 || rarp.op == 3 || nd_ns)",
        peer.mac
    );
    flows.add(LsInL2Lkup, 75, own, "outport = \"_MC_flood_l2\"; output;");
}

//! `lr_in_ip_routing`, `lr_in_ip_routing_ecmp`: finds the next hop of a packet, the longest prefix
//! first.
//!
//! When several next hops are equal, the first stage selects one and the second acts on it, matching
//! the same prefix at the same priority.

use incremental::Context;
use ipnet::IpNet;
use uuid::Uuid;

use crate::flow::Emitter;
use crate::program::Program;
use crate::router::hop;
use crate::router::reg::{ECMP, MEMBER};
use crate::router::route::{Routes, Target, Way};
use crate::scope::{Class, Scope};
use crate::stage::Stage::{LrInIpRouting, LrInIpRoutingEcmp};
use crate::topology::{RouterPort, Topology};

/// Where routes of one prefix length stand among each other.
#[derive(Clone, Copy)]
enum Origin {
    Connected = 6,
    Static = 4,
    /// A static route by source is what is left when no route by destination is as long.
    StaticSource = 2,
}

fn priority(net: IpNet, origin: Origin) -> u16 {
    u16::from(net.prefix_len()) * 8 + origin as u16
}

pub(super) fn declare(program: &mut Program, routes: Routes) {
    program.router_class_flows("router/ip_routing", |class, out| {
        if class == Class::AllRouters {
            out.on(Scope::class(class))
                .add(LrInIpRouting, 10_550, "nd_rs || nd_ra", "drop;")
                .add(LrInIpRouting, 0, "1", "drop;")
                .add(LrInIpRoutingEcmp, 0, format!("{ECMP} == 0"), "next;");
        }
    });
    let topology = program.topology;
    program.flows(
        "router/ip_routing connected",
        topology.router_port,
        move |cx, id, out| {
            let Some(port) = cx.get(topology.router_port, id).filter(|port| port.enabled) else {
                return;
            };
            connected(out, port, *id);
        },
    );
    program.flows(
        "router/ip_routing static",
        routes,
        move |cx, target, out| {
            fixed(cx, topology, routes, target, out);
        },
    );
}

fn field(net: IpNet, source: bool) -> String {
    let family = if net.addr().is_ipv6() { "ip6" } else { "ip4" };
    format!("{family}.{} == {net}", if source { "src" } else { "dst" })
}

fn connected(out: &mut Emitter, port: &RouterPort, id: Uuid) {
    let mut flows = out.of(Scope::Datapath(port.router), id);
    let v4 = port.networks.v4.iter().copied().map(IpNet::V4);
    let v6 = port.networks.v6.iter().copied().map(IpNet::V6);
    for net in v4.chain(v6).map(|net| net.trunc()) {
        let mut matches = field(net, false);
        // The same link-local network is behind every port.
        if matches!(net, IpNet::V6(net) if net.addr().is_unicast_link_local()) {
            matches = format!("inport == {} && {matches}", port.quoted);
        }
        if let Some(send) = hop::send(port, None, net.addr().is_ipv6()) {
            let priority = priority(net, Origin::Connected);
            flows.add(
                LrInIpRouting,
                priority,
                matches,
                format!("ip.ttl--; {send}next;"),
            );
        }
    }
}

fn fixed(cx: &Context<'_>, topology: Topology, routes: Routes, target: &Target, out: &mut Emitter) {
    let v6 = target.prefix.addr().is_ipv6();
    let mut hops: Vec<(String, Uuid)> = Vec::new();
    let mut discarded = None;
    for (way, row) in cx.items(routes, target) {
        match way {
            Way::Discard => discarded = discarded.or(Some(*row)),
            Way::Port(port, next) => {
                let port = cx
                    .get(topology.router_port, port)
                    .filter(|port| port.enabled);
                let send = port.and_then(|port| hop::send(port, *next, v6));
                if let Some(send) = send.filter(|send| hops.iter().all(|(hop, _)| hop != send)) {
                    hops.push((send, *row));
                }
            }
        }
    }
    let origin = if target.source {
        Origin::StaticSource
    } else {
        Origin::Static
    };
    let priority = priority(target.prefix, origin);
    let matches = field(target.prefix, target.source);
    let scope = Scope::Datapath(target.router);
    match hops.as_slice() {
        [] => {
            if let Some(row) = discarded {
                out.of(scope, row)
                    .add(LrInIpRouting, priority, matches, "drop;");
            }
        }
        [(send, row)] => {
            let actions = format!("ip.ttl--; {send}next;");
            out.of(scope, *row)
                .add(LrInIpRouting, priority, matches, actions);
        }
        several => {
            let members: Vec<_> = (1..=several.len())
                .map(|member| member.to_string())
                .collect();
            let select = format!(
                "ip.ttl--; flags.loopback = 1; {ECMP} = 1; {MEMBER} = select({});",
                members.join(", ")
            );
            out.on(scope).add(LrInIpRouting, priority, &matches, select);
            for (member, (send, row)) in members.iter().zip(several) {
                let chosen = format!("{ECMP} == 1 && {MEMBER} == {member} && {matches}");
                out.of(scope, *row).add(
                    LrInIpRoutingEcmp,
                    priority,
                    chosen,
                    format!("{send}next;"),
                );
            }
        }
    }
}

//! `lr_in_arp_resolve`: the Ethernet address of the next hop.
//!
//! An address on a switch is the same for every router there, so its flow is written once for all of
//! them; the routing stage says on which switch the next hop is. So the number of flows grows with the
//! number of addresses, not with that of pairs of routers.

use std::net::IpAddr;

use crate::address::Mac;
use crate::flow::Flows;
use crate::program::Program;
use crate::router::hop::place;
use crate::router::reg::PLACE;
use crate::scope::{Class, Scope};
use crate::stage::Stage::LrInArpResolve;
use crate::topology::{Peer, PortKind, RouterPort};

pub(super) fn declare(program: &mut Program) {
    program.router_class_flows("router/arp_resolve", |class, out| {
        if class == Class::AllRouters {
            out.on(Scope::class(class))
                .add(LrInArpResolve, 500, "ip4.mcast || ip6.mcast", "next;")
                .add(LrInArpResolve, 1, "ip4", "get_arp(outport, reg0); next;")
                .add(LrInArpResolve, 1, "ip6", "get_nd(outport, xxreg0); next;")
                .add(LrInArpResolve, 0, "1", "drop;");
        }
    });
    let topology = program.topology;
    // Whether there is a router at all; who it is does not matter here.
    let routed = program
        .build
        .rule("switch with routers", topology.routers_on, |_, _| ());
    program.flows(
        "router/arp_resolve station",
        topology.switch_port,
        move |cx, id, out| {
            let Some(port) = cx.get(topology.switch_port, id) else {
                return;
            };
            let resolvable = matches!(
                port.kind,
                PortKind::Vif | PortKind::Localport | PortKind::Other
            );
            if !resolvable || !port.enabled || cx.get(routed, &port.switch).is_none() {
                return;
            }
            let mut flows = out.of(Scope::routers_on(port.switch), *id);
            let here = format!("{PLACE} == {}", place(port.switch));
            for station in &port.stations {
                for ip in &station.v4 {
                    resolve(&mut flows, &here, IpAddr::V4(*ip), station.mac);
                }
                for ip in &station.v6 {
                    resolve(&mut flows, &here, IpAddr::V6(*ip), station.mac);
                }
            }
        },
    );
    program.flows(
        "router/arp_resolve router",
        topology.router_port,
        move |cx, id, out| {
            let Some(port) = cx.get(topology.router_port, id).filter(|port| port.enabled) else {
                return;
            };
            match &port.peer {
                Some(Peer::Switch { switch, .. }) => {
                    let here = format!("{PLACE} == {}", place(*switch));
                    own(&mut out.of(Scope::routers_on(*switch), *id), &here, port);
                }
                Some(Peer::Router { port: peer, .. }) => {
                    let Some(peer) = cx.get(topology.router_port, peer) else {
                        return;
                    };
                    let here = format!("outport == {}", peer.quoted);
                    own(&mut out.of(Scope::Datapath(peer.router), *id), &here, port);
                }
                None => {}
            }
        },
    );
}

/// How others reach the addresses of a router port.
fn own(flows: &mut Flows<'_>, here: &str, port: &RouterPort) {
    for net in &port.networks.v4 {
        resolve(flows, here, IpAddr::V4(net.addr()), port.mac);
    }
    for net in &port.networks.v6 {
        resolve(flows, here, IpAddr::V6(net.addr()), port.mac);
    }
}

fn resolve(flows: &mut Flows<'_>, here: &str, ip: IpAddr, mac: Mac) {
    let register = if ip.is_ipv6() { "xxreg0" } else { "reg0" };
    // The register of IPv6 overlaps that of IPv4, hence the family.
    let family = if ip.is_ipv6() { "ip6" } else { "ip4" };
    let matches = format!("{family} && {here} && {register} == {ip}");
    flows.add(
        LrInArpResolve,
        100,
        matches,
        format!("eth.dst = {mac}; next;"),
    );
}

//! Next hops: by which port an address is reached.
//!
//! A router finds the port by looking for the networks that contain the address, one look-up for each
//! prefix length it uses, and not by going through its ports, which may be many.

use std::net::IpAddr;

use incremental::{Collected, Context};
use ipnet::IpNet;
use uuid::Uuid;

use crate::program::Program;
use crate::router::reg::PLACE;
use crate::topology::{RouterPort, Topology};

/// The networks of routers.
#[derive(Clone, Copy)]
pub(super) struct Networks {
    /// By router and network, the ports.
    ports: Collected<(Uuid, IpNet), Uuid>,
    /// By router and whether it is IPv6, the prefix lengths in use.
    lengths: Collected<(Uuid, bool), u8>,
}

pub(super) fn declare(program: &mut Program) -> Networks {
    let ports = program.topology.router_port;
    Networks {
        ports: program.build.index("ports by network", ports, |_, port| {
            networks(port)
                .map(|net| (port.router, net.trunc()))
                .collect::<Vec<_>>()
        }),
        lengths: program
            .build
            .collect("prefix lengths of router", ports, |_, port| {
                let lengths = networks(port)
                    .map(|net| ((port.router, net.addr().is_ipv6()), net.prefix_len()));
                lengths.collect::<Vec<_>>()
            }),
    }
}

/// The networks of a port that tell it from others; every port has the link-local one.
pub(super) fn networks(port: &RouterPort) -> impl Iterator<Item = IpNet> {
    let v4 = port.networks.v4.iter().copied().map(IpNet::V4);
    let v6 = port
        .networks
        .v6
        .iter()
        .filter(|net| !net.addr().is_unicast_link_local());
    v4.chain(v6.copied().map(IpNet::V6))
}

impl Networks {
    /// The port of a router whose network contains the address, the longest prefix first.
    pub(super) fn find(self, cx: &Context<'_>, router: Uuid, ip: IpAddr) -> Option<Uuid> {
        cx.items(self.lengths, &(router, ip.is_ipv6()))
            .rev()
            .find_map(|length| {
                let net = IpNet::new(ip, *length).ok()?.trunc();
                cx.get(self.ports, &(router, net))?.first().copied()
            })
    }
}

/// A number for the switch behind a port, by which the resolution of next hops tells neighbours of one
/// switch from those of another. Two switches of one router have the same number only if their UUIDs
/// begin with the same 32 bits.
pub(super) fn place(switch: Uuid) -> u32 {
    switch.as_fields().0.max(1)
}

/// The actions that send a packet to a next hop, by its port; without a next hop the destination itself
/// is the neighbour. None when the port has no address of the family to speak from.
pub(super) fn send(port: &RouterPort, next: Option<IpAddr>, v6: bool) -> Option<String> {
    let (hop, source, family) = if v6 {
        ("xxreg0", "xxreg1", "ip6.dst")
    } else {
        ("reg0", "reg1", "ip4.dst")
    };
    let from = source_address(port, next, v6)?;
    let next = next.map_or_else(|| family.to_string(), |next| next.to_string());
    let place = port.switch().map_or(0, place);
    Some(format!(
        "{hop} = {next}; {source} = {from}; eth.src = {}; outport = {}; {PLACE} = {place}; \
         flags.loopback = 1; ",
        port.mac, port.quoted
    ))
}

/// The address from which a port speaks to a next hop: one of the same network, or else the first.
fn source_address(port: &RouterPort, next: Option<IpAddr>, v6: bool) -> Option<IpAddr> {
    let v4 = port
        .networks
        .v4
        .iter()
        .copied()
        .map(IpNet::V4)
        .filter(|_| !v6);
    let v6 = port
        .networks
        .v6
        .iter()
        .copied()
        .map(IpNet::V6)
        .filter(|_| v6);
    let nets: Vec<IpNet> = v4.chain(v6).collect();
    let near = nets
        .iter()
        .find(|net| next.is_some_and(|next| net.contains(&next)));
    near.or_else(|| nets.first()).map(IpNet::addr)
}

/// The port of a router with that name; none when it is another router's.
pub(super) fn named(
    cx: &Context<'_>,
    topology: Topology,
    router: Uuid,
    name: &ovsdb::Str,
) -> Option<Uuid> {
    let port = *cx.get(topology.router_port_by_name, name)?.first()?;
    (cx.get(topology.router_port, &port)?.router == router).then_some(port)
}

//! Static routes, read and gathered by what they match: routes of one router with the same prefix are
//! one route with several next hops.

use std::net::IpAddr;
use std::str::FromStr;

use incremental::{Collected, Context};
use ipnet::IpNet;
use model::nb::{self, LogicalRouterStaticRoutePolicy as Policy};
use ovsdb::Str;
use uuid::Uuid;

use crate::diagnostic::Diagnostic;
use crate::program::Program;
use crate::router::hop::{self, Networks};
use crate::topology::Topology;

/// What a route matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Target {
    /// The router.
    pub(super) router: Uuid,
    /// The addresses.
    pub(super) prefix: IpNet,
    /// Whether the source is looked at and not the destination.
    pub(super) source: bool,
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Way {
    /// Nowhere.
    Discard,
    /// Out of a port, to a next hop or to the destination itself.
    Port(Uuid, Option<IpAddr>),
}

/// By what they match, where routes lead and which rows say so.
pub(super) type Routes = Collected<Target, (Way, Uuid)>;

pub(super) fn declare(program: &mut Program, networks: Networks) -> Routes {
    let topology = program.topology;
    let input = topology.nb.route;
    let read = program.build.filter("route", input, move |cx, id| {
        let router = *cx.get(topology.router_of_route, id)?.first()?;
        Some(read(cx, topology, networks, router, cx.get(input, id)?))
    });
    program.flows("diagnose route", read, move |cx, id, out| {
        if let (Some(Err(message)), Some(row)) = (cx.get(read, id), cx.get(input, id)) {
            let table = "Logical_Router_Static_Route";
            out.diagnose(Diagnostic::new(
                table,
                *id,
                row.ip_prefix.clone(),
                message.clone(),
            ));
        }
    });
    program
        .build
        .collect("routes by target", read, |id, route| {
            route
                .as_ref()
                .ok()
                .map(|(target, way)| (*target, (*way, *id)))
        })
}

/// A prefix: a network, or an address alone.
fn prefix(text: &str) -> Option<IpNet> {
    let net = IpNet::from_str(text).ok();
    net.or_else(|| Some(IpNet::from(IpAddr::from_str(text).ok()?)))
        .map(|net| net.trunc())
}

fn read(
    cx: &Context<'_>,
    topology: Topology,
    networks: Networks,
    router: Uuid,
    row: &nb::LogicalRouterStaticRoute,
) -> Result<(Target, Way), Str> {
    let unsupported = [
        ("route_table", !row.route_table.is_empty()),
        ("bfd", row.bfd.is_some()),
        (
            "options:ecmp_symmetric_reply",
            row.options.is_true("ecmp_symmetric_reply"),
        ),
    ];
    if let Some((name, _)) = unsupported.into_iter().find(|(_, used)| *used) {
        return Err(format!("not supported: {name}; the route is left out").into());
    }
    let prefix = prefix(&row.ip_prefix)
        .ok_or_else(|| Str::from(format!("ip_prefix {:?} is not a network", row.ip_prefix)))?;
    let target = Target {
        router,
        prefix,
        source: row.policy == Some(Policy::SrcIp),
    };
    if row.nexthop == "discard" {
        return Ok((target, Way::Discard));
    }
    let next = match row.nexthop.as_str() {
        "" => None,
        // Old clients write a prefix length.
        text => Some(
            self::prefix(text)
                .map(|net| net.addr())
                .ok_or_else(|| Str::from(format!("nexthop {text:?} is not an address")))?,
        ),
    };
    if next.is_some_and(|next| next.is_ipv6() != prefix.addr().is_ipv6()) {
        return Err("not supported: a next hop of the other family".into());
    }
    let port = match (&row.output_port, next) {
        (Some(name), _) => hop::named(cx, topology, router, name)
            .ok_or_else(|| format!("output_port {name:?} is not a port of the router")),
        (None, Some(next)) => networks.find(cx, router, next).ok_or_else(|| {
            format!("no port of the router has a network with the next hop {next}; set output_port")
        }),
        (None, None) => Err("a route without nexthop needs output_port".into()),
    };
    Ok((target, Way::Port(port.map_err(Str::from)?, next)))
}

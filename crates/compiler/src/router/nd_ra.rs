//! `lr_in_nd_ra_options`, `lr_in_nd_ra_response`: answers router solicitations.

use model::nb;

use crate::diagnostic::Diagnostic;
use crate::flow::quote;
use crate::program::Program;
use crate::router::reg::RA;
use crate::scope::{Class, Scope};
use crate::stage::Stage::{LrInNdRaOptions, LrInNdRaResponse};
use crate::topology::RouterPort;

/// What hosts can be told about where their addresses come from.
const MODES: &[&str] = &["slaac", "dhcpv6_stateful", "dhcpv6_stateless"];

pub(super) fn declare(program: &mut Program) {
    program.router_class_flows("router/nd_ra", |class, out| {
        if class == Class::AllRouters {
            out.on(Scope::class(class))
                .add(LrInNdRaOptions, 0, "1", "next;")
                .add(LrInNdRaResponse, 0, "1", "next;");
        }
    });
    let topology = program.topology;
    program.flows(
        "router/nd_ra port",
        topology.router_port,
        move |cx, id, out| {
            let (Some(port), Some(row)) = (
                cx.get(topology.router_port, id),
                cx.get(topology.nb.router_port, id),
            ) else {
                return;
            };
            if row.ipv6_ra_configs.is_empty() {
                return;
            }
            let mut say = |message: &str| {
                out.diagnose(Diagnostic::new(
                    "Logical_Router_Port",
                    *id,
                    row.name.clone(),
                    message,
                ));
            };
            if row.ipv6_ra_configs.is_true("send_periodic") {
                say("not supported: ipv6_ra_configs:send_periodic");
            }
            let put = match put(port, row) {
                Ok(put) => put,
                Err(Some(message)) => return say(message),
                Err(None) => return,
            };
            let from = format!("inport == {} && ip6.dst == ff02::2", port.quoted);
            let answer = format!(
                "eth.dst = eth.src; eth.src = {}; ip6.dst = ip6.src; ip6.src = {}; \
             outport = inport; flags.loopback = 1; output;",
                port.mac,
                port.mac.link_local()
            );
            out.of(Scope::Datapath(port.router), *id)
                .add(LrInNdRaOptions, 50, format!("{from} && nd_rs"), put)
                .add(
                    LrInNdRaResponse,
                    50,
                    format!("{from} && nd_ra && {RA}"),
                    answer,
                );
        },
    );
}

/// The action that makes the advertisement; without a message when there is nothing to advertise.
fn put(port: &RouterPort, row: &nb::LogicalRouterPort) -> Result<String, Option<&'static str>> {
    let configs = &row.ipv6_ra_configs;
    let Some(mode) = configs.get("address_mode") else {
        return Err(None);
    };
    if !MODES.contains(&mode.as_str()) {
        return Err(Some(
            "ipv6_ra_configs:address_mode must be slaac, dhcpv6_stateful or dhcpv6_stateless",
        ));
    }
    let mut options = vec![
        format!("addr_mode = {}", quote(mode)),
        format!("slla = {}", port.mac),
    ];
    // 1280 is the least that IPv6 allows (RFC 8200 section 5).
    if let Some(mtu) = configs
        .get("mtu")
        .and_then(|mtu| mtu.parse::<u32>().ok())
        .filter(|mtu| *mtu >= 1280)
    {
        options.push(format!("mtu = {mtu}"));
    }
    if let Some(preference) = configs
        .get("router_preference")
        .filter(|it| *it != "MEDIUM")
    {
        options.push(format!("router_preference = {}", quote(preference)));
    }
    if let Some(server) = configs.get("rdnss") {
        options.push(format!("rdnss = {server}"));
    }
    for key in ["dnssl", "route_info"] {
        if let Some(value) = configs.get(key) {
            options.push(format!("{key} = {}", quote(value)));
        }
    }
    let nets = port
        .networks
        .v6
        .iter()
        .filter(|net| !net.addr().is_unicast_link_local());
    let prefixes: Vec<_> = nets
        .map(|net| format!("prefix = {}", net.trunc()))
        .collect();
    if prefixes.is_empty() {
        return Err(None);
    }
    options.extend(prefixes);
    let actions = format!("{RA} = put_nd_ra_opts({}); next;", options.join(", "));
    match logic::parse_actions(&actions, logic::Symbols::ovn()) {
        Ok(_) => Ok(actions),
        Err(_) => Err(Some(
            "ipv6_ra_configs: a value is not valid; nothing is advertised",
        )),
    }
}

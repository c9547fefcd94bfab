//! Says what in the Northbound cannot be compiled, or not yet, and what to do.

use std::net::IpAddr;

use model::{Table, nb};
use ovsdb::Str;

use crate::address::{Mac, Networks, PortAddress};
use crate::diagnostic::Diagnostic;
use crate::program::Program;

pub(crate) fn declare(program: &mut Program) {
    switches(program);
    switch_ports(program);
    routers(program);
    router_ports(program);
    acls(program);
}

fn switches(program: &mut Program) {
    let input = program.topology.nb.switch;
    program.flows("diagnose switch", input, move |cx, id, out| {
        let Some(row) = cx.get(input, id) else { return };
        let used = [
            (
                "load_balancer",
                row.load_balancer.is_empty() && row.load_balancer_group.is_empty(),
            ),
            ("qos_rules", row.qos_rules.is_empty()),
            ("dns_records", row.dns_records.is_empty()),
            ("forwarding_groups", row.forwarding_groups.is_empty()),
            ("copp", row.copp.is_none()),
            ("mcast_snoop", !row.other_config.is_true("mcast_snoop")),
        ];
        for (name, _) in used.into_iter().filter(|(_, unused)| !unused) {
            let table = nb::LogicalSwitch::NAME;
            out.diagnose(Diagnostic::unsupported(table, *id, row.name.clone(), name));
        }
    });
}

/// Port types that work, and those of which only the row is made.
const TYPES: &[&str] = &["", "router", "localnet", "localport"];

fn switch_ports(program: &mut Program) {
    let topology = program.topology;
    let input = topology.nb.switch_port;
    program.flows("diagnose switch port", input, move |cx, id, out| {
        let Some(row) = cx.get(input, id) else { return };
        let mut say = |message: String| {
            let table = nb::LogicalSwitchPort::NAME;
            out.diagnose(Diagnostic::new(table, *id, row.name.clone(), message));
        };
        if cx
            .get(topology.switch_of_port, id)
            .is_some_and(|switches| switches.len() > 1)
        {
            say("the port is on more than one switch; remove it from all but one".into());
        }
        if cx.get(topology.router_port_by_name, &row.name).is_some() {
            say("a router port has the same name; rename one of them".into());
        }
        if !TYPES.contains(&row.type_.as_str()) {
            say(format!("not supported: type {}", row.type_));
        }
        if row.tag_request == Some(0) && row.tag.is_none() {
            say("not supported: tag_request 0, set tag instead".into());
        }
        for text in &row.addresses {
            match text.parse() {
                Ok(PortAddress::Dynamic) if row.dynamic_addresses.is_none() => {
                    say(format!("not supported: addresses {text}"));
                }
                Err(()) => say(format!(
                    "addresses: {text:?} is not a MAC address with IP addresses"
                )),
                Ok(_) => {}
            }
        }
        let used = [
            ("dhcpv6_options", row.dhcpv6_options.is_none()),
            ("mirror_rules", row.mirror_rules.is_empty()),
            ("health_checks", row.health_checks.is_empty()),
            ("options:arp_proxy", row.options.get("arp_proxy").is_none()),
        ];
        for (name, _) in used.into_iter().filter(|(_, unused)| !unused) {
            say(format!("not supported: {name}"));
        }
        if row.type_ == "router" {
            match row.options.get("router-port") {
                None => say("type router needs options:router-port".into()),
                Some(name) if cx.get(topology.router_port_by_name, name).is_none() => {
                    say(format!(
                        "options:router-port names {name:?}, which does not exist"
                    ));
                }
                Some(_) => {}
            }
        }
    });
}

fn routers(program: &mut Program) {
    let input = program.topology.nb.router;
    program.flows("diagnose router", input, move |cx, id, out| {
        let Some(row) = cx.get(input, id) else { return };
        let used = [
            ("NAT", row.nat.is_empty()),
            (
                "load_balancer",
                row.load_balancer.is_empty() && row.load_balancer_group.is_empty(),
            ),
            ("copp", row.copp.is_none()),
            ("mcast_relay", !row.options.is_true("mcast_relay")),
        ];
        for (name, _) in used.into_iter().filter(|(_, unused)| !unused) {
            let table = nb::LogicalRouter::NAME;
            out.diagnose(Diagnostic::unsupported(table, *id, row.name.clone(), name));
        }
    });
}

fn router_ports(program: &mut Program) {
    let topology = program.topology;
    let input = topology.nb.router_port;
    program.flows("diagnose router port", input, move |cx, id, out| {
        let Some(row) = cx.get(input, id) else { return };
        let mut say = |message: String| {
            let table = nb::LogicalRouterPort::NAME;
            out.diagnose(Diagnostic::new(table, *id, row.name.clone(), message));
        };
        if row.mac.parse::<Mac>().is_err() {
            say(format!(
                "mac: {:?} is not a MAC address; the port is left out",
                row.mac
            ));
        }
        let (networks, wrong) = Networks::parse(row.networks.iter().map(Str::as_str));
        for text in wrong {
            say(format!(
                "networks: {text:?} is not an address with a prefix length"
            ));
        }
        let addresses = networks.v4.iter().map(|net| IpAddr::from(net.addr()));
        let mut addresses: Vec<_> = addresses
            .chain(networks.v6.iter().map(|net| net.addr().into()))
            .collect();
        addresses.sort_unstable();
        if addresses.windows(2).any(|pair| pair[0] == pair[1]) {
            say("networks: an address is given twice".into());
        }
        if let Some(name) = row
            .peer
            .as_ref()
            .filter(|name| cx.get(topology.router_port_by_name, *name).is_none())
        {
            say(format!("peer names {name:?}, which does not exist"));
        }
        if row.dhcp_relay.is_some() {
            say("not supported: dhcp_relay".into());
        }
    });
}

fn acls(program: &mut Program) {
    let topology = program.topology;
    let input = topology.nb.acl;
    program.flows("diagnose acl", input, move |cx, id, out| {
        let (Some(row), Some(error)) = (cx.get(input, id), cx.get(topology.acl_error, id)) else {
            return;
        };
        let name = row.name.clone().unwrap_or_else(|| id.to_string().into());
        out.diagnose(Diagnostic::new(nb::Acl::NAME, *id, name, error.clone()));
    });
}

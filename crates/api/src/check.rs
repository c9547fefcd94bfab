//! What the grammar cannot say: names that exist once, references that lead somewhere, addresses inside
//! their networks, matches that parse.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use ovsdb::Str;

use crate::document::{Acl, Document, Router, Switch, Target};
use crate::fields::{Located, Position, Problems};

pub(crate) fn check(document: &Document, problems: &mut Problems) {
    names(document, problems);
    for switch in &document.switches {
        check_switch(switch, problems);
    }
    for group in &document.port_groups {
        check_acls(
            &format!("port group {}", group.name.value),
            &group.acls,
            problems,
        );
        for port in &group.ports {
            let known = ports(document).any(|name| name.value == port.value);
            if !known {
                let object = format!("port group {}", group.name.value);
                problems.add(
                    port.at,
                    object,
                    format!("there is no port {}", port.value),
                    "add the port to a switch, or take it out of the group",
                );
            }
        }
    }
    for router in &document.routers {
        check_router(router, document, problems);
    }
    check_addresses_are_unique(document, problems);
    check_testbed(document, problems);
}

fn ports(document: &Document) -> impl Iterator<Item = &Located<Str>> {
    document
        .switches
        .iter()
        .flat_map(|switch| switch.ports.iter().map(|port| &port.name))
}

/// A name stands once among the names that share a space in the Northbound.
fn unique<'a>(
    what: &str,
    names: impl Iterator<Item = (Str, Position)> + 'a,
    problems: &mut Problems,
) {
    let mut seen: HashMap<Str, Position> = HashMap::new();
    for (name, at) in names {
        if let Some(first) = seen.insert(name.clone(), at) {
            problems.add(
                at,
                format!("{what} {name}"),
                "the name is taken",
                format!("rename it or the one at {first}"),
            );
        }
    }
}

fn names(document: &Document, problems: &mut Problems) {
    let plain = |name: &Located<Str>| (name.value.clone(), name.at);
    let peers = document.routers.iter().flat_map(|router| {
        router.ports.iter().map(|port| {
            (
                router_peer(&port.switch.value, &router.name.value),
                port.switch.at,
            )
        })
    });
    unique("port", ports(document).map(plain).chain(peers), problems);
    let groups = document.port_groups.iter().map(|group| &group.name);
    let sets = document.address_sets.iter().map(|set| &set.name);
    for name in groups.clone().chain(sets.clone()) {
        let word = name
            .value
            .starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name
                .value
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_.".contains(c));
        if !word {
            let object = format!("name {}", name.value);
            problems.add(
                name.at,
                object,
                "cannot be written in a match",
                "use letters, digits, `_` and `.`, a letter first",
            );
        }
    }
    // A port group makes the address sets NAME_ip4 and NAME_ip6 of its ports' addresses.
    let derived = groups.flat_map(|group| {
        ["ip4", "ip6"].map(|family| (Str::from(format!("{}_{family}", group.value)), group.at))
    });
    unique("address set", sets.map(plain).chain(derived), problems);
}

/// The name of a switch's port towards a router.
pub(crate) fn router_peer(switch: &str, router: &str) -> Str {
    Str::from(format!("{switch}-{router}"))
}

fn check_switch(switch: &Switch, problems: &mut Problems) {
    let object = format!("switch {}", switch.name.value);
    one_of_each_family(
        &object,
        &switch.subnets,
        |net| net.addr().is_ipv4(),
        problems,
    );
    for subnet in &switch.subnets {
        if subnet.value != subnet.value.trunc() {
            let what = format!("subnet {} has bits set behind its prefix", subnet.value);
            problems.add(
                subnet.at,
                &object,
                what,
                format!("write {}", subnet.value.trunc()),
            );
        }
    }
    for port in &switch.ports {
        let object = format!("port {}", port.name.value);
        one_of_each_family(&object, &port.addresses, IpAddr::is_ipv4, problems);
        for address in &port.addresses {
            inside(&object, address.at, address.value, switch, problems);
        }
    }
    if let Some(dhcp) = &switch.dhcp {
        let object = format!("dhcp of {object}");
        if !switch.subnets.iter().any(|net| net.value.addr().is_ipv4()) {
            problems.add(
                dhcp.at,
                &object,
                "the switch has no IPv4 subnet",
                "add one to `subnets`",
            );
        }
        if dhcp.lease == 0 {
            problems.add(
                dhcp.at,
                &object,
                "a lease of 0 seconds ends at once",
                "write a lease of at least 1",
            );
        }
        for address in dhcp
            .router
            .iter()
            .chain(&dhcp.dns)
            .filter(|address| address.is_ipv6())
        {
            problems.add(
                dhcp.at,
                &object,
                format!("{address} is not an IPv4 address"),
                "DHCPv4 can offer IPv4 addresses only",
            );
        }
        if let Some(router) = dhcp.router.filter(IpAddr::is_ipv4) {
            inside(&object, dhcp.at, router, switch, problems);
        }
    }
    check_acls(&object, &switch.acls, problems);
}

fn one_of_each_family<T>(
    object: &str,
    values: &[Located<T>],
    is_ipv4: impl Fn(&T) -> bool,
    problems: &mut Problems,
) {
    for ipv4 in [true, false] {
        if let Some(second) = values
            .iter()
            .filter(|value| is_ipv4(&value.value) == ipv4)
            .nth(1)
        {
            let family = if ipv4 { "IPv4" } else { "IPv6" };
            problems.add(
                second.at,
                object,
                format!("there is a second {family} one"),
                "keep one of each family",
            );
        }
    }
}

fn inside(object: &str, at: Position, address: IpAddr, switch: &Switch, problems: &mut Problems) {
    let nets = || switch.subnets.iter().map(|net| net.value);
    let Some(net) = nets().find(|net| net.contains(&address)) else {
        let all: Vec<String> = nets().map(|net| net.to_string()).collect();
        let all = if all.is_empty() {
            "it has none".to_owned()
        } else {
            all.join(", ")
        };
        let what = format!(
            "address {address} is not in a subnet of switch {} ({all})",
            switch.name.value
        );
        problems.add(
            at,
            object,
            what,
            "use an address of one of them, or add the subnet",
        );
        return;
    };
    let reserved = match net {
        IpNet::V4(net) if net.prefix_len() < 31 => {
            address == net.network() || address == net.broadcast()
        }
        _ => false,
    };
    if reserved {
        let what = format!("{address} is the network or broadcast address of {net}");
        problems.add(at, object, what, "use another address");
    }
}

fn check_router(router: &Router, document: &Document, problems: &mut Problems) {
    for port in &router.ports {
        let object = format!(
            "port of router {} on switch {}",
            router.name.value, port.switch.value
        );
        let switch = document
            .switches
            .iter()
            .find(|s| s.name.value == port.switch.value);
        let Some(switch) = switch else {
            problems.add(
                port.switch.at,
                object,
                "there is no such switch",
                "add it to `switches`, or correct the name",
            );
            continue;
        };
        if port.networks.is_empty() {
            problems.add(
                port.switch.at,
                &object,
                "it has no address",
                "add one such as 10.0.1.1/24",
            );
        }
        for network in &port.networks {
            let subnet = switch
                .subnets
                .iter()
                .find(|s| s.value == network.value.trunc());
            if subnet.is_none() {
                let what = format!("{} is not of a subnet of the switch", network.value);
                problems.add(
                    network.at,
                    &object,
                    what,
                    "use an address and the prefix length of one of its subnets",
                );
            }
        }
    }
    for route in &router.routes {
        let object = format!("route {} of router {}", route.to, router.name.value);
        let mut networks = router.ports.iter().flat_map(|port| &port.networks);
        if !networks.any(|network| network.value.contains(&route.via.value)) {
            let what = format!(
                "no port of the router is on the network of {}",
                route.via.value
            );
            problems.add(
                route.via.at,
                object,
                what,
                "use a next hop that is on a network of the router",
            );
        } else if route.to.addr().is_ipv4() != route.via.value.is_ipv4() {
            problems.add(
                route.via.at,
                object,
                "destination and next hop are of two families",
                "use a next hop of the destination's family",
            );
        }
    }
}

fn check_acls(object: &str, acls: &[Acl], problems: &mut Problems) {
    unique(
        &format!("ACL of {object}:"),
        acls.iter().map(|acl| (acl.name.value.clone(), acl.name.at)),
        problems,
    );
    for acl in acls {
        if let Err(error) = logic::check_match(&acl.match_.value, logic::Symbols::ovn()) {
            let what = format!("its match does not parse: {error}");
            problems.add(
                acl.match_.at,
                format!("ACL {} of {object}", acl.name.value),
                what,
                "correct the match",
            );
        }
        let length = acl.name.value.chars().count();
        if length > 63 {
            problems.add(
                acl.name.at,
                format!("ACL {} of {object}", acl.name.value),
                format!("the name has {length} characters"),
                "use at most 63",
            );
        }
    }
}

/// No two ports of one switch, the router's included, have the same address.
fn check_addresses_are_unique(document: &Document, problems: &mut Problems) {
    for switch in &document.switches {
        let own = switch.ports.iter().flat_map(|port| {
            port.addresses.iter().map(|address| {
                (
                    address.value,
                    address.at,
                    format!("port {}", port.name.value),
                )
            })
        });
        let routers = document.routers.iter().flat_map(|router| {
            let ports = router
                .ports
                .iter()
                .filter(|port| port.switch.value == switch.name.value);
            let object = format!("port of router {}", router.name.value);
            ports
                .flat_map(|port| &port.networks)
                .map(move |n| (n.value.addr(), n.at, object.clone()))
        });
        let mut seen: HashMap<IpAddr, String> = HashMap::new();
        for (address, at, object) in routers.chain(own) {
            if let Some(first) = seen.insert(address, object.clone()) {
                let what = format!(
                    "address {address} is also that of {first} on switch {}",
                    switch.name.value
                );
                problems.add(at, object, what, "give each its own");
            }
        }
    }
}

fn check_testbed(document: &Document, problems: &mut Problems) {
    let Some(testbed) = &document.testbed else {
        return;
    };
    for machine in &testbed.machines {
        let object = format!("machine {}", machine.port.value);
        if !ports(document).any(|name| name.value == machine.port.value) {
            problems.add(
                machine.port.at,
                &object,
                "there is no port of this name",
                "add the port to a switch, or correct the name",
            );
        }
        if !testbed
            .hypervisors
            .iter()
            .any(|h| h.value == machine.on.value)
        {
            problems.add(
                machine.on.at,
                &object,
                format!("there is no hypervisor {}", machine.on.value),
                "add it to `hypervisors`",
            );
        }
    }
    for expectation in &testbed.expectations {
        let to = match &expectation.to {
            Target::Machine { name, .. } => Some(name),
            Target::Address(_) => None,
        };
        for name in std::iter::once(&expectation.from).chain(to) {
            if !testbed
                .machines
                .iter()
                .any(|machine| machine.port.value == name.value)
            {
                problems.add(
                    name.at,
                    "expectation",
                    format!("there is no machine {}", name.value),
                    "add it to `machines`, or correct the name",
                );
            }
        }
    }
}

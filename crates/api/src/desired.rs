//! What rows a document asks for.
//!
//! Every object has a key that does not change while its place in the document does not; rows of the
//! Northbound are found again by it (`external_ids:heddle-object`).

use std::net::{IpAddr, Ipv4Addr};

use model::{Column, Map, Set, Table, nb};
use ovsdb::{Datum, Str, Uuid};
use packet::Mac;

use crate::check::router_peer;
use crate::document::{Acl, AddressSet, Dhcp, Document, Port, PortGroup, Route, Router, Switch};

/// The name of a row before it has a UUID.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectId {
    pub(crate) table: &'static str,
    pub(crate) key: String,
}

fn id<T: Table>(key: impl Into<String>) -> ObjectId {
    ObjectId {
        table: T::NAME,
        key: key.into(),
    }
}

/// What a column should hold.
pub(crate) enum Value {
    /// Exactly this.
    Data(Datum),
    /// A reference to an object of the document, or none.
    Link(Option<ObjectId>),
    /// References to these objects, besides those to rows of others.
    Members(Vec<ObjectId>),
}

/// A row that the document asks for.
pub(crate) struct Object {
    pub(crate) id: ObjectId,
    /// How a person calls it.
    pub(crate) label: String,
    /// The column with a name that is unique in its table, if there is one.
    pub(crate) name: Option<Str>,
    pub(crate) columns: Vec<(&'static str, Value)>,
}

fn data(value: &impl Column) -> Value {
    Value::Data(value.to_datum())
}

/// All rows, those before that others refer to.
pub(crate) fn objects(document: &Document) -> Vec<Object> {
    let mut objects = Vec::new();
    for set in &document.address_sets {
        objects.push(address_set(set));
    }
    for switch in &document.switches {
        switch_objects(switch, document, &mut objects);
    }
    for group in &document.port_groups {
        group_objects(group, &mut objects);
    }
    for router in &document.routers {
        router_objects(router, document, &mut objects);
    }
    objects
}

fn address_set(set: &AddressSet) -> Object {
    let addresses: Set<Str> = set.addresses.iter().map(|net| bare(net).into()).collect();
    Object {
        id: id::<nb::AddressSet>(set.name.value.as_str()),
        label: format!("address set {}", set.name.value),
        name: Some(set.name.value.clone()),
        columns: vec![
            ("name", data(&set.name.value)),
            ("addresses", data(&addresses)),
        ],
    }
}

/// A prefix of one address is written as the address.
fn bare(net: &ipnet::IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() {
        net.addr().to_string()
    } else {
        net.to_string()
    }
}

fn switch_objects(switch: &Switch, document: &Document, objects: &mut Vec<Object>) {
    let name = &switch.name.value;
    let dhcp = switch
        .dhcp
        .as_ref()
        .and_then(|dhcp| dhcp_object(dhcp, switch));
    let dhcp_id = dhcp.as_ref().map(|object| object.id.clone());
    objects.extend(dhcp);
    let mut members = Vec::new();
    for port in &switch.ports {
        members.push(id::<nb::LogicalSwitchPort>(port.name.value.as_str()));
        objects.push(port_object(port, dhcp_id.clone()));
    }
    for router in &document.routers {
        for port in router
            .ports
            .iter()
            .filter(|port| port.switch.value == *name)
        {
            let object = peer_object(
                name,
                &router.name.value,
                &router_peer(&port.switch.value, &router.name.value),
            );
            members.push(object.id.clone());
            objects.push(object);
        }
    }
    let acls = acl_objects(&format!("switch {name}"), &switch.acls, objects);
    objects.push(Object {
        id: id::<nb::LogicalSwitch>(name.as_str()),
        label: format!("switch {name}"),
        name: Some(name.clone()),
        columns: vec![
            ("name", data(name)),
            ("ports", Value::Members(members)),
            ("acls", Value::Members(acls)),
        ],
    });
}

fn port_object(port: &Port, dhcp: Option<ObjectId>) -> Object {
    let name = &port.name.value;
    let mac = port.mac.unwrap_or_else(|| derived_mac("port", name));
    let mut station = mac.to_string();
    for address in &port.addresses {
        station.push(' ');
        station.push_str(&address.value.to_string());
    }
    let station = Str::from(station);
    let security: Set<Str> = port
        .port_security
        .then(|| station.clone())
        .into_iter()
        .collect();
    let unknown = port.unknown.then(|| Str::new_static("unknown"));
    let addresses: Set<Str> = std::iter::once(station).chain(unknown).collect();
    let answered = port.dhcp && port.addresses.iter().any(|address| address.value.is_ipv4());
    Object {
        id: id::<nb::LogicalSwitchPort>(name.as_str()),
        label: format!("port {name}"),
        name: Some(name.clone()),
        columns: vec![
            ("name", data(name)),
            ("addresses", data(&addresses)),
            ("port_security", data(&security)),
            ("enabled", data(&(!port.enabled).then_some(false))),
            ("dhcpv4_options", Value::Link(dhcp.filter(|_| answered))),
        ],
    }
}

/// The switch's side of a router port.
fn peer_object(switch: &str, router: &str, name: &Str) -> Object {
    let options: Map<Str, Str> = [("router-port".into(), router_peer(router, switch))]
        .into_iter()
        .collect();
    let addresses: Set<Str> = [Str::new_static("router")].into_iter().collect();
    Object {
        id: id::<nb::LogicalSwitchPort>(name.as_str()),
        label: format!("port {name}"),
        name: Some(name.clone()),
        columns: vec![
            ("name", data(name)),
            ("type", data(&Str::new_static("router"))),
            ("options", data(&options)),
            ("addresses", data(&addresses)),
        ],
    }
}

/// An Ethernet address that follows from a name: locally administered, of one machine.
fn derived_mac(kind: &str, name: &str) -> Mac {
    let hash = Uuid::new_v5(
        &Uuid::NAMESPACE_OID,
        format!("heddle {kind} {name}").as_bytes(),
    );
    let bytes = hash.as_bytes();
    Mac([0x0a, bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]])
}

fn dhcp_object(dhcp: &Dhcp, switch: &Switch) -> Option<Object> {
    let name = &switch.name.value;
    let subnet = switch
        .subnets
        .iter()
        .find_map(|subnet| match subnet.value {
            ipnet::IpNet::V4(net) => Some(net),
            ipnet::IpNet::V6(_) => None,
        })?;
    let first = Ipv4Addr::from(u32::from(subnet.network()).saturating_add(1));
    let server = dhcp.router.unwrap_or(IpAddr::V4(first));
    let list = |addresses: &[IpAddr]| {
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        if let [one] = texts.as_slice() {
            one.clone()
        } else {
            format!("{{{}}}", texts.join(", "))
        }
    };
    let mut options: Map<Str, Str> = [
        ("server_id", server.to_string()),
        ("server_mac", derived_mac("dhcp", name).to_string()),
        ("lease_time", dhcp.lease.to_string()),
    ]
    .into_iter()
    .map(|(key, value)| (Str::new_static(key), Str::from(value)))
    .collect();
    let mut add = |key: &'static str, value: Option<String>| {
        if let Some(value) = value {
            options.insert(Str::new_static(key), value.into());
        }
    };
    add("router", dhcp.router.map(|router| router.to_string()));
    add(
        "dns_server",
        (!dhcp.dns.is_empty()).then(|| list(&dhcp.dns)),
    );
    add("mtu", dhcp.mtu.map(|mtu| mtu.to_string()));
    add(
        "domain_name",
        dhcp.domain.as_ref().map(|domain| format!("\"{domain}\"")),
    );
    Some(Object {
        id: id::<nb::DhcpOptions>(format!("switch {name}")),
        label: format!("DHCP options of switch {name}"),
        name: None,
        columns: vec![
            ("cidr", data(&Str::from(subnet.to_string()))),
            ("options", data(&options)),
        ],
    })
}

fn acl_objects(owner: &str, acls: &[Acl], objects: &mut Vec<Object>) -> Vec<ObjectId> {
    let made = acls.iter().map(|acl| {
        let id = id::<nb::Acl>(format!("{owner}/{}", acl.name.value));
        objects.push(Object {
            id: id.clone(),
            label: format!("ACL {} of {owner}", acl.name.value),
            name: None,
            columns: vec![
                ("name", data(&Some(acl.name.value.clone()))),
                ("direction", data(&acl.direction)),
                ("priority", data(&i64::from(acl.priority))),
                ("match", data(&acl.match_.value)),
                ("action", data(&acl.action)),
                ("log", data(&acl.log)),
            ],
        });
        id
    });
    made.collect()
}

fn group_objects(group: &PortGroup, objects: &mut Vec<Object>) {
    let name = &group.name.value;
    let acls = acl_objects(&format!("port group {name}"), &group.acls, objects);
    let ports = group
        .ports
        .iter()
        .map(|port| id::<nb::LogicalSwitchPort>(port.value.as_str()));
    objects.push(Object {
        id: id::<nb::PortGroup>(name.as_str()),
        label: format!("port group {name}"),
        name: Some(name.clone()),
        columns: vec![
            ("name", data(name)),
            ("ports", Value::Members(ports.collect())),
            ("acls", Value::Members(acls)),
        ],
    });
}

fn router_objects(router: &Router, document: &Document, objects: &mut Vec<Object>) {
    let name = &router.name.value;
    let known = |switch: &Str| document.switches.iter().any(|s| s.name.value == *switch);
    let mut ports = Vec::new();
    for port in router.ports.iter().filter(|port| known(&port.switch.value)) {
        let port_name = router_peer(name, &port.switch.value);
        let mac = port
            .mac
            .unwrap_or_else(|| derived_mac("router port", &port_name));
        let networks: Set<Str> = port
            .networks
            .iter()
            .map(|network| Str::from(network.value.to_string()))
            .collect();
        let id = id::<nb::LogicalRouterPort>(port_name.as_str());
        ports.push(id.clone());
        objects.push(Object {
            id,
            label: format!("router port {port_name}"),
            name: Some(port_name.clone()),
            columns: vec![
                ("name", data(&port_name)),
                ("mac", data(&Str::from(mac.to_string()))),
                ("networks", data(&networks)),
            ],
        });
    }
    let routes = router
        .routes
        .iter()
        .map(|route| route_object(name, route, objects))
        .collect();
    objects.push(Object {
        id: id::<nb::LogicalRouter>(name.as_str()),
        label: format!("router {name}"),
        name: Some(name.clone()),
        columns: vec![
            ("name", data(name)),
            ("ports", Value::Members(ports)),
            ("static_routes", Value::Members(routes)),
        ],
    });
}

fn route_object(router: &str, route: &Route, objects: &mut Vec<Object>) -> ObjectId {
    let (to, via) = (route.to.to_string(), route.via.value.to_string());
    let id = id::<nb::LogicalRouterStaticRoute>(format!("{router}/{to}/{via}"));
    objects.push(Object {
        id: id.clone(),
        label: format!("route {to} via {via} of router {router}"),
        name: None,
        columns: vec![
            ("ip_prefix", data(&Str::from(to))),
            ("nexthop", data(&Str::from(via))),
        ],
    });
    id
}

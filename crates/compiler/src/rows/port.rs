//! Port_Binding: a logical port, of a switch or a router, and the ports that stand for the place of
//! distributed gateway ports.

use incremental::{Context, Rule};
use model::{Map, Set, Strong, Weak, sb};
use ovsdb::Str;
use uuid::Uuid;

use crate::alloc::Demand;
use crate::identity::Identity;
use crate::program::{Program, SbRow};
use crate::rows::datapath::requested_key;
use crate::rows::gateway;
use crate::topology::{Peer, PortKind, RouterPort, SwitchPort, Topology, redirect_id};

/// The keys that a port needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PortDemand {
    /// Its own.
    pub(crate) port: Demand,
    /// That of the `cr-` port that belongs to it.
    pub(crate) redirect: Option<Demand>,
}

/// Declares the rows; gives back who needs keys, ports of switches and of routers.
pub(crate) fn declare(program: &mut Program) -> (Rule<Uuid, PortDemand>, Rule<Uuid, PortDemand>) {
    let topology = program.topology;
    let identity = program.identity.clone();
    program.rows("rows/port switch", topology.switch_port, {
        let identity = identity.clone();
        move |cx, id| switch_port(cx, topology, &identity, *id)
    });
    program.rows("rows/port router", topology.router_port, {
        let identity = identity.clone();
        move |cx, id| router_port(cx, topology, &identity, *id)
    });
    program.rows("rows/port redirect", topology.router_port, move |cx, id| {
        redirect_port(cx, topology, &identity, *id)
    });
    let switch = program
        .build
        .filter("key of switch port", topology.switch_port, {
            move |cx, id| {
                let port = cx.get(topology.switch_port, id)?;
                let requested = requested_key(&cx.get(topology.nb.switch_port, id)?.options);
                let port = Demand {
                    datapath: Some(port.switch),
                    name: port.name.clone(),
                    requested,
                };
                Some(PortDemand {
                    port,
                    redirect: None,
                })
            }
        });
    let router = program
        .build
        .filter("key of router port", topology.router_port, {
            move |cx, id| {
                let port = cx.get(topology.router_port, id)?;
                let requested = requested_key(&cx.get(topology.nb.router_port, id)?.options);
                let datapath = Some(port.router);
                let redirect = port.redirect.as_ref().map(|_| {
                    let name = format!("cr-{}", port.name).into();
                    Demand {
                        datapath,
                        name,
                        requested: None,
                    }
                });
                let port = Demand {
                    datapath,
                    name: port.name.clone(),
                    requested,
                };
                Some(PortDemand { port, redirect })
            }
        });
    program.build.watch(switch);
    program.build.watch(router);
    (switch, router)
}

/// A row with nothing but its keys.
fn blank(identity: &Identity, name: &str, datapath: Uuid, key: u32) -> SbRow<sb::PortBinding> {
    let row = sb::PortBinding {
        logical_port: name.into(),
        type_: Str::default(),
        gateway_chassis: Set::default(),
        ha_chassis_group: None,
        options: Map::default(),
        datapath: Strong::new(identity.datapath(datapath)),
        tunnel_key: i64::from(key),
        parent_port: None,
        mirror_port: None,
        tag: None,
        virtual_parent: None,
        chassis: None,
        additional_chassis: Set::default(),
        encap: None,
        additional_encap: Set::default(),
        mirror_rules: Set::default(),
        mac: Set::default(),
        port_security: Set::default(),
        nat_addresses: Set::default(),
        // Agents report only on rows where this was false at first; afterwards it is theirs.
        up: Some(false),
        external_ids: Map::default(),
        requested_chassis: None,
        requested_additional_chassis: Set::default(),
    };
    SbRow {
        uuid: identity.port(name),
        row,
    }
}

fn switch_port(
    cx: &Context<'_>,
    topology: Topology,
    identity: &Identity,
    id: Uuid,
) -> Option<SbRow<sb::PortBinding>> {
    let port = cx.get(topology.switch_port, &id)?;
    let nb = cx.get(topology.nb.switch_port, &id)?;
    let mut row = blank(
        identity,
        &port.name,
        port.switch,
        *cx.get(topology.port_key, &id)?,
    );
    let sb = &mut row.row;
    if port.kind == PortKind::Router {
        router_side(cx, topology, port, nb.options.get("router-port"), sb);
    } else {
        sb.type_ = nb.type_.clone();
        sb.options = nb.options.clone();
        if cx
            .get(topology.switch, &port.switch)
            .is_some_and(|switch| switch.vlan_passthru)
        {
            sb.options.insert("vlan-passthru".into(), "true".into());
        }
        request_chassis(cx, topology, sb);
    }
    if nb.type_ == "external"
        && let Some(group) = nb.ha_chassis_group
    {
        sb.ha_chassis_group = gateway::group_of(cx, topology, identity, group.uuid());
    }
    sb.parent_port = nb.parent_name.clone();
    sb.tag = nb.tag.or_else(|| nb.tag_request.filter(|tag| *tag != 0));
    sb.mac = nb.addresses.clone();
    sb.port_security = nb.port_security.clone();
    sb.external_ids = nb.external_ids.clone();
    if let Some(name) = nb
        .external_ids
        .get("neutron:port_name")
        .filter(|name| !name.is_empty())
    {
        sb.external_ids.insert("name".into(), name.clone());
    }
    Some(row)
}

/// The chassis that a port is to be on, the others that may have it besides.
fn request_chassis(cx: &Context<'_>, topology: Topology, sb: &mut sb::PortBinding) {
    let Some(names) = sb.options.get("requested-chassis") else {
        return;
    };
    let mut chassis = names.split(',').map(|name| {
        let found = cx.get(topology.chassis_by_name, &Str::from(name.trim()));
        found
            .and_then(|found| found.first())
            .map(|chassis| Weak::new(*chassis))
    });
    sb.requested_chassis = chassis.next().flatten();
    sb.requested_additional_chassis = chassis.flatten().collect();
}

/// What a switch port shows of the router port behind it.
fn router_side(
    cx: &Context<'_>,
    topology: Topology,
    port: &SwitchPort,
    router_port: Option<&Str>,
    sb: &mut sb::PortBinding,
) {
    let peer = port
        .peer
        .and_then(|peer| cx.get(topology.router_port, &peer));
    let router = peer.and_then(|peer| cx.get(topology.router, &peer.router));
    let chassis = router.and_then(|router| router.chassis.as_ref());
    sb.type_ = if chassis.is_some() {
        "l3gateway".into()
    } else {
        "patch".into()
    };
    sb.options.extend_with("peer", router_port);
    sb.options.extend_with("l3gateway-chassis", chassis);
    if let Some(peer) = peer
        && let Some(redirect) = &peer.redirect
    {
        // The active chassis announces the addresses of a distributed gateway port.
        let mut text = peer.mac.to_string();
        for net in &peer.networks.v4 {
            text.push_str(&format!(" {}", net.addr()));
        }
        text.push_str(&format!(" is_chassis_resident({redirect})"));
        sb.nat_addresses = [Str::from(text)].into_iter().collect();
    }
}

fn router_port(
    cx: &Context<'_>,
    topology: Topology,
    identity: &Identity,
    id: Uuid,
) -> Option<SbRow<sb::PortBinding>> {
    let port = cx.get(topology.router_port, &id)?;
    let nb = cx.get(topology.nb.router_port, &id)?;
    let mut row = blank(
        identity,
        &port.name,
        port.router,
        *cx.get(topology.port_key, &id)?,
    );
    let sb = &mut row.row;
    let chassis = cx.get(topology.router, &port.router)?.chassis.as_ref();
    sb.type_ = if chassis.is_some() {
        "l3gateway".into()
    } else {
        "patch".into()
    };
    if let Some(Peer::Switch { name, .. } | Peer::Router { name, .. }) = &port.peer {
        sb.options.extend_with("peer", Some(name));
    }
    sb.options.extend_with("l3gateway-chassis", chassis);
    if port.redirect.is_some() {
        let name = Str::from(format!("cr-{}", port.name));
        sb.options.extend_with("chassis-redirect-port", Some(&name));
    }
    sb.mac = [addresses(port, &nb.networks)].into_iter().collect();
    sb.external_ids = nb.external_ids.clone();
    Some(row)
}

fn addresses(port: &RouterPort, networks: &[Str]) -> Str {
    let mut text = port.mac.to_string();
    for network in networks {
        text.push(' ');
        text.push_str(network);
    }
    text.into()
}

fn redirect_port(
    cx: &Context<'_>,
    topology: Topology,
    identity: &Identity,
    id: Uuid,
) -> Option<SbRow<sb::PortBinding>> {
    let port = cx.get(topology.router_port, &id)?;
    port.redirect.as_ref()?;
    let nb = cx.get(topology.nb.router_port, &id)?;
    let key = *cx.get(topology.port_key, &redirect_id(id))?;
    let mut row = blank(identity, &format!("cr-{}", port.name), port.router, key);
    let sb = &mut row.row;
    sb.type_ = "chassisredirect".into();
    sb.options.extend_with("distributed-port", Some(&port.name));
    let redirect_type = nb.options.get("redirect-type");
    sb.options.extend_with("redirect-type", redirect_type);
    if redirect_type.is_none_or(|it| it != "bridged") {
        sb.options.insert("always-redirect".into(), "true".into());
    }
    sb.ha_chassis_group = match nb.ha_chassis_group {
        Some(group) => gateway::group_of(cx, topology, identity, group.uuid()),
        None => Some(gateway::own_group(identity, &port.name)),
    };
    sb.mac = [addresses(port, &nb.networks)].into_iter().collect();
    sb.external_ids = nb.external_ids.clone();
    Some(row)
}

/// Adds a pair when there is a value.
trait ExtendWith {
    fn extend_with(&mut self, key: &'static str, value: Option<&Str>);
}

impl ExtendWith for Map<Str, Str> {
    fn extend_with(&mut self, key: &'static str, value: Option<&Str>) {
        if let Some(value) = value {
            self.insert(Str::new_static(key), value.clone());
        }
    }
}

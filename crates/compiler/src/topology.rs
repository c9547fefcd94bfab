//! What is where: views of Northbound rows that hold just what flows depend on.
//!
//! A view is a rule of its own so that a change of a column that no flow depends on (a port's `up`, the
//! list of ports of a switch) stops there.

use std::sync::Arc;

use incremental::{Builder, Collected, Context, Index, Input, Rule};
use model::nb;
use ovsdb::Str;
use uuid::Uuid;

use crate::address::{Mac, Networks, PortAddress, Station};
use crate::flow::quote;
use crate::inputs::{Northbound, Southbound};
use crate::scope::{Class, Group};

/// A logical switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Switch {
    /// Its name.
    pub name: Str,
    /// Whether VLAN tags of ports pass.
    pub vlan_passthru: bool,
    /// Whether ARP requests for router addresses reach all routers.
    pub broadcast_arps_to_all_routers: bool,
}

/// What kind of port of a switch something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum PortKind {
    /// An interface of a virtual machine or container.
    Vif,
    /// The other side is a router port.
    Router,
    /// A physical network.
    Localnet,
    /// An interface that every chassis has.
    Localport,
    /// An address that one of several ports has.
    Virtual,
    /// Another type; it has a row, but no behaviour of its own yet.
    Other,
}

/// A port of a logical switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SwitchPort {
    /// Its name.
    pub name: Str,
    /// Its name in quotes, for match expressions.
    pub quoted: Str,
    /// The switch.
    pub switch: Uuid,
    /// Its kind.
    pub kind: PortKind,
    /// Whether it takes part.
    pub enabled: bool,
    /// The addresses behind it.
    pub stations: Vec<Station>,
    /// Whether packets for unknown destinations go there.
    pub unknown: bool,
    /// Whether its addresses are those of the router port behind it.
    pub router_address: bool,
    /// Whether it may send only from addresses given.
    pub secured: bool,
    /// The router port behind it.
    pub peer: Option<Uuid>,
    /// Whether what comes from a physical network is learned.
    pub learn_fdb: bool,
    /// Whether the switch answers no ARP and ND for it.
    pub no_responder: bool,
}

/// A logical router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Router {
    /// Its name.
    pub name: Str,
    /// Whether it takes part.
    pub enabled: bool,
    /// The chassis that it runs on, if on one only.
    pub chassis: Option<Str>,
    /// Whether any ARP request teaches it a neighbour.
    pub learn_always: bool,
}

/// What is on the other side of a router port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A port of a switch.
    Switch {
        /// The switch.
        switch: Uuid,
        /// The port.
        port: Uuid,
        /// The port's name.
        name: Str,
    },
    /// A port of another router.
    Router {
        /// The port.
        port: Uuid,
        /// The port's name.
        name: Str,
    },
}

/// A port of a logical router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RouterPort {
    /// Its name.
    pub name: Str,
    /// Its name in quotes, for match expressions.
    pub quoted: Str,
    /// The router.
    pub router: Uuid,
    /// Whether it takes part.
    pub enabled: bool,
    /// Its Ethernet address.
    pub mac: Mac,
    /// Its networks; in IPv6 the link-local one is among them.
    pub networks: Networks,
    /// What is on the other side.
    pub peer: Option<Peer>,
    /// When traffic through it passes one chassis: the name, in quotes, of the port that stands for the
    /// place (`cr-<name>`).
    pub redirect: Option<Str>,
    /// Whether the router runs on one chassis.
    pub on_gateway: bool,
}

impl RouterPort {
    /// The switch on the other side.
    #[must_use]
    pub(crate) fn switch(&self) -> Option<Uuid> {
        match &self.peer {
            Some(Peer::Switch { switch, .. }) => Some(*switch),
            _ => None,
        }
    }

    /// ` && is_chassis_resident(..)` when the port lives on one chassis, otherwise nothing.
    #[must_use]
    pub(crate) fn and_resident(&self) -> String {
        let resident = self.redirect.as_ref();
        resident.map_or_else(String::new, |name| {
            format!(" && is_chassis_resident({name})")
        })
    }
}

/// What the settings of the whole cloud say to rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Whether a switch with ACLs drops what none of them allows.
    pub default_acl_drop: bool,
}

/// How the ACLs of a switch or group work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum AclKind {
    /// There are none.
    #[default]
    None,
    /// None needs connection tracking.
    Stateless,
    /// At least one needs connection tracking.
    Stateful,
}

/// Handles of the views.
#[derive(Clone, Copy)]
pub(crate) struct Topology {
    /// Northbound rows.
    pub nb: Northbound,
    /// What others wrote to the Southbound.
    pub sb: Southbound,
    /// Tunnel keys of datapaths, by Northbound row.
    pub datapath_key: Input<Uuid, u32>,
    /// Tunnel keys of ports, by Northbound row; of `cr-` ports by [`redirect_id`].
    pub port_key: Input<Uuid, u32>,
    /// The settings of the whole cloud.
    pub settings: Rule<(), Settings>,
    /// Chassis by name.
    pub chassis_by_name: Index<Str, Uuid>,
    /// The switch that a port is on.
    pub switch_of_port: Index<Uuid, Uuid>,
    /// The router that a static route belongs to.
    pub router_of_route: Index<Uuid, Uuid>,
    /// The router that a policy belongs to.
    pub router_of_policy: Index<Uuid, Uuid>,
    /// Router ports by name.
    pub router_port_by_name: Index<Str, Uuid>,
    /// Port groups of a switch port.
    pub port_groups_of_port: Index<Uuid, Uuid>,
    /// The switches whose own an ACL is.
    pub switches_of_acl: Index<Uuid, Uuid>,
    /// The port groups whose an ACL is.
    pub port_groups_of_acl: Index<Uuid, Uuid>,
    /// Switches.
    pub switch: Rule<Uuid, Arc<Switch>>,
    /// Ports of switches.
    pub switch_port: Rule<Uuid, Arc<SwitchPort>>,
    /// Routers.
    pub router: Rule<Uuid, Arc<Router>>,
    /// Ports of routers.
    pub router_port: Rule<Uuid, Arc<RouterPort>>,
    /// The routers with a port on a switch.
    pub routers_on: Collected<Uuid, Uuid>,
    /// The ports of a switch to physical networks.
    pub localnets: Index<Uuid, Uuid>,
    /// Which scopes of port groups have members.
    pub port_group_scope: Rule<Group, ()>,
    /// Why an ACL is left out.
    pub acl_error: Rule<Uuid, Str>,
    /// How the ACLs of a switch work, port groups included.
    pub acl_kind: Rule<Uuid, AclKind>,
    /// Which scopes of port groups a switch is a member of.
    pub port_group_scopes: Collected<Group, Uuid>,
    /// The members of the classes of switches.
    pub switch_classes: Collected<Class, Uuid>,
    /// The members of the classes of routers.
    pub router_classes: Collected<Class, Uuid>,
}

/// The identity of the `cr-` port of a distributed gateway port, for its tunnel key.
#[must_use]
pub(crate) fn redirect_id(router_port: Uuid) -> Uuid {
    crate::identity::derived("redirect", &router_port.to_string())
}

impl Topology {
    pub(crate) fn declare(build: &mut Builder) -> Self {
        let nb = Northbound::declare(build);
        let sb = Southbound::declare(build);
        let datapath_key = build.input("tunnel key of datapath");
        let port_key = build.input("tunnel key of port");
        let raw = Raw::declare(build, nb, sb);
        let globals = build.index("settings row", nb.global, |_, _| [()]);
        let settings = build.rule("settings", globals, move |cx, ()| {
            let row = cx
                .items(globals, &())
                .next()
                .and_then(|id| cx.get(nb.global, id));
            let options = row.map(|row| &row.options);
            let is_true = |key| options.is_some_and(|options| options.is_true(key));
            Settings {
                default_acl_drop: is_true("default_acl_drop"),
            }
        });
        let switch = build.rule("switch", nb.switch, move |cx, id| {
            Arc::new(
                cx.get(nb.switch, id)
                    .map_or_else(|| view_switch(&<_>::default()), |row| view_switch(row)),
            )
        });
        let switch_port = build.filter("switch port", nb.switch_port, move |cx, id| {
            view_port(cx, nb, raw, *id)
        });
        let router = build.rule("router", nb.router, move |cx, id| {
            Arc::new(
                cx.get(nb.router, id)
                    .map_or_else(|| view_router(&<_>::default()), |row| view_router(row)),
            )
        });
        let router_port = build.filter("router port", nb.router_port, move |cx, id| {
            view_router_port(cx, nb, raw, router, *id)
        });
        let routers_on = build.collect("routers on switch", router_port, |_, port| {
            port.switch().map(|switch| (switch, port.router))
        });
        let localnets = build.index("localnet ports of switch", switch_port, |_, port| {
            (port.kind == PortKind::Localnet).then_some(port.switch)
        });
        let acls = crate::acl::declare(build, nb, switch_port, raw.port_groups_of_port);
        let unknown = build.index("switches with unknown", switch_port, |_, port| {
            (port.unknown && port.enabled).then_some(port.switch)
        });
        let classes = build.rule("classes of switch", switch, move |cx, id| {
            let kind = cx.get(acls.kind, id).copied().unwrap_or_default();
            let passthru = cx
                .get(switch, id)
                .is_some_and(|switch| switch.vlan_passthru);
            let mut classes = vec![Class::AllSwitches];
            classes.extend((!passthru).then_some(Class::Untagged));
            classes.extend((kind != AclKind::None).then_some(Class::WithAcls));
            classes.extend((kind == AclKind::Stateful).then_some(Class::Stateful));
            classes.extend(cx.get(unknown, id).map(|_| Class::WithUnknown));
            classes
        });
        let switch_classes = build.collect("members of switch classes", classes, |id, classes| {
            classes
                .iter()
                .map(|class| (*class, *id))
                .collect::<Vec<_>>()
        });
        let router_classes = build.collect("members of router classes", router, |id, router| {
            let learn = if router.learn_always {
                Class::LearnAlways
            } else {
                Class::LearnKnown
            };
            let classes = router
                .enabled
                .then_some([(Class::AllRouters, *id), (learn, *id)]);
            classes.into_iter().flatten()
        });
        Self {
            nb,
            sb,
            datapath_key,
            port_key,
            settings,
            chassis_by_name: raw.chassis_by_name,
            switch_of_port: raw.switch_of_port,
            router_of_route: raw.router_of_route,
            router_of_policy: raw.router_of_policy,
            router_port_by_name: raw.router_port_by_name,
            port_groups_of_port: raw.port_groups_of_port,
            switches_of_acl: acls.switches,
            port_groups_of_acl: acls.port_groups,
            switch,
            switch_port,
            router,
            router_port,
            routers_on,
            localnets,
            port_group_scope: acls.scope,
            acl_error: acls.error,
            acl_kind: acls.kind,
            port_group_scopes: acls.scopes,
            switch_classes,
            router_classes,
        }
    }
}

/// Indexes over rows as they are.
#[derive(Clone, Copy)]
struct Raw {
    chassis_by_name: Index<Str, Uuid>,
    switch_of_port: Index<Uuid, Uuid>,
    router_of_port: Index<Uuid, Uuid>,
    router_of_route: Index<Uuid, Uuid>,
    router_of_policy: Index<Uuid, Uuid>,
    router_port_by_name: Index<Str, Uuid>,
    /// Switch ports of type router, by the name of the router port that they name.
    switch_port_by_router_port: Index<Str, Uuid>,
    port_groups_of_port: Index<Uuid, Uuid>,
}

impl Raw {
    fn declare(build: &mut Builder, nb: Northbound, sb: Southbound) -> Self {
        Self {
            chassis_by_name: build
                .index("chassis by name", sb.chassis, |_, row| [row.name.clone()]),
            switch_of_port: build.index("switch of port", nb.switch, |_, row| uuids(&row.ports)),
            router_of_port: build.index("router of port", nb.router, |_, row| uuids(&row.ports)),
            router_of_route: build.index("router of route", nb.router, |_, row| {
                uuids(&row.static_routes)
            }),
            router_of_policy: build
                .index("router of policy", nb.router, |_, row| uuids(&row.policies)),
            router_port_by_name: build.index("router port by name", nb.router_port, |_, row| {
                [row.name.clone()]
            }),
            switch_port_by_router_port: build.index(
                "switch port by router port",
                nb.switch_port,
                |_, row| {
                    (row.type_ == "router").then(|| row.options.get("router-port").cloned())?
                },
            ),
            port_groups_of_port: build.index("port groups of port", nb.port_group, |_, row| {
                uuids(&row.ports)
            }),
        }
    }
}

/// The rows that a column refers to.
pub(crate) fn uuids<R: model::Reference>(references: &model::Set<R>) -> Vec<Uuid> {
    references.iter().map(model::Reference::uuid).collect()
}

fn view_switch(row: &nb::LogicalSwitch) -> Switch {
    Switch {
        name: row.name.clone(),
        vlan_passthru: row.other_config.is_true("vlan-passthru"),
        broadcast_arps_to_all_routers: row
            .other_config
            .get("broadcast-arps-to-all-routers")
            .is_none_or(|value| value != "false"),
    }
}

fn view_port(cx: &Context<'_>, nb: Northbound, raw: Raw, id: Uuid) -> Option<Arc<SwitchPort>> {
    let row = cx.get(nb.switch_port, &id)?;
    if cx.get(raw.router_port_by_name, &row.name).is_some() {
        return None; // Ports share one name space in the Southbound; the router's comes first.
    }
    let switch = *cx.get(raw.switch_of_port, &id)?.first()?;
    let addresses = row
        .addresses
        .iter()
        .filter_map(|text| text.parse::<PortAddress>().ok());
    let mut port = SwitchPort {
        name: row.name.clone(),
        quoted: quote(&row.name).into(),
        switch,
        kind: match row.type_.as_str() {
            "" => PortKind::Vif,
            "router" => PortKind::Router,
            "localnet" => PortKind::Localnet,
            "localport" => PortKind::Localport,
            "virtual" => PortKind::Virtual,
            _ => PortKind::Other,
        },
        enabled: row.enabled != Some(false),
        stations: Vec::new(),
        unknown: false,
        router_address: false,
        secured: !row.port_security.is_empty(),
        peer: None,
        learn_fdb: row.options.is_true("localnet_learn_fdb"),
        no_responder: row.options.is_true("disable_arp_nd_rsp"),
    };
    for address in addresses {
        match address {
            PortAddress::Unknown => port.unknown = true,
            PortAddress::Router => port.router_address = true,
            PortAddress::Known(station) => port.stations.push(station),
            PortAddress::Dynamic => {
                let text = row.dynamic_addresses.as_deref().unwrap_or_default();
                if let Ok(PortAddress::Known(station)) = text.parse() {
                    port.stations.push(station);
                }
            }
        }
    }
    if port.kind == PortKind::Router
        && let Some(name) = row.options.get("router-port")
    {
        port.peer = cx
            .get(raw.router_port_by_name, name)
            .and_then(|found| found.first())
            .copied();
    }
    Some(Arc::new(port))
}

fn view_router(row: &nb::LogicalRouter) -> Router {
    let learn = row.options.get("always_learn_from_arp_request");
    Router {
        name: row.name.clone(),
        enabled: row.enabled != Some(false),
        chassis: row.options.get("chassis").cloned(),
        learn_always: learn.is_none_or(|value| value != "false"),
    }
}

fn view_router_port(
    cx: &Context<'_>,
    nb: Northbound,
    raw: Raw,
    router: Rule<Uuid, Arc<Router>>,
    id: Uuid,
) -> Option<Arc<RouterPort>> {
    let row = cx.get(nb.router_port, &id)?;
    let owner = *cx.get(raw.router_of_port, &id)?.first()?;
    let mac: Mac = row.mac.parse().ok()?;
    let on_gateway = cx.get(router, &owner)?.chassis.is_some();
    let (mut networks, _) = Networks::parse(row.networks.iter().map(|text| text.as_str()));
    if !networks
        .v6
        .iter()
        .any(|net| net.addr().is_unicast_link_local())
    {
        let local = ipnet::Ipv6Net::new(mac.link_local(), 64);
        networks.v6.extend(local.ok());
    }
    let distributed = !row.gateway_chassis.is_empty() || row.ha_chassis_group.is_some();
    Some(Arc::new(RouterPort {
        name: row.name.clone(),
        quoted: quote(&row.name).into(),
        router: owner,
        enabled: row.enabled != Some(false),
        mac,
        networks,
        peer: peer(cx, nb, raw, row),
        redirect: (distributed && !on_gateway).then(|| quote(&format!("cr-{}", row.name)).into()),
        on_gateway,
    }))
}

fn peer(cx: &Context<'_>, nb: Northbound, raw: Raw, row: &nb::LogicalRouterPort) -> Option<Peer> {
    if let Some(name) = &row.peer {
        let port = *cx.get(raw.router_port_by_name, name)?.first()?;
        return Some(Peer::Router {
            port,
            name: name.clone(),
        });
    }
    let port = *cx.get(raw.switch_port_by_router_port, &row.name)?.first()?;
    let switch = *cx.get(raw.switch_of_port, &port)?.first()?;
    // The row's name is looked at through its index only when it can differ, so it is read here.
    let name = cx.get(nb.switch_port, &port)?.name.clone();
    Some(Peer::Switch { switch, port, name })
}

//! The Northbound object that a flow is for, with its name.

use std::collections::HashMap;

use model::{Table, nb};
use ovsdb::{Str, Uuid};
use pipeline::Flow;

use super::source::SourceArgs;
use crate::northbound;
use crate::tables::Tables;

/// What the Northbound has, by the beginning of the UUID that flows carry.
#[derive(Default)]
pub(crate) struct Origins {
    names: HashMap<Str, String>,
}

impl Origins {
    /// Asks the Northbound; without one there are no names.
    pub(crate) async fn connect(args: &SourceArgs) -> Self {
        let db = args.nb_db.clone();
        // Unasked, only the database of this machine is tried, and it is no error that it is not there.
        let (db, limit) = match db {
            Some(db) => (db, args.limit()),
            None => (
                northbound::default_remote(),
                std::time::Duration::from_secs(1),
            ),
        };
        if let Some(path) = db.strip_prefix("unix:")
            && !std::path::Path::new(path).exists()
        {
            return Self::default();
        }
        let wanted = [
            nb::Acl::NAME,
            nb::PortGroup::NAME,
            nb::LogicalSwitch::NAME,
            nb::LogicalSwitchPort::NAME,
            nb::LogicalRouter::NAME,
            nb::LogicalRouterPort::NAME,
            nb::LogicalRouterStaticRoute::NAME,
            nb::LogicalRouterPolicy::NAME,
            nb::Nat::NAME,
            nb::LoadBalancer::NAME,
            nb::Qos::NAME,
        ];
        let tables = match args.tls.tls() {
            Ok(tls) => Tables::connect("--nb-db", &db, limit, nb::schema(), &wanted, tls).await,
            Err(error) => Err(error.into()),
        };
        match tables {
            Ok(tables) => Self::read(&tables),
            Err(error) => {
                tracing::warn!("names of the Northbound are left out: {error:#}");
                Self::default()
            }
        }
    }

    fn read(tables: &Tables) -> Self {
        let mut origins = Self::default();
        let mut owners: HashMap<Uuid, String> = HashMap::new();
        for (_, group) in tables.typed::<nb::PortGroup>() {
            for acl in group.acls.iter() {
                owners.insert(acl.uuid(), format!("port group \"{}\"", group.name));
            }
        }
        for (uuid, switch) in tables.typed::<nb::LogicalSwitch>() {
            for acl in switch.acls.iter() {
                owners.insert(acl.uuid(), format!("switch \"{}\"", switch.name));
            }
            origins.add(uuid, format!("switch \"{}\"", switch.name));
        }
        for (uuid, router) in tables.typed::<nb::LogicalRouter>() {
            for route in router.static_routes.iter() {
                owners.insert(route.uuid(), format!("router \"{}\"", router.name));
            }
            for policy in router.policies.iter() {
                owners.insert(policy.uuid(), format!("router \"{}\"", router.name));
            }
            for nat in router.nat.iter() {
                owners.insert(nat.uuid(), format!("router \"{}\"", router.name));
            }
            origins.add(uuid, format!("router \"{}\"", router.name));
        }
        let of = |uuid: &Uuid| {
            owners
                .get(uuid)
                .map_or(String::new(), |it| format!(" of {it}"))
        };
        for (uuid, acl) in tables.typed::<nb::Acl>() {
            let name = match &acl.name {
                Some(name) => format!("ACL \"{name}\""),
                None => format!("ACL {} `{}`", acl.priority, acl.match_),
            };
            origins.add(uuid, name + &of(&uuid));
        }
        for (uuid, route) in tables.typed::<nb::LogicalRouterStaticRoute>() {
            let text = format!(
                "route {} via {}{}",
                route.ip_prefix,
                route.nexthop,
                of(&uuid)
            );
            origins.add(uuid, text);
        }
        for (uuid, policy) in tables.typed::<nb::LogicalRouterPolicy>() {
            let text = format!(
                "policy {} `{}`{}",
                policy.priority,
                policy.match_,
                of(&uuid)
            );
            origins.add(uuid, text);
        }
        for (uuid, nat) in tables.typed::<nb::Nat>() {
            let text = format!("NAT {} to {}{}", nat.logical_ip, nat.external_ip, of(&uuid));
            origins.add(uuid, text);
        }
        for (uuid, it) in tables.typed::<nb::LogicalSwitchPort>() {
            origins.add(uuid, format!("port \"{}\"", it.name));
        }
        for (uuid, it) in tables.typed::<nb::LogicalRouterPort>() {
            origins.add(uuid, format!("router port \"{}\"", it.name));
        }
        for (uuid, it) in tables.typed::<nb::LoadBalancer>() {
            origins.add(uuid, format!("load balancer \"{}\"", it.name));
        }
        for (uuid, it) in tables.typed::<nb::Qos>() {
            origins.add(uuid, format!("QoS rule {} `{}`", it.priority, it.match_));
        }
        origins
    }

    fn add(&mut self, uuid: Uuid, name: String) {
        let hint = format!("{:08x}", uuid.as_fields().0);
        self.names.insert(hint.into(), name);
    }

    /// What a flow is for, if it says so and the Northbound knows it.
    pub(crate) fn of_flow(&self, flow: &Flow) -> Option<String> {
        self.names.get(flow.hint.as_ref()?).cloned()
    }
}

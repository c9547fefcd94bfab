//! HA_Chassis_Group and HA_Chassis: which chassis may host a gateway port, with their priorities.
//!
//! A group of the Northbound has a group of the same name; the gateway chassis of a router port make a
//! group with the name of the port, as agents expect it.

use incremental::Context;
use model::{Map, Set, Strong, Weak, sb};
use ovsdb::Str;
use uuid::Uuid;

use crate::identity::{self, Identity};
use crate::program::{Program, SbRow};
use crate::topology::Topology;

type Group = Option<Strong<sb::HaChassisGroup>>;

/// A reference to the row of a Northbound group, when that exists and has a chassis.
pub(crate) fn group_of(
    cx: &Context<'_>,
    topology: Topology,
    identity: &Identity,
    northbound: Uuid,
) -> Group {
    let row = cx.get(topology.nb.ha_chassis_group, &northbound)?;
    Some(own_group(identity, &row.name))
}

/// A reference to the group of that name.
pub(crate) fn own_group(identity: &Identity, name: &str) -> Strong<sb::HaChassisGroup> {
    Strong::new(identity.of::<sb::HaChassisGroup>(name))
}

/// The identity of a chassis within a group.
fn member(group: &str, chassis: &str) -> Uuid {
    identity::derived("HA_Chassis", &format!("{group}\0{chassis}"))
}

pub(crate) fn declare(program: &mut Program) {
    let topology = program.topology;
    let nb = topology.nb;
    let identity = program.identity.clone();
    program.rows("rows/gateway group", nb.ha_chassis_group, {
        let identity = identity.clone();
        move |cx, id| {
            let row = cx.get(nb.ha_chassis_group, id)?;
            let members = row
                .ha_chassis
                .iter()
                .filter_map(|it| cx.get(nb.ha_chassis, &it.uuid()));
            let names = members.map(|it| it.chassis_name.clone());
            Some(group_row(&identity, &row.name, names))
        }
    });
    program.rows(
        "rows/gateway port group",
        topology.router_port,
        move |cx, id| {
            cx.get(topology.router_port, id)?.redirect.as_ref()?;
            let row = cx.get(nb.router_port, id)?;
            if row.ha_chassis_group.is_some() {
                return None;
            }
            let members = row.gateway_chassis.iter();
            let members = members.filter_map(|it| cx.get(nb.gateway_chassis, &it.uuid()));
            let names = members.map(|it| it.chassis_name.clone());
            Some(group_row(&identity, &row.name, names))
        },
    );
    let in_groups = program
        .build
        .index("groups of HA chassis", nb.ha_chassis_group, |_, row| {
            crate::topology::uuids(&row.ha_chassis)
        });
    program.rows("rows/gateway group member", in_groups, move |cx, id| {
        let row = cx.get(nb.ha_chassis, id)?;
        let group = cx.get(in_groups, id)?.first()?;
        let group = &cx.get(nb.ha_chassis_group, group)?.name;
        Some(member_row(
            cx,
            topology,
            group,
            &row.chassis_name,
            row.priority,
        ))
    });
    let of_ports = program
        .build
        .index("router port of gateway chassis", nb.router_port, {
            |_, row| crate::topology::uuids(&row.gateway_chassis)
        });
    program.rows("rows/gateway port member", of_ports, move |cx, id| {
        let row = cx.get(nb.gateway_chassis, id)?;
        let port = cx.get(of_ports, id)?.first()?;
        cx.get(topology.router_port, port)?.redirect.as_ref()?;
        let port = cx.get(nb.router_port, port)?;
        if port.ha_chassis_group.is_some() {
            return None;
        }
        Some(member_row(
            cx,
            topology,
            &port.name,
            &row.chassis_name,
            row.priority,
        ))
    });
}

fn group_row(
    identity: &Identity,
    name: &Str,
    chassis: impl Iterator<Item = Str>,
) -> SbRow<sb::HaChassisGroup> {
    let row = sb::HaChassisGroup {
        name: name.clone(),
        ha_chassis: chassis
            .map(|chassis| Strong::new(member(name, &chassis)))
            .collect(),
        ref_chassis: Set::default(),
        external_ids: Map::default(),
    };
    SbRow {
        uuid: identity.of::<sb::HaChassisGroup>(name),
        row,
    }
}

fn member_row(
    cx: &Context<'_>,
    topology: Topology,
    group: &str,
    name: &Str,
    priority: i64,
) -> SbRow<sb::HaChassis> {
    let chassis = cx
        .get(topology.chassis_by_name, name)
        .and_then(|found| found.first());
    let ids = [("chassis-name".into(), name.clone())];
    let row = sb::HaChassis {
        chassis: chassis.map(|chassis| Weak::new(*chassis)),
        priority,
        external_ids: ids.into_iter().collect(),
    };
    SbRow {
        uuid: member(group, name),
        row,
    }
}

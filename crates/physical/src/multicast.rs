//! Flows of a multicast group: a copy for each member here, and one for each other chassis with members.
//!
//! Members that are ways into a router, and localports, exist on every chassis; the sender's chassis
//! alone serves those, in the table that packets from tunnels do not visit. Otherwise each chassis would
//! send a copy into the router.

use std::collections::BTreeSet;

use incremental::{Builder, Context, Rule};
use model::{Uuid, sb};
use openflow::Action;

use crate::emit::{Emit, Flows, leaving, set_reg};
use crate::facts::{Tunnel, Zone};
use crate::tables;
use crate::tunnels;
use crate::world::{Local, World, multicast_key, port_key};

pub(crate) fn rule(build: &mut Builder, world: World) -> Rule<Uuid, Flows> {
    build.filter(
        "multicast flows",
        world.inputs.multicast,
        move |cx, group| {
            let row = cx.get(world.inputs.multicast, group)?;
            let datapath = *cx.get(world.datapath, &row.datapath.uuid())?;
            let settings = world.settings(cx)?;
            let key = multicast_key(row)?;
            let members = Members::of(cx, world, datapath, row);

            let mut emit = Emit::new(*group);
            let restore = set_reg(tables::OUTPORT, key);
            let has_local = !members.local.is_empty();
            if has_local {
                let mut actions = members.local;
                actions.push(restore.clone());
                emit.flow(
                    tables::LOCAL_OUTPUT,
                    100,
                    leaving(datapath.key, key),
                    actions,
                );
            }
            let mut actions = members.at_source;
            if !actions.is_empty() {
                actions.push(restore);
            }
            actions.extend(tunnels::send(settings, members.tunnels, datapath.key, key));
            if !actions.is_empty() {
                if has_local {
                    actions.push(Action::resubmit(tables::LOCAL_OUTPUT));
                }
                emit.flow(
                    tables::REMOTE_OUTPUT,
                    100,
                    leaving(datapath.key, key),
                    actions,
                );
            }
            Some(emit.finish())
        },
    )
}

#[derive(Default)]
struct Members {
    /// Copies for ports of this chassis.
    local: Vec<Action>,
    /// Copies that only the sender's chassis makes.
    at_source: Vec<Action>,
    /// Where else there are members.
    tunnels: BTreeSet<Tunnel>,
}

impl Members {
    fn of(cx: &Context<'_>, world: World, datapath: Local, group: &sb::MulticastGroup) -> Self {
        let mut members = Self::default();
        let mut ports: Vec<(u32, Uuid, &sb::PortBinding)> = Vec::new();
        for reference in &group.ports {
            let Some(row) = cx.get(world.inputs.port, &reference.uuid()) else {
                continue;
            };
            if row.datapath == group.datapath
                && let Some(key) = port_key(row)
            {
                ports.push((key, reference.uuid(), row));
            }
        }
        // By key, so that a group reads the same whatever its members' UUIDs.
        ports.sort_unstable_by_key(|(key, port, _)| (*key, *port));
        let on_wire = world.localnet(cx, group.datapath.uuid()).is_some();
        for (key, port, row) in ports {
            members.add(cx, world, datapath, on_wire, (key, port, row));
        }
        members
    }

    fn add(
        &mut self,
        cx: &Context<'_>,
        world: World,
        datapath: Local,
        on_wire: bool,
        (key, port, row): (u32, Uuid, &sb::PortBinding),
    ) {
        let mut copy = Vec::new();
        let zone = world.zone(cx, &Zone::Port(row.logical_port.clone()));
        copy.extend(zone.map(|zone| set_reg(tables::CT_ZONE, zone.into())));
        copy.push(set_reg(tables::OUTPORT, key));
        copy.push(Action::resubmit(tables::CHECK_LOOPBACK));
        match &*row.type_ {
            "patch" if datapath.is_transit => self.local.extend(copy),
            "patch" | "localport" => self.at_source.extend(copy),
            "l3gateway" if world.is_here(cx, row) => self.local.extend(copy),
            "chassisredirect" if world.is_here(cx, row) => self.redirect(cx, world, row),
            _ => {
                if cx.get(world.attachment, &port).is_some() {
                    self.local.extend(copy);
                }
                // What goes over the wire reaches the others as well.
                if !on_wire {
                    self.tunnels.extend(tunnels::to_port(cx, world, row));
                }
            }
        }
    }

    fn redirect(&mut self, cx: &Context<'_>, world: World, row: &sb::PortBinding) {
        let target = row.options.get("distributed-port");
        let target = target.and_then(|name| cx.get(world.port_named, name));
        if let Some(target) = target.filter(|target| target.datapath == row.datapath.uuid()) {
            self.local.push(set_reg(tables::OUTPORT, target.key));
            self.local.push(Action::resubmit(tables::CHECK_LOOPBACK));
        }
    }
}

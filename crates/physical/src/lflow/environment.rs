//! What a match may ask: sets, groups, keys, residency, each through a look-up that is recorded.

use std::cell::RefCell;
use std::sync::Arc;

use incremental::{Builder, Context, Rule};
use logic::{Conjunct, Constant, Field, NormalForm, Pipeline};
use model::{Uuid, sb};
use ovsdb::Str;
use rustc_hash::FxHashMap;

use crate::world::World;

/// The relations that matches look into.
#[derive(Clone, Copy)]
pub(super) struct Surroundings {
    world: World,
    /// By name: the members, parsed once for all flows.
    addresses: Rule<Str, Arc<[Constant]>>,
    members: Rule<Str, Arc<[Str]>>,
    /// By name: ports at which packets of this chassis can enter or leave a switch.
    present: Rule<Str, ()>,
}

impl Surroundings {
    pub(super) fn new(build: &mut Builder, world: World) -> Self {
        let inputs = world.inputs;
        Self {
            world,
            addresses: build.filter("addresses", world.address_set_named, move |cx, name| {
                let set = cx.items(world.address_set_named, name).next()?;
                let addresses = &cx.get(inputs.address_set, set)?.addresses;
                // A member that is no address stands for nothing; the others still count.
                Some(
                    addresses
                        .iter()
                        .filter_map(|address| address.parse().ok())
                        .collect(),
                )
            }),
            members: build.filter("members", world.port_group_named, move |cx, name| {
                let group = cx.items(world.port_group_named, name).next()?;
                Some(
                    cx.get(inputs.port_group, group)?
                        .ports
                        .iter()
                        .cloned()
                        .collect(),
                )
            }),
            present: build.filter("present port", world.port_named, move |cx, name| {
                let port = cx.get(world.port_named, name)?.port;
                is_present(cx, world, port, cx.get(inputs.port, &port)?).then_some(())
            }),
        }
    }
}

impl Surroundings {
    /// Whether packets of this chassis can enter or leave a datapath by the port of this name.
    pub(super) fn is_present(&self, cx: &Context<'_>, port: &Str) -> bool {
        cx.get(self.present, port).is_some()
    }
}

fn is_present(cx: &Context<'_>, world: World, port: Uuid, row: &sb::PortBinding) -> bool {
    match &*row.type_ {
        "" | "localport" | "localnet" | "l2gateway" => cx.get(world.attachment, &port).is_some(),
        "l3gateway" | "external" | "virtual" => world.is_here(cx, row),
        "remote" => false,
        _ => true,
    }
}

/// What a match of one datapath may ask.
pub(super) struct Environment<'a, 'c> {
    cx: &'a Context<'c>,
    surroundings: Surroundings,
    datapath: Uuid,
    datapath_key: u32,
    /// The ports that were asked for, by their keys.
    named: RefCell<FxHashMap<u32, Str>>,
}

impl<'a, 'c> Environment<'a, 'c> {
    pub(super) fn new(
        cx: &'a Context<'c>,
        surroundings: Surroundings,
        datapath: Uuid,
        datapath_key: u32,
    ) -> Self {
        Self {
            cx,
            surroundings,
            datapath,
            datapath_key,
            named: RefCell::default(),
        }
    }

    /// Leaves out what no packet of this chassis can be: on a switch, one that enters (ingress) or
    /// leaves (egress) by a port that is elsewhere.
    pub(super) fn prune(&self, pipeline: Pipeline, form: Arc<NormalForm>) -> Arc<NormalForm> {
        let field = match pipeline {
            Pipeline::Ingress => Field::InPort,
            Pipeline::Egress => Field::OutPort,
        };
        let keep = |conjunct: &Conjunct| {
            let key = conjunct
                .term(field)
                .and_then(|term| u32::try_from(term.value).ok());
            let name = key.and_then(|key| self.named.borrow().get(&key).cloned());
            // A key that no name was resolved to is that of a multicast group.
            name.is_none_or(|name| self.surroundings.is_present(self.cx, &name))
        };
        let mut pruned = NormalForm::clone(&form);
        pruned.conjuncts.retain(keep);
        for conjunctive in &mut pruned.conjunctives {
            for dimension in &mut conjunctive.dimensions {
                dimension.retain(keep);
            }
        }
        pruned
            .conjunctives
            .retain(|c| keep(&c.common) && c.dimensions.iter().all(|d| !d.is_empty()));
        if pruned == *form {
            form
        } else {
            Arc::new(pruned)
        }
    }
}

impl logic::Environment for Environment<'_, '_> {
    fn address_set(&self, name: &str) -> Option<Arc<[Constant]>> {
        self.cx
            .get(self.surroundings.addresses, &name.into())
            .cloned()
    }

    /// The Southbound has one row for each switch that a group has ports on, named by the switch's key.
    fn port_group(&self, name: &str) -> Option<Arc<[Str]>> {
        let of_switch = Str::from(format!("{}_{name}", self.datapath_key));
        let members = self.surroundings.members;
        self.cx
            .get(members, &of_switch)
            .or_else(|| self.cx.get(members, &name.into()))
            .cloned()
    }

    fn port_key(&self, name: &str) -> Option<u32> {
        // The name of no port at all, for flows that ask whether an output port is chosen.
        if name == "none" {
            return Some(0);
        }
        let world = self.surroundings.world;
        let name = Str::from(name);
        let port = self
            .cx
            .get(world.port_named, &name)
            .filter(|p| p.datapath == self.datapath);
        if let Some(port) = port {
            self.named.borrow_mut().insert(port.key, name);
            return Some(port.key);
        }
        self.cx
            .items(world.multicast_named, &(self.datapath, name))
            .next()
            .copied()
    }

    fn is_resident(&self, port: &str) -> bool {
        self.cx
            .get(self.surroundings.world.resident, &port.into())
            .is_some()
    }
}

/// An environment for matches that ask nothing.
pub(super) struct Nowhere;

impl logic::Environment for Nowhere {
    fn address_set(&self, _: &str) -> Option<Arc<[Constant]>> {
        None
    }

    fn port_group(&self, _: &str) -> Option<Arc<[Str]>> {
        None
    }

    fn port_key(&self, _: &str) -> Option<u32> {
        None
    }

    fn is_resident(&self, _: &str) -> bool {
        false
    }
}

//! The whole: takes facts, gives changes.

use std::collections::BTreeMap;

use incremental::{Builder, Change, Engine, Ran};
use model::Uuid;
use openflow::{FlowKey, Group};

use crate::emit::{Claims, publish};
use crate::facts::Fact;
use crate::lflow::LogicalFlows;
use crate::local::Locality;
use crate::output::{Body, Candidate, Changes, Diagnostic, FlowChange, GroupChange};
use crate::reach::Reach;
use crate::world::{Inputs, World};
use crate::{fixed, multicast, neighbours, port_security, ports, tunnels};

/// The OpenFlow state of one chassis, kept current under changes of what it is made of.
pub struct Physical {
    engine: Engine,
    inputs: Inputs,
    reach: Reach,
    locality: Locality<Uuid>,
    claims: Vec<Claims>,
    logical: LogicalFlows,
}

impl Default for Physical {
    fn default() -> Self {
        Self::new()
    }
}

impl Physical {
    /// Knows nothing yet.
    pub fn new() -> Self {
        let mut build = Builder::new();
        let world = World::new(&mut build);
        let reach = Reach::new(&mut build, world);
        build.watch(reach.edges);
        build.watch(reach.roots);
        let fixed = fixed::rule(&mut build, world);
        let tunnels = tunnels::rule(&mut build, world);
        let ports = ports::rule(&mut build, world);
        let multicast = multicast::rule(&mut build, world);
        let learned = neighbours::learned(&mut build, world);
        let configured = neighbours::configured(&mut build, world);
        let fdb = neighbours::fdb(&mut build, world);
        let security = port_security::rule(&mut build, world);
        let logical = LogicalFlows::new(&mut build, world);
        let claims = vec![
            publish(&mut build, "claims of fixed flows", fixed),
            publish(&mut build, "claims of tunnels", tunnels),
            publish(&mut build, "claims of ports", ports),
            publish(&mut build, "claims of multicast groups", multicast),
            publish(&mut build, "claims of neighbours", learned),
            publish(&mut build, "claims of static neighbours", configured),
            publish(&mut build, "claims of the FDB", fdb),
            publish(&mut build, "claims of port security", security),
            logical.claims,
        ];
        Self {
            engine: build.build(),
            inputs: world.inputs,
            reach,
            locality: Locality::default(),
            claims,
            logical,
        }
    }

    /// Lets large computations use several threads. The result does not depend on it.
    pub fn set_threads(&mut self, threads: usize) {
        self.engine.set_threads(threads);
    }

    /// Takes note of a fact; [`Physical::run`] draws the conclusions.
    pub fn apply(&mut self, fact: Fact) {
        let (engine, inputs) = (&mut self.engine, &self.inputs);
        match fact {
            Fact::Settings(value) => engine.set(inputs.settings, (), value),
            Fact::Interface(key, value) => engine.set(inputs.interface, key, value),
            Fact::Patch(key, value) => engine.set(inputs.patch, key, value),
            Fact::Tunnel(key, value) => engine.set(inputs.tunnel, key, value),
            Fact::Zone(key, value) => engine.set(inputs.zone, key, value),
            Fact::LogicalFlow(key, value) => engine.set(inputs.logical_flow, key, value),
            Fact::DatapathGroup(key, value) => engine.set(inputs.datapath_group, key, value),
            Fact::Datapath(key, value) => engine.set(inputs.datapath, key, value),
            Fact::Port(key, value) => engine.set(inputs.port, key, value),
            Fact::Multicast(key, value) => engine.set(inputs.multicast, key, value),
            Fact::AddressSet(key, value) => engine.set(inputs.address_set, key, value),
            Fact::PortGroup(key, value) => engine.set(inputs.port_group, key, value),
            Fact::Chassis(key, value) => engine.set(inputs.chassis, key, value),
            Fact::HaGroup(key, value) => engine.set(inputs.ha_group, key, value),
            Fact::HaChassis(key, value) => engine.set(inputs.ha_chassis, key, value),
            Fact::Encap(key, value) => engine.set(inputs.encap, key, value),
            Fact::MacBinding(key, value) => engine.set(inputs.mac_binding, key, value),
            Fact::StaticMacBinding(key, value) => engine.set(inputs.static_mac_binding, key, value),
            Fact::Fdb(key, value) => engine.set(inputs.fdb, key, value),
            Fact::Template(key, value) => engine.set(inputs.template, key, value),
        }
    }

    /// Draws the conclusions of all facts so far.
    ///
    /// Which datapaths are local is found between two runs of the engine. The second changes neither
    /// edges nor roots, because those do not depend on it, and runs only where the first moved them.
    pub fn run(&mut self) {
        self.engine.run();
        for change in self.engine.changes(self.reach.edges) {
            if let Some((a, b)) = change.old {
                self.locality.part(&a, &b);
            }
            if let Some((a, b)) = change.new {
                self.locality.join(&a, &b);
            }
        }
        for change in self.engine.changes(self.reach.roots) {
            if let Some(root) = change.old {
                self.locality.unroot(&root);
            }
            if let Some(root) = change.new {
                self.locality.root(&root);
            }
        }
        let moved = self.locality.update();
        if moved.is_empty() {
            return;
        }
        for (datapath, is_local) in moved {
            self.engine
                .set(self.inputs.local, datapath, is_local.then_some(()));
        }
        self.engine.run();
    }

    /// What differs since the last call, over any number of runs.
    pub fn changes(&mut self) -> Changes {
        let mut flows = Vec::new();
        for claims in &self.claims {
            flows.extend(
                self.engine
                    .changes(*claims)
                    .into_iter()
                    .filter_map(flow_change),
            );
        }
        flows.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let mut groups = Vec::new();
        for change in self.engine.changes(self.logical.groups) {
            groups.extend(group_changes(change.old.as_deref(), change.new.as_deref()));
        }
        groups.sort_unstable_by_key(|change| change.id);
        Changes { flows, groups }
    }

    /// All flows, in no particular order. Takes time proportional to their number.
    pub fn flows(&self) -> impl Iterator<Item = (&FlowKey, Body)> {
        self.claims.iter().flat_map(|claims| {
            let entries = self.engine.entries(*claims).into_iter();
            entries.filter_map(|(key, claims)| Some((key, Candidate::settle(claims)?)))
        })
    }

    /// All groups, in the order of their numbers.
    pub fn groups(&self) -> Vec<Group> {
        let buckets = self.engine.entries(self.logical.groups).into_iter();
        buckets.flat_map(|(_, groups)| groups.to_vec()).collect()
    }

    /// All facts that it was told and that hold, so that another one can be told the same.
    pub fn facts(&self) -> Vec<Fact> {
        let (engine, inputs) = (&self.engine, &self.inputs);
        let mut facts = Vec::new();
        for (_, value) in engine.entries(inputs.settings) {
            facts.push(Fact::Settings(Some(value.clone())));
        }
        macro_rules! all {
            ($($input:ident $fact:ident),* $(,)?) => {$(
                let entries = engine.entries(inputs.$input).into_iter();
                facts.extend(entries.map(|(k, v)| Fact::$fact(k.clone(), Some(v.clone()))));
            )*};
        }
        all!(
            interface Interface, patch Patch, tunnel Tunnel, zone Zone, logical_flow LogicalFlow,
            datapath_group DatapathGroup, datapath Datapath, port Port, multicast Multicast,
            address_set AddressSet, port_group PortGroup, chassis Chassis, ha_group HaGroup, ha_chassis HaChassis,
            encap Encap, mac_binding MacBinding, static_mac_binding StaticMacBinding, fdb Fdb, template Template,
        );
        facts
    }

    /// The datapaths that this chassis holds.
    pub fn local_datapaths(&self) -> impl Iterator<Item = Uuid> {
        self.locality.local().iter().copied()
    }

    /// The logical flows that are left out, and why.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        for relation in [self.logical.unparsed, self.logical.unplaced] {
            for (flow, messages) in self.engine.entries(relation) {
                let message = |text: &ovsdb::Str| Diagnostic {
                    flow: *flow,
                    message: text.clone(),
                };
                diagnostics.extend(messages.iter().map(message));
            }
        }
        diagnostics.sort_unstable();
        diagnostics
    }

    /// Turns the log of rule instances on or off.
    pub fn set_log(&mut self, on: bool) {
        self.engine.set_log(on);
    }

    /// The rule instances that ran since the last call.
    pub fn log(&mut self) -> Vec<Ran> {
        self.engine.log()
    }
}

fn flow_change(change: Change<FlowKey, incremental::Group<Candidate>>) -> Option<FlowChange> {
    let old = change.old.as_ref().and_then(Candidate::settle);
    let new = change.new.as_ref().and_then(Candidate::settle);
    (old != new).then_some(FlowChange {
        key: change.key,
        old,
        new,
    })
}

fn group_changes(old: Option<&[Group]>, new: Option<&[Group]>) -> Vec<GroupChange> {
    let by_id = |groups: Option<&[Group]>| -> BTreeMap<u32, Group> {
        groups
            .unwrap_or_default()
            .iter()
            .map(|group| (group.id, group.clone()))
            .collect()
    };
    let (mut old, new) = (by_id(old), by_id(new));
    let mut changes = Vec::new();
    for (id, group) in new {
        let before = old.remove(&id);
        if before.as_ref() != Some(&group) {
            changes.push(GroupChange {
                id,
                old: before,
                new: Some(group),
            });
        }
    }
    changes.extend(old.into_iter().map(|(id, old)| GroupChange {
        id,
        old: Some(old),
        new: None,
    }));
    changes
}

//! The smallest ordered list of changes that leads from one state of a switch to another.
//!
//! The order: groups come before the flows that use them; what goes, goes last, flows before groups.
//! So no packet meets a flow whose group is missing, and none meets a gap between two flows.
//!
//! Flows and groups change together, in one bundle. Meters, which Open vSwitch takes in no bundle, stand
//! around it: those that come before it, those that go behind it, and what takes the first back in case
//! that the bundle is refused.

use std::collections::BTreeMap;

use hashbrown::HashTable;

use crate::flow::{Flow, FlowKey};
use crate::flow_set::{FlowSet, hash_of_view};
use crate::group::Group;
use crate::message::multipart::{FlowList, FlowView};
use crate::message::{FlowMod, GroupCommand, GroupMod, Message, Meter, MeterCommand, MeterMod};

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mod {
    /// Of flows.
    Flow(Box<FlowMod>),
    /// Of a group.
    Group(Box<GroupMod>),
}

impl Mod {
    /// Adds a flow, in place of one with the same key.
    #[must_use]
    pub fn add_flow(flow: Flow) -> Self {
        Self::Flow(Box::new(FlowMod::add(flow)))
    }

    /// Removes a flow.
    #[must_use]
    pub fn delete_flow(key: FlowKey) -> Self {
        Self::Flow(Box::new(FlowMod::delete(key)))
    }

    /// Changes a group.
    #[must_use]
    pub fn group(command: GroupCommand, group: Group) -> Self {
        Self::Group(Box::new(GroupMod::new(command, group)))
    }
}

impl From<Mod> for Message {
    fn from(change: Mod) -> Self {
        match change {
            Mod::Flow(change) => Self::FlowMod(change),
            Mod::Group(change) => Self::GroupMod(change),
        }
    }
}

/// How the flow of one key shall differ. `old` says what the switch is believed to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowChange {
    /// What it holds.
    pub old: Option<Flow>,
    /// What it shall hold.
    pub new: Option<Flow>,
}

impl FlowChange {
    fn key(&self) -> Option<&FlowKey> {
        let flow = self.new.as_ref().or(self.old.as_ref());
        flow.map(|flow| &flow.key)
    }
}

/// Flows that a switch told, by the hashes of their keys.
struct Index<'a>(HashTable<(u64, FlowView<'a>)>);

impl<'a> Index<'a> {
    fn new(flows: &'a FlowList) -> Self {
        let mut table = HashTable::with_capacity(flows.len());
        for view in flows.iter() {
            let hash = hash_of_view(view);
            table.insert_unique(hash, (hash, view), |(hash, _)| *hash);
        }
        Self(table)
    }

    /// Whether there is a flow with the key of that one.
    fn has(&self, hash: u64, flow: &Flow) -> bool {
        let same = |(known, view): &(u64, FlowView<'_>)| *known == hash && view.has_key(&flow.key);
        self.0.find(hash, same).is_some()
    }
}

/// How the group of one number shall differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupChange {
    /// What the switch holds.
    pub old: Option<Group>,
    /// What it shall hold.
    pub new: Option<Group>,
}

/// The ordered list of changes for these differences. Those that change nothing are left out.
#[must_use]
pub fn order(
    flows: impl IntoIterator<Item = FlowChange>,
    groups: impl IntoIterator<Item = GroupChange>,
) -> Vec<Mod> {
    let mut out = Vec::new();
    let mut last = Vec::new();
    let mut very_last = Vec::new();
    for GroupChange { old, new } in groups {
        match (old, new) {
            (Some(old), Some(new)) if old == new => {}
            (Some(_), Some(new)) => out.push(Mod::group(GroupCommand::Modify, new)),
            (None, Some(new)) => out.push(Mod::group(GroupCommand::Add, new)),
            (Some(old), None) => very_last.push(Mod::Group(Box::new(GroupMod::delete(old.id)))),
            (None, None) => {}
        }
    }
    for FlowChange { old, new } in flows {
        match (old, new) {
            (Some(old), Some(new)) if old == new => {}
            (_, Some(new)) => out.push(Mod::add_flow(new)),
            (Some(old), None) => last.push(Mod::delete_flow(old.key)),
            (None, None) => {}
        }
    }
    out.append(&mut last);
    out.append(&mut very_last);
    out
}

/// What a switch holds, or shall hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Flows by their keys.
    pub flows: FlowSet,
    /// Groups by their numbers.
    pub groups: BTreeMap<u32, Group>,
    /// Meters by their numbers.
    pub meters: BTreeMap<u32, Meter>,
}

/// What makes a switch hold something else: its parts in their order, each to be done when the one before
/// it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Meters that come or change, one message each.
    pub before: Vec<MeterMod>,
    /// What takes these back, the last first, for when the bundle is refused. When one of them is refused, the
    /// ones to take back are those behind as many as were not done.
    pub undo: Vec<MeterMod>,
    /// Flows and groups, one bundle.
    pub bundle: Vec<Mod>,
    /// Meters that go, one message each.
    pub after: Vec<MeterMod>,
}

impl State {
    /// Puts flows and groups under their keys.
    pub fn new(
        flows: impl IntoIterator<Item = Flow>,
        groups: impl IntoIterator<Item = Group>,
    ) -> Self {
        Self {
            flows: flows.into_iter().collect(),
            groups: groups.into_iter().map(|group| (group.id, group)).collect(),
            meters: BTreeMap::new(),
        }
    }

    /// The same with meters.
    #[must_use]
    pub fn with_meters(mut self, meters: impl IntoIterator<Item = Meter>) -> Self {
        self.meters
            .extend(meters.into_iter().map(|meter| (meter.id, meter)));
        self
    }

    /// All that turns `actual` into this, meters too.
    #[must_use]
    pub fn plan(&self, actual: &Self) -> Plan {
        let mut out = Plan {
            bundle: self.diff(actual),
            ..Plan::default()
        };
        let change = |command, meter: &Meter| MeterMod {
            command,
            meter: meter.clone(),
        };
        for (id, meter) in &self.meters {
            let (command, back) = match actual.meters.get(id) {
                Some(old) if old.does_as(meter) => continue,
                Some(old) => (MeterCommand::Modify, change(MeterCommand::Modify, old)),
                None => (MeterCommand::Add, MeterMod::delete(*id)),
            };
            out.before.push(change(command, meter));
            out.undo.push(back);
        }
        out.undo.reverse();
        let gone = actual.meters.keys();
        let gone = gone.filter(|id| !self.meters.contains_key(id));
        out.after.extend(gone.map(|id| MeterMod::delete(*id)));
        out
    }

    /// The changes of flows and groups that turn those of `actual` into these, in an order that does not
    /// depend on history: one bundle.
    #[must_use]
    pub fn diff(&self, actual: &Self) -> Vec<Mod> {
        let come = self.flows.beyond(&actual.flows);
        let come = come.map(|(new, old)| (&new.key, old, Some(new)));
        let gone = actual.flows.beyond(&self.flows);
        let gone = gone.filter(|(_, new)| new.is_none());
        let gone = gone.map(|(old, _)| (&old.key, Some(old), None));
        let mut flows: Vec<(&FlowKey, Option<&Flow>, Option<&Flow>)> = come.chain(gone).collect();
        flows.sort_unstable_by_key(|(key, ..)| *key);
        let flows = flows.into_iter().map(|(_, old, new)| FlowChange {
            old: old.cloned(),
            new: new.cloned(),
        });
        let mut ids: Vec<_> = self.groups.keys().chain(actual.groups.keys()).collect();
        ids.sort_unstable();
        ids.dedup();
        let groups = ids.into_iter().filter_map(|id| {
            let (old, new) = (actual.groups.get(id), self.groups.get(id));
            (old != new).then(|| GroupChange {
                old: old.cloned(),
                new: new.cloned(),
            })
        });
        order(flows, groups)
    }

    /// The changes that turn the flows that a switch told into these: one bundle. Groups stay as they are.
    /// No flow that is as it shall be is made a value of its own.
    #[must_use]
    pub fn diff_told(&self, actual: &FlowList) -> Vec<Mod> {
        let (mut changes, mut known) = (Vec::new(), 0);
        for told in actual.iter() {
            let new = self.flows.like(told);
            known += usize::from(new.is_some());
            if new.is_none_or(|new| !told.is(new)) {
                changes.push(FlowChange {
                    old: Some(told.to_flow()),
                    new: new.cloned(),
                });
            }
        }
        // No switch tells a flow twice, so that none is missing where all are known.
        if known < self.flows.len() {
            let index = Index::new(actual);
            let missing = self.flows.hashed();
            let missing = missing.filter(|(hash, flow)| !index.has(*hash, flow));
            changes.extend(missing.map(|(_, flow)| FlowChange {
                old: None,
                new: Some(flow.clone()),
            }));
        }
        changes.sort_unstable_by(|a, b| a.key().cmp(&b.key()));
        order(changes, [])
    }

    /// Does to this what the switch does when it is told `change`.
    pub fn apply(&mut self, change: &Mod) {
        use crate::message::FlowCommand;
        match change {
            Mod::Flow(change) => match change.command {
                FlowCommand::Add => {
                    self.flows.insert(change.flow.clone());
                }
                FlowCommand::DeleteStrict => {
                    self.flows.remove(&change.flow.key);
                }
                // The others depend on what the match covers, which only the switch decides.
                FlowCommand::Modify | FlowCommand::ModifyStrict | FlowCommand::Delete => {}
            },
            Mod::Group(change) => match change.command {
                GroupCommand::Delete => {
                    self.groups.remove(&change.group.id);
                }
                GroupCommand::Add | GroupCommand::Modify | GroupCommand::AddOrModify => {
                    self.groups.insert(change.group.id, change.group.clone());
                }
                GroupCommand::InsertBucket | GroupCommand::RemoveBucket => {}
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Action;
    use crate::matching::Match;
    use crate::message::MeterBand;
    use crate::message::multipart::FlowDesc;

    fn flow(reg: u32, group: Option<u32>) -> Flow {
        Flow::new(
            3,
            7,
            Match::new().reg(1, reg),
            group.map(Action::Group).into_iter().collect::<Vec<_>>(),
        )
    }

    fn group(id: u32) -> Group {
        Group {
            id,
            ..Group::default()
        }
    }

    #[test]
    fn groups_come_first_and_what_goes_goes_last() {
        let desired = State::new([flow(1, Some(5)), flow(2, None)], [group(5)]);
        let actual = State::new(
            [flow(1, Some(4)), flow(2, None), flow(3, Some(4))],
            [group(4)],
        );
        let mods = desired.diff(&actual);
        assert_eq!(
            mods,
            [
                Mod::group(GroupCommand::Add, group(5)),
                Mod::add_flow(flow(1, Some(5))),
                Mod::delete_flow(flow(3, None).key),
                Mod::Group(Box::new(GroupMod::delete(4))),
            ]
        );
        let mut state = actual;
        mods.iter().for_each(|change| state.apply(change));
        assert_eq!(state, desired);
        assert_eq!(desired.diff(&state), []);
    }

    #[test]
    fn what_was_told_is_compared_as_values_are() {
        let desired = State::new([flow(1, Some(5)), flow(2, None), flow(4, None)], []);
        let held = [flow(1, Some(4)), flow(2, None), flow(3, Some(4))];
        let told = |flow: &Flow| FlowDesc {
            flow: flow.clone(),
            hard_age: (flow.actions.is_empty()).then_some(7),
            ..FlowDesc::default()
        };
        let list: FlowList = held.iter().map(told).collect();
        let changes = desired.diff_told(&list);
        assert_eq!(changes, desired.diff(&State::new(held, [])));
        assert_eq!(changes.len(), 3);
        let list: FlowList = desired.flows.iter().map(told).collect();
        assert_eq!(desired.diff_told(&list), []);
    }

    #[test]
    fn meters_come_before_the_bundle_and_go_behind_it() {
        let meter = |id, rate| Meter {
            id,
            flags: Meter::KBPS,
            bands: vec![MeterBand::Drop { rate, burst: 0 }],
        };
        let change = |command, meter| MeterMod { command, meter };
        let desired =
            State::new([flow(1, None)], []).with_meters([meter(1, 5), meter(2, 6), meter(3, 7)]);
        let actual = State::default().with_meters([meter(2, 5), meter(3, 7), meter(4, 8)]);
        let plan = desired.plan(&actual);
        assert_eq!(
            plan.before,
            [
                change(MeterCommand::Add, meter(1, 5)),
                change(MeterCommand::Modify, meter(2, 6)),
            ]
        );
        assert_eq!(
            plan.undo,
            [
                change(MeterCommand::Modify, meter(2, 5)),
                MeterMod::delete(1),
            ]
        );
        assert_eq!(plan.bundle, [Mod::add_flow(flow(1, None))]);
        assert_eq!(plan.after, [MeterMod::delete(4)]);
        assert_eq!(desired.plan(&desired), Plan::default());
        // What a switch chose is no difference, unless something was asked for.
        let chosen = |flags| Meter {
            flags,
            bands: vec![MeterBand::Drop { rate: 5, burst: 9 }],
            ..meter(1, 5)
        };
        let asked = Meter {
            flags: Meter::KBPS | Meter::BURST,
            ..meter(1, 5)
        };
        assert!(meter(1, 5).does_as(&chosen(Meter::KBPS)));
        assert!(!asked.does_as(&chosen(Meter::KBPS | Meter::BURST)));
        assert!(!meter(1, 5).does_as(&asked));
    }
}

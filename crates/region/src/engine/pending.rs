//! What comes of telling hypervisors, on its way into the database.
//!
//! Invariant: what waits here is bounded by the rows that it is about, since what is said twice of a row is one change.

use std::collections::{BTreeMap, BTreeSet};

use model::region::{Action, ActionState, Hypervisor, Leader, Machine};
use model::{Map, Str, Strong, Uuid};
use ovsdb::RowChange;

use crate::request::change;
use crate::view::View;

/// What is to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pending {
    records: BTreeMap<i64, Record>,
    /// Machines, with those that have forgotten them.
    forgotten: BTreeMap<Uuid, BTreeSet<Uuid>>,
    /// The name of this service, and since when it leads.
    leader: Option<(Str, i64)>,
}

/// How far an action is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    state: ActionState,
    outcomes: Map<Str, Str>,
    held: Vec<Str>,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.forgotten.is_empty() && self.leader.is_none()
    }

    pub(super) fn lead(&mut self, name: Str, since: i64) {
        self.leader = Some((name, since));
    }

    pub(super) fn record(
        &mut self,
        action: i64,
        state: ActionState,
        outcomes: Map<Str, Str>,
        held: Vec<Str>,
    ) {
        let record = Record {
            state,
            outcomes,
            held,
        };
        self.merge_record(action, record);
    }

    fn merge_record(&mut self, action: i64, newer: Record) {
        let Some(record) = self.records.get_mut(&action) else {
            self.records.insert(action, newer);
            return;
        };
        record.state = newer.state;
        record.held.extend(newer.held);
        for (host, outcome) in newer.outcomes.iter() {
            record.outcomes.insert(host.clone(), outcome.clone());
        }
    }

    pub(super) fn forgotten(&mut self, machine: Uuid, hypervisor: Uuid) {
        self.forgotten
            .entry(machine)
            .or_default()
            .insert(hypervisor);
    }

    /// Puts back what could not be written; what came meanwhile is newer.
    pub(super) fn put_back(&mut self, failed: Self) {
        let newer = std::mem::replace(self, failed);
        for (action, record) in newer.records {
            self.merge_record(action, record);
        }
        for (machine, hypervisors) in newer.forgotten {
            self.forgotten
                .entry(machine)
                .or_default()
                .extend(hypervisors);
        }
        self.leader = newer.leader.or_else(|| self.leader.take());
    }

    /// The actions of which something is to be written.
    pub(super) fn actions(&self) -> impl Iterator<Item = i64> {
        self.records.keys().copied()
    }

    /// What is to be changed of the rows as they are now.
    pub(super) fn changes(&self, view: &View) -> Vec<RowChange> {
        let mut changes = Vec::new();
        for (number, record) in &self.records {
            changes.extend(record.changes(*number, view));
        }
        for (machine, hypervisors) in &self.forgotten {
            changes.extend(forget(view, *machine, hypervisors));
        }
        if let Some((name, since)) = &self.leader {
            let old = view.leaders.iter().next();
            let uuid = old.map_or_else(Uuid::new_v4, |(uuid, _)| *uuid);
            let row = Leader {
                name: name.clone(),
                since: *since,
            };
            changes.push(change(uuid, old.map(|(_, row)| &**row), Some(row)));
        }
        changes.retain(|change| change.old != change.new);
        changes
    }
}

impl Record {
    fn changes(&self, number: i64, view: &View) -> Vec<RowChange> {
        let mut actions = view.actions.iter();
        let Some((uuid, action)) = actions.find(|(_, action)| action.number == number) else {
            return Vec::new();
        };
        let mut row = Action::clone(action);
        for (host, outcome) in self.outcomes.iter() {
            row.outcomes.insert(host.clone(), outcome.clone());
        }
        // Somebody may have stopped it meanwhile, which is not news of the rollout.
        if self.state != ActionState::Running {
            row.state = self.state;
        }
        let mut changes = vec![change(*uuid, Some(&**action), Some(row))];
        for name in &self.held {
            let Some((uuid, old)) = view.hypervisor(name) else {
                continue;
            };
            let mut row = Hypervisor::clone(old);
            row.held_by = Some(number);
            changes.push(change(uuid, Some(&**old), Some(row)));
        }
        changes
    }
}

/// Hypervisors have forgotten a machine; its row goes when it was removed and nobody has to forget it any more.
fn forget(view: &View, machine: Uuid, hypervisors: &BTreeSet<Uuid>) -> Option<RowChange> {
    let old = view.machines.get(&machine)?;
    let mut row = Machine::clone(old);
    for hypervisor in hypervisors {
        row.departed.remove(&Strong::new(*hypervisor));
    }
    let stays = !row.removed || !row.departed.is_empty();
    Some(change(machine, Some(&**old), stays.then_some(row)))
}

#[cfg(test)]
mod tests {
    use model::Set;

    use super::*;

    fn uuid(number: u64) -> Uuid {
        Uuid::from_u64_pair(9, number)
    }

    fn view(state: ActionState, removed: bool) -> View {
        let mut view = View::default();
        let hypervisor = |number: u64| Hypervisor {
            name: format!("hv{number}").into(),
            ..Hypervisor::default()
        };
        let machine = Machine {
            number: 7,
            removed,
            departed: Set::from_iter([Strong::new(uuid(1)), Strong::new(uuid(2))]),
            ..Machine::default()
        };
        let action = Action {
            number: 1,
            state,
            ..Action::default()
        };
        let (_, wrong) = view.apply(&[
            change(uuid(1), None, Some(hypervisor(1))),
            change(uuid(2), None, Some(hypervisor(2))),
            change(uuid(3), None, Some(machine)),
            change(uuid(4), None, Some(action)),
        ]);
        assert_eq!(wrong, []);
        view
    }

    fn outcomes(words: &[(&str, &str)]) -> Map<Str, Str> {
        let pair = |(host, word): &(&str, &str)| (Str::from(*host), Str::from(*word));
        words.iter().map(pair).collect()
    }

    #[test]
    fn a_stop_is_not_undone_by_older_news() {
        let mut pending = Pending::default();
        pending.record(
            1,
            ActionState::Running,
            outcomes(&[("hv1", "done")]),
            vec![],
        );
        let mut view = view(ActionState::Stopped, false);
        view.apply(&pending.changes(&view));
        let action = view.actions.values().next().unwrap();
        assert_eq!(action.state, ActionState::Stopped);
        assert_eq!(action.outcomes, outcomes(&[("hv1", "done")]));
    }

    #[test]
    fn what_could_not_be_written_is_older_than_what_came_meanwhile() {
        let mut failed = Pending::default();
        failed.record(
            1,
            ActionState::Running,
            outcomes(&[("hv1", "away: x"), ("hv2", "done")]),
            vec![],
        );
        failed.lead("old".into(), 1);
        failed.forgotten(uuid(3), uuid(1));
        let mut pending = Pending::default();
        pending.record(
            1,
            ActionState::Stopped,
            outcomes(&[("hv1", "done")]),
            vec!["hv2".into()],
        );
        pending.forgotten(uuid(3), uuid(2));
        pending.put_back(failed);
        let mut view = view(ActionState::Running, true);
        view.apply(&pending.changes(&view));
        let action = view.actions.values().next().unwrap();
        assert_eq!(action.state, ActionState::Stopped);
        assert_eq!(
            action.outcomes,
            outcomes(&[("hv1", "done"), ("hv2", "done")])
        );
        assert_eq!(view.hypervisor("hv2").unwrap().1.held_by, Some(1));
        assert!(view.machines.is_empty(), "nobody has to forget it any more");
        assert_eq!(view.leaders.values().next().unwrap().name, "old");
        assert!(pending.changes(&view).is_empty(), "all of it is there now");
    }

    #[test]
    fn a_machine_stays_while_somebody_knows_it_or_it_is_wanted() {
        for (removed, forgetting) in [(true, 1), (false, 2)] {
            let mut pending = Pending::default();
            (1..=forgetting).for_each(|host| pending.forgotten(uuid(3), uuid(host)));
            let mut view = view(ActionState::Done, removed);
            view.apply(&pending.changes(&view));
            let machine = view.machines.values().next().unwrap();
            assert_eq!(
                machine.departed.iter().len(),
                2 - usize::try_from(forgetting).unwrap()
            );
        }
    }
}

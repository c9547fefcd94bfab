//! The law: what comes out is a function of the present facts, whatever the way there.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use std::collections::BTreeMap;

use openflow::FlowKey;
use physical::{Body, Changes, Physical};
use proptest::prelude::*;
use proptest::sample::Index;
use support::{computed, flows, stock, taken_back};

/// What a switch holds that is given nothing but changes.
#[derive(Default)]
struct Switch {
    flows: BTreeMap<FlowKey, Body>,
    groups: BTreeMap<u32, openflow::Group>,
}

impl Switch {
    fn take(&mut self, changes: Changes) {
        for change in changes.flows {
            let before = match change.new {
                Some(body) => self.flows.insert(change.key, body),
                None => self.flows.remove(&change.key),
            };
            assert_eq!(before, change.old);
        }
        for change in changes.groups {
            let before = match change.new {
                Some(group) => self.groups.insert(change.id, group),
                None => self.groups.remove(&change.id),
            };
            assert_eq!(before, change.old);
        }
    }

    fn agrees_with(&self, fresh: &Physical) {
        assert_eq!(self.flows, flows(fresh));
        let groups = fresh.groups().into_iter().map(|group| (group.id, group));
        assert_eq!(self.groups, groups.collect());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn incremental_equals_fresh(
        edits in proptest::collection::vec((any::<Index>(), any::<bool>()), 1..40),
    ) {
        let facts = stock();
        let mut present: Vec<bool> = vec![true; facts.len()];
        let mut physical = computed(facts.iter().cloned());
        let mut switch = Switch::default();
        for (index, run) in edits {
            let at = index.index(facts.len());
            present[at] = !present[at];
            let fact = if present[at] { facts[at].clone() } else { taken_back(&facts[at]) };
            physical.apply(fact);
            if run {
                physical.run();
                switch.take(physical.changes());
            }
        }
        physical.run();
        switch.take(physical.changes());
        let left = facts.iter().zip(&present).filter(|(_, present)| **present);
        let fresh = computed(left.map(|(fact, _)| fact.clone()));
        prop_assert_eq!(flows(&physical), flows(&fresh));
        prop_assert_eq!(physical.diagnostics(), fresh.diagnostics());
        switch.agrees_with(&fresh);
    }

    #[test]
    fn order_does_not_matter(
        facts in Just(stock()).prop_shuffle(),
        pauses in proptest::collection::vec(any::<Index>(), 0..4),
    ) {
        let pauses: Vec<usize> = pauses.iter().map(|pause| pause.index(facts.len())).collect();
        let mut physical = Physical::new();
        for (at, fact) in facts.iter().enumerate() {
            if pauses.contains(&at) {
                physical.run();
            }
            physical.apply(fact.clone());
        }
        physical.run();
        let fresh = computed(stock());
        prop_assert_eq!(flows(&physical), flows(&fresh));
    }
}

#[test]
fn nothing_is_left_when_everything_is_taken_back() {
    let facts = stock();
    let mut physical = computed(facts.iter().cloned());
    assert!(physical.flows().count() > 900);
    for fact in &facts {
        physical.apply(taken_back(fact));
    }
    physical.run();
    assert_eq!(physical.flows().count(), 0);
    assert_eq!(physical.local_datapaths().count(), 0);
}

//! Everything from scratch: what `recompute` asks for.

use std::collections::{BTreeMap, HashMap};

use openflow::{FlowKey, Group};
use physical::{Body, Changes, FlowChange, GroupChange, Physical};

/// Everything, as changes of a switch that holds nothing.
pub(super) fn all(physical: &Physical) -> Changes {
    let flows = physical.flows().map(|(key, body)| FlowChange {
        key: key.clone(),
        old: None,
        new: Some(body),
    });
    let mut flows: Vec<FlowChange> = flows.collect();
    flows.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    let groups = physical.groups().into_iter();
    let groups = groups.map(|group| GroupChange {
        id: group.id,
        old: None,
        new: Some(group),
    });
    Changes {
        flows,
        groups: groups.collect(),
    }
}

/// One that was told the same facts and has drawn its conclusions, and how they differ. The law of the
/// engine says that they do not; this is how to find out.
pub(super) fn renew(old: &Physical) -> (Physical, Changes) {
    let mut fresh = Physical::new();
    old.facts().into_iter().for_each(|fact| fresh.apply(fact));
    fresh.run();
    let all = fresh.changes();
    let mut flows: HashMap<FlowKey, Body> =
        old.flows().map(|(key, body)| (key.clone(), body)).collect();
    let mut groups: BTreeMap<u32, Group> = old
        .groups()
        .into_iter()
        .map(|group| (group.id, group))
        .collect();
    let mut difference = Changes::default();
    for FlowChange { key, new, .. } in all.flows {
        let before = flows.remove(&key);
        if before != new {
            difference.flows.push(FlowChange {
                key,
                old: before,
                new,
            });
        }
    }
    for GroupChange { id, new, .. } in all.groups {
        let before = groups.remove(&id);
        if before != new {
            difference.groups.push(GroupChange {
                id,
                old: before,
                new,
            });
        }
    }
    let gone = flows.into_iter().map(|(key, old)| FlowChange {
        key,
        old: Some(old),
        new: None,
    });
    difference.flows.extend(gone);
    difference.flows.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    let gone = groups.into_iter().map(|(id, old)| GroupChange {
        id,
        old: Some(old),
        new: None,
    });
    difference.groups.extend(gone);
    (fresh, difference)
}

//! What to change on the switch, and what is believed to be on it. Pure.
//!
//! Once the switch agrees with what is desired, only the keys that differ are kept twice: `dirty` says
//! what the switch holds for each key that has changed since. While a bundle is on its way its keys stand
//! in `sent`; if it fails they become dirty again, and a key that was refused counts as not desired.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use openflow::sync::{self, Mod};
use openflow::{Actions, Flow, FlowKey, Group};
use physical::{Body, Changes};

/// What the switch holds under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Held {
    Nothing,
    Ours(Body),
    /// A flow that differs in more than actions and cookie.
    Foreign,
}

impl Held {
    fn is(&self, body: Option<&Body>) -> bool {
        match (self, body) {
            (Self::Nothing, None) => true,
            (Self::Ours(held), Some(body)) => held == body,
            _ => false,
        }
    }

    fn of(flow: &Flow) -> Self {
        let plain = Flow {
            cookie: flow.cookie,
            ..Flow::default()
        };
        let rest = (
            flow.idle_timeout,
            flow.hard_timeout,
            flow.flags,
            flow.importance,
        );
        if rest
            == (
                plain.idle_timeout,
                plain.hard_timeout,
                plain.flags,
                plain.importance,
            )
        {
            Self::Ours(Body {
                cookie: flow.cookie,
                actions: flow.actions.clone(),
            })
        } else {
            Self::Foreign
        }
    }
}

/// What one message of a bundle is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Flow(FlowKey),
    Group(u32),
}

/// A flow or group that the switch refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which flow; `None` for a group.
    pub flow: Option<FlowKey>,
    /// Which group; `None` for a flow.
    pub group: Option<u32>,
    /// The flow's cookie, from which the logical flow can be told.
    pub cookie: u64,
    /// The switch's reason.
    pub reason: String,
}

/// How a switch differs from what it should be. Empty when all is well.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audit {
    /// Flows that should be there and are not.
    pub missing: Vec<FlowKey>,
    /// Flows that are there and should not be.
    pub foreign: Vec<FlowKey>,
    /// Flows that are there with other actions or another cookie.
    pub different: Vec<FlowKey>,
    /// Groups that are missing, foreign or different.
    pub groups: Vec<u32>,
    /// How many flows the switch holds.
    pub flows: usize,
}

impl Audit {
    /// Whether the switch is as it should be.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.missing.is_empty()
            && self.foreign.is_empty()
            && self.different.is_empty()
            && self.groups.is_empty()
    }
}

/// Desired, actual and pending of one switch.
#[derive(Debug, Default)]
pub struct Reconciler {
    desired: HashMap<FlowKey, Body>,
    groups: BTreeMap<u32, Group>,
    /// Whether `desired` is the whole.
    complete: bool,
    /// Whether it is known what the switch holds.
    known: bool,
    dirty: HashMap<FlowKey, Held>,
    dirty_groups: BTreeMap<u32, Option<Group>>,
    sent: HashMap<FlowKey, Held>,
    sent_groups: BTreeMap<u32, Option<Group>>,
    /// What each message of the bundle on its way is about.
    flight: Option<Vec<Target>>,
    refused: BTreeSet<FlowKey>,
    refused_groups: BTreeSet<u32>,
}

impl Reconciler {
    /// Changes what is desired.
    pub fn update(&mut self, changes: Changes) {
        for change in changes.flows {
            // A refused flow is not there, whatever was desired.
            let refused = self.refused.remove(&change.key);
            let old = match change.new {
                Some(body) => self.desired.insert(change.key.clone(), body),
                None => self.desired.remove(&change.key),
            };
            if self.known {
                let held = old.filter(|_| !refused).map_or(Held::Nothing, Held::Ours);
                self.dirty.entry(change.key).or_insert(held);
            }
        }
        for change in changes.groups {
            let refused = self.refused_groups.remove(&change.id);
            let old = match change.new {
                Some(group) => self.groups.insert(change.id, group),
                None => self.groups.remove(&change.id),
            };
            if self.known {
                self.dirty_groups
                    .entry(change.id)
                    .or_insert_with(|| old.filter(|_| !refused));
            }
        }
    }

    /// Says that what is desired is the whole.
    pub const fn complete(&mut self) {
        self.complete = true;
    }

    /// Whether what is desired is the whole.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Takes what the switch holds, read just now.
    pub fn read(&mut self, flows: Vec<Flow>, groups: Vec<Group>) {
        self.forget();
        self.known = true;
        self.refused.clear();
        self.refused_groups.clear();
        let mut absent: BTreeSet<&FlowKey> = self.desired.keys().collect();
        let mut dirty = HashMap::new();
        for flow in flows {
            absent.remove(&flow.key);
            let held = Held::of(&flow);
            if !held.is(self.desired.get(&flow.key)) {
                dirty.insert(flow.key, held);
            }
        }
        dirty.extend(absent.into_iter().map(|key| (key.clone(), Held::Nothing)));
        self.dirty = dirty;
        let mut held: BTreeMap<u32, Group> = groups.into_iter().map(|g| (g.id, g)).collect();
        let mut ids: Vec<u32> = held.keys().chain(self.groups.keys()).copied().collect();
        ids.dedup();
        for id in ids {
            let group = held.remove(&id);
            if group.as_ref() != self.groups.get(&id) {
                self.dirty_groups.entry(id).or_insert(group);
            }
        }
    }

    /// Says that it is no longer known what the switch holds.
    pub fn forget(&mut self) {
        self.known = false;
        self.flight = None;
        self.dirty.clear();
        self.dirty_groups.clear();
        self.sent.clear();
        self.sent_groups.clear();
    }

    /// Whether the switch is known to hold what is desired, but for what it refused.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.known
            && self.complete
            && self.flight.is_none()
            && self.dirty.is_empty()
            && self.dirty_groups.is_empty()
    }

    fn wanted(&self, key: &FlowKey) -> Option<&Body> {
        self.desired
            .get(key)
            .filter(|_| !self.refused.contains(key))
    }

    fn wanted_group(&self, id: u32) -> Option<&Group> {
        self.groups
            .get(&id)
            .filter(|_| !self.refused_groups.contains(&id))
    }

    /// The bundle to send now, if there is something to change and nothing on its way.
    pub fn next_bundle(&mut self) -> Option<Vec<Mod>> {
        if !self.known || !self.complete || self.flight.is_some() {
            return None;
        }
        self.sent = std::mem::take(&mut self.dirty);
        self.sent_groups = std::mem::take(&mut self.dirty_groups);
        let mut flows: Vec<_> = self.sent.iter().collect();
        flows.sort_unstable_by_key(|(key, _)| *key);
        let flows = flows.into_iter().filter_map(|(key, held)| {
            let wanted = self.wanted(key);
            if held.is(wanted) {
                return None;
            }
            let new = wanted.map(|body| body.to_flow(key.clone()));
            // What goes is told by its key alone; what comes replaces whatever is there.
            let gone = || {
                let FlowKey {
                    table,
                    priority,
                    matches,
                } = key.clone();
                Flow::new(table, priority, matches, Actions::drop())
            };
            let old = if new.is_none() { Some(gone()) } else { None };
            Some(sync::FlowChange { old, new })
        });
        let groups = self.sent_groups.iter().filter_map(|(id, held)| {
            let new = self.wanted_group(*id).cloned();
            (*held != new).then(|| sync::GroupChange {
                old: held.clone(),
                new,
            })
        });
        let mods = sync::order(flows, groups);
        if mods.is_empty() {
            self.sent.clear();
            self.sent_groups.clear();
            return None;
        }
        self.flight = Some(mods.iter().map(target).collect());
        Some(mods)
    }

    /// The bundle took effect.
    pub fn committed(&mut self) {
        self.flight = None;
        self.sent.clear();
        self.sent_groups.clear();
    }

    /// The bundle had no effect because of these messages, by their place in it. They are set aside, and
    /// the rest is sent again by the next [`Reconciler::next_bundle`].
    pub fn failed(&mut self, messages: impl IntoIterator<Item = (usize, String)>) -> Vec<Refusal> {
        let flight = self.flight.take().unwrap_or_default();
        let mut out = Vec::new();
        for (place, reason) in messages {
            match flight.get(place) {
                // What has changed since is another flow, which was not refused.
                Some(Target::Flow(key)) if self.dirty.contains_key(key) => {}
                Some(Target::Group(id)) if self.dirty_groups.contains_key(id) => {}
                Some(Target::Flow(key)) if !self.refused.contains(key) => {
                    let cookie = self.desired.get(key).map_or(0, |body| body.cookie);
                    self.refused.insert(key.clone());
                    out.push(Refusal {
                        flow: Some(key.clone()),
                        group: None,
                        cookie,
                        reason,
                    });
                }
                Some(Target::Group(id)) if self.refused_groups.insert(*id) => {
                    out.push(Refusal {
                        flow: None,
                        group: Some(*id),
                        cookie: 0,
                        reason,
                    });
                }
                _ => {}
            }
        }
        // What was sent is not there, so what was held before it still is.
        for (key, held) in std::mem::take(&mut self.sent) {
            self.dirty.insert(key, held);
        }
        for (id, held) in std::mem::take(&mut self.sent_groups) {
            self.dirty_groups.insert(id, held);
        }
        out
    }

    /// Compares with what the switch holds, read just now. What is on its way is left out.
    #[must_use]
    pub fn audit(&self, flows: &[Flow], groups: &[Group]) -> Audit {
        let mut out = Audit {
            flows: flows.len(),
            ..Audit::default()
        };
        let moving = |key: &FlowKey| self.dirty.contains_key(key) || self.sent.contains_key(key);
        let mut absent: BTreeSet<&FlowKey> = self.desired.keys().collect();
        for flow in flows {
            absent.remove(&flow.key);
            let held = Held::of(flow);
            match self.wanted(&flow.key) {
                _ if moving(&flow.key) => {}
                None => out.foreign.push(flow.key.clone()),
                Some(body) if held.is(Some(body)) => {}
                Some(_) => out.different.push(flow.key.clone()),
            }
        }
        out.missing = absent
            .into_iter()
            .filter(|key| !moving(key) && self.wanted(key).is_some())
            .cloned()
            .collect();
        let held: BTreeMap<u32, &Group> = groups.iter().map(|group| (group.id, group)).collect();
        let ids: BTreeSet<u32> = held.keys().chain(self.groups.keys()).copied().collect();
        out.groups = ids
            .into_iter()
            .filter(|id| {
                !self.dirty_groups.contains_key(id)
                    && !self.sent_groups.contains_key(id)
                    && held.get(id).copied() != self.wanted_group(*id)
            })
            .collect();
        out
    }
}

fn target(change: &Mod) -> Target {
    match change {
        Mod::Flow(change) => Target::Flow(change.flow.key.clone()),
        Mod::Group(change) => Target::Group(change.group.id),
    }
}

#[cfg(test)]
mod tests {
    use openflow::{Action, Match};
    use physical::FlowChange;

    use super::*;

    fn key(priority: u16) -> FlowKey {
        FlowKey {
            table: 8,
            priority,
            matches: Match::new(),
        }
    }

    fn body(port: u32) -> Body {
        Body {
            cookie: port.into(),
            actions: [Action::output(port)].into(),
        }
    }

    fn change(priority: u16, port: Option<u32>) -> Changes {
        let flow = FlowChange {
            key: key(priority),
            old: None,
            new: port.map(body),
        };
        Changes {
            flows: vec![flow],
            groups: Vec::new(),
        }
    }

    fn add(priority: u16, port: u32) -> Mod {
        Mod::add_flow(body(port).to_flow(key(priority)))
    }

    /// Desired: flows 1 and 2, the switch agreeing.
    fn settled() -> Reconciler {
        let mut reconciler = Reconciler::default();
        reconciler.update(change(1, Some(1)));
        reconciler.update(change(2, Some(2)));
        reconciler.complete();
        let held = vec![body(1).to_flow(key(1)), body(2).to_flow(key(2))];
        reconciler.read(held, Vec::new());
        assert!(reconciler.next_bundle().is_none());
        assert!(reconciler.is_settled());
        reconciler
    }

    #[test]
    fn nothing_is_touched_before_the_view_is_complete() {
        let mut reconciler = Reconciler::default();
        reconciler.update(change(1, Some(1)));
        reconciler.read(vec![body(9).to_flow(key(9))], Vec::new());
        assert_eq!(reconciler.next_bundle(), None);
        reconciler.complete();
        assert_eq!(
            reconciler.next_bundle(),
            Some(vec![add(1, 1), Mod::delete_flow(key(9))])
        );
    }

    #[test]
    fn changes_made_while_a_bundle_is_on_its_way_go_into_the_next() {
        let mut reconciler = settled();
        reconciler.update(change(1, Some(7)));
        assert_eq!(reconciler.next_bundle(), Some(vec![add(1, 7)]));
        reconciler.update(change(1, Some(8)));
        reconciler.update(change(2, None));
        assert_eq!(reconciler.next_bundle(), None);
        reconciler.committed();
        assert_eq!(
            reconciler.next_bundle(),
            Some(vec![add(1, 8), Mod::delete_flow(key(2))])
        );
        reconciler.committed();
        assert!(reconciler.is_settled());
    }

    #[test]
    fn a_change_and_its_undoing_are_nothing() {
        let mut reconciler = settled();
        reconciler.update(change(1, Some(7)));
        reconciler.update(change(1, Some(1)));
        assert_eq!(reconciler.next_bundle(), None);
        assert!(reconciler.is_settled());
    }

    #[test]
    fn a_refused_flow_is_set_aside_and_its_predecessor_removed() {
        let mut reconciler = settled();
        reconciler.update(change(1, Some(7)));
        reconciler.update(change(3, Some(3)));
        assert_eq!(reconciler.next_bundle(), Some(vec![add(1, 7), add(3, 3)]));
        let refusals = reconciler.failed([(0, "OFPBAC_BAD_TYPE".to_owned())]);
        assert_eq!(refusals.len(), 1);
        assert_eq!(
            (refusals[0].flow.clone(), refusals[0].cookie),
            (Some(key(1)), 7)
        );
        // The switch still holds the older flow of that key, which nobody wants.
        assert_eq!(
            reconciler.next_bundle(),
            Some(vec![add(3, 3), Mod::delete_flow(key(1))])
        );
        reconciler.committed();
        assert!(reconciler.is_settled());
        // A new version is tried again.
        reconciler.update(change(1, Some(1)));
        assert_eq!(reconciler.next_bundle(), Some(vec![add(1, 1)]));
    }

    #[test]
    fn what_changed_after_a_failed_bundle_was_sent_is_not_lost() {
        let mut reconciler = settled();
        reconciler.update(change(1, Some(7)));
        reconciler.update(change(2, Some(7)));
        assert_eq!(reconciler.next_bundle().map(|mods| mods.len()), Some(2));
        reconciler.update(change(2, Some(2)));
        let _ = reconciler.failed([(0, "no".to_owned())]);
        // Flow 2 never changed on the switch, so there is nothing to undo.
        assert_eq!(
            reconciler.next_bundle(),
            Some(vec![Mod::delete_flow(key(1))])
        );
    }

    #[test]
    fn after_a_reconnection_only_the_difference_is_sent() {
        let mut reconciler = settled();
        reconciler.forget();
        reconciler.update(change(4, Some(4)));
        assert_eq!(reconciler.next_bundle(), None);
        let foreign = Flow {
            idle_timeout: 5,
            ..body(2).to_flow(key(2))
        };
        reconciler.read(vec![body(1).to_flow(key(1)), foreign], Vec::new());
        assert_eq!(reconciler.next_bundle(), Some(vec![add(2, 2), add(4, 4)]));
    }

    #[test]
    fn an_audit_tells_missing_foreign_and_different() {
        let reconciler = settled();
        let held = [body(9).to_flow(key(2)), body(3).to_flow(key(3))];
        let audit = reconciler.audit(&held, &[]);
        assert_eq!(audit.missing, [key(1)]);
        assert_eq!(audit.different, [key(2)]);
        assert_eq!(audit.foreign, [key(3)]);
        assert!(!audit.is_clean());
    }
}

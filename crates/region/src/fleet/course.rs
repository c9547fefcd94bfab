//! An action on its way: its rollout, and what of it is written down.

use std::collections::BTreeMap;

use model::region::{Action, ActionState};
use model::{Map, Str};

use super::Order;
use crate::rollout::{Counts, Outcome, Policy, Progress, Rollout, Tell};
use crate::verdict::Verdict;

/// While it runs, news of it is written down that often, in milliseconds.
const RECORD: u64 = 1_000;

#[derive(Debug)]
pub(super) struct Course {
    action: i64,
    rollout: Rollout,
    recorded: BTreeMap<Str, Str>,
    /// When something was written down last.
    at: u64,
    /// Whether there may be something to write down.
    news: bool,
    /// Whether its end is written down.
    ended: bool,
}

impl Course {
    /// The rest of an action, for its hypervisors in this order: who has done it already is not told again.
    pub(super) fn of<'a>(action: &Action, hosts: impl Iterator<Item = &'a Str>, now: u64) -> Self {
        let is_done = |name: &Str| {
            let outcome = action.outcomes.get(name);
            outcome.and_then(|text| Verdict::read(text)) == Some(Verdict::Done)
        };
        let rest = hosts.filter(|name| !is_done(name));
        Self {
            action: action.number,
            rollout: Rollout::new(
                Policy::from_map(&action.policy),
                rest.map(ToString::to_string),
            ),
            recorded: action
                .outcomes
                .iter()
                .map(|(name, text)| (name.clone(), text.clone()))
                .collect(),
            at: now,
            news: true,
            ended: false,
        }
    }

    pub(super) fn poll(&mut self, now: u64) -> Option<Tell> {
        let tell = self.rollout.poll(now);
        self.news |= tell.is_none();
        tell
    }

    pub(super) fn heard(&mut self, host: &str, attempt: u32, outcome: Outcome, now: u64) {
        self.rollout.heard(host, attempt, outcome, now);
        self.news = true;
    }

    pub(super) fn stop(&mut self) {
        self.rollout.stop();
        self.news = true;
    }

    /// Whether a hypervisor is to be told nothing but what this says.
    pub(super) fn has(&self, host: &str) -> bool {
        match self.rollout.progress(host) {
            Some(Progress::Done { .. } | Progress::Away { .. } | Progress::Refused { .. })
            | None => false,
            Some(_) => true,
        }
    }

    pub(super) const fn counts(&self) -> Counts {
        self.rollout.counts()
    }

    /// Names of the hypervisors.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.rollout.hosts().map(|(host, _)| host)
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn next_deadline(&self) -> Option<u64> {
        let record = (self.news && !self.ended).then_some(self.at + RECORD);
        self.rollout.next_deadline().into_iter().chain(record).min()
    }

    /// What is to be written down now.
    pub(super) fn record(&mut self, now: u64) -> Option<Order> {
        let over = self.rollout.is_over();
        if self.ended || !self.news || (!over && now < self.at + RECORD) {
            return None;
        }
        (self.at, self.news, self.ended) = (now, false, over);
        let mut outcomes = Map::default();
        let mut held = Vec::new();
        for (host, progress) in self.rollout.hosts() {
            let host = Str::from(host);
            if matches!(progress, Progress::Held) {
                held.push(host.clone());
            }
            let Some(verdict) = Verdict::of(progress) else {
                continue;
            };
            let text = Str::from(verdict.to_string());
            if self.recorded.get(&host) != Some(&text) {
                self.recorded.insert(host.clone(), text.clone());
                outcomes.insert(host, text);
            }
        }
        let state = match over {
            false => ActionState::Running,
            true if self.rollout.has_stopped() => ActionState::Stopped,
            true => ActionState::Done,
        };
        (over || !outcomes.is_empty()).then_some(Order::Record {
            action: self.action,
            state,
            outcomes,
            held: if over { held } else { Vec::new() },
        })
    }
}

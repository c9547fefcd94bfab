//! What a service knows, for those who read: the rows, who leads, and how it is with the hypervisors.
//!
//! Invariant: it is whole between any two methods. What is known of links and of rollouts under way only the leading
//! service knows.

use std::sync::Arc;

use model::region::Action;
use model::{Str, Uuid};
use ovsdb::RowChange;

use crate::fleet::{Fleet, LinkState};
use crate::request::{About, Plan, Refused, Request};
use crate::rollout::Counts;
use crate::verdict::Verdict;
use crate::view::View;

/// Who leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lead<'a> {
    /// This service.
    Here,
    /// Another one, of this name.
    Elsewhere(&'a str),
    /// None that is known.
    Nobody,
}

/// What a service knows.
#[derive(Debug)]
pub struct State {
    /// What this service calls itself.
    name: Str,
    role: Role,
}

#[derive(Debug)]
enum Role {
    Following(View),
    Leading(Fleet),
}

impl State {
    pub(super) fn new(name: Str) -> Self {
        Self {
            name,
            role: Role::Following(View::default()),
        }
    }

    /// The rows.
    pub const fn view(&self) -> &View {
        match &self.role {
            Role::Following(view) => view,
            Role::Leading(fleet) => fleet.view(),
        }
    }

    /// Who leads. One that has ended and given the lock back is named until another has it.
    pub fn lead(&self) -> Lead<'_> {
        // One that has lost the lock a moment ago is named there itself.
        let mut leaders = self.view().leaders.values();
        let other = leaders.find(|row| row.name != self.name);
        match (&self.role, other) {
            (Role::Leading(_), _) => Lead::Here,
            (_, Some(row)) => Lead::Elsewhere(&row.name),
            (_, None) => Lead::Nobody,
        }
    }

    /// How it is with the link to a hypervisor; nothing if this service does not lead, or there is none of that UUID.
    pub fn link(&self, hypervisor: Uuid) -> Option<LinkState<'_>> {
        match &self.role {
            Role::Following(_) => None,
            Role::Leading(fleet) => fleet.link_state(hypervisor),
        }
    }

    /// How far an action is.
    pub fn counts(&self, action: &Action) -> Counts {
        let all = action.hypervisors.len();
        if let Role::Leading(fleet) = &self.role
            && let Some(mut counts) = fleet.counts(action.number)
        {
            // Those that had done it before are no part of the rest that is under way.
            let rest = counts.waiting + counts.telling + counts.done + counts.failed + counts.held;
            counts.done += all.saturating_sub(rest);
            return counts;
        }
        let mut counts = Counts::default();
        for (_, outcome) in action.outcomes.iter() {
            match Verdict::read(outcome) {
                Some(Verdict::Done) => counts.done += 1,
                Some(Verdict::Held) => counts.held += 1,
                _ => counts.failed += 1,
            }
        }
        counts.waiting = all.saturating_sub(action.outcomes.len());
        counts
    }

    /// The action of a number.
    pub fn action(&self, number: i64) -> Option<&Arc<Action>> {
        let mut actions = self.view().actions.values();
        actions.find(|action| action.number == number)
    }

    /// The action that this caller has named so.
    pub(super) fn action_of(&self, who: &str, key: &str) -> Option<&Action> {
        let is_it = |action: &&Arc<Action>| action.key.as_deref() == Some(key) && action.who == who;
        let mut actions = self.view().actions.values();
        actions.find(is_it).map(|action| &**action)
    }

    /// The fleet, if this service leads.
    pub(super) const fn fleet(&mut self) -> Option<&mut Fleet> {
        match &mut self.role {
            Role::Following(_) => None,
            Role::Leading(fleet) => Some(fleet),
        }
    }

    /// How to carry a request out.
    pub(super) fn plan(&mut self, request: &Request, about: &About) -> Result<Plan, Refused> {
        match &mut self.role {
            Role::Following(view) => request.plan(view, about, &mut Uuid::new_v4),
            Role::Leading(fleet) => fleet.plan(request, about, &mut Uuid::new_v4),
        }
    }

    /// Takes in what a transaction did; gives the texts of what is wrong with some rows.
    pub(super) fn apply(&mut self, changes: &[RowChange], now: u64) -> Vec<String> {
        match &mut self.role {
            Role::Following(view) => {
                let (_, wrong) = view.apply(changes);
                wrong.iter().map(ToString::to_string).collect()
            }
            Role::Leading(fleet) => fleet.apply(changes, now),
        }
    }

    /// Begins to drive the fleet.
    pub(super) fn begin(&mut self, now: u64) {
        if let Role::Following(view) = &mut self.role {
            self.role = Role::Leading(Fleet::new(std::mem::take(view), now));
        }
    }

    /// Drives the fleet no longer.
    pub(super) fn end(&mut self) {
        if let Role::Leading(fleet) = &mut self.role {
            self.role = Role::Following(std::mem::take(fleet).into_view());
        }
    }
}

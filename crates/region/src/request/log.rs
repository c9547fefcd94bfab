//! The log of actions has a bound.

use std::sync::Arc;

use model::Uuid;
use model::region::{Action, ActionState};
use ovsdb::RowChange;

use super::change;
use crate::view::View;

/// So many actions are kept; the oldest that are over go.
pub const ACTIONS: usize = 10_000;
/// So many outcomes are kept of them all, one for each hypervisor of each action.
pub const OUTCOMES: usize = 1_000_000;

/// The oldest actions that are over, if there are too many, or too much is kept of them.
pub(super) fn forgotten(view: &View) -> Vec<RowChange> {
    let all = view.actions.values();
    let kept: usize = all.map(|action| action.hypervisors.len()).sum();
    if view.actions.len() < ACTIONS && kept <= OUTCOMES {
        return Vec::new();
    }
    let (mut over, under_way): (Vec<_>, Vec<_>) = view
        .actions
        .iter()
        .partition(|(_, action)| is_over(view, action));
    over.sort_by_key(|(_, action)| std::cmp::Reverse(action.number));
    let outcomes_of = |action: &Action| action.hypervisors.len();
    // One is about to come.
    let mut count = under_way.len() + 1;
    let mut outcomes: usize = under_way.iter().map(|(_, it)| outcomes_of(it)).sum();
    let is_kept = |(_, action): &(&Uuid, &Arc<Action>)| {
        count += 1;
        outcomes += outcomes_of(action);
        count <= ACTIONS && outcomes <= OUTCOMES
    };
    over.into_iter()
        .skip_while(is_kept)
        .map(|(uuid, action)| change::<Action>(*uuid, Some(action), None))
        .collect()
}

/// Whether nothing can come of an action any more.
fn is_over(view: &View, action: &Action) -> bool {
    let mut hypervisors = view.hypervisors.values();
    match action.state {
        ActionState::Running => false,
        ActionState::Done => true,
        ActionState::Stopped => hypervisors.all(|row| row.held_by != Some(action.number)),
    }
}

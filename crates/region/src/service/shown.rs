//! From rows to the definitions.
//!
//! Invariant: a row that names one that is not there is shown without that name; nothing here fails.

use std::collections::HashMap;

use hvflow::params::{NetworkParams, Rule};
use model::region::{
    Action, ActionState, Customer, FloatingAddress, Hypervisor, Machine, Rule as RuleRow,
};
use model::{Map, Str, Strong, Uuid};
use rpc::region::v1;

use crate::rollout::Counts;
use crate::verdict::Verdict;
use crate::view::View;
use crate::wanted::{Wanted, wanted};

/// The view, and what is counted in it once for a whole list.
pub(super) struct Shown<'a> {
    view: &'a View,
    counts: HashMap<Uuid, u32>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(view: &'a View) -> Self {
        Self {
            view,
            counts: HashMap::new(),
        }
    }

    /// With the numbers of machines that hypervisors and customers have.
    pub(super) fn counted(view: &'a View) -> Self {
        let mut counts = HashMap::new();
        for machine in view.machines.values().filter(|row| !row.removed) {
            let place = machine.hypervisor.map(|place| place.uuid());
            for uuid in place.into_iter().chain([machine.customer.uuid()]) {
                *counts.entry(uuid).or_default() += 1;
            }
        }
        Self { view, counts }
    }

    fn count(&self, uuid: Uuid) -> u32 {
        self.counts.get(&uuid).copied().unwrap_or_default()
    }

    fn hypervisor_name(&self, place: Strong<Hypervisor>) -> String {
        let row = self.view.hypervisors.get(&place.uuid());
        row.map(|row| row.name.to_string()).unwrap_or_default()
    }

    pub(super) fn customer_name(&self, customer: Strong<Customer>) -> String {
        let row = self.view.customers.get(&customer.uuid());
        row.map(|row| row.name.to_string()).unwrap_or_default()
    }

    fn machine_id(&self, machine: Strong<Machine>) -> u32 {
        let row = self.view.machines.get(&machine.uuid());
        row.map(|row| number(row)).unwrap_or_default()
    }

    pub(super) fn hypervisor(
        &self,
        uuid: Uuid,
        row: &Hypervisor,
        (link, reason): (v1::Link, String),
    ) -> v1::Hypervisor {
        v1::Hypervisor {
            name: row.name.to_string(),
            endpoint: row.endpoint.to_string(),
            tags: texts(&row.tags),
            enabled: row.enabled,
            held_by: row.held_by.map(unsigned).unwrap_or_default(),
            link: link.into(),
            reason,
            machines: self.count(uuid),
        }
    }

    pub(super) fn customer(&self, uuid: Uuid, row: &Customer) -> v1::Customer {
        v1::Customer {
            name: row.name.to_string(),
            enabled: row.enabled,
            machines: self.count(uuid),
        }
    }

    pub(super) fn machine(&self, row: &Machine) -> v1::Machine {
        let name = |place: Option<Strong<Hypervisor>>| {
            place
                .map(|place| self.hypervisor_name(place))
                .unwrap_or_default()
        };
        let departed = row.departed.iter();
        v1::Machine {
            machine_id: number(row),
            customer: self.customer_name(row.customer),
            hypervisor: name(row.hypervisor),
            leaving: name(row.leaving),
            departed: departed.map(|place| self.hypervisor_name(*place)).collect(),
            removed: row.removed,
            tags: texts(&row.tags),
            enabled: row.enabled,
            params: None,
            told: None,
            problem: String::new(),
        }
    }

    /// Whether a machine has to do with the hypervisor of this name, but for being forgotten there.
    pub(super) fn is_on(&self, row: &Machine, name: &str) -> bool {
        let mut places = row.hypervisor.iter().chain(&row.leaving);
        places.any(|place| self.hypervisor_name(*place) == name)
    }

    /// Adds what its hypervisor is told.
    pub(super) fn with_told(&self, shown: &mut v1::Machine, uuid: Uuid, row: &Machine) {
        let Some(place) = row.hypervisor else { return };
        match wanted(self.view, uuid, place.uuid()) {
            Ok(Wanted::Present(params)) => shown.told = Some((&*params).into()),
            Ok(Wanted::Absent | Wanted::Nothing) => {}
            Err(error) => shown.problem = error.text,
        }
    }

    pub(super) fn rule(&self, row: &RuleRow) -> v1::ScopedRule {
        let customer = row.customer.map(|customer| self.customer_name(customer));
        let tag = row.tag.as_ref().map(ToString::to_string);
        let scope = v1::Scope {
            machine_id: row
                .machine
                .map(|machine| self.machine_id(machine))
                .unwrap_or_default(),
            all: row.machine.is_none() && customer.is_none() && tag.is_none(),
            customer: customer.unwrap_or_default(),
            tag: tag.unwrap_or_default(),
        };
        let rule: Option<Rule> = serde_json::from_str(&row.rule).ok();
        v1::ScopedRule {
            scope: Some(scope),
            rule: rule.as_ref().map(Into::into),
        }
    }

    pub(super) fn floating(&self, row: &FloatingAddress) -> v1::FloatingAddress {
        v1::FloatingAddress {
            address: row.address.to_string(),
            customer: self.customer_name(row.customer),
            machine_id: row
                .machine
                .map(|machine| self.machine_id(machine))
                .unwrap_or_default(),
            card: row
                .card
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        }
    }
}

/// Adds the parameters of a machine.
pub(super) fn with_params(shown: &mut v1::Machine, row: &Machine) {
    match NetworkParams::from_json(row.parameters.as_bytes()) {
        Ok(params) => shown.params = Some((&params).into()),
        Err(error) => shown.problem = format!("its parameters: {error}"),
    }
}

/// An action without its results.
pub(super) fn action(row: &Action, numbers: Counts) -> v1::Action {
    let millis = u64::try_from(row.time).unwrap_or_default();
    let seconds = i64::try_from(millis / 1000).unwrap_or(i64::MAX);
    let nanos = i32::try_from(millis % 1000 * 1_000_000).unwrap_or_default();
    let words = row.request.iter();
    v1::Action {
        number: unsigned(row.number),
        time: Some(pbjson_types::Timestamp { seconds, nanos }),
        who: row.who.to_string(),
        what: row.what.to_string(),
        request: words
            .map(|(name, text)| (name.to_string(), text.to_string()))
            .collect(),
        policy: Some(policy(&row.policy)),
        state: state(row.state).into(),
        counts: Some(counts(row, numbers)),
        results: Vec::new(),
    }
}

pub(super) const fn state(state: ActionState) -> v1::ActionState {
    match state {
        ActionState::Running => v1::ActionState::Running,
        ActionState::Done => v1::ActionState::Done,
        ActionState::Stopped => v1::ActionState::Stopped,
    }
}

fn policy(map: &Map<Str, i64>) -> v1::Policy {
    let number = |name: &str| map.get(name).and_then(|it| u32::try_from(*it).ok());
    v1::Policy {
        parallel: number("parallel"),
        attempts: number("attempts"),
        stop_after: number("stop_after"),
        deadline_ms: number("deadline"),
        backoff_ms: number("backoff"),
        max_backoff_ms: number("max_backoff"),
    }
}

/// What came of an action on a hypervisor.
pub(super) fn result(row: &Action, hypervisor: &Str) -> v1::Result {
    let verdict = row.outcomes.get(hypervisor).map(|text| {
        // One that is not known was written by another version.
        Verdict::read(text).unwrap_or_else(|| Verdict::Away(text.to_string()))
    });
    let (state, reason) = match verdict {
        None => (v1::ResultState::Waiting, String::new()),
        Some(Verdict::Done) => (v1::ResultState::Done, String::new()),
        Some(Verdict::Away(reason)) => (v1::ResultState::Away, reason),
        Some(Verdict::Refused(reason)) => (v1::ResultState::Refused, reason),
        Some(Verdict::Held) => (v1::ResultState::Held, String::new()),
    };
    v1::Result {
        hypervisor: hypervisor.to_string(),
        state: state.into(),
        reason,
    }
}

pub(super) fn results(row: &Action) -> impl Iterator<Item = v1::Result> {
    row.hypervisors.iter().map(|name| result(row, name))
}

pub(super) fn counts(row: &Action, numbers: Counts) -> v1::Counts {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    v1::Counts {
        all: number(row.hypervisors.len()),
        waiting: number(numbers.waiting),
        telling: number(numbers.telling),
        done: number(numbers.done),
        failed: number(numbers.failed),
        held: number(numbers.held),
    }
}

fn number(row: &Machine) -> u32 {
    u32::try_from(row.number).unwrap_or_default()
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn texts(set: &[Str]) -> Vec<String> {
    set.iter().map(ToString::to_string).collect()
}

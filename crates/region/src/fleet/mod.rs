//! The fleet: what each hypervisor has, what it is to have, and who is told what now.
//!
//! Takes rows, and what the links to the hypervisors say; gives [`Order`]s for the shell around it. It must not know how
//! a hypervisor is reached or how a row is kept. Time is in milliseconds since any moment that stays the same.
//!
//! Invariants: a hypervisor is told one thing after the other, and only the difference between what it is to have and
//! what it has; one that an action has not reached yet is told nothing until the action's
//! [rollout](crate::rollout::Rollout) says so; a machine that has moved is forgotten where it was only when it is ready
//! where it went; when every link is up, nothing is refused and all rollouts are over,
//! every enabled hypervisor that no action holds has what it is to have.

mod course;
mod order;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use hvflow::params::NetworkParams;
use model::region::{Action, ActionState, Hypervisor};
use model::{Str, Table, Uuid};
use ovsdb::RowChange;

use crate::request::{About, Plan, Refused, Request};
use crate::rollout::{Counts, Outcome};
use crate::view::{Touched, View};
use course::Course;
pub use order::{Change, Order};

/// How long one that refused is left alone, in milliseconds, unless something else is wanted from it; it doubles with
/// each further refusal.
const REFUSED: u64 = 10_000;
/// How long at most.
const REFUSED_LONGEST: u64 = 300_000;
/// Why a link is down that was never up.
const NOT_YET: &str = "not connected yet";

/// What a hypervisor has: machines by their numbers, with their parameters if it knows them.
pub type Machines = BTreeMap<u32, Option<Arc<NetworkParams>>>;

/// All hypervisors.
#[derive(Debug, Default)]
pub struct Fleet {
    view: View,
    hosts: BTreeMap<Uuid, Host>,
    names: BTreeMap<Str, Uuid>,
    rollouts: BTreeMap<i64, Course>,
    /// Those to be looked at.
    ready: BTreeSet<Uuid>,
    /// How many are being told something that no rollout asked for.
    returning: usize,
    /// When hypervisors are to be looked at; some of these times mean nothing any more.
    timers: BTreeSet<(u64, Uuid)>,
    /// Those whom a rollout may wait for, and may do so no longer.
    arrived: BTreeSet<Uuid>,
    orders: VecDeque<Order>,
    next: u64,
}

/// How it is with the link to a hypervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState<'a> {
    /// Nothing is told to it.
    Disabled,
    /// Nobody knows yet whether it is there.
    Connecting,
    /// It cannot be reached, for this reason.
    Down(&'a str),
    /// It is there.
    Up {
        /// How many machines it has.
        machines: usize,
    },
}

/// A hypervisor.
#[derive(Debug)]
struct Host {
    row: Arc<Hypervisor>,
    link: Link,
    telling: Option<Telling>,
    /// When one that refused is told again.
    again: Option<u64>,
    /// How often in a row it has refused.
    refusals: u32,
    /// Machines that it has said it has forgotten. That it does not name one is not enough: it may be about to carry out
    /// what it was told long ago.
    forgotten: BTreeSet<u32>,
}

impl Host {
    fn new(row: Arc<Hypervisor>) -> Self {
        Self {
            row,
            link: Link::New,
            telling: None,
            again: None,
            refusals: 0,
            forgotten: BTreeSet::new(),
        }
    }
}

#[derive(Debug)]
enum Link {
    /// It was ordered, and nothing was heard of it yet.
    New,
    Down(String),
    /// What it has.
    Up(Machines),
}

/// What a hypervisor is being told.
#[derive(Debug)]
struct Telling {
    number: u64,
    changes: Vec<Change>,
    /// The rollout that it is told for, and the number of the attempt.
    course: Option<(i64, u32)>,
    deadline: u64,
    /// What cannot be told, because it makes no sense.
    wrong: Vec<String>,
    /// Whether it is told nothing yet, because its link is new or it would be too early.
    waits: bool,
}

impl Fleet {
    /// Drives what a view knows: actions under way go on, and of no hypervisor is known what it has.
    pub fn new(view: View, now: u64) -> Self {
        let touched = Touched {
            hypervisors: view.hypervisors.keys().copied().collect(),
            ..Touched::default()
        };
        let running = |action: &&Arc<Action>| action.state == ActionState::Running;
        let actions: Vec<_> = view.actions.values().filter(running).cloned().collect();
        let mut fleet = Self {
            view,
            ..Self::default()
        };
        fleet.follow_hosts(&touched);
        for action in actions {
            let course = fleet.course(&action, now);
            fleet.rollouts.insert(action.number, course);
        }
        fleet
    }

    /// What is known.
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// How to carry a request out.
    ///
    /// # Errors
    /// As [`Request::plan`].
    pub fn plan(
        &mut self,
        request: &Request,
        about: &About,
        new_uuid: &mut dyn FnMut() -> Uuid,
    ) -> Result<Plan, Refused> {
        request.plan(&mut self.view, about, new_uuid)
    }

    /// What is known, when nobody is driven any more.
    pub fn into_view(self) -> View {
        self.view
    }

    /// How it is with the link to a hypervisor, if there is one of that UUID.
    pub fn link_state(&self, hypervisor: Uuid) -> Option<LinkState<'_>> {
        let host = self.hosts.get(&hypervisor)?;
        Some(match &host.link {
            _ if !host.row.enabled => LinkState::Disabled,
            Link::New => LinkState::Connecting,
            Link::Down(reason) => LinkState::Down(reason),
            Link::Up(machines) => LinkState::Up {
                machines: machines.len(),
            },
        })
    }

    /// How far an action under way is: those alone that had not done it when this fleet began.
    pub fn counts(&self, action: i64) -> Option<Counts> {
        Some(self.rollouts.get(&action)?.counts())
    }

    /// Takes in what a transaction did to the rows; gives the texts of what is wrong with some of them.
    pub fn apply(&mut self, changes: &[RowChange], now: u64) -> Vec<String> {
        let (touched, wrong) = self.view.apply(changes);
        self.follow_hosts(&touched);
        for change in changes.iter().filter(|change| change.table == Action::NAME) {
            self.follow_action(change, now);
        }
        wrong.iter().map(ToString::to_string).collect()
    }

    fn follow_hosts(&mut self, touched: &Touched) {
        for uuid in &touched.hypervisors {
            let row = self.view.hypervisors.get(uuid).cloned();
            match (row, self.hosts.get_mut(uuid)) {
                (Some(row), None) => {
                    self.names.insert(row.name.clone(), *uuid);
                    let host = Host::new(Arc::clone(&row));
                    self.hosts.insert(*uuid, host);
                    self.link(&row);
                }
                (Some(row), Some(host)) => {
                    let former = std::mem::replace(&mut host.row, Arc::clone(&row));
                    host.again = None;
                    if (&former.endpoint, former.enabled) != (&row.endpoint, row.enabled) {
                        host.link = Link::New;
                        self.link(&row);
                    }
                }
                (None, Some(host)) => {
                    let name = host.row.name.clone();
                    let telling = host.telling.take();
                    self.returning -= usize::from(telling.is_some_and(|it| it.course.is_none()));
                    self.names.remove(&name);
                    self.hosts.remove(uuid);
                    self.orders.push_back(Order::Unlink { host: name });
                }
                (None, None) => {}
            }
            self.ready.insert(*uuid);
        }
    }

    fn link(&mut self, row: &Hypervisor) {
        let host = row.name.clone();
        self.orders.push_back(match row.enabled {
            true => Order::Link {
                host,
                endpoint: row.endpoint.clone(),
            },
            false => Order::Unlink { host },
        });
    }

    /// Begins, stops or forgets the rollout of an action.
    fn follow_action(&mut self, change: &RowChange, now: u64) {
        let action = self.view.actions.get(&change.uuid).cloned();
        let former = change
            .old
            .as_deref()
            .and_then(|row| Action::from_row(row).ok());
        let Some(number) = action
            .as_deref()
            .or(former.as_ref())
            .map(|action| action.number)
        else {
            return;
        };
        let course = self.rollouts.get_mut(&number);
        match action.as_deref().map(|action| (action, action.state)) {
            Some((action, ActionState::Running)) => {
                if course.is_none_or(|course| course.has_ended()) {
                    let course = self.course(action, now);
                    self.rollouts.insert(number, course);
                }
            }
            Some((_, ActionState::Stopped)) => course.into_iter().for_each(Course::stop),
            Some((_, ActionState::Done)) => {}
            None => drop(self.rollouts.remove(&number)),
        }
    }

    /// The rest of an action. Those that machines have left come last: they wait for those where the machines went.
    fn course(&self, action: &Action, now: u64) -> Course {
        let is_left = |name: &Str| {
            let host = self.names.get(name).copied();
            host.is_some_and(|host| {
                let mut machines = self.view.machines_on(host);
                machines.any(|(_, row)| row.departed.iter().any(|place| place.uuid() == host))
            })
        };
        let (left, others): (Vec<_>, Vec<_>) =
            action.hypervisors.iter().partition(|it| is_left(it));
        Course::of(action, others.into_iter().chain(left), now)
    }

    /// An [`Order::Record`] is in the database, and what it changed was applied.
    pub fn recorded(&mut self, action: i64) {
        if self.rollouts.get(&action).is_some_and(Course::has_ended)
            && let Some(course) = self.rollouts.remove(&action)
        {
            // Something else may be wanted from them, that waited for its end.
            let hosts = course.hosts().filter_map(|name| self.names.get(name));
            self.ready.extend(hosts.copied());
        }
    }

    /// A hypervisor is there, and has this.
    pub fn up(&mut self, host: &str, machines: Machines) {
        if let Some((uuid, host)) = self.host(host) {
            host.link = Link::Up(machines);
            host.again = None;
            self.ready.insert(uuid);
            self.arrived.insert(uuid);
            self.free_those_left(uuid);
        }
    }

    /// A hypervisor is not there.
    pub fn down(&mut self, host: &str, reason: String) {
        if let Some((uuid, host)) = self.host(host) {
            host.link = Link::Down(reason);
            self.arrived.insert(uuid);
        }
    }

    /// The first so many changes of an [`Order::Tell`] are carried out; and what came of it.
    pub fn told(&mut self, host: &str, number: u64, applied: usize, outcome: Outcome, now: u64) {
        let Some(uuid) = self.names.get(host).copied() else {
            return;
        };
        let Some(host) = self.hosts.get_mut(&uuid) else {
            return;
        };
        let Some(telling) = host.telling.take_if(|telling| telling.number == number) else {
            return;
        };
        for change in telling.changes.iter().take(applied) {
            match change {
                Change::Replace(params) => host.forgotten.remove(&params.droplet_id),
                Change::Remove(number) => host.forgotten.insert(*number),
            };
        }
        if let Link::Up(has) = &mut host.link {
            for change in telling.changes.into_iter().take(applied) {
                match change {
                    Change::Replace(params) => has.insert(params.droplet_id, Some(params)),
                    Change::Remove(number) => has.remove(&number),
                };
            }
        }
        match &outcome {
            Outcome::Done => host.refusals = 0,
            Outcome::Unreachable(reason) => host.link = Link::Down(reason.clone()),
            Outcome::Refused(_) => {
                let wait = REFUSED << host.refusals.min(16);
                let again = now + wait.min(REFUSED_LONGEST);
                host.refusals = host.refusals.saturating_add(1);
                host.again = Some(again);
                self.timers.insert((again, uuid));
            }
        }
        let row = Arc::clone(&host.row);
        if matches!(outcome, Outcome::Unreachable(_)) {
            // What it has done is not known: it is asked anew.
            self.link(&row);
        }
        let outcome = match outcome {
            Outcome::Done if !telling.wrong.is_empty() => {
                Outcome::Refused(telling.wrong.join("; "))
            }
            outcome => outcome,
        };
        self.heard(telling.course, &row.name, outcome, now);
        self.ready.insert(uuid);
        self.free_those_left(uuid);
    }

    /// The next thing to do, until there is none for now.
    pub fn poll(&mut self, now: u64) -> Option<Order> {
        if self.orders.is_empty() {
            self.pass_time(now);
            self.go_on_with_arrived(now);
            self.go_on_with_rollouts(now);
            self.go_on_with_others(now);
        }
        self.orders.pop_front()
    }

    /// When [`Fleet::poll`] has to be asked again at the latest.
    pub fn next_deadline(&self) -> Option<u64> {
        let courses = self.rollouts.values().filter_map(Course::next_deadline);
        let others = self.is_at_others().then_some(0);
        let timers = self.timers.first().map(|(at, _)| *at);
        courses.chain(timers).chain(others).min()
    }

    fn host(&mut self, name: &str) -> Option<(Uuid, &mut Host)> {
        let uuid = *self.names.get(name)?;
        Some((uuid, self.hosts.get_mut(&uuid)?))
    }
}

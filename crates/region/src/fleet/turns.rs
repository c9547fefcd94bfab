//! Who is told what now.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use model::Uuid;
use model::region::Machine;

use super::{Change, Fleet, Link, NOT_YET, Order, Telling};
use crate::rollout::{Outcome, Tell};
use crate::wanted::{Wanted, wanted};

/// How many hypervisors are told something at once beside rollouts: those that came back.
pub(super) const RETURNING: usize = 64;
/// How long a hypervisor that came back may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// How many hypervisors are looked at before others get their turn: each takes as long as it has machines.
pub(super) const LOOKED_AT: usize = 32;
/// Why a hypervisor that was left does not forget a machine.
const NOT_READY: &str = "a machine stays here until it is ready where it went";
/// For how much longer than it may take an answer is waited for, in milliseconds: the shell keeps the time too.
const GRACE: u64 = 1_000;

/// What is to be told to a hypervisor.
#[derive(Default)]
struct Task {
    changes: Vec<Change>,
    /// What cannot be told, because it makes no sense.
    wrong: Vec<String>,
    /// Whether it is to forget machines that are not ready yet where they went.
    too_early: bool,
}

impl Fleet {
    /// Gives up those that do not answer, and finds those that can be told again.
    pub(super) fn pass_time(&mut self, now: u64) {
        while let Some((at, uuid)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, uuid));
            let Some(host) = self.hosts.get_mut(&uuid) else {
                continue;
            };
            host.again = host.again.filter(|again| *again > now);
            let late = host.telling.take_if(|telling| telling.deadline <= now);
            if let Some(telling) = late {
                let row = Arc::clone(&host.row);
                let reason = match (telling.waits, &host.link) {
                    (true, Link::Up(_)) => NOT_READY,
                    _ => "no answer in time",
                };
                // One that waits for its link has one that is being set up.
                if !telling.waits {
                    host.link = Link::Down(reason.to_owned());
                    self.link(&row);
                }
                let reason = reason.to_owned();
                self.heard(telling.course, &row.name, Outcome::Unreachable(reason), now);
            }
            self.ready.insert(uuid);
        }
    }

    /// Takes note of what came of something told.
    pub(super) fn heard(
        &mut self,
        course: Option<(i64, u32)>,
        host: &str,
        outcome: Outcome,
        now: u64,
    ) {
        let Some((action, attempt)) = course else {
            self.returning -= 1;
            return;
        };
        if let Some(course) = self.rollouts.get_mut(&action) {
            course.heard(host, attempt, outcome, now);
        }
    }

    pub(super) fn go_on_with_rollouts(&mut self, now: u64) {
        let actions: Vec<i64> = self.rollouts.keys().copied().collect();
        for action in actions {
            while let Some(tell) = self.next_of(action, now) {
                self.tell_for(action, &tell, now);
            }
            let course = self.rollouts.get_mut(&action);
            self.orders
                .extend(course.and_then(|course| course.record(now)));
        }
    }

    fn next_of(&mut self, action: i64, now: u64) -> Option<Tell> {
        self.rollouts.get_mut(&action)?.poll(now)
    }

    /// Those that this one's machines have left may forget them when they are ready here.
    pub(super) fn free_those_left(&mut self, uuid: Uuid) {
        let machines = self.view.machines_on(uuid);
        let ours = machines.filter(|(_, row)| row.hypervisor.is_some_and(|at| at.uuid() == uuid));
        let left: Vec<Uuid> = ours
            .flat_map(|(_, row)| row.departed.iter().map(|place| place.uuid()))
            .collect();
        self.ready.extend(left.iter().copied());
        self.arrived.extend(left);
    }

    /// Tells those whom a rollout waits for: their link was new, or a machine was not ready where it went.
    pub(super) fn go_on_with_arrived(&mut self, now: u64) {
        for uuid in std::mem::take(&mut self.arrived) {
            let Some(host) = self.hosts.get_mut(&uuid) else {
                continue;
            };
            let waiting = host.telling.take_if(|telling| telling.waits);
            let Some((telling, (action, attempt))) =
                waiting.and_then(|telling| telling.course.map(|course| (telling, course)))
            else {
                continue;
            };
            let left = telling.deadline.saturating_sub(now);
            let tell = Tell {
                host: host.row.name.to_string(),
                attempt,
                deadline: Duration::from_millis(left),
            };
            self.tell_for(action, &tell, now);
        }
    }

    /// Tells a hypervisor what is wanted from it, for a rollout.
    fn tell_for(&mut self, action: i64, tell: &Tell, now: u64) {
        let course = Some((action, tell.attempt));
        let Some(uuid) = self.names.get(tell.host.as_str()).copied() else {
            let outcome = Outcome::Refused("there is no such hypervisor any more".to_owned());
            return self.heard(course, &tell.host, outcome, now);
        };
        if self.is_new(uuid) {
            let task = Task::default();
            return self.keep(uuid, task, course, tell.deadline, true, now);
        }
        let outcome = match self.task(uuid) {
            Err(outcome) => outcome,
            Ok(task) if !task.changes.is_empty() => {
                return self.tell(uuid, task, course, tell.deadline, now);
            }
            Ok(task) if task.too_early => {
                return self.keep(uuid, task, course, tell.deadline, true, now);
            }
            Ok(task) if task.wrong.is_empty() => Outcome::Done,
            Ok(task) => Outcome::Refused(task.wrong.join("; ")),
        };
        self.ready.insert(uuid);
        self.heard(course, &tell.host, outcome, now);
    }

    /// Tells those what is wanted from them whom no rollout has.
    pub(super) fn go_on_with_others(&mut self, now: u64) {
        for _ in 0..LOOKED_AT {
            if !self.is_at_others() {
                return;
            }
            let Some(uuid) = self.ready.pop_first() else {
                return;
            };
            let Some(host) = self.hosts.get(&uuid) else {
                continue;
            };
            let name = host.row.name.as_str();
            // Each of these puts it back when it ends.
            let waits = host.telling.is_some()
                || host.again.is_some()
                || self.rollouts.values().any(|course| course.has(name));
            if waits {
                continue;
            }
            if let Ok(task) = self.task(uuid)
                && !task.changes.is_empty()
            {
                self.returning += 1;
                self.tell(uuid, task, None, DEADLINE, now);
            }
        }
    }

    /// Whether there are some to be looked at whom no rollout has, and room for them.
    pub(super) fn is_at_others(&self) -> bool {
        self.returning < RETURNING && !self.ready.is_empty()
    }

    /// Whether a hypervisor could be told something, if it were known whether it is there.
    fn is_new(&self, uuid: Uuid) -> bool {
        self.hosts.get(&uuid).is_some_and(|host| {
            let may_be_told = host.row.enabled && host.row.held_by.is_none();
            may_be_told && host.telling.is_none() && matches!(host.link, Link::New)
        })
    }

    fn tell(
        &mut self,
        uuid: Uuid,
        task: Task,
        course: Option<(i64, u32)>,
        deadline: Duration,
        now: u64,
    ) {
        let Some(host) = self.hosts.get(&uuid) else {
            return;
        };
        self.orders.push_back(Order::Tell {
            host: host.row.name.clone(),
            number: self.next,
            changes: task.changes.clone(),
            deadline,
        });
        self.keep(uuid, task, course, deadline, false, now);
    }

    /// Notes what a hypervisor is being told, or is to be told when its link is up or known to be down.
    fn keep(
        &mut self,
        uuid: Uuid,
        Task { changes, wrong, .. }: Task,
        course: Option<(i64, u32)>,
        deadline: Duration,
        waits: bool,
        now: u64,
    ) {
        let number = self.next;
        self.next += 1;
        let Some(host) = self.hosts.get_mut(&uuid) else {
            return;
        };
        // Nobody else keeps the time of one that waits.
        let grace = if waits { 0 } else { GRACE };
        let deadline = now + u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX) + grace;
        self.timers.insert((deadline, uuid));
        host.telling = Some(Telling {
            number,
            changes,
            course,
            deadline,
            wrong,
            waits,
        });
    }

    /// What a hypervisor is to be told, or why it cannot be told anything.
    fn task(&mut self, uuid: Uuid) -> Result<Task, Outcome> {
        let Some(host) = self.hosts.get(&uuid) else {
            return Err(Outcome::Refused(
                "there is no such hypervisor any more".to_owned(),
            ));
        };
        if !host.row.enabled {
            return Err(Outcome::Refused("it is disabled".to_owned()));
        }
        if let Some(action) = host.row.held_by {
            return Err(Outcome::Refused(format!("action {action} holds it")));
        }
        if host.telling.is_some() {
            return Err(Outcome::Unreachable(
                "it is busy with something else".to_owned(),
            ));
        }
        let has = match &host.link {
            Link::Up(has) => has,
            Link::New => return Err(Outcome::Unreachable(NOT_YET.to_owned())),
            Link::Down(reason) => return Err(Outcome::Unreachable(reason.clone())),
        };
        let (mut changes, mut wrong, mut too_early) = (Vec::new(), Vec::new(), false);
        for (machine, row) in self.view.machines_on(uuid) {
            let number = u32::try_from(row.number).unwrap_or(u32::MAX);
            match wanted(&self.view, machine, uuid) {
                Err(error) => wrong.push(error.to_string()),
                Ok(Wanted::Nothing) => {}
                Ok(Wanted::Present(params)) => {
                    if has.get(&number).and_then(Option::as_deref) != Some(&*params) {
                        changes.push(Change::Replace(Arc::from(params)));
                    }
                }
                Ok(Wanted::Absent)
                    if has.contains_key(&number) || !host.forgotten.contains(&number) =>
                {
                    match self.is_ready(machine, row) {
                        true => changes.push(Change::Remove(number)),
                        false => too_early = true,
                    }
                }
                Ok(Wanted::Absent) => self.orders.push_back(Order::Forgotten {
                    machine,
                    hypervisor: uuid,
                }),
            }
        }
        let numbers = self.view.machines_on(uuid).map(|(_, row)| row.number);
        let known: BTreeSet<i64> = numbers.collect();
        if let Some(host) = self.hosts.get_mut(&uuid) {
            host.forgotten
                .retain(|number| known.contains(&i64::from(*number)));
        }
        // First room is made: an address may go from one machine to another.
        changes.sort_by_key(|change| matches!(change, Change::Replace(_)));
        Ok(Task {
            changes,
            wrong,
            too_early,
        })
    }

    /// Whether a machine is as it should be where it is, if it is to be anywhere.
    fn is_ready(&self, uuid: Uuid, row: &Machine) -> bool {
        let Some(place) = row.hypervisor else {
            return true;
        };
        let link = self.hosts.get(&place.uuid()).map(|host| &host.link);
        let Some(Link::Up(has)) = link else {
            return false;
        };
        let number = u32::try_from(row.number).unwrap_or(u32::MAX);
        match (wanted(&self.view, uuid, place.uuid()), has.get(&number)) {
            (Ok(Wanted::Present(params)), Some(Some(has))) => *params == **has,
            _ => false,
        }
    }
}

//! From a request to what it would change.

use std::collections::BTreeMap;

use hvflow::cookie::Selection;
use hvflow::params::{InterfaceType, NetworkParams};
use hvflow::{Commit, CommitError, Installed, Transaction};
use openflow::sync::Mod;

use super::keys::{self, Answer};
use super::machine::{added, disabled, present, waiting, wrong};
use super::outcomes::{Event, Kind};
use super::{Core, LEAVING, MACHINES, MOST_MACHINES, Reason, Refusal, Request};
use crate::store::Write;

/// What becomes of a request.
#[derive(Debug)]
pub enum Decision {
    /// It was carried out before; this was the answer.
    Done(Answer),
    /// This is to be done.
    Do(Box<Plan>),
}

/// What a request changes.
#[derive(Debug)]
pub struct Plan {
    /// What is to be written down first.
    pub writes: Vec<Write>,
    /// What takes that back.
    pub undo: Vec<Write>,
    /// What the switch is told.
    pub commit: Commit,
    /// The answer.
    pub answer: Answer,
    kind: Kind,
    machine: Option<u32>,
    /// What machines are after it; nothing for one that goes.
    machines: BTreeMap<u32, Option<NetworkParams>>,
    key: Option<(String, String)>,
    caller: String,
    time: u64,
}

/// Who asks, and when.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Who.
    pub caller: String,
    /// The idempotency key and what stands for the request, if there is a key.
    pub key: Option<(String, String)>,
    /// When, in milliseconds since 1970.
    pub now: u64,
}

impl Core {
    /// What a request would change.
    ///
    /// # Errors
    /// Why it is refused. A refusal because the switch is away comes last, so that what is wrong is said first.
    pub fn plan(&self, request: &Request, asked: &Asked) -> Result<Decision, Refusal> {
        if let Some((key, stands_for)) = &asked.key
            && let Some(answer) = self.keys.look(key, stands_for)?
        {
            return Ok(Decision::Done(answer));
        }
        let mut draft = Draft {
            transaction: Transaction::new(&self.host, &self.ports),
            machines: BTreeMap::new(),
            waiting: Vec::new(),
        };
        let (kind, machine) = match request {
            Request::Add(params, only) => {
                params.check().map_err(|problems| wrong(&problems))?;
                let all = added(self.machines.get(&params.droplet_id), params, *only)?;
                self.put(&mut draft, all)?;
                (Kind::Added, Some(params.droplet_id))
            }
            Request::Replace(params) => {
                params.check().map_err(|problems| wrong(&problems))?;
                self.put(&mut draft, params.clone())?;
                (Kind::Replaced, Some(params.droplet_id))
            }
            Request::Remove(number, allow_missing) => {
                self.take(&mut draft, *number, *allow_missing)?;
                (Kind::Removed, Some(*number))
            }
            Request::Disable(number, only) => {
                self.disable(&mut draft, *number, *only)?;
                (Kind::Disabled, Some(*number))
            }
            Request::DisableAll => {
                for view in self.views(0) {
                    self.disable(&mut draft, view.machine, None)?;
                }
                (Kind::Disabled, None)
            }
        };
        let mut commit = draft
            .transaction
            .commit(self.installed()?)
            .map_err(|e| conflict(&e))?;
        let (add, delete) = commit.count();
        if let Request::Remove(number, _) = request {
            // Also what somebody else has installed meanwhile in the machine's name.
            let all = Selection::Machine(*number).delete();
            commit.bundle.push(Mod::Flow(Box::new(all)));
        }
        let mut plan = Plan {
            writes: Vec::new(),
            undo: Vec::new(),
            commit,
            answer: Answer {
                sequence: self.outcomes.last() + 1,
                added: u32::try_from(add).unwrap_or(u32::MAX),
                deleted: u32::try_from(delete).unwrap_or(u32::MAX),
                waiting: draft.waiting,
            },
            kind,
            machine,
            machines: draft.machines,
            key: asked.key.clone(),
            caller: asked.caller.clone(),
            time: asked.now,
        };
        self.finish(&mut plan);
        Ok(Decision::Do(Box::new(plan)))
    }

    fn installed(&self) -> Result<&Installed, Refusal> {
        self.installed.as_ref().ok_or_else(|| {
            let text = "the switch is not connected, or is still being read; nothing has changed";
            Refusal::new(Reason::Unavailable, text)
        })
    }

    /// A machine becomes this.
    fn put(&self, draft: &mut Draft<'_>, params: NetworkParams) -> Result<(), Refusal> {
        let number = params.droplet_id;
        if !self.machines.contains_key(&number) && self.machines.len() >= MOST_MACHINES {
            let text = format!("there are {MOST_MACHINES} machines already, which is the most");
            return Err(Refusal::new(Reason::Full, text));
        }
        // Without the switch nothing is known of its ports, and the cards would seem to wait for theirs.
        self.installed()?;
        let present = present(&self.ports, &params);
        draft
            .transaction
            .set(&present)
            .map_err(|problems| wrong(&problems))?;
        draft.waiting.extend(waiting(&self.ports, &params));
        draft.machines.insert(number, Some(params));
        Ok(())
    }

    /// A machine goes, with every flow that bears its number.
    fn take(&self, draft: &mut Draft<'_>, number: u32, allow_missing: bool) -> Result<(), Refusal> {
        if number == 0 {
            return Err(Refusal::field(
                Reason::Invalid,
                "machine_id",
                "0 is no machine's number",
            ));
        }
        self.installed()?;
        if self.view(number).is_none() && !allow_missing {
            return Err(no_machine(number));
        }
        draft.transaction.disable_machine(number);
        draft.machines.insert(number, None);
        Ok(())
    }

    fn disable(
        &self,
        draft: &mut Draft<'_>,
        number: u32,
        only: Option<InterfaceType>,
    ) -> Result<(), Refusal> {
        if let Some(params) = self.machines.get(&number) {
            return self.put(draft, disabled(params, only));
        }
        self.installed()?;
        if self.view(number).is_none() {
            return Err(no_machine(number));
        }
        // Only its flows are known, and their cookies tell the types of interfaces.
        match only {
            Some(only) => draft.transaction.disable(number, only),
            None => draft.transaction.disable_machine(number),
        }
        Ok(())
    }

    /// What is to be written down, and what takes it back.
    fn finish(&self, plan: &mut Plan) {
        for (&number, params) in &plan.machines {
            let before = match self.machines.get(&number) {
                Some(params) => document(params),
                None => self.leaving.contains(&number).then(|| LEAVING.to_owned()),
            };
            let after = params
                .as_ref()
                .map_or_else(|| Some(LEAVING.to_owned()), document);
            plan.undo.push(machine_write(number, before));
            plan.writes.push(machine_write(number, after));
        }
        if let Some((key, request)) = &plan.key {
            plan.undo.push(keys::write(key, None));
            let remember = self.keys.writes(key, request, plan.time, &plan.answer);
            plan.writes.extend(remember);
        }
        // What has left by now need not be remembered any longer.
        let left = self.leaving.iter().copied();
        let left: Vec<u32> = left
            .filter(|number| !plan.machines.contains_key(number))
            .collect();
        plan.writes.extend(self.swept(left));
    }

    /// The plan is in force.
    pub fn done(&mut self, plan: Plan) -> Answer {
        self.leaving.clear();
        for (number, params) in plan.machines {
            match params {
                Some(params) => _ = self.machines.insert(number, params),
                None => {
                    self.machines.remove(&number);
                    self.leaving.insert(number);
                }
            }
        }
        if let Some(installed) = &mut self.installed {
            installed.apply(&plan.commit);
        }
        let sequence = self.outcomes.push(Event {
            sequence: 0,
            time: plan.time,
            kind: plan.kind,
            machine: plan.machine,
            added: plan.answer.added,
            deleted: plan.answer.deleted,
            caller: plan.caller,
            error: String::new(),
        });
        let answer = Answer {
            sequence,
            ..plan.answer
        };
        if let Some((key, request)) = plan.key {
            self.keys
                .remember(&key, &request, plan.time, answer.clone());
        }
        answer
    }

    /// A request was refused, by us or by the switch.
    pub fn refused(&mut self, request: &Request, asked: &Asked, error: &str) {
        self.outcomes.push(Event {
            sequence: 0,
            time: asked.now,
            kind: Kind::Refused,
            machine: request.machine(),
            added: 0,
            deleted: 0,
            caller: asked.caller.clone(),
            error: error.to_owned(),
        });
    }
}

/// What a request comes to so far.
struct Draft<'a> {
    transaction: Transaction<'a>,
    machines: BTreeMap<u32, Option<NetworkParams>>,
    waiting: Vec<String>,
}

fn no_machine(number: u32) -> Refusal {
    Refusal::field(
        Reason::NotFound,
        "machine_id",
        format!("there is no machine {number}"),
    )
}

/// Why a transaction comes to nothing.
fn conflict(error: &CommitError) -> Refusal {
    match error {
        CommitError::Conflict { .. } => Refusal::field(Reason::Exists, "vnics", error.to_string()),
        CommitError::Host(_) => Refusal::new(Reason::Unavailable, error.to_string()),
    }
}

fn document(params: &NetworkParams) -> Option<String> {
    serde_json::to_string(params).ok()
}

fn machine_write(number: u32, document: Option<String>) -> Write {
    Write {
        table: MACHINES,
        key: number.to_string(),
        document,
    }
}

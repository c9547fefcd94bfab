//! Transactions of the driver, one at a time: what somebody asks for, and what comes of telling hypervisors.
//!
//! Each is made of the rows that the one before has left.

use std::pin::Pin;
use std::time::Duration;

use ovsdb::client::TransactError;
use ovsdb::{ErrorKind, Operation, RowChange};
use server::operations;
use tokio::time::Instant;
use transport::ovsdb::TransactResult;

use super::Driver;
use crate::engine::LOCK;
use crate::engine::answer::{Answer, Refusal, RefusalKind, edited};
use crate::engine::handle::{self, Job};
use crate::engine::pending::Pending;
use crate::fleet::Fleet;
use crate::request::{Plan, Request};

/// How long to wait after a transaction failed.
const RETRY: Duration = Duration::from_secs(1);
/// How often a request is planned that others are in the way of.
const TRIES: usize = 8;

/// A transaction on its way to its end.
type Transaction = Pin<Box<dyn Future<Output = TransactResult> + Send>>;

/// A transaction under way, and what it is for.
pub(super) struct Writing {
    result: Transaction,
    what: Written,
}

pub(super) enum Written {
    /// What came of telling hypervisors, in the so many-th time that this service leads.
    Pending(Pending, u64),
    /// What somebody asks for, and how often it was tried.
    Asked(Job, Answer, usize),
}

impl Driver {
    /// Begins a transaction: it is carried out only if this service leads and the rows are as these changes say.
    fn begin(&self, changes: &[RowChange]) -> Transaction {
        let mut all = vec![Operation::Assert { lock: LOCK.into() }];
        all.extend(operations::of_expectations(&self.schema, changes));
        all.extend(operations::of_changes(&self.schema, changes));
        Box::pin(self.subscription.begin(all))
    }

    pub(super) fn write_pending(&mut self) {
        let may = self.leads && self.writing.is_none() && self.retry.is_none();
        if !may || self.pending.is_empty() {
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        let changes = pending.changes(self.state().view());
        if changes.is_empty() {
            return self.recorded(&pending);
        }
        self.writing = Some(Writing {
            result: self.begin(&changes),
            what: Written::Pending(pending, self.era),
        });
    }

    fn recorded(&self, pending: &Pending) {
        let mut state = self.state();
        if let Some(fleet) = state.fleet() {
            pending.actions().for_each(|action| fleet.recorded(action));
        }
    }

    /// Plans what somebody asks for, for the so many-th time, and begins to write it.
    pub(super) fn carry_out(&mut self, job: Job, tries: usize) {
        if job.reply.is_closed() {
            return;
        }
        match self.prepare(&job) {
            Ok(Ok((plan, answer))) => {
                self.writing = Some(Writing {
                    result: self.begin(&plan.changes),
                    what: Written::Asked(job, answer, tries),
                });
            }
            // Who asked may be gone.
            Ok(Err(answer)) => drop(job.reply.send(Ok(answer))),
            Err(refusal) => drop(job.reply.send(Err(refusal))),
        }
    }

    /// The inner error is an answer that was given before.
    fn prepare(&self, job: &Job) -> Result<Result<(Plan, Answer), Answer>, Refusal> {
        let mut state = self.state();
        if !self.leads {
            return Err(Refusal::not_leader(state.lead()));
        }
        if let Some(earlier) = handle::earlier(&state, &job.ask)? {
            return Ok(Err(earlier));
        }
        if let (Request::Resume { action }, Some(fleet)) = (&job.ask.request, state.fleet()) {
            check_resume(fleet, *action)?;
        }
        let plan = handle::plan(&mut state, &job.ask)?;
        let answer = Answer {
            action: Some(plan.action),
            hypervisors: plan.hypervisors.clone(),
            edited: edited(state.view(), &plan.changes),
            repeated: false,
        };
        Ok(Ok((plan, answer)))
    }

    /// A transaction has ended.
    pub(super) fn written(&mut self, (what, result): (Written, TransactResult)) {
        // What it has done is among the events already.
        while let Some(event) = self.subscription.try_next() {
            self.event(event);
        }
        match (what, result) {
            (Written::Pending(pending, _), Ok(_)) => self.recorded(&pending),
            (Written::Pending(pending, era), Err(error)) => {
                // What another has done since then is newer.
                if self.leads && era == self.era {
                    tracing::warn!(target: "region", "what came of actions is not written yet: {error}");
                    self.pending.put_back(pending);
                    self.retry = Some(Instant::now() + RETRY);
                }
            }
            (Written::Asked(job, answer, _), Ok(_)) => {
                tracing::info!(
                    target: "region", "{}: {}: action {}",
                    job.ask.who, job.ask.request.name(), answer.action.unwrap_or_default()
                );
                // Who asked may be gone.
                let _ = job.reply.send(Ok(answer));
            }
            (Written::Asked(job, _, tries), Err(error)) => self.not_written(job, tries, &error),
        }
    }

    fn not_written(&mut self, job: Job, tries: usize, error: &TransactError) {
        let refusal = match Failure::of(error) {
            Failure::NotOwner => Refusal::not_leader(self.state().lead()),
            Failure::Overtaken if tries < TRIES => return self.carry_out(job, tries + 1),
            Failure::Overtaken => Refusal::new(
                RefusalKind::Conflict,
                format!("others change the same at the same time; ask again: {error}"),
            ),
            Failure::Other => Refusal::of_database(error),
        };
        // Who asked may be gone.
        let _ = job.reply.send(Err(refusal));
    }
}

/// What a failed transaction means.
enum Failure {
    /// Another service has the lock.
    NotOwner,
    /// The rows were not what they were expected to be.
    Overtaken,
    Other,
}

impl Failure {
    fn of(error: &TransactError) -> Self {
        let kinds = [ErrorKind::Constraint, ErrorKind::ReferentialIntegrity];
        match error {
            TransactError::Refused { error, .. } if *error == ErrorKind::NotOwner.tag() => {
                Self::NotOwner
            }
            TransactError::Refused { error: tag, .. }
                if error.is_conflict() || kinds.iter().any(|kind| tag == kind.tag()) =>
            {
                Self::Overtaken
            }
            _ => Self::Other,
        }
    }
}

/// An action that was stopped a moment ago may still have hypervisors that are being told: it cannot go on before its
/// end is written down.
fn check_resume(fleet: &Fleet, action: i64) -> Result<(), Refusal> {
    if fleet.counts(action).is_none() {
        return Ok(());
    }
    let text = "some hypervisors are still being told; try again when it has stopped";
    let what = format!("action {action}");
    Err(Refusal::of(RefusalKind::Conflict, what, text))
}

/// The end of the transaction under way; pending while there is none.
pub(super) async fn finished(writing: &mut Option<Writing>) -> (Written, TransactResult) {
    let Some(under_way) = writing else {
        return std::future::pending().await;
    };
    let result = under_way.result.as_mut().await;
    match writing.take() {
        Some(Writing { what, .. }) => (what, result),
        None => std::future::pending().await,
    }
}

//! The one task that owns the state: rows in, orders of the fleet out, and one transaction at a time.
//!
//! While a transaction is under way everything else goes on; the next one is made of the rows that it has left.

use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{Str, region};
use ovsdb::client::TransactError;
use ovsdb::{DatabaseSchema, Operation, RowChange};
use server::{Subscription, operations};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use transport::ovsdb::{Event, TransactResult};

use super::LOCK;
use super::answer::{Answer, Refusal, RefusalKind, edited};
use super::handle::{self, Job};
use super::link::{Happening, What};
use super::links::Links;
use super::pending::Pending;
use super::state::State;
use crate::fleet::{Fleet, Order};
use crate::request::{Plan, Request};

/// How long to wait after a transaction failed.
const RETRY: Duration = Duration::from_secs(1);
/// How often a request is planned that others are in the way of.
const TRIES: usize = 8;

/// What comes in.
pub(super) struct Inputs {
    pub(super) jobs: mpsc::Receiver<Job>,
    pub(super) happened: mpsc::Receiver<Happening>,
    pub(super) ended: watch::Receiver<bool>,
}

/// Who is told of news.
pub(super) struct Outputs {
    pub(super) news: watch::Sender<u64>,
    /// Whether all rows are there.
    pub(super) complete: watch::Sender<bool>,
}

/// A transaction on its way to its end.
type Transaction = Pin<Box<dyn Future<Output = TransactResult> + Send>>;

/// A transaction under way, and what it is for.
struct Writing {
    result: Transaction,
    what: Written,
}

enum Written {
    /// What came of telling hypervisors.
    Pending(Pending),
    /// What somebody asks for, and how often it was tried.
    Asked(Job, Answer, usize),
}

pub(super) struct Driver {
    name: Str,
    subscription: Subscription,
    schema: DatabaseSchema,
    state: Arc<RwLock<State>>,
    links: Links,
    inputs: Inputs,
    outputs: Outputs,
    /// From when the fleet's time counts.
    start: Instant,
    complete: bool,
    holds_lock: bool,
    leads: bool,
    pending: Pending,
    writing: Option<Writing>,
    /// Not before then is anything pending written.
    retry: Option<Instant>,
}

impl Driver {
    pub(super) fn new(
        name: Str,
        subscription: Subscription,
        state: Arc<RwLock<State>>,
        links: Links,
        inputs: Inputs,
        outputs: Outputs,
    ) -> Self {
        Self {
            name,
            subscription,
            schema: region::schema(),
            state,
            links,
            inputs,
            outputs,
            start: Instant::now(),
            complete: false,
            holds_lock: false,
            leads: false,
            pending: Pending::default(),
            writing: None,
            retry: None,
        }
    }

    /// Runs until it is told to end, or the database has ended.
    pub(super) async fn run(mut self) {
        loop {
            let wake = self.carry_out_orders();
            self.write_pending();
            self.outputs.news.send_modify(|news| *news += 1);
            tokio::select! {
                // What is durable comes first: nothing is asked or told on rows that are older than known.
                biased;
                () = ended(&mut self.inputs.ended) => break,
                event = self.subscription.next() => match event {
                    Some(event) => self.event(event),
                    None => break,
                },
                result = finished(&mut self.writing) => self.written(result),
                Some(happening) = self.inputs.happened.recv() => self.happened(happening),
                // One that does not lead refuses at once.
                Some(job) = self.inputs.jobs.recv(), if self.writing.is_none() => self.carry_out(job, 1),
                () = sleep_until(wake) => {}
                () = sleep_until(self.retry) => self.retry = None,
            }
        }
        self.links.clear();
    }

    fn state(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the start.
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Changes(changes) => self.apply(&changes),
            Event::Connected => self.complete = true,
            Event::Disconnected => self.complete = false,
            Event::LockAcquired => self.holds_lock = true,
            Event::LockLost => self.holds_lock = false,
            Event::ConditionsApplied => {}
        }
        self.outputs.complete.send_if_modified(|complete| {
            std::mem::replace(complete, self.complete) != self.complete
        });
        self.decide_who_leads();
    }

    fn apply(&self, changes: &[RowChange]) {
        let now = self.now();
        for wrong in self.state().apply(changes, now) {
            tracing::error!(target: "region", "a row is left out: {wrong}");
        }
    }

    fn decide_who_leads(&mut self) {
        let leads = self.complete && self.holds_lock;
        if std::mem::replace(&mut self.leads, leads) == leads {
            return;
        }
        let now = self.now();
        if leads {
            tracing::info!(target: "region", "this service leads now");
            self.state().begin(now);
            self.pending.lead(self.name.clone(), wall());
        } else {
            tracing::warn!(target: "region", "this service leads no longer");
            self.links.clear();
            self.state().end();
            self.pending = Pending::default();
        }
    }

    /// Does what the fleet wants; gives the time at which it is to be asked again.
    fn carry_out_orders(&mut self) -> Option<Instant> {
        let (state, now) = (Arc::clone(&self.state), self.now());
        let mut state = state.write().unwrap_or_else(PoisonError::into_inner);
        let fleet = state.fleet()?;
        while let Some(order) = fleet.poll(now) {
            self.carry_out_order(order);
        }
        let at = fleet.next_deadline()?;
        self.start.checked_add(Duration::from_millis(at))
    }

    fn carry_out_order(&mut self, order: Order) {
        match order {
            Order::Link { host, endpoint } => self.links.link(host, endpoint),
            Order::Unlink { host } => self.links.unlink(&host),
            Order::Tell {
                host,
                number,
                changes,
                deadline,
            } => self.links.tell(&host, number, changes, deadline),
            Order::Record {
                action,
                state,
                outcomes,
                held,
            } => self.pending.record(action, state, outcomes, held),
            Order::Forgotten {
                machine,
                hypervisor,
            } => self.pending.forgotten(machine, hypervisor),
        }
    }

    fn happened(&mut self, happening: Happening) {
        if !self.links.note(&happening) {
            return;
        }
        let now = self.now();
        let Happening { host, what, .. } = happening;
        let mut state = self.state();
        let Some(fleet) = state.fleet() else { return };
        match what {
            What::Up(machines, _) => {
                tracing::debug!(target: "region", "{host}: connected");
                fleet.up(&host, machines);
            }
            What::Down(reason) => {
                tracing::info!(target: "region", "{host}: {reason}");
                fleet.down(&host, reason);
            }
            What::Told(number, applied, outcome) => {
                fleet.told(&host, number, applied, outcome, now);
            }
        }
    }

    /// Begins a transaction: it is carried out only if this service leads and the rows are as these changes say.
    fn begin(&self, changes: &[RowChange]) -> Transaction {
        let mut all = vec![Operation::Assert { lock: LOCK.into() }];
        all.extend(operations::of_expectations(&self.schema, changes));
        all.extend(operations::of_changes(&self.schema, changes));
        Box::pin(self.subscription.begin(all))
    }

    fn write_pending(&mut self) {
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
            what: Written::Pending(pending),
        });
    }

    fn recorded(&self, pending: &Pending) {
        let mut state = self.state();
        if let Some(fleet) = state.fleet() {
            pending.actions().for_each(|action| fleet.recorded(action));
        }
    }

    /// Plans what somebody asks for, for the so many-th time, and begins to write it.
    fn carry_out(&mut self, job: Job, tries: usize) {
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
            let leader = state.leader().filter(|leader| *leader != self.name);
            return Err(Refusal::not_leader(leader.as_deref()));
        }
        if let Some(earlier) = handle::earlier(&state, &job.ask)? {
            return Ok(Err(earlier));
        }
        if let (Request::Resume { action }, Some(fleet)) = (&job.ask.request, state.fleet()) {
            check_resume(fleet, *action)?;
        }
        let plan = handle::plan(&state, &job.ask)?;
        let answer = Answer {
            action: Some(plan.action),
            hypervisors: plan.hypervisors.clone(),
            edited: edited(state.view(), &plan.changes),
            repeated: false,
        };
        Ok(Ok((plan, answer)))
    }

    /// A transaction has ended.
    fn written(&mut self, (what, result): (Written, TransactResult)) {
        // What it has done is among the events already.
        while let Some(event) = self.subscription.try_next() {
            self.event(event);
        }
        match (what, result) {
            (Written::Pending(pending), Ok(_)) => self.recorded(&pending),
            (Written::Pending(pending), Err(error)) => {
                if self.leads {
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
            Failure::NotOwner => {
                let leader = self.state().leader().filter(|leader| *leader != self.name);
                Refusal::not_leader(leader.as_deref())
            }
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
        use ovsdb::ErrorKind;
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
async fn finished(writing: &mut Option<Writing>) -> (Written, TransactResult) {
    let Some(under_way) = writing else {
        return std::future::pending().await;
    };
    let result = under_way.result.as_mut().await;
    match writing.take() {
        Some(Writing { what, .. }) => (what, result),
        None => std::future::pending().await,
    }
}

/// Milliseconds since 1970.
pub(super) fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

/// Waits for the end; whoever could say so may be gone, and that is one, too.
async fn ended(end: &mut watch::Receiver<bool>) {
    drop(end.wait_for(|end| *end).await);
}

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

//! The one task that owns the state: rows in, orders of the fleet out, and one transaction at a time.
//!
//! While a transaction is under way everything else goes on; the next one is made of the rows that it has left.

mod writing;

use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{Str, region};
use ovsdb::{DatabaseSchema, RowChange};
use server::Subscription;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use transport::ovsdb::Event;

use super::handle::Job;
use super::link::{Happening, What};
use super::links::Links;
use super::pending::Pending;
use super::state::State;
use crate::fleet::Order;
use writing::{Writing, finished};

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
    /// How often it has begun to lead.
    era: u64,
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
            era: 0,
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
                Some(job) = self.inputs.jobs.recv(), if self.writing.is_none() || !self.leads => {
                    self.carry_out(job, 1);
                }
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
            self.era += 1;
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

//! The task that owns the compiler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use compiler::{Compiler, Output};
use daemon::Shutdown;
use model::{Table, nb, sb};
use ovsdb::client::TransactError;
use ovsdb::{DatabaseSchema, Operation, RowChange};
use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tokio::time::Instant;
use transport::ovsdb::Event;

use super::commands::{Command, Status};
use super::progress::{self, Sequence};
use super::source::Source;
use super::view::View;
use super::{LOCK, write_backs};
use crate::operations;

/// How long to wait after a failed commit.
const RETRY: Duration = Duration::from_secs(1);

/// Which database an event came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Northbound,
    Southbound,
}

pub(super) struct Driver {
    northbound: Source,
    southbound: Source,
    nb: View,
    sb: View,
    sb_schema: DatabaseSchema,
    /// None when it is in doubt what the Southbound holds.
    compiler: Option<Compiler>,
    sequence: Sequence,
    holds_lock: bool,
    /// Whether something changed since the last run.
    dirty: bool,
    /// Not before then is anything compiled.
    retry: Option<Instant>,
    runs: u64,
    /// How many changes by others were undone.
    repairs: usize,
    status: Arc<Status>,
    commands: mpsc::Receiver<Command>,
}

impl Driver {
    pub(super) fn new(
        northbound: Source,
        southbound: Source,
        status: Arc<Status>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        Self {
            northbound,
            southbound,
            nb: View::default(),
            sb: View::default(),
            sb_schema: sb::schema(),
            compiler: None,
            sequence: Sequence::default(),
            holds_lock: false,
            dirty: false,
            retry: None,
            runs: 0,
            repairs: 0,
            status,
            commands,
        }
    }

    /// Runs until the shutdown, or until a database is gone for good.
    pub(super) async fn run(mut self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                event = self.northbound.next() => {
                    let Some(event) = event else { return };
                    self.event(Side::Northbound, event);
                }
                event = self.southbound.next() => {
                    let Some(event) = event else { return };
                    self.event(Side::Southbound, event);
                }
                Some(command) = self.commands.recv() => self.command(command).await,
                () = sleep_until(self.retry), if self.retry.is_some() => self.retry = None,
                _ = shutdown.requested() => return,
            }
            // Whatever else is there goes into the same run.
            while let Some(event) = self.northbound.try_next() {
                self.event(Side::Northbound, event);
            }
            while let Some(event) = self.southbound.try_next() {
                self.event(Side::Southbound, event);
            }
            if self.may_compile() {
                self.step().await;
            }
        }
    }

    fn may_compile(&self) -> bool {
        self.dirty
            && self.retry.is_none()
            && self.holds_lock
            && self.nb.connected
            && self.sb.connected
            && !self.status.paused.load(Ordering::Relaxed)
    }

    fn event(&mut self, side: Side, event: Event) {
        self.dirty = true;
        let (view, connected) = match side {
            Side::Northbound => (&mut self.nb, &self.status.nb_connected),
            Side::Southbound => (&mut self.sb, &self.status.sb_connected),
        };
        match event {
            Event::Changes(changes) => {
                view.apply(&changes);
                self.feed(side, &changes);
            }
            Event::Connected => set(&mut view.connected, connected, true),
            Event::Disconnected => {
                set(&mut view.connected, connected, false);
                if side == Side::Southbound {
                    self.compiler = None;
                }
            }
            Event::LockAcquired => self.lock(true),
            Event::LockLost => self.lock(false),
            Event::ConditionsApplied => {}
        }
    }

    fn feed(&mut self, side: Side, changes: &[RowChange]) {
        let Some(compiler) = &mut self.compiler else {
            return;
        };
        match side {
            Side::Northbound => compiler.apply_nb(changes),
            Side::Southbound => {
                let foreign = compiler.apply_sb(changes);
                if foreign > 0 {
                    self.repairs += foreign;
                    tracing::info!(
                        target: "ovn_northd",
                        "Southbound changed by others in {foreign} places of ours, which are put right"
                    );
                }
            }
        }
    }

    fn lock(&mut self, held: bool) {
        let text = if held {
            "ovn-northd lock acquired. This ovn-northd instance is now active."
        } else {
            "ovn-northd lock lost. This ovn-northd instance is now on standby."
        };
        tracing::info!(target: "ovn_northd", "{text}");
        self.holds_lock = held;
        self.status.active.store(held, Ordering::Relaxed);
        // Another compiler may be at work, or has been.
        self.compiler = None;
    }

    async fn command(&mut self, command: Command) {
        match command {
            Command::Pause => {
                self.status.paused.store(true, Ordering::Relaxed);
                self.southbound.set_lock(None).await;
            }
            Command::Resume => {
                self.status.paused.store(false, Ordering::Relaxed);
                self.southbound.set_lock(Some(LOCK.into())).await;
                self.dirty = true;
            }
            Command::Recompute => {
                self.compiler = None;
                self.dirty = true;
            }
            Command::SetThreads(threads) => {
                self.status.threads.store(threads, Ordering::Relaxed);
                if let Some(compiler) = &mut self.compiler {
                    compiler.set_threads(threads);
                }
            }
            // Who asked may be gone.
            Command::Stats(reply) => drop(reply.send(self.stats())),
            Command::ClearStats => (self.runs, self.repairs) = (0, 0),
        }
    }

    fn stats(&self) -> String {
        let footprint = self
            .compiler
            .as_ref()
            .map(Compiler::footprint)
            .unwrap_or_default();
        format!(
            "runs: {}\ncells: {}\nreads: {}\nrepairs: {}\nmerged: {}\n",
            self.runs,
            footprint.cells,
            footprint.reads,
            self.repairs,
            self.northbound.merged() + self.southbound.merged()
        )
    }

    /// Compiles what changed, commits it, and writes back.
    async fn step(&mut self) {
        self.dirty = false;
        let Some((_, global)) = self.nb.only(nb::NbGlobal::NAME) else {
            // Its row comes back as a change, and with it the next step.
            let created = self
                .northbound
                .transact(vec![progress::create_global()])
                .await;
            return self.check("OVNNB", created.map(drop));
        };
        let nb_cfg = nb::NbGlobal::from_row(global)
            .map(|row| row.nb_cfg)
            .unwrap_or_default();
        self.sequence.start(nb_cfg, now());
        let output = block_in_place(|| self.compile());
        report(&output);
        let mut commit = operations::of_changes(&self.sb_schema, &output.sb);
        if !commit.is_empty() {
            commit.insert(0, Operation::Assert { lock: LOCK.into() });
            let committed = self.southbound.transact(commit).await;
            let failed = committed.is_err();
            self.check("OVNSB", committed.map(drop));
            if failed {
                return;
            }
        }
        let mut back = write_backs::operations(&output.nb);
        // The row may have changed meanwhile, but nobody else writes these columns.
        if let Some((uuid, row)) = self.nb.only(nb::NbGlobal::NAME) {
            back.extend(self.sequence.update((uuid, row), &output, now()));
        }
        if !back.is_empty() {
            let committed = self.northbound.transact(back).await;
            self.check("OVNNB", committed.map(drop));
        }
    }

    fn compile(&mut self) -> Output {
        self.runs += 1;
        let compiler = self.compiler.get_or_insert_with(|| {
            let mut compiler = Compiler::new(self.sb.rows());
            compiler.set_threads(self.status.threads.load(Ordering::Relaxed));
            compiler.apply_nb(&self.nb.contents());
            compiler
        });
        compiler.run()
    }

    /// After a commit that failed it is in doubt what the databases hold: begin from what they show.
    fn check(&mut self, database: &str, committed: Result<(), TransactError>) {
        let Err(error) = committed else { return };
        match error {
            // The reconnection is in the log already.
            TransactError::NotConnected | TransactError::Lost => {}
            TransactError::Refused { .. } => {
                tracing::warn!(target: "ovn_northd", "{database} commit failed: {error}");
            }
        }
        self.compiler = None;
        self.dirty = true;
        self.retry = Some(Instant::now() + RETRY);
    }
}

fn set(view: &mut bool, shown: &AtomicBool, value: bool) {
    *view = value;
    shown.store(value, Ordering::Relaxed);
}

fn report(output: &Output) {
    for diagnostic in &output.diagnostics {
        tracing::warn!(target: "northd", "{diagnostic}");
    }
    for diagnostic in &output.resolved {
        tracing::info!(target: "northd", "resolved: {diagnostic}");
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

async fn sleep_until(time: Option<Instant>) {
    if let Some(time) = time {
        tokio::time::sleep_until(time).await;
    }
}

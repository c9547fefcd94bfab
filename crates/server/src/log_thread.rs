//! The thread that drives the log of one database.
//!
//! It takes whatever has gathered since the last write as one batch: one write, one `fdatasync`, one
//! acknowledgement. So the cost of the disk is shared by all transactions that wait for it. If others write the log
//! too, it reads what they wrote. The snapshot of a compaction is made and stored on a thread of its own, while
//! this one goes on.
//!
//! What it answers is one order. When an answer says that commits were lost ([`Outcome::ends_epoch`]), everything
//! that was sent before the owner took note of that belongs to a past *epoch* and is not written.
//!
//! Invariant: acknowledgements are in order; nothing of a past epoch is written.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ovsdb::database::Frozen;
use ovsdb::log::{AppendError, Log, LogState, News, Update};
use ovsdb::{Record, Str};

/// How long to wait before reading again what could not be read.
const RETRY: Duration = Duration::from_secs(1);

/// What the thread is asked to do.
#[derive(Debug)]
enum Job {
    /// A commit.
    Append {
        epoch: u64,
        revision: u64,
        record: Option<Record>,
        guards: Vec<Str>,
    },
    /// Put this in the place of everything.
    Replace {
        epoch: u64,
        content: Content,
        reason: Reason,
    },
    /// Put this, which is what the log holds, in the place of everything that was sent before.
    Compact { epoch: u64, content: Content },
    /// The snapshot of a compaction was stored, or could not be.
    Stored(bool),
    /// Others may have written.
    News,
    /// End after all this.
    End,
}

/// A schema, and rows for it.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) schema: Record,
    pub(crate) rows: Frozen,
}

/// Why a log is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It has failed, and this is what is known to be durable.
    Repair,
    /// The database gets another schema.
    Conversion,
}

/// What the thread says.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The log holds everything up to this revision.
    Durable(u64),
    /// The log could not be written; the commits after the last durable one are lost.
    Failed(String),
    /// Others have written behind the last durable commit; the commits after that were not written.
    Others(Vec<Update>),
    /// The lock is not this process's, so the commits after the last durable one were not written.
    LockLost(Str),
    /// The log was replaced, or why not.
    Replaced(Reason, Result<(), String>),
    /// A compaction that was asked for has ended.
    Compacted,
    /// The number of its last record.
    Index(Option<u64>),
    /// Whether it can be written; this one comes at any time.
    Connected(bool),
}

impl Outcome {
    /// Whether what was sent before this is heard of is not written.
    pub(crate) const fn ends_epoch(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Others(_) | Self::LockLost(_))
    }
}

type Report = Arc<dyn Fn(Outcome) + Send + Sync>;

/// The owner's end of the thread. Dropping it ends the thread after what it has to do.
#[derive(Debug)]
pub(crate) struct LogThread {
    jobs: mpsc::Sender<Job>,
    thread: Option<JoinHandle<()>>,
    epoch: u64,
    wants_compaction: Arc<AtomicBool>,
}

impl LogThread {
    /// Starts the thread; `report` is called on it, and on any other.
    pub(crate) fn start(
        name: &str,
        mut log: Box<dyn Log + Send>,
        report: impl Fn(Outcome) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let (jobs, receiver) = mpsc::channel();
        let wants_compaction = Arc::new(AtomicBool::new(log.size().wants_compaction()));
        let report: Report = Arc::new(report);
        log.watch(watcher(jobs.clone(), Arc::clone(&report)));
        let writer = Writer {
            state: log.state(),
            log,
            report,
            jobs: jobs.clone(),
            wants_compaction: Arc::clone(&wants_compaction),
            epoch: 0,
            behind: false,
            storing: false,
            ended: false,
        };
        let thread = std::thread::Builder::new()
            .name(format!("log {name}"))
            .spawn(move || writer.run(&receiver))?;
        Ok(Self {
            jobs,
            thread: Some(thread),
            epoch: 0,
            wants_compaction,
        })
    }

    /// Sends a commit to the log.
    pub(crate) fn append(&self, revision: u64, record: Option<Record>, guards: Vec<Str>) {
        self.send(Job::Append {
            epoch: self.epoch,
            revision,
            record,
            guards,
        });
    }

    /// Begins the log anew.
    pub(crate) fn replace(&self, content: Content, reason: Reason) {
        self.send(Job::Replace {
            epoch: self.epoch,
            content,
            reason,
        });
    }

    /// Compacts the log. The content is that after everything that was sent before.
    pub(crate) fn compact(&self, content: Content) {
        self.send(Job::Compact {
            epoch: self.epoch,
            content,
        });
    }

    /// Says that note was taken of an outcome that ended an epoch: commits from now on build on the state after
    /// it.
    pub(crate) fn begin_epoch(&mut self) {
        self.epoch += 1;
    }

    /// Whether the log has grown so much that compaction is worth its cost. Says so once.
    pub(crate) fn wants_compaction(&self) -> bool {
        self.wants_compaction.swap(false, Ordering::Relaxed)
    }

    fn send(&self, job: Job) {
        // The thread lives until it is told to end.
        let _ = self.jobs.send(job);
    }
}

impl Drop for LogThread {
    fn drop(&mut self) {
        self.send(Job::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Takes news of the log to those whom it concerns. That the connection is lost, the thread itself may be unable
/// to say: it may be waiting for the connection.
fn watcher(jobs: mpsc::Sender<Job>, report: Report) -> ovsdb::log::Watcher {
    Box::new(move |news| {
        if let News::Connected(connected) = news {
            report(Outcome::Connected(connected));
        }
        // A thread that has ended needs no news.
        let _ = jobs.send(Job::News);
    })
}

struct Writer {
    log: Box<dyn Log + Send>,
    report: Report,
    jobs: mpsc::Sender<Job>,
    wants_compaction: Arc<AtomicBool>,
    /// How many outcomes have ended an epoch.
    epoch: u64,
    /// Whether others have written, and that could not be read yet.
    behind: bool,
    /// Whether the snapshot of a compaction is being stored.
    storing: bool,
    state: LogState,
    ended: bool,
}

impl Writer {
    fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        while !self.ended {
            let first = if self.behind {
                jobs.recv_timeout(RETRY)
            } else {
                jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match first {
                Ok(first) => self.work(std::iter::once(first).chain(jobs.try_iter()).collect()),
                Err(RecvTimeoutError::Timeout) => self.catch_up(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn report(&mut self, outcome: Outcome) {
        self.epoch += u64::from(outcome.ends_epoch());
        (self.report)(outcome);
    }

    fn work(&mut self, jobs: Vec<Job>) {
        let mut batch = Batch::default();
        for job in jobs {
            if let Job::Append {
                epoch,
                revision,
                record,
                guards,
            } = job
            {
                if batch.epoch != epoch {
                    self.write(std::mem::take(&mut batch));
                }
                batch.add(epoch, revision, record, guards);
                continue;
            }
            self.write(std::mem::take(&mut batch));
            match job {
                Job::Replace {
                    epoch,
                    content,
                    reason,
                } => self.replace(epoch, &content, reason),
                Job::Compact { epoch, content } => self.compact(epoch, content),
                Job::Stored(stored) => self.end_compaction(stored),
                Job::News => self.catch_up(),
                Job::End => self.ended = true,
                // These were gathered above.
                Job::Append { .. } => {}
            }
        }
        self.write(batch);
        self.wants_compaction
            .store(self.log.size().wants_compaction(), Ordering::Relaxed);
        let state = self.log.state();
        if state.index != std::mem::replace(&mut self.state, state).index {
            self.report(Outcome::Index(state.index));
        }
    }

    fn write(&mut self, batch: Batch) {
        let Some(revision) = batch.revision else {
            return;
        };
        if batch.epoch != self.epoch || self.behind {
            return;
        }
        let written = if batch.records.is_empty() {
            Ok(())
        } else {
            self.log.append(&batch.records, &batch.guards)
        };
        match written {
            Ok(()) => self.report(Outcome::Durable(revision)),
            Err(error) => self.not_written(error),
        }
    }

    fn not_written(&mut self, error: AppendError) {
        match error {
            AppendError::Behind => {
                self.behind = true;
                self.catch_up();
            }
            AppendError::LockLost(lock) => self.report(Outcome::LockLost(lock)),
            AppendError::Failed(error) => self.report(Outcome::Failed(text(&error))),
        }
    }

    /// Reads what others have written.
    fn catch_up(&mut self) {
        match self.log.catch_up() {
            Ok(updates) => {
                if std::mem::take(&mut self.behind) || !updates.is_empty() {
                    self.report(Outcome::Others(updates));
                }
            }
            Err(error) => {
                self.behind = true;
                tracing::warn!(target: "log", "cannot read what others wrote: {}", text(&error));
            }
        }
    }

    fn replace(&mut self, epoch: u64, content: &Content, reason: Reason) {
        if epoch != self.epoch || self.behind {
            return;
        }
        let snapshot = content.rows.record(now());
        let done = match self.log.replace(&content.schema, &snapshot) {
            Ok(()) => Ok(()),
            Err(AppendError::Failed(error)) => Err(text(&error)),
            Err(error) => return self.not_written(error),
        };
        self.report(Outcome::Replaced(reason, done));
    }

    /// Begins a compaction.
    fn compact(&mut self, epoch: u64, content: Content) {
        if epoch != self.epoch || self.behind || self.storing {
            return self.report(Outcome::Compacted);
        }
        let store = match self.log.begin_compaction() {
            Ok(store) => store,
            Err(error) => {
                tracing::warn!(target: "log", "compaction failed: {}", text(&error));
                return self.report(Outcome::Compacted);
            }
        };
        let jobs = self.jobs.clone();
        let work = move || {
            let snapshot = content.rows.record(now());
            let stored = store(&content.schema, &snapshot);
            if let Err(error) = &stored {
                tracing::warn!(target: "log", "compaction failed: {}", text(error));
            }
            let _ = jobs.send(Job::Stored(stored.is_ok()));
        };
        let started = std::thread::Builder::new().name("compaction".into());
        self.storing = true;
        if let Err(error) = started.spawn(work) {
            tracing::warn!(target: "log", "compaction failed: {error}");
            self.end_compaction(false);
        }
    }

    fn end_compaction(&mut self, stored: bool) {
        self.storing = false;
        if let Err(error) = self.log.end_compaction(stored) {
            tracing::warn!(target: "log", "compaction failed: {}", text(&error));
        }
        self.report(Outcome::Compacted);
    }
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// An error with its causes.
pub(crate) fn text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Commits that are written together.
#[derive(Default)]
struct Batch {
    epoch: u64,
    revision: Option<u64>,
    records: Vec<Record>,
    guards: Vec<Str>,
}

impl Batch {
    fn add(&mut self, epoch: u64, revision: u64, record: Option<Record>, guards: Vec<Str>) {
        self.epoch = epoch;
        self.revision = Some(revision);
        self.records.extend(record);
        for guard in guards {
            if !self.guards.contains(&guard) {
                self.guards.push(guard);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ovsdb::log::{LogError, StoreSnapshot};

    use super::*;

    /// Fails on request; holds what is durable.
    #[derive(Clone, Default)]
    struct Memory {
        batches: Arc<Mutex<Vec<usize>>>,
        fail: Arc<Mutex<bool>>,
    }

    impl Log for Memory {
        fn append(&mut self, records: &[Record], _: &[Str]) -> Result<(), AppendError> {
            if std::mem::take(&mut *self.fail.lock().unwrap()) {
                return Err(LogError::Failed("disk".into()).into());
            }
            self.batches.lock().unwrap().push(records.len());
            Ok(())
        }
        fn replace(&mut self, _: &Record, _: &Record) -> Result<(), AppendError> {
            Ok(())
        }
        fn begin_compaction(&mut self) -> Result<StoreSnapshot, LogError> {
            Ok(Box::new(|_, _| Ok(())))
        }
        fn end_compaction(&mut self, _: bool) -> Result<(), LogError> {
            Ok(())
        }
        fn size(&self) -> ovsdb::log::Size {
            ovsdb::log::Size {
                now: 0,
                compacted: 0,
            }
        }
    }

    fn record() -> Option<Record> {
        Some(Record::new(b"{}".to_vec()))
    }

    fn start(memory: &Memory) -> (LogThread, mpsc::Receiver<Outcome>) {
        let (sender, outcomes) = mpsc::channel();
        let report = move |outcome| drop(sender.send(outcome));
        (
            LogThread::start("test", Box::new(memory.clone()), report).unwrap(),
            outcomes,
        )
    }

    #[test]
    fn what_gathers_is_one_batch() {
        let memory = Memory::default();
        let blocked = memory.fail.lock().unwrap();
        let (thread, outcomes) = start(&memory);
        for revision in 1..=50 {
            thread.append(revision, record(), Vec::new());
        }
        drop(blocked);
        drop(thread);
        let batches = memory.batches.lock().unwrap();
        assert_eq!(batches.iter().sum::<usize>(), 50);
        assert!(batches.len() <= 2, "{batches:?}");
        assert!(matches!(
            outcomes.try_iter().last(),
            Some(Outcome::Durable(50))
        ));
    }

    #[test]
    fn a_failure_stops_its_epoch_and_no_other() {
        let memory = Memory::default();
        *memory.fail.lock().unwrap() = true;
        let (mut thread, outcomes) = start(&memory);
        thread.append(1, record(), Vec::new());
        assert!(matches!(outcomes.recv().unwrap(), Outcome::Failed(_)));
        // Sent before the failure was heard of.
        thread.append(2, record(), Vec::new());
        thread.begin_epoch();
        thread.append(1, record(), Vec::new());
        assert!(matches!(outcomes.recv().unwrap(), Outcome::Durable(1)));
        drop(thread);
        assert_eq!(*memory.batches.lock().unwrap(), [1]);
    }
}

//! The thread that writes the log of one database.
//!
//! It takes whatever has gathered since the last write as one batch: one write, one `fdatasync`, one
//! acknowledgement. So the cost of the disk is shared by all transactions that wait for it.
//!
//! Invariant: acknowledgements are in order; after a failure nothing of that failure's epoch is written any
//! more.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use ovsdb::Record;
use ovsdb::log::Log;

/// What the thread is asked to do.
#[derive(Debug)]
enum Job {
    /// A commit, of an epoch.
    Append {
        epoch: u64,
        revision: u64,
        record: Option<Record>,
    },
    /// Begin a new file that holds just the schema and the snapshot.
    Compact {
        epoch: u64,
        schema: Record,
        snapshot: Record,
    },
}

/// What the thread says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The log holds everything up to this revision.
    Durable(u64),
    /// The log could not be written; the commits of this epoch after the last durable one are lost.
    Failed(String),
    /// A compaction that was asked for has ended; whether there is a new file.
    Compacted(bool),
}

/// The owner's end of the thread. Dropping it ends the thread after what it has to do.
#[derive(Debug)]
pub(crate) struct LogThread {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    epoch: u64,
    wants_compaction: Arc<AtomicBool>,
}

impl LogThread {
    /// Starts the thread; `report` is called on it.
    pub(crate) fn start(
        name: &str,
        log: Box<dyn Log + Send>,
        report: impl Fn(Outcome) + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, receiver) = mpsc::channel();
        let wants_compaction = Arc::new(AtomicBool::new(log.size().wants_compaction()));
        let shared = Arc::clone(&wants_compaction);
        let mut writer = Writer {
            log,
            wants_compaction: shared,
            failed: None,
        };
        let thread = std::thread::Builder::new()
            .name(format!("log {name}"))
            .spawn(move || {
                while let Ok(first) = receiver.recv() {
                    let jobs = std::iter::once(first).chain(receiver.try_iter()).collect();
                    writer.work(jobs, &report);
                }
            })?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
            epoch: 0,
            wants_compaction,
        })
    }

    /// Sends a commit to the log.
    pub(crate) fn append(&self, revision: u64, record: Option<Record>) {
        self.send(Job::Append {
            epoch: self.epoch,
            revision,
            record,
        });
    }

    /// Begins a new file. What was sent before must be in the snapshot.
    pub(crate) fn compact(&self, schema: Record, snapshot: Record) {
        self.send(Job::Compact {
            epoch: self.epoch,
            schema,
            snapshot,
        });
    }

    /// Says that the failure was taken note of: commits from now on build on the last durable one.
    pub(crate) fn recover(&mut self) {
        self.epoch += 1;
    }

    /// Whether the log has grown so much that compaction is worth its cost. Says so once.
    pub(crate) fn wants_compaction(&self) -> bool {
        self.wants_compaction.swap(false, Ordering::Relaxed)
    }

    fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // The thread lives until the sender is dropped.
            let _ = jobs.send(job);
        }
    }
}

impl Drop for LogThread {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Writer {
    log: Box<dyn Log + Send>,
    wants_compaction: Arc<AtomicBool>,
    /// The epoch that failed.
    failed: Option<u64>,
}

impl Writer {
    fn work(&mut self, jobs: Vec<Job>, report: &impl Fn(Outcome)) {
        let mut batch = Batch::default();
        for job in jobs {
            match job {
                Job::Append { epoch, .. } | Job::Compact { epoch, .. }
                    if self.failed == Some(epoch) => {}
                Job::Append {
                    epoch,
                    revision,
                    record,
                } => {
                    if batch.epoch != epoch {
                        self.write(std::mem::take(&mut batch), report);
                    }
                    batch.epoch = epoch;
                    batch.revision = Some(revision);
                    batch.records.extend(record);
                }
                Job::Compact {
                    schema, snapshot, ..
                } => {
                    self.write(std::mem::take(&mut batch), report);
                    let compacted = self.log.replace(&schema, &snapshot);
                    if let Err(error) = &compacted {
                        // The old file stands, and holds the same.
                        tracing::warn!(target: "log", "compaction failed: {}", text(error));
                    }
                    report(Outcome::Compacted(compacted.is_ok()));
                }
            }
        }
        self.write(batch, report);
        self.wants_compaction
            .store(self.log.size().wants_compaction(), Ordering::Relaxed);
    }

    fn write(&mut self, batch: Batch, report: &impl Fn(Outcome)) {
        let Some(revision) = batch.revision else {
            return;
        };
        if self.failed == Some(batch.epoch) {
            return;
        }
        let written = if batch.records.is_empty() {
            Ok(())
        } else {
            self.log.append(&batch.records, &[])
        };
        match written {
            Ok(()) => report(Outcome::Durable(revision)),
            Err(error) => {
                self.failed = Some(batch.epoch);
                report(Outcome::Failed(text(&error)));
            }
        }
    }
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

#[derive(Default)]
struct Batch {
    epoch: u64,
    revision: Option<u64>,
    records: Vec<Record>,
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ovsdb::Str;
    use ovsdb::log::{AppendError, LogError, StoreSnapshot};

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
        let report = move |outcome| sender.send(outcome).unwrap();
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
            thread.append(revision, record());
        }
        drop(blocked);
        drop(thread);
        let batches = memory.batches.lock().unwrap();
        assert_eq!(batches.iter().sum::<usize>(), 50);
        assert!(batches.len() <= 2, "{batches:?}");
        assert_eq!(outcomes.iter().last(), Some(Outcome::Durable(50)));
    }

    #[test]
    fn a_failure_stops_its_epoch_and_no_other() {
        let memory = Memory::default();
        *memory.fail.lock().unwrap() = true;
        let (mut thread, outcomes) = start(&memory);
        thread.append(1, record());
        assert!(matches!(outcomes.recv().unwrap(), Outcome::Failed(_)));
        // Sent before the failure was heard of.
        thread.append(2, record());
        thread.recover();
        thread.append(1, record());
        assert_eq!(outcomes.recv().unwrap(), Outcome::Durable(1));
        drop(thread);
        assert_eq!(*memory.batches.lock().unwrap(), [1]);
    }
}

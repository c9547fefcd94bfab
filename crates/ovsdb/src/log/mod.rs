//! Where the records of a database are kept: in a file of one process, or somewhere that several processes
//! write to.
//!
//! The contract of a log, which the thread that drives it and every implementation rely on:
//!
//! * A log is a list of records behind a first one, the schema. It has a *position*: how far this process has
//!   read and written it. [`Log::append`] writes right behind the position or not at all, [`Log::catch_up`]
//!   moves the position over what others have written. So the records of all processes are one order, and each
//!   process knows all that stands before what it appends.
//! * One thread drives a log: `append`, `catch_up`, `replace`, `begin_compaction` and `end_compaction` come from
//!   it, one after the other, and may block. What else happens is told by the [`Watcher`], from any thread.
//! * A write whose outcome is unknown (a timeout, a lost connection) is resolved inside of the log: it marks what
//!   it writes, so that it finds out whether that arrived, and returns only when it knows. Meanwhile it has said
//!   [`News::Connected`]`(false)`. It gives up with [`AppendError::Failed`] only when told to end from outside, or
//!   when it is certain that nothing was written.
//! * The record of the schema, and a snapshot, are in the form of [`Record::schema`] and
//!   [`Database::snapshot`](crate::Database::snapshot); a snapshot carries the id of the state that it holds. The
//!   ids of commits are a function of the records: records must come back byte for byte.
//! * A shared log keeps ephemeral columns (see [`Database::keep_ephemeral`](crate::Database::keep_ephemeral)).
//!
//! Invariant: what [`Log::append`] has confirmed is there when the log is opened again, once and in that order.

mod cluster;
pub(crate) mod file;
pub mod format;
mod lock;
mod new_file;
mod whole;

use std::io;
use std::path::PathBuf;

pub use cluster::{LockEvent, LockService, LockWatcher};
pub use file::{FileLog, Opened, TornTail, image, read_database, write_database};

use crate::database::ReplayError;
use crate::{Error, Record, Str, Uuid};

/// An ordered, durable list of records.
pub trait Log {
    /// Appends the records in order right behind the position, all of them or none, and returns when they are
    /// durable; the position is then behind them. `guards` are names of locks of the [`LockService`] that must be
    /// this process's at that moment, or nothing is written; a file has no such locks and takes no notice.
    ///
    /// # Errors
    /// See [`AppendError`]; nothing was written. After [`AppendError::Failed`] a file refuses more until
    /// [`Log::replace`] succeeds; a shared log may go on.
    fn append(&mut self, records: &[Record], guards: &[Str]) -> Result<(), AppendError>;

    /// What others have put behind the position, oldest first; moves the position behind it. Returns at once
    /// when there is nothing. A file has none.
    ///
    /// # Errors
    /// When it cannot be read now; the position stays. It is tried again after the next [`News`].
    fn catch_up(&mut self) -> Result<Vec<Update>, LogError> {
        Ok(Vec::new())
    }

    /// Puts `schema` and `snapshot` in the place of everything so far, at once or not at all, if nothing of
    /// others stands behind the position. Others get an [`Update::Replaced`]. Compaction that is under way is
    /// abandoned.
    ///
    /// # Errors
    /// As [`Log::append`]; the records so far are then still there.
    fn replace(&mut self, schema: &Record, snapshot: &Record) -> Result<(), AppendError>;

    /// Begins a compaction: what was appended and caught up with so far will be replaced by one snapshot of it,
    /// which is made while appending goes on. What this gives stores the snapshot beside the log; call it on any
    /// thread, then [`Log::end_compaction`].
    ///
    /// # Errors
    /// When it cannot be begun.
    fn begin_compaction(&mut self) -> Result<StoreSnapshot, LogError>;

    /// Ends the compaction that was begun last: when its snapshot was `stored`, puts it in the place of the
    /// records that it stands for, at once or not at all, and keeps those since behind it. Others need not hear
    /// of it. Does nothing when another process was first, or the log was replaced.
    ///
    /// # Errors
    /// When the storage fails; the log is then as it was.
    fn end_compaction(&mut self, stored: bool) -> Result<(), LogError>;

    /// Compaction in one step: `snapshot` is of everything up to the position.
    ///
    /// # Errors
    /// As the steps.
    fn compact(&mut self, schema: &Record, snapshot: &Record) -> Result<(), LogError> {
        let store = self.begin_compaction()?;
        let stored = store(schema, snapshot);
        self.end_compaction(stored.is_ok())?;
        stored
    }

    /// How many bytes the log has now, and had after the last compaction.
    fn size(&self) -> Size;

    /// Who is to be told what happens to the log beside the calls; called once, before anything else. A file
    /// has nothing to tell.
    fn watch(&mut self, watcher: Watcher) {
        drop(watcher);
    }

    /// How it is with the log now.
    fn state(&self) -> LogState {
        LogState::default()
    }
}

/// Stores the snapshot of a compaction: schema, then content. Blocks.
pub type StoreSnapshot = Box<dyn FnOnce(&Record, &Record) -> Result<(), LogError> + Send>;

/// Hears of news of a log; from any thread, and must not block.
pub type Watcher = Box<dyn Fn(News) + Send + Sync>;

/// What a log tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// [`Log::catch_up`] may have something. Told at least once after the last record of others; may be told
    /// without need.
    Records,
    /// The connection was lost, or is there again. Without it nothing can be written, and what is known may be old.
    Connected(bool),
}

/// What others have done to a log.
#[derive(Debug, Clone)]
pub enum Update {
    /// They appended a record.
    Record(Record),
    /// Everything before is replaced: the schema was changed, or what was missed is no longer there.
    Replaced {
        /// The record of the schema.
        schema: Record,
        /// The content.
        snapshot: Record,
    },
}

/// How it is with a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogState {
    /// Whether it can be written. True for a file.
    pub connected: bool,
    /// Which cluster keeps it, if several processes can write it.
    pub cluster: Option<Uuid>,
    /// For a shared log: the number of the last record before the position, the same for all processes; it only
    /// grows, over compactions too.
    pub index: Option<u64>,
}

impl Default for LogState {
    fn default() -> Self {
        Self {
            connected: true,
            cluster: None,
            index: None,
        }
    }
}

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Others came first: [`Log::catch_up`] has something.
    #[error("another process has written to the log")]
    Behind,
    /// One of the guards is not this process's lock.
    #[error("the lock {0} was lost")]
    LockLost(Str),
    /// The storage refuses.
    #[error(transparent)]
    Failed(#[from] LogError),
}

/// The size of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Bytes now.
    pub now: u64,
    /// Bytes when it was last compacted, or opened.
    pub compacted: u64,
}

impl Size {
    /// Whether compaction is worth its cost: the log has grown to four times its size, and is not small
    /// (`ovsdb-server(1)`: at least 10 MB and four times).
    pub const fn wants_compaction(self) -> bool {
        self.now >= 10 << 20 && self.now / 4 >= self.compacted
    }
}

/// Why a log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file system refuses.
    #[error("{path}: {doing}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Another process has the file.
    #[error("{0}: another process is using this database")]
    Locked(PathBuf),
    /// The file is not a standalone OVSDB database.
    #[error("{path}: {reason}")]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// The first record is not a schema.
    #[error("{path}: the schema is not valid: {error}")]
    Schema {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: Error,
    },
    /// A record in the midst of the file is damaged. Cutting it off would lose the whole ones after it, so
    /// that is left to a person.
    #[error(
        "{path}: the record at byte {offset} is damaged ({reason}), and there are whole records after it"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the record begins.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A record, whole and with the right checksum, does not fit the schema or those before it.
    #[error("{path}: the record at byte {offset}")]
    Record {
        /// The file.
        path: PathBuf,
        /// Where the record begins.
        offset: u64,
        /// What is wrong with it.
        #[source]
        source: ReplayError,
    },
    /// The end of the file could not be brought back to the last whole record, so nothing more is written.
    #[error("{0}: the log has failed and must be opened again")]
    Failed(PathBuf),
    /// A log that is not a file refuses.
    #[error("{log}: {reason}")]
    Other {
        /// Which log.
        log: String,
        /// What was tried and why it failed.
        reason: String,
    },
}

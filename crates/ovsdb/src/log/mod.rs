//! Where the records of a database are kept.
//!
//! Invariant: what [`Log::append`] has confirmed is there when the log is opened again.

pub(crate) mod file;
pub(crate) mod format;
mod lock;

use std::io;
use std::path::PathBuf;

pub use file::{FileLog, Opened, TornTail, image, read_database, write_database};

use crate::database::ReplayError;
use crate::{Error, Record};

/// An ordered, durable list of records.
pub trait Log {
    /// Appends the records in order and returns when they are durable. On an error none of them may be
    /// taken as written, and the log refuses more until it is opened again.
    ///
    /// # Errors
    /// When the storage fails.
    fn append(&mut self, records: &[Record]) -> Result<(), LogError>;

    /// Puts `schema` and `snapshot` in the place of all records so far, at once or not at all.
    ///
    /// # Errors
    /// When the storage fails; the records so far are then still there.
    fn compact(&mut self, schema: &Record, snapshot: &Record) -> Result<(), LogError>;

    /// How many bytes the log has now, and had after the last compaction.
    fn size(&self) -> Size;
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
}

//! Why etcd, or what it holds, cannot be used.

use ovsdb::database::ReplayError;
use ovsdb::log::LogError;

/// Why a database in etcd cannot be used. The text names the object, the reason and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for makes no sense.
    #[error("{option}: {reason}")]
    Option {
        /// The option.
        option: &'static str,
        /// What is wrong with it, and what is right.
        reason: String,
    },
    /// No member answers.
    #[error(
        "etcd at {endpoints}: {reason}; check that etcd runs there, that a majority of its members does, and \
         that this machine may reach it"
    )]
    Unreachable {
        /// All endpoints.
        endpoints: String,
        /// What the last one said.
        reason: String,
    },
    /// A member answers that it will not.
    #[error("etcd at {endpoint} refuses: {reason}")]
    Refused {
        /// The endpoint.
        endpoint: String,
        /// What it said.
        reason: String,
    },
    /// A key holds what we did not write.
    #[error(
        "etcd key {key}: {reason}; if the prefix is used for something else, choose another one, or else restore \
         etcd from a backup"
    )]
    Corrupt {
        /// The key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The keys are of a later version.
    #[error(
        "etcd key {key}: has form {found}, and this version knows form {known}; use the version that wrote it"
    )]
    Form {
        /// The key.
        key: String,
        /// What it has.
        found: u32,
        /// What we know.
        known: u32,
    },
    /// The database has something that this version would lose.
    #[error(
        "database {database} in etcd: has {what}, which this version does not know; it was left as it is, use the \
         version that wrote it"
    )]
    Newer {
        /// The database.
        database: String,
        /// The table or column.
        what: String,
    },
    /// The content does not fit.
    #[error("database {database} in etcd: {doing}")]
    Content {
        /// The database.
        database: String,
        /// What was tried.
        doing: String,
        /// Why it failed.
        #[source]
        source: ReplayError,
    },
    /// Carrying the content over to a newer schema failed.
    #[error(
        "database {database} in etcd: cannot be converted to the schema of this version: {reason}"
    )]
    Conversion {
        /// The database.
        database: String,
        /// Why not.
        reason: String,
    },
    /// The process is about to end.
    #[error("the connection to etcd is being closed")]
    Closing,
}

impl Error {
    /// As the error of a log.
    pub(crate) fn of_log(&self, log: &str) -> LogError {
        LogError::Other {
            log: log.to_owned(),
            reason: self.to_string(),
        }
    }
}

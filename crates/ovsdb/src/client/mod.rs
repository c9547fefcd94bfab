//! The client's side of OVSDB: a session and the replica it keeps.
//!
//! [`Session`] takes bytes and the time and gives bytes and [`Event`]s. It knows no socket: whoever owns
//! one feeds it, and when the connection ends starts it again with the same [`Session`], whose replica
//! outlives connections. [`Replica`] holds the rows that the server last showed, in the order of the
//! *client's* schema, whatever the server's schema looks like: a column or a table that the server lacks
//! reads as default, what only the server has is not asked for.
//!
//! Invariant: the sum of the changes that were given out equals the replica. After a reconnection the
//! difference to the server's present content is given out, nothing else; [`Event::Connected`] comes when
//! the view is complete.
//!
//! A session reads the server's own database `_Server` first and leaves a server that will not do (see
//! [`Unsuitable`]) for the next; it never goes back to what is older than what it has seen.

mod decode;
mod layout;
mod message;
mod replica;
mod service;
mod session;
mod transaction;

use std::sync::Arc;
use std::time::Duration;

use crate::operation::Condition;
use crate::server::FrameError;
use crate::{DatabaseSchema, Datum, RowChange, Str, Uuid};

pub use replica::Replica;
pub use session::Session;
pub use transaction::Transaction;

/// What a client wants of one database.
#[derive(Debug, Clone)]
pub struct Config {
    /// The tables and columns as the client knows them; rows come in this order. The name is that of the
    /// database.
    pub schema: Arc<DatabaseSchema>,
    /// The tables to monitor; the others stay empty.
    pub tables: Vec<Monitor>,
    /// A lock to hold as long as the connection lives.
    pub lock: Option<Str>,
    /// After that much silence an echo is sent, and after as much again the connection counts as dead.
    /// None: never.
    pub probe_interval: Option<Duration>,
    /// Whether of a cluster only the leader will do: what it shows is the newest there is.
    pub leader_only: bool,
    /// Whether the schema is the server's, whatever that is: all tables, all columns, all rows.
    pub mirror: bool,
}

impl Config {
    /// Monitors every table and every row of the schema, takes no lock, probes every five seconds.
    #[must_use]
    pub fn all(schema: Arc<DatabaseSchema>) -> Self {
        let tables = schema
            .tables()
            .iter()
            .map(|table| Monitor::all(table.name.clone()))
            .collect();
        Self {
            schema,
            tables,
            lock: None,
            probe_interval: Some(Duration::from_secs(5)),
            leader_only: false,
            mirror: false,
        }
    }

    /// Follows the whole database `name` with the schema that the server has, and with the ids of its
    /// transactions: the session gives [`Event::Schema`] and [`Event::Mirrored`].
    ///
    /// # Errors
    /// When this is no name of a database.
    pub fn mirror(name: &str) -> Result<Self, crate::Error> {
        let schema = DatabaseSchema::new(name, "", Vec::new())?;
        Ok(Self {
            mirror: true,
            ..Self::all(Arc::new(schema))
        })
    }

    /// As [`Config::all`], of these tables only.
    #[must_use]
    pub fn of_tables<'a>(
        schema: Arc<DatabaseSchema>,
        tables: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let tables = tables.into_iter().map(Monitor::all).collect();
        Self {
            tables,
            ..Self::all(schema)
        }
    }

    /// The same, holding a lock.
    #[must_use]
    pub fn with_lock(mut self, name: impl Into<Str>) -> Self {
        self.lock = Some(name.into());
        self
    }

    /// The same, from the leader of a cluster only.
    #[must_use]
    pub fn from_leader(mut self) -> Self {
        self.leader_only = true;
        self
    }
}

/// Which columns and rows of a table are wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Monitor {
    /// The table.
    pub table: Str,
    /// The columns; none for all of the client's schema.
    pub columns: Option<Vec<Str>>,
    /// The rows.
    pub rows: Rows,
}

impl Monitor {
    /// All of a table.
    #[must_use]
    pub fn all(table: impl Into<Str>) -> Self {
        Self {
            table: table.into(),
            columns: None,
            rows: Rows::All,
        }
    }
}

/// Which rows of a table are wanted. It can be changed while the session lives.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    /// Every row.
    All,
    /// No row.
    None,
    /// Rows for which at least one of the clauses holds.
    Any(Vec<Condition>),
}

impl Rows {
    /// Rows in which `column` is one of these values; no values mean no rows.
    #[must_use]
    pub fn one_of<T: Into<Datum>>(
        column: impl Into<Str>,
        values: impl IntoIterator<Item = T>,
    ) -> Self {
        let column = column.into();
        let clauses = values
            .into_iter()
            .map(|value| Condition::equal(column.clone(), value));
        let clauses: Vec<Condition> = clauses.collect();
        if clauses.is_empty() {
            Self::None
        } else {
            Self::Any(clauses)
        }
    }
}

/// Names a transaction of this session until its reply comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub(crate) u64);

/// What a session tells its owner.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The view is complete: all rows of the server are in the replica, and their differences to the
    /// replica before were given out in the [`Event::Changes`] before this.
    Connected,
    /// What one transaction of the server did, or the difference after a reconnection or after a change
    /// of conditions. Never empty.
    Changes(Vec<RowChange>),
    /// Every condition that was set is in force, and the rows that it added have been given out.
    ConditionsApplied,
    /// The lock is held (true) or is not (any longer).
    Lock(bool),
    /// A transaction ended.
    Reply(RequestId, Result<Vec<OpResult>, TransactError>),
    /// Of a mirror: from here on the rows are those of this schema, and there are none yet.
    Schema(Arc<DatabaseSchema>),
    /// Of a mirror, in the place of [`Event::Changes`]: the same, with the id by which the server knows the
    /// state after it, if it has such ids.
    Mirrored(Option<Uuid>, Vec<RowChange>),
    /// A transaction that was forwarded as it is has ended.
    Forwarded(RequestId, Result<Answer, TransactError>),
}

/// The answer to a transaction that was forwarded as it is: JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The results of the operations; one of them may be an error.
    Result(String),
    /// The error of the request.
    Error(String),
}

/// What one operation of a committed transaction gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OpResult {
    /// The row that an insert made.
    pub uuid: Option<Uuid>,
    /// How many rows an update, mutate or delete found.
    pub count: Option<u64>,
    /// The rows of a select, as JSON.
    pub rows: Vec<serde_json::Value>,
}

/// Why a transaction did not commit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactError {
    /// There is no connection now; nothing was sent.
    #[error("not connected to the database")]
    NotConnected,
    /// The connection ended before the answer; whether the transaction committed is unknown.
    #[error("connection lost before the database answered")]
    Lost,
    /// The server refused it.
    #[error("{error}{}{details}", if details.is_empty() { "" } else { ": " })]
    Refused {
        /// The operation that failed; none for an error of the whole transaction.
        operation: Option<usize>,
        /// The word of the protocol, for example `constraint violation`.
        error: String,
        /// What exactly.
        details: String,
    },
}

impl TransactError {
    /// Whether a value that was to be verified was another one by then.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { error, .. } if error == "timed out")
    }
}

/// Why a server will not do for a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsuitable {
    /// It does not serve it.
    #[error("it does not serve this database")]
    Absent,
    /// It serves it, but has nothing of it yet.
    #[error("it has not joined its cluster or reached the source of its relay yet")]
    NoSchema,
    /// It has lost its cluster, or the source of its relay.
    #[error("it is disconnected from its cluster or from the source of its relay")]
    Disconnected,
    /// It does not lead its cluster, and the leader is asked for.
    #[error("it does not lead its cluster")]
    NotLeader,
    /// It is behind what was seen at another server of the cluster.
    #[error("its data is stale: it is at {index} of the log, and {seen} was seen elsewhere")]
    Stale {
        /// How far it is.
        index: u64,
        /// How far another was.
        seen: u64,
    },
}

/// Why a connection cannot go on. The session stays usable for the next one.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Not JSON, or not of the form that its place requires.
    #[error("bad message from the server")]
    Json(#[from] serde_json::Error),
    /// What comes cannot be cut into messages.
    #[error("bad stream from the server")]
    Frame(#[from] FrameError),
    /// The server's schema cannot be read.
    #[error("bad schema from the server")]
    Schema(#[from] crate::Error),
    /// The server refused a request that the session cannot do without.
    #[error("server refused {method}: {error}")]
    Refused {
        /// The request.
        method: &'static str,
        /// Its error, as JSON.
        error: String,
    },
    /// An update of a row that the replica does not have.
    #[error("update of an unknown row {uuid} in {table}")]
    Inconsistent {
        /// The table.
        table: Str,
        /// The row.
        uuid: Uuid,
    },
    /// The server will not do for the database.
    #[error("database {database}: this server is of no use: {why}")]
    Unsuitable {
        /// The database.
        database: Str,
        /// Why not.
        why: Unsuitable,
    },
    /// No answer to the probe.
    #[error("no response to inactivity probe after {0:?}")]
    Silent(Duration),
}

#[cfg(test)]
mod tests;

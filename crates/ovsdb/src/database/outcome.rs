//! What a transaction gives: results for the client, and a commit for the log.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::history::Point;
use crate::record::Record;
use crate::{Datum, Error, RowChange, Str, Uuid};

/// How a transaction ended.
#[derive(Debug)]
pub enum Outcome {
    /// It was carried out, or failed.
    Done(Executed),
    /// A `wait` is not satisfied: nothing has happened, and it should be tried again when the database has
    /// changed, or after so many milliseconds from its beginning, if there is a limit.
    Blocked(Option<u64>),
}

/// A transaction that has ended.
#[derive(Debug)]
pub struct Executed {
    /// What the client gets once the commit is durable.
    pub results: Results,
    /// What changed, unless nothing did.
    pub commit: Option<Commit>,
}

impl Executed {
    /// The first error of the transaction, at its operations or at the commit.
    pub fn error(&self) -> Option<&Error> {
        self.results.error()
    }
}

/// A change of the database on its way to the log.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The number of the commit, one more than that of the one before.
    pub revision: u64,
    /// The id by which clients know the state after it.
    pub id: Uuid,
    /// What the log must hold before anybody hears of the change; nothing if only ephemeral columns changed.
    pub record: Option<Record>,
    /// The rows that changed, grouped by table.
    pub changes: Arc<[RowChange]>,
    /// Where the history stood before.
    pub(crate) before: Point,
}

/// The result of one operation.
#[derive(Debug, Clone, PartialEq)]
pub enum OperationResult {
    /// Done, with nothing to say.
    Empty,
    /// The UUID of the new row.
    Inserted(Uuid),
    /// How many rows were concerned.
    Count(u64),
    /// The rows found.
    Rows(SelectedRows),
    /// The operation failed, or the commit did.
    Error(Error),
    /// The operation was not tried, because an earlier one failed.
    NotTried,
}

/// The rows that a `select` has found, without doubles.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectedRows {
    /// The columns.
    pub columns: Vec<Str>,
    /// For each row the values of those columns.
    pub rows: Vec<Vec<Datum>>,
}

/// The results of a transaction: one for each operation and, when the commit itself failed, one more.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Results(pub Vec<OperationResult>);

impl Results {
    /// The first error.
    pub fn error(&self) -> Option<&Error> {
        self.0.iter().find_map(|result| match result {
            OperationResult::Error(error) => Some(error),
            _ => None,
        })
    }
}

/// The `result` array of RFC 7047 section 4.1.3.
impl Serialize for Results {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl Serialize for OperationResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Error(error) => error.serialize(serializer),
            Self::NotTried => serializer.serialize_none(),
            Self::Empty => serializer.serialize_map(Some(0))?.end(),
            Self::Inserted(uuid) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("uuid", &Datum::one(*uuid))?;
                map.end()
            }
            Self::Count(count) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("count", count)?;
                map.end()
            }
            Self::Rows(rows) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("rows", rows)?;
                map.end()
            }
        }
    }
}

impl Serialize for SelectedRows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Selected<'a>(&'a [Str], &'a [Datum]);
        impl Serialize for Selected<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().zip(self.1))
            }
        }
        let mut seq = serializer.serialize_seq(Some(self.rows.len()))?;
        for row in &self.rows {
            seq.serialize_element(&Selected(&self.columns, row))?;
        }
        seq.end()
    }
}

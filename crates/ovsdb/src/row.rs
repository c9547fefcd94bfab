//! Rows and changes of rows.
//!
//! Invariant: the values of a row stand in the order of the columns of its table's schema.

use std::ops::{Deref, Index};
use std::sync::Arc;

use crate::{Datum, Str, TableSchema, Uuid};

/// The content of one row, without its UUID. Shared as `Arc<Row>`.
#[derive(Debug, Clone, Default)]
pub struct Row {
    columns: Box<[Datum]>,
    /// Counts the transactions of the database; `_version` is derived from it.
    revision: u64,
}

impl Row {
    /// A row of these values.
    pub fn new(columns: impl Into<Box<[Datum]>>) -> Self {
        Self {
            columns: columns.into(),
            revision: 0,
        }
    }

    /// A row in which every column holds its default.
    pub fn default_of(table: &TableSchema) -> Self {
        let columns = table
            .columns()
            .iter()
            .map(|c| Datum::default_of(&c.column_type));
        Self::new(columns.collect::<Vec<_>>())
    }

    /// Puts `value` at the position `at`; nothing happens when there is no such column.
    pub fn set(&mut self, at: usize, value: Datum) {
        if let Some(column) = self.columns.get_mut(at) {
            *column = value;
        }
    }

    /// The transaction that made this version of the row; only the engine counts them.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) const fn set_revision(&mut self, revision: u64) {
        self.revision = revision;
    }
}

impl From<Vec<Datum>> for Row {
    fn from(columns: Vec<Datum>) -> Self {
        Self::new(columns)
    }
}

impl FromIterator<Datum> for Row {
    fn from_iter<I: IntoIterator<Item = Datum>>(columns: I) -> Self {
        Self::new(columns.into_iter().collect::<Vec<_>>())
    }
}

/// The values in order.
impl Deref for Row {
    type Target = [Datum];
    fn deref(&self) -> &[Datum] {
        &self.columns
    }
}

impl Index<usize> for Row {
    type Output = Datum;
    fn index(&self, at: usize) -> &Datum {
        &self.columns[at]
    }
}

/// Rows are equal when their values are, whatever their history.
impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.columns == other.columns
    }
}

impl Eq for Row {}

impl std::hash::Hash for Row {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.columns.hash(state);
    }
}

/// What one transaction did to one row: insert (no `old`), delete (no `new`) or modification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowChange {
    /// The table.
    pub table: Str,
    /// The row.
    pub uuid: Uuid,
    /// The content before, unless the row is new.
    pub old: Option<Arc<Row>>,
    /// The content after, unless the row is gone.
    pub new: Option<Arc<Row>>,
}

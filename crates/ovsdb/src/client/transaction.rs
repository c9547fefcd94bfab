//! A transaction that is put together from what was read, and refused when that has changed.

use crate::operation::{Condition, Until};
use crate::{Datum, Operation, Row, Str, TableSchema, Uuid};

/// Operations, behind the conditions under which they make sense.
///
/// Each value that is verified becomes a `wait` that waits for nothing (RFC 7047 section 5.2.6): when the
/// row is gone, or the value another, the server carries out no operation, and the answer is a conflict (see
/// [`super::TransactError::is_conflict`]).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transaction {
    verified: Vec<Operation>,
    operations: Vec<Operation>,
}

impl Transaction {
    /// A transaction that does nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks that the row still has this value in this column.
    pub fn verify(
        &mut self,
        table: impl Into<Str>,
        row: Uuid,
        column: impl Into<Str>,
        value: Datum,
    ) -> &mut Self {
        let column = column.into();
        self.wait(table.into(), row, vec![(column, value)])
    }

    /// Asks that the row is still as it was read, in all of these columns.
    pub fn verify_row(
        &mut self,
        table: &TableSchema,
        uuid: Uuid,
        row: &Row,
        columns: &[&str],
    ) -> &mut Self {
        let values = columns.iter().filter_map(|name| {
            let at = table.column_index(name)?;
            Some((Str::new(name), row[at].clone()))
        });
        self.wait(table.name.clone(), uuid, values.collect())
    }

    fn wait(&mut self, table: Str, row: Uuid, values: Vec<(Str, Datum)>) -> &mut Self {
        self.verified.push(Operation::Wait {
            timeout: Some(0),
            table,
            condition: vec![Condition::uuid(row)],
            columns: Some(values.iter().map(|(name, _)| name.clone()).collect()),
            until: Until::Equal,
            rows: vec![values],
        });
        self
    }

    /// Adds an operation. They are carried out in the order in which they were added.
    pub fn push(&mut self, operation: Operation) -> &mut Self {
        self.operations.push(operation);
        self
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// How many operations of the results belong to what is verified; they stand in front.
    #[must_use]
    pub fn verified(&self) -> usize {
        self.verified.len()
    }

    /// All operations, those that verify in front.
    #[must_use]
    pub fn into_operations(self) -> Vec<Operation> {
        let mut all = self.verified;
        all.extend(self.operations);
        all
    }
}

//! Carrying rows from one schema of a table to another.
//!
//! Invariant: equal schemas share rows; nothing is copied.

use std::sync::Arc;

use crate::{Datum, Row, TableSchema};

/// How the columns of one schema of a table stand in another one.
#[derive(Debug, Clone)]
pub struct Projection {
    /// For each column of the target where it comes from, or what it holds when the source lacks it.
    /// Nothing at all when both have the same columns in the same order.
    columns: Option<Vec<Result<usize, Datum>>>,
}

impl Projection {
    /// The projection of rows of `from` to rows of `to`. A column that `from` lacks, or has with another
    /// atomic type, gets the default of `to`.
    pub fn new(from: &TableSchema, to: &TableSchema) -> Self {
        let source = |name: &str| {
            let at = from.column_index(name)?;
            let (old, new) = (
                &from.columns()[at].column_type,
                &to.column(name)?.column_type,
            );
            let atomic = |t: &crate::ColumnType| (t.key.atomic, t.value.as_ref().map(|v| v.atomic));
            (atomic(old) == atomic(new)).then_some(at)
        };
        let columns: Vec<Result<usize, Datum>> = to
            .columns()
            .iter()
            .map(|c| source(&c.name).ok_or_else(|| Datum::default_of(&c.column_type)))
            .collect();
        let same = from.columns().len() == columns.len()
            && columns
                .iter()
                .enumerate()
                .all(|(at, c)| c.as_ref().ok() == Some(&at));
        Self {
            columns: (!same).then_some(columns),
        }
    }

    /// The row in the order of the target.
    pub fn apply(&self, row: &Arc<Row>) -> Arc<Row> {
        let Some(columns) = &self.columns else {
            return Arc::clone(row);
        };
        let values = columns.iter().map(|column| match column {
            Ok(at) => row[*at].clone(),
            Err(default) => default.clone(),
        });
        Arc::new(Row::new(values.collect::<Vec<_>>()))
    }
}

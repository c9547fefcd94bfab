//! What the driver knows of one database.

use std::sync::Arc;

use ovsdb::{Row, RowChange, Str, Uuid};
use rustc_hash::FxHashMap;

/// All rows of a database as last heard. The rows themselves are shared with whoever gave them.
#[derive(Debug, Default)]
pub(super) struct View {
    tables: FxHashMap<Str, FxHashMap<Uuid, Arc<Row>>>,
    /// Whether it is complete and follows the database.
    pub(super) connected: bool,
}

impl View {
    pub(super) fn apply(&mut self, changes: &[RowChange]) {
        for change in changes {
            let table = self.tables.entry(change.table.clone()).or_default();
            match &change.new {
                Some(row) => drop(table.insert(change.uuid, Arc::clone(row))),
                None => drop(table.remove(&change.uuid)),
            }
        }
    }

    /// All rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = (Str, Uuid, Arc<Row>)> {
        self.tables.iter().flat_map(|(table, rows)| {
            rows.iter()
                .map(move |(uuid, row)| (table.clone(), *uuid, Arc::clone(row)))
        })
    }

    /// All rows as changes from nothing.
    pub(super) fn contents(&self) -> Vec<RowChange> {
        self.rows()
            .map(|(table, uuid, row)| RowChange {
                table,
                uuid,
                old: None,
                new: Some(row),
            })
            .collect()
    }

    /// The row of a table that has at most one.
    pub(super) fn only(&self, table: &str) -> Option<(Uuid, &Arc<Row>)> {
        self.tables
            .get(table)?
            .iter()
            .next()
            .map(|(uuid, row)| (*uuid, row))
    }
}

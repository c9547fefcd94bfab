//! The rows that the server last showed.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::SessionError;
use super::decode::{RowUpdate, Update};
use super::layout::Layout;
use crate::{DatabaseSchema, Datum, Row, RowChange, Uuid};

/// A copy of (a part of) a database, in the order of the client's schema.
#[derive(Debug, Clone)]
pub struct Replica {
    schema: Arc<DatabaseSchema>,
    /// By the position of the table in the schema.
    tables: Vec<FxHashMap<Uuid, Arc<Row>>>,
    /// Counts what was applied; each row has the number of its last change.
    revision: u64,
}

impl Replica {
    /// A copy of nothing.
    #[must_use]
    pub fn new(schema: Arc<DatabaseSchema>) -> Self {
        let tables = schema
            .tables()
            .iter()
            .map(|_| FxHashMap::default())
            .collect();
        Self {
            schema,
            tables,
            revision: 0,
        }
    }

    /// The client's schema.
    #[must_use]
    pub fn schema(&self) -> &Arc<DatabaseSchema> {
        &self.schema
    }

    /// The row `uuid` of `table`.
    #[must_use]
    pub fn row(&self, table: &str, uuid: &Uuid) -> Option<&Arc<Row>> {
        self.tables[self.schema.table_index(table)?].get(uuid)
    }

    /// The rows of `table`, in no order.
    pub fn rows(&self, table: &str) -> impl Iterator<Item = (&Uuid, &Arc<Row>)> {
        self.schema
            .table_index(table)
            .into_iter()
            .flat_map(|at| &self.tables[at])
    }

    /// How many rows there are in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tables.iter().map(FxHashMap::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Applies what one transaction of the server did.
    pub(super) fn apply(
        &mut self,
        updates: Vec<Update>,
        layout: &Layout,
    ) -> Result<Vec<RowChange>, SessionError> {
        self.revision += 1;
        let mut changes = Vec::with_capacity(updates.len());
        for (table, uuid, update) in updates {
            let old = self.tables[table].get(&uuid);
            let new = match update {
                RowUpdate::Whole(columns) => Some(self.whole(table, columns)),
                RowUpdate::Delete => None,
                RowUpdate::Diff(columns) => {
                    let name = &self.schema.tables()[table].name;
                    let old = old.ok_or_else(|| SessionError::Inconsistent {
                        table: name.clone(),
                        uuid,
                    })?;
                    let table = layout.table(name);
                    let mut row = Row::clone(old);
                    for (at, diff) in columns {
                        if let Some(column) = table.and_then(|table| table.server_type(at)) {
                            row.set(at, old[at].apply_diff(&diff, column));
                        }
                    }
                    row.set_revision(self.revision);
                    Some(Arc::new(row))
                }
            };
            changes.extend(self.put(table, uuid, new));
        }
        Ok(changes)
    }

    /// Makes the replica hold just these rows and gives the difference.
    pub(super) fn replace(&mut self, updates: Vec<Update>) -> Vec<RowChange> {
        self.revision += 1;
        let mut seen: Vec<FxHashSet<Uuid>> =
            self.tables.iter().map(|_| FxHashSet::default()).collect();
        let mut changes = Vec::new();
        for (table, uuid, update) in updates {
            if let RowUpdate::Whole(columns) = update {
                seen[table].insert(uuid);
                let row = self.whole(table, columns);
                changes.extend(self.put(table, uuid, Some(row)));
            }
        }
        for (table, seen) in seen.iter().enumerate() {
            let rows = self.tables[table].keys();
            let gone: Vec<Uuid> = rows.filter(|uuid| !seen.contains(uuid)).copied().collect();
            changes.extend(
                gone.into_iter()
                    .filter_map(|uuid| self.put(table, uuid, None)),
            );
        }
        changes
    }

    /// A row of these columns and defaults.
    fn whole(&self, table: usize, columns: Vec<(usize, Datum)>) -> Arc<Row> {
        let mut row = Row::default_of(&self.schema.tables()[table]);
        for (at, value) in columns {
            row.set(at, value);
        }
        row.set_revision(self.revision);
        Arc::new(row)
    }

    /// Stores a row or its absence; nothing if that is no change.
    fn put(&mut self, table: usize, uuid: Uuid, new: Option<Arc<Row>>) -> Option<RowChange> {
        let rows = &mut self.tables[table];
        if rows.get(&uuid) == new.as_ref() {
            return None;
        }
        let old = match &new {
            Some(row) => rows.insert(uuid, Arc::clone(row)),
            None => rows.remove(&uuid),
        };
        Some(RowChange {
            table: self.schema.tables()[table].name.clone(),
            uuid,
            old,
            new,
        })
    }
}

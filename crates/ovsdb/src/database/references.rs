//! Which columns refer to which tables, and who has weak references to a row.
//!
//! Invariant: the weak references known here are exactly those of the committed rows.

use std::collections::BTreeSet;

use crate::{DatabaseSchema, Datum, Row, Uuid};

/// What the keys or the values of a column refer to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) table: u32,
    pub(crate) strong: bool,
}

/// A column with references.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReferenceColumn {
    pub(crate) column: usize,
    pub(crate) key: Option<Target>,
    pub(crate) value: Option<Target>,
}

impl ReferenceColumn {
    /// The columns with references of each table.
    pub(crate) fn of_tables(schema: &DatabaseSchema) -> Vec<Vec<Self>> {
        let target = |base: &crate::schema::BaseType| {
            let (table, strong) = base.reference()?;
            let table = u32::try_from(schema.table_index(table)?).ok()?;
            Some(Target { table, strong })
        };
        let of_table = |table: &crate::TableSchema| {
            let columns = table.columns().iter().enumerate();
            columns
                .map(|(column, c)| Self {
                    column,
                    key: target(&c.column_type.key),
                    value: c.column_type.value.as_ref().and_then(target),
                })
                .filter(|c| c.key.is_some() || c.value.is_some())
                .collect()
        };
        schema
            .tables()
            .iter()
            .map(|table| of_table(table))
            .collect()
    }

    /// Whether the column has references of this strength.
    pub(crate) fn has(&self, strong: bool) -> bool {
        self.key.is_some_and(|t| t.strong == strong)
            || self.value.is_some_and(|t| t.strong == strong)
    }

    /// The rows that a value of the column refers to with this strength; one may come several times.
    pub(crate) fn targets(
        self,
        datum: &Datum,
        strong: bool,
    ) -> impl Iterator<Item = (u32, Uuid)> + '_ {
        let key = self.key.filter(|target| target.strong == strong);
        let value = self.value.filter(|target| target.strong == strong);
        let keys = datum
            .atoms()
            .iter()
            .chain(datum.pairs().iter().map(|pair| &pair.0));
        let keys = keys.filter_map(move |atom| Some((key?.table, atom.as_uuid()?)));
        let values = datum.pairs().iter().map(|pair| &pair.1);
        keys.chain(values.filter_map(move |atom| Some((value?.table, atom.as_uuid()?))))
    }

    /// Tells `note` of the references of this strength that the change of a row's column takes away (-1)
    /// and adds (1). For a set these are only those that differ, however long the set is.
    pub(crate) fn changes(
        self,
        old: Option<&Row>,
        new: Option<&Row>,
        strong: bool,
        mut note: impl FnMut((u32, Uuid), i64),
    ) {
        let old = old.map(|row| &row[self.column]);
        let new = new.map(|row| &row[self.column]);
        if old == new || !self.has(strong) {
            return;
        }
        if let (Some(old), Some(new), Some(target)) = (old, new, self.key)
            && !old.is_map()
        {
            for atom in old.symmetric_difference(new) {
                let by = if old.contains(&atom) { -1 } else { 1 };
                if let Some(uuid) = atom.as_uuid() {
                    note((target.table, uuid), by);
                }
            }
            return;
        }
        for target in old.into_iter().flat_map(|old| self.targets(old, strong)) {
            note(target, -1);
        }
        for target in new.into_iter().flat_map(|new| self.targets(new, strong)) {
            note(target, 1);
        }
    }
}

/// Weak references, found by the row that they refer to.
#[derive(Debug, Default)]
pub(crate) struct WeakReferences {
    /// Target, and the table, UUID and column that refer to it.
    set: BTreeSet<(u32, Uuid, u32, Uuid, usize)>,
}

impl WeakReferences {
    /// The rows that refer to the row `uuid` of `table`; one may come several times.
    pub(crate) fn sources(&self, table: u32, uuid: Uuid) -> impl Iterator<Item = (u32, Uuid)> + '_ {
        let first = (table, uuid, 0, Uuid::nil(), 0);
        let last = (table, uuid, u32::MAX, Uuid::max(), usize::MAX);
        self.set.range(first..=last).map(|entry| (entry.2, entry.3))
    }

    /// Notes the change of a row.
    pub(crate) fn change(
        &mut self,
        source: (u32, Uuid),
        columns: &[ReferenceColumn],
        old: Option<&Row>,
        new: Option<&Row>,
    ) {
        for column in columns.iter().filter(|column| column.has(false)) {
            let mut added = Vec::new();
            column.changes(old, new, false, |(table, uuid), by| {
                let entry = (table, uuid, source.0, source.1, column.column);
                if by < 0 {
                    self.set.remove(&entry);
                } else {
                    added.push(entry);
                }
            });
            // A map may have lost a row under one key and kept it under another.
            self.set.extend(added);
        }
    }
}

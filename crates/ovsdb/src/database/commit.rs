//! The checks at the end of a transaction, in the order in which `ovsdb-server` makes them: references,
//! garbage, numbers of rows, weak references, indexes.
//!
//! Invariant: every step costs as much as what the transaction touched, and what refers to that.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::execute::{Key, Work};
use super::references::ReferenceColumn;
use super::{Commit, Database, duplicate};
use crate::record::Record;
use crate::{Datum, Error, ErrorKind, Row, RowChange, Uuid};

impl Work<'_> {
    /// Ends the transaction; on an error nothing of it remains.
    pub(super) fn commit(mut self, now: u64) -> Result<Option<Commit>, Error> {
        self.drop_unchanged();
        if self.touched.is_empty() {
            return Ok(None);
        }
        if let Err(error) = self.check() {
            self.undo();
            return Err(error);
        }
        // What garbage collection and weak references undid is no change either.
        self.drop_unchanged();
        if self.touched.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.finish(now)))
    }

    fn check(&mut self) -> Result<(), Error> {
        let mut garbage = self.count_references()?;
        garbage.extend(self.touched.keys().copied());
        self.collect_garbage(garbage);
        self.check_row_counts()?;
        self.remove_weak_references()?;
        self.check_indexes()
    }

    fn drop_unchanged(&mut self) {
        let tables = &self.db.tables;
        self.touched
            .retain(|key, old| tables[key.0 as usize].row(&key.1) != old.as_ref());
    }

    fn new_row(&self, key: Key) -> Option<&Arc<Row>> {
        self.db.tables[key.0 as usize].row(&key.1)
    }

    /// Counts the strong references that the transaction added and removed; gives the rows to which none is
    /// left.
    fn count_references(&mut self) -> Result<Vec<Key>, Error> {
        let mut deltas: FxHashMap<Key, i64> = FxHashMap::default();
        for (&key, old) in &self.touched {
            let new = self.new_row(key).map(|row| &**row);
            if new.is_none() {
                deltas.entry(key).or_default();
            }
            for column in &self.db.references[key.0 as usize] {
                column.changes(old.as_deref(), new, true, |target, by| {
                    // A reference of a row to itself does not keep it.
                    if target != key {
                        *deltas.entry(target).or_default() += by;
                    }
                });
            }
        }
        let mut unreferenced = Vec::new();
        for (target, delta) in deltas {
            let before = self.references_before.get(&target).copied();
            let Some(entry) = self.db.tables[target.0 as usize].entry_mut(&target.1) else {
                if i64::from(before.unwrap_or(0)) + delta > 0 {
                    return Err(self.dangling(target));
                }
                continue;
            };
            self.references_before
                .entry(target)
                .or_insert(entry.references);
            entry.references = sum(entry.references, delta);
            if entry.references == 0 {
                unreferenced.push(target);
            }
        }
        Ok(unreferenced)
    }

    fn dangling(&self, target: Key) -> Error {
        let table = &self.db.schema.tables()[target.0 as usize].name;
        let text = match self.references_before.get(&target) {
            Some(_) => format!(
                "cannot delete {table} row {} because of remaining reference(s)",
                target.1
            ),
            None => format!("reference to nonexistent row {} in table {table}", target.1),
        };
        Error::new(ErrorKind::ReferentialIntegrity, text)
    }

    /// Deletes the rows among `candidates` that nothing keeps, and those that only they kept.
    fn collect_garbage(&mut self, mut candidates: Vec<Key>) {
        while let Some(key) = candidates.pop() {
            let table = &self.db.tables[key.0 as usize];
            let Some(entry) = table.entry(&key.1) else {
                continue;
            };
            if entry.references > 0 || self.db.schema.is_root(key.0 as usize) {
                continue;
            }
            let row = Arc::clone(&entry.row);
            self.put(key, None);
            for column in self.db.references[key.0 as usize].clone() {
                for target in column
                    .targets(&row[column.column], true)
                    .filter(|t| *t != key)
                {
                    let table = &mut self.db.tables[target.0 as usize];
                    let Some(entry) = table.entry_mut(&target.1) else {
                        continue;
                    };
                    self.references_before
                        .entry(target)
                        .or_insert(entry.references);
                    entry.references = sum(entry.references, -1);
                    candidates.push(target);
                }
            }
        }
    }

    fn check_row_counts(&self) -> Result<(), Error> {
        for key in self.touched.keys() {
            let table = &self.db.tables[key.0 as usize];
            let Some(limit) = table.schema.max_rows else {
                continue;
            };
            if table.len() > limit as usize {
                return Err(Error::constraint(format!(
                    "transaction causes \"{}\" table to contain {} rows, greater than the \
                     schema-defined limit of {limit} row(s)",
                    table.schema.name,
                    table.len()
                )));
            }
        }
        Ok(())
    }

    /// Takes weak references to rows that are gone, or never were, out of the rows that have them.
    fn remove_weak_references(&mut self) -> Result<(), Error> {
        let mut rows: Vec<Key> = Vec::new();
        for (&key, _) in &self.touched {
            if self.new_row(key).is_some() {
                rows.push(key);
            } else {
                rows.extend(self.db.weak.sources(key.0, key.1));
            }
        }
        rows.sort_unstable();
        rows.dedup();
        for key in rows {
            let columns = &self.db.references[key.0 as usize];
            if !columns.iter().any(|column| column.has(false)) {
                continue;
            }
            let Some(row) = self.new_row(key) else {
                continue;
            };
            let new = without_dangling(self.db, row, columns);
            if let Some(new) = new {
                self.check_emptied(key, &new)?;
                self.put(key, Some(Arc::new(new)));
            }
        }
        Ok(())
    }

    fn check_emptied(&self, key: Key, row: &Row) -> Result<(), Error> {
        let schema = &self.db.tables[key.0 as usize].schema;
        for column in &self.db.references[key.0 as usize] {
            let column_schema = &schema.columns()[column.column];
            if row[column.column].len() < column_schema.column_type.min as usize {
                return Err(Error::constraint(format!(
                    "Deletion of weak reference(s) to deleted (or never-existing) rows from column \
                     \"{}\" in \"{}\" row {} caused this column to become empty, but constraints on \
                     this column disallow an empty column.",
                    column_schema.name, schema.name, key.1
                )));
            }
        }
        Ok(())
    }

    fn check_indexes(&self) -> Result<(), Error> {
        for &key in self.touched.keys() {
            let table = &self.db.tables[key.0 as usize];
            let Some(row) = table.row(&key.1) else {
                continue;
            };
            if let Some((other, index)) = table.duplicate(key.1, row) {
                let former = |uuid| self.touched.get(&(key.0, uuid)).map(Option::as_deref);
                return Err(duplicate::error(table, index, [other, key.1], former));
            }
        }
        Ok(())
    }

    /// Makes the commit of a transaction that has passed its checks.
    fn finish(mut self, now: u64) -> Commit {
        let revision = self.db.revision + 1;
        let mut touched: Vec<_> = self.touched.drain(..).collect();
        touched.sort_by_key(|(key, _)| key.0);
        let mut changes = Vec::with_capacity(touched.len());
        for (key, old) in touched {
            self.db.note_change(key);
            let table = &mut self.db.tables[key.0 as usize];
            let new = table.entry_mut(&key.1).map(|entry| {
                // Only this transaction has the new row yet, so nothing is copied here.
                Arc::make_mut(&mut entry.row).set_revision(revision);
                Arc::clone(&entry.row)
            });
            let columns = &self.db.references[key.0 as usize];
            self.db
                .weak
                .change(key, columns, old.as_deref(), new.as_deref());
            changes.push(RowChange {
                table: table.schema.name.clone(),
                uuid: key.1,
                old,
                new,
            });
        }
        self.db.revision = revision;
        let record = Record::commit(self.db.form(), &changes, now, &self.comments);
        let before = self.db.history.point();
        let id = self.db.history.next_id(record.as_ref(), revision);
        let changes: Arc<[RowChange]> = changes.into();
        self.db
            .history
            .push(id, record.is_some(), Arc::clone(&changes));
        Commit {
            revision,
            id,
            record,
            changes,
            before,
        }
    }
}

/// The row without its weak references to rows that do not exist; nothing when it has none.
fn without_dangling(db: &Database, row: &Row, columns: &[ReferenceColumn]) -> Option<Row> {
    let exists = |(table, uuid): (u32, Uuid)| db.tables[table as usize].row(&uuid).is_some();
    let mut new: Option<Row> = None;
    for column in columns.iter().filter(|column| column.has(false)) {
        let field = &row[column.column];
        if column.targets(field, false).all(exists) {
            continue;
        }
        let keep = |target: Option<super::references::Target>, atom: &crate::Atom| {
            let target = target.filter(|target| !target.strong);
            target
                .zip(atom.as_uuid())
                .is_none_or(|(target, uuid)| exists((target.table, uuid)))
        };
        let kept = if field.is_map() {
            let pairs = field.pairs().iter();
            let pairs =
                pairs.filter(|pair| keep(column.key, &pair.0) && keep(column.value, &pair.1));
            Datum::from_sorted_map(pairs.cloned().collect())
        } else {
            let atoms = field.atoms().iter().filter(|atom| keep(column.key, atom));
            Datum::from_sorted_set(atoms.cloned().collect())
        };
        new.get_or_insert_with(|| row.clone())
            .set(column.column, kept);
    }
    new
}

/// A count of references changed by `delta`; it cannot leave its range but by a reference counted twice.
pub(super) fn sum(count: u32, delta: i64) -> u32 {
    u32::try_from(i64::from(count) + delta).unwrap_or(0)
}

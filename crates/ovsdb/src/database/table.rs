//! One table: its rows by UUID, its indexes, and its rows by their marks in columns that conditions ask for.
//!
//! Invariant: every index holds exactly the rows of the table, and so does every column that was marked. Within a transaction two rows may be equal in
//! an index; that they are not at its end is checked by the commit.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use hashbrown::HashTable;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use super::mark::{Mark, elements};
use super::{AnyFilter, Slot};
use crate::{Datum, Row, TableSchema, Uuid};

type Rows = hashbrown::HashMap<Uuid, Entry, FxBuildHasher>;

/// A row in its table.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) row: Arc<Row>,
    /// How many strong references other rows have to this one.
    pub(crate) references: u32,
}

#[derive(Debug)]
struct Index {
    columns: Vec<usize>,
    rows: HashTable<(u64, Uuid)>,
}

/// The rows by the marks of their elements in one column.
#[derive(Debug)]
struct Marked {
    column: usize,
    rows: FxHashMap<Mark, FxHashSet<Uuid>>,
}

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) schema: Arc<TableSchema>,
    rows: Rows,
    indexes: Vec<Index>,
    marked: Vec<Marked>,
    /// Counts the changes of rows.
    changes: u64,
}

impl Table {
    pub(crate) fn new(schema: Arc<TableSchema>) -> Self {
        let index = |columns: &Vec<usize>| Index {
            columns: columns.clone(),
            rows: HashTable::new(),
        };
        let indexes = schema.indexes().iter().map(index).collect();
        Self {
            schema,
            rows: Rows::default(),
            indexes,
            marked: Vec::new(),
            changes: 0,
        }
    }

    /// Another number whenever a row has changed.
    pub(crate) const fn changes(&self) -> u64 {
        self.changes
    }

    /// Sees to it that the rows of a condition are found by their marks.
    pub(crate) fn mark(&mut self, filter: &AnyFilter) {
        for (slot, _) in filter.marks().into_iter().flatten() {
            let Slot::Column(column) = slot else { continue };
            if self.marked(column).is_some() {
                continue;
            }
            let rows = FxHashMap::default();
            let mut marked = Marked { column, rows };
            for (uuid, entry) in &self.rows {
                marked.replace(*uuid, None, Some(&entry.row));
            }
            self.marked.push(marked);
        }
    }

    fn marked(&self, column: usize) -> Option<&Marked> {
        self.marked.iter().find(|marked| marked.column == column)
    }

    /// How many rows have the mark, if that is known.
    pub(crate) fn count_marked(&self, slot: Slot, mark: Mark) -> Option<usize> {
        let Slot::Column(column) = slot else {
            return None;
        };
        let marked = self.marked(column)?;
        match mark {
            Mark::Nothing => None,
            Mark::Something => Some(marked.rows.values().map(FxHashSet::len).sum()),
            Mark::Element(_) => Some(marked.rows.get(&mark).map_or(0, FxHashSet::len)),
        }
    }

    /// The rows that satisfy a condition.
    pub(crate) fn visible<'a>(
        &'a self,
        filter: &'a AnyFilter,
    ) -> Box<dyn Iterator<Item = (Uuid, &'a Arc<Row>)> + 'a> {
        let matches = |(uuid, row): &(Uuid, &Arc<Row>)| filter.matches(*uuid, row);
        match self.candidates(filter) {
            None => Box::new(self.iter().map(|(uuid, row)| (*uuid, row)).filter(matches)),
            Some(candidates) => {
                let rows = candidates.into_iter();
                let rows = rows.filter_map(|uuid| Some((uuid, self.row(&uuid)?)));
                Box::new(rows.filter(matches))
            }
        }
    }

    /// All rows that can satisfy a condition, if marks tell.
    fn candidates(&self, filter: &AnyFilter) -> Option<FxHashSet<Uuid>> {
        let mut found = FxHashSet::default();
        for (slot, mark) in filter.marks()? {
            let column = match slot {
                Slot::Column(column) => column,
                Slot::Uuid | Slot::Version => return None,
            };
            let rows = &self.marked(column)?.rows;
            match mark {
                Mark::Nothing => return None,
                Mark::Something => found.extend(rows.values().flatten()),
                Mark::Element(_) => found.extend(rows.get(&mark).into_iter().flatten()),
            }
        }
        Some(found)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn row(&self, uuid: &Uuid) -> Option<&Arc<Row>> {
        self.rows.get(uuid).map(|entry| &entry.row)
    }

    pub(crate) fn entry_mut(&mut self, uuid: &Uuid) -> Option<&mut Entry> {
        self.rows.get_mut(uuid)
    }

    pub(crate) fn entry(&self, uuid: &Uuid) -> Option<&Entry> {
        self.rows.get(uuid)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Uuid, &Arc<Row>)> {
        self.rows.iter().map(|(uuid, entry)| (uuid, &entry.row))
    }

    /// Puts, replaces or removes a row and gives back the former one. The number of references stays with a
    /// row that is replaced and is zero for a new one.
    pub(crate) fn replace(&mut self, uuid: Uuid, row: Option<Arc<Row>>) -> Option<Arc<Row>> {
        let old = self.rows.get(&uuid).map(|entry| Arc::clone(&entry.row));
        for index in &mut self.indexes {
            index.replace(uuid, old.as_deref(), row.as_deref());
        }
        for marked in &mut self.marked {
            marked.replace(uuid, old.as_deref(), row.as_deref());
        }
        self.changes += 1;
        match row {
            None => drop(self.rows.remove(&uuid)),
            Some(row) => match self.rows.get_mut(&uuid) {
                Some(entry) => entry.row = row,
                None => drop(self.rows.insert(uuid, Entry { row, references: 0 })),
            },
        }
        old
    }

    /// The rows that are equal in the columns of an index, which `value` gives by position; `None` when no
    /// index is covered by what `value` knows.
    pub(crate) fn look_up<'a>(
        &self,
        value: impl Fn(usize) -> Option<&'a Datum>,
    ) -> Option<Vec<Uuid>> {
        let index = self
            .indexes
            .iter()
            .find(|i| i.columns.iter().all(|&c| value(c).is_some()))?;
        let wanted: Vec<&Datum> = index.columns.iter().filter_map(|&c| value(c)).collect();
        let equal = |row: &Row| {
            index
                .columns
                .iter()
                .zip(&wanted)
                .all(|(&c, w)| row[c] == **w)
        };
        let hash = hash(wanted.iter().copied());
        let found = index.rows.iter_hash(hash).filter(|entry| entry.0 == hash);
        let found = found.filter(|entry| self.row(&entry.1).is_some_and(|row| equal(row)));
        Some(found.map(|entry| entry.1).collect())
    }

    /// Another row that is equal to this one in an index, and which index that is.
    pub(crate) fn duplicate(&self, uuid: Uuid, row: &Row) -> Option<(Uuid, &[usize])> {
        self.indexes.iter().find_map(|index| {
            let hash = index.hash(row);
            let same = |other: &Row| index.columns.iter().all(|&c| other[c] == row[c]);
            let mut candidates = index
                .rows
                .iter_hash(hash)
                .filter(|e| e.0 == hash && e.1 != uuid);
            let other = candidates.find(|e| self.row(&e.1).is_some_and(|other| same(other)))?;
            Some((other.1, index.columns.as_slice()))
        })
    }
}

impl Index {
    fn hash(&self, row: &Row) -> u64 {
        hash(self.columns.iter().map(|&column| &row[column]))
    }

    fn replace(&mut self, uuid: Uuid, old: Option<&Row>, new: Option<&Row>) {
        if let (Some(old), Some(new)) = (old, new)
            && self
                .columns
                .iter()
                .all(|&column| old[column] == new[column])
        {
            return;
        }
        if let Some(old) = old {
            let hash = self.hash(old);
            if let Ok(entry) = self.rows.find_entry(hash, |entry| *entry == (hash, uuid)) {
                entry.remove();
            }
        }
        if let Some(new) = new {
            let hash = self.hash(new);
            self.rows.insert_unique(hash, (hash, uuid), |entry| entry.0);
        }
    }
}

impl Marked {
    fn replace(&mut self, uuid: Uuid, old: Option<&Row>, new: Option<&Row>) {
        let (old, new) = (
            old.map(|row| &row[self.column]),
            new.map(|row| &row[self.column]),
        );
        if old == new {
            return;
        }
        for mark in old.into_iter().flat_map(elements) {
            if let Some(rows) = self.rows.get_mut(&mark) {
                rows.remove(&uuid);
                if rows.is_empty() {
                    self.rows.remove(&mark);
                }
            }
        }
        for mark in new.into_iter().flat_map(elements) {
            self.rows.entry(mark).or_default().insert(uuid);
        }
    }
}

fn hash<'a>(values: impl Iterator<Item = &'a Datum>) -> u64 {
    let mut hasher = FxBuildHasher.build_hasher();
    for value in values {
        value.hash(&mut hasher);
    }
    hasher.finish()
}

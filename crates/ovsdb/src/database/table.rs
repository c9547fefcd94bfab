//! One table: its rows by UUID, and its indexes.
//!
//! Invariant: every index holds exactly the rows of the table. Within a transaction two rows may be equal in
//! an index; that they are not at its end is checked by the commit.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

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

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) schema: Arc<TableSchema>,
    rows: Rows,
    indexes: Vec<Index>,
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
        }
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

fn hash<'a>(values: impl Iterator<Item = &'a Datum>) -> u64 {
    let mut hasher = FxBuildHasher.build_hasher();
    for value in values {
        value.hash(&mut hasher);
    }
    hasher.finish()
}

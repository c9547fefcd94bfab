//! What a relation holds: its cells, who read them, and what changed in the present run.

use std::any::Any;
use std::hash::BuildHasher;

use hashbrown::HashTable;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::engine::Change;
use crate::handle::{Key, Value};
use crate::readers::{CellId, MEMBERSHIP, Readers};

struct Cell<K, V> {
    key: K,
    value: Option<V>,
    readers: Readers,
    /// The delta of the present run has this cell.
    changed: bool,
    /// A rule has an instance here, perhaps one without a value.
    held: bool,
}

impl<K, V> Cell<K, V> {
    fn is_unused(&self) -> bool {
        self.value.is_none() && self.readers.is_empty() && !self.held && !self.changed
    }
}

/// The cells of one relation. Keys are interned to slots; a slot is used again after its cell went.
pub(crate) struct Table<K, V> {
    slots: HashTable<u32>,
    cells: Vec<Option<Cell<K, V>>>,
    free: Vec<u32>,
    membership: Readers,
    /// Former values of the cells that changed since the last run ended.
    delta: Vec<(u32, Option<V>)>,
    /// Cells that lost a reader or their instance.
    perhaps_unused: Vec<u32>,
    /// Former values by key since the last drain, when somebody watches.
    watched: Option<FxHashMap<K, Option<V>>>,
}

impl<K: Key, V: Value> Table<K, V> {
    pub(crate) fn new() -> Self {
        Self {
            slots: HashTable::new(),
            cells: Vec::new(),
            free: Vec::new(),
            membership: Readers::None,
            delta: Vec::new(),
            perhaps_unused: Vec::new(),
            watched: None,
        }
    }

    fn hash(key: &K) -> u64 {
        FxBuildHasher.hash_one(key)
    }

    fn cell(&self, slot: u32) -> Option<&Cell<K, V>> {
        self.cells.get(slot as usize)?.as_ref()
    }

    fn cell_mut(&mut self, slot: u32) -> Option<&mut Cell<K, V>> {
        self.cells.get_mut(slot as usize)?.as_mut()
    }

    pub(crate) fn find(&self, key: &K) -> Option<u32> {
        let same = |slot: &u32| self.cell(*slot).is_some_and(|cell| cell.key == *key);
        self.slots.find(Self::hash(key), same).copied()
    }

    pub(crate) fn intern(&mut self, key: &K) -> u32 {
        if let Some(slot) = self.find(key) {
            return slot;
        }
        let cell = Cell {
            key: key.clone(),
            value: None,
            readers: Readers::None,
            changed: false,
            held: false,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.cells[slot as usize] = Some(cell);
                slot
            }
            None => {
                self.cells.push(Some(cell));
                u32::try_from(self.cells.len() - 1).expect("a relation has less than 2^32 keys")
            }
        };
        let cells = &self.cells;
        self.slots.insert_unique(Self::hash(key), slot, |slot| {
            cells[*slot as usize]
                .as_ref()
                .map_or(0, |cell| Self::hash(&cell.key))
        });
        slot
    }

    pub(crate) fn key(&self, slot: u32) -> Option<&K> {
        self.cell(slot).map(|cell| &cell.key)
    }

    pub(crate) fn value(&self, slot: u32) -> Option<&V> {
        self.cell(slot)?.value.as_ref()
    }

    /// Replaces a value. An equal value changes nothing; the former one goes into the delta.
    pub(crate) fn put(&mut self, slot: u32, value: Option<V>) {
        let Some(cell) = self.cell_mut(slot) else {
            return;
        };
        if cell.value == value {
            // Equal is not identical: a group's hidden counts may differ.
            cell.value = value;
            return;
        }
        let old = std::mem::replace(&mut cell.value, value);
        if !std::mem::replace(&mut cell.changed, true) {
            self.delta.push((slot, old));
        }
    }

    /// Says whether a rule has an instance at the slot.
    pub(crate) fn hold(&mut self, slot: u32, held: bool) {
        if let Some(cell) = self.cell_mut(slot) {
            cell.held = held;
        }
        if !held {
            self.perhaps_unused.push(slot);
        }
    }

    /// What changed in this run: key, former value, present value.
    pub(crate) fn delta(&self) -> impl Iterator<Item = (&K, Option<&V>, Option<&V>)> {
        self.delta.iter().filter_map(|(slot, old)| {
            let cell = self.cell(*slot)?;
            Some((&cell.key, old.as_ref(), cell.value.as_ref()))
        })
    }

    /// All entries with a value, in the order of their keys.
    pub(crate) fn entries(&self) -> Vec<(u32, &K, &V)> {
        let entry = |(slot, cell): (usize, &'_ Option<Cell<K, V>>)| -> Option<(u32, usize)> {
            cell.as_ref()?.value.as_ref()?;
            Some((u32::try_from(slot).ok()?, slot))
        };
        let mut all: Vec<_> = (self.cells.iter().enumerate().filter_map(entry))
            .filter_map(|(slot, at)| {
                let cell = self.cells[at].as_ref()?;
                Some((slot, &cell.key, cell.value.as_ref()?))
            })
            .collect();
        all.sort_unstable_by(|a, b| a.1.cmp(b.1));
        all
    }

    /// The changes since the last drain, in the order of keys.
    pub(crate) fn drain(&mut self) -> Vec<Change<K, V>> {
        let Some(watched) = self.watched.as_mut() else {
            return Vec::new();
        };
        let watched = std::mem::take(watched);
        let mut changes: Vec<_> = watched
            .into_iter()
            .map(|(key, old)| {
                let new = self.find(&key).and_then(|slot| self.value(slot)).cloned();
                Change { key, old, new }
            })
            .filter(|change| change.old != change.new)
            .collect();
        changes.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        changes
    }

    fn free_if_unused(&mut self, slot: u32) {
        if !self.cell(slot).is_some_and(Cell::is_unused) {
            return;
        }
        let Some(cell) = self.cells[slot as usize].take() else {
            return;
        };
        if let Ok(entry) = self
            .slots
            .find_entry(Self::hash(&cell.key), |known| *known == slot)
        {
            entry.remove();
        }
        self.free.push(slot);
    }

    /// Gives memory back after many keys went.
    fn shrink(&mut self) {
        if self.slots.is_empty() {
            self.cells = Vec::new();
            self.free = Vec::new();
            self.slots = HashTable::new();
        } else if self.slots.capacity() > 1024 && self.slots.len() < self.slots.capacity() / 8 {
            let cells = &self.cells;
            self.slots.shrink_to_fit(|slot| {
                cells[*slot as usize]
                    .as_ref()
                    .map_or(0, |cell| Self::hash(&cell.key))
            });
        }
    }
}

/// A table whose types were forgotten.
pub(crate) trait AnyTable: Any + Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
    /// Interns a key that was looked for; the key must be of the table's type.
    fn intern_any(&mut self, key: &dyn Any) -> Option<u32>;
    fn key_text(&self, slot: u32) -> String;
    fn add_reader(&mut self, slot: u32, reader: CellId);
    fn remove_reader(&mut self, slot: u32, reader: CellId);
    /// Drops from the delta what came back to its former value.
    fn settle(&mut self);
    /// Names the readers of all that changed.
    fn notify(&self, dirty: &mut dyn FnMut(CellId));
    /// Ends a run: forgets the delta, frees what nothing holds.
    fn finish(&mut self);
    fn watch(&mut self);
    /// Counts of cells, of readers, and of slots that memory is kept for.
    fn footprint(&self) -> (usize, usize, usize);
}

impl<K: Key, V: Value> AnyTable for Table<K, V> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn intern_any(&mut self, key: &dyn Any) -> Option<u32> {
        key.downcast_ref::<K>().map(|key| self.intern(key))
    }

    fn key_text(&self, slot: u32) -> String {
        self.key(slot)
            .map(|key| format!("{key:?}"))
            .unwrap_or_default()
    }

    fn add_reader(&mut self, slot: u32, reader: CellId) {
        if slot == MEMBERSHIP {
            self.membership.add(reader);
        } else if let Some(cell) = self.cell_mut(slot) {
            cell.readers.add(reader);
        }
    }

    fn remove_reader(&mut self, slot: u32, reader: CellId) {
        if slot == MEMBERSHIP {
            self.membership.remove(reader);
        } else if let Some(cell) = self.cell_mut(slot) {
            cell.readers.remove(reader);
            if cell.is_unused() {
                self.perhaps_unused.push(slot);
            }
        }
    }

    fn settle(&mut self) {
        let cells = &mut self.cells;
        let perhaps_unused = &mut self.perhaps_unused;
        self.delta.retain(|(slot, old)| {
            let Some(cell) = cells[*slot as usize].as_mut() else {
                return false;
            };
            cell.changed = cell.value != *old;
            if !cell.changed {
                perhaps_unused.push(*slot);
            }
            cell.changed
        });
    }

    fn notify(&self, dirty: &mut dyn FnMut(CellId)) {
        let mut members_changed = false;
        for (slot, old) in &self.delta {
            let Some(cell) = self.cell(*slot) else {
                continue;
            };
            cell.readers.for_each(&mut *dirty);
            members_changed |= old.is_some() != cell.value.is_some();
        }
        if members_changed {
            self.membership.for_each(dirty);
        }
    }

    fn finish(&mut self) {
        for (slot, old) in std::mem::take(&mut self.delta) {
            let Some(cell) = self.cells[slot as usize].as_mut() else {
                continue;
            };
            cell.changed = false;
            if let Some(watched) = self.watched.as_mut() {
                watched.entry(cell.key.clone()).or_insert(old);
            }
            self.perhaps_unused.push(slot);
        }
        if !self.perhaps_unused.is_empty() {
            for slot in std::mem::take(&mut self.perhaps_unused) {
                self.free_if_unused(slot);
            }
            self.shrink();
        }
    }

    fn watch(&mut self) {
        self.watched.get_or_insert_default();
    }

    fn footprint(&self) -> (usize, usize, usize) {
        let readers: usize = self
            .cells
            .iter()
            .flatten()
            .map(|cell| cell.readers.len())
            .sum();
        (
            self.slots.len(),
            readers + self.membership.len(),
            self.cells.capacity(),
        )
    }
}

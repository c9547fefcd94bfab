//! Which groups of monitors a change of a row may concern, without asking each of them.
//!
//! A condition whose clauses all have marks is entered under these; a row that changes has marks, before and after,
//! and under these the groups are found. A group that is found may still not see the row; one that is not found
//! cannot.
//!
//! Invariant: the groups that [`Interest::concerned`] gives include every group that sees the row before or after.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::monitor::{Spec, TableSpec};
use crate::database::{Mark, Slot};
use crate::{Row, Uuid};

/// The number of a group.
pub(crate) type Group = u64;

/// The groups by table and mark.
#[derive(Debug, Default)]
pub(crate) struct Interest {
    tables: FxHashMap<usize, OfTable>,
}

#[derive(Debug, Default)]
struct OfTable {
    /// Those that any row may concern.
    any: FxHashSet<Group>,
    marked: BTreeMap<Slot, FxHashMap<Mark, FxHashSet<Group>>>,
}

impl Interest {
    pub(crate) fn insert(&mut self, group: Group, spec: &Spec) {
        for of in &spec.tables {
            let table = self.tables.entry(of.table).or_default();
            match of.filter.marks() {
                None => drop(table.any.insert(group)),
                Some(marks) => {
                    for (slot, mark) in marks {
                        let slot = table.marked.entry(slot).or_default();
                        slot.entry(mark).or_default().insert(group);
                    }
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, group: Group, spec: &Spec) {
        for of in &spec.tables {
            if let Some(table) = self.tables.get_mut(&of.table) {
                table.remove(group, of);
            }
        }
    }

    /// Adds the groups that a change of a row of the table may concern.
    pub(crate) fn concerned(
        &self,
        table: usize,
        uuid: Uuid,
        rows: [Option<&Row>; 2],
        groups: &mut FxHashSet<Group>,
    ) {
        let Some(table) = self.tables.get(&table) else {
            return;
        };
        groups.extend(&table.any);
        for (slot, marked) in &table.marked {
            for row in rows.into_iter().flatten() {
                Mark::of_row(*slot, uuid, row, |mark| {
                    groups.extend(marked.get(&mark).into_iter().flatten());
                });
            }
        }
    }
}

impl OfTable {
    fn remove(&mut self, group: Group, spec: &TableSpec) {
        self.any.remove(&group);
        for (slot, mark) in spec.filter.marks().into_iter().flatten() {
            let Some(marked) = self.marked.get_mut(&slot) else {
                continue;
            };
            if let Some(groups) = marked.get_mut(&mark) {
                groups.remove(&group);
                if groups.is_empty() {
                    marked.remove(&mark);
                }
            }
            if marked.is_empty() {
                self.marked.remove(&slot);
            }
        }
    }
}

//! Which groups of monitors a change of a row may concern, without asking each of them.
//!
//! A condition whose clauses all have marks is entered under these; a row that changes has marks, before and after,
//! and under these the groups are found. A group that is found may still not see the row; one that is not found
//! cannot.
//!
//! Invariant: the groups that [`Interest::of_any`] and [`Interest::of_row`] give include every group that sees the row
//! before or after.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::monitor::{Spec, TableSpec};
use crate::database::{Mark, Slot};
use crate::{Row, Uuid};

/// The number of a group.
pub(crate) type GroupId = u64;

/// The groups by table and mark.
#[derive(Debug, Default)]
pub(crate) struct Interest {
    tables: FxHashMap<usize, OfTable>,
}

#[derive(Debug, Default)]
struct OfTable {
    /// Those that any row may concern.
    any: FxHashSet<GroupId>,
    marked: BTreeMap<Slot, FxHashMap<Mark, FxHashSet<GroupId>>>,
}

impl Interest {
    pub(crate) fn insert(&mut self, group: GroupId, spec: &Spec) {
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

    pub(crate) fn remove(&mut self, group: GroupId, spec: &Spec) {
        for of in &spec.tables {
            if let Some(table) = self.tables.get_mut(&of.table) {
                table.remove(group, of);
                if table.any.is_empty() && table.marked.is_empty() {
                    self.tables.remove(&of.table);
                }
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Calls `found` with the groups that any change of a row of the table may concern.
    pub(crate) fn of_any(&self, table: usize, found: impl FnMut(GroupId)) {
        let of = self.tables.get(&table);
        of.into_iter()
            .flat_map(|of| &of.any)
            .copied()
            .for_each(found);
    }

    /// Calls `found` with the other groups that a change of a row of the table may concern, with some more than
    /// once.
    pub(crate) fn of_row(
        &self,
        table: usize,
        uuid: Uuid,
        rows: [Option<&Row>; 2],
        mut found: impl FnMut(GroupId),
    ) {
        let Some(table) = self.tables.get(&table) else {
            return;
        };
        for (slot, marked) in &table.marked {
            for row in rows.into_iter().flatten() {
                Mark::of_row(*slot, uuid, row, |mark| {
                    let groups = marked.get(&mark).into_iter().flatten();
                    groups.copied().for_each(&mut found);
                });
            }
        }
    }
}

impl OfTable {
    fn remove(&mut self, group: GroupId, spec: &TableSpec) {
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

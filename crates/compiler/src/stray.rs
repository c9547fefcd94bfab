//! Rows of ours that somebody else has changed.
//!
//! The compiler hears of all changes of the Southbound, those that it asked for among them. One that it did
//! not ask for, in a table or column that it alone decides on, is undone with the next run.
//!
//! It must not know how changes come or go, nor hold a row for longer than it is in question.
//!
//! Invariant: a row is here from when it was given out until it was heard of, or from when it was found to
//! stray until it is put right. So the cost is that of the changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use ovsdb::{Row, RowChange, Str};
use rustc_hash::FxHashMap;
use uuid::Uuid;

use crate::ownership::Ownership;

/// The place of a table in the order of references, and the row.
type Key = (usize, Uuid);

/// A row that is not as it should be; no row stands for one that does not exist.
struct Stray {
    wanted: Option<Arc<Row>>,
    found: Option<Arc<Row>>,
}

/// What was asked for and not heard of yet, and what strays.
#[derive(Default)]
pub(crate) struct Strays {
    ownership: Ownership,
    given: FxHashMap<Key, Option<Arc<Row>>>,
    strays: BTreeMap<Key, Stray>,
}

impl Strays {
    /// Takes note of a change of the Southbound; says whether it must be undone.
    pub(crate) fn observe(&mut self, change: &RowChange) -> bool {
        let Some(rank) = Ownership::rank(&change.table) else {
            return false;
        };
        let key = (rank, change.uuid);
        let stray = self.strays.remove(&key);
        let strayed = stray.is_some();
        let wanted = match (stray, self.given.get(&key)) {
            (_, Some(given)) => given.clone(),
            (Some(stray), None) => stray.wanted,
            (None, None) => change.old.clone(),
        };
        let agree = self
            .ownership
            .agree(rank, wanted.as_ref(), change.new.as_ref());
        // A server of an older schema does not take all columns; that is nobody's doing.
        if agree || !strayed && !self.ownership.leads_astray(rank, change, wanted.as_ref()) {
            // What comes now is measured by this.
            self.given.remove(&key);
            return false;
        }
        let found = change.new.clone();
        self.strays.insert(key, Stray { wanted, found });
        true
    }

    /// Adds to the changes that are about to be given out those that put strays right, and remembers all.
    pub(crate) fn settle(&mut self, changes: Vec<RowChange>) -> Vec<RowChange> {
        let changes = if self.strays.is_empty() {
            changes
        } else {
            self.put_right(changes)
        };
        for change in &changes {
            if let Some(rank) = Ownership::rank(&change.table) {
                self.given.insert((rank, change.uuid), change.new.clone());
            }
        }
        changes
    }

    fn put_right(&mut self, changes: Vec<RowChange>) -> Vec<RowChange> {
        let mut strays = std::mem::take(&mut self.strays);
        let mut all = BTreeMap::new();
        for mut change in changes {
            let Some(rank) = Ownership::rank(&change.table) else {
                continue;
            };
            let key = (rank, change.uuid);
            if let Some(stray) = strays.remove(&key) {
                change = self.repair(key, change.new, stray.found);
            }
            all.insert(key, change);
        }
        for (key, stray) in strays {
            all.insert(key, self.repair(key, stray.wanted, stray.found));
        }
        all.retain(|_, change| change.old != change.new);
        let (present, gone): (Vec<_>, Vec<_>) =
            all.into_values().partition(|change| change.new.is_some());
        present.into_iter().chain(gone.into_iter().rev()).collect()
    }

    fn repair(
        &self,
        (rank, uuid): Key,
        wanted: Option<Arc<Row>>,
        found: Option<Arc<Row>>,
    ) -> RowChange {
        RowChange {
            table: Str::new_static(Ownership::table(rank)),
            uuid,
            new: wanted.map(|row| self.ownership.keep_foreign(rank, found.as_ref(), row)),
            old: found,
        }
    }
}

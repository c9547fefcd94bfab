//! What a monitor sees of a commit. Monitors that see the same of it share the text.
//!
//! Invariant: two sights are equal exactly when the same is written for both.

use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use super::monitor::{Shown, Spec, Version};
use super::rows::{Visible, Writer};
use crate::{Database, Row, RowChange};

/// The changes of a commit, with the positions of their tables in the schema.
pub(crate) struct Changes<'c>(Vec<(Option<usize>, &'c RowChange)>);

impl<'c> Changes<'c> {
    pub(crate) fn of(db: &Database, changes: &'c [RowChange]) -> Self {
        let mut last: Option<(&str, Option<usize>)> = None;
        let with_table = |change: &'c RowChange| {
            let index = match last {
                Some((name, index)) if name == change.table => index,
                _ => db.schema().table_index(&change.table),
            };
            last = Some((&change.table, index));
            (index, change)
        };
        Self(changes.iter().map(with_table).collect())
    }

    pub(crate) fn all(&self) -> Range<usize> {
        0..self.0.len()
    }

    pub(crate) fn get(&self, number: usize) -> &'c RowChange {
        self.0[number].1
    }

    /// The changes that stand together because they are of one table: its position, and their numbers.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let mut end = 0;
        let runs = self.0.chunk_by(|one, next| one.0 == next.0);
        runs.filter_map(move |run| {
            let range = end..end + run.len();
            end = range.end;
            Some((run[0].0?, range))
        })
    }
}

/// What of some changes a monitor sees: all that matters for what is written.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Sight<'s> {
    version: Version,
    seen: SmallVec<[Seen<'s>; 2]>,
}

/// A change that is seen.
#[derive(PartialEq, Eq, Hash)]
struct Seen<'s> {
    number: usize,
    shown: Same<'s>,
    before: bool,
    after: bool,
}

/// What is shown, by its place: the monitors of a database have equal ones in one place.
#[derive(Clone, Copy)]
struct Same<'s>(&'s Shown);

impl PartialEq for Same<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Same<'_> {}

impl Hash for Same<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::hash(self.0, state);
    }
}

impl<'s> Sight<'s> {
    /// What a monitor sees of the changes with these numbers, which ascend.
    pub(crate) fn of(
        spec: &'s Spec,
        changes: &Changes<'_>,
        numbers: impl Iterator<Item = usize>,
    ) -> Self {
        let seen = numbers.filter_map(|number| {
            let (table, change) = changes.0[number];
            let of = spec.table(table?)?;
            let sees = |row: &Option<Arc<Row>>| {
                row.as_ref()
                    .is_some_and(|row| of.filter.matches(change.uuid, row))
            };
            let (before, after) = (sees(&change.old), sees(&change.new));
            (before || after).then_some(Seen {
                number,
                shown: Same(&of.shown),
                before,
                after,
            })
        });
        Self {
            version: spec.version,
            seen: seen.collect(),
        }
    }

    /// What they are to a monitor that sees this of them; `None` when it need not hear of them.
    pub(crate) fn write(&self, db: &Database, changes: &Changes<'_>) -> Option<Vec<u8>> {
        let mut writer = Writer::new(db, self.version);
        for seen in &self.seen {
            let (Some(table), change) = changes.0[seen.number] else {
                continue;
            };
            let before = change.old.as_deref().filter(|_| seen.before);
            let after = change.new.as_deref().filter(|_| seen.after);
            let row = Visible::changed(change.uuid, before, after);
            writer.row(table, seen.shown.0, &row);
        }
        writer.finish()
    }
}

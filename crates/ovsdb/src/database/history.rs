//! The last commits by their ids, so that a client that comes back gets only what it missed.
//!
//! Ids of persistent commits are a function of the log, so a server that starts again knows them too.
//!
//! Invariant: what is kept alive only by the history is bounded by [`History::MAX_WEIGHT`].

use std::collections::{VecDeque, vec_deque};
use std::sync::Arc;

use sha1::{Digest, Sha1};

use crate::record::Record;
use crate::{RowChange, Uuid};

/// A place in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    last_id: Uuid,
    last_persistent: Uuid,
}

#[derive(Debug)]
pub(crate) struct History {
    /// Each entry leads from the id of the one before it (or `base`) to its own.
    entries: VecDeque<(Uuid, Arc<[RowChange]>)>,
    base: Uuid,
    /// The id of the last commit that has a record.
    last_persistent: Uuid,
    /// About how many values are kept alive.
    weight: usize,
}

/// The commits after one that a client knows, oldest first.
#[derive(Debug)]
pub struct Since<'a> {
    entries: vec_deque::Iter<'a, (Uuid, Arc<[RowChange]>)>,
}

impl<'a> Iterator for Since<'a> {
    type Item = &'a Arc<[RowChange]>;
    fn next(&mut self) -> Option<Self::Item> {
        self.entries.next().map(|entry| &entry.1)
    }
}

impl Default for History {
    fn default() -> Self {
        let nil = Uuid::nil();
        Self {
            entries: VecDeque::new(),
            base: nil,
            last_persistent: nil,
            weight: 0,
        }
    }
}

impl History {
    /// How many values of changed and deleted rows are kept.
    const MAX_WEIGHT: usize = 1 << 20;

    /// The id of the last commit; nil while there was none.
    pub(crate) fn last_id(&self) -> Uuid {
        self.entries.back().map_or(self.base, |entry| entry.0)
    }

    /// Says that the state without any further entries is that after the commit `id`.
    pub(crate) fn set_base(&mut self, id: Uuid) {
        *self = Self {
            base: id,
            last_persistent: id,
            ..Self::default()
        };
    }

    /// The id that the next commit will have. One with a record is known by all records so far; one without
    /// is forgotten when the server ends, so it only must be new.
    pub(crate) fn next_id(&self, record: Option<&Record>, revision: u64) -> Uuid {
        let mut hash = Sha1::new();
        match record {
            Some(record) => {
                hash.update(self.last_persistent.as_bytes());
                hash.update(record.sha1());
            }
            None => {
                hash.update(self.last_id().as_bytes());
                hash.update(revision.to_be_bytes());
            }
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        uuid::Builder::from_bytes(bytes)
            .with_version(uuid::Version::Random)
            .into_uuid()
    }

    /// Adds a commit.
    pub(crate) fn push(&mut self, id: Uuid, persistent: bool, changes: Arc<[RowChange]>) {
        if persistent {
            self.last_persistent = id;
        }
        self.weight += changes.iter().map(weight).sum::<usize>();
        self.entries.push_back((id, changes));
        // An entry larger than the bound goes too: whoever missed it had better fetch everything.
        while self.weight > Self::MAX_WEIGHT
            && let Some((id, changes)) = self.entries.pop_front()
        {
            self.weight -= changes.iter().map(weight).sum::<usize>();
            self.base = id;
        }
    }

    /// The end of the history.
    pub(crate) fn point(&self) -> Point {
        Point {
            last_id: self.last_id(),
            last_persistent: self.last_persistent,
        }
    }

    /// Goes back to an earlier point; nobody has seen the ids of the commits after it.
    pub(crate) fn go_back(&mut self, point: Point) {
        while self.last_id() != point.last_id {
            let Some((_, changes)) = self.entries.pop_back() else {
                // The point is further back than what is kept.
                self.set_base(point.last_id);
                break;
            };
            self.weight -= changes.iter().map(weight).sum::<usize>();
        }
        self.last_persistent = point.last_persistent;
    }

    pub(crate) fn since(&self, id: Uuid) -> Option<Since<'_>> {
        if id.is_nil() {
            return None;
        }
        let start = if id == self.base {
            0
        } else {
            // A client that comes back missed little, so the end is the place to look first.
            self.entries.len() - self.entries.iter().rev().position(|entry| entry.0 == id)?
        };
        Some(Since {
            entries: self.entries.range(start..),
        })
    }
}

/// About how many values a change keeps alive: its own few, and what the old row does not share with the new.
fn weight(change: &RowChange) -> usize {
    let Some(old) = &change.old else { return 1 };
    let kept = old.iter().enumerate().filter(|(at, value)| {
        change
            .new
            .as_ref()
            .is_none_or(|new| !value.shares_memory_with(&new[*at]))
    });
    old.len() + kept.map(|(_, value)| value.len()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Datum, Row};

    fn change(elements: i64) -> Arc<[RowChange]> {
        let row = |from: i64| Arc::new(Row::new(vec![Datum::set(from..from + elements)]));
        let change = RowChange {
            table: "T".into(),
            uuid: Uuid::from_u128(1),
            old: Some(row(0)),
            new: Some(row(elements)),
        };
        Arc::new([change])
    }

    /// Whoever missed more than is kept gets everything; whoever missed less gets just that.
    #[test]
    fn what_is_kept_is_bounded() {
        let mut history = History::default();
        let id = |number: usize| Uuid::from_u128(number as u128 + 1);
        let elements = i64::try_from(History::MAX_WEIGHT / 100).expect("it is small");
        for number in 0..500 {
            history.push(id(number), true, change(elements));
            assert!(history.weight <= History::MAX_WEIGHT);
        }
        let kept = history.entries.len();
        assert!((90..=100).contains(&kept), "{kept}");
        assert_eq!(history.last_id(), id(499));
        assert_eq!(history.since(id(490)).map(Iterator::count), Some(9));
        assert_eq!(
            history.since(id(499 - kept)).map(Iterator::count),
            Some(kept)
        );
        assert!(history.since(id(499 - kept - 1)).is_none());
        // One that is larger than all that is kept is not kept either, nor what stands before it.
        history.push(id(500), true, change(2 * 100 * elements));
        assert!(history.entries.is_empty() && history.weight == 0);
        assert_eq!(history.since(id(500)).map(Iterator::count), Some(0));
        assert!(history.since(id(499)).is_none());
    }
}

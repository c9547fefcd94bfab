//! Set algebra on datums, and the differences that logs and `update2` carry.
//!
//! Invariant: every function walks its sorted inputs once.

use std::cmp::Ordering;

use crate::Datum;
use crate::schema::ColumnType;
use crate::value::Atom;

impl Datum {
    /// The elements of both; a pair of `self` stays before one of `other` with the same key
    /// (the `insert` mutator, RFC 7047 section 5.1).
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        if self.is_map() {
            let pairs = merge(self.pairs(), other.pairs(), key_order, |a, b| {
                a.or(b).cloned()
            });
            Self::from_sorted_map(pairs)
        } else {
            Self::from_sorted_set(merge(self.atoms(), other.atoms(), Atom::cmp, |a, b| {
                a.or(b).cloned()
            }))
        }
    }

    /// What is left without the elements of `other`. A map loses pairs that are equal, or, when `other` is a
    /// set, those whose keys it names (the `delete` mutator, RFC 7047 section 5.1).
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        if self.is_empty() || other.is_empty() {
            return self.clone();
        }
        match (self.is_map(), other.is_map()) {
            (false, _) => Self::from_sorted_set(
                self.atoms()
                    .iter()
                    .filter(|atom| !other.contains(atom))
                    .cloned()
                    .collect(),
            ),
            (true, false) => Self::from_sorted_map(
                self.pairs()
                    .iter()
                    .filter(|pair| !other.contains(&pair.0))
                    .cloned()
                    .collect(),
            ),
            (true, true) => Self::from_sorted_map(
                self.pairs()
                    .iter()
                    .filter(|pair| other.get(&pair.0) != Some(&pair.1))
                    .cloned()
                    .collect(),
            ),
        }
    }

    /// Whether every element or pair of `other` is here (the `includes` function).
    pub fn includes(&self, other: &Self) -> bool {
        if other.is_map() {
            other
                .pairs()
                .iter()
                .all(|pair| self.get(&pair.0) == Some(&pair.1))
        } else {
            other.atoms().iter().all(|atom| self.contains(atom))
        }
    }

    /// Whether no element or pair of `other` is here (the `excludes` function).
    pub fn excludes(&self, other: &Self) -> bool {
        if other.is_map() {
            other
                .pairs()
                .iter()
                .all(|pair| self.get(&pair.0) != Some(&pair.1))
        } else {
            other.atoms().iter().all(|atom| !self.contains(atom))
        }
    }

    /// The difference that turns `self` into `new`, as `update2` and the log write it: the new value for a
    /// column of at most one element; the elements of only one side for a set; for a map the pairs of only
    /// one side and the new pairs where the values differ.
    #[must_use]
    pub fn diff(&self, new: &Self, column: &ColumnType) -> Self {
        if column.max <= 1 {
            return new.clone();
        }
        if column.is_map() {
            let pairs = merge(self.pairs(), new.pairs(), key_order, |a, b| match (a, b) {
                (Some(a), Some(b)) => (a.1 != b.1).then(|| b.clone()),
                (a, b) => a.or(b).cloned(),
            });
            Self::from_sorted_map(pairs)
        } else {
            Self::from_sorted_set(self.symmetric_difference(new))
        }
    }

    /// The elements of a set that only one of the two has.
    pub(crate) fn symmetric_difference(&self, other: &Self) -> Vec<Atom> {
        merge(self.atoms(), other.atoms(), Atom::cmp, |a, b| {
            match (a, b) {
                (Some(_), Some(_)) => None,
                (a, b) => a.or(b).cloned(),
            }
        })
    }

    /// The value that the difference `diff` makes of `self`; the inverse of [`Datum::diff`].
    #[must_use]
    pub fn apply_diff(&self, diff: &Self, column: &ColumnType) -> Self {
        // Taking the difference twice gives the other side: what is in both goes, what is in one stays, and
        // of two pairs with one key the one of the difference is the newer.
        self.diff(diff, column)
    }
}

fn key_order(a: &(Atom, Atom), b: &(Atom, Atom)) -> Ordering {
    a.0.cmp(&b.0)
}

/// Walks two sorted slices at once and keeps what `choose` makes of each element or pair of equals.
fn merge<T>(
    left: &[T],
    right: &[T],
    order: impl Fn(&T, &T) -> Ordering,
    choose: impl Fn(Option<&T>, Option<&T>) -> Option<T>,
) -> Vec<T> {
    let mut out = Vec::with_capacity(left.len().max(right.len()));
    let (mut l, mut r) = (0, 0);
    while l < left.len() || r < right.len() {
        let next = match (left.get(l), right.get(r)) {
            (Some(a), Some(b)) => order(a, b),
            (Some(_), None) => Ordering::Less,
            _ => Ordering::Greater,
        };
        let a = (next != Ordering::Greater).then(|| &left[l]);
        let b = (next != Ordering::Less).then(|| &right[r]);
        l += usize::from(a.is_some());
        r += usize::from(b.is_some());
        out.extend(choose(a, b));
    }
    out
}

//! The value of a collected relation.

use std::fmt;
use std::sync::Arc;

/// The sorted set of what was emitted for one key. Cloning is cheap.
///
/// It also counts how often each item was emitted, so that one of several emitters can go; the
/// counts are not seen from outside and do not take part in comparison.
#[derive(Clone)]
pub struct Group<V> {
    items: Arc<[(V, u32)]>,
}

impl<V> Group<V> {
    /// The items, in their order, each once.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &V> + DoubleEndedIterator + Clone {
        self.items.iter().map(|(item, _)| item)
    }

    /// How many different items there are; at least one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no item. A group in a relation is never empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The smallest item.
    #[must_use]
    pub fn first(&self) -> Option<&V> {
        self.items.first().map(|(item, _)| item)
    }
}

impl<V: Ord> Group<V> {
    /// Whether the item is in the set; takes logarithmic time.
    #[must_use]
    pub fn contains(&self, item: &V) -> bool {
        self.items
            .binary_search_by(|(probe, _)| probe.cmp(item))
            .is_ok()
    }
}

impl<V: Ord + Clone> Group<V> {
    /// The group after items came and went. `edits` are sorted by item; their counts may be negative.
    /// None when nothing is left.
    pub(crate) fn edited(old: Option<&Self>, edits: Vec<(V, i64)>) -> Option<Self> {
        let old = old.map_or(&[][..], |group| &group.items);
        let mut items: Vec<(V, u32)> = Vec::with_capacity(old.len() + edits.len());
        let mut rest = old.iter().peekable();
        let mut edits = edits.into_iter().peekable();
        while let Some((item, mut count)) = edits.next() {
            while let Some((_, more)) = edits.next_if(|(next, _)| *next == item) {
                count += more;
            }
            while let Some(kept) = rest.next_if(|(next, _)| *next < item) {
                items.push(kept.clone());
            }
            if let Some((_, before)) = rest.next_if(|(next, _)| *next == item) {
                count += i64::from(*before);
            }
            if count > 0 {
                items.push((item, u32::try_from(count).unwrap_or(u32::MAX)));
            }
        }
        items.extend(rest.cloned());
        (!items.is_empty()).then(|| Self {
            items: items.into(),
        })
    }
}

impl<V: PartialEq> PartialEq for Group<V> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.items, &other.items) || self.iter().eq(other.iter())
    }
}

impl<V: Eq> Eq for Group<V> {}

impl<V: fmt::Debug> fmt::Debug for Group<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<'a, V> IntoIterator for &'a Group<V> {
    type Item = &'a V;
    type IntoIter = std::iter::Map<std::slice::Iter<'a, (V, u32)>, fn(&'a (V, u32)) -> &'a V>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter().map(|(item, _)| item)
    }
}

//! Gathers what the entries of a relation emit.

use std::marker::PhantomData;

use crate::engine::{Task, Work};
use crate::group::Group;
use crate::handle::{Key, Relation, Value};
use crate::table::{AnyTable, Table};

/// The emissions of an entry are not stored: they are a pure function of the entry, and the delta of
/// the source still has the former value.
pub(crate) struct CollectWork<S: Relation, K, V, F> {
    source: S,
    emit: F,
    types: PhantomData<fn() -> (K, V)>,
}

impl<S: Relation, K: Key, V: Value + Ord, F> CollectWork<S, K, V, F>
where
    F: Fn(&S::Key, &S::Value, &mut Vec<(K, V)>) + Send + Sync,
{
    pub(crate) fn new(source: S, emit: F) -> Self {
        Self {
            source,
            emit,
            types: PhantomData,
        }
    }

    /// What came (+1) and went (-1), sorted by key and item.
    fn edits(&self, source: &Table<S::Key, S::Value>) -> Vec<(K, V, i64)> {
        let mut edits = Vec::new();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for (key, old, new) in source.delta() {
            if let Some(old) = old {
                (self.emit)(key, old, &mut before);
            }
            if let Some(new) = new {
                (self.emit)(key, new, &mut after);
            }
            // An entry may emit very much of which little changed.
            if !before.is_empty() && !after.is_empty() {
                drop_common(&mut before, &mut after);
            }
            edits.extend(before.drain(..).map(|(key, item)| (key, item, -1)));
            edits.extend(after.drain(..).map(|(key, item)| (key, item, 1)));
        }
        edits.sort_unstable_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        edits
    }
}

impl<S: Relation, K: Key, V: Value + Ord, F> Work for CollectWork<S, K, V, F>
where
    F: Fn(&S::Key, &S::Value, &mut Vec<(K, V)>) + Send + Sync,
{
    fn run(&mut self, table: &mut dyn AnyTable, task: Task<'_>) {
        let Some(table) = table.as_any_mut().downcast_mut::<Table<K, Group<V>>>() else {
            return;
        };
        let source = task.earlier.get(usize::from(self.source.id().0));
        let Some(source) = source.and_then(|node| node.table.as_any().downcast_ref()) else {
            return;
        };
        let mut edits = self.edits(source).into_iter().peekable();
        while let Some((key, item, count)) = edits.next() {
            let mut of_key = vec![(item, count)];
            while let Some((_, item, count)) = edits.next_if(|(next, ..)| *next == key) {
                of_key.push((item, count));
            }
            let slot = table.intern(&key);
            let group = Group::edited(table.value(slot), of_key);
            table.put(slot, group);
        }
    }

    fn reads(&self) -> usize {
        0
    }
}

/// Takes from two lists what they have in common, and sorts the rest.
fn drop_common<T: Ord>(a: &mut Vec<T>, b: &mut Vec<T>) {
    a.sort_unstable();
    b.sort_unstable();
    let mut theirs = std::mem::take(b).into_iter().peekable();
    let mut only_a = Vec::new();
    for item in a.drain(..) {
        while let Some(other) = theirs.next_if(|other| *other < item) {
            b.push(other);
        }
        if theirs.next_if(|other| *other == item).is_none() {
            only_a.push(item);
        }
    }
    b.extend(theirs);
    *a = only_a;
}

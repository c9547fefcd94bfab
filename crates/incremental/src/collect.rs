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
        let mut emitted = Vec::new();
        for (key, old, new) in source.delta() {
            for (value, sign) in [(old, -1), (new, 1)] {
                let Some(value) = value else { continue };
                (self.emit)(key, value, &mut emitted);
                edits.extend(emitted.drain(..).map(|(key, item)| (key, item, sign)));
            }
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

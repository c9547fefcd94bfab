//! What a rule sees: other relations, through look-ups that are recorded.

use std::any::Any;
use std::cell::RefCell;

use crate::engine::Node;
use crate::handle::{Key, Relation};
use crate::readers::{CellId, MEMBERSHIP};
use crate::table::Table;

/// A look-up of a key that no cell stands for yet.
pub(crate) struct Absent {
    pub(crate) relation: u16,
    pub(crate) key: Box<dyn Any + Send>,
}

/// What one instance looked up.
#[derive(Default)]
pub(crate) struct Reads {
    pub(crate) cells: Vec<CellId>,
    pub(crate) absent: Vec<Absent>,
}

/// Gives a rule its look-ups, and records them.
pub struct Context<'a> {
    /// The relations declared before the rule.
    nodes: &'a [Node],
    reads: RefCell<Reads>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(nodes: &'a [Node]) -> Self {
        Self {
            nodes,
            reads: RefCell::default(),
        }
    }

    pub(crate) fn take_reads(&self) -> Reads {
        std::mem::take(&mut self.reads.borrow_mut())
    }

    fn table<R: Relation>(&self, relation: R) -> Option<&'a Table<R::Key, R::Value>> {
        let node = self.nodes.get(usize::from(relation.id().0));
        debug_assert!(
            node.is_some(),
            "a rule reads only what was declared before it"
        );
        node?.table.as_any().downcast_ref()
    }

    /// The value of a key. The instance runs again when the value changes, appears or goes.
    pub fn get<R: Relation>(&self, relation: R, key: &R::Key) -> Option<&'a R::Value> {
        let table = self.table(relation)?;
        let mut reads = self.reads.borrow_mut();
        let relation = relation.id().0;
        let Some(slot) = table.find(key) else {
            reads.absent.push(Absent {
                relation,
                key: Box::new(key.clone()),
            });
            return None;
        };
        reads.cells.push(CellId { relation, slot });
        table.value(slot)
    }

    /// The items collected for a key, in their order; nothing when there is no such key.
    pub fn items<K, V, R>(
        &self,
        relation: R,
        key: &K,
    ) -> impl DoubleEndedIterator<Item = &'a V> + Clone
    where
        K: Key,
        V: Key,
        R: Relation<Key = K, Value = crate::Group<V>>,
    {
        self.get(relation, key).into_iter().flatten()
    }

    /// All keys that have a value, in their order. The instance runs again when a key comes or goes;
    /// use it only where a rule truly depends on the whole relation.
    pub fn keys<R: Relation>(&self, relation: R) -> Vec<&'a R::Key> {
        let Some(table) = self.table(relation) else {
            return Vec::new();
        };
        self.reads.borrow_mut().cells.push(CellId {
            relation: relation.id().0,
            slot: MEMBERSHIP,
        });
        table.entries().into_iter().map(|(_, key, _)| key).collect()
    }

    /// All entries, in the order of their keys. The instance runs again when any of them changes.
    pub fn entries<R: Relation>(&self, relation: R) -> Vec<(&'a R::Key, &'a R::Value)> {
        let Some(table) = self.table(relation) else {
            return Vec::new();
        };
        let id = relation.id().0;
        let mut reads = self.reads.borrow_mut();
        reads.cells.push(CellId {
            relation: id,
            slot: MEMBERSHIP,
        });
        let entries = table.entries();
        reads.cells.extend(entries.iter().map(|(slot, ..)| CellId {
            relation: id,
            slot: *slot,
        }));
        entries
            .into_iter()
            .map(|(_, key, value)| (key, value))
            .collect()
    }
}

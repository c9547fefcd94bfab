//! Flows by their keys.

use std::fmt;
use std::hash::BuildHasher;

use hashbrown::hash_table::{Entry, HashTable, IntoIter, Iter};
use rustc_hash::FxBuildHasher;

use crate::flow::{Flow, FlowKey};
use crate::message::multipart::FlowView;

/// A set of flows, each key once. A flow stands beside the hash of its key, which is made once.
#[derive(Clone, Default)]
pub struct FlowSet {
    table: HashTable<(u64, Flow)>,
}

fn hash(key: &FlowKey) -> u64 {
    hash_of(key.table, key.priority, key.matches.as_bytes())
}

fn hash_of(table: u8, priority: u16, conditions: &[u8]) -> u64 {
    FxBuildHasher.hash_one((table, priority, conditions))
}

/// The hash of a flow that a switch told.
pub(crate) fn hash_of_view(view: FlowView<'_>) -> u64 {
    hash_of(view.table(), view.priority(), view.conditions())
}

impl FlowSet {
    /// A set with room for this many flows.
    #[must_use]
    pub fn with_capacity(flows: usize) -> Self {
        Self {
            table: HashTable::with_capacity(flows),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The flow with a key.
    #[must_use]
    pub fn get(&self, key: &FlowKey) -> Option<&Flow> {
        self.find(hash(key), key)
    }

    fn find(&self, hash: u64, key: &FlowKey) -> Option<&Flow> {
        let found = self
            .table
            .find(hash, |(known, flow)| *known == hash && flow.key == *key);
        found.map(|(_, flow)| flow)
    }

    /// Puts a flow in, in place of one with the same key, which is given back.
    pub fn insert(&mut self, flow: Flow) -> Option<Flow> {
        let hash = hash(&flow.key);
        let same = |(known, other): &(u64, Flow)| *known == hash && other.key == flow.key;
        match self.table.entry(hash, same, |(hash, _)| *hash) {
            Entry::Occupied(mut entry) => Some(std::mem::replace(&mut entry.get_mut().1, flow)),
            Entry::Vacant(entry) => {
                entry.insert((hash, flow));
                None
            }
        }
    }

    /// Takes the flow with a key out.
    pub fn remove(&mut self, key: &FlowKey) -> Option<Flow> {
        let hash = hash(key);
        let same = |(known, flow): &(u64, Flow)| *known == hash && flow.key == *key;
        let entry = self.table.find_entry(hash, same).ok()?;
        Some(entry.remove().0.1)
    }

    /// The flow with the key of one that a switch told.
    pub(crate) fn like(&self, view: FlowView<'_>) -> Option<&Flow> {
        let hash = hash_of_view(view);
        let found = self.table.find(hash, |(known, flow)| {
            *known == hash && view.has_key(&flow.key)
        });
        found.map(|(_, flow)| flow)
    }

    /// The flows with the hashes of their keys, in no order.
    pub(crate) fn hashed(&self) -> impl Iterator<Item = (u64, &Flow)> {
        self.table.iter().map(|(hash, flow)| (*hash, flow))
    }

    /// The flows, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.table.iter().map(|(_, flow)| flow)
    }

    /// Each flow of this set that is not in `other` as it is here, with what has its key there; in no order.
    pub(crate) fn beyond<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'a Flow, Option<&'a Flow>)> {
        let pairs = self
            .table
            .iter()
            .map(|(hash, flow)| (flow, other.find(*hash, &flow.key)));
        pairs.filter(|(flow, found)| *found != Some(*flow))
    }
}

impl fmt::Debug for FlowSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl PartialEq for FlowSet {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.beyond(other).next().is_none()
    }
}

impl Eq for FlowSet {}

impl FromIterator<Flow> for FlowSet {
    fn from_iter<T: IntoIterator<Item = Flow>>(flows: T) -> Self {
        let flows = flows.into_iter();
        let mut out = Self::with_capacity(flows.size_hint().0);
        for flow in flows {
            out.insert(flow);
        }
        out
    }
}

impl IntoIterator for FlowSet {
    type Item = Flow;
    type IntoIter = std::iter::Map<IntoIter<(u64, Flow)>, fn((u64, Flow)) -> Flow>;

    fn into_iter(self) -> Self::IntoIter {
        self.table.into_iter().map(|(_, flow)| flow)
    }
}

impl<'a> IntoIterator for &'a FlowSet {
    type Item = &'a Flow;
    type IntoIter = std::iter::Map<Iter<'a, (u64, Flow)>, fn(&'a (u64, Flow)) -> &'a Flow>;

    fn into_iter(self) -> Self::IntoIter {
        self.table.iter().map(|(_, flow)| flow)
    }
}

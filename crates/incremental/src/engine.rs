//! Runs relations in the order of their declaration.

use crate::handle::{Input, Key, Relation, Value};
use crate::readers::CellId;
use crate::table::{AnyTable, Table};

/// How one entry of a relation differs from what was last drained.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<K, V> {
    /// The entry's key.
    pub key: K,
    /// The value at the last drain; none when the key did not exist.
    pub old: Option<V>,
    /// The value now; none when the key no longer exists.
    pub new: Option<V>,
}

/// One rule instance that was evaluated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ran {
    /// The name under which the rule was declared.
    pub rule: &'static str,
    /// The instance's key, as `Debug` prints it.
    pub key: String,
}

/// What an engine holds, for tests and for a debug view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Entries, and keys that were only looked for.
    pub cells: usize,
    /// Recorded look-ups.
    pub reads: usize,
    /// Entries that memory is kept for.
    pub capacity: usize,
}

/// A relation with the work that computes it.
pub(crate) struct Node {
    pub(crate) name: &'static str,
    pub(crate) table: Box<dyn AnyTable>,
    work: Option<Box<dyn Work>>,
}

impl Node {
    pub(crate) fn input<K: Key, V: Value>(name: &'static str) -> Self {
        Self {
            name,
            table: Box::new(Table::<K, V>::new()),
            work: None,
        }
    }

    pub(crate) fn derived(name: &'static str, table: impl AnyTable, work: Box<dyn Work>) -> Self {
        Self {
            name,
            table: Box::new(table),
            work: Some(work),
        }
    }
}

/// What a piece of work is given besides its own table.
pub(crate) struct Task<'a> {
    /// The place of the relation at work.
    pub(crate) id: u16,
    /// The relations declared before it, already up to date.
    pub(crate) earlier: &'a mut [Node],
    /// The instances that read something which changed; unsorted, with repetitions.
    pub(crate) dirty: Vec<u32>,
    /// How many threads may evaluate instances.
    pub(crate) threads: usize,
    /// Receives the slots of the instances that ran, when the log is on.
    pub(crate) ran: Option<&'a mut Vec<u32>>,
}

/// Brings a derived relation up to date.
pub(crate) trait Work: Send + Sync {
    fn run(&mut self, table: &mut dyn AnyTable, task: Task<'_>);
    /// How many look-ups it remembers.
    fn reads(&self) -> usize;
}

/// Relations and their contents.
pub struct Engine {
    nodes: Vec<Node>,
    /// By relation, the instances to run.
    dirty: Vec<Vec<u32>>,
    threads: usize,
    log: Option<Vec<Ran>>,
}

impl Engine {
    pub(crate) fn new(nodes: Vec<Node>) -> Self {
        let dirty = nodes.iter().map(|_| Vec::new()).collect();
        Self {
            nodes,
            dirty,
            threads: 1,
            log: None,
        }
    }

    /// Lets up to `threads` threads evaluate instances of one rule side by side when there are many.
    /// The result does not depend on it.
    pub fn set_threads(&mut self, threads: usize) {
        self.threads = threads.max(1);
    }

    /// Turns the log on or off, and empties it.
    pub fn set_log(&mut self, on: bool) {
        self.log = on.then(Vec::new);
    }

    /// The instances that ran since the last call, in the order of declaration, then of keys' text.
    pub fn log(&mut self) -> Vec<Ran> {
        self.log.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Sets or removes an entry of an input. Rules see it at the next [`run`](Self::run).
    pub fn set<K: Key, V: Value>(&mut self, input: Input<K, V>, key: K, value: Option<V>) {
        let Some(table) = self.table_mut(input) else {
            return;
        };
        if value.is_none() && table.find(&key).is_none() {
            return;
        }
        let slot = table.intern(&key);
        table.put(slot, value);
    }

    /// Evaluates exactly the instances that read something which changed since the last run.
    pub fn run(&mut self) {
        for id in 0..self.nodes.len() {
            self.run_one(id);
        }
        for node in &mut self.nodes {
            node.table.finish();
        }
    }

    fn run_one(&mut self, id: usize) {
        let (earlier, rest) = self.nodes.split_at_mut(id);
        let Some(node) = rest.first_mut() else { return };
        if let Some(work) = node.work.as_mut() {
            let mut ran = self.log.is_some().then(Vec::new);
            let task = Task {
                id: u16::try_from(id).expect("the builder numbers relations with u16"),
                earlier,
                dirty: std::mem::take(&mut self.dirty[id]),
                threads: self.threads,
                ran: ran.as_mut(),
            };
            work.run(node.table.as_mut(), task);
            if let (Some(log), Some(slots)) = (self.log.as_mut(), ran) {
                let entry = |slot: u32| Ran {
                    rule: node.name,
                    key: node.table.key_text(slot),
                };
                let from = log.len();
                log.extend(slots.into_iter().map(entry));
                log[from..].sort_unstable();
            }
        }
        node.table.settle();
        let dirty = &mut self.dirty;
        node.table
            .notify(&mut |reader: CellId| dirty[usize::from(reader.relation)].push(reader.slot));
    }

    /// The value of a key after the last run; of an input, as it was last set.
    #[must_use]
    pub fn get<R: Relation>(&self, relation: R, key: &R::Key) -> Option<&R::Value> {
        let table = self.table(relation)?;
        table.value(table.find(key)?)
    }

    /// All entries, in the order of their keys. Takes time proportional to the relation.
    #[must_use]
    pub fn entries<R: Relation>(&self, relation: R) -> Vec<(&R::Key, &R::Value)> {
        let entries = self.table(relation).map(Table::entries).unwrap_or_default();
        entries
            .into_iter()
            .map(|(_, key, value)| (key, value))
            .collect()
    }

    /// The changes of a watched relation since the last call, over any number of runs, in the order of
    /// keys. What came back to its former value is not named.
    pub fn changes<R: Relation>(&mut self, relation: R) -> Vec<Change<R::Key, R::Value>> {
        self.table_mut(relation)
            .map(Table::drain)
            .unwrap_or_default()
    }

    /// Counts what the engine holds. Takes time proportional to that.
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        let mut sum = Footprint::default();
        for node in &self.nodes {
            let (cells, readers, capacity) = node.table.footprint();
            sum.cells += cells;
            sum.reads += readers + node.work.as_ref().map_or(0, |work| work.reads());
            sum.capacity += capacity;
        }
        sum
    }

    fn table<R: Relation>(&self, relation: R) -> Option<&Table<R::Key, R::Value>> {
        self.nodes
            .get(usize::from(relation.id().0))?
            .table
            .as_any()
            .downcast_ref()
    }

    fn table_mut<R: Relation>(&mut self, relation: R) -> Option<&mut Table<R::Key, R::Value>> {
        self.nodes
            .get_mut(usize::from(relation.id().0))?
            .table
            .as_any_mut()
            .downcast_mut()
    }
}

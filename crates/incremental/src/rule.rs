//! Evaluates the instances of a rule.

use std::marker::PhantomData;

use crate::context::{Context, Reads};
use crate::engine::{Node, Task, Work};
use crate::handle::{Relation, Value};
use crate::readers::CellId;
use crate::table::{AnyTable, Table};

/// Instances evaluated before their results are stored; bounds what is held twice.
const BATCH: usize = 8192;
/// Fewer instances than this are not worth a thread.
const SHARE: usize = 256;

/// The function of a rule, with what its instances read last time.
pub(crate) struct RuleWork<D: Relation, V, F> {
    driver: D,
    compute: F,
    /// By slot: the look-ups of the instance, sorted; none when there is no instance.
    instances: Vec<Option<Box<[CellId]>>>,
    output: PhantomData<fn() -> V>,
}

struct Outcome<V> {
    slot: u32,
    value: Option<V>,
    reads: Reads,
}

impl<D, V, F> RuleWork<D, V, F>
where
    D: Relation,
    V: Value,
    F: Fn(&Context<'_>, &D::Key) -> Option<V> + Send + Sync,
{
    pub(crate) fn new(driver: D, compute: F) -> Self {
        Self {
            driver,
            compute,
            instances: Vec::new(),
            output: PhantomData,
        }
    }

    fn is_alive(&self, slot: u32) -> bool {
        self.instances
            .get(slot as usize)
            .is_some_and(Option::is_some)
    }

    /// Makes instances for keys that the driver gained; names those whose key it lost.
    fn follow_driver(&mut self, table: &mut Table<D::Key, V>, task: &mut Task<'_>) -> Vec<u32> {
        let mut gone = Vec::new();
        let driver = task.earlier.get(usize::from(self.driver.id().0));
        let driver = driver.and_then(|node| node.table.as_any().downcast_ref());
        let Some(driver): Option<&Table<D::Key, D::Value>> = driver else {
            return gone;
        };
        for (key, old, new) in driver.delta() {
            match (old.is_some(), new.is_some()) {
                (false, true) => {
                    let slot = table.intern(key);
                    table.hold(slot, true);
                    let at = slot as usize;
                    if self.instances.len() <= at {
                        self.instances.resize_with(at + 1, || None);
                    }
                    self.instances[at] = Some(Box::default());
                    task.dirty.push(slot);
                }
                (true, false) => gone.extend(table.find(key)),
                _ => {}
            }
        }
        gone
    }

    fn evaluate(&self, table: &Table<D::Key, V>, nodes: &[Node], slots: &[u32]) -> Vec<Outcome<V>> {
        let context = Context::new(nodes);
        let outcome = |slot: &u32| {
            let value = (self.compute)(&context, table.key(*slot)?);
            Some(Outcome {
                slot: *slot,
                value,
                reads: context.take_reads(),
            })
        };
        slots.iter().filter_map(outcome).collect()
    }

    /// Evaluates in threads, each a run of slots; the order of the outcomes is that of the slots.
    fn evaluate_all(
        &self,
        table: &Table<D::Key, V>,
        nodes: &[Node],
        slots: &[u32],
        threads: usize,
    ) -> Vec<Outcome<V>> {
        let threads = threads.min(slots.len() / SHARE);
        if threads < 2 {
            return self.evaluate(table, nodes, slots);
        }
        std::thread::scope(|scope| {
            let share = slots.len().div_ceil(threads);
            let workers: Vec<_> = (slots.chunks(share))
                .map(|part| scope.spawn(move || self.evaluate(table, nodes, part)))
                .collect();
            let joined = workers.into_iter().flat_map(|worker| match worker.join() {
                Ok(outcomes) => outcomes,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            joined.collect()
        })
    }

    fn store(
        &mut self,
        table: &mut Table<D::Key, V>,
        id: u16,
        earlier: &mut [Node],
        outcome: Outcome<V>,
    ) {
        let reader = CellId {
            relation: id,
            slot: outcome.slot,
        };
        let new = resolve(outcome.reads, earlier);
        let old = &mut self.instances[outcome.slot as usize];
        let before = old.as_deref().unwrap_or_default();
        if *before != *new {
            rewire(reader, before, &new, earlier);
            *old = Some(new.into());
        }
        table.put(outcome.slot, outcome.value);
    }

    fn bury(&mut self, table: &mut Table<D::Key, V>, id: u16, earlier: &mut [Node], slot: u32) {
        let reader = CellId { relation: id, slot };
        if let Some(reads) = self.instances.get_mut(slot as usize).and_then(Option::take) {
            rewire(reader, &reads, &[], earlier);
        }
        table.put(slot, None);
        table.hold(slot, false);
    }
}

/// The cells of the look-ups, sorted, each once; makes cells for what was not found.
fn resolve(reads: Reads, earlier: &mut [Node]) -> Vec<CellId> {
    let mut cells = reads.cells;
    for absent in reads.absent {
        let table = &mut earlier[usize::from(absent.relation)].table;
        if let Some(slot) = table.intern_any(absent.key.as_ref()) {
            cells.push(CellId {
                relation: absent.relation,
                slot,
            });
        }
    }
    cells.sort_unstable();
    cells.dedup();
    cells
}

/// Registers a reader where it newly reads and removes it where it no longer does. Both lists are
/// sorted. Additions come first, so that no cell is without readers in between.
fn rewire(reader: CellId, old: &[CellId], new: &[CellId], earlier: &mut [Node]) {
    for cell in new.iter().filter(|cell| old.binary_search(cell).is_err()) {
        earlier[usize::from(cell.relation)]
            .table
            .add_reader(cell.slot, reader);
    }
    for cell in old.iter().filter(|cell| new.binary_search(cell).is_err()) {
        earlier[usize::from(cell.relation)]
            .table
            .remove_reader(cell.slot, reader);
    }
}

impl<D, V, F> Work for RuleWork<D, V, F>
where
    D: Relation,
    V: Value,
    F: Fn(&Context<'_>, &D::Key) -> Option<V> + Send + Sync,
{
    fn run(&mut self, table: &mut dyn AnyTable, mut task: Task<'_>) {
        let Some(table) = table.as_any_mut().downcast_mut::<Table<D::Key, V>>() else {
            return;
        };
        let gone = self.follow_driver(table, &mut task);
        for slot in &gone {
            self.bury(table, task.id, task.earlier, *slot);
        }
        task.dirty.sort_unstable();
        task.dirty.dedup();
        task.dirty.retain(|slot| self.is_alive(*slot));
        for batch in task.dirty.chunks(BATCH) {
            for outcome in self.evaluate_all(table, task.earlier, batch, task.threads) {
                self.store(table, task.id, task.earlier, outcome);
            }
        }
        if !gone.is_empty() {
            while self.instances.last().is_some_and(Option::is_none) {
                self.instances.pop();
            }
            self.instances.shrink_to(self.instances.len() * 2);
        }
        if let Some(ran) = task.ran {
            *ran = task.dirty;
        }
    }

    fn reads(&self) -> usize {
        self.instances
            .iter()
            .flatten()
            .map(|reads| reads.len())
            .sum()
    }
}

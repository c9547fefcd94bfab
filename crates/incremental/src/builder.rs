//! Declares relations, each after all that it reads.

use crate::collect::CollectWork;
use crate::context::Context;
use crate::engine::{Engine, Node};
use crate::handle::{Collected, Index, Input, Key, Relation, RelationId, Rule, Value};
use crate::rule::RuleWork;
use crate::table::Table;

/// Collects the declarations of relations; [`Builder::build`] makes the engine.
#[derive(Default)]
pub struct Builder {
    nodes: Vec<Node>,
}

impl Builder {
    /// A builder without relations.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares an input.
    pub fn input<K: Key, V: Value>(&mut self, name: &'static str) -> Input<K, V> {
        Input::new(self.push(Node::input::<K, V>(name)))
    }

    /// Declares a rule with one instance for each key of `driver`. An instance does not see the
    /// driver's value unless it looks it up, so it runs again only when it did and the value changed.
    ///
    /// `compute` must be a pure function of the key and of what it looks up in the context. It may
    /// look up only what was declared before it; other handles find nothing.
    pub fn rule<D: Relation, V: Value>(
        &mut self,
        name: &'static str,
        driver: D,
        compute: impl Fn(&Context<'_>, &D::Key) -> V + Send + Sync + 'static,
    ) -> Rule<D::Key, V> {
        self.filter(name, driver, move |cx, key| Some(compute(cx, key)))
    }

    /// Declares a rule whose relation holds only the keys for which `compute` returns a value.
    pub fn filter<D: Relation, V: Value>(
        &mut self,
        name: &'static str,
        driver: D,
        compute: impl Fn(&Context<'_>, &D::Key) -> Option<V> + Send + Sync + 'static,
    ) -> Rule<D::Key, V> {
        let work = RuleWork::<D, V, _>::new(driver, compute);
        let table = Table::<D::Key, V>::new();
        Rule::new(self.push(Node::derived(name, table, Box::new(work))))
    }

    /// Declares a relation that gathers, by key, what `emit` returns for each entry of `source`.
    /// `emit` must be a pure function of the entry.
    pub fn collect<S: Relation, K: Key, V: Value + Ord, I: IntoIterator<Item = (K, V)>>(
        &mut self,
        name: &'static str,
        source: S,
        emit: impl Fn(&S::Key, &S::Value) -> I + Send + Sync + 'static,
    ) -> Collected<K, V> {
        let emit_all = move |key: &S::Key, value: &S::Value, into: &mut Vec<(K, V)>| {
            into.extend(emit(key, value));
        };
        let work = CollectWork::<S, K, V, _>::new(source, emit_all);
        let table = Table::<K, crate::Group<V>>::new();
        Collected::new(self.push(Node::derived(name, table, Box::new(work))))
    }

    /// Declares an index: the keys of the entries of `source`, found by what `by` returns for them.
    pub fn index<S: Relation, K: Key, I: IntoIterator<Item = K>>(
        &mut self,
        name: &'static str,
        source: S,
        by: impl Fn(&S::Key, &S::Value) -> I + Send + Sync + 'static,
    ) -> Index<K, S::Key> {
        let emit_all = move |key: &S::Key, value: &S::Value, into: &mut Vec<(K, S::Key)>| {
            into.extend(
                by(key, value)
                    .into_iter()
                    .map(|found_by| (found_by, key.clone())),
            );
        };
        let work = CollectWork::<S, K, S::Key, _>::new(source, emit_all);
        let table = Table::<K, crate::Group<S::Key>>::new();
        Collected::new(self.push(Node::derived(name, table, Box::new(work))))
    }

    /// Keeps the changes of a relation for [`Engine::changes`]. Only relations that are watched, and
    /// drained, pay for it.
    pub fn watch(&mut self, relation: impl Relation) {
        if let Some(node) = self.nodes.get_mut(usize::from(relation.id().0)) {
            node.table.watch();
        }
    }

    /// The engine, all relations empty.
    #[must_use]
    pub fn build(self) -> Engine {
        Engine::new(self.nodes)
    }

    fn push(&mut self, node: Node) -> RelationId {
        let id =
            u16::try_from(self.nodes.len()).expect("a program has fewer than 65,536 relations");
        self.nodes.push(node);
        RelationId(id)
    }
}

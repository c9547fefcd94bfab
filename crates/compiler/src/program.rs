//! The frame in which stages and rows declare their rules.

use std::sync::Arc;

use incremental::{Builder, Context, Engine, Relation, Rule, Value};
use model::Table;
use uuid::Uuid;

use crate::flow::{Emitted, Emitter};
use crate::identity::Identity;
use crate::scope::Class;
use crate::sink::Sink;
use crate::topology::Topology;

/// A Southbound row as a rule makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SbRow<T> {
    /// Its identity.
    pub uuid: Uuid,
    /// Its content.
    pub row: T,
}

/// Moves the changes of one relation into the sink.
type Drain = Box<dyn Fn(&mut Engine, &mut Sink) + Send + Sync>;

/// Collects the declarations of all rules.
pub(crate) struct Program {
    /// The builder, for relations that a stage needs for itself.
    pub build: Builder,
    /// The views that rules share.
    pub topology: Topology,
    /// The UUIDs of Southbound rows.
    pub identity: Identity,
    drains: Vec<Drain>,
}

impl Program {
    pub(crate) fn new(identity: Identity) -> Self {
        let mut build = Builder::new();
        let topology = Topology::declare(&mut build);
        Self {
            build,
            topology,
            identity,
            drains: Vec::new(),
        }
    }

    /// Declares a rule that emits flows and diagnostics, one instance for each key of `driver`. Its
    /// name is that of the file that declares it, and what follows says what it is about.
    pub(crate) fn flows<D: Relation>(
        &mut self,
        name: &'static str,
        driver: D,
        emit: impl Fn(&Context<'_>, &D::Key, &mut Emitter) + Send + Sync + 'static,
    ) {
        let rule = self.build.filter(name, driver, move |cx, key| {
            let mut emitter = Emitter::new(name);
            emit(cx, key, &mut emitter);
            emitter.finish()
        });
        self.drain(rule, |sink, old: Option<Arc<Emitted>>, new| {
            sink.emitted(old.as_deref(), new.as_deref());
        });
    }

    /// Declares the flows that all switches of a class share.
    pub(crate) fn switch_class_flows(
        &mut self,
        name: &'static str,
        emit: impl Fn(Class, &mut Emitter) + Send + Sync + 'static,
    ) {
        let classes = self.topology.switch_classes;
        self.flows(name, classes, move |_, class, out| emit(*class, out));
    }

    /// Declares the flows that all routers of a class share.
    pub(crate) fn router_class_flows(
        &mut self,
        name: &'static str,
        emit: impl Fn(Class, &mut Emitter) + Send + Sync + 'static,
    ) {
        let classes = self.topology.router_classes;
        self.flows(name, classes, move |_, class, out| emit(*class, out));
    }

    /// Declares a rule that makes at most one Southbound row for each key of `driver`.
    pub(crate) fn rows<D: Relation, T: Table>(
        &mut self,
        name: &'static str,
        driver: D,
        make: impl Fn(&Context<'_>, &D::Key) -> Option<SbRow<T>> + Send + Sync + 'static,
    ) {
        let rule = self
            .build
            .filter(name, driver, move |cx, key| make(cx, key).map(Arc::new));
        self.drain(rule, |sink, old: Option<Arc<SbRow<T>>>, new| {
            sink.row(old.as_deref(), new.as_deref());
        });
    }

    /// Has a relation watched, and its changes given to the sink after each run.
    pub(crate) fn drain<K: incremental::Key, V: Value>(
        &mut self,
        rule: Rule<K, V>,
        take: impl Fn(&mut Sink, Option<V>, Option<V>) + Send + Sync + 'static,
    ) {
        self.build.watch(rule);
        self.drains.push(Box::new(move |engine, sink| {
            for change in engine.changes(rule) {
                take(sink, change.old, change.new);
            }
        }));
    }

    pub(crate) fn finish(self) -> (Engine, Drains) {
        (self.build.build(), Drains(self.drains))
    }
}

/// What to do with the results of a run.
pub(crate) struct Drains(Vec<Drain>);

impl Drains {
    pub(crate) fn drain(&self, engine: &mut Engine, sink: &mut Sink) {
        for drain in &self.0 {
            drain(engine, sink);
        }
    }
}

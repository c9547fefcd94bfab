//! The compiler as its users see it.

use std::sync::Arc;

use incremental::{Engine, Footprint, Ran, Rule};
use model::{Table, nb, sb};
use ovsdb::{Atom, Datum, Row, RowChange, Str};
use uuid::Uuid;

use crate::alloc::{Allocator, Demand};
use crate::diagnostic::Diagnostic;
use crate::identity::{self, Identity};
use crate::program::{Drains, Program};
use crate::rows::global::Progress;
use crate::rows::port::PortDemand;
use crate::scope::Group;
use crate::sink::{Existing, Sink};
use crate::stray::Strays;
use crate::topology::{Topology, redirect_id};

/// A column of a Northbound row that the compiler sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteBack {
    /// The table.
    pub table: &'static str,
    /// The row.
    pub uuid: Uuid,
    /// The column.
    pub column: &'static str,
    /// What it is to hold.
    pub value: Datum,
}

/// What changed since the last run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// Southbound rows, in an order that is safe for one transaction. A modified row is to be written
    /// column by column, only where old and new differ: other columns belong to others.
    pub sb: Vec<RowChange>,
    /// Northbound columns to write.
    pub nb: Vec<WriteBack>,
    /// What newly is to be said about Northbound rows.
    pub diagnostics: Vec<Diagnostic>,
    /// What was said and no longer holds.
    pub resolved: Vec<Diagnostic>,
    /// The sequence number that the Southbound has reached with this output, and how far all chassis
    /// have come, with the time of the last of them. Whoever commits the output writes them, and the
    /// times, to NB_Global.
    pub progress: Progress,
}

/// Keeps a Southbound in accordance with a Northbound.
///
/// Make it with what the Southbound holds, [`apply`](Self::apply_nb) all rows of the Northbound, then
/// [`run`](Self::run); from then on apply changes and run, as often or seldom as is convenient.
pub struct Compiler {
    engine: Engine,
    topology: Topology,
    drains: Drains,
    demands: Demands,
    progress: Rule<(), Progress>,
    write_backs: Vec<crate::rows::write_back::Source>,
    alloc: Allocator,
    sink: Sink,
    /// Until the first run, what the Southbound held.
    existing: Option<Existing>,
    /// Rows of the Southbound that others have changed.
    strays: Strays,
    /// Rows that could not be read.
    unreadable: Vec<Diagnostic>,
    /// What was said about tunnel keys, by owner.
    key_problems: std::collections::BTreeMap<Uuid, Diagnostic>,
}

/// Who needs tunnel keys.
struct Demands {
    switch: Rule<Uuid, Demand>,
    router: Rule<Uuid, Demand>,
    switch_port: Rule<Uuid, PortDemand>,
    router_port: Rule<Uuid, PortDemand>,
}

impl Compiler {
    /// A compiler for a Southbound that holds these rows: table, UUID, content in the order of the
    /// columns in `model`.
    pub fn new(southbound: impl IntoIterator<Item = (Str, Uuid, Arc<Row>)>) -> Self {
        let rows: Vec<_> = southbound.into_iter().collect();
        let identity = Identity::adopt(rows.iter().map(|(table, id, row)| (&**table, *id, &**row)));
        let mut program = Program::new(identity.clone());
        let datapaths = crate::rows::datapath::declare(&mut program);
        let ports = crate::rows::port::declare(&mut program);
        crate::rows::declare(&mut program);
        let progress = crate::rows::global::declare(&mut program);
        let write_backs = crate::rows::write_back::declare(&mut program);
        crate::switch::declare(&mut program);
        crate::router::declare(&mut program);
        crate::diagnose::declare(&mut program);
        let topology = program.topology;
        program.build.watch(topology.switch_classes);
        program.build.watch(topology.router_classes);
        program.build.watch(topology.port_group_scopes);
        program.build.watch(topology.routers_on);
        let (engine, drains) = program.finish();
        let mut compiler = Self {
            engine,
            topology,
            drains,
            demands: Demands {
                switch: datapaths.0,
                router: datapaths.1,
                switch_port: ports.0,
                router_port: ports.1,
            },
            progress,
            write_backs,
            alloc: Allocator::default(),
            sink: Sink::new(identity, topology),
            existing: Some(Existing::default()),
            strays: Strays::default(),
            unreadable: Vec::new(),
            key_problems: <_>::default(),
        };
        compiler.start_from(rows);
        compiler
    }

    /// Lets up to `threads` threads work side by side.
    pub fn set_threads(&mut self, threads: usize) {
        self.engine.set_threads(threads);
    }

    /// Remembers keys and rows of the Southbound.
    fn start_from(&mut self, rows: Vec<(Str, Uuid, Arc<Row>)>) {
        let mut northbound = rustc_hash::FxHashMap::default();
        for (_, uuid, row) in rows.iter().filter(|it| it.0 == sb::DatapathBinding::NAME) {
            let Ok(row) = sb::DatapathBinding::from_row(row) else {
                continue;
            };
            let Some(of) = identity::northbound_of(&row) else {
                continue;
            };
            northbound.insert(*uuid, of);
            if let Ok(key) = u32::try_from(row.tunnel_key) {
                self.alloc.remember(None, of.to_string().into(), key);
            }
        }
        for (_, _, row) in rows.iter().filter(|it| it.0 == sb::PortBinding::NAME) {
            let Ok(row) = sb::PortBinding::from_row(row) else {
                continue;
            };
            let datapath = northbound.get(&row.datapath.uuid()).copied();
            if let (Some(datapath), Ok(key)) = (datapath, u32::try_from(row.tunnel_key)) {
                self.alloc.remember(Some(datapath), row.logical_port, key);
            }
        }
        for (table, uuid, row) in rows {
            let new = Some(row.clone());
            self.apply_sb(&[RowChange {
                table: table.clone(),
                uuid,
                old: None,
                new,
            }]);
            if let Some(existing) = &mut self.existing {
                existing.insert(table, uuid, row);
            }
        }
    }

    /// Takes over changes of the Northbound.
    pub fn apply_nb(&mut self, changes: &[RowChange]) {
        for change in changes {
            let result = self.topology.nb.feed(&mut self.engine, change);
            self.note_unreadable(change.uuid, result);
        }
    }

    /// Takes over changes of the Southbound, one's own among them. Gives how many of them are changes by
    /// others of what only the compiler decides on; the next run undoes those.
    pub fn apply_sb(&mut self, changes: &[RowChange]) -> usize {
        let mut foreign = 0;
        for change in changes {
            // Before the first run, what is found is compared as a whole.
            if self.existing.is_none() && self.strays.observe(change) {
                foreign += 1;
            }
            let result = self.topology.sb.feed(&mut self.engine, change);
            self.note_unreadable(change.uuid, result);
        }
        foreign
    }

    fn note_unreadable(&mut self, uuid: Uuid, result: Result<(), Diagnostic>) {
        if let Some(at) = self.unreadable.iter().position(|it| it.uuid == uuid) {
            let before = self.unreadable.swap_remove(at);
            self.sink.remove_diagnostic(&before);
        }
        if let Err(diagnostic) = result {
            self.sink.add_diagnostic(diagnostic.clone());
            self.unreadable.push(diagnostic);
        }
    }

    /// Compiles what changed.
    pub fn run(&mut self) -> Output {
        self.engine.run();
        if self.decide_keys() {
            self.engine.run();
        }
        self.drains.drain(&mut self.engine, &mut self.sink);
        self.touch_groups();
        let mut rows = self.sink.take_rows(&self.engine);
        if let Some(existing) = self.existing.take() {
            rows = existing.reconcile(rows);
            self.alloc.forget();
        }
        let rows = self.strays.settle(rows);
        let (diagnostics, resolved) = self.sink.take_news();
        let write_backs = self
            .write_backs
            .iter()
            .flat_map(|source| source(&mut self.engine));
        Output {
            sb: rows,
            nb: write_backs.collect(),
            diagnostics,
            resolved,
            progress: self
                .engine
                .get(self.progress, &())
                .copied()
                .unwrap_or_default(),
        }
    }

    /// All that is to be said about Northbound rows now.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.sink.diagnostics()
    }

    /// Turns the log of rule instances on or off.
    pub fn set_log(&mut self, on: bool) {
        self.engine.set_log(on);
    }

    /// The rule instances that ran since the last call.
    pub fn log(&mut self) -> Vec<Ran> {
        self.engine.log()
    }

    /// What the engine holds.
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        self.engine.footprint()
    }

    /// Gives keys to those who newly need them; says whether any key changed.
    fn decide_keys(&mut self) -> bool {
        let mut datapaths: Vec<_> = Vec::new();
        for rule in [self.demands.switch, self.demands.router] {
            let changes = self.engine.changes(rule).into_iter();
            datapaths.extend(changes.map(|change| (change.key, change.new)));
        }
        let mut ports = Vec::new();
        for rule in [self.demands.switch_port, self.demands.router_port] {
            for change in self.engine.changes(rule) {
                let had_redirect = change.old.is_some_and(|old| old.redirect.is_some());
                let redirect = change.new.as_ref().and_then(|new| new.redirect.clone());
                if had_redirect || redirect.is_some() {
                    ports.push((redirect_id(change.key), redirect));
                }
                ports.push((change.key, change.new.map(|new| new.port)));
            }
        }
        let any = !(datapaths.is_empty() && ports.is_empty());
        let topology = self.topology;
        for (input, demands) in [
            (topology.datapath_key, datapaths),
            (topology.port_key, ports),
        ] {
            let names: std::collections::BTreeMap<_, _> = (demands.iter())
                .filter_map(|(id, demand)| Some((*id, demand.as_ref()?.clone())))
                .collect();
            for decision in self.alloc.decide(demands) {
                self.engine.set(input, decision.owner, decision.key);
                let problem = decision.problem.and_then(|problem| {
                    let demand = names.get(&decision.owner)?;
                    Some(key_diagnostic(decision.owner, demand, problem))
                });
                self.note_key_problem(decision.owner, problem);
            }
        }
        any
    }

    fn note_key_problem(&mut self, owner: Uuid, problem: Option<Diagnostic>) {
        if let Some(before) = self.key_problems.remove(&owner) {
            self.sink.remove_diagnostic(&before);
        }
        if let Some(problem) = problem {
            self.sink.add_diagnostic(problem.clone());
            self.key_problems.insert(owner, problem);
        }
    }

    /// Tells the sink which groups have other members.
    fn touch_groups(&mut self) {
        let topology = self.topology;
        for rule in [topology.switch_classes, topology.router_classes] {
            for change in self.engine.changes(rule) {
                self.sink.touch(Group::Class(change.key));
            }
        }
        for change in self.engine.changes(topology.port_group_scopes) {
            self.sink.touch(change.key);
        }
        for change in self.engine.changes(topology.routers_on) {
            self.sink.touch(Group::RoutersOn(change.key));
        }
    }
}

fn key_diagnostic(owner: Uuid, demand: &Demand, problem: Str) -> Diagnostic {
    let table = match demand.datapath {
        None => nb::LogicalSwitch::NAME,
        Some(_) => nb::LogicalSwitchPort::NAME,
    };
    Diagnostic::new(table, owner, demand.name.clone(), problem)
}

/// A write-back of a truth value.
pub(crate) fn set_bool(
    table: &'static str,
    uuid: Uuid,
    column: &'static str,
    value: bool,
) -> WriteBack {
    WriteBack {
        table,
        uuid,
        column,
        value: Datum::one(Atom::Boolean(value)),
    }
}

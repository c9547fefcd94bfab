//! Turns changed outputs of rules into changed rows.
//!
//! Several instances may emit the same flow or row; it exists while one of them does. The row of a
//! datapath group exists while a flow refers to it, because the database itself removes it otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use incremental::Engine;
use model::{Map, Set, Strong, Table, Weak, sb};
use ovsdb::{Row, RowChange, Str};
use rustc_hash::FxHashMap;
use uuid::Uuid;

use crate::diagnostic::Diagnostic;
use crate::flow::{Emitted, LogicalFlow};
use crate::identity::{self, Identity};
use crate::ownership::{OWNED, Ownership, is_owned};
use crate::program::SbRow;
use crate::scope::{Group, Scope};
use crate::topology::Topology;

/// A row before and after the changes gathered so far.
struct Pending {
    old: Option<Arc<Row>>,
    new: Option<Arc<Row>>,
}

/// Gathers changes of rows, and remembers what must be counted.
pub(crate) struct Sink {
    identity: Identity,
    topology: Topology,
    /// How many instances emit a flow or row.
    held: FxHashMap<Uuid, u32>,
    /// How many flows have a group for scope.
    references: FxHashMap<Group, u32>,
    /// The rows of groups as they were last given out.
    groups: BTreeMap<Group, Arc<Row>>,
    /// Groups that gained or lost flows or members.
    touched: BTreeSet<Group>,
    rows: BTreeMap<(usize, Uuid), Pending>,
    /// Rows that instances newly make.
    added: Vec<(&'static str, Uuid, Arc<Row>)>,
    diagnostics: BTreeMap<Diagnostic, u32>,
    news: BTreeMap<Diagnostic, bool>,
}

impl Sink {
    pub(crate) fn new(identity: Identity, topology: Topology) -> Self {
        Self {
            identity,
            topology,
            held: FxHashMap::default(),
            references: FxHashMap::default(),
            groups: BTreeMap::new(),
            touched: BTreeSet::new(),
            rows: BTreeMap::new(),
            added: Vec::new(),
            diagnostics: BTreeMap::new(),
            news: BTreeMap::new(),
        }
    }

    /// Takes over what one instance emits now instead of what it emitted before.
    pub(crate) fn emitted(&mut self, old: Option<&Emitted>, new: Option<&Emitted>) {
        let old_flows = old.map(|it| it.flows.as_slice()).unwrap_or_default();
        let new_flows = new.map(|it| it.flows.as_slice()).unwrap_or_default();
        // Most flows of an instance stay as they are; those are not even named.
        let kept: BTreeSet<&LogicalFlow> = match (old_flows, new_flows) {
            ([], _) | (_, []) => BTreeSet::new(),
            _ => old_flows.iter().collect(),
        };
        let stay: BTreeSet<&LogicalFlow> = new_flows.iter().filter(|f| kept.contains(f)).collect();
        for flow in new_flows.iter().filter(|flow| !stay.contains(flow)) {
            self.add_flow(flow);
        }
        for flow in old_flows.iter().filter(|flow| !stay.contains(flow)) {
            self.remove_flow(flow);
        }
        for diagnostic in new.into_iter().flat_map(|it| &it.diagnostics) {
            self.add_diagnostic(diagnostic.clone());
        }
        for diagnostic in old.into_iter().flat_map(|it| &it.diagnostics) {
            self.remove_diagnostic(diagnostic);
        }
    }

    fn add_flow(&mut self, flow: &LogicalFlow) {
        let uuid = flow.uuid();
        if self.hold(uuid) {
            if let Scope::Group(group) = flow.scope {
                let count = self.references.entry(group).or_insert(0);
                *count += 1;
                if *count == 1 {
                    self.touched.insert(group);
                }
            }
            self.put(sb::LogicalFlow::NAME, uuid, None, Some(self.flow_row(flow)));
        }
    }

    fn remove_flow(&mut self, flow: &LogicalFlow) {
        let uuid = flow.uuid();
        if self.let_go(uuid) {
            if let Scope::Group(group) = flow.scope
                && let Some(count) = self.references.get_mut(&group)
            {
                *count -= 1;
                if *count == 0 {
                    self.references.remove(&group);
                    self.touched.insert(group);
                }
            }
            self.put(sb::LogicalFlow::NAME, uuid, Some(self.flow_row(flow)), None);
        }
    }

    fn flow_row(&self, flow: &LogicalFlow) -> Arc<Row> {
        let mut ids = vec![
            (Str::new_static("source"), Str::new_static(flow.source)),
            (
                Str::new_static("stage-name"),
                Str::new_static(flow.stage.name()),
            ),
        ];
        if let Some(hint) = flow.hint {
            let hint = format!("{:08x}", hint.as_fields().0);
            ids.push((Str::new_static("stage-hint"), hint.into()));
        }
        let (datapath, group) = match flow.scope {
            Scope::Datapath(datapath) => (Some(self.identity.datapath(datapath)), None),
            Scope::Group(group) => (None, Some(group_uuid(&group))),
        };
        let row = sb::LogicalFlow {
            logical_datapath: datapath.map(Strong::new),
            logical_dp_group: group.map(Strong::new),
            pipeline: flow.stage.pipeline(),
            table_id: i64::from(flow.stage.table()),
            priority: i64::from(flow.priority),
            match_: flow.matches.clone(),
            actions: flow.actions.clone(),
            tags: Map::default(),
            controller_meter: None,
            external_ids: ids.into_iter().collect(),
            flow_desc: None,
        };
        Arc::new(row.to_row())
    }

    /// Takes over the row that one instance makes now instead of the one it made before.
    pub(crate) fn row<T: Table>(&mut self, old: Option<&SbRow<T>>, new: Option<&SbRow<T>>) {
        match (old, new) {
            (Some(old), Some(new)) if old.uuid == new.uuid => {
                let rows = (old.row.to_row(), new.row.to_row());
                self.put(
                    T::NAME,
                    new.uuid,
                    Some(Arc::new(rows.0)),
                    Some(Arc::new(rows.1)),
                );
            }
            _ => {
                // A row may pass from one instance to another in one run: who lets go does so first.
                if let Some(new) = new {
                    self.added
                        .push((T::NAME, new.uuid, Arc::new(new.row.to_row())));
                }
                if let Some(old) = old
                    && self.let_go(old.uuid)
                {
                    self.put(T::NAME, old.uuid, Some(Arc::new(old.row.to_row())), None);
                }
            }
        }
    }

    /// Notes a holder; says whether it is the first.
    fn hold(&mut self, uuid: Uuid) -> bool {
        let count = self.held.entry(uuid).or_insert(0);
        *count += 1;
        *count == 1
    }

    /// Forgets a holder; says whether it was the last.
    fn let_go(&mut self, uuid: Uuid) -> bool {
        let Some(count) = self.held.get_mut(&uuid) else {
            return false;
        };
        *count -= 1;
        let last = *count == 0;
        if last {
            self.held.remove(&uuid);
        }
        last
    }

    fn put(&mut self, table: &str, uuid: Uuid, old: Option<Arc<Row>>, new: Option<Arc<Row>>) {
        let Some(rank) = OWNED.iter().position(|owned| *owned == table) else {
            return;
        };
        match self.rows.entry((rank, uuid)) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(Pending { old, new });
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => entry.get_mut().new = new,
        }
    }

    /// A datapath joined or left a group.
    pub(crate) fn touch(&mut self, group: Group) {
        if self.references.contains_key(&group) {
            self.touched.insert(group);
        }
    }

    /// Brings the rows of touched groups up to date.
    fn settle_groups(&mut self, engine: &Engine) {
        for group in std::mem::take(&mut self.touched) {
            let new = self
                .references
                .contains_key(&group)
                .then(|| self.group_row(engine, &group));
            let old = match &new {
                Some(row) => self.groups.insert(group, row.clone()),
                None => self.groups.remove(&group),
            };
            self.put(sb::LogicalDpGroup::NAME, group_uuid(&group), old, new);
        }
    }

    fn group_row(&self, engine: &Engine, group: &Group) -> Arc<Row> {
        let topology = &self.topology;
        let members = match group {
            Group::Class(class) => engine
                .get(topology.switch_classes, class)
                .or_else(|| engine.get(topology.router_classes, class)),
            Group::PortGroup { .. } => engine.get(topology.port_group_scopes, group),
            Group::RoutersOn(switch) => engine.get(topology.routers_on, switch),
        };
        let members = members.into_iter().flatten();
        let datapaths: Set<_> = members
            .map(|id| Weak::new(self.identity.datapath(*id)))
            .collect();
        Arc::new(sb::LogicalDpGroup { datapaths }.to_row())
    }

    pub(crate) fn add_diagnostic(&mut self, diagnostic: Diagnostic) {
        let count = self.diagnostics.entry(diagnostic.clone()).or_insert(0);
        *count += 1;
        if *count == 1 {
            note(&mut self.news, diagnostic, true);
        }
    }

    pub(crate) fn remove_diagnostic(&mut self, diagnostic: &Diagnostic) {
        let Some(count) = self.diagnostics.get_mut(diagnostic) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.diagnostics.remove(diagnostic);
            note(&mut self.news, diagnostic.clone(), false);
        }
    }

    /// All that is to be said now.
    pub(crate) fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.keys()
    }

    /// What is said newly, and what no longer holds.
    pub(crate) fn take_news(&mut self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        let (new, old): (Vec<_>, Vec<_>) = std::mem::take(&mut self.news)
            .into_iter()
            .partition(|(_, holds)| *holds);
        let only = |list: Vec<(Diagnostic, bool)>| list.into_iter().map(|(it, _)| it).collect();
        (only(new), only(old))
    }

    /// The changed rows, in an order in which no row is referred to before it exists or after it is
    /// gone.
    pub(crate) fn take_rows(&mut self, engine: &Engine) -> Vec<RowChange> {
        self.settle_groups(engine);
        for (table, uuid, row) in std::mem::take(&mut self.added) {
            if self.hold(uuid) {
                self.put(table, uuid, None, Some(row));
            }
        }
        let mut present = Vec::new();
        let mut gone = Vec::new();
        for ((rank, uuid), Pending { old, new }) in std::mem::take(&mut self.rows) {
            if old == new {
                continue;
            }
            let list = if new.is_some() {
                &mut present
            } else {
                &mut gone
            };
            list.push(RowChange {
                table: Str::new_static(OWNED[rank]),
                uuid,
                old,
                new,
            });
        }
        gone.reverse();
        present.extend(gone);
        present
    }
}

/// Notes that something came to hold, or ceased to; both together are no news.
fn note(news: &mut BTreeMap<Diagnostic, bool>, diagnostic: Diagnostic, holds: bool) {
    match news.get(&diagnostic) {
        Some(before) if *before != holds => {
            news.remove(&diagnostic);
        }
        _ => {
            news.insert(diagnostic, holds);
        }
    }
}

fn group_uuid(group: &Group) -> Uuid {
    identity::derived(sb::LogicalDpGroup::NAME, &format!("{group:?}"))
}

/// The rows that a Southbound had before the compiler began, until the first run.
#[derive(Default)]
pub(crate) struct Existing {
    ownership: Ownership,
    rows: BTreeMap<(Str, Uuid), Arc<Row>>,
}

impl Existing {
    pub(crate) fn insert(&mut self, table: Str, uuid: Uuid, row: Arc<Row>) {
        if is_owned(&table) {
            self.rows.insert((table, uuid), row);
        }
    }

    /// Turns the first output, made as if the Southbound were empty, into the difference to what it
    /// holds.
    pub(crate) fn reconcile(mut self, output: Vec<RowChange>) -> Vec<RowChange> {
        let mut changes = Vec::with_capacity(output.len());
        for mut change in output {
            if let Some(old) = self.rows.remove(&(change.table.clone(), change.uuid)) {
                let ownership = &self.ownership;
                if let Some(rank) = Ownership::rank(&change.table) {
                    change.new = change
                        .new
                        .map(|row| ownership.keep_foreign(rank, Some(&old), row));
                }
                change.old = Some(old);
            }
            if change.old != change.new {
                changes.push(change);
            }
        }
        let rank = |table: &str| OWNED.iter().position(|owned| *owned == table);
        let mut stale: Vec<_> = self.rows.into_iter().collect();
        stale.sort_by_key(|((table, uuid), _)| (std::cmp::Reverse(rank(table)), *uuid));
        changes.extend(stale.into_iter().map(|((table, uuid), row)| RowChange {
            table,
            uuid,
            old: Some(row),
            new: None,
        }));
        changes
    }
}

//! A Northbound to edit, and a Southbound that takes what the compiler gives out and checks it as a
//! database would.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // Each test program uses its part.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use compiler::{Compiler, Output, Stage};
use model::{Strong, Table, nb, sb};
use ovsdb::{Row, RowChange, Str};
use uuid::Uuid;

/// The UUID of the thing with this name.
pub fn id(name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

/// A set of references to things by name.
pub fn refs<'a, R: From<Uuid> + Ord>(names: impl IntoIterator<Item = &'a str>) -> model::Set<R> {
    names.into_iter().map(|name| R::from(id(name))).collect()
}

/// A set of texts.
pub fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> model::Set<Str> {
    texts.into_iter().map(Str::from).collect()
}

/// A map of texts.
pub fn map<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> model::Map<Str, Str> {
    pairs
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}

pub type Rows = BTreeMap<(Str, Uuid), Arc<Row>>;

pub struct Cloud {
    pub compiler: Compiler,
    pub northbound: Rows,
    pub southbound: Rows,
}

impl Default for Cloud {
    fn default() -> Self {
        Self::on(Rows::new())
    }
}

impl Cloud {
    /// A cloud without Northbound, over a Southbound that holds something.
    pub fn on(southbound: Rows) -> Self {
        let rows = southbound
            .iter()
            .map(|((table, uuid), row)| (table.clone(), *uuid, row.clone()));
        Self {
            compiler: Compiler::new(rows),
            northbound: Rows::new(),
            southbound,
        }
    }

    /// A new compiler over the same databases, as after a restart.
    pub fn restarted(&self) -> Self {
        let mut cloud = Self::on(self.southbound.clone());
        for ((table, uuid), row) in &self.northbound {
            cloud.edit_row(table.clone(), *uuid, Some(row.clone()));
        }
        cloud
    }

    pub fn edit_row(&mut self, table: Str, uuid: Uuid, new: Option<Arc<Row>>) {
        let key = (table.clone(), uuid);
        let old = match &new {
            Some(row) => self.northbound.insert(key, row.clone()),
            None => self.northbound.remove(&key),
        };
        if old != new {
            self.compiler.apply_nb(&[RowChange {
                table,
                uuid,
                old,
                new,
            }]);
        }
    }

    pub fn put<T: Table>(&mut self, name: &str, row: &T) {
        self.edit_row(T::NAME.into(), id(name), Some(Arc::new(row.to_row())));
    }

    pub fn remove<T: Table>(&mut self, name: &str) {
        self.edit_row(T::NAME.into(), id(name), None);
    }

    pub fn get<T: Table>(&self, name: &str) -> Option<T> {
        let row = self.northbound.get(&(T::NAME.into(), id(name)))?;
        Some(T::from_row(row).unwrap())
    }

    pub fn edit<T: Table + Default>(&mut self, name: &str, edit: impl FnOnce(&mut T)) {
        let mut row = self.get::<T>(name).unwrap_or_default();
        edit(&mut row);
        self.put(name, &row);
    }

    /// A switch, unless it exists.
    pub fn switch(&mut self, name: &str) {
        self.edit::<nb::LogicalSwitch>(name, |row| row.name = name.into());
    }

    /// A port of a switch with one address text.
    pub fn port(&mut self, switch: &str, name: &str, addresses: &str) {
        self.edit::<nb::LogicalSwitchPort>(name, |row| {
            row.name = name.into();
            row.addresses = texts([addresses]);
        });
        self.edit::<nb::LogicalSwitch>(switch, |row| {
            row.ports.insert(Strong::new(id(name)));
        });
    }

    /// A port of a router, and the port of a switch that it is connected to.
    pub fn attach(&mut self, router: &str, switch: &str, mac: &str, networks: &[&str]) {
        let name = format!("{router}-{switch}");
        self.edit::<nb::LogicalRouterPort>(&name, |row| {
            row.name = name.as_str().into();
            row.mac = mac.into();
            row.networks = texts(networks.iter().copied());
        });
        self.edit::<nb::LogicalRouter>(router, |row| {
            row.name = router.into();
            row.ports.insert(Strong::new(id(&name)));
        });
        let port = format!("{switch}-{router}");
        self.port(switch, &port, "router");
        self.edit::<nb::LogicalSwitchPort>(&port, |row| {
            row.type_ = "router".into();
            row.options = map([("router-port", name.as_str())]);
        });
    }

    /// An ACL of a switch.
    pub fn acl(&mut self, switch: &str, name: &str, acl: nb::Acl) {
        self.put(name, &acl);
        self.edit::<nb::LogicalSwitch>(switch, |row| {
            row.acls.insert(Strong::new(id(name)));
        });
    }

    /// Runs the compiler and commits what it gives out, as a database would.
    pub fn run(&mut self) -> Output {
        let output = self.compiler.run();
        for change in &output.sb {
            let key = (change.table.clone(), change.uuid);
            assert_ne!(change.old, change.new, "a change that is none: {key:?}");
            let was = match &change.new {
                Some(row) => self.southbound.insert(key.clone(), row.clone()),
                None => self.southbound.remove(&key),
            };
            assert_eq!(was, change.old, "the compiler knows what {key:?} was");
        }
        self.check_southbound();
        self.compiler.apply_sb(&output.sb);
        output
    }

    /// Also does what the compiler asks to be written to the Northbound.
    pub fn run_and_write_back(&mut self) -> Output {
        let output = self.run();
        for write in &output.nb {
            let key = (Str::from(write.table), write.uuid);
            let Some(row) = self.northbound.get(&key) else {
                continue;
            };
            let schema = nb::schema();
            let at = schema
                .table(write.table)
                .unwrap()
                .column_index(write.column)
                .unwrap();
            let mut row = Row::clone(row);
            row.set(at, write.value.clone());
            self.edit_row(key.0, key.1, Some(Arc::new(row)));
        }
        output
    }

    pub fn rows<T: Table>(&self) -> impl Iterator<Item = (Uuid, T)> + '_ {
        let of_table = self
            .southbound
            .iter()
            .filter(|((table, _), _)| table == T::NAME);
        of_table.map(|((_, uuid), row)| (*uuid, T::from_row(row).unwrap()))
    }

    /// Unique indexes and strong references.
    fn check_southbound(&self) {
        let schema = sb::schema();
        for table in schema.tables() {
            for index in table.indexes() {
                let mut seen = BTreeSet::new();
                for ((name, uuid), row) in &self.southbound {
                    if *name == table.name {
                        let values: Vec<_> = index.iter().map(|at| row[*at].clone()).collect();
                        assert!(seen.insert(values), "{name} {uuid} is not unique");
                    }
                }
            }
        }
        let exists = |table: &str, uuid| self.southbound.contains_key(&(table.into(), uuid));
        let mut groups = BTreeSet::new();
        for (_, flow) in self.rows::<sb::LogicalFlow>() {
            check_language(&flow.match_, &flow.actions);
        }
        for (uuid, flow) in self.rows::<sb::LogicalFlow>() {
            let datapath = flow.logical_datapath.map(|it| it.uuid());
            let group = flow.logical_dp_group.map(|it| it.uuid());
            assert!(datapath.is_some() != group.is_some(), "{uuid}");
            assert!(
                datapath.is_none_or(|it| exists("Datapath_Binding", it)),
                "{flow:?}"
            );
            assert!(
                group.is_none_or(|it| exists("Logical_DP_Group", it)),
                "{flow:?}"
            );
            groups.extend(group);
        }
        for (uuid, _) in self.rows::<sb::LogicalDpGroup>() {
            assert!(
                groups.contains(&uuid),
                "the database would remove an unused group"
            );
        }
        for (_, port) in self.rows::<sb::PortBinding>() {
            assert!(exists("Datapath_Binding", port.datapath.uuid()));
            let group = port.ha_chassis_group.map(|it| it.uuid());
            assert!(group.is_none_or(|it| exists("HA_Chassis_Group", it)));
        }
        for (_, group) in self.rows::<sb::HaChassisGroup>() {
            assert!(
                group
                    .ha_chassis
                    .iter()
                    .all(|it| exists("HA_Chassis", it.uuid()))
            );
        }
        for (_, group) in self.rows::<sb::MulticastGroup>() {
            assert!(exists("Datapath_Binding", group.datapath.uuid()));
            assert!(
                group
                    .ports
                    .iter()
                    .all(|it| exists("Port_Binding", it.uuid()))
            );
        }
    }

    /// The flows as people read them: stages in order, then priorities, then texts. Groups are shown
    /// by the names of their datapaths.
    pub fn flows(&self, wanted: impl Fn(&sb::LogicalFlow) -> bool) -> String {
        let names: BTreeMap<Uuid, Str> = (self.rows::<sb::DatapathBinding>())
            .map(|(uuid, row)| {
                (
                    uuid,
                    row.external_ids.get("name").cloned().unwrap_or_default(),
                )
            })
            .collect();
        let groups: BTreeMap<Uuid, String> = (self.rows::<sb::LogicalDpGroup>())
            .map(|(uuid, row)| {
                let mut members: Vec<_> = row
                    .datapaths
                    .iter()
                    .map(|it| names[&it.uuid()].as_str())
                    .collect();
                members.sort_unstable();
                (uuid, format!("{{{}}}", members.join(" ")))
            })
            .collect();
        let mut lines: Vec<_> = (self.rows::<sb::LogicalFlow>())
            .filter(|(_, flow)| wanted(flow))
            .map(|(_, flow)| {
                let name = flow.external_ids.get("stage-name").unwrap();
                let stage = Stage::ALL
                    .iter()
                    .position(|stage| stage.name() == name)
                    .unwrap();
                let scope = match (flow.logical_datapath, flow.logical_dp_group) {
                    (Some(datapath), _) => names[&datapath.uuid()].to_string(),
                    (_, Some(group)) => groups[&group.uuid()].clone(),
                    _ => String::new(),
                };
                let body = format!("{} => {}", flow.match_, flow.actions);
                (stage, std::cmp::Reverse(flow.priority), scope, body)
            })
            .collect();
        lines.sort();
        let mut text = String::new();
        let mut last = usize::MAX;
        for (stage, priority, scope, body) in lines {
            if stage != last {
                let stage = Stage::ALL[stage];
                writeln!(text, "{} ({})", stage.name(), stage.table()).unwrap();
                last = stage_index(stage);
            }
            writeln!(text, "  {:5} {scope} {body}", priority.0).unwrap();
        }
        text
    }

    /// Rows of small tables as people read them.
    pub fn listing<T: Table>(&self, show: impl Fn(T) -> String) -> String {
        let mut lines: Vec<_> = self.rows::<T>().map(|(_, row)| show(row)).collect();
        lines.sort();
        lines.join("\n")
    }
}

/// Every flow must be in the logical language.
fn check_language(matches: &Str, actions: &Str) {
    thread_local! {
        static GOOD: std::cell::RefCell<BTreeSet<(bool, Str)>> = <_>::default();
    }
    GOOD.with_borrow_mut(|good| {
        if good.insert((false, matches.clone())) {
            let parsed = logic::check_match(matches, logic::Symbols::ovn());
            assert!(parsed.is_ok(), "{matches}: {parsed:?}");
        }
        if good.insert((true, actions.clone())) {
            let parsed = logic::parse_actions(actions, logic::Symbols::ovn());
            assert!(parsed.is_ok(), "{actions}: {parsed:?}");
        }
    });
}

fn stage_index(stage: Stage) -> usize {
    Stage::ALL.iter().position(|it| *it == stage).unwrap()
}

/// An ACL with the columns that matter.
pub fn acl(
    direction: nb::Direction,
    priority: i64,
    matches: &str,
    action: nb::AclAction,
) -> nb::Acl {
    nb::Acl {
        direction,
        priority,
        match_: matches.into(),
        action,
        ..nb::Acl::default()
    }
}

/// Two switches with two ports each and a router between them, and the settings row.
pub fn two_tier() -> Cloud {
    let mut cloud = Cloud::default();
    cloud.put("global", &nb::NbGlobal::default());
    for (switch, net) in [("web", 1), ("db", 2)] {
        cloud.switch(switch);
        for port in 1..=2 {
            let name = format!("{switch}{port}");
            let addresses =
                format!("02:00:00:00:0{net}:1{port} 10.0.{net}.1{port} fd00:{net}::1{port}");
            cloud.port(switch, &name, &addresses);
        }
        let mac = format!("02:00:00:00:0{net}:01");
        let networks = [format!("10.0.{net}.1/24"), format!("fd00:{net}::1/64")];
        cloud.attach("r1", switch, &mac, &[&networks[0], &networks[1]]);
    }
    cloud
}

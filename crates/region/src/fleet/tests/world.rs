//! A fleet, and all that is around it, in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::region::{Action, Customer, Hypervisor, Machine, Rule};
use model::{Str, Strong, Table, Uuid};
use ovsdb::{Row, RowChange};

use crate::fleet::{Change, Fleet, Machines, Order};
use crate::rollout::Outcome;
use crate::samples::parameters;

/// The database, the hypervisors, and the shell between them.
#[derive(Default)]
pub(super) struct World {
    pub(super) fleet: Fleet,
    pub(super) rows: BTreeMap<(&'static str, Uuid), Arc<Row>>,
    pub(super) now: u64,
    /// What each hypervisor really has, and whether it is there.
    pub(super) hosts: BTreeMap<Str, (Machines, bool)>,
    /// Tells under way.
    pub(super) told: Vec<(Str, u64, Vec<Change>)>,
    /// All that were told, in order.
    pub(super) log: Vec<String>,
}

pub(super) fn uuid(table: u64, number: u64) -> Uuid {
    Uuid::from_u64_pair(table, number)
}

pub(super) fn host(number: u64) -> Uuid {
    uuid(1, number)
}

pub(super) fn customer(number: u64) -> Uuid {
    uuid(2, number)
}

pub(super) fn name(number: u64) -> Str {
    format!("hv{number}").into()
}

impl World {
    pub(super) fn put<T: Table>(&mut self, rows: impl IntoIterator<Item = (Uuid, Option<T>)>) {
        let changes: Vec<RowChange> = rows
            .into_iter()
            .map(|(uuid, row)| {
                let new = row.map(|row| Arc::new(row.to_row()));
                let old = match &new {
                    Some(row) => self.rows.insert((T::NAME, uuid), Arc::clone(row)),
                    None => self.rows.remove(&(T::NAME, uuid)),
                };
                RowChange {
                    table: T::NAME.into(),
                    uuid,
                    old,
                    new,
                }
            })
            .collect();
        let wrong = self.fleet.apply(&changes, self.now);
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    pub(super) fn edit<T: Table>(&mut self, uuid: Uuid, edit: impl FnOnce(&mut T)) {
        let row = self.rows.get(&(T::NAME, uuid)).unwrap();
        let mut row = T::from_row(row).unwrap();
        edit(&mut row);
        self.put([(uuid, Some(row))]);
    }

    pub(super) fn hypervisors(&mut self, count: u64) {
        for number in 0..count {
            self.hosts.insert(name(number), (Machines::new(), true));
            let row = Hypervisor {
                name: name(number),
                endpoint: "unix:/x".into(),
                enabled: true,
                ..Hypervisor::default()
            };
            self.put([(host(number), Some(row))]);
        }
    }

    pub(super) fn machine(&mut self, number: i64, on: u64) {
        let customer = customer(u64::try_from(number).unwrap() % 2);
        self.put([(
            customer,
            Some(Customer {
                name: format!("{customer}").into(),
                enabled: true,
            }),
        )]);
        let row = Machine {
            number,
            customer: Strong::new(customer),
            hypervisor: Some(Strong::new(host(on))),
            enabled: true,
            parameters: parameters(number, u8::try_from(number).unwrap()),
            ..Machine::default()
        };
        self.put([(uuid(3, u64::try_from(number).unwrap()), Some(row))]);
    }

    pub(super) fn action(&mut self, number: i64, hosts: &[u64], policy: &[(&str, i64)]) {
        let row = Action {
            number,
            hypervisors: hosts.iter().map(|number| name(*number)).collect(),
            policy: policy
                .iter()
                .map(|(name, value)| (Str::from(*name), *value))
                .collect(),
            ..Action::default()
        };
        self.put([(uuid(4, u64::try_from(number).unwrap()), Some(row))]);
    }

    pub(super) fn of_action(&self, number: u64) -> Action {
        Action::from_row(&self.rows[&(Action::NAME, uuid(4, number))]).unwrap()
    }

    /// Carries out all orders but those to tell, which are kept.
    pub(super) fn settle(&mut self) {
        while let Some(order) = self.fleet.poll(self.now) {
            match order {
                Order::Link { host, .. } => {
                    // The link was lost after what was told was done, and before that was heard.
                    if let Some(at) = self.told.iter().position(|(name, ..)| *name == host) {
                        let (_, _, changes) = self.told.remove(at);
                        self.carry_out(&host, changes);
                    }
                    self.link(&host);
                }
                Order::Unlink { .. } => {}
                Order::Tell {
                    host,
                    number,
                    changes,
                    ..
                } => {
                    self.log.push(format!("{host}: {}", changes.len()));
                    assert!(!changes.is_empty());
                    assert!(
                        self.told.iter().all(|(other, ..)| *other != host),
                        "{host} is told twice"
                    );
                    self.told.push((host, number, changes));
                }
                Order::Record {
                    action,
                    state,
                    outcomes,
                    held,
                } => {
                    let row = uuid(4, u64::try_from(action).unwrap());
                    self.edit::<Action>(row, |row| {
                        row.state = state;
                        for (host, outcome) in outcomes.iter() {
                            row.outcomes.insert(host.clone(), outcome.clone());
                        }
                    });
                    for name in held {
                        let (uuid, _) = self.fleet.view().hypervisor(&name).unwrap();
                        self.edit::<Hypervisor>(uuid, |row| row.held_by = Some(action));
                    }
                    self.fleet.recorded(action);
                }
                Order::Forgotten {
                    machine,
                    hypervisor,
                } => {
                    self.edit::<Machine>(machine, |row| {
                        row.departed.remove(&Strong::new(hypervisor));
                    });
                }
            }
        }
    }

    pub(super) fn link(&mut self, host: &Str) {
        match &self.hosts[host] {
            (machines, true) => self.fleet.up(host, machines.clone()),
            (_, false) => self.fleet.down(host, "no route".into()),
        }
    }

    /// Lets a hypervisor carry out what it was told.
    pub(super) fn answer(&mut self, at: usize) {
        let (host, number, changes) = self.told.remove(at);
        let count = changes.len();
        let outcome = match self.carry_out(&host, changes) {
            true => Outcome::Done,
            false => Outcome::Unreachable("no route".into()),
        };
        let applied = if outcome == Outcome::Done { count } else { 0 };
        self.fleet.told(&host, number, applied, outcome, self.now);
    }

    /// What a hypervisor does when it is told something; nothing if it is not there.
    pub(super) fn carry_out(&mut self, host: &Str, changes: Vec<Change>) -> bool {
        let (has, there) = self.hosts.get_mut(host).unwrap();
        for change in changes.into_iter().filter(|_| *there) {
            match change {
                Change::Replace(params) => has.insert(params.droplet_id, Some(params)),
                Change::Remove(number) => has.remove(&number),
            };
        }
        *there
    }

    pub(super) fn refuse(&mut self, at: usize) {
        let (host, number, _) = self.told.remove(at);
        self.fleet.told(
            &host,
            number,
            0,
            Outcome::Refused("no such port".into()),
            self.now,
        );
    }

    pub(super) fn run(&mut self) {
        self.settle();
        while !self.told.is_empty() {
            self.answer(0);
            self.settle();
        }
    }

    /// Lets time pass until nothing is left to wait for.
    pub(super) fn run_long(&mut self) {
        for _ in 0..1_000 {
            self.run();
            match self.fleet.next_deadline() {
                Some(at) => self.now = self.now.max(at),
                None => return,
            }
        }
        panic!("it never ends");
    }

    pub(super) fn set_there(&mut self, number: u64, there: bool) {
        let name = name(number);
        self.hosts.get_mut(&name).unwrap().1 = there;
        self.link(&name);
    }

    pub(super) fn numbers(&self, number: u64) -> Vec<u32> {
        self.hosts[&name(number)].0.keys().copied().collect()
    }

    /// Whether every hypervisor has exactly what is wanted from it.
    pub(super) fn is_converged(&self) -> bool {
        self.hosts.iter().all(|(name, (has, _))| {
            let (uuid, _) = self.fleet.view().hypervisor(name).unwrap();
            self.fleet.view().machines_on(uuid).all(|(machine, row)| {
                let has = has.get(&u32::try_from(row.number).unwrap()).cloned();
                match crate::wanted::wanted(self.fleet.view(), machine, uuid).unwrap() {
                    crate::wanted::Wanted::Present(params) => has == Some(Some(Arc::from(params))),
                    crate::wanted::Wanted::Absent => has.is_none(),
                    crate::wanted::Wanted::Nothing => true,
                }
            })
        })
    }
}

pub(super) fn rule(port: u16) -> Rule {
    let rule = format!(
        r#"{{"direction":"inbound","protocol":"tcp","ports":[{{"first":{port},"last":{port}}}]}}"#
    );
    Rule {
        rule: rule.into(),
        ..Rule::default()
    }
}

//! What the region knows: the rows of its database, and which machines a row concerns.
//!
//! It must not know how rows come or go. Invariant: a view is a function of the rows that were applied; a row that
//! its type cannot hold counts as absent, alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::region::{Action, Customer, FloatingAddress, Hypervisor, Leader, Machine, Rule};
use model::{RowError, Str, Table, Uuid};
use ovsdb::RowChange;

/// The rows of one table, by their UUIDs.
pub type Rows<T> = BTreeMap<Uuid, Arc<T>>;

/// All rows, and who belongs together.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Hypervisor.
    pub hypervisors: Rows<Hypervisor>,
    /// Customer.
    pub customers: Rows<Customer>,
    /// Machine.
    pub machines: Rows<Machine>,
    /// Rule.
    pub rules: Rows<Rule>,
    /// Floating_Address.
    pub floating: Rows<FloatingAddress>,
    /// Action.
    pub actions: Rows<Action>,
    /// Leader.
    pub leaders: Rows<Leader>,
    machines_by: Index<Group>,
    rules_by: Index<Option<Group>>,
    floating_by: Index<Uuid>,
}

/// What a set of machines has in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    /// It is one machine.
    Machine(Uuid),
    Customer(Uuid),
    Tag(Str),
    /// A hypervisor has something to do with them.
    Hypervisor(Uuid),
}

/// Rows by a key. Where none are left no entry is.
#[derive(Debug, Clone)]
struct Index<K>(BTreeMap<K, BTreeSet<Uuid>>);

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Index<K> {
    fn of<'a>(&'a self, key: &K) -> impl Iterator<Item = Uuid> + use<'a, K> {
        self.0.get(key).into_iter().flatten().copied()
    }

    /// Takes a row from the keys that it had and puts it under those that it has.
    fn change(&mut self, row: Uuid, had: Vec<K>, has: Vec<K>) {
        for key in had {
            if let Some(rows) = self.0.get_mut(&key) {
                rows.remove(&row);
                if rows.is_empty() {
                    self.0.remove(&key);
                }
            }
        }
        for key in has {
            self.0.entry(key).or_default().insert(row);
        }
    }
}

impl View {
    /// Takes in what a transaction did; gives the machines and hypervisors for which something else may be wanted now.
    ///
    /// # Errors
    /// The rows that cannot be read; all others are taken in.
    pub fn apply(&mut self, changes: &[RowChange]) -> (Touched, Vec<RowError>) {
        let (mut touched, mut wrong) = (Touched::default(), Vec::new());
        for change in changes {
            if let Err(error) = self.apply_one(change, &mut touched) {
                wrong.push(error);
            }
        }
        // Machines that were moved were found where they came from; now where they are.
        for machine in &touched.machines {
            let row = self.machines.get(machine);
            touched
                .hypervisors
                .extend(row.into_iter().flat_map(|row| places(row)));
        }
        (touched, wrong)
    }

    fn apply_one(&mut self, change: &RowChange, touched: &mut Touched) -> Result<(), RowError> {
        let uuid = change.uuid;
        match change.table.as_str() {
            Hypervisor::NAME => {
                touched.hypervisors.insert(uuid);
                set(&mut self.hypervisors, change).read
            }
            Customer::NAME => {
                touched
                    .machines
                    .extend(self.machines_by.of(&Group::Customer(uuid)));
                set(&mut self.customers, change).read
            }
            Machine::NAME => {
                touched.machines.insert(uuid);
                let Changed { old, new, read } = set(&mut self.machines, change);
                touched
                    .hypervisors
                    .extend(old.iter().flat_map(|row| places(row)));
                let keys =
                    |row: Option<Arc<Machine>>| row.map_or_else(Vec::new, |row| groups(uuid, &row));
                self.machines_by.change(uuid, keys(old), keys(new));
                read
            }
            Rule::NAME => {
                let Changed { old, new, read } = set(&mut self.rules, change);
                for rule in old.iter().chain(&new) {
                    touched.machines.extend(self.machines_of(rule));
                }
                let key =
                    |row: Option<Arc<Rule>>| row.map(|row| narrowest(&row)).into_iter().collect();
                self.rules_by.change(uuid, key(old), key(new));
                read
            }
            FloatingAddress::NAME => {
                let Changed { old, new, read } = set(&mut self.floating, change);
                let bearer = |row: Option<Arc<FloatingAddress>>| -> Vec<Uuid> {
                    row.and_then(|row| row.machine)
                        .map(|machine| machine.uuid())
                        .into_iter()
                        .collect()
                };
                let (old, new) = (bearer(old), bearer(new));
                touched.machines.extend(old.iter().chain(&new));
                self.floating_by.change(uuid, old, new);
                read
            }
            Action::NAME => set(&mut self.actions, change).read,
            Leader::NAME => set(&mut self.leaders, change).read,
            _ => Ok(()),
        }
    }

    /// The hypervisor of this name.
    pub fn hypervisor(&self, name: &str) -> Option<(Uuid, &Arc<Hypervisor>)> {
        let mut rows = self.hypervisors.iter();
        rows.find(|(_, row)| row.name == name)
            .map(|(uuid, row)| (*uuid, row))
    }

    /// The machines that are on a hypervisor, leave it, or are to be forgotten by it.
    pub fn machines_on(&self, hypervisor: Uuid) -> impl Iterator<Item = (Uuid, &Arc<Machine>)> {
        let machines = self.machines_by.of(&Group::Hypervisor(hypervisor));
        machines.filter_map(|uuid| Some((uuid, self.machines.get(&uuid)?)))
    }

    /// The hypervisors that have to do with a machine; one may come twice.
    pub fn places_of(&self, machine: Uuid) -> impl Iterator<Item = Uuid> {
        self.machines
            .get(&machine)
            .into_iter()
            .flat_map(|row| places(row))
    }

    /// The machines that a rule speaks of.
    pub fn machines_of(&self, rule: &Rule) -> BTreeSet<Uuid> {
        let found: Vec<Uuid> = match narrowest(rule) {
            Some(group) => self.machines_by.of(&group).collect(),
            None => self.machines.keys().copied().collect(),
        };
        let fits = |uuid: &Uuid| {
            let row = self.machines.get(uuid);
            row.is_some_and(|machine| speaks_of(rule, *uuid, machine))
        };
        found.into_iter().filter(fits).collect()
    }

    /// The rules that speak of a machine, in an order that stays.
    pub fn rules_for(
        &self,
        uuid: Uuid,
        machine: &Machine,
    ) -> impl Iterator<Item = (Uuid, &Arc<Rule>)> {
        let groups = groups(uuid, machine).into_iter().map(Some);
        let found: BTreeSet<Uuid> = groups
            .chain([None])
            .flat_map(|group| self.rules_by.of(&group).collect::<Vec<_>>())
            .collect();
        let rules = found
            .into_iter()
            .filter_map(|rule| Some((rule, self.rules.get(&rule)?)));
        rules.filter(move |(_, rule)| speaks_of(rule, uuid, machine))
    }

    /// The floating addresses of a machine, in an order that stays.
    pub fn floating_of(&self, machine: Uuid) -> impl Iterator<Item = &Arc<FloatingAddress>> {
        let rows = self.floating_by.of(&machine);
        rows.filter_map(|uuid| self.floating.get(&uuid))
    }
}

/// For whom something else may be wanted after a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// The machines.
    pub machines: BTreeSet<Uuid>,
    /// The hypervisors that they are on or were on, and those that changed themselves.
    pub hypervisors: BTreeSet<Uuid>,
}

/// Where a machine is, where it comes from and where it was.
fn places(machine: &Machine) -> impl Iterator<Item = Uuid> {
    let places = machine
        .hypervisor
        .iter()
        .chain(&machine.leaving)
        .chain(&machine.departed);
    places.map(|place| place.uuid())
}

fn groups(uuid: Uuid, machine: &Machine) -> Vec<Group> {
    let tags = machine.tags.iter().cloned().map(Group::Tag);
    let own = [
        Group::Machine(uuid),
        Group::Customer(machine.customer.uuid()),
    ];
    own.into_iter()
        .chain(tags)
        .chain(places(machine).map(Group::Hypervisor))
        .collect()
}

/// Of the sets that a rule names the one that has the fewest machines, most likely; none for all machines.
fn narrowest(rule: &Rule) -> Option<Group> {
    let machine = rule.machine.map(|machine| Group::Machine(machine.uuid()));
    let customer = || {
        rule.customer
            .map(|customer| Group::Customer(customer.uuid()))
    };
    machine
        .or_else(customer)
        .or_else(|| rule.tag.clone().map(Group::Tag))
}

fn speaks_of(rule: &Rule, uuid: Uuid, machine: &Machine) -> bool {
    rule.machine.is_none_or(|wanted| wanted.uuid() == uuid)
        && rule
            .customer
            .is_none_or(|wanted| wanted == machine.customer)
        && rule
            .tag
            .as_ref()
            .is_none_or(|wanted| machine.tags.contains(wanted))
}

/// A row before and after a change, and whether it could be read.
struct Changed<T> {
    old: Option<Arc<T>>,
    new: Option<Arc<T>>,
    read: Result<(), RowError>,
}

fn set<T: Table>(rows: &mut Rows<T>, change: &RowChange) -> Changed<T> {
    let (new, read) = match change.new.as_deref().map(T::from_row).transpose() {
        Ok(row) => (row.map(Arc::new), Ok(())),
        Err(error) => (None, Err(error)),
    };
    let old = match &new {
        Some(row) => rows.insert(change.uuid, Arc::clone(row)),
        None => rows.remove(&change.uuid),
    };
    Changed { old, new, read }
}

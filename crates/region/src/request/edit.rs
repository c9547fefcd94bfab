//! Changes of rows under way: each starts from what the ones before it left.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use hvflow::params::Rule as ParamsRule;
use model::region::{Action, ActionState, Customer, FloatingAddress, Hypervisor, Machine, Rule};
use model::{Str, Strong, Table, Uuid};
use ovsdb::RowChange;

use super::{Refused, Scope, check_endpoint};
use crate::view::{Rows, View};

/// The rows that a request changes.
pub(super) struct Edit<'a> {
    pub(super) view: &'a View,
    new_uuid: &'a mut dyn FnMut() -> Uuid,
    changes: BTreeMap<(&'static str, Uuid), RowChange>,
}

/// A change from one typed row to another.
pub(crate) fn change<T: Table>(uuid: Uuid, old: Option<&T>, new: Option<T>) -> RowChange {
    RowChange {
        table: T::NAME.into(),
        uuid,
        old: old.map(|row| Arc::new(row.to_row())),
        new: new.map(|row| Arc::new(row.to_row())),
    }
}

/// The row that a name or number stands for.
fn find<T: Clone>(rows: &Rows<T>, is: impl Fn(&T) -> bool) -> Option<(Uuid, T)> {
    let found = rows.iter().find(|(_, row)| is(row));
    found.map(|(uuid, row)| (*uuid, T::clone(row)))
}

impl<'a> Edit<'a> {
    pub(super) fn new(view: &'a View, new_uuid: &'a mut dyn FnMut() -> Uuid) -> Self {
        Self {
            view,
            new_uuid,
            changes: BTreeMap::new(),
        }
    }

    /// The changes that change something, and a UUID for one more row.
    pub(super) fn finish(self) -> (Vec<RowChange>, Uuid) {
        let uuid = (self.new_uuid)();
        let changes = self.changes.into_values();
        (
            changes.filter(|change| change.old != change.new).collect(),
            uuid,
        )
    }

    /// Sets or removes a row; `old` is what the view has.
    pub(super) fn set<T: Table>(&mut self, uuid: Uuid, old: Option<&T>, new: Option<T>) {
        self.changes.insert((T::NAME, uuid), change(uuid, old, new));
    }

    /// Changes a row that is there, or makes one.
    pub(super) fn put<T: Table + Default>(
        &mut self,
        found: Option<(Uuid, T)>,
        act: impl FnOnce(&mut T),
    ) {
        let (uuid, old) = match found {
            Some((uuid, row)) => (uuid, Some(row)),
            None => ((self.new_uuid)(), None),
        };
        let mut row = old.clone().unwrap_or_default();
        act(&mut row);
        self.set(uuid, old.as_ref(), Some(row));
    }

    fn remove<T: Table>(&mut self, uuid: Uuid, old: &T) {
        self.set(uuid, Some(old), None);
    }

    pub(super) fn hypervisor(&self, name: &Str) -> Result<Strong<Hypervisor>, Refused> {
        let found = self.view.hypervisor(name);
        let (uuid, _) = found.ok_or_else(|| Refused::unknown("hypervisor", name))?;
        Ok(Strong::new(uuid))
    }

    pub(super) fn customer(&self, name: &Str) -> Result<Strong<Customer>, Refused> {
        let found = find(&self.view.customers, |row| row.name == *name);
        let (uuid, _) = found.ok_or_else(|| Refused::unknown("customer", name))?;
        Ok(Strong::new(uuid))
    }

    pub(super) fn machine(&self, number: u32) -> Result<(Uuid, Machine), Refused> {
        let found = find(&self.view.machines, |row| {
            row.number == i64::from(number) && !row.removed
        });
        found.ok_or_else(|| {
            Refused::missing(format!("machine {number}"), "there is none of that number")
        })
    }

    pub(super) fn put_hypervisor(
        &mut self,
        name: &Str,
        act: impl FnOnce(&mut Hypervisor),
    ) -> Result<(), Refused> {
        let found = find(&self.view.hypervisors, |row| row.name == *name);
        let mut row = found.as_ref().map_or_else(
            || Hypervisor {
                name: name.clone(),
                ..Hypervisor::default()
            },
            |(_, row)| row.clone(),
        );
        act(&mut row);
        check_endpoint(&row)?;
        self.put(found, |old| *old = row);
        Ok(())
    }

    pub(super) fn register(&mut self, name: &Str, endpoint: &Str) -> Result<(), Refused> {
        if endpoint.starts_with("unix:") {
            let text = "is of one machine alone; register tcp:HOST:PORT or ssl:HOST:PORT";
            return Err(Refused::invalid(format!("endpoint {endpoint:?}"), text));
        }
        let is_new = self.view.hypervisor(name).is_none();
        self.put_hypervisor(name, |row| {
            row.endpoint = endpoint.clone();
            row.enabled |= is_new;
        })
    }

    pub(super) fn remove_hypervisor(&mut self, name: &Str, force: bool) -> Result<(), Refused> {
        let place = self.hypervisor(name)?;
        let what = || format!("hypervisor {name:?}");
        for (uuid, machine) in self.view.machines_on(place.uuid()) {
            let number = machine.number;
            if machine.hypervisor == Some(place) {
                let text = format!("machine {number} runs there; move it or remove it first");
                return Err(Refused::conflict(what(), text));
            }
            if !force {
                let text = format!(
                    "machine {number} is still known there; wait until it is forgotten, or say that the hypervisor is \
                     gone for good (force)"
                );
                return Err(Refused::conflict(what(), text));
            }
            let mut row = Machine::clone(machine);
            row.leaving = row.leaving.filter(|leaving| *leaving != place);
            row.departed.remove(&place);
            let stays = !row.removed || !row.departed.is_empty();
            self.set(uuid, Some(&**machine), stays.then_some(row));
        }
        if let Some(row) = self.view.hypervisors.get(&place.uuid()) {
            self.remove(place.uuid(), &**row);
        }
        Ok(())
    }

    pub(super) fn put_customer(&mut self, name: &Str, enabled: bool) {
        let found = find(&self.view.customers, |row| row.name == *name);
        self.put(found, |row| {
            row.name = name.clone();
            row.enabled = enabled;
        });
    }

    pub(super) fn remove_customer(&mut self, name: &Str) -> Result<(), Refused> {
        let customer = self.customer(name)?;
        let view = self.view;
        let machine = view.machines.values().find(|row| row.customer == customer);
        let rule = view
            .rules
            .values()
            .any(|row| row.customer == Some(customer));
        let floating = view.floating.values().find(|row| row.customer == customer);
        let has = match (machine, rule, floating) {
            (Some(machine), ..) => format!("machine {}", machine.number),
            (_, true, _) => "a rule for its machines".to_owned(),
            (.., Some(floating)) => format!("floating address {}", floating.address),
            (None, false, None) => {
                if let Some(row) = view.customers.get(&customer.uuid()) {
                    self.remove(customer.uuid(), &**row);
                }
                return Ok(());
            }
        };
        let text = format!("{has} is still there; remove that first");
        Err(Refused::conflict(format!("customer {name:?}"), text))
    }

    /// A row for a rule of just this scope.
    fn rule(&self, scope: &Scope, rule: &ParamsRule) -> Result<Rule, Refused> {
        let text = serde_json::to_string(rule);
        let text = text.map_err(|error| Refused::invalid("rule", error.to_string()))?;
        if scope.tag.as_ref().is_some_and(|tag| tag.is_empty()) {
            return Err(Refused::invalid(
                "tag \"\"",
                "leave it out to mean all machines",
            ));
        }
        if !rule.remote_groups.is_empty() {
            let text = "groups belong to one machine's parameters; name the prefixes in remote";
            return Err(Refused::invalid("rule.remote_groups", text));
        }
        let machine = scope
            .machine
            .map(|number| self.machine(number))
            .transpose()?;
        let customer = scope
            .customer
            .as_ref()
            .map(|name| self.customer(name))
            .transpose()?;
        Ok(Rule {
            machine: machine.map(|(uuid, _)| Strong::new(uuid)),
            customer,
            tag: scope.tag.clone(),
            rule: text.into(),
        })
    }

    pub(super) fn add_rule(&mut self, scope: &Scope, rule: &ParamsRule) -> Result<(), Refused> {
        let row = self.rule(scope, rule)?;
        if find(&self.view.rules, |other| *other == row).is_none() {
            self.put(None, |new| *new = row);
        }
        Ok(())
    }

    pub(super) fn remove_rule(&mut self, scope: &Scope, rule: &ParamsRule) -> Result<(), Refused> {
        let row = self.rule(scope, rule)?;
        let (uuid, row) = find(&self.view.rules, |other| *other == row)
            .ok_or_else(|| Refused::missing("rule", "there is no such rule with this scope"))?;
        self.remove(uuid, &row);
        Ok(())
    }

    pub(super) fn put_floating(
        &mut self,
        address: &Str,
        customer: &Str,
        machine: Option<u32>,
        card: Option<&Str>,
    ) -> Result<(), Refused> {
        let ip: IpAddr = address.parse().map_err(|_| {
            Refused::invalid(format!("address {address:?}"), "is no IPv4 or IPv6 address")
        })?;
        let address: Str = ip.to_string().into();
        let owner = self.customer(customer)?;
        let machine = machine.map(|number| self.machine(number)).transpose()?;
        if let Some((_, row)) = machine.as_ref().filter(|(_, row)| row.customer != owner) {
            let text = format!("belongs to another customer than {customer:?}");
            return Err(Refused::conflict(format!("machine {}", row.number), text));
        }
        let found = find(&self.view.floating, |row| row.address == address);
        if found.as_ref().is_some_and(|(_, row)| row.customer != owner) {
            let text = "belongs to another customer; that one has to give it back first";
            return Err(Refused::conflict(format!("address {address}"), text));
        }
        self.put(found, |row: &mut FloatingAddress| {
            row.address = address;
            row.customer = owner;
            row.machine = machine.map(|(uuid, _)| Strong::new(uuid));
            row.card = card.cloned();
        });
        Ok(())
    }

    pub(super) fn remove_floating(&mut self, address: &Str) -> Result<(), Refused> {
        let found = find(&self.view.floating, |row| row.address == *address);
        let (uuid, row) = found.ok_or_else(|| Refused::unknown("address", address))?;
        self.remove(uuid, &row);
        Ok(())
    }

    fn action(&self, number: i64, state: ActionState) -> Result<(Uuid, Action), Refused> {
        let what = || format!("action {number}");
        let (uuid, row) = find(&self.view.actions, |row| row.number == number)
            .ok_or_else(|| Refused::missing(what(), "there is none of that number"))?;
        if row.state != state {
            return Err(Refused::conflict(
                what(),
                format!("it is {}, not {state}", row.state),
            ));
        }
        Ok((uuid, row))
    }

    pub(super) fn stop(&mut self, number: i64) -> Result<(), Refused> {
        let found = self.action(number, ActionState::Running)?;
        self.put(Some(found), |row| row.state = ActionState::Stopped);
        Ok(())
    }

    pub(super) fn resume(&mut self, number: i64) -> Result<(), Refused> {
        let found = self.action(number, ActionState::Stopped)?;
        let held = self
            .view
            .hypervisors
            .iter()
            .filter(|(_, row)| row.held_by == Some(number));
        for (uuid, row) in held {
            let found = (*uuid, Hypervisor::clone(row));
            self.put(Some(found), |row| row.held_by = None);
        }
        self.put(Some(found), |row| row.state = ActionState::Running);
        Ok(())
    }
}

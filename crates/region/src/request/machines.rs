//! Changes of machines: where they are, and whether they have connectivity.

use hvflow::params::NetworkParams;
use model::region::{Hypervisor, Machine, Rule};
use model::{Str, Strong, Uuid};

use super::edit::Edit;
use super::{Refused, Scope};

impl Edit<'_> {
    /// A machine with these parameters; one that runs somewhere stays there.
    pub(super) fn put_machine(
        &mut self,
        parameters: &Str,
        act: impl FnOnce(&mut Machine),
        place: Option<Strong<Hypervisor>>,
    ) -> Result<(), Refused> {
        let params = NetworkParams::from_json(parameters.as_bytes())
            .map_err(|error| Refused::invalid("parameters", error.to_string()))?;
        let number = i64::from(params.droplet_id);
        let what = || format!("machine {number}");
        let found = self
            .view
            .machines
            .iter()
            .find(|(_, row)| row.number == number);
        let found = found.map(|(uuid, row)| (*uuid, Machine::clone(row)));
        if let Some((_, row)) = &found {
            if row.removed {
                let text =
                    "it was removed, and some hypervisor has not forgotten it yet; wait for that";
                return Err(Refused::conflict(what(), text));
            }
            if place.is_some() && row.hypervisor.is_some() && place != row.hypervisor {
                return Err(Refused::conflict(what(), "it runs elsewhere; begin a move"));
            }
        }
        self.put(found, |row| {
            act(row);
            row.number = number;
            row.parameters = parameters.clone();
            row.hypervisor = place.or(row.hypervisor);
            // It may have been there before.
            row.hypervisor
                .iter()
                .for_each(|place| _ = row.departed.remove(place));
        });
        Ok(())
    }

    /// A machine goes, with the rules for it alone; its floating addresses are borne by nobody.
    pub(super) fn remove_machine(&mut self, number: u32) -> Result<(), Refused> {
        let (uuid, row) = self.machine(number)?;
        for (rule, of) in &self.view.rules {
            if of.machine.is_some_and(|machine| machine.uuid() == uuid) {
                self.set::<Rule>(*rule, Some(&**of), None);
            }
        }
        let floating: Vec<_> = self
            .view
            .floating
            .iter()
            .filter(|(_, row)| row.machine.is_some_and(|machine| machine.uuid() == uuid))
            .map(|(uuid, row)| (*uuid, (**row).clone()))
            .collect();
        for found in floating {
            self.put(Some(found), |row| row.machine = None);
        }
        let mut gone = row.clone();
        let places = gone
            .hypervisor
            .take()
            .into_iter()
            .chain(gone.leaving.take());
        for place in places {
            gone.departed.insert(place);
        }
        gone.removed = true;
        let stays = !gone.departed.is_empty();
        self.set(uuid, Some(&row), stays.then_some(gone));
        Ok(())
    }

    pub(super) fn enable(&mut self, scope: &Scope, enabled: bool) -> Result<(), Refused> {
        if let (None, Some(name), None) = (&scope.machine, &scope.customer, &scope.tag) {
            self.customer(name)?;
            self.put_customer(name, enabled);
            return Ok(());
        }
        for (uuid, row) in self.machines_in(scope)? {
            self.put(Some((uuid, row)), |row| row.enabled = enabled);
        }
        Ok(())
    }

    /// The machines of a scope; there must be some.
    fn machines_in(&self, scope: &Scope) -> Result<Vec<(Uuid, Machine)>, Refused> {
        let machine = scope
            .machine
            .map(|number| self.machine(number))
            .transpose()?;
        let customer = scope
            .customer
            .as_ref()
            .map(|name| self.customer(name))
            .transpose()?;
        let like = Rule {
            machine: machine.map(|(uuid, _)| Strong::new(uuid)),
            customer,
            tag: scope.tag.clone(),
            rule: Str::default(),
        };
        let found = self.view.machines_of(&like).into_iter();
        let found =
            found.filter_map(|uuid| Some((uuid, Machine::clone(self.view.machines.get(&uuid)?))));
        let found: Vec<_> = found.filter(|(_, row)| !row.removed).collect();
        if found.is_empty() {
            return Err(Refused::missing("scope", "there is no such machine"));
        }
        Ok(found)
    }

    pub(super) fn begin_move(&mut self, number: u32, to: &Str) -> Result<(), Refused> {
        let to = self.hypervisor(to)?;
        let found = self.machine(number)?;
        let what = || format!("machine {number}");
        if found.1.leaving.is_some() {
            return Err(Refused::conflict(
                what(),
                "it moves already; finish or cancel that first",
            ));
        }
        if found.1.hypervisor == Some(to) {
            return Err(Refused::conflict(what(), "it is there already"));
        }
        self.put(Some(found), |row| {
            row.leaving = row.hypervisor.replace(to);
            row.departed.remove(&to);
        });
        Ok(())
    }

    /// Ends a move where it went, or where it came from.
    pub(super) fn end_move(&mut self, number: u32, arrived: bool) -> Result<(), Refused> {
        let found = self.machine(number)?;
        if found.1.leaving.is_none() {
            return Err(Refused::conflict(
                format!("machine {number}"),
                "it does not move",
            ));
        }
        self.put(Some(found), |row| {
            let left = match arrived {
                true => row.leaving.take(),
                false => std::mem::replace(&mut row.hypervisor, row.leaving.take()),
            };
            left.into_iter()
                .for_each(|place| _ = row.departed.insert(place));
        });
        Ok(())
    }
}

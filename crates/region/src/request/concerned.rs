//! Whom a change concerns: the hypervisors from which something else is wanted than before.

use std::collections::{BTreeMap, BTreeSet};

use model::{Set, Str, Uuid};
use ovsdb::RowChange;

use super::Refused;
use crate::view::View;
use crate::wanted::{Wanted, Wrong, wanted};

/// What is wanted about machines, by machine and hypervisor, if it makes sense.
type All = BTreeMap<(Uuid, Uuid), Result<Wanted, Wrong>>;

/// Names of the hypervisors that changes concern. The view is changed and changed back.
///
/// # Errors
/// When the changes leave what makes no sense, or one that they concern is held.
pub(super) fn concerned(view: &mut View, changes: &[RowChange]) -> Result<Set<Str>, Refused> {
    let (touched, wrong) = view.apply(changes);
    let after = all(view, &touched.machines);
    let named = |uuid| name(view, uuid);
    let hosts: BTreeMap<Uuid, _> = touched
        .hypervisors
        .iter()
        .map(|uuid| (*uuid, named(*uuid)))
        .collect();
    let back: Vec<RowChange> = changes.iter().rev().map(reversed).collect();
    // What was there could be read.
    view.apply(&back);
    if let Some(error) = wrong.first() {
        return Err(Refused::invalid("request", error.to_string()));
    }
    let before = all(view, &touched.machines);
    let nothing = Ok(Wanted::Nothing);
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mut names = Set::default();
    for key in keys {
        let new = after.get(key).unwrap_or(&nothing);
        if let Err(error) = new {
            let what = format!("machine {}", error.machine);
            return Err(Refused::invalid(what, error.text.clone()));
        }
        if before.get(key).unwrap_or(&nothing) != new
            && let Some(Some(name)) = hosts.get(&key.1)
        {
            names.insert(name.clone()?);
        }
    }
    Ok(names)
}

/// The name of an enabled hypervisor, unless it is held.
fn name(view: &View, uuid: Uuid) -> Option<Result<Str, Refused>> {
    let row = view.hypervisors.get(&uuid).filter(|row| row.enabled)?;
    Some(match row.held_by {
        None => Ok(row.name.clone()),
        Some(action) => Err(Refused::conflict(
            format!("hypervisor {:?}", row.name),
            format!("action {action} stopped before it was told; resume that first"),
        )),
    })
}

fn all(view: &View, machines: &BTreeSet<Uuid>) -> All {
    let places = |machine: &Uuid| {
        let machine = *machine;
        let places = view.places_of(machine);
        places.map(move |place| ((machine, place), wanted(view, machine, place)))
    };
    machines.iter().flat_map(places).collect()
}

fn reversed(change: &RowChange) -> RowChange {
    RowChange {
        table: change.table.clone(),
        uuid: change.uuid,
        old: change.new.clone(),
        new: change.old.clone(),
    }
}

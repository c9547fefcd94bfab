//! Ports of bridges that the agent makes, and that it can recognise as its own by a key.

use std::collections::BTreeMap;

use model::vswitch::{Bridge, Interface, Port};
use model::{Map, Str, Strong, Uuid};
use ovsdb::Operation;
use ovsdb::operation::Mutator;

use crate::ops;
use crate::view::Vswitch;

/// A port that shall exist, with its one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The name of port and interface.
    pub name: Str,
    /// The type of the interface.
    pub kind: Str,
    /// Its options.
    pub options: Map<Str, Str>,
    /// The keys that say whose it is.
    pub external_ids: Map<Str, Str>,
}

/// Makes the ports that `wanted` names for a bridge, and changes those that differ. Ports with another
/// name are not looked at.
pub fn ensure(
    ovs: &Vswitch,
    bridge: Uuid,
    row: &Bridge,
    wanted: impl IntoIterator<Item = Wanted>,
) -> Vec<Operation> {
    let here: BTreeMap<&str, (Uuid, &Port)> = ovs
        .ports_of(row)
        .map(|(uuid, port)| (port.name.as_str(), (uuid, &**port)))
        .collect();
    let mut plan = Vec::new();
    for want in wanted {
        match here.get(want.name.as_str()) {
            Some((uuid, port)) => change(ovs, *uuid, port, &want, &mut plan),
            None => create(bridge, want, &mut plan),
        }
    }
    plan
}

fn change(ovs: &Vswitch, uuid: Uuid, port: &Port, want: &Wanted, plan: &mut Vec<Operation>) {
    let mut new = port.clone();
    for (key, value) in want.external_ids.iter() {
        new.external_ids.insert(key.clone(), value.clone());
    }
    plan.extend(ops::update(uuid, port, &new));
    for (interface, row) in ovs.interfaces_of(port) {
        let new = Interface {
            type_: want.kind.clone(),
            options: want.options.clone(),
            ..(**row).clone()
        };
        plan.extend(ops::update(interface, &**row, &new));
    }
}

fn create(bridge: Uuid, want: Wanted, plan: &mut Vec<Operation>) {
    let interface = ops::row_id::<Interface>(&want.name);
    let port = ops::row_id::<Port>(&want.name);
    let device = Interface {
        name: want.name.clone(),
        type_: want.kind,
        options: want.options,
        ..Interface::default()
    };
    let row = Port {
        name: want.name,
        interfaces: [Strong::new(interface)].into_iter().collect(),
        external_ids: want.external_ids,
        ..Port::default()
    };
    plan.push(ops::insert(interface, &device));
    plan.push(ops::insert(port, &row));
    plan.push(ops::mutate_references::<Bridge>(
        bridge,
        "ports",
        Mutator::Insert,
        [port],
    ));
}

/// Takes ports away from a bridge; the rows go with the last reference to them.
pub fn remove(bridge: Uuid, ports: impl IntoIterator<Item = Uuid>) -> Option<Operation> {
    let ports: Vec<Uuid> = ports.into_iter().collect();
    (!ports.is_empty())
        .then(|| ops::mutate_references::<Bridge>(bridge, "ports", Mutator::Delete, ports))
}

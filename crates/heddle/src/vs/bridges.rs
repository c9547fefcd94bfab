//! Commands on bridges (`ovs-vsctl(8)`, "Bridge Commands").

use anyhow::{Context as _, bail, ensure};
use ovsdb::{Atom, Datum};

use super::command::{Call, Context, Exit};
use super::topology::{Bridge, verify};
use super::world::{Id, World};

/// The leading integer of a text, 0 without one, as `atoi` has it.
pub(super) fn leading_number(text: &str) -> i64 {
    let text = text.trim_start();
    let sign = usize::from(text.starts_with(['-', '+']));
    let digits = text[sign..].find(|c: char| !c.is_ascii_digit());
    let end = digits.map_or(text.len(), |digits| sign + digits);
    text[..end].parse().unwrap_or(0)
}

/// Adds a row to a set of references.
pub(super) fn refer(world: &mut World, id: Id, column: &str, to: Id) -> anyhow::Result<()> {
    let value = world.get(id, column).union(&Datum::one(to.uuid));
    world.verify(id, column);
    world.set(id, column, value)
}

/// Takes a row out of a set of references.
pub(super) fn forget(world: &mut World, id: Id, column: &str, to: Id) -> anyhow::Result<()> {
    let value = world.get(id, column).without(&Datum::one(to.uuid));
    world.verify(id, column);
    world.set(id, column, value)
}

/// Whether the bridge that is to be added is there already, and is what is asked for.
fn is_there(bridge: &Bridge, call: &Call, vlan: i64) -> anyhow::Result<()> {
    let name = &bridge.name;
    let said = format!("\"--may-exist add-br {}\"", call.args.join(" "));
    match (call.args.get(1), &bridge.parent) {
        (None, Some(_)) => bail!(
            "{said} but {name} is a VLAN bridge for VLAN {}",
            bridge.vlan
        ),
        (Some(_), None) => bail!("{said} but {name} is not a VLAN bridge"),
        (Some(wanted), Some(parent)) if wanted != parent => {
            bail!("{said} but {name} has the wrong parent {parent}")
        }
        (Some(_), _) if bridge.vlan != vlan => bail!(
            "{said} but {name} is a VLAN bridge for the wrong VLAN {}",
            bridge.vlan
        ),
        _ => Ok(()),
    }
}

pub(super) fn add(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let name = call.arg(0);
    ensure!(!name.is_empty(), "bridge name must not be empty string");
    let vlan = match call.args.len() {
        1 => 0,
        3 => leading_number(call.arg(2)),
        _ => bail!("'add-br' command takes exactly 1 or 3 arguments"),
    };
    ensure!(
        (0..=4095).contains(&vlan),
        "add-br: vlan must be between 0 and 4095"
    );
    let topology = context.topology()?;
    if call.has("--may-exist")
        && let Some(bridge) = topology.bridges.get(name)
    {
        return is_there(bridge, call, vlan);
    }
    topology.check_free(name, &format!("cannot create a bridge named {name}"))?;
    let parent = match call.args.get(1) {
        None => None,
        Some(parent) => Some(parent_row(context, parent, vlan)?),
    };
    verify(&mut context.world)?;
    let world = &mut context.world;
    let interface = world.create("Interface")?;
    world.set(interface, "name", name)?;
    world.set(interface, "type", "internal")?;
    let port = world.create("Port")?;
    world.set(port, "name", name)?;
    world.set(port, "interfaces", interface.uuid)?;
    match parent {
        None => {
            let bridge = world.create("Bridge")?;
            world.set(bridge, "name", name)?;
            world.set(bridge, "ports", port.uuid)?;
            let root = world.root()?;
            refer(world, root, "bridges", bridge)?;
        }
        Some(parent) => {
            world.set(port, "fake_bridge", true)?;
            world.set(port, "tag", vlan)?;
            refer(world, parent, "ports", port)?;
        }
    }
    context.interfaces.push(interface);
    context.invalidate();
    Ok(())
}

/// The row of the bridge that a VLAN bridge is to be in.
fn parent_row(context: &mut Context, parent: &str, vlan: i64) -> anyhow::Result<Id> {
    let topology = context.topology()?;
    let bridge = topology.bridges.get(parent);
    let bridge = bridge.with_context(|| format!("parent bridge {parent} does not exist"))?;
    ensure!(
        bridge.parent.is_none(),
        "cannot create bridge with fake bridge as parent"
    );
    if let Some(child) = topology.child(parent, vlan) {
        bail!(
            "bridge {parent} already has a child VLAN bridge {} on VLAN {vlan}",
            child.name
        );
    }
    Ok(bridge.row)
}

pub(super) fn delete(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let name = call.arg(0);
    let topology = context.topology()?;
    let bridge = match topology.bridges.get(name) {
        None if call.has("--if-exists") => return Ok(()),
        _ => topology.bridge(name)?.clone(),
    };
    let mut names = vec![name.to_owned()];
    let children = topology.bridges.values();
    let children = children.filter(|child| child.parent.as_deref() == Some(name));
    names.extend(children.map(|child| child.name.clone()));
    let ports = topology.ports.values();
    let ports = ports.filter(|port| names.contains(&port.bridge));
    let ports: Vec<Id> = ports.map(|port| port.row).collect();
    let world = &mut context.world;
    verify(world)?;
    for port in ports {
        delete_port(world, bridge.row, port)?;
    }
    if bridge.parent.is_none() {
        for set in world.rows_of("Flow_Sample_Collector_Set") {
            if world.references(set, "bridge").contains(&bridge.row) {
                world.delete(set);
            }
        }
        let root = world.root()?;
        forget(world, root, "bridges", bridge.row)?;
        world.delete(bridge.row);
    }
    context.invalidate();
    Ok(())
}

/// Removes a port of the bridge `row` with its interfaces.
pub(super) fn delete_port(world: &mut World, row: Id, port: Id) -> anyhow::Result<()> {
    forget(world, row, "ports", port)?;
    for interface in world.references(port, "interfaces") {
        world.delete(interface);
    }
    world.delete(port);
    Ok(())
}

pub(super) fn list(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let (real, fake) = (call.has("--real"), call.has("--fake"));
    let bridges = context.topology()?.bridges.values();
    let shown = bridges.filter(|bridge| match bridge.parent {
        None => real || !fake,
        Some(_) => fake || !real,
    });
    let names: Vec<String> = shown.map(|bridge| bridge.name.clone()).collect();
    names.iter().for_each(|name| context.say(name));
    Ok(())
}

pub(super) fn exists(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    if context.topology()?.bridges.contains_key(call.arg(0)) {
        Ok(())
    } else {
        Err(Exit(2).into())
    }
}

/// The bridge of a name. The transaction then depends on which bridges there are.
pub(super) fn bridge(context: &mut Context, name: &str) -> anyhow::Result<Bridge> {
    let root = context.world.root()?;
    context.world.verify(root, "bridges");
    Ok(context.topology()?.bridge(name)?.clone())
}

/// As [`bridge`], for what VLAN bridges do not have.
pub(super) fn real_bridge(context: &mut Context, name: &str) -> anyhow::Result<Bridge> {
    bridge(context, name)?;
    Ok(context.topology()?.real_bridge(name)?.clone())
}

pub(super) fn vlan(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let bridge = bridge(context, call.arg(0))?;
    context.say(bridge.vlan.to_string());
    Ok(())
}

pub(super) fn parent(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let bridge = bridge(context, call.arg(0))?;
    context.say(bridge.parent.unwrap_or(bridge.name));
    Ok(())
}

/// The row that has a bridge's external ids, and what their keys begin with.
fn external_row(context: &mut Context, name: &str) -> anyhow::Result<(Id, &'static str)> {
    let bridge = bridge(context, name)?;
    let found = match bridge.parent {
        None => (bridge.row, ""),
        Some(_) => {
            let port = context.topology()?.ports.get(name);
            (port.context("a VLAN bridge is a port")?.row, "fake-bridge-")
        }
    };
    context.world.verify(found.0, "external_ids");
    Ok(found)
}

pub(super) fn set_external_id(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let (row, prefix) = external_row(context, call.arg(0))?;
    let key = format!("{prefix}{}", call.arg(1));
    let ids = context.world.get(row, "external_ids");
    let ids = match call.args.get(2) {
        Some(value) => Datum::map([(key, value.clone())]).union(ids),
        None => ids.without(&Datum::one(key)),
    };
    context.world.set(row, "external_ids", ids)
}

pub(super) fn external_ids(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let (row, prefix) = external_row(context, call.arg(0))?;
    let ids = context.world.get(row, "external_ids").clone();
    if let Some(key) = call.args.get(1) {
        if let Some(value) = ids.get(&Atom::from(format!("{prefix}{key}"))) {
            context.say(value.as_str().context("a text")?.as_str());
        }
        return Ok(());
    }
    for (key, value) in ids.pairs() {
        let (Some(key), Some(value)) = (key.as_str(), value.as_str()) else {
            continue;
        };
        if let Some(key) = key.strip_prefix(prefix) {
            context.say(format!("{key}={value}"));
        }
    }
    Ok(())
}

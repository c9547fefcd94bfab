//! Commands on controllers, fail modes, managers and certificates (`ovs-vsctl(8)`, "OpenFlow Controller
//! Connectivity", "Manager Connectivity", "SSL/TLS Configuration").

use anyhow::ensure;
use ovsdb::Datum;
use transport::Remote;

use super::bridges::{bridge, leading_number, real_bridge};
use super::command::{Call, Context};
use super::world::Id;

/// The rows of a column with targets, which the transaction then depends on.
fn targets(context: &mut Context, owner: Id, column: &str) -> Vec<Id> {
    context.world.verify(owner, column);
    let rows = context.world.references(owner, column);
    for row in &rows {
        context.world.verify(*row, "target");
    }
    rows
}

fn print_targets(context: &mut Context, rows: &[Id], distinct: bool) {
    let texts = rows.iter().map(|row| context.world.text(*row, "target"));
    let mut texts: Vec<String> = texts.collect();
    texts.sort_unstable();
    if distinct {
        texts.dedup();
    }
    texts.iter().for_each(|text| context.say(text));
}

/// Puts new rows with these targets into a column, in place of what is there.
fn replace(
    context: &mut Context,
    (owner, column): (Id, &str),
    table: &str,
    call: &Call,
    new: &[String],
) -> anyhow::Result<()> {
    for row in targets(context, owner, column) {
        context.world.delete(row);
    }
    let mut uuids = Vec::new();
    for target in new {
        if target.parse::<Remote>().is_err() {
            let note = format!("target \"{target}\" is possibly erroneous");
            context.notes.push(note);
        }
        let row = context.world.create(table)?;
        context.world.set(row, "target", target.as_str())?;
        if let Some(probe) = call.value("--inactivity-probe") {
            let probe = leading_number(probe);
            context.world.set(row, "inactivity_probe", probe)?;
        }
        uuids.push(row.uuid);
    }
    context.world.set(owner, column, Datum::set(uuids))
}

pub(super) fn controllers(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let bridge = bridge(context, call.arg(0))?;
    let rows = targets(context, bridge.row, "controller");
    print_targets(context, &rows, false);
    Ok(())
}

pub(super) fn delete_controllers(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let bridge = real_bridge(context, call.arg(0))?;
    replace(context, (bridge.row, "controller"), "Controller", call, &[])
}

pub(super) fn set_controllers(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let bridge = real_bridge(context, call.arg(0))?;
    let owner = (bridge.row, "controller");
    replace(context, owner, "Controller", call, &call.args[1..])
}

pub(super) fn fail_mode(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let bridge = bridge(context, call.arg(0))?;
    context.world.verify(bridge.row, "fail_mode");
    let mode = context.world.text(bridge.row, "fail_mode");
    if !mode.is_empty() {
        context.say(mode);
    }
    Ok(())
}

pub(super) fn delete_fail_mode(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let bridge = real_bridge(context, call.arg(0))?;
    let world = &mut context.world;
    world.set(bridge.row, "fail_mode", Datum::EMPTY_SET)
}

pub(super) fn set_fail_mode(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let bridge = real_bridge(context, call.arg(0))?;
    let mode = call.arg(1);
    ensure!(
        matches!(mode, "standalone" | "secure"),
        "fail-mode must be \"standalone\" or \"secure\", not \"{mode}\""
    );
    context.world.set(bridge.row, "fail_mode", mode)
}

pub(super) fn managers(context: &mut Context, _: &Call) -> anyhow::Result<()> {
    let root = context.world.root()?;
    let rows = targets(context, root, "manager_options");
    print_targets(context, &rows, true);
    Ok(())
}

pub(super) fn delete_managers(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let root = context.world.root()?;
    replace(context, (root, "manager_options"), "Manager", call, &[])
}

pub(super) fn set_managers(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    let root = context.world.root()?;
    let owner = (root, "manager_options");
    replace(context, owner, "Manager", call, &call.args)
}

pub(super) fn ssl(context: &mut Context, _: &Call) -> anyhow::Result<()> {
    let root = context.world.root()?;
    context.world.verify(root, "ssl");
    let Some(row) = context.world.references(root, "ssl").first().copied() else {
        return Ok(());
    };
    for (title, column) in [
        ("Private key", "private_key"),
        ("Certificate", "certificate"),
        ("CA Certificate", "ca_cert"),
    ] {
        context.world.verify(row, column);
        let value = context.world.text(row, column);
        context.say(format!("{title}: {value}"));
    }
    let bootstrap = context.world.get(row, "bootstrap_ca_cert") == &Datum::one(true);
    context.say(format!("Bootstrap: {bootstrap}"));
    Ok(())
}

pub(super) fn delete_ssl(context: &mut Context, _: &Call) -> anyhow::Result<()> {
    let root = context.world.root()?;
    context.world.verify(root, "ssl");
    for row in context.world.references(root, "ssl") {
        context.world.delete(row);
    }
    context.world.set(root, "ssl", Datum::EMPTY_SET)
}

pub(super) fn set_ssl(context: &mut Context, call: &Call) -> anyhow::Result<()> {
    delete_ssl(context, call)?;
    let world = &mut context.world;
    let row = world.create("SSL")?;
    for (column, value) in ["private_key", "certificate", "ca_cert"]
        .iter()
        .zip(&call.args)
    {
        world.set(row, column, value.as_str())?;
    }
    world.set(row, "bootstrap_ca_cert", call.has("--bootstrap"))?;
    let root = world.root()?;
    world.set(root, "ssl", row.uuid)
}

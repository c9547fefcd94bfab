//! `show`: the configuration as a tree (`ovs-vsctl(8)`, "Open vSwitch Commands").

use std::fmt::Write as _;

use ovsdb::tool::text::{self, Style};

use super::command::{Call, Context};
use super::world::{Id, ROOT, World};

/// A table, the column that names its rows, and the columns that are shown.
const SHOWN: &[(&str, Option<&str>, &[&str])] = &[
    (ROOT, None, &["manager_options", "bridges", "ovs_version"]),
    (
        "Bridge",
        Some("name"),
        &["controller", "fail_mode", "datapath_type", "ports"],
    ),
    ("Port", Some("name"), &["tag", "trunks", "interfaces"]),
    (
        "Interface",
        Some("name"),
        &["type", "options", "error", "bfd_status"],
    ),
    ("Controller", Some("target"), &["is_connected"]),
    ("Manager", Some("target"), &["is_connected"]),
];

pub(super) fn show(context: &mut Context, _: &Call) -> anyhow::Result<()> {
    let mut out = String::new();
    for id in context.world.rows_of(ROOT) {
        row(&context.world, id, 0, &mut out);
    }
    context.output.push_str(&out);
    Ok(())
}

fn shown(world: &World, id: Id, column: &str) -> Option<String> {
    let schema = world.table(id.table).column(column)?;
    Some(text::datum(
        world.get(id, column),
        &schema.column_type,
        Style::String,
    ))
}

/// The tables of [`SHOWN`] refer to each other without a cycle, so this ends.
fn row(world: &World, id: Id, level: usize, out: &mut String) {
    let table = world.table(id.table);
    let Some((name, title, columns)) = SHOWN.iter().find(|(name, ..)| table.name == *name) else {
        return;
    };
    let indent = level * 4;
    // Writing to a text cannot fail.
    let _ = match title.and_then(|column| shown(world, id, column)) {
        Some(title) => writeln!(out, "{:indent$}{name} {title}", ""),
        None => writeln!(out, "{:indent$}{}", "", id.uuid),
    };
    let indent = indent + 4;
    for column in *columns {
        let Some(schema) = table.column(column) else {
            continue;
        };
        let target = schema.column_type.key.reference();
        if target.is_some_and(|(target, _)| SHOWN.iter().any(|(name, ..)| target == *name)) {
            for reference in world.references(id, column) {
                row(world, reference, level + 1, out);
            }
        } else if !world.get(id, column).is_default_of(&schema.column_type) {
            let value = shown(world, id, column).unwrap_or_default();
            let _ = writeln!(out, "{:indent$}{column}: {value}", "");
        }
    }
}

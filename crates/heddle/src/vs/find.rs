//! Tables, columns and rows by what people call them (`ovs-vsctl(8)`, "Database Commands").
//!
//! Invariant: what is found is the only thing of that name, or else the name is refused.

use anyhow::{bail, ensure};
use ovsdb::{Atom, DatabaseSchema, TableSchema};

use super::world::{Id, World};

/// How well what somebody wrote fits a name: the more, the better; nothing if it does not.
fn score(name: &str, written: &str) -> Option<usize> {
    if name == written {
        return Some(usize::MAX);
    }
    let fold = |c: char| match c {
        '-' => '_',
        c => c.to_ascii_lowercase(),
    };
    let same = name.chars().map(fold).eq(written.chars().map(fold));
    if same {
        return Some(usize::MAX - 1);
    }
    let name: Vec<char> = name.chars().map(fold).collect();
    let written: Vec<char> = written.chars().map(fold).collect();
    (!written.is_empty() && name.starts_with(&written)).then_some(written.len())
}

/// The positions of the names that fit best.
fn best<'a>(names: impl Iterator<Item = &'a str>, written: &str) -> Vec<(usize, &'a str)> {
    let scored: Vec<_> = names
        .enumerate()
        .filter_map(|(at, name)| Some((score(name, written)?, (at, name))))
        .collect();
    let most = scored.iter().map(|(score, _)| *score).max();
    let fits = scored.into_iter().filter(|(score, _)| Some(*score) == most);
    fits.map(|(_, found)| found).collect()
}

fn list(found: &[(usize, &str)]) -> String {
    let mut names: Vec<&str> = found.iter().map(|(_, name)| *name).collect();
    names.sort_unstable();
    names.join(", ")
}

/// The position of the table that is called so; an abbreviation that fits one table does.
pub(super) fn table(schema: &DatabaseSchema, written: &str) -> anyhow::Result<usize> {
    let names = schema.tables().iter().map(|table| table.name.as_str());
    match best(names, written).as_slice() {
        [] => bail!("unknown table \"{written}\""),
        [(at, _)] => Ok(*at),
        several => bail!(
            "\"{written}\" matches multiple table names: {}",
            list(several)
        ),
    }
}

/// The position of the column that is called so.
pub(super) fn column(table: &TableSchema, written: &str) -> anyhow::Result<usize> {
    let names = table.columns().iter().map(|column| column.name.as_str());
    match best(names, written).as_slice() {
        [] => bail!(
            "{} does not contain a column whose name matches \"{written}\"",
            table.name
        ),
        [(at, _)] => Ok(*at),
        several => bail!(
            "{} contains more than one column whose name matches \"{written}\": {}",
            table.name,
            list(several)
        ),
    }
}

/// How rows of a table are named: by a column of a table, and if that is another table, by a reference from there.
pub(super) struct RowId {
    pub(super) table: usize,
    name: &'static str,
    reference: Option<&'static str>,
}

/// The names that rows of a table have (`ovs-vsctl(8)`, "Identifying Records").
const ROW_IDS: &[(&str, &str, &str, Option<&str>)] = &[
    ("Bridge", "Bridge", "name", None),
    ("Controller", "Bridge", "name", Some("controller")),
    ("Interface", "Interface", "name", None),
    ("Mirror", "Mirror", "name", None),
    ("Manager", "Manager", "target", None),
    ("NetFlow", "Bridge", "name", Some("netflow")),
    ("Port", "Port", "name", None),
    ("QoS", "Port", "name", Some("qos")),
    ("sFlow", "Bridge", "name", Some("sflow")),
    ("Flow_Table", "Flow_Table", "name", None),
    ("IPFIX", "Bridge", "name", Some("ipfix")),
    ("AutoAttach", "Bridge", "name", Some("auto_attach")),
    (
        "Flow_Sample_Collector_Set",
        "Flow_Sample_Collector_Set",
        "id",
        None,
    ),
];

/// How rows of the table at a position are named.
pub(super) fn referring(schema: &DatabaseSchema, table: usize) -> Option<RowId> {
    let name = &schema.tables()[table].name;
    let (_, other, column, reference) = ROW_IDS.iter().find(|(of, ..)| name == *of)?;
    Some(RowId {
        table: schema.table_index(other)?,
        name: column,
        reference: *reference,
    })
}

/// The row of a table that somebody means; nothing if there is none.
pub(super) fn row(world: &mut World, table: usize, written: &str) -> anyhow::Result<Option<Id>> {
    if let Some(uuid) = ovsdb::json::parse_uuid(written) {
        let id = Id { table, uuid };
        if world.has(id) {
            return Ok(Some(id));
        }
    }
    if written == "." {
        let mut rows = world.rows(table);
        if let (Some(only), None) = (rows.next(), rows.next()) {
            return Ok(Some(only));
        }
    }
    if let Some(row_id) = referring(world.schema(), table)
        && let Some(found) = by_name(world, &row_id, written)?
    {
        return Ok(Some(found));
    }
    by_beginning(world, table, written)
}

/// As [`row`], where there must be one.
pub(super) fn existing(world: &mut World, table: usize, written: &str) -> anyhow::Result<Id> {
    match row(world, table, written)? {
        Some(id) => Ok(id),
        None => bail!("no row \"{written}\" in table {}", world.table(table).name),
    }
}

fn by_name(world: &mut World, row_id: &RowId, written: &str) -> anyhow::Result<Option<Id>> {
    let is_named = |id: &Id| match world.get(*id, row_id.name).as_one() {
        Some(Atom::String(name)) => name == written,
        Some(Atom::Integer(number)) => written.parse() == Ok(*number),
        _ => false,
    };
    let mut found = world.rows(row_id.table).filter(is_named);
    let (Some(referrer), second) = (found.next(), found.next()) else {
        return Ok(None);
    };
    ensure!(
        second.is_none(),
        "multiple rows in {} match \"{written}\"",
        world.table(row_id.table).name
    );
    drop(found);
    let Some(column) = row_id.reference else {
        return Ok(Some(referrer));
    };
    world.verify(referrer, column);
    match world.references(referrer, column).as_slice() {
        [only] => Ok(Some(*only)),
        _ => Ok(None),
    }
}

/// A row by at least four digits that its UUID begins with.
fn by_beginning(world: &World, table: usize, written: &str) -> anyhow::Result<Option<Id>> {
    let digits = |c: char| c.is_ascii_hexdigit() || c == '-';
    if written.len() < 4 || !written.chars().all(digits) {
        return Ok(None);
    }
    let written = written.to_ascii_lowercase();
    let begins = |id: &Id| id.uuid.to_string().starts_with(&written);
    let mut rows = world.rows(table).filter(begins);
    match (rows.next(), rows.next()) {
        (Some(one), Some(other)) => bail!(
            "{} contains 2 or more rows whose UUIDs begin with {written}: at least {} and {}",
            world.table(table).name,
            one.uuid,
            other.uuid
        ),
        (one, _) => Ok(one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations() {
        let names = || ["Port", "Bridge", "Flow_Table", "Flow_Sample"].into_iter();
        assert_eq!(best(names(), "br"), [(1, "Bridge")]);
        assert_eq!(best(names(), "flow-t"), [(2, "Flow_Table")]);
        assert_eq!(best(names(), "Flow").len(), 2);
        assert_eq!(best(names(), "FLOW_TABLE"), [(2, "Flow_Table")]);
        assert!(best(names(), "bridges").is_empty());
        assert!(best(names(), "").is_empty());
    }
}

//! Which tables and columns of the Southbound the compiler alone decides on.

use std::sync::Arc;

use model::{Table, sb};
use ovsdb::{Datum, Row, RowChange, TableSchema};

/// The tables whose rows the compiler makes, those that are referred to before those that refer.
pub(crate) const OWNED: &[&str] = &[
    sb::SbGlobal::NAME,
    sb::DatapathBinding::NAME,
    sb::LogicalDpGroup::NAME,
    sb::HaChassis::NAME,
    sb::HaChassisGroup::NAME,
    sb::PortBinding::NAME,
    sb::MulticastGroup::NAME,
    sb::AddressSet::NAME,
    sb::PortGroup::NAME,
    sb::StaticMacBinding::NAME,
    sb::ChassisTemplateVar::NAME,
    sb::DhcpOptions::NAME,
    sb::Dhcpv6Options::NAME,
    sb::RbacPermission::NAME,
    sb::RbacRole::NAME,
    sb::LogicalFlow::NAME,
];

/// Columns of those tables that others write.
const FOREIGN: &[(&str, &[&str])] = &[
    (sb::SbGlobal::NAME, &["connections", "ssl", "external_ids"]),
    (
        sb::PortBinding::NAME,
        &[
            "chassis",
            "additional_chassis",
            "encap",
            "additional_encap",
            "up",
            "virtual_parent",
        ],
    ),
];

/// Whether the compiler alone decides which rows a table has.
pub(crate) fn is_owned(table: &str) -> bool {
    OWNED.contains(&table)
}

/// The columns of others in each table of ours.
pub(crate) struct Ownership {
    /// Positions by the rank of the table.
    foreign: Vec<Vec<usize>>,
    /// Empty rows by the rank of the table.
    empty: Vec<Row>,
}

impl Default for Ownership {
    fn default() -> Self {
        let schema = sb::schema();
        let tables = || {
            let tables = OWNED.iter().map(|name| schema.table(name));
            tables.map(|table| table.expect("a table of ours is in the schema of the model"))
        };
        Self {
            foreign: tables().map(|table| foreign_of(table)).collect(),
            empty: tables().map(|table| new_row(table)).collect(),
        }
    }
}

/// What a row begins as. A port that nobody has bound says so.
fn new_row(table: &TableSchema) -> Row {
    let mut row = Row::default_of(table);
    if table.name == sb::PortBinding::NAME
        && let Some(up) = table.column_index("up")
    {
        row.set(up, Datum::one(false));
    }
    row
}

fn foreign_of(table: &TableSchema) -> Vec<usize> {
    let columns = FOREIGN.iter().find(|(name, _)| *name == table.name);
    let columns = columns.map_or(&[][..], |it| it.1);
    let all = table.columns().iter().enumerate();
    all.filter(|(_, column)| columns.contains(&column.name.as_str()))
        .map(|(at, _)| at)
        .collect()
}

impl Ownership {
    /// The place of a table of ours in the order of references.
    pub(crate) fn rank(table: &str) -> Option<usize> {
        OWNED.iter().position(|owned| *owned == table)
    }

    pub(crate) fn table(rank: usize) -> &'static str {
        OWNED[rank]
    }

    /// Whether two states of a row are the same in all columns of ours.
    pub(crate) fn agree(&self, rank: usize, a: Option<&Arc<Row>>, b: Option<&Arc<Row>>) -> bool {
        let (Some(a), Some(b)) = (a, b) else {
            return a.is_none() && b.is_none();
        };
        a.len() == b.len() && self.ours(rank, a).all(|at| a[at] == b[at])
    }

    /// Whether a change brings a column of ours to something else than it was and should be.
    pub(crate) fn leads_astray(
        &self,
        rank: usize,
        change: &RowChange,
        wanted: Option<&Arc<Row>>,
    ) -> bool {
        let (Some(new), Some(wanted)) = (&change.new, wanted) else {
            return change.new.is_some() || wanted.is_some();
        };
        let old = change.old.as_deref().unwrap_or(&self.empty[rank]);
        let is_at = |row: &Row, at| row.get(at) == new.get(at);
        self.ours(rank, new)
            .any(|at| !is_at(wanted, at) && !is_at(old, at))
    }

    /// The columns of ours.
    fn ours(&self, rank: usize, row: &Row) -> impl Iterator<Item = usize> {
        (0..row.len()).filter(move |at| !self.foreign[rank].contains(at))
    }

    /// Our row with the columns that others write as they are found, or empty in a row that is not there.
    pub(crate) fn keep_foreign(
        &self,
        rank: usize,
        found: Option<&Arc<Row>>,
        ours: Arc<Row>,
    ) -> Arc<Row> {
        let foreign = &self.foreign[rank];
        if foreign.is_empty() {
            return ours;
        }
        let mut row = Row::clone(&ours);
        let from = found.map_or(&self.empty[rank], |found| found);
        for &at in foreign {
            if let Some(value) = from.get(at) {
                row.set(at, value.clone());
            }
        }
        Arc::new(row)
    }
}

//! How the server's schema stands to the client's: which tables and columns both have.

use rustc_hash::FxHashMap;

use super::Monitor;
use crate::{ColumnType, DatabaseSchema, Operation, Str};

/// The tables and columns that a session asks for.
#[derive(Debug)]
pub(super) struct Layout {
    tables: FxHashMap<Str, Table>,
    /// Tables of the server, for operations on tables that are not monitored.
    server: DatabaseSchema,
}

/// A monitored table that both sides have.
#[derive(Debug)]
pub(super) struct Table {
    /// Its position in the client's schema.
    pub(super) index: usize,
    columns: FxHashMap<Str, Column>,
}

/// A monitored column that both sides have.
#[derive(Debug)]
pub(super) struct Column {
    /// Its position in the client's schema.
    pub(super) index: usize,
    /// Its type at the server, which decides the form of values and differences.
    pub(super) column_type: ColumnType,
}

impl Layout {
    /// What of `monitors` the server has.
    pub(super) fn new(
        client: &DatabaseSchema,
        server: DatabaseSchema,
        monitors: &[Monitor],
    ) -> Self {
        let tables = monitors.iter().filter_map(|monitor| {
            let index = client.table_index(&monitor.table)?;
            let theirs = server.table(&monitor.table)?;
            let ours = &client.tables()[index];
            let columns = ours
                .columns()
                .iter()
                .enumerate()
                .filter_map(|(index, column)| {
                    let wanted = monitor
                        .columns
                        .as_ref()
                        .is_none_or(|some| some.contains(&column.name));
                    let column_type = &theirs.column(&column.name).filter(|_| wanted)?.column_type;
                    let same = atomic_types(column_type) == atomic_types(&column.column_type);
                    same.then(|| {
                        (
                            column.name.clone(),
                            Column {
                                index,
                                column_type: column_type.clone(),
                            },
                        )
                    })
                });
            Some((
                monitor.table.clone(),
                Table {
                    index,
                    columns: columns.collect(),
                },
            ))
        });
        Self {
            tables: tables.collect(),
            server,
        }
    }

    pub(super) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// The same operations without what the server's schema cannot hold: columns are left out, and an
    /// operation on an unknown table or the insert of a row with a value that the server does not allow
    /// becomes a comment, so that the results keep their places.
    pub(super) fn adapt(&self, operations: &[Operation]) -> Vec<Operation> {
        operations
            .iter()
            .map(|operation| super::message::adapt(operation, &self.server))
            .collect()
    }

    /// Whether the server has the column.
    pub(super) fn server(&self) -> &DatabaseSchema {
        &self.server
    }
}

impl Table {
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.get(name)
    }

    /// The names of the columns, sorted.
    pub(super) fn column_names(&self) -> Vec<&Str> {
        let mut names: Vec<&Str> = self.columns.keys().collect();
        names.sort_unstable();
        names
    }

    /// The type at the server of the column that stands at `index` in the client's schema.
    pub(super) fn server_type(&self, index: usize) -> Option<&ColumnType> {
        self.columns
            .values()
            .find(|column| column.index == index)
            .map(|column| &column.column_type)
    }
}

type Atomic = (crate::AtomicType, Option<crate::AtomicType>);

fn atomic_types(column: &ColumnType) -> Atomic {
    (
        column.key.atomic,
        column.value.as_ref().map(|value| value.atomic),
    )
}

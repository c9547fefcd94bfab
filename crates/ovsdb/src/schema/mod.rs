//! Database schemas (RFC 7047 section 3.2): parsed from and printed to the form of `.ovsschema` files.
//!
//! Invariant: tables and columns keep the order in which they were given, and a [`crate::Row`] holds its
//! values in that order. Two schemas of one database can differ in order; [`Projection`] carries rows over.

mod parse;
mod print;
mod projection;
mod types;

use std::sync::Arc;

use rustc_hash::FxHashMap;

pub use projection::Projection;
pub use types::{BaseType, ColumnType, Constraint};

use crate::{Error, Str};

/// A column of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnSchema {
    /// The name.
    pub name: Str,
    /// What a row holds in this column.
    pub column_type: ColumnType,
    /// Whether the content may be lost when the server ends; it is not written to the log.
    pub ephemeral: bool,
    /// Whether the content may change after the insert of the row.
    pub mutable: bool,
}

impl ColumnSchema {
    /// A column that is kept and can be changed.
    pub fn new(name: impl Into<Str>, column_type: ColumnType) -> Self {
        Self {
            name: name.into(),
            column_type,
            ephemeral: false,
            mutable: true,
        }
    }

    /// The same, not kept over a restart.
    #[must_use]
    pub fn ephemeral(mut self) -> Self {
        self.ephemeral = true;
        self
    }

    /// The same, fixed at the insert.
    #[must_use]
    pub fn immutable(mut self) -> Self {
        self.mutable = false;
        self
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableSchema {
    /// The name.
    pub name: Str,
    /// How many rows the table may hold after a transaction.
    pub max_rows: Option<u32>,
    /// Whether rows stay without a strong reference to them; see [`DatabaseSchema::is_root`].
    pub is_root: bool,
    columns: Vec<ColumnSchema>,
    by_name: FxHashMap<Str, usize>,
    indexes: Vec<Vec<usize>>,
}

impl TableSchema {
    /// A table of these columns, not a root table, without a limit of rows and without indexes.
    ///
    /// # Errors
    /// When a name is not an identifier, reserved or there twice, or the type of a column is impossible.
    pub fn new(name: impl Into<Str>, columns: Vec<ColumnSchema>) -> Result<Self, Error> {
        let name = name.into();
        check_name(&name, "table")?;
        let mut by_name = FxHashMap::default();
        for (at, column) in columns.iter().enumerate() {
            check_name(&column.name, "column")?;
            let ColumnType { min, max, .. } = column.column_type;
            if min > 1 || max < 1 {
                return Err(Error::syntax(format!(
                    "column {}: bad min or max value",
                    column.name
                )));
            }
            if by_name.insert(column.name.clone(), at).is_some() {
                return Err(Error::syntax(format!(
                    "two columns are named {}",
                    column.name
                )));
            }
        }
        Ok(Self {
            name,
            max_rows: None,
            is_root: false,
            columns,
            by_name,
            indexes: Vec::new(),
        })
    }

    /// The same as a table whose rows need no reference to them.
    #[must_use]
    pub fn root(mut self) -> Self {
        self.is_root = true;
        self
    }

    /// The same with at most `count` rows.
    #[must_use]
    pub fn with_max_rows(mut self, count: u32) -> Self {
        self.max_rows = Some(count);
        self
    }

    /// The same with an index: no two rows are equal in all of these columns.
    ///
    /// # Errors
    /// When there is no such column, a column is there twice or is ephemeral.
    pub fn with_index<'a>(
        mut self,
        columns: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, Error> {
        let mut index = Vec::new();
        for name in columns {
            let at = self
                .column_index(name)
                .ok_or_else(|| Error::syntax(format!("{name} is not a valid column name")))?;
            if index.contains(&at) || self.columns[at].ephemeral {
                return Err(Error::syntax(format!(
                    "column {name} cannot be in this index"
                )));
            }
            index.push(at);
        }
        if index.is_empty() {
            return Err(Error::syntax("an index needs a column"));
        }
        self.indexes.push(index);
        Ok(self)
    }

    /// The columns in the order of the values of a row.
    pub fn columns(&self) -> &[ColumnSchema] {
        &self.columns
    }

    /// Where in a row the column `name` is.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The column `name`.
    pub fn column(&self, name: &str) -> Option<&ColumnSchema> {
        self.column_index(name).map(|at| &self.columns[at])
    }

    /// The indexes, each as positions of columns.
    pub fn indexes(&self) -> &[Vec<usize>] {
        &self.indexes
    }
}

/// A database.
#[derive(Debug, Clone, PartialEq)]
pub struct DatabaseSchema {
    /// The name.
    pub name: Str,
    /// The version, three numbers with dots between.
    pub version: Str,
    /// The checksum that the author of the schema put in.
    pub cksum: Option<Str>,
    tables: Vec<Arc<TableSchema>>,
    by_name: FxHashMap<Str, usize>,
}

impl DatabaseSchema {
    /// A database of these tables.
    ///
    /// # Errors
    /// When a name is not an identifier or there twice, or a reference names a table that is not there.
    pub fn new(
        name: impl Into<Str>,
        version: impl Into<Str>,
        tables: Vec<TableSchema>,
    ) -> Result<Self, Error> {
        let (name, version) = (name.into(), version.into());
        // The database `_Server` is the one whose name begins with an underscore.
        check_name(name.strip_prefix('_').unwrap_or(&name), "database")?;
        let mut by_name = FxHashMap::default();
        for (at, table) in tables.iter().enumerate() {
            if by_name.insert(table.name.clone(), at).is_some() {
                return Err(Error::syntax(format!(
                    "two tables are named {}",
                    table.name
                )));
            }
        }
        for table in &tables {
            check_references(table, &by_name)?;
        }
        let all_root = !tables.iter().any(|table| table.is_root);
        let tables = tables.into_iter().map(|mut table| {
            table.is_root |= all_root;
            Arc::new(table)
        });
        let tables = tables.collect();
        Ok(Self {
            name,
            version,
            cksum: None,
            tables,
            by_name,
        })
    }

    /// The tables.
    pub fn tables(&self) -> &[Arc<TableSchema>] {
        &self.tables
    }

    /// Where in [`DatabaseSchema::tables`] the table `name` is.
    pub fn table_index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The table `name`.
    pub fn table(&self, name: &str) -> Option<&Arc<TableSchema>> {
        self.table_index(name).map(|at| &self.tables[at])
    }

    /// Whether rows of the table at `index` stay without a strong reference to them. When no table says
    /// that it is a root table, all are (RFC 7047 section 3.2).
    pub fn is_root(&self, index: usize) -> bool {
        self.tables[index].is_root
    }

    /// The schema in the JSON form of RFC 7047 section 3.2.
    pub fn to_json_text(&self) -> String {
        serde_json::to_string(self).expect("a schema is text, numbers and maps with text as keys")
    }

    /// Reads the JSON form of RFC 7047 section 3.2, keeping the order of tables and columns.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn from_json_text(text: &str) -> Result<Self, Error> {
        parse::database(text)
    }
}

fn check_references(table: &TableSchema, tables: &FxHashMap<Str, usize>) -> Result<(), Error> {
    for column in table.columns() {
        let strengths = column
            .column_type
            .bases()
            .filter_map(BaseType::reference)
            .map(|r| r.1);
        let strengths: Vec<bool> = strengths.collect();
        if strengths.contains(&true) && strengths.contains(&false) {
            let text = "not supported: a map with both strong and weak references";
            return Err(Error::syntax(format!(
                "{text}: {}.{}",
                table.name, column.name
            )));
        }
        for (target, _) in column.column_type.bases().filter_map(BaseType::reference) {
            if !tables.contains_key(target) {
                return Err(Error::syntax(format!(
                    "Column {} of table {} refers to the undefined table {target}",
                    column.name, table.name
                )));
            }
        }
    }
    Ok(())
}

/// Names are identifiers (RFC 7047 section 3.1); those with a leading underscore are the protocol's own.
fn check_name(name: &str, what: &str) -> Result<(), Error> {
    if name.starts_with('_') {
        return Err(Error::syntax(format!(
            "names beginning with \"_\" are reserved: {what} {name}"
        )));
    }
    if !crate::json::is_id(name) {
        return Err(Error::syntax(format!(
            "name must be a valid id: {what} {name:?}"
        )));
    }
    Ok(())
}

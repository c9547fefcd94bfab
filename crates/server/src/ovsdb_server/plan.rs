//! Where in a database the addresses of remotes are: the meaning of `db:DATABASE,TABLE,COLUMN`.
//!
//! Invariant: nobody is served with more rights than the row says.

use std::time::Duration;

use ovsdb::schema::Constraint;
use ovsdb::{Atom, AtomicType, DatabaseSchema, Row, Str};

use crate::Handle;
use crate::connection::Terms;

/// The least delay that `max_backoff` can ask for, as its schema has it.
const LEAST_BACKOFF: Duration = Duration::from_millis(1000);

/// Why a text names no remotes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FollowError {
    #[error("\"{0}\": invalid syntax; write db:DATABASE,TABLE,COLUMN")]
    Syntax(String),
    #[error("\"{0}\": no database named {1}")]
    Database(String, String),
    #[error("\"{0}\": no table named {1}")]
    Table(String, String),
    #[error("\"{0}\": table \"{1}\" has no column \"{2}\"")]
    Column(String, String, String),
    #[error(
        "\"{0}\": column \"{1}\" has no addresses: its type must be text, or a reference to a table with a column \"target\""
    )]
    Type(String, String),
}

/// Where addresses are found.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) table: Str,
    pub(super) column: usize,
    /// The table that the column refers to, unless it holds the addresses itself.
    pub(super) rows: Option<Rows>,
}

/// The table whose rows describe remotes.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) table: Str,
    target: usize,
    probe: Option<usize>,
    max_backoff: Option<usize>,
    role: Option<usize>,
    read_only: Option<usize>,
    /// Whether rows are told how their remotes are.
    pub(super) told: bool,
}

impl Plan {
    /// The database that the text names, and the place in it; nothing for one of a relay that has not reached its
    /// source, so that not even its tables are known.
    ///
    /// # Errors
    /// When it is none.
    pub(super) async fn find(
        text: &str,
        handle: &Handle,
    ) -> Result<(Str, Option<Self>), FollowError> {
        let names = text.strip_prefix("db:").unwrap_or(text);
        let names: Vec<&str> = names.split(',').collect();
        let [database, table, column] = names[..] else {
            return Err(FollowError::Syntax(text.to_owned()));
        };
        let schemas = handle.schemas().await;
        let schema = schemas.iter().find(|schema| schema.name == database);
        let schema =
            schema.ok_or_else(|| FollowError::Database(text.to_owned(), database.to_owned()))?;
        let database = Str::from(database);
        if schema.version.is_empty() && schema.tables().is_empty() {
            return Ok((database, None));
        }
        Ok((database, Some(Self::of(text, schema, table, column)?)))
    }

    fn of(
        text: &str,
        schema: &DatabaseSchema,
        table: &str,
        column: &str,
    ) -> Result<Self, FollowError> {
        let found = schema
            .table(table)
            .ok_or_else(|| FollowError::Table(text.to_owned(), table.to_owned()))?;
        let at = found.column_index(column).ok_or_else(|| {
            FollowError::Column(text.to_owned(), table.to_owned(), column.to_owned())
        })?;
        let key = &found.columns()[at].column_type.key;
        let rows = match (&key.atomic, &key.constraint) {
            (AtomicType::String, _) => None,
            (_, Constraint::Reference { table, .. }) => Rows::of(schema, table)
                .map(Some)
                .ok_or_else(|| FollowError::Type(text.to_owned(), column.to_owned()))?,
            _ => return Err(FollowError::Type(text.to_owned(), column.to_owned())),
        };
        Ok(Self {
            table: table.into(),
            column: at,
            rows,
        })
    }
}

impl Rows {
    fn of(schema: &DatabaseSchema, table: &Str) -> Option<Self> {
        let found = schema.table(table)?;
        let is = |name: &str, atomic| {
            let column = found.column(name)?;
            (column.column_type.key.atomic == atomic).then(|| found.column_index(name))?
        };
        Some(Self {
            table: table.clone(),
            target: is("target", AtomicType::String)?,
            probe: is("inactivity_probe", AtomicType::Integer),
            max_backoff: is("max_backoff", AtomicType::Integer),
            role: is("role", AtomicType::String),
            read_only: is("read_only", AtomicType::Boolean),
            told: is("is_connected", AtomicType::Boolean).is_some()
                && found
                    .column("status")
                    .is_some_and(|column| column.column_type.is_map()),
        })
    }

    /// What a row of the table says.
    pub(super) fn target(&self, row: &Row) -> Target {
        let one = |at: Option<usize>| row[at?].as_one();
        let address = one(Some(self.target)).and_then(Atom::as_str);
        let millis = |at: Option<usize>| {
            let ms = one(at).and_then(Atom::as_integer)?;
            Some(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
        };
        let role = one(self.role).and_then(Atom::as_str);
        let read_only = one(self.read_only).and_then(Atom::as_boolean);
        Target {
            address: address.cloned().unwrap_or_default(),
            terms: Terms {
                read_only: read_only == Some(true),
                role: role.cloned().unwrap_or_default(),
                probe: millis(self.probe),
                // Zero would be to try without a pause.
                max_backoff: millis(self.max_backoff).map(|it| it.max(LEAST_BACKOFF)),
            },
        }
    }
}

/// What a row says of its remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) address: Str,
    pub(super) terms: Terms,
}

#[cfg(test)]
mod tests {
    use ovsdb::Datum;

    use super::*;

    const SCHEMA: &str = r#"{"name":"D","version":"1.0.0","tables":{
        "Root":{"columns":{"plain":{"type":{"key":"string","min":0,"max":"unlimited"}},
            "rows":{"type":{"key":{"type":"uuid","refTable":"Connection"},"min":0,"max":"unlimited"}},
            "other":{"type":{"key":{"type":"uuid","refTable":"Other"},"min":0,"max":1}},
            "n":{"type":"integer"}}},
        "Connection":{"columns":{"target":{"type":"string"},
            "inactivity_probe":{"type":{"key":"integer","min":0,"max":1}},
            "max_backoff":{"type":{"key":"integer","min":0,"max":1}},
            "role":{"type":"string"},"read_only":{"type":"boolean"},
            "is_connected":{"type":"boolean"},
            "status":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}}},
        "Other":{"columns":{"target":{"type":"integer"}}}}}"#;

    fn plan(table: &str, column: &str) -> Result<Plan, FollowError> {
        let schema = DatabaseSchema::from_json_text(SCHEMA).unwrap();
        Plan::of("db:x", &schema, table, column)
    }

    #[test]
    fn columns_that_hold_addresses() {
        assert!(plan("Root", "plain").unwrap().rows.is_none());
        assert!(plan("Root", "rows").unwrap().rows.unwrap().told);
        assert!(matches!(plan("Root", "other"), Err(FollowError::Type(..))));
        assert!(matches!(plan("Root", "n"), Err(FollowError::Type(..))));
        assert!(matches!(plan("Root", "x"), Err(FollowError::Column(..))));
        assert!(matches!(plan("X", "x"), Err(FollowError::Table(..))));
    }

    #[test]
    fn nobody_gets_more_rights_than_the_row_says() {
        let rows = plan("Root", "rows").unwrap().rows.unwrap();
        let terms = |probe: Datum, backoff: Datum, role: &str, read_only: bool| {
            let columns = [
                "ptcp:1".into(),
                probe,
                backoff,
                role.into(),
                read_only.into(),
            ];
            let rest = [false.into(), Datum::EMPTY_MAP];
            let target = rows.target(&columns.into_iter().chain(rest).collect());
            assert_eq!(target.address, "ptcp:1");
            target.terms
        };
        let plain = terms(Datum::EMPTY_SET, Datum::EMPTY_SET, "", false);
        assert_eq!(plain, Terms::default());
        let full = terms(5000.into(), 3000.into(), "x", true);
        let expected = Terms {
            read_only: true,
            role: "x".into(),
            probe: Some(Duration::from_millis(5000)),
            max_backoff: Some(Duration::from_millis(3000)),
        };
        assert_eq!(full, expected);
        let quick = terms(0.into(), 0.into(), "", false);
        assert_eq!(quick.probe, Some(Duration::ZERO));
        assert_eq!(quick.max_backoff, Some(LEAST_BACKOFF));
        // Of two rows with one address.
        assert!(terms(Datum::EMPTY_SET, Datum::EMPTY_SET, "", true) > quick);
        assert!(terms(Datum::EMPTY_SET, Datum::EMPTY_SET, "x", false) > quick);
    }
}

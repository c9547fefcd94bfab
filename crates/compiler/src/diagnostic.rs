//! What the compiler tells people about the rows they wrote.

use ovsdb::Str;
use uuid::Uuid;

/// Something about one Northbound row that its author should know. The row is left out, or a part of
/// it is; what is beside it works.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error("{table} {name}: {message}")]
pub struct Diagnostic {
    /// The table of the row.
    pub table: &'static str,
    /// The row.
    pub uuid: Uuid,
    /// How a person calls it: the row's name, or its UUID when it has none.
    pub name: Str,
    /// What is wrong and what to do, or `not supported: <name>`.
    pub message: Str,
}

impl Diagnostic {
    /// A diagnostic about a row.
    pub fn new(
        table: &'static str,
        uuid: Uuid,
        name: impl Into<Str>,
        message: impl Into<Str>,
    ) -> Self {
        Self {
            table,
            uuid,
            name: name.into(),
            message: message.into(),
        }
    }

    /// Says that something in a row is not supported.
    pub fn unsupported(table: &'static str, uuid: Uuid, name: impl Into<Str>, what: &str) -> Self {
        Self::new(table, uuid, name, format!("not supported: {what}"))
    }
}

//! Writing operations as JSON.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Condition, Mutation, Operation, Until};
use crate::json::NamedColumns;

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        match self {
            Self::Insert {
                table,
                uuid,
                uuid_name,
                row,
            } => {
                out.serialize_entry("op", "insert")?;
                out.serialize_entry("table", table)?;
                if let Some(uuid) = uuid {
                    out.serialize_entry("uuid", &uuid.to_string())?;
                }
                if let Some(name) = uuid_name {
                    out.serialize_entry("uuid-name", name)?;
                }
                out.serialize_entry("row", &NamedColumns(row))?;
            }
            Self::Select {
                table,
                condition,
                columns,
                sort,
            } => {
                start(&mut out, "select", table, condition)?;
                if let Some(columns) = columns {
                    out.serialize_entry("columns", columns)?;
                }
                if !sort.is_empty() {
                    out.serialize_entry("sort", sort)?;
                }
            }
            Self::Update {
                table,
                condition,
                row,
            } => {
                start(&mut out, "update", table, condition)?;
                out.serialize_entry("row", &NamedColumns(row))?;
            }
            Self::Mutate {
                table,
                condition,
                mutations,
            } => {
                start(&mut out, "mutate", table, condition)?;
                out.serialize_entry("mutations", mutations)?;
            }
            Self::Delete { table, condition } => start(&mut out, "delete", table, condition)?,
            Self::Wait {
                table,
                condition,
                columns,
                until,
                rows,
                timeout,
            } => {
                start(&mut out, "wait", table, condition)?;
                if let Some(columns) = columns {
                    out.serialize_entry("columns", columns)?;
                }
                let until = if *until == Until::Equal { "==" } else { "!=" };
                out.serialize_entry("until", until)?;
                let rows: Vec<_> = rows.iter().map(|row| NamedColumns(row)).collect();
                out.serialize_entry("rows", &rows)?;
                if let Some(timeout) = timeout {
                    out.serialize_entry("timeout", timeout)?;
                }
            }
            Self::Commit { durable } => {
                out.serialize_entry("op", "commit")?;
                out.serialize_entry("durable", durable)?;
            }
            Self::Abort => out.serialize_entry("op", "abort")?,
            Self::Comment { comment } => {
                out.serialize_entry("op", "comment")?;
                out.serialize_entry("comment", comment)?;
            }
            Self::Assert { lock } => {
                out.serialize_entry("op", "assert")?;
                out.serialize_entry("lock", lock)?;
            }
        }
        out.end()
    }
}

fn start<M: SerializeMap>(
    out: &mut M,
    op: &str,
    table: &str,
    condition: &[Condition],
) -> Result<(), M::Error> {
    out.serialize_entry("op", op)?;
    out.serialize_entry("table", table)?;
    out.serialize_entry("where", condition)
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Always(value) => serializer.serialize_bool(*value),
            Self::Clause {
                column,
                function,
                value,
            } => (column, function.name(), value).serialize(serializer),
        }
    }
}

impl Serialize for Mutation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.column, self.mutator.name(), &self.value).serialize(serializer)
    }
}

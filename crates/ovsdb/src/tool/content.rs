//! Content on its way from one database to another.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::database::{Context, Outcome};
use crate::{
    Database, DatabaseSchema, Datum, Error, ErrorKind, Operation, Row, RowChange, Str, Uuid,
};

/// A table or a column that another schema does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The table.
    pub table: Str,
    /// The column, unless the whole table is meant.
    pub column: Option<Str>,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "column {column} of table {}", self.table),
            None => write!(f, "table {}", self.table),
        }
    }
}

/// What `old` has and `new` has not.
pub fn lost(old: &DatabaseSchema, new: &DatabaseSchema) -> Vec<Lost> {
    let mut all = Vec::new();
    for table in old.tables() {
        let name = table.name.clone();
        let Some(into) = new.table(&name) else {
            all.push(Lost {
                table: name,
                column: None,
            });
            continue;
        };
        let columns = table.columns().iter().map(|column| &column.name);
        let gone = columns.filter(|column| into.column(column).is_none());
        all.extend(gone.map(|column| Lost {
            table: name.clone(),
            column: Some(column.clone()),
        }));
    }
    all
}

/// The content of `old` under another schema, as one transaction: what the schema does not have is left
/// out, new columns hold their defaults, values take the type of their new column where they can.
///
/// # Errors
/// What does not fit the schema, naming the row.
pub fn carry_over(
    old: &Database,
    schema: &Arc<DatabaseSchema>,
    now: u64,
) -> Result<Database, Error> {
    carry_over_rows((old.schema(), old.contents()), schema, now)
}

/// As [`carry_over`], of rows that come from somewhere else.
pub(crate) fn carry_over_rows(
    (old, rows): (&DatabaseSchema, impl Iterator<Item = RowChange>),
    schema: &Arc<DatabaseSchema>,
    now: u64,
) -> Result<Database, Error> {
    let mut operations = Vec::new();
    for row in rows {
        operations.extend(moved(old, schema, &row)?);
    }
    let mut database = Database::new(Arc::clone(schema));
    let mut context = Context {
        now,
        // Every row brings its own.
        new_uuid: &mut Uuid::nil,
        holds_lock: &|_| false,
        waited: u64::MAX,
        read_only: None,
    };
    match database.execute(&operations, &mut context) {
        Outcome::Done(executed) => match executed.error() {
            Some(error) => Err(error.clone()),
            None => Ok(database),
        },
        Outcome::Blocked(_) => Err(Error::new(
            ErrorKind::TimedOut,
            "an insert waits for nothing",
        )),
    }
}

fn moved(
    old: &DatabaseSchema,
    new: &DatabaseSchema,
    change: &RowChange,
) -> Result<Option<Operation>, Error> {
    let (Some(from), Some(into), Some(row)) = (
        old.table(&change.table),
        new.table(&change.table),
        &change.new,
    ) else {
        return Ok(None);
    };
    let mut columns = Vec::new();
    for (at, column) in from.columns().iter().enumerate() {
        let Some(wanted) = into.column(&column.name) else {
            continue;
        };
        let datum = if wanted.column_type == column.column_type {
            row[at].clone()
        } else {
            Datum::from_json(&wanted.column_type, &json!(row[at])).map_err(|error| Error {
                details: format!(
                    "table {}, row {}, column {}: {}",
                    change.table, change.uuid, column.name, error.details
                ),
                ..error
            })?
        };
        columns.push((column.name.clone(), datum));
    }
    Ok(Some(Operation::Insert {
        table: change.table.clone(),
        uuid: Some(change.uuid),
        uuid_name: None,
        row: columns,
    }))
}

/// The parameters of a `transact` request that adds the whole content.
pub fn inserts(database: &Database) -> Vec<Value> {
    let changes = database.contents();
    let inserts = changes.filter_map(|change| insert(database.schema(), &change));
    std::iter::once(json!(database.schema().name))
        .chain(inserts)
        .collect()
}

/// The parameters of a `transact` request that makes `now` equal to `wanted`, which has the same schema. Rows
/// that are in both keep their UUIDs, and are written only where they differ.
pub fn replacement(now: &Database, wanted: &Database) -> Vec<Value> {
    let schema = wanted.schema();
    let row = |database: &Database, change: &RowChange| {
        let table = database.schema().table_index(&change.table)?;
        database.row(table, change.uuid).cloned()
    };
    let mut params = vec![json!(schema.name)];
    for change in now.contents() {
        if row(wanted, &change).is_none() {
            params.push(json!({"op": "delete", "table": change.table, "where": this(change.uuid)}));
        }
    }
    for change in wanted.contents() {
        match row(now, &change) {
            None => params.extend(insert(schema, &change)),
            Some(old) => params.extend(update(schema, now.schema(), &change, &old)),
        }
    }
    params
}

fn this(uuid: Uuid) -> Value {
    json!([["_uuid", "==", ["uuid", uuid.to_string()]]])
}

fn insert(schema: &DatabaseSchema, change: &RowChange) -> Option<Value> {
    let (table, row) = (schema.table(&change.table)?, change.new.as_ref()?);
    let columns = table.columns().iter().enumerate();
    let set = columns.filter(|(at, column)| !row[*at].is_default_of(&column.column_type));
    let row: Map<String, Value> = set
        .map(|(at, column)| (column.name.to_string(), json!(row[at])))
        .collect();
    Some(json!({
        "op": "insert", "table": table.name, "uuid": change.uuid.to_string(), "row": row,
    }))
}

/// The columns that differ; the two schemas may have them in different order.
fn update(
    schema: &DatabaseSchema,
    old_schema: &DatabaseSchema,
    change: &RowChange,
    old: &Row,
) -> Option<Value> {
    let (table, new) = (schema.table(&change.table)?, change.new.as_ref()?);
    let old_table = old_schema.table(&change.table)?;
    let columns = table.columns().iter().enumerate();
    let changed = columns.filter(|(at, column)| {
        let before = old_table.column_index(&column.name);
        before.is_some_and(|before| old[before] != new[*at])
    });
    let row: Map<String, Value> = changed
        .map(|(at, column)| (column.name.to_string(), json!(new[at])))
        .collect();
    let table = &table.name;
    (!row.is_empty())
        .then(|| json!({"op": "update", "table": table, "where": this(change.uuid), "row": row}))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r#"{"name":"D","version":"1.0.0","tables":{
        "T":{"columns":{"a":{"type":"string"},"gone":{"type":"integer"},
            "to":{"type":{"key":{"type":"uuid","refTable":"U"},"min":0,"max":1}}},"isRoot":true},
        "U":{"columns":{"n":{"type":"integer"}}}}}"#;

    fn database(schema: &str, record: &str) -> Database {
        let schema = DatabaseSchema::from_json_text(schema).unwrap();
        let mut database = Database::new(Arc::new(schema));
        let record = crate::Record::new(record.as_bytes().to_vec());
        database.replay(&record).unwrap();
        database
    }

    fn uuid(n: u8) -> String {
        format!("00000000-0000-4000-8000-00000000000{n}")
    }

    fn old() -> Database {
        let (t, u) = (uuid(1), uuid(2));
        let record = format!(
            r#"{{"T":{{"{t}":{{"a":"x","gone":3,"to":["uuid","{u}"]}}}},"U":{{"{u}":{{"n":7}}}}}}"#
        );
        database(OLD, &record)
    }

    #[test]
    fn content_is_carried_over() {
        let new = OLD.replace(r#""gone":{"type":"integer"},"#, "").replace(
            r#""n":{"type":"integer"}"#,
            r#""n":{"type":{"key":"integer","min":0,"max":5}}"#,
        );
        let new = Arc::new(DatabaseSchema::from_json_text(&new).unwrap());
        let names: Vec<String> = lost(old().schema(), &new)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(names, ["column gone of table T"]);
        let database = carry_over(&old(), &new, 0).unwrap();
        let row = database
            .row(0, crate::json::parse_uuid(&uuid(1)).unwrap())
            .unwrap();
        assert_eq!(row[0], "x".into());
        assert_eq!(database.row_count(1), 1);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let new = OLD.replace(
            r#""n":{"type":"integer"}"#,
            r#""n":{"type":{"key":{"type":"integer","maxInteger":5}}}"#,
        );
        let new = Arc::new(DatabaseSchema::from_json_text(&new).unwrap());
        let error = carry_over(&old(), &new, 0).unwrap_err().to_string();
        assert!(
            error.contains("table U, row") && error.contains("column n"),
            "{error}"
        );
    }

    #[test]
    fn a_replacement_changes_what_differs() {
        let (t, u, other) = (uuid(1), uuid(2), uuid(3));
        let record = format!(
            r#"{{"T":{{"{t}":{{"a":"y","gone":3,"to":["uuid","{u}"]}},"{other}":{{}}}},"U":{{"{u}":{{"n":7}}}}}}"#
        );
        let now = database(OLD, &record);
        assert_eq!(replacement(&now, &now), [json!("D")]);
        let params = replacement(&now, &old());
        assert_eq!(params.len(), 3, "{params:?}");
        assert_eq!(
            (&params[1]["op"], &params[2]["row"]),
            (&json!("delete"), &json!({"a": "x"}))
        );
        let inserts = inserts(&old());
        assert_eq!(inserts.len(), 3);
    }
}

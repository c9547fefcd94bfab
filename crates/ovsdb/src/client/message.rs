//! The JSON-RPC messages of a session: what is sent, and the envelopes of what comes.

use serde::Deserialize;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, SerializeTuple, Serializer};
use serde_json::value::RawValue;

use super::layout::{Layout, Table};
use super::{Answer, Monitor, OpResult, RequestId, Rows, TransactError};
use crate::json::parse_uuid;
use crate::operation::{Condition, Operation};
use crate::{DatabaseSchema, Datum, Str, Uuid};

/// Any message of the server; its parts are read when it is known what they are.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) method: Option<String>,
    #[serde(borrow, default)]
    pub(super) params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

/// A request as text.
pub(super) fn request(
    id: u64,
    method: &str,
    params: impl Serialize,
) -> serde_json::Result<Vec<u8>> {
    struct Request<'a, P> {
        id: u64,
        method: &'a str,
        params: P,
    }
    impl<P: Serialize> Serialize for Request<'_, P> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut out = serializer.serialize_map(Some(3))?;
            out.serialize_entry("id", &self.id)?;
            out.serialize_entry("method", self.method)?;
            out.serialize_entry("params", &self.params)?;
            out.end()
        }
    }
    serde_json::to_vec(&Request { id, method, params })
}

/// The answer to an echo request: its parameters.
pub(super) fn echo_reply(message: &Message<'_>) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&serde_json::json!({
        "id": message.id,
        "result": message.params,
        "error": null,
    }))
}

/// The parameters of `transact`: the database and the operations.
pub(super) struct Transact<'a> {
    pub(super) database: &'a str,
    pub(super) operations: &'a [Operation],
}

impl Serialize for Transact<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_seq(Some(self.operations.len() + 1))?;
        out.serialize_element(self.database)?;
        for operation in self.operations {
            out.serialize_element(operation)?;
        }
        out.end()
    }
}

/// A `transact` whose operations, a JSON array as text, are passed on as they are.
pub(super) fn forward(id: u64, database: &str, operations: &str) -> Vec<u8> {
    let database = serde_json::Value::from(database);
    let operations = operations.trim();
    let operations = operations
        .strip_prefix('[')
        .unwrap_or(operations)
        .trim_start();
    let comma = if operations == "]" { "" } else { "," };
    format!("{{\"id\":{id},\"method\":\"transact\",\"params\":[{database}{comma}{operations}}}")
        .into_bytes()
}

/// The `<monitor-cond-requests>` of a session; `conditional` tells whether the method takes `where`.
pub(super) struct MonitorRequests<'a> {
    pub(super) layout: &'a Layout,
    pub(super) monitors: &'a [Monitor],
    pub(super) conditional: bool,
}

impl Serialize for MonitorRequests<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        for monitor in self.monitors {
            if let Some(table) = self.layout.table(&monitor.table) {
                let rows = self.conditional.then_some(&monitor.rows);
                out.serialize_entry(
                    &monitor.table,
                    &[MonitorRequest {
                        table: Some(table),
                        rows,
                    }],
                )?;
            }
        }
        out.end()
    }
}

/// The `<monitor-cond-update-requests>` for the tables that changed.
pub(super) struct ConditionChanges<'a> {
    pub(super) layout: &'a Layout,
    pub(super) monitors: Vec<&'a Monitor>,
}

impl Serialize for ConditionChanges<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        for monitor in &self.monitors {
            if self.layout.table(&monitor.table).is_some() {
                let change = MonitorRequest {
                    table: None,
                    rows: Some(&monitor.rows),
                };
                out.serialize_entry(&monitor.table, &[change])?;
            }
        }
        out.end()
    }
}

struct MonitorRequest<'a> {
    table: Option<&'a Table>,
    rows: Option<&'a Rows>,
}

impl Serialize for MonitorRequest<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        if let Some(table) = self.table {
            out.serialize_entry("columns", &table.column_names())?;
        }
        match self.rows {
            None => {}
            // Spelled out, because as a change an empty array would mean the same as no change.
            Some(Rows::All) => out.serialize_entry("where", &[true])?,
            Some(Rows::None) => out.serialize_entry("where", &[false])?,
            Some(Rows::Any(clauses)) => out.serialize_entry("where", clauses)?,
        }
        out.end()
    }
}

/// The name of the session's monitor.
pub(super) struct MonitorName<'a>(pub(super) &'a str);

impl Serialize for MonitorName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_tuple(2)?;
        out.serialize_element("monid")?;
        out.serialize_element(self.0)?;
        out.end()
    }
}

/// The database whose monitor a notification names.
pub(super) fn monitored(raw: &RawValue) -> Option<Str> {
    let (_, database): (Str, Str) = serde_json::from_str(raw.get()).ok()?;
    Some(database)
}

/// Reads a UUID from JSON text.
pub(super) fn uuid(raw: &RawValue) -> serde_json::Result<Uuid> {
    let text: Str = serde_json::from_str(raw.get())?;
    parse_uuid(&text).ok_or_else(|| serde::de::Error::custom("not a valid UUID"))
}

/// The reply to a `transact` that was passed on as it is.
pub(super) fn answer(message: &Message<'_>) -> Answer {
    let text = |raw: Option<&RawValue>| raw.map_or("null", RawValue::get).to_owned();
    match message.error {
        Some(error) => Answer::Error(text(Some(error))),
        None => Answer::Result(text(message.result)),
    }
}

/// Reads the reply to a `transact`.
pub(super) fn transact_reply(
    message: &Message<'_>,
) -> serde_json::Result<Result<Vec<OpResult>, TransactError>> {
    if let Some(error) = message.error {
        return Ok(Err(refusal(None, &serde_json::from_str(error.get())?)));
    }
    let results: Vec<serde_json::Value> = match message.result {
        Some(raw) => serde_json::from_str(raw.get())?,
        None => Vec::new(),
    };
    // Operations behind the one that failed have null. An error that stands behind all of the
    // operations is one of the commit.
    if let Some(at) = results
        .iter()
        .position(|result| result.get("error").is_some())
    {
        return Ok(Err(refusal(Some(at), &results[at])));
    }
    Ok(Ok(results.into_iter().map(op_result).collect()))
}

fn refusal(operation: Option<usize>, error: &serde_json::Value) -> TransactError {
    let text = |key: &str| {
        error
            .get(key)
            .and_then(|v| v.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let tag = match error.get("error") {
        Some(_) => text("error"),
        None => error
            .as_str()
            .map_or_else(|| error.to_string(), str::to_owned),
    };
    TransactError::Refused {
        operation,
        error: tag,
        details: text("details"),
    }
}

fn op_result(mut result: serde_json::Value) -> OpResult {
    let uuid = result
        .pointer("/uuid/1")
        .and_then(|v| v.as_str())
        .and_then(parse_uuid);
    let count = result.get("count").and_then(serde_json::Value::as_u64);
    let rows = match result.get_mut("rows").map(serde_json::Value::take) {
        Some(serde_json::Value::Array(rows)) => rows,
        _ => Vec::new(),
    };
    OpResult { uuid, count, rows }
}

/// Whether the raw id is that of a request of ours.
pub(super) fn request_id(message: &Message<'_>) -> Option<RequestId> {
    message.id?.get().parse().ok().map(RequestId)
}

/// The operation without what the server's schema lacks; see [`Layout::adapt`].
pub(super) fn adapt(operation: &Operation, server: &DatabaseSchema) -> Operation {
    let mut operation = operation.clone();
    let (table, condition) = match &operation {
        Operation::Insert { table, .. } => (table, &[][..]),
        Operation::Select {
            table, condition, ..
        }
        | Operation::Update {
            table, condition, ..
        }
        | Operation::Mutate {
            table, condition, ..
        }
        | Operation::Delete { table, condition }
        | Operation::Wait {
            table, condition, ..
        } => (table, &condition[..]),
        _ => return operation,
    };
    let (table, known) = (table.clone(), server.table(table).cloned());
    let Some(known) = known.filter(|known| condition.iter().all(|c| has_column(known, c))) else {
        return left_out(&table);
    };
    let fits = |(name, value): &(Str, Datum)| {
        known
            .column(name)
            .is_some_and(|column| column.column_type.check(value).is_ok())
    };
    match &mut operation {
        Operation::Insert { row, .. } => {
            row.retain(|(name, _)| known.column(name).is_some());
            // A row with another value in a column would be another row.
            if !row.iter().all(fits) {
                return left_out(&table);
            }
        }
        Operation::Update { row, .. } => row.retain(fits),
        Operation::Mutate { mutations, .. } => {
            mutations.retain(|mutation| known.column(&mutation.column).is_some());
        }
        Operation::Wait { columns, rows, .. } => {
            if let Some(columns) = columns {
                columns.retain(|name| known.column(name).is_some());
            }
            for row in rows {
                row.retain(|(name, _)| known.column(name).is_some());
            }
        }
        _ => {}
    }
    operation
}

fn left_out(table: &Str) -> Operation {
    let comment = format!("left out: the schema of this database has no such {table}");
    Operation::Comment {
        comment: comment.into(),
    }
}

fn has_column(table: &crate::TableSchema, condition: &Condition) -> bool {
    match condition {
        Condition::Always(_) => true,
        Condition::Clause { column, .. } => {
            column.starts_with('_') || table.column(column).is_some()
        }
    }
}

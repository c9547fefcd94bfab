//! Reading operations from JSON, with the types of the schema.

use serde_json::{Map, Value};

use super::{Condition, Function, Mutation, Mutator, Operation, Until};
use crate::json::{self, NamedUuids};
use crate::schema::{BaseType, ColumnType, Constraint};
use crate::value::AtomicType;
use crate::{DatabaseSchema, Datum, Error, ErrorKind, Str, TableSchema, Uuid};

/// The names that a transaction gives to its new rows.
pub trait OperationNames: NamedUuids {
    /// Notes that an insert gives `name` to its row, whose UUID is `explicit` if it says so. Gives the UUID
    /// of the row, or `None` when an earlier insert has the same name.
    fn define(&mut self, name: &str, explicit: Option<Uuid>) -> Option<Uuid>;

    /// Whether the table has, or had before the transaction, a row with this UUID. Who carries the insert
    /// out checks it too; here it is about which of several errors is named.
    fn is_taken(&self, table: &str, uuid: Uuid) -> bool;
}

/// Reads one operation.
///
/// # Errors
/// The error object that RFC 7047 section 5.2 asks for.
pub fn decode_operation(
    schema: &DatabaseSchema,
    json: &Value,
    names: &mut dyn OperationNames,
) -> Result<Operation, Error> {
    let Some(object) = json.as_object() else {
        return Err(Error::syntax("Parsing ovsdb operation failed: object expected").about(json));
    };
    let mut members = Members {
        object,
        used: Vec::with_capacity(object.len()),
    };
    let operation = decode(schema, &mut members, names);
    // A malformed operation is called so, whatever else is wrong with it.
    match operation {
        Err(error) if error.kind == ErrorKind::Syntax => Err(error.about(json)),
        operation => {
            members.finish().map_err(|e| e.about(json))?;
            operation
        }
    }
}

fn decode(
    schema: &DatabaseSchema,
    members: &mut Members<'_>,
    names: &mut dyn OperationNames,
) -> Result<Operation, Error> {
    match members.text("op")? {
        "insert" => insert(schema, members, names),
        "select" => select(schema, members, names),
        "update" => {
            let (table, clauses) = target(schema, members)?;
            let row = row(table, members.required("row")?, names, Immutable::Refused)?;
            let condition = conditions(table, clauses, names)?;
            Ok(Operation::Update {
                table: table.name.clone(),
                condition,
                row,
            })
        }
        "mutate" => {
            let (table, clauses) = target(schema, members)?;
            let mutations = members.array("mutations")?;
            let mutations = mutations
                .iter()
                .map(|m| mutation(table, m, names))
                .collect::<Result<_, _>>()?;
            let condition = conditions(table, clauses, names)?;
            Ok(Operation::Mutate {
                table: table.name.clone(),
                condition,
                mutations,
            })
        }
        "delete" => {
            let (table, clauses) = target(schema, members)?;
            let condition = conditions(table, clauses, names)?;
            Ok(Operation::Delete {
                table: table.name.clone(),
                condition,
            })
        }
        "wait" => wait(schema, members, names),
        "commit" => match members.required("durable")? {
            Value::Bool(durable) => Ok(Operation::Commit { durable: *durable }),
            other => Err(Error::syntax("durable must be a boolean").about(other)),
        },
        "abort" => Ok(Operation::Abort),
        "comment" => Ok(Operation::Comment {
            comment: members.text("comment")?.into(),
        }),
        "assert" => Ok(Operation::Assert {
            lock: members.id("lock")?.into(),
        }),
        other => Err(Error::syntax(format!("No operation \"{other}\""))),
    }
}

fn insert(
    schema: &DatabaseSchema,
    members: &mut Members<'_>,
    names: &mut dyn OperationNames,
) -> Result<Operation, Error> {
    let table = table(schema, members)?;
    let explicit = match members.optional("uuid") {
        None => None,
        Some(json) => {
            let uuid = json.as_str().and_then(json::parse_uuid);
            Some(uuid.ok_or_else(|| Error::syntax("bad uuid").about(json))?)
        }
    };
    let name = members
        .optional("uuid-name")
        .is_some()
        .then(|| members.id("uuid-name"));
    let name: Option<Str> = name.transpose()?.map(Into::into);
    let row_json = members.required("row")?;
    if explicit.is_some_and(|uuid| names.is_taken(&table.name, uuid)) {
        let text = "This UUID would duplicate a UUID already present within the table or deleted \
                    within the same transaction.";
        return Err(Error::new(ErrorKind::DuplicateUuid, text));
    }
    let uuid = match &name {
        None => explicit,
        Some(name) => Some(names.define(name, explicit).ok_or_else(|| {
            let details = "This \"uuid-name\" appeared on an earlier \"insert\" operation.";
            Error::new(ErrorKind::DuplicateUuidName, details)
        })?),
    };
    let row = row(table, row_json, names, Immutable::Accepted)?;
    Ok(Operation::Insert {
        table: table.name.clone(),
        uuid,
        uuid_name: name,
        row,
    })
}

fn select(
    schema: &DatabaseSchema,
    members: &mut Members<'_>,
    names: &mut dyn OperationNames,
) -> Result<Operation, Error> {
    let (table, clauses) = target(schema, members)?;
    let (wanted, sort) = (members.optional("columns"), members.optional("sort"));
    let condition = conditions(table, clauses, names)?;
    let wanted = wanted.map(|json| columns(table, json)).transpose()?;
    let sort = sort.map(|json| columns(table, json)).transpose()?;
    Ok(Operation::Select {
        table: table.name.clone(),
        condition,
        columns: wanted,
        sort: sort.unwrap_or_default(),
    })
}

fn wait(
    schema: &DatabaseSchema,
    members: &mut Members<'_>,
    names: &mut dyn OperationNames,
) -> Result<Operation, Error> {
    let (table, clauses) = target(schema, members)?;
    let (timeout, wanted) = (members.optional("timeout"), members.optional("columns"));
    let (until, rows) = (members.text("until")?, members.array("rows")?);
    let condition = conditions(table, clauses, names)?;
    let columns = wanted.map(|json| columns(table, json)).transpose()?;
    let bad = |json| Error::syntax("timeout must be a nonnegative integer").about(json);
    let timeout = timeout
        .map(|json| json.as_u64().ok_or_else(|| bad(json)))
        .transpose()?;
    let until = match until {
        "==" => Until::Equal,
        "!=" => Until::NotEqual,
        _ => return Err(Error::syntax("\"until\" must be \"==\" or \"!=\"")),
    };
    let rows = rows
        .iter()
        .map(|json| row(table, json, names, Immutable::Accepted))
        .collect::<Result<_, _>>()?;
    Ok(Operation::Wait {
        table: table.name.clone(),
        condition,
        columns,
        until,
        rows,
        timeout,
    })
}

/// The members that `select`, `update`, `mutate`, `delete` and `wait` share. An operation takes all its
/// members before it reads one, so that one too many is noticed before anything else.
fn target<'a, 'b>(
    schema: &'a DatabaseSchema,
    members: &mut Members<'b>,
) -> Result<(&'a TableSchema, &'b [Value]), Error> {
    Ok((table(schema, members)?, members.array("where")?))
}

fn conditions(
    table: &TableSchema,
    clauses: &[Value],
    names: &mut dyn OperationNames,
) -> Result<Vec<Condition>, Error> {
    clauses
        .iter()
        .map(|json| decode_condition(table, json, names))
        .collect()
}

fn table<'a>(
    schema: &'a DatabaseSchema,
    members: &mut Members<'_>,
) -> Result<&'a TableSchema, Error> {
    let name = members.id("table")?;
    schema
        .table(name)
        .map(|table| &**table)
        .ok_or_else(|| Error::syntax(format!("No table named {name}.")))
}

fn columns(table: &TableSchema, json: &Value) -> Result<Vec<Str>, Error> {
    let error = || Error::syntax("array of distinct column names expected").about(json);
    let mut columns: Vec<Str> = Vec::new();
    for name in json.as_array().ok_or_else(error)? {
        let name = name.as_str().ok_or_else(error)?;
        if !matches!(name, "_uuid" | "_version") && table.column(name).is_none() {
            return Err(Error::syntax(format!("{name} is not a valid column name")).about(json));
        }
        columns.push(name.into());
    }
    let mut sorted = columns.clone();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(error());
    }
    Ok(columns)
}

#[derive(Clone, Copy, PartialEq)]
enum Immutable {
    Accepted,
    Refused,
}

fn row(
    table: &TableSchema,
    json: &Value,
    names: &mut dyn OperationNames,
    immutable: Immutable,
) -> Result<Vec<(Str, Datum)>, Error> {
    let object = json
        .as_object()
        .ok_or_else(|| Error::syntax("row must be a JSON object").about(json))?;
    let mut out = Vec::with_capacity(object.len());
    for (name, value) in object {
        let column =
            &table.columns()[json::column_index(table, name).map_err(|e| e.about(json))?];
        out.push((
            column.name.clone(),
            Datum::from_json_with(&column.column_type, value, names)?,
        ));
    }
    let fixed = |name: &&String| table.column(name).is_some_and(|column| !column.mutable);
    if let (Immutable::Refused, Some(name)) = (immutable, object.keys().find(fixed)) {
        let text = format!(
            "Cannot update immutable column {name} in table {}.",
            table.name
        );
        return Err(Error::constraint(text).about(json));
    }
    Ok(out)
}

/// Reads a clause of a `where`.
///
/// # Errors
/// A syntax error, or an unknown column.
pub fn decode_condition(
    table: &TableSchema,
    json: &Value,
    names: &mut dyn NamedUuids,
) -> Result<Condition, Error> {
    if let Value::Bool(value) = json {
        return Ok(Condition::Always(*value));
    }
    let parts = json.as_array().map(Vec::as_slice);
    let Some([Value::String(name), Value::String(function), value]) = parts else {
        return Err(Error::syntax("Parse error in condition.").about(json));
    };
    let mut column = condition_type(table, name).map_err(|e| e.about(json))?;
    let function = Function::from_name(function).ok_or_else(|| {
        Error::new(
            ErrorKind::UnknownFunction,
            format!("No function named {function}."),
        )
    })?;
    match function {
        Function::Equal | Function::NotEqual => {}
        Function::Includes if !column.is_scalar() => column.min = 0,
        Function::Excludes if !column.is_scalar() => {
            column = column.with_bounds(0, ColumnType::UNLIMITED);
        }
        Function::Includes | Function::Excludes => {}
        Function::Less | Function::LessOrEqual | Function::GreaterOrEqual | Function::Greater => {
            if column.is_map() || column.max != 1 || !is_number(column.key.atomic) {
                return Err(mismatch(function.name(), name).about(json));
            }
            column.min = 1;
        }
    }
    let value = Datum::from_json_with(&column, value, names)?;
    Ok(Condition::Clause {
        column: name.into(),
        function,
        value,
    })
}

fn condition_type(table: &TableSchema, name: &str) -> Result<ColumnType, Error> {
    if matches!(name, "_uuid" | "_version") {
        return Ok(ColumnType::scalar(BaseType::uuid()));
    }
    let at = json::column_index(table, name)?;
    Ok(table.columns()[at].column_type.clone())
}

fn mutation(
    table: &TableSchema,
    json: &Value,
    names: &mut dyn OperationNames,
) -> Result<Mutation, Error> {
    let parts = json.as_array().map(Vec::as_slice);
    let Some([Value::String(name), Value::String(mutator), value]) = parts else {
        return Err(Error::syntax("Parse error in mutation.").about(json));
    };
    let column = &table.columns()[json::column_index(table, name).map_err(|e| e.about(json))?];
    if !column.mutable {
        let text = format!(
            "Cannot mutate immutable column {name} in table {}.",
            table.name
        );
        return Err(Error::constraint(text).about(json));
    }
    let mutator = Mutator::from_name(mutator).ok_or_else(|| {
        Error::new(
            ErrorKind::UnknownMutator,
            format!("No mutator named {mutator}."),
        )
    })?;
    let value = mutation_value(&column.column_type, mutator, value, names)?
        .ok_or_else(|| mismatch(mutator.name(), name).about(json))?;
    Ok(Mutation {
        column: column.name.clone(),
        mutator,
        value,
    })
}

/// The argument of a mutation; `None` when the mutator does not fit the column.
fn mutation_value(
    column: &ColumnType,
    mutator: Mutator,
    json: &Value,
    names: &mut dyn OperationNames,
) -> Result<Option<Datum>, Error> {
    let mut wanted = column.clone();
    match mutator {
        Mutator::Insert | Mutator::Delete => {
            if column.is_scalar() {
                return Ok(None);
            }
            wanted.min = 0;
            if mutator == Mutator::Insert {
                return Datum::from_json_with(&wanted, json, names).map(Some);
            }
            wanted.max = ColumnType::UNLIMITED;
            let pairs = Datum::from_json_with(&wanted, json, names);
            if pairs.is_ok() || !column.is_map() {
                return pairs.map(Some);
            }
            // From a map one may also delete by keys alone.
            wanted.value = None;
            Datum::from_json_with(&wanted, json, names).map(Some)
        }
        _ => {
            let real = column.key.atomic == AtomicType::Real;
            if column.is_map()
                || !is_number(column.key.atomic)
                || (real && mutator == Mutator::Remainder)
            {
                return Ok(None);
            }
            wanted.key.constraint = Constraint::None;
            Datum::from_json_with(&wanted.with_bounds(1, 1), json, names).map(Some)
        }
    }
}

fn is_number(atomic: AtomicType) -> bool {
    matches!(atomic, AtomicType::Integer | AtomicType::Real)
}

fn mismatch(operator: &str, column: &str) -> Error {
    Error::syntax(format!(
        "Type mismatch: \"{operator}\" operator may not be applied to column {column}."
    ))
}

/// The members of an object, each of which must be used.
struct Members<'a> {
    object: &'a Map<String, Value>,
    used: Vec<&'static str>,
}

impl<'a> Members<'a> {
    fn optional(&mut self, name: &'static str) -> Option<&'a Value> {
        self.used.push(name);
        self.object.get(name)
    }

    fn required(&mut self, name: &'static str) -> Result<&'a Value, Error> {
        let missing = || Error::syntax(format!("Required '{name}' member is missing."));
        self.optional(name).ok_or_else(missing)
    }

    fn text(&mut self, name: &'static str) -> Result<&'a str, Error> {
        let wrong = || Error::syntax(format!("Type mismatch for member '{name}'."));
        self.required(name)?.as_str().ok_or_else(wrong)
    }

    fn id(&mut self, name: &'static str) -> Result<&'a str, Error> {
        let text = self.text(name)?;
        let wrong = || Error::syntax(format!("Type mismatch for member '{name}': not an <id>."));
        if json::is_id(text) {
            Ok(text)
        } else {
            Err(wrong())
        }
    }

    fn array(&mut self, name: &'static str) -> Result<&'a [Value], Error> {
        let wrong = || Error::syntax(format!("Type mismatch for member '{name}'."));
        self.required(name)?
            .as_array()
            .map(Vec::as_slice)
            .ok_or_else(wrong)
    }

    fn finish(&self) -> Result<(), Error> {
        match self
            .object
            .keys()
            .find(|name| !self.used.contains(&name.as_str()))
        {
            None => Ok(()),
            Some(name) => Err(Error::syntax(format!(
                "Member '{name}' is present but not allowed here."
            ))),
        }
    }
}

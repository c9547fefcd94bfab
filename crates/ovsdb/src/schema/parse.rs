//! Reading schemas from JSON.

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;

use super::{BaseType, ColumnSchema, ColumnType, Constraint, DatabaseSchema, TableSchema};
use crate::value::{Atom, AtomicType, Real};
use crate::{Error, Str, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDatabase {
    name: Str,
    #[serde(default)]
    version: Str,
    cksum: Option<Str>,
    tables: IndexMap<Str, RawTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawTable {
    columns: IndexMap<Str, RawColumn>,
    max_rows: Option<u32>,
    #[serde(default)]
    is_root: bool,
    #[serde(default)]
    indexes: Vec<Vec<Str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawColumn {
    #[serde(rename = "type")]
    column_type: Value,
    #[serde(default)]
    ephemeral: bool,
    #[serde(default = "yes")]
    mutable: bool,
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawColumnType {
    key: Value,
    value: Option<Value>,
    #[serde(default = "one")]
    min: u32,
    #[serde(default = "one_value")]
    max: Value,
}

const fn one() -> u32 {
    1
}

fn one_value() -> Value {
    Value::from(1)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawBase {
    #[serde(rename = "type")]
    atomic: Str,
    #[serde(rename = "enum")]
    enumeration: Option<Value>,
    min_integer: Option<i64>,
    max_integer: Option<i64>,
    min_real: Option<f64>,
    max_real: Option<f64>,
    min_length: Option<u32>,
    max_length: Option<u32>,
    ref_table: Option<Str>,
    ref_type: Option<Str>,
}

/// Reads a whole schema.
pub(super) fn database(text: &str) -> Result<DatabaseSchema, Error> {
    let raw: RawDatabase = serde_json::from_str(text).map_err(syntax)?;
    let tables = raw
        .tables
        .into_iter()
        .map(|(name, raw)| {
            let context = name.clone();
            table(name, raw).map_err(|e| within(&format!("table {context}"), e))
        })
        .collect::<Result<_, _>>()?;
    // Old schemas have none.
    if !raw.version.is_empty() && !is_version(&raw.version) {
        let text = format!(
            "schema version \"{}\" is not of the form x.y.z",
            raw.version
        );
        return Err(Error::syntax(text));
    }
    let mut schema = DatabaseSchema::new(raw.name, raw.version, tables)?;
    schema.cksum = raw.cksum;
    Ok(schema)
}

/// Three numbers (RFC 7047 section 3.1, `<version>`).
fn is_version(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.split('.').count() == 3 && text.split('.').all(is_number)
}

fn table(name: Str, raw: RawTable) -> Result<TableSchema, Error> {
    let columns = raw
        .columns
        .into_iter()
        .map(|(name, raw)| {
            let column_type =
                column_type(&raw.column_type).map_err(|e| within(&format!("column {name}"), e))?;
            Ok(ColumnSchema {
                name,
                column_type,
                ephemeral: raw.ephemeral,
                mutable: raw.mutable,
            })
        })
        .collect::<Result<_, Error>>()?;
    let mut table = TableSchema::new(name, columns)?;
    table.is_root = raw.is_root;
    table.max_rows = raw.max_rows.filter(|&count| count < u32::MAX);
    if table.max_rows == Some(0) {
        return Err(Error::syntax("maxRows must be at least 1"));
    }
    for index in &raw.indexes {
        table = table.with_index(index.iter().map(Str::as_str))?;
    }
    Ok(table)
}

fn column_type(value: &Value) -> Result<ColumnType, Error> {
    if value.is_string() {
        return Ok(ColumnType::scalar(base(value)?));
    }
    let raw = RawColumnType::deserialize(value).map_err(|e| syntax(e).about(value))?;
    let max = match &raw.max {
        Value::String(text) if text == "unlimited" => Some(ColumnType::UNLIMITED),
        Value::Number(number) => number.as_u64().and_then(|n| u32::try_from(n).ok()),
        _ => None,
    };
    let max = max.ok_or_else(|| Error::syntax("bad min or max value").about(value))?;
    let (key, values) = (base(&raw.key)?, raw.value.as_ref().map(base).transpose()?);
    Ok(ColumnType {
        key,
        value: values,
        min: raw.min,
        max,
    })
}

fn base(value: &Value) -> Result<BaseType, Error> {
    if let Some(name) = value.as_str() {
        return Ok(atomic(name)?.into());
    }
    let raw = RawBase::deserialize(value).map_err(|e| syntax(e).about(value))?;
    let atomic = atomic(&raw.atomic)?;
    let constraint = constraint(atomic, raw).map_err(|e| e.about(value))?;
    Ok(BaseType { atomic, constraint })
}

fn atomic(name: &str) -> Result<AtomicType, Error> {
    AtomicType::from_name(name)
        .ok_or_else(|| Error::syntax(format!("\"{name}\" is not an atomic-type")))
}

/// The one constraint that fits the type; a second one, or one of another type, is an error.
fn constraint(atomic: AtomicType, raw: RawBase) -> Result<Constraint, Error> {
    let mut found = Vec::new();
    let integers = raw.min_integer.is_some() || raw.max_integer.is_some();
    let reals = raw.min_real.is_some() || raw.max_real.is_some();
    let lengths = raw.min_length.is_some() || raw.max_length.is_some();
    if let Some(values) = raw.enumeration {
        let atoms = json::decode_set(atomic, &values)?;
        let all: Vec<Atom> = atoms.atoms().to_vec();
        found.push((atomic, Constraint::Enum(all.into())));
    }
    if integers {
        let range = Constraint::IntegerRange(raw.min_integer, raw.max_integer);
        found.push((AtomicType::Integer, range));
    }
    if reals {
        let (min, max) = (
            raw.min_real.and_then(Real::new),
            raw.max_real.and_then(Real::new),
        );
        found.push((AtomicType::Real, Constraint::RealRange(min, max)));
    }
    if lengths {
        let (min, max) = (
            raw.min_length.unwrap_or(0),
            raw.max_length.unwrap_or(u32::MAX),
        );
        found.push((AtomicType::String, Constraint::Length(min, max)));
    }
    if let Some(table) = raw.ref_table {
        let strong = match raw.ref_type.as_deref() {
            None | Some("strong") => true,
            Some("weak") => false,
            Some(_) => return Err(Error::syntax("refType must be \"strong\" or \"weak\"")),
        };
        found.push((AtomicType::Uuid, Constraint::Reference { table, strong }));
    }
    match found.pop() {
        None => Ok(Constraint::None),
        Some((of, constraint)) if of == atomic && found.is_empty() => ordered(constraint),
        Some(_) => Err(Error::syntax(
            "these constraints do not belong to this type",
        )),
    }
}

fn ordered(constraint: Constraint) -> Result<Constraint, Error> {
    let crossed = match &constraint {
        Constraint::IntegerRange(Some(min), Some(max)) => min > max,
        Constraint::RealRange(Some(min), Some(max)) => min > max,
        Constraint::Length(min, max) => min > max,
        Constraint::Enum(atoms) => atoms.is_empty(),
        _ => false,
    };
    if crossed {
        Err(Error::syntax("no value satisfies the constraint"))
    } else {
        Ok(constraint)
    }
}

fn syntax(error: serde_json::Error) -> Error {
    Error::syntax(error.to_string())
}

fn within(context: &str, mut error: Error) -> Error {
    error.details = format!("{context}: {}", error.details);
    error
}

//! What a client wants to hear of a database.
//!
//! Invariant: what is encoded for one [`Spec`] is the same for every monitor that has it, so it is encoded
//! once for all of them.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::database::{AnyFilter, Slot};
use crate::json::NoNames;
use crate::operation::decode_condition;
use crate::{DatabaseSchema, Error, TableSchema};

/// The form of a monitor's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Version {
    /// `monitor`, answered with `update` (RFC 7047 section 4.1.5).
    V1,
    /// `monitor_cond`, answered with `update2`.
    V2,
    /// `monitor_cond_since`, answered with `update3`.
    V3,
}

/// The kinds of changes that a client wants to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Select {
    pub(crate) initial: bool,
    pub(crate) insert: bool,
    pub(crate) delete: bool,
    pub(crate) modify: bool,
}

impl Select {
    const ALL: Self = Self {
        initial: true,
        insert: true,
        delete: true,
        modify: true,
    };

    const fn union(self, other: Self) -> Self {
        Self {
            initial: self.initial | other.initial,
            insert: self.insert | other.insert,
            delete: self.delete | other.delete,
            modify: self.modify | other.modify,
        }
    }
}

/// What a monitor shows of one table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TableSpec {
    /// The position of the table in the schema.
    pub(crate) table: usize,
    pub(crate) shown: Arc<Shown>,
    pub(crate) filter: AnyFilter,
}

/// What is shown of each row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Shown {
    /// All that any column wants to hear of.
    pub(crate) select: Select,
    pub(crate) columns: Vec<(Slot, Select)>,
}

/// What a monitor shows of a database.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Spec {
    pub(crate) version: Version,
    /// Sorted by the position of the table.
    pub(crate) tables: Vec<TableSpec>,
}

impl Spec {
    /// Reads the `<monitor-requests>` of a monitor method.
    pub(crate) fn decode(
        schema: &DatabaseSchema,
        version: Version,
        json: &Value,
    ) -> Result<Self, Error> {
        let object = json
            .as_object()
            .ok_or_else(|| Error::syntax("monitor-requests must be object").about(json))?;
        let mut tables = Vec::with_capacity(object.len());
        for (name, requests) in object {
            let table = table_index(schema, name)?;
            let requests = requests
                .as_array()
                .map_or_else(|| std::slice::from_ref(requests), Vec::as_slice);
            tables.push(table_spec(
                table,
                &schema.tables()[table],
                version,
                requests,
            )?);
        }
        tables.sort_by_key(|spec| spec.table);
        Ok(Self { version, tables })
    }

    pub(crate) fn table(&self, table: usize) -> Option<&TableSpec> {
        let at = self
            .tables
            .binary_search_by_key(&table, |spec| spec.table)
            .ok()?;
        Some(&self.tables[at])
    }

    /// The same with the conditions that a `monitor_cond_change` asks for.
    pub(crate) fn with_conditions(
        &self,
        schema: &DatabaseSchema,
        json: &Value,
    ) -> Result<Self, Error> {
        let object = json.as_object().ok_or_else(|| {
            Error::syntax("monitor-cond-change-requests must be object").about(json)
        })?;
        let mut new = self.clone();
        for (name, requests) in object {
            let table = table_index(schema, name)?;
            let spec = new.tables.iter_mut().find(|spec| spec.table == table);
            let spec = spec.ok_or_else(|| {
                Error::syntax(format!("no table named {name} in monitor session"))
            })?;
            let requests = requests.as_array().ok_or_else(|| {
                Error::syntax(format!("table {name} no monitor-cond-change JSON array"))
            })?;
            for request in requests {
                let request = members(request, &["where", "columns"])?;
                if request.contains_key("columns") {
                    return Err(Error::syntax("changing columns is unsupported"));
                }
                spec.filter = filter(&schema.tables()[table], request.get("where"))?;
            }
        }
        Ok(new)
    }
}

fn table_index(schema: &DatabaseSchema, name: &str) -> Result<usize, Error> {
    schema
        .table_index(name)
        .ok_or_else(|| Error::syntax(format!("no table named {name}")))
}

fn table_spec(
    table: usize,
    schema: &TableSchema,
    version: Version,
    requests: &[Value],
) -> Result<TableSpec, Error> {
    const NONE: Select = Select {
        initial: false,
        insert: false,
        delete: false,
        modify: false,
    };
    let mut shown = Shown {
        select: NONE,
        columns: Vec::new(),
    };
    let mut seen = filter(schema, None)?;
    for request in requests {
        let allowed: &[&str] = match version {
            Version::V1 => &["columns", "select"],
            Version::V2 | Version::V3 => &["columns", "select", "where"],
        };
        let object = members(request, allowed)?;
        let select = object
            .get("select")
            .map_or(Ok(Select::ALL), decode_select)?;
        shown.select = shown.select.union(select);
        for slot in slots(schema, object.get("columns"))? {
            if shown.columns.iter().any(|column| column.0 == slot) {
                return Err(Error::syntax("a column is mentioned more than once").about(request));
            }
            shown.columns.push((slot, select));
        }
        if let Some(json) = object.get("where") {
            seen = filter(schema, Some(json))?;
        }
    }
    Ok(TableSpec {
        table,
        shown: Arc::new(shown),
        filter: seen,
    })
}

/// The columns of a request; without a list all but `_uuid` (RFC 7047 section 4.1.5).
fn slots(schema: &TableSchema, json: Option<&Value>) -> Result<Vec<Slot>, Error> {
    let Some(json) = json else {
        let own = (0..schema.columns().len()).map(Slot::Column);
        return Ok(own.chain([Slot::Version]).collect());
    };
    let error = || Error::syntax("array of column names expected").about(json);
    let names = json.as_array().ok_or_else(error)?;
    names
        .iter()
        .map(|name| {
            let name = name.as_str().ok_or_else(error)?;
            Slot::resolve(schema, name).map_err(|_| {
                Error::syntax(format!("{name} is not a valid column name")).about(json)
            })
        })
        .collect()
}

fn filter(schema: &TableSchema, json: Option<&Value>) -> Result<AnyFilter, Error> {
    let Some(json) = json else {
        return AnyFilter::any_of(schema, &[]);
    };
    let clauses = json
        .as_array()
        .ok_or_else(|| Error::syntax("where must be an array").about(json))?;
    let clauses = clauses
        .iter()
        .map(|clause| decode_condition(schema, clause, &mut NoNames));
    AnyFilter::any_of(schema, &clauses.collect::<Result<Vec<_>, _>>()?)
}

fn decode_select(json: &Value) -> Result<Select, Error> {
    let object = members(json, &["initial", "insert", "delete", "modify"])?;
    let flag = |name: &str| match object.get(name) {
        None => Ok(true),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(Error::syntax(format!("Type mismatch for member '{name}'.")).about(json)),
    };
    Ok(Select {
        initial: flag("initial")?,
        insert: flag("insert")?,
        delete: flag("delete")?,
        modify: flag("modify")?,
    })
}

fn members<'a>(json: &'a Value, allowed: &[&str]) -> Result<&'a Map<String, Value>, Error> {
    let object = json
        .as_object()
        .ok_or_else(|| Error::syntax("object expected").about(json))?;
    match object.keys().find(|name| !allowed.contains(&name.as_str())) {
        None => Ok(object),
        Some(name) => {
            let text = format!("Member '{name}' is present but not allowed here.");
            Err(Error::syntax(text).about(json))
        }
    }
}

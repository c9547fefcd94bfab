//! Printing schemas as JSON.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use super::{BaseType, ColumnSchema, ColumnType, Constraint, DatabaseSchema, TableSchema};
use crate::Datum;

/// The form of RFC 7047 section 3.2, tables and columns in their order.
impl Serialize for DatabaseSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        out.serialize_entry("name", &self.name)?;
        if !self.version.is_empty() {
            out.serialize_entry("version", &self.version)?;
        }
        if let Some(cksum) = &self.cksum {
            out.serialize_entry("cksum", cksum)?;
        }
        out.serialize_entry("tables", &Tables(self))?;
        out.end()
    }
}

struct Tables<'a>(&'a DatabaseSchema);

impl Serialize for Tables<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tables = self.0.tables().iter();
        // As the stock programs print it: when all are root tables, none says so.
        let plain = tables.clone().all(|table| table.is_root);
        serializer.collect_map(tables.map(|table| (&table.name, Table { table, plain })))
    }
}

struct Table<'a> {
    table: &'a TableSchema,
    /// Whether `isRoot` is left out.
    plain: bool,
}

impl Serialize for Table<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let table = self.table;
        let mut out = serializer.serialize_map(None)?;
        out.serialize_entry("columns", &Columns(table))?;
        if let Some(count) = table.max_rows {
            out.serialize_entry("maxRows", &count)?;
        }
        if table.is_root && !self.plain {
            out.serialize_entry("isRoot", &true)?;
        }
        let name = |at: &usize| table.columns()[*at].name.as_str();
        let indexes: Vec<Vec<&str>> = table
            .indexes()
            .iter()
            .map(|index| index.iter().map(name).collect())
            .collect();
        if !indexes.is_empty() {
            out.serialize_entry("indexes", &indexes)?;
        }
        out.end()
    }
}

struct Columns<'a>(&'a TableSchema);

impl Serialize for Columns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.columns().iter().map(|c| (&c.name, column(c))))
    }
}

fn column(column: &ColumnSchema) -> Value {
    let mut out = Map::new();
    out.insert("type".into(), column_type(&column.column_type));
    if column.ephemeral {
        out.insert("ephemeral".into(), true.into());
    }
    if !column.mutable {
        out.insert("mutable".into(), false.into());
    }
    out.into()
}

fn column_type(column: &ColumnType) -> Value {
    if column.is_scalar() && matches!(column.key.constraint, Constraint::None) {
        return column.key.atomic.name().into();
    }
    let mut out = Map::new();
    out.insert("key".into(), base(&column.key));
    if let Some(value) = &column.value {
        out.insert("value".into(), base(value));
    }
    if column.min != 1 {
        out.insert("min".into(), column.min.into());
    }
    match column.max {
        1 => {}
        ColumnType::UNLIMITED => drop(out.insert("max".into(), "unlimited".into())),
        max => drop(out.insert("max".into(), max.into())),
    }
    out.into()
}

fn base(base: &BaseType) -> Value {
    let mut out = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            out.insert(name.into(), value);
        }
    };
    put("type", Some(base.atomic.name().into()));
    match &base.constraint {
        Constraint::None => return base.atomic.name().into(),
        Constraint::Enum(atoms) => put("enum", Some(json!(Datum::set(atoms.iter().cloned())))),
        Constraint::IntegerRange(min, max) => {
            put("minInteger", min.map(Value::from));
            put("maxInteger", max.map(Value::from));
        }
        Constraint::RealRange(min, max) => {
            put("minReal", min.map(|real| json!(real)));
            put("maxReal", max.map(|real| json!(real)));
        }
        Constraint::Length(min, max) => {
            put("minLength", (*min != 0).then(|| (*min).into()));
            put("maxLength", (*max != u32::MAX).then(|| (*max).into()));
        }
        Constraint::Reference { table, strong } => {
            put("refTable", Some(table.as_str().into()));
            put("refType", (!strong).then(|| "weak".into()));
        }
    }
    out.into()
}

//! Reading values from JSON (RFC 7047 section 5.1) by the type of their column, and writing rows.
//!
//! Writing single values is `serde::Serialize` of [`Atom`] and [`Datum`].

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::schema::BaseType;
use crate::value::{Atom, AtomicType, Real};
use crate::{ColumnType, Datum, Error, ErrorKind, Row, Str, TableSchema, Uuid};

/// Whether `text` is an `<id>` of RFC 7047 section 3.1.
pub fn is_id(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The UUID of its canonical text form, 36 characters with hyphens.
pub fn parse_uuid(text: &str) -> Option<Uuid> {
    // The library accepts further forms, which the protocol does not have.
    if text.len() == 36 {
        Uuid::try_parse(text).ok()
    } else {
        None
    }
}

/// Gives a UUID to the name that a transaction uses for a row that it inserts.
pub trait NamedUuids {
    /// The UUID that stands for `name`, the same for each use; `None` where names have no place.
    fn resolve(&mut self, name: &str) -> Option<Uuid>;
}

/// For places where a `named-uuid` is an error.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoNames;

impl NamedUuids for NoNames {
    fn resolve(&mut self, _name: &str) -> Option<Uuid> {
        None
    }
}

/// Reads an `<atom>`, its type checked but not its constraint.
///
/// # Errors
/// A syntax error when the JSON is not an atom of this type.
pub fn decode_atom(
    atomic: AtomicType,
    json: &Value,
    names: &mut dyn NamedUuids,
) -> Result<Atom, Error> {
    let atom = match (atomic, json) {
        (AtomicType::Integer, Value::Number(number)) => number
            .as_i64()
            .or_else(|| whole(number.as_f64()?))
            .map(Atom::Integer),
        (AtomicType::Real, Value::Number(number)) => {
            number.as_f64().and_then(Real::new).map(Atom::Real)
        }
        (AtomicType::Boolean, Value::Bool(value)) => Some(Atom::Boolean(*value)),
        (AtomicType::String, Value::String(text)) if text.contains('\0') => {
            return Err(Error::syntax("null bytes are not supported in strings").about(json));
        }
        (AtomicType::String, Value::String(text)) => Some(Atom::String(text.into())),
        (AtomicType::Uuid, _) => return decode_uuid(json, names).map(Atom::Uuid),
        _ => None,
    };
    atom.ok_or_else(|| Error::syntax(format!("expected {}", atomic.name())).about(json))
}

/// The integer that a number is, if it is one: JSON does not tell 1.0 from 1.
pub(crate) fn whole(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0; // Beyond 2^53 the text would not be exact.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the number is whole and small enough"
    )]
    (number.fract() == 0.0 && number.abs() <= LIMIT).then_some(number as i64)
}

fn decode_uuid(json: &Value, names: &mut dyn NamedUuids) -> Result<Uuid, Error> {
    let error = |details: &str| Err(Error::syntax(details).about(json));
    let Some([Value::String(tag), Value::String(text)]) = json.as_array().map(Vec::as_slice) else {
        return error("expected [\"uuid\", <string>]");
    };
    match tag.as_str() {
        "uuid" => parse_uuid(text).map_or_else(|| error("not a valid UUID"), Ok),
        "named-uuid" if !is_id(text) => error("named-uuid string is not a valid <id>"),
        "named-uuid" => names
            .resolve(text)
            .map_or_else(|| error("a named-uuid has no meaning here"), Ok),
        _ => error("expected [\"uuid\", <string>]"),
    }
}

fn decode_checked(
    base: &BaseType,
    json: &Value,
    names: &mut dyn NamedUuids,
) -> Result<Atom, Error> {
    let atom = decode_atom(base.atomic, json, names)?;
    base.check(&atom)?;
    Ok(atom)
}

impl Datum {
    /// Reads a `<value>` of a column of this type; a scalar is a set of one element.
    ///
    /// # Errors
    /// A syntax error, or a constraint violation.
    pub fn from_json(column: &ColumnType, json: &Value) -> Result<Self, Error> {
        Self::from_json_with(column, json, &mut NoNames)
    }

    /// As [`Datum::from_json`], with UUIDs by name.
    ///
    /// # Errors
    /// A syntax error, or a constraint violation.
    pub fn from_json_with(
        column: &ColumnType,
        json: &Value,
        names: &mut dyn NamedUuids,
    ) -> Result<Self, Error> {
        if let Some(value) = &column.value {
            let items = tagged("map", json)?
                .ok_or_else(|| Error::syntax("expected [\"map\", <array>]").about(json))?;
            check_count(column, items.len(), json)?;
            return decode_map(&column.key, value, items, names);
        }
        let Some(items) = tagged("set", json)? else {
            return Ok(Self::one(decode_checked(&column.key, json, names)?));
        };
        check_count(column, items.len(), json)?;
        let mut atoms = Vec::with_capacity(items.len());
        for item in items {
            atoms.push(decode_checked(&column.key, item, names)?);
        }
        atoms.sort_unstable();
        if atoms.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::new(ErrorKind::Other, "set contains duplicate"));
        }
        Ok(Self::from_sorted_set(atoms))
    }

    /// Reads the difference that `update2` or a log record has for a column of this type: any number of
    /// elements, and constraints are not checked, since the difference is not a value itself.
    ///
    /// # Errors
    /// A syntax error.
    pub fn diff_from_json(column: &ColumnType, json: &Value) -> Result<Self, Error> {
        let free = |base: &BaseType| BaseType::from(base.atomic);
        let loose = ColumnType {
            key: free(&column.key),
            value: column.value.as_ref().map(free),
            min: 0,
            max: ColumnType::UNLIMITED,
        };
        Self::from_json(&loose, json)
    }
}

fn decode_map(
    key: &BaseType,
    value: &BaseType,
    items: &[Value],
    names: &mut dyn NamedUuids,
) -> Result<Datum, Error> {
    let mut pairs = Vec::with_capacity(items.len());
    for item in items {
        let Some([k, v]) = item.as_array().map(Vec::as_slice) else {
            return Err(Error::syntax("expected 2-element array").about(item));
        };
        pairs.push((
            decode_checked(key, k, names)?,
            decode_checked(value, v, names)?,
        ));
    }
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    if pairs.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::new(ErrorKind::Other, "map contains duplicate key"));
    }
    Ok(Datum::from_sorted_map(pairs))
}

/// The items of `[<tag>, <items>]`; `None` when the JSON does not begin with the tag.
fn tagged<'a>(tag: &str, json: &'a Value) -> Result<Option<&'a [Value]>, Error> {
    match json.as_array().map(Vec::as_slice) {
        Some([Value::String(found), rest @ ..]) if found == tag => match rest {
            [Value::Array(items)] => Ok(Some(items)),
            _ => Err(Error::syntax(format!("expected [\"{tag}\", <array>]")).about(json)),
        },
        _ => Ok(None),
    }
}

fn check_count(column: &ColumnType, count: usize, json: &Value) -> Result<(), Error> {
    if count >= column.min as usize && count <= column.max as usize {
        return Ok(());
    }
    let class = if column.is_map() { "map" } else { "set" };
    Err(Error::syntax(if column.min == 1 && column.max == 1 {
        format!("{class} must have exactly one member but {count} are present")
    } else {
        let (min, max) = (column.min, column.max);
        format!("{class} must have {min} to {max} members but {count} are present")
    })
    .about(json))
}

/// Reads a set of atoms of one type, without constraints.
///
/// # Errors
/// A syntax error.
pub(crate) fn decode_set(atomic: AtomicType, json: &Value) -> Result<Datum, Error> {
    Datum::from_json(&ColumnType::set(atomic.into()), json)
}

/// Reads a `<row>` (an object from column names to values) as positions and values; the caller says what
/// the columns that are not there hold.
///
/// # Errors
/// A syntax error, an unknown column, or a constraint violation.
pub fn decode_row(
    table: &TableSchema,
    json: &Value,
    names: &mut dyn NamedUuids,
) -> Result<Vec<(usize, Datum)>, Error> {
    let object = json
        .as_object()
        .ok_or_else(|| Error::syntax("row must be an object").about(json))?;
    let mut columns = Vec::with_capacity(object.len());
    for (name, value) in object {
        let at = column_index(table, name).map_err(|e| e.about(json))?;
        let column = &table.columns()[at].column_type;
        columns.push((at, Datum::from_json_with(column, value, names)?));
    }
    Ok(columns)
}

/// The position of a column, or the error that RFC 7047 has for one that is not there.
pub(crate) fn column_index(table: &TableSchema, name: &str) -> Result<usize, Error> {
    table.column_index(name).ok_or_else(|| {
        Error::new(
            ErrorKind::UnknownColumn,
            format!("No column {name} in table {}.", table.name),
        )
    })
}

/// Writes the columns of a row at these positions as a `<row>`.
#[derive(Debug, Clone, Copy)]
pub struct RowJson<'a, C> {
    /// The table of the row.
    pub table: &'a TableSchema,
    /// The row.
    pub row: &'a Row,
    /// The positions of the columns to write.
    pub columns: C,
}

impl<C: IntoIterator<Item = usize> + Clone> Serialize for RowJson<'_, C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        for at in self.columns.clone() {
            out.serialize_entry(&self.table.columns()[at].name, &self.row[at])?;
        }
        out.end()
    }
}

/// Columns by name with their values, as an object.
pub(crate) struct NamedColumns<'a>(pub(crate) &'a [(Str, Datum)]);

impl Serialize for NamedColumns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

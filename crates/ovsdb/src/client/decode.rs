//! Reads values and table updates from JSON text straight into datums, by the types of the columns.
//!
//! A first view can be hundreds of megabytes: no tree of JSON values is built on the way.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::layout::{Column, Layout, Table};
use crate::json::parse_uuid;
use crate::value::{Atom, AtomicType, Real};
use crate::{ColumnType, Datum, Str, Uuid};

/// What the server says about one row.
#[derive(Debug, PartialEq)]
pub(super) enum RowUpdate {
    /// The row as a whole; columns that are not there hold their default.
    Whole(Vec<(usize, Datum)>),
    /// Differences of these columns (see [`Datum::diff`]); positions in the layout's table.
    Diff(Vec<(usize, Datum)>),
    /// The row is gone.
    Delete,
}

/// One row's update, with the position of the table in the client's schema.
pub(super) type Update = (usize, Uuid, RowUpdate);

/// The form in which updates come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `<table-updates>` of RFC 7047 section 4.1.6: whole rows, `old` and `new`.
    Rows,
    /// `<table-updates2>` of `ovsdb-server(7)` 4.1.14: `initial`, `insert`, `modify`, `delete`.
    Differences,
}

/// Reads `<table-updates>` of either form.
pub(super) fn updates(text: &str, form: Form, layout: &Layout) -> serde_json::Result<Vec<Update>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let updates = UpdatesSeed { form, layout }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(updates)
}

struct UpdatesSeed<'a> {
    form: Form,
    layout: &'a Layout,
}

impl<'de> DeserializeSeed<'de> for UpdatesSeed<'_> {
    type Value = Vec<Update>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for UpdatesSeed<'_> {
    type Value = Vec<Update>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tables")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut out = Vec::new();
        while let Some(name) = map.next_key::<Str>()? {
            match self.layout.table(&name) {
                Some(table) => map.next_value_seed(TableSeed {
                    form: self.form,
                    table,
                    out: &mut out,
                })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(out)
    }
}

struct TableSeed<'a> {
    form: Form,
    table: &'a Table,
    out: &'a mut Vec<Update>,
}

impl<'de> DeserializeSeed<'de> for TableSeed<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TableSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of rows")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(uuid) = map.next_key::<Id>()?.map(|id| id.0) {
            let update = map.next_value_seed(RowUpdateSeed {
                form: self.form,
                table: self.table,
            })?;
            if let Some(update) = update {
                self.out.push((self.table.index, uuid, update));
            }
        }
        Ok(())
    }
}

struct RowUpdateSeed<'a> {
    form: Form,
    table: &'a Table,
}

impl<'de> DeserializeSeed<'de> for RowUpdateSeed<'_> {
    type Value = Option<RowUpdate>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowUpdateSeed<'_> {
    type Value = Option<RowUpdate>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an update of a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let row = RowSeed(self.table);
        let mut update = None;
        while let Some(kind) = map.next_key::<Str>()? {
            match (self.form, kind.as_str()) {
                (Form::Rows, "new") | (Form::Differences, "initial" | "insert") => {
                    update = Some(RowUpdate::Whole(map.next_value_seed(row)?));
                }
                (Form::Differences, "modify") => {
                    update = Some(RowUpdate::Diff(map.next_value_seed(row)?));
                }
                (Form::Rows, "old") => {
                    map.next_value::<IgnoredAny>()?;
                    // With a new content beside it this is a change, whichever comes first.
                    update = update.or(Some(RowUpdate::Delete));
                }
                (Form::Differences, "delete") => {
                    map.next_value::<IgnoredAny>()?;
                    update = Some(RowUpdate::Delete);
                }
                _ => return Err(A::Error::custom(format!("unknown kind of update {kind:?}"))),
            }
        }
        Ok(update)
    }
}

/// A row: the columns that the layout knows; positions are the client's.
#[derive(Clone, Copy)]
struct RowSeed<'a>(&'a Table);

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = Vec<(usize, Datum)>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = Vec<(usize, Datum)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut row = Vec::with_capacity(map.size_hint().unwrap_or(0));
        while let Some(name) = map.next_key::<Str>()? {
            match self.0.column(&name) {
                Some(Column { index, column_type }) => {
                    row.push((*index, map.next_value_seed(DatumSeed(column_type))?));
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(row)
    }
}

/// A `<value>` of RFC 7047 section 5.1.
struct DatumSeed<'a>(&'a ColumnType);

impl<'de> DeserializeSeed<'de> for DatumSeed<'_> {
    type Value = Datum;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Datum, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for DatumSeed<'_> {
    type Value = Datum;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Datum, E> {
        AtomSeed(self.0.key.atomic)
            .visit_bool(value)
            .map(Datum::one)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Datum, E> {
        AtomSeed(self.0.key.atomic).visit_i64(value).map(Datum::one)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Datum, E> {
        AtomSeed(self.0.key.atomic).visit_u64(value).map(Datum::one)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Datum, E> {
        AtomSeed(self.0.key.atomic).visit_f64(value).map(Datum::one)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Datum, E> {
        AtomSeed(self.0.key.atomic).visit_str(value).map(Datum::one)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Datum, A::Error> {
        let tag = seq.next_element::<Str>()?;
        let missing = || A::Error::custom("value is missing");
        match (tag.as_deref(), &self.0.value) {
            (Some("set"), None) => {
                let atoms = AtomsSeed(self.0.key.atomic);
                Ok(Datum::set(
                    seq.next_element_seed(atoms)?.ok_or_else(missing)?,
                ))
            }
            (Some("map"), Some(value)) => {
                let pairs = PairsSeed(self.0.key.atomic, value.atomic);
                Ok(Datum::map(
                    seq.next_element_seed(pairs)?.ok_or_else(missing)?,
                ))
            }
            (Some("uuid"), None) if self.0.key.atomic == AtomicType::Uuid => {
                Ok(Datum::one(seq.next_element::<Id>()?.ok_or_else(missing)?.0))
            }
            (tag, _) => Err(A::Error::custom(format!(
                "value does not begin with {tag:?} here"
            ))),
        }
    }
}

/// The elements of a set.
struct AtomsSeed(AtomicType);

impl<'de> DeserializeSeed<'de> for AtomsSeed {
    type Value = Vec<Atom>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for AtomsSeed {
    type Value = Vec<Atom>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the elements of a set")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut atoms = Vec::new();
        while let Some(atom) = seq.next_element_seed(AtomSeed(self.0))? {
            atoms.push(atom);
        }
        Ok(atoms)
    }
}

/// The pairs of a map.
struct PairsSeed(AtomicType, AtomicType);

impl<'de> DeserializeSeed<'de> for PairsSeed {
    type Value = Vec<(Atom, Atom)>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for PairsSeed {
    type Value = Vec<(Atom, Atom)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the pairs of a map")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = seq.next_element_seed(PairSeed(self.0, self.1))? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}

struct PairSeed(AtomicType, AtomicType);

impl<'de> DeserializeSeed<'de> for PairSeed {
    type Value = (Atom, Atom);
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for PairSeed {
    type Value = (Atom, Atom);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pair of a map")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let missing = || A::Error::custom("pair is not complete");
        let key = seq
            .next_element_seed(AtomSeed(self.0))?
            .ok_or_else(missing)?;
        let value = seq
            .next_element_seed(AtomSeed(self.1))?
            .ok_or_else(missing)?;
        Ok((key, value))
    }
}

/// An `<atom>` of RFC 7047 section 5.1.
struct AtomSeed(AtomicType);

impl AtomSeed {
    fn wrong<T, E: serde::de::Error>(&self, found: &str) -> Result<T, E> {
        Err(E::custom(format!(
            "{found} where {} is expected",
            self.0.name()
        )))
    }

    fn real<E: serde::de::Error>(value: f64) -> Result<Atom, E> {
        Real::new(value)
            .map(Atom::Real)
            .ok_or_else(|| E::custom("number out of range"))
    }
}

impl<'de> DeserializeSeed<'de> for AtomSeed {
    type Value = Atom;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Atom, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AtomSeed {
    type Value = Atom;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an atom")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Atom, E> {
        match self.0 {
            AtomicType::Boolean => Ok(Atom::Boolean(value)),
            _ => self.wrong("boolean"),
        }
    }

    #[allow(clippy::cast_precision_loss)] // A real column loses the same digits at any peer.
    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Atom, E> {
        match self.0 {
            AtomicType::Integer => Ok(Atom::Integer(value)),
            AtomicType::Real => Self::real(value as f64),
            _ => self.wrong("integer"),
        }
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Atom, E> {
        let value = i64::try_from(value).map_err(|_| E::custom("integer out of range"))?;
        self.visit_i64(value)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Atom, E> {
        match self.0 {
            AtomicType::Real => Self::real(value),
            _ => self.wrong("real"),
        }
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Atom, E> {
        match self.0 {
            AtomicType::String => Ok(Atom::String(value.into())),
            _ => self.wrong("string"),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Atom, A::Error> {
        let tag = seq.next_element::<Str>()?;
        if tag.as_deref() != Some("uuid") || self.0 != AtomicType::Uuid {
            return self.wrong("array");
        }
        let uuid = seq.next_element::<Id>()?;
        uuid.map(|id| Atom::Uuid(id.0))
            .ok_or_else(|| A::Error::custom("uuid is missing"))
    }
}

/// A UUID in its canonical text form.
struct Id(Uuid);

impl<'de> serde::Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Str::deserialize(deserializer)?;
        parse_uuid(&text)
            .map(Self)
            .ok_or_else(|| D::Error::custom("not a valid UUID"))
    }
}

//! Reading values straight from JSON text by the type of their column, without a tree of JSON in between, which
//! would be many times as large as the values.
//!
//! What is not a value here is read again by [`crate::json`], which says what is wrong with it.
//!
//! Invariant: what is read here is what [`crate::json`] reads from the same text.

use std::borrow::Cow;
use std::fmt;

use rustc_hash::FxHashSet;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};

use crate::schema::BaseType;
use crate::value::{Atom, AtomicType, Real};
use crate::{ColumnType, Datum, Str, json};

/// Long texts that were read, so that equal ones are one. For the time of reading one record.
#[derive(Debug, Default)]
pub(crate) struct Texts(FxHashSet<Str>);

impl Texts {
    fn text(&mut self, text: &str) -> Str {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let text = Str::new(text);
        if text.is_heap_allocated() {
            self.0.insert(text.clone());
        }
        text
    }
}

/// Reads the value of a column.
pub(crate) struct Value<'a> {
    pub(crate) column: &'a ColumnType,
    pub(crate) texts: &'a mut Texts,
}

/// Reads an atom; its type and constraint are checked.
struct One<'a> {
    base: &'a BaseType,
    texts: &'a mut Texts,
}

/// Reads the elements of a set.
struct Set<'a, 't>(&'t mut Value<'a>);

/// Reads the pairs of a map.
struct Map<'a, 't>(&'t mut Value<'a>);

/// Reads one of them.
struct Pair<'a> {
    types: (&'a BaseType, &'a BaseType),
    texts: &'a mut Texts,
}

/// A text that need not be copied.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Only that it is wrong is of interest: the other reader says how.
fn wrong<E: serde::de::Error>() -> E {
    E::custom("not a value of the column")
}

fn end<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<(), A::Error> {
    match seq.next_element::<IgnoredAny>()? {
        None => Ok(()),
        Some(_) => Err(wrong()),
    }
}

impl One<'_> {
    fn check<E: serde::de::Error>(&self, atom: Atom) -> Result<Atom, E> {
        if atom.atomic_type() != self.base.atomic || self.base.check(&atom).is_err() {
            return Err(wrong());
        }
        Ok(atom)
    }
}

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = Atom;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Atom, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for One<'_> {
    type Value = Atom;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an atom")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Atom, E> {
        self.check(Atom::Boolean(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Atom, E> {
        match self.base.atomic {
            // Not every integer is a real, and which it becomes is for the other reader to decide.
            AtomicType::Real => self.visit_f64(value as f64),
            _ => self.check(Atom::Integer(value)),
        }
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Atom, E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => self.visit_f64(value as f64),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Atom, E> {
        let atom = match self.base.atomic {
            AtomicType::Integer => json::whole(value).map(Atom::Integer),
            _ => Real::new(value).map(Atom::Real),
        };
        self.check(atom.ok_or_else(wrong)?)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Atom, E> {
        if self.base.atomic != AtomicType::String || value.contains('\0') {
            return Err(wrong());
        }
        let atom = Atom::String(self.texts.text(value));
        self.check(atom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Atom, A::Error> {
        let tag: Text<'de> = seq.next_element()?.ok_or_else(wrong)?;
        if tag.0 != "uuid" {
            return Err(wrong());
        }
        let text: Text<'de> = seq.next_element()?.ok_or_else(wrong)?;
        let uuid = json::parse_uuid(&text.0).ok_or_else(wrong)?;
        end(seq)?;
        self.check(Atom::Uuid(uuid))
    }
}

impl Value<'_> {
    fn one(&mut self) -> One<'_> {
        One {
            base: &self.column.key,
            texts: self.texts,
        }
    }

    /// A set of one atom, which has no form of its own.
    fn set_of_one<E: serde::de::Error>(
        mut self,
        read: impl FnOnce(One<'_>) -> Result<Atom, E>,
    ) -> Result<Datum, E> {
        if self.column.value.is_some() {
            return Err(wrong());
        }
        Ok(Datum::one(read(self.one())?))
    }

    fn check_count<E: serde::de::Error>(&self, count: usize) -> Result<(), E> {
        if count >= self.column.min as usize && count <= self.column.max as usize {
            Ok(())
        } else {
            Err(wrong())
        }
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Datum;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Datum, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Datum;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Datum, E> {
        self.set_of_one(|one| one.visit_bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Datum, E> {
        self.set_of_one(|one| one.visit_i64(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Datum, E> {
        self.set_of_one(|one| one.visit_u64(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Datum, E> {
        self.set_of_one(|one| one.visit_f64(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Datum, E> {
        self.set_of_one(|one| one.visit_str(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Datum, A::Error> {
        let tag: Text<'de> = seq.next_element()?.ok_or_else(wrong)?;
        let datum = match (&*tag.0, &self.column.value) {
            ("set", None) => seq.next_element_seed(Set(&mut self))?,
            ("map", Some(_)) => seq.next_element_seed(Map(&mut self))?,
            ("uuid", None) => {
                let text: Text<'de> = seq.next_element()?.ok_or_else(wrong)?;
                let uuid = json::parse_uuid(&text.0).ok_or_else(wrong)?;
                Some(Datum::one(self.one().check::<A::Error>(Atom::Uuid(uuid))?))
            }
            _ => None,
        };
        end(seq)?;
        datum.ok_or_else(wrong)
    }
}

impl<'de> DeserializeSeed<'de> for Set<'_, '_> {
    type Value = Datum;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Datum, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Set<'_, '_> {
    type Value = Datum;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Datum, A::Error> {
        let mut atoms = Vec::new();
        while let Some(atom) = seq.next_element_seed(self.0.one())? {
            atoms.push(atom);
        }
        self.0.check_count(atoms.len())?;
        atoms.sort_unstable();
        if atoms.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(wrong());
        }
        Ok(Datum::from_sorted_set(atoms))
    }
}

impl<'de> DeserializeSeed<'de> for Map<'_, '_> {
    type Value = Datum;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Datum, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Map<'_, '_> {
    type Value = Datum;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pairs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Datum, A::Error> {
        let column = self.0.column;
        let types = (&column.key, column.value.as_ref().ok_or_else(wrong)?);
        let mut pairs = Vec::new();
        loop {
            let texts = &mut *self.0.texts;
            let Some(pair) = seq.next_element_seed(Pair { types, texts })? else {
                break;
            };
            pairs.push(pair);
        }
        self.0.check_count(pairs.len())?;
        pairs.sort_unstable();
        if pairs.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(wrong());
        }
        Ok(Datum::from_sorted_map(pairs))
    }
}

impl<'de> DeserializeSeed<'de> for Pair<'_> {
    type Value = (Atom, Atom);
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Pair<'_> {
    type Value = (Atom, Atom);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pair")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let (base, texts) = (self.types.0, &mut *self.texts);
        let key = seq.next_element_seed(One { base, texts })?;
        let (base, texts) = (self.types.1, &mut *self.texts);
        let value = seq.next_element_seed(One { base, texts })?;
        end(seq)?;
        key.zip(value).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::*;

    fn atom() -> impl Strategy<Value = Json> {
        prop_oneof![
            (-2_i64..3).prop_map(Json::from),
            prop::sample::select(vec![1.5, 2.0, 1e300]).prop_map(Json::from),
            any::<bool>().prop_map(Json::from),
            "[a\\\\\"é\\x00]{0,2}".prop_map(Json::from),
            Just(json!(
                "a text that is longer than those that need no memory"
            )),
            Just(json!(["uuid", "00000000-0000-4000-8000-000000000001"])),
            Just(json!(["uuid", "no"])),
            Just(json!(["named-uuid", "row"])),
            Just(Json::Null),
        ]
    }

    fn value() -> impl Strategy<Value = Json> {
        let set = prop::collection::vec(atom(), 0..3).prop_map(|set| json!(["set", set]));
        let map = prop::collection::vec((atom(), atom()), 0..3).prop_map(|map| json!(["map", map]));
        prop_oneof![4 => atom(), 2 => set, 2 => map, 1 => Just(json!(["set", [], 1])), 1 => Just(json!({}))]
    }

    fn column() -> impl Strategy<Value = ColumnType> {
        let types = vec![
            BaseType::integer(),
            BaseType::integer_range(Some(0), Some(1)),
            BaseType::real(),
            BaseType::boolean(),
            BaseType::string(),
            BaseType::from(AtomicType::Uuid),
        ];
        let base = || prop::sample::select(types.clone());
        let column = (base(), prop::option::of(base()), 0..2_u32, 1..3_u32);
        column.prop_map(|(key, value, min, max)| ColumnType {
            key,
            value,
            min,
            max,
        })
    }

    proptest! {
        /// Both readers take the same, and refuse the same.
        #[test]
        fn what_is_read_is_what_the_other_reader_reads(column in column(), value in value()) {
            let text = value.to_string();
            let mut json = serde_json::Deserializer::from_str(&text);
            let texts = &mut Texts::default();
            let typed = Value { column: &column, texts }.deserialize(&mut json);
            prop_assert_eq!(typed.ok(), Datum::from_json(&column, &value).ok());
        }
    }

    #[test]
    fn long_texts_are_shared() {
        let column = ColumnType::set(BaseType::string());
        let texts = &mut Texts::default();
        let text = "a text that is longer than those that need no memory";
        for _ in 0..2 {
            let json = json!(["set", [text, "short"]]).to_string();
            let mut json = serde_json::Deserializer::from_str(&json);
            let column = &column;
            Value { column, texts }.deserialize(&mut json).unwrap();
        }
        assert_eq!(texts.0.len(), 1);
    }
}

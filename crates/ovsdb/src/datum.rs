//! Datums: what one column of one row holds, a sorted set of atoms or a sorted map.
//!
//! Invariant: the representation is canonical. A set of no or one element never takes the form of many, the
//! elements are sorted and distinct, so equal values are equal in form. A datum of no or one atom owns no
//! memory of its own (beyond a long text); larger ones are shared when cloned.

use std::sync::Arc;

use serde::ser::{Serialize, Serializer};

use crate::schema::ColumnType;
use crate::value::Atom;

/// The content of a column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Datum(Form);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Form {
    None,
    One(Atom),
    Set(Arc<[Atom]>),
    EmptyMap,
    Map(Arc<[(Atom, Atom)]>),
}

impl Default for Datum {
    fn default() -> Self {
        Self::EMPTY_SET
    }
}

impl Datum {
    /// The set of nothing.
    pub const EMPTY_SET: Self = Self(Form::None);
    /// The map of nothing.
    pub const EMPTY_MAP: Self = Self(Form::EmptyMap);

    /// A set of one atom, which is also what a column of exactly one value holds.
    pub fn one(atom: impl Into<Atom>) -> Self {
        Self(Form::One(atom.into()))
    }

    /// A set; doubles count once.
    pub fn set<T: Into<Atom>>(atoms: impl IntoIterator<Item = T>) -> Self {
        let mut atoms: Vec<Atom> = atoms.into_iter().map(Into::into).collect();
        atoms.sort_unstable();
        atoms.dedup();
        Self::from_sorted_set(atoms)
    }

    /// A map; of several pairs with the same key the last counts.
    pub fn map<K: Into<Atom>, V: Into<Atom>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut pairs: Vec<(Atom, Atom)> = pairs
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        pairs.reverse();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|a, b| a.0 == b.0);
        Self::from_sorted_map(pairs)
    }

    /// A set of atoms that are sorted and distinct already.
    pub(crate) fn from_sorted_set(mut atoms: Vec<Atom>) -> Self {
        debug_assert!(atoms.is_sorted_by(|a, b| a < b));
        if atoms.len() > 1 {
            return Self(Form::Set(atoms.into()));
        }
        atoms
            .pop()
            .map_or(Self::EMPTY_SET, |atom| Self(Form::One(atom)))
    }

    /// A map of pairs whose keys are sorted and distinct already.
    pub(crate) fn from_sorted_map(pairs: Vec<(Atom, Atom)>) -> Self {
        debug_assert!(pairs.is_sorted_by(|a, b| a.0 < b.0));
        if pairs.is_empty() {
            Self::EMPTY_MAP
        } else {
            Self(Form::Map(pairs.into()))
        }
    }

    /// Whether this is a map (also one of nothing).
    pub const fn is_map(&self) -> bool {
        matches!(self.0, Form::EmptyMap | Form::Map(_))
    }

    /// The elements of a set in order; nothing for a map.
    pub fn atoms(&self) -> &[Atom] {
        match &self.0 {
            Form::One(atom) => std::slice::from_ref(atom),
            Form::Set(atoms) => atoms,
            Form::None | Form::EmptyMap | Form::Map(_) => &[],
        }
    }

    /// The pairs of a map in order of their keys; nothing for a set.
    pub fn pairs(&self) -> &[(Atom, Atom)] {
        match &self.0 {
            Form::Map(pairs) => pairs,
            Form::None | Form::One(_) | Form::Set(_) | Form::EmptyMap => &[],
        }
    }

    /// How many elements or pairs there are.
    pub fn len(&self) -> usize {
        if self.is_map() {
            self.pairs().len()
        } else {
            self.atoms().len()
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The only element of a set of one.
    pub const fn as_one(&self) -> Option<&Atom> {
        match &self.0 {
            Form::One(atom) => Some(atom),
            _ => None,
        }
    }

    /// Whether a set holds `atom`, or a map has it as a key.
    pub fn contains(&self, atom: &Atom) -> bool {
        if self.is_map() {
            self.get(atom).is_some()
        } else {
            self.atoms().binary_search(atom).is_ok()
        }
    }

    /// The value that a map has for `key`.
    pub fn get(&self, key: &Atom) -> Option<&Atom> {
        let pairs = self.pairs();
        pairs
            .binary_search_by(|pair| pair.0.cmp(key))
            .ok()
            .map(|at| &pairs[at].1)
    }

    /// Whether the two are one piece of memory.
    pub(crate) fn shares_memory_with(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Form::Set(a), Form::Set(b)) => Arc::ptr_eq(a, b),
            (Form::Map(a), Form::Map(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// What a column of this type holds until it is set (RFC 7047 section 5.2.1).
    pub fn default_of(column: &ColumnType) -> Self {
        match &column.value {
            Some(_) if column.min == 0 => Self::EMPTY_MAP,
            Some(value) => Self::from_sorted_map(vec![(
                column.key.atomic.default_atom(),
                value.atomic.default_atom(),
            )]),
            None if column.min == 0 => Self::EMPTY_SET,
            None => Self::one(column.key.atomic.default_atom()),
        }
    }

    /// Whether this is what a column of this type holds until it is set.
    pub fn is_default_of(&self, column: &ColumnType) -> bool {
        if column.min == 0 {
            return self.is_empty();
        }
        match &self.0 {
            Form::One(atom) => atom.is_default(),
            Form::Map(pairs) => {
                pairs.len() == 1 && pairs[0].0.is_default() && pairs[0].1.is_default()
            }
            Form::None | Form::Set(_) | Form::EmptyMap => false,
        }
    }
}

impl<T: Into<Atom>> From<T> for Datum {
    fn from(value: T) -> Self {
        Self::one(value)
    }
}

/// The `<value>` of RFC 7047 section 5.1; a set of one element is written as that element.
impl Serialize for Datum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Form::One(atom) => atom.serialize(serializer),
            Form::None | Form::Set(_) => ("set", self.atoms()).serialize(serializer),
            Form::EmptyMap | Form::Map(_) => ("map", self.pairs()).serialize(serializer),
        }
    }
}

//! How Rust types stand for column types.
//!
//! A scalar (`Str`, `i64`, `bool`, `Uuid`, a reference, an enumeration) is a column of exactly one value,
//! `Option<scalar>` one of at most one, [`Set`] and [`Map`] ones of any number.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::ops::Deref;

use ovsdb::schema::{BaseType, ColumnType};
use ovsdb::{Atom, Datum, Str, Uuid};

use crate::table::Table;

/// A type of which one value is one atom.
pub trait Scalar: Clone + Eq + Ord + fmt::Debug {
    /// The OVSDB type with the constraints that the Rust type implies.
    fn base_type() -> BaseType;
    /// The value of an atom; `None` if the atom is of another type or not among the values allowed.
    fn from_atom(atom: &Atom) -> Option<Self>;
    /// The atom that stands for this value.
    fn to_atom(&self) -> Atom;
}

/// A type of which one value is the content of a column.
pub trait Column: Sized {
    /// The OVSDB type of the column.
    fn column_type() -> ColumnType;
    /// The value of a datum; `None` if the datum is of another type.
    fn from_datum(datum: &Datum) -> Option<Self>;
    /// The datum that stands for this value.
    fn to_datum(&self) -> Datum;
}

/// A set of values, sorted and without duplicates. Reads as a slice.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Set<T>(Vec<T>);

/// A map, sorted by key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Map<K, V>(Vec<(K, V)>);

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: fmt::Debug> fmt::Debug for Set<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.0).finish()
    }
}

impl<T> Deref for Set<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Ord> Set<T> {
    /// Whether the set holds `value`.
    pub fn contains<Q: Ord + ?Sized>(&self, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.0.binary_search_by(|x| x.borrow().cmp(value)).is_ok()
    }

    /// Adds `value`; says whether it was new.
    pub fn insert(&mut self, value: T) -> bool {
        match self.0.binary_search(&value) {
            Ok(_) => false,
            Err(at) => {
                self.0.insert(at, value);
                true
            }
        }
    }

    /// Removes `value`; says whether it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        match self.0.binary_search_by(|x| x.borrow().cmp(value)) {
            Ok(at) => {
                self.0.remove(at);
                true
            }
            Err(_) => false,
        }
    }
}

impl<T: Ord> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(iter: I) -> Self {
        let mut values: Vec<T> = iter.into_iter().collect();
        values.sort_unstable();
        values.dedup();
        Self(values)
    }
}

impl<T> IntoIterator for Set<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Set<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K, V> Map<K, V> {
    /// The pairs, in order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&K, &V)> + DoubleEndedIterator {
        self.0.iter().map(|(k, v)| (k, v))
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Ord, V> Map<K, V> {
    fn position<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(k, _)| k.borrow().cmp(key))
    }

    /// The value of `key`.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.position(key).ok().map(|at| &self.0[at].1)
    }

    /// Sets the value of `key`; gives back the former one.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.position(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    /// Removes `key`; gives back its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.position(key).ok().map(|at| self.0.remove(at).1)
    }
}

impl<V> Map<Str, V> {
    /// Whether the value of `key` satisfies `test`; false where there is none.
    pub fn is(&self, key: &str, test: impl FnOnce(&V) -> bool) -> bool {
        self.get(key).is_some_and(test)
    }
}

impl Map<Str, Str> {
    /// Whether the option `key` is set to `true`.
    pub fn is_true(&self, key: &str) -> bool {
        self.is(key, |value| value == "true")
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Map<K, V> {
    /// The last of several pairs with one key stays.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(iter: I) -> Self {
        let mut pairs: Vec<(K, V)> = iter.into_iter().collect();
        pairs.reverse();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|a, b| a.0 == b.0);
        Self(pairs)
    }
}

impl<K, V> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// What [`Strong`] and [`Weak`] have in common.
pub trait Reference {
    /// The UUID of the row referred to.
    fn uuid(&self) -> Uuid;
}

macro_rules! reference {
    ($(#[$doc:meta])* $name:ident, $make:ident) => {
        $(#[$doc])*
        pub struct $name<T>(Uuid, PhantomData<fn() -> T>);

        impl<T> $name<T> {
            /// A reference to the row `uuid` of table `T`.
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid, PhantomData)
            }

            /// The UUID of the row referred to.
            pub const fn uuid(&self) -> Uuid {
                self.0
            }
        }

        impl<T> Reference for $name<T> {
            fn uuid(&self) -> Uuid {
                self.0
            }
        }

        impl<T> From<Uuid> for $name<T> {
            fn from(uuid: Uuid) -> Self {
                Self::new(uuid)
            }
        }

        impl<T> Default for $name<T> {
            fn default() -> Self {
                Self::new(Uuid::nil())
            }
        }

        impl<T> Clone for $name<T> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<T> Copy for $name<T> {}

        impl<T> PartialEq for $name<T> {
            fn eq(&self, other: &Self) -> bool {
                self.0 == other.0
            }
        }

        impl<T> Eq for $name<T> {}

        impl<T> PartialOrd for $name<T> {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl<T> Ord for $name<T> {
            fn cmp(&self, other: &Self) -> Ordering {
                self.0.cmp(&other.0)
            }
        }

        impl<T> Hash for $name<T> {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.0.hash(state);
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl<T: Table> Scalar for $name<T> {
            fn base_type() -> BaseType {
                BaseType::$make(T::NAME)
            }
            fn from_atom(atom: &Atom) -> Option<Self> {
                Uuid::from_atom(atom).map(Self::new)
            }
            fn to_atom(&self) -> Atom {
                Atom::Uuid(self.0)
            }
        }
    };
}

reference!(
    /// A reference that keeps the row of table `T` alive and that must not dangle.
    Strong,
    strong_reference
);
reference!(
    /// A reference that the database removes when the row of table `T` goes.
    Weak,
    weak_reference
);

macro_rules! scalar {
    ($($ty:ty: $base:ident, $variant:ident;)*) => { $(
        impl Scalar for $ty {
            fn base_type() -> BaseType {
                BaseType::$base()
            }
            fn from_atom(atom: &Atom) -> Option<Self> {
                match atom {
                    Atom::$variant(value) => Some(value.clone()),
                    _ => None,
                }
            }
            fn to_atom(&self) -> Atom {
                Atom::$variant(self.clone())
            }
        }
    )* };
}

scalar! {
    Str: string, String;
    i64: integer, Integer;
    bool: boolean, Boolean;
    Uuid: uuid, Uuid;
}

impl<T: Scalar> Column for T {
    fn column_type() -> ColumnType {
        ColumnType::scalar(T::base_type())
    }
    fn from_datum(datum: &Datum) -> Option<Self> {
        datum.as_one().and_then(T::from_atom)
    }
    fn to_datum(&self) -> Datum {
        Datum::one(self.to_atom())
    }
}

impl<T: Scalar> Column for Option<T> {
    fn column_type() -> ColumnType {
        ColumnType::optional(T::base_type())
    }
    fn from_datum(datum: &Datum) -> Option<Self> {
        match datum.atoms() {
            [] => Some(None),
            [atom] => T::from_atom(atom).map(Some),
            _ => None,
        }
    }
    fn to_datum(&self) -> Datum {
        self.as_ref()
            .map_or(Datum::EMPTY_SET, |value| Datum::one(value.to_atom()))
    }
}

impl<T: Scalar> Column for Set<T> {
    fn column_type() -> ColumnType {
        ColumnType::set(T::base_type())
    }
    fn from_datum(datum: &Datum) -> Option<Self> {
        datum.atoms().iter().map(T::from_atom).collect()
    }
    fn to_datum(&self) -> Datum {
        Datum::set(self.iter().map(T::to_atom))
    }
}

impl<K: Scalar, V: Scalar> Column for Map<K, V> {
    fn column_type() -> ColumnType {
        ColumnType::map(K::base_type(), V::base_type())
    }
    fn from_datum(datum: &Datum) -> Option<Self> {
        datum
            .pairs()
            .iter()
            .map(|(k, v)| Some((K::from_atom(k)?, V::from_atom(v)?)))
            .collect()
    }
    fn to_datum(&self) -> Datum {
        Datum::map(self.iter().map(|(k, v)| (k.to_atom(), v.to_atom())))
    }
}

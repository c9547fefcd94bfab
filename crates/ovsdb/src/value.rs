//! Atoms: the single values that columns are made of (RFC 7047 section 5.1).
//!
//! Invariant: atoms have one total order, in which the atoms of one type stand as their type orders them.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::ser::{Serialize, Serializer};

use crate::{Str, Uuid};

/// A floating point number that is a value: finite, with one zero, totally ordered.
#[derive(Clone, Copy, Default)]
pub struct Real(f64);

impl Real {
    /// The number, unless it is infinite or not a number (JSON has neither).
    pub fn new(value: f64) -> Option<Self> {
        // Adding zero turns the negative zero into the positive one.
        value.is_finite().then_some(Self(value + 0.0))
    }

    /// The number.
    pub const fn value(self) -> f64 {
        self.0
    }
}

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Real {}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Real {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Hash for Real {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl fmt::Debug for Real {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Real {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A whole number is written like an integer, as the stock server does.
impl Serialize for Real {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match crate::json::whole(self.0) {
            Some(whole) => serializer.serialize_i64(whole),
            None => serializer.serialize_f64(self.0),
        }
    }
}

/// The type of an atom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AtomicType {
    /// A signed 64-bit integer.
    Integer,
    /// A finite floating point number.
    Real,
    /// True or false.
    Boolean,
    /// Unicode text without NUL.
    String,
    /// A UUID, often that of a row.
    Uuid,
}

impl AtomicType {
    /// The name in a schema.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Uuid => "uuid",
        }
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Integer,
            Self::Real,
            Self::Boolean,
            Self::String,
            Self::Uuid,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }

    /// What a column of exactly one value holds until it is set.
    pub fn default_atom(self) -> Atom {
        match self {
            Self::Integer => Atom::Integer(0),
            Self::Real => Atom::Real(Real::default()),
            Self::Boolean => Atom::Boolean(false),
            Self::String => Atom::String(Str::default()),
            Self::Uuid => Atom::Uuid(Uuid::nil()),
        }
    }
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Atom {
    /// A signed 64-bit integer.
    Integer(i64),
    /// A finite floating point number.
    Real(Real),
    /// True or false.
    Boolean(bool),
    /// Unicode text without NUL.
    String(Str),
    /// A UUID.
    Uuid(Uuid),
}

impl Atom {
    /// The type of the value.
    pub const fn atomic_type(&self) -> AtomicType {
        match self {
            Self::Integer(_) => AtomicType::Integer,
            Self::Real(_) => AtomicType::Real,
            Self::Boolean(_) => AtomicType::Boolean,
            Self::String(_) => AtomicType::String,
            Self::Uuid(_) => AtomicType::Uuid,
        }
    }

    /// Whether this is what a column of exactly one value holds until it is set.
    pub fn is_default(&self) -> bool {
        match self {
            Self::Integer(value) => *value == 0,
            Self::Real(value) => value.value() == 0.0,
            Self::Boolean(value) => !value,
            Self::String(value) => value.is_empty(),
            Self::Uuid(value) => value.is_nil(),
        }
    }

    /// The integer.
    pub const fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The boolean.
    pub const fn as_boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// The text.
    pub const fn as_str(&self) -> Option<&Str> {
        match self {
            Self::String(value) => Some(value),
            _ => None,
        }
    }

    /// The UUID.
    pub const fn as_uuid(&self) -> Option<Uuid> {
        match self {
            Self::Uuid(value) => Some(*value),
            _ => None,
        }
    }
}

impl From<i64> for Atom {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<bool> for Atom {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<Real> for Atom {
    fn from(value: Real) -> Self {
        Self::Real(value)
    }
}

impl From<&str> for Atom {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}

impl From<String> for Atom {
    fn from(value: String) -> Self {
        Self::String(value.into())
    }
}

impl From<Str> for Atom {
    fn from(value: Str) -> Self {
        Self::String(value)
    }
}

impl From<Uuid> for Atom {
    fn from(value: Uuid) -> Self {
        Self::Uuid(value)
    }
}

/// The `<atom>` of RFC 7047 section 5.1.
impl Serialize for Atom {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Real(value) => value.serialize(serializer),
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::String(value) => serializer.serialize_str(value),
            Self::Uuid(value) => {
                let mut buffer = Uuid::encode_buffer();
                let text: &str = value.hyphenated().encode_lower(&mut buffer);
                ("uuid", text).serialize(serializer)
            }
        }
    }
}

/// The JSON form, as error texts show it.
impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => write!(f, "{value}"),
            Self::Real(value) => write!(f, "{value}"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::String(value) => write!(f, "{value:?}"),
            Self::Uuid(value) => write!(f, "{value}"),
        }
    }
}

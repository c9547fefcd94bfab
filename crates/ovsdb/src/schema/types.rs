//! Column types: base types with their constraints, and how many of them a column holds (RFC 7047
//! section 3.2).

use std::sync::Arc;

use crate::value::{Atom, AtomicType, Real};
use crate::{Datum, Error, Str};

/// What an atom must be beyond its type.
#[derive(Debug, Clone, PartialEq)]
pub enum Constraint {
    /// Nothing.
    None,
    /// One of these, sorted.
    Enum(Arc<[Atom]>),
    /// An integer in this range, ends included.
    IntegerRange(Option<i64>, Option<i64>),
    /// A real in this range, ends included.
    RealRange(Option<Real>, Option<Real>),
    /// Text of that many characters, ends included.
    Length(u32, u32),
    /// A row of `table`; a strong reference keeps it alive, a weak one goes when the row goes.
    Reference {
        /// The table referred to.
        table: Str,
        /// Whether the reference keeps the row alive.
        strong: bool,
    },
}

/// The type of one atom of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseType {
    /// The type of the atom.
    pub atomic: AtomicType,
    /// What else it must be.
    pub constraint: Constraint,
}

impl From<AtomicType> for BaseType {
    fn from(atomic: AtomicType) -> Self {
        Self {
            atomic,
            constraint: Constraint::None,
        }
    }
}

impl BaseType {
    /// Any integer.
    pub const fn integer() -> Self {
        Self {
            atomic: AtomicType::Integer,
            constraint: Constraint::None,
        }
    }

    /// An integer within the bounds that are given, ends included.
    pub const fn integer_range(min: Option<i64>, max: Option<i64>) -> Self {
        Self {
            atomic: AtomicType::Integer,
            constraint: Constraint::IntegerRange(min, max),
        }
    }

    /// Any real.
    pub const fn real() -> Self {
        Self {
            atomic: AtomicType::Real,
            constraint: Constraint::None,
        }
    }

    /// A boolean.
    pub const fn boolean() -> Self {
        Self {
            atomic: AtomicType::Boolean,
            constraint: Constraint::None,
        }
    }

    /// Any text.
    pub const fn string() -> Self {
        Self {
            atomic: AtomicType::String,
            constraint: Constraint::None,
        }
    }

    /// Text of `min` to `max` characters.
    pub const fn string_length(min: u32, max: u32) -> Self {
        Self {
            atomic: AtomicType::String,
            constraint: Constraint::Length(min, max),
        }
    }

    /// Any UUID.
    pub const fn uuid() -> Self {
        Self {
            atomic: AtomicType::Uuid,
            constraint: Constraint::None,
        }
    }

    /// A row of `table` that is kept alive.
    pub fn strong_reference(table: impl Into<Str>) -> Self {
        let constraint = Constraint::Reference {
            table: table.into(),
            strong: true,
        };
        Self {
            atomic: AtomicType::Uuid,
            constraint,
        }
    }

    /// A row of `table` that is not kept alive.
    pub fn weak_reference(table: impl Into<Str>) -> Self {
        let constraint = Constraint::Reference {
            table: table.into(),
            strong: false,
        };
        Self {
            atomic: AtomicType::Uuid,
            constraint,
        }
    }

    /// One of these atoms, which must all have the type `atomic`.
    pub fn enumeration<T: Into<Atom>>(
        atomic: AtomicType,
        atoms: impl IntoIterator<Item = T>,
    ) -> Self {
        let mut atoms: Vec<Atom> = atoms.into_iter().map(Into::into).collect();
        atoms.sort_unstable();
        atoms.dedup();
        Self {
            atomic,
            constraint: Constraint::Enum(atoms.into()),
        }
    }

    /// The table referred to and whether the reference is strong.
    pub const fn reference(&self) -> Option<(&Str, bool)> {
        match &self.constraint {
            Constraint::Reference { table, strong } => Some((table, *strong)),
            _ => None,
        }
    }

    /// Checks the constraint; the type is checked where the atom is read.
    ///
    /// # Errors
    /// A constraint violation that names the value and what is allowed.
    pub fn check(&self, atom: &Atom) -> Result<(), Error> {
        let allowed = match (&self.constraint, atom) {
            (Constraint::Enum(atoms), _) if atoms.binary_search(atom).is_err() => {
                let names: Vec<String> = atoms.iter().map(Atom::to_string).collect();
                return Err(Error::constraint(format!(
                    "{atom} is not one of the allowed values ([{}])",
                    names.join(", ")
                )));
            }
            (Constraint::IntegerRange(min, max), Atom::Integer(value)) => {
                within(value, min.as_ref(), max.as_ref())
            }
            (Constraint::RealRange(min, max), Atom::Real(value)) => {
                within(value, min.as_ref(), max.as_ref())
            }
            (Constraint::Length(min, max), Atom::String(text)) => {
                let count = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
                within(&count, Some(min), Some(max)).map_err(|text| format!("length {text}"))
            }
            _ => Ok(()),
        };
        allowed.map_err(|text| Error::constraint(format!("{atom}: {text}")))
    }
}

/// Says what is wrong with `value` when it lies outside of the range.
fn within<T: PartialOrd + std::fmt::Display>(
    value: &T,
    min: Option<&T>,
    max: Option<&T>,
) -> Result<(), String> {
    if let Some(min) = min.filter(|min| value < min) {
        return Err(format!("{value} is less than minimum allowed value {min}"));
    }
    if let Some(max) = max.filter(|max| value > max) {
        return Err(format!(
            "{value} is greater than maximum allowed value {max}"
        ));
    }
    Ok(())
}

/// The type of a column: a set of `min` to `max` keys, or a map of that many pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnType {
    /// The type of an element, or of a map's key.
    pub key: BaseType,
    /// The type of a map's value.
    pub value: Option<BaseType>,
    /// The least number of elements: 0 or 1.
    pub min: u32,
    /// The greatest number of elements: at least 1, [`ColumnType::UNLIMITED`] for no bound.
    pub max: u32,
}

impl ColumnType {
    /// As many elements as one likes.
    pub const UNLIMITED: u32 = u32::MAX;

    /// Exactly one value.
    pub const fn scalar(key: BaseType) -> Self {
        Self {
            key,
            value: None,
            min: 1,
            max: 1,
        }
    }

    /// One value or none.
    pub const fn optional(key: BaseType) -> Self {
        Self {
            key,
            value: None,
            min: 0,
            max: 1,
        }
    }

    /// Any number of values.
    pub const fn set(key: BaseType) -> Self {
        Self {
            key,
            value: None,
            min: 0,
            max: Self::UNLIMITED,
        }
    }

    /// Any number of pairs.
    pub const fn map(key: BaseType, value: BaseType) -> Self {
        Self {
            key,
            value: Some(value),
            min: 0,
            max: Self::UNLIMITED,
        }
    }

    /// The same with other bounds of the number of elements.
    #[must_use]
    pub fn with_bounds(mut self, min: u32, max: u32) -> Self {
        self.min = min;
        self.max = max;
        self
    }

    /// Whether the column holds pairs.
    pub const fn is_map(&self) -> bool {
        self.value.is_some()
    }

    /// Whether the column holds exactly one value.
    pub const fn is_scalar(&self) -> bool {
        self.value.is_none() && self.min == 1 && self.max == 1
    }

    /// The base types of keys and, for a map, values.
    pub fn bases(&self) -> impl Iterator<Item = &BaseType> {
        std::iter::once(&self.key).chain(self.value.as_ref())
    }

    /// Whether an atom of the column refers to a row.
    pub fn has_references(&self) -> bool {
        self.bases().any(|base| base.reference().is_some())
    }

    /// Checks number, types and constraints of a whole value.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn check(&self, datum: &Datum) -> Result<(), Error> {
        let count = datum.len();
        if count < self.min as usize || count > self.max as usize {
            return Err(Error::constraint(format!(
                "{count} values where {} to {} are allowed",
                self.min, self.max
            )));
        }
        if datum.is_map() != self.is_map() {
            return Err(Error::syntax(if self.is_map() {
                "expected map"
            } else {
                "expected set"
            }));
        }
        datum
            .atoms()
            .iter()
            .try_for_each(|atom| check_atom(&self.key, atom))?;
        let Some(value) = &self.value else {
            return Ok(());
        };
        datum.pairs().iter().try_for_each(|(k, v)| {
            check_atom(&self.key, k)?;
            check_atom(value, v)
        })
    }
}

fn check_atom(base: &BaseType, atom: &Atom) -> Result<(), Error> {
    if base.atomic != atom.atomic_type() {
        return Err(Error::syntax(format!("expected {}", base.atomic.name())));
    }
    base.check(atom)
}

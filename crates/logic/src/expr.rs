//! A match expression as it was written: symbols by name, constants in their notation.

use std::collections::BTreeSet;
use std::fmt;

use crate::constant::quote;
use crate::{Constant, Slice, Str, Symbol};

/// A match expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Expr {
    /// `1` or `0`.
    Const(bool),
    /// A predicate such as `ip4` or `eth.mcast`.
    Predicate(&'static Symbol),
    /// A single bit by itself, such as `ct.new` or `flags[3]`.
    Bit(Slice),
    /// A symbol against constants.
    Compare(Comparison),
    /// `is_chassis_resident("port")`.
    Resident(Str),
    /// All of them; at least two, none of them an `And`.
    And(Vec<Self>),
    /// Any of them; at least two, none of them an `Or`.
    Or(Vec<Self>),
    /// The opposite; never of a `Not` or a `Const`.
    Not(Box<Self>),
}

/// A symbol, a relation, and the constants. `==` holds when it holds for one of them, `!=` when it
/// holds for all of them; the other relations have exactly one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Comparison {
    /// The left side.
    pub operand: Slice,
    /// The relation.
    pub relation: Relation,
    /// The right side, at least one.
    pub values: Vec<Value>,
}

/// A relation between a symbol and a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relation {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// One constant on the right side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// A number, possibly masked.
    Number(Constant),
    /// A port name.
    Text(Str),
    /// `$name`
    AddressSet(Str),
    /// `@name`
    PortGroup(Str),
}

/// What an expression refers to outside itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Address sets, without the `$`.
    pub address_sets: BTreeSet<Str>,
    /// Port groups, without the `@`.
    pub port_groups: BTreeSet<Str>,
    /// Ports whose tunnel key matters.
    pub ports: BTreeSet<Str>,
    /// Ports whose residency matters.
    pub residents: BTreeSet<Str>,
}

impl Expr {
    /// All of `parts`, flattened; true when there are none.
    pub fn and(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::And(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 => Self::Const(true),
            1 => flat.remove(0),
            _ => Self::And(flat),
        }
    }

    /// Any of `parts`, flattened; false when there are none.
    pub fn or(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 => Self::Const(false),
            1 => flat.remove(0),
            _ => Self::Or(flat),
        }
    }

    /// The opposite of `self`.
    #[allow(clippy::should_implement_trait)]
    pub fn not(self) -> Self {
        match self {
            Self::Const(value) => Self::Const(!value),
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// Everything outside the expression that its meaning depends on.
    pub fn references(&self) -> References {
        let mut references = References::default();
        self.collect(&mut references);
        references
    }

    fn collect(&self, references: &mut References) {
        match self {
            Self::Const(_) | Self::Predicate(_) | Self::Bit(_) => {}
            Self::Resident(port) => {
                references.residents.insert(port.clone());
            }
            Self::Compare(comparison) => {
                for value in &comparison.values {
                    match value {
                        Value::Number(_) => continue,
                        Value::Text(name) => references.ports.insert(name.clone()),
                        Value::AddressSet(name) => references.address_sets.insert(name.clone()),
                        Value::PortGroup(name) => references.port_groups.insert(name.clone()),
                    };
                }
            }
            Self::And(parts) | Self::Or(parts) => {
                parts.iter().for_each(|part| part.collect(references));
            }
            Self::Not(inner) => inner.collect(references),
        }
    }
}

impl Relation {
    /// The relation of the swapped sides: `5 < x` is `x > 5`.
    pub(crate) fn swapped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }

    /// The relation that holds when this one does not.
    pub(crate) fn negated(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(constant) => constant.fmt(f),
            Self::Text(text) => f.write_str(&quote(text)),
            Self::AddressSet(name) => write!(f, "${name}"),
            Self::PortGroup(name) => write!(f, "@{name}"),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.operand, self.relation)?;
        if let [single] = self.values.as_slice() {
            return single.fmt(f);
        }
        f.write_str("{")?;
        for (i, value) in self.values.iter().enumerate() {
            write!(f, "{}{value}", if i == 0 { "" } else { ", " })?;
        }
        f.write_str("}")
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Const(value) => f.write_str(if *value { "1" } else { "0" }),
            Self::Predicate(symbol) => f.write_str(symbol.name()),
            Self::Bit(slice) => slice.fmt(f),
            Self::Compare(comparison) => comparison.fmt(f),
            Self::Resident(port) => write!(f, "is_chassis_resident({})", quote(port)),
            Self::And(parts) => joined(f, parts, " && "),
            Self::Or(parts) => joined(f, parts, " || "),
            Self::Not(inner) => match **inner {
                Self::Compare(_) | Self::And(_) | Self::Or(_) => write!(f, "!({inner})"),
                _ => write!(f, "!{inner}"),
            },
        }
    }
}

/// Prints the parts of a conjunction or disjunction; a nested one of the other kind needs
/// parentheses because the two have no precedence over each other.
fn joined(f: &mut fmt::Formatter<'_>, parts: &[Expr], operator: &str) -> fmt::Result {
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            f.write_str(operator)?;
        }
        match part {
            Expr::And(_) | Expr::Or(_) => write!(f, "({part})")?,
            _ => write!(f, "{part}")?,
        }
    }
    Ok(())
}

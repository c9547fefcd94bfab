//! Expressions to trees of masked terms: predicates expanded, `!` pushed to the comparisons,
//! prerequisites added, sets and groups looked up.

use std::borrow::Cow;
use std::sync::Arc;

use crate::bits::{self, Masked, complement, ones};
use crate::normal::{Conjunct, Environment, Limits, Term};
use crate::{
    Bits, Comparison, Constant, Expr, Field, Kind, NormalError, Relation, Slice, Str, Symbol, Value,
};

/// Alternatives: of a symbol the same each time, or made for one expression.
pub(super) type Alternatives = Cow<'static, [Conjunct]>;

/// An expression of terms only.
#[derive(Debug)]
pub(super) enum Tree {
    /// Alternatives, already multiplied out; none never holds.
    Any(Alternatives),
    /// All of them.
    And(Vec<Self>),
    /// Any of them.
    Or(Vec<Self>),
}

impl Tree {
    fn constant(value: bool) -> Self {
        Self::any(if value {
            vec![Conjunct::always()]
        } else {
            Vec::new()
        })
    }

    fn any(alternatives: Vec<Conjunct>) -> Self {
        Self::Any(Cow::Owned(alternatives))
    }
}

/// What a lowering needs everywhere.
pub(super) struct Lowering<'a> {
    pub(super) environment: &'a dyn Environment,
    pub(super) limits: Limits,
}

impl Lowering<'_> {
    /// The tree of `expr`, or of its opposite.
    pub(super) fn lower(&self, expr: &Expr, positive: bool) -> Result<Tree, NormalError> {
        match expr {
            Expr::Const(value) => Ok(Tree::constant(*value == positive)),
            Expr::Resident(port) => Ok(Tree::constant(
                self.environment.is_resident(port) == positive,
            )),
            Expr::Not(inner) => self.lower(inner, !positive),
            Expr::And(parts) if positive => Ok(Tree::And(self.all(parts, positive)?)),
            Expr::Or(parts) if !positive => Ok(Tree::And(self.all(parts, positive)?)),
            Expr::And(parts) | Expr::Or(parts) => Ok(Tree::Or(self.all(parts, positive)?)),
            Expr::Predicate(symbol) => match symbol.kind() {
                Kind::Predicate(expansion) if positive => Ok(form(symbol, expansion)),
                Kind::Predicate(expansion) => self.lower(expansion, positive),
                Kind::Bits(_) | Kind::Port(_) => Ok(Tree::constant(false)),
            },
            Expr::Bit(slice) => {
                let terms = masked(slice.bits(), &[(u128::from(positive), 1)]);
                Ok(guarded(*slice, Tree::any(terms)))
            }
            Expr::Compare(comparison) => {
                let tree = self.comparison(comparison, positive)?;
                Ok(guarded(comparison.operand, tree))
            }
        }
    }

    fn all(&self, parts: &[Expr], positive: bool) -> Result<Vec<Tree>, NormalError> {
        parts
            .iter()
            .map(|part| self.lower(part, positive))
            .collect()
    }

    fn comparison(&self, comparison: &Comparison, positive: bool) -> Result<Tree, NormalError> {
        let bits = comparison.operand.bits();
        let relation = if positive {
            comparison.relation
        } else {
            comparison.relation.negated()
        };
        let set = self.values(comparison, bits)?;
        let alternatives = match relation {
            Relation::Equal => masked(bits, &set),
            Relation::NotEqual => masked(bits, &self.complement(&set)?),
            _ => {
                // The parser gives these relations exactly one number.
                let number = set.first().map_or(0, |(value, _)| *value);
                masked(bits, &ordered(relation, number, bits.width))
            }
        };
        Ok(Tree::any(alternatives))
    }

    fn complement(&self, set: &[Masked]) -> Result<Vec<Masked>, NormalError> {
        let limit = self.limits.conjuncts;
        complement(set, limit).ok_or(NormalError::TooLarge { limit })
    }

    /// The constants as masked values of the slice, sets and groups looked up.
    fn values(&self, comparison: &Comparison, bits: Bits) -> Result<Vec<Masked>, NormalError> {
        let all = ones(bits.width);
        let mut result = Vec::new();
        for value in &comparison.values {
            match value {
                Value::Number(number) => result.push((number.value, number.mask_or_exact() & all)),
                Value::Text(name) => {
                    result.extend(self.environment.port_key(name).map(|key| (key.into(), all)));
                }
                Value::PortGroup(name) => {
                    let ports = self
                        .environment
                        .port_group(name)
                        .ok_or_else(|| NormalError::UnknownPortGroup(name.clone()))?;
                    let keys = ports
                        .iter()
                        .filter_map(|port| self.environment.port_key(port));
                    result.extend(keys.map(|key| (u128::from(key), all)));
                }
                Value::AddressSet(name) => {
                    let members = self
                        .environment
                        .address_set(name)
                        .ok_or_else(|| NormalError::UnknownAddressSet(name.clone()))?;
                    let fitting = members.iter().filter(|member| member.fits(bits.width));
                    result.extend(fitting.map(|m| (m.value, m.mask_or_exact() & all)));
                }
            }
            if result.len() > self.limits.conjuncts {
                return Err(NormalError::TooLarge {
                    limit: self.limits.conjuncts,
                });
            }
        }
        Ok(result)
    }
}

/// The tree together with the prerequisites of the symbol.
fn guarded(slice: Slice, tree: Tree) -> Tree {
    let symbol = slice.symbol();
    match symbol.prerequisite() {
        None => tree,
        Some(prerequisite) => Tree::And(vec![form(symbol, prerequisite), tree]),
    }
}

/// What `expr`, the prerequisite or the expansion of a symbol, comes to. It asks nothing of the world.
fn form(symbol: &'static Symbol, expr: &Expr) -> Tree {
    let make = || match super::convert::normalise(expr, &Nowhere, Limits::flat(usize::MAX)) {
        Ok(form) => form.conjuncts,
        Err(_) => unreachable!("the table's own expressions name no set, and have no limit"),
    };
    Tree::Any(Cow::Borrowed(symbol.form.get_or_init(make)))
}

/// Knows nothing, as the table's own expressions ask nothing.
struct Nowhere;

impl Environment for Nowhere {
    fn address_set(&self, _: &str) -> Option<Arc<[Constant]>> {
        None
    }

    fn port_group(&self, _: &str) -> Option<Arc<[Str]>> {
        None
    }

    fn port_key(&self, _: &str) -> Option<u32> {
        None
    }

    fn is_resident(&self, _: &str) -> bool {
        false
    }
}

/// The masked values that `relation number` allows.
fn ordered(relation: Relation, number: u128, width: u8) -> Vec<Masked> {
    let highest = ones(width);
    let bounds = match relation {
        Relation::Less => number.checked_sub(1).map(|high| (0, high)),
        Relation::LessOrEqual => Some((0, number)),
        Relation::Greater => (number < highest).then(|| (number + 1, highest)),
        Relation::GreaterOrEqual => Some((number, highest)),
        Relation::Equal | Relation::NotEqual => Some((number, number)),
    };
    bounds.map_or_else(Vec::new, |(low, high)| bits::range(low, high, width))
}

/// Masked values of a slice as conjuncts over basic fields; a slice over several registers gives a
/// term a register.
fn masked(bits: Bits, set: &[Masked]) -> Vec<Conjunct> {
    set.iter()
        .map(|(value, mask)| placed(bits, *value, *mask))
        .collect()
}

fn placed(bits: Bits, value: u128, mask: u128) -> Conjunct {
    let (value, mask) = (value << bits.first, mask << bits.first);
    let field = bits.field;
    if !matches!(field, Field::XReg(_) | Field::XxReg(_)) && mask != 0 {
        let value = value & mask;
        return Conjunct::of(Term { field, value, mask });
    }
    let mut conjunct = Conjunct::always();
    let mut below: u32 = bits.field.width().into();
    for part in bits.field.parts() {
        below -= u32::from(part.width());
        let part_mask = (mask >> below) & part.mask();
        if part_mask != 0 {
            let value = (value >> below) & part_mask;
            let term = Conjunct::of(Term {
                field: part,
                value,
                mask: part_mask,
            });
            // The registers of a container are different fields, so they cannot contradict.
            conjunct = conjunct.and(&term).unwrap_or(conjunct);
        }
    }
    conjunct
}

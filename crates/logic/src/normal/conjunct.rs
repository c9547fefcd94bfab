//! Conjunctions of masked fields: merging, implication, removal of the superfluous.

use std::fmt;

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use crate::{Field, Packet};

/// A field must have `value` in the bits of `mask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    /// The field; never a container of registers.
    pub field: Field,
    /// What the bits must be; nothing outside `mask`.
    pub value: u128,
    /// Which bits; at least one.
    pub mask: u128,
}

/// Terms that must all hold, sorted by field, at most one a field. Empty, it always holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conjunct {
    terms: SmallVec<[Term; 4]>,
}

impl Term {
    /// Whether every bit of the field is given.
    pub fn is_exact(&self) -> bool {
        self.mask == self.field.mask()
    }
}

impl Conjunct {
    /// Always holds.
    pub fn always() -> Self {
        Self::default()
    }

    pub(crate) fn of(term: Term) -> Self {
        Self {
            terms: SmallVec::from_slice(&[term]),
        }
    }

    /// The terms, sorted by field.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// The term of a field.
    pub fn term(&self, field: Field) -> Option<&Term> {
        self.terms
            .binary_search_by_key(&field, |t| t.field)
            .ok()
            .map(|i| &self.terms[i])
    }

    /// Whether a packet satisfies all terms.
    pub fn holds(&self, packet: &dyn Packet) -> bool {
        self.terms
            .iter()
            .all(|term| packet.field(term.field) & term.mask == term.value)
    }

    /// Both together; `None` when they contradict each other.
    pub fn and(&self, other: &Self) -> Option<Self> {
        let mut terms = SmallVec::with_capacity(self.terms.len() + other.terms.len());
        let (mut left, mut right) = (self.terms.iter().peekable(), other.terms.iter().peekable());
        loop {
            match (left.peek(), right.peek()) {
                (None, None) => return Some(Self { terms }),
                (Some(a), Some(b)) if a.field == b.field => {
                    if (a.value ^ b.value) & a.mask & b.mask != 0 {
                        return None;
                    }
                    let (value, mask) = (a.value | b.value, a.mask | b.mask);
                    terms.push(Term {
                        field: a.field,
                        value,
                        mask,
                    });
                    left.next();
                    right.next();
                }
                (Some(a), b) if b.is_none_or(|b| a.field < b.field) => {
                    terms.push(**a);
                    left.next();
                }
                (_, Some(b)) => {
                    terms.push(**b);
                    right.next();
                }
                (Some(_), None) => {
                    unreachable!("the guard above takes a left term without a right")
                }
            }
        }
    }

    /// The terms that `keep` wants.
    pub(crate) fn project(&self, keep: impl Fn(Field) -> bool) -> Self {
        Self {
            terms: self
                .terms
                .iter()
                .filter(|t| keep(t.field))
                .copied()
                .collect(),
        }
    }

    /// Whether every packet that satisfies it satisfies `wider` too.
    fn implies(&self, wider: &Self) -> bool {
        wider.terms.iter().all(|wide| {
            self.term(wide.field).is_some_and(|term| {
                term.mask & wide.mask == wide.mask && (term.value ^ wide.value) & wide.mask == 0
            })
        })
    }

    /// Which bits of which fields it looks at.
    fn shape(&self) -> Shape {
        self.terms.iter().map(|t| (t.field, t.mask)).collect()
    }

    /// The part of it that looks only at the bits of `shape`; `None` when it does not look at all
    /// of them.
    fn restrict(&self, shape: &Shape) -> Option<Self> {
        let mut terms = SmallVec::with_capacity(shape.len());
        for &(field, mask) in shape {
            let term = self.term(field)?;
            if term.mask & mask != mask {
                return None;
            }
            terms.push(Term {
                field,
                value: term.value & mask,
                mask,
            });
        }
        Some(Self { terms })
    }
}

type Shape = SmallVec<[(Field, u128); 4]>;

/// Look-ups that a search for superfluous conjuncts may cost.
const MAX_WORK: usize = 10_000_000;

/// So few conjuncts are compared with each other.
const FEW: usize = 8;

fn simplify_few(mut all: Vec<Conjunct>) -> Vec<Conjunct> {
    all.sort_unstable();
    all.dedup();
    let mut at = 0;
    while at < all.len() {
        let others = all.iter().enumerate().filter(|(other, _)| *other != at);
        if others.into_iter().any(|(_, wider)| all[at].implies(wider)) {
            all.remove(at);
        } else {
            at += 1;
        }
    }
    all
}

/// Removes duplicates and every conjunct that implies another one; sorts. Cost is conjuncts times
/// distinct shapes, and there are few shapes: prefix lengths times the fields of the expression.
/// Where that is too much, only duplicates go.
pub(crate) fn simplify(conjuncts: Vec<Conjunct>) -> Vec<Conjunct> {
    if conjuncts.len() <= FEW {
        return simplify_few(conjuncts);
    }
    let all: FxHashSet<Conjunct> = conjuncts.into_iter().collect();
    let mut shapes: FxHashMap<Shape, usize> = FxHashMap::default();
    for conjunct in &all {
        *shapes.entry(conjunct.shape()).or_default() += 1;
    }
    let implied = |conjunct: &Conjunct| {
        let own = conjunct.shape();
        shapes.keys().any(|shape| {
            *shape != own
                && conjunct
                    .restrict(shape)
                    .is_some_and(|wider| all.contains(&wider))
        })
    };
    let cheap = all.len().saturating_mul(shapes.len()) <= MAX_WORK;
    let mut kept: Vec<Conjunct> = all
        .iter()
        .filter(|c| !(cheap && implied(c)))
        .cloned()
        .collect();
    kept.sort_unstable();
    kept
}

impl fmt::Display for Conjunct {
    /// For tests and logs: `ip4.src=10.0.0.0/ffffff00`-like text, fields in order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.terms.is_empty() {
            return f.write_str("always");
        }
        for (i, term) in self.terms.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{}={:#x}", term.field, term.value)?;
            if !term.is_exact() {
                write!(f, "/{:#x}", term.mask)?;
            }
        }
        Ok(())
    }
}

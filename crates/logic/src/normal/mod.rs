//! The normal form of an expression, for data planes: a disjunction of small conjunctions over basic
//! fields, with everything outside the packet (sets, groups, keys, residency) resolved.
//!
//! Invariant: a packet satisfies [`NormalForm`] exactly when it satisfies the expression. All
//! conjuncts are free of contradiction, hold their prerequisites, and none implies another of the
//! same list.

mod conjunct;
mod convert;
mod lower;
mod product;

use std::sync::Arc;

pub use conjunct::{Conjunct, Term};

use crate::{Constant, Expr, NormalError, Str};

/// What an expression asks of the world. Every look-up that it makes is listed beforehand in
/// [`Expr::references`].
pub trait Environment {
    /// The members of an address set; `None` when there is no such set. Members that do not fit the
    /// field (an IPv6 address for an IPv4 field) are passed over.
    fn address_set(&self, name: &str) -> Option<Arc<[Constant]>>;
    /// The ports of a port group; `None` when there is no such group.
    fn port_group(&self, name: &str) -> Option<Arc<[Str]>>;
    /// The tunnel key of a port or multicast group in the flow's datapath; a comparison with a port
    /// that has none never holds.
    fn port_key(&self, name: &str) -> Option<u32>;
    /// Whether a port resides on this chassis.
    fn is_resident(&self, port: &str) -> bool;
}

/// Bounds of a normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// At most so many conjuncts and dimension members in all.
    pub conjuncts: usize,
    /// A product of several alternatives that has more conjuncts than this, and more than the sum
    /// of its factors, becomes a [`Conjunctive`]. `usize::MAX` never makes one.
    pub flat: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            conjuncts: 50_000,
            flat: 8,
        }
    }
}

impl Limits {
    /// Never a [`Conjunctive`]; at most `conjuncts` conjuncts.
    pub fn flat(conjuncts: usize) -> Self {
        Self {
            conjuncts,
            flat: usize::MAX,
        }
    }
}

/// An expression as a data plane runs it: it holds when any of `conjuncts` or `conjunctives` holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NormalForm {
    /// Plain conjunctions. One that is empty holds for every packet.
    pub conjuncts: Vec<Conjunct>,
    /// Products of lists that are better not multiplied out.
    pub conjunctives: Vec<Conjunctive>,
}

/// A product: it holds when in *every* dimension at least one conjunct holds. Each conjunct of each
/// dimension already contains what all of them have in common (protocol prerequisites included), so
/// that each is a flow by itself: dimension `k` of `n`, as Open vSwitch's `conjunction(id, k/n)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conjunctive {
    /// What every conjunct of every dimension contains; the flow that matches the conjunction's id
    /// needs nothing else.
    pub common: Conjunct,
    /// Two or more, each of two or more conjuncts.
    pub dimensions: Vec<Vec<Conjunct>>,
}

impl Expr {
    /// The normal form in `environment`.
    ///
    /// # Errors
    ///
    /// A set or group that does not exist, or a result beyond `limits`.
    pub fn normalise(
        &self,
        environment: &dyn Environment,
        limits: Limits,
    ) -> Result<NormalForm, NormalError> {
        convert::normalise(self, environment, limits)
    }
}

impl NormalForm {
    /// Whether no packet satisfies it.
    pub fn is_never(&self) -> bool {
        self.conjuncts.is_empty() && self.conjunctives.is_empty()
    }

    /// Whether a packet satisfies it.
    pub fn holds(&self, packet: &dyn crate::Packet) -> bool {
        self.conjuncts.iter().any(|conjunct| conjunct.holds(packet))
            || self
                .conjunctives
                .iter()
                .any(|conjunctive| conjunctive.holds(packet))
    }

    /// How many flows it takes.
    pub fn len(&self) -> usize {
        let members = |c: &Conjunctive| c.dimensions.iter().map(Vec::len).sum::<usize>() + 1;
        self.conjuncts.len() + self.conjunctives.iter().map(members).sum::<usize>()
    }

    /// Whether it takes no flow at all.
    pub fn is_empty(&self) -> bool {
        self.is_never()
    }
}

impl Conjunctive {
    /// Whether a packet satisfies it.
    pub fn holds(&self, packet: &dyn crate::Packet) -> bool {
        self.dimensions
            .iter()
            .all(|dimension| dimension.iter().any(|c| c.holds(packet)))
    }
}

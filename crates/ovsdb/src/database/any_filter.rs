//! Conditions of monitors: any clause must hold, and without clauses every row is meant (`ovsdb-server(7)`).
//!
//! Agents ask for thousands of values of one column, so clauses that compare for equality are kept sorted and
//! looked up.
//!
//! Invariant: equal conditions are equal in form, whatever the order of their clauses.

use super::Mark;
use super::filter::{Clause, Slot};
use crate::operation::{Condition, Function};
use crate::value::Atom;
use crate::{Datum, Error, Row, TableSchema, Uuid};

/// A condition of which any clause must hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct AnyFilter {
    /// Whether every row is meant.
    always: bool,
    /// The values of which a column may have any.
    equal: Vec<(Slot, Vec<Datum>)>,
    /// The atoms of which a column may include any.
    includes: Vec<(usize, Vec<Atom>)>,
    others: Vec<Clause>,
}

impl AnyFilter {
    pub(crate) fn any_of(table: &TableSchema, condition: &[Condition]) -> Result<Self, Error> {
        let always = condition.is_empty() || condition.contains(&Condition::Always(true));
        let mut filter = Self {
            always,
            ..Self::default()
        };
        if always {
            return Ok(filter);
        }
        for condition in condition {
            if let Some(clause) = Clause::resolve(table, condition)? {
                filter.add(clause);
            }
        }
        filter.sort();
        Ok(filter)
    }

    fn add(&mut self, clause: Clause) {
        let Clause {
            slot,
            function,
            value,
        } = clause;
        match (slot, function, value.as_one()) {
            (_, Function::Equal, _) => group(&mut self.equal, slot).push(value),
            (Slot::Column(at), Function::Includes, Some(atom)) => {
                group(&mut self.includes, at).push(atom.clone());
            }
            _ => self.others.push(Clause {
                slot,
                function,
                value,
            }),
        }
    }

    fn sort(&mut self) {
        self.equal.sort_unstable();
        self.includes.sort_unstable();
        self.others.sort_unstable();
        for (_, values) in &mut self.equal {
            values.sort_unstable();
        }
        for (_, atoms) in &mut self.includes {
            atoms.sort_unstable();
        }
    }

    /// The condition that every row satisfies.
    fn everything() -> Self {
        Self {
            always: true,
            ..Self::default()
        }
    }

    /// For each clause where to look for which mark; nothing when some rows are not found by marks.
    pub(crate) fn marks(&self) -> Option<Vec<(Slot, Mark)>> {
        if self.always {
            return None;
        }
        self.clauses()
            .map(|clause| clause.mark().map(|mark| (clause.slot, mark)))
            .collect()
    }

    fn clauses(&self) -> impl Iterator<Item = Clause> {
        let clause = |slot, function, value| Clause {
            slot,
            function,
            value,
        };
        let equal = self.equal.iter().flat_map(move |(slot, values)| {
            let values = values.iter().cloned();
            values.map(move |value| clause(*slot, Function::Equal, value))
        });
        let includes = self.includes.iter().flat_map(move |(at, atoms)| {
            let values = atoms.iter().cloned().map(Datum::one);
            values.map(move |value| clause(Slot::Column(*at), Function::Includes, value))
        });
        equal.chain(includes).chain(self.others.iter().cloned())
    }

    /// Two conditions that together mean the same: one of a single clause, the one for which `weight` is greatest,
    /// and one of the others. The first is everything when this is.
    pub(crate) fn split(&self, weight: impl Fn(Slot, Mark) -> usize) -> Option<(Self, Self)> {
        if self.always {
            return Some((Self::everything(), Self::default()));
        }
        let weigh = |clause: &Clause| clause.mark().map_or(0, |mark| weight(clause.slot, mark));
        let chosen = self.clauses().max_by_key(weigh)?;
        if weigh(&chosen) == 0 {
            return None;
        }
        let (mut one, mut others) = (Self::default(), Self::default());
        for clause in self.clauses() {
            let part = if clause == chosen {
                &mut one
            } else {
                &mut others
            };
            part.add(clause);
        }
        others.sort();
        Some((one, others))
    }

    pub(crate) fn matches(&self, uuid: Uuid, row: &Row) -> bool {
        self.always
            || self.equal.iter().any(|(slot, values)| match slot {
                Slot::Column(at) => values.binary_search(&row[*at]).is_ok(),
                slot => values.binary_search(&slot.value(uuid, row)).is_ok(),
            })
            || self.includes.iter().any(|(at, atoms)| {
                row[*at]
                    .atoms()
                    .iter()
                    .any(|atom| atoms.binary_search(atom).is_ok())
            })
            || self.others.iter().any(|clause| clause.matches(uuid, row))
    }
}

/// The values that are collected for `key`.
fn group<K: PartialEq, V>(groups: &mut Vec<(K, Vec<V>)>, key: K) -> &mut Vec<V> {
    let at = groups
        .iter()
        .position(|known| known.0 == key)
        .unwrap_or(groups.len());
    if at == groups.len() {
        groups.push((key, Vec::new()));
    }
    &mut groups[at].1
}

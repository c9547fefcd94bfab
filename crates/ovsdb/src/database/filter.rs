//! Conditions with their columns resolved: which rows satisfy them, and how to find those.

use crate::operation::{Condition, Function};
use crate::value::Atom;
use crate::{Datum, Error, Row, TableSchema, Uuid, json};

use super::Mark;
use super::table::Table;

/// A column, or one of the two that every table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Slot {
    Uuid,
    Version,
    Column(usize),
}

impl Slot {
    pub(crate) fn resolve(table: &TableSchema, name: &str) -> Result<Self, Error> {
        match name {
            "_uuid" => Ok(Self::Uuid),
            "_version" => Ok(Self::Version),
            _ => json::column_index(table, name).map(Self::Column),
        }
    }

    /// What the row holds there.
    pub(crate) fn value(self, uuid: Uuid, row: &Row) -> Datum {
        match self {
            Self::Uuid => Datum::one(uuid),
            Self::Version => Datum::one(version(uuid, row)),
            Self::Column(at) => row[at].clone(),
        }
    }
}

/// The content of `_version`: another UUID whenever the row has changed.
pub(crate) fn version(uuid: Uuid, row: &Row) -> Uuid {
    // An odd factor makes the products of different revisions differ.
    const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    let mixed = uuid.as_u128() ^ (u128::from(row.revision()) + 1).wrapping_mul(FACTOR);
    uuid::Builder::from_u128(mixed)
        .with_version(uuid::Version::Random)
        .into_uuid()
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Clause {
    pub(super) slot: Slot,
    pub(super) function: Function,
    pub(super) value: Datum,
}

/// A condition on the rows of one table: all clauses of a `where` must hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    clauses: Vec<Clause>,
    never: bool,
}

impl Filter {
    /// Resolves the clauses of a `where`, all of which must hold.
    pub(crate) fn all_of(table: &TableSchema, condition: &[Condition]) -> Result<Self, Error> {
        let mut filter = Self::default();
        for condition in condition {
            filter.never |= *condition == Condition::Always(false);
            filter.clauses.extend(Clause::resolve(table, condition)?);
        }
        Ok(filter)
    }

    pub(crate) fn matches(&self, uuid: Uuid, row: &Row) -> bool {
        !self.never && self.clauses.iter().all(|clause| clause.matches(uuid, row))
    }

    /// The rows of the table that satisfy the condition.
    pub(crate) fn find(&self, table: &Table) -> Vec<Uuid> {
        if self.never {
            return Vec::new();
        }
        let candidates = match self.required_uuid() {
            Some(uuid) => Some(vec![uuid]),
            None => table.look_up(|column| self.required(column)),
        };
        let matches = |uuid: &Uuid, row: &Row| self.matches(*uuid, row);
        match candidates {
            None => table
                .iter()
                .filter(|(uuid, row)| matches(uuid, row))
                .map(|(uuid, _)| *uuid)
                .collect(),
            Some(mut uuids) => {
                uuids.retain(|uuid| table.row(uuid).is_some_and(|row| matches(uuid, row)));
                uuids
            }
        }
    }

    fn required_uuid(&self) -> Option<Uuid> {
        let mut clauses = self.clauses.iter();
        clauses.find_map(|clause| match (clause.slot, clause.function) {
            (Slot::Uuid, Function::Equal | Function::Includes) => {
                clause.value.as_one().and_then(Atom::as_uuid)
            }
            _ => None,
        })
    }

    fn required(&self, column: usize) -> Option<&Datum> {
        let mut clauses = self.clauses.iter();
        clauses
            .find(|c| c.slot == Slot::Column(column) && c.function == Function::Equal)
            .map(|clause| &clause.value)
    }
}

impl Clause {
    /// What all rows have in common that satisfy it.
    pub(super) fn mark(&self) -> Option<Mark> {
        match self.slot {
            Slot::Version => None,
            _ => Mark::of_clause(self.function, &self.value),
        }
    }

    /// The clause, unless it is a constant.
    pub(super) fn resolve(
        table: &TableSchema,
        condition: &Condition,
    ) -> Result<Option<Self>, Error> {
        let Condition::Clause {
            column,
            function,
            value,
        } = condition
        else {
            return Ok(None);
        };
        let slot = Slot::resolve(table, column)?;
        Ok(Some(Self {
            slot,
            function: *function,
            value: value.clone(),
        }))
    }

    pub(super) fn matches(&self, uuid: Uuid, row: &Row) -> bool {
        match self.slot {
            Slot::Column(at) => compare(&row[at], self.function, &self.value),
            slot => compare(&slot.value(uuid, row), self.function, &self.value),
        }
    }
}

fn compare(field: &Datum, function: Function, value: &Datum) -> bool {
    let order = |test: fn(std::cmp::Ordering) -> bool| match (field.as_one(), value.as_one()) {
        (Some(field), Some(value)) => test(field.cmp(value)),
        _ => false, // An optional column that is empty has no order.
    };
    match function {
        Function::Equal => field == value,
        Function::NotEqual => field != value,
        Function::Includes => field.includes(value),
        Function::Excludes => field.excludes(value),
        Function::Less => order(std::cmp::Ordering::is_lt),
        Function::LessOrEqual => order(std::cmp::Ordering::is_le),
        Function::GreaterOrEqual => order(std::cmp::Ordering::is_ge),
        Function::Greater => order(std::cmp::Ordering::is_gt),
    }
}

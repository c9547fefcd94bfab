//! Marks: what can be seen of a row in one column, as a number by which conditions and rows find each other.
//!
//! A row has a mark for each element of a column, and one for whether there is any. Most clauses have a mark that
//! every row which satisfies them has. Two things may share a mark, so whoever finds something by a mark has to
//! look at it again.
//!
//! Invariant: a row that satisfies a clause with a mark has that mark.

use std::hash::{BuildHasher, Hash};

use rustc_hash::FxBuildHasher;

use super::filter::Slot;
use crate::operation::Function;
use crate::value::Atom;
use crate::{Datum, Row, Uuid};

/// What rows have in common that satisfy a clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// Nothing is in the column.
    Nothing,
    /// Anything is.
    Something,
    /// An element, as its hash.
    Element(u64),
}

impl Mark {
    pub(super) fn of_atom(atom: &Atom) -> Self {
        Self::Element(hash(atom))
    }

    /// The mark of all rows that satisfy a clause, if they have one in common.
    pub(super) fn of_clause(function: Function, value: &Datum) -> Option<Self> {
        match function {
            Function::Equal if value.is_empty() => Some(Self::Nothing),
            Function::NotEqual if value.is_empty() => Some(Self::Something),
            Function::Equal | Function::Includes => elements(value).next(),
            _ => None,
        }
    }

    /// The marks of a value.
    pub(super) fn of_value(value: &Datum) -> impl Iterator<Item = Self> {
        let any = if value.is_empty() {
            Self::Nothing
        } else {
            Self::Something
        };
        std::iter::once(any).chain(elements(value))
    }

    /// Calls `note` with each mark that the row has in the column.
    pub(crate) fn of_row(slot: Slot, uuid: Uuid, row: &Row, mut note: impl FnMut(Self)) {
        match slot {
            Slot::Column(at) => Self::of_value(&row[at]).for_each(note),
            Slot::Uuid => note(Self::of_atom(&Atom::Uuid(uuid))),
            // No clause has a mark there.
            Slot::Version => {}
        }
    }
}

/// The marks of the elements of a set or the pairs of a map.
pub(super) fn elements(value: &Datum) -> impl Iterator<Item = Mark> {
    let atoms = value.atoms().iter().map(Mark::of_atom);
    atoms.chain(value.pairs().iter().map(|pair| Mark::Element(hash(pair))))
}

fn hash(of: &impl Hash) -> u64 {
    FxBuildHasher.hash_one(of)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::{AnyFilter, Table};
    use super::*;
    use crate::operation::Condition;
    use crate::{DatabaseSchema, TableSchema};

    fn schema() -> Arc<TableSchema> {
        let text = r#"{"name":"D","version":"1.0.0","tables":{"T":{"isRoot":true,"columns":{
            "name":{"type":"string"},
            "numbers":{"type":{"key":"integer","min":0,"max":"unlimited"}},
            "options":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}}}}}"#;
        let schema = DatabaseSchema::from_json_text(text).unwrap();
        Arc::clone(schema.table("T").unwrap())
    }

    fn name() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["", "a", "b"]).prop_map(str::to_owned)
    }

    fn value(column: usize) -> BoxedStrategy<Datum> {
        match column {
            0 => name().prop_map(|name| Datum::one(&*name)).boxed(),
            1 => prop::collection::vec(0_i64..4, 0..3)
                .prop_map(Datum::set)
                .boxed(),
            _ => prop::collection::vec((name(), name()), 0..3)
                .prop_map(Datum::map)
                .boxed(),
        }
    }

    fn row() -> impl Strategy<Value = Option<Row>> {
        let row = (value(0), value(1), value(2)).prop_map(|(a, b, c)| Row::new(vec![a, b, c]));
        prop::option::of(row)
    }

    fn condition() -> impl Strategy<Value = Condition> {
        let functions = vec![
            Function::Equal,
            Function::NotEqual,
            Function::Includes,
            Function::Excludes,
        ];
        let clause =
            (0..3_usize, prop::sample::select(functions)).prop_flat_map(|(column, function)| {
                value(column).prop_map(move |value| Condition::Clause {
                    column: ["name", "numbers", "options"][column].into(),
                    function,
                    value,
                })
            });
        prop_oneof![20 => clause, 1 => any::<bool>().prop_map(Condition::Always)]
    }

    type Found = BTreeSet<Uuid>;

    proptest! {
        /// Looking rows up by marks finds what looking at all of them finds, also when rows have changed since.
        #[test]
        fn marks_find_what_evaluation_finds(
            rows in prop::collection::vec((0..12_u128, row()), 0..60),
            conditions in prop::collection::vec(condition(), 0..4),
            at in 0..60_usize,
        ) {
            let schema = schema();
            let filter = AnyFilter::any_of(&schema, &conditions).unwrap();
            let mut table = Table::new(Arc::clone(&schema));
            for (number, (uuid, row)) in rows.into_iter().enumerate() {
                if number == at {
                    table.mark(&filter);
                }
                table.replace(Uuid::from_u128(uuid), row.map(Arc::new));
            }
            let plain = |filter: &AnyFilter| -> Found {
                table.iter().filter(|(uuid, row)| filter.matches(**uuid, row)).map(|(uuid, _)| *uuid).collect()
            };
            let found: Found = table.visible(&filter).map(|(uuid, _)| uuid).collect();
            prop_assert_eq!(&found, &plain(&filter));
            // The two parts of a condition show together what it shows.
            let weight = |slot, mark| table.count_marked(slot, mark).unwrap_or(0);
            if let Some((one, others)) = filter.split(weight) {
                let parts: Found = plain(&one).union(&plain(&others)).copied().collect();
                prop_assert_eq!(&parts, &found);
            }
            // Every row that a condition with marks shows has one of them.
            for (uuid, row) in table.iter().filter(|(uuid, _)| found.contains(uuid)) {
                let Some(marks) = filter.marks() else { continue };
                let mut has = false;
                for (slot, wanted) in marks {
                    Mark::of_row(slot, *uuid, row, |mark| has |= mark == wanted);
                }
                prop_assert!(has);
            }
        }
    }
}

//! Row changes as operations of a transaction.
//!
//! Invariant: a modified row is written column by column, only where it differs, because its other columns
//! belong to others; of a large set or map only the difference is written.

use std::sync::Arc;

use ovsdb::operation::{Condition, Mutation, Mutator, Until};
use ovsdb::{ColumnType, DatabaseSchema, Datum, Operation, Row, RowChange, Str};

/// From how many elements on a set or map is changed by its difference.
const LARGE: usize = 8;

/// The operations that make these changes.
pub fn of_changes(schema: &DatabaseSchema, changes: &[RowChange]) -> Vec<Operation> {
    changes
        .iter()
        .flat_map(|change| of_change(schema, change))
        .collect()
}

/// Operations that fail unless the rows that these changes modify or delete are as the changes say.
pub fn of_expectations(schema: &DatabaseSchema, changes: &[RowChange]) -> Vec<Operation> {
    let expectation = |change: &RowChange| {
        let (table, old) = (schema.table(&change.table)?, change.old.as_ref()?);
        let columns = table.columns().iter().enumerate();
        let row = columns.map(|(at, column)| (column.name.clone(), old[at].clone()));
        Some(Operation::Wait {
            table: change.table.clone(),
            condition: vec![Condition::uuid(change.uuid)],
            columns: Some(table.columns().iter().map(|c| c.name.clone()).collect()),
            until: Until::Equal,
            rows: vec![row.collect()],
            timeout: Some(0),
        })
    };
    changes.iter().filter_map(expectation).collect()
}

fn of_change(schema: &DatabaseSchema, change: &RowChange) -> Vec<Operation> {
    let Some(table) = schema.table(&change.table) else {
        return Vec::new();
    };
    let columns = || table.columns().iter().enumerate();
    let condition = vec![Condition::uuid(change.uuid)];
    match (&change.old, &change.new) {
        (None, None) => Vec::new(),
        (Some(_), None) => vec![Operation::Delete {
            table: change.table.clone(),
            condition,
        }],
        (None, Some(new)) => {
            let set = columns().filter(|(at, c)| !new[*at].is_default_of(&c.column_type));
            vec![Operation::Insert {
                table: change.table.clone(),
                uuid: Some(change.uuid),
                uuid_name: None,
                row: set
                    .map(|(at, c)| (c.name.clone(), new[at].clone()))
                    .collect(),
            }]
        }
        (Some(old), Some(new)) => {
            let differ = columns().filter(|(at, _)| old[*at] != new[*at]);
            let columns = differ.map(|(at, c)| (&c.name, at, &c.column_type));
            modification(&change.table, condition, old, new, columns)
        }
    }
}

/// Sets small columns, and changes large ones by their differences.
fn modification<'a>(
    table: &Str,
    condition: Vec<Condition>,
    old: &Arc<Row>,
    new: &Arc<Row>,
    columns: impl Iterator<Item = (&'a Str, usize, &'a ColumnType)>,
) -> Vec<Operation> {
    let mut row = Vec::new();
    let mut mutations = Vec::new();
    for (name, at, column_type) in columns {
        match difference(&old[at], &new[at], column_type) {
            Some((less, more)) => {
                let both = [(Mutator::Delete, less), (Mutator::Insert, more)];
                let both = both.into_iter().filter(|(_, value)| !value.is_empty());
                mutations.extend(
                    both.map(|(mutator, value)| Mutation::new(name.clone(), mutator, value)),
                );
            }
            None => row.push((name.clone(), new[at].clone())),
        }
    }
    let mut operations = Vec::new();
    if !row.is_empty() {
        let (table, condition) = (table.clone(), condition.clone());
        operations.push(Operation::Update {
            table,
            condition,
            row,
        });
    }
    if !mutations.is_empty() {
        operations.push(Operation::Mutate {
            table: table.clone(),
            condition,
            mutations,
        });
    }
    operations
}

/// What to take from a large value and what to add to it, if that is shorter than the value.
fn difference(old: &Datum, new: &Datum, column: &ColumnType) -> Option<(Datum, Datum)> {
    if column.max <= 1 || old.len().min(new.len()) < LARGE {
        return None;
    }
    let (less, more) = (old.without(new), new.without(old));
    (less.len() + more.len() < new.len()).then_some((less, more))
}

#[cfg(test)]
mod tests {
    use model::{Table, sb};

    use super::*;

    fn group(ports: std::ops::Range<u32>, name: &str) -> Arc<Row> {
        let ports = ports.map(|n| Str::from(format!("{n:02}"))).collect();
        Arc::new(
            sb::PortGroup {
                name: name.into(),
                ports,
            }
            .to_row(),
        )
    }

    fn operations(old: Option<Arc<Row>>, new: Option<Arc<Row>>) -> Vec<Operation> {
        let change = RowChange {
            table: sb::PortGroup::NAME.into(),
            uuid: ovsdb::Uuid::nil(),
            old,
            new,
        };
        of_changes(&sb::schema(), &[change])
    }

    #[test]
    fn an_insert_has_only_what_is_set() {
        let made = operations(None, Some(group(0..1, "g")));
        let Operation::Insert { row, .. } = &made[0] else {
            panic!("{made:?}")
        };
        assert_eq!(row.len(), 2);
    }

    #[test]
    fn one_more_member_of_many_is_one_element() {
        let made = operations(Some(group(0..20, "g")), Some(group(1..21, "g")));
        let [Operation::Mutate { mutations, .. }] = &made[..] else {
            panic!("{made:?}")
        };
        assert_eq!(mutations[0].value, Datum::set(["00"]));
        assert_eq!(mutations[1].value, Datum::set(["20"]));
    }

    #[test]
    fn small_or_unlike_values_are_set_whole() {
        for (old, new) in [(0..3, 0..4), (0..20, 30..50)] {
            let made = operations(Some(group(old, "g")), Some(group(new, "g")));
            assert!(
                matches!(&made[..], [Operation::Update { row, .. }] if row.len() == 1),
                "{made:?}"
            );
        }
        assert!(operations(Some(group(0..3, "g")), Some(group(0..3, "g"))).is_empty());
    }
}

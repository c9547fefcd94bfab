//! From typed rows to the operations of a transaction.
//!
//! Invariants: an operation touches only columns that differ, so columns that a server lacks, or that
//! others write, are left alone; the UUID of a row made here is a function of its natural key.

use model::{Table, Uuid};
use ovsdb::operation::{Condition, Mutation, Mutator};
use ovsdb::{Atom, Datum, Operation, Row, Str};

/// Name space of the UUIDs of rows made by agents.
const NAMESPACE: Uuid = Uuid::from_u128(0x6c1f_3a0e_52b7_5d58_9d0e_7a64_c1e0_2b93);

/// The UUID of a row that is made here: a function of table and natural key.
pub fn row_id<T: Table>(key: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{}:{key}", T::NAME).as_bytes())
}

/// Adds a row.
pub fn insert<T: Table>(uuid: Uuid, row: &T) -> Operation {
    let schema = T::schema();
    let defaults = Row::default_of(&schema);
    let row = row.to_row();
    let columns = schema.columns().iter().enumerate();
    let set = columns.filter(|(at, _)| row[*at] != defaults[*at]);
    Operation::Insert {
        table: Str::new_static(T::NAME),
        uuid: Some(uuid),
        uuid_name: None,
        row: set
            .map(|(at, column)| (column.name.clone(), row[at].clone()))
            .collect(),
    }
}

/// Makes `old` into `new`; nothing when they are equal.
pub fn update<T: Table>(uuid: Uuid, old: &T, new: &T) -> Option<Operation> {
    if old == new {
        return None;
    }
    let (before, after) = (old.to_row(), new.to_row());
    let schema = T::schema();
    let columns = schema.columns().iter().enumerate();
    let changed = columns.filter(|(at, _)| before[*at] != after[*at]);
    Some(Operation::Update {
        table: Str::new_static(T::NAME),
        condition: vec![Condition::uuid(uuid)],
        row: changed
            .map(|(at, column)| (column.name.clone(), after[at].clone()))
            .collect(),
    })
}

/// Removes a row.
pub fn delete<T: Table>(uuid: Uuid) -> Operation {
    Operation::Delete {
        table: Str::new_static(T::NAME),
        condition: vec![Condition::uuid(uuid)],
    }
}

/// Adds rows to, or removes them from, a column that refers to them, whatever else it holds.
pub fn mutate_references<T: Table>(
    uuid: Uuid,
    column: &'static str,
    mutator: Mutator,
    rows: impl IntoIterator<Item = Uuid>,
) -> Operation {
    mutate::<T>(uuid, vec![Mutation::new(column, mutator, Datum::set(rows))])
}

/// Sets keys of a map column, or removes those whose value is `None`; other keys stay.
pub fn set_keys<T: Table>(
    uuid: Uuid,
    column: &'static str,
    keys: impl IntoIterator<Item = (Str, Option<Str>)>,
) -> Operation {
    let keys: Vec<_> = keys.into_iter().collect();
    let names = keys.iter().map(|(key, _)| key.clone());
    let delete = Mutation::new(column, Mutator::Delete, Datum::set(names));
    let pairs = keys
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
    let insert = Mutation::new(column, Mutator::Insert, Datum::map(pairs));
    mutate::<T>(uuid, vec![delete, insert])
}

/// Requires that a column still holds what a decision was made from.
pub fn expect<T: Table>(uuid: Uuid, column: &'static str, value: Datum) -> Operation {
    Operation::Wait {
        table: Str::new_static(T::NAME),
        condition: vec![Condition::uuid(uuid)],
        columns: Some(vec![Str::new_static(column)]),
        until: ovsdb::operation::Until::Equal,
        rows: vec![vec![(Str::new_static(column), value)]],
        timeout: Some(0),
    }
}

fn mutate<T: Table>(uuid: Uuid, mutations: Vec<Mutation>) -> Operation {
    Operation::Mutate {
        table: Str::new_static(T::NAME),
        condition: vec![Condition::uuid(uuid)],
        mutations,
    }
}

/// A set of at most one row.
pub fn reference(row: Option<Uuid>) -> Datum {
    row.map_or(Datum::EMPTY_SET, |uuid| Datum::one(Atom::Uuid(uuid)))
}

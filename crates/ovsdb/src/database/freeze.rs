//! The content of a database at one moment, for a snapshot: taken bit by bit, while the database goes on.
//!
//! The rows are gathered in slices; which rows change meanwhile is noted, and they are taken as they are at the
//! end. So the moment is that of the last slice, and no slice costs more than its rows.
//!
//! Invariant: what is gathered is never copied, only shared.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::execute::Key;
use super::{Database, Table};
use crate::record::{Form, Record};
use crate::{DatabaseSchema, Row, RowChange, Uuid};

/// The state of a database at one moment. It can be made a record, and dropped, on any thread.
#[derive(Debug, Clone)]
pub struct Frozen {
    schema: Arc<DatabaseSchema>,
    rows: Vec<(Key, Arc<Row>)>,
    /// Rows that are not as they were gathered; nothing for one that is gone.
    changed: FxHashMap<Key, Option<Arc<Row>>>,
    id: Uuid,
    ephemeral: bool,
}

/// A state of a database that is being taken.
#[derive(Debug)]
pub struct Freezing {
    schema: Arc<DatabaseSchema>,
    /// The tables from this one on were not looked at.
    next: usize,
    /// The rows of the table before it that are left.
    left: Vec<Uuid>,
    rows: Vec<(Key, Arc<Row>)>,
}

impl Database {
    /// The state as it is now, without copying rows.
    pub fn freeze(&self) -> Frozen {
        let tables = (0..).zip(&self.tables);
        let rows = tables.flat_map(|(number, table): (u32, &Table)| {
            let rows = table.iter();
            rows.map(move |(uuid, row)| ((number, *uuid), Arc::clone(row)))
        });
        Frozen {
            schema: Arc::clone(&self.schema),
            rows: rows.collect(),
            changed: FxHashMap::default(),
            id: self.last_id(),
            ephemeral: self.ephemeral,
        }
    }

    /// Begins to take the state bit by bit. A second one ends the first.
    pub(crate) fn begin_freeze(&mut self) -> Freezing {
        self.changed = Some(Vec::new());
        Freezing {
            schema: Arc::clone(&self.schema),
            next: 0,
            left: Vec::new(),
            rows: Vec::with_capacity(self.tables.iter().map(Table::len).sum()),
        }
    }

    /// Takes about so many rows more; gives the state as it is now when there are none left.
    pub(crate) fn continue_freeze(
        &mut self,
        freezing: &mut Freezing,
        rows: usize,
    ) -> Option<Frozen> {
        for _ in 0..rows {
            while freezing.left.is_empty() {
                let Some(table) = self.tables.get(freezing.next) else {
                    return Some(self.end_freeze(freezing));
                };
                freezing.left = table.iter().map(|(uuid, _)| *uuid).collect();
                freezing.next += 1;
            }
            let number = freezing.next - 1;
            if let (Some(uuid), Ok(key)) = (freezing.left.pop(), u32::try_from(number))
                && let Some(row) = self.tables[number].row(&uuid)
            {
                freezing.rows.push(((key, uuid), Arc::clone(row)));
            }
        }
        None
    }

    fn end_freeze(&mut self, freezing: &mut Freezing) -> Frozen {
        let changed = self.changed.take().unwrap_or_default();
        let row = |key: Key| self.tables[key.0 as usize].row(&key.1).cloned();
        Frozen {
            schema: Arc::clone(&freezing.schema),
            rows: std::mem::take(&mut freezing.rows),
            changed: changed.into_iter().map(|key| (key, row(key))).collect(),
            id: self.last_id(),
            ephemeral: self.ephemeral,
        }
    }

    /// Ends what was begun without a result.
    pub(crate) fn abandon_freeze(&mut self) {
        self.changed = None;
    }

    /// Notes that a row was changed, if that matters to anybody.
    pub(super) fn note_change(&mut self, key: Key) {
        if let Some(changed) = &mut self.changed {
            changed.push(key);
        }
    }
}

impl Freezing {
    /// Whether this is of that database, which may have got another schema.
    pub(crate) fn is_of(&self, database: &Database) -> bool {
        Arc::ptr_eq(&self.schema, &database.schema)
    }
}

impl Frozen {
    /// One record that makes this state of an empty database.
    pub fn record(&self, now: u64) -> Record {
        let form = Form {
            schema: &self.schema,
            ephemeral: self.ephemeral,
        };
        let contents: Vec<RowChange> = self.contents().1.collect();
        Record::snapshot(form, &contents, self.id, now)
    }

    /// The schema, and all rows as changes from nothing; those of a table stand together.
    pub(crate) fn contents(&self) -> (&DatabaseSchema, impl Iterator<Item = RowChange>) {
        let same = self.rows.iter().map(|(key, row)| (*key, row));
        let same = same.filter(|(key, _)| !self.changed.contains_key(key));
        let changed = self.changed.iter();
        let changed = changed.filter_map(|(key, row)| Some((*key, row.as_ref()?)));
        let mut rows: Vec<(Key, &Arc<Row>)> = same.chain(changed).collect();
        rows.sort_by_key(|(key, _)| key.0);
        let change = |((table, uuid), row): (Key, &Arc<Row>)| RowChange {
            table: self.schema.tables()[table as usize].name.clone(),
            uuid,
            old: None,
            new: Some(Arc::clone(row)),
        };
        (&self.schema, rows.into_iter().map(change))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::database::Context;
    use crate::operation::Condition;
    use crate::{Datum, Operation};

    const SCHEMA: &str = r#"{"name":"D","version":"1.0.0","tables":{
        "A":{"isRoot":true,"columns":{"n":{"type":"integer"}}},
        "B":{"isRoot":true,"columns":{"n":{"type":"integer"}}}}}"#;

    fn run(database: &mut Database, what: u8, row: u8) {
        let table = ["A", "B"][usize::from(row % 2)].into();
        let uuid = Uuid::from_u128(u128::from(row));
        let condition = vec![Condition::uuid(uuid)];
        let columns = vec![("n".into(), Datum::one(i64::from(what)))];
        let operation = match what % 3 {
            0 => Operation::Delete { table, condition },
            1 => Operation::Update {
                table,
                condition,
                row: columns,
            },
            _ => Operation::Insert {
                table,
                uuid: Some(uuid),
                uuid_name: None,
                row: columns,
            },
        };
        let mut context = Context {
            now: 1,
            new_uuid: &mut Uuid::nil,
            holds_lock: &|_| false,
            waited: 0,
            read_only: None,
        };
        // An insert of what is there is refused, which is as good.
        let _ = database.execute(&[operation], &mut context);
    }

    fn state(record: &Record) -> (Vec<(u32, Uuid, Datum)>, Uuid) {
        let schema = Arc::new(DatabaseSchema::from_json_text(SCHEMA).unwrap());
        let mut database = Database::new(schema);
        database.replay(record).unwrap();
        let frozen = database.freeze();
        let rows = frozen
            .rows
            .iter()
            .map(|((t, u), row)| (*t, *u, row[0].clone()));
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by_key(|(table, uuid, _)| (*table, *uuid));
        (rows, database.last_id())
    }

    proptest! {
        /// What is taken bit by bit, with changes between, is the state at the end.
        #[test]
        fn it_is_the_state_of_the_last_moment(
            before in proptest::collection::vec((any::<u8>(), 0..40_u8), 0..80),
            during in proptest::collection::vec((any::<u8>(), 0..40_u8), 0..80),
            slice in 1..9_usize,
        ) {
            let schema = Arc::new(DatabaseSchema::from_json_text(SCHEMA).unwrap());
            let mut database = Database::new(schema);
            for (what, row) in before {
                run(&mut database, what, row);
            }
            let mut freezing = database.begin_freeze();
            let mut changes = during.into_iter();
            let frozen = loop {
                if let Some(frozen) = database.continue_freeze(&mut freezing, slice) {
                    break frozen;
                }
                if let Some((what, row)) = changes.next() {
                    run(&mut database, what, row);
                }
            };
            let expected = state(&database.snapshot(1));
            // What happens after that is not in it.
            run(&mut database, 2, 99);
            prop_assert_eq!(state(&frozen.record(1)), expected);
        }
    }
}

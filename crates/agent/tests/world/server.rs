//! What a server shows of the Southbound to one who asked for some of its rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use agent::interest::Interest;
use model::{Str, Uuid, sb};
use ovsdb::client::Rows;
use ovsdb::database::Database;
use ovsdb::operation::{Condition, Function};
use ovsdb::{Row, RowChange};

/// One client's view.
#[derive(Default)]
pub struct Shown {
    interest: Interest,
    rows: BTreeMap<(Str, Uuid), Arc<Row>>,
}

impl Shown {
    /// Changes what is shown from the next time on.
    pub fn ask(&mut self, interest: Interest) {
        self.interest.extend(interest);
    }

    /// How the view differs from the last one.
    pub fn update(&mut self, database: &Database) -> Vec<RowChange> {
        let schema = sb::schema();
        let mut changes = Vec::new();
        let mut before = std::mem::take(&mut self.rows);
        for change in database.contents() {
            let Some(row) = change.new.filter(|row| {
                let rows = self.interest.get(&*change.table);
                let table = schema.table(&change.table).unwrap();
                let holds =
                    |clause: &Condition| holds(clause, |name| table.column_index(name), row);
                match rows {
                    None | Some(Rows::All) => true,
                    Some(Rows::None) => false,
                    Some(Rows::Any(clauses)) => clauses.iter().any(holds),
                }
            }) else {
                continue;
            };
            let key = (change.table.clone(), change.uuid);
            let old = before.remove(&key);
            if old.as_ref() != Some(&row) {
                changes.push(RowChange {
                    table: change.table,
                    uuid: change.uuid,
                    old,
                    new: Some(Arc::clone(&row)),
                });
            }
            self.rows.insert(key, row);
        }
        let gone = before.into_iter().map(|((table, uuid), old)| RowChange {
            table,
            uuid,
            old: Some(old),
            new: None,
        });
        changes.extend(gone);
        changes
    }

    /// How many rows of a table are shown.
    #[allow(dead_code, reason = "not every test counts")]
    pub fn count(&self, table: &str) -> usize {
        self.rows.keys().filter(|(of, _)| of == table).count()
    }
}

fn holds(clause: &Condition, column: impl Fn(&str) -> Option<usize>, row: &Row) -> bool {
    let Condition::Clause {
        column: name,
        function,
        value,
    } = clause
    else {
        panic!("{clause:?}");
    };
    let has = &row[column(name).unwrap()];
    match function {
        Function::Equal => has == value,
        Function::NotEqual => has != value,
        Function::Includes if !value.pairs().is_empty() => {
            value.pairs().iter().all(|(k, v)| has.get(k) == Some(v))
        }
        Function::Includes => value.atoms().iter().all(|atom| has.contains(atom)),
        _ => panic!("{clause:?}"),
    }
}

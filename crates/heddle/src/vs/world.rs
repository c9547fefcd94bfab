//! The part of the database that the commands of one call see: what the server has, and over it what they change.
//!
//! It must not know what the commands do. Invariant: [`World::operations`] changes the server's rows to those of
//! the world, or, when a value that was [verified](World::verify) is no longer the server's, nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, bail};
use ovsdb::{Atom, ColumnSchema, DatabaseSchema, Datum, TableSchema, Uuid};
use serde_json::{Map, Value, json};

use super::replica::Replica;

/// The table whose one row is the root of the configuration.
pub(super) const ROOT: &str = "Open_vSwitch";

static EMPTY: Datum = Datum::EMPTY_SET;

/// A row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    /// The position of the table in the schema.
    pub(super) table: usize,
    pub(super) uuid: Uuid,
}

type Row = Arc<Vec<Datum>>;

/// What the commands of one call see.
#[derive(Debug)]
pub(super) struct World {
    schema: Arc<DatabaseSchema>,
    base: BTreeMap<Id, Row>,
    now: BTreeMap<Id, Row>,
    verified: BTreeSet<(Id, usize)>,
    /// Rows whose UUID the user chose.
    chosen: BTreeSet<Uuid>,
}

impl World {
    /// What the replica has at this moment; an empty database gets its root.
    pub(super) fn new(replica: &Replica) -> anyhow::Result<Self> {
        let base = replica.rows().clone();
        let mut world = Self {
            schema: Arc::clone(replica.schema()),
            now: base.clone(),
            base,
            verified: BTreeSet::new(),
            chosen: BTreeSet::new(),
        };
        let table = world.table_named(ROOT)?;
        if world.rows(table).next().is_none() {
            world.insert(table, Uuid::new_v4());
        }
        Ok(world)
    }

    pub(super) fn schema(&self) -> &DatabaseSchema {
        &self.schema
    }

    pub(super) fn table(&self, at: usize) -> &TableSchema {
        &self.schema.tables()[at]
    }

    /// The position of a table by its whole name.
    pub(super) fn table_named(&self, name: &str) -> anyhow::Result<usize> {
        self.schema
            .table_index(name)
            .with_context(|| format!("not supported: table {name}, which this database lacks"))
    }

    /// The row of the table that everything hangs on.
    pub(super) fn root(&self) -> anyhow::Result<Id> {
        let table = self.table_named(ROOT)?;
        self.rows(table).next().context("the root row was deleted")
    }

    /// The rows of a table.
    pub(super) fn rows(&self, table: usize) -> impl Iterator<Item = Id> {
        let from = Id {
            table,
            uuid: Uuid::nil(),
        };
        let rows = self.now.range(from..).map(|(id, _)| *id);
        rows.take_while(move |id| id.table == table)
    }

    /// The rows of the table of that name; none if there is no such table.
    pub(super) fn rows_of(&self, table: &str) -> Vec<Id> {
        let table = self.schema.table_index(table);
        table.map_or(Vec::new(), |table| self.rows(table).collect())
    }

    /// Whether there is such a row.
    pub(super) fn has(&self, id: Id) -> bool {
        self.now.contains_key(&id)
    }

    /// What a row holds in the column at a position.
    pub(super) fn value(&self, id: Id, column: usize) -> &Datum {
        let row = self.now.get(&id);
        row.and_then(|row| row.get(column)).unwrap_or(&EMPTY)
    }

    /// What a row holds in a column, nothing if the database has no such column.
    pub(super) fn get(&self, id: Id, column: &str) -> &Datum {
        match self.table(id.table).column_index(column) {
            Some(at) => self.value(id, at),
            None => &EMPTY,
        }
    }

    /// The text that a column holds, or the empty one.
    pub(super) fn text(&self, id: Id, column: &str) -> String {
        let one = self.get(id, column).as_one();
        one.and_then(Atom::as_str)
            .map_or_else(String::new, ToString::to_string)
    }

    /// The number that a column holds.
    pub(super) fn number(&self, id: Id, column: &str) -> Option<i64> {
        self.get(id, column).as_one()?.as_integer()
    }

    /// The rows that a column refers to.
    pub(super) fn references(&self, id: Id, column: &str) -> Vec<Id> {
        let Some(schema) = self.table(id.table).column(column) else {
            return Vec::new();
        };
        let reference = schema.column_type.key.reference();
        let Some(table) = reference.and_then(|(table, _)| self.schema.table_index(table)) else {
            return Vec::new();
        };
        let uuids = self.get(id, column).atoms().iter();
        uuids
            .filter_map(Atom::as_uuid)
            .map(|uuid| Id { table, uuid })
            .filter(|id| self.has(*id))
            .collect()
    }

    /// Makes the transaction depend on what the server has in this column of this row.
    pub(super) fn verify(&mut self, id: Id, column: &str) {
        if let Some(at) = self.table(id.table).column_index(column) {
            self.verify_at(id, at);
        }
    }

    pub(super) fn verify_at(&mut self, id: Id, column: usize) {
        if self.base.contains_key(&id) {
            self.verified.insert((id, column));
        }
    }

    /// Puts a value into a column.
    pub(super) fn set(
        &mut self,
        id: Id,
        column: &str,
        value: impl Into<Datum>,
    ) -> anyhow::Result<()> {
        let table = self.table(id.table);
        let Some(at) = table.column_index(column) else {
            bail!(
                "not supported: column {column}, which table {} of this database lacks",
                table.name
            );
        };
        self.set_at(id, at, value.into());
        Ok(())
    }

    pub(super) fn set_at(&mut self, id: Id, column: usize, value: Datum) {
        if let Some(row) = self.now.get_mut(&id) {
            Arc::make_mut(row)[column] = value;
        }
    }

    /// Whether a column of a row can be changed.
    pub(super) fn is_mutable(&self, id: Id, column: &ColumnSchema) -> bool {
        column.mutable || !self.base.contains_key(&id)
    }

    /// A new row of defaults.
    pub(super) fn insert(&mut self, table: usize, uuid: Uuid) -> Id {
        let columns = self.table(table).columns().iter();
        let row = columns.map(|column| Datum::default_of(&column.column_type));
        let row = Arc::new(row.collect());
        let id = Id { table, uuid };
        self.now.insert(id, row);
        id
    }

    /// A new row whose UUID is to be that one.
    pub(super) fn insert_as(&mut self, table: usize, uuid: Uuid) -> Id {
        self.chosen.insert(uuid);
        self.insert(table, uuid)
    }

    /// A new row of the table of that name.
    pub(super) fn create(&mut self, table: &str) -> anyhow::Result<Id> {
        let table = self.table_named(table)?;
        Ok(self.insert(table, Uuid::new_v4()))
    }

    pub(super) fn delete(&mut self, id: Id) {
        self.now.remove(&id);
    }

    /// The operations of the transaction, and the rows that its inserts make in the order of their results;
    /// nothing when nothing is to be changed.
    pub(super) fn operations(&self) -> Option<Operations> {
        let mut out = Operations {
            list: self.waits(),
            inserted: Vec::new(),
        };
        let waits = out.list.len();
        // Rows of other tables go when nothing refers to them any more, which the server knows best.
        let gone = self.base.keys().filter(|id| !self.has(**id));
        for id in gone.filter(|id| self.schema.is_root(id.table)) {
            out.list.push(json!({
                "op": "delete", "table": self.table(id.table).name, "where": by_uuid(id.uuid),
            }));
        }
        for (id, row) in &self.now {
            let columns = self.table(id.table).columns().iter().zip(row.iter());
            let base = self.base.get(id);
            if base == Some(row) {
                continue;
            }
            let mut values = Map::new();
            for (at, (column, value)) in columns.enumerate() {
                let same = match base {
                    Some(base) => base[at] == *value,
                    None => value.is_default_of(&column.column_type),
                };
                if !same {
                    values.insert(column.name.to_string(), self.json(value));
                }
            }
            let table = &self.table(id.table).name;
            if base.is_some() {
                out.list.push(json!({
                    "op": "update", "table": table, "where": by_uuid(id.uuid), "row": values,
                }));
                continue;
            }
            let mut insert = json!({"op": "insert", "table": table, "row": values});
            if self.chosen.contains(&id.uuid) {
                insert["uuid"] = json!(id.uuid.to_string());
            } else {
                insert["uuid-name"] = json!(name(id.uuid));
            }
            out.inserted.push((out.list.len(), *id));
            out.list.push(insert);
        }
        (out.list.len() > waits).then_some(out)
    }

    /// That what was verified is as it was.
    fn waits(&self) -> Vec<Value> {
        let mut rows: BTreeMap<Id, Map<String, Value>> = BTreeMap::new();
        for (id, column) in &self.verified {
            let schema = &self.table(id.table).columns()[*column];
            let value = &self.base[id][*column];
            let row = rows.entry(*id).or_default();
            row.insert(schema.name.to_string(), json!(value));
        }
        let waits = rows.into_iter().map(|(id, row)| {
            let columns: Vec<&String> = row.keys().collect();
            json!({
                "op": "wait", "table": self.table(id.table).name, "where": by_uuid(id.uuid),
                "columns": columns, "until": "==", "rows": [row], "timeout": 0,
            })
        });
        waits.collect()
    }

    /// A value in which rows that are yet to come stand under their names.
    fn json(&self, value: &Datum) -> Value {
        let atom = |atom: &Atom| match atom {
            Atom::Uuid(uuid) if self.is_new(*uuid) => json!(["named-uuid", name(*uuid)]),
            other => json!(other),
        };
        if value.is_map() {
            let pairs = value.pairs().iter();
            let pairs: Vec<Value> = pairs.map(|(k, v)| json!([atom(k), atom(v)])).collect();
            json!(["map", pairs])
        } else if let Some(one) = value.as_one() {
            atom(one)
        } else {
            let atoms: Vec<Value> = value.atoms().iter().map(atom).collect();
            json!(["set", atoms])
        }
    }

    fn is_new(&self, uuid: Uuid) -> bool {
        let id = |table| Id { table, uuid };
        let mut ids = (0..self.schema.tables().len()).map(id);
        !self.chosen.contains(&uuid) && ids.any(|id| self.has(id) && !self.base.contains_key(&id))
    }
}

/// A transaction.
#[derive(Debug)]
pub(super) struct Operations {
    pub(super) list: Vec<Value>,
    /// The inserts: their places in the list, and the rows.
    pub(super) inserted: Vec<(usize, Id)>,
}

pub(super) fn by_uuid(uuid: Uuid) -> Value {
    json!([["_uuid", "==", Atom::Uuid(uuid)]])
}

fn name(uuid: Uuid) -> String {
    format!("row{}", uuid.to_string().replace('-', "_"))
}

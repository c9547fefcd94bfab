//! What must outlive the daemon: documents by table and key, in a database file.
//!
//! The file is an OVSDB database (`heddle db dump FILE` shows it), because that is a log that is written as a whole
//! record or not at all, and is cut back to its last whole record after a crash. Blocking; nothing here knows what
//! the documents say.
//!
//! Invariant: what [`Store::write`] has confirmed is there when the file is opened again, all of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ovsdb::database::{Context, Outcome};
use ovsdb::log::{AppendError, FileLog, Log, LogError};
use ovsdb::schema::BaseType;
use ovsdb::{Atom, ColumnSchema, ColumnType, Database, DatabaseSchema, Record, TableSchema, Uuid};
use serde_json::{Value, json};

/// The column with the key of a document.
const KEY: &str = "key";
/// The column with the document.
const DOCUMENT: &str = "document";

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The table.
    pub table: &'static str,
    /// The key.
    pub key: String,
    /// What stands there from now on; nothing if it goes.
    pub document: Option<String>,
}

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file refuses.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The file refuses what is to be added.
    #[error("what was decided cannot be written down")]
    Append(#[from] AppendError),
    /// It is a database of another kind.
    #[error("{0}: is a database of {1}, not one of {2}")]
    Other(String, String, &'static str),
    /// The engine refuses, which no document can bring about.
    #[error("what was decided cannot be written down: {0}")]
    Refused(String),
}

/// What a store is for: the name of its database, and its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The name of the database.
    pub name: &'static str,
    /// Its tables.
    pub tables: &'static [&'static str],
}

/// Documents in a file.
#[derive(Debug)]
pub struct Store {
    database: Database,
    log: FileLog,
    documents: BTreeMap<&'static str, BTreeMap<String, String>>,
}

impl Store {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// When it cannot be opened or made, another process has it, or it is something else.
    pub fn open(path: &Path, kind: Kind) -> Result<Self, StoreError> {
        let schema = Arc::new(schema(kind)?);
        let opened = if path.exists() {
            FileLog::open(path)?
        } else {
            FileLog::create(path, schema)?
        };
        let found = opened.database.schema().name.to_string();
        if found != kind.name {
            return Err(StoreError::Other(
                path.display().to_string(),
                found,
                kind.name,
            ));
        }
        if let Some(torn) = opened.torn {
            let lost = torn.lost;
            tracing::warn!(target: "store", "{}: {lost} bytes of an unfinished record were cut off", path.display());
        }
        let mut documents = BTreeMap::new();
        for &table in kind.tables {
            documents.insert(table, read(&opened.database, table));
        }
        Ok(Self {
            database: opened.database,
            log: opened.log,
            documents,
        })
    }

    /// The documents of a table, by their keys.
    pub fn documents(&self, table: &str) -> impl Iterator<Item = (&str, &str)> {
        let table = self.documents.get(table).into_iter().flatten();
        table.map(|(key, document)| (key.as_str(), document.as_str()))
    }

    /// Makes all changes, or none. Blocks until the disk has them.
    ///
    /// # Errors
    /// When the disk refuses; nothing has changed.
    pub fn write(&mut self, writes: &[Write], now: u64) -> Result<(), StoreError> {
        let operations: Vec<Value> = writes
            .iter()
            .filter_map(|write| self.operation(write))
            .collect();
        if operations.is_empty() {
            return Ok(());
        }
        let mut context = Context {
            now,
            new_uuid: &mut Uuid::new_v4,
            holds_lock: &|_| false,
            waited: 0,
            read_only: None,
        };
        let Outcome::Done(executed) = self.database.execute_json(&operations, &mut context) else {
            return Err(StoreError::Refused("it waits".to_owned()));
        };
        if let Some(error) = executed.error() {
            return Err(StoreError::Refused(error.to_string()));
        }
        if let Some(commit) = executed.commit
            && let Some(record) = &commit.record
            && let Err(error) = self.log.append(std::slice::from_ref(record), &[])
        {
            self.database.roll_back([&commit].into_iter());
            return Err(error.into());
        }
        for write in writes {
            let table = self.documents.entry(write.table).or_default();
            match &write.document {
                Some(document) => table.insert(write.key.clone(), document.clone()),
                None => table.remove(&write.key),
            };
        }
        self.compact(now)
    }

    fn operation(&self, write: &Write) -> Option<Value> {
        let held = self
            .documents
            .get(write.table)
            .and_then(|table| table.get(&write.key));
        let is_it = json!([[KEY, "==", write.key]]);
        match (&write.document, held) {
            (None, None) => None,
            (Some(document), Some(held)) if document == held => None,
            (None, Some(_)) => {
                Some(json!({ "op": "delete", "table": write.table, "where": is_it }))
            }
            (Some(document), Some(_)) => Some(json!({
                "op": "update", "table": write.table, "where": is_it, "row": { DOCUMENT: document },
            })),
            (Some(document), None) => Some(json!({
                "op": "insert", "table": write.table, "row": { KEY: write.key, DOCUMENT: document },
            })),
        }
    }

    fn compact(&mut self, now: u64) -> Result<(), StoreError> {
        if self.log.size().wants_compaction() {
            let schema = Record::schema(self.database.schema());
            self.log.compact(&schema, &self.database.snapshot(now))?;
        }
        Ok(())
    }
}

fn schema(kind: Kind) -> Result<DatabaseSchema, StoreError> {
    let refused = |error: ovsdb::Error| StoreError::Refused(error.to_string());
    let text = || ColumnType::scalar(BaseType::string());
    let table = |&name: &&'static str| {
        let columns = vec![
            ColumnSchema::new(KEY, text()),
            ColumnSchema::new(DOCUMENT, text()),
        ];
        TableSchema::new(name, columns)?.root().with_index([KEY])
    };
    let tables = kind.tables.iter().map(table).collect::<Result<_, _>>();
    DatabaseSchema::new(kind.name, "1.0.0", tables.map_err(refused)?).map_err(refused)
}

fn read(database: &Database, table: &str) -> BTreeMap<String, String> {
    let schema = database.schema();
    let columns = schema
        .table(table)
        .and_then(|table| Some((table.column_index(KEY)?, table.column_index(DOCUMENT)?)));
    let (Some(index), Some((key, document))) = (schema.table_index(table), columns) else {
        return BTreeMap::new();
    };
    let text = |datum: &ovsdb::Datum| match datum.atoms() {
        [Atom::String(text)] => Some(text.to_string()),
        _ => None,
    };
    let rows = database.rows(index);
    rows.filter_map(|(_, row)| Some((text(&row[key])?, text(&row[document])?)))
        .collect()
}

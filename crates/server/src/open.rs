//! Opening the database files: creating those that are missing, and bringing older ones to the schema
//! that this version generates.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ovsdb::database::ReplayError;
use ovsdb::log::{AppendError, FileLog, Log, LogError, Opened};
use ovsdb::{Database, DatabaseSchema, Record};

use crate::log_thread::text;

/// Why a database cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The file cannot be used.
    #[error("{}", text(.0))]
    Log(#[from] LogError),
    /// The file cannot be written.
    #[error("{path}: cannot be converted")]
    Write {
        path: PathBuf,
        #[source]
        source: AppendError,
    },
    /// The file is of another database.
    #[error("{path}: holds the database {found} where {wanted} is expected")]
    Other {
        path: PathBuf,
        found: String,
        wanted: String,
    },
    /// The file has something that this version would lose.
    #[error("{path}: has {what}, which this version does not know; it was left as it is")]
    Newer { path: PathBuf, what: String },
    /// The content does not fit the schema of this version.
    #[error("{path}: cannot be converted to the schema of this version: {error}")]
    Content { path: PathBuf, error: ReplayError },
}

/// Opens the database at `path`, or creates it.
pub(crate) fn open(path: &Path, schema: DatabaseSchema) -> Result<(Database, FileLog), OpenError> {
    let schema = Arc::new(schema);
    if !path.exists() {
        let Opened { database, log, .. } = FileLog::create(path, schema)?;
        tracing::info!(target: "ovsdb_file", "{}: created", path.display());
        return Ok((database, log));
    }
    let (database, log) = open_as_it_is(path)?;
    if database.schema().name != schema.name {
        return Err(OpenError::Other {
            path: path.to_owned(),
            found: database.schema().name.to_string(),
            wanted: schema.name.to_string(),
        });
    }
    if **database.schema() == *schema {
        return Ok((database, log));
    }
    if let Some(what) = lost(database.schema(), &schema) {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            what,
        });
    }
    convert(path, &database, log, schema)
}

/// Opens the database at `path` with the schema that it has.
pub(crate) fn open_as_it_is(path: &Path) -> Result<(Database, FileLog), LogError> {
    let Opened {
        database,
        log,
        torn,
    } = FileLog::open(path)?;
    if let Some(torn) = torn {
        tracing::warn!(
            target: "ovsdb_file",
            "{}: cut off {} bytes behind byte {} ({}): a transaction that was never acknowledged",
            path.display(), torn.lost, torn.offset, torn.reason
        );
    }
    Ok((database, log))
}

/// The first table or column that only the old schema has.
fn lost(old: &DatabaseSchema, new: &DatabaseSchema) -> Option<String> {
    for table in old.tables() {
        let Some(into) = new.table(&table.name) else {
            return Some(format!("table {}", table.name));
        };
        let column = table
            .columns()
            .iter()
            .find(|column| into.column(&column.name).is_none());
        if let Some(column) = column {
            return Some(format!("column {} of table {}", column.name, table.name));
        }
    }
    None
}

/// Carries the content over and begins a new log with it.
fn convert(
    path: &Path,
    old: &Database,
    mut log: FileLog,
    schema: Arc<DatabaseSchema>,
) -> Result<(Database, FileLog), OpenError> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let versions = (old.schema().version.clone(), schema.version.clone());
    let mut database = Database::new(Arc::clone(&schema));
    let failed = |error| OpenError::Content {
        path: path.to_owned(),
        error,
    };
    database.replay(&old.snapshot(now)).map_err(failed)?;
    log.replace(&Record::schema(&schema), &database.snapshot(now))
        .map_err(|source| OpenError::Write {
            path: path.to_owned(),
            source,
        })?;
    tracing::info!(
        target: "ovsdb_file",
        "{}: converted from schema version {} to {}", path.display(), versions.0, versions.1
    );
    Ok((database, log))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(text: &str) -> DatabaseSchema {
        DatabaseSchema::from_json_text(text).unwrap()
    }

    const OLD: &str = r#"{"name":"D","version":"1.0.0","tables":{"T":{"columns":{
        "b":{"type":"integer"}},"isRoot":true}}}"#;
    const NEW: &str = r#"{"name":"D","version":"1.1.0","tables":{"T":{"columns":{
        "a":{"type":"string"},"b":{"type":"integer"}},"isRoot":true},"U":{"columns":{}}}}"#;

    fn old_file(path: &Path) {
        let (_, mut log) = open(path, schema(OLD)).unwrap();
        let row = r#"{"T":{"00000000-0000-4000-8000-000000000001":{"b":7}},"_date":1}"#;
        log.append(&[Record::new(row.as_bytes().to_vec())], &[])
            .unwrap();
    }

    #[test]
    fn columns_that_are_new_hold_their_default() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d.db");
        old_file(&path);
        for _ in 0..2 {
            let (database, _log) = open(&path, schema(NEW)).unwrap();
            let (_, row) = database.rows(0).next().unwrap();
            assert_eq!((row[0].clone(), row[1].clone()), ("".into(), 7.into()));
            assert_eq!(database.schema().version, "1.1.0");
        }
    }

    #[test]
    fn nothing_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d.db");
        drop(open(&path, schema(NEW)).unwrap());
        let before = std::fs::read(&path).unwrap();
        let error = open(&path, schema(OLD)).unwrap_err().to_string();
        assert!(error.contains("column a of table T"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
        let error = open(&path, schema(&OLD.replace("\"D\"", "\"E\""))).unwrap_err();
        assert!(matches!(error, OpenError::Other { .. }));
    }
}

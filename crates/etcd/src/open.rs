//! Opening a database in etcd: making it if there is none, and carrying an older one over to the schema that this
//! version generates.
//!
//! Invariant: of several processes that do this at once, one makes or converts the database, and the others find it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use etcd_client::{Compare, CompareOp, Txn, TxnOp};
use ovsdb::database::ReplayError;
use ovsdb::log::{AppendError, Update};
use ovsdb::tool::lost;
use ovsdb::{Database, DatabaseSchema, Record};

use crate::cluster::Inner;
use crate::compaction::store;
use crate::head::{FORM, Head};
use crate::link::SHORT;
use crate::log::EtcdLog;
use crate::{Error, parts, read};

/// A database as etcd has it.
#[derive(Debug)]
pub struct Opened {
    /// The database.
    pub database: Database,
    /// The log, ready to go on.
    pub log: EtcdLog,
}

pub(crate) async fn open(
    inner: &Arc<Inner>,
    schema: &Arc<DatabaseSchema>,
) -> Result<Opened, Error> {
    let keys = inner.keys.database(&schema.name);
    loop {
        let Some((at, updates)) = read::read_on(&inner.link, &keys, None).await? else {
            create(inner, schema).await?;
            continue;
        };
        let database = build(schema, updates)?;
        let mut log = EtcdLog::start(inner, &schema.name, at);
        if **database.schema() == **schema {
            return Ok(Opened { database, log });
        }
        if let Some(lost) = lost(database.schema(), schema).first() {
            return Err(Error::Newer {
                database: schema.name.to_string(),
                what: lost.to_string(),
            });
        }
        let versions = (database.schema().version.clone(), schema.version.clone());
        let converted = convert(&database, schema)?;
        let (first, content) = (Record::schema(schema), converted.snapshot(now()));
        match log.replace_all(&first, &content).await {
            Ok(()) => {
                tracing::info!(
                    target: "etcd",
                    "database {}: converted from schema version {} to {}",
                    schema.name, versions.0, versions.1
                );
                return Ok(Opened {
                    database: converted,
                    log,
                });
            }
            // Others came first, perhaps with the same.
            Err(AppendError::Behind) => {}
            Err(error) => {
                return Err(Error::Conversion {
                    database: schema.name.to_string(),
                    reason: error.to_string(),
                });
            }
        }
    }
}

fn now() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

fn empty(schema: &Arc<DatabaseSchema>) -> Database {
    let mut database = Database::new(Arc::clone(schema));
    database.keep_ephemeral();
    database
}

/// Makes the database, unless somebody else does.
async fn create(inner: &Inner, schema: &Arc<DatabaseSchema>) -> Result<(), Error> {
    let keys = inner.keys.database(&schema.name);
    let (first, content) = (Record::schema(schema), empty(schema).snapshot(now()));
    let base = store(inner, &keys, &first, &content, 0, 0).await?;
    let id = base.id.clone();
    let head = Head {
        form: FORM,
        generation: 0,
        first: 0,
        next: 0,
        index: 0,
        bytes: 0,
        base,
        batch: format!("{}-0", inner.process_id()),
    };
    let txn = Txn::new()
        .when([Compare::create_revision(keys.head(), CompareOp::Equal, 0)])
        .and_then([TxnOp::put(keys.head(), head.to_bytes(), None)]);
    let made = inner.link.call(
        SHORT,
        |client| async move { client.kv_client().txn(txn).await },
    );
    if made.await?.succeeded() {
        tracing::info!(target: "etcd", "database {}: created", schema.name);
    } else {
        parts::delete(&inner.link, &keys.base(&id)).await?;
    }
    Ok(())
}

/// The state that a base and records describe.
fn build(schema: &DatabaseSchema, updates: Vec<Update>) -> Result<Database, Error> {
    let failed = |doing: String| {
        move |source| Error::Content {
            database: schema.name.to_string(),
            doing,
            source,
        }
    };
    let mut database: Option<Database> = None;
    for (number, update) in updates.into_iter().enumerate() {
        match update {
            Update::Replaced {
                schema: first,
                snapshot,
            } => {
                let text = std::str::from_utf8(first.data()).unwrap_or_default();
                let found = DatabaseSchema::from_json_text(text).map_err(ReplayError::from);
                let found = found.map_err(failed("its schema cannot be read".into()))?;
                let mut made = empty(&Arc::new(found));
                let read = made.replay(&snapshot);
                read.map_err(failed("its snapshot cannot be read".into()))?;
                database = Some(made);
            }
            Update::Record(record) => {
                let doing = format!("record {number} after its snapshot cannot be carried out");
                if let Some(database) = &mut database {
                    database.replay(&record).map_err(failed(doing))?;
                }
            }
        }
    }
    // Reading from the beginning gives the base first.
    database.ok_or_else(|| Error::Corrupt {
        key: schema.name.to_string(),
        reason: "has no base".into(),
    })
}

fn convert(old: &Database, schema: &Arc<DatabaseSchema>) -> Result<Database, Error> {
    let mut database = empty(schema);
    let carried = database.replay(&old.snapshot(now()));
    carried.map_err(|source| Error::Content {
        database: schema.name.to_string(),
        doing: format!(
            "cannot be converted from schema version {} to {}",
            old.schema().version,
            schema.version
        ),
        source,
    })?;
    Ok(database)
}

//! What the tests share: a database with one table of numbered names, and a process that has it.

#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use etcd::{Cluster, EtcdLog, Opened, Options};
use ovsdb::log::{AppendError, Log, News, StoreSnapshot, Update};
use ovsdb::{Database, DatabaseSchema, Record, Str};
use testbed::{Etcd, until};

pub(crate) fn test_schema() -> &'static str {
    r#"{"name":"T","version":"1.0.0","tables":{"N":{"columns":{
        "name":{"type":"string"}},"isRoot":true}}}"#
}

pub(crate) fn schema(text: &str) -> DatabaseSchema {
    DatabaseSchema::from_json_text(text).unwrap()
}

/// A record that makes the row with this number.
pub(crate) fn record(number: usize, name: &str) -> Record {
    let uuid = format!("00000000-0000-4000-8000-{number:012x}");
    let json = format!(r#"{{"N":{{"{uuid}":{{"name":"{name}"}}}},"_date":1}}"#);
    Record::new(json.into_bytes())
}

pub(crate) fn options(etcd: &Etcd) -> Options {
    Options {
        endpoints: etcd.endpoints(),
        patience: Duration::from_secs(60),
        ..Options::default()
    }
}

pub(crate) fn connect(etcd: &Etcd) -> Result<Cluster> {
    Ok(Cluster::connect(&options(etcd))?)
}

/// A process with its copy of the database.
pub(crate) struct Replica {
    pub(crate) database: Database,
    pub(crate) log: EtcdLog,
    /// How often everything was replaced.
    pub(crate) replaced: usize,
    records_told: Arc<AtomicUsize>,
    connection_told: Arc<Mutex<Option<News>>>,
}

impl Replica {
    pub(crate) fn open(cluster: &Cluster) -> Result<Self> {
        Ok(Self::of(cluster.open(schema(test_schema()))?))
    }

    pub(crate) fn of(opened: Opened) -> Self {
        let Opened { database, mut log } = opened;
        let records_told = Arc::new(AtomicUsize::new(0));
        let connection_told = Arc::new(Mutex::new(None));
        let (records, connection) = (Arc::clone(&records_told), Arc::clone(&connection_told));
        log.watch(Box::new(move |news| match news {
            News::Records => {
                records.fetch_add(1, Ordering::Relaxed);
            }
            News::Connected(_) => *connection.lock().unwrap() = Some(news),
        }));
        Self {
            database,
            log,
            replaced: 0,
            records_told,
            connection_told,
        }
    }

    /// How often there was news of records.
    pub(crate) fn news(&self) -> usize {
        self.records_told.load(Ordering::Relaxed)
    }

    /// What was said last about the connection.
    pub(crate) fn last_told(&self) -> Option<News> {
        *self.connection_told.lock().unwrap()
    }

    /// Waits until the watch is there, so that what comes now comes by it.
    pub(crate) fn settle(&mut self) -> Result<()> {
        // One is told when the watcher is set, one when the watch has begun; unless it had begun before that.
        let _ = until(Duration::from_secs(5), "the watch", || {
            Ok((self.news() >= 2).then_some(()))
        });
        self.catch_up()
    }

    /// Takes note of records that were appended here.
    pub(crate) fn took(&mut self, records: &[Record]) {
        for record in records {
            self.database.replay(record).unwrap();
        }
    }

    pub(crate) fn catch_up(&mut self) -> Result<()> {
        for update in self.log.catch_up()? {
            match update {
                Update::Record(record) => self.database.replay(&record)?,
                Update::Replaced {
                    schema: text,
                    snapshot,
                } => {
                    let text = std::str::from_utf8(text.data())?;
                    self.database = Database::new(Arc::new(schema(text)));
                    self.database.keep_ephemeral();
                    self.database.replay(&snapshot)?;
                    self.replaced += 1;
                }
            }
        }
        Ok(())
    }

    /// Catches up until this has what another process has. What the watch has not brought yet is not there at once.
    pub(crate) fn catch_up_with(&mut self, other: &Self) -> Result<()> {
        until(Duration::from_secs(60), "all that others wrote", || {
            self.catch_up()?;
            Ok((self.database.last_id() == other.database.last_id()).then_some(()))
        })?;
        ensure!(self.names() == other.names(), "same id, other content");
        Ok(())
    }

    /// Appends one record, catching up as often as need be.
    pub(crate) fn append(&mut self, number: usize, name: &str) -> Result<()> {
        self.append_all(&[record(number, name)])
    }

    pub(crate) fn append_all(&mut self, records: &[Record]) -> Result<()> {
        self.append_guarded(records, &[])
    }

    pub(crate) fn append_guarded(&mut self, records: &[Record], guards: &[Str]) -> Result<()> {
        for _ in 0..10_000 {
            match self.log.append(records, guards) {
                Ok(()) => {
                    self.took(records);
                    return Ok(());
                }
                Err(AppendError::Behind) => self.catch_up()?,
                Err(error) => return Err(error.into()),
            }
        }
        bail!("others always came first")
    }

    /// The rows: number and name.
    pub(crate) fn names(&self) -> BTreeMap<String, String> {
        let rows = self.database.rows(0);
        let short = |text: String| format!("{}: {text:.60}", text.len());
        rows.map(|(uuid, row)| (uuid.to_string(), short(format!("{:?}", row[0]))))
            .collect()
    }

    /// Schema and snapshot of what is here now.
    pub(crate) fn image(&self) -> (Record, Record) {
        (
            Record::schema(self.database.schema()),
            self.database.snapshot(1),
        )
    }

    pub(crate) fn begin_compaction(&mut self) -> Result<((Record, Record), StoreSnapshot)> {
        let store = self.log.begin_compaction()?;
        Ok((self.image(), store))
    }
}

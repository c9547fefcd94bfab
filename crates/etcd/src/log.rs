//! The log of a database in etcd.
//!
//! Invariant: `at` is the head up to which this process has read and written; whether etcd has moved on is found
//! out by comparing, never assumed.

use std::sync::Arc;

use etcd_client::{Compare, CompareOp, PutOptions, Txn, TxnOp};
use ovsdb::log::{AppendError, Log, LogError, LogState, Size, StoreSnapshot, Update, Watcher};
use ovsdb::{Record, Str, Uuid};
use tokio::time::sleep;

use crate::Error;
use crate::batch::{self, Line};
use crate::cluster::Inner;
use crate::commit::{Change, Refusal};
use crate::compaction::Compaction;
use crate::follow::{Followed, follow};
use crate::head::Head;
use crate::keys::DatabaseKeys;
use crate::link::SHORT;
use crate::parts;
use crate::read::{self, Position};

/// A batch of more bytes goes into parts. With the bound on how many entries are read at once this bounds an answer.
const INLINE: usize = 512 << 10;

/// The log of one database, as one process reads and writes it.
#[derive(Debug)]
pub struct EtcdLog {
    pub(crate) inner: Arc<Inner>,
    pub(crate) keys: DatabaseKeys,
    /// What errors call it.
    pub(crate) name: String,
    pub(crate) at: Position,
    /// Our name among those who write this log.
    pub(crate) writer: String,
    pub(crate) sequence: u64,
    pub(crate) followed: Arc<Followed>,
    /// Whether the buffer is not enough, because etcd was seen ahead of it.
    pub(crate) must_read: bool,
    /// The revision of the key that makes others wait, if it is ours; or 0.
    pub(crate) own_hold: i64,
    pub(crate) compaction: Option<Compaction>,
    /// Whether to ask for compaction: only who appended last does, so that not all do at once.
    pub(crate) wrote_last: bool,
}

impl EtcdLog {
    pub(crate) fn start(inner: &Arc<Inner>, database: &str, at: Position) -> Self {
        let keys = inner.keys.database(database);
        let writer = Uuid::new_v4().to_string();
        let followed = Arc::new(Followed::new(Arc::clone(&inner.lease)));
        inner.spawn(follow(
            Arc::clone(inner),
            keys.clone(),
            writer.clone(),
            Arc::clone(&followed),
        ));
        Self {
            inner: Arc::clone(inner),
            keys,
            name: format!("database {database} in etcd"),
            at,
            writer,
            sequence: 0,
            followed,
            must_read: true,
            own_hold: 0,
            compaction: None,
            wrote_last: false,
        }
    }

    pub(crate) fn error(&self, error: &Error) -> LogError {
        error.of_log(&self.name)
    }

    async fn append_all(&mut self, records: &[Record], guards: &[Str]) -> Result<(), AppendError> {
        let owned = |name: &Str| match self.inner.locks.0.owned(name) {
            Some(revision) => Ok((name.clone(), revision)),
            None => Err(AppendError::LockLost(name.clone())),
        };
        let guards: Vec<(Str, i64)> = guards.iter().map(owned).collect::<Result<_, _>>()?;
        let bytes = batch::encode(records);
        let mut line = Line {
            batch: self.next_batch(),
            records: records.len() as u64,
            bytes: bytes.len() as u64,
            parts: 0,
        };
        let inline = bytes.len() <= INLINE;
        if !inline {
            line.parts = parts::count(bytes.len());
            self.write_parts(&line.batch, &bytes).await?;
        }
        let value = batch::entry(&line, if inline { &bytes } else { &[] });
        let mut operations = vec![TxnOp::put(self.keys.entry(self.at.head.next), value, None)];
        if self.own_hold != 0 {
            operations.push(TxnOp::delete(self.keys.hold(), None));
        }
        let head = |before: &Head| Head {
            next: before.next + 1,
            index: before.index + line.records,
            bytes: before.bytes + line.bytes,
            ..before.clone()
        };
        let change = Change {
            head: &head,
            operations,
            guards,
            claim: None,
        };
        let outcome = self.commit(&line.batch, change).await;
        let held = std::mem::take(&mut self.own_hold);
        match outcome {
            Ok(()) => {
                self.wrote_last = true;
                Ok(())
            }
            Err(refusal) => {
                if held != 0 {
                    self.release_hold(held).await;
                }
                Err(self.append_error(refusal))
            }
        }
    }

    pub(crate) fn append_error(&self, refusal: Refusal) -> AppendError {
        match refusal {
            Refusal::Append(error) => error,
            Refusal::Claim => {
                let reason = "another process replaces or compacts it; try again".into();
                let log = self.name.clone();
                AppendError::Failed(LogError::Other { log, reason })
            }
        }
    }

    /// Writes the parts of a batch that will stand at the position. Others wait meanwhile: or else one who has much
    /// to write would never be done before the next small batch.
    async fn write_parts(&mut self, batch: &str, bytes: &[u8]) -> Result<(), AppendError> {
        self.take_hold(batch).await?;
        let prefix = self.keys.batch_parts(self.at.head.next);
        loop {
            if self.inner.is_closing() {
                return Err(self.error(&Error::Closing).into());
            }
            match parts::write(&self.inner.link, &prefix, bytes).await {
                Ok(()) => return Ok(()),
                Err(failure @ crate::link::Failure::Refused { .. }) => {
                    let held = std::mem::take(&mut self.own_hold);
                    self.release_hold(held).await;
                    return Err(self.error(&failure.into()).into());
                }
                Err(failure) => {
                    tracing::debug!(target: "etcd", "{}: {failure}; writing parts again", self.name);
                    self.followed.set_uncertain(true);
                    sleep(crate::commit::PAUSE).await;
                }
            }
        }
    }

    /// Makes others wait, if nobody makes us wait and the head is still the one that is known. Without a lease it
    /// is done without.
    async fn take_hold(&mut self, batch: &str) -> Result<(), AppendError> {
        let Some(held) = self.inner.lease.held() else {
            return Ok(());
        };
        let options = PutOptions::new().with_lease(held.id);
        let equal = CompareOp::Equal;
        let take = Txn::new()
            .when([
                Compare::mod_revision(self.keys.head(), equal, self.at.revision),
                Compare::create_revision(self.keys.hold(), equal, 0),
            ])
            .and_then([TxnOp::put(self.keys.hold(), batch, Some(options))]);
        let call =
            self.inner.link.call(
                SHORT,
                |client| async move { client.kv_client().txn(take).await },
            );
        // Whatever goes wrong here shows when the batch itself is written; one that arrives late ends with the
        // lease, or when its owner writes again.
        if let Ok(answer) = call.await
            && answer.succeeded()
        {
            self.own_hold = answer.header().map_or(0, |header| header.revision());
        }
        Ok(())
    }

    async fn release_hold(&self, revision: i64) {
        let key = self.keys.hold();
        let release = Txn::new()
            .when([Compare::mod_revision(
                key.clone(),
                CompareOp::Equal,
                revision,
            )])
            .and_then([TxnOp::delete(key, None)]);
        let call = self.inner.link.call_each(SHORT, |client| {
            let release = release.clone();
            async move { client.kv_client().txn(release).await }
        });
        // If it cannot be told, it ends with the lease.
        let _ = call.await;
    }

    async fn read_updates(&mut self) -> Result<Vec<Update>, Error> {
        let mut updates = Vec::new();
        let items = match self.followed.take() {
            Some(items) if !self.must_read => items,
            _ => return self.read_all().await,
        };
        for item in items {
            let place = &self.at.head;
            if item.revision <= self.at.revision {
                continue;
            }
            let count = item.entries.len() as u64;
            let first = item
                .entries
                .first()
                .map_or(place.next, |entry| entry.number);
            let follows = item.head.generation == place.generation
                && first == place.next
                && item.head.next == place.next + count;
            let mut records = Vec::new();
            for entry in item.entries.iter().filter(|_| follows) {
                match read::records(&self.inner.link, &self.keys, entry).await {
                    Ok(Some(more)) => records.extend(more),
                    // What was found so far is not lost: it is read again below.
                    _ => return self.read_after(updates).await,
                }
            }
            if !follows {
                return self.read_after(updates).await;
            }
            updates.extend(records.into_iter().map(Update::Record));
            self.wrote_last &= count == 0;
            self.at = Position {
                revision: item.revision,
                head: item.head,
            };
        }
        Ok(updates)
    }

    /// Goes on by reading after `updates` were taken from the buffer, with which the position has moved.
    async fn read_after(&mut self, mut updates: Vec<Update>) -> Result<Vec<Update>, Error> {
        match self.read_all().await {
            Ok(more) => {
                updates.extend(more);
                Ok(updates)
            }
            // The position stands behind what is given here; the rest comes with the next reading.
            Err(_) if !updates.is_empty() => {
                self.followed.tell_records();
                Ok(updates)
            }
            Err(error) => Err(error),
        }
    }

    async fn read_all(&mut self) -> Result<Vec<Update>, Error> {
        // Until it has succeeded.
        self.must_read = true;
        let read = read::read_on(&self.inner.link, &self.keys, Some(&self.at)).await?;
        let (at, updates) = read.ok_or_else(|| Error::Corrupt {
            key: self.keys.head(),
            reason: "is gone".into(),
        })?;
        self.must_read = false;
        self.wrote_last &= updates.is_empty();
        self.at = at;
        Ok(updates)
    }
}

impl Log for EtcdLog {
    fn append(&mut self, records: &[Record], guards: &[Str]) -> Result<(), AppendError> {
        let inner = Arc::clone(&self.inner);
        inner.wait(self.append_all(records, guards))
    }

    fn catch_up(&mut self) -> Result<Vec<Update>, LogError> {
        let inner = Arc::clone(&self.inner);
        let updates = inner.wait(self.read_updates());
        updates.map_err(|error| self.error(&error))
    }

    fn replace(&mut self, schema: &Record, snapshot: &Record) -> Result<(), AppendError> {
        let inner = Arc::clone(&self.inner);
        inner.wait(self.replace_all(schema, snapshot))
    }

    fn begin_compaction(&mut self) -> Result<StoreSnapshot, LogError> {
        let inner = Arc::clone(&self.inner);
        inner.wait(self.begin())
    }

    fn end_compaction(&mut self, stored: bool) -> Result<(), LogError> {
        let inner = Arc::clone(&self.inner);
        inner.wait(self.end(stored))
    }

    fn size(&self) -> Size {
        let head = &self.at.head;
        let behind = if self.wrote_last { head.bytes } else { 0 };
        Size {
            now: head.base.bytes + behind,
            compacted: head.base.bytes,
        }
    }

    fn watch(&mut self, watcher: Watcher) {
        self.followed.set_watcher(watcher);
    }

    fn state(&self) -> LogState {
        LogState {
            connected: self.followed.is_connected(),
            cluster: Some(self.inner.cluster_id()),
            index: Some(self.at.head.index),
        }
    }
}

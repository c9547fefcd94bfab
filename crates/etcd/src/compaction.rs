//! Putting a snapshot in the place of entries, and of everything.
//!
//! Who does it holds a claim, a key on his lease. Only while the claim is his, he puts the head that names his
//! snapshot, and removes snapshots that no head names.
//!
//! Invariant: what the head names is there.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use etcd_client::{
    CompactionOptions, Compare, CompareOp, DeleteOptions, GetOptions, PutOptions, Txn, TxnOp,
};
use ovsdb::log::{AppendError, LogError, StoreSnapshot};
use ovsdb::{Record, Uuid};
use tokio::time::sleep;

use crate::batch;
use crate::commit::Change;
use crate::head::{Base, Head};
use crate::keys::DatabaseKeys;
use crate::link::{BULK, Failure, Link, MAX_ANSWER, SHORT};
use crate::log::EtcdLog;
use crate::parts;
use crate::read;
use crate::{Error, cluster::Inner};

/// What the claim says: for what it was taken.
const COMPACTS: &str = "compacts";
const REPLACES: &str = "replaces";
/// The pause before another look at who has the claim.
const PAUSE: Duration = Duration::from_millis(20);
/// How many operations go into one transaction of etcd; it takes 128 unless told otherwise.
const OPERATIONS: usize = 100;

/// A compaction under way.
#[derive(Debug)]
pub(crate) struct Compaction {
    /// The head for whose content the snapshot is.
    of: Head,
    claim: i64,
    stored: Arc<Mutex<Option<Base>>>,
}

impl EtcdLog {
    /// Takes the claim, and gives its revision, unless another process has it.
    async fn claim(&self) -> Result<Option<i64>, Error> {
        self.try_claim(COMPACTS, 0).await
    }

    /// Takes the claim from whoever compacts; who replaces is waited for.
    async fn claim_to_replace(&self) -> Result<i64, Error> {
        let mut of = 0;
        loop {
            if self.inner.is_closing() {
                return Err(Error::Closing);
            }
            if let Some(claim) = self.try_claim(REPLACES, of).await? {
                return Ok(claim);
            }
            let key = self.keys.compactor();
            let found = self.inner.link.call_each(SHORT, |client| {
                let key = key.clone();
                async move { client.kv_client().get(key, None).await }
            });
            let found = found.await?;
            let compacts = found
                .kvs()
                .first()
                .filter(|kv| kv.value() == COMPACTS.as_bytes());
            of = compacts.map_or(0, |kv| kv.mod_revision());
            sleep(PAUSE).await;
        }
    }

    /// Takes the claim if it has this revision now; 0 if nobody has it.
    async fn try_claim(&self, purpose: &str, of: i64) -> Result<Option<i64>, Error> {
        let Some(held) = self.inner.lease.held() else {
            return Err(Error::Unreachable {
                endpoints: self.inner.link.endpoints(),
                reason: "the lease of this process could not be renewed".into(),
            });
        };
        let key = self.keys.compactor();
        let options = PutOptions::new().with_lease(held.id);
        let free = Compare::mod_revision(key.clone(), CompareOp::Equal, of);
        let put = TxnOp::put(key, purpose, Some(options));
        let txn = Txn::new().when([free]).and_then([put]);
        let call =
            self.inner.link.call(
                SHORT,
                |client| async move { client.kv_client().txn(txn).await },
            );
        let answer = call.await?;
        let revision = answer.header().map(|header| header.revision());
        Ok(revision.filter(|_| answer.succeeded()))
    }

    async fn release_claim(&self, claim: i64) {
        let key = self.keys.compactor();
        let mine = Compare::mod_revision(key.clone(), CompareOp::Equal, claim);
        let release = Txn::new().when([mine]).and_then([TxnOp::delete(key, None)]);
        let call = self.inner.link.call_each(SHORT, |client| {
            let release = release.clone();
            async move { client.kv_client().txn(release).await }
        });
        // If it cannot be told, it ends with the lease.
        let _ = call.await;
    }

    pub(crate) async fn begin(&mut self) -> Result<StoreSnapshot, LogError> {
        if let Some(before) = self.compaction.take() {
            self.release_claim(before.claim).await;
        }
        // Asked for again only after more was written.
        self.wrote_last = false;
        let claim = self.claim().await.map_err(|error| self.error(&error))?;
        let Some(claim) = claim else {
            return Err(LogError::Other {
                log: self.name.clone(),
                reason: "another process is compacting it".into(),
            });
        };
        let stored = Arc::new(Mutex::new(None));
        self.compaction = Some(Compaction {
            of: self.at.head.clone(),
            claim,
            stored: Arc::clone(&stored),
        });
        let (inner, keys, name) = (
            Arc::clone(&self.inner),
            self.keys.clone(),
            self.name.clone(),
        );
        let (number, index) = (self.at.head.base.number + 1, self.at.head.index);
        Ok(Box::new(move |schema, snapshot| {
            let base = store(&inner, &keys, schema, snapshot, number, index);
            let base = inner.wait(base).map_err(|error| error.of_log(&name))?;
            *stored.lock().unwrap_or_else(PoisonError::into_inner) = Some(base);
            Ok(())
        }))
    }

    pub(crate) async fn end(&mut self, stored: bool) -> Result<(), LogError> {
        let Some(Compaction {
            of,
            claim,
            stored: base,
        }) = self.compaction.take()
        else {
            return Ok(());
        };
        let base = base.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(base) = base.filter(|_| stored) else {
            self.release_claim(claim).await;
            return Ok(());
        };
        let outcome = self.put_base(&of, claim, base).await;
        self.release_claim(claim).await;
        outcome
    }

    /// Puts the head that names the new base. The position of this log is not touched unless it is at the head.
    async fn put_base(&mut self, of: &Head, claim: i64, base: Base) -> Result<(), LogError> {
        let failed = |log: &Self, error: Error| log.error(&error);
        loop {
            let now = read::read_head(&self.inner.link, &self.keys).await;
            let now = now.map_err(|error| failed(self, error))?;
            let Some(now) = now.filter(|now| {
                now.head.generation == of.generation && now.head.base.id == of.base.id
            }) else {
                // Replaced meanwhile, or an earlier copy of the request did it.
                break;
            };
            let head = Head {
                first: of.next,
                bytes: now.head.bytes.saturating_sub(of.bytes),
                base: base.clone(),
                batch: self.next_batch(),
                ..now.head.clone()
            };
            let equal = CompareOp::Equal;
            let txn = Txn::new()
                .when([
                    Compare::mod_revision(self.keys.head(), equal, now.revision),
                    Compare::mod_revision(self.keys.compactor(), equal, claim),
                ])
                .and_then(
                    [TxnOp::put(self.keys.head(), head.to_bytes(), None)]
                        .into_iter()
                        .chain(removals(&self.keys, of.next))
                        .collect::<Vec<_>>(),
                )
                .or_else([TxnOp::get(self.keys.compactor(), None)]);
            let call =
                self.inner.link.call(
                    BULK,
                    |client| async move { client.kv_client().txn(txn).await },
                );
            match call.await {
                Ok(answer) if answer.succeeded() => {
                    let revision = answer.header().map_or(0, |header| header.revision());
                    if self.at.revision == now.revision {
                        self.at = read::Position { revision, head };
                    }
                    self.tidy(&base.id, claim, revision).await;
                    tracing::info!(
                        target: "etcd",
                        "{}: compacted to {} bytes", self.name, base.bytes
                    );
                    break;
                }
                Ok(answer) => {
                    let claims =
                        answer
                            .op_responses()
                            .into_iter()
                            .find_map(|answer| match answer {
                                etcd_client::TxnOpResponse::Get(answer) => {
                                    answer.kvs().first().map(|kv| kv.mod_revision())
                                }
                                _ => None,
                            });
                    if claims != Some(claim) {
                        break;
                    }
                }
                Err(Failure::Unknown { .. }) if !self.inner.is_closing() => {}
                Err(failure) => return Err(failed(self, failure.into())),
            }
        }
        Ok(())
    }

    /// Removes what nothing refers to any more. What remains when this fails is removed the next time.
    async fn tidy(&self, base: &str, claim: i64, now: i64) {
        let tidied = async {
            let link = &self.inner.link;
            let garbage = garbage(link, &self.keys, base).await?;
            for some in garbage.chunks(OPERATIONS) {
                let mine = Compare::mod_revision(self.keys.compactor(), CompareOp::Equal, claim);
                let txn = Txn::new().when([mine]).and_then(some.to_vec());
                let call = |client: etcd_client::Client| {
                    let txn = txn.clone();
                    async move { client.kv_client().txn(txn).await }
                };
                link.call_each(BULK, call).await?;
            }
            if self.inner.compact_history {
                forget_history(link, now).await?;
            }
            Ok::<_, Failure>(())
        };
        if let Err(failure) = tidied.await {
            tracing::warn!(target: "etcd", "{}: cannot remove what is old: {failure}", self.name);
        }
    }

    pub(crate) async fn replace_all(
        &mut self,
        schema: &Record,
        snapshot: &Record,
    ) -> Result<(), AppendError> {
        self.compaction = None;
        let claim = self.claim_to_replace().await;
        let claim = claim.map_err(|error| self.error(&error))?;
        let (number, index) = (self.at.head.base.number + 1, self.at.head.index + 1);
        let base = store(&self.inner, &self.keys, schema, snapshot, number, index).await;
        let base = base.map_err(|error| self.error(&error))?;
        let head = |before: &Head| Head {
            generation: before.generation + 1,
            first: before.next,
            index,
            bytes: 0,
            base: base.clone(),
            ..before.clone()
        };
        let change = Change {
            head: &head,
            operations: removals(&self.keys, self.at.head.next),
            guards: Vec::new(),
            claim: Some((self.keys.compactor(), claim)),
        };
        let batch = self.next_batch();
        let outcome = self.commit(&batch, change).await;
        match &outcome {
            Ok(()) => self.tidy(&base.id, claim, self.at.revision).await,
            Err(_) => {
                // It may be read by nobody; if it cannot be removed now, the next compaction does.
                let _ = parts::delete(&self.inner.link, &self.keys.base(&base.id)).await;
            }
        }
        self.release_claim(claim).await;
        self.wrote_last = false;
        outcome.map_err(|refusal| self.append_error(refusal))
    }
}

/// Operations that remove all entries before this one, and their parts.
fn removals(keys: &DatabaseKeys, before: u64) -> Vec<TxnOp> {
    let range =
        |from: String, to: String| TxnOp::delete(from, Some(DeleteOptions::new().with_range(to)));
    vec![
        range(keys.entry(0), keys.entry(before)),
        range(keys.batch_parts(0), keys.batch_parts(before)),
    ]
}

/// Writes a base that nothing names yet.
pub(crate) async fn store(
    inner: &Inner,
    keys: &DatabaseKeys,
    schema: &Record,
    snapshot: &Record,
    number: u64,
    index: u64,
) -> Result<Base, Error> {
    let id = Uuid::new_v4().to_string();
    let bytes = batch::encode(&[schema.clone(), snapshot.clone()]);
    parts::write(&inner.link, &keys.base(&id), &bytes).await?;
    Ok(Base {
        id,
        number,
        parts: parts::count(bytes.len()),
        bytes: bytes.len() as u64,
        index,
    })
}

/// Operations that remove all bases but this one, and the keys of writers that are older than the others: those of
/// processes that have written nothing since the base before this one was made.
async fn garbage(link: &Link, keys: &DatabaseKeys, base: &str) -> Result<Vec<TxnOp>, Failure> {
    let mut others: Vec<String> = Vec::new();
    let mut oldest = i64::MAX;
    for (key, revision) in list(link, &keys.bases()).await? {
        let rest = key.strip_prefix(&keys.bases());
        let id = rest.and_then(|rest| rest.split_once('/')).map(|(id, _)| id);
        if let Some(id) = id.filter(|id| *id != base) {
            others.push(keys.base(id));
            oldest = oldest.min(revision);
        }
    }
    others.dedup();
    let whole = |prefix| TxnOp::delete(prefix, Some(DeleteOptions::new().with_prefix()));
    let mut garbage: Vec<TxnOp> = others.into_iter().map(whole).collect();
    if oldest < i64::MAX {
        let writers = list(link, &keys.writers()).await?.into_iter();
        let old = writers.filter(|(_, revision)| *revision < oldest);
        garbage.extend(old.map(|(key, _)| TxnOp::delete(key, None)));
    }
    Ok(garbage)
}

/// The keys below a prefix, with their revisions.
async fn list(link: &Link, prefix: &str) -> Result<Vec<(String, i64)>, Failure> {
    let found = link.call_each(BULK, |client| {
        let options = GetOptions::new().with_prefix().with_keys_only();
        let mut kv = client.kv_client().max_decoding_message_size(MAX_ANSWER);
        async move { kv.get(prefix, Some(options)).await }
    });
    let found = found.await?;
    let keys = found.kvs().iter().map(|kv| {
        let key = String::from_utf8_lossy(kv.key()).into_owned();
        (key, kv.mod_revision())
    });
    Ok(keys.collect())
}

/// Has etcd forget all revisions before this one.
async fn forget_history(link: &Link, revision: i64) -> Result<(), Failure> {
    let call = link.call(BULK, |client| async move {
        let options = CompactionOptions::new();
        client.kv_client().compact(revision, Some(options)).await
    });
    match call.await {
        Ok(_) => Ok(()),
        // Somebody has done so already.
        Err(Failure::Refused { reason, .. }) if reason.contains("compacted") => Ok(()),
        Err(failure) => Err(failure),
    }
}

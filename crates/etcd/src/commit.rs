//! Changing a log: one transaction of etcd that happens only at the head that is known.
//!
//! Invariant: when this returns, it is known whether the change happened. A request without an answer is sent
//! again as it was: of all copies at most one finds the head that they name, and the key of the writer says whether
//! one did. Only closing the cluster ends that early.

use std::time::Duration;

use etcd_client::{Compare, CompareOp, Txn, TxnOp, TxnOpResponse, TxnResponse};
use ovsdb::Str;
use ovsdb::log::{AppendError, LogError};
use tokio::time::sleep;

use crate::Error;
use crate::head::Head;
use crate::link::{Failure, SHORT};
use crate::locks::owner_key;
use crate::log::EtcdLog;
use crate::read::Position;

/// The pause before a request is sent again.
pub(crate) const PAUSE: Duration = Duration::from_millis(20);

/// What a change does beside putting the head.
pub(crate) struct Change<'c> {
    /// The head after it, made from the one before.
    pub(crate) head: &'c (dyn Fn(&Head) -> Head + Sync),
    pub(crate) operations: Vec<TxnOp>,
    /// Locks that must be ours, with the revisions at which they became so.
    pub(crate) guards: Vec<(Str, i64)>,
    /// A key that must have this revision: a claim that others may take away.
    pub(crate) claim: Option<(String, i64)>,
}

/// Why a change did not happen.
pub(crate) enum Refusal {
    /// See [`AppendError`].
    Append(AppendError),
    /// The claim was taken away.
    Claim,
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Self {
        Self::Append(error)
    }
}

impl From<LogError> for Refusal {
    fn from(error: LogError) -> Self {
        Self::Append(error.into())
    }
}

/// What etcd says about a change that did not happen with this request.
struct Now {
    head: Option<Position>,
    writer: Option<(Vec<u8>, i64)>,
    hold: i64,
    claim: i64,
    guards: Vec<i64>,
}

impl Now {
    /// Whether the key of the writer may have been there and was removed: compaction removes keys that are older
    /// than the base before, so not at the first one after a request was sent.
    fn is_too_late(&self, sent_at: &Position) -> bool {
        let number = self.head.as_ref().map_or(0, |now| now.head.base.number);
        self.writer.is_none() && number > sent_at.head.base.number + 1
    }
}

impl EtcdLog {
    /// The id of the next change.
    pub(crate) fn next_batch(&mut self) -> String {
        self.sequence += 1;
        format!("{}-{}", self.writer, self.sequence)
    }

    /// Makes a change, and moves the position behind it.
    pub(crate) async fn commit(&mut self, batch: &str, change: Change<'_>) -> Result<(), Refusal> {
        let outcome = self.try_commit(batch, &change).await;
        self.followed.set_uncertain(false);
        outcome
    }

    async fn try_commit(&mut self, batch: &str, change: &Change<'_>) -> Result<(), Refusal> {
        let mut sent_before = false;
        loop {
            if self.inner.is_closing() {
                return Err(self.error(&Error::Closing).into());
            }
            let head = Head {
                batch: batch.to_owned(),
                ..(change.head)(&self.at.head)
            };
            let txn = self.transaction(batch, &head, change);
            let call =
                self.inner.link.call(
                    SHORT,
                    |client| async move { client.kv_client().txn(txn).await },
                );
            let answer = match call.await {
                Ok(answer) => answer,
                Err(Failure::Refused { endpoint, reason }) if !sent_before => {
                    return Err(self.error(&Error::Refused { endpoint, reason }).into());
                }
                Err(failure) => {
                    tracing::debug!(target: "etcd", "{}: {failure}; asking again", self.name);
                    sent_before = true;
                    self.followed.set_uncertain(true);
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let revision = answer.header().map_or(0, |header| header.revision());
            if answer.succeeded() {
                self.at = Position { revision, head };
                return Ok(());
            }
            let now = self
                .now(&answer, change)
                .map_err(|error| self.error(&error))?;
            if let Some((value, revision)) = &now.writer
                && value == batch.as_bytes()
            {
                // An earlier copy of the request did it. Others may have gone on since.
                self.at = Position {
                    revision: *revision,
                    head,
                };
                return Ok(());
            }
            if sent_before && now.is_too_late(&self.at) {
                let gone = Error::Corrupt {
                    key: self.keys.writer(&self.writer),
                    reason: "is gone, so nobody knows whether a change was made".into(),
                };
                return Err(self.error(&gone).into());
            }
            let before = self.at.revision;
            let held = self.judge(now, change)?;
            // No earlier copy can find the old head any more.
            sent_before &= self.at.revision == before;
            if held {
                sleep(PAUSE).await;
            }
        }
    }

    fn transaction(&self, batch: &str, head: &Head, change: &Change<'_>) -> Txn {
        let equal = CompareOp::Equal;
        let lock = |name: &str| owner_key(&self.inner.keys, name);
        let mut compares = vec![
            Compare::mod_revision(self.keys.head(), equal, self.at.revision),
            // A key that is not there has the revision 0.
            Compare::mod_revision(self.keys.hold(), equal, self.own_hold),
        ];
        let mut reads = vec![
            TxnOp::get(self.keys.head(), None),
            TxnOp::get(self.keys.writer(&self.writer), None),
            TxnOp::get(self.keys.hold(), None),
        ];
        for (name, revision) in &change.guards {
            compares.push(Compare::mod_revision(lock(name), equal, *revision));
            reads.push(TxnOp::get(lock(name), None));
        }
        if let Some((key, revision)) = &change.claim {
            compares.push(Compare::mod_revision(key.clone(), equal, *revision));
            reads.push(TxnOp::get(key.clone(), None));
        }
        let mut operations = vec![
            TxnOp::put(self.keys.head(), head.to_bytes(), None),
            TxnOp::put(self.keys.writer(&self.writer), batch, None),
        ];
        operations.extend(change.operations.iter().cloned());
        Txn::new()
            .when(compares)
            .and_then(operations)
            .or_else(reads)
    }

    fn now(&self, answer: &TxnResponse, change: &Change<'_>) -> Result<Now, Error> {
        let kvs = answer
            .op_responses()
            .into_iter()
            .map(|answer| match answer {
                TxnOpResponse::Get(answer) => answer
                    .kvs()
                    .first()
                    .map(|kv| (kv.value().to_vec(), kv.mod_revision())),
                _ => None,
            });
        let mut kvs = kvs.collect::<Vec<_>>().into_iter();
        let mut next = || kvs.next().flatten();
        let head = next();
        let writer = next();
        let mut revision = || next().map_or(0, |(_, revision)| revision);
        let hold = revision();
        let guards = change.guards.iter().map(|_| revision()).collect();
        let claim = revision();
        let head = head
            .map(|(value, revision)| {
                let head = Head::from_bytes(&self.keys.head(), &value)?;
                Ok::<_, Error>(Position { revision, head })
            })
            .transpose()?;
        Ok(Now {
            head,
            writer,
            hold,
            claim,
            guards,
        })
    }

    /// Decides what a change that did not happen is to do: give up, or go on; whether another process is to be
    /// waited for.
    fn judge(&mut self, now: Now, change: &Change<'_>) -> Result<bool, Refusal> {
        let Some(head) = now.head else {
            let gone = Error::Corrupt {
                key: self.keys.head(),
                reason: "is gone".into(),
            };
            return Err(self.error(&gone).into());
        };
        let same_place =
            head.head.generation == self.at.head.generation && head.head.next == self.at.head.next;
        if !same_place {
            self.must_read = true;
            return Err(AppendError::Behind.into());
        }
        if let Some((_, revision)) = change.claim
            && now.claim != revision
        {
            return Err(Refusal::Claim);
        }
        // A compaction by another process, which leaves the position where it is.
        self.at = head;
        let lost = change.guards.iter().zip(&now.guards);
        if let Some(((name, _), _)) = lost.into_iter().find(|((_, had), has)| had != *has) {
            return Err(AppendError::LockLost(name.clone()).into());
        }
        if now.hold == self.own_hold {
            return Ok(false);
        }
        // Ours has ended with the lease: the change is made without. That of another ends when his batch is there,
        // or with his lease.
        self.own_hold = 0;
        Ok(now.hold != 0)
    }
}

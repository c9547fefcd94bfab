//! Transactions that are built from the rows, and built again when those have changed meanwhile.
//!
//! Invariant: a transaction is sent again only when the server has said that it did nothing.

use std::fmt;

use ::ovsdb::client::{Replica, RequestId, Session, TransactError, Transaction};
use tokio::sync::oneshot;

use super::TransactResult;

/// Makes a transaction of the rows as they are.
pub(super) struct Build(Box<dyn FnMut(&Replica) -> Transaction + Send>);

impl Build {
    pub(super) fn new(build: impl FnMut(&Replica) -> Transaction + Send + 'static) -> Self {
        Self(Box::new(build))
    }
}

impl fmt::Debug for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Build")
    }
}

/// One that has not been carried out yet.
#[derive(Debug)]
pub(super) struct Commit {
    build: Build,
    reply: oneshot::Sender<TransactResult>,
    /// How many operations in front verify.
    verified: usize,
    /// How many changes of the rows had been seen when it was built.
    built_at: u64,
}

impl Commit {
    pub(super) fn new(build: Build, reply: oneshot::Sender<TransactResult>) -> Self {
        Self {
            build,
            reply,
            verified: 0,
            built_at: 0,
        }
    }

    /// Builds the transaction and sends it; gives it back with its id until the answer comes.
    pub(super) fn send(mut self, session: &mut Session, seen: u64) -> Option<(RequestId, Self)> {
        let transaction = (self.build.0)(session.replica());
        if transaction.is_empty() {
            self.end(Ok(Vec::new()));
            return None;
        }
        self.verified = transaction.verified();
        self.built_at = seen;
        match session.transact(&transaction.into_operations()) {
            Ok(id) => Some((id, self)),
            Err(error) => {
                self.end(Err(error));
                None
            }
        }
    }

    /// Takes the answer; gives the transaction back when it is to be built again.
    pub(super) fn answered(self, result: TransactResult) -> Option<Self> {
        let is_conflict = matches!(
            &result,
            Err(error @ TransactError::Refused { operation: Some(at), .. })
                if *at < self.verified && error.is_conflict()
        );
        if is_conflict && !self.reply.is_closed() {
            return Some(self);
        }
        let verified = self.verified;
        self.end(result.map(|mut results| results.split_off(verified.min(results.len()))));
        None
    }

    /// Whether there is something new to build it from.
    pub(super) const fn is_due(&self, seen: u64) -> bool {
        self.built_at != seen
    }

    pub(super) fn end(self, result: TransactResult) {
        // Who asked may be gone.
        let _ = self.reply.send(result);
    }
}

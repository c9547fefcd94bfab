//! A database in the server: how far it is durable, and what depends on the rest.
//!
//! Transactions are carried out one after the other on the staged state. Each that has ended is *pending* until
//! all commits that it has seen are durable: only then anybody hears of it. So what the log does not take can be
//! taken back, and carried out again, without anybody having noticed.
//!
//! Invariant: `pending` holds, in order, everything that was carried out after the commit `durable`; its first
//! has a commit. While the database is *parked*, it is without those commits.

use std::collections::VecDeque;

use super::SessionId;
use super::conversion::Conversion;
use super::mirror::Mirror;
use super::monitors::Monitors;
use super::transact::{Answer, Transaction};
use crate::Database;
use crate::database::Commit;
use crate::log::LogState;

/// A transaction that was carried out, and nobody has heard of it.
#[derive(Debug)]
pub(crate) struct Pending {
    /// What must be durable before the answer is given.
    pub(crate) revision: u64,
    pub(crate) commit: Option<Commit>,
    pub(crate) answer: Answer,
    /// How many operations it has.
    pub(crate) operations: usize,
    /// Without its operations if nobody else writes the log: it is never carried out again.
    pub(crate) transaction: Transaction,
}

/// What has to wait until nothing is pending.
#[derive(Debug)]
pub(crate) enum Deferred {
    /// A message of a client.
    Message {
        session: SessionId,
        transacts: bool,
        bytes: Vec<u8>,
    },
    /// A transaction of a part of the same process.
    Transaction(Transaction),
}

impl Deferred {
    pub(crate) const fn session(&self) -> SessionId {
        match self {
            Self::Message { session, .. } => *session,
            Self::Transaction(transaction) => transaction.session,
        }
    }

    pub(crate) const fn is_transaction(&self) -> bool {
        match self {
            Self::Message { transacts, .. } => *transacts,
            Self::Transaction(_) => true,
        }
    }

    pub(crate) const fn is_of_this_process(&self) -> bool {
        matches!(self, Self::Transaction(_))
    }

    /// How many bytes are held for the session.
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Message { bytes, .. } => bytes.len(),
            Self::Transaction(_) => 0,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Hosted {
    pub(crate) database: Database,
    /// Whether other processes write the log too.
    pub(crate) shared: bool,
    pub(crate) log: LogState,
    /// The last commit that the log holds.
    pub(crate) durable: u64,
    pub(crate) pending: VecDeque<Pending>,
    /// Whether the pending commits were taken out of the database, because it will take a while to know whether
    /// the log has them.
    pub(crate) parked: bool,
    pub(crate) deferred: VecDeque<Deferred>,
    pub(crate) conversion: Option<Conversion>,
    pub(crate) monitors: Monitors,
    /// What a copy of another server's database has in the place of a log.
    pub(crate) mirror: Option<Mirror>,
}

impl Hosted {
    pub(crate) fn new(database: Database, shared: bool) -> Self {
        let durable = database.revision();
        Self {
            database,
            shared,
            log: LogState::default(),
            durable,
            pending: VecDeque::new(),
            parked: false,
            deferred: VecDeque::new(),
            conversion: None,
            monitors: Monitors::default(),
            mirror: None,
        }
    }

    /// Whether the database has something that the log may not take.
    pub(crate) fn is_ahead(&self) -> bool {
        !self.pending.is_empty() && !self.parked
    }

    /// Why nothing can be written now, if so.
    pub(crate) fn read_only(&self) -> Option<&'static str> {
        if self.database.schema().name.starts_with('_') {
            Some("operation not allowed on a table of a reserved database")
        } else if !self.log.connected || self.parked {
            Some(
                "the server has lost the cluster that keeps this database: it can be read, but not changed",
            )
        } else {
            None
        }
    }

    /// The next pending transaction that the commit `revision` makes known; its commit is then in the database.
    pub(crate) fn next_durable(&mut self, revision: u64) -> Option<Pending> {
        if self.pending.front()?.revision > revision {
            return None;
        }
        let pending = self.pending.pop_front()?;
        if let Some(commit) = &pending.commit {
            self.durable = commit.revision;
            if self.parked {
                self.database.bring_back(commit);
            }
        }
        self.parked &= !self.pending.is_empty();
        Some(pending)
    }

    /// Takes the pending commits out of the database, for as long as it is unclear whether the log has them.
    pub(crate) fn park(&mut self) {
        if self.is_ahead() {
            self.take_out();
            self.parked = true;
        }
    }

    /// Takes back everything that is pending.
    pub(crate) fn take_back(&mut self) -> VecDeque<Pending> {
        if self.is_ahead() {
            self.take_out();
        }
        self.parked = false;
        self.durable = self.database.revision();
        std::mem::take(&mut self.pending)
    }

    fn take_out(&mut self) {
        let commits = self.pending.iter().filter_map(|it| it.commit.as_ref());
        self.database.roll_back(commits);
    }
}

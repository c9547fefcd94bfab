//! A database in the server: how far it is durable, and who waits for that.
//!
//! Invariant: `staged` holds the commits after `durable`, in order.

use std::collections::VecDeque;
use std::sync::Arc;

use super::SessionId;
use super::monitors::Monitors;
use crate::database::Commit;
use crate::{Database, RowChange};

#[derive(Debug)]
pub(crate) struct Hosted {
    pub(crate) database: Database,
    /// The last commit that the log holds.
    pub(crate) durable: u64,
    staged: VecDeque<Commit>,
    /// Sessions with output that waits for a commit, in the order of the commits.
    waiting: VecDeque<(u64, SessionId)>,
    pub(crate) monitors: Monitors,
}

impl Hosted {
    pub(crate) fn new(database: Database) -> Self {
        let durable = database.revision();
        Self {
            database,
            durable,
            staged: VecDeque::new(),
            waiting: VecDeque::new(),
            monitors: Monitors::default(),
        }
    }

    pub(crate) fn stage(&mut self, commit: Commit) {
        self.staged.push_back(commit);
    }

    pub(crate) fn wait(&mut self, revision: u64, session: SessionId) {
        if self.waiting.back() != Some(&(revision, session)) {
            self.waiting.push_back((revision, session));
        }
    }

    /// Notes that the log holds everything up to `revision`; gives what became visible by that.
    pub(crate) fn make_durable(&mut self, revision: u64) -> Vec<Arc<[RowChange]>> {
        let mut visible = Vec::new();
        while let Some(commit) = self.staged.front()
            && commit.revision <= revision
        {
            self.durable = commit.revision;
            visible.extend(self.staged.pop_front().map(|commit| commit.changes));
        }
        visible
    }

    /// The sessions of which something waited for what is durable now.
    pub(crate) fn released(&mut self) -> Vec<SessionId> {
        let mut sessions = Vec::new();
        while let Some(&(revision, session)) = self.waiting.front()
            && revision <= self.durable
        {
            self.waiting.pop_front();
            sessions.push(session);
        }
        sessions
    }

    pub(crate) fn roll_back(&mut self) {
        let staged = std::mem::take(&mut self.staged);
        self.database.roll_back(staged.iter());
        self.durable = self.database.revision();
        self.waiting.clear();
    }
}

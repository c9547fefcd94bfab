//! What goes to the log threads and what they answer.
//!
//! Invariant: what a snapshot holds was sent to the log before it, so that compaction neither loses nor
//! repeats a commit.

use std::time::{SystemTime, UNIX_EPOCH};

use ovsdb::client::TransactError;
use ovsdb::server::{DatabaseId, StagedCommit};
use ovsdb::{ErrorKind, Record};
use transport::ovsdb::Event;

use super::{Core, RETRY};
use crate::log_thread::Outcome;

impl Core {
    pub(super) fn outcome(&mut self, id: DatabaseId, outcome: Option<Outcome>) {
        let Some(outcome) = outcome else {
            return self.retry(id);
        };
        match outcome {
            Outcome::Durable(revision) => self.durable(id, revision),
            Outcome::Failed(text) => self.failed(id, &text),
            Outcome::Compacted(done) => self.compacted(id, done),
        }
    }

    pub(super) fn durable(&mut self, id: DatabaseId, revision: u64) {
        let visible = self.server.durable(id, revision);
        for follower in self
            .followers
            .values()
            .filter(|follower| follower.database == id)
        {
            for changes in &visible {
                follower.events.send(Event::Changes(changes.to_vec()));
            }
        }
        self.forget_followers();
        let Some(logged) = self.logs.get_mut(&id) else {
            return;
        };
        while let Some(&(written, bytes)) = logged.unwritten.front()
            && written <= revision
        {
            logged.unwritten.pop_front();
            self.unwritten -= bytes;
        }
        while logged
            .replies
            .front()
            .is_some_and(|reply| reply.0 <= revision)
        {
            if let Some((_, reply, result)) = logged.replies.pop_front() {
                let _ = reply.send(result);
            }
        }
        if logged.thread.wants_compaction() {
            self.compact(id);
        }
        self.begin_followers(id);
    }

    pub(super) fn failed(&mut self, id: DatabaseId, text: &str) {
        self.server.failed(id, text);
        let Some(logged) = self.logs.get_mut(&id) else {
            return;
        };
        tracing::error!(target: "log", "{}: cannot write the log: {text}", logged.name);
        logged.thread.recover();
        self.unwritten -= logged
            .unwritten
            .drain(..)
            .map(|(_, bytes)| bytes)
            .sum::<usize>();
        for (_, reply, _) in logged.replies.drain(..) {
            let error = TransactError::Refused {
                operation: None,
                error: ErrorKind::Io.tag().to_owned(),
                details: text.to_owned(),
            };
            let _ = reply.send(Err(error));
        }
        // A log that failed writes no more; a new file with what is known to be durable does.
        logged.broken = true;
        self.compact(id);
        self.begin_followers(id);
    }

    pub(super) fn compacted(&mut self, id: DatabaseId, done: bool) {
        let Some(logged) = self.logs.get_mut(&id) else {
            return;
        };
        if done && std::mem::take(&mut logged.broken) {
            tracing::info!(target: "log", "{}: the log can be written again", logged.name);
        }
        if logged.broken && !std::mem::replace(&mut logged.retrying, true) {
            let report = self.report.clone();
            tokio::spawn(async move {
                tokio::time::sleep(RETRY).await;
                // A core that has ended needs no log.
                let _ = report.send((id, None));
            });
        }
    }

    /// Tries again to begin a new file, if there is still need of one.
    pub(super) fn retry(&mut self, id: DatabaseId) {
        if let Some(logged) = self.logs.get_mut(&id) {
            logged.retrying = false;
            if logged.broken {
                self.compact(id);
            }
        }
    }

    /// Replaces the log by one that holds only the present content.
    pub(super) fn compact(&mut self, id: DatabaseId) {
        // The snapshot has all that is staged, so that must be on its way before.
        self.hand_out_commits();
        let database = self.server.database(id);
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let wall = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        let (schema, snapshot) = (Record::schema(database.schema()), database.snapshot(wall));
        if let Some(logged) = self.logs.get_mut(&id) {
            // What is on its way is in the snapshot, and is written to the old file before.
            logged.thread.compact(schema, snapshot);
        }
    }

    pub(super) fn hand_out_commits(&mut self) {
        while let Some(StagedCommit { database, commit }) = self.server.poll_commit() {
            let Some(logged) = self.logs.get_mut(&database) else {
                continue;
            };
            let bytes = commit
                .record
                .as_ref()
                .map_or(0, |record| record.data().len());
            logged.unwritten.push_back((commit.revision, bytes));
            self.unwritten += bytes;
            logged.thread.append(commit.revision, commit.record);
        }
    }
}

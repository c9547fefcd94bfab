//! What goes to the log threads and what they answer.
//!
//! Invariant: what a snapshot holds was sent to the log before it, so that compaction neither loses nor
//! repeats a commit.

use std::sync::Arc;

use ovsdb::log::{LockEvent, Update};
use ovsdb::server::{CarriedOver, DatabaseId, Rebased, Snapshot, StagedCommit};
use ovsdb::{Record, RowChange};
use transport::ovsdb::Event;

use super::{Core, RETRY, Report};
use crate::log_thread::{Content, Outcome, Reason, now, text};

/// How many rows are taken for a snapshot before it is another's turn; a millisecond or two.
const SLICE: usize = 8192;

impl Core {
    pub(super) fn outcome(&mut self, id: DatabaseId, outcome: Outcome) {
        let Some(logged) = self.logs.get_mut(&id).filter(|logged| !logged.unusable) else {
            return;
        };
        if outcome.ends_epoch() {
            logged.thread.begin_epoch();
            let lost = logged.unwritten.drain(..).map(|(_, bytes)| bytes);
            self.unwritten -= lost.sum::<usize>();
        }
        match outcome {
            Outcome::Durable(revision) => self.durable(id, revision),
            Outcome::Failed(text) => self.failed(id, &text),
            Outcome::Others(updates) => self.others(id, updates),
            Outcome::LockLost(lock) => {
                self.server.handle_lock_event(LockEvent::Lost(lock));
                self.others(id, Vec::new());
            }
            Outcome::Replaced(Reason::Conversion, Ok(())) => {
                self.server.converted(id);
                self.end_followers(id);
            }
            Outcome::Replaced(Reason::Conversion, Err(text)) => {
                self.server.conversion_failed(id, &text);
            }
            Outcome::Replaced(Reason::Repair, done) => self.repaired(id, done.is_ok()),
            Outcome::Compacted => logged.compacting = false,
            Outcome::Index(index) => logged.state.index = index,
            Outcome::Connected(connected) => {
                let (name, known) = (&logged.name, logged.state.connected);
                if known && !connected {
                    tracing::warn!(target: "log", "{name}: the connection to the cluster is lost");
                } else if connected && !known {
                    tracing::info!(target: "log", "{name}: connected to the cluster again");
                }
                logged.state.connected = connected;
            }
        }
    }

    /// Says what is known of the log, after everything that it answered was taken note of.
    pub(super) fn describe_log(&mut self, id: DatabaseId) {
        // What was staged must be on its way, whatever comes of it.
        self.hand_out_commits();
        if let Some(logged) = self.logs.get(&id).filter(|logged| !logged.unusable) {
            self.server.set_log_state(id, logged.state);
        }
    }

    fn durable(&mut self, id: DatabaseId, revision: u64) {
        let visible = self.server.durable(id, revision);
        self.show(id, &visible);
        let Some(logged) = self.logs.get_mut(&id) else {
            return;
        };
        while let Some(&(written, bytes)) = logged.unwritten.front()
            && written <= revision
        {
            logged.unwritten.pop_front();
            self.unwritten -= bytes;
        }
        if logged.thread.wants_compaction() {
            self.compact(id);
        }
    }

    /// Shows changes to the followers of a database.
    pub(super) fn show(&mut self, id: DatabaseId, visible: &[Arc<[RowChange]>]) {
        let followers = self.followers.values();
        for follower in followers.filter(|follower| follower.database == id) {
            for changes in visible {
                follower.events.send(Event::Changes(changes.to_vec()));
            }
        }
        self.forget_followers();
    }

    fn failed(&mut self, id: DatabaseId, text: &str) {
        self.server.failed(id, text);
        let Some(logged) = self.logs.get_mut(&id) else {
            return;
        };
        tracing::error!(target: "log", "{}: cannot write the log: {text}", logged.name);
        if logged.state.cluster.is_none() {
            // A file that failed is written no more; a new one with what is known to be durable is.
            logged.broken = true;
            self.repair(id);
        }
    }

    /// Takes over what others have written.
    fn others(&mut self, id: DatabaseId, updates: Vec<Update>) {
        let rebased =
            self.with_environment(|server, environment| server.rebase(id, updates, environment));
        match rebased {
            Ok(Rebased { visible, replaced }) => {
                if replaced {
                    self.end_followers(id);
                }
                self.show(id, &visible);
            }
            Err(error) => {
                let Some(logged) = self.logs.get_mut(&id) else {
                    return;
                };
                tracing::error!(
                    target: "log",
                    "{}: the cluster has a record that does not fit this database ({}); it is served as it is, \
                     and cannot be changed here until the server is started again",
                    logged.name, text(&error)
                );
                logged.unusable = true;
            }
        }
    }

    fn repaired(&mut self, id: DatabaseId, done: bool) {
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
                let _ = report.send(Report::Retry(id));
            });
        }
    }

    /// Tries again to begin a new file, if there is still need of one.
    pub(super) fn retry(&mut self, id: DatabaseId) {
        if let Some(logged) = self.logs.get_mut(&id) {
            logged.retrying = false;
            if logged.broken {
                self.repair(id);
            }
        }
    }

    fn repair(&mut self, id: DatabaseId) {
        let content = self.content(id);
        if let Some(logged) = self.logs.get_mut(&id) {
            logged.thread.replace(content, Reason::Repair);
        }
    }

    /// Replaces the log by one that holds only the present content, unless that is being done.
    pub(super) fn compact(&mut self, id: DatabaseId) {
        let Some(logged) = self.logs.get_mut(&id) else {
            return;
        };
        if !logged.unusable && !std::mem::replace(&mut logged.compacting, true) {
            self.snapshots.push((id, self.server.begin_snapshot(id)));
        }
    }

    /// Takes some more of the databases whose logs are to be compacted.
    pub(super) fn continue_snapshots(&mut self) {
        for (id, mut freezing) in std::mem::take(&mut self.snapshots) {
            if !self.logs.contains_key(&id) {
                continue;
            }
            match self.server.continue_snapshot(id, &mut freezing, SLICE) {
                Snapshot::Going => self.snapshots.push((id, freezing)),
                Snapshot::Done(rows) => {
                    // The snapshot has all that is staged, so that must be on its way before.
                    self.hand_out_commits();
                    let schema = Record::schema(self.server.database(id).schema());
                    if let Some(logged) = self.logs.get(&id) {
                        logged.thread.compact(Content { schema, rows });
                    }
                }
                Snapshot::Void => {
                    // To drop so many rows takes a while.
                    drop(std::thread::spawn(move || drop(freezing)));
                    if let Some(logged) = self.logs.get_mut(&id) {
                        logged.compacting = false;
                    }
                }
            }
        }
    }

    /// The present content; what it holds is on its way to the log.
    fn content(&mut self, id: DatabaseId) -> Content {
        self.hand_out_commits();
        let database = self.server.database(id);
        Content {
            schema: Record::schema(database.schema()),
            rows: database.freeze(),
        }
    }

    pub(super) fn hand_out_commits(&mut self) {
        while let Some(staged) = self.server.poll_commit() {
            let StagedCommit {
                database,
                commit,
                guards,
            } = staged;
            let Some(logged) = self.logs.get_mut(&database) else {
                continue;
            };
            let bytes = commit
                .record
                .as_ref()
                .map_or(0, |record| record.data().len());
            logged.unwritten.push_back((commit.revision, bytes));
            self.unwritten += bytes;
            logged.thread.append(commit.revision, commit.record, guards);
        }
    }

    /// Goes on with conversions: takes some more of the databases, and hands out what is whole.
    pub(super) fn continue_conversions(&mut self) {
        if let Some(staged) = self.server.poll_conversion(SLICE) {
            let report = self.report.clone();
            drop(std::thread::spawn(move || {
                let carried = staged.carry_over(now());
                // A core that has ended needs none.
                let _ = report.send(Report::CarriedOver(carried));
            }));
        }
        while let Some(database) = self.server.poll_discarded() {
            drop(std::thread::spawn(move || drop(database)));
        }
    }

    /// Has the log replaced by what was carried over.
    pub(super) fn carried_over(&mut self, carried: CarriedOver) {
        let Some(replacement) = self.server.carried_over(carried) else {
            return;
        };
        self.hand_out_commits();
        if let Some(logged) = self.logs.get(&replacement.database) {
            let content = Content {
                schema: replacement.schema,
                rows: replacement.content,
            };
            logged.thread.replace(content, Reason::Conversion);
        }
    }
}

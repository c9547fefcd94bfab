//! A server of a cluster without threads: what the core of the `server` crate and its log thread do, step by step,
//! in any order in which that can happen.

use std::collections::VecDeque;

use ovsdb::log::{AppendError, LockEvent, LockService, Log, LogState, Update};
use ovsdb::server::{DatabaseId, Environment, Limits, LockRequest, Server, SessionId};
use ovsdb::{Database, Record, Str, Uuid};
use serde_json::{Value, json};

use super::shared_log::{Cluster, MemoryLocks, SharedMemoryLog};

enum Job {
    Append(u64, u64, Option<Record>, Vec<Str>),
    Convert(u64, Record, Record),
}

pub(crate) enum Outcome {
    Durable(u64),
    Others(Vec<Update>),
    LockLost(Str),
    Converted,
    Connected(bool),
}

pub(crate) struct Node {
    pub(crate) server: Server,
    pub(crate) database: DatabaseId,
    log: SharedMemoryLog,
    locks: MemoryLocks,
    state: LogState,
    jobs: VecDeque<Job>,
    outcomes: VecDeque<Outcome>,
    /// The epochs of the core and of the log thread.
    epochs: (u64, u64),
    uuids: Box<dyn FnMut() -> Uuid>,
    pub(crate) now: u64,
    /// How many times transactions were carried out again.
    pub(crate) rebases: u64,
}

impl Node {
    pub(crate) fn join(cluster: &Cluster, seed: u64) -> Self {
        let (database, log) = cluster.join();
        let mut server = Server::new(Uuid::from_u128(u128::from(seed)), Limits::default());
        server.share_locks();
        let database = server.add_shared_database(database);
        let (locks, state) = (log.locks(), log.state());
        server.set_log_state(database, state);
        Self {
            server,
            database,
            log,
            locks,
            state,
            jobs: VecDeque::new(),
            outcomes: VecDeque::new(),
            epochs: (0, 0),
            uuids: Box::new(super::uuids(seed << 32)),
            now: 0,
            rebases: 0,
        }
    }

    pub(crate) fn member(&self) -> usize {
        self.log.member
    }

    pub(crate) fn db(&self) -> &Database {
        self.server.database(self.database)
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Server, &mut Environment<'_>) -> T) -> T {
        let mut environment = Environment {
            wall: self.now,
            now: self.now,
            new_uuid: &mut *self.uuids,
        };
        act(&mut self.server, &mut environment)
    }

    /// Sends a request of a client.
    pub(crate) fn send(&mut self, session: SessionId, id: u64, method: &str, params: &Value) {
        let message = json!({"id": id, "method": method, "params": params}).to_string();
        self.with(|server, environment| server.receive(session, message.as_bytes(), environment));
        self.hand_out();
    }

    /// What has left for a client.
    pub(crate) fn output(&mut self, session: SessionId) -> Vec<Value> {
        while self.server.poll_ready().is_some() {}
        let mut bytes = Vec::new();
        while let Some(part) = self.server.poll_output(session) {
            bytes.extend_from_slice(&part);
        }
        serde_json::Deserializer::from_slice(&bytes)
            .into_iter()
            .map(Result::unwrap)
            .collect()
    }

    fn hand_out(&mut self) {
        while let Some(staged) = self.server.poll_commit() {
            let commit = staged.commit;
            let job = Job::Append(self.epochs.0, commit.revision, commit.record, staged.guards);
            self.jobs.push_back(job);
        }
        while self.server.has_conversions() {
            // In slices of one row.
            let Some(staged) = self.server.poll_conversion(1) else {
                continue;
            };
            let carried = staged.carry_over(self.now);
            if let Some(replacement) = self.server.carried_over(carried) {
                let snapshot = replacement.content.record(self.now);
                self.jobs
                    .push_back(Job::Convert(self.epochs.0, replacement.schema, snapshot));
            }
        }
        while let Some(request) = self.server.poll_lock_request() {
            match request {
                LockRequest::Want { lock, steal } => self.locks.want(&lock, steal),
                LockRequest::Release(lock) => self.locks.release(&lock),
            }
        }
    }

    /// The log thread takes so many jobs as one batch; whether it had any.
    pub(crate) fn write(&mut self, limit: usize) -> bool {
        let Some(first) = self.jobs.pop_front() else {
            return false;
        };
        let (mut last, mut records, mut guards) = match first {
            Job::Convert(epoch, schema, snapshot) => {
                if epoch == self.epochs.1 {
                    let done = self.log.replace(&schema, &snapshot);
                    self.answer(done, Outcome::Converted);
                }
                return true;
            }
            Job::Append(epoch, ..) if epoch != self.epochs.1 => return true,
            Job::Append(_, revision, record, guards) => {
                (revision, record.into_iter().collect::<Vec<_>>(), guards)
            }
        };
        for _ in 1..limit {
            match self.jobs.pop_front() {
                Some(Job::Append(epoch, revision, record, more)) if epoch == self.epochs.1 => {
                    last = revision;
                    records.extend(record);
                    guards.extend(more);
                }
                Some(other) => {
                    self.jobs.push_front(other);
                    break;
                }
                None => break,
            }
        }
        let done = self.log.append(&records, &guards);
        self.answer(done, Outcome::Durable(last));
        true
    }

    fn answer(&mut self, done: Result<(), AppendError>, good: Outcome) {
        let outcome = match done {
            Ok(()) => good,
            Err(AppendError::Behind) => {
                let updates = self.log.catch_up().unwrap();
                assert!(!updates.is_empty());
                self.epochs.1 += 1;
                Outcome::Others(updates)
            }
            Err(AppendError::LockLost(lock)) => {
                self.epochs.1 += 1;
                Outcome::LockLost(lock)
            }
            Err(AppendError::Failed(error)) => panic!("{error}"),
        };
        self.outcomes.push_back(outcome);
    }

    /// The log thread hears that others have written.
    pub(crate) fn catch_up(&mut self) -> bool {
        let updates = self.log.catch_up().unwrap();
        let some = !updates.is_empty();
        if some {
            self.epochs.1 += 1;
            self.outcomes.push_back(Outcome::Others(updates));
        }
        some
    }

    /// The connection is lost, or there again, as far as the server hears: what it has sent may or may not have
    /// arrived.
    pub(crate) fn set_connected(&mut self, connected: bool) {
        // News come at any time, also before outcomes that are on their way.
        self.handle(Outcome::Connected(connected));
    }

    /// The core hears of the next outcome; whether there was one.
    pub(crate) fn hear(&mut self) -> bool {
        let Some(outcome) = self.outcomes.pop_front() else {
            return false;
        };
        self.handle(outcome);
        true
    }

    fn handle(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Durable(revision) => drop(self.server.durable(self.database, revision)),
            Outcome::Others(updates) => self.rebase(updates),
            Outcome::LockLost(lock) => {
                self.server.handle_lock_event(LockEvent::Lost(lock));
                self.rebase(Vec::new());
            }
            Outcome::Converted => self.server.converted(self.database),
            Outcome::Connected(connected) => self.state.connected = connected,
        }
        self.hand_out();
        self.state.index = self.log.state().index;
        self.server.set_log_state(self.database, self.state);
        self.with(|server, environment| server.proceed(environment));
        self.hand_out();
    }

    fn rebase(&mut self, updates: Vec<Update>) {
        self.epochs.0 += 1;
        self.rebases += 1;
        let id = self.database;
        self.with(|server, environment| server.rebase(id, updates, environment))
            .unwrap();
    }

    /// The core hears of a lock; whether there was something to hear.
    pub(crate) fn hear_of_lock(&mut self) -> bool {
        let Some(event) = self.locks.poll_event() else {
            return false;
        };
        self.server.handle_lock_event(event);
        self.hand_out();
        true
    }

    /// Compacts the log, if everything that the database holds is in it.
    pub(crate) fn compact(&mut self) {
        if !self.jobs.is_empty()
            || !self.outcomes.is_empty()
            || !self.server.is_settled(self.database)
        {
            return;
        }
        let schema = Record::schema(self.db().schema());
        let snapshot = self.db().snapshot(self.now);
        self.log.compact(&schema, &snapshot).unwrap();
    }

    /// Everything that can happen without others; whether something did.
    pub(crate) fn settle(&mut self) -> bool {
        if !self.state.connected {
            self.set_connected(true);
        }
        let mut happened = false;
        while self.hear_of_lock() || self.hear() || self.write(3) || self.catch_up() {
            happened = true;
        }
        happened
    }
}

/// Lets everything happen that is under way.
pub(crate) fn settle(nodes: &mut [Node]) {
    while nodes.iter_mut().any(Node::settle) {}
}

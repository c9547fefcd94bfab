//! The server side of the protocol, without sockets: databases, locks and the sessions of clients.
//!
//! A shell gives it bytes of sessions and hands its records to a log:
//!
//! 1. [`Server::connect`] for a new connection, [`Server::receive`] for its bytes, [`Server::disconnect`] at
//!    its end.
//! 2. [`Server::poll_commit`] until it gives nothing: the records in order, for the log of each database. Any
//!    number can be on their way; the server goes on with the state after them.
//! 3. [`Server::durable`] when the log of a database holds everything up to a commit, or [`Server::failed`].
//! 4. [`Server::poll_ready`] until it gives nothing, and for each session [`Server::poll_output`].
//! 5. [`Server::poll_close`]: the sessions to cut off, and why.
//! 6. [`Server::handle_timeout`] at [`Server::poll_timeout`].
//!
//! It must not know sockets, files or which tables there are.
//!
//! Invariant: nothing that depends on a commit leaves the server before the commit is durable, and each
//! client gets its messages in the order of the commits. What a client can make the server hold is bounded by
//! [`Limits`].

mod framer;
mod hosted;
mod locks;
mod methods;
mod monitor;
mod monitors;
mod outbox;
mod removal;
mod self_database;
mod transact;
mod update;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use rustc_hash::FxHashMap;

pub use framer::{FrameError, Framer};

use crate::database::{Commit, Executed, Rights};
use crate::{Database, Error, Operation, RowChange, Str, Uuid};
use hosted::Hosted;
use locks::{Locks, Notice};
use outbox::Session;
use transact::Waiting;

/// A session of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub(crate) u64);

/// A database of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatabaseId(pub(crate) usize);

/// What the server takes from outside each time it is called.
pub struct Environment<'a> {
    /// Milliseconds since 1970, for records.
    pub wall: u64,
    /// Milliseconds of a clock that never goes back, for waiting.
    pub now: u64,
    /// A source of random UUIDs.
    pub new_uuid: &'a mut dyn FnMut() -> Uuid,
}

impl std::fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// Bounds on what one client can make the server hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest message, in bytes.
    pub message: usize,
    /// The deepest nesting of a message; at most 120, which is what the JSON reader takes.
    pub nesting: u32,
    /// How many bytes may wait to be sent.
    pub output: usize,
    /// How many transactions of a session may be waiting.
    pub waiting: usize,
    /// How many monitors a session may have.
    pub monitors: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 512 << 20,
            nesting: 64,
            output: 1 << 30,
            waiting: 64,
            monitors: 256,
        }
    }
}

/// Why a session must be cut off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// What the client sends cannot be cut into messages.
    #[error("the stream is unusable: {0}")]
    Frame(#[from] FrameError),
    /// A message is not JSON, or not a JSON-RPC message.
    #[error("a message is not JSON-RPC: {0}")]
    Message(String),
    /// The client does not read what it asked for.
    #[error("{0} bytes wait to be read by the client, more than are kept")]
    Overflow(usize),
    /// The log has failed, so what was about to be sent is not true.
    #[error("the log of database {0} failed")]
    Log(Str),
    /// The database is served no longer.
    #[error("database {0} was removed")]
    Removed(Str),
}

/// A commit for the log.
#[derive(Debug, Clone)]
pub struct StagedCommit {
    /// Whose log.
    pub database: DatabaseId,
    /// The commit. One without a record has nothing for the log: it is durable when those before it are.
    pub commit: Commit,
}

/// The databases, the locks and the sessions.
#[derive(Debug)]
pub struct Server {
    id: Uuid,
    limits: Limits,
    databases: Vec<Hosted>,
    by_name: FxHashMap<Str, DatabaseId>,
    locks: Locks,
    sessions: FxHashMap<SessionId, Session>,
    /// Of the sessions that may not do everything.
    rights: FxHashMap<SessionId, Rights>,
    next_session: u64,
    commits: VecDeque<StagedCommit>,
    ready: VecDeque<SessionId>,
    closing: VecDeque<(SessionId, CloseReason)>,
    waiting: VecDeque<Waiting>,
    /// The sum of all revisions when the waiting transactions were last tried.
    tried_at: u64,
}

impl Server {
    /// A server that has nothing but the database `_Server`.
    pub fn new(id: Uuid, limits: Limits) -> Self {
        let mut server = Self {
            id,
            limits: Limits {
                nesting: limits.nesting.min(120),
                ..limits
            },
            databases: Vec::new(),
            by_name: FxHashMap::default(),
            locks: Locks::default(),
            sessions: FxHashMap::default(),
            rights: FxHashMap::default(),
            next_session: 0,
            commits: VecDeque::new(),
            ready: VecDeque::new(),
            closing: VecDeque::new(),
            waiting: VecDeque::new(),
            tried_at: 0,
        };
        server.host(Database::new(self_database::schema()));
        server.announce(DatabaseId(0));
        server
    }

    /// Serves a database, whose state so far is durable. A second one of the same name takes the place of
    /// the first for those who ask by name.
    pub fn add_database(&mut self, database: Database) -> DatabaseId {
        let id = self.host(database);
        self.announce(id);
        id
    }

    fn host(&mut self, database: Database) -> DatabaseId {
        let id = DatabaseId(self.databases.len());
        self.by_name.insert(database.schema().name.clone(), id);
        self.databases.push(Hosted::new(database));
        id
    }

    /// The database of that name.
    pub fn database_id(&self, name: &str) -> Option<DatabaseId> {
        self.by_name.get(name).copied()
    }

    /// A database with all that is staged.
    pub fn database(&self, id: DatabaseId) -> &Database {
        &self.databases[id.0].database
    }

    /// Begins a session: a connection, or a part of the same process that wants locks of its own.
    pub fn connect(&mut self) -> SessionId {
        self.next_session += 1;
        let id = SessionId(self.next_session);
        self.sessions.insert(id, Session::new(self.limits));
        id
    }

    /// Begins a session of somebody who may not do everything.
    pub fn connect_as(&mut self, rights: Rights) -> SessionId {
        let id = self.connect();
        if !rights.are_unlimited() {
            self.rights.insert(id, rights);
        }
        id
    }

    /// Ends a session.
    pub fn disconnect(&mut self, session: SessionId) {
        for notice in self.locks.forget(session) {
            self.notify(&notice);
        }
        self.waiting.retain(|waiting| waiting.session != session);
        for hosted in &mut self.databases {
            hosted.monitors.forget(session);
        }
        self.sessions.remove(&session);
        self.rights.remove(&session);
    }

    /// Takes bytes that a client has sent, and handles all messages in them.
    pub fn receive(&mut self, id: SessionId, bytes: &[u8], environment: &mut Environment<'_>) {
        self.push(id, bytes);
        while self.handle_next(id, environment) {}
    }

    /// Takes bytes that a client has sent; [`Server::handle_next`] is to be called until it says `false`.
    pub fn push(&mut self, id: SessionId, bytes: &[u8]) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.framer.push(bytes);
        }
    }

    /// Handles one message of a client; `false` when none is whole.
    pub fn handle_next(&mut self, id: SessionId, environment: &mut Environment<'_>) -> bool {
        let Some(session) = self.sessions.get_mut(&id).filter(|s| !s.closed) else {
            return false;
        };
        let handled = match session.framer.next_message() {
            Ok(None) => return false,
            Ok(Some(message)) => self.handle_message(id, &message, environment),
            Err(error) => Err(error.into()),
        };
        handled.map_err(|reason| self.close(id, reason)).is_ok()
    }

    /// How many bytes wait for a client, or for what they show to become durable.
    pub fn backlog(&self, id: SessionId) -> usize {
        self.sessions.get(&id).map_or(0, Session::backlog)
    }

    /// Carries out a transaction of a part of the same process. Its changes are durable when the commit in
    /// the result is; a `wait` that is not satisfied fails at once.
    ///
    /// # Errors
    /// The first error, of an operation or of the commit.
    pub fn transact(
        &mut self,
        session: SessionId,
        database: DatabaseId,
        operations: &[Operation],
        environment: &mut Environment<'_>,
    ) -> Result<Executed, Error> {
        self.transact_local(session, database, operations, environment)
    }

    /// Takes a lock for a part of the same process; says whether the session has it now. Asked again, it
    /// does not queue a second time.
    pub fn lock(&mut self, session: SessionId, lock: &str) -> bool {
        if self.locks.wants(lock, session) {
            self.locks.holds(lock, session)
        } else {
            self.locks.lock(lock, session)
        }
    }

    /// Gives a lock up.
    pub fn unlock(&mut self, session: SessionId, lock: &str) {
        if let Some(notice) = self.locks.unlock(lock, session) {
            self.notify(&notice);
        }
    }

    /// The next commit for a log.
    #[must_use]
    pub fn poll_commit(&mut self) -> Option<StagedCommit> {
        self.commits.pop_front()
    }

    /// The log holds everything of the database up to the commit `revision`. Gives the changes of the
    /// commits that became visible by that, oldest first.
    pub fn durable(&mut self, database: DatabaseId, revision: u64) -> Vec<Arc<[RowChange]>> {
        let hosted = &mut self.databases[database.0];
        let visible = hosted.make_durable(revision);
        for session in hosted.released() {
            self.flush(session);
        }
        visible
    }

    /// The log of the database refused its records after the last durable commit: they are taken back. Their
    /// transactions get an I/O error with these details; whoever was to be shown the whole state with them is
    /// cut off, so that it asks again.
    pub fn failed(&mut self, database: DatabaseId, details: &str) {
        self.commits.retain(|staged| staged.database != database);
        let concerned = self.sessions_waiting_for(database);
        let hosted = &mut self.databases[database.0];
        hosted.roll_back();
        // Those that wait have seen what is no more.
        self.tried_at = u64::MAX;
        for session in concerned {
            self.refuse(session, database, details);
        }
    }

    /// The next session that has output.
    #[must_use]
    pub fn poll_ready(&mut self) -> Option<SessionId> {
        loop {
            let id = self.ready.pop_front()?;
            if let Some(session) = self.sessions.get_mut(&id) {
                session.is_ready = false;
                return Some(id);
            }
        }
    }

    /// The next bytes for a client. Ask until there are none; what is not taken counts against
    /// [`Limits::output`].
    #[must_use]
    pub fn poll_output(&mut self, session: SessionId) -> Option<Bytes> {
        self.sessions.get_mut(&session)?.take_output()
    }

    /// The next session to cut off; it has to be [`Server::disconnect`]ed.
    #[must_use]
    pub fn poll_close(&mut self) -> Option<(SessionId, CloseReason)> {
        self.closing.pop_front()
    }

    /// Asks a client for a sign of life; any answer will do.
    pub fn probe(&mut self, session: SessionId) {
        let message = br#"{"id":"echo","method":"echo","params":[]}"#;
        self.send(session, Bytes::from_static(message), None);
    }

    /// Whether the session exists and is to be kept.
    pub fn is_open(&self, session: SessionId) -> bool {
        self.sessions
            .get(&session)
            .is_some_and(|session| !session.closed)
    }

    fn notify(&mut self, notice: &Notice) {
        let method = if notice.locked { "locked" } else { "stolen" };
        let message = serde_json::json!({"id": null, "method": method, "params": [notice.lock]});
        self.send(notice.session, message.to_string().into(), None);
    }

    fn close(&mut self, id: SessionId, reason: CloseReason) {
        let Some(session) = self.sessions.get_mut(&id).filter(|s| !s.closed) else {
            return;
        };
        session.closed = true;
        session.clear();
        self.closing.push_back((id, reason));
    }
}

//! The server side of the protocol, without sockets: databases, locks and the sessions of clients.
//!
//! A shell gives it bytes of sessions and hands its records to a log:
//!
//! 1. [`Server::connect`] for a new connection, [`Server::receive`] for its bytes, [`Server::disconnect`] at
//!    its end.
//! 2. [`Server::poll_commit`] until it gives nothing: the records in order, for the log of each database. Any
//!    number can be on their way; the server goes on with the state after them. Then
//!    [`Server::poll_conversion`] while [`Server::has_conversions`], and [`Server::carried_over`] with what comes of it.
//! 3. [`Server::durable`] when the log of a database holds everything up to a commit, or [`Server::failed`]. If
//!    others write the log too, [`Server::rebase`] with what they wrote, and [`Server::set_log_state`]. For
//!    conversions [`Server::converted`] or [`Server::conversion_failed`]. After all that [`Server::proceed`].
//! 4. [`Server::poll_ready`] until it gives nothing, and for each session [`Server::poll_output`].
//!    [`Server::poll_completion`] for parts of the same process.
//! 5. [`Server::poll_close`]: the sessions to cut off, and why.
//! 6. [`Server::handle_timeout`] at [`Server::poll_timeout`].
//! 7. [`Server::poll_discarded`]: databases to drop.
//! 8. In a cluster [`Server::poll_lock_request`], and [`Server::handle_lock_event`].
//!
//! It must not know sockets, files or which tables there are.
//!
//! Invariant: nothing that depends on a commit is made before the commit is durable, and each client gets its
//! messages in the order of the commits. What a client can make the server hold is bounded by [`Limits`].

mod conversion;
mod deferred;
mod framer;
mod hosted;
mod interest;
mod locks;
mod methods;
mod mirror;
mod monitor;
mod monitors;
mod outbox;
mod rebase;
mod removal;
mod rows;
mod self_database;
mod sight;
mod snapshots;
mod transact;
mod update;
mod views;

use std::collections::VecDeque;

use bytes::Bytes;
use rustc_hash::FxHashMap;

pub use conversion::{CarriedOver, Replacement, StagedConversion};
pub use framer::{FrameError, Framer};
pub use locks::{LockRequest, LocksOfSession};
pub use mirror::Forward;
pub use rebase::Rebased;
pub use snapshots::Snapshot;

use crate::database::{Commit, Results, Rights};
use crate::log::LockEvent;
use crate::{Database, Error, Str, Uuid};
use hosted::{Deferred, Hosted};
use locks::{Locks, Notice};
use outbox::Session;
use transact::Transaction;

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
    /// The database is served no longer.
    #[error("database {0} was removed")]
    Removed(Str),
    /// The database has another schema.
    #[error("the schema of database {0} was changed")]
    Converted(Str),
}

/// A commit for the log.
#[derive(Debug, Clone)]
pub struct StagedCommit {
    /// Whose log.
    pub database: DatabaseId,
    /// The commit. One without a record has nothing for the log: it is durable when those before it are.
    pub commit: Commit,
    /// The locks of the cluster that the server must own when the log takes the commit.
    pub guards: Vec<Str>,
}

/// A transaction of a part of the same process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub(crate) u64);

/// How a transaction of a part of the same process ended.
#[derive(Debug)]
pub struct Completion {
    /// Which.
    pub ticket: Ticket,
    /// Its results, or the first error, of an operation or of the commit.
    pub result: Result<Results, Error>,
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
    /// Whether the schemas are a part of the program.
    fixed_schemas: bool,
    next_ticket: u64,
    commits: VecDeque<StagedCommit>,
    last_conversion: u64,
    /// Databases that are no longer served.
    discarded: Vec<Database>,
    completions: VecDeque<Completion>,
    /// The sessions with output: those that have an answer come first.
    answered: VecDeque<SessionId>,
    ready: VecDeque<SessionId>,
    closing: VecDeque<(SessionId, CloseReason)>,
    waiting: VecDeque<Transaction>,
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
            fixed_schemas: false,
            next_ticket: 0,
            commits: VecDeque::new(),
            last_conversion: 0,
            discarded: Vec::new(),
            completions: VecDeque::new(),
            answered: VecDeque::new(),
            ready: VecDeque::new(),
            closing: VecDeque::new(),
            waiting: VecDeque::new(),
            tried_at: 0,
        };
        server.host(Hosted::new(Database::new(self_database::schema()), false));
        server.announce(DatabaseId(0));
        server
    }

    /// From now on no database can be converted: something relies on their schemas.
    pub const fn fix_schemas(&mut self) {
        self.fixed_schemas = true;
    }

    /// Serves a database, whose state so far is durable. A second one of the same name takes the place of
    /// the first for those who ask by name.
    pub fn add_database(&mut self, database: Database) -> DatabaseId {
        let id = self.host(Hosted::new(database, false));
        self.announce(id);
        id
    }

    /// As [`Server::add_database`], for one whose log other processes write too. It is not connected before
    /// [`Server::set_log_state`] says so.
    pub fn add_shared_database(&mut self, mut database: Database) -> DatabaseId {
        database.keep_ephemeral();
        let mut hosted = Hosted::new(database, true);
        hosted.log.connected = false;
        let id = self.host(hosted);
        self.announce(id);
        id
    }

    fn host(&mut self, hosted: Hosted) -> DatabaseId {
        let id = DatabaseId(self.databases.len());
        let name = hosted.database.schema().name.clone();
        self.by_name.insert(name, id);
        self.databases.push(hosted);
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

    /// Whether the database has nothing that is not durable: all is, or it was taken out for now.
    pub fn is_settled(&self, id: DatabaseId) -> bool {
        !self.databases[id.0].is_ahead()
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
        self.forget_forwards(session);
        for hosted in &mut self.databases {
            hosted.monitors.forget(session);
            let gone = |it: &Deferred| it.session() == session && !it.is_of_this_process();
            hosted.deferred.retain(|deferred| !gone(deferred));
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
        for notice in self.locks.unlock(lock, session) {
            self.notify(&notice);
        }
    }

    /// What a session has to do with locks.
    pub fn locks_of(&self, session: SessionId) -> LocksOfSession {
        self.locks.of(session)
    }

    /// From now on the server is one of a cluster, and has a lock only when the cluster has given it that.
    pub fn share_locks(&mut self) {
        self.locks.share();
    }

    /// What the server asks of the locks of its cluster.
    #[must_use]
    pub fn poll_lock_request(&mut self) -> Option<LockRequest> {
        self.locks.poll_request()
    }

    /// The cluster has given a lock to this server, or taken it away.
    pub fn handle_lock_event(&mut self, event: LockEvent) {
        if let Some(notice) = self.locks.handle_event(event) {
            self.notify(&notice);
        }
    }

    /// The next commit for a log.
    #[must_use]
    pub fn poll_commit(&mut self) -> Option<StagedCommit> {
        self.commits.pop_front()
    }

    /// The next transaction of [`Server::submit`] that has ended.
    #[must_use]
    pub fn poll_completion(&mut self) -> Option<Completion> {
        self.completions.pop_front()
    }

    /// The next session to cut off; it has to be [`Server::disconnect`]ed.
    #[must_use]
    pub fn poll_close(&mut self) -> Option<(SessionId, CloseReason)> {
        self.closing.pop_front()
    }

    /// Asks a client for a sign of life; any answer will do.
    pub fn probe(&mut self, session: SessionId) {
        let message = br#"{"id":"echo","method":"echo","params":[]}"#;
        self.send(session, Bytes::from_static(message));
    }

    /// Whether the session exists and is to be kept.
    pub fn is_open(&self, session: SessionId) -> bool {
        self.sessions
            .get(&session)
            .is_some_and(|session| !session.closed)
    }

    fn notify(&mut self, notice: &Notice) {
        let message = match &notice.answer {
            Some(id) => methods::reply_text(id, &serde_json::json!({"locked": notice.locked})),
            None => {
                let method = if notice.locked { "locked" } else { "stolen" };
                let params = [&notice.lock];
                let message = serde_json::json!({"id": null, "method": method, "params": params});
                message.to_string().into()
            }
        };
        self.send(notice.session, message);
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

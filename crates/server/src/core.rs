//! The task that owns the databases.
//!
//! Everything that happens comes through one queue, so the order of things is one order. The task never
//! waits for a client or for the disk: bytes for a client are handed over as far as its connection takes
//! them, the rest stays in the server's bounded queue; commits go to the log threads, whose
//! acknowledgements come back through a queue of their own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use ovsdb::client::TransactError;
use ovsdb::log::Log;
use ovsdb::server::{
    CloseReason, DatabaseId, Environment, Limits, Server, SessionId, StagedCommit,
};
use ovsdb::{Database, Error, ErrorKind, Operation, Record, RowChange, Str, Uuid};
use rustc_hash::FxHashMap;
use tokio::sync::{mpsc, oneshot};
use transport::ovsdb::{Event, TransactResult};

use crate::local::{Events, refused, results};
use crate::log_thread::{LogThread, Outcome};

/// The queue of inputs.
pub(crate) type Inputs = mpsc::Sender<Input>;

/// How many inputs wait.
const QUEUE: usize = 256;
/// How many inputs are taken before outputs are handed out.
const BATCH: usize = 64;
/// How long to wait before trying again to repair a log.
const RETRY: Duration = Duration::from_secs(1);
/// While the log has that many bytes to write, no inputs are taken.
const MAX_UNWRITTEN: usize = 64 << 20;
/// What can happen.
#[derive(Debug)]
pub(crate) enum Input {
    Connected {
        peer: String,
        output: Output,
        reply: oneshot::Sender<SessionId>,
    },
    Received(SessionId, Bytes),
    /// The connection can take more.
    Writable(SessionId),
    /// The client has been silent for long.
    Probe(SessionId),
    Disconnected(SessionId),
    Subscribe {
        database: Str,
        events: Events,
        reply: oneshot::Sender<Option<SessionId>>,
    },
    Transact {
        session: Option<SessionId>,
        database: Str,
        operations: Vec<Operation>,
        reply: oneshot::Sender<TransactResult>,
    },
    Lock {
        session: SessionId,
        lock: Option<Str>,
    },
    Databases(oneshot::Sender<Vec<Str>>),
    Compact,
}

/// What a log thread says, or nothing when it is time to try again to repair a log.
type Report = (DatabaseId, Option<Outcome>);

/// Where the bytes for a client go.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) bytes: mpsc::Sender<Bytes>,
    /// Set when there was more than the connection could take; it then says when it can.
    pub(crate) stalled: Arc<AtomicBool>,
}

/// A connection as the core sees it.
#[derive(Debug)]
struct Peer {
    name: String,
    output: Output,
}

/// A part of this process that follows a database.
#[derive(Debug)]
struct Follower {
    database: DatabaseId,
    events: Events,
    /// The lock that it wants, and whether it has it.
    lock: Option<Str>,
}

/// A database with its log.
#[derive(Debug)]
struct Logged {
    name: Str,
    thread: LogThread,
    /// Bytes sent to the log, by revision, that are not durable yet.
    unwritten: VecDeque<(u64, usize)>,
    /// Replies to parts of this process that wait for a revision.
    replies: VecDeque<(u64, oneshot::Sender<TransactResult>, TransactResult)>,
    /// Followers that begin when nothing is on its way to the log.
    beginning: Vec<SessionId>,
    /// Whether the log has failed and there is no new file yet.
    broken: bool,
    /// Whether that will be tried again soon.
    retrying: bool,
}

/// The state of the task.
pub(crate) struct Core {
    server: Server,
    logs: FxHashMap<DatabaseId, Logged>,
    order: Vec<DatabaseId>,
    peers: FxHashMap<SessionId, Peer>,
    followers: FxHashMap<SessionId, Follower>,
    /// The session of transactions that need none.
    own: SessionId,
    unwritten: usize,
    start: Instant,
    outcomes: mpsc::UnboundedReceiver<Report>,
    report: mpsc::UnboundedSender<Report>,
}

impl Core {
    pub(crate) fn new(limits: Limits) -> Self {
        let mut server = Server::new(Uuid::new_v4(), limits);
        let own = server.connect();
        let (report, outcomes) = mpsc::unbounded_channel();
        Self {
            server,
            logs: FxHashMap::default(),
            order: Vec::new(),
            peers: FxHashMap::default(),
            followers: FxHashMap::default(),
            own,
            unwritten: 0,
            start: Instant::now(),
            outcomes,
            report,
        }
    }

    /// Serves a database whose log holds its state.
    pub(crate) fn add(
        &mut self,
        database: Database,
        log: Box<dyn Log + Send>,
    ) -> std::io::Result<()> {
        let name = database.schema().name.clone();
        let id = self.server.add_database(database);
        let report = self.report.clone();
        let thread = LogThread::start(&name, log, move |outcome| {
            // A core that has ended needs no reports.
            let _ = report.send((id, Some(outcome)));
        })?;
        let logged = Logged {
            name,
            thread,
            unwritten: VecDeque::new(),
            replies: VecDeque::new(),
            beginning: Vec::new(),
            broken: false,
            retrying: false,
        };
        self.logs.insert(id, logged);
        self.order.push(id);
        Ok(())
    }

    /// Starts the task. It ends when every sender of inputs is gone or when it is aborted; the logs are
    /// written out then.
    pub(crate) fn start(self) -> (Inputs, tokio::task::JoinHandle<()>) {
        let (inputs, receiver) = mpsc::channel(QUEUE);
        (inputs, tokio::spawn(self.run(receiver)))
    }

    async fn run(mut self, mut inputs: mpsc::Receiver<Input>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let timeout = self.server.poll_timeout();
            tokio::select! {
                count = inputs.recv_many(&mut batch, BATCH), if self.unwritten < MAX_UNWRITTEN => {
                    if count == 0 {
                        return;
                    }
                    for input in batch.drain(..) {
                        self.input(input);
                    }
                }
                Some((database, outcome)) = self.outcomes.recv() => {
                    self.outcome(database, outcome);
                    while let Ok((database, outcome)) = self.outcomes.try_recv() {
                        self.outcome(database, outcome);
                    }
                }
                () = sleep_until(self.start, timeout), if timeout.is_some() => {
                    self.with_environment(|server, environment| server.handle_timeout(environment));
                }
            }
            self.hand_out();
        }
    }

    fn with_environment<T>(
        &mut self,
        act: impl FnOnce(&mut Server, &mut Environment<'_>) -> T,
    ) -> T {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let mut environment = Environment {
            wall: millis(
                SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default(),
            ),
            now: millis(self.start.elapsed()),
            new_uuid: &mut Uuid::new_v4,
        };
        act(&mut self.server, &mut environment)
    }

    fn input(&mut self, input: Input) {
        match input {
            Input::Connected {
                peer,
                output,
                reply,
            } => {
                let session = self.server.connect();
                self.peers.insert(session, Peer { name: peer, output });
                if reply.send(session).is_err() {
                    self.disconnect(session);
                }
            }
            Input::Received(session, bytes) => {
                self.with_environment(|server, environment| {
                    server.receive(session, &bytes, environment);
                });
            }
            Input::Writable(session) => self.pass_on(session),
            Input::Probe(session) => self.server.probe(session),
            Input::Disconnected(session) => self.disconnect(session),
            Input::Subscribe {
                database,
                events,
                reply,
            } => {
                // Who asked may be gone; the first event finds out.
                let _ = reply.send(self.subscribe(&database, events));
            }
            Input::Transact {
                session,
                database,
                operations,
                reply,
            } => {
                self.transact(session, &database, &operations, reply);
            }
            Input::Lock { session, lock } => self.lock(session, lock),
            Input::Databases(reply) => {
                let names = self.order.iter().map(|id| self.logs[id].name.clone());
                let _ = reply.send(names.collect());
            }
            Input::Compact => {
                for id in self.order.clone() {
                    self.compact(id);
                }
            }
        }
    }

    fn disconnect(&mut self, session: SessionId) {
        self.server.disconnect(session);
        self.peers.remove(&session);
        self.followers.remove(&session);
    }

    fn subscribe(&mut self, database: &str, events: Events) -> Option<SessionId> {
        let id = self
            .server
            .database_id(database)
            .filter(|id| self.logs.contains_key(id))?;
        let session = self.server.connect();
        self.followers.insert(
            session,
            Follower {
                database: id,
                events,
                lock: None,
            },
        );
        self.logs.get_mut(&id)?.beginning.push(session);
        self.begin_followers(id);
        Some(session)
    }

    /// Shows all rows to new followers, once all of them are durable.
    fn begin_followers(&mut self, id: DatabaseId) {
        let Some(logged) = self.logs.get_mut(&id) else {
            return;
        };
        if !logged.unwritten.is_empty() || logged.beginning.is_empty() {
            return;
        }
        for session in std::mem::take(&mut logged.beginning) {
            let Some(follower) = self.followers.get(&session) else {
                continue;
            };
            let rows: Vec<RowChange> = self.server.database(id).contents().collect();
            if !rows.is_empty() {
                let _ = follower.events.send(Event::Changes(rows));
            }
            let _ = follower.events.send(Event::Connected);
        }
    }

    fn transact(
        &mut self,
        session: Option<SessionId>,
        database: &str,
        operations: &[Operation],
        reply: oneshot::Sender<TransactResult>,
    ) {
        let session = session.unwrap_or(self.own);
        let Some(id) = self.server.database_id(database) else {
            let error = Error::new(ErrorKind::UnknownDatabase, database);
            let _ = reply.send(Err(refused(&error)));
            return;
        };
        let executed = self.with_environment(|server, environment| {
            server.transact(session, id, operations, environment)
        });
        let (revision, result) = match &executed {
            Ok(executed) => {
                let revision = executed.commit.as_ref().map(|commit| commit.revision);
                (revision, Ok(results(&executed.results)))
            }
            Err(error) => (None, Err(refused(error))),
        };
        match (revision, self.logs.get_mut(&id)) {
            (Some(revision), Some(logged)) => logged.replies.push_back((revision, reply, result)),
            // Who asked may be gone.
            _ => drop(reply.send(result)),
        }
    }

    fn lock(&mut self, session: SessionId, lock: Option<Str>) {
        let Some(follower) = self.followers.get_mut(&session) else {
            return;
        };
        let before = std::mem::replace(&mut follower.lock, lock.clone());
        if before == lock {
            return;
        }
        if let Some(before) = before {
            self.server.unlock(session, &before);
            let _ = follower.events.send(Event::LockLost);
        }
        if let Some(lock) = lock
            && self.server.lock(session, &lock)
        {
            let _ = follower.events.send(Event::LockAcquired);
        }
    }

    fn outcome(&mut self, id: DatabaseId, outcome: Option<Outcome>) {
        let Some(outcome) = outcome else {
            return self.retry(id);
        };
        match outcome {
            Outcome::Durable(revision) => self.durable(id, revision),
            Outcome::Failed(text) => self.failed(id, &text),
            Outcome::Compacted(done) => self.compacted(id, done),
        }
    }

    fn durable(&mut self, id: DatabaseId, revision: u64) {
        let visible = self.server.durable(id, revision);
        for follower in self
            .followers
            .values()
            .filter(|follower| follower.database == id)
        {
            for changes in &visible {
                let _ = follower.events.send(Event::Changes(changes.to_vec()));
            }
        }
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

    fn failed(&mut self, id: DatabaseId, text: &str) {
        self.server.failed(id);
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

    fn compacted(&mut self, id: DatabaseId, done: bool) {
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
    fn retry(&mut self, id: DatabaseId) {
        if let Some(logged) = self.logs.get_mut(&id) {
            logged.retrying = false;
            if logged.broken {
                self.compact(id);
            }
        }
    }

    /// Replaces the log by one that holds only the present content.
    fn compact(&mut self, id: DatabaseId) {
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

    /// Hands out everything that the server has for logs, clients and followers.
    fn hand_out(&mut self) {
        self.hand_out_commits();
        while let Some(session) = self.server.poll_ready() {
            if self.followers.contains_key(&session) {
                self.notices(session);
            } else {
                self.pass_on(session);
            }
        }
        while let Some((session, reason)) = self.server.poll_close() {
            self.cut_off(session, &reason);
        }
    }

    fn hand_out_commits(&mut self) {
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

    /// Passes bytes to a connection as far as it takes them.
    fn pass_on(&mut self, session: SessionId) {
        let Some(peer) = self.peers.get(&session) else {
            return;
        };
        loop {
            let permit = peer.output.bytes.try_reserve().or_else(|error| {
                // Between the look and the mark the connection may have emptied its queue.
                peer.output.stalled.store(true, Ordering::SeqCst);
                peer.output.bytes.try_reserve().map_err(|_| error)
            });
            let Ok(permit) = permit else { return };
            let Some(bytes) = self.server.poll_output(session) else {
                return;
            };
            permit.send(bytes);
        }
    }

    /// Reads the messages for a follower, which can only be about its lock.
    fn notices(&mut self, session: SessionId) {
        while let Some(bytes) = self.server.poll_output(session) {
            let Some(follower) = self.followers.get(&session) else {
                return;
            };
            let method = |name: &[u8]| bytes.windows(name.len()).any(|part| part == name);
            if method(b"\"locked\"") {
                let _ = follower.events.send(Event::LockAcquired);
            } else if method(b"\"stolen\"") {
                let _ = follower.events.send(Event::LockLost);
            }
        }
    }

    fn cut_off(&mut self, session: SessionId, reason: &CloseReason) {
        if let Some(peer) = self.peers.get(&session) {
            tracing::warn!(target: "jsonrpc", "{}: disconnected: {reason}", peer.name);
        }
        // Dropping its queue of output ends the connection.
        self.disconnect(session);
    }
}

/// Sleeps until a time in milliseconds after `start`.
async fn sleep_until(start: Instant, time: Option<u64>) {
    if let Some(time) = time {
        tokio::time::sleep_until((start + Duration::from_millis(time)).into()).await;
    }
}

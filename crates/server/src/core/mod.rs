//! The task that owns the databases.
//!
//! Everything that happens comes through one queue, so the order of things is one order. The task never
//! waits for a client or for the disk: bytes for a client are handed over as far as its connection takes
//! them, the rest stays in the server's bounded queue; commits go to the log threads, whose
//! acknowledgements come back through a queue of their own.

mod databases;
mod followers;
mod logs;
mod output;
mod relays;
#[cfg(test)]
mod shared_tests;
mod turns;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use ovsdb::database::Freezing;
use ovsdb::database::Rights;
use ovsdb::log::{LockEvent, LockService, Log, LogState};
use ovsdb::server::{
    CarriedOver, CloseReason, DatabaseId, Environment, Forward, Limits, LockRequest,
    LocksOfSession, Server, SessionId, Ticket,
};
use ovsdb::{Database, DatabaseSchema, Operation, Str, Uuid};
use rustc_hash::FxHashMap;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use transport::ovsdb::TransactResult;

pub(crate) use databases::{AddError, NewDatabase};
pub(crate) use output::{Output, Stall};
pub(crate) use relays::{NewRelay, News};

use crate::local::Events;
use crate::log_thread::{LogThread, Outcome};
use turns::Turn;

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
        rights: Rights,
        output: Output,
        reply: oneshot::Sender<SessionId>,
    },
    /// Bytes of a client. The permit is dropped when all messages in them are handled.
    Received(SessionId, Bytes, OwnedSemaphorePermit),
    /// The connection can take more.
    Writable(SessionId),
    /// The client has been silent for long.
    Probe(SessionId),
    Disconnected(SessionId),
    Subscribe {
        database: Str,
        events: Events,
        reply: oneshot::Sender<Option<(SessionId, Kept)>>,
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
    /// What a session has to do with locks.
    LocksOf(SessionId, oneshot::Sender<LocksOfSession>),
    Schemas(oneshot::Sender<Vec<Arc<DatabaseSchema>>>),
    /// Begins a new log file of one database or of all; answers whether there is such a database.
    Compact(Option<Str>, oneshot::Sender<bool>),
    Add(NewDatabase, oneshot::Sender<Result<(), AddError>>),
    Remove(Str, oneshot::Sender<bool>),
    AddRelay(NewRelay, oneshot::Sender<Result<DatabaseId, AddError>>),
    /// What the source of a relay tells.
    Relay(DatabaseId, News),
    /// Ends all connections.
    Reconnect,
}

/// Where a database is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// In a log that only this process writes.
    Here,
    /// In one that others write too.
    Cluster,
    /// At the source of a relay.
    Elsewhere,
}

/// What the core hears from below.
#[derive(Debug)]
enum Report {
    /// What a log thread says.
    Log(DatabaseId, Outcome),
    /// It is time to try again to repair a log.
    Retry(DatabaseId),
    /// What the locks of the cluster say.
    Lock(LockEvent),
    /// A state that was carried over to another schema.
    CarriedOver(CarriedOver),
}

/// A connection as the core sees it.
#[derive(Debug)]
struct Peer {
    name: String,
    output: Output,
    turn: Turn,
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
    /// Followers that begin when nothing is on its way to the log.
    beginning: Vec<SessionId>,
    state: LogState,
    /// Whether it holds what this server does not understand, so that nothing more can be taken from it.
    unusable: bool,
    /// Whether a compaction is under way.
    compacting: bool,
    /// Whether the log has failed and there is no new file yet.
    broken: bool,
    /// Whether that will be tried again soon.
    retrying: bool,
}

/// The state of the task.
pub(crate) struct Core {
    server: Server,
    logs: FxHashMap<DatabaseId, Logged>,
    /// Where transactions for the sources of relays go; a relay has no log.
    relays: FxHashMap<DatabaseId, mpsc::UnboundedSender<Forward>>,
    order: Vec<DatabaseId>,
    peers: FxHashMap<SessionId, Peer>,
    followers: FxHashMap<SessionId, Follower>,
    /// The connections with messages to handle; some may be gone.
    turns: VecDeque<SessionId>,
    /// The session of transactions that need none.
    own: SessionId,
    /// Where the results of transactions of parts of this process go.
    tickets: FxHashMap<Ticket, oneshot::Sender<TransactResult>>,
    /// The locks of the cluster that this server is one of, if it is.
    cluster_locks: Option<Box<dyn LockService>>,
    unwritten: usize,
    /// The states that are being taken for compactions.
    snapshots: Vec<(DatabaseId, Freezing)>,
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
            relays: FxHashMap::default(),
            order: Vec::new(),
            peers: FxHashMap::default(),
            followers: FxHashMap::default(),
            turns: VecDeque::new(),
            own,
            tickets: FxHashMap::default(),
            cluster_locks: None,
            unwritten: 0,
            snapshots: Vec::new(),
            start: Instant::now(),
            outcomes,
            report,
        }
    }

    /// From now on a lock is had only by who has it in the whole cluster.
    pub(crate) fn share_locks(&mut self, locks: Box<dyn LockService>) {
        let report = self.report.clone();
        locks.watch(Box::new(move |event| {
            // A core that has ended needs no locks.
            let _ = report.send(Report::Lock(event));
        }));
        self.cluster_locks = Some(locks);
        self.server.share_locks();
    }

    /// From now on no database can be converted, because parts of this process know their schemas.
    pub(crate) const fn fix_schemas(&mut self) {
        self.server.fix_schemas();
    }

    /// Serves a database whose log holds its state.
    pub(crate) fn add(
        &mut self,
        database: Database,
        log: Box<dyn Log + Send>,
    ) -> std::io::Result<()> {
        let name = database.schema().name.clone();
        let state = log.state();
        let id = match state.cluster {
            Some(_) => self.server.add_shared_database(database),
            None => self.server.add_database(database),
        };
        self.server.set_log_state(id, state);
        let report = self.report.clone();
        let thread = LogThread::start(&name, log, move |outcome| {
            // A core that has ended needs no reports.
            let _ = report.send(Report::Log(id, outcome));
        })?;
        let logged = Logged {
            name,
            thread,
            unwritten: VecDeque::new(),
            beginning: Vec::new(),
            state,
            unusable: false,
            compacting: false,
            broken: false,
            retrying: false,
        };
        self.logs.insert(id, logged);
        self.order.push(id);
        Ok(())
    }

    /// Whether there is a database of that name.
    pub(crate) fn serves(&self, name: &str) -> bool {
        self.server.database_id(name).is_some()
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
                Some(report) = self.outcomes.recv() => {
                    self.reported(report);
                    while let Ok(report) = self.outcomes.try_recv() {
                        self.reported(report);
                    }
                    self.proceed();
                }
                () = sleep_until(self.start, timeout), if timeout.is_some() => {
                    self.with_environment(|server, environment| server.handle_timeout(environment));
                }
                // Other tasks of this thread take turns as well.
                () = tokio::task::yield_now(), if self.has_more() => {}
            }
            self.take_turns();
            self.continue_snapshots();
            self.continue_conversions();
            self.hand_out();
        }
    }

    /// Whether there is something to do although nothing happens.
    fn has_more(&self) -> bool {
        self.has_turns()
            || !self.snapshots.is_empty()
            || self.server.has_conversions()
            || self.server.has_ready()
    }

    fn reported(&mut self, report: Report) {
        match report {
            Report::Log(database, outcome) => self.outcome(database, outcome),
            Report::Retry(database) => self.retry(database),
            Report::Lock(event) => self.server.handle_lock_event(event),
            Report::CarriedOver(carried) => self.carried_over(carried),
        }
    }

    /// Goes on after reports.
    fn proceed(&mut self) {
        for id in self.order.clone() {
            self.describe_log(id);
        }
        self.with_environment(|server, environment| server.proceed(environment));
        for id in self.order.clone() {
            self.begin_followers(id);
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
                rights,
                output,
                reply,
            } => {
                let session = self.server.connect_as(rights);
                let peer = Peer {
                    name: peer,
                    output,
                    turn: Turn::default(),
                };
                self.peers.insert(session, peer);
                if reply.send(session).is_err() {
                    self.disconnect(session);
                }
            }
            Input::Received(session, bytes, permit) => self.received(session, &bytes, permit),
            Input::Writable(session) => self.pass_on(session),
            Input::Probe(session) => self.server.probe(session),
            Input::Disconnected(session) => {
                // Who sent garbage and left is still worth a line.
                self.cut_off_unusable();
                self.disconnect(session);
            }
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
                self.transact(session, &database, operations, reply);
            }
            Input::Lock { session, lock } => self.lock(session, lock),
            // Who asked these may be gone.
            Input::LocksOf(session, reply) => drop(reply.send(self.server.locks_of(session))),
            Input::Schemas(reply) => drop(reply.send(self.schemas())),
            Input::Compact(name, reply) => drop(reply.send(self.compact_named(name.as_deref()))),
            Input::Add(new, reply) => drop(reply.send(self.add_new(new))),
            Input::Remove(name, reply) => drop(reply.send(self.remove(&name))),
            Input::AddRelay(new, reply) => drop(reply.send(self.add_relay(new))),
            Input::Relay(id, news) => self.relay_news(id, news),
            Input::Reconnect => self.cut_off_all(),
        }
    }

    fn disconnect(&mut self, session: SessionId) {
        self.server.disconnect(session);
        self.peers.remove(&session);
        self.followers.remove(&session);
    }

    /// Hands out everything that the server has for logs, clients and followers.
    fn hand_out(&mut self) {
        // Databases that come, go or lose their connection change as well, for those who wait for that.
        self.with_environment(Server::retry);
        self.hand_out_commits();
        self.hand_out_forwards();
        self.hand_out_results();
        while let Some(request) = self.server.poll_lock_request() {
            self.ask_for_lock(&request);
        }
        self.hand_out_output();
        self.cut_off_unusable();
    }

    fn ask_for_lock(&self, request: &LockRequest) {
        let Some(locks) = &self.cluster_locks else {
            return;
        };
        match request {
            LockRequest::Want { lock, steal } => locks.want(lock, *steal),
            LockRequest::Release(lock) => locks.release(lock),
        }
    }

    fn cut_off_unusable(&mut self) {
        while let Some((session, reason)) = self.server.poll_close() {
            self.cut_off(session, &reason);
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

//! The task of a client.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ::ovsdb::DatabaseSchema;
use ::ovsdb::client::{self, Config, RequestId, Session, SessionError, TransactError};
use bytes::{Buf, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::sync::{mpsc, oneshot, watch};

use super::commit::Commit;
use super::{Happening, QUEUE, Request, TransactResult};
use crate::reconnect::Reconnect;
use crate::stream::{Connection, error_text};
use crate::{Remote, Tls};

/// How long an attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How much is read at once.
const READ: usize = 64 << 10;
/// While that much waits to be sent, no requests are taken.
const MAX_OUTPUT: usize = 16 << 20;
/// While that many transactions wait for their replies, no requests are taken.
const MAX_WAITING: usize = 1 << 16;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("connection closed by peer")]
    Closed,
    #[error("connection dropped ({})", error_text(.0))]
    Io(io::Error),
    #[error("{}", chain(.0))]
    Session(#[from] SessionError),
    #[error("address is no longer configured")]
    Address,
    #[error("client is gone")]
    Gone,
}

/// An error with its causes, for the log.
fn chain(error: &SessionError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// What a transaction's reply is for.
#[derive(Debug)]
enum Waiting {
    Transact(oneshot::Sender<TransactResult>),
    Commit(Commit),
    Forward(u64),
}

/// Where to connect to.
#[derive(Debug)]
pub(super) struct Addresses {
    remotes: Vec<Remote>,
    /// Whether their order is chosen by lot.
    by_lot: bool,
    /// For addresses with `ssl:`.
    tls: Tls,
}

impl Addresses {
    pub(super) fn by_lot(remotes: Vec<Remote>) -> Self {
        Self {
            remotes,
            by_lot: true,
            tls: Tls::default(),
        }
    }

    pub(super) fn in_order(remotes: Vec<Remote>) -> Self {
        Self {
            remotes,
            by_lot: false,
            tls: Tls::default(),
        }
    }

    /// The same with certificates.
    pub(super) fn with_tls(self, tls: Tls) -> Self {
        Self { tls, ..self }
    }
}

pub(super) struct Task {
    remotes: Vec<Remote>,
    by_lot: bool,
    tls: Tls,
    reconnect: Reconnect,
    session: Session,
    waiting: HashMap<RequestId, Waiting>,
    /// Transactions to be built again.
    again: Vec<Commit>,
    /// Counts the changes of the rows.
    seen: u64,
    queue: VecDeque<Happening>,
    events: mpsc::Sender<Happening>,
    requests: mpsc::Receiver<Request>,
    schema: watch::Sender<Option<Arc<DatabaseSchema>>>,
    connected: Arc<AtomicBool>,
}

impl Task {
    pub(super) fn new(
        addresses: Addresses,
        config: Config,
        events: mpsc::Sender<Happening>,
        requests: mpsc::Receiver<Request>,
        schema: watch::Sender<Option<Arc<DatabaseSchema>>>,
        connected: Arc<AtomicBool>,
    ) -> Self {
        let Addresses {
            remotes,
            by_lot,
            tls,
        } = addresses;
        Self {
            reconnect: Reconnect::new(remotes.len()),
            remotes: ordered(remotes, by_lot),
            by_lot,
            tls,
            session: Session::new(config),
            waiting: HashMap::new(),
            again: Vec::new(),
            seen: 0,
            queue: VecDeque::new(),
            events,
            requests,
            schema,
            connected,
        }
    }

    /// Runs until the client is dropped.
    pub(super) async fn run(mut self) {
        loop {
            let Some(remote) = self.remotes.get(self.reconnect.address()).cloned() else {
                if self.pause(None).await {
                    continue;
                } else {
                    return;
                };
            };
            let quiet = self.reconnect.is_hopeless();
            if !quiet {
                tracing::info!(target: "reconnect", "{remote}: connecting...");
            }
            match self.connect(&remote).await {
                Ok(Some(connection)) => {
                    tracing::info!(target: "reconnect", "{remote}: connected");
                    let ended = self.converse(connection).await;
                    self.connected.store(false, Ordering::Release);
                    self.session.handle_disconnected();
                    self.take_events();
                    self.queue.push_back(Happening::Disconnected);
                    match ended {
                        Ended::Gone => return,
                        Ended::Session(error @ SessionError::Unsuitable { .. }) => {
                            tracing::info!(target: "ovsdb_cs", "{remote}: {error}; trying another server");
                        }
                        Ended::Session(error) => {
                            tracing::warn!(target: "jsonrpc", "{remote}: {}", chain(&error));
                        }
                        ended => tracing::info!(target: "reconnect", "{remote}: {ended}"),
                    }
                }
                // The addresses changed meanwhile.
                Ok(None) => continue,
                Err(error) if !quiet => {
                    let text = error_text(&error);
                    tracing::info!(target: "reconnect", "{remote}: connection attempt failed ({text})");
                }
                Err(_) => {}
            }
            let delay = self.reconnect.failed(Instant::now());
            if self.reconnect.is_hopeless() && !quiet {
                tracing::info!(
                    target: "reconnect",
                    "{remote}: continuing to reconnect in the background but suppressing further logging"
                );
            }
            if !self.pause(Some(delay)).await {
                return;
            }
        }
    }

    /// Connects, and serves requests meanwhile. Nothing when the addresses changed.
    async fn connect(&mut self, remote: &Remote) -> io::Result<Option<Connection>> {
        let events = self.events.clone();
        let tls = self.tls.clone();
        let attempt = tokio::time::timeout(CONNECT_TIMEOUT, Connection::connect(remote, &tls));
        tokio::pin!(attempt);
        loop {
            tokio::select! {
                result = &mut attempt => {
                    return match result {
                        Ok(connection) => connection.map(Some),
                        Err(_) => Err(io::ErrorKind::TimedOut.into()),
                    };
                }
                Some(request) = self.requests.recv() => {
                    if self.request_offline(request) {
                        return Ok(None);
                    }
                }
                Ok(permit) = events.reserve(), if !self.queue.is_empty() => {
                    if let Some(event) = self.queue.pop_front() {
                        permit.send(event);
                    }
                }
            }
        }
    }

    /// Waits without a connection, for ever if there is no delay. False when the client is gone.
    async fn pause(&mut self, delay: Option<Duration>) -> bool {
        let events = self.events.clone();
        let end = delay.map(|delay| tokio::time::Instant::now() + delay);
        loop {
            let sleep = async {
                match end {
                    Some(end) => tokio::time::sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                permit = events.reserve(), if !self.queue.is_empty() => {
                    let Ok(permit) = permit else { return false };
                    if let Some(event) = self.queue.pop_front() {
                        permit.send(event);
                    }
                }
                request = self.requests.recv() => {
                    let Some(request) = request else { return false };
                    if self.request_offline(request) {
                        return true;
                    }
                }
                () = sleep => return true,
            }
        }
    }

    /// Serves a request while there is no connection. Whether the addresses changed.
    fn request_offline(&mut self, request: Request) -> bool {
        match request {
            // Who asked may be gone.
            Request::Transact(_, reply) | Request::Commit(_, reply) => {
                let _ = reply.send(Err(TransactError::NotConnected));
                false
            }
            Request::Forward(number, _) => {
                let answer = Happening::Answer(number, Err(TransactError::NotConnected));
                self.queue.push_back(answer);
                false
            }
            Request::Rows(rows) => {
                self.session.set_rows(rows);
                false
            }
            Request::Remotes(remotes) => self.set_remotes(remotes),
            Request::Lock(name) => {
                self.session.set_lock(name);
                false
            }
        }
    }

    fn set_remotes(&mut self, remotes: Vec<Remote>) -> bool {
        let same = self.remotes.len() == remotes.len()
            && remotes.iter().all(|remote| self.remotes.contains(remote));
        if !same {
            self.reconnect = Reconnect::new(remotes.len());
            self.remotes = ordered(remotes, self.by_lot);
        }
        !same
    }

    /// Runs the session over a connection until it ends.
    async fn converse(&mut self, connection: Connection) -> Ended {
        let Connection {
            mut reader,
            mut writer,
            ..
        } = connection;
        let events = self.events.clone();
        let address = self.remotes.get(self.reconnect.address()).cloned();
        let mut input = BytesMut::with_capacity(READ);
        let mut output = BytesMut::new();
        self.reconnect.connected(Instant::now());
        self.session.handle_connected(Instant::now());
        loop {
            while let Some(bytes) = self.session.poll_output() {
                output.extend_from_slice(&bytes);
            }
            self.take_events();
            // Reading on for the sake of a reply cannot grow the queue without end: it ends with it.
            let reading = self.queue.len() < QUEUE || self.session.awaits_reply();
            let timeout = self.session.poll_timeout().filter(|_| reading);
            tokio::select! {
                read = reader.read_buf(&mut input), if reading => {
                    match read {
                        Ok(0) => return Ended::Closed,
                        Ok(_) => {}
                        Err(error) => return Ended::Io(error),
                    }
                    if let Err(error) = self.session.handle_bytes(&input, Instant::now()) {
                        return error.into();
                    }
                    input.clear();
                    input.reserve(READ);
                }
                written = writer.send(&mut output), if output.has_remaining() || writer.holds() => {
                    if let Err(error) = written {
                        return Ended::Io(error);
                    }
                }
                permit = events.reserve(), if !self.queue.is_empty() => {
                    let Ok(permit) = permit else { return Ended::Gone };
                    if let Some(event) = self.queue.pop_front() {
                        permit.send(event);
                    }
                }
                request = self.requests.recv(), if output.len() < MAX_OUTPUT && self.waiting.len() < MAX_WAITING => {
                    let Some(request) = request else { return Ended::Gone };
                    self.request_online(request);
                    if address.as_ref().is_none_or(|address| !self.remotes.contains(address)) {
                        return Ended::Address;
                    }
                }
                () = sleep_until(timeout), if timeout.is_some() => {
                    if let Err(error) = self.session.handle_timeout(Instant::now()) {
                        return error.into();
                    }
                }
            }
        }
    }

    fn request_online(&mut self, request: Request) {
        match request {
            Request::Transact(operations, reply) => match self.session.transact(&operations) {
                Ok(id) => drop(self.waiting.insert(id, Waiting::Transact(reply))),
                Err(error) => drop(reply.send(Err(error))),
            },
            Request::Commit(build, reply) => self.send(Commit::new(build, reply)),
            Request::Forward(number, operations) => match self.session.forward(&operations) {
                Ok(id) => drop(self.waiting.insert(id, Waiting::Forward(number))),
                Err(error) => self.queue.push_back(Happening::Answer(number, Err(error))),
            },
            Request::Rows(rows) => self.session.set_rows(rows),
            Request::Remotes(remotes) => drop(self.set_remotes(remotes)),
            Request::Lock(name) => self.session.set_lock(name),
        }
    }

    /// Builds a transaction and sends it.
    fn send(&mut self, commit: Commit) {
        if let Some((id, commit)) = commit.send(&mut self.session, self.seen) {
            self.waiting.insert(id, Waiting::Commit(commit));
        }
    }

    /// Moves the session's events to the queue, and replies to those who wait for them.
    fn take_events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            match event {
                client::Event::Reply(id, result) => self.answered(id, result),
                client::Event::Forwarded(id, answer) => {
                    if let Some(Waiting::Forward(number)) = self.waiting.remove(&id) {
                        self.queue.push_back(Happening::Answer(number, answer));
                    }
                }
                event => {
                    if matches!(event, client::Event::Changes(_)) {
                        self.seen += 1;
                    }
                    if event == client::Event::Connected {
                        self.connected.store(true, Ordering::Release);
                        self.schema
                            .send_replace(self.session.server_schema().cloned().map(Arc::new));
                    }
                    self.queue.push_back(Happening::Session(event));
                }
            }
        }
        if self.session.is_connected() {
            let seen = self.seen;
            let due: Vec<Commit> = self.again.extract_if(.., |it| it.is_due(seen)).collect();
            for commit in due {
                self.send(commit);
            }
        }
    }

    fn answered(&mut self, id: RequestId, result: TransactResult) {
        match self.waiting.remove(&id) {
            Some(Waiting::Transact(reply)) => drop(reply.send(result)),
            Some(Waiting::Commit(commit)) => self.again.extend(commit.answered(result)),
            Some(Waiting::Forward(_)) | None => {}
        }
    }
}

/// The addresses in the order in which they are tried.
fn ordered(mut remotes: Vec<Remote>, by_lot: bool) -> Vec<Remote> {
    if by_lot {
        let lot = RandomState::new();
        remotes.sort_by_cached_key(|remote| lot.hash_one(remote));
    }
    remotes
}

async fn sleep_until(time: Option<Instant>) {
    if let Some(time) = time {
        tokio::time::sleep_until(time.into()).await;
    }
}

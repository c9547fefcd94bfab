//! The task of a client.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ::ovsdb::DatabaseSchema;
use ::ovsdb::client::{self, Config, RequestId, Session, SessionError, TransactError};
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot, watch};

use super::{Event, QUEUE, Request, TransactResult};
use crate::Remote;
use crate::reconnect::Reconnect;
use crate::stream::{Connection, error_text};

/// How long an attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How much is read at once.
const READ: usize = 64 << 10;
/// While that much waits to be sent, no requests are taken.
const MAX_OUTPUT: usize = 16 << 20;

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

pub(super) struct Task {
    remotes: Vec<Remote>,
    reconnect: Reconnect,
    session: Session,
    waiting: HashMap<RequestId, oneshot::Sender<TransactResult>>,
    queue: VecDeque<Event>,
    events: mpsc::Sender<Event>,
    requests: mpsc::Receiver<Request>,
    schema: watch::Sender<Option<Arc<DatabaseSchema>>>,
    connected: Arc<AtomicBool>,
}

impl Task {
    pub(super) fn new(
        remotes: Vec<Remote>,
        config: Config,
        events: mpsc::Sender<Event>,
        requests: mpsc::Receiver<Request>,
        schema: watch::Sender<Option<Arc<DatabaseSchema>>>,
        connected: Arc<AtomicBool>,
    ) -> Self {
        Self {
            reconnect: Reconnect::new(remotes.len()),
            remotes,
            session: Session::new(config),
            waiting: HashMap::new(),
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
                    self.queue.push_back(Event::Disconnected);
                    match ended {
                        Ended::Gone => return,
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
        let attempt = tokio::time::timeout(CONNECT_TIMEOUT, Connection::connect(remote));
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
            Request::Transact(_, reply) => {
                // Who asked may be gone.
                let _ = reply.send(Err(TransactError::NotConnected));
                false
            }
            Request::Rows(table, rows) => {
                self.session.set_rows(&table, rows);
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
        let changed = self.remotes != remotes;
        if changed {
            self.reconnect = Reconnect::new(remotes.len());
            self.remotes = remotes;
        }
        changed
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
                written = writer.write_buf(&mut output), if output.has_remaining() => {
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
                request = self.requests.recv(), if output.len() < MAX_OUTPUT => {
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
                Ok(id) => drop(self.waiting.insert(id, reply)),
                Err(error) => drop(reply.send(Err(error))),
            },
            Request::Rows(table, rows) => self.session.set_rows(&table, rows),
            Request::Remotes(remotes) => drop(self.set_remotes(remotes)),
            Request::Lock(name) => self.session.set_lock(name),
        }
    }

    /// Moves the session's events to the queue, and replies to those who wait for them.
    fn take_events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            let event = match event {
                client::Event::Changes(changes) => Event::Changes(changes),
                client::Event::ConditionsApplied => Event::ConditionsApplied,
                client::Event::Connected => {
                    self.connected.store(true, Ordering::Release);
                    self.schema
                        .send_replace(self.session.server_schema().cloned().map(Arc::new));
                    Event::Connected
                }
                client::Event::Lock(held) => {
                    if held {
                        Event::LockAcquired
                    } else {
                        Event::LockLost
                    }
                }
                client::Event::Reply(id, result) => {
                    if let Some(reply) = self.waiting.remove(&id) {
                        let _ = reply.send(result);
                    }
                    continue;
                }
            };
            self.queue.push_back(event);
        }
    }
}

async fn sleep_until(time: Option<Instant>) {
    if let Some(time) = time {
        tokio::time::sleep_until(time.into()).await;
    }
}

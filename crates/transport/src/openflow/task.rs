//! The task of a client.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use ::openflow::Message;
use ::openflow::message::ErrorMessage;
use ::openflow::session::{
    self, BundleId, Config, Reply, RequestError, RequestId, Session, SessionError,
};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

use super::bundle::{Open, Part};
use super::{Error, Event, Request, Result};
use crate::reconnect::Reconnect;
use crate::stream::{Connection, error_text};
use crate::{Remote, Tls};

/// How long an attempt to connect, the greeting included, may take.
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
    #[error("{0}")]
    Session(#[from] SessionError),
    #[error("no greeting from the switch")]
    NoGreeting,
    #[error("client is gone")]
    Gone,
}

pub(super) struct Task {
    remote: Remote,
    tls: Tls,
    config: Config,
    reconnect: Reconnect,
    queue: VecDeque<Event>,
    events: mpsc::Sender<Event>,
    requests: mpsc::Receiver<Request>,
}

/// What is bound to one connection.
struct Live {
    session: Session,
    asked: HashMap<RequestId, oneshot::Sender<Result<Reply>>>,
    bundles: HashMap<BundleId, oneshot::Sender<Result<()>>>,
    told: Told,
    open: Open,
    dropped: u64,
}

impl Task {
    pub(super) fn new(
        (remote, tls): (Remote, Tls),
        config: Config,
        events: mpsc::Sender<Event>,
        requests: mpsc::Receiver<Request>,
    ) -> Self {
        let reconnect = Reconnect::new(1);
        Self {
            remote,
            tls,
            config,
            reconnect,
            queue: VecDeque::new(),
            events,
            requests,
        }
    }

    /// Runs until the client is dropped.
    pub(super) async fn run(mut self) {
        loop {
            let quiet = self.reconnect.is_hopeless();
            let remote = self.remote.clone();
            if !quiet {
                tracing::info!(target: "rconn", "{remote}: connecting...");
            }
            let attempt =
                tokio::time::timeout(CONNECT_TIMEOUT, Connection::connect(&remote, &self.tls));
            let attempt = match attempt.await {
                Ok(result) => result,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            };
            match attempt {
                Ok(connection) => {
                    let ended = self.converse(connection).await;
                    if let Ended::Gone = ended {
                        return;
                    }
                    tracing::info!(target: "rconn", "{remote}: {ended}");
                }
                Err(error) if !quiet => {
                    let text = error_text(&error);
                    tracing::info!(target: "rconn", "{remote}: connection failed ({text})");
                }
                Err(_) => {}
            }
            let delay = self.reconnect.failed(Instant::now());
            if !self.pause(delay).await {
                return;
            }
        }
    }

    /// Waits without a connection. False when the client is gone.
    async fn pause(&mut self, delay: Duration) -> bool {
        let events = self.events.clone();
        let sleep = tokio::time::sleep(delay);
        tokio::pin!(sleep);
        loop {
            tokio::select! {
                permit = events.reserve(), if !self.queue.is_empty() => {
                    let Ok(permit) = permit else { return false };
                    if let Some(event) = self.queue.pop_front() {
                        permit.send(event);
                    }
                }
                request = self.requests.recv() => match request {
                    // Who asked may be gone.
                    Some(Request::Ask(_, reply)) => drop(reply.send(Err(Error::NotConnected))),
                    Some(Request::Bundle(_, reply) | Request::Tell(_, reply)) => {
                        drop(reply.send(Err(Error::NotConnected)));
                    }
                    Some(Request::Part(Part::Begin(_, reply) | Part::Commit(_, reply))) => {
                        drop(reply.send(Err(Error::NotConnected)));
                    }
                    Some(Request::Version(reply)) => drop(reply.send(Err(Error::NotConnected))),
                    Some(Request::Send(_) | Request::Part(_)) => {}
                    None => return false,
                },
                () = &mut sleep => return true,
            }
        }
    }

    /// Runs a session over a connection until it ends.
    async fn converse(&mut self, connection: Connection) -> Ended {
        let mut live = Live {
            session: Session::new(self.config.clone(), Instant::now()),
            asked: HashMap::new(),
            bundles: HashMap::new(),
            told: Told::default(),
            open: Open::default(),
            dropped: 0,
        };
        let ended = self.pump(&mut live, connection).await;
        if live.session.is_ready() {
            self.queue.push_back(Event::Disconnected);
        }
        ended
    }

    async fn pump(&mut self, live: &mut Live, connection: Connection) -> Ended {
        let Connection {
            mut reader,
            mut writer,
            ..
        } = connection;
        let events = self.events.clone();
        let greeting = Instant::now() + CONNECT_TIMEOUT;
        let mut input = BytesMut::with_capacity(READ);
        let mut output = Bytes::new();
        loop {
            if output.is_empty() {
                output = live.session.poll_transmit().map_or(output, Bytes::from);
            }
            let ready = live.session.is_ready();
            let timeout = if ready {
                live.session.poll_timeout()
            } else {
                Some(greeting)
            };
            tokio::select! {
                read = reader.read_buf(&mut input) => {
                    match read {
                        Ok(0) => return Ended::Closed,
                        Ok(_) => {}
                        Err(error) => return Ended::Io(error),
                    }
                    let result = live.session.handle_bytes(&input, Instant::now());
                    input.clear();
                    input.reserve(READ);
                    self.take_events(live);
                    if let Err(error) = result {
                        // The farewell is a courtesy; the switch may have gone already.
                        let farewell = live.session.poll_transmit().unwrap_or_default();
                        let _ = writer.write_all(&farewell).await;
                        let _ = writer.flush().await;
                        return error.into();
                    }
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
                    // There is room for what the session still holds.
                    self.take_events(live);
                }
                request = self.requests.recv(), if ready && output.len() + live.session.output_len() < MAX_OUTPUT => {
                    let Some(request) = request else { return Ended::Gone };
                    live.request(request);
                }
                () = sleep_until(timeout), if timeout.is_some() => {
                    if !ready {
                        return Ended::NoGreeting;
                    }
                    if let Err(error) = live.session.handle_timeout(Instant::now()) {
                        return error.into();
                    }
                }
            }
        }
    }

    /// Gives replies to those who wait, and moves what nobody asked for to the queue.
    fn take_events(&mut self, live: &mut Live) {
        while let Some(event) = live.session.poll_event() {
            match event {
                session::Event::Ready => {
                    tracing::info!(target: "rconn", "{}: connected", self.remote);
                    self.reconnect.connected(Instant::now());
                    self.queue.push_back(Event::Connected);
                }
                session::Event::Message(message) => {
                    // Only packets come in floods; what else a switch says is rare and matters.
                    let packet =
                        matches!(message, Message::PacketIn(_) | Message::PacketInStandard(_));
                    if packet && self.queue.len() >= self.config.max_events {
                        live.dropped += 1;
                        if live.dropped.is_power_of_two() {
                            let dropped = live.dropped;
                            tracing::warn!(target: "rconn", "{}: {dropped} packets dropped", self.remote);
                        }
                        continue;
                    }
                    self.queue.push_back(Event::Message(message));
                }
                session::Event::Reply(id, result) => {
                    if let Some(reply) = live.asked.remove(&id) {
                        let _ = reply.send(result.map_err(Error::from));
                    } else {
                        live.told.done(id, result.map(drop).map_err(Error::from));
                    }
                }
                session::Event::Bundle(id, result) => {
                    if let Some(reply) = live.bundles.remove(&id) {
                        let _ = reply.send(result.map_err(Error::from));
                    }
                }
                session::Event::Refused(xid, error) => {
                    let Some(error) = live.told.refused(xid, error) else {
                        continue;
                    };
                    tracing::warn!(target: "rconn", "{}: message {xid} refused: {error}", self.remote);
                }
                session::Event::Malformed(error) => {
                    tracing::warn!(target: "rconn", "{}: bad message left out: {error}", self.remote);
                }
            }
        }
    }
}

/// What the switch was told that it answers only to refuse it: each with the barrier behind it.
#[derive(Debug, Default)]
struct Told {
    by_barrier: HashMap<RequestId, (u32, oneshot::Sender<Result<()>>)>,
}

impl Told {
    /// A barrier was answered. The refusal of what stands before it would have come first.
    fn done(&mut self, barrier: RequestId, result: Result<()>) {
        if let Some((_, reply)) = self.by_barrier.remove(&barrier) {
            // Who told it may be gone.
            let _ = reply.send(result);
        }
    }

    /// A message was refused. Gives the error back if nobody waits for it.
    fn refused(&mut self, xid: u32, error: ErrorMessage) -> Option<ErrorMessage> {
        let mut all = self.by_barrier.iter();
        let found = all.find(|(_, (known, _))| *known == xid).map(|(id, _)| *id);
        match found {
            Some(barrier) => {
                self.done(barrier, Err(RequestError::Refused(error).into()));
                None
            }
            None => Some(error),
        }
    }
}

impl Live {
    /// Sends a message and a barrier behind it.
    fn tell(&mut self, message: &Message, reply: oneshot::Sender<Result<()>>) {
        let sent = self.session.send(message);
        let sent = sent.and_then(|xid| Ok((xid, self.session.barrier()?)));
        match sent {
            Ok((xid, barrier)) => drop(self.told.by_barrier.insert(barrier, (xid, reply))),
            Err(error) => drop(reply.send(Err(error.into()))),
        }
    }

    fn request(&mut self, request: Request) {
        match request {
            Request::Send(message) => {
                if let Err(error) = self.session.send(&message) {
                    tracing::warn!(target: "rconn", "{} not sent: {error}", message.name());
                }
            }
            Request::Ask(message, reply) => match self.session.request(&message) {
                Ok(id) => drop(self.asked.insert(id, reply)),
                Err(error) => drop(reply.send(Err(error.into()))),
            },
            Request::Tell(message, reply) => self.tell(&message, reply),
            Request::Bundle(messages, reply) => match self.session.bundle(&messages) {
                Ok(id) => drop(self.bundles.insert(id, reply)),
                Err(error) => drop(reply.send(Err(error.into()))),
            },
            Request::Version(reply) => {
                let version = self.session.version().ok_or(Error::NotConnected);
                // Who asked may be gone.
                let _ = reply.send(version);
            }
            Request::Part(part) => {
                if let Some((id, reply)) = self.open.handle(&mut self.session, part) {
                    self.bundles.insert(id, reply);
                }
            }
        }
    }
}

async fn sleep_until(time: Option<Instant>) {
    if let Some(time) = time {
        tokio::time::sleep_until(time.into()).await;
    }
}

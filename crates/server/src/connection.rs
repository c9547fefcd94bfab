//! The connections of clients: bytes in, bytes out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use ovsdb::Str;
use ovsdb::database::Rights;
use ovsdb::server::SessionId;
use tokio::io::AsyncReadExt;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;
use transport::stream::{Arrival, Reader, Writer, error_text};
use transport::{Connection, Listener, Remote};

use crate::core::{Input, Inputs, Output, Stall};

/// How much is read at once.
const READ: usize = 64 << 10;
/// How many messages a connection holds.
const QUEUE: usize = 16;
/// How many clients of one remote there can be.
const MAX_CONNECTIONS: usize = 20_000;
/// How many of them can be in a handshake, each for [`transport::stream::HANDSHAKE`] at most.
const MAX_HANDSHAKES: usize = 1_024;
/// After how long a silent client of another machine is probed, and after how long again it is cut off.
const PROBE: Duration = Duration::from_secs(60);

/// How the clients of a remote are served; of two terms the greater one gives them less.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Terms {
    /// Whether they may only read.
    pub(crate) read_only: bool,
    /// What they may change; everything, if this is empty.
    pub(crate) role: Str,
    /// After how long silent ones are probed, if not after the default; 0 milliseconds for never.
    pub(crate) probe: Option<Duration>,
    /// How long to wait at most before connecting again, if not as long as the default.
    pub(crate) max_backoff: Option<Duration>,
}

/// What the connections of one remote share.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    inputs: Inputs,
    terms: Terms,
    /// After how long a silent client is probed; 0 milliseconds for never.
    probe: Duration,
    count: Arc<AtomicUsize>,
    handshakes: Arc<Semaphore>,
    /// Its sender is dropped when the remote ends.
    ended: watch::Receiver<()>,
}

impl Clients {
    /// No connections yet. Probes are the default for those to a machine, whose end may go unnoticed.
    pub(crate) fn new(
        inputs: Inputs,
        remote: &Remote,
        terms: Terms,
        ended: watch::Receiver<()>,
    ) -> Self {
        let local = matches!(remote, Remote::Unix(_) | Remote::PassiveUnix(_));
        let default = if local { Duration::ZERO } else { PROBE };
        Self {
            inputs,
            probe: terms.probe.unwrap_or(default),
            terms,
            count: Arc::default(),
            handshakes: Arc::new(Semaphore::new(MAX_HANDSHAKES)),
            ended,
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Resolves when the remote ends.
    pub(crate) async fn ended(&self) {
        // Nothing is ever sent: this is the end of the sender.
        let _ = self.ended.clone().changed().await;
    }

    /// Serves who has arrived, in a task of its own.
    fn receive(&self, arrival: Arrival) {
        let slot = Arc::clone(&self.handshakes).try_acquire_owned();
        if slot.is_err() && arrival.has_handshake() {
            tracing::warn!(target: "jsonrpc", "{}: refused: too many handshakes at once", arrival.peer());
            return;
        }
        let clients = self.clone();
        tokio::spawn(async move {
            let peer = arrival.peer().to_owned();
            let established = tokio::select! {
                established = arrival.establish() => established,
                () = clients.ended() => return,
            };
            drop(slot);
            match established {
                Ok(connection) => clients.serve(connection).await,
                Err(error) => {
                    tracing::warn!(target: "stream_ssl", "{peer}: {}", error_text(&error));
                }
            }
        });
    }

    /// Serves one connection until its end.
    pub(crate) async fn serve(&self, connection: Connection) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let probe = (!self.probe.is_zero()).then_some(self.probe);
        let rights = Rights {
            read_only: self.terms.read_only,
            role: self.terms.role.clone(),
            id: connection.id.as_deref().map(Str::from),
        };
        serve(connection, rights, &self.inputs, probe, self.ended()).await;
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes connections until the remote ends.
pub(crate) async fn accept(listener: Listener, clients: Clients) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = clients.ended() => return,
        };
        match accepted {
            Ok(arrival) if clients.count() >= MAX_CONNECTIONS => {
                tracing::warn!(target: "jsonrpc", "{}: refused: too many connections", arrival.peer());
            }
            Ok(arrival) => clients.receive(arrival),
            Err(error) => {
                tracing::warn!(target: "jsonrpc", "{}: accept: {}", listener.remote(), error_text(&error));
                // Out of descriptors, most likely: trying again at once would spin.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(
    connection: Connection,
    rights: Rights,
    inputs: &Inputs,
    probe: Option<Duration>,
    ended: impl Future<Output = ()>,
) {
    let Connection {
        reader,
        writer,
        peer,
        ..
    } = connection;
    let (bytes, queue) = mpsc::channel(QUEUE);
    let stall = Arc::new(Stall::default());
    let (reply, session) = oneshot::channel();
    let output = Output {
        bytes,
        stall: Arc::clone(&stall),
    };
    if inputs
        .send(Input::Connected {
            peer: peer.clone(),
            rights,
            output,
            reply,
        })
        .await
        .is_err()
    {
        return;
    }
    let Ok(session) = session.await else { return };
    // Whichever ends first ends the connection: the writer when the core drops its queue.
    tokio::select! {
        () = ended => {}
        () = read(reader, session, inputs, probe, &stall) => {}
        result = write(writer, queue, session, inputs, &stall, probe) => {
            if let Err(error) = result {
                tracing::debug!(target: "jsonrpc", "{peer}: send error: {}", error_text(&error));
            }
        }
    }
    // A core that has ended has no sessions.
    let _ = inputs.send(Input::Disconnected(session)).await;
}

/// Passes on what the client sends, until it closes or is silent for too long.
///
/// One piece at a time, and none while replies wait for the client to read: a small request can have a
/// large reply, and who asks without reading must cost neither memory nor the time of others.
async fn read(
    mut reader: Reader,
    session: SessionId,
    inputs: &Inputs,
    probe: Option<Duration>,
    stall: &Stall,
) {
    let mut buffer = BytesMut::with_capacity(READ);
    let mut probed = false;
    let turn = Arc::new(Semaphore::new(1));
    loop {
        let Ok(permit) = Arc::clone(&turn).acquire_owned().await else {
            return;
        };
        stall.over().await;
        let read = reader.read_buf(&mut buffer);
        let read = match probe {
            None => read.await,
            Some(limit) => match timeout(limit, read).await {
                Ok(read) => read,
                Err(_) if probed => return,
                Err(_) => {
                    probed = true;
                    if inputs.send(Input::Probe(session)).await.is_err() {
                        return;
                    }
                    continue;
                }
            },
        };
        match read {
            Ok(0) | Err(_) => return,
            Ok(_) => probed = false,
        }
        let bytes = buffer.split().freeze();
        let received = Input::Received(session, bytes, permit);
        if inputs.send(received).await.is_err() {
            return;
        }
        buffer.reserve(READ);
    }
}

/// Sends what the core hands over.
async fn write(
    mut writer: Writer,
    mut queue: mpsc::Receiver<Bytes>,
    session: SessionId,
    inputs: &Inputs,
    stall: &Stall,
    probe: Option<Duration>,
) -> std::io::Result<()> {
    while let Some(mut bytes) = queue.recv().await {
        let length = bytes.len();
        while bytes.has_remaining() {
            send(&mut writer, &mut bytes, probe).await?;
        }
        if writer.holds() {
            send(&mut writer, &mut bytes, probe).await?;
        }
        if stall.sent(length, queue.is_empty()) {
            let _ = inputs.send(Input::Writable(session)).await;
        }
    }
    Ok(())
}

/// Sends a part of the bytes, or what the writer holds of those before.
async fn send(
    writer: &mut Writer,
    bytes: &mut Bytes,
    probe: Option<Duration>,
) -> std::io::Result<()> {
    let sent = writer.send(bytes);
    // A client that reads nothing cannot be probed: what asks for a sign of life waits as well.
    match probe {
        None => sent.await,
        Some(limit) => timeout(2 * limit, sent).await?,
    }
}

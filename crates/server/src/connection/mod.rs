//! The connections of clients: who is let in, and on what terms.
//!
//! Invariant: a remote has at most as many connections as it was told, those in a handshake included; who comes
//! beyond that does not cost those who are there anything.

mod refusals;
mod serve;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ovsdb::Str;
use ovsdb::database::Rights;
use ovsdb::server::SessionId;
use tokio::sync::{Semaphore, watch};
use transport::stream::{Arrival, error_text};
use transport::{Connection, Listener, Remote};

use crate::core::Inputs;
use refusals::Refusals;
use serve::serve;

/// How many clients of a remote can be in a handshake, each for [`transport::stream::HANDSHAKE`] at most.
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
    /// How many there can be, and places for them.
    most: usize,
    places: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
    /// Its sender is dropped when the remote ends.
    ended: watch::Receiver<()>,
}

impl Clients {
    /// No connections yet, and `most` at most. Probes are the default for those to a machine, whose end may go
    /// unnoticed.
    pub(crate) fn new(
        inputs: Inputs,
        remote: &Remote,
        terms: Terms,
        most: usize,
        ended: watch::Receiver<()>,
    ) -> Self {
        let local = matches!(remote, Remote::Unix(_) | Remote::PassiveUnix(_));
        let default = if local { Duration::ZERO } else { PROBE };
        Self {
            inputs,
            probe: terms.probe.unwrap_or(default),
            terms,
            count: Arc::default(),
            most,
            places: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
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
    ///
    /// # Errors
    /// Why not.
    fn receive(&self, arrival: Arrival) -> Result<(), Refused> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Refused::Connections(self.most))?;
        let handshake = Arc::clone(&self.handshakes).try_acquire_owned();
        if handshake.is_err() && arrival.has_handshake() {
            return Err(Refused::Handshakes);
        }
        let clients = self.clone();
        tokio::spawn(async move {
            let peer = arrival.peer().to_owned();
            let established = tokio::select! {
                established = arrival.establish() => established,
                () = clients.ended() => return,
            };
            drop(handshake);
            match established {
                Ok(connection) => clients.serve(connection, |_| ()).await,
                Err(error) => {
                    tracing::warn!(target: "stream_ssl", "{peer}: {}", error_text(&error));
                }
            }
            drop(place);
        });
        Ok(())
    }

    /// Serves one connection until its end; calls `began` with its session.
    pub(crate) async fn serve(&self, connection: Connection, began: impl FnOnce(SessionId)) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let probe = (!self.probe.is_zero()).then_some(self.probe);
        let rights = Rights {
            read_only: self.terms.read_only,
            role: self.terms.role.clone(),
            id: connection.id.as_deref().map(Str::from),
        };
        let (peer, direct) = (connection.peer.clone(), connection.writer.direct());
        let session = serve::begin(peer, direct, rights, &self.inputs).await;
        if let Some(session) = session {
            began(session.id);
            serve(connection, session, &self.inputs, probe, self.ended()).await;
        }
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why somebody was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Refused {
    #[error(
        "the remote has {0} connections, which is the most; end some, or raise --max-connections"
    )]
    Connections(usize),
    #[error("too many handshakes at once")]
    Handshakes,
}

/// Takes connections until the remote ends.
pub(crate) async fn accept(listener: Listener, clients: Clients) {
    let mut refusals = Refusals::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = clients.ended() => return,
        };
        match accepted {
            Ok(arrival) => {
                let peer = arrival.peer().to_owned();
                if let Err(reason) = clients.receive(arrival)
                    && let Some(more) = refusals.note(Instant::now())
                {
                    tracing::warn!(target: "jsonrpc", "{peer}: refused: {reason}{more}");
                }
            }
            Err(error) => {
                tracing::warn!(target: "jsonrpc", "{}: accept: {}", listener.remote(), error_text(&error));
                // Out of descriptors, most likely: trying again at once would spin.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

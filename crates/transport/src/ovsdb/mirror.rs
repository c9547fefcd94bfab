//! A copy of a whole database, with the schema that its server has: what a relay follows.
//!
//! Invariant: what a forwarded transaction changed comes before its answer.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ::ovsdb::client::{self, Answer, Config, TransactError};
use ::ovsdb::{DatabaseSchema, RowChange, Uuid};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::task::{Addresses, Task};
use super::{Happening, QUEUE, Request};
use crate::{Remote, Tls};

/// What a mirror tells.
#[derive(Debug, Clone, PartialEq)]
pub enum MirrorEvent {
    /// From here on the rows are those of this schema, and there are none yet.
    Schema(Arc<DatabaseSchema>),
    /// What one transaction did, or the difference after a reconnection; and the id of the state after it, where
    /// the server has such ids.
    Changes(Option<Uuid>, Vec<RowChange>),
    /// The view is complete.
    Connected,
    /// The connection ended. The rows stay.
    Disconnected,
    /// The answer to what was forwarded under that number. Without a connection there is an answer as well.
    Answer(u64, Result<Answer, TransactError>),
}

/// A connection to one database that keeps itself. Dropping it ends it.
#[derive(Debug)]
pub struct Mirror {
    events: mpsc::Receiver<Happening>,
    requests: mpsc::Sender<Request>,
    task: JoinHandle<()>,
}

/// Passes transactions on through a mirror.
#[derive(Debug, Clone)]
pub struct Forwarder {
    requests: mpsc::Sender<Request>,
}

impl Mirror {
    /// Follows a database at one of `remotes`; see [`super::Client::new`] for their order, and
    /// [`Config::mirror`]. Call it inside a runtime.
    #[must_use]
    pub fn new(remotes: Vec<Remote>, config: Config) -> Self {
        Self::with_tls(remotes, config, Tls::default())
    }

    /// The same with certificates, for addresses with `ssl:`.
    #[must_use]
    pub fn with_tls(remotes: Vec<Remote>, config: Config, tls: Tls) -> Self {
        let (event_sender, events) = mpsc::channel(QUEUE);
        let (requests, request_receiver) = mpsc::channel(QUEUE);
        let task = Task::new(
            Addresses::by_lot(remotes).with_tls(tls),
            config,
            event_sender,
            request_receiver,
            watch::channel(None).0,
            Arc::new(AtomicBool::new(false)),
        );
        Self {
            events,
            requests,
            task: tokio::spawn(task.run()),
        }
    }

    /// The next event. Cancelling loses none.
    pub async fn next(&mut self) -> Option<MirrorEvent> {
        loop {
            return Some(match self.events.recv().await? {
                Happening::Session(client::Event::Schema(schema)) => MirrorEvent::Schema(schema),
                Happening::Session(client::Event::Mirrored(id, changes)) => {
                    MirrorEvent::Changes(id, changes)
                }
                Happening::Session(client::Event::Connected) => MirrorEvent::Connected,
                Happening::Disconnected => MirrorEvent::Disconnected,
                Happening::Answer(number, answer) => MirrorEvent::Answer(number, answer),
                Happening::Session(_) => continue,
            });
        }
    }

    /// Where to pass transactions on. One who waits there must not be the one who takes the events.
    #[must_use]
    pub fn forwarder(&self) -> Forwarder {
        Forwarder {
            requests: self.requests.clone(),
        }
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Forwarder {
    /// Passes a transaction on, a JSON array of operations; its answer comes as [`MirrorEvent::Answer`]. False when the mirror is gone.
    pub async fn forward(&self, number: u64, operations: Arc<str>) -> bool {
        let request = Request::Forward(number, operations);
        self.requests.send(request).await.is_ok()
    }
}

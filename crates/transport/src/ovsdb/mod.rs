//! An OVSDB client for tokio: a task that owns a socket and an [`ovsdb::client::Session`].
//!
//! The task connects, connects again after a failure, and keeps the replica. The program takes
//! [`Event`]s from the [`Client`] and sends transactions through a [`Handle`], which is cheap to clone.
//!
//! Invariants: the events, summed up, are the replica. The queue of events has a bound: while it is full
//! nothing is read from the socket, except to get the reply to a transaction, so that a program that
//! awaits a reply and does not take events meanwhile still gets it.
//!
//! [`Mirror`] is the same for one who has no schema of its own and passes transactions on: a relay.

mod commit;
mod mirror;
pub mod rpc;
mod task;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::ovsdb::client::{self, Config, OpResult, Replica, Rows, TransactError, Transaction};
use ::ovsdb::{DatabaseSchema, Operation, RowChange, Str};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub use mirror::{Forwarder, Mirror, MirrorEvent};

use crate::{Remote, Tls};
use commit::Build;
use task::Addresses;

/// How many events wait for the program, and how many requests for the task.
const QUEUE: usize = 64;

/// What a client tells the program.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The view is complete: the [`Event::Changes`] before this made it equal to the server's content.
    Connected,
    /// What one transaction did; or, before [`Event::Connected`], the difference to what was known.
    Changes(Vec<RowChange>),
    /// All conditions that were set are in force, and their rows were given out.
    ConditionsApplied,
    /// The connection ended. The rows stay; the client tries to connect again.
    Disconnected,
    /// The lock of the configuration is held.
    LockAcquired,
    /// It is held no longer.
    LockLost,
}

/// The answer to a transaction.
pub type TransactResult = Result<Vec<OpResult>, TransactError>;

/// A connection to one database that keeps itself. Dropping it ends it.
#[derive(Debug)]
pub struct Client {
    events: mpsc::Receiver<Happening>,
    handle: Handle,
    task: JoinHandle<()>,
}

/// Sends requests to a client's task.
#[derive(Debug, Clone)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
    connected: Arc<AtomicBool>,
    schema: watch::Receiver<Option<Arc<DatabaseSchema>>>,
}

/// What a task tells its owner, in the order in which it happened.
#[derive(Debug)]
enum Happening {
    Session(client::Event),
    Disconnected,
    /// The answer to what was forwarded under that number.
    Answer(u64, Result<client::Answer, TransactError>),
}

#[derive(Debug)]
enum Request {
    Transact(Vec<Operation>, oneshot::Sender<TransactResult>),
    Commit(Build, oneshot::Sender<TransactResult>),
    Forward(u64, Arc<str>),
    Rows(Vec<(Str, Rows)>),
    Remotes(Vec<Remote>),
    Lock(Option<Str>),
}

impl Client {
    /// Connects to one of `remotes`, and to the next when it fails or when it will not do (see
    /// [`client::Unsuitable`]). The order is chosen by lot, so that many clients spread over the servers. Call
    /// it inside a runtime. An empty list waits for [`Handle::set_remotes`].
    #[must_use]
    pub fn new(remotes: Vec<Remote>, config: Config) -> Self {
        Self::start(Addresses::by_lot(remotes), config)
    }

    /// The same, in the order of the list: the first that will do.
    #[must_use]
    pub fn in_order(remotes: Vec<Remote>, config: Config) -> Self {
        Self::start(Addresses::in_order(remotes), config)
    }

    /// As [`Client::new`] with certificates, for addresses with `ssl:`.
    #[must_use]
    pub fn with_tls(remotes: Vec<Remote>, config: Config, tls: Tls) -> Self {
        Self::start(Addresses::by_lot(remotes).with_tls(tls), config)
    }

    fn start(addresses: Addresses, config: Config) -> Self {
        let (event_sender, events) = mpsc::channel(QUEUE);
        let (requests, request_receiver) = mpsc::channel(QUEUE);
        let (schema_sender, schema) = watch::channel(None);
        let connected = Arc::new(AtomicBool::new(false));
        let task = task::Task::new(
            addresses,
            config,
            event_sender,
            request_receiver,
            schema_sender,
            Arc::clone(&connected),
        );
        let task = tokio::spawn(task.run());
        Self {
            events,
            handle: Handle {
                requests,
                connected,
                schema,
            },
            task,
        }
    }

    /// The next event. Cancelling loses none.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = public(self.events.recv().await?) {
                return Some(event);
            }
        }
    }

    /// An event that is there already.
    pub fn try_next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = public(self.events.try_recv().ok()?) {
                return Some(event);
            }
        }
    }

    /// Where to send requests.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// As [`Handle::transact`].
    ///
    /// # Errors
    /// See there.
    pub async fn transact(&self, operations: Vec<Operation>) -> TransactResult {
        self.handle.transact(operations).await
    }
}

/// What of it is for the owner of a client.
fn public(happening: Happening) -> Option<Event> {
    Some(match happening {
        Happening::Session(client::Event::Changes(changes)) => Event::Changes(changes),
        Happening::Session(client::Event::Connected) => Event::Connected,
        Happening::Session(client::Event::ConditionsApplied) => Event::ConditionsApplied,
        Happening::Session(client::Event::Lock(true)) => Event::LockAcquired,
        Happening::Session(client::Event::Lock(false)) => Event::LockLost,
        Happening::Disconnected => Event::Disconnected,
        // Replies go to those who wait for them, and the rest is about mirrors.
        Happening::Session(_) | Happening::Answer(..) => return None,
    })
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Handle {
    /// Runs a transaction. The changes that it makes are among the events before this returns.
    ///
    /// # Errors
    /// When there is no connection, when it ends before the answer, or when the server refuses.
    pub async fn transact(&self, operations: Vec<Operation>) -> TransactResult {
        let (sender, receiver) = oneshot::channel();
        let request = Request::Transact(operations, sender);
        if self.requests.send(request).await.is_err() {
            return Err(TransactError::NotConnected);
        }
        receiver.await.unwrap_or(Err(TransactError::Lost))
    }

    /// Runs the transaction that `build` makes of the rows as they are. When a value that it verifies has
    /// changed before it arrived, it is built again from the rows as they are by then, and so on. Without an
    /// operation to carry out nothing is sent.
    ///
    /// # Errors
    /// As [`Handle::transact`]; never for a conflict. After [`TransactError::Lost`] it is unknown whether the
    /// transaction was carried out.
    pub async fn commit(
        &self,
        build: impl FnMut(&Replica) -> Transaction + Send + 'static,
    ) -> TransactResult {
        let (sender, receiver) = oneshot::channel();
        let request = Request::Commit(Build::new(build), sender);
        if self.requests.send(request).await.is_err() {
            return Err(TransactError::NotConnected);
        }
        receiver.await.unwrap_or(Err(TransactError::Lost))
    }

    /// Changes which rows of these tables are wanted, all at once; [`Event::ConditionsApplied`] follows if that is
    /// a change.
    pub async fn set_rows(&self, rows: Vec<(Str, Rows)>) {
        // A client that is gone wants no rows.
        let _ = self.requests.send(Request::Rows(rows)).await;
    }

    /// Changes the addresses. The connection ends if its address is not among them.
    pub async fn set_remotes(&self, remotes: Vec<Remote>) {
        let _ = self.requests.send(Request::Remotes(remotes)).await;
    }

    /// Asks for another lock, or gives the lock back.
    pub async fn set_lock(&self, name: Option<Str>) {
        let _ = self.requests.send(Request::Lock(name)).await;
    }

    /// Whether the view is complete and follows the server.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Acquire)
    }

    /// The schema of the server, once it was connected.
    #[must_use]
    pub fn server_schema(&self) -> Option<Arc<DatabaseSchema>> {
        self.schema.borrow().clone()
    }
}

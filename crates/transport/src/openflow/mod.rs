//! An OpenFlow client for tokio: a task that owns a socket and an [`openflow::session::Session`].
//!
//! The task connects, and connects again after a failure, with a new session each time. The program takes
//! [`Event`]s from the [`Client`] and asks through a [`Handle`], which is cheap to clone.
//!
//! Invariants: requests of one handle reach the switch in their order. A reply never waits for the
//! program to take events: while it does not, packets beyond a bound are dropped and counted.

mod bundle;
mod sync;
mod task;

pub use bundle::Bundle;
pub use sync::Verify;

use ::openflow::message::multipart::{FlowDesc, FlowQuery};
use ::openflow::message::{Features, Message, MultipartRequest, PortDesc, TlvTable};
use ::openflow::session::{BundleError, BundleFailure, Config, Reply, RequestError, SendError};
use ::openflow::{Group, Port, Version};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::{Remote, Tls};

/// How many requests wait for the task, and how many events for the program.
const QUEUE: usize = 64;

/// What a client tells the program.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The switch is there. What it was told on an earlier connection about the connection itself, such
    /// as the form of packets, it has forgotten.
    Connected,
    /// A message that nobody asked for: a packet, a port that changed, a flow that went.
    Message(Message),
    /// The connection ended; the client tries to connect again.
    Disconnected,
}

/// Why a request had no success.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// There is no connection.
    #[error("the switch is not connected")]
    NotConnected,
    /// The connection ended before the answer; the switch may have done it or not.
    #[error("the connection to the switch ended before the answer")]
    Lost,
    /// It cannot be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The bundle cannot be sent.
    #[error(transparent)]
    BundleSend(#[from] BundleError),
    /// The bundle had no effect.
    #[error(transparent)]
    Bundle(#[from] BundleFailure),
    /// The request had no good answer.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The answer is of another kind than the question.
    #[error("the switch's answer does not fit the question")]
    Unexpected,
    /// A meter, by its number, could not be made so. All is as it was.
    #[error("meter {0}: {1}")]
    Meter(u32, Box<Self>),
    /// After all was done the switch holds something else; how many changes are left.
    #[error("the switch took all changes, and yet {0} are left; does somebody else change it too?")]
    Differs(usize),
}

/// The result of a request.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A connection to one switch that keeps itself. Dropping it ends it.
#[derive(Debug)]
pub struct Client {
    events: mpsc::Receiver<Event>,
    handle: Handle,
    task: JoinHandle<()>,
}

/// Sends requests to a client's task.
#[derive(Debug, Clone)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
}

#[derive(Debug)]
enum Request {
    Send(Message),
    Ask(Message, oneshot::Sender<Result<Reply>>),
    Tell(Message, oneshot::Sender<Result<()>>),
    Bundle(Vec<Message>, oneshot::Sender<Result<()>>),
    Part(bundle::Part),
    Version(oneshot::Sender<Result<Version>>),
}

impl Client {
    /// Connects to a switch. Call it inside a runtime.
    #[must_use]
    pub fn new(remote: Remote, config: Config) -> Self {
        Self::with_tls(remote, config, Tls::default())
    }

    /// The same with certificates, for an address with `ssl:`.
    #[must_use]
    pub fn with_tls(remote: Remote, config: Config, tls: Tls) -> Self {
        let (event_sender, events) = mpsc::channel(QUEUE);
        let (requests, request_receiver) = mpsc::channel(QUEUE);
        let task = task::Task::new((remote, tls), config, event_sender, request_receiver);
        Self {
            events,
            handle: Handle { requests },
            task: tokio::spawn(task.run()),
        }
    }

    /// The next event. Cancelling loses none.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Where to send requests.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Handle {
    /// Applies changes together and in this order, or none of them.
    ///
    /// # Errors
    /// [`Error::Bundle`] names the changes that the switch refused; [`Error::BundleSend`] one that no
    /// message can hold.
    pub async fn bundle(&self, mods: Vec<impl Into<Message>>) -> Result<()> {
        if mods.is_empty() {
            return Ok(());
        }
        let messages = mods.into_iter().map(Into::into).collect();
        let (sender, receiver) = oneshot::channel();
        self.give(Request::Bundle(messages, sender)).await?;
        receiver.await.unwrap_or(Err(Error::Lost))
    }

    /// Asks something that has an answer.
    ///
    /// # Errors
    /// When there is none, or it is a refusal.
    pub async fn ask(&self, message: Message) -> Result<Reply> {
        let (sender, receiver) = oneshot::channel();
        self.give(Request::Ask(message, sender)).await?;
        receiver.await.unwrap_or(Err(Error::Lost))
    }

    /// Sends something that has no answer. A refusal is logged.
    ///
    /// # Errors
    /// When the client is gone. Without a connection it is lost in silence, as it would be on the way.
    pub async fn send(&self, message: Message) -> Result<()> {
        self.give(Request::Send(message)).await
    }

    /// Sends something that has no answer, unless too much waits to be sent already.
    ///
    /// # Errors
    /// When the queue is full or the client is gone.
    pub fn try_send(&self, message: Message) -> Result<()> {
        self.requests
            .try_send(Request::Send(message))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => SendError::Full.into(),
                mpsc::error::TrySendError::Closed(_) => Error::NotConnected,
            })
    }

    /// Waits until the switch has done all that was sent before.
    ///
    /// # Errors
    /// When the switch does not answer.
    pub async fn barrier(&self) -> Result<()> {
        self.ask(Message::BarrierRequest).await.map(drop)
    }

    /// The version that is spoken on this connection.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn version(&self) -> Result<Version> {
        let (sender, receiver) = oneshot::channel();
        self.give(Request::Version(sender)).await?;
        receiver.await.unwrap_or(Err(Error::NotConnected))
    }

    /// What the switch is.
    ///
    /// # Errors
    /// When the switch does not say.
    pub async fn features(&self) -> Result<Features> {
        match self.ask(Message::FeaturesRequest).await? {
            Reply::Message(Message::Features(features)) => Ok(features),
            _ => Err(Error::Unexpected),
        }
    }

    /// How tunnel options are mapped to fields.
    ///
    /// # Errors
    /// When the switch does not say.
    pub async fn tlv_table(&self) -> Result<TlvTable> {
        match self.ask(Message::TlvTableRequest).await? {
            Reply::Message(Message::TlvTable(table)) => Ok(table),
            _ => Err(Error::Unexpected),
        }
    }

    /// All flows, with what they have counted.
    ///
    /// # Errors
    /// When the switch does not say.
    pub async fn dump_flows(&self) -> Result<Vec<FlowDesc>> {
        let query = MultipartRequest::Flows(FlowQuery::default());
        match self.ask(Message::MultipartRequest(query)).await? {
            Reply::Flows(flows) => Ok(flows.to_vec()),
            _ => Err(Error::Unexpected),
        }
    }

    /// All groups.
    ///
    /// # Errors
    /// When the switch does not say.
    pub async fn dump_groups(&self) -> Result<Vec<Group>> {
        let query = MultipartRequest::Groups(Group::ALL);
        match self.ask(Message::MultipartRequest(query)).await? {
            Reply::Groups(groups) => Ok(groups),
            _ => Err(Error::Unexpected),
        }
    }

    /// All ports.
    ///
    /// # Errors
    /// When the switch does not say.
    pub async fn dump_ports(&self) -> Result<Vec<PortDesc>> {
        let query = MultipartRequest::Ports(Port::ANY);
        match self.ask(Message::MultipartRequest(query)).await? {
            Reply::Ports(ports) => Ok(ports),
            _ => Err(Error::Unexpected),
        }
    }

    async fn give(&self, request: Request) -> Result<()> {
        self.requests
            .send(request)
            .await
            .map_err(|_| Error::NotConnected)
    }
}

//! The integration bridge: makes the switch hold what `physical` says it should.
//!
//! [`Reconciler`] is the decision, pure: desired, what the switch is believed to hold, and what is on its
//! way. The task behind [`Switch`] is the shell: it connects to the bridge's management socket, prepares
//! the connection, reads what is there, and applies the difference, one bundle at a time.
//!
//! It must not know where flows come from. Invariants: nothing is changed before [`Switch::complete`];
//! then only what differs; a bundle takes effect as a whole; a flow that the switch refuses is set aside
//! alone, with a log line that names its cookie, and everything else is applied.

mod reconcile;
mod task;

use std::sync::{Arc, Mutex, PoisonError};

use openflow::message::{CtFlushZone, PacketIn, PacketOut};
use openflow::session::Config;
use openflow::{FlowKey, Message};
use physical::Changes;
use tokio::sync::{Notify, mpsc, oneshot};
use transport::Remote;
use transport::openflow::{Client, Error, Handle};

pub use reconcile::{Audit, Reconciler, Refusal};

/// How many events wait for the program.
const QUEUE: usize = 256;

/// What happens at the switch.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The switch is there and prepared. `physical` must know the number of the tunnel metadata field
    /// before its flows are right.
    Connected {
        /// The index of `tun_metadata` that OVN's Geneve option is mapped to.
        tunnel_metadata: u8,
    },
    /// A packet, a port that changed, a flow that went.
    Message(Message),
    /// Everything given before [`Switch::mark`] with this number is in force.
    Installed(u64),
    /// The connection ended. It is tried again.
    Disconnected,
}

/// What waits for the task.
#[derive(Debug, Default)]
struct Inbox {
    changes: Vec<Changes>,
    complete: bool,
    mark: Option<u64>,
    audits: Vec<oneshot::Sender<Result<Audit, Error>>>,
}

#[derive(Debug, Default)]
struct Shared {
    inbox: Mutex<Inbox>,
    notify: Notify,
}

impl Shared {
    fn with<T>(&self, f: impl FnOnce(&mut Inbox) -> T) -> T {
        // The inbox is whole between any two statements, so a panic elsewhere does not spoil it.
        f(&mut self.inbox.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A switch that is kept as it should be. Dropping it leaves the flows where they are.
#[derive(Debug)]
pub struct Switch {
    shared: Arc<Shared>,
    handle: Handle,
    events: mpsc::Receiver<Event>,
    task: tokio::task::JoinHandle<()>,
}

impl Switch {
    /// Connects to a bridge, for example `unix:/run/openvswitch/br-int.mgmt`. Call it inside a runtime.
    #[must_use]
    pub fn new(remote: Remote) -> Self {
        let client = Client::new(remote, Config::default());
        let handle = client.handle();
        let shared = Arc::new(Shared::default());
        let (sender, events) = mpsc::channel(QUEUE);
        let task = task::Task::new(client, Arc::clone(&shared), sender);
        Self {
            shared,
            handle,
            events,
            task: tokio::spawn(task.run()),
        }
    }

    /// Changes what the switch should hold. It never waits; what comes while a bundle is on its way goes
    /// into the next.
    pub fn update(&self, changes: Changes) {
        if changes.flows.is_empty() && changes.groups.is_empty() {
            return;
        }
        self.shared.with(|inbox| inbox.changes.push(changes));
        self.shared.notify.notify_one();
    }

    /// Says that what was given so far is the whole. Before this the switch is left alone.
    pub fn complete(&self) {
        self.shared.with(|inbox| inbox.complete = true);
        self.shared.notify.notify_one();
    }

    /// Asks for [`Event::Installed`] with this number when all that was given before is in force. A later
    /// number stands for an earlier one that was not reported yet.
    pub fn mark(&self, mark: u64) {
        self.shared.with(|inbox| inbox.mark = Some(mark));
        self.shared.notify.notify_one();
    }

    /// The next event. Cancelling loses none.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Where to send what has nothing to do with flows.
    #[must_use]
    pub fn sender(&self) -> Sender {
        Sender {
            handle: self.handle.clone(),
        }
    }

    /// Compares what the switch should hold with what it holds.
    ///
    /// # Errors
    /// When the switch does not say.
    pub fn audit(&self) -> impl Future<Output = Result<Audit, Error>> + Send + use<> {
        let (sender, receiver) = oneshot::channel();
        self.shared.with(|inbox| inbox.audits.push(sender));
        self.shared.notify.notify_one();
        async { receiver.await.unwrap_or(Err(Error::NotConnected)) }
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sends messages that await nothing. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sender {
    handle: Handle,
}

impl Sender {
    /// Sends a packet. Packets beyond what the connection takes are dropped: a network may do that.
    pub fn packet_out(&self, packet: PacketOut) {
        self.send(Message::PacketOut(packet));
    }

    /// Lets a paused packet go on.
    pub fn resume(&self, packet: PacketIn) {
        self.send(Message::Resume(Box::new(packet)));
    }

    /// Forgets the connections of a zone.
    pub fn flush_zone(&self, zone: u16) {
        self.send(Message::CtFlushZone(CtFlushZone { zone }));
    }

    /// Sends anything else that has no answer.
    pub fn send(&self, message: Message) {
        let name = message.name();
        if let Err(error) = self.handle.try_send(message) {
            tracing::debug!(target: "ofctrl", "{name} not sent: {error}");
        }
    }
}

/// A flow's key for a log line.
fn describe(key: &FlowKey) -> String {
    format!("table={}, priority={}", key.table, key.priority)
}

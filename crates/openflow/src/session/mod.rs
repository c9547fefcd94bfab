//! The controller's side of a conversation with a switch, without a socket.
//!
//! Give it what arrives ([`Session::handle_bytes`]) and the time; take what is to be sent
//! ([`Session::poll_transmit`]) and what happened ([`Session::poll_event`]) until both are empty.
//!
//! It agrees on the version, answers echo requests, gives every request a transaction number and its
//! answer back, puts long answers together, and drives bundles: open, add, close, and commit only if no
//! message was refused, so that a bundle takes effect as a whole or not at all.
//!
//! Invariants: every request gets exactly one [`Event::Reply`], every bundle one [`Event::Bundle`], unless
//! the session ends before. What waits to be sent or taken has a bound; packets beyond it are dropped
//! and counted, and never a reply.

mod bundle;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

pub use bundle::{BundleError, BundleFailure, BundleId, Transaction};

use crate::error::Error;
use crate::group::Group;
use crate::message::multipart::{
    Aggregate, Description, FlowList, FlowMonitor, FlowQuery, FlowUpdate, GroupFeatures,
    GroupStats, IpfixStats, MeterFeatures, MeterStats, MonitorCommand, Part, PortStats, QueueDesc,
    QueueQuery, QueueStats, TableDesc, TableFeatures, TableStats,
};
use crate::message::{
    EncodeError, ErrorMessage, FlowModTableId, HEADER, Hello, Message, Meter, MonitorId,
    MultipartRequest, PortDesc, QueueConfigRequest, SetFlowFormat,
};
use crate::port::Port;
use crate::version::{Version, Versions};

use bundle::{Bundle, Step};

/// The limits of a session.
#[derive(Debug, Clone)]
pub struct Config {
    /// The versions to speak; the newest that the switch speaks too is taken.
    pub versions: Versions,
    /// How long the switch may be silent before it is asked whether it is there, and as long again
    /// before it is given up. `None` never asks.
    pub probe: Option<Duration>,
    /// How many bytes may wait to be sent.
    pub max_output: usize,
    /// How many events that nobody asked for may wait to be taken.
    pub max_events: usize,
    /// How many bytes the parts of one answer may have.
    pub max_reply: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            versions: Versions::ALL,
            probe: None,
            max_output: 256 << 20,
            max_events: 4096,
            max_reply: 1 << 30,
        }
    }
}

/// Why a session cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The first message was not a greeting.
    #[error("the first message is {0}, not a greeting")]
    NoHello(&'static str),
    /// The switch speaks none of our versions.
    #[error("the switch speaks none of {0}; add one of them to the bridge's protocols")]
    Version(Versions),
    /// A length that no message can have.
    #[error("a message cannot be {0} bytes long")]
    Framing(usize),
    /// No sign of life.
    #[error("no answer to the inactivity probe")]
    Silent,
}

/// Why a message cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The version is not agreed upon yet.
    #[error("the session is not ready")]
    NotReady,
    /// It is too long, or the version that was agreed upon cannot say it.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Too much waits to be sent.
    #[error("too much waits to be sent")]
    Full,
}

/// A request that awaits its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u32);

macro_rules! replies {
    (
        many {$($many:ident($item:ty) $mdoc:literal;)*}
        list {$($list:ident($lists:ty) $ldoc:literal;)*}
        one {$($one:ident($whole:ty) $odoc:literal;)*}
    ) => {
        /// An answer.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Reply {
            /// A single message.
            Message(Message),
            $(#[doc = $mdoc] $many(Vec<$item>),)*
            $(#[doc = $ldoc] $list($lists),)*
            $(#[doc = $odoc] $one($whole),)*
            /// The parts of an answer of another type.
            Unknown(Vec<Box<[u8]>>),
        }

        /// Adds a part to those that came before.
        fn append(parts: Option<Reply>, part: Part) -> Result<Reply, Error> {
            Ok(match (parts, part) {
                $((None, Part::$many(new)) => Reply::$many(new),
                (Some(Reply::$many(old)), Part::$many(new)) => Reply::$many(extend(old, new)),)*
                $((None, Part::$list(new)) => Reply::$list(new),
                (Some(Reply::$list(mut old)), Part::$list(new)) => {
                    old.append(new);
                    Reply::$list(old)
                })*
                $((None, Part::$one(new)) => Reply::$one(new),)*
                (None, Part::Unknown { body, .. }) => Reply::Unknown(vec![body]),
                (Some(Reply::Unknown(old)), Part::Unknown { body, .. }) => {
                    Reply::Unknown(extend(old, vec![body]))
                }
                _ => {
                    return Err(Error::BadValue {
                        what: "part of an answer",
                        value: 0,
                    });
                }
            })
        }
    };
}

replies! {
    many {
        Tables(TableStats) "Counters of tables.";
        PortStats(PortStats) "Counters of ports.";
        QueueStats(QueueStats) "Counters of queues.";
        GroupStats(GroupStats) "Counters of groups.";
        Groups(Group) "Groups.";
        MeterStats(MeterStats) "Counters of meters.";
        Meters(Meter) "Meters.";
        TableFeatures(TableFeatures) "What tables can do.";
        Ports(PortDesc) "Ports.";
        TableDescs(TableDesc) "How tables are set.";
        Queues(QueueDesc) "How queues are set.";
        FlowUpdates(FlowUpdate) "What a flow monitor found at first.";
        IpfixFlows(IpfixStats) "What the IPFIX exporters of flows have done.";
    }
    list {
        Flows(FlowList) "Flows.";
    }
    one {
        Description(Box<Description>) "Who made the switch.";
        Aggregate(Aggregate) "Counters of flows together.";
        GroupFeatures(GroupFeatures) "What groups can be.";
        MeterFeatures(MeterFeatures) "What meters can be.";
        IpfixBridge(IpfixStats) "What the bridge's IPFIX exporter has done.";
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The switch refused.
    #[error("the switch refused: {0}")]
    Refused(ErrorMessage),
    /// The answer makes no sense.
    #[error("the answer makes no sense: {0}")]
    Malformed(#[from] Error),
    /// The answer is longer than the limit.
    #[error("the answer is too long")]
    TooLong,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The version is agreed upon; requests can be sent.
    Ready,
    /// A message that nobody asked for: a packet, a port that changed, a flow that went.
    Message(Message),
    /// The answer to a request.
    Reply(RequestId, Result<Reply, RequestError>),
    /// The end of a bundle.
    Bundle(BundleId, Result<(), BundleFailure>),
    /// A message sent without awaiting an answer was refused; its transaction number.
    Refused(u32, ErrorMessage),
    /// A message that makes no sense was left out.
    Malformed(Error),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Greeting,
    Ready,
}

#[derive(Debug)]
enum Pending {
    Single(RequestId),
    Multi {
        id: RequestId,
        parts: Option<Reply>,
        bytes: usize,
    },
    Bundle(BundleId, Step),
}

/// A conversation.
#[derive(Debug)]
pub struct Session {
    config: Config,
    phase: Phase,
    version: Version,
    input: Vec<u8>,
    output: Vec<u8>,
    events: VecDeque<Event>,
    /// How many of the events are of the kind that may be dropped.
    unasked: usize,
    dropped: u64,
    next_xid: u32,
    pending: HashMap<u32, Pending>,
    bundles: HashMap<BundleId, Bundle>,
    heard: Instant,
    probing: bool,
}

impl Session {
    /// A session on a new connection; the greeting waits to be sent.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        let mut session = Self {
            config,
            phase: Phase::Greeting,
            version: Version::V15,
            input: Vec::new(),
            output: Vec::new(),
            events: VecDeque::new(),
            unasked: 0,
            dropped: 0,
            next_xid: 1,
            pending: HashMap::new(),
            bundles: HashMap::new(),
            heard: now,
            probing: false,
        };
        let versions = session.config.versions;
        // A greeting is sent in the newest version that its sender speaks.
        session.version = versions.iter().next_back().unwrap_or_default();
        session.push_small(&Message::Hello(Hello::new(versions)));
        session
    }

    /// The version that was agreed upon, once requests can be sent.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.is_ready().then_some(self.version)
    }

    /// Whether requests can be sent.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// How many bytes wait to be sent.
    #[must_use]
    pub const fn output_len(&self) -> usize {
        self.output.len()
    }

    /// How many unasked messages were dropped because nobody took them.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The bytes to send now, all that there are.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        if self.output.is_empty() {
            None
        } else {
            Some(std::mem::take(&mut self.output))
        }
    }

    /// The next thing that happened.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if matches!(event, Event::Message(_) | Event::Malformed(_)) {
            self.unasked -= 1;
        }
        Some(event)
    }

    /// When [`Session::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let probe = self.config.probe?;
        Some(self.heard + if self.probing { 2 * probe } else { probe })
    }

    /// Probes a silent switch, and gives it up.
    ///
    /// # Errors
    /// When it stays silent.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        match self.poll_timeout() {
            Some(deadline) if now >= deadline => {}
            _ => return Ok(()),
        }
        if self.probing || self.phase == Phase::Greeting {
            return Err(SessionError::Silent);
        }
        self.probing = true;
        self.push_small(&Message::EchoRequest(Box::default()));
        Ok(())
    }

    /// Takes what arrived.
    ///
    /// # Errors
    /// When the conversation cannot go on. What is to be sent may then hold a farewell.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant) -> Result<(), SessionError> {
        self.heard = now;
        self.probing = false;
        if self.input.is_empty() {
            // Nearly all messages are read where they arrived.
            let used = self.handle_whole(bytes)?;
            self.input.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut input = std::mem::take(&mut self.input);
        input.extend_from_slice(bytes);
        let used = self.handle_whole(&input)?;
        input.drain(..used);
        self.input = input;
        Ok(())
    }

    /// Handles the messages that are there as a whole; how many bytes they have.
    fn handle_whole(&mut self, bytes: &[u8]) -> Result<usize, SessionError> {
        let mut rest = bytes;
        while let Some(header) = rest.first_chunk::<HEADER>() {
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            if length < HEADER {
                return Err(SessionError::Framing(length));
            }
            // Whoever does not greet may not mean its length either: there is no use in waiting for it.
            if self.phase == Phase::Greeting && header[1] > 1 {
                return Err(SessionError::NoHello("something else"));
            }
            let Some((message, tail)) = rest.split_at_checked(length) else {
                break;
            };
            self.handle_message(message)?;
            rest = tail;
        }
        Ok(bytes.len() - rest.len())
    }

    fn handle_message(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        let decoded = Message::decode(bytes);
        if self.phase == Phase::Greeting {
            return self.greet(bytes[0], decoded.ok().map(|(_, message)| message));
        }
        match decoded {
            Ok((xid, message)) => self.dispatch(xid, message, bytes.len()),
            Err(error) => {
                let xid = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
                self.malformed(xid, error);
            }
        }
        Ok(())
    }

    fn greet(&mut self, version: u8, message: Option<Message>) -> Result<(), SessionError> {
        let hello = match message {
            Some(Message::Hello(hello)) => hello,
            Some(Message::Error(_)) => return Err(SessionError::Version(self.config.versions)),
            _ => return Err(SessionError::NoHello("not to be understood")),
        };
        let ours = self.config.versions;
        let Some(agreed) = hello.agree(version, ours) else {
            // "Incompatible", with a text for the switch's log.
            let refusal = ErrorMessage {
                version: self.version,
                kind: 0,
                code: 0,
                experimenter: None,
                data: format!("this controller speaks {ours} only")
                    .into_bytes()
                    .into(),
            };
            self.push_small(&Message::Error(refusal));
            return Err(SessionError::Version(ours));
        };
        self.version = agreed;
        self.phase = Phase::Ready;
        if agreed == Version::V10 {
            // Without these, flows have neither tables nor the newer fields.
            self.push_small(&Message::SetFlowFormat(SetFlowFormat::NXM));
            self.push_small(&Message::FlowModTableId(FlowModTableId { set: true }));
        }
        self.events.push_back(Event::Ready);
        Ok(())
    }

    fn dispatch(&mut self, xid: u32, message: Message, length: usize) {
        match message {
            Message::EchoRequest(data) => {
                // An answer that does not fit is not worth more memory: the switch will ask again.
                let _ = self.push_as(xid, &Message::EchoReply(data));
            }
            Message::EchoReply(_) | Message::Hello(_) => {}
            Message::Error(error) => self.refused(xid, error),
            message => match self.pending.remove(&xid) {
                Some(Pending::Single(id)) => {
                    self.events
                        .push_back(Event::Reply(id, Ok(Reply::Message(message))));
                }
                Some(Pending::Multi { id, parts, bytes }) => {
                    self.collect(xid, id, parts, bytes + length, message);
                }
                Some(Pending::Bundle(id, step)) => self.bundle_reply(id, step, &message),
                None => self.unasked(Event::Message(message)),
            },
        }
    }

    fn unasked(&mut self, event: Event) {
        if self.unasked >= self.config.max_events {
            self.dropped += 1;
            return;
        }
        self.unasked += 1;
        self.events.push_back(event);
    }

    fn collect(
        &mut self,
        xid: u32,
        id: RequestId,
        parts: Option<Reply>,
        bytes: usize,
        message: Message,
    ) {
        let Message::MultipartReply(reply) = message else {
            let error = Error::BadValue {
                what: "answer",
                value: 0,
            };
            self.events.push_back(Event::Reply(id, Err(error.into())));
            return;
        };
        if bytes > self.config.max_reply {
            self.events
                .push_back(Event::Reply(id, Err(RequestError::TooLong)));
            return;
        }
        match (append(parts, reply.part), reply.more) {
            (Ok(parts), true) => {
                self.pending.insert(
                    xid,
                    Pending::Multi {
                        id,
                        parts: Some(parts),
                        bytes,
                    },
                );
            }
            (Ok(parts), false) => self.events.push_back(Event::Reply(id, Ok(parts))),
            (Err(error), _) => self.events.push_back(Event::Reply(id, Err(error.into()))),
        }
    }

    fn refused(&mut self, xid: u32, error: ErrorMessage) {
        match self.pending.remove(&xid) {
            Some(Pending::Single(id) | Pending::Multi { id, .. }) => {
                self.events
                    .push_back(Event::Reply(id, Err(RequestError::Refused(error))));
            }
            Some(Pending::Bundle(id, step)) => self.bundle_step_refused(id, step, error),
            None => {
                if let Some(error) = self.bundle_message_refused(xid, error) {
                    self.events.push_back(Event::Refused(xid, error));
                }
            }
        }
    }

    fn malformed(&mut self, xid: u32, error: Error) {
        match self.pending.remove(&xid) {
            Some(Pending::Single(id) | Pending::Multi { id, .. }) => {
                self.events.push_back(Event::Reply(id, Err(error.into())));
            }
            Some(Pending::Bundle(id, step)) => {
                self.pending.insert(xid, Pending::Bundle(id, step));
                self.unasked(Event::Malformed(error));
            }
            None => self.unasked(Event::Malformed(error)),
        }
    }

    fn xid(&mut self) -> u32 {
        let xid = self.next_xid;
        // Zero is what switches use for messages that answer nothing.
        self.next_xid = self.next_xid.checked_add(1).unwrap_or(1);
        xid
    }

    fn push_as(&mut self, xid: u32, message: &Message) -> Result<(), SendError> {
        let before = self.output.len();
        message.write(&mut self.output, self.version, xid)?;
        if self.output.len() > self.config.max_output {
            self.output.truncate(before);
            return Err(SendError::Full);
        }
        Ok(())
    }

    /// Sends one of the session's own messages, which are too small to fail.
    fn push_small(&mut self, message: &Message) -> u32 {
        let xid = self.xid();
        let written = message.write(&mut self.output, self.version, xid);
        debug_assert!(written.is_ok(), "a small message fits");
        xid
    }

    /// Sends a message that has no answer; a refusal is [`Event::Refused`] with the number returned.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn send(&mut self, message: &Message) -> Result<u32, SendError> {
        if !self.is_ready() {
            return Err(SendError::NotReady);
        }
        let xid = self.xid();
        self.push_as(xid, message)?;
        Ok(xid)
    }

    /// Sends a message that has one message as its answer.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn request(&mut self, message: &Message) -> Result<RequestId, SendError> {
        let xid = self.send(message)?;
        let id = RequestId(xid);
        let pending = match message {
            Message::MultipartRequest(_) => Pending::Multi {
                id,
                parts: None,
                bytes: 0,
            },
            _ => Pending::Single(id),
        };
        self.pending.insert(xid, pending);
        Ok(id)
    }

    /// Asks for the flows that `query` covers.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn dump_flows(&mut self, query: FlowQuery) -> Result<RequestId, SendError> {
        self.request(&Message::MultipartRequest(MultipartRequest::Flows(query)))
    }

    /// Asks for all groups.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn dump_groups(&mut self) -> Result<RequestId, SendError> {
        self.request(&Message::MultipartRequest(MultipartRequest::Groups(
            Group::ALL,
        )))
    }

    /// Asks for all ports.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn dump_ports(&mut self) -> Result<RequestId, SendError> {
        self.request(&Message::MultipartRequest(MultipartRequest::Ports(
            Port::ANY,
        )))
    }

    /// Asks how queues are set, as the version that is spoken asks it.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn dump_queues(&mut self, port: Port) -> Result<RequestId, SendError> {
        self.request(&match self.version {
            Version::V10 | Version::V13 => Message::QueueConfigRequest(QueueConfigRequest { port }),
            Version::V14 | Version::V15 => {
                let queue = QueueQuery::ALL;
                Message::MultipartRequest(MultipartRequest::Queues(QueueQuery { port, queue }))
            }
        })
    }

    /// Begins to watch flows. The answer says what there is at first; later changes come as
    /// [`Event::Message`] with [`Part::FlowUpdates`].
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn monitor_flows(&mut self, monitor: FlowMonitor) -> Result<RequestId, SendError> {
        let monitors = vec![monitor];
        self.request(&Message::MultipartRequest(MultipartRequest::FlowMonitor(
            monitors,
        )))
    }

    /// Ends a flow monitor, as the version that is spoken says it.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn cancel_monitor(&mut self, id: u32) -> Result<u32, SendError> {
        self.send(&match self.version {
            Version::V10 | Version::V13 => Message::FlowMonitorCancel(MonitorId(id)),
            Version::V14 | Version::V15 => {
                let monitor = FlowMonitor {
                    command: MonitorCommand::Delete,
                    ..FlowMonitor::all(id)
                };
                Message::MultipartRequest(MultipartRequest::FlowMonitor(vec![monitor]))
            }
        })
    }

    /// Asks to be told when all that was sent before is done.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn barrier(&mut self) -> Result<RequestId, SendError> {
        self.request(&Message::BarrierRequest)
    }
}

fn extend<T>(mut old: Vec<T>, new: Vec<T>) -> Vec<T> {
    old.extend(new);
    old
}

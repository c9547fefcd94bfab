//! The session of a client: one after another of its connections.
//!
//! A connection begins with the row about the database in `_Server` (see [`super::service`]), if the server has
//! that. Then comes the schema, then the monitor, and with its reply the session is live. When the server cancels the monitor, because the schema changes, all of that
//! begins again on the same connection.

mod incoming;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxHashMap;

use super::layout::Layout;
use super::message::{self, ConditionChanges, Message, MonitorName, MonitorRequests, Transact};
use super::service::{self, SERVER, Seen, Service};
use super::{Config, Event, Replica, RequestId, Rows, SessionError, TransactError};
use crate::server::Framer;
use crate::{DatabaseSchema, Operation, Str, Uuid};

/// A client's session with one database, over any number of connections.
///
/// The owner calls [`Session::handle_connected`] when a connection is there, feeds it with
/// [`Session::handle_bytes`] and, at the time that [`Session::poll_timeout`] names, with
/// [`Session::handle_timeout`]; after each of them, and after each request, it takes
/// [`Session::poll_output`] and [`Session::poll_event`] until they are empty. When the connection ends,
/// or one of them returned an error, it calls [`Session::handle_disconnected`].
#[derive(Debug)]
pub struct Session {
    config: Config,
    replica: Replica,
    /// The transaction up to which the replica is known to be complete.
    last_transaction: Uuid,
    phase: Phase,
    /// What the server says of the database, while it is monitored.
    service: Option<Service>,
    seen: Seen,
    layout: Option<Layout>,
    /// The schema that the replica of a mirror gets with the next view.
    next_schema: Option<Arc<DatabaseSchema>>,
    framer: Framer,
    output: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
    next_id: u64,
    pending: FxHashMap<RequestId, Pending>,
    conditions: Conditions,
    last_heard: Option<Instant>,
    probing: bool,
    lock_held: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No connection.
    Idle,
    /// Waiting for the schema, or for the first view.
    Starting,
    /// The replica follows the server.
    Live,
}

/// What a reply is the reply to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    Service,
    Schema,
    Monitor(Method),
    Conditions,
    Lock,
    /// A request of which nothing depends.
    Other,
    Transact,
    Forward,
}

/// The monitor methods, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Since,
    Conditional,
    Plain,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Since => "monitor_cond_since",
            Self::Conditional => "monitor_cond",
            Self::Plain => "monitor",
        }
    }

    /// What to try with a server that does not know this one.
    fn next(self) -> Option<Self> {
        match self {
            Self::Since => Some(Self::Conditional),
            Self::Conditional => Some(Self::Plain),
            Self::Plain => None,
        }
    }
}

/// Changes of conditions that the server does not follow yet.
#[derive(Debug, Default)]
struct Conditions {
    /// Positions in the monitors, not sent yet.
    unsent: Vec<usize>,
    in_flight: bool,
    /// Whether the server monitors all rows whatever we ask for.
    unconditional: bool,
    /// Whether the owner is still to hear that its changes are in force.
    unannounced: bool,
}

/// The longest message that is taken: the first view of a large database.
const LONGEST: usize = 1 << 30;
/// The deepest nesting; updates have nine levels.
const DEEPEST: u32 = 64;

fn framer() -> Framer {
    Framer::new(LONGEST, DEEPEST)
}

impl Session {
    /// A session that has no connection yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            replica: Replica::new(config.schema.clone()),
            config,
            last_transaction: Uuid::nil(),
            phase: Phase::Idle,
            service: None,
            seen: Seen::default(),
            layout: None,
            next_schema: None,
            framer: framer(),
            output: VecDeque::new(),
            events: VecDeque::new(),
            next_id: 0,
            pending: FxHashMap::default(),
            conditions: Conditions::default(),
            last_heard: None,
            probing: false,
            lock_held: false,
        }
    }

    /// The rows as of the last event taken or waiting.
    #[must_use]
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// The schema of the server that the session is or was last connected to.
    #[must_use]
    pub fn server_schema(&self) -> Option<&DatabaseSchema> {
        self.layout.as_ref().map(Layout::server)
    }

    /// Whether the replica follows the server now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.phase == Phase::Live
    }

    /// Whether replies to transactions are outstanding.
    #[must_use]
    pub fn awaits_reply(&self) -> bool {
        self.pending
            .values()
            .any(|pending| matches!(pending, Pending::Transact | Pending::Forward))
    }

    /// Begins on a new connection.
    pub fn handle_connected(&mut self, now: Instant) {
        self.handle_disconnected();
        self.last_heard = Some(now);
        self.request(Pending::Other, "set_db_change_aware", [true]);
        self.begin();
        if let Some(lock) = self.config.lock.clone() {
            self.request(Pending::Lock, "lock", [&lock]);
        }
    }

    /// Ends the connection: transactions that have no answer fail, the lock is lost, the rows stay.
    pub fn handle_disconnected(&mut self) {
        let mut lost: Vec<_> = std::mem::take(&mut self.pending).into_iter().collect();
        lost.sort_unstable_by_key(|(id, _)| *id);
        self.events
            .extend(lost.into_iter().filter_map(|(id, what)| match what {
                Pending::Transact => Some(Event::Reply(id, Err(TransactError::Lost))),
                Pending::Forward => Some(Event::Forwarded(id, Err(TransactError::Lost))),
                _ => None,
            }));
        self.hold_lock(false);
        self.forget_view();
        self.phase = Phase::Idle;
        self.service = None;
        self.framer = framer();
        self.output.clear();
        self.last_heard = None;
        self.probing = false;
    }

    /// Notes what the next view cannot build on.
    fn forget_view(&mut self) {
        if self.conditions.in_flight || !self.conditions.unsent.is_empty() {
            // Rows that a new condition adds can be older than the last transaction.
            self.last_transaction = Uuid::nil();
        }
        self.next_schema = None;
    }

    /// Asks for all that the session needs before it is live.
    fn begin(&mut self) {
        self.phase = Phase::Starting;
        let database = self.config.schema.name.clone();
        if database == SERVER {
            self.ask_for_schema();
            return;
        }
        let name = MonitorName(SERVER);
        let requests = service::requests(&database);
        self.request(Pending::Service, "monitor_cond", (SERVER, name, requests));
    }

    fn ask_for_schema(&mut self) {
        let database = self.config.schema.name.clone();
        self.request(Pending::Schema, "get_schema", [&database]);
    }

    /// Takes bytes of the connection.
    ///
    /// # Errors
    /// When the connection cannot go on.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Instant) -> Result<(), SessionError> {
        self.last_heard = Some(now);
        self.probing = false;
        self.framer.push(bytes);
        while let Some(text) = self.framer.next_message()? {
            let message: Message<'_> = serde_json::from_slice(&text)?;
            match message.method.as_deref() {
                Some(method) => self.notification(method, &message)?,
                None => self.reply(&message)?,
            }
        }
        Ok(())
    }

    /// Sends a probe when the server is silent.
    ///
    /// # Errors
    /// When it did not answer the last one.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        let (Some(interval), Some(due)) = (self.config.probe_interval, self.poll_timeout()) else {
            return Ok(());
        };
        if now < due {
            return Ok(());
        }
        if self.probing {
            return Err(SessionError::Silent(interval));
        }
        self.probing = true;
        self.last_heard = Some(now);
        self.request::<[(); 0]>(Pending::Other, "echo", []);
        Ok(())
    }

    /// When to call [`Session::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        Some(self.last_heard? + self.config.probe_interval?)
    }

    /// The next bytes to send.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Vec<u8>> {
        self.output.pop_front()
    }

    /// The next event.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Sends a transaction; its [`Event::Reply`] comes later, after the changes that it made. What the
    /// server's schema cannot hold (tables, columns, values of an enumeration) is left out of it.
    ///
    /// # Errors
    /// [`TransactError::NotConnected`] unless the replica follows the server.
    pub fn transact(&mut self, operations: &[Operation]) -> Result<RequestId, TransactError> {
        let Some(layout) = self.layout.as_ref().filter(|_| self.phase == Phase::Live) else {
            return Err(TransactError::NotConnected);
        };
        let operations = layout.adapt(operations);
        let database = self.config.schema.name.clone();
        let params = Transact {
            database: &database,
            operations: &operations,
        };
        Ok(self.request(Pending::Transact, "transact", params))
    }

    /// Passes a transaction on as it is: a JSON array of operations, as text. [`Event::Forwarded`] comes later,
    /// after the changes that it made.
    ///
    /// # Errors
    /// [`TransactError::NotConnected`] unless the replica follows the server.
    pub fn forward(&mut self, operations: &str) -> Result<RequestId, TransactError> {
        if self.phase != Phase::Live {
            return Err(TransactError::NotConnected);
        }
        let database = self.config.schema.name.clone();
        let text = message::forward(self.next_id, &database, operations);
        Ok(self.send(Pending::Forward, text))
    }

    /// Changes which rows of these tables are wanted, all at once. [`Event::ConditionsApplied`] follows when all
    /// changes are in force; if nothing changes, nothing follows. A table that is not monitored is left alone.
    pub fn set_rows(&mut self, wanted: impl IntoIterator<Item = (Str, Rows)>) {
        for (table, rows) in wanted {
            let mut tables = self.config.tables.iter();
            let at = tables.position(|monitor| monitor.table == table);
            let Some(at) = at.filter(|at| self.config.tables[*at].rows != rows) else {
                continue;
            };
            self.config.tables[at].rows = rows;
            self.conditions.unannounced = true;
            if !self.conditions.unsent.contains(&at) {
                self.conditions.unsent.push(at);
            }
        }
        self.send_conditions();
    }

    /// Asks for another lock, or for none. The one that is held is given back.
    pub fn set_lock(&mut self, name: Option<Str>) {
        if self.config.lock == name {
            return;
        }
        let before = std::mem::replace(&mut self.config.lock, name.clone());
        if self.phase == Phase::Idle {
            return;
        }
        if let Some(before) = before {
            self.request(Pending::Other, "unlock", [&before]);
            self.hold_lock(false);
        }
        if let Some(name) = name {
            self.request(Pending::Lock, "lock", [&name]);
        }
    }

    /// Whether the lock of the configuration is held.
    #[must_use]
    pub fn holds_lock(&self) -> bool {
        self.lock_held
    }

    /// Sends changed conditions, or says that all are in force.
    fn send_conditions(&mut self) {
        if self.phase != Phase::Live || self.conditions.in_flight {
            return;
        }
        let Some(layout) = self.layout.take() else {
            return;
        };
        let unsent = std::mem::take(&mut self.conditions.unsent);
        if unsent.is_empty() || self.conditions.unconditional {
            if std::mem::take(&mut self.conditions.unannounced) {
                self.events.push_back(Event::ConditionsApplied);
            }
        } else {
            let tables = self.config.tables.clone();
            let monitors = unsent.iter().map(|at| &tables[*at]).collect();
            let database = self.config.schema.name.clone();
            let name = MonitorName(&database);
            let changes = ConditionChanges {
                layout: &layout,
                monitors,
            };
            self.request(
                Pending::Conditions,
                "monitor_cond_change",
                (&name, &name, changes),
            );
            self.conditions.in_flight = true;
        }
        self.layout = Some(layout);
    }

    fn send_monitor(&mut self, method: Method) {
        let Some(layout) = self.layout.take() else {
            return;
        };
        let tables = self.config.tables.clone();
        let conditional = method != Method::Plain;
        let requests = MonitorRequests {
            layout: &layout,
            monitors: &tables,
            conditional,
        };
        let database = self.config.schema.name.clone();
        let name = MonitorName(&database);
        let pending = Pending::Monitor(method);
        if method == Method::Since {
            let since = self.last_transaction.to_string();
            self.request(pending, method.name(), (&database, &name, requests, since));
        } else {
            self.request(pending, method.name(), (&database, &name, requests));
        }
        self.layout = Some(layout);
        // The request carries the conditions as they are now.
        self.conditions = Conditions {
            unconditional: !conditional,
            unannounced: self.conditions.unannounced,
            ..Conditions::default()
        };
    }

    fn request<P: serde::Serialize>(
        &mut self,
        pending: Pending,
        method: &str,
        params: P,
    ) -> RequestId {
        let text = message::request(self.next_id, method, params);
        self.send(pending, text.expect("texts and numbers serialize"))
    }

    /// Sends a request, whose id is the next.
    fn send(&mut self, pending: Pending, text: Vec<u8>) -> RequestId {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        self.output.push_back(text);
        self.pending.insert(id, pending);
        id
    }
}

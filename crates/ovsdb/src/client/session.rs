//! The session of a client: one after another of its connections.

use std::collections::VecDeque;
use std::time::Instant;

use rustc_hash::FxHashMap;
use serde_json::value::RawValue;

use super::decode::{self, Form};
use super::layout::Layout;
use super::message::{self, ConditionChanges, Message, MonitorName, MonitorRequests, Transact};
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
    layout: Option<Layout>,
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
    Schema,
    Monitor(Method),
    Conditions,
    Lock,
    Unlock,
    Echo,
    Transact,
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
            layout: None,
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
            .any(|pending| *pending == Pending::Transact)
    }

    /// Begins on a new connection.
    pub fn handle_connected(&mut self, now: Instant) {
        self.handle_disconnected();
        self.phase = Phase::Starting;
        self.last_heard = Some(now);
        let database = self.config.schema.name.clone();
        self.request(Pending::Schema, "get_schema", [&database]);
        if let Some(lock) = self.config.lock.clone() {
            self.request(Pending::Lock, "lock", [&lock]);
        }
    }

    /// Ends the connection: transactions that have no answer fail, the lock is lost, the rows stay.
    pub fn handle_disconnected(&mut self) {
        let lost = std::mem::take(&mut self.pending);
        let mut lost: Vec<_> = lost
            .into_iter()
            .filter(|(_, what)| *what == Pending::Transact)
            .collect();
        lost.sort_unstable_by_key(|(id, _)| *id);
        self.events.extend(
            lost.into_iter()
                .map(|(id, _)| Event::Reply(id, Err(TransactError::Lost))),
        );
        self.hold_lock(false);
        if self.conditions.in_flight || !self.conditions.unsent.is_empty() {
            // Rows that a new condition adds can be older than the last transaction.
            self.last_transaction = Uuid::nil();
        }
        self.phase = Phase::Idle;
        self.framer = framer();
        self.output.clear();
        self.last_heard = None;
        self.probing = false;
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
        self.request::<[(); 0]>(Pending::Echo, "echo", []);
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

    /// Changes which rows of a table are wanted. [`Event::ConditionsApplied`] follows when all changes
    /// are in force. A table that is not monitored is left alone.
    pub fn set_rows(&mut self, table: &str, rows: Rows) {
        let at = self
            .config
            .tables
            .iter()
            .position(|monitor| monitor.table == table);
        let Some(at) = at.filter(|at| self.config.tables[*at].rows != rows) else {
            return;
        };
        self.config.tables[at].rows = rows;
        self.conditions.unannounced = true;
        if !self.conditions.unsent.contains(&at) {
            self.conditions.unsent.push(at);
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
            self.request(Pending::Unlock, "unlock", [&before]);
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
        let id = RequestId(self.next_id);
        self.next_id += 1;
        let text = message::request(id.0, method, params).expect("texts and numbers serialize");
        self.output.push_back(text);
        self.pending.insert(id, pending);
        id
    }

    fn notification(&mut self, method: &str, message: &Message<'_>) -> Result<(), SessionError> {
        let params = || -> serde_json::Result<Vec<&RawValue>> {
            message
                .params
                .map_or_else(|| Ok(Vec::new()), |raw| serde_json::from_str(raw.get()))
        };
        match method {
            "echo" => self.output.push_back(message::echo_reply(message)?),
            "update" | "update2" => {
                if let [_, updates] = params()?[..] {
                    let form = if method == "update" {
                        Form::Rows
                    } else {
                        Form::Differences
                    };
                    self.update(updates, form)?;
                }
            }
            "update3" => {
                if let [_, transaction, updates] = params()?[..] {
                    self.update(updates, Form::Differences)?;
                    self.last_transaction = message::uuid(transaction)?;
                }
            }
            "locked" | "stolen" => {
                let names: Vec<Str> = params()?
                    .iter()
                    .map(|name| serde_json::from_str(name.get()))
                    .collect::<Result<_, _>>()?;
                if names.first() == self.config.lock.as_ref() {
                    self.hold_lock(method == "locked");
                }
            }
            // Notifications of monitors or of versions that this session does not use.
            _ => {}
        }
        Ok(())
    }

    fn update(&mut self, updates: &RawValue, form: Form) -> Result<(), SessionError> {
        let Some(layout) = self.layout.as_ref().filter(|_| self.phase == Phase::Live) else {
            return Ok(());
        };
        let updates = decode::updates(updates.get(), form, layout)?;
        let changes = self.replica.apply(updates, layout);
        if changes.is_err() {
            self.last_transaction = Uuid::nil();
        }
        self.changed(changes?);
        Ok(())
    }

    fn changed(&mut self, changes: Vec<crate::RowChange>) {
        if !changes.is_empty() {
            self.events.push_back(Event::Changes(changes));
        }
    }

    fn hold_lock(&mut self, held: bool) {
        if self.lock_held != held {
            self.lock_held = held;
            self.events.push_back(Event::Lock(held));
        }
    }

    fn reply(&mut self, message: &Message<'_>) -> Result<(), SessionError> {
        let Some(id) = message::request_id(message) else {
            return Ok(());
        };
        let Some(pending) = self.pending.remove(&id) else {
            return Ok(());
        };
        let refused = |method: &'static str| SessionError::Refused {
            method,
            error: message
                .error
                .map_or_else(|| "null".to_owned(), |raw| raw.get().to_owned()),
        };
        match (pending, message.result) {
            (Pending::Transact, _) => {
                let reply = message::transact_reply(message)?;
                self.events.push_back(Event::Reply(id, reply));
            }
            (Pending::Echo | Pending::Unlock, _) => {}
            (Pending::Schema, Some(result)) => {
                let schema = DatabaseSchema::from_json_text(result.get())?;
                let layout = Layout::new(&self.config.schema, schema, &self.config.tables);
                self.layout = Some(layout);
                self.send_monitor(Method::Since);
            }
            (Pending::Schema, None) => return Err(refused("get_schema")),
            (Pending::Monitor(method), Some(result)) => self.first_view(method, result)?,
            (Pending::Monitor(method), None) => match method.next() {
                Some(next) => self.send_monitor(next),
                None => return Err(refused(method.name())),
            },
            (Pending::Conditions, Some(_)) => {
                self.conditions.in_flight = false;
                self.send_conditions();
            }
            (Pending::Conditions, None) => return Err(refused("monitor_cond_change")),
            (Pending::Lock, result) => {
                let result: Option<serde_json::Value> = result
                    .map(|raw| serde_json::from_str(raw.get()))
                    .transpose()?;
                let locked = result.and_then(|result| result.get("locked")?.as_bool());
                // The lock may have been given up while the answer was on its way.
                self.hold_lock(locked == Some(true) && self.config.lock.is_some());
            }
        }
        Ok(())
    }

    /// Takes the reply to a monitor request: history since the last transaction, or everything.
    fn first_view(&mut self, method: Method, result: &RawValue) -> Result<(), SessionError> {
        let Some(layout) = &self.layout else {
            return Ok(());
        };
        let changes = if method == Method::Since {
            let (found, last, updates): (bool, &RawValue, &RawValue) =
                serde_json::from_str(result.get())?;
            let last = message::uuid(last)?;
            let updates = decode::updates(updates.get(), Form::Differences, layout)?;
            self.last_transaction = Uuid::nil();
            let changes = if found {
                self.replica.apply(updates, layout)?
            } else {
                self.replica.replace(updates)
            };
            self.last_transaction = last;
            changes
        } else {
            let form = if method == Method::Plain {
                Form::Rows
            } else {
                Form::Differences
            };
            self.last_transaction = Uuid::nil();
            self.replica
                .replace(decode::updates(result.get(), form, layout)?)
        };
        self.phase = Phase::Live;
        self.changed(changes);
        self.events.push_back(Event::Connected);
        self.send_conditions();
        Ok(())
    }
}

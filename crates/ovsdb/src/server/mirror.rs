//! Databases whose content comes from another server: the relay model of `ovsdb(7)`.
//!
//! A mirror has no log. What its source tells is shown at once; a transaction that only reads is carried out
//! here, and one that changes something is handed out by [`Server::poll_forward`], whose answer comes back
//! through [`Server::forwarded`]. One with a `wait`, or of a client that may not do everything, is tried here
//! first, and nothing of that stays. Locks are those of this server alone, as with the stock relay.
//!
//! Invariant: the content is that of the source after one of its transactions, and only ever goes forward; an
//! answer comes after what its transaction changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use super::hosted::Hosted;
use super::transact::{Answer, Asker, Operations, Transaction};
use super::{DatabaseId, Environment, Server, SessionId};
use crate::client;
use crate::database::{Context, Outcome, Rights};
use crate::{Database, DatabaseSchema, Error, ErrorKind, RowChange, Str, Uuid};

/// How many transactions of one session can be on their way to the source.
const MAX_FORWARDED: usize = 1024;

/// What a database is that has no log.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    /// Whether there is any content; before that not even the schema is known.
    pub(crate) available: bool,
    /// Whether transactions can be sent.
    live: bool,
    /// The number of the last transaction.
    last: u64,
    /// Those that were not sent yet, in their order.
    queued: BTreeSet<u64>,
    /// All that were not answered.
    open: FxHashMap<u64, Open>,
}

/// A transaction whose answer is awaited.
#[derive(Debug)]
struct Open {
    session: SessionId,
    /// The id of the request.
    id: Value,
    operations: Arc<str>,
}

/// A transaction for the source of a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Which mirror.
    pub database: DatabaseId,
    /// By which number it is answered.
    pub number: u64,
    /// The operations: a JSON array.
    pub operations: Arc<str>,
}

impl Server {
    /// Serves a mirror of the database `name`, of which nothing is known yet.
    ///
    /// # Errors
    /// When that is no name of a database.
    pub fn add_mirror(&mut self, name: &str) -> Result<DatabaseId, Error> {
        let empty = DatabaseSchema::new(name, "", Vec::new())?;
        let mut hosted = Hosted::new(Database::new(Arc::new(empty)), false);
        hosted.mirror = Some(Mirror::default());
        hosted.log.connected = false;
        let id = self.host(hosted);
        self.announce(id);
        Ok(id)
    }

    /// The source has this schema and this content, and did not have this schema before. Whoever had to do with
    /// the database as it was is told or cut off.
    pub fn mirror_replaced(
        &mut self,
        id: DatabaseId,
        schema: &Arc<DatabaseSchema>,
        last: Option<Uuid>,
        rows: Vec<RowChange>,
    ) {
        let mut new = Database::new(Arc::clone(schema));
        new.adopt(rows, last);
        if let Some(mirror) = &mut self.databases[id.0].mirror {
            mirror.available = true;
        }
        self.replace_database(id, new, None);
    }

    /// Shows what a transaction of the source did, or several at once; `last` is the id of the state after it.
    /// Gives the changes, for parts of this process.
    pub fn mirror_changed(
        &mut self,
        id: DatabaseId,
        last: Option<Uuid>,
        changes: Vec<RowChange>,
        environment: &mut Environment<'_>,
    ) -> Arc<[RowChange]> {
        let hosted = &mut self.databases[id.0];
        let commit = hosted.database.adopt(changes, last);
        hosted.durable = commit.revision;
        self.publish(id, &commit);
        self.retry(environment);
        commit.changes
    }

    /// Says whether transactions can be sent to the source of a mirror now.
    pub fn set_mirror_live(&mut self, id: DatabaseId, live: bool) {
        if let Some(mirror) = &mut self.databases[id.0].mirror {
            mirror.live = live;
        }
    }

    /// Says whether the mirror counts as connected to its source, which its clients see in `_Server`.
    pub fn set_mirror_connected(&mut self, id: DatabaseId, connected: bool) {
        let hosted = &mut self.databases[id.0];
        if hosted.mirror.is_some() && hosted.log.connected != connected {
            hosted.log.connected = connected;
            self.describe_log(id);
        }
    }

    /// The next transaction to send to the source of a mirror.
    #[must_use]
    pub fn poll_forward(&mut self) -> Option<Forward> {
        let (at, mirror) = self.databases.iter_mut().enumerate().find_map(|(at, it)| {
            let mirror = it.mirror.as_mut()?;
            (mirror.live && !mirror.queued.is_empty()).then_some((at, mirror))
        })?;
        let number = mirror.queued.pop_first()?;
        Some(Forward {
            database: DatabaseId(at),
            number,
            operations: Arc::clone(&mirror.open.get(&number)?.operations),
        })
    }

    /// Takes the answer of the source, or why there is none. One that was not sent goes back to the queue.
    pub fn forwarded(
        &mut self,
        id: DatabaseId,
        number: u64,
        answer: Result<client::Answer, client::TransactError>,
    ) {
        let Some(mirror) = &mut self.databases[id.0].mirror else {
            return;
        };
        if answer == Err(client::TransactError::NotConnected) {
            if mirror.open.contains_key(&number) {
                mirror.queued.insert(number);
            }
            return;
        }
        let Some(open) = mirror.open.remove(&number) else {
            return;
        };
        self.close_forward(&open, answer);
    }

    fn close_forward(
        &mut self,
        open: &Open,
        answer: Result<client::Answer, client::TransactError>,
    ) {
        self.let_go(open.session, open.operations.len());
        let id = &open.id;
        let text = match answer {
            Ok(client::Answer::Result(result)) => {
                format!("{{\"id\":{id},\"result\":{result},\"error\":null}}")
            }
            Ok(client::Answer::Error(error)) => {
                format!("{{\"id\":{id},\"result\":null,\"error\":{error}}}")
            }
            // What became of it is unknown, which is what this word says to a client.
            Err(_) => json!({"id": id, "result": null, "error": "canceled"}).to_string(),
        };
        self.send(open.session, text.into());
    }

    /// Answers everything that was not answered yet, because the mirror ends.
    pub fn end_mirror(&mut self, id: DatabaseId) {
        let Some(mirror) = self.databases[id.0].mirror.take() else {
            return;
        };
        let mut open: Vec<(u64, Open)> = mirror.open.into_iter().collect();
        open.sort_unstable_by_key(|(number, _)| *number);
        for (_, open) in open {
            self.close_forward(&open, Err(client::TransactError::Lost));
        }
    }

    /// Forgets the transactions of a session that has ended.
    pub(super) fn forget_forwards(&mut self, session: SessionId) {
        for mirror in self
            .databases
            .iter_mut()
            .filter_map(|it| it.mirror.as_mut())
        {
            let queued = &mut mirror.queued;
            mirror.open.retain(|number, open| {
                let gone = open.session == session;
                if gone {
                    queued.remove(number);
                }
                !gone
            });
        }
    }

    /// Whether a transaction has to go to the source.
    pub(super) fn is_to_forward(&self, transaction: &Transaction) -> bool {
        self.databases[transaction.database.0].mirror.is_some()
            && match &transaction.operations {
                Operations::Json(operations) => operations.iter().any(writes),
                Operations::Typed(_) => true,
            }
    }

    /// Tries a transaction that would change a mirror, and passes it on; gives it back when it has to wait.
    pub(super) fn attempt_mirrored(
        &mut self,
        mut transaction: Transaction,
        environment: &mut Environment<'_>,
    ) -> Option<Transaction> {
        let session = transaction.session;
        let Operations::Json(operations) = &transaction.operations else {
            let text = "a relay changes nothing of itself: its database is that of its source";
            self.refuse(&transaction, &Error::new(ErrorKind::NotAllowed, text));
            return None;
        };
        let rights = self.rights.get(&session);
        if rights.is_some() || operations.iter().any(|it| it["op"] == "wait") {
            let mut tried = operations.clone();
            tried.push(json!({"op": "abort"}));
            let everything = Rights::default();
            let locks = &self.locks;
            let mut context = Context {
                now: environment.wall,
                new_uuid: environment.new_uuid,
                holds_lock: &|lock| locks.holds(lock, session),
                waited: environment.now.saturating_sub(transaction.since),
                read_only: None,
            };
            let database = &mut self.databases[transaction.database.0].database;
            let rights = rights.unwrap_or(&everything);
            match database.execute_json_as(rights, &tried, &mut context) {
                Outcome::Blocked(limit) => {
                    transaction.until = limit.map(|limit| transaction.since.saturating_add(limit));
                    return Some(transaction);
                }
                Outcome::Done(executed) => {
                    let mut results = executed.results;
                    results.0.truncate(operations.len());
                    if results.error().is_some() {
                        self.deliver(Answer::new(&transaction, results));
                        return None;
                    }
                }
            }
        }
        self.forward(&transaction);
        None
    }

    fn forward(&mut self, transaction: &Transaction) {
        let session = transaction.session;
        let (Operations::Json(operations), Asker::Client(id)) =
            (&transaction.operations, &transaction.asker)
        else {
            return;
        };
        let Some(mirror) = &mut self.databases[transaction.database.0].mirror else {
            return;
        };
        let own = mirror.open.values().filter(|open| open.session == session);
        if own.count() >= MAX_FORWARDED {
            let text =
                format!("more than {MAX_FORWARDED} transactions wait for the relay's source");
            let error = Error::new(ErrorKind::NotSupported, text);
            return self.refuse(transaction, &error);
        }
        mirror.last += 1;
        let number = mirror.last;
        let operations: Arc<str> = Value::Array(operations.clone()).to_string().into();
        let bytes = operations.len();
        mirror.queued.insert(number);
        mirror.open.insert(
            number,
            Open {
                session,
                id: id.clone(),
                operations,
            },
        );
        self.hold(session, bytes);
    }

    /// Says why a database cannot be asked for yet, if so.
    pub(super) fn check_available(&self, id: DatabaseId, method: &str) -> Result<(), Error> {
        let hosted = &self.databases[id.0];
        match &hosted.mirror {
            Some(mirror) if !mirror.available => {
                let name: &Str = &hosted.database.schema().name;
                let text = format!(
                    "{method} request specifies database {name} which is not yet available because its relay \
                     has not reached its source"
                );
                Err(Error::new(ErrorKind::NotAvailable, text))
            }
            _ => Ok(()),
        }
    }
}

/// Whether an operation changes something.
fn writes(operation: &Value) -> bool {
    matches!(
        operation["op"].as_str(),
        Some("insert" | "update" | "mutate" | "delete")
    )
}

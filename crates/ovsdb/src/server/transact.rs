//! Transactions: of clients and of parts of the same process, and those of them that wait.
//!
//! Invariant: a waiting transaction is tried again after each change of its database and at its time limit.

use bytes::Bytes;
use serde_json::{Value, json};

use super::hosted::{Deferred, Pending};
use super::methods::reply_text;
use super::{Completion, DatabaseId, Environment, Server, SessionId, StagedCommit, Ticket};
use crate::database::{Commit, Context, Outcome, Results, Rights};
use crate::{Error, ErrorKind, Operation, Str};

/// A transaction that somebody asked for.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) session: SessionId,
    pub(crate) asker: Asker,
    pub(crate) database: DatabaseId,
    pub(crate) operations: Operations,
    /// Since when, and until when, it may wait.
    pub(crate) since: u64,
    pub(crate) until: Option<u64>,
}

impl Transaction {
    pub(crate) const fn is_of_this_process(&self) -> bool {
        matches!(self.asker, Asker::Part(_))
    }
}

/// Who gets the answer.
#[derive(Debug)]
pub(crate) enum Asker {
    /// The client of the session, to its request of this id.
    Client(Value),
    /// A part of the same process.
    Part(Ticket),
}

#[derive(Debug)]
pub(crate) enum Operations {
    Json(Vec<Value>),
    Typed(Vec<Operation>),
}

impl Operations {
    const fn len(&self) -> usize {
        match self {
            Self::Json(operations) => operations.len(),
            Self::Typed(operations) => operations.len(),
        }
    }

    /// The locks that the session must hold.
    fn asserted(&self) -> Vec<Str> {
        match self {
            Self::Json(operations) => operations
                .iter()
                .filter(|operation| operation["op"] == "assert")
                .filter_map(|operation| operation["lock"].as_str())
                .map(Str::from)
                .collect(),
            Self::Typed(operations) => operations
                .iter()
                .filter_map(|operation| match operation {
                    Operation::Assert { lock } => Some(lock.clone()),
                    _ => None,
                })
                .collect(),
        }
    }
}

/// The answer to a transaction, and to whom.
#[derive(Debug)]
pub(crate) enum Answer {
    Client(SessionId, Bytes),
    Part(Ticket, Result<Results, Error>),
}

impl Answer {
    pub(crate) fn new(transaction: &Transaction, results: Results) -> Self {
        match &transaction.asker {
            Asker::Client(id) => Self::Client(transaction.session, reply_text(id, &results)),
            Asker::Part(ticket) => {
                let result = match results.error() {
                    Some(error) => Err(error.clone()),
                    None => Ok(results),
                };
                Self::Part(*ticket, result)
            }
        }
    }

    /// The answer to a transaction of so many operations whose commit failed: one element more than that
    /// (RFC 7047 section 4.1.3).
    pub(crate) fn io_error(transaction: &Transaction, operations: usize, details: &str) -> Self {
        match &transaction.asker {
            Asker::Client(id) => {
                let mut result = vec![json!({}); operations];
                result.push(json!({ "error": ErrorKind::Io.tag(), "details": details }));
                Self::Client(transaction.session, reply_text(id, &result))
            }
            Asker::Part(ticket) => Self::Part(*ticket, Err(Error::new(ErrorKind::Io, details))),
        }
    }

    /// How many bytes are kept for a client.
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Client(_, text) => text.len(),
            Self::Part(..) => 0,
        }
    }
}

impl Server {
    /// Carries out a transaction of a part of the same process, whose locks are those of `session`. Its result
    /// comes through [`Server::poll_completion`] when it is durable. A `wait` that is not satisfied fails at once.
    pub fn submit(
        &mut self,
        session: SessionId,
        database: DatabaseId,
        operations: Vec<Operation>,
        environment: &mut Environment<'_>,
    ) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        let transaction = Transaction {
            session,
            asker: Asker::Part(ticket),
            database,
            operations: Operations::Typed(operations),
            since: environment.now,
            until: None,
        };
        if self.databases[database.0].holds_back() {
            self.defer(database, Deferred::Transaction(transaction));
        } else {
            self.begin(transaction, environment);
        }
        ticket
    }

    /// Carries out a transaction of a client and queues its reply, or lets it wait.
    pub(super) fn transact_remote(
        &mut self,
        session: SessionId,
        id: Value,
        database: DatabaseId,
        operations: Vec<Value>,
        environment: &mut Environment<'_>,
    ) {
        let transaction = Transaction {
            session,
            asker: Asker::Client(id),
            database,
            operations: Operations::Json(operations),
            since: environment.now,
            until: None,
        };
        self.begin(transaction, environment);
    }

    pub(super) fn begin(&mut self, transaction: Transaction, environment: &mut Environment<'_>) {
        self.attempt_or_wait(transaction, environment);
        self.retry(environment);
    }

    /// Tries a transaction, and lets it wait if it has to.
    pub(super) fn attempt_or_wait(
        &mut self,
        transaction: Transaction,
        environment: &mut Environment<'_>,
    ) {
        let Some(waiting) = self.attempt(transaction, environment) else {
            return;
        };
        let limit = self.limits.waiting;
        let Some(session) = self.sessions.get_mut(&waiting.session) else {
            return;
        };
        if session.waiting >= limit {
            let text = format!("more than {limit} waiting transactions");
            return self.refuse(&waiting, &Error::new(ErrorKind::NotSupported, text));
        }
        session.waiting += 1;
        self.waiting.push_back(waiting);
    }

    /// Tries a transaction; gives it back when it has to wait.
    fn attempt(
        &mut self,
        mut transaction: Transaction,
        environment: &mut Environment<'_>,
    ) -> Option<Transaction> {
        if self.is_to_forward(&transaction) {
            return self.attempt_mirrored(transaction, environment);
        }
        // A part of the process does not wait: what it waits for has had all the time there is.
        let waited = match transaction.asker {
            Asker::Client(_) => environment.now.saturating_sub(transaction.since),
            Asker::Part(_) => u64::MAX,
        };
        let session = transaction.session;
        let locks = &self.locks;
        let hosted = &mut self.databases[transaction.database.0];
        let read_only = hosted.read_only();
        let everything = Rights::default();
        let mut context = Context {
            now: environment.wall,
            new_uuid: environment.new_uuid,
            holds_lock: &|lock| locks.holds(lock, session),
            waited,
            read_only,
        };
        let outcome = match &transaction.operations {
            Operations::Json(operations) => {
                let rights = self.rights.get(&session).unwrap_or(&everything);
                hosted
                    .database
                    .execute_json_as(rights, operations, &mut context)
            }
            Operations::Typed(operations) => hosted.database.execute(operations, &mut context),
        };
        match (outcome, &transaction.asker) {
            (Outcome::Done(executed), _) => {
                let answer = Answer::new(&transaction, executed.results);
                self.conclude(transaction, executed.commit, answer);
                None
            }
            (Outcome::Blocked(limit), Asker::Client(_)) => {
                transaction.until = limit.map(|limit| transaction.since.saturating_add(limit));
                Some(transaction)
            }
            (Outcome::Blocked(_), Asker::Part(_)) => {
                let error = Error::new(ErrorKind::TimedOut, "a wait is not satisfied");
                self.refuse(&transaction, &error);
                None
            }
        }
    }

    /// Puts the commit of a transaction, if it has one, on its way, and keeps the answer until everything that
    /// it depends on is durable.
    fn conclude(&mut self, mut transaction: Transaction, commit: Option<Commit>, answer: Answer) {
        let id = transaction.database;
        let hosted = &mut self.databases[id.0];
        if commit.is_none() && !hosted.is_ahead() {
            return self.deliver(answer);
        }
        let operations = transaction.operations.len();
        if let Some(commit) = &commit {
            let guards = if hosted.shared {
                transaction.operations.asserted()
            } else {
                Vec::new()
            };
            self.commits.push_back(StagedCommit {
                database: id,
                commit: commit.clone(),
                guards,
            });
        }
        if !hosted.shared {
            transaction.operations = Operations::Json(Vec::new());
        }
        let (session, bytes) = (transaction.session, answer.len());
        hosted.pending.push_back(Pending {
            revision: hosted.database.revision(),
            commit,
            answer,
            operations,
            transaction,
        });
        self.hold(session, bytes);
    }

    /// Gives an answer.
    pub(super) fn deliver(&mut self, answer: Answer) {
        match answer {
            Answer::Client(session, text) => self.send_answer(session, text),
            Answer::Part(ticket, result) => {
                self.completions.push_back(Completion { ticket, result });
            }
        }
    }

    /// Ends a transaction that was not carried out.
    pub(super) fn refuse(&mut self, transaction: &Transaction, error: &Error) {
        match &transaction.asker {
            Asker::Client(id) => self.reply_error(transaction.session, id, error),
            Asker::Part(ticket) => self.deliver(Answer::Part(*ticket, Err(error.clone()))),
        }
    }

    /// Tries the waiting transactions again if anything has changed, for as long as one of them changes something. To
    /// be called after whatever may have changed a database; it costs nothing when nothing has.
    pub fn retry(&mut self, environment: &mut Environment<'_>) {
        let revisions = |server: &Self| -> u64 {
            server
                .databases
                .iter()
                .map(|hosted| hosted.database.revision())
                .sum()
        };
        while !self.waiting.is_empty() && revisions(self) != self.tried_at {
            self.tried_at = revisions(self);
            self.try_waiting(environment, |_| true);
        }
    }

    fn try_waiting(
        &mut self,
        environment: &mut Environment<'_>,
        due: impl Fn(&Transaction) -> bool,
    ) {
        for waiting in std::mem::take(&mut self.waiting) {
            let session = waiting.session;
            let held_back = self.databases[waiting.database.0].holds_back();
            let again = if due(&waiting) && !held_back {
                self.attempt(waiting, environment)
            } else {
                Some(waiting)
            };
            match again {
                Some(waiting) => self.waiting.push_back(waiting),
                None => self.no_longer_waits(session),
            }
        }
    }

    pub(super) fn no_longer_waits(&mut self, session: SessionId) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.waiting -= 1;
        }
    }

    /// When [`Server::handle_timeout`] should be called, on the clock of [`Environment::now`].
    pub fn poll_timeout(&self) -> Option<u64> {
        // Those of a database that is being converted end or go on after that.
        self.waiting
            .iter()
            .filter(|waiting| !self.databases[waiting.database.0].holds_back())
            .filter_map(|waiting| waiting.until)
            .min()
    }

    /// Ends the transactions whose time is over.
    pub fn handle_timeout(&mut self, environment: &mut Environment<'_>) {
        let now = environment.now;
        self.try_waiting(environment, |waiting| {
            waiting.until.is_some_and(|until| until <= now)
        });
        self.retry(environment);
    }

    /// Ends a waiting transaction because its client has cancelled it (RFC 7047 section 4.1.4).
    pub(super) fn cancel(&mut self, session: SessionId, id: &Value) {
        let wanted = |waiting: &Transaction| {
            waiting.session == session
                && matches!(&waiting.asker, Asker::Client(other) if other == id)
        };
        let found = self.waiting.iter().position(wanted);
        if let Some(waiting) = found.and_then(|at| self.waiting.remove(at)) {
            self.no_longer_waits(session);
            self.refuse(&waiting, &Error::new(ErrorKind::Canceled, ""));
        }
    }
}

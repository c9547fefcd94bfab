//! Transactions of sessions, and those of them that wait.
//!
//! Invariant: a waiting transaction is tried again after each change of its database and at its time limit.

use serde_json::Value;

use super::methods::reply_text;
use super::outbox::Refusal;
use super::{DatabaseId, Environment, Server, SessionId, StagedCommit};
use crate::database::{Context, Executed, Outcome};
use crate::{Error, ErrorKind, Operation};

/// A transaction with a `wait` that is not satisfied.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) session: SessionId,
    pub(crate) id: Value,
    database: DatabaseId,
    operations: Vec<Value>,
    since: u64,
    until: Option<u64>,
}

impl Waiting {
    pub(crate) const fn database(&self) -> DatabaseId {
        self.database
    }
}

impl Server {
    /// Carries out a transaction and queues its reply, or lets it wait.
    pub(super) fn transact_remote(
        &mut self,
        session: SessionId,
        id: Value,
        database: DatabaseId,
        operations: Vec<Value>,
        environment: &mut Environment<'_>,
    ) {
        let since = environment.now;
        let waiting = Waiting {
            session,
            id,
            database,
            operations,
            since,
            until: None,
        };
        if let Some(waiting) = self.attempt(waiting, environment) {
            self.enqueue(waiting);
        }
        self.retry(environment);
    }

    fn enqueue(&mut self, waiting: Waiting) {
        let limit = self.limits.waiting;
        let Some(session) = self.sessions.get_mut(&waiting.session) else {
            return;
        };
        if session.waiting >= limit {
            let text = format!("more than {limit} waiting transactions");
            return self.fail(&waiting, &Error::new(ErrorKind::NotSupported, text));
        }
        session.waiting += 1;
        self.waiting.push_back(waiting);
    }

    /// Tries a transaction; gives it back when it has to wait.
    fn attempt(
        &mut self,
        mut waiting: Waiting,
        environment: &mut Environment<'_>,
    ) -> Option<Waiting> {
        let waited = environment.now.saturating_sub(waiting.since);
        let rights = self.rights.get(&waiting.session);
        let rights = rights.cloned().unwrap_or_default();
        let outcome = self.run(
            waiting.database,
            waiting.session,
            waited,
            environment,
            |db, context| db.execute_json_as(&rights, &waiting.operations, context),
        );
        match outcome {
            Outcome::Blocked(limit) => {
                waiting.until = limit.map(|limit| waiting.since.saturating_add(limit));
                Some(waiting)
            }
            Outcome::Done(executed) => {
                let gate = (waiting.database, self.database(waiting.database).revision());
                let refusal = Refusal::Reply(waiting.id.clone(), waiting.operations.len());
                let text = reply_text(&waiting.id, &executed.results);
                self.send_parts(waiting.session, [text], Some(gate), &refusal);
                None
            }
        }
    }

    /// Runs a transaction and puts its commit, if any, on its way.
    fn run(
        &mut self,
        id: DatabaseId,
        session: SessionId,
        waited: u64,
        environment: &mut Environment<'_>,
        execute: impl FnOnce(&mut crate::Database, &mut Context<'_>) -> Outcome,
    ) -> Outcome {
        let locks = &self.locks;
        let hosted = &mut self.databases[id.0];
        let reserved = hosted.database.schema().name.starts_with('_');
        let mut context = Context {
            now: environment.wall,
            new_uuid: environment.new_uuid,
            holds_lock: &|lock| locks.holds(lock, session),
            waited,
            read_only: reserved
                .then_some("operation not allowed on a table of a reserved database"),
        };
        let outcome = execute(&mut hosted.database, &mut context);
        if let Outcome::Done(Executed {
            commit: Some(commit),
            ..
        }) = &outcome
        {
            hosted.stage(commit.clone());
            // Clients hear of the change before the one that made it gets its reply.
            self.publish(id, commit);
            self.commits.push_back(StagedCommit {
                database: id,
                commit: commit.clone(),
            });
        }
        outcome
    }

    pub(super) fn transact_local(
        &mut self,
        session: SessionId,
        id: DatabaseId,
        operations: &[Operation],
        environment: &mut Environment<'_>,
    ) -> Result<Executed, Error> {
        // Nobody waits here, so a `wait` has waited for as long as it ever will.
        let outcome = self.run(id, session, u64::MAX, environment, |db, context| {
            db.execute(operations, context)
        });
        self.retry(environment);
        match outcome {
            Outcome::Blocked(_) => Err(Error::new(ErrorKind::TimedOut, "a wait is not satisfied")),
            Outcome::Done(executed) => match executed.error() {
                Some(error) => Err(error.clone()),
                None => Ok(executed),
            },
        }
    }

    /// Tries the waiting transactions for as long as one of them changes something.
    fn retry(&mut self, environment: &mut Environment<'_>) {
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

    fn try_waiting(&mut self, environment: &mut Environment<'_>, due: impl Fn(&Waiting) -> bool) {
        for waiting in std::mem::take(&mut self.waiting) {
            let session = waiting.session;
            let again = if due(&waiting) {
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

    fn no_longer_waits(&mut self, session: SessionId) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.waiting -= 1;
        }
    }

    /// When [`Server::handle_timeout`] should be called, on the clock of [`Environment::now`].
    pub fn poll_timeout(&self) -> Option<u64> {
        self.waiting
            .iter()
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
        let found = self
            .waiting
            .iter()
            .position(|w| w.session == session && w.id == *id);
        if let Some(waiting) = found.and_then(|at| self.waiting.remove(at)) {
            self.no_longer_waits(session);
            self.fail(&waiting, &Error::new(ErrorKind::Canceled, ""));
        }
    }

    fn fail(&mut self, waiting: &Waiting, error: &Error) {
        self.reply_error(waiting.session, &waiting.id, error);
    }
}

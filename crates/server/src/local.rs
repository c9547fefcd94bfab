//! How parts of the same process reach the databases: rows and operations as they are, without JSON.

use std::sync::Arc;

use ovsdb::client::{OpResult, TransactError};
use ovsdb::server::{LocksOfSession, SessionId};
use ovsdb::{DatabaseSchema, Error, Operation, Str};
use tokio::sync::oneshot;
use transport::ovsdb::{Event, TransactResult};

use crate::core::{AddError, Input, Inputs, Kept, NewDatabase};
pub(crate) use crate::mailbox::Events;
use crate::mailbox::{self, Mailbox};

/// Reaches the server of the same process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    inputs: Inputs,
}

/// One who follows a database and writes to it, with locks of its own. Dropping it ends that.
#[derive(Debug)]
pub struct Subscription {
    inputs: Inputs,
    database: Str,
    session: SessionId,
    kept: Kept,
    events: Mailbox,
}

impl Handle {
    pub(crate) fn new(inputs: Inputs) -> Self {
        Self { inputs }
    }

    /// Follows a database: [`Event::Changes`] with all rows, [`Event::Connected`], then the changes of each
    /// transaction once it is durable; when many wait to be taken, several as one. With a lock, [`Event::LockAcquired`] when it is held. Nothing if
    /// there is no such database.
    pub async fn subscribe(&self, database: &str, lock: Option<Str>) -> Option<Subscription> {
        let (events, receiver) = mailbox::channel();
        let (reply, session) = oneshot::channel();
        let input = Input::Subscribe {
            database: database.into(),
            events,
            reply,
        };
        self.inputs.send(input).await.ok()?;
        let (session, kept) = session.await.ok()??;
        let database = database.into();
        let subscription = Subscription {
            inputs: self.inputs.clone(),
            database,
            session,
            kept,
            events: receiver,
        };
        if lock.is_some() {
            subscription.set_lock(lock).await;
        }
        Some(subscription)
    }

    /// Runs one transaction; answers when it is durable.
    ///
    /// # Errors
    /// When the database refuses it.
    pub async fn transact(&self, database: &str, operations: Vec<Operation>) -> TransactResult {
        transact(&self.inputs, None, database.into(), operations).await
    }

    /// The names of the databases, in the order in which they were added.
    pub async fn databases(&self) -> Vec<Str> {
        let schemas = self.schemas().await;
        schemas.iter().map(|schema| schema.name.clone()).collect()
    }

    /// The schemas of the databases, in the order in which they were added.
    pub async fn schemas(&self) -> Vec<Arc<DatabaseSchema>> {
        self.ask(Input::Schemas).await.unwrap_or_default()
    }

    /// Begins new log files that hold only the present content, for one database or for all. Says whether
    /// there is such a database.
    pub async fn compact(&self, database: Option<&str>) -> bool {
        let name = database.map(Str::from);
        let asked = self.ask(|reply| Input::Compact(name, reply)).await;
        asked.unwrap_or(false)
    }

    /// Serves one more database; nothing when the server has ended.
    pub(crate) async fn add(&self, new: NewDatabase) -> Option<Result<(), AddError>> {
        self.ask(|reply| Input::Add(new, reply)).await
    }

    /// Serves a database no longer; whether there was one.
    pub(crate) async fn remove(&self, name: &str) -> bool {
        let asked = self.ask(|reply| Input::Remove(name.into(), reply)).await;
        asked.unwrap_or(false)
    }

    /// Where everything goes that the server is to do.
    pub(crate) const fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// What a session has to do with locks.
    pub(crate) async fn locks_of(&self, session: SessionId) -> LocksOfSession {
        let asked = self.ask(|reply| Input::LocksOf(session, reply)).await;
        asked.unwrap_or_default()
    }

    /// Ends the connections of all clients.
    pub(crate) async fn reconnect(&self) {
        // A server that has ended has none.
        let _ = self.inputs.send(Input::Reconnect).await;
    }

    async fn ask<T>(&self, input: impl FnOnce(oneshot::Sender<T>) -> Input) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.inputs.send(input(reply)).await.ok()?;
        answer.await.ok()
    }
}

impl Subscription {
    /// The next event; nothing any more when the server has ended.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.next().await
    }

    /// An event that is there already.
    pub fn try_next(&mut self) -> Option<Event> {
        self.events.try_next()
    }

    /// Where the database is kept.
    pub(crate) const fn kept(&self) -> Kept {
        self.kept
    }

    /// How often so much waited here that transactions were merged into one change.
    pub fn merged(&self) -> u64 {
        self.events.merged()
    }

    /// As [`Handle::transact`], in the subscribed database and with the locks of this subscription. The
    /// changes are among the events before this returns.
    ///
    /// # Errors
    /// When the database refuses it.
    pub async fn transact(&self, operations: Vec<Operation>) -> TransactResult {
        self.begin(operations).await
    }

    /// The same as a future that leaves the subscription free to be read meanwhile.
    pub fn begin(
        &self,
        operations: Vec<Operation>,
    ) -> impl Future<Output = TransactResult> + Send + use<> {
        let (inputs, session) = (self.inputs.clone(), self.session);
        let database = self.database.clone();
        async move { transact(&inputs, Some(session), database, operations).await }
    }

    /// Takes a lock, or gives it back.
    pub async fn set_lock(&self, lock: Option<Str>) {
        let _ = self
            .inputs
            .send(Input::Lock {
                session: self.session,
                lock,
            })
            .await;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // When the queue is full, the core finds out at the next event that nobody listens.
        let _ = self.inputs.try_send(Input::Disconnected(self.session));
    }
}

async fn transact(
    inputs: &Inputs,
    session: Option<SessionId>,
    database: Str,
    operations: Vec<Operation>,
) -> TransactResult {
    let (reply, result) = oneshot::channel();
    let input = Input::Transact {
        session,
        database,
        operations,
        reply,
    };
    if inputs.send(input).await.is_err() {
        return Err(TransactError::NotConnected);
    }
    result.await.unwrap_or(Err(TransactError::Lost))
}

/// The error of a transaction as clients get it.
pub(crate) fn refused(error: &Error) -> TransactError {
    TransactError::Refused {
        operation: None,
        error: error.kind.tag().to_owned(),
        details: error.details.clone(),
    }
}

/// The results of a transaction as clients get them.
pub(crate) fn results(results: &ovsdb::database::Results) -> Vec<OpResult> {
    use ovsdb::database::OperationResult as Result;
    let one = |result: &Result| match result {
        Result::Inserted(uuid) => OpResult {
            uuid: Some(*uuid),
            ..OpResult::default()
        },
        Result::Count(count) => OpResult {
            count: Some(*count),
            ..OpResult::default()
        },
        // Parts of this process read rows by subscription.
        Result::Rows(_) | Result::Empty | Result::Error(_) | Result::NotTried => {
            OpResult::default()
        }
    };
    results.0.iter().map(one).collect()
}

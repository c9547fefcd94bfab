//! Parts of the same process: their subscriptions, transactions and locks.

use ovsdb::server::{Completion, DatabaseId, SessionId};
use ovsdb::{Error, ErrorKind, Operation, RowChange, Str};
use tokio::sync::oneshot;
use transport::ovsdb::{Event, TransactResult};

use super::{Core, Follower, Kept};
use crate::local::{refused, results};
use crate::mailbox::Events;

impl Core {
    pub(super) fn subscribe(
        &mut self,
        database: &str,
        events: Events,
    ) -> Option<(SessionId, Kept)> {
        let id = self
            .server
            .database_id(database)
            .filter(|id| self.logs.contains_key(id) || self.relays.contains_key(id))?;
        let session = self.server.connect();
        self.followers.insert(
            session,
            Follower {
                database: id,
                events,
                lock: None,
            },
        );
        let kept = match self.logs.get_mut(&id) {
            Some(logged) => {
                logged.beginning.push(session);
                match logged.state.cluster {
                    Some(_) => Kept::Cluster,
                    None => Kept::Here,
                }
            }
            None => Kept::Elsewhere,
        };
        match kept {
            // What a relay has needs no log to be true.
            Kept::Elsewhere => self.begin_follower(id, session),
            Kept::Here | Kept::Cluster => self.begin_followers(id),
        }
        Some((session, kept))
    }

    /// Shows all rows to new followers, once all of them are durable.
    pub(super) fn begin_followers(&mut self, id: DatabaseId) {
        let settled = self.server.is_settled(id);
        let Some(logged) = self.logs.get_mut(&id).filter(|_| settled) else {
            return;
        };
        for session in std::mem::take(&mut logged.beginning) {
            self.begin_follower(id, session);
        }
    }

    fn begin_follower(&self, id: DatabaseId, session: SessionId) {
        let Some(follower) = self.followers.get(&session) else {
            return;
        };
        let rows: Vec<RowChange> = self.server.database(id).contents().collect();
        if !rows.is_empty() {
            follower.events.send(Event::Changes(rows));
        }
        follower.events.send(Event::Connected);
    }

    /// Ends all followers of a database, which is not what they follow any more.
    pub(super) fn end_followers(&mut self, id: DatabaseId) {
        let gone = self.followers.iter().filter(|it| it.1.database == id);
        let gone: Vec<SessionId> = gone.map(|(session, _)| *session).collect();
        for session in gone {
            self.disconnect(session);
        }
    }

    /// Forgets those followers that could not say that they are gone.
    pub(super) fn forget_followers(&mut self) {
        let gone = self.followers.iter().filter(|it| it.1.events.is_closed());
        let gone: Vec<SessionId> = gone.map(|(session, _)| *session).collect();
        for session in gone {
            self.disconnect(session);
        }
    }

    pub(super) fn transact(
        &mut self,
        session: Option<SessionId>,
        database: &str,
        operations: Vec<Operation>,
        reply: oneshot::Sender<TransactResult>,
    ) {
        let session = session.unwrap_or(self.own);
        let Some(id) = self.server.database_id(database) else {
            let error = Error::new(ErrorKind::UnknownDatabase, database);
            let _ = reply.send(Err(refused(&error)));
            return;
        };
        let ticket = self.with_environment(|server, environment| {
            server.submit(session, id, operations, environment)
        });
        self.tickets.insert(ticket, reply);
    }

    /// Hands out the results of transactions that have ended.
    pub(super) fn hand_out_results(&mut self) {
        while let Some(Completion { ticket, result }) = self.server.poll_completion() {
            if let Some(reply) = self.tickets.remove(&ticket) {
                let result = match &result {
                    Ok(done) => Ok(results(done)),
                    Err(error) => Err(refused(error)),
                };
                // Who asked may be gone.
                let _ = reply.send(result);
            }
        }
    }

    pub(super) fn lock(&mut self, session: SessionId, lock: Option<Str>) {
        let Some(follower) = self.followers.get_mut(&session) else {
            return;
        };
        let before = std::mem::replace(&mut follower.lock, lock.clone());
        if before == lock {
            return;
        }
        if let Some(before) = before {
            self.server.unlock(session, &before);
            follower.events.send(Event::LockLost);
        }
        if let Some(lock) = lock
            && self.server.lock(session, &lock)
        {
            follower.events.send(Event::LockAcquired);
        }
    }

    /// Reads the messages for a follower, which can only be about its lock.
    pub(super) fn notices(&mut self, session: SessionId) {
        while let Some(bytes) = self.server.poll_output(session) {
            let Some(follower) = self.followers.get(&session) else {
                return;
            };
            let method = |name: &[u8]| bytes.windows(name.len()).any(|part| part == name);
            if method(b"\"locked\"") {
                follower.events.send(Event::LockAcquired);
            } else if method(b"\"stolen\"") {
                follower.events.send(Event::LockLost);
            }
        }
    }
}

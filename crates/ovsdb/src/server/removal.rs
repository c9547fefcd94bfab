//! Serving a database no longer, and telling those who had to do with it.
//!
//! Invariant: nobody is left waiting for a database that is gone. Whoever had to do with it hears that, if it
//! can take that in (`ovsdb-server(7)` sections 4.1.7 and 4.1.18), or is cut off and finds out when it connects
//! again.

use std::sync::Arc;

use super::hosted::{Deferred, Hosted};
use super::outbox::Session;
use super::transact::Transaction;
use super::{CloseReason, DatabaseId, Server, SessionId};
use crate::{Database, DatabaseSchema, Error, ErrorKind};

impl Server {
    /// Ends the service of the database `name`; nothing when there is none, or when it is `_Server`. Hand
    /// its commits to the log before: what is still staged is dropped.
    pub fn remove_database(&mut self, name: &str) -> Option<DatabaseId> {
        let id = self.database_id(name).filter(|id| id.0 != 0)?;
        self.by_name.remove(name);
        self.end_mirror(id);
        let concerned = self.dismiss(id, false, None);
        self.retract(name);
        let empty = DatabaseSchema::new(name, "", Vec::new());
        let empty = empty.expect("the name was accepted before, and there are no tables");
        // Positions of the other databases stay; an empty one costs nothing.
        let empty = Hosted::new(Database::new(Arc::new(empty)), false);
        let removed = std::mem::replace(&mut self.databases[id.0], empty);
        self.discarded.push(removed.database);
        for session in concerned {
            self.close(session, CloseReason::Removed(name.into()));
        }
        Some(id)
    }

    /// Ends everything that somebody has to do with a database; gives those who can only be told by cutting
    /// them off. Who `asked` for it knows. Messages that were not looked at yet are left to the database that
    /// follows, if one does.
    pub(super) fn dismiss(
        &mut self,
        id: DatabaseId,
        follows: bool,
        asked: Option<SessionId>,
    ) -> Vec<SessionId> {
        self.commits.retain(|staged| staged.database != id);
        let mut concerned = Vec::new();
        for transaction in self.take_transactions(id) {
            if self.can_be_told(transaction.session, asked) || transaction.is_of_this_process() {
                self.refuse(&transaction, &Error::new(ErrorKind::Canceled, ""));
            } else {
                concerned.push(transaction.session);
            }
        }
        for deferred in std::mem::take(&mut self.databases[id.0].deferred) {
            match deferred {
                Deferred::Transaction(transaction) => {
                    self.refuse(&transaction, &Error::new(ErrorKind::Canceled, ""));
                }
                Deferred::Message { session, .. }
                    if follows && self.can_be_told(session, asked) =>
                {
                    self.databases[id.0].deferred.push_back(deferred);
                }
                Deferred::Message { session, .. } => concerned.push(session),
            }
        }
        if let Some(conversion) = self.databases[id.0].conversion.take() {
            concerned.push(conversion.session);
        }
        let monitors = std::mem::take(&mut self.databases[id.0].monitors);
        for (session, monitor) in monitors.into_members() {
            if let Some(session) = self.sessions.get_mut(&session) {
                session.monitors -= 1;
            }
            if self.can_be_told(session, asked) {
                let text = format!(
                    "{{\"id\":null,\"method\":\"monitor_canceled\",\"params\":[{monitor}]}}"
                );
                self.send(session, text.into());
            } else {
                concerned.push(session);
            }
        }
        concerned.sort_unstable();
        concerned.dedup();
        concerned
    }

    /// Takes all transactions of a database that were begun and not answered.
    fn take_transactions(&mut self, id: DatabaseId) -> Vec<Transaction> {
        let mut all = Vec::new();
        for pending in self.databases[id.0].take_back() {
            self.let_go(pending.transaction.session, pending.answer.len());
            all.push(pending.transaction);
        }
        for waiting in std::mem::take(&mut self.waiting) {
            if waiting.database == id {
                self.no_longer_waits(waiting.session);
                all.push(waiting);
            } else {
                self.waiting.push_back(waiting);
            }
        }
        all
    }

    /// Whether a session need not be cut off to be told of a change of databases.
    fn can_be_told(&self, session: SessionId, asked: Option<SessionId>) -> bool {
        let aware = |session: &Session| session.change_aware;
        Some(session) == asked || self.sessions.get(&session).is_some_and(aware)
    }
}

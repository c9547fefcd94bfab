//! Serving a database no longer.
//!
//! Invariant: nobody is left waiting for a database that is gone; whoever had to do with it is cut off, and
//! finds out when it connects again.

use std::sync::Arc;

use super::hosted::Hosted;
use super::{CloseReason, DatabaseId, Server, SessionId};
use crate::{Database, DatabaseSchema};

impl Server {
    /// Ends the service of the database `name`; nothing when there is none, or when it is `_Server`. Hand
    /// its commits to the log before: what is still staged is dropped.
    pub fn remove_database(&mut self, name: &str) -> Option<DatabaseId> {
        let id = self.database_id(name).filter(|id| id.0 != 0)?;
        self.by_name.remove(name);
        let mut concerned = self.sessions_waiting_for(id);
        concerned.extend(self.databases[id.0].monitors.sessions());
        let waiting = self.waiting.iter().filter(|w| w.database() == id);
        concerned.extend(waiting.map(|waiting| waiting.session));
        self.waiting.retain(|waiting| waiting.database() != id);
        self.commits.retain(|staged| staged.database != id);
        self.retract(name);
        let empty = DatabaseSchema::new(name, "", Vec::new());
        let empty = empty.expect("the name was accepted before, and there are no tables");
        // Positions of the other databases stay; an empty one costs nothing.
        self.databases[id.0] = Hosted::new(Database::new(Arc::new(empty)));
        self.cut_off_for(concerned, name);
        Some(id)
    }

    fn cut_off_for(&mut self, mut sessions: Vec<SessionId>, name: &str) {
        sessions.sort_unstable();
        sessions.dedup();
        for session in sessions {
            self.close(session, CloseReason::Removed(name.into()));
        }
    }
}

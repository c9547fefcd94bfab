//! Databases that come and go while the server runs.

use std::sync::Arc;

use ovsdb::log::Log;
use ovsdb::{Database, DatabaseSchema, Operation, Str};
use tokio::sync::oneshot;

use super::Core;

/// A database that was read from its log, to be served from now on.
pub(crate) struct NewDatabase {
    pub(crate) database: Box<Database>,
    pub(crate) log: Box<dyn Log + Send>,
}

impl std::fmt::Debug for NewDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("NewDatabase")
            .field(&self.database.schema().name)
            .finish()
    }
}

/// Why a database cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddError {
    #[error("a database named {0} is served already; remove that one first")]
    Taken(Str),
    #[error(transparent)]
    Name(ovsdb::Error),
    #[error("cannot start the thread of a log")]
    Thread(#[source] std::io::Error),
}

impl Core {
    pub(super) fn add_new(&mut self, new: NewDatabase) -> Result<(), AddError> {
        let name = &new.database.schema().name;
        if self.server.database_id(name).is_some() {
            return Err(AddError::Taken(name.clone()));
        }
        self.add(*new.database, new.log).map_err(AddError::Thread)
    }

    /// Makes the row of a table that always has one, unless it is there.
    pub(crate) fn ensure_row(&mut self, database: &str, table: &str) {
        let is_empty = self.server.database_id(database).is_some_and(|id| {
            let database = self.server.database(id);
            let table = database.schema().table_index(table);
            table.is_some_and(|table| database.rows(table).next().is_none())
        });
        if is_empty {
            let insert = Operation::Insert {
                table: table.into(),
                uuid: None,
                uuid_name: None,
                row: Vec::new(),
            };
            // Nobody is shown the row before the log holds it; if it cannot, that is said where it is written.
            self.transact(None, database, vec![insert], oneshot::channel().0);
            self.hand_out_commits();
        }
    }

    /// Serves a database no longer, and ends its log; whether there was one.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        // What was staged still goes to the log, which is written out when it is dropped.
        self.hand_out_commits();
        let Some(id) = self.server.remove_database(name) else {
            return false;
        };
        self.order.retain(|other| *other != id);
        self.end_followers(id);
        // Its tasks end with this.
        self.relays.remove(&id);
        if let Some(logged) = self.logs.remove(&id) {
            let unwritten: usize = logged.unwritten.iter().map(|(_, bytes)| bytes).sum();
            self.unwritten -= unwritten;
        }
        true
    }

    pub(super) fn schemas(&self) -> Vec<Arc<DatabaseSchema>> {
        let schemas = self.order.iter();
        schemas
            .map(|id| Arc::clone(self.server.database(*id).schema()))
            .collect()
    }

    pub(super) fn compact_named(&mut self, name: Option<&str>) -> bool {
        let ids: Vec<_> = self
            .order
            .iter()
            .copied()
            .filter(|id| {
                let logged = self.logs.get(id);
                logged.is_some_and(|logged| name.is_none_or(|name| logged.name == name))
            })
            .collect();
        for id in &ids {
            tracing::info!(
                target: "ovsdb_server",
                "compacting {} database by user request", self.logs[id].name
            );
            self.compact(*id);
        }
        !ids.is_empty() || name.is_none()
    }

    pub(super) fn cut_off_all(&mut self) {
        let sessions: Vec<_> = self.peers.keys().copied().collect();
        for session in sessions {
            self.disconnect(session);
        }
    }
}

//! Databases that have no log: what comes from the sources of relays, and what goes there.

use std::sync::Arc;

use ovsdb::client::{Answer, TransactError};
use ovsdb::server::{DatabaseId, Forward};
use ovsdb::{DatabaseSchema, RowChange, Str, Uuid};
use tokio::sync::mpsc;

use super::{AddError, Core};

/// A relay, to be served from now on.
#[derive(Debug)]
pub(crate) struct NewRelay {
    pub(crate) name: Str,
    /// Where transactions for the source go. What waits there is bounded by what the server holds for each
    /// client.
    pub(crate) forwards: mpsc::UnboundedSender<Forward>,
}

/// What the source of a relay tells.
#[derive(Debug)]
pub(crate) enum News {
    /// Another schema, and all rows.
    Replaced(Arc<DatabaseSchema>, Option<Uuid>, Vec<RowChange>),
    /// What a transaction did, and the id of the state after it.
    Changed(Option<Uuid>, Vec<RowChange>),
    /// Whether transactions can be sent.
    Live(bool),
    /// Whether the relay counts as connected.
    Connected(bool),
    /// The answer to a transaction.
    Answer(u64, Result<Answer, TransactError>),
}

impl Core {
    pub(super) fn add_relay(&mut self, new: NewRelay) -> Result<DatabaseId, AddError> {
        if self.server.database_id(&new.name).is_some() {
            return Err(AddError::Taken(new.name));
        }
        let id = self.server.add_mirror(&new.name).map_err(AddError::Name)?;
        self.relays.insert(id, new.forwards);
        self.order.push(id);
        Ok(id)
    }

    pub(super) fn relay_news(&mut self, id: DatabaseId, news: News) {
        // The last words of one that was removed.
        if !self.relays.contains_key(&id) {
            return;
        }
        match news {
            News::Replaced(schema, last, rows) => {
                self.server.mirror_replaced(id, &schema, last, rows);
                // Those parts of this process that follow it know it by its old schema.
                self.end_followers(id);
            }
            News::Changed(last, rows) => {
                let visible = self.with_environment(|server, environment| {
                    server.mirror_changed(id, last, rows, environment)
                });
                self.show(id, &[visible]);
            }
            News::Live(live) => self.server.set_mirror_live(id, live),
            News::Connected(connected) => self.server.set_mirror_connected(id, connected),
            News::Answer(number, answer) => self.server.forwarded(id, number, answer),
        }
    }

    /// Hands transactions out for the sources of relays.
    pub(super) fn hand_out_forwards(&mut self) {
        while let Some(forward) = self.server.poll_forward() {
            if let Some(forwards) = self.relays.get(&forward.database) {
                // Its receiver lives for as long as the relay.
                let _ = forwards.send(forward);
            }
        }
    }
}

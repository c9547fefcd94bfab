//! Giving a database another schema while it is served (`ovsdb-server(7)` section 4.1.19).
//!
//! A conversion waits until nothing is pending, and everything that would change the database or monitor it
//! waits for the conversion. So it is made of the durable state, the log replaces exactly that, and until it has
//! done so everybody sees the database as it was.
//!
//! Invariant: a database has its new schema when the log has it, and not before.

use std::sync::Arc;

use serde_json::Value;

use super::{CloseReason, DatabaseId, Environment, Server, SessionId};
use crate::database::Frozen;
use crate::{Database, DatabaseSchema, Error, ErrorKind, Record, tool};

/// A conversion that is on its way to the log.
#[derive(Debug)]
pub(crate) struct Conversion {
    pub(super) session: SessionId,
    /// The id of the request.
    id: Value,
    new: Box<Database>,
}

/// A new schema, and the content that goes with it, to replace all that a log holds.
#[derive(Debug)]
pub struct StagedConversion {
    /// Whose log.
    pub database: DatabaseId,
    /// The record of the schema.
    pub schema: Record,
    /// The content.
    pub content: Frozen,
}

impl Server {
    /// Begins the conversion that a client asked for; its reply comes when the log has it. Nothing is pending
    /// then: see [`Server::must_wait`].
    pub(super) fn begin_conversion(
        &mut self,
        session: SessionId,
        id: Value,
        database: DatabaseId,
        schema: &Arc<DatabaseSchema>,
        environment: &Environment<'_>,
    ) -> Result<(), Error> {
        let hosted = &mut self.databases[database.0];
        if self.fixed_schemas {
            // Whatever the order of the columns.
            let same = |a: &DatabaseSchema, b: &DatabaseSchema| {
                serde_json::to_value(a).ok() == serde_json::to_value(b).ok()
            };
            if same(hosted.database.schema(), schema) {
                self.send(
                    session,
                    super::methods::reply_text(&id, &serde_json::json!({})),
                );
                return Ok(());
            }
            let text = "the schema of this database is a part of the program that serves it";
            return Err(Error::new(ErrorKind::NotSupported, text));
        }
        if hosted.mirror.is_some() {
            let text =
                "a relay keeps no log to convert; convert the database at the relay's source";
            return Err(Error::new(ErrorKind::NotSupported, text));
        }
        if let Some(reason) = hosted.read_only() {
            return Err(Error::new(ErrorKind::NotAllowed, reason));
        }
        let mut new = tool::carry_over(&hosted.database, schema, environment.wall)?;
        if hosted.shared {
            new.keep_ephemeral();
        }
        self.conversions.push_back(StagedConversion {
            database,
            schema: Record::schema(schema),
            content: new.freeze(),
        });
        let new = Box::new(new);
        hosted.conversion = Some(Conversion { session, id, new });
        Ok(())
    }

    /// The next conversion for a log. Everything of [`Server::poll_commit`] goes to the log before it.
    #[must_use]
    pub fn poll_conversion(&mut self) -> Option<StagedConversion> {
        self.conversions.pop_front()
    }

    /// The log of the database was replaced as its conversion asked.
    pub fn converted(&mut self, database: DatabaseId) {
        let Some(conversion) = self.databases[database.0].conversion.take() else {
            return;
        };
        let (session, id) = (conversion.session, conversion.id);
        self.replace_database(database, *conversion.new, Some(session));
        self.send(
            session,
            super::methods::reply_text(&id, &serde_json::json!({})),
        );
    }

    /// The log could not be replaced, and is as it was.
    pub fn conversion_failed(&mut self, database: DatabaseId, details: &str) {
        if let Some(conversion) = self.databases[database.0].conversion.take() {
            let error = Error::new(ErrorKind::Io, details);
            self.reply_error(conversion.session, &conversion.id, &error);
        }
    }

    /// Begins a conversion again, after others have changed the database.
    pub(super) fn convert_again(&mut self, database: DatabaseId, environment: &Environment<'_>) {
        self.conversions
            .retain(|staged| staged.database != database);
        let Some(conversion) = self.databases[database.0].conversion.take() else {
            return;
        };
        let (session, id) = (conversion.session, conversion.id);
        let schema = Arc::clone(conversion.new.schema());
        let begun = self.begin_conversion(session, id.clone(), database, &schema, environment);
        if let Err(error) = begun {
            self.reply_error(session, &id, &error);
        }
    }

    /// Puts a database of another schema in the place of one. Whoever had to do with that is told or cut off,
    /// except the one who asked for it.
    pub(super) fn replace_database(
        &mut self,
        id: DatabaseId,
        new: Database,
        asked: Option<SessionId>,
    ) {
        let name = new.schema().name.clone();
        let concerned = self.dismiss(id, true, asked);
        let hosted = &mut self.databases[id.0];
        hosted.durable = new.revision();
        hosted.database = new;
        self.describe_schema(id);
        for session in concerned {
            self.close(session, CloseReason::Converted(name.clone()));
        }
    }
}

//! Giving a database another schema while it is served (`ovsdb-server(7)` section 4.1.19).
//!
//! A conversion waits until nothing is pending, and everything that would change the database or monitor it
//! waits for the conversion. So it is made of the durable state, the log replaces exactly that, and until it has
//! done so everybody sees the database as it was. The state is taken in slices and carried over by the shell, on any
//! thread; other databases are served meanwhile.
//!
//! Invariant: a database has its new schema when the log has it, and not before.

use std::sync::Arc;

use serde_json::Value;

use super::{CloseReason, DatabaseId, Server, SessionId};
use crate::database::{Freezing, Frozen};
use crate::{Database, DatabaseSchema, Error, ErrorKind, Record, tool};

/// A conversion that is under way.
#[derive(Debug)]
pub(crate) struct Conversion {
    pub(super) session: SessionId,
    /// The id of the request.
    id: Value,
    schema: Arc<DatabaseSchema>,
    /// Which one it is: what was begun for another comes to nothing.
    number: u64,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The state is being taken.
    Taking(Freezing),
    /// It is being carried over.
    Carrying,
    /// The log is being replaced.
    Storing(Box<Database>),
}

/// A state that is to be carried over to another schema.
#[derive(Debug)]
pub struct StagedConversion {
    /// Whose.
    pub database: DatabaseId,
    number: u64,
    content: Frozen,
    schema: Arc<DatabaseSchema>,
    /// Whether others write the log too.
    shared: bool,
}

/// A state that was carried over, or why it cannot be; for [`Server::carried_over`].
#[derive(Debug)]
pub struct CarriedOver {
    database: DatabaseId,
    number: u64,
    result: Result<(Box<Database>, Frozen), Error>,
}

/// A new schema, and the content that goes with it, to replace all that a log holds.
#[derive(Debug)]
pub struct Replacement {
    /// Whose log.
    pub database: DatabaseId,
    /// The record of the schema.
    pub schema: Record,
    /// The content.
    pub content: Frozen,
}

impl StagedConversion {
    /// Does it; this takes as long as there is content. `now` is the time in milliseconds since 1970.
    pub fn carry_over(self, now: u64) -> CarriedOver {
        let carried = tool::carry_over_rows(self.content.contents(), &self.schema, now);
        let result = carried.map(|mut new| {
            if self.shared {
                new.keep_ephemeral();
            }
            let content = new.freeze();
            (Box::new(new), content)
        });
        CarriedOver {
            database: self.database,
            number: self.number,
            result,
        }
    }
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
        self.last_conversion += 1;
        hosted.conversion = Some(Conversion {
            session,
            id,
            schema: Arc::clone(schema),
            number: self.last_conversion,
            stage: Stage::Taking(hosted.database.begin_freeze()),
        });
        Ok(())
    }

    /// Whether [`Server::poll_conversion`] has something to do.
    pub fn has_conversions(&self) -> bool {
        self.databases
            .iter()
            .filter_map(|hosted| hosted.conversion.as_ref())
            .any(|conversion| matches!(conversion.stage, Stage::Taking(_)))
    }

    /// Takes about so many rows for the conversions that have begun; gives one for which all are taken, to be
    /// carried over. Everything of [`Server::poll_commit`] goes to the log before what comes of it.
    #[must_use]
    pub fn poll_conversion(&mut self, rows: usize) -> Option<StagedConversion> {
        for (at, hosted) in self.databases.iter_mut().enumerate() {
            let Some(conversion) = &mut hosted.conversion else {
                continue;
            };
            let Stage::Taking(freezing) = &mut conversion.stage else {
                continue;
            };
            if let Some(content) = hosted.database.continue_freeze(freezing, rows) {
                conversion.stage = Stage::Carrying;
                return Some(StagedConversion {
                    database: DatabaseId(at),
                    number: conversion.number,
                    content,
                    schema: Arc::clone(&conversion.schema),
                    shared: hosted.shared,
                });
            }
        }
        None
    }

    /// Takes what came of carrying over. Gives what the log is to be replaced by; nothing when the content does not
    /// fit, or the conversion has ended or begun again meanwhile.
    #[must_use]
    pub fn carried_over(&mut self, carried: CarriedOver) -> Option<Replacement> {
        let database = carried.database;
        let conversion = self.databases[database.0].conversion.as_mut()?;
        if conversion.number != carried.number {
            return None;
        }
        match carried.result {
            Ok((new, content)) => {
                conversion.stage = Stage::Storing(new);
                Some(Replacement {
                    database,
                    schema: Record::schema(&conversion.schema),
                    content,
                })
            }
            Err(error) => {
                self.refuse_conversion(database, &error);
                None
            }
        }
    }

    fn refuse_conversion(&mut self, database: DatabaseId, error: &Error) {
        if let Some(conversion) = self.databases[database.0].conversion.take() {
            self.reply_error(conversion.session, &conversion.id, error);
        }
    }

    /// The log of the database was replaced as its conversion asked.
    pub fn converted(&mut self, database: DatabaseId) {
        let conversion = self.databases[database.0].conversion.take();
        let Some(Conversion {
            session,
            id,
            stage: Stage::Storing(new),
            ..
        }) = conversion
        else {
            return;
        };
        self.replace_database(database, *new, Some(session));
        self.send(
            session,
            super::methods::reply_text(&id, &serde_json::json!({})),
        );
    }

    /// The log could not be replaced, and is as it was.
    pub fn conversion_failed(&mut self, database: DatabaseId, details: &str) {
        self.refuse_conversion(database, &Error::new(ErrorKind::Io, details));
    }

    /// Begins a conversion again, after others have changed the database.
    pub(super) fn convert_again(&mut self, database: DatabaseId) {
        let Some(conversion) = self.databases[database.0].conversion.take() else {
            return;
        };
        let Conversion {
            session,
            id,
            schema,
            ..
        } = conversion;
        let begun = self.begin_conversion(session, id.clone(), database, &schema);
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
        self.discarded
            .push(std::mem::replace(&mut hosted.database, new));
        self.describe_schema(id);
        for session in concerned {
            self.close(session, CloseReason::Converted(name.clone()));
        }
    }

    /// What is no longer served. To drop it takes a while, and can be done on any thread.
    #[must_use]
    pub fn poll_discarded(&mut self) -> Option<Database> {
        self.discarded.pop()
    }
}

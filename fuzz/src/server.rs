//! The server's side of the protocol: any bytes of two clients. NUL bytes part what goes to the one from what
//! goes to the other; a part that begins with 1 finds the log failing.
//!
//! Beyond what holds of all targets: everything that is sent is JSON-RPC, what waits to be sent is bounded,
//! and the records that were given to the log make the content that the server shows.

use std::sync::Arc;

use ovsdb::server::{DatabaseId, Environment, Limits, Server, SessionId};
use ovsdb::{Database, DatabaseSchema, Record, Uuid};
use serde_json::Value;

use crate::file::assert_same;

/// One of everything that a schema can say.
pub const SCHEMA: &str = include_str!("../../crates/ovsdb/tests/support/rich.ovsschema");

pub(crate) const LIMITS: Limits = Limits {
    message: 1 << 16,
    nesting: 32,
    output: 1 << 20,
    waiting: 4,
    monitors: 4,
};

pub fn schema() -> Arc<DatabaseSchema> {
    let schema = DatabaseSchema::from_json_text(SCHEMA).expect("the schema is a good one");
    schema.into()
}

/// Feeds the parts to the sessions.
pub fn check(bytes: &[u8]) {
    let mut harness = Harness::new();
    let sessions = [harness.server.connect(), harness.server.connect()];
    for (number, part) in bytes.split(|&byte| byte == 0).enumerate() {
        let session = sessions[number % 2];
        let (fails, part) = match part.split_first() {
            Some((1, rest)) => (true, rest),
            _ => (false, part),
        };
        harness.now += part.len() as u64;
        harness.receive(session, part);
        harness.settle(fails);
        for session in sessions {
            harness.take(session);
        }
    }
    for session in sessions {
        harness.server.disconnect(session);
    }
    harness.end();
}

/// A server with one database, and the log that its records make.
pub(crate) struct Harness {
    pub(crate) server: Server,
    pub(crate) now: u64,
    pub(crate) database: DatabaseId,
    uuids: u128,
    /// What a log would hold: a schema, and the records after it.
    schema: Arc<DatabaseSchema>,
    log: Vec<Record>,
}

impl Harness {
    pub(crate) fn new() -> Self {
        let mut server = Server::new(Uuid::from_u128(1), LIMITS);
        let database = server.add_database(Database::new(schema()));
        Self {
            server,
            now: 0,
            database,
            schema: schema(),
            uuids: 1 << 64,
            log: Vec::new(),
        }
    }

    pub(crate) fn receive(&mut self, session: SessionId, bytes: &[u8]) {
        let due = self.server.poll_timeout().is_some_and(|at| at <= self.now);
        self.act(|server, environment| {
            if due {
                server.handle_timeout(environment);
            }
            server.receive(session, bytes, environment);
        });
    }

    fn act(&mut self, act: impl FnOnce(&mut Server, &mut Environment<'_>)) {
        let uuids = &mut self.uuids;
        let mut environment = Environment {
            wall: 1,
            now: self.now,
            new_uuid: &mut || {
                *uuids += 1;
                Uuid::from_u128(*uuids)
            },
        };
        act(&mut self.server, &mut environment);
    }

    /// Gives what is staged to the log, or lets the log fail, once.
    pub(crate) fn settle(&mut self, fails: bool) {
        self.append(fails);
        self.act(Server::proceed);
        self.append(false);
        while self.server.poll_close().is_some() {}
    }

    fn append(&mut self, fails: bool) {
        let database = self.database;
        if fails {
            self.server.failed(database, "no space");
        }
        while let Some(staged) = self.server.poll_commit() {
            assert_eq!(staged.database, database);
            self.log.extend(staged.commit.record);
            let visible = self.server.durable(database, staged.commit.revision);
            assert_eq!(visible.len(), 1);
        }
        while self.server.has_conversions() {
            // In slices of one row.
            let Some(staged) = self.server.poll_conversion(1) else {
                continue;
            };
            assert_eq!(staged.database, database);
            if fails {
                self.server.conversion_failed(database, "no space");
                continue;
            }
            let Some(replacement) = self.server.carried_over(staged.carry_over(1)) else {
                continue;
            };
            let text = std::str::from_utf8(replacement.schema.data()).expect("JSON is UTF-8");
            let schema = DatabaseSchema::from_json_text(text).expect("a schema of ours");
            self.schema = schema.into();
            self.log = vec![replacement.content.record(1)];
            self.server.converted(database);
            drop(self.server.poll_discarded());
        }
    }

    /// What leaves for a session: messages, within bounds.
    pub(crate) fn take(&mut self, session: SessionId) -> Vec<Value> {
        let mut out = Vec::new();
        assert!(self.server.backlog(session) <= LIMITS.output);
        while let Some(bytes) = self.server.poll_output(session) {
            out.extend_from_slice(&bytes);
        }
        let messages = serde_json::Deserializer::from_slice(&out).into_iter::<Value>();
        let messages: Vec<Value> = messages.map(|it| it.expect("output is JSON")).collect();
        for message in &messages {
            let has = |key: &str| message.get(key).is_some();
            let reply = has("result") && has("error");
            assert!(
                has("id") && (reply || has("method") && has("params")),
                "{message}"
            );
        }
        messages
    }

    /// The log makes what the server shows.
    pub(crate) fn end(self) {
        let mut again = Database::new(self.schema);
        for record in &self.log {
            again.replay(record).expect("a record of ours");
        }
        assert_same(&again, self.server.database(self.database));
    }
}

//! A relay without sockets: a server that mirrors another through a client's session.

#![allow(clippy::unwrap_used)] // These are tests, though not all marked so.

use std::sync::Arc;
use std::time::Instant;

use ovsdb::client::{Answer, Config, Event, Session, TransactError};
use ovsdb::server::{DatabaseId, Environment, Limits, Server, SessionId};
use ovsdb::{Database, DatabaseSchema, RowChange, Uuid};
use serde_json::{Value, json};

const SCHEMA: &str = r#"{"name":"D","version":"1.0.0","tables":{
    "T":{"isRoot":true,"indexes":[["name"]],"columns":{
        "name":{"type":"string"},"n":{"type":"integer"}}}}}"#;

fn with<T>(server: &mut Server, act: impl FnOnce(&mut Server, &mut Environment<'_>) -> T) -> T {
    let mut environment = Environment {
        wall: 0,
        now: 0,
        new_uuid: &mut Uuid::new_v4,
    };
    act(server, &mut environment)
}

/// Everything that a session was told since the last time.
fn told(server: &mut Server, session: SessionId) -> Vec<Value> {
    let bytes: Vec<u8> = std::iter::from_fn(|| server.poll_output(session))
        .flatten()
        .collect();
    let messages = serde_json::Deserializer::from_slice(&bytes).into_iter();
    messages.map(Result::unwrap).collect()
}

fn ask(server: &mut Server, session: SessionId, method: &str, params: &Value) {
    let text = json!({"id": method, "method": method, "params": params}).to_string();
    with(server, |server, environment| {
        server.receive(session, text.as_bytes(), environment);
    });
}

/// A source, a relay of it, and the wire between.
struct World {
    source: Server,
    at_source: Option<SessionId>,
    relay: Server,
    mirror: DatabaseId,
    upstream: Session,
    /// A schema whose rows have not come yet.
    schema: Option<Arc<DatabaseSchema>>,
    sent: Vec<(ovsdb::client::RequestId, u64)>,
    client: SessionId,
}

impl World {
    fn new() -> Self {
        let mut source = Server::new(Uuid::from_u128(1), Limits::default());
        let schema = DatabaseSchema::from_json_text(SCHEMA).unwrap();
        source.add_database(Database::new(Arc::new(schema)));
        let mut relay = Server::new(Uuid::from_u128(2), Limits::default());
        let mirror = relay.add_mirror("D").unwrap();
        let client = relay.connect();
        ask(&mut relay, client, "set_db_change_aware", &json!([true]));
        told(&mut relay, client);
        Self {
            source,
            at_source: None,
            relay,
            mirror,
            upstream: Session::new(Config::mirror("D").unwrap()),
            schema: None,
            sent: Vec::new(),
            client,
        }
    }

    fn connect(&mut self) {
        self.at_source = Some(self.source.connect());
        self.upstream.handle_connected(Instant::now());
        self.pump();
    }

    fn disconnect(&mut self) {
        if let Some(session) = self.at_source.take() {
            self.source.disconnect(session);
        }
        self.upstream.handle_disconnected();
        self.relay.set_mirror_live(self.mirror, false);
        self.relay.set_mirror_connected(self.mirror, false);
        self.take_events();
    }

    fn pump(&mut self) {
        for _ in 0..10 {
            while let Some(forward) = self.relay.poll_forward() {
                let id = self.upstream.forward(&forward.operations).unwrap();
                self.sent.push((id, forward.number));
            }
            while let Some(bytes) = self.upstream.poll_output() {
                let session = self.at_source.unwrap();
                with(&mut self.source, |server, environment| {
                    server.receive(session, &bytes, environment);
                });
            }
            while let Some(staged) = self.source.poll_commit() {
                self.source.durable(staged.database, staged.commit.revision);
            }
            with(&mut self.source, |server, environment| {
                server.proceed(environment);
            });
            while let Some(bytes) = self.at_source.and_then(|s| self.source.poll_output(s)) {
                self.upstream.handle_bytes(&bytes, Instant::now()).unwrap();
            }
            self.take_events();
        }
    }

    fn take_events(&mut self) {
        while let Some(event) = self.upstream.poll_event() {
            match event {
                Event::Schema(schema) => self.schema = Some(schema),
                Event::Mirrored(id, rows) => self.rows(id, rows),
                Event::Connected => {
                    if self.schema.is_some() {
                        self.rows(None, Vec::new());
                    }
                    self.relay.set_mirror_live(self.mirror, true);
                    self.relay.set_mirror_connected(self.mirror, true);
                }
                Event::Forwarded(id, answer) => {
                    let at = self.sent.iter().position(|sent| sent.0 == id).unwrap();
                    let (_, number) = self.sent.remove(at);
                    self.relay.forwarded(self.mirror, number, answer);
                }
                _ => {}
            }
        }
    }

    fn rows(&mut self, id: Option<Uuid>, rows: Vec<RowChange>) {
        let mirror = self.mirror;
        match self.schema.take() {
            Some(schema) => self.relay.mirror_replaced(mirror, &schema, id, rows),
            None => with(&mut self.relay, |server, environment| {
                server.mirror_changed(mirror, id, rows, environment);
            }),
        }
    }

    /// Asks the relay and gives all that the client was told.
    fn ask(&mut self, method: &str, params: &Value) -> Vec<Value> {
        ask(&mut self.relay, self.client, method, params);
        self.pump_if_connected();
        told(&mut self.relay, self.client)
    }

    fn pump_if_connected(&mut self) {
        if self.at_source.is_some() {
            self.pump();
        }
    }

    /// The row of the relay about the database.
    fn described(&mut self) -> Value {
        let columns = ["model", "connected", "leader", "schema", "index"];
        let select = json!({"op": "select", "table": "Database", "columns": columns,
            "where": [["name", "==", "D"]]});
        let told = self.ask("transact", &json!(["_Server", select]));
        told[0]["result"][0]["rows"][0].clone()
    }
}

fn insert(name: &str) -> Value {
    json!({"op": "insert", "table": "T", "row": {"name": name}})
}

#[test]
fn what_is_written_at_a_relay_is_in_its_source() {
    let mut world = World::new();
    let none = json!(["set", []]);
    assert_eq!(
        world.described(),
        json!({"model": "relay", "connected": false, "leader": false, "schema": none, "index": none})
    );
    let told = world.ask("get_schema", &json!(["D"]));
    assert_eq!(told[0]["error"]["error"], "database not available");
    world.connect();
    let described = world.described();
    assert_eq!(
        (&described["connected"], &described["leader"]),
        (&json!(true), &json!(false))
    );
    let schema: Value = serde_json::from_str(described["schema"].as_str().unwrap()).unwrap();
    assert_eq!(schema["name"], "D");

    let monitor = json!(["D", "m", {"T": [{"columns": ["name"]}]}]);
    world.ask("monitor", &monitor);
    // First the change, then the answer.
    let told = world.ask("transact", &json!(["D", insert("a")]));
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0]["method"], "update");
    let uuid = &told[1]["result"][0]["uuid"][1];
    assert!(told[0]["params"][1]["T"][uuid.as_str().unwrap()].is_object());
    // Errors are the source's.
    let told = world.ask("transact", &json!(["D", insert("a")]));
    assert_eq!(told[0]["result"][1]["error"], "constraint violation");
    // Reading needs no source, and both know the state by the same id.
    let select = json!({"op": "select", "table": "T", "where": [], "columns": ["name"]});
    let source = world.source.database_id("D").unwrap();
    let last = world.source.database(source).last_id();
    world.disconnect();
    assert_eq!(world.described()["connected"], false);
    let told = world.ask("transact", &json!(["D", select]));
    assert_eq!(told[0]["result"][0]["rows"], json!([{"name": "a"}]));
    assert_eq!(world.relay.database(world.mirror).last_id(), last);
}

#[test]
fn what_waits_for_the_source() {
    let mut world = World::new();
    world.connect();
    world.ask(
        "monitor",
        &json!(["D", "m", {"T": [{"columns": ["name"]}]}]),
    );
    world.ask("transact", &json!(["D", insert("a")]));
    world.disconnect();
    // What was not sent is sent when the source is there again, in its order.
    for name in ["b", "c"] {
        assert!(
            world
                .ask("transact", &json!(["D", insert(name)]))
                .is_empty()
        );
    }
    world.connect();
    let told = told(&mut world.relay, world.client);
    let methods: Vec<bool> = told.iter().map(|it| it["method"] == "update").collect();
    assert_eq!(methods, [true, false, true, false]);
    // Whether what was sent is carried out is unknown when the connection ends before the answer.
    ask(
        &mut world.relay,
        world.client,
        "transact",
        &json!(["D", insert("d")]),
    );
    let forward = world.relay.poll_forward().unwrap();
    let id = world.upstream.forward(&forward.operations).unwrap();
    world.sent.push((id, forward.number));
    world.disconnect();
    let told = self::told(&mut world.relay, world.client);
    assert_eq!(told[0]["error"], "canceled");
    // A wait is for the relay to see come true.
    world.connect();
    let wait = |name: &str| {
        json!({"op": "wait", "table": "T", "timeout": 0, "columns": ["name"], "until": "==",
            "where": [["name", "==", name]], "rows": [{"name": name}]})
    };
    let told = world.ask("transact", &json!(["D", wait("x"), insert("y")]));
    assert_eq!(told[0]["result"][0]["error"], "timed out");
    let told = world.ask("transact", &json!(["D", wait("a"), insert("y")]));
    assert_eq!(told.len(), 2, "{told:?}");
    // A session that ends leaves nothing behind.
    world.disconnect();
    ask(
        &mut world.relay,
        world.client,
        "transact",
        &json!(["D", insert("z")]),
    );
    world.relay.disconnect(world.client);
    world.client = world.relay.connect();
    world.connect();
    let source = world.source.database_id("D").unwrap();
    assert_eq!(world.source.database(source).row_count(0), 4);
    assert!(world.relay.poll_forward().is_none());
}

#[test]
fn a_schema_that_changes_at_the_source() {
    let mut world = World::new();
    world.connect();
    world.ask("transact", &json!(["D", insert("a")]));
    world.ask("set_db_change_aware", &json!([true]));
    world.ask("monitor", &json!(["D", "m", {"T": [{}]}]));
    let unaware = world.relay.connect();
    ask(
        &mut world.relay,
        unaware,
        "monitor",
        &json!(["D", 1, {"T": [{}]}]),
    );
    let told = world.ask(
        "convert",
        &json!(["D", serde_json::from_str::<Value>(SCHEMA).unwrap()]),
    );
    assert_eq!(told[0]["error"]["error"], "not supported");

    let new = SCHEMA.replace(r#""n":{"type":"integer"}"#, r#""m":{"type":"string"}"#);
    let at_source = world.source.connect();
    let params = json!(["D", serde_json::from_str::<Value>(&new).unwrap()]);
    ask(&mut world.source, at_source, "convert", &params);
    let staged = world.source.poll_conversion(100).unwrap();
    let carried = staged.carry_over(1);
    let replacement = world.source.carried_over(carried).unwrap();
    world.source.converted(replacement.database);
    world.pump();
    let told = self::told(&mut world.relay, world.client);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["method"], &told[0]["params"]),
        (&json!("monitor_canceled"), &json!(["m"]))
    );
    let (closed, _) = world.relay.poll_close().unwrap();
    assert_eq!(closed, unaware);
    let told = world.ask(
        "transact",
        &json!(["D", {"op": "select", "table": "T", "where": [],
        "columns": ["name", "m"]}]),
    );
    assert_eq!(
        told[0]["result"][0]["rows"],
        json!([{"name": "a", "m": ""}])
    );
    // An answer that comes when nobody waits for it, or for a mirror that is gone, does no harm.
    let lost: Result<Answer, TransactError> = Err(TransactError::Lost);
    world.relay.forwarded(world.mirror, 99, lost.clone());
    world.disconnect();
    assert!(world.ask("transact", &json!(["D", insert("b")])).is_empty());
    world.relay.remove_database("D").unwrap();
    let told = self::told(&mut world.relay, world.client);
    assert_eq!(told[0]["error"], "canceled");
    world.relay.forwarded(world.mirror, 1, lost);
}

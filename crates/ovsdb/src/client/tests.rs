//! Sessions on virtual time: against the server of this crate, and against scripted servers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::server::{Environment, Limits, Server, SessionId};
use crate::{Database, Operation, Row};

const SCHEMA: &str = r#"{"name":"D","version":"1.0.0","tables":{
    "T":{"isRoot":true,"columns":{
        "n":{"type":"integer"},
        "s":{"type":{"key":"string","min":0,"max":"unlimited"}},
        "m":{"type":{"key":"string","value":"integer","min":0,"max":"unlimited"}}}},
    "U":{"isRoot":true,"columns":{"x":{"type":{"key":"integer","min":0,"max":1}}}}}}"#;

fn schema() -> Arc<DatabaseSchema> {
    Arc::new(DatabaseSchema::from_json_text(SCHEMA).unwrap())
}

/// A session and a server, with a wire between them that cuts messages into pieces.
struct Pair {
    server: Server,
    connection: Option<SessionId>,
    writer: SessionId,
    session: Session,
    now: Instant,
    uuids: u128,
    piece: usize,
    /// The sum of the changes that were given out.
    sum: BTreeMap<(Str, Uuid), Arc<Row>>,
    events: Vec<Event>,
}

impl Pair {
    fn new(config: Config, piece: usize) -> Self {
        let mut server = Server::new(Uuid::from_u128(1), Limits::default());
        server.add_database(Database::new(schema()));
        let writer = server.connect();
        Self {
            server,
            connection: None,
            writer,
            session: Session::new(config),
            now: Instant::now(),
            uuids: 100,
            piece,
            sum: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    fn connect(&mut self) {
        self.disconnect();
        self.connection = Some(self.server.connect());
        self.session.handle_connected(self.now);
        self.pump();
    }

    fn disconnect(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.server.disconnect(connection);
            self.session.handle_disconnected();
            self.take_events();
        }
    }

    /// Lets everything that is under way arrive.
    fn pump(&mut self) {
        while self.exchange() {}
    }

    /// Carries what there is to the server, and its answers back; whether there was anything.
    fn exchange(&mut self) -> bool {
        let mut idle = true;
        while let Some(bytes) = self.session.poll_output() {
            idle = false;
            let Some(connection) = self.connection else {
                continue;
            };
            let uuids = &mut self.uuids;
            let mut environment = Environment {
                wall: 0,
                now: 0,
                new_uuid: &mut || {
                    *uuids += 1;
                    Uuid::from_u128(*uuids)
                },
            };
            self.server.receive(connection, &bytes, &mut environment);
        }
        while let Some(staged) = self.server.poll_commit() {
            self.server.durable(staged.database, staged.commit.revision);
        }
        while let Some(bytes) = self.connection.and_then(|c| self.server.poll_output(c)) {
            idle = false;
            for piece in bytes.chunks(self.piece) {
                self.session.handle_bytes(piece, self.now).unwrap();
            }
        }
        self.take_events();
        !idle
    }

    fn take_events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            if let Event::Changes(changes) = &event {
                assert!(!changes.is_empty());
                for change in changes {
                    let key = (change.table.clone(), change.uuid);
                    assert_ne!(change.old, change.new);
                    assert_eq!(self.sum.get(&key), change.old.as_ref(), "{change:?}");
                    match &change.new {
                        Some(row) => drop(self.sum.insert(key, Arc::clone(row))),
                        None => drop(self.sum.remove(&key)),
                    }
                }
            }
            self.events.push(event);
        }
    }

    /// A transaction of somebody else.
    fn write(&mut self, operations: &[Operation]) {
        let database = self.server.database_id("D").unwrap();
        let uuids = &mut self.uuids;
        let mut environment = Environment {
            wall: 0,
            now: 0,
            new_uuid: &mut || {
                *uuids += 1;
                Uuid::from_u128(*uuids)
            },
        };
        // One that the database refuses is as good as any other.
        let _ = self
            .server
            .submit(self.writer, database, operations.to_vec(), &mut environment);
        self.pump();
    }

    /// What the server holds, as far as the conditions let it be seen.
    fn truth(&self, rows: &[Rows; 2]) -> BTreeMap<(Str, Uuid), Arc<Row>> {
        let wanted = |table: &str, row: &Row| match &rows[usize::from(table == "U")] {
            Rows::All => true,
            Rows::None => false,
            Rows::Any(clauses) => clauses.iter().any(|clause| match clause {
                Condition::Clause { value, .. } => row[0] == *value,
                Condition::Always(all) => *all,
            }),
        };
        let database = self.server.database(self.server.database_id("D").unwrap());
        let contents = database
            .contents()
            .filter_map(|c| Some((c.table, c.uuid, c.new?)));
        contents
            .filter(|(table, _, row)| wanted(table, row))
            .map(|(table, uuid, row)| ((table, uuid), row))
            .collect()
    }

    /// Another server with the same content takes the place of this one; it knows none of its history.
    fn replace_server(&mut self) {
        self.disconnect();
        let old = self.server.database(self.server.database_id("D").unwrap());
        let database = crate::tool::carry_over(old, &schema(), 0).unwrap();
        self.server = Server::new(Uuid::from_u128(2), Limits::default());
        self.server.add_database(database);
        self.writer = self.server.connect();
    }
}

/// What happens to a pair.
#[derive(Debug, Clone)]
enum Step {
    Write(Vec<Operation>),
    Transact(Vec<Operation>),
    /// Conditions of T and of U, one behind the other.
    Rows(Vec<(bool, Rows)>),
    /// The same, and then the connection ends before the server has heard of all.
    RowsAndCut(Vec<(bool, Rows)>, usize),
    Connect,
    Disconnect,
    ReplaceServer,
}

fn operation() -> impl Strategy<Value = Operation> {
    let small = 0..4_i64;
    let names = || proptest::collection::btree_set("[a-d]", 0..4).prop_map(Datum::set);
    let pairs = || proptest::collection::btree_map("[a-d]", 0..3_i64, 0..4).prop_map(Datum::map);
    let insert = |table: &'static str, row: Vec<(Str, Datum)>| Operation::Insert {
        table: table.into(),
        uuid: None,
        uuid_name: None,
        row,
    };
    prop_oneof![
        (small.clone(), names(), pairs()).prop_map(move |(n, s, m)| {
            insert(
                "T",
                vec![("n".into(), n.into()), ("s".into(), s), ("m".into(), m)],
            )
        }),
        small
            .clone()
            .prop_map(move |x| insert("U", vec![("x".into(), x.into())])),
        (small.clone(), small.clone(), names(), pairs()).prop_map(|(which, n, s, m)| {
            Operation::Update {
                table: "T".into(),
                condition: vec![Condition::equal("n", which)],
                row: vec![("n".into(), n.into()), ("s".into(), s), ("m".into(), m)],
            }
        }),
        small.clone().prop_map(|x| Operation::Update {
            table: "U".into(),
            condition: vec![Condition::equal("x", x)],
            row: vec![("x".into(), Datum::EMPTY_SET)],
        }),
        small.prop_map(|n| Operation::Delete {
            table: "T".into(),
            condition: vec![Condition::equal("n", n)],
        }),
    ]
}

fn rows() -> impl Strategy<Value = Vec<(bool, Rows)>> {
    let some = |of_u: bool| {
        let column = if of_u { "x" } else { "n" };
        let rows = prop_oneof![
            Just(Rows::All),
            Just(Rows::None),
            proptest::collection::vec(0..4_i64, 0..3)
                .prop_map(move |some| Rows::one_of(column, some)),
        ];
        rows.prop_map(move |rows| (of_u, rows))
    };
    proptest::collection::vec(proptest::bool::ANY.prop_flat_map(some), 1..4)
}

fn step() -> impl Strategy<Value = Step> {
    let operations = || proptest::collection::vec(operation(), 1..4);
    prop_oneof![
        5 => operations().prop_map(Step::Write),
        2 => operations().prop_map(Step::Transact),
        2 => rows().prop_map(Step::Rows),
        1 => (rows(), 0..3_usize).prop_map(|(rows, heard)| Step::RowsAndCut(rows, heard)),
        1 => Just(Step::Connect),
        1 => Just(Step::Disconnect),
        1 => Just(Step::ReplaceServer),
    ]
}

proptest! {
    /// Whatever happens, the changes sum up to the replica, and after a connection the replica is what
    /// the server holds.
    #[test]
    fn the_replica_follows(
        steps in proptest::collection::vec(step(), 1..40),
        piece in 1..200_usize,
    ) {
        let mut pair = Pair::new(Config::all(schema()), piece);
        let mut rows = [Rows::All, Rows::All];
        let set = |pair: &mut Pair, rows: &mut [Rows; 2], changes: Vec<(bool, Rows)>| {
            for (of_u, wanted) in changes {
                let table = if of_u { "U" } else { "T" };
                pair.session.set_rows([(table.into(), wanted.clone())]);
                rows[usize::from(of_u)] = wanted;
            }
        };
        for step in steps {
            match step {
                Step::Write(operations) => pair.write(&operations),
                Step::Transact(operations) => {
                    let connected = pair.session.is_connected();
                    prop_assert_eq!(pair.session.transact(&operations).is_ok(), connected);
                    pair.pump();
                    prop_assert!(!pair.session.awaits_reply());
                }
                Step::Rows(changes) => {
                    set(&mut pair, &mut rows, changes);
                    pair.pump();
                }
                Step::RowsAndCut(changes, heard) => {
                    set(&mut pair, &mut rows, changes);
                    for _ in 0..heard {
                        pair.exchange();
                    }
                    pair.disconnect();
                }
                Step::Connect => pair.connect(),
                Step::Disconnect => pair.disconnect(),
                Step::ReplaceServer => pair.replace_server(),
            }
            if pair.session.is_connected() {
                prop_assert_eq!(&pair.sum, &pair.truth(&rows));
            }
        }
        pair.connect();
        prop_assert_eq!(&pair.sum, &pair.truth(&rows));
        prop_assert_eq!(pair.session.replica().len(), pair.sum.len());
    }
}

fn insert(n: i64) -> Operation {
    let row = vec![("n".into(), n.into())];
    Operation::Insert {
        table: "T".into(),
        uuid: None,
        uuid_name: None,
        row,
    }
}

#[test]
fn a_reconnection_asks_only_for_what_was_missed() {
    let mut pair = Pair::new(Config::all(schema()), 64);
    pair.write(&[insert(1)]);
    pair.connect();
    assert!(matches!(&pair.events[..], [Event::Changes(c), Event::Connected] if c.len() == 1));
    pair.disconnect();
    pair.write(&[insert(2)]);
    pair.events.clear();
    pair.connect();
    assert!(matches!(&pair.events[..], [Event::Changes(c), Event::Connected] if c.len() == 1));
    // Conditions that were set meanwhile are in force with the first view.
    pair.disconnect();
    pair.session.set_rows([("T".into(), Rows::None)]);
    pair.events.clear();
    pair.connect();
    let expected = [Event::Connected, Event::ConditionsApplied];
    assert!(
        matches!(&pair.events[..], [Event::Changes(c), rest @ ..] if c.len() == 2 && rest == expected)
    );
}

#[test]
fn transactions_end_with_their_connection() {
    let mut pair = Pair::new(Config::all(schema()), 64);
    assert_eq!(
        pair.session.transact(&[insert(1)]),
        Err(TransactError::NotConnected)
    );
    pair.connect();
    let id = pair.session.transact(&[insert(1)]).unwrap();
    assert!(pair.session.awaits_reply());
    pair.events.clear();
    pair.disconnect();
    assert_eq!(pair.events, [Event::Reply(id, Err(TransactError::Lost))]);
}

#[test]
fn silence_is_probed_and_then_the_end() {
    let mut pair = Pair::new(Config::all(schema()), 64);
    pair.connect();
    let interval = Duration::from_secs(5);
    let begin = pair.now;
    assert_eq!(pair.session.poll_timeout(), Some(begin + interval));
    pair.session.handle_timeout(begin + interval / 2).unwrap();
    assert_eq!(pair.session.poll_output(), None);
    pair.now = begin + interval;
    pair.session.handle_timeout(pair.now).unwrap();
    pair.pump();
    // The server has answered.
    assert_eq!(pair.session.poll_timeout(), Some(begin + 2 * interval));
    pair.session.handle_timeout(begin + 2 * interval).unwrap();
    let error = pair
        .session
        .handle_timeout(begin + 3 * interval)
        .unwrap_err();
    assert!(matches!(error, SessionError::Silent(_)));
}

/// A server that is played by the test.
struct Script {
    session: Session,
}

impl Script {
    fn start(config: Config) -> Self {
        let mut session = Session::new(config);
        session.handle_connected(Instant::now());
        let mut script = Self { session };
        script.begin();
        script
    }

    /// A server that does not describe itself.
    fn begin(&mut self) {
        self.expect("set_db_change_aware");
        let request = self.expect("monitor_cond");
        assert_eq!(request["params"][0], "_Server");
        self.refuse(&request);
    }

    /// The next request, which must have this method.
    fn expect(&mut self, method: &str) -> Value {
        let request = self.session.poll_output().expect(method);
        let request: Value = serde_json::from_slice(&request).unwrap();
        assert_eq!(request["method"], method);
        request
    }

    fn say(&mut self, message: &Value) -> Result<(), SessionError> {
        self.session
            .handle_bytes(message.to_string().as_bytes(), Instant::now())
    }

    fn reply(&mut self, request: &Value, result: &Value) {
        self.say(&json!({"id": request["id"], "result": result, "error": null}))
            .unwrap();
    }

    fn refuse(&mut self, request: &Value) {
        let error = json!({"error": "unknown method"});
        self.say(&json!({"id": request["id"], "result": null, "error": error}))
            .unwrap();
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }
}

const A: &str = "00000000-0000-4000-8000-00000000000a";

#[test]
fn a_server_of_the_rfc_alone() {
    let mut script = Script::start(Config::of_tables(schema(), ["U"]));
    let request = script.expect("get_schema");
    script.reply(&request, &serde_json::from_str(SCHEMA).unwrap());
    let request = script.expect("monitor_cond_since");
    script.refuse(&request);
    let request = script.expect("monitor_cond");
    script.refuse(&request);
    let request = script.expect("monitor");
    assert_eq!(request["params"][2], json!({"U": [{"columns": ["x"]}]}));
    script.reply(&request, &json!({"U": {A: {"new": {"x": 1}}}}));
    assert_eq!(script.events().len(), 2);
    let update = |change: Value| {
        let updates = json!({"U": {A: change}});
        json!({"id": null, "method": "update", "params": [["monid", "D"], updates]})
    };
    // The order of the members says nothing.
    script
        .say(&update(json!({"new": {"x": ["set", []]}, "old": {"x": 1}})))
        .unwrap();
    let events = script.events();
    let [Event::Changes(changes)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(changes[0].new.as_ref().unwrap()[0], Datum::EMPTY_SET);
    script
        .say(&update(json!({"old": {"x": ["set", []]}})))
        .unwrap();
    assert!(script.session.replica().is_empty());
    // Every row comes anyway, so a condition is in force at once.
    script.events();
    script.session.set_rows([("U".into(), Rows::None)]);
    assert_eq!(script.events(), [Event::ConditionsApplied]);
}

/// The row about the database in `_Server`.
fn described(schema: &str, index: u64) -> Value {
    let row = json!({"name": "D", "model": "clustered", "connected": true, "leader": true,
        "cid": ["uuid", A], "index": index, "schema": schema});
    json!({"Database": {A: {"initial": row}}})
}

/// Up to the monitor request, at a server that describes itself.
fn up_to_monitor(script: &mut Script, schema: &str, index: u64) -> Value {
    script.expect("set_db_change_aware");
    let request = script.expect("monitor_cond");
    script.reply(&request, &described(schema, index));
    let request = script.expect("get_schema");
    script.reply(&request, &serde_json::from_str(schema).unwrap());
    script.expect("monitor_cond_since")
}

#[test]
fn a_server_that_falls_behind_is_left() {
    let mut script = Script {
        session: Session::new(Config::all(schema())),
    };
    script.session.handle_connected(Instant::now());
    let request = up_to_monitor(&mut script, SCHEMA, 7);
    script.reply(&request, &json!([false, A, {}]));
    // It loses its cluster.
    let lost = json!({"id": null, "method": "update2", "params": [["monid", "_Server"],
        {"Database": {A: {"modify": {"connected": false}}}}]});
    let error = script.say(&lost).unwrap_err();
    let why = |error: &SessionError| match error {
        SessionError::Unsuitable { why, .. } => *why,
        other => panic!("{other}"),
    };
    assert_eq!(why(&error), Unsuitable::Disconnected);
    // The next one knows less than what was seen.
    script.session.handle_connected(Instant::now());
    script.expect("set_db_change_aware");
    let request = script.expect("monitor_cond");
    let reply = json!({"id": request["id"], "result": described(SCHEMA, 6), "error": null});
    let error = script.say(&reply).unwrap_err();
    assert_eq!(why(&error), Unsuitable::Stale { index: 6, seen: 7 });
    // The one after that is asked for the difference only.
    script.session.handle_connected(Instant::now());
    let request = up_to_monitor(&mut script, SCHEMA, 8);
    assert_eq!(request["params"][3], A);
}

#[test]
fn a_schema_that_changes_under_the_session() {
    let mut pair = Pair::new(Config::mirror("D").unwrap(), 64);
    pair.write(&[insert(1)]);
    pair.connect();
    let [
        Event::Schema(seen),
        Event::Mirrored(Some(id), rows),
        Event::Connected,
    ] = &pair.events[..]
    else {
        panic!("{:?}", pair.events)
    };
    assert_eq!((**seen).clone(), *schema());
    let database = pair.server.database_id("D").unwrap();
    assert_eq!(
        (*id, rows.len()),
        (pair.server.database(database).last_id(), 1)
    );
    // What is cancelled is asked for again, from the beginning.
    let mut script = Script {
        session: Session::new(Config::mirror("D").unwrap()),
    };
    script.session.handle_connected(Instant::now());
    let request = up_to_monitor(&mut script, SCHEMA, 1);
    script.reply(
        &request,
        &json!([false, A, {"T": {A: {"initial": {"n": 1}}}}]),
    );
    script.events();
    let forwarded = script.session.forward(r#" [{"op":"abort"}]"#).unwrap();
    let request = script.expect("transact");
    assert_eq!(request["params"], json!(["D", {"op": "abort"}]));
    script
        .say(&json!({"id": null, "method": "monitor_canceled", "params": [["monid", "D"]]}))
        .unwrap();
    script
        .say(&json!({"id": request["id"], "result": null, "error": "canceled"}))
        .unwrap();
    let canceled = Answer::Error("\"canceled\"".to_owned());
    assert_eq!(script.events(), [Event::Forwarded(forwarded, Ok(canceled))]);
    script.expect("monitor_cancel");
    let request = script.expect("monitor_cond");
    let new =
        r#"{"name":"D","version":"2.0.0","tables":{"V":{"columns":{"y":{"type":"string"}}}}}"#;
    // Some servers describe the old schema still.
    script.reply(&request, &described(SCHEMA, 2));
    let request = script.expect("get_schema");
    script.reply(&request, &serde_json::from_str(new).unwrap());
    let request = script.expect("monitor_cond_since");
    assert_eq!(
        request["params"][2],
        json!({"V": [{"columns": ["y"], "where": [true]}]})
    );
    assert_eq!(request["params"][3], Uuid::nil().to_string());
    script.reply(
        &request,
        &json!([false, A, {"V": {A: {"initial": {"y": "z"}}}}]),
    );
    let events = script.events();
    let [
        Event::Schema(schema),
        Event::Mirrored(_, rows),
        Event::Connected,
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(
        (schema.version.as_str(), rows[0].old.is_none()),
        ("2.0.0", true)
    );
}

#[test]
fn what_a_server_must_not_say() {
    let connect = || {
        let mut script = Script::start(Config::all(schema()));
        let request = script.expect("get_schema");
        script.reply(&request, &serde_json::from_str(SCHEMA).unwrap());
        let request = script.expect("monitor_cond_since");
        script.reply(&request, &json!([false, A, {}]));
        script
    };
    let update = |updates: Value| json!({"id": null, "method": "update3", "params": [["monid", "D"], A, updates]});
    for bad in [
        json!({"T": {A: {"modify": {"n": 1}}}}),
        json!({"T": {A: {"insert": {"n": "text"}}}}),
        json!({"T": {A: {"insert": {"s": ["set", [1]]}}}}),
        json!({"T": {A: {"insert": {"m": ["map", [["a"]]]}}}}),
        json!({"T": {"no uuid": {"delete": null}}}),
        json!({"T": {A: {"upsert": {}}}}),
        json!({"T": 7}),
    ] {
        let mut script = connect();
        assert!(script.say(&update(bad.clone())).is_err(), "{bad}");
        // The session can be used again.
        script.session.handle_connected(Instant::now());
        script.begin();
        let request = script.expect("get_schema");
        script.reply(&request, &serde_json::from_str(SCHEMA).unwrap());
        script.expect("monitor_cond_since");
    }
    let mut script = connect();
    // What is not asked for is passed over.
    script
        .say(&update(json!({"V": {A: {"insert": {"q": [[]]}}}})))
        .unwrap();
    script
        .say(&json!({"id": 99, "result": {}, "error": null}))
        .unwrap();
    script
        .say(&json!({"id": null, "method": "stolen", "params": ["other"]}))
        .unwrap();
    assert!(script.session.handle_bytes(b"[]", Instant::now()).is_err());
}

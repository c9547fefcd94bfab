//! Several servers over one log: they agree, and no client can tell but by the time that things take.

#![allow(
    clippy::unwrap_used,
    reason = "this is a test, also where it is not marked so"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ovsdb::server::{CloseReason, SessionId};
use ovsdb::{DatabaseSchema, Uuid};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::node::{Node, settle};
use support::shared_log::Cluster;

const SCHEMA: &str = r#"{"name":"D","version":"1.0.0","tables":{
    "Counter":{"isRoot":true,"indexes":[["name"]],"columns":{
        "name":{"type":"string"},"value":{"type":"integer"},
        "seen":{"type":"integer","ephemeral":true}}},
    "Entry":{"isRoot":true,"columns":{"token":{"type":"integer"}}}}}"#;

fn cluster() -> Cluster {
    Cluster::new(&DatabaseSchema::from_json_text(SCHEMA).unwrap())
}

fn nodes<const N: usize>(cluster: &Cluster) -> [Node; N] {
    std::array::from_fn(|at| Node::join(cluster, at as u64 + 1))
}

type Rows = BTreeMap<(String, String), BTreeMap<String, Value>>;

/// Whether a value is not the default of its column.
fn is_something(value: &Value) -> bool {
    *value != json!(0) && *value != json!("")
}

/// All rows, without what is the default.
fn contents(node: &Node) -> Rows {
    let rows = node.db().contents().map(|change| {
        let table = node.db().schema().table(&change.table).unwrap();
        let names = table.columns().iter().map(|column| column.name.to_string());
        let row = change.new.unwrap();
        let values = row.iter().map(|value| serde_json::to_value(value).unwrap());
        let columns = names.zip(values).filter(|(_, value)| is_something(value));
        let key = (change.table.to_string(), change.uuid.to_string());
        (key, columns.collect())
    });
    rows.collect()
}

fn create(name: &str) -> Value {
    json!({"op": "insert", "table": "Counter", "row": {"name": name}})
}

fn increment(name: &str) -> [Value; 2] {
    let condition = json!([["name", "==", name]]);
    [
        json!({"op": "select", "table": "Counter", "where": condition, "columns": ["value"]}),
        json!({"op": "mutate", "table": "Counter", "where": condition,
            "mutations": [["value", "+=", 1]]}),
    ]
}

fn transact(operations: &[Value]) -> Value {
    let mut params = vec![json!("D")];
    params.extend(operations.iter().cloned());
    Value::Array(params)
}

fn counter(node: &Node, name: &str) -> i64 {
    let mut rows = contents(node).into_values();
    let row = rows.find(|row| row.get("name") == Some(&json!(name)));
    let row = row.expect("there is a counter of that name");
    row.get("value").map_or(0, |value| value.as_i64().unwrap())
}

fn assert_agreement(nodes: &[Node]) {
    for node in &nodes[1..] {
        assert_eq!(contents(node), contents(&nodes[0]));
        assert_eq!(node.db().last_id(), nodes[0].db().last_id());
    }
}

#[test]
fn who_comes_second_is_carried_out_again() {
    let cluster = cluster();
    let mut nodes: [Node; 2] = nodes(&cluster);
    let sessions = [0, 1].map(|at| nodes[at].server.connect());
    nodes[0].send(sessions[0], 1, "transact", &transact(&[create("a")]));
    settle(&mut nodes);
    nodes[0].output(sessions[0]);
    let monitor = json!(["D", "m", {"Counter": {"columns": ["value"]}}]);
    nodes[1].send(sessions[1], 1, "monitor_cond_since", &monitor);
    nodes[1].output(sessions[1]);
    // Both execute on the same state.
    for at in [0, 1] {
        nodes[at].send(sessions[at], 2, "transact", &transact(&increment("a")));
        assert_eq!(counter(&nodes[at], "a"), 1);
    }
    assert!(nodes[0].write(1) && nodes[1].write(1));
    assert!(nodes[0].hear());
    let first = nodes[0].output(sessions[0]);
    assert_eq!(first[0]["result"][0]["rows"], json!([{"value": 0}]));
    assert_eq!(nodes[1].output(sessions[1]), Vec::<Value>::new());
    settle(&mut nodes);
    assert_eq!(
        nodes[1].rebases, 2,
        "once for the row, once for the increment"
    );
    // The change of the other, its own, and the reply that is true of both.
    let heard = nodes[1].output(sessions[1]);
    let update = |value: i64| {
        let row = heard[usize::try_from(value).unwrap() - 1]["params"][2]["Counter"].clone();
        row.as_object().unwrap().values().next().unwrap()["modify"]["value"].clone()
    };
    assert_eq!((heard.len(), update(1), update(2)), (3, json!(1), json!(2)));
    assert_eq!(heard[2]["result"][0]["rows"], json!([{"value": 1}]));
    assert_agreement(&nodes);
    assert_eq!(counter(&nodes[0], "a"), 2);
}

#[test]
fn a_client_moves_between_servers_and_is_told_what_it_missed() {
    let cluster = cluster();
    let mut nodes: Vec<Node> = Vec::from(nodes::<2>(&cluster));
    let writer = nodes[0].server.connect();
    nodes[0].send(writer, 1, "transact", &transact(&[create("a")]));
    settle(&mut nodes);
    let session = nodes[1].server.connect();
    let mut replica = Replica::default();
    replica.begin(&mut nodes[1], session);
    assert!(!replica.take(&mut nodes[1], session));
    for round in 0..6 {
        // Also what is ephemeral is the same everywhere.
        let seen = json!({"op": "update", "table": "Counter", "where": [], "row": {"seen": round}});
        nodes[0].send(writer, 2, "transact", &transact(&increment("a")));
        nodes[0].send(writer, 3, "transact", &transact(&[seen]));
        settle(&mut nodes);
        if round == 3 {
            // This one only knows the snapshot, and what comes after it.
            nodes[0].compact();
            assert_eq!(cluster.kept(), 0);
            nodes.push(Node::join(&cluster, 99));
            settle(&mut nodes);
            assert_agreement(&nodes);
            // Whoever was up to date then has missed nothing.
            let session = nodes[1].server.connect();
            replica.begin(&mut nodes[1], session);
            assert!(replica.take(&mut nodes[1], session));
            continue;
        }
        let at = nodes.len() - 1 - usize::try_from(round % 2).unwrap();
        let session = nodes[at].server.connect();
        replica.begin(&mut nodes[at], session);
        assert!(replica.take(&mut nodes[at], session), "round {round}");
        assert_eq!(replica.rows, contents(&nodes[at]));
    }
    assert_agreement(&nodes);
}

#[test]
fn a_server_that_fell_behind_a_truncation_shows_the_difference() {
    let cluster = cluster();
    let mut nodes: [Node; 2] = nodes(&cluster);
    let [writer, reader] = [0, 1].map(|at| nodes[at].server.connect());
    nodes[0].send(
        writer,
        1,
        "transact",
        &transact(&[create("a"), create("b")]),
    );
    settle(&mut nodes);
    let mut replica = Replica::default();
    replica.begin(&mut nodes[1], reader);
    replica.take(&mut nodes[1], reader);
    nodes[0].send(writer, 2, "transact", &transact(&increment("b")));
    let delete = json!({"op": "delete", "table": "Counter", "where": [["name", "==", "a"]]});
    nodes[0].send(writer, 3, "transact", &transact(&[delete, create("c")]));
    // The other is not told, has work of its own, and then what it missed is gone.
    nodes[1].send(reader, 4, "transact", &transact(&increment("b")));
    while nodes[0].write(1) && nodes[0].hear() {}
    nodes[0].compact();
    assert_eq!(cluster.kept(), 0);
    settle(&mut nodes);
    assert_agreement(&nodes);
    assert_eq!(counter(&nodes[1], "b"), 2);
    replica.take(&mut nodes[1], reader);
    assert_eq!(replica.rows, contents(&nodes[1]));
}

#[test]
fn without_connection_it_can_be_read_and_not_written() {
    let cluster = cluster();
    let mut nodes: [Node; 2] = nodes(&cluster);
    let [a, b] = [(); 2].map(|()| nodes[0].server.connect());
    nodes[0].send(a, 1, "transact", &transact(&[create("a")]));
    settle(&mut nodes);
    nodes[0].output(a);
    let list = json!(["_Server", "s", {"Database": {"columns": ["connected", "leader", "model"],
        "where": [["name", "==", "D"]]}}]);
    nodes[0].send(b, 1, "monitor_cond", &list);
    let shown = nodes[0].output(b)[0]["result"]["Database"].clone();
    let row = shown.as_object().unwrap().values().next().unwrap().clone();
    let expected = json!({"initial": {"connected": true, "leader": true, "model": "clustered"}});
    assert_eq!(row, expected);
    // One is on its way when the connection goes, and arrives.
    nodes[0].send(a, 2, "transact", &transact(&increment("a")));
    nodes[0].write(1);
    nodes[0].set_connected(false);
    assert_eq!(nodes[0].output(b)[0]["method"], "update2");
    nodes[0].send(b, 3, "transact", &transact(&increment("a")));
    nodes[0].send(b, 4, "transact", &transact(&increment("a")[..1]));
    let monitor = json!(["D", "m", {"Counter": {"columns": ["value"]}}]);
    nodes[0].send(b, 5, "monitor_cond", &monitor);
    let answers = nodes[0].output(b);
    assert_eq!(answers[0]["result"][1]["error"], "not allowed");
    let details = answers[0]["result"][1]["details"].as_str().unwrap();
    assert!(details.contains("lost the cluster"), "{details}");
    // What is read is what is known to be in the log.
    assert_eq!(answers[1]["result"][0]["rows"], json!([{"value": 0}]));
    assert_eq!(answers[2]["id"], 5);
    assert_eq!(nodes[0].output(a), Vec::<Value>::new());
    // It was written, and now that is known.
    nodes[0].hear();
    assert_eq!(nodes[0].output(a)[0]["id"], 2);
    let heard = nodes[0].output(b);
    assert_eq!((heard.len(), &heard[0]["method"]), (1, &json!("update2")));
    settle(&mut nodes);
    nodes[0].send(b, 6, "transact", &transact(&increment("a")));
    settle(&mut nodes);
    assert_eq!(counter(&nodes[1], "a"), 2);
    assert_agreement(&nodes);
}

#[test]
fn a_lock_is_held_by_one_session_of_all_servers() {
    let cluster = cluster();
    let mut nodes: [Node; 2] = nodes(&cluster);
    let [a, b] = [0, 1].map(|at| nodes[at].server.connect());
    nodes[0].send(a, 1, "transact", &transact(&[create("a")]));
    settle(&mut nodes);
    nodes[0].output(a);
    nodes[0].send(a, 2, "lock", &json!(["l"]));
    nodes[1].send(b, 2, "lock", &json!(["l"]));
    settle(&mut nodes);
    let locked = json!({"id": null, "method": "locked", "params": ["l"]});
    let answered = |answers: &[Value]| answers[0]["result"] == json!({"locked": false});
    let answers = nodes[0].output(a);
    assert!(answered(&answers) && answers[1..] == [locked.clone()]);
    let answers = nodes[1].output(b);
    assert!(answered(&answers) && answers.len() == 1);
    let mut guarded = vec![json!({"op": "assert", "lock": "l"})];
    guarded.extend(increment("a"));
    // It is stolen while a transaction that needs it is on its way.
    nodes[0].send(a, 3, "transact", &transact(&guarded));
    nodes[0].send(a, 4, "transact", &transact(&increment("a")));
    nodes[1].send(b, 3, "unlock", &json!(["l"]));
    nodes[1].send(b, 4, "steal", &json!(["l"]));
    assert_eq!(
        nodes[1].output(b).len(),
        1,
        "a theft is answered when it is done"
    );
    settle(&mut nodes);
    assert_eq!(nodes[1].output(b)[0]["result"], json!({"locked": true}));
    let heard = nodes[0].output(a);
    let stolen = json!({"id": null, "method": "stolen", "params": ["l"]});
    assert!(heard.contains(&stolen), "{heard:?}");
    let reply = |id: u64| heard.iter().find(|it| it["id"] == id).unwrap().clone();
    assert_eq!(reply(3)["result"][0]["error"], "not owner");
    assert_eq!(reply(4)["result"][0]["rows"], json!([{"value": 0}]));
    // Whoever it was stolen from gets it back.
    nodes[1].server.disconnect(b);
    nodes[1].send(b, 9, "echo", &json!([]));
    settle(&mut nodes);
    assert_eq!(nodes[0].output(a), [locked]);
    nodes[0].send(a, 5, "transact", &transact(&guarded));
    settle(&mut nodes);
    assert_eq!(counter(&nodes[1], "a"), 2);
}

#[test]
fn a_conversion_loses_nothing_that_others_wrote() {
    let cluster = cluster();
    let mut nodes: [Node; 2] = nodes(&cluster);
    let [a, b] = [0, 1].map(|at| nodes[at].server.connect());
    nodes[1].send(b, 1, "transact", &transact(&[create("a")]));
    settle(&mut nodes);
    let aware = nodes[1].server.connect();
    nodes[1].send(aware, 1, "set_db_change_aware", &json!([true]));
    let monitor = json!(["D", "m", {"Counter": {}}]);
    nodes[1].send(aware, 2, "monitor", &monitor);
    nodes[1].send(b, 2, "monitor", &monitor);
    nodes[1].output(aware);
    let schema = SCHEMA
        .replace("1.0.0", "2.0.0")
        .replace(r#""token":{"#, r#""more":{"type":"string"},"token":{"#);
    let schema: Value = serde_json::from_str(&schema).unwrap();
    nodes[0].send(a, 2, "convert", &json!(["D", schema]));
    // This waits for the conversion, and is then of the new schema.
    let entry = json!({"op": "insert", "table": "Entry", "row": {"token": 1, "more": "x"}});
    nodes[0].send(a, 3, "transact", &transact(&[entry]));
    nodes[1].send(b, 4, "transact", &transact(&increment("a")));
    assert!(nodes[1].write(1) && nodes[0].write(1));
    assert_eq!(nodes[0].output(a), Vec::<Value>::new());
    settle(&mut nodes);
    assert_agreement(&nodes);
    assert_eq!(
        (
            nodes[0].db().schema().version.as_str(),
            counter(&nodes[0], "a")
        ),
        ("2.0.0", 1)
    );
    let answers = nodes[0].output(a);
    assert_eq!(
        (&answers[0]["id"], &answers[0]["result"]),
        (&json!(2), &json!({}))
    );
    // Of those who cannot be told, only the one that asked is not cut off; what it sent is answered.
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert!(answers[1]["result"][0]["uuid"].is_array(), "{answers:?}");
    let closed = nodes[1].server.poll_close();
    assert_eq!(closed, Some((b, CloseReason::Converted("D".into()))));
    let told = nodes[1].output(aware);
    let canceled = json!({"id": null, "method": "monitor_canceled", "params": ["m"]});
    assert!(told.contains(&canceled), "{told:?}");
}

/// What a client knows by `monitor_cond_since`.
#[derive(Default)]
struct Replica {
    last: Uuid,
    rows: Rows,
}

impl Replica {
    fn begin(&self, node: &mut Node, session: SessionId) {
        let tables = json!({"Counter": {"columns": ["name", "seen", "value"]},
            "Entry": {"columns": ["token"]}});
        let params = json!(["D", "m", tables, self.last.to_string()]);
        node.send(session, 0, "monitor_cond_since", &params);
    }

    /// Takes what the server says; whether the answer was only what was missed.
    fn take(&mut self, node: &mut Node, session: SessionId) -> bool {
        let mut found = false;
        for message in node.output(session) {
            self.message(&message, &mut found);
        }
        found
    }

    fn message(&mut self, message: &Value, found: &mut bool) {
        let parts = if message["method"] == "update3" {
            message["params"].as_array().unwrap().clone()
        } else if message["id"] == 0 {
            *found = message["result"][0].as_bool().unwrap();
            if !*found {
                self.rows.clear();
            }
            message["result"].as_array().unwrap().clone()
        } else {
            return;
        };
        self.last = parts[1].as_str().unwrap().parse().unwrap();
        for (table, rows) in parts[2].as_object().unwrap() {
            for (uuid, change) in rows.as_object().unwrap() {
                let key = (table.clone(), uuid.clone());
                let (kind, columns) = change.as_object().unwrap().iter().next().unwrap();
                if kind == "delete" {
                    self.rows.remove(&key).unwrap();
                    continue;
                }
                let known = kind == "modify";
                assert_eq!(self.rows.contains_key(&key), known, "{message}");
                let row = self.rows.entry(key).or_default();
                for (column, value) in columns.as_object().unwrap() {
                    row.insert(column.clone(), value.clone());
                }
                row.retain(|_, value| is_something(value));
            }
        }
    }
}

/// A client of the property test, at one server after the other.
struct Client {
    at: usize,
    session: SessionId,
    replica: Replica,
    /// The tokens of what it asked for, by the id of the request.
    asked: HashMap<u64, i64>,
}

#[derive(Default)]
struct Ledger {
    next: u64,
    /// What clients were told that the counter was before they incremented it.
    reads: Vec<i64>,
    acknowledged: BTreeSet<i64>,
    refused: BTreeSet<i64>,
}

impl Client {
    fn connect(nodes: &mut [Node], at: usize, replica: Replica) -> Self {
        let session = nodes[at].server.connect();
        replica.begin(&mut nodes[at], session);
        Self {
            at,
            session,
            replica,
            asked: HashMap::new(),
        }
    }

    fn listen(&mut self, nodes: &mut [Node], ledger: &mut Ledger) {
        let mut found = false;
        for message in nodes[self.at].output(self.session) {
            self.replica.message(&message, &mut found);
            let Some(token) = message["id"].as_u64().and_then(|id| self.asked.remove(&id)) else {
                continue;
            };
            let results = message["result"].as_array().unwrap();
            if results.iter().any(|result| !result["error"].is_null()) {
                assert!(ledger.refused.insert(token));
                continue;
            }
            assert!(ledger.acknowledged.insert(token), "acknowledged twice");
            let reads = results
                .iter()
                .filter_map(|result| result["rows"][0]["value"].as_i64());
            ledger.reads.extend(reads);
        }
    }

    fn ask(&mut self, nodes: &mut [Node], ledger: &mut Ledger, kind: u8) {
        ledger.next += 1;
        let token = i64::try_from(ledger.next).unwrap();
        let entry = json!({"op": "insert", "table": "Entry", "row": {"token": token}});
        let wait = |timeout: Option<u64>, until: &str| {
            let mut wait = json!({"op": "wait", "table": "Counter", "where": [], "until": until,
                "columns": ["value"], "rows": [{"value": token % 20}]});
            if let Some(timeout) = timeout {
                wait["timeout"] = timeout.into();
            }
            wait
        };
        let seen = json!({"op": "update", "table": "Counter", "where": [], "row": {"seen": token}});
        let mut operations = match kind % 6 {
            0 => vec![json!({"op": "assert", "lock": "l"})],
            1 => vec![wait(Some(0), "==")],
            2 => vec![wait(None, "!=")],
            3 => vec![seen],
            _ => vec![],
        };
        operations.extend(increment("n"));
        operations.push(entry);
        self.asked.insert(ledger.next, token);
        nodes[self.at].send(
            self.session,
            ledger.next,
            "transact",
            &transact(&operations),
        );
    }
}

fn act(
    cluster: &Cluster,
    nodes: &mut Vec<Node>,
    clients: &mut [Client],
    ledger: &mut Ledger,
    step: (u8, u8, u8),
) {
    let (what, which, how) = step;
    let (at, who) = (
        usize::from(which) % nodes.len(),
        usize::from(which) % clients.len(),
    );
    nodes[at].now += u64::from(how);
    match what {
        0..=4 => clients[who].ask(nodes, ledger, how),
        5..=8 => drop(nodes[at].write(1 + usize::from(how % 4))),
        9..=12 => drop(nodes[at].hear()),
        13 | 14 => drop(nodes[at].catch_up()),
        15 | 16 => drop(nodes[at].hear_of_lock()),
        17 => nodes[at].set_connected(how % 2 == 0),
        18 => nodes[at].compact(),
        19 => {
            let method = ["lock", "unlock", "steal"][usize::from(how % 3)];
            ledger.next += 1;
            let client = &clients[who];
            nodes[client.at].send(client.session, ledger.next, method, &json!(["l"]));
        }
        20 if nodes.len() < 5 => nodes.push(Node::join(cluster, 10 + u64::from(how))),
        _ => {
            // Moves on when it has all answers, so that nothing about them is in doubt.
            clients[who].listen(nodes, ledger);
            if clients[who].asked.is_empty() {
                let old = std::mem::take(&mut clients[who].replica);
                nodes[clients[who].at]
                    .server
                    .disconnect(clients[who].session);
                clients[who] = Client::connect(nodes, at, old);
            }
        }
    }
    clients[who].listen(nodes, ledger);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("HEDDLE_SHARED_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(64),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever happens in whatever order: all servers agree; what was acknowledged is there, once; what was
    /// refused is not; and what clients were told is that of one order of all transactions.
    #[test]
    fn servers_agree_and_clients_see_one_order(
        steps in proptest::collection::vec((0..22_u8, any::<u8>(), any::<u8>()), 0..400)
    ) {
        let cluster = cluster();
        let mut nodes: Vec<Node> = Vec::from(nodes::<3>(&cluster));
        let first = nodes[0].server.connect();
        nodes[0].send(first, 1, "transact", &transact(&[create("n")]));
        settle(&mut nodes);
        let mut clients: Vec<Client> =
            (0..6).map(|at| Client::connect(&mut nodes, at % 3, Replica::default())).collect();
        let mut ledger = Ledger { next: 100, ..Ledger::default() };
        for step in steps {
            act(&cluster, &mut nodes, &mut clients, &mut ledger, step);
        }
        settle(&mut nodes);
        for client in &mut clients {
            client.listen(&mut nodes, &mut ledger);
            prop_assert_eq!(&client.replica.rows, &contents(&nodes[client.at]));
        }
        assert_agreement(&nodes);
        let (fresh, _) = cluster.join();
        prop_assert_eq!(fresh.last_id(), nodes[0].db().last_id());
        let tokens: Vec<i64> = contents(&nodes[0])
            .iter()
            .filter(|((table, _), _)| table == "Entry")
            .map(|(_, row)| row["token"].as_i64().unwrap())
            .collect();
        let there: BTreeSet<i64> = tokens.iter().copied().collect();
        prop_assert_eq!(tokens.len(), there.len(), "something was carried out twice");
        prop_assert_eq!(&there, &ledger.acknowledged);
        prop_assert!(there.is_disjoint(&ledger.refused));
        // Each saw the counter as the one before it left it.
        ledger.reads.sort_unstable();
        let count = counter(&nodes[0], "n");
        prop_assert_eq!(ledger.reads, (0..count).collect::<Vec<_>>());
    }
}

//! Monitors of all versions, ours and those of a stock `ovsdb-server`, over random transactions: each
//! notification must be the same.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::collections::HashMap;
use std::path::Path;

use ovsdb::log::FileLog;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use support::random::{Side, condition, normal, operation};
use support::shell::OurServer;
use support::{Client, StockServer, run, schema, stock};

type Transact = Box<dyn FnMut(&[Value]) -> Value>;

/// A client of one server, with monitors, and what came of them.
struct Watcher {
    side: Side<Transact>,
    client: std::rc::Rc<std::cell::RefCell<Client>>,
}

impl Watcher {
    fn new(socket: &Path) -> Self {
        let client = std::rc::Rc::new(std::cell::RefCell::new(Client::connect(socket)));
        let transactor = std::rc::Rc::clone(&client);
        let transact = move |operations: &[Value]| {
            let mut params = vec![json!("Rich")];
            params.extend_from_slice(operations);
            transactor.borrow_mut().call("transact", params.into())["result"].take()
        };
        Self {
            side: Side::new(Box::new(transact)),
            client,
        }
    }

    /// Calls a method whose parameters speak of rows as `U0` and so on.
    fn call(&mut self, method: &str, params: &Value) -> Value {
        let params = self.side.to_actual(params, &[]);
        let mut reply = self.client.borrow_mut().call(method, params);
        self.comparable(reply["result"].take())
    }

    /// What has come since the last time, in an order that does not depend on that of the monitors.
    fn notifications(&mut self) -> Vec<Value> {
        let mut all = std::mem::take(&mut self.client.borrow_mut().notifications);
        all.retain(|message| message["method"] != "echo");
        let mut all: Vec<Value> = all
            .into_iter()
            .map(|message| self.comparable(message))
            .collect();
        all.iter_mut().for_each(drop_empty);
        all.retain(|message| message["params"][1] != json!({}));
        all.sort_by_key(|message| message["params"][0].to_string());
        all
    }

    fn comparable(&self, mut json: Value) -> Value {
        name_keys(&mut json, &self.side.names);
        normal(&json, &self.side.names)
    }
}

/// Writes the names of rows where their UUIDs are members of objects, and takes out what is random.
fn name_keys(json: &mut Value, names: &HashMap<String, String>) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(|item| name_keys(item, names)),
        Value::Object(object) => {
            let members = std::mem::take(object);
            for (key, mut value) in members {
                name_keys(&mut value, names);
                let key = names.get(&key).cloned().unwrap_or(key);
                object.insert(key, value);
            }
        }
        _ => {}
    }
}

/// Takes modifications of nothing out. The stock server sends them when a column changes that only the
/// condition speaks of.
fn drop_empty(message: &mut Value) {
    let tables = message["params"][1].as_object_mut().unwrap();
    for rows in tables.values_mut() {
        rows.as_object_mut()
            .unwrap()
            .retain(|_, row| *row != json!({"modify": {}}));
    }
    tables.retain(|_, rows| *rows != json!({}));
}

fn requests() -> Value {
    json!({
        "Root": [{"columns": ["name", "num", "tags", "numbers", "options", "kids", "friends", "gone", "ratio"]}],
        "Kid": [{"columns": ["name", "next", "root"], "select": {"initial": false, "modify": false}}],
        "Few": {"columns": ["name"], "select": {"delete": false}},
        "Bound": [{"columns": ["needs", "by_row"]}, {"columns": ["by_name"], "select": {"insert": false}}]
    })
}

fn conditional() -> Value {
    json!({
        "Root": [{"columns": ["name", "num", "tags", "numbers", "options", "friends"],
                  "where": [["num", ">", 0], ["name", "==", "a"]]}],
        "Kid": [{"columns": ["name", "next"], "where": [["root", "==", ["set", []]]]}],
        "Bound": [{"columns": ["needs", "by_row", "by_name"], "where": [["name", "!=", "b"]]}],
        "Few": [{"columns": ["name", "any"], "where": [false]}]
    })
}

/// A change of the conditions of the second monitor.
fn change() -> impl Strategy<Value = Value> {
    let table = prop::sample::select(vec!["Root", "Kid", "Few", "Bound"]);
    table
        .prop_flat_map(|table| condition(table).prop_map(move |c| json!({ table: [{"where": c}] })))
}

#[test]
fn monitors_hear_the_same_as_those_of_the_stock_server() {
    let dir = tempfile::tempdir().unwrap();
    let (schema_file, file) = (dir.path().join("schema"), dir.path().join("db"));
    std::fs::write(&schema_file, support::SCHEMA).unwrap();
    run(stock("ovsdb-tool")
        .arg("create")
        .arg(&file)
        .arg(&schema_file));
    let stock_server = StockServer::start(dir.path(), &file);
    let opened = FileLog::create(&dir.path().join("ours"), schema().into()).unwrap();
    let our_server = OurServer::start(dir.path(), vec![opened]);
    let mut theirs = Watcher::new(&stock_server.socket);
    let mut ours = Watcher::new(&our_server.socket);

    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[3; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let transactions = prop::collection::vec(operation(), 1..5);
    let (mut heard, mut changed) = (0, 0);
    for round in 0..4000 {
        if round == 200 {
            for (method, params) in [
                ("monitor", json!(["Rich", "one", requests()])),
                ("monitor_cond", json!(["Rich", ["two"], conditional()])),
                ("monitor_cond", json!(["Rich", {"three": 3}, requests()])),
            ] {
                assert_eq!(
                    theirs.call(method, &params),
                    ours.call(method, &params),
                    "{method}"
                );
            }
        }
        if round > 200 && round % 10 == 0 {
            let requests = change().new_tree(&mut runner).unwrap().current();
            let params = json!([["two"], ["two"], requests]);
            let a = theirs.call("monitor_cond_change", &params);
            let b = ours.call("monitor_cond_change", &params);
            assert_eq!(a, b, "{params}");
            let (a, b) = (theirs.notifications(), ours.notifications());
            changed += a.len();
            assert_eq!(a, b, "round {round}: {params}");
        }
        let template = transactions.new_tree(&mut runner).unwrap().current();
        theirs.side.run(&template);
        ours.side.run(&template);
        let (a, b) = (theirs.notifications(), ours.notifications());
        heard += a.len();
        assert_eq!(
            a,
            b,
            "round {round}: stock, then ours, of {}",
            json!(template)
        );
    }
    assert!(heard > 500 && changed > 100, "{heard} {changed}");
}

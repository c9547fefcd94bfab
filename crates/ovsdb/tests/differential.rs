//! Random transactions through the engine and through a stock `ovsdb-server`: the results and what the
//! databases hold must be the same.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::collections::HashMap;
use std::sync::Arc;

use ovsdb::Database;
use ovsdb::database::{Context, Outcome};
use proptest::prelude::prop;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use support::random::{Side, operation};
use support::{StockServer, run, schema, stock};

/// Whether two results are the same. Of several bad values in one operation the stock server names one in the
/// order of its hash table, which may be another than ours.
fn same(template: &[Value], a: &Value, b: &Value) -> bool {
    let (a, b) = (a.as_array().unwrap(), b.as_array().unwrap());
    let error = |v: &Value| v["error"].as_str().unwrap_or_default().to_owned();
    let ambiguous = |at: usize| {
        let Some(op) = template.get(at) else {
            return false;
        };
        let kinds: &[&str] = match op["op"].as_str() {
            // Of several rows one may be too large before another is out of range.
            Some("mutate") => &["constraint violation", "range error", "domain error"],
            _ if op["row"].as_object().is_some_and(|row| row.len() > 1)
                || op["rows"].is_array() =>
            {
                &["syntax error", "constraint violation", "ovsdb error"]
            }
            _ => return false,
        };
        [&a[at], &b[at]]
            .into_iter()
            .all(|v| kinds.contains(&error(v).as_str()))
    };
    a.len() == b.len() && (0..a.len()).all(|at| a[at] == b[at] || ambiguous(at))
}

#[test]
fn the_engine_and_the_stock_server_agree() {
    let dir = tempfile::tempdir().unwrap();
    let (schema_file, file) = (dir.path().join("schema"), dir.path().join("db"));
    std::fs::write(&schema_file, support::SCHEMA).unwrap();
    run(stock("ovsdb-tool")
        .arg("create")
        .arg(&file)
        .arg(&schema_file));
    let server = StockServer::start(dir.path(), &file);
    let mut client = server.client();
    let mut theirs = Side::new(move |operations: &[Value]| {
        let mut params = vec![json!("Rich")];
        params.extend_from_slice(operations);
        client.call("transact", params.into())["result"].take()
    });
    let mut database = Database::new(Arc::new(schema()));
    let mut new_uuid = support::uuids(0);
    let mut ours = Side::new(move |operations: &[Value]| {
        let mut context = Context {
            now: 0,
            new_uuid: &mut new_uuid,
            holds_lock: &|_| false,
            waited: 0,
            read_only: None,
        };
        match database.execute_json(operations, &mut context) {
            Outcome::Done(executed) => serde_json::to_value(&executed.results).unwrap(),
            Outcome::Blocked(_) => panic!("nothing waits here"),
        }
    });
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let transactions = prop::collection::vec(operation(), 1..6);
    let mut outcomes: HashMap<String, u32> = HashMap::new();
    for round in 0..12000 {
        let template = transactions.new_tree(&mut runner).unwrap().current();
        let (a, b) = (theirs.run(&template), ours.run(&template));
        assert!(
            same(&template, &a, &b),
            "round {round}: stock: {a}\nours: {b}\nof {}",
            json!(template)
        );
        for result in a.as_array().unwrap() {
            let kind = result
                .get("error")
                .and_then(Value::as_str)
                .unwrap_or("fine");
            *outcomes.entry(kind.to_owned()).or_default() += 1;
        }
        if round % 50 == 0 {
            assert_eq!(theirs.contents(), ours.contents(), "after round {round}");
        }
    }
    assert_eq!(theirs.contents(), ours.contents());
    // The comparison is worth something only if the transactions reach all that can happen.
    for kind in [
        "fine",
        "constraint violation",
        "referential integrity violation",
        "syntax error",
        "duplicate uuid",
        "duplicate uuid-name",
        "aborted",
        "not owner",
        "timed out",
        "domain error",
        "range error",
    ] {
        assert!(outcomes.contains_key(kind), "{kind}: {outcomes:?}");
    }
}

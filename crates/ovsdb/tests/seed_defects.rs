//! What an earlier server of this protocol over a replicated store got wrong, one test each, beside a stock
//! `ovsdb-server` where that can be compared. What concerns the store itself is tested with it: `shared.rs` here,
//! and the tests of the crate `etcd`.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::time::{Duration, Instant};

use ovsdb::log::FileLog;
use serde_json::{Value, json};
use support::pair::{Pair, insert, uuid};
use support::shell::OurServer;
use support::{Client, schema};

fn of(number: u32) -> Value {
    json!([["_uuid", "==", uuid(number)]])
}

/// A root that is called so and so.
fn root(number: u32, name: &str, num: i32) -> Value {
    insert("Root", number, json!({"name": name, "num": num}))
}

#[test]
fn clauses_of_a_monitor_are_alternatives() {
    let mut pair = Pair::new();
    pair.transact(&[root(1, "a", 1), root(2, "b", 2), root(3, "c", 3)]);
    let either = json!([["name", "==", "a"], ["num", "==", 2]]);
    let request = json!(["Rich", "m", {"Root": [{"columns": ["name"], "where": either}]}]);
    let reply = pair.ask("monitor_cond", request);
    assert_eq!(reply["result"]["Root"].as_object().unwrap().len(), 2);
    // In a transaction all clauses must hold.
    let select = json!({"op": "select", "table": "Root", "where": either, "columns": ["name"]});
    assert_eq!(pair.transact(&[select])[0]["rows"], json!([]));
}

#[test]
fn errors_of_operations_are_results() {
    let mut pair = Pair::new();
    let bad = insert("Root", 1, json!({"num": 1000}));
    let comment = json!({"op": "comment", "comment": "c"});
    let reply = pair.ask("transact", json!(["Rich", comment, bad, comment]));
    assert_eq!(reply["error"], Value::Null);
    assert_eq!(reply["result"][1]["error"], "constraint violation");
    assert_eq!(reply["result"][2], Value::Null);
    // With details, and the text that was refused.
    let reply = pair.ours.call("transact", json!(["Rich", bad]));
    let details = reply["result"][0]["details"].as_str().unwrap();
    assert!(details.contains("1000"), "{reply}");
    // Errors of the commit come after those of all operations.
    let dangling = insert("Root", 1, json!({"kids": uuid(99)}));
    let reply = pair.ask("transact", json!(["Rich", dangling]));
    assert_eq!(
        reply["result"][1]["error"],
        "referential integrity violation"
    );
}

#[test]
fn an_update_replaces_a_map() {
    let mut pair = Pair::new();
    let row = json!({"name": "a", "options": ["map", [["a", "1"], ["b", "2"]]]});
    let row_of = json!({"options": ["map", [["c", "3"]]]});
    pair.transact(&[
        insert("Root", 1, row),
        json!({"op": "update", "table": "Root", "where": of(1), "row": row_of}),
    ]);
    let rows = pair.rows("Root", &["options"]);
    assert_eq!(rows[0], row_of);
}

/// Two clients each read what the other is about to write; only one of them can have read the truth.
#[test]
fn what_was_read_can_be_made_a_condition() {
    let mut pair = Pair::new();
    assert_eq!(pair.error(&[root(1, "a", 1), root(2, "b", 2)]), "");
    // "The other is as I read it, so I may change mine."
    let take = |own: u32, other: u32| {
        let wait = |number: u32| {
            json!({"op": "wait", "timeout": 0, "table": "Root", "where": of(number), "columns": ["num"],
                "until": "==", "rows": [{"num": number}]})
        };
        let update = json!({"op": "update", "table": "Root", "where": of(own), "row": {"num": 0}});
        json!(["Rich", wait(own), wait(other), update])
    };
    let (mut theirs, mut ours) = pair.others();
    for (a, b) in [(&mut pair.theirs, &mut theirs), (&mut pair.ours, &mut ours)] {
        assert_eq!(a.call("transact", take(1, 2))["result"][2]["count"], 1);
        assert_eq!(
            b.call("transact", take(2, 1))["result"][1]["error"],
            "timed out"
        );
    }
    assert_eq!(pair.rows("Root", &["num"]).len(), 2);
}

#[test]
fn a_wait_waits_and_sees_what_stands_before_it() {
    let mut pair = Pair::new();
    // Earlier operations of the same transaction count.
    let wait = |timeout: u64| {
        json!({"op": "wait", "timeout": timeout, "table": "Root", "where": [], "columns": ["name"],
            "until": "==", "rows": [{"name": "a"}]})
    };
    assert_eq!(
        pair.error(&[root(1, "a", 1), wait(0), json!({"op": "abort"})]),
        "aborted"
    );
    // A time limit is one: not at once, and not much later.
    let (mut theirs, mut ours) = pair.others();
    for client in [&mut theirs, &mut ours] {
        let begin = Instant::now();
        let reply = client.call("transact", json!(["Rich", wait(200)]));
        assert_eq!(reply["result"][0]["error"], "timed out");
        let took = begin.elapsed();
        assert!(
            took >= Duration::from_millis(200) && took < Duration::from_secs(15),
            "{took:?}"
        );
    }
    // And somebody else can end it.
    for (waits, writes) in [(&mut theirs, &mut pair.theirs), (&mut ours, &mut pair.ours)] {
        waits.send("transact", json!(["Rich", wait(60_000)]));
        writes.call("transact", json!(["Rich", root(1, "a", 1)]));
        assert_eq!(waits.read()["result"][0], json!({}));
    }
}

#[test]
fn a_wait_without_rows_is_refused() {
    let mut pair = Pair::new();
    let wait =
        json!({"op": "wait", "table": "Root", "where": [], "columns": ["name"], "until": "=="});
    assert_eq!(pair.error(std::slice::from_ref(&wait)), "syntax error");
    let mut null = wait;
    null["rows"] = Value::Null;
    assert_eq!(pair.error(&[null]), "syntax error");
    assert_eq!(
        pair.ask("echo", json!(["alive"]))["result"],
        json!(["alive"])
    );
}

#[test]
fn a_durable_commit_is_done() {
    let mut pair = Pair::new();
    let durable = json!({"op": "commit", "durable": true});
    assert_eq!(pair.error(&[root(1, "a", 1), durable]), "");
    assert_eq!(pair.rows("Root", &["name"]).len(), 1);
}

#[test]
fn what_the_schema_asks_for_is_enforced() {
    let mut pair = Pair::new();
    pair.transact(&[root(1, "a", 1), insert("Few", 2, json!({}))]);
    let update = |column: &str, value: Value| {
        let row = json!({ column: value });
        json!({"op": "update", "table": "Root", "where": of(1), "row": row})
    };
    // Unique indexes, the number of rows, references of both kinds.
    assert_eq!(pair.error(&[root(3, "a", 2)]), "constraint violation");
    let many: Vec<Value> = (10..16).map(|n| insert("Few", n, json!({}))).collect();
    assert_eq!(pair.error(&many), "constraint violation");
    assert_eq!(
        pair.error(&[update("kids", uuid(99))]),
        "referential integrity violation"
    );
    assert_eq!(pair.error(&[update("friends", uuid(2))]), "");
    let delete = json!({"op": "delete", "table": "Few", "where": []});
    assert_eq!(pair.error(&[delete]), "");
    assert_eq!(
        pair.rows("Root", &["friends"])[0]["friends"],
        json!(["set", []])
    );
    // Enumerations, ranges of integers and reals, lengths.
    for (column, value) in [
        ("kind", json!("c")),
        ("num", json!(101)),
        ("num", json!(-11)),
        ("ratio", json!(1000.5)),
        ("ratio", json!(-101)),
        ("tags", json!("too long")),
    ] {
        assert_eq!(
            pair.error(&[update(column, value)]),
            "constraint violation",
            "{column}"
        );
    }
}

#[test]
fn a_uuid_is_given_once() {
    let mut pair = Pair::new();
    assert_eq!(
        pair.error(&[root(1, "a", 1), root(1, "b", 2)]),
        "duplicate uuid"
    );
    assert_eq!(pair.error(&[root(1, "a", 1)]), "");
    assert_eq!(pair.error(&[root(1, "b", 2)]), "duplicate uuid");
}

/// A look-up by `_uuid` does not go through the table: it costs the same in a large one.
#[test]
fn a_look_up_by_uuid_is_no_scan() {
    let dir = tempfile::tempdir().unwrap();
    let opened = FileLog::create(&dir.path().join("db"), schema().into()).unwrap();
    let server = OurServer::start(dir.path(), vec![opened]);
    let mut client = Client::connect(&server.socket);
    let rows = 20_000;
    let mut params = vec![json!("Rich")];
    params.extend((0..rows).map(|n| {
        let next = if n == 0 {
            json!(["set", []])
        } else {
            uuid(n - 1)
        };
        insert("Kid", n, json!({"name": n.to_string(), "next": next}))
    }));
    params.push(insert(
        "Root",
        rows,
        json!({"name": "root", "kids": uuid(rows - 1)}),
    ));
    let reply = client.call("transact", params.into());
    assert_eq!(reply["result"].as_array().unwrap().len(), rows as usize + 1);
    let mut time = |clause: &dyn Fn(u32) -> Value| {
        let selects = (0..100).map(|n| {
            json!({"op": "select", "table": "Kid", "where": [clause(n * 100)], "columns": ["name"]})
        });
        let mut params = vec![json!("Rich")];
        params.extend(selects);
        let begin = Instant::now();
        let reply = client.call("transact", params.into());
        let found = reply["result"].as_array().unwrap().iter();
        assert!(
            found
                .into_iter()
                .all(|result| result["rows"].as_array().unwrap().len() == 1)
        );
        begin.elapsed()
    };
    let scan = time(&|n| json!(["name", "==", n.to_string()]));
    let look_up = time(&|n| json!(["_uuid", "==", uuid(n)]));
    assert!(look_up * 5 < scan, "{look_up:?} beside {scan:?} for a scan");
}

#[test]
fn a_client_reads_what_it_wrote() {
    let mut pair = Pair::new();
    for n in 0..50 {
        assert_eq!(pair.error(&[root(n, &n.to_string(), 1)]), "");
        let select = json!({"op": "select", "table": "Root", "where": of(n), "columns": ["name"]});
        assert_eq!(
            pair.transact(&[select])[0]["rows"][0]["name"],
            n.to_string()
        );
        let delete = json!({"op": "delete", "table": "Root", "where": of(n)});
        assert_eq!(pair.error(&[delete]), "");
    }
}

#[test]
fn updates_come_before_the_reply_and_in_order() {
    let mut pair = Pair::new();
    let request = json!(["Rich", "m", {"Few": [{"columns": ["name"]}]}]);
    pair.ask("monitor_cond", request);
    pair.transact(&[insert("Few", 1, json!({"name": "start"}))]);
    for n in 0..50 {
        let name = n.to_string();
        pair.transact(&[
            json!({"op": "update", "table": "Few", "where": of(1), "row": {"name": name}}),
        ]);
    }
    for client in [&pair.theirs, &pair.ours] {
        let names: Vec<&str> = client.notifications[1..]
            .iter()
            .map(|told| {
                told["params"][1]["Few"][uuid(1)[1].as_str().unwrap()]["modify"]["name"]
                    .as_str()
                    .unwrap()
            })
            .collect();
        let expected: Vec<String> = (0..50).map(|n| n.to_string()).collect();
        assert_eq!(names, expected);
    }
}

/// A stock server does so for a clustered database only.
#[test]
fn a_client_that_comes_back_gets_the_difference() {
    let mut pair = Pair::new();
    let requests = json!({"Few": [{"columns": ["name"]}]});
    let ask = |mut client: Client, last: &Value| {
        let params = json!(["Rich", 0, requests, last]);
        client.call("monitor_cond_since", params)["result"].take()
    };
    let zero = json!("00000000-0000-0000-0000-000000000000");
    pair.transact(&[insert("Few", 1, json!({"name": "a"}))]);
    let (theirs, ours) = pair.others();
    let known = [ask(theirs, &zero)[1].take(), ask(ours, &zero)[1].take()];
    pair.transact(&[insert("Few", 2, json!({"name": "b"}))]);
    let (theirs, ours) = pair.others();
    assert_eq!(ask(theirs, &known[0])[0], false);
    let ours = ask(ours, &known[1]);
    assert_eq!(ours[0], true);
    let two = uuid(2)[1].as_str().unwrap().to_owned();
    assert_eq!(ours[2], json!({"Few": {two: {"insert": {"name": "b"}}}}));
}

#[test]
fn conditions_that_change_show_and_hide_rows() {
    let mut pair = Pair::new();
    pair.transact(&[root(1, "a", 1), root(2, "b", 2)]);
    let rows = |clause: Value| json!({"Root": [{"columns": ["name"], "where": [clause]}]});
    pair.ask(
        "monitor_cond",
        json!(["Rich", "m", rows(json!(["name", "==", "a"]))]),
    );
    let change = json!({"Root": [{"where": [["name", "==", "b"]]}]});
    assert_eq!(
        pair.ask("monitor_cond_change", json!(["m", "n", change]))["result"],
        json!({})
    );
    let [theirs, ours] = [&mut pair.theirs, &mut pair.ours].map(|client| {
        assert_eq!(client.call("echo", json!([]))["result"], json!([]));
        client.notifications.pop().expect("the difference is told")
    });
    assert_eq!(theirs["params"][1], ours["params"][1]);
    let told = &ours["params"][1]["Root"];
    assert_eq!(
        told.as_object().unwrap().len(),
        2,
        "one comes, one goes: {told}"
    );
    // The name that came with the change is the monitor's from then on.
    assert_eq!(
        pair.ask("monitor_cancel", json!(["m"]))["error"],
        "unknown monitor"
    );
    assert_eq!(
        pair.ask("monitor_cancel", json!(["n"]))["result"],
        json!({})
    );
}

/// Of methods that were empty shells.
#[test]
fn steal_and_cancel_do_what_they_say() {
    let mut pair = Pair::new();
    let (theirs, ours) = pair.others();
    for (a, mut b) in [(&mut pair.theirs, theirs), (&mut pair.ours, ours)] {
        assert_eq!(a.call("lock", json!(["l"]))["result"]["locked"], true);
        assert_eq!(b.call("steal", json!(["l"]))["result"]["locked"], true);
        assert_eq!(
            a.call("transact", json!(["Rich", {"op": "assert", "lock": "l"}]))["result"][0]["error"],
            "not owner"
        );
    }
    // To a client that was not made aware of changes stock then answers nothing; RFC 7047 section 4.1.4 says what.
    let (_, mut b) = pair.others();
    let wait = json!({"op": "wait", "table": "Root", "where": [], "columns": ["name"],
        "until": "==", "rows": [{"name": "x"}]});
    let id = b.send("transact", json!(["Rich", wait]));
    b.notify("cancel", json!([id]));
    let reply = b.read();
    assert_eq!((&reply["id"], &reply["error"]), (&id, &json!("canceled")));
    assert_eq!(
        pair.ask("set_db_change_aware", json!([true]))["result"],
        json!({})
    );
}

/// Values of ephemeral columns live as long as the server, and comments as long as their records.
#[test]
fn what_is_not_kept_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let opened = FileLog::create(&path, schema().into()).unwrap();
    let server = OurServer::start(dir.path(), vec![opened]);
    let mut client = Client::connect(&server.socket);
    // Two comments in the same moment are two.
    let comment = |text: &str| json!({"op": "comment", "comment": text});
    client.call(
        "transact",
        json!([
            "Rich",
            insert("Root", 1, json!({"name": "a", "gone": 7})),
            comment("first")
        ]),
    );
    let rename = json!({"op": "update", "table": "Root", "where": [], "row": {"name": "b"}});
    client.call("transact", json!(["Rich", rename, comment("second")]));
    let select = json!({"op": "select", "table": "Root", "where": [], "columns": ["gone"]});
    let reply = client.call("transact", json!(["Rich", select]));
    assert_eq!(reply["result"][0]["rows"][0]["gone"], 7);
    drop(client);
    server.stop();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("first") && text.contains("second") && !text.contains("\"gone\":7"));
    let mut opened = FileLog::open(&path).unwrap();
    let gone = opened.database.schema().table("Root").unwrap().columns();
    let gone = gone
        .iter()
        .position(|column| column.name == "gone")
        .unwrap();
    let row = opened.database.contents().next().unwrap().new.unwrap();
    assert!(row[gone].is_empty());
    let schema = ovsdb::Record::schema(opened.database.schema());
    ovsdb::log::Log::compact(&mut opened.log, &schema, &opened.database.snapshot(1)).unwrap();
    assert!(!std::fs::read_to_string(&path).unwrap().contains("second"));
}

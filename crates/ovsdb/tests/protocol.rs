//! The protocol point by point, each asked of a stock `ovsdb-server` and of ours: the answers are the same.
//! `docs/ovsdb.md` names the test of each feature.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use serde_json::{Value, json};
use support::pair::{Pair, insert, uuid};

/// A row of `Root` with something in every column.
fn full() -> Value {
    json!({"name": "one", "num": 7, "kind": "a", "ratio": 1.5, "tags": ["set", ["x", "y"]],
        "numbers": ["set", [1, 2, 3]], "options": ["map", [["a", "1"], ["b", "2"]]], "flag": true,
        "fixed": "f", "gone": 4, "kids": uuid(2), "friends": uuid(3)})
}

fn filled() -> Pair {
    let mut pair = Pair::new();
    let results = pair.transact(&[
        insert("Root", 1, full()),
        insert("Root", 5, json!({"name": "two", "num": -3})),
        insert("Kid", 2, json!({"name": "kid"})),
        insert("Few", 3, json!({"name": "few"})),
    ]);
    assert_eq!(results[3]["uuid"], uuid(3), "{results}");
    pair
}

fn of(number: u32) -> Value {
    json!([["_uuid", "==", uuid(number)]])
}

#[test]
fn methods_of_the_rfc() {
    let mut pair = filled();
    assert_eq!(
        pair.ask("echo", json!([1, {"a": null}]))["result"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let names = |reply: Value| {
        let mut names = reply["result"].as_array().unwrap().clone();
        names.sort_by_key(Value::to_string);
        names
    };
    let theirs = names(pair.theirs.call("list_dbs", json!([])));
    assert_eq!(names(pair.ours.call("list_dbs", json!([]))), theirs);
    let schema = pair.ask("get_schema", json!(["Rich"]));
    assert_eq!(schema["result"]["name"], "Rich");
    // Only the checksum of the text of the schema is another, or missing.
    let schemas = [&mut pair.theirs, &mut pair.ours].map(|client| {
        let mut schema = client.call("get_schema", json!(["_Server"]))["result"].take();
        schema.as_object_mut().unwrap().remove("cksum");
        schema
    });
    let columns = |schema: &Value| schema["tables"]["Database"]["columns"].clone();
    assert_eq!(columns(&schemas[0]), columns(&schemas[1]));
    // This ends the stock server (3.1.0).
    let short = pair.ours.call("monitor", json!(["Rich"]));
    assert_eq!(short["error"]["error"], "syntax error");
    // And this, without the last id, stock refuses.
    let since = json!(["Rich", 8, {"Root": [{"columns": ["name"]}]}]);
    assert!(pair.theirs.call("monitor_cond_since", since.clone())["error"].is_object());
    assert_eq!(
        pair.ours.call("monitor_cond_since", since)["result"][0],
        false
    );
    // What each refuses.
    for (method, params) in [
        ("no_such_method", json!([])),
        ("get_schema", json!(["Poor"])),
        ("get_schema", json!([])),
        ("get_schema", json!([7])),
        ("transact", json!(["Poor"])),
        ("transact", json!([])),
        ("monitor", json!(["Poor", 1, {}])),
        ("monitor", json!(["Rich", 1, {"Nowhere": {}}])),
        (
            "monitor",
            json!(["Rich", 2, {"Root": {"columns": ["nothing"]}}]),
        ),
        (
            "monitor",
            json!(["Rich", 3, {"Root": {"columns": ["name", "name"]}}]),
        ),
        (
            "monitor",
            json!(["Rich", 4, {"Root": {"select": {"initial": 1}}}]),
        ),
        ("monitor", json!(["Rich", 5, {"Root": {"other": 1}}])),
        ("monitor_cancel", json!(["unknown"])),
        (
            "monitor_cond",
            json!(["Rich", 6, {"Root": [{"where": [["num", "?", 1]]}]}]),
        ),
        (
            "monitor_cond",
            json!(["Rich", 7, {"Root": [{"where": [["nothing", "==", 1]]}]}]),
        ),
        ("monitor_cond_change", json!(["unknown", "new", {}])),
        ("unlock", json!(["never"])),
        ("lock", json!([])),
        ("lock", json!([7])),
        ("lock", json!(["not an identifier"])),
        ("steal", json!([])),
        ("set_db_change_aware", json!(["yes"])),
        ("set_db_change_aware", json!([])),
        ("convert", json!(["Poor", {}])),
        ("convert", json!(["Rich", {"name": "Rich"}])),
    ] {
        let reply = pair.ask(method, params);
        assert!(!reply["error"].is_null(), "{method}: {reply}");
    }
}

#[test]
fn operations_of_the_rfc() {
    let mut pair = filled();
    let select = json!({"op": "select", "table": "Root", "where": of(1)});
    let rows = pair.transact(std::slice::from_ref(&select));
    assert_eq!(rows[0]["rows"][0]["name"], "one");
    for column in ["_uuid", "name", "options", "gone"] {
        let mut some = select.clone();
        some["columns"] = json!([column]);
        pair.transact(&[some]);
    }
    let count = |results: &Value| results[0]["count"].clone();
    let update = json!({"op": "update", "table": "Root", "where": [], "row": {"flag": true}});
    assert_eq!(count(&pair.transact(&[update])), "2.000000000000e0");
    let mutations = json!([
        ["num", "+=", 1],
        ["options", "insert", ["map", [["c", "3"]]]]
    ]);
    let mutate = json!({"op": "mutate", "table": "Root", "where": of(1), "mutations": mutations});
    assert_eq!(count(&pair.transact(&[mutate])), "1.000000000000e0");
    let wait = json!({"op": "wait", "timeout": 0, "table": "Root", "where": of(1), "columns": ["num"],
        "until": "==", "rows": [{"num": 8}]});
    assert_eq!(pair.error(std::slice::from_ref(&wait)), "");
    let mut other = wait;
    other["until"] = json!("!=");
    assert_eq!(pair.error(&[other]), "timed out");
    assert_eq!(pair.error(&[json!({"op": "commit", "durable": true})]), "");
    assert_eq!(pair.error(&[json!({"op": "commit", "durable": false})]), "");
    assert_eq!(pair.error(&[json!({"op": "comment", "comment": "c"})]), "");
    assert_eq!(pair.error(&[json!({"op": "abort"})]), "aborted");
    assert_eq!(
        pair.error(&[json!({"op": "assert", "lock": "l"})]),
        "not owner"
    );
    pair.ask("lock", json!(["l"]));
    assert_eq!(pair.error(&[json!({"op": "assert", "lock": "l"})]), "");
    let delete = json!({"op": "delete", "table": "Root", "where": of(5)});
    assert_eq!(count(&pair.transact(&[delete])), "1.000000000000e0");
    assert_eq!(pair.rows("Root", &["name"]).len(), 1);
    // After an operation that fails the others are `null`, and nothing of the transaction stays.
    let results = pair.transact(&[
        insert("Few", 9, json!({"name": "never"})),
        json!({"op": "abort"}),
        json!({"op": "comment", "comment": "c"}),
    ]);
    assert_eq!(results[2], Value::Null);
    assert_eq!(pair.rows("Few", &["name"]).len(), 1);
}

/// Malformed operations, each in its own way.
#[test]
fn malformed_operations() {
    let mut pair = filled();
    for operation in [
        json!(null),
        json!([]),
        json!("insert"),
        json!({}),
        json!({"op": 1}),
        json!({"op": "upsert"}),
        json!({"op": "insert"}),
        json!({"op": "insert", "table": "Root"}),
        json!({"op": "insert", "table": 1, "row": {}}),
        json!({"op": "insert", "table": "Nowhere", "row": {}}),
        json!({"op": "insert", "table": "Few", "row": []}),
        json!({"op": "insert", "table": "Few", "row": {"nothing": 1}}),
        json!({"op": "insert", "table": "Few", "row": {"name": 1}}),
        json!({"op": "insert", "table": "Few", "row": {}, "more": 1}),
        json!({"op": "insert", "table": "Few", "row": {}, "uuid": "x"}),
        json!({"op": "insert", "table": "Few", "row": {}, "uuid-name": "0"}),
        json!({"op": "select", "table": "Few"}),
        json!({"op": "select", "table": "Few", "where": {}}),
        json!({"op": "select", "table": "Few", "where": [[]]}),
        json!({"op": "select", "table": "Few", "where": [["name", "=="]]}),
        json!({"op": "select", "table": "Few", "where": [["name", "like", "x"]]}),
        json!({"op": "select", "table": "Few", "where": [], "columns": ["nothing"]}),
        json!({"op": "update", "table": "Few", "where": []}),
        json!({"op": "mutate", "table": "Few", "where": []}),
        json!({"op": "mutate", "table": "Root", "where": [], "mutations": [["num", "++", 1]]}),
        json!({"op": "mutate", "table": "Root", "where": [], "mutations": [["num", "+="]]}),
        json!({"op": "mutate", "table": "Root", "where": [], "mutations": [["nothing", "+=", 1]]}),
        json!({"op": "wait", "table": "Few", "where": [], "columns": ["name"], "until": "=="}),
        json!({"op": "wait", "table": "Few", "where": [], "columns": ["name"], "until": "<", "rows": []}),
        json!({"op": "wait", "table": "Few", "where": [], "columns": ["name"], "until": "==", "rows": [], "timeout": "x"}),
        json!({"op": "commit"}),
        json!({"op": "commit", "durable": 1}),
        json!({"op": "comment"}),
        json!({"op": "assert"}),
        json!({"op": "assert", "lock": 1}),
    ] {
        assert_ne!(
            pair.error(std::slice::from_ref(&operation)),
            "",
            "{operation}"
        );
    }
}

/// What stock lets pass and we do not: a row that says its own `_uuid`, which stock then does not heed.
#[test]
fn a_row_does_not_say_its_own_uuid() {
    let mut pair = filled();
    let insert = json!(["Rich", {"op": "insert", "table": "Few", "row": {"_uuid": uuid(9)}}]);
    let theirs = pair.theirs.call("transact", insert.clone())["result"][0].take();
    assert_ne!(theirs["uuid"], uuid(9), "{theirs}");
    let ours = pair.ours.call("transact", insert)["result"][0].take();
    assert_eq!(ours["error"], "unknown column");
    // And what both refuse, by another word.
    let update = json!(["Rich", {"op": "update", "table": "Few", "where": [], "row": {"_version": uuid(9)}}]);
    let theirs = pair.theirs.call("transact", update.clone())["result"][0].take();
    assert_eq!(theirs["error"], "constraint violation");
    let ours = pair.ours.call("transact", update)["result"][0].take();
    assert_eq!(ours["error"], "unknown column");
}

/// Every function of a condition on a column of every type, with values that are less, the same, more and of
/// another type.
#[test]
fn condition_functions() {
    let mut pair = filled();
    let functions = ["<", "<=", "==", "!=", ">=", ">", "includes", "excludes"];
    let values = [
        json!(7),
        json!(-3),
        json!(100),
        json!(1.5),
        json!("one"),
        json!("a"),
        json!("x"),
        json!(true),
        json!(["set", []]),
        json!(["set", ["x"]]),
        json!(["set", ["x", "y"]]),
        json!(["set", [1, 3]]),
        json!(["set", [1, 2, 3]]),
        json!(["map", []]),
        json!(["map", [["a", "1"]]]),
        json!(["map", [["a", "2"]]]),
        json!(["map", [["a", "1"], ["b", "2"]]]),
        uuid(1),
        uuid(2),
        uuid(3),
    ];
    let columns = [
        "_uuid", "name", "num", "kind", "ratio", "tags", "numbers", "options", "flag", "gone",
        "kids", "friends",
    ];
    let (mut found, mut refused) = (0, 0);
    for column in columns {
        for function in functions {
            for value in &values {
                let clause = json!([[column, function, value]]);
                let select =
                    json!({"op": "select", "table": "Root", "where": clause, "columns": ["name"]});
                let results = pair.transact(&[select]);
                match results[0]["rows"].as_array() {
                    Some(rows) => found += rows.len(),
                    None => refused += 1,
                }
            }
        }
    }
    assert!(found > 200 && refused > 500, "{found} {refused}");
    for all in [
        json!([]),
        json!([true]),
        json!([false]),
        json!([true, ["num", "==", 7]]),
    ] {
        pair.transact(&[
            json!({"op": "select", "table": "Root", "where": all, "columns": ["name"]}),
        ]);
    }
}

/// Every mutator on a column of every type.
#[test]
fn mutators() {
    let mut pair = filled();
    let values = [
        json!(0),
        json!(2),
        json!(-5),
        json!(i64::MAX),
        json!(1.5),
        json!(0.0),
        json!("x"),
        json!(true),
        json!(["set", []]),
        json!(["set", ["x", "z"]]),
        json!(["set", [1, 9]]),
        json!(["map", []]),
        json!(["map", [["a", "9"]]]),
        json!(["map", [["a", "1"], ["q", "9"]]]),
        json!(["set", ["a", "q"]]),
        uuid(2),
        uuid(3),
        uuid(77),
    ];
    let columns = [
        "name", "num", "kind", "ratio", "tags", "numbers", "options", "flag", "fixed", "gone",
        "kids", "friends",
    ];
    let (mut changed, mut refused) = (0, 0);
    for column in columns {
        for mutator in ["+=", "-=", "*=", "/=", "%=", "insert", "delete"] {
            for value in &values {
                let mutations = json!([[column, mutator, value]]);
                let results = pair.transact(&[
                    json!({"op": "mutate", "table": "Root", "where": of(1), "mutations": mutations}),
                    json!({"op": "select", "table": "Root", "where": of(1)}),
                    json!({"op": "abort"}),
                ]);
                match results[1]["rows"].as_array() {
                    Some(_) => changed += 1,
                    None => refused += 1,
                }
            }
        }
    }
    assert!(changed > 60 && refused > 500, "{changed} {refused}");
}

/// What each error of RFC 7047 and of `ovsdb-server(7)` that a transaction can give is given for.
#[test]
fn errors_of_transactions() {
    let mut pair = filled();
    let kid = |uuid: Value| insert("Root", 10, json!({"name": "x", "num": 1, "kids": uuid}));
    let mutate = |column: &str, mutator: &str, value: Value| json!({"op": "mutate", "table": "Root", "where": of(1), "mutations": [[column, mutator, value]]});
    let named = json!({"op": "insert", "table": "Few", "uuid-name": "n", "row": {}});
    let wait = json!({"op": "wait", "timeout": 0, "table": "Root", "where": [], "columns": ["name"], "until": "==", "rows": []});
    let cases: [(&str, Vec<Value>); 13] = [
        ("referential integrity violation", vec![kid(uuid(99))]),
        (
            "referential integrity violation",
            vec![json!({"op": "delete", "table": "Kid", "where": []})],
        ),
        (
            "constraint violation",
            vec![mutate("num", "+=", json!(1000))],
        ),
        ("domain error", vec![mutate("num", "/=", json!(0))]),
        (
            "range error",
            vec![mutate("numbers", "*=", json!(i64::MAX))],
        ),
        ("duplicate uuid-name", vec![named.clone(), named]),
        ("duplicate uuid", vec![insert("Few", 3, json!({}))]),
        ("timed out", vec![wait]),
        ("not owner", vec![json!({"op": "assert", "lock": "nobody"})]),
        ("aborted", vec![json!({"op": "abort"})]),
        ("unknown mutator", vec![mutate("num", "**", json!(1))]),
        (
            "unknown function",
            vec![json!({"op": "select", "table": "Few", "where": [["name", "~", "x"]]})],
        ),
        (
            "unknown column",
            vec![json!({"op": "select", "table": "Few", "where": [["x", "==", 1]]})],
        ),
    ];
    for (error, operations) in cases {
        // Where the stock server calls it a syntax error, so do we.
        let got = pair.error(&operations);
        assert!(
            got == error || got == "syntax error" && error.starts_with("unknown"),
            "{error}: {got}"
        );
    }
}

/// Every constraint of a base type, at its bound and beyond it.
#[test]
fn constraints_of_base_types() {
    let mut pair = filled();
    for (column, good, bad) in [
        ("num", json!(-10), json!(-11)),
        ("num", json!(100), json!(101)),
        ("ratio", json!(-100.5), json!(-100.6)),
        ("ratio", json!(1000), json!(1000.001)),
        ("kind", json!("b"), json!("c")),
        ("tags", json!("four"), json!("fives")),
        (
            "tags",
            json!(["set", ["a", "b", "c"]]),
            json!(["set", ["a", "b", "c", "d"]]),
        ),
        ("ratio", json!(["set", []]), json!(["set", [1.5, 2.5]])),
        ("name", json!("x"), json!(["set", []])),
        ("flag", json!(false), json!(["set", [true, false]])),
        (
            "options",
            json!(["map", [["k", "v"]]]),
            json!(["map", [["k", "v"], ["k", "w"]]]),
        ),
        ("numbers", json!(["set", [5]]), json!(["set", [5, 5]])),
    ] {
        let update = |value: &Value| {
            let row = json!({ column: value });
            json!({"op": "update", "table": "Root", "where": of(1), "row": row})
        };
        assert_eq!(
            pair.error(&[update(&good), json!({"op": "abort"})]),
            "aborted",
            "{column} {good}"
        );
        let refused = pair.error(&[update(&bad)]);
        assert!(!refused.is_empty(), "{column} {bad}");
    }
    // A map with a minimum, and a weak set that may not become empty.
    assert_ne!(pair.error(&[insert("Bound", 20, json!({}))]), "");
    assert_eq!(
        pair.error(&[insert("Bound", 20, json!({"needs": uuid(3)}))]),
        ""
    );
    let last = json!({"op": "delete", "table": "Few", "where": []});
    assert_eq!(pair.error(&[last]), "constraint violation");
}

#[test]
fn immutable_columns() {
    let mut pair = filled();
    let update = json!({"op": "update", "table": "Root", "where": of(1), "row": {"fixed": "g"}});
    assert_eq!(pair.error(&[update]), "constraint violation");
    assert_eq!(pair.rows("Root", &["fixed"]).len(), 2);
}

/// An index is checked at the end of the transaction: values may change places.
#[test]
fn indexes() {
    let mut pair = filled();
    let rename = |number: u32, name: &str| json!({"op": "update", "table": "Root", "where": of(number), "row": {"name": name}});
    assert_eq!(pair.error(&[rename(5, "one")]), "constraint violation");
    assert_eq!(pair.error(&[rename(5, "one"), rename(1, "two")]), "");
    // One of two columns may be the same.
    let two = |number, name: &str, kind: &str| {
        insert(
            "Root",
            number,
            json!({"name": name, "num": 9, "kind": kind}),
        )
    };
    assert_eq!(pair.error(&[two(30, "p", "a")]), "");
    assert_eq!(pair.error(&[two(31, "q", "b")]), "");
    assert_eq!(pair.error(&[two(32, "r", "b")]), "constraint violation");
    // What is said of the two rows: neither touched, inserted, changed in the index and beside it.
    let change = |number: u32, row: Value| json!({"op": "update", "table": "Root", "where": of(number), "row": row});
    let named =
        |number, name: &str, num: u32| insert("Root", number, json!({"name": name, "num": num}));
    for operations in [
        vec![rename(5, "two")],
        vec![named(33, "two", 40)],
        vec![named(33, "s", 40), named(34, "s", 41)],
        vec![two(33, "s", "a")],
        vec![rename(5, "two"), change(1, json!({"ratio": 9.5}))],
        vec![rename(1, "s"), rename(5, "s")],
        vec![change(5, json!({"num": 9, "kind": "a"}))],
        vec![change(1, json!({"name": "two"})), rename(5, "two")],
    ] {
        let texts = pair.raw(&operations).map(|results| {
            let last = results.as_array().and_then(|all| all.last()).cloned();
            let text = last.unwrap()["details"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            // Which of the two stock calls the first is chance.
            let (begin, rows) = text.split_once("  First row").unwrap_or((&text, ""));
            let mut rows: Vec<String> = rows.split("  Second row").map(str::to_owned).collect();
            rows.sort_unstable();
            (begin.to_owned(), rows)
        });
        assert!(
            texts[0].0.contains("Transaction causes multiple rows"),
            "{texts:?}"
        );
        assert_eq!(texts[0], texts[1], "stock, then ours, of {operations:?}");
    }
}

/// `sort` is an extension of `ovsdb-server`: without it the order of rows is that of a hash table.
#[test]
fn rows_are_sorted_by_columns() {
    let mut pair = filled();
    for number in 10..20 {
        let row = json!({"name": format!("n{}", number * 7 % 10), "num": 100 - number, "kind": if number % 2 == 0 { "a" } else { "b" },
            "ratio": f64::from(number % 4) / 2.0, "numbers": ["set", (0..number % 4).collect::<Vec<_>>()],
            "options": ["map", [["k", format!("{}", number * 3 % 7)]]]});
        assert_eq!(pair.error(&[insert("Root", number, row)]), "");
    }
    let of_columns = |sort: Value| json!({"op": "select", "table": "Root", "where": [], "columns": ["name"], "sort": sort});
    for sort in [
        json!(["name"]),
        json!(["num", "name"]),
        json!(["kind", "name"]),
        json!(["_uuid"]),
        json!(["numbers", "name"]),
        json!(["options", "name"]),
        json!(["ratio", "tags", "name"]),
    ] {
        let [stock, ours] = pair.raw(&[of_columns(sort.clone())]);
        assert_eq!(stock, ours, "{sort}");
    }
    assert_eq!(
        pair.error(&[of_columns(json!(["nothing"]))]),
        "syntax error"
    );
    assert_eq!(pair.error(&[of_columns(json!("name"))]), "syntax error");
}

#[test]
fn rows_at_most() {
    let mut pair = filled();
    let some = |from: u32| {
        (from..from + 4)
            .map(|n| insert("Few", n, json!({})))
            .collect::<Vec<_>>()
    };
    assert_eq!(pair.error(&some(40)), "");
    assert_eq!(
        pair.error(&[insert("Few", 50, json!({}))]),
        "constraint violation"
    );
    // One more is fine when another goes.
    let one = json!({"op": "delete", "table": "Few", "where": of(40)});
    assert_eq!(pair.error(&[insert("Few", 50, json!({})), one]), "");
}

/// Rows of tables without `isRoot` go when nothing refers to them, and what they refer to with them.
#[test]
fn unreferenced_rows_are_collected() {
    let mut pair = filled();
    let chain =
        |n: u32, next: Value| insert("Kid", n, json!({"name": n.to_string(), "next": next}));
    let refer = json!({"op": "update", "table": "Root", "where": of(5), "row": {"kids": uuid(60)}});
    assert_eq!(
        pair.error(&[
            chain(60, uuid(61)),
            chain(61, uuid(62)),
            chain(62, json!(["set", []])),
            refer
        ]),
        ""
    );
    assert_eq!(pair.rows("Kid", &["name"]).len(), 4);
    let cut = json!({"op": "mutate", "table": "Root", "where": of(5), "mutations": [["kids", "delete", uuid(60)]]});
    assert_eq!(pair.error(&[cut]), "");
    assert_eq!(pair.rows("Kid", &["name"]).len(), 1);
    // One that nobody ever refers to never comes to be.
    assert_eq!(pair.error(&[chain(63, json!(["set", []]))]), "");
    assert_eq!(pair.rows("Kid", &["name"]).len(), 1);
}

/// Weak references go with what they refer to, in sets, and in keys and values of maps.
#[test]
fn weak_references() {
    let mut pair = filled();
    assert_eq!(
        pair.error(&[
            insert("Few", 70, json!({})),
            insert("Bound", 71, json!({"needs": ["set", [uuid(3), uuid(70)]],
                "by_row": ["map", [[uuid(3), 1], [uuid(70), 2]]]})),
            json!({"op": "update", "table": "Root", "where": of(1), "row": {"friends": ["set", [uuid(3), uuid(70)]]}}),
        ]),
        ""
    );
    assert_eq!(
        pair.error(&[json!({"op": "delete", "table": "Few", "where": of(70)})]),
        ""
    );
    let rows = pair.rows("Bound", &["needs", "by_row"]);
    assert_eq!(rows[0]["needs"], uuid(3));
    assert_eq!(rows[0]["by_row"][1].as_array().unwrap().len(), 1);
    pair.rows("Root", &["friends"]);
    // A weak reference to nothing is left out as it comes.
    let update =
        json!({"op": "update", "table": "Root", "where": of(1), "row": {"friends": uuid(99)}});
    assert_eq!(pair.error(&[update]), "");
    assert!(
        pair.rows("Root", &["friends"])
            .iter()
            .all(|row| row["friends"] == json!(["set", []]))
    );
}

/// A name of a new row stands for its UUID everywhere in the transaction, also before the insert.
#[test]
fn named_uuids() {
    let mut pair = filled();
    let root = json!({"op": "insert", "table": "Root", "row": {"name": "n", "num": 50, "kids": ["named-uuid", "k"]}});
    let kid = json!({"op": "insert", "table": "Kid", "uuid-name": "k", "row": {"name": "named"}});
    let mut params = vec![json!("Rich"), root, kid];
    for client in [&mut pair.theirs, &mut pair.ours] {
        let reply = client.call("transact", params.clone().into());
        assert!(reply["result"][1]["uuid"].is_array(), "{reply}");
    }
    assert_eq!(pair.rows("Kid", &["name"]).len(), 2);
    params.pop();
    let results = pair.ask("transact", params.into())["result"].take();
    assert_eq!(results[1]["error"], "referential integrity violation");
}

/// Locks between two clients: taken, queued for, stolen, given up.
#[test]
fn locks() {
    let mut pair = Pair::new();
    let (theirs, ours) = pair.others();
    for (a, b) in [(&mut pair.theirs, theirs), (&mut pair.ours, ours)] {
        let mut b = b;
        let held = |reply: Value| reply["result"]["locked"].clone();
        assert_eq!(held(a.call("lock", json!(["l"]))), true);
        assert_eq!(held(b.call("lock", json!(["l"]))), false);
        assert_eq!(
            a.call("lock", json!(["l"]))["error"]["error"],
            "syntax error"
        );
        assert_eq!(a.call("unlock", json!(["l"]))["result"], json!({}));
        let told = b.read();
        assert_eq!(
            (&told["method"], &told["params"]),
            (&json!("locked"), &json!(["l"]))
        );
        assert_eq!(held(a.call("steal", json!(["l"]))), true);
        let told = b.read();
        assert_eq!(
            (&told["method"], &told["params"]),
            (&json!("stolen"), &json!(["l"]))
        );
        assert_eq!(b.call("unlock", json!(["l"]))["result"], json!({}));
    }
}

/// The three kinds of monitor, from their first answer to their end.
#[test]
fn monitors_from_begin_to_end() {
    let mut pair = filled();
    let zero = "00000000-0000-0000-0000-000000000000";
    let requests = json!({"Few": [{"columns": ["name"]}]});
    for (method, params, update) in [
        ("monitor", json!(["Rich", "v1", requests]), "update"),
        ("monitor_cond", json!(["Rich", "v2", requests]), "update2"),
        (
            "monitor_cond_since",
            json!(["Rich", "v3", requests, zero]),
            "update3",
        ),
    ] {
        let name = params[1].clone();
        if method == "monitor_cond_since" {
            let replies =
                [&mut pair.theirs, &mut pair.ours].map(|c| c.call(method, params.clone()));
            for reply in replies {
                assert_eq!(reply["result"][0], false);
                assert!(reply["result"][2]["Few"].is_object(), "{reply}");
            }
        } else {
            assert!(pair.ask(method, params)["result"]["Few"].is_object());
        }
        let rename =
            json!({"op": "update", "table": "Few", "where": of(3), "row": {"name": update}});
        assert_eq!(pair.error(&[rename]), "");
        for client in [&mut pair.theirs, &mut pair.ours] {
            let told = client
                .notifications
                .pop()
                .expect("it is told before the reply");
            assert_eq!(
                (&told["method"], &told["params"][0]),
                (&json!(update), &name)
            );
        }
        assert_eq!(
            pair.ask("monitor_cancel", json!([name]))["result"],
            json!({})
        );
        let rename =
            json!({"op": "update", "table": "Few", "where": of(3), "row": {"name": "quiet"}});
        assert_eq!(pair.error(&[rename]), "");
        assert!(pair.theirs.notifications.is_empty() && pair.ours.notifications.is_empty());
    }
}

/// The rows that describe the databases, to those who look there first.
#[test]
fn the_server_database() {
    let mut pair = Pair::new();
    let columns = json!([
        "name",
        "model",
        "connected",
        "leader",
        "cid",
        "sid",
        "index"
    ]);
    let select = json!({"op": "select", "table": "Database", "where": [["name", "==", "Rich"]], "columns": columns});
    let reply = pair.ask("transact", json!(["_Server", select]));
    assert_eq!(reply["result"][0]["rows"][0]["model"], "standalone");
    let write = json!({"op": "delete", "table": "Database", "where": []});
    assert_eq!(
        pair.ask("transact", json!(["_Server", write]))["result"][0]["error"],
        "not allowed"
    );
    let request = json!(["_Server", null, {"Database": [{"columns": ["name", "connected"]}]}]);
    let both = [&mut pair.theirs, &mut pair.ours].map(|c| c.call("monitor", request.clone()));
    for reply in both {
        assert_eq!(reply["result"]["Database"].as_object().unwrap().len(), 2);
    }
    for client in [&mut pair.theirs, &mut pair.ours] {
        let id = client.call("get_server_id", json!([]))["result"].take();
        assert!(id.as_str().unwrap().parse::<ovsdb::Uuid>().is_ok());
    }
}

//! Conversions in service, beside the stock server: which are possible, what becomes of the rows, and what
//! clients are told.

#![allow(clippy::unwrap_used)] // These are tests, though not all marked so.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::Sandbox;
use transport::Remote;
use transport::ovsdb::rpc::{Rpc, RpcError};

const SCHEMA: &str = r#"{"name":"D","version":"1.0.0","tables":{
  "T":{"isRoot":true,"columns":{
    "name":{"type":"string"},
    "n":{"type":"integer"},
    "x":{"type":"real"},
    "flag":{"type":"boolean"},
    "some":{"type":{"key":"string","min":0,"max":"unlimited"}},
    "one":{"type":{"key":"integer","min":0,"max":1}},
    "map":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}},
    "id":{"type":"uuid"},
    "strong":{"type":{"key":{"type":"uuid","refTable":"U"},"min":0,"max":1}},
    "short":{"type":"string","ephemeral":true}}},
  "U":{"columns":{"k":{"type":"integer"}}},
  "V":{"isRoot":true,"columns":{"k":{"type":"integer"}}}}}"#;

#[test]
fn role_body() {
    support::role_body();
}

/// The changes: what is put where, or removed.
fn changes() -> Vec<(String, Value)> {
    let at = |path: &str| path.to_owned();
    let column = |name: &str| format!("/tables/T/columns/{name}");
    let of = |name: &str| format!("/tables/T/columns/{name}/type");
    vec![
        (column("more"), json!({"type": "integer"})),
        (
            column("more"),
            json!({"type": {"key": "string", "min": 2, "max": 3}}),
        ),
        (column("flag"), Value::Null),
        (
            at("/tables/W"),
            json!({"columns": {"w": {"type": "string"}}}),
        ),
        (at("/tables/V"), Value::Null),
        (at("/tables/V/isRoot"), Value::Null),
        (at("/tables/U/isRoot"), json!(true)),
        // Of a type that holds more, or less, or something else.
        (of("name"), json!({"key": "string", "min": 0, "max": 5})),
        (of("n"), json!("real")),
        (of("x"), json!("integer")),
        (of("n"), json!("string")),
        (of("name"), json!("integer")),
        (of("some"), json!("string")),
        (of("some"), json!({"key": "string", "min": 0, "max": 1})),
        (of("some"), json!({"key": "string", "min": 0, "max": 2})),
        (of("one"), json!("integer")),
        (
            of("one"),
            json!({"key": "integer", "min": 0, "max": "unlimited"}),
        ),
        (
            of("map"),
            json!({"key": "string", "min": 0, "max": "unlimited"}),
        ),
        (
            of("map"),
            json!({"key": "string", "value": "integer", "min": 0, "max": "unlimited"}),
        ),
        (of("flag"), json!("string")),
        // Constraints that the rows satisfy, or break.
        (
            of("name"),
            json!({"key": {"type": "string", "enum": ["set", ["a", "b", "c"]]}}),
        ),
        (
            of("name"),
            json!({"key": {"type": "string", "enum": ["set", ["a", "c"]]}}),
        ),
        (
            of("n"),
            json!({"key": {"type": "integer", "minInteger": 1, "maxInteger": 2}}),
        ),
        (
            of("n"),
            json!({"key": {"type": "integer", "maxInteger": 1}}),
        ),
        (
            of("name"),
            json!({"key": {"type": "string", "minLength": 2}}),
        ),
        (at("/tables/T/indexes"), json!([["name"]])),
        (at("/tables/T/indexes"), json!([["flag"]])),
        (at("/tables/T/maxRows"), json!(2)),
        (at("/tables/T/maxRows"), json!(1)),
        // References where there were none.
        (of("id"), json!({"key": {"type": "uuid", "refTable": "V"}})),
        (
            of("id"),
            json!({"key": {"type": "uuid", "refTable": "V", "refType": "weak"}, "min": 0, "max": 1}),
        ),
        (of("strong"), json!({"key": "uuid", "min": 0, "max": 1})),
        (
            of("strong"),
            json!({"key": {"type": "uuid", "refTable": "U", "refType": "weak"}, "min": 0, "max": 1}),
        ),
        (column("short"), json!({"type": "string"})),
        // No schema of this database.
        (at("/name"), json!("E")),
        (at("/version"), json!("one")),
        (at("/tables/T/columns/_x"), json!({"type": "string"})),
        (
            of("strong"),
            json!({"key": {"type": "uuid", "refTable": "Nowhere"}}),
        ),
        (at("/version"), json!("2.0.0")),
    ]
}

/// The schema with one thing changed.
fn changed(path: &str, value: &Value) -> Value {
    let mut schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let (parent, name) = path.rsplit_once('/').unwrap();
    let parent = schema.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Value::Null => drop(parent.remove(name)),
        value => drop(parent.insert(name.to_owned(), value.clone())),
    }
    schema
}

fn content() -> Value {
    let uuid = |n: u8| format!("00000000-0000-4000-8000-00000000000{n}");
    let id = |n: u8| json!(["uuid", uuid(n)]);
    json!(["D",
        {"op": "insert", "table": "U", "uuid": uuid(5), "row": {"k": 1}},
        {"op": "insert", "table": "V", "uuid": uuid(6), "row": {"k": 2}},
        {"op": "insert", "table": "T", "uuid": uuid(1), "row": {"name": "a", "n": 1, "x": 1.5, "flag": true,
            "some": ["set", ["p", "q"]], "one": 7, "map": ["map", [["k", "1"]]], "id": id(6),
            "strong": id(5), "short": "s"}},
        {"op": "insert", "table": "T", "uuid": uuid(2), "row": {"name": "b", "n": 2, "x": 2.0, "flag": true,
            "id": id(9)}}])
}

/// Where the databases and the servers are.
struct World(Sandbox);

impl World {
    fn new() -> Self {
        let world = Self(Sandbox::new());
        std::fs::write(world.0.file("schema"), SCHEMA).unwrap();
        world
    }

    fn text(&self, name: &str) -> String {
        self.0.file(name).display().to_string()
    }

    fn address(&self, side: &str) -> String {
        format!("unix:{}", self.text(&format!("{side}.sock")))
    }

    async fn connect(&self, side: &str) -> Rpc {
        let remote: Remote = self.address(side).parse().unwrap();
        Rpc::connect(&[remote]).await.unwrap()
    }

    /// Starts the stock server or ours over a database with the content.
    fn start(&mut self, side: &str) -> usize {
        let (file, schema) = (self.text(&format!("{side}.db")), self.text("schema"));
        let _ = std::fs::remove_file(self.0.file(&format!("{side}.sock")));
        if !self.0.file(&format!("{side}.db")).exists() {
            self.0.run("ovsdb-tool", &["create", &file, &schema]);
            self.0
                .run("ovsdb-tool", &["transact", &file, &content().to_string()]);
        }
        let remote = format!("--remote=punix:{}.sock", self.text(side));
        let control = format!("--unixctl={}.ctl", self.text(side));
        let child = if side.starts_with("stock") {
            let args = [&file, &remote, &control, "-vconsole:off", "-vsyslog:off"];
            self.0.start_stock("ovsdb-server", &args)
        } else {
            let flags = format!("-vconsole:err -vsyslog:off {remote} {control} {file}");
            self.0.start(&format!("ovsdb-server {flags}"))
        };
        let address = self.address(side);
        self.0.wait("the server", |it| {
            it.try_run("ovsdb-client", &["list-dbs", &address]).0
        });
        child
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), work)
            .await
            .expect("in time")
    })
}

/// In the place of an error: the server has ended.
const ENDED: &str = "the server has ended";

/// Converts and gives the word of the error, if there is one.
async fn convert(rpc: &mut Rpc, schema: &Value) -> Option<String> {
    match rpc.call("convert", &json!(["D", schema])).await {
        Ok(result) => {
            assert_eq!(result, json!({}));
            None
        }
        Err(RpcError::Refused { error, .. }) => Some(error["error"].as_str().unwrap().to_owned()),
        Err(RpcError::Ended(..)) => Some(ENDED.to_owned()),
        Err(error) => panic!("{error}"),
    }
}

/// All rows, whatever the schema is.
async fn rows(rpc: &mut Rpc) -> Value {
    let schema = rpc.call("get_schema", &json!(["D"])).await.unwrap();
    let mut params = vec![json!("D")];
    for (table, schema) in schema["tables"].as_object().unwrap() {
        let mut columns: Vec<&str> = schema["columns"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        columns.extend(["_uuid"]);
        params.push(json!({"op": "select", "table": table, "where": [], "columns": columns}));
    }
    let mut found = rpc.call("transact", &Value::Array(params)).await.unwrap();
    for result in found.as_array_mut().unwrap() {
        let rows = result["rows"].as_array_mut().unwrap();
        rows.sort_by_key(|row| row["_uuid"].to_string());
    }
    json!([schema, found])
}

#[test]
fn what_can_be_converted_and_what_comes_of_it() {
    let mut world = World::new();
    let (template, schema) = (world.text("template"), world.text("schema"));
    world.0.run("ovsdb-tool", &["create", &template, &schema]);
    world.0.run(
        "ovsdb-tool",
        &["transact", &template, &content().to_string()],
    );
    let (mut refused, mut ends) = (0, 0);
    for (path, value) in changes() {
        let schema = changed(&path, &value);
        let mut children = Vec::new();
        for side in ["stock", "ours"] {
            std::fs::copy(&template, world.0.file(&format!("{side}.db"))).unwrap();
            children.push(world.start(side));
        }
        let survived = block_on(async {
            let (mut stock, mut ours) = (world.connect("stock").await, world.connect("ours").await);
            let word = convert(&mut ours, &schema).await;
            refused += usize::from(word.is_some());
            match convert(&mut stock, &schema).await {
                // Version 3.1.0 of the stock server ends when a value does not fit.
                Some(ended) if ended == ENDED => {
                    let word = word.as_deref();
                    assert!(
                        matches!(
                            word,
                            Some("constraint violation" | "syntax error" | "ovsdb error")
                        ),
                        "{path}: {value}: {word:?}"
                    );
                    ends += 1;
                    return false;
                }
                stocks => assert_eq!(word, stocks, "{path}: {value}"),
            }
            // Whoever is not told is cut off.
            let (mut stock, mut ours) = (world.connect("stock").await, world.connect("ours").await);
            let (stock, ours) = (rows(&mut stock).await, rows(&mut ours).await);
            assert_eq!(ours[0], stock[0], "{path}: {value}");
            assert_eq!(ours[1], stock[1], "{path}: {value}");
            true
        });
        if survived {
            // What was converted stays so.
            world.0.kill(children[1]);
            let mut before = block_on(async { rows(&mut world.connect("stock").await).await });
            children[1] = world.start("ours");
            let mut after = block_on(async { rows(&mut world.connect("ours").await).await });
            for side in [&mut before, &mut after] {
                without_ephemeral(side);
            }
            assert_eq!(after, before, "{path}: {value}");
        }
        for child in children {
            world.0.kill(child);
        }
    }
    assert!(refused > 10 && refused + 10 < changes().len(), "{refused}");
    // What is left to compare.
    assert!(ends * 2 < changes().len(), "{ends}");
}

/// Takes the column out that is not kept.
fn without_ephemeral(rows: &mut Value) {
    let tables = rows[1].as_array_mut().unwrap();
    for table in tables {
        for row in table["rows"].as_array_mut().unwrap() {
            row.as_object_mut().unwrap().remove("short");
        }
    }
}

/// What clients hear when a database is converted, goes and comes, by who they are. Those that ask to be told are
/// aware; those that follow the database use it.
async fn told(world: &World, side: &str) -> Vec<(&'static str, String)> {
    let mut told = Vec::new();
    let (mut aware, mut user) = (world.connect(side).await, world.connect(side).await);
    let (mut idle, mut idle_and_aware) = (world.connect(side).await, world.connect(side).await);
    let mut converter = world.connect(side).await;
    for rpc in [&mut aware, &mut idle_and_aware, &mut converter] {
        let yes = json!([true]);
        rpc.call("set_db_change_aware", &yes).await.unwrap();
    }
    idle.call("list_dbs", &json!([])).await.unwrap();
    for rpc in [&mut aware, &mut user] {
        follow(rpc, "first").await;
    }
    let schema = changed("/tables/V/columns/l", &json!({"type": "string"}));
    assert_eq!(convert(&mut converter, &schema).await, None);
    told.push(("aware, notified", notified(&mut aware).await));
    let insert = json!(["D", {"op": "insert", "table": "V", "row": {"l": "x"}}]);
    let results = aware.call("transact", &insert).await.unwrap();
    assert!(results[0]["uuid"].is_array(), "{results}");
    told.push(("aware", fate(&mut aware).await));
    told.push(("aware and idle", fate(&mut idle_and_aware).await));
    told.push(("user", fate(&mut user).await));
    told.push(("idle", fate(&mut idle).await));
    // The same when the database goes and comes.
    let (mut user, mut idle) = (world.connect(side).await, world.connect(side).await);
    idle.call("list_dbs", &json!([])).await.unwrap();
    for rpc in [&mut aware, &mut user] {
        follow(rpc, "again").await;
    }
    let control = world.text(&format!("{side}.ctl"));
    let command = |words: &[&str]| {
        let words = [&["-t", &control], words].concat();
        world.0.run("ovs-appctl", &words);
    };
    command(&["ovsdb-server/remove-db", "D"]);
    told.push(("removed: aware, notified", notified(&mut aware).await));
    told.push(("removed: aware", fate(&mut aware).await));
    told.push(("removed: user", fate(&mut user).await));
    told.push(("removed: idle", fate(&mut idle).await));
    let mut idle = world.connect(side).await;
    idle.call("list_dbs", &json!([])).await.unwrap();
    command(&["ovsdb-server/add-db", &world.text(&format!("{side}.db"))]);
    told.push(("added: aware", fate(&mut aware).await));
    told.push(("added: idle", fate(&mut idle).await));
    told
}

async fn follow(rpc: &mut Rpc, id: &str) {
    let monitor = json!(["D", [id, 1], {"V": [{"columns": ["k"]}]}]);
    rpc.call("monitor", &monitor).await.unwrap();
}

/// The next message that nobody asked for.
async fn notified(rpc: &mut Rpc) -> String {
    let heard = rpc.notification().await.unwrap();
    format!("{} {}", heard.method, heard.params)
}

/// Whether the server still serves a client.
async fn fate(rpc: &mut Rpc) -> String {
    match rpc.call("list_dbs", &json!([])).await {
        Ok(names) => names.to_string(),
        Err(RpcError::Ended(..)) => "cut off".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Aware clients hear what the stock server tells them. Of the others it cuts off all, and ours those that use
/// the database.
#[test]
fn aware_clients_are_told_and_others_that_are_concerned_are_cut_off() {
    let mut world = World::new();
    world.start("stock");
    world.start("ours");
    let (stock, ours) =
        block_on(async { (told(&world, "stock").await, told(&world, "ours").await) });
    let (with, without) = (r#"["D","_Server"]"#, r#"["_Server"]"#);
    let expected = [
        ("aware, notified", r#"monitor_canceled [["first",1]]"#),
        ("aware", with),
        ("aware and idle", with),
        ("user", "cut off"),
        ("idle", with),
        (
            "removed: aware, notified",
            r#"monitor_canceled [["again",1]]"#,
        ),
        ("removed: aware", without),
        ("removed: user", "cut off"),
        ("removed: idle", without),
        ("added: aware", with),
        ("added: idle", with),
    ];
    for ((ours, stock), (who, what)) in ours.iter().zip(&stock).zip(expected) {
        assert_eq!((ours.0, ours.1.as_str()), (who, what));
        let stocks = if who.ends_with("idle") && !who.starts_with("aware") {
            "cut off"
        } else {
            what
        };
        assert_eq!((stock.0, stock.1.as_str()), (who, stocks));
    }
    assert_eq!((ours.len(), stock.len()), (expected.len(), expected.len()));
}

/// The remotes that a database names are those of its new schema, and serve during the change.
#[test]
fn remotes_of_the_database_outlive_its_conversion() {
    let mut world = World::new();
    world.start("ours");
    let control = world.text("ours.ctl");
    let remote = "db:D,T,some";
    let add = ["-t", &control, "ovsdb-server/add-remote", remote];
    world.0.run("ovs-appctl", &add);
    let name = |world: &World, side: &str| {
        let some = format!("punix:{}.sock", world.text(side));
        let update =
            json!(["D", {"op": "update", "table": "T", "where": [], "row": {"some": some}}]);
        let address = world.address("ours");
        let (done, said) = world
            .0
            .try_run("ovsdb-client", &["transact", &address, &update.to_string()]);
        assert!(done && said.contains("\"count\":2"), "{said}");
    };
    let is_there = |world: &World, side: &str| world.0.file(&format!("{side}.sock")).exists();
    name(&world, "one");
    world
        .0
        .wait("the first remote", |_| is_there(&world, "one"));
    // Its column is at another place then.
    let wider = changed("/tables/T/columns/aa", &json!({"type": "string"}));
    block_on(async {
        let mut aware = world.connect("one").await;
        let yes = json!([true]);
        aware.call("set_db_change_aware", &yes).await.unwrap();
        follow(&mut aware, "first").await;
        assert_eq!(
            convert(&mut world.connect("ours").await, &wider).await,
            None
        );
        assert_eq!(
            notified(&mut aware).await,
            r#"monitor_canceled [["first",1]]"#
        );
        assert_eq!(fate(&mut aware).await, r#"["D","_Server"]"#);
        assert_ne!(fate(&mut world.connect("one").await).await, "cut off");
    });
    name(&world, "two");
    world.0.wait("the second remote", |_| {
        is_there(&world, "two") && !is_there(&world, "one")
    });
    // Without the column there are no remotes.
    let narrow = changed("/tables/T/columns/some", &Value::Null);
    block_on(async {
        assert_eq!(
            convert(&mut world.connect("two").await, &narrow).await,
            None
        );
    });
    world.0.wait("the end", |_| !is_there(&world, "two"));
    block_on(async {
        assert_ne!(fate(&mut world.connect("ours").await).await, "cut off");
    });
}

#[test]
fn tools_convert() {
    let mut world = World::new();
    world.start("ours");
    let address = world.address("ours");
    let wider = changed("/tables/T/columns/more", &json!({"type": "string"}));
    std::fs::write(world.0.file("wider"), wider.to_string()).unwrap();
    let path = world.text("wider");
    let needs = |world: &World| {
        let said = world
            .0
            .run("ovsdb-client", &["needs-conversion", &address, &path]);
        said.trim().to_owned()
    };
    assert_eq!(needs(&world), "yes");
    world.0.run("ovsdb-client", &["convert", &address, &path]);
    assert_eq!(needs(&world), "no");
    // What the schema cannot hold is said.
    let narrow = changed("/tables/T/columns/some/type", &json!("string"));
    std::fs::write(world.0.file("narrow"), narrow.to_string()).unwrap();
    let (done, said) = world.0.try_run(
        "ovsdb-client",
        &["convert", &address, &world.text("narrow")],
    );
    assert!(
        !done && said.contains("some") && said.contains("table T"),
        "{said}"
    );
    assert_eq!(needs(&world), "no");
}

/// The databases of `heddle server` have the schemas that its compiler knows.
#[test]
fn what_the_compiler_relies_on_is_not_converted() {
    let mut sandbox = Sandbox::new();
    sandbox.serve("");
    let (nb, path) = (sandbox.nb(), sandbox.file("nb.ovsschema"));
    let schema = sandbox.run("ovsdb-client", &["get-schema", &nb, "OVN_Northbound"]);
    std::fs::write(&path, &schema).unwrap();
    let path = path.display().to_string();
    sandbox.run("ovsdb-client", &["convert", &nb, &path]);
    let mut other: Value = serde_json::from_str(&schema).unwrap();
    other["version"] = json!("99.0.0");
    std::fs::write(&path, other.to_string()).unwrap();
    let (done, said) = sandbox.try_run("ovsdb-client", &["convert", &nb, &path]);
    assert!(!done && said.contains("not supported"), "{said}");
    sandbox.run("ovn-nbctl", &["--wait=sb", "ls-add", "still-compiled"]);
}

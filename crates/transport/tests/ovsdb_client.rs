//! The OVSDB client against the real `ovsdb-server`.

#![allow(clippy::unwrap_used)] // These are tests, though not all marked so.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ovsdb::client::{Config, Monitor, Rows, TransactError};
use ovsdb::operation::{Condition, Mutation, Mutator};
use ovsdb::{Atom, DatabaseSchema, Datum, Operation, RowChange};
use transport::Remote;
use transport::ovsdb::{Client, Event};

const SCHEMA: &str = r#"{"name":"Test","version":"1.0.0","tables":{
  "Switch":{"columns":{
     "name":{"type":"string"},
     "tag":{"type":{"key":"integer","min":0,"max":1}},
     "ports":{"type":{"key":{"type":"uuid","refTable":"Port"},"min":0,"max":"unlimited"}},
     "options":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}}},
   "isRoot":true,"indexes":[["name"]]},
  "Port":{"columns":{"name":{"type":"string"}}}}}"#;

/// A server in a folder of its own, killed at the end.
struct Server {
    dir: PathBuf,
    child: Child,
}

impl Server {
    fn start(dir: &Path, schema: &str) -> Self {
        let db = dir.join("db");
        if !db.exists() {
            std::fs::write(dir.join("schema"), schema).unwrap();
            let mut create = Command::new("ovsdb-tool");
            create
                .arg("create")
                .arg(&db)
                .arg(dir.join("schema"))
                .stdout(Stdio::null());
            let mut create = create.spawn().unwrap();
            assert!(create.wait().unwrap().success());
        }
        let _ = std::fs::remove_file(dir.join("sock"));
        let child = Command::new("ovsdb-server")
            .arg(&db)
            .arg(format!("--remote=punix:{}", dir.join("sock").display()))
            .args(["--unixctl=none", "-vconsole:off", "-vsyslog:off"])
            .env("OVS_RUNDIR", dir)
            .spawn()
            .unwrap();
        Self {
            dir: dir.to_owned(),
            child,
        }
    }

    fn remote(&self) -> Remote {
        Remote::Unix(self.dir.join("sock"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config() -> Config {
    Config::all(Arc::new(DatabaseSchema::from_json_text(SCHEMA).unwrap()))
}

async fn next(client: &mut Client) -> Event {
    tokio::time::timeout(Duration::from_secs(20), client.next())
        .await
        .expect("an event")
        .unwrap()
}

/// The changes up to [`Event::Connected`].
async fn connected(client: &mut Client) -> Vec<RowChange> {
    let mut all = Vec::new();
    loop {
        match next(client).await {
            Event::Changes(changes) => all.extend(changes),
            Event::Connected => return all,
            Event::Disconnected | Event::LockLost | Event::LockAcquired => {}
            other @ Event::ConditionsApplied => panic!("{other:?}"),
        }
    }
}

async fn changes(client: &mut Client) -> Vec<RowChange> {
    match next(client).await {
        Event::Changes(changes) => changes,
        other => panic!("{other:?}"),
    }
}

fn switch(name: &str) -> Operation {
    Operation::Insert {
        table: "Switch".into(),
        uuid: None,
        uuid_name: None,
        row: vec![("name".into(), name.into())],
    }
}

fn mutate(name: &str, column: &str, mutator: Mutator, value: Datum) -> Operation {
    Operation::Mutate {
        table: "Switch".into(),
        condition: vec![Condition::equal("name", name)],
        mutations: vec![Mutation::new(column, mutator, value)],
    }
}

#[tokio::test]
async fn rows_follow_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), SCHEMA);
    let mut client = Client::new(vec![server.remote()], config());
    assert_eq!(connected(&mut client).await, []);

    let results = client
        .transact(vec![switch("a"), switch("b")])
        .await
        .unwrap();
    let inserted = changes(&mut client).await;
    assert_eq!(inserted.len(), 2);
    let a = inserted
        .iter()
        .find(|c| c.new.as_ref().unwrap()[0] == "a".into())
        .unwrap();
    assert_eq!(results[0].uuid, Some(a.uuid));

    // A map changes by differences, in both directions.
    let two = Datum::map([("k", "1"), ("l", "2")]);
    client
        .transact(vec![mutate("a", "options", Mutator::Insert, two.clone())])
        .await
        .unwrap();
    let change = changes(&mut client).await.remove(0);
    assert_eq!(change.new.as_ref().unwrap()[3], two);
    client
        .transact(vec![mutate(
            "a",
            "options",
            Mutator::Delete,
            Datum::set(["k"]),
        )])
        .await
        .unwrap();
    let next_change = changes(&mut client).await.remove(0);
    assert_eq!(next_change.old, change.new);
    assert_eq!(next_change.new.unwrap()[3], Datum::map([("l", "2")]));

    let error = client
        .transact(vec![switch("c"), switch("a")])
        .await
        .unwrap_err();
    assert!(
        matches!(&error, TransactError::Refused { error, .. } if error == "constraint violation"),
        "{error}"
    );
    let delete = Operation::Delete {
        table: "Switch".into(),
        condition: vec![Condition::equal("name", "a")],
    };
    let results = client.transact(vec![delete]).await.unwrap();
    assert_eq!(results[0].count, Some(1));
    let gone = changes(&mut client).await.remove(0);
    assert_eq!((gone.uuid, gone.new), (a.uuid, None));
}

#[tokio::test]
async fn a_reconnection_gives_only_the_difference() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), SCHEMA);
    let remote = server.remote();
    let mut first = Client::new(vec![remote.clone()], config());
    connected(&mut first).await;
    first
        .transact(vec![switch("stays"), switch("goes")])
        .await
        .unwrap();
    assert_eq!(changes(&mut first).await.len(), 2);
    // Changed behind the client's back, while no server runs.
    drop(server);
    let json = r#"["Test",{"op":"delete","table":"Switch","where":[["name","==","goes"]]},
        {"op":"insert","table":"Switch","row":{"name":"comes"}}]"#;
    let status = Command::new("ovsdb-tool")
        .args(["transact", dir.path().join("db").to_str().unwrap(), json])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let _server = Server::start(dir.path(), SCHEMA);
    let mut difference = connected(&mut first).await;
    difference.sort_by_key(|change| change.new.is_some());
    let names: Vec<(bool, Datum)> = difference
        .iter()
        .map(|c| {
            (
                c.new.is_some(),
                c.new.as_ref().or(c.old.as_ref()).unwrap()[0].clone(),
            )
        })
        .collect();
    assert_eq!(names, [(false, "goes".into()), (true, "comes".into())]);
}

#[tokio::test]
async fn conditions_change_while_connected() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), SCHEMA);
    let mut config = config();
    let rows = Rows::one_of("name", ["x"]);
    config.tables = vec![Monitor {
        rows,
        ..Monitor::all("Switch")
    }];
    let mut client = Client::new(vec![server.remote()], config);
    connected(&mut client).await;
    client
        .transact(vec![switch("x"), switch("y")])
        .await
        .unwrap();
    assert_eq!(changes(&mut client).await.len(), 1);

    client
        .handle()
        .set_rows(vec![("Switch".into(), Rows::one_of("name", ["y"]))])
        .await;
    let swapped = changes(&mut client).await;
    assert_eq!(swapped.len(), 2, "one goes, one comes: {swapped:?}");
    assert_eq!(next(&mut client).await, Event::ConditionsApplied);
    client
        .handle()
        .set_rows(vec![("Switch".into(), Rows::None)])
        .await;
    assert!(changes(&mut client).await[0].new.is_none());
    assert_eq!(next(&mut client).await, Event::ConditionsApplied);
    client
        .handle()
        .set_rows(vec![("Switch".into(), Rows::All)])
        .await;
    assert_eq!(changes(&mut client).await.len(), 2);
}

#[tokio::test]
async fn one_holds_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), SCHEMA);
    let mut first = Client::new(vec![server.remote()], config().with_lock("l"));
    while next(&mut first).await != Event::LockAcquired {}
    let mut second = Client::new(vec![server.remote()], config().with_lock("l"));
    connected(&mut second).await;
    assert_eq!(second.try_next(), None);
    let guarded = vec![Operation::Assert { lock: "l".into() }, switch("s")];
    let error = second.transact(guarded.clone()).await.unwrap_err();
    assert!(matches!(&error, TransactError::Refused { error, .. } if error == "not owner"));
    drop(first);
    while next(&mut second).await != Event::LockAcquired {}
    second.transact(guarded).await.unwrap();
    // Giving it back without leaving.
    let mut third = Client::new(vec![server.remote()], config().with_lock("l"));
    connected(&mut third).await;
    second.handle().set_lock(None).await;
    while next(&mut third).await != Event::LockAcquired {}
    let guarded = vec![Operation::Assert { lock: "l".into() }, switch("t")];
    third.transact(guarded).await.unwrap();
}

#[tokio::test]
async fn a_server_that_lacks_tables_and_columns() {
    let dir = tempfile::tempdir().unwrap();
    let old = r#"{"name":"Test","version":"0.1.0","tables":{
        "Switch":{"columns":{"name":{"type":{"key":{"type":"string","enum":["set",["a","b"]]}}},
            "extra":{"type":"string"}},"isRoot":true}}}"#;
    let server = Server::start(dir.path(), old);
    let mut client = Client::new(vec![server.remote()], config());
    connected(&mut client).await;
    let mut operation = switch("a");
    if let Operation::Insert { row, .. } = &mut operation {
        row.push(("tag".into(), 7.into()));
    }
    let port = Operation::Insert {
        table: "Port".into(),
        uuid: None,
        uuid_name: None,
        row: vec![("name".into(), "p".into())],
    };
    let results = client
        .transact(vec![port, operation, switch("c")])
        .await
        .unwrap();
    let inserted: Vec<bool> = results.iter().map(|result| result.uuid.is_some()).collect();
    assert_eq!(inserted, [false, true, false]);
    let row = changes(&mut client).await.remove(0).new.unwrap();
    let empty = (Datum::EMPTY_SET, Datum::EMPTY_SET, Datum::EMPTY_MAP);
    assert_eq!(row[0], Datum::one(Atom::from("a")));
    assert_eq!((row[1].clone(), row[2].clone(), row[3].clone()), empty);
}

#[tokio::test]
async fn the_next_address_when_one_fails() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), SCHEMA);
    let dead = Remote::Unix(dir.path().join("nobody"));
    let tls = Remote::Ssl("127.0.0.1".into(), 1);
    let mut client = Client::new(vec![dead, tls, server.remote()], config());
    let error = client.transact(vec![switch("early")]).await;
    assert!(error.is_ok() || error == Err(TransactError::NotConnected));
    connected(&mut client).await;
    assert!(client.handle().is_connected());
    assert_eq!(client.handle().server_schema().unwrap().tables().len(), 2);
}

/// A program that awaits replies and takes no events meanwhile is not stuck.
#[tokio::test]
async fn replies_pass_a_full_queue_of_events() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), SCHEMA);
    let mut client = Client::new(vec![server.remote()], config());
    connected(&mut client).await;
    for n in 0..200 {
        client.transact(vec![switch(&n.to_string())]).await.unwrap();
    }
    for _ in 0..200 {
        assert_eq!(changes(&mut client).await.len(), 1);
    }
}

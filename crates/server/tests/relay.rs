//! Relays between stock programs: over a stock server, under a stock relay, through ends of every kind.

#![allow(clippy::unwrap_used)] // These are tests, though not all marked so.

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use ovsdb::client::{Config, TransactError};
use ovsdb::{DatabaseSchema, Operation};
use serde_json::{Value, json};
use support::Sandbox;
use transport::Remote;
use transport::ovsdb::{Client, Event};

const SOUTHBOUND: &str = "/usr/share/ovn/ovn-sb.ovsschema";
const SMALL: &str = r#"{"name":"D","version":"1.0.0","tables":{"T":{"isRoot":true,"columns":{
    "name":{"type":"string"}}}}}"#;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn role_body() {
    support::role_body();
}

/// Where databases and relays are, in a folder.
struct World(Sandbox);

impl World {
    fn new(schema: &str) -> Self {
        let world = Self(Sandbox::new());
        let path = world.0.file("schema");
        if schema.starts_with('{') {
            std::fs::write(&path, schema).unwrap();
        } else {
            std::fs::copy(schema, &path).unwrap();
        }
        let (file, path) = (world.text("db"), world.text("schema"));
        world.0.run("ovsdb-tool", &["create", &file, &path]);
        world
    }

    fn text(&self, name: &str) -> String {
        self.0.file(name).display().to_string()
    }

    fn address(&self, name: &str) -> String {
        format!("unix:{}", self.text(name))
    }

    fn remote(&self, name: &str) -> Remote {
        self.address(name).parse().unwrap()
    }

    /// Starts a server of this program and waits for it.
    fn start(&mut self, stock: bool, database: &str, socket: &str) -> usize {
        let _ = std::fs::remove_file(self.0.file(socket));
        let remote = format!("--remote=punix:{}", self.text(socket));
        let child = if stock {
            let flags = ["--unixctl=none", "-vconsole:off", "-vsyslog:off"];
            let args = [&[database, &remote][..], &flags[..]].concat();
            self.0.start_stock("ovsdb-server", &args)
        } else {
            let unixctl = self.text(&format!("{socket}.ctl"));
            let line = format!(
                "ovsdb-server -vconsole:err -vsyslog:off --unixctl={unixctl} {database} {remote}"
            );
            self.0.start(&line)
        };
        let address = self.address(socket);
        self.0.wait("the server", |it| {
            it.try_run("ovsdb-client", &["list-dbs", &address]).0
        });
        child
    }

    fn source(&mut self, stock: bool) -> usize {
        let file = self.text("db");
        self.start(stock, &file, "source.sock")
    }

    fn relay(&mut self, stock: bool, name: &str, of: &str, socket: &str) -> usize {
        let sources: Vec<String> = of.split(',').map(|of| self.address(of)).collect();
        let database = format!("relay:{name}:{}", sources.join(","));
        let child = self.start(stock, &database, socket);
        self.0.run(
            "ovsdb-client",
            &["-t", "25", "wait", &self.address(socket), name, "connected"],
        );
        child
    }

    fn sbctl(&self, socket: &str, line: &str) -> String {
        let address = self.address(socket);
        self.0
            .line(&format!("ovn-sbctl --no-leader-only --db={address} {line}"))
    }

    fn transact(&self, socket: &str, params: &Value) -> Value {
        let text = self.0.run(
            "ovsdb-client",
            &["transact", &self.address(socket), &params.to_string()],
        );
        serde_json::from_str(&text).unwrap()
    }

    /// How the server describes the database.
    fn described(&self, socket: &str, name: &str) -> Value {
        let columns = ["model", "connected", "leader", "index"];
        let select = json!({"op": "select", "table": "Database", "columns": columns,
            "where": [["name", "==", name]]});
        self.transact(socket, &json!(["_Server", select]))[0]["rows"][0].take()
    }

    fn count(&self, socket: &str, name: &str, table: &str) -> usize {
        let select = json!({"op": "select", "table": table, "where": [], "columns": ["_uuid"]});
        let rows = self.transact(socket, &json!([name, select]));
        rows[0]["rows"].as_array().map_or(0, Vec::len)
    }
}

/// What stock tools see and do through a relay, over a source of either kind.
fn through_a_relay(stock_source: bool, stock_relay: bool) {
    let name = "OVN_Southbound";
    let mut world = World::new(SOUTHBOUND);
    let source = world.source(stock_source);
    world.relay(stock_relay, name, "source.sock", "relay.sock");
    let described = world.described("relay.sock", name);
    let none = json!(["set", []]);
    assert_eq!(
        described,
        json!({"model": "relay", "connected": true, "leader": false, "index": none})
    );
    world.sbctl("relay.sock", "chassis-add one geneve 10.0.0.1");
    let show = world.sbctl("relay.sock", "show");
    assert!(
        show.contains("Chassis one") && show.contains("10.0.0.1"),
        "{show}"
    );
    assert_eq!(world.sbctl("source.sock", "show"), show);
    let dump = |socket: &str| {
        world.0.run(
            "ovsdb-client",
            &[
                "dump",
                &world.address(socket),
                name,
                "Chassis",
                "name",
                "encaps",
            ],
        )
    };
    assert_eq!(dump("relay.sock"), dump("source.sock"));
    // Errors are the source's.
    let address = world.address("relay.sock");
    let (done, said) = world.0.try_run(
        "ovn-sbctl",
        &[
            "--no-leader-only",
            &format!("--db={address}"),
            "set",
            "Chassis",
            "one",
            "nb_cfg=x",
        ],
    );
    assert!(!done, "{said}");
    let unknown =
        json!(["OVN_Southbound", {"op": "insert", "table": "Encap", "row": {"type": "x"}}]);
    let text = world.transact("relay.sock", &unknown).to_string();
    assert!(text.contains("constraint violation"), "{text}");

    // The source is killed; what is known can still be read.
    let mut monitor = world.0.command("ovsdb-client");
    monitor
        .args([
            "monitor",
            "--format=json",
            &world.address("relay.sock"),
            name,
        ])
        .args(["Chassis", "name"])
        .stdout(Stdio::piped());
    let mut monitor = monitor.spawn().unwrap();
    let mut lines = BufReader::new(monitor.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.contains("\"one\""), "{first}");
    world.0.kill(source);
    if !stock_relay {
        world.0.wait("the relay to say so", |_| {
            world.described("relay.sock", name)["connected"] == false
        });
    }
    assert_eq!(world.count("relay.sock", name, "Chassis"), 1);
    world.source(stock_source);
    world.sbctl("source.sock", "chassis-add two geneve 10.0.0.2");
    world.0.wait("the relay to come back", |_| {
        world.described("relay.sock", name)["connected"] == true
            && world.count("relay.sock", name, "Chassis") == 2
    });
    // Clients hear of the difference and of nothing else.
    let next = lines.next().unwrap().unwrap();
    assert!(
        next.contains("\"two\"") && !next.contains("\"one\""),
        "{next}"
    );
    let _ = monitor.kill();
    let _ = monitor.wait();
}

#[test]
fn our_relay_of_a_stock_server() {
    through_a_relay(true, false);
}

#[test]
fn our_relay_of_our_server() {
    through_a_relay(false, false);
}

#[test]
fn a_stock_relay_of_our_server() {
    through_a_relay(false, true);
}

#[test]
fn relays_of_relays() {
    let mut world = World::new(SMALL);
    world.source(false);
    world.relay(false, "D", "source.sock", "first.sock");
    world.relay(true, "D", "first.sock", "second.sock");
    world.relay(false, "D", "second.sock", "third.sock");
    let insert = json!({"op": "insert", "table": "T", "row": {"name": "x"}});
    let result = world.transact("third.sock", &json!(["D", insert]));
    assert!(result[0]["uuid"].is_array(), "{result}");
    for socket in ["source.sock", "first.sock", "second.sock", "third.sock"] {
        assert_eq!(world.count(socket, "D", "T"), 1, "{socket}");
    }
}

#[test]
fn a_database_that_changes_its_schema_at_the_source() {
    let mut world = World::new(SMALL);
    world.source(false);
    world.relay(false, "D", "source.sock", "relay.sock");
    let insert = json!({"op": "insert", "table": "T", "row": {"name": "x"}});
    world.transact("relay.sock", &json!(["D", insert]));
    let wider = SMALL.replace(
        r#""name":{"type":"string"}"#,
        r#""name":{"type":"string"},"n":{"type":"integer"}"#,
    );
    std::fs::write(world.0.file("wider"), wider.replace("1.0.0", "2.0.0")).unwrap();
    let (source, relay) = (world.address("source.sock"), world.address("relay.sock"));
    let path = world.text("wider");
    let (done, said) = world.0.try_run("ovsdb-client", &["convert", &relay, &path]);
    assert!(!done && said.contains("not supported"), "{said}");
    world.0.run("ovsdb-client", &["convert", &source, &path]);
    world.0.wait("the relay to follow", |it| {
        it.run("ovsdb-client", &["get-schema-version", &relay, "D"])
            .trim()
            == "2.0.0"
    });
    world
        .0
        .wait("the rows", |_| world.count("relay.sock", "D", "T") == 1);
    let select = json!({"op": "select", "table": "T", "where": [], "columns": ["n", "name"]});
    let rows = world.transact("relay.sock", &json!(["D", select]));
    assert_eq!(rows[0]["rows"], json!([{"n": 0, "name": "x"}]));
}

#[test]
fn commands_add_and_remove_relays() {
    let mut world = World::new(SMALL);
    world.source(true);
    world.start(false, "--no-dbs", "relay.sock");
    let control = world.text("relay.sock.ctl");
    let command = |words: &[&str]| {
        let args = [&["-t", &control], words].concat();
        world.0.try_run("ovs-appctl", &args)
    };
    let relay = format!("relay:D:{}", world.address("source.sock"));
    assert_eq!(
        command(&["ovsdb-server/add-db", &relay]),
        (true, String::new())
    );
    let (done, said) = command(&["ovsdb-server/add-db", &relay]);
    assert!(!done && said.contains("served already"), "{said}");
    let (done, said) = command(&["ovsdb-server/add-db", "relay:D:http:x"]);
    assert!(!done && said.contains("http:x"), "{said}");
    let address = world.address("relay.sock");
    world.0.run(
        "ovsdb-client",
        &["-t", "25", "wait", &address, "D", "connected"],
    );
    assert_eq!(
        command(&["ovsdb-server/list-dbs"]),
        (true, "D\n_Server\n".to_owned())
    );
    assert!(command(&["ovsdb-server/compact"]).0);
    assert!(command(&["ovsdb-server/remove-db", "D"]).0);
    assert_eq!(
        world.0.run("ovsdb-client", &["list-dbs", &address]),
        "_Server\n"
    );
    assert!(command(&["ovsdb-server/add-db", &relay]).0);
    world.0.run(
        "ovsdb-client",
        &["-t", "25", "wait", &address, "D", "connected"],
    );
}

fn config() -> Config {
    Config::all(Arc::new(DatabaseSchema::from_json_text(SMALL).unwrap()))
}

fn insert(name: &str) -> Operation {
    Operation::Insert {
        table: "T".into(),
        uuid: None,
        uuid_name: None,
        row: vec![("name".into(), name.into())],
    }
}

/// The names of the rows that came, one transaction after the other, until there are so many.
async fn names(client: &mut Client, count: usize) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    let mut seen = 0;
    let wait = async {
        while seen < count {
            if let Event::Changes(changes) = client.next().await.unwrap() {
                let names = changes.iter().map(|change| {
                    assert!(change.old.is_none(), "{change:?}");
                    let row = change.new.as_ref().unwrap();
                    row[0].as_one().unwrap().as_str().unwrap().to_string()
                });
                all.push(names.collect::<Vec<_>>());
                seen += changes.len();
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("all rows");
    all
}

#[test]
fn two_hundred_readers_hear_of_everything_once() {
    const READERS: usize = 200;
    const WRITES: usize = 40;
    let mut world = World::new(SMALL);
    world.source(false);
    world.relay(false, "D", "source.sock", "relay.sock");
    let (source, relay) = (world.remote("source.sock"), world.remote("relay.sock"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut readers = Vec::new();
        for _ in 0..READERS {
            let mut reader = Client::new(vec![relay.clone()], config());
            while reader.next().await.unwrap() != Event::Connected {}
            readers.push(reader);
        }
        // Half is written at the source and half through the relay.
        let mut at = [
            Client::new(vec![source], config()),
            Client::new(vec![relay], config()),
        ];
        for writer in &mut at {
            while writer.next().await.unwrap() != Event::Connected {}
        }
        let mut written = Vec::new();
        for n in 0..WRITES {
            let name = n.to_string();
            at[n % 2].transact(vec![insert(&name)]).await.unwrap();
            written.push(vec![name]);
        }
        for reader in &mut readers {
            assert_eq!(names(reader, WRITES).await, written);
        }
    });
}

/// Readers of two relays over one source: one relay is killed, then the source.
#[test]
fn relays_and_sources_are_killed_and_nothing_is_lost() {
    const READERS: usize = 20;
    let mut world = World::new(SMALL);
    let source = world.source(false);
    let first = world.relay(false, "D", "source.sock", "first.sock");
    world.relay(false, "D", "source.sock", "second.sock");
    let both = vec![world.remote("first.sock"), world.remote("second.sock")];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut readers: Vec<Client> = runtime.block_on(async {
        let readers = (0..READERS).map(|_| Client::new(both.clone(), config()));
        readers.collect()
    });
    let mut writer = runtime.block_on(async { Client::new(both.clone(), config()) });
    let mut acknowledged = BTreeSet::new();
    let mut write = |world: &mut World, round: usize, kill: &mut dyn FnMut(&mut World)| {
        for n in 0..20 {
            if n == 10 {
                kill(world);
            }
            let name = format!("{round}-{n}");
            let done = runtime.block_on(async {
                while writer.try_next().is_some() {}
                let deadline = tokio::time::Instant::now() + PATIENCE;
                loop {
                    match writer.transact(vec![insert(&name)]).await {
                        Ok(_) => return true,
                        // It may have been carried out: another name is as good.
                        Err(TransactError::Lost | TransactError::Refused { .. }) => return false,
                        Err(TransactError::NotConnected) => {
                            assert!(tokio::time::Instant::now() < deadline, "no relay");
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                    }
                }
            });
            if done {
                acknowledged.insert(name);
            }
        }
    };
    write(&mut world, 0, &mut |world| world.0.kill(first));
    world.relay(false, "D", "source.sock", "first.sock");
    write(&mut world, 1, &mut |world| {
        world.0.kill(source);
        world.source(false);
    });
    assert!(acknowledged.len() >= 36, "{acknowledged:?}");
    let total = world.count("source.sock", "D", "T");
    assert!(total >= acknowledged.len());
    runtime.block_on(async {
        for reader in &mut readers {
            let seen: Vec<String> = names(reader, total).await.into_iter().flatten().collect();
            let distinct: BTreeSet<String> = seen.iter().cloned().collect();
            assert_eq!(distinct.len(), seen.len(), "twice: {seen:?}");
            assert!(acknowledged.is_subset(&distinct));
        }
    });
}

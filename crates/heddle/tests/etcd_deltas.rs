//! What a client costs that moves from one server over etcd to another, byte by byte: the difference, not the table.

#[path = "etcd_common/mod.rs"]
mod common;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use common::{Client, Server, last_id};
use serde_json::{Value, json};
use testbed::{Etcd, Scratch, until};

const PATIENCE: Duration = Duration::from_secs(120);
const DATABASE: &str = "OVN_Northbound";
const TABLE: &str = "Address_Set";
/// Rows that are there before, half of them seen, with so many bytes each.
const ROWS: usize = 600;
const WEIGHT: usize = 400;

/// A connection of which every byte is counted.
struct Counted {
    stream: UnixStream,
}

impl Counted {
    fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream })
    }

    /// Asks, and gives the answer with the number of bytes that came until it was whole.
    fn ask(&mut self, method: &str, params: &Value) -> Result<(Value, usize)> {
        let request = json!({"id": 1, "method": method, "params": params});
        self.stream.write_all(request.to_string().as_bytes())?;
        let (mut all, mut bytes) = (Vec::new(), vec![0; 64 << 10]);
        loop {
            let count = self.stream.read(&mut bytes)?;
            ensure!(count > 0, "the server closed the connection");
            all.extend_from_slice(&bytes[..count]);
            if let Ok(mut answer) = serde_json::from_slice::<Value>(&all) {
                ensure!(answer["error"].is_null(), "{answer}");
                return Ok((answer["result"].take(), all.len()));
            }
        }
    }
}

fn row(name: &str, class: &str) -> Value {
    let text = "x".repeat(WEIGHT);
    json!({"name": name, "external_ids": ["map", [["class", class], ["text", text]]]})
}

fn insert(name: &str, class: &str) -> Value {
    json!({"op": "insert", "table": TABLE, "row": row(name, class)})
}

fn named(name: &str) -> Value {
    json!([["name", "==", name]])
}

/// What is asked for: the rows of one class, by a condition.
fn request(class: &str, last: &str) -> Value {
    let includes = json!(["external_ids", "includes", ["map", [["class", class]]]]);
    let of = json!({TABLE: [{"columns": ["name", "external_ids"], "where": [includes]}]});
    json!([DATABASE, "m", of, last])
}

/// The rows of an update by the kind of the change, sorted; of each the name, if it has one.
fn kinds(updates: &Value) -> Vec<(String, String)> {
    let rows = updates[TABLE].as_object().into_iter().flatten();
    let changes = rows.flat_map(|(_, row)| row.as_object().into_iter().flatten());
    let mut all: Vec<_> = changes
        .map(|(kind, row)| {
            let name = row["name"].as_str().unwrap_or_default();
            (kind.clone(), name.to_owned())
        })
        .collect();
    all.sort();
    all
}

#[test]
fn a_client_that_moves_gets_the_difference_and_no_more() -> Result<()> {
    let (etcd, scratch) = (Etcd::start(1)?, Scratch::new()?);
    let endpoints = etcd.endpoints();
    let first = Server::start(&scratch, "first", &endpoints)?;
    let mut second = Server::start(&scratch, "second", &endpoints)?;
    let mut writer = Client::connect(&first.socket())?;
    let rows = (0..ROWS).map(|n| insert(&format!("r{n}"), ["seen", "unseen"][n % 2]));
    writer.transact_all(DATABASE, &rows.collect::<Vec<_>>())?;

    // The first view is everything that is seen.
    let nothing = "00000000-0000-0000-0000-000000000000";
    let mut client = Counted::connect(&first.socket())?;
    let (view, whole) = client.ask("monitor_cond_since", &request("seen", nothing))?;
    ensure!(view[0] == false && kinds(&view[2]).len() == ROWS / 2);
    ensure!(whole > ROWS / 2 * WEIGHT, "{whole} bytes");
    let id = view[1].as_str().context("no id")?.to_owned();
    drop(client);

    // Nothing has happened: the answer is empty, whatever the size of the table, on either server.
    let in_step = |socket: &Path| -> Result<String> {
        let now = last_id(&first.socket())?;
        until(PATIENCE, "the other server to have all", || {
            Ok((last_id(socket)? == now).then_some(()))
        })?;
        Ok(now)
    };
    in_step(&second.socket())?;
    for server in [&first, &second] {
        let mut client = Counted::connect(&server.socket())?;
        let (view, bytes) = client.ask("monitor_cond_since", &request("seen", &id))?;
        ensure!(view == json!([true, id, {}]), "{view}");
        ensure!(bytes < 200, "{bytes} bytes for nothing");
    }

    // Rows come, go, change, begin and cease to be seen, and much happens that is not seen.
    let class = |name: &str, from: &str, to: &str| {
        json!({"op": "mutate", "table": TABLE, "where": named(name), "mutations": [
            ["external_ids", "delete", ["map", [["class", from]]]],
            ["external_ids", "insert", ["map", [["class", to]]]]]})
    };
    let changes = [
        insert("new", "seen"),
        insert("new but unseen", "unseen"),
        json!({"op": "delete", "table": TABLE, "where": named("r0")}),
        json!({"op": "delete", "table": TABLE, "where": named("r1")}),
        json!({"op": "update", "table": TABLE, "where": named("r2"), "row": {"name": "renamed"}}),
        class("r4", "seen", "unseen"),
        class("r5", "unseen", "seen"),
    ];
    for change in &changes {
        writer.transact(DATABASE, change)?;
    }
    // A row that comes and goes again is not told of.
    writer.transact(DATABASE, &insert("short", "seen"))?;
    writer.transact(
        DATABASE,
        &json!({"op": "delete", "table": TABLE, "where": named("short")}),
    )?;
    for _ in 0..20 {
        for text in ["a", "b"] {
            let ids = json!(["map", [["text", text]]]);
            let update = json!({"op": "update", "table": TABLE, "row": {"external_ids": ids},
                "where": [["external_ids", "excludes", ["map", [["class", "seen"]]]], ["name", "==", "r7"]]});
            writer.transact(DATABASE, &update)?;
        }
    }
    let now = in_step(&second.socket())?;
    let expected = [
        ("delete", ""),
        ("delete", ""),
        ("insert", "new"),
        ("insert", "r5"),
        ("modify", "renamed"),
    ];
    let check = |socket: &Path| -> Result<()> {
        let mut client = Counted::connect(socket)?;
        let (view, bytes) = client.ask("monitor_cond_since", &request("seen", &id))?;
        ensure!(view[0] == true && view[1] == json!(now), "{view}");
        let got = kinds(&view[2]);
        let got: Vec<_> = got.iter().map(|(kind, name)| (&**kind, &**name)).collect();
        ensure!(got == expected, "{got:?}");
        // Two rows in full, and little beside.
        ensure!(bytes < 2 * WEIGHT + 1000, "{bytes} bytes of {whole}");
        Ok(())
    };
    check(&second.socket())?;
    check(&first.socket())?;

    // A server that has just started knows as much: it has read the same log.
    second.kill()?;
    second.restart()?;
    in_step(&second.socket())?;
    check(&second.socket())
}

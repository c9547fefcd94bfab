//! Database files: ours read by the stock tools, theirs read by us, and what a crash leaves.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ovsdb::database::{Context, Outcome};
use ovsdb::log::{FileLog, Log, LogError, Opened};
use ovsdb::{Database, Datum, Uuid};
use proptest::prelude::prop;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use support::random::{Side, operation};
use support::{Client, StockServer, run, schema, stock};

/// What a database holds, ephemeral columns aside: table, UUID and column to the value.
fn contents(database: &Database) -> BTreeMap<(String, Uuid, String), Datum> {
    let mut out = BTreeMap::new();
    for change in database.contents() {
        let table = database.schema().table(&change.table).unwrap();
        let row = change.new.unwrap();
        for (column, value) in table.columns().iter().zip(row.iter()) {
            if !column.ephemeral {
                let key = (
                    change.table.to_string(),
                    change.uuid,
                    column.name.to_string(),
                );
                out.insert(key, value.clone());
            }
        }
    }
    out
}

/// The same, as a server shows it.
fn shown(client: &mut Client) -> BTreeMap<(String, Uuid, String), Datum> {
    let schema = schema();
    let mut out = BTreeMap::new();
    for table in schema.tables() {
        let select = json!({"op": "select", "table": table.name, "where": []});
        let reply = client.call("transact", json!(["Rich", select]));
        for row in reply["result"][0]["rows"].as_array().unwrap() {
            let uuid = row["_uuid"][1].as_str().unwrap().parse().unwrap();
            for column in table.columns().iter().filter(|column| !column.ephemeral) {
                let value = Datum::from_json(&column.column_type, &row[column.name.as_str()]);
                out.insert(
                    (table.name.to_string(), uuid, column.name.to_string()),
                    value.unwrap(),
                );
            }
        }
    }
    out
}

fn templates(seed: u8, count: usize) -> Vec<Vec<Value>> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let transactions = prop::collection::vec(operation(), 1..6);
    (0..count)
        .map(|_| transactions.new_tree(&mut runner).unwrap().current())
        .collect()
}

/// Carries random transactions out and appends each to the log; after each `check` sees the database.
fn fill(opened: &mut Opened, seed: u8, count: usize, mut check: impl FnMut(&Database, u64)) {
    let Opened { database, log, .. } = opened;
    let mut new_uuid = support::uuids(u64::from(seed) << 32);
    let templates = templates(seed, count);
    let mut side = Side::new(|operations: &[Value]| {
        let mut context = Context {
            now: 1,
            new_uuid: &mut new_uuid,
            holds_lock: &|_| false,
            waited: 0,
            read_only: None,
        };
        let Outcome::Done(executed) = database.execute_json(operations, &mut context) else {
            panic!("nothing waits here");
        };
        if let Some(record) = executed.commit.and_then(|commit| commit.record) {
            log.append(&[record], &[]).unwrap();
        }
        check(database, log.size().now);
        serde_json::to_value(&executed.results).unwrap()
    });
    for template in templates {
        side.run(&template);
    }
}

fn create(path: &Path) -> Opened {
    FileLog::create(path, Arc::new(schema())).unwrap()
}

#[test]
fn a_replayed_log_is_the_live_state() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let mut opened = create(&path);
    for seed in 0..4 {
        fill(&mut opened, seed, 400, |_, _| {});
        let live = contents(&opened.database);
        let size = opened.log.size();
        drop(opened);
        opened = FileLog::open(&path).unwrap();
        assert_eq!(contents(&opened.database), live);
        assert_eq!(opened.log.size().now, size.now);
        assert_eq!(opened.torn, None);
    }
    assert!(contents(&opened.database).len() > 20);
}

#[test]
fn the_stock_server_and_tool_read_our_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let mut opened = create(&path);
    fill(&mut opened, 11, 800, |_, _| {});
    let live = contents(&opened.database);
    drop(opened);
    run(stock("ovsdb-tool").arg("show-log").arg("-mm").arg(&path));
    let printed = run(stock("ovsdb-tool").arg("db-name").arg(&path));
    assert_eq!(String::from_utf8_lossy(&printed.stdout), "Rich\n");
    let server = StockServer::start(dir.path(), &path);
    assert_eq!(shown(&mut server.client()), live);
}

#[test]
fn we_read_the_files_of_the_stock_server() {
    let dir = tempfile::tempdir().unwrap();
    let (schema_file, path) = (dir.path().join("schema"), dir.path().join("db"));
    std::fs::write(&schema_file, support::SCHEMA).unwrap();
    run(stock("ovsdb-tool")
        .arg("create")
        .arg(&path)
        .arg(&schema_file));
    let server = StockServer::start(dir.path(), &path);
    let mut client = server.client();
    let mut side = Side::new(|operations: &[Value]| {
        let mut params = vec![json!("Rich")];
        params.extend_from_slice(operations);
        client.call("transact", params.into())["result"].take()
    });
    for template in templates(12, 800) {
        side.run(&template);
    }
    drop(side);
    let live = shown(&mut client);
    assert!(matches!(FileLog::open(&path), Err(LogError::Locked(_))));
    drop(server);
    assert_eq!(contents(&FileLog::open(&path).unwrap().database), live);
    run(stock("ovsdb-tool").arg("compact").arg(&path));
    let mut opened = FileLog::open(&path).unwrap();
    assert_eq!(contents(&opened.database), live);
    // And the other way round: what we add to their file, they read.
    fill(&mut opened, 13, 200, |_, _| {});
    let live = contents(&opened.database);
    drop(opened);
    let server = StockServer::start(dir.path(), &path);
    assert_eq!(shown(&mut server.client()), live);
}

#[test]
fn a_compacted_log_has_the_same_state_and_id() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let mut opened = create(&path);
    fill(&mut opened, 21, 500, |_, _| {});
    let (live, last) = (contents(&opened.database), opened.database.last_id());
    let before = opened.log.size().now;
    let snapshot = opened.database.snapshot(5);
    let schema_record = ovsdb::Record::schema(opened.database.schema());
    opened.log.compact(&schema_record, &snapshot).unwrap();
    assert!(opened.log.size().now < before);
    fill(&mut opened, 22, 50, |_, _| {});
    let after = contents(&opened.database);
    assert!(opened.database.since(last).is_some());
    drop(opened);
    let opened = FileLog::open(&path).unwrap();
    assert_eq!(contents(&opened.database), after);
    assert!(
        opened.database.since(last).is_some(),
        "the id of the snapshot is known again"
    );
    assert_ne!(live, after);
}

#[test]
fn what_is_written_while_a_log_is_compacted_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let mut opened = create(&path);
    fill(&mut opened, 31, 300, |_, _| {});
    let snapshot = opened.database.snapshot(5);
    let schema_record = ovsdb::Record::schema(opened.database.schema());
    let last = opened.database.last_id();

    let store = opened.log.begin_compaction().unwrap();
    fill(&mut opened, 32, 300, |_, _| {});
    store(&schema_record, &snapshot).unwrap();
    fill(&mut opened, 33, 300, |_, _| {});
    opened.log.end_compaction(true).unwrap();
    fill(&mut opened, 34, 300, |_, _| {});

    let (live, size) = (contents(&opened.database), opened.log.size());
    assert!(size.compacted < size.now);
    drop(opened);
    let opened = FileLog::open(&path).unwrap();
    assert_eq!(contents(&opened.database), live);
    assert_eq!(opened.log.size().now, size.now);
    assert!(opened.database.since(last).is_some());
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        2,
        "the file and its lock"
    );
}

#[test]
fn a_torn_tail_is_cut_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let mut opened = create(&path);
    let mut ends = vec![(opened.log.size().now, contents(&opened.database))];
    fill(&mut opened, 1, 60, |database, end| {
        if end != ends.last().unwrap().0 {
            ends.push((end, contents(database)));
        }
    });
    drop(opened);
    let whole = std::fs::read(&path).unwrap();
    assert!(ends.len() > 5);
    let first = usize::try_from(ends[0].0).unwrap();
    for cut in (first..whole.len()).step_by(7) {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let opened = FileLog::open(&path).unwrap();
        let (end, state) = ends
            .iter()
            .rev()
            .find(|(end, _)| *end <= cut as u64)
            .unwrap();
        assert_eq!(&contents(&opened.database), state, "cut at {cut}");
        let lost = opened.torn.map(|torn| (torn.offset, torn.lost));
        let expected = (cut as u64 != *end).then_some((*end, cut as u64 - end));
        assert_eq!(lost, expected);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), *end);
    }
}

#[test]
fn damage_before_whole_records_is_not_cut() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let mut opened = create(&path);
    let first = opened.log.size().now;
    fill(&mut opened, 1, 60, |_, _| {});
    drop(opened);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = usize::try_from(first).unwrap() + 70;
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    match FileLog::open(&path) {
        Err(LogError::Damaged { offset, .. }) => assert_eq!(offset, first),
        other => panic!("{other:?}"),
    }
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn foreign_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    for (content, word) in [
        ("hello", "not an OVSDB database"),
        ("", "not an OVSDB database"),
        ("OVSDB CLUSTER 1 aa\n", "not supported"),
        ("OVSDB JSON 5 ", "no record header"),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = FileLog::open(&path).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn one_log_has_a_file_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let opened = create(&path);
    assert!(matches!(FileLog::open(&path), Err(LogError::Locked(_))));
    let tool = stock("ovsdb-tool")
        .arg("compact")
        .arg(&path)
        .output()
        .unwrap();
    assert!(!tool.status.success(), "the stock tool must see our lock");
    drop(opened);
    FileLog::open(&path).unwrap();
}

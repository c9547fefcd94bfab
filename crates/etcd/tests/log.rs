//! The log in a real etcd.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use etcd::{Cluster, Options};
use ovsdb::log::{AppendError, Log, News, Update};
use support::{Replica, connect, options, record, schema, test_schema};
use testbed::{Etcd, until};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn two_processes_write_one_order() -> Result<()> {
    let etcd = Etcd::start(1)?;
    let (one, two) = (connect(&etcd)?, connect(&etcd)?);
    assert_eq!(one.id(), two.id());
    let (mut a, mut b) = (Replica::open(&one)?, Replica::open(&two)?);

    a.log.append(&[record(1, "one"), record(2, "two")], &[])?;
    a.took(&[record(1, "one"), record(2, "two")]);
    assert!(matches!(
        b.log.append(&[record(3, "x")], &[]),
        Err(AppendError::Behind)
    ));
    b.catch_up()?;
    b.log.append(&[record(3, "three")], &[])?;
    b.took(&[record(3, "three")]);
    a.catch_up_with(&b)?;
    assert_eq!(a.names().len(), 3);
    assert_eq!(a.database.last_id(), b.database.last_id());
    assert_eq!(a.log.state().index, Some(3));
    assert_eq!(b.log.state().index, Some(3));

    // Who comes later finds the same.
    let c = Replica::open(&one)?;
    assert_eq!(c.names(), a.names());
    assert_eq!(c.database.last_id(), a.database.last_id());
    assert!(!a.database.last_id().is_nil());
    Ok(())
}

#[test]
fn the_watch_brings_what_others_append() -> Result<()> {
    let etcd = Etcd::start(1)?;
    let (one, two) = (connect(&etcd)?, connect(&etcd)?);
    let (mut a, mut b) = (Replica::open(&one)?, Replica::open(&two)?);
    b.settle()?;
    for number in 0..20 {
        let news = b.news();
        a.append(number, "x")?;
        until(PATIENCE, "news of the record", || {
            Ok((b.news() > news).then_some(()))
        })?;
        b.catch_up()?;
        assert_eq!(b.names().len(), number + 1);
        // One's own records are no news.
        a.catch_up()?;
        assert_eq!(a.names().len(), number + 1);
    }
    Ok(())
}

#[test]
fn large_batches_are_there_at_once() -> Result<()> {
    let etcd = Etcd::start(1)?;
    let (one, two) = (connect(&etcd)?, connect(&etcd)?);
    let (mut a, mut b) = (Replica::open(&one)?, Replica::open(&two)?);
    b.settle()?;
    let mut number = 0;
    for megabytes in [1, 3, 20] {
        let text = "y".repeat(100 << 10);
        let records: Vec<_> = (0..megabytes * 10)
            .map(|_| {
                number += 1;
                record(number, &text)
            })
            .collect();
        a.log.append(&records, &[])?;
        a.took(&records);
        until(PATIENCE, "the batch", || {
            let before = b.names().len();
            b.catch_up()?;
            let after = b.names().len();
            assert!(
                after == before || after == a.names().len(),
                "part of a batch: {after}"
            );
            Ok((after == a.names().len()).then_some(()))
        })?;
    }
    assert_eq!(
        Replica::open(&one)?.database.last_id(),
        a.database.last_id()
    );
    Ok(())
}

#[test]
fn many_small_batches_do_not_keep_a_large_one_out() -> Result<()> {
    let etcd = Etcd::start(1)?;
    let (one, two) = (connect(&etcd)?, connect(&etcd)?);
    let mut large = Replica::open(&one)?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let writer = std::thread::spawn(move || -> Result<usize> {
        let mut small = Replica::open(&two)?;
        let mut written = 0;
        while !stopped.load(Ordering::Relaxed) {
            small.append(1_000_000 + written, "s")?;
            written += 1;
        }
        Ok(written)
    });
    let text = "z".repeat(1 << 20);
    for round in 0..3 {
        let records: Vec<_> = (0..8).map(|at| record(round * 10 + at, &text)).collect();
        large.append_all(&records)?;
    }
    stop.store(true, Ordering::Relaxed);
    let written = writer.join().expect("the writer does not panic")?;
    until(PATIENCE, "all records", || {
        large.catch_up()?;
        Ok((large.names().len() == written + 24).then_some(()))
    })?;
    Ok(())
}

#[test]
fn truncation_under_load_with_a_slow_reader() -> Result<()> {
    let etcd = Etcd::start(1)?;
    let (one, two, three) = (connect(&etcd)?, connect(&etcd)?, connect(&etcd)?);
    let (mut a, mut b) = (Replica::open(&one)?, Replica::open(&two)?);
    let mut slow = Replica::open(&three)?;
    let text = "t".repeat(10 << 10);
    let mut compactions = 0;
    for number in 0..300 {
        a.append(number, &text)?;
        if number % 60 == 30 {
            // While it is under way, somebody else goes on.
            let (database, store) = a.begin_compaction()?;
            b.append(1000 + number, &text)?;
            store(&database.0, &database.1)?;
            b.append(2000 + number, &text)?;
            a.log.end_compaction(true)?;
            compactions += 1;
        }
    }
    a.catch_up()?;
    b.catch_up_with(&a)?;
    assert_eq!(compactions, 5);
    assert_eq!(a.names().len(), 310);
    assert_eq!(
        (a.replaced, b.replaced),
        (0, 0),
        "who keeps up is not thrown back"
    );
    slow.catch_up_with(&a)?;
    assert_eq!(slow.replaced, 1);
    let fresh = Replica::open(&two)?;
    for other in [&b, &slow, &fresh] {
        assert_eq!(other.names(), a.names());
        assert_eq!(other.database.last_id(), a.database.last_id());
        assert_eq!(other.log.state().index, a.log.state().index);
    }
    // What was replaced is gone: of 310 entries only those since the last compaction are there.
    let kept = etcd.ctl(&["get", "heddle/db/T/log/", "--prefix", "--keys-only"])?;
    let kept = kept.split_whitespace().count();
    assert!(kept < 50, "{kept} entries");
    let bases = etcd.ctl(&["get", "heddle/db/T/base/", "--prefix", "--keys-only"])?;
    let bases = bases.split_whitespace().count();
    assert!(bases <= 4, "{bases} parts of bases");
    // All goes on after it.
    slow.append(5000, "last")?;
    a.catch_up_with(&slow)?;
    Ok(())
}

#[test]
fn one_compacts_at_a_time() -> Result<()> {
    let etcd = Etcd::start(1)?;
    let (one, two) = (connect(&etcd)?, connect(&etcd)?);
    let (mut a, mut b) = (Replica::open(&one)?, Replica::open(&two)?);
    a.append(1, "a")?;
    b.catch_up()?;
    let (database, store) = a.begin_compaction()?;
    let refused = b.begin_compaction().err().map(|error| error.to_string());
    assert!(refused.is_some_and(|text| text.contains("another process is compacting")));
    store(&database.0, &database.1)?;
    a.log.end_compaction(true)?;
    // One that comes to nothing lets the next one begin.
    drop(a.begin_compaction()?);
    a.log.end_compaction(false)?;
    drop(b.begin_compaction()?);

    // Replacing everything goes before compaction, which then does nothing.
    let (database, store) = b.begin_compaction()?;
    store(&database.0, &database.1)?;
    let (schema, snapshot) = a.image();
    a.log.replace(&schema, &snapshot)?;
    b.log.end_compaction(true)?;
    until(PATIENCE, "the other content", || {
        b.catch_up()?;
        Ok((b.replaced == 1).then_some(()))
    })?;
    assert_eq!(b.names(), a.names());
    Ok(())
}

#[test]
fn a_newer_schema_adds_and_an_older_one_takes_nothing_away() -> Result<()> {
    let etcd = Etcd::start(1)?;
    let (one, two) = (connect(&etcd)?, connect(&etcd)?);
    let mut old = Replica::open(&one)?;
    old.append(1, "kept")?;
    let newer = test_schema().replace("\"1.0.0\"", "\"1.1.0\"").replace(
        "\"name\":{\"type\":\"string\"}",
        "\"name\":{\"type\":\"string\"},\"more\":{\"type\":\"integer\"}",
    );
    let new = Replica::of(two.open(schema(&newer))?);
    assert_eq!(new.names(), old.names());
    assert_eq!(new.database.schema().version, "1.1.0");
    // The other process hears of it, and an old one that starts now refuses.
    old.catch_up()?;
    assert_eq!(
        (old.replaced, old.database.schema().version.as_str()),
        (1, "1.1.0")
    );
    let error = one.open(schema(test_schema())).unwrap_err().to_string();
    assert!(
        error.contains("database T in etcd: has column more of table N"),
        "{error}"
    );
    Ok(())
}

#[test]
fn many_may_create_and_convert_at_once() -> Result<()> {
    let etcd = Etcd::start(1)?;
    let clusters: Vec<Cluster> = (0..4).map(|_| connect(&etcd)).collect::<Result<_>>()?;
    let newer = test_schema().replace("\"1.0.0\"", "\"1.2.0\"");
    for text in [test_schema(), &newer] {
        let ids = std::thread::scope(|scope| {
            let opening = clusters
                .iter()
                .map(|cluster| scope.spawn(|| cluster.open(schema(text))));
            let opening: Vec<_> = opening.collect();
            let opened = opening
                .into_iter()
                .map(|thread| thread.join().expect("no panic"));
            opened
                .map(|opened| Ok(opened?.database.schema().version.clone()))
                .collect::<Result<Vec<_>>>()
        })?;
        assert_eq!(ids.len(), 4);
        assert!(ids.iter().all(|version| *version == schema(text).version));
    }
    let generations = etcd.ctl(&["get", "heddle/db/T/head", "--print-value-only"])?;
    assert!(generations.contains("\"generation\":1,"), "{generations}");
    Ok(())
}

#[test]
fn foreign_and_damaged_content_is_named() -> Result<()> {
    let etcd = Etcd::start(1)?;
    let text = |options: &Options| match Cluster::connect(options) {
        Ok(cluster) => cluster
            .open(schema(test_schema()))
            .err()
            .map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    };
    etcd.ctl(&["put", "other/cluster", "mine"])?;
    let mut options = options(&etcd);
    options.prefix = "other".into();
    let error = text(&options).unwrap_or_default();
    assert!(
        error.contains("etcd key other/cluster: is not what Heddle writes"),
        "{error}"
    );
    etcd.ctl(&["put", "other/cluster", "{\"form\":9}"])?;
    let error = text(&options).unwrap_or_default();
    assert!(error.contains("has form 9"), "{error}");

    options.prefix = "heddle".into();
    {
        let cluster = Cluster::connect(&options)?;
        let mut replica = Replica::open(&cluster)?;
        replica.append(1, "one")?;
        replica.append(2, "two")?;
    }
    etcd.ctl(&["put", "heddle/db/T/log/0000000000000001", "{}"])?;
    let error = text(&options).unwrap_or_default();
    assert!(
        error.contains("heddle/db/T/log/0000000000000001: does not begin"),
        "{error}"
    );
    etcd.ctl(&["del", "heddle/db/T/log/0000000000000001"])?;
    let error = text(&options).unwrap_or_default();
    assert!(
        error.contains("heddle/db/T/head: names parts or entries"),
        "{error}"
    );
    etcd.ctl(&["put", "heddle/db/T/head", "[]"])?;
    let error = text(&options).unwrap_or_default();
    assert!(
        error.contains("heddle/db/T/head: is not what Heddle"),
        "{error}"
    );
    Ok(())
}

#[test]
fn nobody_there_is_said() {
    let options = Options {
        endpoints: vec!["127.0.0.1:1".into(), "http://127.0.0.1:2".into()],
        patience: Duration::from_millis(300),
        ..Options::default()
    };
    let error = Cluster::connect(&options).unwrap_err().to_string();
    assert!(
        error.contains("etcd at http://127.0.0.1:1, http://127.0.0.1:2: "),
        "{error}"
    );
    assert!(error.contains("check that etcd runs there"), "{error}");
}

#[test]
fn an_async_caller_may_connect_and_drop() -> Result<()> {
    let etcd = Etcd::start(1)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let cluster = connect(&etcd)?;
        let opened = cluster.open(schema(test_schema()))?;
        drop(cluster);
        let mut log = opened.log;
        let error = log.append(&[record(1, "x")], &[]).unwrap_err().to_string();
        assert!(error.contains("being closed"), "{error}");
        anyhow::Ok(())
    })
}

#[test]
fn connection_is_lost_and_found() -> Result<()> {
    let etcd = Etcd::start(1)?;
    let cluster = connect(&etcd)?;
    let mut replica = Replica::open(&cluster)?;
    until(PATIENCE, "the lease", || {
        Ok(replica.log.state().connected.then_some(()))
    })?;
    etcd.pause(0)?;
    until(PATIENCE, "news of the loss", || {
        let told = replica.last_told() == Some(News::Connected(false));
        Ok((told && !replica.log.state().connected).then_some(()))
    })?;
    etcd.resume(0)?;
    until(PATIENCE, "news of the return", || {
        let told = replica.last_told() == Some(News::Connected(true));
        Ok((told && replica.log.state().connected).then_some(()))
    })?;
    replica.append(1, "after")?;
    let read = matches!(replica.log.catch_up()?[..], [] | [Update::Record(_)]);
    assert!(read);
    Ok(())
}

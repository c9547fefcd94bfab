//! What a process missed while it was not told: the watch breaks off, more comes than is kept, or etcd forgets.

mod support;

use std::time::Duration;

use anyhow::{Result, ensure};
use etcd::{Cluster, Options};
use ovsdb::log::Log;
use support::{Replica, connect, options, record};
use testbed::{Etcd, until};

const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for news, catching up each time, until the replica has so many rows.
fn hears_of(replica: &mut Replica, rows: usize) -> Result<()> {
    let mut heard = 0;
    until(PATIENCE, "news of all", || {
        let news = replica.news();
        if news > heard {
            heard = news;
            replica.catch_up()?;
        }
        Ok((replica.names().len() == rows).then_some(()))
    })
}

/// More than the buffer holds, by its bytes: what did not fit is read, and nothing comes twice.
#[test]
fn more_than_is_kept_is_read() -> Result<()> {
    let etcd = Etcd::start(1)?;
    let (one, two) = (connect(&etcd)?, connect(&etcd)?);
    let (mut writer, mut reader) = (Replica::open(&one)?, Replica::open(&two)?);
    reader.settle()?;
    // Each is in its entry, not in parts: 48 MB in all, of which 32 are kept.
    let text = "k".repeat(400 << 10);
    let before = reader.news();
    for number in 0..120 {
        writer.append(number, &text)?;
    }
    until(PATIENCE, "all news", || {
        Ok((reader.news() >= before + 100).then_some(()))
    })?;
    ensure!(reader.names().is_empty(), "it was not asked to read yet");
    reader.catch_up_with(&writer)?;
    ensure!(reader.names().len() == 120 && reader.replaced == 0);
    // From here on it comes by the watch again.
    writer.append(1000, "after")?;
    hears_of(&mut reader, 121)?;
    ensure!(reader.database.last_id() == writer.database.last_id());
    Ok(())
}

/// The member at which a process watches ends and comes back: the process hears of what others wrote meanwhile,
/// without asking.
#[test]
fn a_watch_that_breaks_off_is_begun_anew() -> Result<()> {
    let mut etcd = Etcd::start(3)?;
    let alone = Cluster::connect(&Options {
        endpoints: vec![etcd.endpoint(0)],
        ..options(&etcd)
    })?;
    let others = Cluster::connect(&Options {
        endpoints: vec![etcd.endpoint(1), etcd.endpoint(2)],
        ..options(&etcd)
    })?;
    let (mut reader, mut writer) = (Replica::open(&alone)?, Replica::open(&others)?);
    reader.settle()?;
    for round in 1..4 {
        etcd.kill(0)?;
        for number in 0..10 {
            writer.append(round * 100 + number, "while it was away")?;
        }
        etcd.restart(0)?;
        hears_of(&mut reader, round * 10)?;
    }
    ensure!(reader.replaced == 0, "{} times everything", reader.replaced);
    ensure!(reader.database.last_id() == writer.database.last_id());
    Ok(())
}

/// etcd forgets its history up to now while a process does not hear of anything; and so it does on its own
/// (`--auto-compaction-retention`) in many places.
#[test]
fn history_that_is_forgotten_meanwhile_is_not_needed() -> Result<()> {
    let etcd = Etcd::start(3)?;
    let alone = Cluster::connect(&Options {
        endpoints: vec![etcd.endpoint(0)],
        ..options(&etcd)
    })?;
    let others = Cluster::connect(&Options {
        endpoints: vec![etcd.endpoint(1), etcd.endpoint(2)],
        ..options(&etcd)
    })?;
    let (mut reader, mut writer) = (Replica::open(&alone)?, Replica::open(&others)?);
    reader.settle()?;
    writer.append(1, "before")?;
    hears_of(&mut reader, 1)?;
    etcd.pause(0)?;
    for number in 2..40 {
        writer.append(number, "meanwhile")?;
    }
    let now = etcd.ctl_of(1, &["get", "heddle/db/T/head", "-w", "json"])?;
    let now: serde_json::Value = serde_json::from_str(&now)?;
    let revision = now["header"]["revision"].to_string();
    etcd.ctl_of(1, &["compact", &revision])?;
    etcd.resume(0)?;
    hears_of(&mut reader, 39)?;
    ensure!(reader.replaced == 0, "{} times everything", reader.replaced);
    // Who comes now needs no history either, and writing goes on from both sides.
    let late = Replica::open(&alone)?;
    ensure!(late.names() == writer.names());
    reader.append(50, "last")?;
    writer.catch_up_with(&reader)
}

/// A snapshot takes the place of what a process has not read, and that is gone from etcd, its history too.
#[test]
fn what_was_truncated_before_it_was_read_comes_as_a_snapshot() -> Result<()> {
    let etcd = Etcd::start(1)?;
    let (one, two) = (connect(&etcd)?, connect(&etcd)?);
    let (mut writer, mut reader) = (Replica::open(&one)?, Replica::open(&two)?);
    reader.settle()?;
    for number in 0..20 {
        writer.append(number, "old")?;
    }
    let (image, store) = writer.begin_compaction()?;
    store(&image.0, &image.1)?;
    writer.log.end_compaction(true)?;
    writer.append(20, "new")?;
    // What the watch brought is lost, as when the process was held.
    etcd.pause(0)?;
    etcd.resume(0)?;
    reader.catch_up_with(&writer)?;
    ensure!(reader.names().len() == 21);
    let direct = writer.log.append(&[record(21, "direct")], &[]);
    ensure!(direct.is_ok(), "{direct:?}");
    writer.took(&[record(21, "direct")]);
    reader.catch_up_with(&writer)
}

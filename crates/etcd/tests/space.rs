//! An etcd whose space is used up: nothing is written, that is said, what is there can be read, and all goes on when
//! there is space again.

mod support;

use anyhow::{Context, Result, ensure};
use etcd::{Cluster, Options};
use ovsdb::log::{AppendError, Log};
use support::{Replica, connect, options, record};
use testbed::Etcd;

/// Writes over the same rows, and truncates, until etcd has no space for more history; gives what the log says.
fn fill(replica: &mut Replica) -> Result<String> {
    for number in 0..2000 {
        let text = format!("{number}{}", "f".repeat(256 << 10));
        let records = [record(number % 4, &text)];
        match replica.log.append(&records, &[]) {
            Ok(()) => replica.took(&records),
            Err(AppendError::Failed(error)) => return Ok(error.to_string()),
            Err(error) => return Err(error.into()),
        }
        if number % 16 == 15 {
            let (image, store) = replica.begin_compaction()?;
            let stored = store(&image.0, &image.1);
            replica.log.end_compaction(stored.is_ok())?;
        }
    }
    anyhow::bail!("it takes all")
}

#[test]
fn a_full_etcd_refuses_and_recovers() -> Result<()> {
    let etcd = Etcd::start_with(1, &["--quota-backend-bytes=33554432"])?;
    // History stays, as when nobody has etcd forget it.
    let keeping = Options {
        compact_history: false,
        ..options(&etcd)
    };
    let (one, two) = (Cluster::connect(&keeping)?, connect(&etcd)?);
    let (mut writer, mut reader) = (Replica::open(&one)?, Replica::open(&two)?);
    let said = fill(&mut writer)?;
    for part in [
        "database T in etcd",
        "its space is used up",
        "etcdctl defrag",
        "etcdctl alarm disarm",
        "--quota-backend-bytes",
    ] {
        ensure!(said.contains(part), "no {part}: {said}");
    }
    // Also the smallest thing is refused, and again.
    for _ in 0..3 {
        let refused = writer.log.append(&[record(9, "small")], &[]);
        let refused = refused.err().context("it was written")?.to_string();
        ensure!(refused.contains("its space is used up"), "{refused}");
    }
    // Reading goes on, for who was there and for who comes now.
    reader.catch_up_with(&writer)?;
    let three = connect(&etcd)?;
    let mut late = Replica::open(&three)?;
    ensure!(
        late.names() == writer.names(),
        "a new process reads something else"
    );

    // What the error says helps.
    let now = etcd.ctl(&["get", "heddle/db/T/head", "-w", "json"])?;
    let now: serde_json::Value = serde_json::from_str(&now)?;
    let revision = now["header"]["revision"].to_string();
    etcd.ctl(&["compact", "--physical", &revision])?;
    etcd.ctl(&["defrag"])?;
    etcd.ctl(&["alarm", "disarm"])?;
    writer.append(10, "again")?;
    late.catch_up_with(&writer)?;
    late.append(11, "and again")?;
    reader.catch_up_with(&late)
}

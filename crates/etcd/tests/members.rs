//! Members of a real etcd that end, hang and come back, while processes write.

#![allow(clippy::print_stdout, reason = "figures for who asks for them")]

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ovsdb::log::{AppendError, Log};
use support::{Replica, connect, record};
use testbed::{Etcd, until};

const PATIENCE: Duration = Duration::from_secs(90);

/// How often a member is disturbed; `HEDDLE_ETCD_ROUNDS` for more.
fn rounds() -> usize {
    let rounds = std::env::var("HEDDLE_ETCD_ROUNDS").ok();
    rounds.and_then(|text| text.parse().ok()).unwrap_or(6)
}

/// Writes records with numbers of its own until told to stop; gives those that were confirmed, in order.
fn write(
    replica: &mut Replica,
    from: usize,
    stop: &AtomicBool,
    count: &AtomicUsize,
) -> Result<Vec<usize>> {
    let mut confirmed = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let number = from + confirmed.len();
        match replica.log.append(&[record(number, "w")], &[]) {
            Ok(()) => {
                replica.took(&[record(number, "w")]);
                confirmed.push(number);
                count.fetch_add(1, Ordering::Relaxed);
            }
            // While there is no leader nothing can be read; the next try finds one.
            Err(AppendError::Behind) => drop(replica.catch_up()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(confirmed)
}

/// Every confirmed record is there once, and everybody has the same, although members are killed and held while
/// answers are on their way.
#[test]
fn what_is_confirmed_is_there_once() -> Result<()> {
    let mut etcd = Etcd::start(3)?;
    let clusters = [connect(&etcd)?, connect(&etcd)?];
    let mut replicas = [Replica::open(&clusters[0])?, Replica::open(&clusters[1])?];
    let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let confirmed = std::thread::scope(|scope| {
        let writers: Vec<_> = replicas
            .iter_mut()
            .enumerate()
            .map(|(at, replica)| {
                let (stop, count) = (&stop, &count);
                scope.spawn(move || write(replica, (at + 1) * 1_000_000, stop, count))
            })
            .collect();
        let disturbed = disturb(&mut etcd, &count);
        stop.store(true, Ordering::Relaxed);
        let written = writers
            .into_iter()
            .map(|writer| writer.join().expect("no panic"));
        let written = written.collect::<Result<Vec<_>>>();
        disturbed.and(written)
    })?;
    let fresh = Replica::open(&clusters[0])?;
    let all: usize = confirmed.iter().map(Vec::len).sum();
    // A record that is twice in the log cannot be replayed, and one too many would show here.
    assert_eq!(fresh.names().len(), all);
    assert_eq!(fresh.log.state().index, Some(all as u64));
    for replica in &mut replicas {
        replica.catch_up_with(&fresh)?;
    }
    println!("{all} records confirmed");
    Ok(())
}

/// Kills and holds members in turn; goes on each time when writing goes on.
fn disturb(etcd: &mut Etcd, count: &AtomicUsize) -> Result<()> {
    let go_on = |what: &str| {
        let before = count.load(Ordering::Relaxed);
        until(PATIENCE, what, || {
            Ok((count.load(Ordering::Relaxed) > before + 20).then_some(()))
        })
    };
    go_on("writing to begin")?;
    let mut outages: BTreeMap<&str, Duration> = BTreeMap::new();
    for round in 0..rounds() {
        // The one that leads in every second round: then nothing can be written for a while.
        let member = if round % 2 == 0 {
            etcd.leader()?
        } else {
            round % 3
        };
        let begin = Instant::now();
        if round % 4 < 2 {
            etcd.kill(member)?;
            go_on("writing to go on without a member")?;
            let outage = outages.entry("killed").or_default();
            *outage = begin.elapsed().max(*outage);
            etcd.restart(member)?;
        } else {
            etcd.pause(member)?;
            let went_on = go_on("writing to go on beside a member that hangs");
            etcd.resume(member)?;
            went_on?;
            let outage = outages.entry("held").or_default();
            *outage = begin.elapsed().max(*outage);
        }
    }
    println!("longest until 20 more were written: {outages:?}");
    Ok(())
}

#[test]
fn without_a_majority_nothing_is_written_and_then_it_is() -> Result<()> {
    let mut etcd = Etcd::start(3)?;
    let cluster = connect(&etcd)?;
    let mut replica = Replica::open(&cluster)?;
    replica.append(1, "before")?;
    etcd.kill(0)?;
    etcd.kill(1)?;
    std::thread::scope(|scope| {
        let append = scope.spawn(|| replica.append(2, "while"));
        // Nobody knows the outcome, so there is none.
        until(PATIENCE, "the member to be without leader", || {
            Ok(etcd.ctl(&["get", "x"]).is_err().then_some(()))
        })?;
        ensure!(!append.is_finished(), "written without a majority");
        etcd.restart(0)?;
        append.join().expect("no panic").context("the append")
    })?;
    assert_eq!(replica.names().len(), 2);
    assert_eq!(Replica::open(&cluster)?.names(), replica.names());
    Ok(())
}

#[test]
fn closing_ends_what_waits_for_etcd() -> Result<()> {
    let etcd = Etcd::start(1)?;
    let cluster = connect(&etcd)?;
    let mut replica = Replica::open(&cluster)?;
    etcd.pause(0)?;
    std::thread::scope(|scope| {
        let append = scope.spawn(|| replica.log.append(&[record(1, "x")], &[]));
        // It says so once it does not know its outcome for a while.
        cluster.close();
        let error = append.join().expect("no panic").unwrap_err();
        assert!(matches!(error, AppendError::Failed(_)), "{error}");
    });
    etcd.resume(0)?;
    Ok(())
}

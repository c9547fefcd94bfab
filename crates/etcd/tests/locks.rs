//! The locks of a cluster, on a real etcd.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Result;
use etcd::{Cluster, Locks};
use ovsdb::log::{AppendError, LockEvent, LockService, Log};
use support::{Replica, connect, record};
use testbed::{Etcd, until};

const PATIENCE: Duration = Duration::from_secs(60);

/// A process that hears of its locks.
struct Process {
    cluster: Cluster,
    locks: Locks,
    events: Arc<Mutex<Vec<LockEvent>>>,
}

impl Process {
    fn start(etcd: &Etcd) -> Result<Self> {
        let cluster = connect(etcd)?;
        let locks = cluster.locks();
        let events: Arc<Mutex<Vec<LockEvent>>> = Arc::default();
        let heard = Arc::clone(&events);
        locks.watch(Box::new(move |event| heard.lock().unwrap().push(event)));
        Ok(Self {
            cluster,
            locks,
            events,
        })
    }

    fn wait(&self, event: &LockEvent) -> Result<()> {
        until(PATIENCE, &format!("{event:?}"), || {
            Ok((self.events.lock().unwrap().last() == Some(event)).then_some(()))
        })
    }

    fn events(&self) -> Vec<LockEvent> {
        self.events.lock().unwrap().clone()
    }
}

fn owned(lock: &str) -> LockEvent {
    LockEvent::Owned(lock.into())
}

fn lost(lock: &str) -> LockEvent {
    LockEvent::Lost(lock.into())
}

/// Waits until `count` processes wait for the lock.
fn queued(etcd: &Etcd, lock: &str, count: usize) -> Result<()> {
    let prefix = format!("heddle/lock/{lock}/wait/");
    until(PATIENCE, "a queue", || {
        let keys = etcd.ctl(&["get", &prefix, "--prefix", "--keys-only"])?;
        Ok((keys.split_whitespace().count() == count).then_some(()))
    })
}

#[test]
fn a_lock_goes_from_hand_to_hand_in_order() -> Result<()> {
    let etcd = Etcd::start(1)?;
    let [a, b, c] = [0; 3].map(|_| Process::start(&etcd));
    let (a, b, c) = (a?, b?, c?);
    a.locks.want("l", false);
    a.wait(&owned("l"))?;
    b.locks.want("l", false);
    queued(&etcd, "l", 1)?;
    c.locks.want("l", false);
    queued(&etcd, "l", 2)?;
    // Asked again, it is said again.
    a.locks.want("l", false);
    until(PATIENCE, "another answer", || {
        Ok((a.events().len() == 2).then_some(()))
    })?;

    a.locks.release("l");
    b.wait(&owned("l"))?;
    assert_eq!(c.events(), []);
    // No event follows a release, and who comes back stands behind the others.
    a.locks.want("l", false);
    queued(&etcd, "l", 2)?;
    b.locks.release("l");
    c.wait(&owned("l"))?;
    c.locks.release("l");
    until(PATIENCE, "the lock again", || {
        Ok((a.events().len() == 3).then_some(()))
    })?;
    assert_eq!(a.events(), [owned("l"), owned("l"), owned("l")]);
    // Another lock is another lock.
    b.locks.want("l/wait", false);
    b.wait(&owned("l/wait"))?;
    Ok(())
}

#[test]
fn a_stolen_lock_comes_back_first() -> Result<()> {
    let etcd = Etcd::start(1)?;
    let [a, b, c] = [0; 3].map(|_| Process::start(&etcd));
    let (a, b, c) = (a?, b?, c?);
    a.locks.want("l", false);
    a.wait(&owned("l"))?;
    b.locks.want("l", false);
    queued(&etcd, "l", 1)?;
    c.locks.want("l", true);
    c.wait(&owned("l"))?;
    a.wait(&lost("l"))?;
    c.locks.release("l");
    a.wait(&owned("l"))?;
    assert_eq!(b.events(), []);
    Ok(())
}

#[test]
fn dropping_a_cluster_hands_over_at_once() -> Result<()> {
    let etcd = Etcd::start(1)?;
    let (a, b) = (Process::start(&etcd)?, Process::start(&etcd)?);
    a.locks.want("l", false);
    a.wait(&owned("l"))?;
    b.locks.want("l", false);
    queued(&etcd, "l", 1)?;
    drop(a.cluster);
    // The lease is gone, not only expiring.
    let leases = etcd.ctl(&["lease", "list"])?;
    assert!(leases.contains("found 1 leases"), "{leases}");
    b.wait(&owned("l"))?;
    Ok(())
}

#[test]
fn a_guard_holds_only_while_the_lock_is_ours() -> Result<()> {
    let etcd = Etcd::start(1)?;
    let (a, b) = (Process::start(&etcd)?, Process::start(&etcd)?);
    let mut writer = Replica::open(&a.cluster)?;
    let guard = ["l".into()];
    let refused = |error: AppendError| matches!(error, AppendError::LockLost(name) if name == "l");
    assert!(refused(
        writer.log.append(&[record(1, "x")], &guard).unwrap_err()
    ));
    a.locks.want("l", false);
    a.wait(&owned("l"))?;
    writer.append_guarded(&[record(2, "x")], &guard)?;
    b.locks.want("l", true);
    b.wait(&owned("l"))?;
    // Whether we have heard of it or not.
    assert!(refused(
        writer.log.append(&[record(3, "x")], &guard).unwrap_err()
    ));
    a.wait(&lost("l"))?;
    assert!(refused(
        writer.log.append(&[record(4, "x")], &guard).unwrap_err()
    ));
    let mut other = Replica::open(&b.cluster)?;
    other.append_guarded(&[record(5, "x")], &guard)?;
    writer.catch_up_with(&other)?;
    assert_eq!(writer.names().len(), 2);
    Ok(())
}

/// Both sides count the time: who cannot renew says so before another one can have the lock.
#[test]
fn who_cannot_renew_loses_before_another_owns() -> Result<()> {
    let etcd = Etcd::start(1)?;
    let a = Process::start(&etcd)?;
    a.locks.want("l", false);
    a.wait(&owned("l"))?;
    let cut = Instant::now();
    etcd.pause(0)?;
    a.wait(&lost("l"))?;
    let told = cut.elapsed();
    etcd.resume(0)?;
    // The lease may have lived through that in etcd; then, or with the next one, the lock is ours again.
    a.wait(&owned("l"))?;
    // The lease lasts two seconds from its last renewal, which was sent before the pause.
    assert!(told < Duration::from_secs(10), "{told:?}");
    assert_eq!(a.events(), [owned("l"), lost("l"), owned("l")]);
    Ok(())
}

#[test]
fn a_lease_that_is_revoked_is_found_out() -> Result<()> {
    let etcd = Etcd::start(1)?;
    let a = Process::start(&etcd)?;
    a.locks.want("l", false);
    a.wait(&owned("l"))?;
    let leases = etcd.ctl(&["lease", "list"])?;
    let lease = leases
        .split_whitespace()
        .last()
        .unwrap_or_default()
        .to_owned();
    etcd.ctl(&["lease", "revoke", &lease])?;
    until(PATIENCE, "the lock again", || {
        let events = a.events();
        Ok(events.ends_with(&[lost("l"), owned("l")]).then_some(()))
    })
}

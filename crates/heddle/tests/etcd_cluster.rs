//! Three `heddle server` processes over three members of etcd, while processes of both kinds are killed.

#![allow(clippy::print_stderr, reason = "a test says what it measured")]

#[path = "etcd_common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use common::{Client, Server, Watcher, Writer, last_id, options_of};
use serde_json::json;
use testbed::{Etcd, Scratch, run, until};

const PATIENCE: Duration = Duration::from_secs(120);

/// How often something is killed; the full proof has 200.
fn rounds() -> usize {
    let rounds = std::env::var("HEDDLE_CRASH_ROUNDS").ok();
    rounds.and_then(|text| text.parse().ok()).unwrap_or(6)
}

/// Three servers, each knowing all members.
fn start(etcd: &Etcd, scratch: &Scratch) -> Result<Vec<Server>> {
    (0..3)
        .map(|at| Server::start(scratch, &format!("s{at}"), &etcd.endpoints()))
        .collect()
}

/// Every acknowledged transaction is there once and in order on all servers, whoever is killed meanwhile; all
/// servers end with the same content and id; a client that follows and comes back gets only what it missed.
#[test]
fn nothing_acknowledged_is_lost_while_servers_and_members_are_killed() -> Result<()> {
    let (mut etcd, scratch) = (Etcd::start(3)?, Scratch::new()?);
    let mut servers = start(&etcd, &scratch)?;
    let sockets: Vec<_> = servers.iter().map(Server::socket).collect();
    let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (acknowledged, mut watchers) = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|at| {
                let (sockets, stop, count) = (&sockets, &stop, &count);
                scope.spawn(move || Writer::new(at, sockets).write(stop, count))
            })
            .collect();
        let watchers: Vec<_> = (0..3)
            .map(|at| {
                let (sockets, stop) = (&sockets, &stop);
                scope.spawn(move || Watcher::new(at, sockets).watch(stop))
            })
            .collect();
        let disturbed = disturb(&mut etcd, &mut servers, &count);
        stop.store(true, Ordering::Relaxed);
        let written = writers
            .into_iter()
            .map(|writer| writer.join().expect("no panic"));
        let written = written.collect::<Result<Vec<usize>>>();
        let watched = watchers
            .into_iter()
            .map(|watcher| watcher.join().expect("no panic"));
        let watched = watched.collect::<Result<Vec<Watcher>>>();
        disturbed?;
        anyhow::Ok((written?, watched?))
    })?;
    let expected: BTreeMap<usize, usize> = acknowledged.iter().copied().enumerate().collect();
    for (at, server) in servers.iter().enumerate() {
        let mut client = Client::connect(&server.socket())?;
        until(PATIENCE, "a server to have all", || {
            let mut found: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            for (writer, number) in options_of(&mut client)? {
                found.entry(writer).or_default().push(number);
            }
            for numbers in found.values_mut() {
                numbers.sort_unstable();
            }
            let complete = expected.iter().all(|(writer, count)| {
                found
                    .get(writer)
                    .map_or(*count == 0, |numbers| numbers.iter().copied().eq(0..*count))
            });
            let total: usize = found.values().map(Vec::len).sum();
            ensure!(
                total <= expected.values().sum(),
                "server {at} has some twice"
            );
            Ok(complete.then_some(()))
        })?;
    }
    // All that follow have seen each writer's transactions once and in order.
    for watcher in &mut watchers {
        watcher.finish(&expected)?;
    }
    until(
        PATIENCE,
        "all servers to be at the same transaction",
        || {
            let ids = sockets.iter().map(|socket| last_id(socket));
            let ids = ids.collect::<Result<Vec<String>>>()?;
            Ok(ids.iter().all(|id| *id == ids[0]).then_some(()))
        },
    )?;
    let (fast, full): (usize, usize) = watchers.iter().fold((0, 0), |(fast, full), watcher| {
        (fast + watcher.resumed, full + watcher.restarted)
    });
    ensure!(fast > 0, "nobody came back");
    ensure!(full == 0, "{full} of {} got everything again", fast + full);
    let total: usize = expected.values().sum();
    eprintln!(
        "{total} transactions acknowledged; {fast} clients came back and got what they missed"
    );
    Ok(())
}

/// Kills servers and members in turn; goes on each time when writing goes on.
fn disturb(etcd: &mut Etcd, servers: &mut [Server], count: &AtomicUsize) -> Result<()> {
    let go_on = |what: &str| {
        let before = count.load(Ordering::Relaxed);
        until(PATIENCE, what, || {
            Ok((count.load(Ordering::Relaxed) > before + 10).then_some(()))
        })
    };
    go_on("writing to begin")?;
    for round in 0..rounds() {
        let at = (round / 2) % 3;
        if round % 2 == 0 {
            servers[at].kill()?;
            go_on("writing to go on without a server")?;
            servers[at].restart()?;
        } else {
            etcd.kill(at)?;
            go_on("writing to go on without a member")?;
            etcd.restart(at)?;
        }
    }
    go_on("writing to go on at the end")
}

/// The compiler runs on one server; when that is killed another goes on, soon.
#[test]
fn one_compiles_and_another_takes_over() -> Result<()> {
    let (etcd, scratch) = (Etcd::start(3)?, Scratch::new()?);
    let mut servers = start(&etcd, &scratch)?;
    let mut slowest = Duration::ZERO;
    for round in 0..3 {
        let active = until(PATIENCE, "one to compile", || {
            let active: Vec<usize> = (0..3).filter(|at| servers[*at].compiles()).collect();
            ensure!(active.len() <= 1, "{active:?} compile");
            Ok(active.first().copied())
        })?;
        let killed = Instant::now();
        servers[active].kill()?;
        let next = until(PATIENCE, "another to compile", || {
            Ok((0..3).find(|at| *at != active && servers[*at].compiles()))
        })?;
        slowest = slowest.max(killed.elapsed());
        let name = format!("sw{round}");
        let mut client = Client::connect(&servers[next].socket())?;
        client.transact(
            "OVN_Northbound",
            &json!({"op": "insert", "table": "Logical_Switch", "row": {"name": name}}),
        )?;
        until(PATIENCE, "the switch to be compiled", || {
            let rows = client.select("OVN_Southbound", "Datapath_Binding")?;
            let compiled = rows.iter().any(|row| row.to_string().contains(&name));
            Ok(compiled.then_some(()))
        })?;
        servers[active].restart()?;
    }
    eprintln!("another compiles after at most {slowest:?}");
    // The lease lasts two seconds, and etcd looks twice a second which have ended.
    ensure!(
        slowest < Duration::from_secs(if common::is_busy() { 15 } else { 3 }),
        "{slowest:?}"
    );
    Ok(())
}

/// A server that is held for longer than its lease lasts finds another one compiling, and leaves it to that.
#[test]
fn one_that_was_held_compiles_no_more() -> Result<()> {
    let (etcd, scratch) = (Etcd::start(1)?, Scratch::new()?);
    let servers = start(&etcd, &scratch)?;
    let compiling =
        |except: Option<usize>| (0..3).find(|at| Some(*at) != except && servers[*at].compiles());
    let held = until(PATIENCE, "one to compile", || Ok(compiling(None)))?;
    servers[held].signal("STOP")?;
    let next = until(PATIENCE, "another to compile", || Ok(compiling(Some(held))))?;
    servers[held].signal("CONT")?;
    until(PATIENCE, "the first to stand by", || {
        Ok((!servers[held].compiles()).then_some(()))
    })?;
    ensure!(servers[next].compiles(), "the second stands by as well");
    // What either of them wrote is what one compiler writes.
    let mut client = Client::connect(&servers[held].socket())?;
    let switch = json!({"op": "insert", "table": "Logical_Switch", "row": {"name": "one"}});
    client.transact("OVN_Northbound", &switch)?;
    until(PATIENCE, "the switch to be compiled", || {
        let rows = client.select("OVN_Southbound", "Datapath_Binding")?;
        ensure!(rows.len() <= 1, "{rows:?}");
        Ok((rows.len() == 1).then_some(()))
    })
}

/// A server that does not reach etcd says so, refuses to write, answers what it knows, and recovers.
#[test]
fn a_server_that_is_cut_off_says_so() -> Result<()> {
    let (etcd, scratch) = (Etcd::start(3)?, Scratch::new()?);
    // One that knows one member only, which will hang.
    let lone = etcd.leader()?;
    let cut = Server::start(&scratch, "cut", &[etcd.endpoint(lone)])?;
    let others: Vec<String> = (0..3)
        .filter(|at| *at != lone)
        .map(|at| etcd.endpoint(at))
        .collect();
    let well = Server::start(&scratch, "well", &others)?;
    let mut writer = Client::connect(&well.socket())?;
    let mut client = Client::connect(&cut.socket())?;
    Writer::insert(&mut writer, 0, 0)?;
    until(PATIENCE, "the row", || {
        Ok((options_of(&mut client)?.len() == 1).then_some(()))
    })?;
    client.wait_connected(true)?;

    etcd.pause(lone)?;
    client.wait_connected(false)?;
    let refused = Writer::insert(&mut client, 1, 0)
        .err()
        .context("it was written")?;
    let refused = format!("{refused:#}");
    ensure!(
        refused.contains("etcd") || refused.contains("cluster"),
        "{refused}"
    );
    ensure!(options_of(&mut client)?.len() == 1, "it does not read");
    until(PATIENCE, "writing beside it", || {
        Ok(Writer::insert(&mut writer, 0, 1).ok())
    })?;

    etcd.resume(lone)?;
    client.wait_connected(true)?;
    until(PATIENCE, "what it missed", || {
        Ok((options_of(&mut client)?.len() == 2).then_some(()))
    })?;
    Writer::insert(&mut client, 1, 0)
}

/// Stock `ovn-nbctl` with three remotes works while servers are killed.
#[test]
fn ovn_nbctl_finds_a_server_that_lives() -> Result<()> {
    let (etcd, scratch) = (Etcd::start(1)?, Scratch::new()?);
    let mut servers = start(&etcd, &scratch)?;
    let remotes: Vec<String> = servers
        .iter()
        .map(|server| format!("unix:{}", server.socket().display()))
        .collect();
    let nbctl = |arguments: &[&str]| {
        let mut command = Command::new("ovn-nbctl");
        command.args(["--timeout=60", "--db", &remotes.join(",")]);
        run(command.args(arguments))
    };
    for (at, server) in servers.iter_mut().enumerate() {
        nbctl(&["ls-add", &format!("before{at}")])?;
        server.kill()?;
        nbctl(&["ls-add", &format!("while{at}")])?;
        server.restart()?;
    }
    let listed = nbctl(&["ls-list"])?;
    ensure!(listed.lines().count() == 6, "{listed}");
    Ok(())
}

//! The server is killed while stock clients write: what they were told is done is there, and the files
//! are files of stock programs.

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use support::heddle;
use testbed::{Central, Centre, Database, Scratch, run, until};

const ROUNDS: usize = 4;
/// How many switches are added before a round ends.
const PART: usize = 8;

fn nbctl(db: &str, arguments: &[&str]) -> Result<String> {
    run(Command::new("ovn-nbctl")
        .arg(format!("--db={db}"))
        .arg("--timeout=5")
        .args(arguments))
}

/// Adds switches until one is not acknowledged; gives those that were.
fn add_until_refused(db: &str, round: usize, count: &AtomicUsize) -> Vec<String> {
    let names = (0..).map(|number| format!("s{round}-{number}"));
    let added = names.take_while(|name| {
        let port = format!("{name}-p");
        let done = nbctl(db, &["ls-add", name, "--", "lsp-add", name, &port]).is_ok();
        count.fetch_add(usize::from(done), Ordering::Relaxed);
        done
    });
    added.collect()
}

fn files(folder: &Path) -> [PathBuf; 2] {
    ["ovnnb_db.db", "ovnsb_db.db"].map(|name| folder.join(name))
}

#[test]
fn what_was_acknowledged_survives_and_stock_reads_it() -> Result<()> {
    let scratch = Scratch::new()?;
    let mut centre = Centre::start(Central::Heddle, heddle(), &scratch)?;
    let db = centre.northbound();
    let mut acknowledged = BTreeSet::new();
    for round in 0..ROUNDS {
        Database::open(&db, "OVN_Northbound")?;
        let count = AtomicUsize::new(0);
        let added = std::thread::scope(|scope| {
            let client = scope.spawn(|| add_until_refused(&db, round, &count));
            let enough = until(Duration::from_secs(20), "clients to get on", || {
                Ok((count.load(Ordering::Relaxed) >= PART).then_some(()))
            });
            centre
                .processes()
                .iter_mut()
                .for_each(testbed::Process::kill);
            let added = client.join().expect("the client does not panic");
            enough.map(|()| added)
        })?;
        acknowledged.extend(added);
        centre.restart()?;
    }
    let listed = until(Duration::from_secs(20), "the server", || {
        Ok(nbctl(&db, &["--bare", "--columns=name", "list", "Logical_Switch"]).ok())
    })?;
    let found: BTreeSet<String> = listed.split_whitespace().map(str::to_owned).collect();
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    ensure!(lost.is_empty(), "lost of {}: {lost:?}", acknowledged.len());
    // One that was not acknowledged may be there, too, in each round.
    ensure!(found.len() <= acknowledged.len() + ROUNDS, "{found:?}");
    nbctl(&db, &["--wait=sb", "sync"])?;
    drop(centre);
    stock_reads(scratch.path(), found.len())
}

fn stock_reads(folder: &Path, switches: usize) -> Result<()> {
    for file in files(folder) {
        let file = file.to_str().context("a path in UTF-8")?;
        run(Command::new("ovsdb-tool").args(["db-is-standalone", file]))?;
        let log = run(Command::new("ovsdb-tool").args(["show-log", file]))?;
        ensure!(log.lines().count() > switches, "{log}");
        run(Command::new("ovsdb-tool").args(["compact", file]))?;
    }
    // Now the same files, under stock servers.
    let remote = |name: &str| format!("unix:{}", folder.join(name).display());
    let mut server = Command::new("setpriv");
    server
        .args([
            "--pdeathsig",
            "KILL",
            "ovsdb-server",
            "--unixctl=none",
            "-vconsole:warn",
        ])
        .arg(format!("--remote=p{}", remote("stock.sock")))
        .args(files(folder));
    let mut server = Guard(server.spawn().context("ovsdb-server")?);
    let db = remote("stock.sock");
    Database::open(&db, "OVN_Northbound")?;
    let rows = nbctl(&db, &["--bare", "--columns=name", "list", "Logical_Switch"])?;
    let rows = rows.split_whitespace().count();
    ensure!(rows == switches, "{rows} switches of {switches}");
    let flows = run(Command::new("ovn-sbctl")
        .arg(format!("--db={db}"))
        .arg("lflow-list"))?;
    ensure!(flows.contains("ls_in_l2_lkup"), "{flows}");
    server.0.kill()?;
    Ok(())
}

struct Guard(std::process::Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to do but to reap it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

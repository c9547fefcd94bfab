//! A file that a server was writing when the worst came: kills at any moment, and disks that fail or end.
//!
//! `HEDDLE_CRASH_ROUNDS=200` runs each kind of round that often.

#![allow(clippy::unwrap_used)] // These are tests, though not all marked so.

mod support;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use support::Sandbox;
use support::load::{self, Chance, Ledger, rounds};

#[test]
fn role_body() {
    support::role_body();
}

/// A file, and what was written to it.
struct Crash {
    sandbox: Sandbox,
    ledger: Ledger,
    file: PathBuf,
    chance: Chance,
}

impl Crash {
    fn new(seed: u64) -> Self {
        let sandbox = Sandbox::new();
        let file = sandbox.file("crash.db");
        Self::with_file(sandbox, file, seed)
    }

    fn with_file(sandbox: Sandbox, file: PathBuf, seed: u64) -> Self {
        load::create(&file);
        Self {
            sandbox,
            ledger: Ledger::default(),
            file,
            chance: Chance(seed),
        }
    }

    /// Starts a server over the file, as a child of `wrapper` if that names a program.
    fn serve(&mut self, wrapper: &[&str]) -> usize {
        let _ = std::fs::remove_file(self.socket());
        let _ = std::fs::remove_file(self.control());
        let line = format!(
            "ovsdb-server {} --remote=punix:{} --unixctl={} --pidfile --log-file -vconsole:off",
            load::text(&self.file),
            load::text(&self.socket()),
            load::text(&self.control()),
        );
        let child = self.sandbox.start_under(wrapper, &line);
        let remote = format!("unix:{}", load::text(&self.socket()));
        self.sandbox.wait("the server", |it| {
            it.file("ovsdb-server.pid").exists()
                && it.try_run("ovsdb-client", &["list-dbs", &remote]).0
        });
        child
    }

    fn socket(&self) -> PathBuf {
        self.sandbox.file("crash.sock")
    }

    fn control(&self) -> PathBuf {
        self.sandbox.file("crash.ctl")
    }

    /// The process that writes the file, which with a wrapper is not our child.
    fn writer(&self) -> String {
        let pid = std::fs::read_to_string(self.sandbox.file("ovsdb-server.pid")).unwrap();
        pid.trim().to_owned()
    }

    /// Load, and a kill after so much of it; with a compaction beside, or without.
    fn killed_round(&mut self, compact: bool) {
        let server = self.serve(&[]);
        let (least, delay) = (self.chance.below(60), self.chance.below(20_000));
        let (control, socket) = (self.control(), self.socket());
        let sandbox = &mut self.sandbox;
        self.ledger.load(&socket, |count| {
            until(count, least);
            let compaction = compact.then(|| {
                let mut command = sandbox.command("ovs-appctl");
                command.arg("-t").arg(&control).arg("ovsdb-server/compact");
                command
                    .stdout(std::process::Stdio::null())
                    .stderr(std::process::Stdio::null());
                command.spawn().unwrap()
            });
            std::thread::sleep(Duration::from_micros(delay));
            sandbox.kill(server);
            if let Some(mut compaction) = compaction {
                compaction.wait().unwrap();
            }
        });
        self.ledger.check(&self.file);
    }
}

/// Waits for so many acknowledgements.
fn until(count: &AtomicU64, least: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while count.load(Ordering::Relaxed) < least {
        assert!(Instant::now() < deadline, "the writers do not get on");
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn killed(seed: u64, compact: bool) {
    let mut left = rounds(8);
    while left > 0 {
        // The file grows from round to round, but not without end.
        let part = left.min(20);
        let mut crash = Crash::new(seed + left);
        for _ in 0..part {
            crash.killed_round(compact);
        }
        assert!(crash.ledger.acknowledged() as u64 > 5 * part);
        left -= part;
    }
}

#[test]
fn a_kill_under_load_loses_nothing() {
    killed(0x5eed_0001, false);
}

#[test]
fn a_kill_during_compaction_loses_nothing() {
    killed(0x5eed_0002, true);
}

/// The proof is worth something: it does not hold of a file that lacks one acknowledged transaction.
#[test]
fn a_lost_transaction_is_noticed() {
    let mut crash = Crash::new(0x5eed_0007);
    let server = crash.serve(&[]);
    let socket = crash.socket();
    // The writers stop of themselves, with every answer.
    crash.ledger.load(&socket, |count| until(count, 20));
    crash.sandbox.kill(server);
    crash.ledger.check(&crash.file);
    let bytes = std::fs::read(&crash.file).unwrap();
    let begins = |at: &usize| bytes[*at..].starts_with(b"OVSDB JSON ");
    let last = (0..bytes.len()).rev().find(begins).unwrap();
    std::fs::write(&crash.file, &bytes[..last]).unwrap();
    let (ledger, file) = (&mut crash.ledger, &crash.file);
    let proof = std::panic::AssertUnwindSafe(|| ledger.check(file));
    let failed = std::panic::catch_unwind(proof).unwrap_err();
    let text = failed.downcast_ref::<String>().unwrap();
    assert!(text.contains("acknowledged"), "{text}");
}

/// The kernel ends the process in the midst of a write, so that a part of the record is in the file.
#[test]
fn a_torn_write_loses_nothing() {
    let mut crash = Crash::new(0x5eed_0003);
    for _ in 0..rounds(8) {
        let server = crash.serve(&[]);
        let size = std::fs::metadata(&crash.file).unwrap().len();
        let room = size + 20_000 + crash.chance.below(30_000);
        let (pid, limit) = (crash.writer(), format!("--fsize={room}"));
        crash.sandbox.run("prlimit", &["--pid", &pid, &limit]);
        let socket = crash.socket();
        let sandbox = &mut crash.sandbox;
        crash
            .ledger
            .load(&socket, |_| assert!(!sandbox.ended(server)));
        assert_eq!(
            std::fs::metadata(&crash.file).unwrap().len(),
            room,
            "it is torn there"
        );
        crash.ledger.check(&crash.file);
    }
    assert!(crash.ledger.acknowledged() > 100);
}

/// The process ends at each call that has to do with the file, in turn: also between the steps of a compaction.
#[test]
fn an_end_at_any_system_call_loses_nothing() {
    let mut crash = Crash::new(0x5eed_0004);
    let calls = [
        ("write", 3, false),
        ("fdatasync", 3, false),
        ("write", 1, true),
        ("fsync", 1, true),
        ("rename", 1, true),
        ("fsync", 2, true),
    ];
    let mut ends = Vec::new();
    for (call, when, compact) in calls {
        let inject = format!("--inject={call}:signal=KILL:when={when}");
        let paths = paths(&crash.file, compact);
        let mut wrapper = vec!["strace", "-f", "-qqq", "-o", "/dev/null", &inject];
        wrapper.extend(paths.iter().flat_map(|path| ["-P", path]));
        let server = crash.serve(&wrapper);
        let (control, socket) = (load::text(&crash.control()), crash.socket());
        let sandbox = &mut crash.sandbox;
        // Time enough for the call to come, if it comes at all.
        let end = Instant::now() + Duration::from_secs(if compact { 2 } else { 20 });
        crash.ledger.load(&socket, |count| {
            if compact {
                until(count, 20);
                // It answers, or ends first.
                sandbox.try_run("ovs-appctl", &["-t", &control, "ovsdb-server/compact"]);
            }
            // Not every way to compact has every call.
            while !sandbox.has_ended(server) && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
            if sandbox.has_ended(server) {
                ends.push((call, compact));
            } else {
                let pid = std::fs::read_to_string(sandbox.file("ovsdb-server.pid")).unwrap();
                sandbox.run("kill", &["-9", pid.trim()]);
                sandbox.ended(server);
            }
        });
        crash.ledger.check(&crash.file);
    }
    for end in [("write", false), ("fdatasync", false), ("rename", true)] {
        assert!(ends.contains(&end), "{end:?} was not reached: {ends:?}");
    }
    assert!(crash.ledger.acknowledged() > 20);
}

/// The file, or what a compaction touches beside it.
fn paths(file: &Path, compact: bool) -> Vec<String> {
    if !compact {
        return vec![file.display().to_string()];
    }
    let folder = file.parent().unwrap().display().to_string();
    let beside = [".tmp", ".compact.tmp"].map(|end| format!("{}{end}", file.display()));
    beside.into_iter().chain([folder]).collect()
}

/// What the disk refuses is not acknowledged, and what came before is still there; the server goes on when
/// the disk does.
#[test]
fn a_disk_that_fails_is_told_and_loses_nothing() {
    let mut crash = Crash::new(0x5eed_0005);
    for (call, error, when) in [
        ("fdatasync", "EIO", 4),
        ("write", "ENOSPC", 5),
        ("write", "EIO", 3),
    ] {
        let inject = format!("--inject={call}:error={error}:when={when}");
        let file = load::text(&crash.file);
        let wrapper = [
            "strace",
            "-f",
            "-qqq",
            "-o",
            "/dev/null",
            &inject,
            "-P",
            &file,
        ];
        let server = crash.serve(&wrapper);
        let socket = crash.socket();
        let sandbox = &mut crash.sandbox;
        let failed = |it: &Sandbox| {
            it.log("ovsdb-server")
                .matches("cannot write the log")
                .count()
        };
        let before = failed(sandbox);
        crash.ledger.load(&socket, |_| {
            // The writers stop at the first refusal.
            sandbox.wait("the failure", |it| failed(it) > before);
        });
        // The next load finds the writers where the file is.
        let (database, _) = ovsdb::log::read_database(&crash.file).unwrap();
        assert!(!load::contents(&database).is_empty());
        let mended = |it: &Sandbox| {
            it.log("ovsdb-server")
                .matches("can be written again")
                .count()
        };
        sandbox.wait("the repair", |it| mended(it) > before);
        crash.ledger.check(&crash.file);
        let done = crash.ledger.acknowledged();
        crash.ledger.load(&socket, |count| {
            until(count, 20);
            let pid = std::fs::read_to_string(sandbox.file("ovsdb-server.pid")).unwrap();
            sandbox.run("kill", &["-9", pid.trim()]);
            sandbox.ended(server);
        });
        assert!(crash.ledger.acknowledged() >= done + 20, "it goes on");
        crash.ledger.check(&crash.file);
    }
}

/// A file system that is full cuts writes off where it likes.
#[test]
fn a_full_disk_loses_nothing() {
    let sandbox = Sandbox::new();
    let mount = sandbox.file("small");
    std::fs::create_dir(&mount).unwrap();
    let path = load::text(&mount);
    sandbox.run("mount", &["-t", "tmpfs", "-o", "size=512k", "tmpfs", &path]);
    let _unmount = Unmount(path);
    let mut crash = Crash::with_file(sandbox, mount.join("crash.db"), 0x5eed_0006);
    for _ in 0..3 {
        let server = crash.serve(&[]);
        let socket = crash.socket();
        let sandbox = &mut crash.sandbox;
        let failed = |it: &Sandbox| {
            it.log("ovsdb-server")
                .matches("cannot write the log")
                .count()
        };
        let before = failed(sandbox);
        let filler = mount.join("filler");
        crash.ledger.load(&socket, |count| {
            until(count, 10);
            assert!(std::fs::write(&filler, vec![0; 1 << 20]).is_err());
            sandbox.wait("the failure", |it| failed(it) > before);
            sandbox.kill(server);
        });
        std::fs::remove_file(&filler).unwrap();
        // What stock makes of the file goes beside it.
        let copy = crash.sandbox.file("crash.db");
        std::fs::copy(&crash.file, &copy).unwrap();
        crash.ledger.check(&copy);
    }
    assert!(crash.ledger.acknowledged() >= 30);
}

struct Unmount(String);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .args(["-l", &self.0])
            .status();
    }
}

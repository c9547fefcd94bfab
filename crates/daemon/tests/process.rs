//! A daemon as scripts see it, controlled by the real `ovs-appctl`.
//!
//! The daemon under test is this test binary itself: run with a variable set, it becomes one.

#![allow(clippy::unwrap_used)] // These are tests, though not all marked so.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use daemon::{Daemon, DaemonArgs, Family, Identity, unixctl::Registry};

const ROLE: &str = "HEDDLE_TEST_DAEMON";

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    daemon: DaemonArgs,
    /// The harness's own flags, which the copy is started with.
    #[arg(long)]
    exact: bool,
    #[arg(long)]
    nocapture: bool,
    name: Option<String>,
}

/// Not a test of its own: the body of the daemon, when the variable says so.
#[test]
fn daemon_body() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    // libtest rejects flags that it does not know, so the flags travel in the variable.
    let line = std::env::var(ROLE).unwrap();
    let words = ["x"]
        .into_iter()
        .chain(line.split_whitespace())
        .map(OsString::from);
    let args = Program::parse_from(daemon::args::normalise(words)).daemon;
    let identity = Identity {
        program: "testd".into(),
        version: "1.2".into(),
        family: Family::OpenvSwitch,
    };
    let mut process = match Daemon::start(identity, &args) {
        Ok(process) => process,
        Err(error) => {
            eprintln!("testd: {error}");
            std::process::exit(3);
        }
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let reason = runtime.block_on(async {
        let mut registry = Registry::new();
        registry.register_sync("greet", "NAME", 1, 2, |args| {
            Ok(format!("hello {}", args[0]))
        });
        registry.not_supported(&["debug/absent"]);
        process.serve(registry).unwrap();
        process.ready();
        tracing::info!("up and\nrunning");
        tracing::debug!(target: "a::b::deep", "detail");
        process.shutdown().requested().await
    });
    tracing::info!("ends: {reason:?}");
    drop(process);
    std::process::exit(0);
}

struct Sandbox(tempfile::TempDir);

impl Sandbox {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn start(&self, flags: &str) -> Output {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "daemon_body", "--nocapture"])
            .env(ROLE, flags)
            .env("OVS_RUNDIR", self.path())
            .env("OVS_LOGDIR", self.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn appctl(&self, args: &[&str]) -> (bool, String) {
        let output = Command::new("ovs-appctl")
            .args(["--timeout=10", "-t", "testd"])
            .args(args)
            .env("OVS_RUNDIR", self.path())
            .output()
            .unwrap();
        let text = if output.status.success() {
            output.stdout
        } else {
            output.stderr
        };
        (output.status.success(), String::from_utf8(text).unwrap())
    }

    fn ok(&self, args: &[&str]) -> String {
        let (success, text) = self.appctl(args);
        assert!(success, "{args:?}: {text}");
        text
    }

    fn pid(&self) -> Option<i32> {
        std::fs::read_to_string(self.path().join("testd.pid"))
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("testd.log")).unwrap()
    }

    fn wait_gone(&self, pid: i32) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Path::new(&format!("/proc/{pid}/exe")).read_link().is_ok() {
            assert!(Instant::now() < deadline, "pid {pid} stays");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
    }
}

#[test]
fn life_of_a_daemon() {
    let sandbox = Sandbox::new();
    let started = sandbox.start("-vconsole:off --detach --no-chdir --pidfile --log-file");
    assert!(started.status.success(), "{started:?}");
    // It is ready the moment the command returns: no waiting here.
    let pid = sandbox.pid().expect("a pidfile");
    assert_eq!(sandbox.ok(&["version"]), "testd 1.2\n");
    assert_eq!(sandbox.ok(&["greet", "you"]), "hello you\n");
    assert!(
        sandbox
            .ok(&["list-commands"])
            .contains("\n  greet                   NAME\n")
    );
    assert!(sandbox.ok(&["memory/show"]).contains("rss-kB:"));
    assert!(sandbox.ok(&["coverage/show"]).starts_with("Event coverage"));

    for (args, expected) in [
        (
            &["nothing"][..],
            "\"nothing\" is not a valid command (use \"list-commands\" to see",
        ),
        (
            &["greet"],
            "\"greet\" command requires at least 1 arguments",
        ),
        (
            &["greet", "a", "b", "c"],
            "\"greet\" command takes at most 2 arguments",
        ),
        (&["debug/absent", "x"], "not supported: debug/absent"),
        (
            &["vlog/set", "file:console"],
            "cannot specify multiple destinations",
        ),
    ] {
        let (success, text) = sandbox.appctl(args);
        assert!(!success && text.contains(expected), "{args:?}: {text}");
    }

    let second = sandbox.start("--detach --no-chdir --pidfile");
    assert_eq!(second.status.code(), Some(3));
    let text = String::from_utf8(second.stderr).unwrap();
    assert!(
        text.contains(&format!("already running as pid {pid}, aborting")),
        "{text}"
    );

    assert_eq!(sandbox.ok(&["exit"]), "");
    sandbox.wait_gone(pid);
    let left: Vec<_> = std::fs::read_dir(sandbox.path())
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(left.len(), 1, "only the log stays: {left:?}");
}

#[test]
fn the_log_file() {
    let sandbox = Sandbox::new();
    assert!(
        sandbox
            .start("-vconsole:off -vdeep:file:dbg --detach --no-chdir --pidfile --log-file")
            .status
            .success()
    );
    let pid = sandbox.pid().unwrap();
    let list = sandbox.ok(&["vlog/list"]);
    assert!(
        list.contains("deep               OFF       INFO        DBG"),
        "{list}"
    );
    sandbox.ok(&["vlog/set", "unixctl:file:dbg"]);
    sandbox.ok(&["version"]);
    std::fs::rename(
        sandbox.path().join("testd.log"),
        sandbox.path().join("old.log"),
    )
    .unwrap();
    sandbox.ok(&["vlog/reopen"]);
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    sandbox.wait_gone(pid);

    let old = std::fs::read_to_string(sandbox.path().join("old.log")).unwrap();
    let first: Vec<&str> = old.lines().next().unwrap().split('|').collect();
    assert_eq!(&first[1..4], ["00001", "vlog", "INFO"]);
    assert_eq!((first[0].len(), &first[0][10..11]), (24, "T"));
    assert!(old.contains("|process|INFO|up and\\nrunning\n"), "{old}");
    assert!(old.contains("|deep|DBG|detail\n"), "{old}");
    assert!(
        old.contains("|unixctl|DBG|received request version[], id=0"),
        "{old}"
    );
    assert!(
        sandbox
            .log()
            .contains("|process|INFO|ends: Signal(\"SIGTERM\")\n")
    );
}

#[test]
fn a_start_that_fails_says_so() {
    let sandbox = Sandbox::new();
    let failed = sandbox.start("--detach --log-file=/nonexistent/x.log");
    assert_eq!(failed.status.code(), Some(3));
    let text = String::from_utf8(failed.stderr).unwrap();
    assert!(
        text.contains("failed to open /nonexistent/x.log for logging"),
        "{text}"
    );
}

//! A server or a compiler as a process, with a folder of its own, driven by stock programs.
//!
//! The process is the test binary itself: run with a variable set, it becomes one.

#![allow(dead_code)] // Each test file uses its part.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // These are tests, though not marked so.

pub(crate) mod load;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use daemon::Identity;

const ROLE: &str = "HEDDLE_TEST_ROLE";

#[derive(Parser)]
enum Role {
    Server(server::ServerArgs),
    Northd(server::northd::Args),
    OvsdbServer(server::ovsdb_server::OvsdbServerArgs),
    Relay(server::RelayArgs),
}

/// The body of the process; returns at once in a test run.
pub(crate) fn role_body() {
    let Ok(line) = std::env::var(ROLE) else {
        return;
    };
    let words = ["role"]
        .into_iter()
        .chain(line.split_whitespace())
        .map(OsString::from);
    let result = match Role::parse_from(daemon::args::normalise(words)) {
        Role::Server(args) => server::run_server(Identity::ovn("heddle-server", "0"), &args),
        Role::Northd(args) => server::northd::run(Identity::ovn("ovn-northd", "0"), &args),
        Role::OvsdbServer(args) => {
            server::ovsdb_server::run(Identity::ovn("ovsdb-server", "0"), &args)
        }
        Role::Relay(args) => server::run_relay(Identity::ovn("heddle-relay", "0"), &args),
    };
    if let Err(error) = result {
        eprintln!("{error:#}");
        std::process::exit(1);
    }
    std::process::exit(0);
}

/// A folder with everything that the processes make; they are killed at the end.
pub(crate) struct Sandbox {
    dir: tempfile::TempDir,
    children: Vec<Child>,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            children: Vec::new(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// A stock program with this folder's environment.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for variable in [
            "OVN_RUNDIR",
            "OVN_LOGDIR",
            "OVN_DBDIR",
            "OVS_RUNDIR",
            "OVS_LOGDIR",
        ] {
            command.env(variable, self.path());
        }
        for (variable, socket) in [
            ("OVN_NB_DB", "ovnnb_db.sock"),
            ("OVN_SB_DB", "ovnsb_db.sock"),
        ] {
            command.env(variable, format!("unix:{}", self.file(socket).display()));
        }
        command.stdin(Stdio::null());
        command
    }

    /// Starts a role with these flags.
    pub(crate) fn start(&mut self, line: &str) -> usize {
        self.start_under(&[], line)
    }

    /// Starts a role as the program that `wrapper` runs, if that is not empty.
    pub(crate) fn start_under(&mut self, wrapper: &[&str], line: &str) -> usize {
        let program = std::env::current_exe().unwrap().display().to_string();
        let words = [wrapper, &[&program]].concat();
        let mut command = self.command(words[0]);
        command.args(&words[1..]);
        command
            .args(["--exact", "role_body", "--nocapture"])
            .env(ROLE, line);
        self.children
            .push(command.stdout(Stdio::null()).spawn().unwrap());
        self.children.len() - 1
    }

    /// Starts a stock program that runs until the end of the test.
    pub(crate) fn start_stock(&mut self, program: &str, args: &[&str]) -> usize {
        let mut command = self.command(program);
        self.children
            .push(command.args(args).stdout(Stdio::null()).spawn().unwrap());
        self.children.len() - 1
    }

    /// Starts a switch's database with what an agent named `hv1` needs to know; its remote.
    pub(crate) fn switch_database(&mut self, southbound: &str) -> String {
        let file = self.file("conf.db").display().to_string();
        let schema = "/usr/share/openvswitch/vswitch.ovsschema";
        self.run("ovsdb-tool", &["create", &file, schema]);
        let socket = format!("unix:{file}.sock");
        let remote = format!("--remote=p{socket}");
        let quiet = ["--unixctl=none", "-vconsole:off", "-vsyslog:off"];
        self.start_stock("ovsdb-server", &[&[&file, &*remote][..], &quiet].concat());
        self.wait("the switch's database", |it| {
            it.try_run("ovsdb-client", &["list-dbs", &socket]).0
        });
        self.line(&format!(
            "ovs-vsctl --db={socket} --no-wait init -- set Open_vSwitch . \
             external_ids:ovn-remote=\"{southbound}\" external_ids:system-id=hv1 \
             external_ids:ovn-encap-type=geneve external_ids:ovn-encap-ip=192.0.2.1"
        ));
        socket
    }

    /// Starts `heddle server` with its default sockets and waits until it serves.
    pub(crate) fn serve(&mut self, flags: &str) -> usize {
        let _ = std::fs::remove_file(self.file("ovnnb_db.sock"));
        let child = self.start(&format!(
            "server -vconsole:warn --log-file --pidfile {flags}"
        ));
        self.wait("the server", |it| {
            it.try_run("ovsdb-client", &["list-dbs", &it.nb()]).0
        });
        child
    }

    pub(crate) fn nb(&self) -> String {
        format!("unix:{}", self.file("ovnnb_db.sock").display())
    }

    pub(crate) fn sb(&self) -> String {
        format!("unix:{}", self.file("ovnsb_db.sock").display())
    }

    pub(crate) fn kill(&mut self, child: usize) {
        self.children[child].kill().unwrap();
        self.children[child].wait().unwrap();
    }

    pub(crate) fn pid(&self, child: usize) -> u32 {
        self.children[child].id()
    }

    /// Waits for the end of a process; whether it ended well.
    pub(crate) fn ended(&mut self, child: usize) -> bool {
        self.children[child].wait().unwrap().success()
    }

    /// Whether a process has ended by now.
    pub(crate) fn has_ended(&mut self, child: usize) -> bool {
        self.children[child].try_wait().unwrap().is_some()
    }

    /// Runs a stock program; whether it ended well, and what it printed.
    pub(crate) fn try_run(&self, program: &str, args: &[&str]) -> (bool, String) {
        let mut command = self.command("timeout");
        let Output {
            status,
            stdout,
            stderr,
        } = command.arg("30").arg(program).args(args).output().unwrap();
        let text = if status.success() { stdout } else { stderr };
        (status.success(), String::from_utf8(text).unwrap())
    }

    /// Runs a stock program that must end well.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> String {
        let (success, text) = self.try_run(program, args);
        assert!(success, "{program} {args:?}: {text}");
        text
    }

    /// Runs a line of words without quotes.
    pub(crate) fn line(&self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.run(words[0], &words[1..])
    }

    /// Waits until the condition holds.
    pub(crate) fn wait(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !condition(self) {
            assert!(Instant::now() < deadline, "{what} did not come");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn log(&self, program: &str) -> String {
        std::fs::read_to_string(self.file(&format!("{program}.log"))).unwrap_or_default()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Those that have detached are nobody's children.
        for entry in std::fs::read_dir(self.path())
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "pid")
                && let Ok(pid) = std::fs::read_to_string(&path)
            {
                let _ = Command::new("kill")
                    .args(["-9", pid.trim()])
                    .stderr(Stdio::null())
                    .status();
            }
        }
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

//! A folder with database files, servers of both kinds over them, and stock tools beside ours.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, reason = "this is a part of tests")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use testbed::until;

/// The binary under test.
const HEDDLE: &str = env!("CARGO_BIN_EXE_heddle");

/// A schema with every kind of column.
pub(crate) const SCHEMA: &str = r#"{"name":"T","version":"1.2.3","cksum":"1 2","tables":{
 "Host":{"columns":{
   "name":{"type":"string"},"n":{"type":"integer"},
   "r":{"type":{"key":"real","min":0,"max":"unlimited"}},
   "b":{"type":{"key":"boolean","min":0,"max":1}},
   "m":{"type":{"key":"string","value":"integer","min":0,"max":"unlimited"}},
   "friends":{"type":{"key":{"type":"uuid","refTable":"Host","refType":"weak"},"min":0,"max":"unlimited"}}},
  "isRoot":true,"indexes":[["name"]]},
 "Port":{"columns":{"n":{"type":"integer"}},"isRoot":true}}}"#;

/// Rows with what is hard to print.
pub(crate) const ROWS: &str = r#"["T",
 {"op":"insert","table":"Host","uuid-name":"x","row":{"name":"a b","n":1,"r":["set",[1.5,2]],"b":true,
   "m":["map",[["k",1],["l \"x",2]]]}},
 {"op":"insert","table":"Host","row":{"name":"b,c","n":2,"friends":["set",[["named-uuid","x"]]]}},
 {"op":"insert","table":"Host","row":{"name":"true","n":3}},
 {"op":"insert","table":"Port","row":{"n":4}},
 {"op":"comment","comment":"first"}]"#;

/// The folder; what was started in it ends with it.
pub(crate) struct Sandbox {
    dir: TempDir,
    children: Vec<(String, Child)>,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let sandbox = Self {
            dir: tempfile::tempdir().unwrap(),
            children: Vec::new(),
        };
        std::os::unix::fs::symlink(HEDDLE, sandbox.file("ovsdb-server")).unwrap();
        std::fs::write(sandbox.file("t.ovsschema"), SCHEMA).unwrap();
        sandbox
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        for variable in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVN_RUNDIR"] {
            command.env(variable, self.dir.path());
        }
        // Backtraces of the error type would be compared otherwise.
        command
            .env_remove("RUST_BACKTRACE")
            .env_remove("RUST_LIB_BACKTRACE");
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    /// Runs a program; how it ended, what it printed, what it complained about.
    pub(crate) fn all(&self, program: &str, args: &[&str]) -> (Option<i32>, String, String) {
        let program = if program == "heddle" { HEDDLE } else { program };
        let Output {
            status,
            stdout,
            stderr,
        } = self
            .command("timeout")
            .arg("30")
            .arg(program)
            .args(args)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code(), text(stdout), text(stderr))
    }

    /// Runs a program that must end well, and gives what it printed.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> String {
        let (code, out, error) = self.all(program, args);
        assert_eq!(code, Some(0), "{program} {args:?}: {out}{error}");
        out
    }

    /// Runs `heddle db`, which must end well.
    pub(crate) fn db(&self, args: &[&str]) -> String {
        self.run("heddle", &[&["db"], args].concat())
    }

    /// Runs `heddle db`, which must fail with this status, and gives what it complained about.
    pub(crate) fn db_fails(&self, status: i32, args: &[&str]) -> String {
        let (code, out, error) = self.all("heddle", &[&["db"], args].concat());
        assert_eq!(code, Some(status), "{args:?}: {out}{error}");
        error
    }

    /// Starts a server in the foreground: `stock` or ours, by the name that both have.
    pub(crate) fn serve(
        &mut self,
        stock: bool,
        name: &str,
        files: &[&str],
        flags: &[&str],
    ) -> String {
        let program = self.file("ovsdb-server");
        let program = if stock {
            Path::new("ovsdb-server")
        } else {
            &program
        };
        let remote = format!("punix:{}", self.file(&format!("{name}.sock")).display());
        let log = format!("--log-file={}", self.file(&format!("{name}.log")).display());
        let mut command = self.command(program);
        command.args(files).args(flags);
        command.args(["--remote", &remote, &log, "-vconsole:off"]);
        command.arg(format!("--unixctl={}", self.control(name)));
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        self.children.push((name.to_owned(), child));
        let address = remote[1..].to_owned();
        self.wait("the server", || {
            self.all("ovsdb-client", &["list-dbs", &address]).0 == Some(0)
                && Path::new(&self.control(name)).exists()
        });
        address
    }

    /// Starts any other program.
    pub(crate) fn start(&mut self, name: &str, program: &str, args: &[&str]) {
        let child = self
            .command(program)
            .args(args)
            .stderr(Stdio::null())
            .spawn();
        self.children.push((name.to_owned(), child.unwrap()));
    }

    pub(crate) fn control(&self, name: &str) -> String {
        self.file(&format!("{name}.ctl")).display().to_string()
    }

    /// A command to the control socket of a server.
    pub(crate) fn appctl(&self, name: &str, args: &[&str]) -> String {
        let control = self.control(name);
        self.run("ovs-appctl", &[&["-t", &control], args].concat())
    }

    /// One that is refused.
    pub(crate) fn appctl_fails(&self, name: &str, args: &[&str]) -> String {
        let control = self.control(name);
        let (code, _, error) = self.all("ovs-appctl", &[&["-t", &control], args].concat());
        assert_ne!(code, Some(0), "{args:?}");
        error
    }

    pub(crate) fn child(&mut self, name: &str) -> &mut Child {
        let found = self.children.iter_mut().find(|(other, _)| other == name);
        &mut found.unwrap().1
    }

    /// Thinks no more of a program that has ended.
    pub(crate) fn forget(&mut self, name: &str) {
        self.children.retain(|(other, _)| other != name);
    }

    pub(crate) fn kill(&mut self, name: &str) {
        let at = self
            .children
            .iter()
            .position(|(other, _)| other == name)
            .unwrap();
        let (_, mut child) = self.children.remove(at);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Ends a server by its command.
    pub(crate) fn exit(&mut self, name: &str) {
        self.appctl(name, &["exit"]);
        let at = self
            .children
            .iter()
            .position(|(other, _)| other == name)
            .unwrap();
        let (_, mut child) = self.children.remove(at);
        assert!(child.wait().unwrap().success());
    }

    pub(crate) fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(&format!("{name}.log"))).unwrap_or_default()
    }

    pub(crate) fn wait(&self, what: &str, mut condition: impl FnMut() -> bool) {
        until(Duration::from_secs(20), what, || {
            Ok(condition().then_some(()))
        })
        .unwrap();
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        for (_, child) in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

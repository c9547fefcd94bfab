//! A real `ovs-vswitchd` without a datapath, for benchmarks that change its tables.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::command::{guarded, run as run_command};
use crate::wait::until;

const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
const READY: Duration = Duration::from_secs(30);

/// A process that ends with us.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A switch with one bridge, `br0`.
pub(super) struct Switch {
    switch: Daemon,
    _database: Daemon,
    folder: PathBuf,
}

impl Switch {
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let path = |name: &str| folder.join(name).display().to_string();
        let program = |name: &str| {
            let mut command = Command::new(name);
            for variable in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"] {
                command.env(variable, folder);
            }
            command
        };
        let spawn = |command: &mut Command| -> Result<Daemon> {
            let mut command = guarded(command);
            let quiet = command.stdin(Stdio::null()).stderr(Stdio::null());
            Ok(Daemon(quiet.spawn().context("is Open vSwitch installed?")?))
        };
        let (file, socket) = (path("conf.db"), path("db.sock"));
        run_command(program("ovsdb-tool").args(["create", &file, SCHEMA]))?;
        let remote = format!("--remote=punix:{socket}");
        let control = format!("--unixctl={}", path("ovsdb.ctl"));
        let database = spawn(program("ovsdb-server").args([&file, &remote, &control]))?;
        exists(&path("db.sock"))?;
        let server = format!("unix:{socket}");
        let control = format!("--unixctl={}", path("vswitchd.ctl"));
        let flags = ["--enable-dummy=override", "--disable-system", "--no-chdir"];
        let switch = spawn(
            program("ovs-vswitchd")
                .arg(&server)
                .args(flags)
                .arg(control),
        )?;
        let bridge = "add-br br0 -- set bridge br0 datapath_type=dummy fail-mode=secure";
        let mut vsctl = program("ovs-vsctl");
        vsctl.arg(format!("--db={server}")).args(bridge.split(' '));
        run_command(&mut vsctl)?;
        exists(&path("br0.mgmt"))?;
        Ok(Self {
            switch,
            _database: database,
            folder: folder.to_owned(),
        })
    }

    /// The processor time that the switch has used.
    pub(super) fn cpu(&self) -> Result<Duration> {
        let tasks = format!("/proc/{}/task", self.switch.0.id());
        let mut sum = 0;
        for task in fs::read_dir(tasks)? {
            // The first number is nanoseconds on a processor (Documentation/scheduler/sched-stats.rst).
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let first = text.split_whitespace().next().unwrap_or_default();
            sum += first.parse::<u64>().context("schedstat")?;
        }
        Ok(Duration::from_nanos(sum))
    }

    pub(super) fn socket(&self) -> String {
        format!("unix:{}", self.folder.join("br0.mgmt").display())
    }
}

fn exists(path: &str) -> Result<()> {
    until(READY, path, || Ok(Path::new(path).exists().then_some(())))
}

//! The daemons under the names of the programs that they replace, started and stopped as scripts do it.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use support::heddle;
use testbed::{Central, Centre, Hypervisor, HypervisorSpec, Leash, Scratch, Underlay, run, until};

/// A daemon that has detached, and ends with the test if that fails before it could say `exit`.
struct Detached {
    name: &'static str,
    folder: PathBuf,
    pid: u32,
    leash: Leash,
}

impl Detached {
    /// Starts the binary by another name, with `--detach`. The daemon is ready when this returns.
    fn start(name: &'static str, folder: &Path, arguments: &[String]) -> Result<Self> {
        let link = folder.join(name);
        std::os::unix::fs::symlink(heddle(), &link)?;
        let mut command = Command::new(link);
        command
            .args(arguments)
            .args([
                "--detach",
                "--no-chdir",
                "--pidfile",
                "--log-file",
                "-vconsole:off",
            ])
            .env("OVN_RUNDIR", folder)
            .env("OVN_LOGDIR", folder)
            .env("OVS_RUNDIR", folder);
        run(&mut command)?;
        let pid = std::fs::read_to_string(folder.join(format!("{name}.pid")))?;
        let pid = pid.trim().parse()?;
        Ok(Self {
            name,
            folder: folder.to_owned(),
            pid,
            leash: Leash::new(pid)?,
        })
    }

    fn appctl(&self, arguments: &[&str]) -> Result<String> {
        run(Command::new("ovn-appctl")
            .args(["-t", self.name])
            .args(arguments)
            .env("OVN_RUNDIR", &self.folder))
    }

    fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(
            self.folder.join(format!("{}.log", self.name)),
        )?)
    }

    fn is_alive(&self) -> bool {
        Path::new(&format!("/proc/{}", self.pid)).exists()
    }

    /// What every daemon must do.
    fn expect_habits(&self) -> Result<()> {
        ensure!(self.is_alive(), "{} has ended", self.name);
        ensure!(self.appctl(&["version"])?.contains(self.name), "version");
        self.appctl(&["vlog/set", "dbg"])?;
        self.appctl(&["vlog/reopen"])?;
        ensure!(
            self.appctl(&["list-commands"])?.contains("vlog/set"),
            "list-commands"
        );
        self.appctl(&["inc-engine/recompute"])?;
        self.appctl(&["inc-engine/clear-stats"])?;
        let unknown = self.appctl(&["no-such-command"]);
        ensure!(unknown.is_err(), "{unknown:?}");
        let log = self.log()?;
        let line = log.lines().next().context("the log is empty")?;
        let fields: Vec<&str> = line.split('|').collect();
        ensure!(
            fields.len() >= 5 && fields[0].ends_with('Z') && fields[1] == "00001",
            "{line}"
        );
        Ok(())
    }

    /// Says `exit`, and waits until the process is gone and has taken its pidfile with it.
    fn exit(self) -> Result<()> {
        self.appctl(&["exit"])?;
        until(Duration::from_secs(10), "the daemon to end", || {
            Ok((!self.is_alive()).then_some(()))
        })?;
        ensure!(
            !self.folder.join(format!("{}.pid", self.name)).exists(),
            "the pidfile is there"
        );
        self.leash.release();
        Ok(())
    }
}

#[test]
fn as_ovn_northd() -> Result<()> {
    let scratch = Scratch::new()?;
    let mut centre = Centre::start(Central::HeddleNorthd, heddle(), &scratch)?;
    // The databases alone: the compiler among them makes way for the one under test.
    if let Some(northd) = centre.processes().last_mut() {
        northd.stop();
    }
    let folder = scratch.folder("run")?;
    let databases = [
        format!("--ovnnb-db={}", centre.northbound()),
        format!("--ovnsb-db={}", centre.southbound()),
    ];
    let northd = Detached::start("ovn-northd", &folder, &databases)?;
    let mut northbound = testbed::Database::open(&centre.northbound(), "OVN_Northbound")?;
    northbound.sync("sb_cfg", Duration::from_secs(20))?;
    northd.expect_habits()?;
    ensure!(
        northd.appctl(&["status"])?.trim() == "Status: active",
        "status"
    );
    for command in ["nb-connection-status", "sb-connection-status"] {
        ensure!(
            northd.appctl(&[command])?.trim() == "connected",
            "{command}"
        );
    }
    northd.exit()
}

#[test]
fn as_ovn_controller() -> Result<()> {
    let scratch = Scratch::new()?;
    let centre = Centre::start(Central::Heddle, heddle(), &scratch)?;
    let underlay = Underlay::new()?;
    let folder = scratch.folder("hv1")?;
    let southbound = centre.southbound();
    let hypervisor = Hypervisor::start(&HypervisorSpec {
        name: "hv1",
        folder: &folder,
        underlay: &underlay,
        southbound: Some(&southbound),
    })?;
    let controller = Detached::start("ovn-controller", &folder, &[hypervisor.database()])?;
    until(Duration::from_secs(20), "the agent to be connected", || {
        Ok((controller.appctl(&["connection-status"])?.trim() == "connected").then_some(()))
    })?;
    controller.expect_habits()?;
    controller.appctl(&["debug/dump-related-ports"])?;
    controller.appctl(&["recompute"])?;
    controller.exit()
}

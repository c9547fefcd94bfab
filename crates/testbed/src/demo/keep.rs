//! A demo that goes on after its command has returned.
//!
//! The command that a person starts is only a window: the demo itself runs as its child in a session of
//! its own, and says on its output what the window is to show. Until it says that all is up, it dies
//! with the window; from then on it lives until [`stop`].

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout};

use crate::cloud::Cloud;
use crate::wait::until;

/// Begins the line that is for the window and not for the person; the exit status follows.
const DONE: char = '\u{4}';
const PID_FILE: &str = "demo.pid";

/// Runs `demo` behind and writes what it says to `out`, until it stays or ends. Gives the exit status.
///
/// # Errors
/// When it cannot be started, or ends without a word.
pub fn window(demo: &Command, out: &mut dyn Write) -> Result<u8> {
    let mut behind = Command::new("setpriv");
    behind
        .args(["--pdeathsig", "KILL", "setsid"])
        .arg(demo.get_program())
        .args(demo.get_args())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = behind.spawn().context("cannot start the demo")?;
    let said = child.stdout.take().context("the demo's output is a pipe")?;
    for line in BufReader::new(said).lines() {
        let line = line.context("cannot read what the demo says")?;
        if let Some(status) = line.strip_prefix(DONE) {
            return status.parse().context("the demo gave no exit status");
        }
        writeln!(out, "{line}")?;
    }
    let status = child.wait().context("cannot wait for the demo")?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1))
}

/// Lets the window go with an exit status, and stays until somebody ends this process. Returns only when
/// that fails.
///
/// # Errors
/// When the window has gone already.
pub fn stay(cloud: &Cloud, out: &mut dyn Write, status: u8) -> Result<()> {
    let file = cloud.folder().join(PID_FILE);
    fs::write(&file, std::process::id().to_string())
        .with_context(|| format!("cannot write {}", file.display()))?;
    set_pdeathsig(None)?;
    writeln!(out, "{DONE}{status}")?;
    out.flush()?;
    let nowhere = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&nowhere)?;
    dup2_stdout(&nowhere)?;
    dup2_stderr(&nowhere)?;
    loop {
        std::thread::park();
    }
}

/// Ends the demo that stayed with this folder, and waits until nothing is left of it.
///
/// # Errors
/// When there is none.
pub fn stop(folder: &Path) -> Result<()> {
    let file = folder.join(PID_FILE);
    let text = fs::read_to_string(&file).with_context(|| {
        format!(
            "no demo runs in {}: cannot read {PID_FILE}",
            folder.display()
        )
    })?;
    let pid: u32 = text
        .trim()
        .parse()
        .with_context(|| format!("{} is damaged", file.display()))?;
    let said = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    if !said.split(|byte| *byte == 0).any(|word| word == b"demo") {
        bail!("the demo of {} has ended already", folder.display());
    }
    kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGTERM).context("cannot end the demo")?;
    until(Duration::from_secs(10), "the demo to end", || {
        Ok((!folder.exists()).then_some(()))
    })
}

/// What a person can do with a cloud that stays.
///
/// # Errors
/// When the script to enter machines cannot be written.
pub fn explain(cloud: &Cloud, heddle: &Path, out: &mut dyn Write) -> Result<()> {
    let enter = cloud.write_enter()?;
    let (enter, heddle) = (enter.display(), heddle.display());
    let vm = cloud.vms().first().map_or("NAME", |vm| vm.name());
    let hypervisor = cloud
        .hypervisors()
        .first()
        .map_or("NAME", |hypervisor| hypervisor.name());
    let (northbound, southbound) = (cloud.northbound_remote(), cloud.southbound_remote());
    writeln!(
        out,
        "\nIt goes on running.\n\
         \x20 enter a machine     {enter} {vm} ip address\n\
         \x20 enter a hypervisor  {enter} {hypervisor} ovs-vsctl show\n\
         \x20 look                {heddle} nb show --db {northbound}\n\
         \x20                     ovn-nbctl --db={northbound} show\n\
         \x20                     ovn-sbctl --db={southbound} show\n\
         \x20 logs                {folder}\n\
         \x20 end it              {heddle} demo stop {folder}",
        folder = cloud.folder().display(),
    )?;
    Ok(())
}

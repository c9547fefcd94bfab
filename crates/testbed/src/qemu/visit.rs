//! A machine for a person: a shell in it, or one command.

use std::io::{Read, Write, stdin, stdout};
use std::net::Shutdown;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use super::kernel::Kernel;
use super::live::Live;
use super::machine::Machine;
use super::outcome::Verdict;
use super::protocol::{Job, Report};
use super::watch;

/// What a person who looks around wants beside the programs of tests.
const TOOLS: &[&str] = &[
    "cp",
    "dmesg",
    "ethtool",
    "find",
    "grep",
    "head",
    "less",
    "ls",
    "lsmod",
    "mkdir",
    "mount",
    "nstat",
    "ovs-dpctl",
    "ps",
    "sed",
    "ss",
    "stty",
    "sysctl",
    "tail",
    "tc",
    "uname",
    "unshare",
];

/// Kernel modules at hand for whoever tries something.
const MODULES: &[&str] = &[
    "geneve",
    "ip_gre",
    "nf_conntrack",
    "nf_nat",
    "openvswitch",
    "veth",
    "vport-geneve",
    "vport-gre",
    "vport-vxlan",
    "vxlan",
];

/// As long as a person likes.
const ANY: Duration = Duration::from_secs(24 * 3600);

/// Starts a machine, and gives a shell in it on the terminal, or runs a command and prints what it prints.
/// Gives the status as a shell has it; 1 when the machine did not live to see the end.
///
/// # Errors
/// When the machine cannot be started.
#[allow(clippy::print_stderr, reason = "for a person")]
pub fn visit(machine: &Machine, kernel: Kernel, command: &[String]) -> Result<u8> {
    let machine = machine.clone().programs(TOOLS).carries(MODULES).limit(ANY);
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let mut job = match words.as_slice() {
        [] => Job::new("shell", &["sh", "-i"]),
        words => Job::new("command", words),
    };
    job.limit = ANY;
    job.terminal = command.is_empty();
    let program = std::env::current_exe().context("where this program is")?;
    let jobs = [job];
    let mut live = Live::start(&machine, kernel, &program, &[], &jobs)?;
    if command.is_empty() {
        eprintln!("Linux {}; the machine ends with the shell", live.release());
        converse(&live)?;
        return Ok(0);
    }
    let outcome = watch::follow(&mut live, &machine, &jobs, true);
    if outcome.fault.is_some() {
        eprintln!("{outcome}");
    }
    Ok(match outcome.jobs.first().map(|job| &job.verdict) {
        Some(Verdict::Passed) => 0,
        Some(Verdict::Failed {
            code: Some(code), ..
        }) => u8::try_from(*code).unwrap_or(1),
        _ => 1,
    })
}

/// Joins our terminal and the machine's, until the machine ends.
fn converse(live: &Live) -> Result<()> {
    let mut from = live.terminal()?;
    let mut to = live.terminal()?;
    until_lent(&mut from)?;
    let terminal = RawTerminal::new();
    std::thread::spawn(move || {
        let mut bytes = [0; 1024];
        let mut keys = stdin().lock();
        while let Ok(length @ 1..) = keys.read(&mut bytes) {
            if to.write_all(&bytes[..length]).is_err() {
                return;
            }
        }
        // The end of what is typed is no key: a shell takes this one for it.
        let _ = to.write_all(b"\x04");
    });
    let mut bytes = [0; 4096];
    let mut screen = stdout();
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        screen.write_all(&bytes[..length])?;
        screen.flush()?;
    }
    drop(terminal);
    // The thread that reads keys ends with the process.
    let _ = from.shutdown(Shutdown::Both);
    Ok(())
}

/// Reads the reports that come before the line is a terminal, byte by byte: what follows is not ours.
fn until_lent(line: &mut impl Read) -> Result<()> {
    let mut text = Vec::new();
    let mut byte = [0];
    while line.read(&mut byte)? == 1 {
        if byte[0] != b'\n' {
            text.push(byte[0]);
            continue;
        }
        match serde_json::from_slice(&text) {
            Ok(Report::Started { .. }) => return Ok(()),
            Ok(Report::Broken { reason }) => bail!("the machine cannot be used: {reason}"),
            _ => text.clear(),
        }
    }
    bail!("the machine ended before it had a shell")
}

/// Our terminal, without its own ideas about keys. Nothing when the input is no terminal.
struct RawTerminal(Option<Termios>);

impl RawTerminal {
    fn new() -> Self {
        let before = tcgetattr(stdin()).ok();
        if let Some(before) = &before {
            let mut raw = before.clone();
            cfmakeraw(&mut raw);
            // If it stays as it was, lines are sent when they are complete: still usable.
            let _ = tcsetattr(stdin(), SetArg::TCSANOW, &raw);
        }
        Self(before)
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(stdin(), SetArg::TCSANOW, before);
        }
    }
}

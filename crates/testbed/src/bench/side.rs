//! The two sides of the comparison: which processes make a Southbound of a Northbound.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::run;
use crate::namespace::Namespace;
use crate::process::Process;
use crate::scratch::Scratch;

/// Who is measured.
#[derive(Clone, Debug)]
pub enum Side {
    /// `ovsdb-server` for each database, and `ovn-northd`, as installed.
    Stock,
    /// `heddle server`, from this binary.
    Heddle(PathBuf),
}

/// One side that runs.
pub(super) struct Running {
    processes: Vec<Process>,
    _namespace: Namespace,
    scratch: Scratch,
}

const DATABASES: [(&str, &str); 2] = [("nb", "ovn-nb"), ("sb", "ovn-sb")];

impl Side {
    /// Starts its processes over empty databases.
    pub(super) fn start(&self) -> Result<Running> {
        let scratch = Scratch::new()?;
        let namespace = Namespace::new("bench")?;
        let processes = match self {
            Self::Stock => start_stock(&namespace, scratch.path())?,
            Self::Heddle(binary) => vec![start_heddle(&namespace, binary, &scratch)?],
        };
        Ok(Running {
            processes,
            _namespace: namespace,
            scratch,
        })
    }
}

impl Running {
    pub(super) fn northbound(&self) -> String {
        remote(self.scratch.path(), "nb")
    }

    pub(super) fn southbound(&self) -> String {
        remote(self.scratch.path(), "sb")
    }

    /// The sum over the processes of the most that each ever held, in bytes.
    pub(super) fn peak_memory(&self) -> Result<u64> {
        self.processes
            .iter()
            .map(|process| peak(process.id()))
            .sum()
    }
}

fn peak(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kilobytes.with_context(|| format!("no VmHWM in {path}"))? * 1024)
}

fn remote(folder: &Path, database: &str) -> String {
    format!("unix:{}", folder.join(format!("{database}.sock")).display())
}

fn start_heddle(namespace: &Namespace, binary: &Path, scratch: &Scratch) -> Result<Process> {
    let folder = scratch.path();
    let mut command = Command::new(binary);
    command
        .arg("server")
        .env("OVN_RUNDIR", folder)
        .arg(format!("--db-dir={}", scratch.folder("db")?.display()))
        .arg(format!("--remote=p{}", remote(folder, "nb")))
        .arg(format!("--remote=p{}", remote(folder, "sb")))
        .arg(format!("--unixctl={}", folder.join("server.ctl").display()))
        .arg(format!(
            "--log-file={}",
            folder.join("server.log").display()
        ));
    Process::start(
        namespace,
        "heddle server",
        &command,
        &folder.join("server.out"),
    )
}

fn start_stock(namespace: &Namespace, folder: &Path) -> Result<Vec<Process>> {
    let mut processes = Vec::new();
    for (database, schema) in DATABASES {
        let file = folder.join(format!("{database}.db"));
        let schema = format!("/usr/share/ovn/{schema}.ovsschema");
        run(Command::new("ovsdb-tool")
            .arg("create")
            .arg(&file)
            .arg(schema))?;
        let mut command = Command::new("ovsdb-server");
        command
            .arg(format!("--remote=p{}", remote(folder, database)))
            .arg(format!(
                "--unixctl={}",
                folder.join(format!("{database}.ctl")).display()
            ))
            .arg(format!(
                "--log-file={}",
                folder.join(format!("{database}.log")).display()
            ))
            .args(["-vconsole:off", "--no-chdir"])
            .arg(file);
        let output = folder.join(format!("{database}.out"));
        processes.push(Process::start(
            namespace,
            "ovsdb-server",
            &command,
            &output,
        )?);
    }
    let mut command = Command::new("ovn-northd");
    command
        .arg(format!("--ovnnb-db={}", remote(folder, "nb")))
        .arg(format!("--ovnsb-db={}", remote(folder, "sb")))
        .arg(format!("--unixctl={}", folder.join("northd.ctl").display()))
        .arg(format!(
            "--log-file={}",
            folder.join("northd.log").display()
        ))
        .args(["-vconsole:off", "--no-chdir"])
        .env("OVN_RUNDIR", folder);
    let output = folder.join("northd.out");
    processes.push(Process::start(namespace, "ovn-northd", &command, &output)?);
    Ok(processes)
}

//! The central programs: those that serve the databases, and the one that compiles.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::run;
use crate::namespace::Namespace;
use crate::process::Process;
use crate::scratch::Scratch;

/// Which programs they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Central {
    /// `heddle server`: all in one process.
    Heddle,
    /// Two stock `ovsdb-server`, and `heddle northd`.
    HeddleNorthd,
    /// Two stock `ovsdb-server`, and stock `ovn-northd`.
    Stock,
}

/// The central programs of one cloud, running over files in its folder.
pub struct Centre {
    processes: Vec<Process>,
    folder: PathBuf,
    kind: Central,
    heddle: PathBuf,
    namespace: Namespace,
}

/// The names under which clients look for the sockets if they are told nothing.
const DATABASES: [(&str, &str); 2] = [("ovnnb_db", "ovn-nb"), ("ovnsb_db", "ovn-sb")];

impl Centre {
    /// Starts them over empty databases. `heddle` is the binary under test.
    ///
    /// # Errors
    /// When one cannot be started.
    pub fn start(kind: Central, heddle: &Path, scratch: &Scratch) -> Result<Self> {
        let mut centre = Self {
            processes: vec![],
            folder: scratch.path().to_owned(),
            kind,
            heddle: heddle.to_owned(),
            namespace: Namespace::new("centre")?,
        };
        if kind != Central::Heddle {
            for (database, schema) in DATABASES {
                let schema = format!("/usr/share/ovn/{schema}.ovsschema");
                let file = centre.folder.join(format!("{database}.db"));
                run(Command::new("ovsdb-tool")
                    .arg("create")
                    .arg(file)
                    .arg(schema))?;
            }
        }
        centre.run_all()?;
        Ok(centre)
    }

    fn run_all(&mut self) -> Result<()> {
        match self.kind {
            Central::Heddle => self.run_server()?,
            Central::HeddleNorthd | Central::Stock => {
                for (database, _) in DATABASES {
                    self.run_database(database)?;
                }
                self.run_northd()?;
            }
        }
        Ok(())
    }

    fn run(&mut self, name: &str, mut command: Command) -> Result<()> {
        let file = |kind: &str| self.folder.join(format!("{name}.{kind}"));
        command
            .arg(format!("--unixctl={}", file("ctl").display()))
            .arg(format!("--log-file={}", file("log").display()))
            .arg("-vconsole:off");
        for key in ["OVN_RUNDIR", "OVN_DBDIR", "OVN_LOGDIR", "OVS_RUNDIR"] {
            command.env(key, &self.folder);
        }
        let process = Process::start(&self.namespace, name, &command, &file("out"))?;
        self.processes.push(process);
        Ok(())
    }

    fn run_server(&mut self) -> Result<()> {
        let mut command = Command::new(&self.heddle);
        command.arg("server");
        command.arg(format!("--remote=p{}", self.northbound()));
        command.arg(format!("--remote=p{}", self.southbound()));
        self.run("server", command)
    }

    fn run_database(&mut self, database: &str) -> Result<()> {
        let mut command = Command::new("ovsdb-server");
        command.arg(format!("--remote=p{}", self.remote(database)));
        command
            .arg("--no-chdir")
            .arg(self.folder.join(format!("{database}.db")));
        self.run(database, command)
    }

    fn run_northd(&mut self) -> Result<()> {
        let mut command = match self.kind {
            Central::Stock => Command::new("ovn-northd"),
            Central::Heddle | Central::HeddleNorthd => {
                let mut command = Command::new(&self.heddle);
                command.arg("northd");
                command
            }
        };
        command.arg(format!("--ovnnb-db={}", self.northbound()));
        command.arg(format!("--ovnsb-db={}", self.southbound()));
        self.run("northd", command)
    }

    /// The remote of the Northbound.
    pub fn northbound(&self) -> String {
        self.remote(DATABASES[0].0)
    }

    /// The remote of the Southbound.
    pub fn southbound(&self) -> String {
        self.remote(DATABASES[1].0)
    }

    fn remote(&self, database: &str) -> String {
        format!(
            "unix:{}",
            self.folder.join(format!("{database}.sock")).display()
        )
    }

    /// Ends all at once, without a word, and starts them again over the same files.
    ///
    /// # Errors
    /// When one cannot be started.
    pub fn restart(&mut self) -> Result<()> {
        self.processes.iter_mut().for_each(Process::kill);
        self.processes.clear();
        self.run_all()
    }

    /// The processes: the databases before what compiles.
    pub fn processes(&mut self) -> &mut [Process] {
        &mut self.processes
    }

    /// Fails when one has ended.
    ///
    /// # Errors
    /// With its last words.
    pub fn expect_alive(&mut self) -> Result<()> {
        self.processes
            .iter_mut()
            .try_for_each(Process::expect_alive)
    }

    /// The sum over the processes of the most memory that each ever held, in bytes.
    ///
    /// # Errors
    /// When one has ended.
    pub fn peak_memory(&self) -> Result<u64> {
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

//! One of the two servers over one file, and what its process has cost so far.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::swarm::Swarm;
use crate::command::run;
use crate::namespace::Namespace;
use crate::process::Process;
use crate::scratch::Scratch;

/// Whose server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Stock,
    Heddle,
}

/// A server that serves `OVN_Southbound`.
pub(super) struct Server {
    process: Process,
    folder: PathBuf,
    pub(super) opening: Duration,
}

/// How much memory a process has, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    pub(super) now: u64,
    pub(super) peak: u64,
}

impl Server {
    /// Starts it over a copy of `file`, and waits until it answers.
    pub(super) fn start(
        side: Side,
        heddle: &Path,
        namespace: &Namespace,
        scratch: &Scratch,
        file: &Path,
    ) -> Result<Self> {
        let name = match side {
            Side::Stock => "stock",
            Side::Heddle => "heddle",
        };
        let folder = scratch.path().join(name);
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir(&folder)?;
        let database = folder.join("sb.db");
        std::fs::copy(file, &database).context("cannot copy the database")?;
        let mut command = match side {
            Side::Stock => Command::new("ovsdb-server"),
            Side::Heddle => {
                // It is what it is called.
                let link = folder.join("ovsdb-server");
                std::os::unix::fs::symlink(heddle, &link)?;
                Command::new(link)
            }
        };
        command
            .arg(format!("--remote=punix:{}", folder.join("sock").display()))
            .arg(format!("--unixctl={}", folder.join("ctl").display()))
            .arg(format!("--log-file={}", folder.join("log").display()))
            .args(["-vconsole:off", "--no-chdir"])
            .arg(&database)
            .env("OVS_RUNDIR", &folder);
        let start = Instant::now();
        let process = Process::start(namespace, name, &command, &folder.join("out"))?;
        let mut server = Self {
            process,
            folder,
            opening: Duration::ZERO,
        };
        while !server.socket().exists() {
            server.process.expect_alive()?;
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut first = Swarm::connect(&server.socket(), 1)?;
        let request = r#"{"id":1,"method":"list_dbs","params":[]}"#;
        loop {
            server.process.expect_alive()?;
            let (answer, _) = first.ask(0, request)?;
            if String::from_utf8_lossy(&answer).contains("OVN_Southbound") {
                break;
            }
            if start.elapsed() > super::PATIENCE {
                bail!("{name} does not serve the database");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        server.opening = start.elapsed();
        Ok(server)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.join("sock")
    }

    /// Has it begin a new file.
    pub(super) fn compact(&self) -> Result<()> {
        run(Command::new("ovs-appctl")
            .arg("-t")
            .arg(self.folder.join("ctl"))
            .arg("ovsdb-server/compact"))?;
        Ok(())
    }

    /// Which file its database is in; compaction puts another in its place.
    pub(super) fn file(&self) -> Result<u64> {
        Ok(std::fs::metadata(self.folder.join("sb.db"))?.ino())
    }

    /// The processor time that all its threads have taken.
    pub(super) fn processor(&self) -> Result<Duration> {
        let stat = self.proc("stat")?;
        // Behind the name, which may hold anything, `utime` and `stime` are the 12th and the 13th.
        let fields = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        let ticks: Vec<u64> = fields
            .skip(11)
            .take(2)
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 10))
    }

    pub(super) fn memory(&self) -> Result<Memory> {
        let rollup = self.proc("smaps_rollup")?;
        let status = self.proc("status")?;
        Ok(Memory {
            now: kilobytes(&rollup, "Pss:")? * 1024,
            peak: kilobytes(&status, "VmHWM:")? * 1024,
        })
    }

    fn proc(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.process.id());
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }
}

fn kilobytes(text: &str, name: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.with_context(|| format!("no {name} in what the kernel says of the process"))
}

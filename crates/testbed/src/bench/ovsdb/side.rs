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
use crate::usage::Memory;

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
        // The first commit would wait for all of it to get to the disk.
        std::fs::File::open(&database)?.sync_all()?;
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

    pub(super) fn processor(&self) -> Result<Duration> {
        self.process.processor()
    }

    pub(super) fn memory(&self) -> Result<Memory> {
        self.process.memory()
    }
}

//! Serving databases as `ovsdb-server(1)` does: any database files, at remotes that come from flags, from
//! commands and from the databases themselves.
//!
//! `Service` is the part that `heddle server` shares; the rest is the program under the stock name: its
//! flags, and which files it opens. It must not know what is in a database, beyond the columns that describe
//! remotes.
//!
//! Invariant: the process is ready only when it listens at every remote that it was started with.

mod certificates;
mod commands;
mod from_database;
mod plan;
mod remotes;
mod service;

use std::path::{Path, PathBuf};

use anyhow::Context;
use daemon::unixctl::Registry;
use daemon::{Daemon, DaemonArgs, Identity};
use ovsdb::server::Limits;

use crate::core::Core;
use crate::open;
use crate::relay::Source;
pub use service::ClientArgs;
pub(crate) use service::{Databases, Service, raise_descriptors};

/// The flags of `ovsdb-server`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct OvsdbServerArgs {
    /// Database files [default: conf.db in OVS_DBDIR or /etc/openvswitch], or databases to relay from other
    /// servers: relay:DB:REMOTE,REMOTE...
    #[arg(value_name = "DATABASE")]
    pub databases: Vec<PathBuf>,
    /// Where to listen (punix:FILE, ptcp:PORT, ptcp:PORT:HOST, pssl:PORT:HOST), what to connect to (unix:FILE,
    /// tcp:HOST:PORT, ssl:HOST:PORT), or
    /// the column that says so (db:DATABASE,TABLE,COLUMN); can be repeated.
    #[arg(long, value_name = "REMOTE")]
    pub remote: Vec<String>,
    /// Start without any database, in place of the default one.
    #[arg(long)]
    pub no_dbs: bool,
    #[command(flatten)]
    /// What stock has beyond this.
    pub absent: AbsentArgs,
    #[command(flatten)]
    /// Bounds and certificates.
    pub clients: ClientArgs,
    #[command(flatten)]
    /// How to run as a daemon.
    pub daemon: DaemonArgs,
}

/// Flags of the stock program that are not supported; each is refused by its name.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct AbsentArgs {
    /// Replicates another server.
    #[arg(long, hide = true, value_name = "SERVER")]
    pub sync_from: Option<String>,
    /// Leaves tables out of that.
    #[arg(long, hide = true, value_name = "TABLES")]
    pub sync_exclude_tables: Option<String>,
    /// Starts as the one that is replicated.
    #[arg(long, hide = true)]
    pub active: bool,
    /// Runs a command and ends with it.
    #[arg(long, hide = true, value_name = "COMMAND")]
    pub run: Option<String>,
    /// Reads what to serve from a file.
    #[arg(long, hide = true, value_name = "FILE")]
    pub config_file: Option<String>,
    /// Writes whole columns to the file.
    #[arg(long, hide = true)]
    pub disable_file_column_diff: bool,
    /// Records all input.
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub record: Option<String>,
    /// Replays it.
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub replay: Option<String>,
}

/// A flag that is not supported was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not supported: {0}")]
pub struct FlagNotSupported(&'static str);

impl AbsentArgs {
    fn check(&self) -> Result<(), FlagNotSupported> {
        let given = [
            ("--sync-from", self.sync_from.is_some()),
            ("--sync-exclude-tables", self.sync_exclude_tables.is_some()),
            // Without a server to replicate every server is active.
            ("--run", self.run.is_some()),
            ("--config-file", self.config_file.is_some()),
            ("--disable-file-column-diff", self.disable_file_column_diff),
            ("--record", self.record.is_some()),
            ("--replay", self.replay.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(FlagNotSupported(flag)),
            None => Ok(()),
        }
    }
}

/// Serves database files until told to exit. Call it before any thread exists.
///
/// # Errors
/// When a flag is not supported, the daemon cannot start, a file cannot be opened, or a remote of the command
/// line cannot be listened at.
pub fn run(identity: Identity, args: &OvsdbServerArgs) -> anyhow::Result<()> {
    args.absent.check()?;
    let daemon = Daemon::start(identity, &args.daemon)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(daemon, args))
}

async fn serve(mut daemon: Daemon, args: &OvsdbServerArgs) -> anyhow::Result<()> {
    let shutdown = daemon.shutdown();
    let (sources, files) = split(&args.databases)?;
    let core = open_files(files, args.no_dbs || !sources.is_empty())?;
    let (run, clients) = (&daemon.dirs().run, &args.clients);
    let service = Service::start(core, run, sources, &args.remote, clients).await?;
    let mut registry = Registry::new();
    service.register(&mut registry, Databases::ComeAndGo);
    daemon.serve(registry)?;
    tracing::info!(target: "ovsdb_server", "ovsdb-server (Heddle) {}", env!("CARGO_PKG_VERSION"));
    daemon.ready();
    let reason = shutdown.requested().await;
    tracing::info!(target: "ovsdb_server", "exiting ({reason:?})");
    service.stop().await;
    Ok(())
}

/// The databases to relay, and the files.
fn split(databases: &[PathBuf]) -> anyhow::Result<(Vec<Source>, Vec<PathBuf>)> {
    let (mut sources, mut files) = (Vec::new(), Vec::new());
    for database in databases {
        match database.to_str().and_then(Source::of_argument) {
            Some(source) => sources.push(source?),
            None => files.push(database.clone()),
        }
    }
    Ok((sources, files))
}

fn open_files(mut files: Vec<PathBuf>, none: bool) -> anyhow::Result<Core> {
    if files.is_empty() && !none {
        files.push(default_file());
    }
    let mut core = Core::new(Limits::default());
    for file in &files {
        let file = absolute(file)?;
        let (database, log) = open::open_as_it_is(&file)?;
        let name = database.schema().name.clone();
        anyhow::ensure!(
            !core.serves(&name),
            "{}: holds a second database named {name}; serve one of them",
            file.display()
        );
        core.add(database, Box::new(log))
            .context("cannot start the thread of a log")?;
    }
    Ok(core)
}

/// The file that stock serves when none is named: the configuration of the switch.
fn default_file() -> PathBuf {
    let dir = std::env::var_os("OVS_DBDIR").filter(|dir| !dir.is_empty());
    dir.map_or_else(|| PathBuf::from("/etc/openvswitch"), PathBuf::from)
        .join("conf.db")
}

/// The same file also when the process changes to another folder.
fn absolute(file: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(file).with_context(|| format!("{}: no such path", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_flags_are_named() {
        let args = AbsentArgs {
            sync_from: Some("tcp:1.2.3.4:5".into()),
            ..AbsentArgs::default()
        };
        let error = args.check().unwrap_err();
        assert_eq!(error.to_string(), "not supported: --sync-from");
        let active = AbsentArgs {
            active: true,
            ..AbsentArgs::default()
        };
        assert_eq!(active.check(), Ok(()));
    }
}

//! Runs the compiler between a Northbound and a Southbound: in the process that serves them, or alone
//! against any OVSDB servers.
//!
//! One task, the `driver`, owns the compiler. It takes changes of both databases, runs the compiler,
//! commits the Southbound part as one transaction, then writes back to the Northbound what its users wait
//! for (`up`, errors of ACLs, `sb_cfg`, `hv_cfg`). It must not know how a host is programmed.
//!
//! Invariant: what the compiler believes the Southbound to hold is what it holds. Where that is in doubt
//! (a commit failed, the connection was lost, another compiler was active) the compiler is made anew from
//! what the Southbound holds, which changes nothing that is right already.

mod commands;
mod driver;
mod progress;
mod source;
mod view;
mod write_backs;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use daemon::{Daemon, DaemonArgs, Identity, Shutdown, unixctl::Registry};
use model::{nb, sb};
use ovsdb::client::Config;
use transport::Remote;
use transport::ovsdb::Client;

use crate::Handle;
use crate::TlsArgs;

/// The lock on the Southbound that the active compiler holds.
pub const LOCK: &str = "ovn_northd";

/// The flags of `ovn-northd(8)`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// The Northbound database [default: OVN_NB_DB or unix:RUNDIR/ovnnb_db.sock].
    #[arg(long, value_name = "DATABASE", env = "OVN_NB_DB")]
    pub ovnnb_db: Option<String>,
    /// The Southbound database [default: OVN_SB_DB or unix:RUNDIR/ovnsb_db.sock].
    #[arg(long, value_name = "DATABASE", env = "OVN_SB_DB")]
    pub ovnsb_db: Option<String>,
    /// How many threads compile.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub n_threads: usize,
    /// Start paused.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    /// Certificates, for databases at ssl:.
    pub tls: TlsArgs,
    #[command(flatten)]
    /// How to run as a daemon.
    pub daemon: DaemonArgs,
}

/// Runs as `ovn-northd` until told to exit. Call it before any thread exists.
///
/// # Errors
/// When the daemon cannot start, or an address is bad.
pub fn run(identity: Identity, args: &Args) -> anyhow::Result<()> {
    let daemon = Daemon::start(identity, &args.daemon)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(alone(daemon, args))
}

async fn alone(mut daemon: Daemon, args: &Args) -> anyhow::Result<()> {
    let remotes = |given: &Option<String>, socket: &str| -> anyhow::Result<Vec<Remote>> {
        let text = given
            .clone()
            .unwrap_or_else(|| default_remote(&daemon.dirs().run, socket));
        let remotes = Remote::parse_list(&text);
        let remotes = remotes.with_context(|| format!("bad address of a database: {text}"))?;
        Ok(remotes
            .into_iter()
            .map(|remote| remote.within(&daemon.dirs().run))
            .collect())
    };
    let nb_remotes = remotes(&args.ovnnb_db, "ovnnb_db.sock")?;
    let sb_remotes = remotes(&args.ovnsb_db, "ovnsb_db.sock")?;
    let options = Options {
        paused: args.dry_run,
        threads: args.n_threads,
    };
    let (commands, status, receiver) = commands::channel(&options);
    let mut registry = Registry::new();
    commands::register(&mut registry, &commands, &status);
    daemon.serve(registry)?;

    let tls = args.tls.tls()?;
    let config = Config::all(Arc::new(nb::schema()));
    let northbound = Client::with_tls(nb_remotes, config, tls.clone());
    let mut config = Config::all(Arc::new(sb::schema()));
    if !options.paused {
        config = config.with_lock(LOCK);
    }
    let southbound = Client::with_tls(sb_remotes, config, tls);
    let driver = driver::Driver::new(
        source::Source::Remote(northbound),
        source::Source::Remote(southbound),
        status,
        receiver,
    );
    daemon.ready();
    driver.run(daemon.shutdown()).await;
    Ok(())
}

/// How the compiler starts.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether it compiles nothing until `resume`.
    pub paused: bool,
    /// How many threads compile.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            paused: false,
            threads: 1,
        }
    }
}

/// Runs beside the server in its process, until the shutdown. Its commands are added to `registry`.
///
/// # Errors
/// When the server does not have both databases.
pub async fn beside(
    server: &Handle,
    registry: &mut Registry,
    options: Options,
    shutdown: Shutdown,
) -> anyhow::Result<tokio::task::JoinHandle<()>> {
    let (commands, status, receiver) = commands::channel(&options);
    commands::register(registry, &commands, &status);
    let northbound = server
        .subscribe(nb::NAME, None)
        .await
        .context("no Northbound database")?;
    let lock = (!options.paused).then(|| LOCK.into());
    let southbound = server
        .subscribe(sb::NAME, lock)
        .await
        .context("no Southbound database")?;
    let driver = driver::Driver::new(
        source::Source::Local(northbound),
        source::Source::Local(southbound),
        status,
        receiver,
    );
    Ok(tokio::spawn(driver.run(shutdown)))
}

fn default_remote(run: &Path, socket: &str) -> String {
    format!("unix:{}", run.join(socket).display())
}

//! `heddle server`: its flags, and the process from its start to its end.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use daemon::unixctl::Registry;
use daemon::{Daemon, DaemonArgs, Identity};
use etcd::Cluster;
use model::{Table, nb, sb};
use ovsdb::server::Limits;
use tokio::task::block_in_place;

use crate::cluster::{self, EtcdArgs};
use crate::core::Core;
use crate::ovsdb_server::{ClientArgs, Databases, Service};
use crate::{northd, open};

/// How long the end of the process waits for what is on its way to the logs.
const GOODBYE: Duration = Duration::from_secs(5);

/// The flags of `heddle server`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServerArgs {
    /// Where the database files are [default: OVN_DBDIR or /var/lib/ovn].
    #[arg(long, value_name = "DIR", conflicts_with = "etcd")]
    pub db_dir: Option<PathBuf>,
    #[command(flatten)]
    /// Databases in etcd.
    pub etcd: EtcdArgs,
    /// Where to listen, for example ptcp:6641 or db:OVN_Northbound,NB_Global,connections; can be repeated
    /// [default: punix:RUNDIR/ovnnb_db.sock and punix:RUNDIR/ovnsb_db.sock]. Each serves all databases.
    #[arg(long, value_name = "REMOTE")]
    pub remote: Vec<String>,
    /// Serve the databases only; the compiler runs elsewhere.
    #[arg(long)]
    pub no_northd: bool,
    /// How many threads compile.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub n_threads: usize,
    /// Start with the compiler paused.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    /// Bounds, and certificates for remotes with ssl: and pssl:.
    pub clients: ClientArgs,
    #[command(flatten)]
    /// How to run as a daemon.
    pub daemon: DaemonArgs,
}

/// Serves the databases until told to exit. Call it before any thread exists.
///
/// # Errors
/// When the daemon cannot start, a database cannot be opened, or an address cannot be listened at.
pub fn run_server(identity: Identity, args: &ServerArgs) -> anyhow::Result<()> {
    let daemon = Daemon::start(identity, &args.daemon)?;
    let cluster = args.etcd.connect()?;
    let core = open_databases(&daemon, args, cluster.as_ref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(daemon, args, core, cluster))
}

async fn serve(
    mut daemon: Daemon,
    args: &ServerArgs,
    core: Core,
    cluster: Option<Cluster>,
) -> anyhow::Result<()> {
    let shutdown = daemon.shutdown();
    let remotes = remotes(&daemon, args);
    let (run, clients) = (&daemon.dirs().run, &args.clients);
    let service = Service::start(core, run, Vec::new(), &remotes, clients).await?;
    let mut registry = Registry::new();
    service.register(&mut registry, Databases::Fixed);
    let compiler = if args.no_northd {
        None
    } else {
        let options = northd::Options {
            paused: args.dry_run,
            threads: args.n_threads,
        };
        let beside = northd::beside(service.handle(), &mut registry, options, shutdown.clone());
        Some(beside.await?)
    };
    daemon.serve(registry)?;
    daemon.ready();

    let reason = shutdown.requested().await;
    tracing::info!(target: "heddle_server", "exiting ({reason:?})");
    if let Some(compiler) = compiler {
        // It watches the same shutdown; an error would be its panic, which is in the log.
        let _ = compiler.await;
    }
    let mut stopping = tokio::spawn(service.stop());
    // What is on its way to a cluster that is gone would wait for it.
    if tokio::time::timeout(GOODBYE, &mut stopping).await.is_err() {
        tracing::warn!(target: "heddle_server", "what was not written by now is given up");
        block_in_place(|| drop(cluster));
        let _ = stopping.await;
    } else {
        block_in_place(|| drop(cluster));
    }
    Ok(())
}

fn open_databases(
    daemon: &Daemon,
    args: &ServerArgs,
    cluster: Option<&Cluster>,
) -> anyhow::Result<Core> {
    let mut core = Core::new(Limits::default());
    if let Some(cluster) = cluster {
        cluster::open(&mut core, cluster, [nb::schema(), sb::schema()])?;
    } else {
        open_files(&mut core, daemon, args)?;
    }
    core.fix_schemas();
    // Clients make these when they are missing. Two that do so at once would be in each other's way, so
    // nobody gets to see a database without.
    core.ensure_row(nb::NAME, nb::NbGlobal::NAME);
    core.ensure_row(sb::NAME, sb::SbGlobal::NAME);
    Ok(core)
}

fn open_files(core: &mut Core, daemon: &Daemon, args: &ServerArgs) -> anyhow::Result<()> {
    let dir = args.db_dir.as_ref().unwrap_or_else(|| &daemon.dirs().db);
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    for (file, schema) in [("ovnnb_db.db", nb::schema()), ("ovnsb_db.db", sb::schema())] {
        let (database, log) = open::open(&dir.join(file), schema)?;
        core.add(database, Box::new(log))
            .context("cannot start the thread of a log")?;
    }
    Ok(())
}

/// Where to listen, as text.
fn remotes(daemon: &Daemon, args: &ServerArgs) -> Vec<String> {
    if !args.remote.is_empty() {
        return args.remote.clone();
    }
    let socket = |name: &str| format!("punix:{}", daemon.dirs().run.join(name).display());
    vec![socket("ovnnb_db.sock"), socket("ovnsb_db.sock")]
}

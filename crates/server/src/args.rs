//! `heddle server`: its flags, and the process from its start to its end.

use std::path::PathBuf;

use anyhow::Context;
use daemon::unixctl::Registry;
use daemon::{Daemon, DaemonArgs, Identity};
use ovsdb::DatabaseSchema;
use ovsdb::server::Limits;
use tokio::task::JoinHandle;
use transport::{Listener, Remote};

use crate::core::{Core, Inputs};
use crate::{Handle, TlsArgs, connection, northd, open};

/// The flags of `heddle server`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServerArgs {
    /// Where the database files are [default: OVN_DBDIR or /var/lib/ovn].
    #[arg(long, value_name = "DIR")]
    pub db_dir: Option<PathBuf>,
    /// Where to listen, for example ptcp:6641; can be repeated
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
    /// Certificates; not supported yet.
    pub tls: TlsArgs,
    #[command(flatten)]
    /// How to run as a daemon.
    pub daemon: DaemonArgs,
}

/// Serves the databases until told to exit. Call it before any thread exists.
///
/// # Errors
/// When the daemon cannot start, a database cannot be opened, or an address cannot be listened at.
pub fn run_server(identity: Identity, args: &ServerArgs) -> anyhow::Result<()> {
    args.tls.check()?;
    let daemon = Daemon::start(identity, &args.daemon)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(daemon, args))
}

async fn serve(mut daemon: Daemon, args: &ServerArgs) -> anyhow::Result<()> {
    let shutdown = daemon.shutdown();
    let core = open_databases(&daemon, args)?;
    let (inputs, task) = core.start();
    let handle = Handle::new(inputs.clone());
    let (remotes, acceptors) = listen(&daemon, args, &inputs).await?;
    let mut registry = Registry::new();
    register(&mut registry, &handle, remotes);
    let compiler = if args.no_northd {
        None
    } else {
        let options = northd::Options {
            paused: args.dry_run,
            threads: args.n_threads,
        };
        Some(northd::beside(&handle, &mut registry, options, shutdown.clone()).await?)
    };
    daemon.serve(registry)?;
    daemon.ready();

    let reason = shutdown.requested().await;
    tracing::info!(target: "heddle_server", "exiting ({reason:?})");
    acceptors.iter().for_each(JoinHandle::abort);
    if let Some(compiler) = compiler {
        // It watches the same shutdown; an error would be its panic, which is in the log.
        let _ = compiler.await;
    }
    // Ends the core, whose log threads write out what they have.
    task.abort();
    let _ = task.await;
    Ok(())
}

fn open_databases(daemon: &Daemon, args: &ServerArgs) -> anyhow::Result<Core> {
    let dir = args.db_dir.as_ref().unwrap_or_else(|| &daemon.dirs().db);
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let mut core = Core::new(Limits::default());
    let databases: [(&str, DatabaseSchema); 2] = [
        ("ovnnb_db.db", model::nb::schema()),
        ("ovnsb_db.db", model::sb::schema()),
    ];
    for (file, schema) in databases {
        let (database, log) = open::open(&dir.join(file), schema)?;
        core.add(database, Box::new(log))
            .context("cannot start the thread of a log")?;
    }
    Ok(core)
}

/// Listens at all addresses; gives them as text, and the tasks that accept.
async fn listen(
    daemon: &Daemon,
    args: &ServerArgs,
    inputs: &Inputs,
) -> anyhow::Result<(Vec<String>, Vec<JoinHandle<()>>)> {
    let mut remotes = args.remote.clone();
    if remotes.is_empty() {
        let socket = |name: &str| format!("punix:{}", daemon.dirs().run.join(name).display());
        remotes = vec![socket("ovnnb_db.sock"), socket("ovnsb_db.sock")];
    }
    let mut acceptors = Vec::new();
    for text in &remotes {
        if text.starts_with("db:") {
            anyhow::bail!("not supported: --remote={text} (addresses kept in a database)");
        }
        let remote = text.parse::<Remote>()?.within(&daemon.dirs().run);
        let listener = Listener::bind(&remote)
            .await
            .with_context(|| format!("cannot listen at {text}"))?;
        acceptors.push(tokio::spawn(connection::accept(listener, inputs.clone())));
    }
    Ok((remotes, acceptors))
}

/// The commands of `ovsdb-server(1)` on the control socket.
fn register(registry: &mut Registry, handle: &Handle, mut remotes: Vec<String>) {
    let server = handle.clone();
    registry.register("ovsdb-server/list-dbs", "", 0, 0, move |_| {
        let server = server.clone();
        async move {
            let names = server.databases().await;
            Ok(names.iter().map(|name| format!("{name}\n")).collect())
        }
    });
    let server = handle.clone();
    registry.register("ovsdb-server/compact", "", 0, 1, move |_| {
        let server = server.clone();
        async move {
            server.compact().await;
            Ok(String::new())
        }
    });
    remotes.sort_unstable();
    let list: String = remotes.iter().map(|remote| format!("{remote}\n")).collect();
    registry.register_sync("ovsdb-server/list-remotes", "", 0, 0, move |_| {
        Ok(list.clone())
    });
    registry.not_supported(&[
        "ovsdb-server/add-remote",
        "ovsdb-server/remove-remote",
        "ovsdb-server/add-db",
        "ovsdb-server/remove-db",
        "ovsdb-server/reconnect",
        "ovsdb-server/sync-status",
        "ovsdb-server/set-active-ovsdb-server",
        "ovsdb-server/get-active-ovsdb-server",
        "ovsdb-server/connect-active-ovsdb-server",
        "ovsdb-server/disconnect-active-ovsdb-server",
        "ovsdb-server/set-sync-exclude-tables",
        "ovsdb-server/get-sync-exclude-tables",
        "ovsdb-server/perf-counters-show",
        "ovsdb-server/perf-counters-clear",
    ]);
}

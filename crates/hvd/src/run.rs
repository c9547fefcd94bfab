//! The role: from the command line to a daemon that runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use daemon::{Daemon, Identity, unixctl};
use hvflow::Host;
use tokio::sync::watch;
use transport::Remote;

use crate::args::Args;
use crate::door::Door;
use crate::engine::{Hypervisor, Settings};
use crate::service;

/// Runs the daemon until it is told to end. `identity` says what the process is called.
///
/// # Errors
/// When the daemon cannot start, or a flag cannot be used.
pub fn run(identity: Identity, args: &Args) -> Result<()> {
    // A detached daemon is somewhere else.
    let args = Args {
        host: args.host.as_deref().map(std::path::absolute).transpose()?,
        store: args.store.as_deref().map(std::path::absolute).transpose()?,
        ..args.clone()
    };
    let host = args
        .host
        .as_deref()
        .map_or_else(|| Ok(Host::default()), read_host)?;
    let mut daemon = Daemon::start(identity, &args.daemon)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let result = runtime.block_on(serve(&args, host, &mut daemon));
    runtime.shutdown_background();
    result
}

/// What the host has, from its file.
fn read_host(path: &Path) -> Result<Host> {
    let read = || {
        let text = std::fs::read_to_string(path)?;
        let host: Host = serde_json::from_str(&text)?;
        host.check()?;
        Ok::<_, anyhow::Error>(host)
    };
    read().with_context(|| format!("--host {}", path.display()))
}

async fn serve(args: &Args, host: Host, daemon: &mut Daemon) -> Result<()> {
    let dirs = daemon.dirs().clone();
    let default = Remote::PassiveUnix(dirs.run.join("heddle-hvd.sock"));
    let door = Door::open(&args.door, default).await?;
    let store: PathBuf = args
        .store
        .clone()
        .unwrap_or_else(|| dirs.db.join("heddle-hvd.db"));
    let bridge = dirs.run.join(format!("{}.mgmt", args.bridge));
    let settings = Settings {
        bridge: Remote::Unix(bridge),
        host,
        audit: Duration::from_secs(args.audit),
    };
    let hypervisor = Hypervisor::start(&store, settings)?;
    daemon.serve(unixctl::Registry::default())?;
    for opened in door.opened() {
        tracing::info!(target: "hvd", "listening at {}", opened.remote);
    }
    let (end, ended) = watch::channel(false);
    let router = service::router(hypervisor, ended.clone());
    let serving = tokio::spawn(door.serve(router, ended));
    daemon.ready();
    let reason = daemon.shutdown().requested().await;
    tracing::info!(target: "hvd", "ending: {reason:?}; flows stay as they are");
    end.send_replace(true);
    serving.await.context("serving")
}

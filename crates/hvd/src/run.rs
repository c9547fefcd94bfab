//! The role: from the command line to a daemon that runs.

use std::path::Path;
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

/// How long a start waits for the switch to be read.
const SWITCH: Duration = Duration::from_secs(5);

/// Runs the daemon until it is told to end. `identity` says what the process is called.
///
/// # Errors
/// When the daemon cannot start, or a flag cannot be used.
pub fn run(identity: Identity, args: &Args) -> Result<()> {
    let args = args.absolute()?;
    let host = args.host.as_deref();
    let host = host.map_or_else(|| Ok(Host::default()), read_host)?;
    args.door.check()?;
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
    let store = args.store.clone();
    let store = store.unwrap_or_else(|| dirs.db.join("heddle-hvd.db"));
    let bridge = dirs.run.join(format!("{}.mgmt", args.bridge));
    let settings = Settings {
        bridge: Remote::Unix(bridge),
        host,
        audit: Duration::from_secs(args.audit),
    };
    // The store is one daemon's: a second one ends here, and leaves the first one's socket alone.
    let hypervisor = Hypervisor::start(&store, settings)?;
    let door = Door::open(&args.door, "heddle-hvd.sock", &dirs.run).await?;
    daemon.serve(unixctl::Registry::default())?;
    for opened in door.opened() {
        tracing::info!(target: "hvd", "listening at {}", opened.remote);
    }
    let (end, ended) = watch::channel(false);
    let mut health = hypervisor.health();
    let router = service::router(hypervisor, ended.clone());
    let serving = tokio::spawn(door.serve(router, ended));
    // Who started it can call it at once, unless the switch is away.
    let read = health.wait_for(|healthy| *healthy);
    if tokio::time::timeout(SWITCH, read).await.is_err() {
        tracing::warn!(target: "hvd", "the bridge {} is not there yet; changes are refused until it is", args.bridge);
    }
    daemon.ready();
    let reason = daemon.shutdown().requested().await;
    tracing::info!(target: "hvd", "ending: {reason:?}; flows stay as they are");
    end.send_replace(true);
    serving.await.context("serving")
}

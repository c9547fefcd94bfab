//! The role: from the command line to a service that runs.

use anyhow::{Context, Result};
use daemon::{Daemon, Identity, unixctl};
use hvd::door::Door;
use server::Embedded;
use tokio::sync::watch;

use crate::args::Args;
use crate::engine::{self, Engine, Settings};
use crate::service;

/// Runs the service until it is told to end. `identity` says what the process is called.
///
/// # Errors
/// When the daemon cannot start, the database cannot be used, or a flag cannot.
pub fn run(identity: Identity, args: &Args) -> Result<()> {
    let args = args.absolute()?;
    args.door.check()?;
    let mut daemon = Daemon::start(identity, &args.daemon)?;
    let folder = daemon.dirs().db.clone();
    if args.db.is_none() && args.etcd.etcd.is_empty() {
        let made = std::fs::create_dir_all(&folder);
        made.with_context(|| format!("cannot make {}", folder.display()))?;
    }
    // One process has a file: a second one ends here, and leaves the first one's socket alone.
    let database = engine::open(&args.place(&folder))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let result = runtime.block_on(serve(&args, database, &mut daemon));
    runtime.shutdown_background();
    result
}

async fn serve(args: &Args, database: Embedded, daemon: &mut Daemon) -> Result<()> {
    let dirs = daemon.dirs().clone();
    let door = Door::open(&args.door, "heddle-region.sock", &dirs.run).await?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => host_name(),
    };
    let settings = Settings {
        name: name.as_str().into(),
        tls: door.tls(),
        pace: args.pace(),
    };
    let engine = Engine::start(database, settings).await?;
    daemon.serve(unixctl::Registry::default())?;
    for opened in door.opened() {
        tracing::info!(target: "region", "listening at {}", opened.remote);
    }
    let (end, ended) = watch::channel(false);
    let handle = engine.handle();
    let mut health = handle.health();
    let router = service::router(handle, ended.clone());
    let serving = tokio::spawn(door.serve(router, ended));
    // Who started it can call it at once. The engine ends only when it is told to.
    let _ = health.wait_for(|healthy| *healthy).await;
    daemon.ready();
    let reason = daemon.shutdown().requested().await;
    tracing::info!(target: "region", "ending: {reason:?}");
    end.send_replace(true);
    let served = serving.await.context("serving");
    engine.stop().await;
    served
}

/// The name of this host, for people.
fn host_name() -> String {
    let read = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let name = read.map(|text| text.trim().to_owned()).unwrap_or_default();
    if name.is_empty() {
        "region".to_owned()
    } else {
        name
    }
}

//! `heddle relay`: its flags, and the process from its start to its end.

use daemon::unixctl::Registry;
use daemon::{Daemon, DaemonArgs, Identity};
use ovsdb::server::Limits;

use super::Source;
use crate::core::Core;
use crate::ovsdb_server::{ClientArgs, Databases, Service};

/// The flags of `heddle relay`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RelayArgs {
    /// What to relay, and from where: a database and the servers that have it, for example
    /// OVN_Southbound:tcp:10.0.0.1:6642,tcp:10.0.0.2:6642.
    #[arg(required = true, value_name = "DB:REMOTE[,REMOTE]...")]
    pub sources: Vec<Source>,
    /// Where to listen, for example ptcp:6642 or punix:FILE; can be repeated. Each serves all databases.
    #[arg(long, required = true, value_name = "REMOTE")]
    pub remote: Vec<String>,
    #[command(flatten)]
    /// Bounds, and certificates for servers and remotes with ssl: and pssl:.
    pub clients: ClientArgs,
    #[command(flatten)]
    /// How to run as a daemon.
    pub daemon: DaemonArgs,
}

/// Serves relays until told to exit. Call it before any thread exists.
///
/// # Errors
/// When the daemon cannot start, two relays are of one database, or an address cannot be listened at.
pub fn run_relay(identity: Identity, args: &RelayArgs) -> anyhow::Result<()> {
    let daemon = Daemon::start(identity, &args.daemon)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(daemon, args))
}

async fn serve(mut daemon: Daemon, args: &RelayArgs) -> anyhow::Result<()> {
    let shutdown = daemon.shutdown();
    let run = daemon.dirs().run.clone();
    let core = Core::new(Limits::default());
    let sources = args.sources.clone();
    let service = Service::start(core, &run, sources, &args.remote, &args.clients).await?;
    let mut registry = Registry::new();
    service.register(&mut registry, Databases::ComeAndGo);
    daemon.serve(registry)?;
    daemon.ready();
    let reason = shutdown.requested().await;
    tracing::info!(target: "heddle_relay", "exiting ({reason:?})");
    service.stop().await;
    Ok(())
}

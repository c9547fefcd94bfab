//! The databases of a process with the places where clients reach them.

use std::path::Path;
use std::sync::Arc;

use daemon::unixctl::Registry;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::task::JoinHandle;

use super::certificates::Certificates;
use super::commands;
use super::remotes::Remotes;
use crate::core::Core;
use crate::relay::{self, Source};
use crate::{Handle, TlsArgs};

/// The flags about those who are served.
#[derive(Debug, Clone, clap::Args)]
pub struct ClientArgs {
    /// How many connections a remote has at most; who comes beyond that is refused.
    #[arg(long, value_name = "N", default_value_t = MAX_CONNECTIONS)]
    pub max_connections: usize,
    #[command(flatten)]
    /// Certificates, for ssl: and pssl:; where ovsdb-server takes db:DATABASE,TABLE,COLUMN in place of a value, so
    /// does this.
    pub tls: TlsArgs,
}

/// What `--max-connections` is when it is not given.
const MAX_CONNECTIONS: usize = 20_000;

impl Default for ClientArgs {
    fn default() -> Self {
        Self {
            max_connections: MAX_CONNECTIONS,
            tls: TlsArgs::default(),
        }
    }
}

/// Whether commands may change which databases are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Databases {
    /// They are part of the program.
    Fixed,
    /// They are whatever files somebody names.
    ComeAndGo,
}

/// Databases that are being served.
pub(crate) struct Service {
    handle: Handle,
    remotes: Arc<Remotes>,
    /// Keeps them as the databases say.
    certificates: Certificates,
    core: JoinHandle<()>,
}

impl Service {
    /// Starts the databases, those of relays too, and serves them at `remotes`.
    ///
    /// # Errors
    /// When one of the remotes, or what is said about certificates, cannot be used, or a database is served twice.
    pub(crate) async fn start(
        core: Core,
        run: &Path,
        relays: Vec<Source>,
        remotes: &[String],
        clients: &ClientArgs,
    ) -> anyhow::Result<Self> {
        raise_descriptors();
        let mut certificates = Certificates::new(&clients.tls)?;
        let (inputs, core) = core.start();
        let handle = Handle::new(inputs.clone());
        for source in relays {
            relay::start(&inputs, source.within(run), certificates.tls()).await?;
        }
        certificates.follow(&handle).await?;
        let (tls, most) = (certificates.tls(), clients.max_connections);
        let service = Self {
            remotes: Arc::new(Remotes::new(inputs, run, tls, most)),
            handle,
            certificates,
            core,
        };
        service.listen(remotes).await?;
        Ok(service)
    }

    /// Serves at more remotes.
    ///
    /// # Errors
    /// When one of them cannot be used.
    async fn listen(&self, remotes: &[String]) -> anyhow::Result<()> {
        for remote in remotes {
            self.remotes.add(remote).await?;
        }
        Ok(())
    }

    /// How parts of this process reach the databases.
    pub(crate) const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Adds the commands of `ovsdb-server(1)`.
    pub(crate) fn register(&self, registry: &mut Registry, databases: Databases) {
        commands::register(registry, &self.handle, &self.remotes, databases);
    }

    /// Closes all remotes, and ends when the logs hold everything.
    pub(crate) async fn stop(self) {
        self.remotes.close().await;
        self.certificates.stop();
        // Ends the core, whose log threads write out what they have.
        self.core.abort();
        let _ = self.core.await;
    }
}

/// Each connection takes a file descriptor, and processes start with few.
pub(crate) fn raise_descriptors() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(error) = raised {
        tracing::warn!(target: "ovsdb_server", "cannot raise the limit of open files: {error}");
    }
}

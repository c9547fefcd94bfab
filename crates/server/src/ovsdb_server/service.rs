//! The databases of a process with the places where clients reach them.

use std::path::Path;
use std::sync::Arc;

use daemon::unixctl::Registry;
use tokio::task::JoinHandle;

use super::certificates::Certificates;
use super::commands;
use super::remotes::Remotes;
use crate::core::Core;
use crate::relay::{self, Source};
use crate::{Handle, TlsArgs};

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
    /// Starts the databases, and serves them at `remotes`.
    ///
    /// # Errors
    /// When one of the remotes, or what is said about certificates, cannot be used.
    pub(crate) async fn start(
        core: Core,
        run: &Path,
        remotes: &[String],
        tls: &TlsArgs,
    ) -> anyhow::Result<Self> {
        let (inputs, core) = core.start();
        let handle = Handle::new(inputs.clone());
        let certificates = Certificates::start(tls, &handle).await?;
        let service = Self {
            remotes: Arc::new(Remotes::new(inputs, run, certificates.tls())),
            handle,
            certificates,
            core,
        };
        service.listen(remotes).await?;
        Ok(service)
    }

    /// Serves a relay too.
    ///
    /// # Errors
    /// When a database of that name is served already.
    pub(crate) async fn relay(&self, source: Source) -> anyhow::Result<()> {
        relay::start(self.handle.inputs(), source, self.certificates.tls()).await
    }

    /// Serves at more remotes.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub(crate) async fn listen(&self, remotes: &[String]) -> anyhow::Result<()> {
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

//! The remotes of a server: added and removed while it runs.
//!
//! Invariant: a remote that is removed serves nobody any more, and its socket is closed when the removal is
//! over.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use transport::reconnect::Reconnect;
use transport::stream::error_text;
use transport::{Connection, Listener};

use super::from_database::Followed;
use crate::Handle;
use crate::connection::{Clients, accept};
use crate::core::Inputs;

/// All remotes, by the text that asked for them.
pub(super) struct Remotes {
    inputs: Inputs,
    run: PathBuf,
    entries: Mutex<BTreeMap<String, Entry>>,
}

enum Entry {
    One(Remote),
    Followed(Followed),
}

impl Remotes {
    /// None yet. Relative names of sockets are within `run`.
    pub(super) fn new(inputs: Inputs, run: &Path) -> Self {
        Self {
            inputs,
            run: run.to_owned(),
            entries: Mutex::default(),
        }
    }

    /// Adds the remote that `text` means; one that is there already stays as it is.
    ///
    /// # Errors
    /// What is wrong with the text, or why it cannot be listened there.
    pub(super) async fn add(&self, text: &str) -> anyhow::Result<()> {
        let mut entries = self.entries.lock().await;
        if entries.contains_key(text) {
            return Ok(());
        }
        let entry = if text.starts_with("db:") {
            let handle = Handle::new(self.inputs.clone());
            Entry::Followed(Followed::start(text, handle, self.inputs.clone(), &self.run).await?)
        } else {
            Entry::One(Remote::start(text, &self.inputs, &self.run, None).await?)
        };
        entries.insert(text.to_owned(), entry);
        Ok(())
    }

    /// Removes a remote; whether there was one.
    pub(super) async fn remove(&self, text: &str) -> bool {
        let removed = self.entries.lock().await.remove(text);
        match removed {
            None => false,
            Some(entry) => {
                entry.close().await;
                true
            }
        }
    }

    /// The texts, sorted.
    pub(super) async fn list(&self) -> Vec<String> {
        self.entries.lock().await.keys().cloned().collect()
    }

    /// Removes all.
    pub(super) async fn close(&self) {
        for entry in std::mem::take(&mut *self.entries.lock().await).into_values() {
            entry.close().await;
        }
    }
}

impl Entry {
    async fn close(self) {
        match self {
            Self::One(remote) => remote.close().await,
            Self::Followed(followed) => followed.close().await,
        }
    }
}

/// One place where clients are served. Dropping it ends that too, a little later than [`Remote::close`].
pub(super) struct Remote {
    clients: Clients,
    port: Option<u16>,
    active: Option<Arc<AtomicBool>>,
    task: JoinHandle<()>,
    /// Its end is the end of the remote.
    alive: watch::Sender<()>,
}

impl Remote {
    /// Listens or begins to connect. Clients that are silent are probed after `probe`, or after a default.
    ///
    /// # Errors
    /// What is wrong with the text, or why it cannot be listened there.
    pub(super) async fn start(
        text: &str,
        inputs: &Inputs,
        run: &Path,
        probe: Option<Duration>,
    ) -> anyhow::Result<Self> {
        let remote = text.parse::<transport::Remote>()?.within(run);
        let (alive, ended) = watch::channel(());
        let clients = Clients::new(inputs.clone(), &remote, probe, ended);
        let (port, active, task) = if remote.is_passive() {
            let listener = Listener::bind(&remote)
                .await
                .with_context(|| format!("cannot listen at {text}"))?;
            let port = listener.port();
            (port, None, tokio::spawn(accept(listener, clients.clone())))
        } else {
            if matches!(remote, transport::Remote::Ssl(..)) {
                anyhow::bail!("{text}: not supported: ssl");
            }
            let active = Arc::new(AtomicBool::new(false));
            let task = connect(remote, clients.clone(), Arc::clone(&active));
            (None, Some(active), tokio::spawn(task))
        };
        Ok(Self {
            clients,
            port,
            active,
            task,
            alive,
        })
    }

    /// How many clients there are.
    pub(super) fn connections(&self) -> usize {
        self.clients.count()
    }

    /// The TCP port at which clients arrive.
    pub(super) const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The word of `status:state` for a remote that connects.
    pub(super) fn state(&self) -> Option<&'static str> {
        let active = self.active.as_ref()?.load(Ordering::Relaxed);
        Some(if active { "ACTIVE" } else { "BACKOFF" })
    }

    /// Ends the remote and its connections.
    pub(super) async fn close(self) {
        let Self { task, alive, .. } = self;
        drop(alive);
        // It ends by itself; an error would be its panic.
        let _ = task.await;
    }
}

/// Connects to a client that listens, again and again.
async fn connect(remote: transport::Remote, clients: Clients, active: Arc<AtomicBool>) {
    let mut reconnect = Reconnect::new(1);
    loop {
        let attempt = tokio::select! {
            attempt = Connection::connect(&remote) => attempt,
            () = clients.ended() => return,
        };
        match attempt {
            Ok(connection) => {
                tracing::info!(target: "reconnect", "{remote}: connected");
                reconnect.connected(Instant::now());
                active.store(true, Ordering::Relaxed);
                clients.serve(connection).await;
                active.store(false, Ordering::Relaxed);
                tracing::info!(target: "reconnect", "{remote}: connection closed");
            }
            Err(error) if reconnect.is_hopeless() => {
                tracing::debug!(target: "reconnect", "{remote}: connection attempt failed ({})", error_text(&error));
            }
            Err(error) => {
                tracing::info!(target: "reconnect", "{remote}: connection attempt failed ({})", error_text(&error));
            }
        }
        let delay = reconnect.failed(Instant::now());
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = clients.ended() => return,
        }
    }
}

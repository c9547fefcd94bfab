//! The remotes of a server: added and removed while it runs.
//!
//! Invariant: a remote that is removed serves nobody any more, and its socket is closed when the removal is
//! over.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::{Mutex as StateMutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use ovsdb::server::SessionId;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use transport::reconnect::Reconnect;
use transport::stream::error_text;
use transport::{Connection, Listener, Tls};

use super::from_database::Followed;
use crate::Handle;
use crate::connection::{Clients, Terms, accept};
use crate::core::Inputs;

/// All remotes, by the text that asked for them.
pub(super) struct Remotes {
    ground: Ground,
    entries: Mutex<BTreeMap<String, Entry>>,
}

/// What every remote stands on.
#[derive(Debug, Clone)]
pub(super) struct Ground {
    pub(super) inputs: Inputs,
    /// The folder of sockets with relative names.
    run: PathBuf,
    tls: Tls,
    /// How many clients each has at most.
    max_connections: usize,
}

enum Entry {
    One(Remote),
    Followed(Followed),
}

impl Remotes {
    /// None yet. Relative names of sockets are within `run`.
    pub(super) fn new(inputs: Inputs, run: &Path, tls: Tls, max_connections: usize) -> Self {
        let run = run.to_owned();
        Self {
            ground: Ground {
                inputs,
                run,
                tls,
                max_connections,
            },
            entries: Mutex::default(),
        }
    }

    /// The certificates of all.
    pub(super) fn tls(&self) -> Tls {
        self.ground.tls.clone()
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
            let handle = Handle::new(self.ground.inputs.clone());
            Entry::Followed(Followed::start(text, handle, self.ground.clone()).await?)
        } else {
            Entry::One(Remote::start(text, &self.ground, Terms::default()).await?)
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
    /// How it is with one that connects.
    active: Option<Arc<StateMutex<Active>>>,
    task: JoinHandle<()>,
    /// Its end is the end of the remote.
    alive: watch::Sender<()>,
}

/// How it is with a remote that connects.
#[derive(Debug, Clone, Default)]
pub(super) struct Active {
    /// The word of `status:state`.
    pub(super) state: &'static str,
    /// When the last connection began and when it ended.
    pub(super) connected: Option<Instant>,
    pub(super) disconnected: Option<Instant>,
    pub(super) last_error: Option<String>,
    /// The session of the connection that stands.
    pub(super) session: Option<SessionId>,
}

impl Remote {
    /// Listens or begins to connect.
    ///
    /// # Errors
    /// What is wrong with the text, or why it cannot be listened there.
    pub(super) async fn start(text: &str, ground: &Ground, terms: Terms) -> anyhow::Result<Self> {
        let remote = text.parse::<transport::Remote>()?.within(&ground.run);
        let (alive, ended) = watch::channel(());
        let max_backoff = terms.max_backoff;
        let inputs = ground.inputs.clone();
        let clients = Clients::new(inputs, &remote, terms, ground.max_connections, ended);
        let (port, active, task) = if remote.is_passive() {
            let listener = Listener::bind(&remote, &ground.tls)
                .await
                .with_context(|| format!("cannot listen at {text}"))?;
            let port = listener.port();
            (port, None, tokio::spawn(accept(listener, clients.clone())))
        } else {
            let active = Arc::new(StateMutex::new(Active {
                state: "CONNECTING",
                ..Active::default()
            }));
            let connecting = Connecting {
                remote,
                tls: ground.tls.clone(),
                clients: clients.clone(),
                max_backoff,
                active: Arc::clone(&active),
            };
            (None, Some(active), tokio::spawn(connecting.run()))
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

    /// How it is with a remote that connects.
    pub(super) fn active(&self) -> Option<Active> {
        let active = self.active.as_ref()?;
        Some(
            active
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        )
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
struct Connecting {
    remote: transport::Remote,
    tls: Tls,
    clients: Clients,
    max_backoff: Option<Duration>,
    active: Arc<StateMutex<Active>>,
}

impl Connecting {
    async fn run(self) {
        let remote = &self.remote;
        let mut reconnect = Reconnect::new(1);
        loop {
            self.note(|it| it.state = "CONNECTING");
            let attempt = tokio::select! {
                attempt = Connection::connect(remote, &self.tls) => attempt,
                () = self.clients.ended() => return,
            };
            match attempt {
                Ok(connection) => {
                    tracing::info!(target: "reconnect", "{remote}: connected");
                    reconnect.connected(Instant::now());
                    self.note(|it| {
                        it.state = "ACTIVE";
                        it.connected = Some(Instant::now());
                    });
                    let began = |session| self.note(|it| it.session = Some(session));
                    self.clients.serve(connection, began).await;
                    self.note(|it| {
                        it.disconnected = Some(Instant::now());
                        it.session = None;
                    });
                    tracing::info!(target: "reconnect", "{remote}: connection closed");
                }
                Err(error) => {
                    let error = error_text(&error);
                    if reconnect.is_hopeless() {
                        tracing::debug!(target: "reconnect", "{remote}: connection attempt failed ({error})");
                    } else {
                        tracing::info!(target: "reconnect", "{remote}: connection attempt failed ({error})");
                    }
                    self.note(|it| it.last_error = Some(error));
                }
            }
            let delay = reconnect.failed(Instant::now());
            let delay = self.max_backoff.map_or(delay, |most| delay.min(most));
            self.note(|it| it.state = "BACKOFF");
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = self.clients.ended() => return,
            }
        }
    }

    fn note(&self, what: impl FnOnce(&mut Active)) {
        what(&mut self.active.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

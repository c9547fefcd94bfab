//! A database that one program keeps for itself: in a file or in etcd, and served to nobody.
//!
//! Invariant: the process gives its locks back before it ends, so that another takes over at once.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use etcd::Cluster;
use ovsdb::DatabaseSchema;
use ovsdb::server::Limits;
use tokio::task::{JoinHandle, block_in_place};

use crate::cluster::{self, EtcdArgs};
use crate::core::Core;
use crate::ovsdb_server::raise_descriptors;
use crate::{Handle, open};

/// How long the end waits for what is on its way to the log.
const GOODBYE: Duration = Duration::from_secs(5);

/// Where a database is kept.
#[derive(Debug, Clone)]
pub enum Place {
    /// In a file, which one process has at a time.
    File(PathBuf),
    /// In etcd, where several processes have it.
    Etcd(EtcdArgs),
}

/// A database that was opened and is not running yet.
pub struct Embedded {
    core: Core,
    cluster: Option<Cluster>,
}

/// A database that runs.
#[derive(Debug)]
pub struct Running {
    handle: Handle,
    core: JoinHandle<()>,
    cluster: Option<Cluster>,
}

impl Embedded {
    /// Opens the database of this schema, or makes it. Blocks; not for a thread of a runtime.
    ///
    /// # Errors
    /// When it cannot be used: another process has the file, it holds something else, or no member of etcd answers.
    pub fn open(place: &Place, schema: DatabaseSchema) -> anyhow::Result<Self> {
        let mut core = Core::new(Limits::default());
        let cluster = match place {
            Place::File(path) => {
                let (database, log) = open::open(path, schema)?;
                core.add(database, Box::new(log))
                    .context("cannot start the thread of a log")?;
                None
            }
            Place::Etcd(args) => {
                let cluster = args.connect()?;
                let cluster = cluster.context("--etcd: name a member, http://HOST:PORT")?;
                cluster::open(&mut core, &cluster, [schema])?;
                Some(cluster)
            }
        };
        core.fix_schemas();
        Ok(Self { core, cluster })
    }

    /// Begins to keep it, with as many file descriptors as the system gives. Call it inside a runtime with several
    /// threads.
    pub fn start(self) -> Running {
        raise_descriptors();
        let (inputs, core) = self.core.start();
        Running {
            handle: Handle::new(inputs),
            core,
            cluster: self.cluster,
        }
    }
}

impl Running {
    /// How the program reaches it.
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Ends when the log holds everything, or when etcd does not take it for some seconds.
    pub async fn stop(self) {
        let Self {
            handle,
            core,
            cluster,
        } = self;
        drop(handle);
        let mut stopping = tokio::spawn(async move {
            core.abort();
            let _ = core.await;
        });
        let is_late = tokio::time::timeout(GOODBYE, &mut stopping).await.is_err();
        if is_late {
            tracing::warn!(target: "heddle_server", "what was not written by now is given up");
        }
        block_in_place(|| drop(cluster));
        if is_late {
            // What waited for etcd has given up now.
            let _ = stopping.await;
        }
    }
}

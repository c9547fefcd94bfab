//! A connection to etcd, with all that one process has there.
//!
//! Invariant: its tasks end, and its lease with them, when the [`Cluster`] is dropped; logs that are still there
//! then say so.

use std::sync::Arc;
use std::time::{Duration, Instant};

use etcd_client::{Compare, CompareOp, Txn, TxnOp, TxnOpResponse};
use ovsdb::{DatabaseSchema, Uuid};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::head::{ClusterKey, FORM, from_json};
use crate::keys::Keys;
use crate::lease::Lease;
use crate::link::{Failure, Link, SHORT};
use crate::locks::{Keeper, Locks, Shared};
use crate::{Error, Opened, Options, open};

/// A connection to etcd. Dropping it gives all locks back at once.
#[derive(Debug)]
pub struct Cluster {
    inner: Arc<Inner>,
}

/// What the parts of a connection share.
#[derive(Debug)]
pub(crate) struct Inner {
    runtime: Option<Runtime>,
    pub(crate) link: Arc<Link>,
    pub(crate) keys: Keys,
    pub(crate) lease: Arc<Lease>,
    pub(crate) locks: Locks,
    closing: watch::Sender<bool>,
    pub(crate) compact_history: bool,
    /// The id of the cluster.
    id: Uuid,
    /// The id of this process.
    process: Uuid,
}

impl Cluster {
    /// Connects to etcd. Blocks, at most about as long as [`Options::patience`] says.
    ///
    /// # Errors
    /// When an option is wrong, no member answers or refuses, or the prefix is used for something else.
    pub fn connect(options: &Options) -> Result<Self, Error> {
        let urls = options.urls()?;
        let keys = Keys::new(options.checked_prefix()?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("etcd")
            .enable_all()
            .build()
            .map_err(|error| Error::Option {
                option: "threads",
                reason: format!("cannot start those that speak with etcd: {error}"),
            })?;
        let runtime = Background(Some(runtime));
        let access = options.access();
        // What is wrong with the files now is to be said now.
        access.connect_options().map(drop)?;
        let link = Arc::new(Link::new(urls, access));
        let patience = options.patience;
        let id = block_on(runtime.handle(), patiently(&link, patience, &keys))?;
        let (closing, lease) = (watch::Sender::new(false), Arc::new(Lease::new()));
        let locks = Locks(Arc::new(Shared::new(Arc::clone(&lease))));
        let inner = Inner {
            runtime: runtime.keep(),
            link,
            keys,
            lease,
            locks,
            closing,
            compact_history: options.compact_history,
            id,
            process: Uuid::new_v4(),
        };
        inner.start();
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Reads the database of this schema's name; makes it if there is none, and carries it over to this schema if
    /// that only adds to what it has.
    ///
    /// # Errors
    /// When etcd cannot be used, or what it holds cannot.
    pub fn open(&self, schema: DatabaseSchema) -> Result<Opened, Error> {
        let schema = Arc::new(schema);
        self.inner.wait(open::open(&self.inner, &schema))
    }

    /// The locks that one of all processes of the cluster has.
    pub fn locks(&self) -> Locks {
        self.inner.locks.clone()
    }

    /// The id of the cluster, the same for all processes that use the prefix.
    pub fn id(&self) -> Uuid {
        self.inner.id
    }

    /// The id of this process in the cluster.
    pub fn process(&self) -> Uuid {
        self.inner.process
    }

    /// Says that the process is about to end: what waits for etcd gives up, and locks go to others at once.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.inner.close();
    }
}

impl Inner {
    fn start(&self) {
        let Some(runtime) = &self.runtime else { return };
        let keep = Arc::clone(&self.lease).keep(Arc::clone(&self.link), self.closing());
        runtime.spawn(keep);
        let keeper = Keeper {
            shared: Arc::clone(&self.locks.0),
            link: Arc::clone(&self.link),
            lease: Arc::clone(&self.lease),
            keys: self.keys.clone(),
            process: self.process.to_string(),
        };
        runtime.spawn(keeper.run(self.closing()));
    }

    fn close(&self) {
        let held = self.lease.held();
        if self.closing.send_replace(true) {
            return;
        }
        if let Some(held) = held {
            let revoke = self.link.call(SHORT, |client| async move {
                client.lease_client().revoke(held.id).await
            });
            // If it cannot be told now, etcd finds out when the lease expires.
            let _ = self.wait(revoke);
        }
    }

    /// Becomes true when the process is about to end.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    pub(crate) const fn cluster_id(&self) -> Uuid {
        self.id
    }

    pub(crate) const fn process_id(&self) -> Uuid {
        self.process
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(task);
        }
    }

    /// Waits for a call to etcd.
    pub(crate) fn wait<F>(&self, call: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send,
    {
        let runtime = self.runtime.as_ref().expect("it goes when this value does");
        block_on(runtime.handle(), call)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.closing.send_replace(true);
        drop(Background(self.runtime.take()));
    }
}

/// A runtime that may be dropped anywhere: also by a task of another one, where waiting is forbidden.
struct Background(Option<Runtime>);

impl Background {
    fn handle(&self) -> &Handle {
        self.0.as_ref().expect("it was not taken yet").handle()
    }

    fn keep(mut self) -> Option<Runtime> {
        self.0.take()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Blocks until a future is done, also when called by a task of another runtime.
fn block_on<F>(runtime: &Handle, future: F) -> F::Output
where
    F: Future + Send,
    F::Output: Send,
{
    if Handle::try_current().is_err() {
        return runtime.block_on(future);
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| runtime.block_on(future));
        thread.join().expect("calls to etcd do not panic")
    })
}

/// Finds or makes the key that says whose prefix this is, trying for some time.
async fn patiently(link: &Link, patience: Duration, keys: &Keys) -> Result<Uuid, Error> {
    let end = Instant::now() + patience;
    loop {
        match cluster_id(link, keys).await {
            Err(Error::Unreachable { .. }) if Instant::now() < end => {
                sleep(Duration::from_millis(100)).await;
            }
            Err(Error::Unreachable { reason, .. }) => {
                return Err(Error::Unreachable {
                    endpoints: link.endpoints(),
                    reason,
                });
            }
            result => return result,
        }
    }
}

async fn cluster_id(link: &Link, keys: &Keys) -> Result<Uuid, Error> {
    let key = keys.cluster();
    // To read it first is no waste: what could write it is refused when etcd is full.
    let found = link.call_each(SHORT, |client| {
        let key = key.clone();
        async move { client.kv_client().get(key, None).await }
    });
    let found = found
        .await
        .map_err(|failure: Failure| Error::from(failure))?;
    let found = match found.kvs().first() {
        Some(kv) => kv.value().to_vec(),
        None => make_cluster(link, &key).await?,
    };
    let found: ClusterKey = from_json(&key, &found)?;
    found.id.parse().map_err(|_| Error::Corrupt {
        key,
        reason: format!("\"{}\" is not the id of a cluster", found.id.escape_debug()),
    })
}

/// Makes the key unless somebody else was first; gives what it holds then.
async fn make_cluster(link: &Link, key: &str) -> Result<Vec<u8>, Error> {
    let ours = ClusterKey {
        form: FORM,
        id: Uuid::new_v4().to_string(),
    };
    let value = serde_json::to_vec(&ours).expect("a number and text are JSON");
    // The first one makes it; then it stays.
    let txn = Txn::new()
        .when([Compare::create_revision(key, CompareOp::Equal, 0)])
        .and_then([TxnOp::put(key, value, None), TxnOp::get(key, None)])
        .or_else([TxnOp::get(key, None)]);
    let answer = link.call_each(SHORT, |client| {
        let txn = txn.clone();
        async move { client.kv_client().txn(txn).await }
    });
    let answer = answer
        .await
        .map_err(|failure: Failure| Error::from(failure))?;
    let found = answer
        .op_responses()
        .into_iter()
        .find_map(|answer| match answer {
            TxnOpResponse::Get(answer) => answer.kvs().first().map(|kv| kv.value().to_vec()),
            _ => None,
        });
    Ok(found.unwrap_or_default())
}

//! Bundles that go out while they are put together.
//!
//! The switch reads the beginning of a long bundle while its end is not yet known, so that reading a file,
//! say, and the switch's own work take the time of the longer of the two and not the sum.
//!
//! Invariant: a bundle belongs to the connection on which it began. When that ends, so does the bundle,
//! without effect.

use std::sync::atomic::{AtomicU64, Ordering};

use ::openflow::Message;
use ::openflow::message::FlowMod;
use ::openflow::session::{BundleError, BundleId, Session};
use tokio::sync::{mpsc, oneshot};

use super::{Error, Handle, Request, Result};

/// A bundle that is being put together. Dropped without [`Bundle::commit`], it has no effect.
#[derive(Debug)]
#[must_use = "a bundle that is not committed has no effect"]
pub struct Bundle {
    requests: mpsc::Sender<Request>,
    key: Key,
    ended: bool,
}

/// Which bundle, among all that this process puts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(u64);

impl Key {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a bundle asks of the client's task.
#[derive(Debug)]
pub(super) enum Part {
    Begin(Key, oneshot::Sender<Result<()>>),
    Messages(Key, Vec<Message>),
    Flows(Key, Vec<FlowMod>),
    Commit(Key, oneshot::Sender<Result<()>>),
    Discard(Key),
}

impl Handle {
    /// Begins a bundle that goes out while it is put together.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn begin(&self) -> Result<Bundle> {
        let (sender, receiver) = oneshot::channel();
        let key = Key::next();
        self.give(Request::Part(Part::Begin(key, sender))).await?;
        receiver.await.unwrap_or(Err(Error::Lost))?;
        Ok(Bundle {
            requests: self.requests.clone(),
            key,
            ended: false,
        })
    }
}

impl Bundle {
    /// Adds messages. What the switch or the version refuses is told by [`Bundle::commit`].
    ///
    /// # Errors
    /// When the client is gone.
    pub async fn add(&mut self, messages: Vec<Message>) -> Result<()> {
        self.give(Part::Messages(self.key, messages)).await
    }

    /// Adds changes of flows.
    ///
    /// # Errors
    /// When the client is gone.
    pub async fn add_flows(&mut self, changes: Vec<FlowMod>) -> Result<()> {
        self.give(Part::Flows(self.key, changes)).await
    }

    /// Lets all of it take effect.
    ///
    /// # Errors
    /// As those of [`Handle::bundle`]; nothing has taken effect then.
    pub async fn commit(mut self) -> Result<()> {
        let (sender, receiver) = oneshot::channel();
        self.ended = true;
        self.give(Part::Commit(self.key, sender)).await?;
        receiver.await.unwrap_or(Err(Error::Lost))
    }

    async fn give(&self, part: Part) -> Result<()> {
        let given = self.requests.send(Request::Part(part)).await;
        given.map_err(|_| Error::NotConnected)
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        if !self.ended {
            // If the queue is full the switch keeps the bundle until the connection ends, without effect.
            let _ = self
                .requests
                .try_send(Request::Part(Part::Discard(self.key)));
        }
    }
}

/// The bundles of one connection that are being put together.
#[derive(Debug, Default)]
pub(super) struct Open {
    bundles: std::collections::HashMap<Key, (BundleId, Option<BundleError>)>,
}

impl Open {
    /// Does what a part asks. Gives the bundle that ends, and who waits for that.
    pub(super) fn handle(
        &mut self,
        session: &mut Session,
        part: Part,
    ) -> Option<(BundleId, oneshot::Sender<Result<()>>)> {
        match part {
            Part::Begin(key, reply) => {
                let began = session.open_bundle().map(|id| {
                    self.bundles.insert(key, (id, None));
                });
                // Who asked may be gone.
                let _ = reply.send(began.map_err(Error::from));
                None
            }
            Part::Messages(key, messages) => {
                self.add(key, |id| {
                    messages
                        .iter()
                        .try_for_each(|message| session.add_to_bundle(id, message).map(drop))
                });
                None
            }
            Part::Flows(key, changes) => {
                self.add(key, |id| {
                    changes
                        .iter()
                        .try_for_each(|change| session.add_flow_to_bundle(id, change).map(drop))
                });
                None
            }
            Part::Commit(key, reply) => self.commit(session, key, reply),
            Part::Discard(key) => {
                if let Some((id, _)) = self.bundles.remove(&key) {
                    let _ = session.discard_bundle(id);
                }
                None
            }
        }
    }

    /// Adds to a bundle; after an error nothing more.
    fn add(&mut self, key: Key, add: impl FnOnce(BundleId) -> Result<(), BundleError>) {
        if let Some((id, error @ None)) = self.bundles.get_mut(&key) {
            *error = add(*id).err();
        }
    }

    fn commit(
        &mut self,
        session: &mut Session,
        key: Key,
        reply: oneshot::Sender<Result<()>>,
    ) -> Option<(BundleId, oneshot::Sender<Result<()>>)> {
        let error = match self.bundles.remove(&key) {
            // It began on a connection that has ended.
            None => Error::Lost,
            Some((id, Some(error))) => {
                let _ = session.discard_bundle(id);
                error.into()
            }
            Some((id, None)) => match session.commit_bundle(id) {
                Ok(()) => return Some((id, reply)),
                Err(error) => error.into(),
            },
        };
        let _ = reply.send(Err(error));
        None
    }
}

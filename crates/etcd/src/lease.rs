//! The lease of this process: what it has in etcd only while it lives.
//!
//! Invariant: [`Lease::held`] is false before etcd can take the lease as expired. The time counts from the moment
//! at which a renewal was sent, which is before etcd renews it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::link::{Failure, Link};

/// What etcd is asked for, in seconds; with its usual timing it gives no less.
const TTL: i64 = 2;
/// How often the lease is renewed.
const RENEWAL: Duration = Duration::from_millis(500);
/// How long one attempt may take. Two fit into the lease.
const LIMIT: Duration = Duration::from_millis(700);
/// The pause after an attempt that failed.
const PAUSE: Duration = Duration::from_millis(50);
/// By how much the lease is taken as shorter than it is.
const MARGIN: Duration = Duration::from_millis(100);

/// A lease that is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) id: i64,
    until: Instant,
}

#[derive(Debug)]
pub(crate) struct Lease {
    held: watch::Sender<Option<Held>>,
}

impl Lease {
    pub(crate) fn new() -> Self {
        Self {
            held: watch::Sender::new(None),
        }
    }

    /// The lease, if it is certainly alive.
    pub(crate) fn held(&self) -> Option<Held> {
        let held = *self.held.borrow();
        held.filter(|held| Instant::now() < held.until)
    }

    /// Hears when the lease is lost, renewed or another one.
    pub(crate) fn changes(&self) -> watch::Receiver<Option<Held>> {
        self.held.subscribe()
    }

    /// Keeps a lease until told to end.
    pub(crate) async fn keep(self: Arc<Self>, link: Arc<Link>, mut closing: watch::Receiver<bool>) {
        let mut id = None;
        let renew = async {
            loop {
                let sent = Instant::now();
                match renew(&link, &mut id).await {
                    Ok(Some((id, lifetime))) => {
                        let until = sent + lifetime.saturating_sub(MARGIN);
                        self.held.send_replace(Some(Held { id, until }));
                        sleep(RENEWAL).await;
                    }
                    // It has ended: at once for another one.
                    Ok(None) => {
                        self.held.send_replace(None);
                    }
                    Err(failure) => {
                        tracing::debug!(target: "etcd", "cannot renew the lease: {failure}");
                        sleep(PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            () = renew => {}
            () = self.expire() => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
        self.held.send_replace(None);
    }

    /// Says that the lease is lost when it was not renewed in time.
    async fn expire(&self) {
        let mut changes = self.held.subscribe();
        loop {
            let held = *changes.borrow_and_update();
            let changed = match held {
                None => changes.changed().await,
                Some(held) => tokio::select! {
                    changed = changes.changed() => changed,
                    () = sleep_until(held.until) => {
                        self.held.send_if_modified(|now| {
                            let lost = *now == Some(held);
                            if lost { *now = None; }
                            lost
                        });
                        Ok(())
                    }
                },
            };
            if changed.is_err() {
                return;
            }
        }
    }
}

/// Renews the lease, or gets one; nothing when it was lost.
async fn renew(
    link: &Link,
    lease: &mut Option<(i64, Duration)>,
) -> Result<Option<(i64, Duration)>, Failure> {
    let Some((id, lifetime)) = *lease else {
        let granted = link.call(LIMIT, |client| async move {
            client.lease_client().grant(TTL, None).await
        });
        let granted = granted.await?;
        let lifetime = Duration::from_secs(u64::try_from(granted.ttl()).unwrap_or(0));
        *lease = Some((granted.id(), lifetime));
        return Ok(*lease);
    };
    let renewed = link.call(LIMIT, |client| async move {
        match client.lease_client().keep_alive(id).await {
            Ok(_) => Ok(true),
            Err(etcd_client::Error::LeaseKeepAliveError(_)) => Ok(false),
            Err(error) => Err(error),
        }
    });
    if renewed.await? {
        return Ok(Some((id, lifetime)));
    }
    *lease = None;
    Ok(None)
}

//! The locks of the cluster.
//!
//! One task compares what is wanted with what etcd has, lock by lock, whenever either changes; what to do is
//! decided by `queue`. Nothing is remembered that etcd could contradict, so a lost answer needs no care.
//!
//! Invariant: a lock is ours only while our lease is alive, and its guard names the revision at which it became
//! ours.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use etcd_client::{
    Compare, CompareOp, GetOptions, PutOptions, Txn, TxnOp, WatchOptions, WatchStream,
};
use ovsdb::Str;
use ovsdb::log::{LockEvent, LockService, LockWatcher};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::keys::Keys;
use crate::lease::{Held, Lease};
use crate::link::{Failure, Link, SHORT};
use crate::queue::{self, Owner, Process, Step, View, Waiting};

/// The pause after a failure, and how often all is looked at again in any case.
const PAUSE: Duration = Duration::from_millis(100);
const ROUND: Duration = Duration::from_secs(2);
/// How often a step is tried before others get their turn.
const TRIES: usize = 8;

/// The locks of a cluster, as one process has and wants them.
#[derive(Debug, Clone)]
pub struct Locks(pub(crate) Arc<Shared>);

/// What the task and its users share.
pub(crate) struct Shared {
    lease: Arc<Lease>,
    /// Events are told while this is held, so that they come in order.
    wishes: Mutex<BTreeMap<Str, Wish>>,
    changed: Notify,
    watcher: Mutex<Option<LockWatcher>>,
}

#[derive(Debug, Default)]
struct Wish {
    wanted: bool,
    steal: bool,
    /// Whether to say that the lock is ours even if that was said already.
    announce: bool,
    /// Whether what we have in etcd must go first.
    give_up: bool,
    /// The revision at which the lock became ours.
    owned: Option<i64>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Locks").field(&*self.wishes()).finish()
    }
}

impl LockService for Locks {
    fn want(&self, lock: &str, steal: bool) {
        let mut wishes = self.0.wishes();
        let wish = wishes.entry(lock.into()).or_default();
        wish.wanted = true;
        wish.announce = true;
        wish.steal |= steal;
        self.0.changed.notify_one();
    }

    fn release(&self, lock: &str) {
        if let Some(wish) = self.0.wishes().get_mut(lock) {
            *wish = Wish {
                give_up: true,
                ..Wish::default()
            };
            self.0.changed.notify_one();
        }
    }

    fn watch(&self, watcher: LockWatcher) {
        *lock(&self.0.watcher) = Some(watcher);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(lease: Arc<Lease>) -> Self {
        Self {
            lease,
            wishes: Mutex::default(),
            changed: Notify::new(),
            watcher: Mutex::default(),
        }
    }

    fn wishes(&self) -> MutexGuard<'_, BTreeMap<Str, Wish>> {
        lock(&self.wishes)
    }

    /// The revision at which the lock became ours, if it is.
    pub(crate) fn owned(&self, lock: &str) -> Option<i64> {
        self.wishes().get(lock)?.owned
    }

    fn tell(&self, event: LockEvent) {
        tracing::debug!(target: "etcd", "lock: {event:?}");
        if let Some(watcher) = &*lock(&self.watcher) {
            watcher(event);
        }
    }

    /// Takes note of whether a lock is ours, since which revision and on which lease, and says so when that is
    /// news.
    fn note(&self, name: &Str, owned: Option<(i64, i64)>) {
        let mut wishes = self.wishes();
        let Some(wish) = wishes
            .get_mut(name)
            .filter(|wish| wish.wanted && !wish.give_up)
        else {
            return;
        };
        // The lease may have ended while etcd was asked; then that it has is what counts.
        let alive = self.lease.held().map(|held| held.id);
        let owned = owned.filter(|(_, lease)| alive == Some(*lease));
        let owned = owned.map(|(revision, _)| revision);
        let before = std::mem::replace(&mut wish.owned, owned);
        if owned.is_some() {
            wish.steal = false;
            let announce = std::mem::take(&mut wish.announce);
            if before != owned || announce {
                self.tell(LockEvent::Owned(name.clone()));
            }
        } else if before.is_some() {
            self.tell(LockEvent::Lost(name.clone()));
        }
    }

    fn lose_all(&self) {
        let names: Vec<Str> = self.wishes().keys().cloned().collect();
        for name in names {
            self.note(&name, None);
        }
    }
}

/// The task that carries the wishes out.
pub(crate) struct Keeper {
    pub(crate) shared: Arc<Shared>,
    pub(crate) link: Arc<Link>,
    pub(crate) lease: Arc<Lease>,
    pub(crate) keys: Keys,
    /// The id of this process.
    pub(crate) process: String,
}

impl Keeper {
    pub(crate) async fn run(self, mut closing: watch::Receiver<bool>) {
        tokio::select! {
            () = self.watch_over() => {}
            () = self.lose() => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
    }

    /// Says at once when the lease is lost; nothing that etcd does may delay that.
    async fn lose(&self) {
        let mut changes = self.lease.changes();
        loop {
            if changes.borrow_and_update().is_none() {
                self.shared.lose_all();
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    async fn watch_over(&self) {
        loop {
            match self.open_watch().await {
                Ok(stream) => self.follow(stream).await,
                Err(failure) => tracing::debug!(target: "etcd", "cannot watch locks: {failure}"),
            }
            sleep(PAUSE).await;
        }
    }

    async fn open_watch(&self) -> Result<WatchStream, Failure> {
        let open = self.link.call(SHORT, |client| async move {
            let options = WatchOptions::new().with_prefix();
            let mut watch = client.watch_client();
            watch.watch(self.keys.locks(), Some(options)).await
        });
        open.await
    }

    /// Until the watch ends.
    async fn follow(&self, mut stream: WatchStream) {
        let mut lease = self.lease.changes();
        let mut id = None;
        loop {
            let settled = self.settle_all().await;
            let pause = if settled { ROUND } else { PAUSE };
            let news = async {
                // A lease that is only renewed is no news.
                loop {
                    let now = lease.borrow_and_update().map(|held| held.id);
                    if std::mem::replace(&mut id, now) != now || lease.changed().await.is_err() {
                        return;
                    }
                }
            };
            tokio::select! {
                () = self.shared.changed.notified() => {}
                () = news => {}
                message = stream.message() => match message {
                    Ok(Some(message)) if !message.canceled() => {}
                    _ => return,
                },
                _ = timeout(pause, std::future::pending::<()>()) => {}
            }
        }
    }

    /// Brings each lock to where it should be; whether that was possible.
    async fn settle_all(&self) -> bool {
        let names: Vec<Str> = self.shared.wishes().keys().cloned().collect();
        let mut settled = true;
        for name in names {
            if let Err(failure) = self.settle(&name).await {
                tracing::debug!(target: "etcd", "cannot settle lock {name}: {failure}");
                settled = false;
            }
        }
        settled
    }

    async fn settle(&self, name: &Str) -> Result<(), Failure> {
        for _ in 0..TRIES {
            let (wanted, steal, give_up) = match self.shared.wishes().get(name) {
                Some(wish) => (wish.wanted, wish.steal, wish.give_up),
                None => return Ok(()),
            };
            if give_up {
                self.give_up(name).await?;
                let mut wishes = self.shared.wishes();
                if let Some(wish) = wishes.get_mut(name) {
                    wish.give_up = false;
                    if !wish.wanted {
                        wishes.remove(name);
                    }
                }
                continue;
            }
            let Some(held) = self.lease.held().filter(|_| wanted) else {
                return Ok(());
            };
            let me = self.me(held);
            let view = self.view(name).await?;
            let step = queue::step(&view, &me, steal);
            match &step {
                Step::Owned(revision) => {
                    self.shared.note(name, Some((*revision, held.id)));
                    return Ok(());
                }
                Step::Wait => {
                    self.shared.note(name, None);
                    return Ok(());
                }
                Step::Join | Step::Take | Step::Steal(_) => {
                    self.shared.note(name, None);
                    self.carry_out(name, &me, step).await?;
                }
            }
        }
        Ok(())
    }

    fn me(&self, held: Held) -> Process {
        Process {
            id: self.process.clone(),
            lease: held.id,
        }
    }

    async fn carry_out(&self, name: &str, me: &Process, step: Step) -> Result<(), Failure> {
        let owner = owner_key(&self.keys, name);
        let wait = |process: &Process| wait_key(&self.keys, name, &process.id);
        let on = |process: &Process| Some(PutOptions::new().with_lease(process.lease));
        let own = TxnOp::put(owner.clone(), me.id.clone(), on(me));
        let leave = TxnOp::delete(wait(me), None);
        let txn = match step {
            Step::Join => Txn::new()
                .when([Compare::create_revision(wait(me), CompareOp::Equal, 0)])
                .and_then([TxnOp::put(wait(me), QUEUED, on(me))]),
            Step::Take => Txn::new()
                .when([Compare::create_revision(owner, CompareOp::Equal, 0)])
                .and_then([own, leave]),
            Step::Steal(victim) => {
                let robbed = &victim.process;
                Txn::new()
                    .when([Compare::mod_revision(
                        owner,
                        CompareOp::Equal,
                        victim.revision,
                    )])
                    .and_then([own, leave, TxnOp::put(wait(robbed), ROBBED, on(robbed))])
            }
            Step::Owned(_) | Step::Wait => return Ok(()),
        };
        // When the compare fails, the next look shows why.
        let call = self.link.call(
            SHORT,
            |client| async move { client.kv_client().txn(txn).await },
        );
        match call.await {
            Ok(_) => Ok(()),
            // The lease of the victim has ended this moment, and the lock with it; or ours has.
            Err(Failure::Refused { reason, .. }) if reason.contains("lease not found") => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Removes what we have in etcd for this lock.
    async fn give_up(&self, name: &str) -> Result<(), Failure> {
        let view = self.view(name).await?;
        let leave = TxnOp::delete(wait_key(&self.keys, name, &self.process), None);
        let mut txn = Txn::new().and_then([leave.clone()]);
        if let Some(owner) = view.owner.filter(|owner| owner.process.id == self.process) {
            let key = owner_key(&self.keys, name);
            txn = Txn::new()
                .when([Compare::mod_revision(
                    key.clone(),
                    CompareOp::Equal,
                    owner.revision,
                )])
                .and_then([leave.clone(), TxnOp::delete(key, None)])
                .or_else([leave]);
        }
        let call = self.link.call_each(SHORT, |client| {
            let txn = txn.clone();
            async move { client.kv_client().txn(txn).await }
        });
        call.await.map(drop)
    }

    async fn view(&self, name: &str) -> Result<View, Failure> {
        let prefix = self.keys.lock(name);
        let keys = self.link.call_each(SHORT, |client| {
            let (prefix, options) = (prefix.clone(), GetOptions::new().with_prefix());
            async move { client.kv_client().get(prefix, Some(options)).await }
        });
        let keys = keys.await?;
        let mut view = View::default();
        for kv in keys.kvs() {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let rest = text(kv.key());
            let process = |id: String| Process {
                id,
                lease: kv.lease(),
            };
            match rest.strip_prefix(&prefix) {
                Some("owner") => {
                    view.owner = Some(Owner {
                        process: process(text(kv.value())),
                        revision: kv.mod_revision(),
                    });
                }
                Some(rest) => {
                    if let Some(id) = rest.strip_prefix("wait/") {
                        view.waiting.push(Waiting {
                            process: process(id.to_owned()),
                            revision: kv.create_revision(),
                            robbed: kv.value() == ROBBED.as_bytes(),
                        });
                    }
                }
                None => {}
            }
        }
        Ok(view)
    }
}

const QUEUED: &str = "queued";
const ROBBED: &str = "robbed";

/// The key that says who has a lock.
pub(crate) fn owner_key(keys: &Keys, name: &str) -> String {
    format!("{}owner", keys.lock(name))
}

fn wait_key(keys: &Keys, name: &str, process: &str) -> String {
    format!("{}wait/{process}", keys.lock(name))
}

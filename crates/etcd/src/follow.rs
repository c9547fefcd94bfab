//! Following a log: a watch that puts what others append into a buffer.
//!
//! The buffer is a shortcut. When anything could be missing from it, because the watch was begun anew or the buffer
//! was full, it has a *gap*, and the log must be read instead.
//!
//! Invariant: without a gap, everything that others did after the last reading is in the buffer, or still to come.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use etcd_client::{EventType, WatchOptions, WatchResponse, WatchStream};
use ovsdb::log::{News, Watcher};
use tokio::time::sleep;

use crate::Error;
use crate::cluster::Inner;
use crate::head::Head;
use crate::keys::DatabaseKeys;
use crate::lease::Lease;
use crate::link::{Failure, MAX_ANSWER, SHORT};
use crate::read::Entry;

/// Bounds of the buffer.
const MAX_ITEMS: usize = 4096;
const MAX_BYTES: usize = 32 << 20;
/// The pause before a watch is begun anew.
const PAUSE: Duration = Duration::from_millis(50);
/// For how long an append may not know its outcome before the log counts as not connected: a member that ends must
/// not make clients look for another server.
const PATIENCE: Duration = Duration::from_secs(1);

/// One change of the log by another process.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) revision: i64,
    pub(crate) head: Head,
    /// What was appended, if it was.
    pub(crate) entries: Vec<Entry>,
}

/// What the log and its tasks share.
pub(crate) struct Followed {
    buffer: Mutex<Buffer>,
    lease: Arc<Lease>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct Buffer {
    items: VecDeque<Item>,
    bytes: usize,
    gap: bool,
}

#[derive(Default)]
struct State {
    watcher: Option<Watcher>,
    /// Since when an append does not know its outcome.
    uncertain: Option<Instant>,
    /// What the watcher believes.
    told: bool,
}

impl std::fmt::Debug for Followed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Followed").field(&*self.buffer()).finish()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Followed {
    pub(crate) fn new(lease: Arc<Lease>) -> Self {
        let buffer = Buffer {
            gap: true,
            ..Buffer::default()
        };
        let state = State {
            told: true,
            ..State::default()
        };
        Self {
            buffer: Mutex::new(buffer),
            lease,
            state: Mutex::new(state),
        }
    }

    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        lock(&self.buffer)
    }

    /// What is in the buffer; nothing when there is a gap, which counts as filled from now on: the caller reads.
    pub(crate) fn take(&self) -> Option<VecDeque<Item>> {
        let mut buffer = self.buffer();
        if std::mem::take(&mut buffer.gap) {
            return None;
        }
        buffer.bytes = 0;
        Some(std::mem::take(&mut buffer.items))
    }

    /// Says that something may be missing.
    pub(crate) fn mark_gap(&self) {
        let mut buffer = self.buffer();
        *buffer = Buffer {
            gap: true,
            ..Buffer::default()
        };
    }

    fn push(&self, item: Item) {
        let mut buffer = self.buffer();
        let bytes: usize = item.entries.iter().map(|entry| entry.value.len()).sum();
        if buffer.items.len() >= MAX_ITEMS || buffer.bytes + bytes > MAX_BYTES {
            *buffer = Buffer {
                gap: true,
                ..Buffer::default()
            };
        }
        if !buffer.gap {
            buffer.bytes += bytes;
            buffer.items.push_back(item);
        }
    }

    pub(crate) fn set_watcher(&self, watcher: Watcher) {
        let mut state = lock(&self.state);
        state.watcher = Some(watcher);
        state.told = true;
        drop(state);
        self.tell_connected();
        self.tell_records();
    }

    pub(crate) fn tell_records(&self) {
        if let Some(watcher) = &lock(&self.state).watcher {
            watcher(News::Records);
        }
    }

    /// Takes note of whether an append waits to know its outcome.
    pub(crate) fn set_uncertain(&self, uncertain: bool) {
        {
            let mut state = lock(&self.state);
            match (uncertain, state.uncertain) {
                (true, None) => state.uncertain = Some(Instant::now()),
                (false, _) => state.uncertain = None,
                (true, Some(_)) => {}
            }
        }
        self.tell_connected();
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connected(&lock(&self.state))
    }

    fn connected(&self, state: &State) -> bool {
        let certain = state
            .uncertain
            .is_none_or(|since| since.elapsed() < PATIENCE);
        certain && self.lease.held().is_some()
    }

    /// Says whether the log is connected, when that is news.
    pub(crate) fn tell_connected(&self) {
        let mut state = lock(&self.state);
        let connected = self.connected(&state);
        if std::mem::replace(&mut state.told, connected) != connected
            && let Some(watcher) = &state.watcher
        {
            watcher(News::Connected(connected));
        }
    }
}

/// Follows a log until the cluster is closed or the log is gone.
pub(crate) async fn follow(
    inner: Arc<Inner>,
    keys: DatabaseKeys,
    writer: String,
    followed: Arc<Followed>,
) {
    let follower = Follower {
        own: format!("{writer}-"),
        keys,
        followed: Arc::downgrade(&followed),
    };
    drop(followed);
    let mut closing = inner.closing();
    let mut lease = inner.lease.changes();
    // The task must not keep the runtime, on which it runs, alive.
    let link = Arc::clone(&inner.link);
    drop(inner);
    let watch = async {
        while follower.followed.strong_count() > 0 {
            match follower.open(&link).await {
                Ok(stream) => follower.run(stream).await,
                Err(failure) => tracing::debug!(target: "etcd", "cannot watch a log: {failure}"),
            }
            sleep(PAUSE).await;
        }
    };
    let tell = async {
        while lease.changed().await.is_ok()
            && let Some(followed) = follower.followed.upgrade()
        {
            followed.tell_connected();
        }
    };
    tokio::select! {
        () = watch => {}
        () = tell => {}
        _ = closing.wait_for(|closing| *closing) => {}
    }
}

struct Follower {
    /// What the ids of this log's batches begin with.
    own: String,
    keys: DatabaseKeys,
    followed: std::sync::Weak<Followed>,
}

impl Follower {
    async fn open(&self, link: &crate::link::Link) -> Result<WatchStream, Failure> {
        let (head, end) = (self.keys.head(), self.keys.entries_end());
        let open = link.call(SHORT, |client| async move {
            let options = WatchOptions::new().with_range(end);
            let mut watch = client.watch_client().max_decoding_message_size(MAX_ANSWER);
            watch.watch(head, Some(options)).await
        });
        open.await
    }

    /// Until the watch ends.
    async fn run(&self, mut stream: WatchStream) {
        // The watch has begun: what was before must be read, what is after it comes.
        let Some(followed) = self.followed.upgrade() else {
            return;
        };
        followed.mark_gap();
        followed.tell_records();
        drop(followed);
        while let Ok(Some(message)) = stream.message().await {
            let Some(followed) = self.followed.upgrade() else {
                return;
            };
            if message.canceled() {
                return;
            }
            match self.items(&message) {
                Ok(items) if items.is_empty() => {}
                Ok(items) => {
                    for item in items {
                        followed.push(item);
                    }
                    followed.tell_records();
                }
                Err(error) => {
                    // Whoever reads the log finds the same, and says so.
                    tracing::debug!(target: "etcd", "{error}");
                    followed.mark_gap();
                    followed.tell_records();
                }
            }
        }
    }

    /// The changes of others, each whole: etcd does not divide a revision.
    fn items(&self, message: &WatchResponse) -> Result<Vec<Item>, Error> {
        let mut items = Vec::new();
        let mut entries: Vec<Entry> = Vec::new();
        let mut head = None;
        let mut revision = 0;
        let mut end = |revision: i64, head: &mut Option<Head>, entries: &mut Vec<Entry>| {
            let (head, entries) = (head.take(), std::mem::take(entries));
            if let Some(head) = head.filter(|head| !head.batch.starts_with(&self.own)) {
                items.push(Item {
                    revision,
                    head,
                    entries,
                });
            }
        };
        for event in message.events() {
            let Some(kv) = event.kv() else { continue };
            if kv.mod_revision() != revision {
                end(revision, &mut head, &mut entries);
                revision = kv.mod_revision();
            }
            if event.event_type() != EventType::Put {
                continue;
            }
            if kv.key() == self.keys.head().as_bytes() {
                head = Some(Head::from_bytes(&self.keys.head(), kv.value())?);
            } else if let Some(number) = self.keys.entry_number(kv.key()) {
                let value = kv.value().to_vec();
                entries.push(Entry { number, value });
            }
        }
        end(revision, &mut head, &mut entries);
        Ok(items)
    }
}

//! Locks that one process of several has.
//!
//! They decide which process may act, among those that write one log. Within the process a queue decides which
//! session has the lock (RFC 7047 section 4.1.8).
//!
//! Invariant: at no moment do two processes own a lock. What depends on a lock is kept safe not by this, which a
//! process learns too late, but by the guards of [`Log::append`](super::Log::append).

use crate::Str;

/// The locks of a cluster. Its methods do not block.
pub trait LockService: Send + Sync {
    /// Asks for a lock: [`LockEvent::Owned`] is sent when this process owns it, also when it owns it already.
    /// With `steal` the process that has it loses it now, and is the next to get it back. Without, those who ask
    /// get it in the order in which they asked. The wish stays through losses and lost connections until
    /// [`LockService::release`].
    fn want(&self, lock: &str, steal: bool);

    /// Gives the lock, or the wish for it, up; the next one gets it. No event follows.
    fn release(&self, lock: &str);

    /// Who is to be told of locks; called once, before anything else.
    fn watch(&self, watcher: LockWatcher);
}

/// Hears of locks; from any thread, and must not block.
pub type LockWatcher = Box<dyn Fn(LockEvent) + Send + Sync>;

/// What happened to a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockEvent {
    /// This process owns the lock.
    Owned(Str),
    /// This process owns the lock no longer, or cannot know that it does: it was stolen, or the connection is
    /// lost for longer than the lease lasts. It is still wanted.
    Lost(Str),
}

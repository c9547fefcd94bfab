//! Named locks, shared by all sessions of a server (RFC 7047 section 4.1.8), and by all servers of a cluster.
//!
//! Within the server a queue decides. In a cluster the server itself must own the lock too: it asks for it when
//! its first session wants it, and gives it up when its last one does not any more.
//!
//! Invariant: the owner of a lock is the first of those who want it, if the server owns it.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::Value;

use super::SessionId;
use crate::Str;
use crate::log::LockEvent;

#[derive(Debug, Default)]
pub(crate) struct Locks {
    queues: FxHashMap<Str, VecDeque<Waiter>>,
    /// The locks that the server owns, if it is one of a cluster.
    owned: Option<FxHashSet<Str>>,
    requests: VecDeque<LockRequest>,
    /// Requests to steal a lock that are answered when the server owns it.
    thieves: Vec<(Str, SessionId, Value)>,
}

/// A session that wants a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiter {
    session: SessionId,
    /// Whether it stole the lock.
    stole: bool,
}

/// The locks of one session, by their names, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocksOfSession {
    /// Those that it has.
    pub held: Vec<Str>,
    /// Those that it waits for.
    pub waiting: Vec<Str>,
    /// Those that it stole and that were stolen from it.
    pub lost: Vec<Str>,
}

/// What a server asks of the locks of its cluster; see [`LockService`](crate::log::LockService).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockRequest {
    /// The server wants to own a lock.
    Want {
        /// The lock.
        lock: Str,
        /// Whether to take it from who has it.
        steal: bool,
    },
    /// The server wants a lock no longer.
    Release(Str),
}

/// A session that must hear of a lock.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) session: SessionId,
    pub(crate) lock: Str,
    /// Whether the session has the lock now, or has lost it.
    pub(crate) locked: bool,
    /// The request to which this is the answer, if it is one.
    pub(crate) answer: Option<Value>,
}

impl Notice {
    fn new(session: SessionId, lock: &str, locked: bool) -> Self {
        Self {
            session,
            lock: lock.into(),
            locked,
            answer: None,
        }
    }
}

impl Locks {
    /// From now on the locks are those of a cluster, of which the server owns none yet.
    pub(crate) fn share(&mut self) {
        self.owned.get_or_insert_default();
    }

    pub(crate) fn poll_request(&mut self) -> Option<LockRequest> {
        self.requests.pop_front()
    }

    pub(crate) fn wants(&self, lock: &str, session: SessionId) -> bool {
        self.queues
            .get(lock)
            .is_some_and(|queue| queue.iter().any(|waiter| waiter.session == session))
    }

    pub(crate) fn holds(&self, lock: &str, session: SessionId) -> bool {
        self.owns(lock) && self.first(lock) == Some(session)
    }

    fn owns(&self, lock: &str) -> bool {
        self.owned.as_ref().is_none_or(|owned| owned.contains(lock))
    }

    fn first(&self, lock: &str) -> Option<SessionId> {
        Some(self.queues.get(lock)?.front()?.session)
    }

    /// What a session has to do with locks.
    pub(crate) fn of(&self, session: SessionId) -> LocksOfSession {
        let mut all = LocksOfSession::default();
        for (name, queue) in &self.queues {
            let Some(waiter) = queue.iter().find(|waiter| waiter.session == session) else {
                continue;
            };
            let kind = if self.holds(name, session) {
                &mut all.held
            } else if waiter.stole {
                &mut all.lost
            } else {
                &mut all.waiting
            };
            kind.push(name.clone());
        }
        for kind in [&mut all.held, &mut all.waiting, &mut all.lost] {
            kind.sort_unstable();
        }
        all
    }

    fn want(&mut self, lock: &str, steal: bool) {
        if self.owned.is_some() {
            let lock = lock.into();
            self.requests.push_back(LockRequest::Want { lock, steal });
        }
    }

    /// Queues for the lock; says whether the session has it.
    pub(crate) fn lock(&mut self, lock: &str, session: SessionId) -> bool {
        let queue = self.queues.entry(lock.into()).or_default();
        let stole = false;
        queue.push_back(Waiter { session, stole });
        if queue.len() == 1 {
            self.want(lock, false);
        }
        self.holds(lock, session)
    }

    /// Takes the lock; the session that had it is the first to get it back. Gives `false` when that is done only
    /// with a notice to come, the answer to the request `id`.
    pub(crate) fn steal(
        &mut self,
        lock: &str,
        session: SessionId,
        id: &Value,
    ) -> (bool, Option<Notice>) {
        let owned = self.owns(lock);
        let queue = self.queues.entry(lock.into()).or_default();
        let victim = queue.front().map(|it| it.session).filter(|_| owned);
        let stole = true;
        queue.push_front(Waiter { session, stole });
        if !owned {
            self.thieves.push((lock.into(), session, id.clone()));
            self.want(lock, true);
        }
        let notice = victim.map(|victim| Notice::new(victim, lock, false));
        (owned, notice)
    }

    /// Gives the lock, or the place in its queue, up.
    pub(crate) fn unlock(&mut self, lock: &str, session: SessionId) -> Vec<Notice> {
        let mut notices = Vec::new();
        if let Some(id) = self.no_thief(lock, session) {
            notices.push(Notice {
                answer: Some(id),
                ..Notice::new(session, lock, false)
            });
        }
        let held = self.holds(lock, session);
        let Some(queue) = self.queues.get_mut(lock) else {
            return notices;
        };
        queue.retain(|waiter| waiter.session != session);
        if queue.is_empty() {
            self.queues.remove(lock);
            self.release(lock);
        } else if held {
            notices.extend(self.hand_over(lock));
        }
        notices
    }

    fn release(&mut self, lock: &str) {
        if let Some(owned) = &mut self.owned {
            owned.remove(lock);
            self.requests.push_back(LockRequest::Release(lock.into()));
        }
    }

    /// What the first in the queue must hear when it gets the lock.
    fn hand_over(&mut self, lock: &str) -> Option<Notice> {
        let session = self.first(lock)?;
        let answer = self.no_thief(lock, session);
        Some(Notice {
            answer,
            ..Notice::new(session, lock, true)
        })
    }

    fn no_thief(&mut self, lock: &str, session: SessionId) -> Option<Value> {
        let thief = self
            .thieves
            .iter()
            .position(|(of, who, _)| of == lock && *who == session)?;
        Some(self.thieves.swap_remove(thief).2)
    }

    /// Gives everything up that a session has or waits for.
    pub(crate) fn forget(&mut self, session: SessionId) -> Vec<Notice> {
        let wanted = self.queues.keys();
        let wanted = wanted.filter(|name| self.wants(name, session));
        let mut names: Vec<Str> = wanted.cloned().collect();
        names.sort_unstable();
        names
            .iter()
            .flat_map(|name| self.unlock(name, session))
            .collect()
    }

    /// The cluster has given a lock to this server, or taken it away.
    pub(crate) fn handle_event(&mut self, event: LockEvent) -> Option<Notice> {
        let owned = self.owned.as_mut()?;
        match event {
            LockEvent::Owned(lock) => {
                if !self.queues.contains_key(&lock) {
                    // Nobody wants it any more.
                    self.requests.push_back(LockRequest::Release(lock));
                    return None;
                }
                owned.insert(lock.clone()).then(|| self.hand_over(&lock))?
            }
            LockEvent::Lost(lock) => {
                if !owned.remove(&lock) {
                    return None;
                }
                // It stays wanted. To say so again makes sure of an event when it is owned, also if that was
                // so before this one was taken note of.
                self.want(&lock, false);
                let session = self.first(&lock)?;
                Some(Notice::new(session, &lock, false))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_goes_from_hand_to_hand() {
        let [a, b, c] = [1, 2, 3].map(SessionId);
        let mut locks = Locks::default();
        assert!(locks.lock("l", a));
        assert!(!locks.lock("l", b));
        let notice = |session, locked| Notice::new(session, "l", locked);
        let id = Value::from(1);
        assert_eq!(locks.steal("l", c, &id), (true, Some(notice(a, false))));
        assert!(locks.holds("l", c) && locks.wants("l", a));
        let names = |held: &[&str], waiting: &[&str], lost: &[&str]| {
            let [held, waiting, lost] =
                [held, waiting, lost].map(|it| it.iter().map(|&name| name.into()).collect());
            LocksOfSession {
                held,
                waiting,
                lost,
            }
        };
        assert_eq!(locks.of(c), names(&["l"], &[], &[]));
        // Who waited in the queue waits again; who stole it has lost it.
        assert_eq!(locks.of(a), names(&[], &["l"], &[]));
        let d = SessionId(4);
        assert_eq!(locks.steal("l", d, &id), (true, Some(notice(c, false))));
        assert!(locks.lock("k", c));
        assert_eq!(locks.of(c), names(&["k"], &[], &["l"]));
        assert_eq!(locks.unlock("k", c), []);
        assert_eq!(locks.unlock("l", d), [notice(c, true)]);
        assert_eq!(locks.unlock("l", c), [notice(a, true)]);
        assert_eq!(locks.unlock("l", b), []);
        assert_eq!(locks.forget(a), []);
        assert!(locks.lock("l", b));
        assert_eq!(locks.poll_request(), None);
    }

    fn want(steal: bool) -> Option<LockRequest> {
        let lock = "l".into();
        Some(LockRequest::Want { lock, steal })
    }

    #[test]
    fn in_a_cluster_the_server_must_own_it_too() {
        let [a, b, c] = [1, 2, 3].map(SessionId);
        let notice = |session, locked| Notice::new(session, "l", locked);
        let owned = || LockEvent::Owned("l".into());
        let lost = || LockEvent::Lost("l".into());
        let mut locks = Locks::default();
        locks.share();
        assert!(!locks.lock("l", a) && !locks.lock("l", b));
        assert_eq!(
            (locks.poll_request(), locks.poll_request()),
            (want(false), None)
        );
        assert_eq!(locks.handle_event(owned()), Some(notice(a, true)));
        assert_eq!(locks.handle_event(owned()), None);
        assert!(locks.holds("l", a));
        // Another server steals it, and this one gets it back.
        assert_eq!(locks.handle_event(lost()), Some(notice(a, false)));
        assert_eq!(locks.handle_event(lost()), None);
        assert!(!locks.holds("l", a) && locks.wants("l", a));
        assert_eq!(
            (locks.poll_request(), locks.poll_request()),
            (want(false), None)
        );
        // A session steals it from another server: the answer comes when it is there.
        assert_eq!(locks.steal("l", c, &Value::from(7)), (false, None));
        assert_eq!(locks.poll_request(), want(true));
        let answer = Notice {
            answer: Some(Value::from(7)),
            ..notice(c, true)
        };
        assert_eq!(locks.handle_event(owned()), Some(answer));
        assert_eq!(locks.unlock("l", c), [notice(a, true)]);
        assert_eq!(locks.forget(a), [notice(b, true)]);
        assert_eq!(locks.unlock("l", b), []);
        assert_eq!(locks.poll_request(), Some(LockRequest::Release("l".into())));
        // It was given to this server too late.
        assert_eq!(locks.handle_event(owned()), None);
        assert_eq!(locks.poll_request(), Some(LockRequest::Release("l".into())));
    }
}

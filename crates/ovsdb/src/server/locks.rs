//! Named locks, shared by all sessions of a server (RFC 7047 section 4.1.8).
//!
//! Invariant: the owner of a lock is the first of those who want it.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::SessionId;
use crate::Str;

#[derive(Debug, Default)]
pub(crate) struct Locks {
    queues: FxHashMap<Str, VecDeque<SessionId>>,
}

/// A session that must hear of a lock.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) session: SessionId,
    pub(crate) lock: Str,
    /// Whether the session has the lock now, or has lost it.
    pub(crate) locked: bool,
}

impl Locks {
    pub(crate) fn wants(&self, lock: &str, session: SessionId) -> bool {
        self.queues
            .get(lock)
            .is_some_and(|queue| queue.contains(&session))
    }

    pub(crate) fn holds(&self, lock: &str, session: SessionId) -> bool {
        self.queues.get(lock).and_then(VecDeque::front) == Some(&session)
    }

    /// Queues for the lock; says whether the session has it.
    pub(crate) fn lock(&mut self, lock: &str, session: SessionId) -> bool {
        self.queues
            .entry(lock.into())
            .or_default()
            .push_back(session);
        self.holds(lock, session)
    }

    /// Takes the lock; the session that had it is the first to get it back.
    pub(crate) fn steal(&mut self, lock: &str, session: SessionId) -> Option<Notice> {
        let queue = self.queues.entry(lock.into()).or_default();
        let victim = queue.front().copied();
        queue.push_front(session);
        Some(Notice {
            session: victim?,
            lock: lock.into(),
            locked: false,
        })
    }

    /// Gives the lock, or the place in its queue, up.
    pub(crate) fn unlock(&mut self, lock: &str, session: SessionId) -> Option<Notice> {
        let held = self.holds(lock, session);
        let queue = self.queues.get_mut(lock)?;
        queue.retain(|waiting| *waiting != session);
        let next = queue.front().copied();
        if next.is_none() {
            self.queues.remove(lock);
        }
        next.filter(|_| held).map(|session| Notice {
            session,
            lock: lock.into(),
            locked: true,
        })
    }

    /// Gives everything up that a session has or waits for.
    pub(crate) fn forget(&mut self, session: SessionId) -> Vec<Notice> {
        let wanted = self
            .queues
            .iter()
            .filter(|(_, queue)| queue.contains(&session));
        let mut names: Vec<Str> = wanted.map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names
            .iter()
            .filter_map(|name| self.unlock(name, session))
            .collect()
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
        let notice = |session, locked| {
            Some(Notice {
                session,
                lock: "l".into(),
                locked,
            })
        };
        assert_eq!(locks.steal("l", c), notice(a, false));
        assert!(locks.holds("l", c) && locks.wants("l", a));
        assert_eq!(locks.unlock("l", c), notice(a, true));
        assert_eq!(locks.unlock("l", b), None);
        assert_eq!(locks.forget(a), []);
        assert!(locks.lock("l", b));
    }
}

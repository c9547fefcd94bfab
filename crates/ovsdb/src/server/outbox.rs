//! One session: its stream of messages, and what waits to be sent.
//!
//! Invariant: output leaves in the order in which it was made. What depends on a commit is made only when the
//! commit is durable, so that nothing here is ever taken back.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{CloseReason, Framer, Limits, Server, SessionId};

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) framer: Framer,
    output: VecDeque<Bytes>,
    /// Bytes of the output.
    queued: usize,
    /// Bytes that are kept for the session elsewhere: answers that wait for a log, messages that wait for it.
    held: usize,
    pub(crate) is_ready: bool,
    pub(crate) closed: bool,
    /// Whether the client wants to hear of changes of databases rather than be cut off.
    pub(crate) change_aware: bool,
    pub(crate) monitors: usize,
    pub(crate) waiting: usize,
}

impl Session {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            framer: Framer::new(limits.message, limits.nesting),
            output: VecDeque::new(),
            queued: 0,
            held: 0,
            is_ready: false,
            closed: false,
            change_aware: false,
            monitors: 0,
            waiting: 0,
        }
    }

    pub(crate) fn take_output(&mut self) -> Option<Bytes> {
        let bytes = self.output.pop_front()?;
        self.queued -= bytes.len();
        Some(bytes)
    }

    pub(crate) fn clear(&mut self) {
        self.output.clear();
        self.queued = 0;
    }

    /// How many bytes wait for the client or for a log.
    pub(crate) const fn backlog(&self) -> usize {
        self.queued + self.held
    }
}

impl Server {
    /// Queues a message for a client.
    pub(super) fn send(&mut self, id: SessionId, bytes: Bytes) {
        self.send_parts(id, [bytes]);
    }

    /// Queues a message that is made of several parts, of which some may be shared with other clients.
    pub(super) fn send_parts(&mut self, id: SessionId, parts: impl IntoIterator<Item = Bytes>) {
        let Some(session) = self.sessions.get_mut(&id).filter(|s| !s.closed) else {
            return;
        };
        for part in parts {
            session.queued += part.len();
            session.output.push_back(part);
        }
        if !std::mem::replace(&mut session.is_ready, true) {
            self.ready.push_back(id);
        }
        self.check_backlog(id);
    }

    /// Notes that so many bytes are kept for a session.
    pub(super) fn hold(&mut self, id: SessionId, bytes: usize) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.held += bytes;
            self.check_backlog(id);
        }
    }

    /// Notes that they are no longer.
    pub(super) fn let_go(&mut self, id: SessionId, bytes: usize) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.held -= bytes;
        }
    }

    fn check_backlog(&mut self, id: SessionId) {
        let backlog = self.backlog(id);
        if backlog > self.limits.output {
            self.close(id, CloseReason::Overflow(backlog));
        }
    }
}

//! One session: its stream of messages, and what waits to be sent.
//!
//! Invariant: output leaves in the order in which it was made. What depends on a commit is made only when the
//! commit is durable, so that nothing here is ever taken back.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

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

    pub(crate) fn output(&self) -> impl Iterator<Item = &Bytes> {
        self.output.iter()
    }

    /// Takes so many bytes away, which were sent.
    pub(crate) fn sent(&mut self, mut bytes: usize) {
        self.queued -= bytes;
        while let Some(first) = self.output.front_mut() {
            if first.len() > bytes {
                first.advance(bytes);
                return;
            }
            bytes -= first.len();
            self.output.pop_front();
        }
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
    /// The next session that has output. Those with an answer come first.
    #[must_use]
    pub fn poll_ready(&mut self) -> Option<SessionId> {
        loop {
            let next = self.answered.pop_front();
            let id = next.or_else(|| self.ready.pop_front())?;
            if let Some(session) = self.sessions.get_mut(&id) {
                session.is_ready = false;
                return Some(id);
            }
        }
    }

    /// The next bytes for a client. Ask until there are none; what is not taken counts against
    /// [`Limits::output`].
    #[must_use]
    pub fn poll_output(&mut self, session: SessionId) -> Option<Bytes> {
        self.sessions.get_mut(&session)?.take_output()
    }

    /// Whether the next session of [`Server::poll_ready`] has an answer.
    pub fn has_answers(&self) -> bool {
        !self.answered.is_empty()
    }

    /// Whether there is a session for [`Server::poll_ready`].
    pub fn has_ready(&self) -> bool {
        self.has_answers() || !self.ready.is_empty()
    }

    /// What waits for a client, for who can send some of it at once and then says so with
    /// [`Server::output_sent`].
    pub fn output(&self, session: SessionId) -> impl Iterator<Item = &Bytes> {
        let session = self.sessions.get(&session);
        session.into_iter().flat_map(Session::output)
    }

    /// So many bytes of [`Server::output`] were sent.
    pub fn output_sent(&mut self, session: SessionId, bytes: usize) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.sent(bytes);
        }
    }

    /// Queues a message for a client.
    pub(super) fn send(&mut self, id: SessionId, bytes: Bytes) {
        self.send_parts(id, [bytes]);
    }

    /// Queues an answer. Who waits for it need not wait until everybody else has heard of what it did.
    pub(super) fn send_answer(&mut self, id: SessionId, bytes: Bytes) {
        if self.queue(id, [bytes]) {
            self.answered.push_back(id);
        }
    }

    /// Queues a message that is made of several parts, of which some may be shared with other clients.
    pub(super) fn send_parts(&mut self, id: SessionId, parts: impl IntoIterator<Item = Bytes>) {
        if self.queue(id, parts) {
            self.ready.push_back(id);
        }
    }

    /// Whether the session has output now and had none.
    fn queue(&mut self, id: SessionId, parts: impl IntoIterator<Item = Bytes>) -> bool {
        let Some(session) = self.sessions.get_mut(&id).filter(|s| !s.closed) else {
            return false;
        };
        for part in parts {
            session.queued += part.len();
            session.output.push_back(part);
        }
        let is_new = !std::mem::replace(&mut session.is_ready, true);
        self.check_backlog(id);
        is_new
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

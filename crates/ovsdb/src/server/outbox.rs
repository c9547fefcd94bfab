//! One session: its stream of messages, and what waits to be sent.
//!
//! Invariant: output leaves in the order in which it was made, and none before the commit that it shows is
//! durable.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{CloseReason, DatabaseId, Framer, Limits, Server, SessionId};

/// The commit that must be durable before something is sent.
pub(crate) type Gate = Option<(DatabaseId, u64)>;

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) framer: Framer,
    /// What may leave as soon as the gate before it is open.
    gated: VecDeque<(Gate, Bytes)>,
    /// What may leave.
    output: VecDeque<Bytes>,
    /// Bytes in both.
    queued: usize,
    pub(crate) is_ready: bool,
    pub(crate) closed: bool,
    pub(crate) monitors: usize,
    pub(crate) waiting: usize,
}

impl Session {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            framer: Framer::new(limits.message, limits.nesting),
            gated: VecDeque::new(),
            output: VecDeque::new(),
            queued: 0,
            is_ready: false,
            closed: false,
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
        self.gated.clear();
        self.output.clear();
        self.queued = 0;
    }

    /// Whether something waits for a commit of this database.
    pub(crate) fn waits_for(&self, database: DatabaseId) -> bool {
        self.gated
            .iter()
            .any(|(gate, _)| gate.is_some_and(|(of, _)| of == database))
    }
}

impl Server {
    /// Queues a message for a client.
    pub(super) fn send(&mut self, id: SessionId, bytes: Bytes, gate: Gate) {
        self.send_parts(id, [bytes], gate);
    }

    /// Queues a message that is made of several parts, of which some may be shared with other clients.
    pub(super) fn send_parts(
        &mut self,
        id: SessionId,
        parts: impl IntoIterator<Item = Bytes>,
        gate: Gate,
    ) {
        let Some(session) = self.sessions.get_mut(&id).filter(|s| !s.closed) else {
            return;
        };
        for part in parts {
            session.queued += part.len();
            session.gated.push_back((gate, part));
        }
        let queued = session.queued;
        if queued > self.limits.output {
            return self.close(id, CloseReason::Overflow(queued));
        }
        match gate.filter(|(database, revision)| self.databases[database.0].durable < *revision) {
            Some((database, revision)) => self.databases[database.0].wait(revision, id),
            None => self.flush(id),
        }
    }

    /// Lets everything leave whose gate is open.
    pub(super) fn flush(&mut self, id: SessionId) {
        let databases = &self.databases;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let open = |gate: &Gate| {
            gate.is_none_or(|(database, revision)| databases[database.0].durable >= revision)
        };
        while session.gated.front().is_some_and(|(gate, _)| open(gate)) {
            session
                .output
                .extend(session.gated.pop_front().map(|(_, bytes)| bytes));
        }
        if !session.output.is_empty() && !std::mem::replace(&mut session.is_ready, true) {
            self.ready.push_back(id);
        }
        // What stands in front may belong to another database, whose release then flushes the rest.
    }

    /// The sessions that wait for a commit of this database.
    pub(super) fn sessions_waiting_for(&self, database: DatabaseId) -> Vec<SessionId> {
        let waits = self
            .sessions
            .iter()
            .filter(|(_, session)| session.waits_for(database));
        let mut ids: Vec<SessionId> = waits.map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }
}

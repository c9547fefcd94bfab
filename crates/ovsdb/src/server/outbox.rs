//! One session: its stream of messages, and what waits to be sent.
//!
//! Invariant: output leaves in the order in which it was made, and none before the commit that it shows is
//! durable.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{CloseReason, DatabaseId, Framer, Limits, Server, SessionId};
use crate::ErrorKind;

/// The commit that must be durable before something is sent.
pub(crate) type Gate = Option<(DatabaseId, u64)>;

/// What becomes of a message when the log refuses the commit that it waits for.
#[derive(Debug, Clone)]
pub(crate) enum Refusal {
    /// The client cannot go on from what it knows.
    CutOff,
    /// There is nothing to hear of.
    Silence,
    /// The request of that id, a transaction of so many operations, has failed.
    Reply(Value, usize),
}

/// A message, or a part of one, that may have to wait.
#[derive(Debug)]
struct Gated {
    gate: Gate,
    bytes: Bytes,
    refusal: Refusal,
}

impl Gated {
    fn waits_for(&self, database: DatabaseId) -> bool {
        self.gate.is_some_and(|(of, _)| of == database)
    }
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) framer: Framer,
    /// What may leave as soon as the gate before it is open.
    gated: VecDeque<Gated>,
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

    /// How many bytes wait to be sent.
    pub(crate) const fn backlog(&self) -> usize {
        self.queued
    }

    /// Answers what waits for commits of this database that are lost; `false` when the session cannot go on.
    fn refuse(&mut self, database: DatabaseId, details: &str) -> bool {
        let mut kept = VecDeque::with_capacity(self.gated.len());
        for mut gated in std::mem::take(&mut self.gated) {
            if gated.waits_for(database) {
                self.queued -= gated.bytes.len();
                match &gated.refusal {
                    Refusal::CutOff => return false,
                    Refusal::Silence => continue,
                    Refusal::Reply(id, operations) => {
                        gated.bytes = io_error(id, *operations, details);
                        gated.gate = None;
                        self.queued += gated.bytes.len();
                    }
                }
            }
            kept.push_back(gated);
        }
        self.gated = kept;
        true
    }

    /// Whether something waits for a commit of this database.
    pub(crate) fn waits_for(&self, database: DatabaseId) -> bool {
        self.gated.iter().any(|gated| gated.waits_for(database))
    }
}

/// The reply to a transaction whose commit failed: one element more than there are operations (RFC 7047
/// section 4.1.3).
fn io_error(id: &Value, operations: usize, details: &str) -> Bytes {
    let mut result = vec![json!({}); operations];
    result.push(json!({ "error": ErrorKind::Io.tag(), "details": details }));
    let reply = json!({ "id": id, "result": result, "error": null });
    reply.to_string().into()
}

impl Server {
    /// Queues a message for a client.
    pub(super) fn send(&mut self, id: SessionId, bytes: Bytes, gate: Gate) {
        self.send_parts(id, [bytes], gate, &Refusal::CutOff);
    }

    /// Queues a message that is made of several parts, of which some may be shared with other clients.
    pub(super) fn send_parts(
        &mut self,
        id: SessionId,
        parts: impl IntoIterator<Item = Bytes>,
        gate: Gate,
        refusal: &Refusal,
    ) {
        let Some(session) = self.sessions.get_mut(&id).filter(|s| !s.closed) else {
            return;
        };
        for part in parts {
            session.queued += part.len();
            session.gated.push_back(Gated {
                gate,
                bytes: part,
                refusal: refusal.clone(),
            });
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
        while session.gated.front().is_some_and(|it| open(&it.gate)) {
            session
                .output
                .extend(session.gated.pop_front().map(|it| it.bytes));
        }
        if !session.output.is_empty() && !std::mem::replace(&mut session.is_ready, true) {
            self.ready.push_back(id);
        }
        // What stands in front may belong to another database, whose release then flushes the rest.
    }

    /// Takes back what a session was to hear of commits that are lost.
    pub(super) fn refuse(&mut self, id: SessionId, database: DatabaseId, details: &str) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if session.refuse(database, details) {
            self.flush(id);
        } else {
            let name = self.database(database).schema().name.clone();
            self.close(id, CloseReason::Log(name));
        }
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

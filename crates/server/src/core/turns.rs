//! Clients take turns, and none is read from while it does not read.
//!
//! Invariant: of a connection one chunk of bytes at most is in the core, beside the beginning of a message
//! that is not whole. Its reader reads on only when all messages of that chunk are handled.

use ovsdb::server::{Environment, Server, SessionId};
use tokio::sync::OwnedSemaphorePermit;

use super::{Core, MAX_UNWRITTEN};

/// How many messages of a client are handled before it is another's turn.
const TURN: usize = 16;
/// While that many bytes wait for a client, its messages are not handled.
const MAX_BACKLOG: usize = 256 << 10;

/// What is with the messages of a connection.
#[derive(Debug, Default)]
pub(super) enum Turn {
    /// All are handled.
    #[default]
    Idle,
    /// It is in the queue.
    Queued(OwnedSemaphorePermit),
    /// The client has to read first.
    Blocked(OwnedSemaphorePermit),
}

impl Core {
    pub(super) fn received(
        &mut self,
        session: SessionId,
        bytes: &[u8],
        permit: OwnedSemaphorePermit,
    ) {
        let Some(peer) = self.peers.get_mut(&session) else {
            return;
        };
        self.server.push(session, bytes);
        peer.turn = Turn::Queued(permit);
        self.turns.push_back(session);
    }

    /// Whether there is somebody to take a turn.
    pub(super) fn has_turns(&self) -> bool {
        !self.turns.is_empty() && self.unwritten < MAX_UNWRITTEN
    }

    /// Gives one turn to each client that has messages.
    pub(super) fn take_turns(&mut self) {
        if !self.has_turns() {
            return;
        }
        for session in std::mem::take(&mut self.turns) {
            self.take_turn(session);
        }
    }

    fn take_turn(&mut self, session: SessionId) {
        let mut blocked = false;
        for _ in 0..TURN {
            blocked = self.server.backlog(session) > MAX_BACKLOG;
            if blocked {
                break;
            }
            let next = |server: &mut Server, environment: &mut Environment<'_>| {
                server.handle_next(session, environment)
            };
            if !self.with_environment(next) {
                // This drops the permit, so the connection reads on.
                return self.set_turn(session, Turn::Idle);
            }
        }
        let Some(peer) = self.peers.get_mut(&session) else {
            return;
        };
        if let Turn::Queued(permit) = std::mem::take(&mut peer.turn) {
            if blocked {
                peer.turn = Turn::Blocked(permit);
            } else {
                peer.turn = Turn::Queued(permit);
                self.turns.push_back(session);
            }
        }
    }

    fn set_turn(&mut self, session: SessionId, turn: Turn) {
        if let Some(peer) = self.peers.get_mut(&session) {
            peer.turn = turn;
        }
    }

    /// Lets a client take turns again that has read enough.
    pub(super) fn unblock(&mut self, session: SessionId) {
        if self.server.backlog(session) > MAX_BACKLOG {
            return;
        }
        let Some(peer) = self.peers.get_mut(&session) else {
            return;
        };
        match std::mem::take(&mut peer.turn) {
            Turn::Blocked(permit) => {
                peer.turn = Turn::Queued(permit);
                self.turns.push_back(session);
            }
            other => peer.turn = other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use ovsdb::database::Rights;
    use ovsdb::server::Limits;
    use tokio::sync::{Semaphore, mpsc, oneshot};

    use super::*;
    use crate::core::{Input, Inputs, Output, Stall};

    /// A connection without a socket.
    struct Client {
        session: SessionId,
        output: mpsc::Receiver<Bytes>,
        stall: Arc<Stall>,
        reading: Arc<Semaphore>,
        inputs: Inputs,
    }

    impl Client {
        async fn new(inputs: &Inputs) -> Self {
            let (bytes, output) = mpsc::channel(4);
            let stall = Arc::default();
            let (reply, session) = oneshot::channel();
            let connected = Input::Connected {
                peer: "client".into(),
                rights: Rights::default(),
                output: Output {
                    bytes,
                    direct: None,
                    stall: Arc::clone(&stall),
                },
                reply,
            };
            inputs.send(connected).await.unwrap();
            Self {
                session: session.await.unwrap(),
                output,
                stall,
                reading: Arc::new(Semaphore::new(1)),
                inputs: inputs.clone(),
            }
        }

        /// Sends so many requests in one chunk.
        async fn ask(&self, requests: usize, method: &str) {
            let request = format!(
                r#"{{"id":7,"method":"{method}","params":["{}"]}}"#,
                "x".repeat(900)
            );
            let permit = Arc::clone(&self.reading).acquire_owned().await.unwrap();
            let bytes = request.repeat(requests).into();
            let received = Input::Received(self.session, bytes, permit);
            self.inputs.send(received).await.unwrap();
        }

        async fn answer(&mut self) -> Bytes {
            let bytes = self.output.recv().await.unwrap();
            if self.stall.sent(bytes.len(), self.output.is_empty()) {
                self.inputs
                    .send(Input::Writable(self.session))
                    .await
                    .unwrap();
            }
            bytes
        }
    }

    #[tokio::test]
    async fn a_client_that_asks_much_gets_its_turn_and_no_more() {
        let (inputs, _core) = Core::new(Limits::default()).start();
        let (mut greedy, mut other) = (Client::new(&inputs).await, Client::new(&inputs).await);
        greedy.ask(2_000, "echo").await;
        other.ask(1, "echo").await;
        other.answer().await;
        assert!(greedy.output.len() <= 2 * TURN, "{}", greedy.output.len());
        assert_eq!(greedy.reading.available_permits(), 0);
        for n in 0..2_000 {
            assert!(greedy.answer().await.len() > 900, "answer {n}");
        }
        // All is handled, so more would be read.
        drop(greedy.reading.acquire().await.unwrap());
    }

    #[tokio::test]
    async fn who_does_not_read_is_not_read_from() {
        let mut core = Core::new(Limits::default());
        let (inputs, mut receiver) = mpsc::channel(64);
        let client = async { Client::new(&inputs).await };
        let connect = async {
            let connected = receiver.recv().await.unwrap();
            core.input(connected);
        };
        let (client, ()) = tokio::join!(client, connect);
        client.ask(5_000, "echo").await;
        core.input(receiver.recv().await.unwrap());
        while core.has_turns() {
            core.take_turns();
            core.hand_out();
        }
        let backlog = core.server.backlog(client.session);
        assert!(
            (MAX_BACKLOG..MAX_BACKLOG + 2_000).contains(&backlog),
            "{backlog}"
        );
        assert_eq!(client.reading.available_permits(), 0);
        // One that is gone leaves nothing behind.
        core.input(Input::Disconnected(client.session));
        assert_eq!(client.reading.available_permits(), 1);
        assert_eq!(core.server.backlog(client.session), 0);
    }
}

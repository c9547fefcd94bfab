//! What goes to clients: at once if that is little and there is room, else through the task of the connection.
//!
//! Invariant: bytes of a client leave in their order. Who sends past a connection does so only while that has nothing
//! to send.

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use ovsdb::server::{Server, SessionId};
use tokio::sync::{Notify, mpsc};
use transport::stream::Direct;

use super::Core;

/// A connection that has taken that many bytes and not sent them gets no more.
const MAX_TAKEN: usize = 256 << 10;
/// Up to so many bytes are sent at once, without a task that sends them: it costs about as much to copy them as to
/// wake that.
const MAX_DIRECT: usize = 32 << 10;
/// How many pieces are sent at once.
const PARTS: usize = 16;
/// How many clients are handed what is for all, before others get their turn; a millisecond or two.
const HAND_OUT: usize = 512;
/// Where the bytes for a client go.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) bytes: mpsc::Sender<Bytes>,
    /// A way past it, as long as the connection has nothing to send.
    pub(crate) direct: Option<Direct>,
    pub(crate) stall: Arc<Stall>,
}

impl Output {
    /// A place for some bytes, if the connection can take more now.
    fn place(&self) -> Option<mpsc::Permit<'_, Bytes>> {
        let has_room = self.stall.taken.load(Ordering::SeqCst) < MAX_TAKEN;
        has_room.then(|| self.bytes.try_reserve().ok()).flatten()
    }

    /// Sends what waits for a client without troubling its connection, if that is little and there is room.
    fn send_past(&self, server: &mut Server, session: SessionId) {
        let is_idle = self.stall.taken.load(Ordering::SeqCst) == 0;
        let Some(direct) = self.direct.as_ref().filter(|_| is_idle) else {
            return;
        };
        while server.backlog(session) <= MAX_DIRECT {
            let mut parts = [IoSlice::new(&[]); PARTS];
            let filled = parts.iter_mut().zip(server.output(session));
            let count = filled
                .map(|(part, bytes)| *part = IoSlice::new(bytes))
                .count();
            if count == 0 {
                return;
            }
            // Whatever is wrong, the connection finds it out with what is left.
            match direct.try_send(&parts[..count]) {
                Ok(sent) => server.output_sent(session, sent),
                Err(_) => return,
            }
        }
    }
}

/// Whether there was more for a client than its connection could take; it then says when it can.
#[derive(Debug, Default)]
pub(crate) struct Stall {
    stalled: AtomicBool,
    over: Notify,
    /// How many bytes the connection has taken and not sent yet.
    taken: AtomicUsize,
}

impl Stall {
    /// Notes that bytes were sent, and whether that was all. Says whether the core is to hear that the stall is
    /// over.
    pub(crate) fn sent(&self, bytes: usize, all: bool) -> bool {
        self.taken.fetch_sub(bytes, Ordering::SeqCst);
        all && self.clear()
    }

    fn set(&self) {
        self.stalled.store(true, Ordering::SeqCst);
    }

    /// Ends the stall; whether there was one.
    fn clear(&self) -> bool {
        let stalled = self.stalled.swap(false, Ordering::SeqCst);
        if stalled {
            self.over.notify_one();
        }
        stalled
    }

    /// Waits for the end of the stall. For one waiter.
    pub(crate) async fn over(&self) {
        while self.stalled.load(Ordering::SeqCst) {
            self.over.notified().await;
        }
    }
}

impl Core {
    /// Passes on the answers, and some of what is for those who only listen.
    pub(super) fn hand_out_output(&mut self) {
        let mut others = HAND_OUT;
        while others > 0 {
            others -= usize::from(!self.server.has_answers());
            let Some(session) = self.server.poll_ready() else {
                return;
            };
            if self.followers.contains_key(&session) {
                self.notices(session);
            } else {
                self.pass_on(session);
            }
        }
    }

    /// Passes bytes to a connection as far as it takes them.
    pub(super) fn pass_on(&mut self, session: SessionId) {
        self.pass_bytes(session);
        self.unblock(session);
    }

    fn pass_bytes(&mut self, session: SessionId) {
        let Some(peer) = self.peers.get(&session) else {
            return;
        };
        peer.output.send_past(&mut self.server, session);
        loop {
            let place = peer.output.place().or_else(|| {
                // Between the look and the mark the connection may have emptied its queue.
                peer.output.stall.set();
                peer.output.place()
            });
            let Some(place) = place else { return };
            let Some(bytes) = self.server.poll_output(session) else {
                // The mark may be there although the last piece found room.
                peer.output.stall.clear();
                return;
            };
            let taken = &peer.output.stall.taken;
            taken.fetch_add(bytes.len(), Ordering::SeqCst);
            place.send(bytes);
        }
    }
}

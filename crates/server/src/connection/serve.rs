//! One connection: bytes in, bytes out.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use ovsdb::database::Rights;
use ovsdb::server::SessionId;
use tokio::io::AsyncReadExt;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use transport::Connection;
use transport::stream::{Direct, Reader, Writer, error_text};

use crate::core::{Input, Inputs, Output, Stall};

/// How much is read at once.
const READ: usize = 64 << 10;
/// How many messages a connection holds.
const QUEUE: usize = 16;

/// What the core knows of a connection.
pub(super) struct Session {
    pub(super) id: SessionId,
    /// What the core hands over to be sent.
    queue: mpsc::Receiver<Bytes>,
    stall: Arc<Stall>,
}

/// Makes a connection known to the core; nothing when that has ended.
pub(super) async fn begin(
    peer: String,
    direct: Option<Direct>,
    rights: Rights,
    inputs: &Inputs,
) -> Option<Session> {
    let (bytes, queue) = mpsc::channel(QUEUE);
    let stall = Arc::new(Stall::default());
    let (reply, session) = oneshot::channel();
    let output = Output {
        bytes,
        direct,
        stall: Arc::clone(&stall),
    };
    let connected = Input::Connected {
        peer,
        rights,
        output,
        reply,
    };
    inputs.send(connected).await.ok()?;
    let id = session.await.ok()?;
    Some(Session { id, queue, stall })
}

/// Serves a connection until its end.
pub(super) async fn serve(
    connection: Connection,
    session: Session,
    inputs: &Inputs,
    probe: Option<Duration>,
    ended: impl Future<Output = ()>,
) {
    let Connection {
        reader,
        writer,
        peer,
        ..
    } = connection;
    let Session { id, queue, stall } = session;
    // Whichever ends first ends the connection: the writer when the core drops its queue.
    tokio::select! {
        () = ended => {}
        () = read(reader, id, inputs, probe, &stall) => {}
        result = write(writer, queue, id, inputs, &stall, probe) => {
            if let Err(error) = result {
                tracing::debug!(target: "jsonrpc", "{peer}: send error: {}", error_text(&error));
            }
        }
    }
    // A core that has ended has no sessions.
    let _ = inputs.send(Input::Disconnected(id)).await;
}

/// Passes on what the client sends, until it closes or is silent for too long.
///
/// One piece at a time, and none while replies wait for the client to read: a small request can have a
/// large reply, and who asks without reading must cost neither memory nor the time of others.
async fn read(
    mut reader: Reader,
    session: SessionId,
    inputs: &Inputs,
    probe: Option<Duration>,
    stall: &Stall,
) {
    let mut buffer = BytesMut::with_capacity(READ);
    let mut probed = false;
    let turn = Arc::new(Semaphore::new(1));
    loop {
        let Ok(permit) = Arc::clone(&turn).acquire_owned().await else {
            return;
        };
        stall.over().await;
        let read = reader.read_buf(&mut buffer);
        let read = match probe {
            None => read.await,
            Some(limit) => match timeout(limit, read).await {
                Ok(read) => read,
                Err(_) if probed => return,
                Err(_) => {
                    probed = true;
                    if inputs.send(Input::Probe(session)).await.is_err() {
                        return;
                    }
                    continue;
                }
            },
        };
        match read {
            Ok(0) | Err(_) => return,
            Ok(_) => probed = false,
        }
        let bytes = buffer.split().freeze();
        let received = Input::Received(session, bytes, permit);
        if inputs.send(received).await.is_err() {
            return;
        }
        buffer.reserve(READ);
    }
}

/// Sends what the core hands over.
async fn write(
    mut writer: Writer,
    mut queue: mpsc::Receiver<Bytes>,
    session: SessionId,
    inputs: &Inputs,
    stall: &Stall,
    probe: Option<Duration>,
) -> std::io::Result<()> {
    let mut handed = Vec::with_capacity(QUEUE);
    while queue.recv_many(&mut handed, QUEUE).await > 0 {
        let mut pieces = Pieces(handed.drain(..).filter(|it| !it.is_empty()).collect());
        let length = pieces.remaining();
        while pieces.has_remaining() {
            send(&mut writer, &mut pieces, probe).await?;
        }
        if writer.holds() {
            send(&mut writer, &mut pieces, probe).await?;
        }
        if stall.sent(length, queue.is_empty()) {
            let _ = inputs.send(Input::Writable(session)).await;
        }
    }
    Ok(())
}

/// Sends a part of the bytes, or what the writer holds of those before.
async fn send(
    writer: &mut Writer,
    bytes: &mut (impl Buf + Send),
    probe: Option<Duration>,
) -> std::io::Result<()> {
    let sent = writer.send(bytes);
    // A client that reads nothing cannot be probed: what asks for a sign of life waits as well.
    match probe {
        None => sent.await,
        Some(limit) => timeout(2 * limit, sent).await?,
    }
}

/// Several pieces that are sent as one; none is empty.
struct Pieces(VecDeque<Bytes>);

impl Buf for Pieces {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], |first| first)
    }

    fn chunks_vectored<'a>(&'a self, parts: &mut [IoSlice<'a>]) -> usize {
        let filled = parts.iter_mut().zip(&self.0);
        filled
            .map(|(part, piece)| *part = IoSlice::new(piece))
            .count()
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(first) = self.0.front_mut() {
            if first.len() > count {
                return first.advance(count);
            }
            count -= first.len();
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_sent_in_order_wherever_they_are_cut() {
        for cut in 0..=9 {
            let mut pieces = Pieces(["abc", "d", "efghi"].map(Bytes::from).into());
            let mut parts = [IoSlice::new(&[]); 2];
            assert_eq!(pieces.chunks_vectored(&mut parts), 2);
            assert_eq!((&*parts[0], &*parts[1]), (&b"abc"[..], &b"d"[..]));
            pieces.advance(cut);
            assert_eq!(pieces.remaining(), 9 - cut);
            assert_eq!(pieces.copy_to_bytes(9 - cut), "abcdefghi".as_bytes()[cut..]);
            assert_eq!(pieces.chunk(), b"");
        }
    }
}

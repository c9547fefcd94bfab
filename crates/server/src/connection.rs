//! The connections of clients: bytes in, bytes out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ovsdb::server::SessionId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use transport::stream::{Reader, Writer, error_text};
use transport::{Connection, Listener, Remote};

use crate::core::{Input, Inputs, Output};

/// How much is read at once.
const READ: usize = 64 << 10;
/// How many messages a connection holds.
const QUEUE: usize = 16;
/// How many clients there can be.
const MAX_CONNECTIONS: usize = 20_000;
/// After how long a silent client of TCP is probed, and after how long again it is cut off.
const PROBE: Duration = Duration::from_secs(60);

/// Takes connections until the task is aborted.
pub(crate) async fn accept(listener: Listener, inputs: Inputs) {
    let count = Arc::new(AtomicUsize::new(0));
    let probe = matches!(listener.remote(), Remote::PassiveTcp(..)).then_some(PROBE);
    loop {
        match listener.accept().await {
            Ok(connection) if count.load(Ordering::Relaxed) >= MAX_CONNECTIONS => {
                tracing::warn!(target: "jsonrpc", "{}: refused: too many connections", connection.peer);
            }
            Ok(connection) => {
                let (inputs, count) = (inputs.clone(), Arc::clone(&count));
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    serve(connection, inputs, probe).await;
                    count.fetch_sub(1, Ordering::Relaxed);
                });
            }
            Err(error) => {
                tracing::warn!(target: "jsonrpc", "{}: accept: {}", listener.remote(), error_text(&error));
                // Out of descriptors, most likely: trying again at once would spin.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(connection: Connection, inputs: Inputs, probe: Option<Duration>) {
    let Connection {
        reader,
        writer,
        peer,
    } = connection;
    let (bytes, queue) = mpsc::channel(QUEUE);
    let stalled = Arc::new(AtomicBool::new(false));
    let (reply, session) = oneshot::channel();
    let output = Output {
        bytes,
        stalled: Arc::clone(&stalled),
    };
    if inputs
        .send(Input::Connected {
            peer: peer.clone(),
            output,
            reply,
        })
        .await
        .is_err()
    {
        return;
    }
    let Ok(session) = session.await else { return };
    // Whichever ends first ends the connection: the writer when the core drops its queue.
    tokio::select! {
        () = read(reader, session, &inputs, probe) => {}
        result = write(writer, queue, session, &inputs, &stalled) => {
            if let Err(error) = result {
                tracing::debug!(target: "jsonrpc", "{peer}: send error: {}", error_text(&error));
            }
        }
    }
    // A core that has ended has no sessions.
    let _ = inputs.send(Input::Disconnected(session)).await;
}

/// Passes on what the client sends, until it closes or is silent for too long.
async fn read(mut reader: Reader, session: SessionId, inputs: &Inputs, probe: Option<Duration>) {
    let mut buffer = BytesMut::with_capacity(READ);
    let mut probed = false;
    loop {
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
        if inputs.send(Input::Received(session, bytes)).await.is_err() {
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
    stalled: &AtomicBool,
) -> std::io::Result<()> {
    while let Some(mut bytes) = queue.recv().await {
        writer.write_all_buf(&mut bytes).await?;
        if queue.is_empty() && stalled.swap(false, Ordering::SeqCst) {
            let _ = inputs.send(Input::Writable(session)).await;
        }
    }
    Ok(())
}

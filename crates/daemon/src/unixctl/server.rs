//! The socket of the commands.

use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use nix::sys::stat::{Mode, fchmod};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use super::{Outcome, Registry};
use crate::Reason;

/// The longest request. Commands are short lines; the longest carry a packet or an expression.
const LONGEST_REQUEST: usize = 1 << 20;

/// A listening control socket. Dropping it closes and removes the socket.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens at `path`, in place of whatever socket a dead process left there.
    ///
    /// # Errors
    /// When the socket cannot be bound.
    pub fn open(path: &Path, registry: Registry) -> io::Result<Self> {
        let listener = bind_private(path)?;
        let task = tokio::spawn(accept(listener, Arc::new(registry)));
        Ok(Self {
            path: path.to_owned(),
            task,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Binds a socket that was closed to others before it had a name, as OVS's are (mode 0770).
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    fchmod(&fd, Mode::from_bits_truncate(0o770))?;
    bind(std::os::fd::AsRawFd::as_raw_fd(&fd), &UnixAddr::new(path)?)?;
    listen(&fd, Backlog::new(64)?)?;
    UnixListener::from_std(StdListener::from(fd))
}

async fn accept(listener: UnixListener, registry: Arc<Registry>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve(stream, Arc::clone(&registry)));
            }
            Err(error) => {
                tracing::warn!(target: "unixctl", "accept failed: {error}");
                // Out of descriptors, most likely: trying again at once would spin.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

/// Answers one connection until it closes or sends what is no request.
async fn serve(mut stream: UnixStream, registry: Arc<Registry>) {
    let mut buffer = Vec::new();
    loop {
        match next_request(&mut buffer) {
            Ok(Some(request)) => {
                let Some((reply, exit)) = answer(&registry, &request).await else {
                    tracing::warn!(target: "unixctl", "received a message that is no request");
                    return;
                };
                if stream
                    .write_all(reply.to_string().as_bytes())
                    .await
                    .is_err()
                {
                    return;
                }
                if let (Some(args), Some(shutdown)) = (exit, &registry.shutdown) {
                    shutdown.request(Reason::Exit(args));
                }
            }
            Ok(None) if buffer.len() < LONGEST_REQUEST => {
                match stream.read_buf(&mut buffer).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                }
            }
            Ok(None) => {
                tracing::warn!(target: "unixctl", "request exceeds {LONGEST_REQUEST} bytes");
                return;
            }
            Err(error) => {
                tracing::warn!(target: "unixctl", "received bad JSON: {error}");
                return;
            }
        }
    }
}

/// Takes one whole JSON value off the front of the buffer, if there is one.
fn next_request(buffer: &mut Vec<u8>) -> Result<Option<Value>, serde_json::Error> {
    let mut values = serde_json::Deserializer::from_slice(buffer).into_iter::<Value>();
    match values.next() {
        Some(Ok(value)) => {
            let taken = values.byte_offset();
            buffer.drain(..taken);
            Ok(Some(value))
        }
        Some(Err(error)) if error.is_eof() => Ok(None),
        Some(Err(error)) => Err(error),
        None => Ok(None),
    }
}

/// The reply to a request, and the arguments of a command that ends the process.
async fn answer(registry: &Registry, request: &Value) -> Option<(Value, Option<Vec<String>>)> {
    let method = request.get("method")?.as_str()?;
    let params = request.get("params")?.as_array()?;
    let id = request.get("id")?;
    let strings: Option<Vec<String>> = params
        .iter()
        .map(|param| param.as_str().map(str::to_owned))
        .collect();
    tracing::debug!(target: "unixctl", "received request {method}{}, id={id}", request["params"]);
    let Outcome { reply, exit } = registry.call(method, strings.ok_or(params.len())).await;
    let reply = match reply {
        Ok(text) => json!({"id": id, "result": line(text), "error": null}),
        Err(text) => json!({"id": id, "result": null, "error": line(text)}),
    };
    Some((reply, exit))
}

/// Ends the text with a line feed, as OVS's daemons do, unless it is empty.
fn line(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

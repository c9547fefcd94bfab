//! Many connections to one server, driven by one thread, which costs little: requests are sent as they are, and of
//! what comes back only the ends of messages are looked for.
//!
//! Invariant: a message is counted once, however it is cut into pieces.

use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{MsgFlags, recv};

/// How much of a message is kept to be looked at.
const HEAD: usize = 1024;

/// A connection.
pub(super) struct Client {
    stream: UnixStream,
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// The beginning of the current message.
    head: Vec<u8>,
    /// The end of the last piece.
    tail: Vec<u8>,
    /// Whether the text that is looked for has come.
    pub(super) marked: bool,
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

/// Connections that are waited for together.
pub(super) struct Swarm {
    epoll: Epoll,
    clients: Vec<Client>,
    buffer: Vec<u8>,
    /// Text that marks a client which receives it.
    pub(super) marker: Vec<u8>,
}

impl Swarm {
    /// So many connections.
    pub(super) fn connect(socket: &Path, count: usize) -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut clients = Vec::with_capacity(count);
        for number in 0..count {
            let stream = connect(socket)?;
            epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, number as u64))?;
            clients.push(Client::new(stream));
        }
        let buffer = vec![0; 256 << 10];
        Ok(Self {
            epoll,
            clients,
            buffer,
            marker: Vec::new(),
        })
    }

    /// Bytes received by all.
    pub(super) fn bytes(&self) -> u64 {
        self.clients.iter().map(|client| client.bytes).sum()
    }

    /// Looks for the text from now on.
    pub(super) fn look_for(&mut self, marker: &str) {
        self.marker = marker.as_bytes().to_vec();
        for client in &mut self.clients {
            client.marked = false;
            client.tail.clear();
        }
    }

    /// Sends a request on one connection. Requests are small beside what a socket takes.
    pub(super) fn send(&mut self, number: usize, request: &str) -> Result<()> {
        self.clients[number]
            .stream
            .write_all(request.as_bytes())
            .context("cannot send to the server")
    }

    /// Waits for bytes once, and calls `message` with the client and the beginning of each message that has ended.
    pub(super) fn turn(
        &mut self,
        limit: Duration,
        mut message: impl FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        let millis = u16::try_from(limit.as_millis()).unwrap_or(u16::MAX);
        let ready = match self.epoll.wait(&mut events, EpollTimeout::from(millis)) {
            Err(Errno::EINTR) => 0,
            ready => ready?,
        };
        for event in &events[..ready] {
            let number = usize::try_from(event.data())?;
            let client = &mut self.clients[number];
            let length = match recv(
                client.stream.as_raw_fd(),
                &mut self.buffer,
                MsgFlags::MSG_DONTWAIT,
            ) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(length) => length,
                Err(Errno::EAGAIN | Errno::EINTR) => continue,
                Err(error) => return Err(error).context("cannot read from the server"),
            };
            let bytes = &self.buffer[..length];
            client.bytes += length as u64;
            if !self.marker.is_empty() {
                client.look_for(&self.marker, bytes);
            }
            client.take(bytes, |head| message(number, head))?;
        }
        Ok(())
    }

    /// Takes what comes until `done`.
    pub(super) fn until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&[Client]) -> bool,
    ) -> Result<()> {
        let start = Instant::now();
        while !done(&self.clients) {
            ensure!(
                start.elapsed() < limit,
                "gave up waiting for the server after {limit:?}"
            );
            self.turn(Duration::from_millis(100), |_, head| check(head))?;
        }
        Ok(())
    }

    /// Sends one request, and gives the answer with the time that it took.
    pub(super) fn ask(&mut self, number: usize, request: &str) -> Result<(Vec<u8>, Duration)> {
        let start = Instant::now();
        self.send(number, request)?;
        let mut answer = None;
        while answer.is_none() {
            ensure!(start.elapsed() < super::PATIENCE, "no answer to {request}");
            self.turn(Duration::from_secs(1), |from, head| {
                check(head)?;
                if from == number && !head.windows(8).any(|at| at == b"\"method\"") {
                    answer = Some((head.to_vec(), start.elapsed()));
                }
                Ok(())
            })?;
        }
        answer.context("no answer")
    }
}

/// Fails when a short message tells of an error.
pub(super) fn check(head: &[u8]) -> Result<()> {
    let wrong = [&b"\"error\":\""[..], b"\"error\":{"]
        .iter()
        .any(|error| head.windows(error.len()).any(|at| at == *error));
    ensure!(
        !wrong,
        "the server refuses: {}",
        String::from_utf8_lossy(head)
    );
    Ok(())
}

/// Connects; a server that has just begun may not listen yet, and a busy one may have a full queue.
pub(super) fn connect(socket: &Path) -> Result<UnixStream> {
    let start = Instant::now();
    loop {
        match UnixStream::connect(socket) {
            Err(error)
                if start.elapsed() < Duration::from_secs(10)
                    && matches!(
                        error.kind(),
                        ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::WouldBlock
                    ) =>
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            result => {
                return result.with_context(|| format!("cannot connect to {}", socket.display()));
            }
        }
    }
}

impl Client {
    const fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            depth: 0,
            in_string: false,
            escaped: false,
            head: Vec::new(),
            tail: Vec::new(),
            marked: false,
            messages: 0,
            bytes: 0,
        }
    }

    fn take(&mut self, bytes: &[u8], mut message: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut begin = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        self.keep(&bytes[begin..=at]);
                        begin = at + 1;
                        self.messages += 1;
                        message(&self.head)?;
                        self.head.clear();
                    }
                }
                _ => {}
            }
        }
        self.keep(&bytes[begin..]);
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = HEAD - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn look_for(&mut self, marker: &[u8], bytes: &[u8]) {
        let has = |bytes: &[u8]| bytes.windows(marker.len()).any(|at| at == marker);
        self.tail
            .extend_from_slice(&bytes[..bytes.len().min(marker.len())]);
        self.marked = self.marked || has(&self.tail) || has(bytes);
        self.tail.clear();
        self.tail
            .extend_from_slice(&bytes[bytes.len().saturating_sub(marker.len())..]);
    }
}

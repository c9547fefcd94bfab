//! A netlink socket.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket as Raw, SocketAddr};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, setsockopt, sockopt};

use super::error::Error;

/// No message is longer: a packet has at most 64 KiB, and what is said about it much less. A list comes
/// in pieces of at most 32 KiB.
const BUFFER: usize = 192 << 10;
/// What the kernel keeps for a reader until it reads: the answers to many requests.
const ROOM: usize = 1 << 20;

/// A socket with its number, and room for what comes in.
pub(super) struct Socket {
    raw: Raw,
    pid: u32,
    buffer: Vec<u8>,
    sequence: u32,
}

/// What there was to read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// [`Socket::datagram`] has it.
    Datagram,
    /// Nothing came in time.
    Nothing,
    /// The kernel had more than there was room for, and has dropped messages.
    Overrun,
}

impl Socket {
    pub(super) fn open() -> Result<Self, Error> {
        let mut raw = Raw::new(NETLINK_GENERIC).map_err(|e| Error::io("open a socket", e))?;
        let address = raw
            .bind_auto()
            .map_err(|e| Error::io("give a socket its number", e))?;
        // Answers get shorter, and say more; a kernel that knows neither is no worse for it.
        let _ = raw.set_cap_ack(true);
        let _ = raw.set_ext_ack(true);
        let socket = Self {
            raw,
            pid: address.port_number(),
            buffer: Vec::with_capacity(BUFFER),
            sequence: 0,
        };
        socket.set_receive_buffer(ROOM)?;
        Ok(socket)
    }

    /// The number by which the kernel sends to it.
    pub(super) const fn pid(&self) -> u32 {
        self.pid
    }

    /// A number that no request on this socket has had lately.
    pub(super) const fn next_sequence(&mut self) -> u32 {
        // Zero is for what answers nothing.
        self.sequence = if self.sequence == u32::MAX {
            1
        } else {
            self.sequence + 1
        };
        self.sequence
    }

    /// Has the kernel keep up to this many bytes for the reader.
    pub(super) fn set_receive_buffer(&self, bytes: usize) -> Result<(), Error> {
        // Beyond the system's limit it takes a capability; without it, the limit is what there is.
        setsockopt(&self.raw, sockopt::RcvBufForce, &bytes)
            .or_else(|_| setsockopt(&self.raw, sockopt::RcvBuf, &bytes))
            .map_err(|errno| Error::io("make room", errno.into()))
    }

    pub(super) fn join(&mut self, group: u32) -> Result<(), Error> {
        self.raw
            .add_membership(group)
            .map_err(|e| Error::io("join a group of events", e))
    }

    pub(super) fn send(&self, bytes: &[u8]) -> Result<(), Error> {
        let kernel = SocketAddr::new(0, 0);
        loop {
            match self.raw.send_to(bytes, &kernel, 0) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("send a request", error)),
            }
        }
    }

    /// Reads the next datagram, and waits for it until then; without an end if there is none.
    pub(super) fn receive(&mut self, until: Option<Instant>) -> Result<Received, Error> {
        loop {
            match self.receive_now()? {
                Received::Nothing => {}
                something => return Ok(something),
            }
            if !wait(&[self.as_fd()], until)? {
                return Ok(Received::Nothing);
            }
        }
    }

    /// Reads the next datagram if there is one.
    pub(super) fn receive_now(&mut self) -> Result<Received, Error> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        loop {
            self.buffer.clear();
            let length = match self.raw.recv(&mut self.buffer, flags.bits()) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Received::Nothing);
                }
                Err(error) if is_overrun(&error) => return Ok(Received::Overrun),
                Err(error) => return Err(Error::io("receive", error)),
            };
            if length > self.buffer.len() {
                // It cannot be read any more; the next one of its size can.
                self.buffer.reserve(length);
                return Ok(Received::Overrun);
            }
            return Ok(Received::Datagram);
        }
    }

    /// What was last received.
    pub(super) fn datagram(&self) -> &[u8] {
        &self.buffer
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.raw.as_fd()
    }
}

fn is_overrun(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::errno::Errno::ENOBUFS as i32)
}

/// Waits until one of the sockets has something, and says whether one has.
pub(super) fn wait(sockets: &[BorrowedFd<'_>], until: Option<Instant>) -> Result<bool, Error> {
    let mut fds: Vec<PollFd<'_>> = sockets
        .iter()
        .map(|fd| PollFd::new(*fd, PollFlags::POLLIN))
        .collect();
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        match poll(&mut fds, timeout(left)) {
            Ok(0) if left.is_some_and(|left| left.is_zero()) => return Ok(false),
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(Error::io("wait", errno.into())),
        }
    }
}

/// In whole milliseconds, and none less than there are left.
fn timeout(left: Option<Duration>) -> PollTimeout {
    let Some(left) = left else {
        return PollTimeout::NONE;
    };
    let milliseconds = left.as_nanos().div_ceil(1_000_000);
    let bounded = u16::try_from(milliseconds).unwrap_or(u16::MAX);
    PollTimeout::from(bounded)
}

/// The time that a wait of this length ends.
pub(super) fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    // A time beyond what the clock can say is no end.
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}

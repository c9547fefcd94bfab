//! One question sent as real packets from a VM, and what came of it.
//!
//! A probe keeps asking for a second and ends with the first answer. So what should pass passes as soon
//! as it can, and "no answer" means several lost packets, not one.

mod ping;
mod responder;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use socket2::{Domain, Socket, Type};

pub use self::ping::{Echo, Pinging};
pub use self::responder::Responder;
use crate::namespace::Namespace;

/// How long a probe asks.
const PATIENCE: Duration = Duration::from_millis(1200);
/// How long between two datagrams of one probe.
const AGAIN: Duration = Duration::from_millis(300);
/// What a probe says, and hears again before the name of who answered.
const WORD: &[u8; 8] = b"heddle?\n";

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An echo request.
    Ping,
    /// A connection to this port, on which one line goes each way.
    Tcp(u16),
    /// A datagram to this port, and one back.
    Udp(u16),
}

/// What to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What is sent.
    pub kind: Kind,
    /// Whom.
    pub to: IpAddr,
    /// From which of the sender's addresses, if it matters.
    pub from: Option<IpAddr>,
    /// The time to live that it is sent with, if not the usual one.
    pub ttl: Option<u8>,
}

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The one who was asked answered.
    Answered(Answer),
    /// This router said that the time to live was exceeded.
    Expired(String),
    /// Somebody said that it cannot be done: an ICMP error, or a TCP reset.
    Refused(String),
    /// Nobody said anything.
    Silence,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// From the request to the answer.
    pub took: Duration,
    /// The name that a [`Responder`] gave; a ping has none.
    pub by: Option<String>,
}

impl Outcome {
    /// Whether the answer came.
    pub fn is_answered(&self) -> bool {
        matches!(self, Self::Answered(_))
    }
}

impl Probe {
    /// A probe without particulars.
    pub fn new(kind: Kind, to: IpAddr) -> Self {
        Self {
            kind,
            to,
            from: None,
            ttl: None,
        }
    }

    /// Asks, from inside `namespace`.
    ///
    /// # Errors
    /// When it could not be asked, for example because the sender has no route. That is a defect of the
    /// testbed, not an answer.
    pub fn ask(&self, namespace: &Namespace) -> Result<Outcome> {
        let probe = self.clone();
        namespace.run(move || match probe.kind {
            Kind::Ping => ping::once(probe.to, probe.from, probe.ttl),
            Kind::Tcp(port) => probe.tcp((probe.to, port).into()),
            Kind::Udp(port) => probe.udp((probe.to, port).into()),
        })?
    }

    fn socket(&self, kind: Type) -> std::io::Result<Socket> {
        let socket = Socket::new(Domain::for_address((self.to, 0).into()), kind, None)?;
        let any: IpAddr = match self.to {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        socket.bind(&SocketAddr::from((self.from.unwrap_or(any), 0)).into())?;
        match (self.ttl, self.to) {
            (Some(ttl), IpAddr::V4(_)) => socket.set_ttl_v4(ttl.into())?,
            (Some(ttl), IpAddr::V6(_)) => socket.set_unicast_hops_v6(ttl.into())?,
            (None, _) => {}
        }
        Ok(socket)
    }

    fn tcp(&self, to: SocketAddr) -> Result<Outcome> {
        let socket = self.socket(Type::STREAM).context("cannot open a socket")?;
        let start = Instant::now();
        let talk = || -> std::io::Result<String> {
            socket.connect_timeout(&to.into(), PATIENCE)?;
            let mut stream = TcpStream::from(socket);
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(WORD)?;
            let mut said = String::new();
            stream.read_to_string(&mut said)?;
            Ok(said)
        };
        match talk() {
            Ok(said) => Ok(answered(start, said.as_bytes())),
            Err(error) => failed(&error, "connect"),
        }
    }

    fn udp(&self, to: SocketAddr) -> Result<Outcome> {
        let socket = UdpSocket::from(self.socket(Type::DGRAM).context("cannot open a socket")?);
        socket.set_read_timeout(Some(AGAIN))?;
        let start = Instant::now();
        let mut buffer = [0; 512];
        let mut talk = || -> std::io::Result<usize> {
            socket.connect(to)?;
            loop {
                socket.send(WORD)?;
                match socket.recv(&mut buffer) {
                    Err(error) if is_timeout(&error) && start.elapsed() < PATIENCE => {}
                    result => return result,
                }
            }
        };
        match talk() {
            Ok(length) => Ok(answered(start, &buffer[..length])),
            Err(error) => failed(&error, "send"),
        }
    }
}

fn answered(start: Instant, said: &[u8]) -> Outcome {
    let took = start.elapsed();
    match said.strip_prefix(WORD) {
        Some(name) => {
            let by = Some(String::from_utf8_lossy(name).trim().to_owned());
            Outcome::Answered(Answer { took, by })
        }
        None => Outcome::Refused("somebody else answered".to_owned()),
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn failed(error: &std::io::Error, what: &str) -> Result<Outcome> {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Ok(Outcome::Silence),
        // These come from an ICMP error or a reset; without a route of our own it would be another one.
        ErrorKind::ConnectionRefused
        | ErrorKind::ConnectionReset
        | ErrorKind::HostUnreachable
        | ErrorKind::PermissionDenied => Ok(Outcome::Refused(error.to_string())),
        _ => Err(anyhow!("cannot {what}: {error}")),
    }
}

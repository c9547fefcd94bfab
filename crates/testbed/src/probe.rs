//! One question sent as real packets from a VM, and what came of it.
//!
//! A probe keeps asking for a second and ends with the first answer. So what should pass passes as soon
//! as it can, and "no answer" means several lost packets, not one.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::namespace::Namespace;

/// How long a probe asks.
const PATIENCE: Duration = Duration::from_millis(1200);
/// How long between two datagrams of one probe.
const AGAIN: Duration = Duration::from_millis(300);
/// What a probe says, and hears again before the name of who answered.
const WORD: &[u8; 8] = b"heddle?\n";

/// What to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// An echo request.
    Ping {
        /// Whom.
        to: IpAddr,
        /// From which of our addresses, if it matters.
        from: Option<IpAddr>,
        /// The time to live of the request, if not the usual one.
        ttl: Option<u8>,
    },
    /// A connection on which one line goes each way.
    Tcp {
        /// Whom.
        to: SocketAddr,
    },
    /// A datagram each way.
    Udp {
        /// Whom.
        to: SocketAddr,
    },
}

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The one who was asked answered.
    Answered(Answer),
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

/// What a steady ping saw; see [`Echo::start`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Requests sent.
    pub sent: u32,
    /// Answers received.
    pub received: u32,
}

impl Probe {
    /// Asks, from inside `namespace`.
    ///
    /// # Errors
    /// When it could not be asked, for example because the sender has no route. That is a defect of the
    /// testbed, not an answer.
    pub fn ask(&self, namespace: &Namespace) -> Result<Outcome> {
        let probe = self.clone();
        namespace.run(move || match probe {
            Self::Ping { to, from, ttl } => ping(to, from, ttl),
            Self::Tcp { to } => tcp(to),
            Self::Udp { to } => udp(to),
        })?
    }
}

fn ping(to: IpAddr, from: Option<IpAddr>, ttl: Option<u8>) -> Result<Outcome> {
    let mut command = Command::new("ping");
    // With a deadline, `ping` goes on asking until the first answer.
    command
        .args(["-n", "-c", "1", "-i", "0.2", "-w", "1"])
        .env("LC_ALL", "C");
    if let Some(from) = from {
        command.args(["-I", &from.to_string()]);
    }
    if let Some(ttl) = ttl {
        command.args(["-t", &ttl.to_string()]);
    }
    let output = command
        .arg(to.to_string())
        .output()
        .context("cannot run ping")?;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(2) {
        return Err(anyhow!(
            "ping: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    Ok(read_ping(&said))
}

fn read_ping(said: &str) -> Outcome {
    for line in said.lines() {
        if let Some((_, after)) = line.split_once(" time=") {
            let number = after
                .split_whitespace()
                .next()
                .and_then(|text| text.parse::<f64>().ok());
            let took = Duration::from_secs_f64(number.unwrap_or_default() / 1000.0);
            return Outcome::Answered(Answer { took, by: None });
        }
        if let Some(error) = line.strip_prefix("From ") {
            return Outcome::Refused(error.replace("icmp_seq=", "#"));
        }
    }
    Outcome::Silence
}

fn tcp(to: SocketAddr) -> Result<Outcome> {
    let start = Instant::now();
    let talk = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
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

fn udp(to: SocketAddr) -> Result<Outcome> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).context("cannot open a datagram socket")?;
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

impl Echo {
    /// Pings steadily, `every` so often, until the guard that it gives is asked for the count.
    ///
    /// # Errors
    /// When `ping` cannot be started.
    pub fn start(namespace: &Namespace, to: IpAddr, every: Duration) -> Result<Pinging> {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "ping", "-n", "-q", "-W", "1"])
            .args(["-i", &format!("{}", every.as_secs_f64()), &to.to_string()])
            .env("LC_ALL", "C")
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped());
        let child = namespace
            .run(move || command.spawn())?
            .context("cannot start ping")?;
        Ok(Pinging(Some(child)))
    }

    fn read(said: &str) -> Option<Self> {
        let line = said
            .lines()
            .find(|line| line.contains("packets transmitted"))?;
        let mut numbers = line
            .split(", ")
            .filter_map(|part| part.split(' ').next()?.parse().ok());
        Some(Self {
            sent: numbers.next()?,
            received: numbers.next()?,
        })
    }
}

/// A ping that runs.
pub struct Pinging(Option<std::process::Child>);

impl Pinging {
    /// Ends it, and gives what it saw. The last request may still be on its way: one that is not yet
    /// answered counts as lost, so allow for one.
    ///
    /// # Errors
    /// When it had ended by itself.
    pub fn finish(mut self) -> Result<Echo> {
        let child = self.0.take().context("a ping is finished once")?;
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id())?);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).context("ping has ended")?;
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        Echo::read(&said).with_context(|| format!("ping said {said:?}"))
    }
}

impl Drop for Pinging {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Answers TCP and UDP probes on one port of a VM, on all its addresses, until dropped.
pub struct Responder {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// How often a responder looks whether it should stop.
const GLANCE: Duration = Duration::from_millis(100);

impl Responder {
    /// Starts to answer in `namespace`, as `name`.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(namespace: &Namespace, name: &str, port: u16) -> Result<Self> {
        let mut word = WORD.to_vec();
        word.extend_from_slice(name.as_bytes());
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let threads = namespace.run(move || -> std::io::Result<_> {
            let any = (Ipv6Addr::UNSPECIFIED, port);
            let (listener, socket) = (TcpListener::bind(any)?, UdpSocket::bind(any)?);
            socket.set_read_timeout(Some(GLANCE))?;
            let (second_word, second_flag) = (word.clone(), Arc::clone(&flag));
            Ok(vec![
                std::thread::spawn(move || serve_tcp(&listener, &word, &flag)),
                std::thread::spawn(move || serve_udp(&socket, &second_word, &second_flag)),
            ])
        })?;
        let threads = threads.with_context(|| format!("{name} cannot listen on port {port}"))?;
        Ok(Self { stop, threads })
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn serve_tcp(listener: &TcpListener, word: &[u8], stop: &AtomicBool) {
    let patience = PollTimeout::try_from(GLANCE).unwrap_or(PollTimeout::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let mut waiting = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        if !matches!(poll(&mut waiting, patience), Ok(1..)) {
            continue;
        }
        // A peer that breaks off is the prober's business; the next one is served all the same.
        let _ = listener.accept().and_then(|(mut stream, _)| {
            stream.set_read_timeout(Some(PATIENCE))?;
            let mut question = [0; WORD.len()];
            stream.read_exact(&mut question)?;
            stream.write_all(word)
        });
    }
}

fn serve_udp(socket: &UdpSocket, word: &[u8], stop: &AtomicBool) {
    let mut question = [0; 64];
    while !stop.load(Ordering::Relaxed) {
        if let Ok((_, peer)) = socket.recv_from(&mut question) {
            let _ = socket.send_to(word, peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ping_answers_are_read() {
        let said = "PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.\n\
                    64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.834 ms\n";
        let Outcome::Answered(answer) = read_ping(said) else {
            panic!("{:?}", read_ping(said))
        };
        assert_eq!(answer.took, Duration::from_micros(834));
    }

    #[test]
    fn ping_errors_name_who_sent_them() {
        let said = "PING 10.0.1.2 (10.0.1.2) 56(84) bytes of data.\n\
                    From 10.0.0.1 icmp_seq=1 Time to live exceeded\n";
        assert_eq!(
            read_ping(said),
            Outcome::Refused("10.0.0.1 #1 Time to live exceeded".to_owned())
        );
    }

    #[test]
    fn ping_without_an_answer_is_silence() {
        let said = "--- 10.0.0.2 ping statistics ---\n5 packets transmitted, 0 received\n";
        assert_eq!(read_ping(said), Outcome::Silence);
    }

    #[test]
    fn a_count_is_read() {
        let said = "\n--- 10.0.0.2 ping statistics ---\n\
                    12 packets transmitted, 11 received, 8.3% packet loss, time 810ms\n";
        assert_eq!(
            Echo::read(said),
            Some(Echo {
                sent: 12,
                received: 11
            })
        );
    }
}

//! The other end of TCP and UDP probes.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{PATIENCE, WORD};
use crate::namespace::Namespace;

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

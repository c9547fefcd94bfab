//! Whole frames in and out of a machine, past its network stack.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike, bind, recv, send,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

use crate::namespace::Namespace;

/// How often the reader looks whether it is to end.
const TURN: Duration = Duration::from_millis(100);
const LONGEST: usize = 65_536;

type Frames = Arc<Mutex<Vec<Vec<u8>>>>;

/// The interface `eth0` of a machine as a wire: every frame that goes over it from now on is kept, in both directions.
#[derive(Debug)]
pub struct Wire {
    socket: Arc<OwnedFd>,
    frames: Frames,
    end: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Wire {
    /// Opens the wire of the machine in a namespace.
    ///
    /// # Errors
    /// When there is no `eth0`, or the kernel refuses.
    pub fn open(namespace: &Namespace) -> Result<Self> {
        let socket = namespace.run(open)?.context("cannot open eth0 as a wire")?;
        let socket = Arc::new(socket);
        let (frames, end) = (Frames::default(), Arc::<AtomicBool>::default());
        let reader = {
            let (socket, frames, end) = (socket.clone(), frames.clone(), end.clone());
            std::thread::Builder::new()
                .name(format!("wire {}", namespace.name()))
                .spawn(move || read(&socket, &frames, &end))?
        };
        Ok(Self {
            socket,
            frames,
            end,
            reader: Some(reader),
        })
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// When the kernel does not take it.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        let sent = send(self.socket.as_raw_fd(), frame, MsgFlags::empty());
        sent.map(drop).context("cannot send a frame")
    }

    /// The frames so far, those that were sent here among them.
    pub fn frames(&self) -> Vec<Vec<u8>> {
        let frames = self.frames.lock();
        frames.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            // It only reads, and cannot panic.
            let _ = reader.join();
        }
    }
}

fn open() -> Result<OwnedFd> {
    let mut interfaces = getifaddrs().context("cannot list interfaces")?;
    let address = interfaces.find_map(|it| {
        let link = it.address?;
        let is_link = link.family() == Some(AddressFamily::Packet);
        (it.interface_name == "eth0" && is_link).then_some(link)
    });
    let socket = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::EthAll,
    )?;
    bind(socket.as_raw_fd(), &address.context("no interface eth0")?)?;
    let turn = TimeVal::new(0, TURN.subsec_micros().into());
    setsockopt(&socket, sockopt::ReceiveTimeout, &turn)?;
    // A burst must not be lost before it is read.
    setsockopt(&socket, sockopt::RcvBuf, &(4 << 20))?;
    Ok(socket)
}

fn read(socket: &OwnedFd, frames: &Frames, end: &AtomicBool) {
    let mut buffer = vec![0; LONGEST];
    while !end.load(Ordering::Relaxed) {
        // Nothing came in this turn, or the interface went down; both may change.
        let Ok(length) = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) else {
            continue;
        };
        let frame = buffer[..length].to_vec();
        let kept = frames.lock();
        kept.unwrap_or_else(PoisonError::into_inner).push(frame);
    }
}

//! Packets that come to user space.
//!
//! The kernel sends a packet to one of several sockets, each with a reader that can be in a thread of its
//! own. Which one is decided in one of two ways: by the CPU that the packet is on, or by the port that it
//! came in at and a hash of its headers. Either keeps the packets of a connection in order.
//!
//! A reader that is too slow loses packets: it is told so, once until it has caught up
//! ([`UpcallReader::overruns`]), and the datapath counts each
//! ([`DatapathStats::lost`](crate::DatapathStats::lost)).

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use super::connection::Connection;
use super::error::Error;
use super::events::{Change, Event, Events};
use super::netlink::{Received, Socket, deadline, wait};
use crate::id::{DatapathId, PortNo};
use crate::message::{
    Content, DatapathRef, Family, Features, SetDatapath, Upcall, VportRef, frames,
};

/// Which reader gets a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dispatch {
    /// By the CPU that the packet is on. Since Linux 5.15. New ports are in it by themselves.
    PerCpu,
    /// By port and headers. New ports are taken in while the first reader is read.
    PerVport,
}

/// How packets are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpcallOptions {
    /// How many readers there are.
    pub readers: usize,
    /// How packets come to them; by default per CPU where the kernel can, or per port.
    pub dispatch: Option<Dispatch>,
    /// How many bytes the kernel keeps for each reader. Beyond the system's limit it takes the capability
    /// that all requests take.
    pub receive_buffer: usize,
}

impl Default for UpcallOptions {
    /// One reader, and four mebibytes.
    fn default() -> Self {
        Self {
            readers: 1,
            dispatch: None,
            receive_buffer: 4 << 20,
        }
    }
}

/// The packets of a datapath that come to user space. When the last reader is gone, packets come no more.
///
/// ```no_run
/// use odp::{Connection, UpcallOptions};
///
/// let connection = Connection::open()?;
/// let datapath = connection.datapath("dp0")?;
/// let upcalls = connection.upcalls(datapath.id, UpcallOptions { readers: 4, ..Default::default() })?;
/// std::thread::scope(|scope| {
///     for mut reader in upcalls.into_readers() {
///         scope.spawn(move || {
///             while let Ok(Some(upcall)) = reader.next(None) {
///                 println!("{} bytes: {}", upcall.packet.len(), upcall.key);
///             }
///         });
///     }
/// });
/// # Ok::<(), odp::Error>(())
/// ```
pub struct Upcalls {
    readers: Vec<UpcallReader>,
    dispatch: Dispatch,
}

impl Upcalls {
    pub(super) fn start(
        connection: &Connection,
        datapath: DatapathId,
        options: UpcallOptions,
    ) -> Result<Self, Error> {
        let mut sockets = Vec::new();
        for _ in 0..options.readers.max(1) {
            let socket = Socket::open()?;
            socket.set_receive_buffer(options.receive_buffer)?;
            sockets.push(socket);
        }
        let pids: Vec<u32> = sockets.iter().map(Socket::pid).collect();
        let mut place = Place {
            connection: connection.clone(),
            datapath,
            features: connection.datapath(datapath)?.features,
            dispatch: Dispatch::PerVport,
            pids,
        };
        let follower = place.attach(options.dispatch)?;
        let (dispatch, place) = (place.dispatch, Arc::new(place));
        let mut readers: Vec<UpcallReader> = sockets
            .into_iter()
            .map(|socket| UpcallReader {
                place: Arc::clone(&place),
                socket,
                follower: None,
                overruns: 0,
            })
            .collect();
        if let Some(first) = readers.first_mut() {
            first.follower = follower;
        }
        Ok(Self { readers, dispatch })
    }

    /// How packets come to the readers.
    #[must_use]
    pub const fn dispatch(&self) -> Dispatch {
        self.dispatch
    }

    /// The readers, for threads of their own.
    #[must_use]
    pub fn into_readers(self) -> Vec<UpcallReader> {
        self.readers
    }

    /// The numbers of the readers' sockets, for [`Userspace::pid`](crate::Userspace::pid).
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.readers.iter().map(UpcallReader::pid).collect()
    }
}

/// Reads the packets that come to one socket.
pub struct UpcallReader {
    place: Arc<Place>,
    socket: Socket,
    /// Of the first reader, with dispatch per port: how it hears of new ones.
    follower: Option<Events>,
    overruns: u64,
}

impl UpcallReader {
    /// The number of its socket, for [`Userspace::pid`](crate::Userspace::pid).
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.socket.pid()
    }

    /// How often packets were lost because it was too slow; the datapath counts how many they were.
    #[must_use]
    pub const fn overruns(&self) -> u64 {
        self.overruns
    }

    /// The next packet; nothing, if none comes in this time. Without a time it waits for one.
    ///
    /// # Errors
    /// When the socket does not work, or what comes cannot be read: the next one still can.
    pub fn next(&mut self, timeout: Option<Duration>) -> Result<Option<Upcall>, Error> {
        let until = deadline(timeout);
        loop {
            match self.socket.receive_now()? {
                Received::Datagram => {
                    if let Some(upcall) = read(self.socket.datagram())? {
                        return Ok(Some(upcall));
                    }
                    continue;
                }
                Received::Overrun => {
                    self.overruns += 1;
                    continue;
                }
                Received::Nothing => self.follow()?,
            }
            let mut sockets = vec![self.socket.as_fd()];
            sockets.extend(self.follower.iter().map(|events| events.socket().as_fd()));
            if !wait(&sockets, until)? {
                return Ok(None);
            }
        }
    }

    /// Takes new ports in.
    fn follow(&mut self) -> Result<(), Error> {
        let Some(events) = &mut self.follower else {
            return Ok(());
        };
        while let Some(event) = events.next(Some(Duration::ZERO))? {
            match event {
                Event::Vport(Change::Added, vport) if vport.datapath == self.place.datapath => {
                    self.place.attach_port(vport.number)?;
                }
                Event::Lost => self.place.attach_all()?,
                _ => {}
            }
        }
        Ok(())
    }
}

fn read(datagram: &[u8]) -> Result<Option<Upcall>, Error> {
    for frame in frames(datagram) {
        let frame = frame.map_err(|source| Error::decode("a packet", source))?;
        if let Content::Object { command, body, .. } = frame.content {
            let upcall = Upcall::decode(command, body);
            return upcall.map_err(|source| Error::decode("a packet", source));
        }
    }
    Ok(None)
}

/// Where the packets come from. When nobody reads any more, they stay there.
struct Place {
    connection: Connection,
    datapath: DatapathId,
    /// What the datapath had before.
    features: Features,
    dispatch: Dispatch,
    pids: Vec<u32>,
}

impl Place {
    /// Has packets sent to the readers; with dispatch per port, new ones are to be followed.
    fn attach(&mut self, wanted: Option<Dispatch>) -> Result<Option<Events>, Error> {
        if wanted != Some(Dispatch::PerVport) {
            match (self.attach_cpus(), wanted) {
                (Ok(()), _) => {
                    self.dispatch = Dispatch::PerCpu;
                    return Ok(None);
                }
                (Err(error), Some(_)) => return Err(error),
                (Err(_), None) => {}
            }
        }
        if self.features.has(Features::PER_CPU_UPCALLS) {
            self.set(self.features.without(Features::PER_CPU_UPCALLS), None)?;
        }
        let events = self.connection.events(&[Family::Vport])?;
        self.attach_all()?;
        Ok(Some(events))
    }

    fn set(&self, features: Features, pids: Option<Vec<u32>>) -> Result<(), Error> {
        let change = SetDatapath {
            features: Some(features),
            per_cpu_pids: pids,
            ..SetDatapath::default()
        };
        let which = DatapathRef::Id(self.datapath);
        self.connection.set_datapath(which, &change).map(drop)
    }

    /// The kernel takes the socket at a CPU's place; there is one for each, or it would complain.
    fn attach_cpus(&self) -> Result<(), Error> {
        let pids = self.pids.iter().copied().cycle().take(cpus()).collect();
        let features = self.features.with(Features::PER_CPU_UPCALLS);
        let features = features.without(Features::VPORT_PIDS);
        self.set(features, Some(pids))
    }

    fn attach_all(&self) -> Result<(), Error> {
        for vport in self.connection.vports(self.datapath)? {
            self.attach_port(vport.number)?;
        }
        Ok(())
    }

    /// The kernel takes no more sockets for a port than there are CPUs (6.1.192, 6.12.117): others are for
    /// other ports.
    fn attach_port(&self, port: PortNo) -> Result<(), Error> {
        let most = cpus().min(self.pids.len());
        let first = usize::try_from(port.0).unwrap_or(0).wrapping_mul(most) % self.pids.len();
        let pids: Vec<u32> = self
            .pids
            .iter()
            .copied()
            .cycle()
            .skip(first)
            .take(most)
            .collect();
        match self
            .connection
            .set_upcall_pids((self.datapath, port), &pids)
        {
            // It is gone already.
            Err(error) if error.is_missing() => Ok(()),
            other => other,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The datapath may be gone, and then there is nothing to be put right.
        match self.dispatch {
            Dispatch::PerCpu => {
                let _ = self.set(self.features, None);
            }
            Dispatch::PerVport => {
                for vport in self.connection.vports(self.datapath).unwrap_or_default() {
                    let port = VportRef::Number(self.datapath, vport.number);
                    let _ = self.connection.set_upcall_pids(port, &[]);
                }
            }
        }
    }
}

/// How many CPUs the system may have, asleep ones too.
fn cpus() -> usize {
    let found = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_CONF);
    let found = found.ok().flatten().and_then(|n| usize::try_from(n).ok());
    found.unwrap_or(1).max(1)
}

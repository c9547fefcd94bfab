//! Changes that the kernel tells everybody about.

use std::sync::Arc;
use std::time::Duration;

use super::error::Error;
use super::netlink::{Received, Socket, deadline};
use super::pool::Pool;
use crate::attribute::DecodeError;
use crate::id::DatapathId;
use crate::message::{Content, Datapath, Family, Flow, Vport, command, frames};

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// It was made.
    Added,
    /// It was removed.
    Removed,
    /// It is another.
    Changed,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Of a datapath.
    Datapath(Change, Datapath),
    /// Of a port.
    Vport(Change, Vport),
    /// Of a flow. The kernel tells of flows only for those who hear it.
    Flow(Change, DatapathId, Flow),
    /// Some were lost, because they were not read in time. What there is must be listed anew.
    Lost,
}

/// The changes of objects, one after another.
pub struct Events {
    pool: Arc<Pool>,
    socket: Socket,
}

impl Events {
    pub(super) fn start(pool: &Arc<Pool>, families: &[Family]) -> Result<Self, Error> {
        let mut socket = Socket::open()?;
        for family in families {
            let info = pool.family(*family).ok_or_else(|| Error::ModuleMissing {
                family: family.name(),
            })?;
            let group = info.groups.iter().find(|(name, _)| name == family.name());
            let (_, group) = group.ok_or(Error::NotSupported {
                what: "events of that family",
                since: "packets and what is asked for have none",
            })?;
            socket.join(*group)?;
        }
        Ok(Self {
            pool: Arc::clone(pool),
            socket,
        })
    }

    pub(super) const fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The next change; nothing, if none comes in this time. Without a time it waits for one.
    ///
    /// # Errors
    /// When the socket does not work, or what comes cannot be read.
    pub fn next(&mut self, timeout: Option<Duration>) -> Result<Option<Event>, Error> {
        let until = deadline(timeout);
        loop {
            match self.socket.receive(until)? {
                Received::Nothing => return Ok(None),
                Received::Overrun => return Ok(Some(Event::Lost)),
                Received::Datagram => {}
            }
            if let Some(event) = self.read()? {
                return Ok(Some(event));
            }
        }
    }

    /// The kernel sends each change in a datagram of its own.
    fn read(&self) -> Result<Option<Event>, Error> {
        for frame in frames(self.socket.datagram()) {
            let frame = frame.map_err(|source| Error::decode("changes", source))?;
            if let Content::Object {
                family,
                command,
                body,
            } = frame.content
                && let Some(change) = change(command)
            {
                let event = self.object(family, change, body);
                return event.map_err(|source| Error::decode("changes", source));
            }
        }
        Ok(None)
    }

    fn object(
        &self,
        number: u16,
        change: Change,
        body: &[u8],
    ) -> Result<Option<Event>, DecodeError> {
        let is = |family| {
            self.pool
                .family(family)
                .is_some_and(|info| info.id == number)
        };
        Ok(if is(Family::Datapath) {
            Some(Event::Datapath(change, Datapath::decode(body)?))
        } else if is(Family::Vport) {
            Some(Event::Vport(change, Vport::decode(body)?))
        } else if is(Family::Flow) {
            let (datapath, flow) = Flow::decode(body)?;
            Some(Event::Flow(change, datapath, flow))
        } else {
            None
        })
    }
}

const fn change(number: u8) -> Option<Change> {
    match number {
        command::NEW => Some(Change::Added),
        command::DEL => Some(Change::Removed),
        command::SET => Some(Change::Changed),
        _ => None,
    }
}

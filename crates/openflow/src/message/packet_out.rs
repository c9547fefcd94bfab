//! A packet from the controller (OpenFlow 1.5, section 7.3.6).

use super::Body;
use crate::action::{Action, read_actions, write_actions};
use crate::error::Result;
use crate::field::Field;
use crate::matching::Match;
use crate::port::Port;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// A packet to send.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PacketOut {
    /// The switch's own copy; otherwise the packet follows.
    pub buffer: Option<u32>,
    /// The port it is as if it came from, which a switch wants to be told, and what registers hold.
    pub metadata: Match,
    /// What to do with it.
    pub actions: Vec<Action>,
    /// The packet.
    pub packet: Vec<u8>,
}

impl PacketOut {
    /// A packet from the controller itself.
    #[must_use]
    pub fn new(packet: Vec<u8>, actions: Vec<Action>) -> Self {
        let metadata = Match::new().in_port(Port::CONTROLLER);
        Self {
            buffer: None,
            metadata,
            actions,
            packet,
        }
    }
}

impl Body for PacketOut {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let buffer = Some(reader.u32()?).filter(|buffer| *buffer != u32::MAX);
        let actions;
        let metadata = match reader.version {
            Version::V10 => {
                let port = Port::from_u16(reader.u16()?);
                actions = usize::from(reader.u16()?);
                Match::new().in_port(port)
            }
            Version::V13 | Version::V14 => {
                let port = Port(reader.u32()?);
                actions = usize::from(reader.u16()?);
                reader.skip(6)?;
                Match::new().in_port(port)
            }
            Version::V15 => {
                actions = usize::from(reader.u16()?);
                reader.skip(2)?;
                Match::read(reader)?
            }
        };
        let actions = read_actions(&mut reader.sub(actions)?)?;
        Ok(Self {
            buffer,
            metadata,
            actions,
            packet: reader.rest().into(),
        })
    }

    fn write(&self, out: &mut Writer) {
        out.u32(self.buffer.unwrap_or(u32::MAX));
        let length_at = match out.version {
            Version::V15 => {
                let at = out.len();
                out.zeros(4);
                self.metadata.write(out);
                at
            }
            _ => self.write_port(out),
        };
        let start = out.len();
        write_actions(out, &self.actions);
        out.patch_len(length_at, start);
        out.bytes(&self.packet);
    }
}

impl PacketOut {
    /// Writes the port, which is all that older versions can say beside the packet, and room for the
    /// length of the actions, whose place is given back.
    fn write_port(&self, out: &mut Writer) -> usize {
        let port = self.metadata.exact(Field::InPortOxm);
        if self.metadata
            != port.map_or_else(Match::new, |port| Match::new().with(Field::InPortOxm, port))
        {
            out.unsayable("a packet out with more than a port");
        }
        let port = port.and_then(|port| u32::try_from(port).ok());
        let port = Port(port.unwrap_or(Port::CONTROLLER.0));
        if out.version == Version::V10 {
            out.port16(port);
            out.zeros(2);
            out.len() - 2
        } else {
            out.u32(port.0);
            out.zeros(8);
            out.len() - 8
        }
    }
}

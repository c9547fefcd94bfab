//! A packet from the controller (OpenFlow 1.5, section 7.3.6).

use super::Body;
use crate::action::{Action, read_actions, write_actions};
use crate::error::Result;
use crate::matching::Match;
use crate::port::Port;
use crate::wire::{Put, Reader};

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
        let actions = usize::from(reader.u16()?);
        reader.skip(2)?;
        let metadata = Match::read(reader)?;
        let actions = read_actions(&mut reader.sub(actions)?)?;
        Ok(Self {
            buffer,
            metadata,
            actions,
            packet: reader.rest().into(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.u32(self.buffer.unwrap_or(u32::MAX));
        let length_at = out.len();
        out.zeros(4);
        self.metadata.write(out);
        let start = out.len();
        write_actions(out, &self.actions);
        out.patch_len(length_at, start);
        out.bytes(&self.packet);
    }
}

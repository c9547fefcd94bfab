//! A packet for the controller, and its way back (`NXT_PACKET_IN2`, `NXT_RESUME`; OpenFlow 1.5,
//! section 7.4.1 for the standard form).

use super::Body;
use crate::error::Result;
use crate::matching::Match;
use crate::property::{Properties, put_property};
use crate::wire::{Put, Reader};

/// A packet with all that the switch knows of it. Sent back as [`super::Message::Resume`], a packet
/// that was paused goes on from where it stopped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PacketIn {
    /// The packet, perhaps cut short.
    pub packet: Vec<u8>,
    /// The packet's length, where it was cut.
    pub full_len: Option<u32>,
    /// The switch's own copy.
    pub buffer: Option<u32>,
    /// The table of the flow that sent it.
    pub table: Option<u8>,
    /// The cookie of the flow that sent it.
    pub cookie: Option<u64>,
    /// Why it was sent.
    pub reason: Option<u8>,
    /// Registers, tunnel and connection, as they were.
    pub metadata: Match,
    /// What the flow said to the controller.
    pub userdata: Vec<u8>,
    /// The switch's own notes; to be given back untouched.
    pub continuation: Option<Box<[u8]>>,
    /// Properties that are not understood, in their order: type and value.
    pub other: Vec<(u16, Box<[u8]>)>,
}

const PACKET: u16 = 0;
const FULL_LEN: u16 = 1;
const BUFFER_ID: u16 = 2;
const TABLE_ID: u16 = 3;
const COOKIE: u16 = 4;
const REASON: u16 = 5;
const METADATA: u16 = 6;
const USERDATA: u16 = 7;
const CONTINUATION: u16 = 8;

impl Body for PacketIn {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self::default();
        for property in Properties::new(reader) {
            let (kind, mut value) = property?;
            match kind {
                PACKET => out.packet = value.rest().into(),
                FULL_LEN => out.full_len = Some(value.u32()?),
                BUFFER_ID => out.buffer = Some(value.u32()?),
                TABLE_ID => out.table = Some(value.u8()?),
                COOKIE => {
                    value.skip(4)?;
                    out.cookie = Some(value.u64()?);
                }
                REASON => out.reason = Some(value.u8()?),
                METADATA => out.metadata = Match::read_entries(&mut value)?,
                USERDATA => out.userdata = value.rest().into(),
                CONTINUATION => out.continuation = Some(value.rest().into()),
                _ => out.other.push((kind, value.rest().into())),
            }
        }
        Ok(out)
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_property(out, PACKET, |out| out.bytes(&self.packet));
        if let Some(full_len) = self.full_len {
            put_property(out, FULL_LEN, |out| out.u32(full_len));
        }
        if let Some(buffer) = self.buffer {
            put_property(out, BUFFER_ID, |out| out.u32(buffer));
        }
        if let Some(table) = self.table {
            put_property(out, TABLE_ID, |out| out.u8(table));
        }
        if let Some(cookie) = self.cookie {
            put_property(out, COOKIE, |out| {
                out.zeros(4);
                out.u64(cookie);
            });
        }
        if let Some(reason) = self.reason {
            put_property(out, REASON, |out| out.u8(reason));
        }
        if !self.metadata.is_empty() {
            put_property(out, METADATA, |out| self.metadata.write_entries(out));
        }
        if !self.userdata.is_empty() {
            put_property(out, USERDATA, |out| out.bytes(&self.userdata));
        }
        if let Some(continuation) = &self.continuation {
            put_property(out, CONTINUATION, |out| out.bytes(continuation));
        }
        for (kind, value) in &self.other {
            put_property(out, *kind, |out| out.bytes(value));
        }
    }
}

/// A packet in the standard form, which says less.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PacketInStandard {
    /// The switch's own copy.
    pub buffer: Option<u32>,
    /// The packet's whole length.
    pub total_len: u16,
    /// Why it was sent.
    pub reason: u8,
    /// The table of the flow that sent it.
    pub table: u8,
    /// The cookie of the flow that sent it.
    pub cookie: u64,
    /// Registers, tunnel and port of arrival.
    pub metadata: Match,
    /// The packet, perhaps cut short.
    pub packet: Vec<u8>,
}

impl Body for PacketInStandard {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let buffer = Some(reader.u32()?).filter(|buffer| *buffer != u32::MAX);
        let total_len = reader.u16()?;
        let reason = reader.u8()?;
        let table = reader.u8()?;
        let cookie = reader.u64()?;
        let metadata = Match::read(reader)?;
        reader.skip(2)?;
        let packet = reader.rest().into();
        Ok(Self {
            buffer,
            total_len,
            reason,
            table,
            cookie,
            metadata,
            packet,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.u32(self.buffer.unwrap_or(u32::MAX));
        out.u16(self.total_len);
        out.u8(self.reason);
        out.u8(self.table);
        out.u64(self.cookie);
        self.metadata.write(out);
        out.zeros(2);
        out.bytes(&self.packet);
    }
}

//! A packet for the controller, and its way back (`NXT_PACKET_IN2`, `NXT_RESUME`; OpenFlow 1.5,
//! section 7.4.1 for the standard form).

use super::Body;
use super::match10::{read_nxm, write_nxm};
use crate::error::Result;
use crate::field::Field;
use crate::matching::Match;
use crate::port::Port;
use crate::property::{Properties, put_property};
use crate::version::Version;
use crate::wire::{Reader, Writer};

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

    fn write(&self, out: &mut Writer) {
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

/// The names of the reasons for which a packet is sent, by number.
pub const REASONS: [&str; 6] = [
    "no_match",
    "action",
    "invalid_ttl",
    "action_set",
    "group",
    "packet_out",
];

/// A packet in the standard form, which says less.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PacketInStandard {
    /// The switch's own copy.
    pub buffer: Option<u32>,
    /// The packet's whole length.
    pub total_len: u16,
    /// Why it was sent.
    pub reason: u8,
    /// The table of the flow that sent it; zero in OpenFlow 1.0.
    pub table: u8,
    /// The cookie of the flow that sent it; zero in OpenFlow 1.0.
    pub cookie: u64,
    /// Registers, tunnel and port of arrival; only the port in OpenFlow 1.0.
    pub metadata: Match,
    /// The packet, perhaps cut short.
    pub packet: Vec<u8>,
}

impl PacketInStandard {
    fn begin(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            buffer: Some(reader.u32()?).filter(|buffer| *buffer != u32::MAX),
            total_len: reader.u16()?,
            ..Self::default()
        })
    }

    fn write_begin(&self, out: &mut Writer) {
        out.u32(self.buffer.unwrap_or(u32::MAX));
        out.u16(self.total_len);
    }
}

impl Body for PacketInStandard {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self::begin(reader)?;
        if reader.version == Version::V10 {
            let port = Port::from_u16(reader.u16()?);
            out.metadata = Match::new().in_port(port);
            out.reason = reader.u8()?;
            reader.skip(1)?;
        } else {
            out.reason = reader.u8()?;
            out.table = reader.u8()?;
            out.cookie = reader.u64()?;
            out.metadata = Match::read(reader)?;
            reader.skip(2)?;
        }
        out.packet = reader.rest().into();
        Ok(out)
    }

    fn write(&self, out: &mut Writer) {
        self.write_begin(out);
        if out.version == Version::V10 {
            let port = self.metadata.exact(Field::InPortOxm);
            let port = port.and_then(|port| u32::try_from(port).ok());
            out.port16(Port(port.unwrap_or(Port::ANY.0)));
            out.u8(self.reason);
            out.zeros(1);
        } else {
            out.u8(self.reason);
            out.u8(self.table);
            out.u64(self.cookie);
            self.metadata.write(out);
            out.zeros(2);
        }
        out.bytes(&self.packet);
    }
}

/// The same in Nicira's older form, which says it in every version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PacketInNxm(pub PacketInStandard);

impl Body for PacketInNxm {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = PacketInStandard::begin(reader)?;
        out.reason = reader.u8()?;
        out.table = reader.u8()?;
        out.cookie = reader.u64()?;
        let match_len = reader.u16()?;
        reader.skip(6)?;
        (out.metadata, ..) = read_nxm(reader, match_len)?;
        reader.skip(2)?;
        out.packet = reader.rest().into();
        Ok(Self(out))
    }

    fn write(&self, out: &mut Writer) {
        let packet = &self.0;
        packet.write_begin(out);
        out.u8(packet.reason);
        out.u8(packet.table);
        out.u64(packet.cookie);
        let length_at = out.len();
        out.zeros(8);
        write_nxm(out, length_at, &packet.metadata, 0, 0);
        out.zeros(2);
        out.bytes(&packet.packet);
    }
}

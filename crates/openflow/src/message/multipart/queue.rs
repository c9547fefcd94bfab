//! Queues: how they are set and what they have counted (OpenFlow 1.5, sections 7.3.5.8 and 7.3.5.9).

use crate::error::{Error, Result};
use crate::port::Port;
use crate::property::{Properties, put_property};
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// Which queues to tell about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueQuery {
    /// The port, or [`Port::ANY`] (in OpenFlow 1.0 written as [`Port::ALL`]).
    pub port: Port,
    /// The queue, or [`QueueQuery::ALL`].
    pub queue: u32,
}

impl QueueQuery {
    /// The number that means every queue.
    pub const ALL: u32 = 0xffff_ffff;

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let port = if reader.version == Version::V10 {
            let port = Port::from_u16(reader.u16()?);
            reader.skip(2)?;
            if port == Port::ALL { Port::ANY } else { port }
        } else {
            Port(reader.u32()?)
        };
        Ok(Self {
            port,
            queue: reader.u32()?,
        })
    }

    pub(super) fn write(&self, out: &mut Writer) {
        if out.version == Version::V10 {
            let any = self.port == Port::ANY;
            out.port16(if any { Port::ALL } else { self.port });
            out.zeros(2);
        } else {
            out.u32(self.port.0);
        }
        out.u32(self.queue);
    }
}

/// How a queue is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueDesc {
    /// Its port.
    pub port: Port,
    /// Its number.
    pub queue: u32,
    /// The rate it is guaranteed, in tenths of a percent of the port's; above 1000 it is not.
    pub min_rate: Option<u16>,
    /// The rate it may not exceed, likewise.
    pub max_rate: Option<u16>,
    /// Properties that are not understood: type and value.
    pub other: Vec<(u16, Box<[u8]>)>,
}

const MIN_RATE: u16 = 1;
const MAX_RATE: u16 = 2;

impl QueueDesc {
    /// Reads properties whose values begin behind `padding` bytes.
    pub(in super::super) fn read_properties(
        &mut self,
        reader: &mut Reader<'_>,
        padding: usize,
    ) -> Result<()> {
        for property in Properties::new(reader) {
            let (kind, mut value) = property?;
            let whole = value;
            let rate = value.skip(padding).and_then(|()| value.u16());
            match (kind, rate) {
                (MIN_RATE, Ok(rate)) => self.min_rate = Some(rate),
                (MAX_RATE, Ok(rate)) => self.max_rate = Some(rate),
                _ => self.other.push((kind, whole.rest().into())),
            }
        }
        Ok(())
    }

    /// Writes them so.
    pub(in super::super) fn write_properties(&self, out: &mut Writer, padding: usize) {
        for (kind, rate) in [(MIN_RATE, self.min_rate), (MAX_RATE, self.max_rate)] {
            if let Some(rate) = rate {
                put_property(out, kind, |out| {
                    out.zeros(padding);
                    out.u16(rate);
                    // The length of the older form counts its padding.
                    out.zeros(if padding > 0 { 6 } else { 2 });
                });
            }
        }
        for (kind, value) in &self.other {
            put_property(out, *kind, |out| out.bytes(value));
        }
    }

    pub(super) fn read_all(reader: &mut Reader<'_>) -> Result<Vec<Self>> {
        let mut out = Vec::new();
        while !reader.is_empty() {
            let mut one = Self {
                port: Port(reader.u32()?),
                queue: reader.u32()?,
                ..Self::default()
            };
            let length = usize::from(reader.u16()?);
            reader.skip(6)?;
            let rest = length.checked_sub(16).ok_or(Error::BadLength {
                what: "queue",
                length,
            })?;
            one.read_properties(&mut reader.sub(rest)?, 0)?;
            out.push(one);
        }
        Ok(out)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        let start = out.len();
        out.u32(self.port.0);
        out.u32(self.queue);
        out.zeros(8);
        self.write_properties(out, 0);
        out.patch_len(start + 8, start);
    }
}

/// What a queue has counted. `None` where the switch does not know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueStats {
    /// Its port.
    pub port: Port,
    /// Its number.
    pub queue: u32,
    /// Bytes sent.
    pub bytes: Option<u64>,
    /// Packets sent.
    pub packets: Option<u64>,
    /// Packets dropped because it was full.
    pub errors: Option<u64>,
    /// For how long it has been there: seconds and nanoseconds. OpenFlow 1.0 does not say it.
    pub duration: Option<(u32, u32)>,
    /// Properties that are not understood (OpenFlow 1.4 and later), as they came.
    pub properties: Box<[u8]>,
}

fn count(reader: &mut Reader<'_>) -> Result<Option<u64>> {
    Ok(Some(reader.u64()?).filter(|count| *count != u64::MAX))
}

impl QueueStats {
    pub(super) fn read_all(reader: &mut Reader<'_>) -> Result<Vec<Self>> {
        let mut out = Vec::new();
        while !reader.is_empty() {
            let one = match reader.version {
                Version::V10 => {
                    let port = Port::from_u16(reader.u16()?);
                    reader.skip(2)?;
                    Self::read(port, reader)?
                }
                Version::V13 => {
                    let port = Port(reader.u32()?);
                    Self::read(port, reader)?
                }
                Version::V14 | Version::V15 => {
                    let length = usize::from(reader.u16()?);
                    let rest = length.checked_sub(2).ok_or(Error::BadLength {
                        what: "queue statistics",
                        length,
                    })?;
                    let mut body = reader.sub(rest)?;
                    body.skip(6)?;
                    let port = Port(body.u32()?);
                    let mut one = Self::read(port, &mut body)?;
                    one.properties = body.rest().into();
                    one
                }
            };
            out.push(one);
        }
        Ok(out)
    }

    fn read(port: Port, reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self {
            port,
            queue: reader.u32()?,
            bytes: count(reader)?,
            packets: count(reader)?,
            errors: count(reader)?,
            ..Self::default()
        };
        if reader.version != Version::V10 {
            let duration = (reader.u32()?, reader.u32()?);
            out.duration = Some(duration).filter(|d| *d != (u32::MAX, u32::MAX));
        }
        Ok(out)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        let start = out.len();
        let sized = matches!(out.version, Version::V14 | Version::V15);
        if sized {
            out.zeros(8);
        }
        if out.version == Version::V10 {
            out.port16(self.port);
            out.zeros(2);
        } else {
            out.u32(self.port.0);
        }
        out.u32(self.queue);
        for count in [self.bytes, self.packets, self.errors] {
            out.u64(count.unwrap_or(u64::MAX));
        }
        if out.version != Version::V10 {
            let (seconds, nanoseconds) = self.duration.unwrap_or((u32::MAX, u32::MAX));
            out.u32(seconds);
            out.u32(nanoseconds);
        }
        if sized {
            out.bytes(&self.properties);
            out.patch_len(start, start);
        }
    }
}

//! How queues are set: a message of its own up to OpenFlow 1.3 (section 7.3.6 there), a many-part
//! question from 1.4 on ([`super::multipart::MultipartRequest::Queues`]).

use super::Body;
use super::multipart::QueueDesc;
use crate::error::{Error, Result};
use crate::port::Port;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// How are the queues of a port set?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueConfigRequest {
    /// The port, or [`Port::ANY`].
    pub port: Port,
}

impl Body for QueueConfigRequest {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let port = match reader.version {
            Version::V10 => Port::from_u16(reader.u16()?),
            _ => Port(reader.u32()?),
        };
        Ok(Self { port })
    }

    fn write(&self, out: &mut Writer) {
        if out.version == Version::V10 {
            out.port16(self.port);
            out.zeros(2);
        } else {
            out.u32(self.port.0);
            out.zeros(4);
        }
    }
}

/// How the queues of a port are set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueConfig {
    /// The port that was asked for.
    pub port: Port,
    /// Its queues.
    pub queues: Vec<QueueDesc>,
}

impl Body for QueueConfig {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let old = reader.version == Version::V10;
        let asked = if old {
            let port = Port::from_u16(reader.u16()?);
            reader.skip(6)?;
            port
        } else {
            let port = Port(reader.u32()?);
            reader.skip(4)?;
            port
        };
        let mut queues = Vec::new();
        while !reader.is_empty() {
            let queue = reader.u32()?;
            let port = if old { asked } else { Port(reader.u32()?) };
            let length = usize::from(reader.u16()?);
            reader.skip(if old { 2 } else { 6 })?;
            let header = if old { 8 } else { 16 };
            let rest = length.checked_sub(header).ok_or(Error::BadLength {
                what: "queue",
                length,
            })?;
            let mut desc = QueueDesc {
                port,
                queue,
                ..QueueDesc::default()
            };
            desc.read_properties(&mut reader.sub(rest)?, 4)?;
            queues.push(desc);
        }
        Ok(Self {
            port: asked,
            queues,
        })
    }

    fn write(&self, out: &mut Writer) {
        let old = out.version == Version::V10;
        if old {
            out.port16(self.port);
            out.zeros(6);
        } else {
            out.u32(self.port.0);
            out.zeros(4);
        }
        for queue in &self.queues {
            let start = out.len();
            out.u32(queue.queue);
            if !old {
                out.u32(queue.port.0);
            }
            let length_at = out.len();
            out.zeros(if old { 4 } else { 8 });
            queue.write_properties(out, 4);
            out.patch_len(length_at, start);
        }
    }
}

//! Ports, and that one has changed (OpenFlow 1.5, sections 7.2.1 and 7.4.3).

use super::Body;
use crate::error::{Error, Result};
use crate::port::Port;
use crate::wire::{Put, Reader, fixed_name};

/// A port of the switch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortDesc {
    /// Its number.
    pub number: Port,
    /// Its address.
    pub address: [u8; 6],
    /// Its name, of at most fifteen bytes.
    pub name: String,
    /// How it is set; bit zero is "down".
    pub config: u32,
    /// How it is; bit zero is "no link".
    pub state: u32,
    /// Its properties, as they came.
    pub properties: Box<[u8]>,
}

const FIXED: usize = 40;
const NAME: usize = 16;

impl PortDesc {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let number = Port(reader.u32()?);
        let length = usize::from(reader.u16()?);
        let rest = length.checked_sub(6).ok_or(Error::BadLength {
            what: "port",
            length,
        })?;
        let mut body = reader.sub(rest)?;
        body.skip(2)?;
        let address = body.array()?;
        body.skip(2)?;
        let name = fixed_name(body.take(NAME)?);
        let (config, state) = (body.u32()?, body.u32()?);
        Ok(Self {
            number,
            address,
            name,
            config,
            state,
            properties: body.rest().into(),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.u32(self.number.0);
        out.u16(u16::try_from(FIXED + self.properties.len()).unwrap_or(u16::MAX));
        out.zeros(2);
        out.bytes(&self.address);
        out.zeros(2);
        let name = self.name.as_bytes();
        let name = &name[..name.len().min(NAME)];
        out.bytes(name);
        out.zeros(NAME - name.len());
        out.u32(self.config);
        out.u32(self.state);
        out.bytes(&self.properties);
    }
}

/// What happened to a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PortReason {
    /// It is new.
    Added,
    /// It has gone.
    Removed,
    /// It is different.
    Modified,
    /// Something this crate has no name for.
    Unknown(u8),
}

/// A port has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortStatus {
    /// How.
    pub reason: PortReason,
    /// The port as it is now, or was at last.
    pub port: PortDesc,
}

impl Body for PortStatus {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let reason = match reader.u8()? {
            0 => PortReason::Added,
            1 => PortReason::Removed,
            2 => PortReason::Modified,
            other => PortReason::Unknown(other),
        };
        reader.skip(7)?;
        Ok(Self {
            reason,
            port: PortDesc::read(reader)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.u8(match self.reason {
            PortReason::Added => 0,
            PortReason::Removed => 1,
            PortReason::Modified => 2,
            PortReason::Unknown(other) => other,
        });
        out.zeros(7);
        self.port.write(out);
    }
}

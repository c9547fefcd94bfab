//! A change of a port (OpenFlow 1.5, section 7.3.4.4).

use super::Body;
use super::port::{PortConfig, features_from_10, features_to_10};
use crate::error::Result;
use crate::port::Port;
use crate::property::{Properties, put_property};
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// A change of a port.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortMod {
    /// The port.
    pub port: Port,
    /// Its address, which the switch compares to make sure that the right port is meant.
    pub address: [u8; 6],
    /// How it shall be set ...
    pub config: PortConfig,
    /// ... in these bits.
    pub mask: PortConfig,
    /// What it shall offer to its peer; zero leaves that as it is.
    pub advertise: u32,
    /// Properties that are not understood: type and value (OpenFlow 1.4 and later).
    pub other: Vec<(u16, Box<[u8]>)>,
}

const ETHERNET: u16 = 0;

impl Body for PortMod {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self::default();
        if reader.version == Version::V10 {
            out.port = Port::from_u16(reader.u16()?);
            out.address = reader.array()?;
        } else {
            out.port = Port(reader.u32()?);
            reader.skip(4)?;
            out.address = reader.array()?;
            reader.skip(2)?;
        }
        out.config = PortConfig(reader.u32()?);
        out.mask = PortConfig(reader.u32()?);
        match reader.version {
            Version::V10 => out.advertise = features_from_10(reader.u32()?),
            Version::V13 => out.advertise = reader.u32()?,
            Version::V14 | Version::V15 => {
                for property in Properties::new(reader) {
                    let (kind, mut value) = property?;
                    match kind {
                        ETHERNET if value.len() == 4 => out.advertise = value.u32()?,
                        _ => out.other.push((kind, value.rest().into())),
                    }
                }
            }
        }
        Ok(out)
    }

    fn write(&self, out: &mut Writer) {
        if out.version == Version::V10 {
            out.port16(self.port);
            out.bytes(&self.address);
        } else {
            out.u32(self.port.0);
            out.zeros(4);
            out.bytes(&self.address);
            out.zeros(2);
            if self.mask.0 & PortConfig::ONLY_10.0 != 0 {
                out.unsayable("flooding or spanning tree of a port");
            }
        }
        out.u32(self.config.0);
        out.u32(self.mask.0);
        match out.version {
            Version::V10 => {
                out.u32(features_to_10(self.advertise));
                out.zeros(4);
            }
            Version::V13 => {
                out.u32(self.advertise);
                out.zeros(4);
            }
            Version::V14 | Version::V15 => {
                if self.advertise != 0 {
                    put_property(out, ETHERNET, |out| out.u32(self.advertise));
                }
                for (kind, value) in &self.other {
                    put_property(out, *kind, |out| out.bytes(value));
                }
            }
        }
    }
}

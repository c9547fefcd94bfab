//! What a switch is (OpenFlow 1.5, section 7.3.1).

use super::Body;
use super::port::PortDesc;
use crate::error::Result;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// What a switch is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Features {
    /// Its number: a MAC address, with 16 bits of the implementer before it.
    pub datapath_id: u64,
    /// How many packets it can keep for the controller.
    pub buffers: u32,
    /// How many tables it has.
    pub tables: u8,
    /// Which auxiliary connection this is; zero for the main one. OpenFlow 1.0 has none.
    pub auxiliary: u8,
    /// What it can do.
    pub capabilities: u32,
    /// The actions it has, a bit for each type; OpenFlow 1.0 alone says them.
    pub actions: u32,
    /// Its ports; OpenFlow 1.0 alone says them here.
    pub ports: Vec<PortDesc>,
}

impl Body for Features {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self {
            datapath_id: reader.u64()?,
            buffers: reader.u32()?,
            tables: reader.u8()?,
            auxiliary: reader.u8()?,
            ..Self::default()
        };
        reader.skip(2)?;
        out.capabilities = reader.u32()?;
        let actions = reader.u32()?;
        if reader.version == Version::V10 {
            out.auxiliary = 0;
            out.actions = actions;
            while !reader.is_empty() {
                out.ports.push(PortDesc::read(reader)?);
            }
        }
        Ok(out)
    }

    fn write(&self, out: &mut Writer) {
        let old = out.version == Version::V10;
        out.u64(self.datapath_id);
        out.u32(self.buffers);
        out.u8(self.tables);
        out.u8(if old { 0 } else { self.auxiliary });
        out.zeros(2);
        out.u32(self.capabilities);
        if old {
            out.u32(self.actions);
            self.ports.iter().for_each(|port| port.write(out));
        } else {
            out.zeros(4);
        }
    }
}

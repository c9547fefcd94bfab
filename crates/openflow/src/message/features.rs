//! What a switch is (OpenFlow 1.5, section 7.3.1).

use super::Body;
use crate::error::Result;
use crate::wire::{Put, Reader};

/// What a switch is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Features {
    /// Its number: a MAC address, with 16 bits of the implementer before it.
    pub datapath_id: u64,
    /// How many packets it can keep for the controller.
    pub buffers: u32,
    /// How many tables it has.
    pub tables: u8,
    /// Which auxiliary connection this is; zero for the main one.
    pub auxiliary: u8,
    /// What it can do.
    pub capabilities: u32,
}

impl Body for Features {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let datapath_id = reader.u64()?;
        let buffers = reader.u32()?;
        let tables = reader.u8()?;
        let auxiliary = reader.u8()?;
        reader.skip(2)?;
        let capabilities = reader.u32()?;
        Ok(Self {
            datapath_id,
            buffers,
            tables,
            auxiliary,
            capabilities,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.u64(self.datapath_id);
        out.u32(self.buffers);
        out.u8(self.tables);
        out.u8(self.auxiliary);
        out.zeros(2);
        out.u32(self.capabilities);
        out.zeros(4);
    }
}

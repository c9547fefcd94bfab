//! How a switch is set (OpenFlow 1.5, section 7.3.2).

use super::Body;
use crate::error::Result;
use crate::wire::{Reader, Writer};

/// How a switch is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SwitchConfig {
    /// How it treats fragments.
    pub flags: u16,
    /// How much of a packet that matches nothing goes to the controller.
    pub miss_send_len: u16,
}

impl Body for SwitchConfig {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            flags: reader.u16()?,
            miss_send_len: reader.u16()?,
        })
    }

    fn write(&self, out: &mut Writer) {
        out.u16(self.flags);
        out.u16(self.miss_send_len);
    }
}

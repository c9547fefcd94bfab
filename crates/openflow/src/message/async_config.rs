//! What a switch tells unasked (OpenFlow 1.5, section 7.3.10).

use super::Body;
use crate::error::Result;
use crate::property::{Properties, put_property};
use crate::wire::{Put, Reader};

/// Which messages a switch sends of its own accord: for each kind, a bit for each reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AsyncConfig {
    /// Kind and reasons.
    pub masks: Vec<(u16, u32)>,
}

impl AsyncConfig {
    /// Packets, for a controller that may only look.
    pub const PACKET_IN_SECONDARY: u16 = 0;
    /// Packets, for any other.
    pub const PACKET_IN: u16 = 1;
    /// Port changes, for a controller that may only look.
    pub const PORT_STATUS_SECONDARY: u16 = 2;
    /// Port changes, for any other.
    pub const PORT_STATUS: u16 = 3;
    /// Flows that went, for a controller that may only look.
    pub const FLOW_REMOVED_SECONDARY: u16 = 4;
    /// Flows that went, for any other.
    pub const FLOW_REMOVED: u16 = 5;
}

impl Body for AsyncConfig {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut masks = Vec::new();
        for property in Properties::new(reader) {
            let (kind, mut value) = property?;
            masks.push((kind, value.u32()?));
        }
        Ok(Self { masks })
    }

    fn write(&self, out: &mut Vec<u8>) {
        for (kind, mask) in &self.masks {
            put_property(out, *kind, |out| out.u32(*mask));
        }
    }
}

//! What a switch tells unasked (OpenFlow 1.5, section 7.3.10).

use super::Body;
use crate::error::Result;
use crate::property::{Properties, put_property};
use crate::version::Version;
use crate::wire::{Reader, Writer};

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
    /// Changes of the role, for a controller that may only look.
    pub const ROLE_STATUS_SECONDARY: u16 = 6;
    /// Changes of the role, for any other.
    pub const ROLE_STATUS: u16 = 7;
    /// Tables that fill, for a controller that may only look.
    pub const TABLE_STATUS_SECONDARY: u16 = 8;
    /// Tables that fill, for any other.
    pub const TABLE_STATUS: u16 = 9;
    /// Requests of other controllers, for a controller that may only look.
    pub const REQUEST_FORWARD_SECONDARY: u16 = 10;
    /// Requests of other controllers, for any other.
    pub const REQUEST_FORWARD: u16 = 11;
}

/// The three pairs of masks of the older form, by their numbers: for a controller that may change
/// things, then for one that may only look.
const PAIRS: [(u16, u16); 3] = [
    (AsyncConfig::PACKET_IN, AsyncConfig::PACKET_IN_SECONDARY),
    (AsyncConfig::PORT_STATUS, AsyncConfig::PORT_STATUS_SECONDARY),
    (
        AsyncConfig::FLOW_REMOVED,
        AsyncConfig::FLOW_REMOVED_SECONDARY,
    ),
];

/// The subtype of the older form among Nicira's messages.
const OLD_SUBTYPE: u32 = 19;

impl AsyncConfig {
    fn is_old(version: Version, extension: u32) -> bool {
        extension == OLD_SUBTYPE || version == Version::V13 && extension == 0
    }

    fn mask(&self, kind: u16) -> u32 {
        let found = self.masks.iter().find(|(known, _)| *known == kind);
        found.map_or(0, |(_, mask)| *mask)
    }
}

impl Body for AsyncConfig {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut masks = Vec::new();
        if Self::is_old(reader.version, reader.extension) {
            for (primary, secondary) in PAIRS {
                masks.push((primary, reader.u32()?));
                masks.push((secondary, reader.u32()?));
            }
            masks.sort_unstable();
            return Ok(Self { masks });
        }
        for property in Properties::new(reader) {
            let (kind, mut value) = property?;
            masks.push((kind, value.u32()?));
        }
        Ok(Self { masks })
    }

    fn write(&self, out: &mut Writer) {
        if out.version == Version::V13 {
            for (primary, secondary) in PAIRS {
                out.u32(self.mask(primary));
                out.u32(self.mask(secondary));
            }
            return;
        }
        for (kind, mask) in &self.masks {
            put_property(out, *kind, |out| out.u32(*mask));
        }
    }
}

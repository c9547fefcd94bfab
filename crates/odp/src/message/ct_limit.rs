//! How many connections the tracker may remember in a zone.

use super::{Family, Request, u32_at};
use crate::attribute::{DecodeError, attributes};
use crate::id::{DatapathId, Zone};

const SET: u8 = 1;
const DEL: u8 = 2;
const GET: u8 = 3;

const ZONE_LIMIT: u16 = 1;

/// The zone of the limit that holds for all zones without their own.
const DEFAULT_ZONE: u32 = u32::MAX;

/// A zone's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ZoneLimit {
    /// The zone.
    pub zone: Zone,
    /// How many connections there may be; zero for no limit.
    pub limit: u32,
    /// How many there are.
    pub count: u32,
}

/// The limits of zones, for all datapaths of a network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CtLimits {
    /// The limit of zones that have none of their own; zero for no limit.
    pub default: Option<u32>,
    /// Those of zones.
    pub zones: Vec<ZoneLimit>,
}

impl CtLimits {
    /// Has these limits set; others stay. What is counted is not looked at.
    #[must_use]
    pub fn set(&self, datapath: DatapathId) -> Request {
        let default = self.default.map(|limit| (DEFAULT_ZONE, limit));
        let zones = self
            .zones
            .iter()
            .map(|zone| (zone.zone.0.into(), zone.limit));
        request(SET, datapath, default.into_iter().chain(zones))
    }

    /// Has the limits of zones removed, and the one of all zones if `default` says so.
    #[must_use]
    pub fn delete(datapath: DatapathId, default: bool, zones: &[Zone]) -> Request {
        let default = default.then_some((DEFAULT_ZONE, 0));
        let zones = zones.iter().map(|zone| (zone.0.into(), 0));
        request(DEL, datapath, default.into_iter().chain(zones))
    }

    /// Asks for the limits of zones; of all that have one, if none is named.
    #[must_use]
    pub fn get(datapath: DatapathId, zones: &[Zone]) -> Request {
        let zones = zones.iter().map(|zone| (zone.0.into(), 0));
        request(GET, datapath, zones)
    }

    /// Reads limits.
    ///
    /// # Errors
    /// When the bytes are no attributes.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let (_, rest) = super::split_datapath(body, "limits of connections")?;
        let mut limits = Self::default();
        for attribute in attributes(rest) {
            let attribute = attribute?;
            if attribute.kind() == ZONE_LIMIT {
                // Structures one behind the other, not attributes.
                for entry in attribute.value.chunks_exact(12) {
                    limits.take(entry);
                }
            }
        }
        Ok(limits)
    }

    fn take(&mut self, entry: &[u8]) -> Option<()> {
        let (zone, limit) = (u32_at(entry, 0)?, u32_at(entry, 4)?);
        if zone == DEFAULT_ZONE {
            self.default = Some(limit);
        } else {
            self.zones.push(ZoneLimit {
                zone: Zone(u16::try_from(zone).ok()?),
                limit,
                count: u32_at(entry, 8)?,
            });
        }
        Some(())
    }
}

fn request(command: u8, datapath: DatapathId, zones: impl Iterator<Item = (u32, u32)>) -> Request {
    let mut zones = zones.peekable();
    Request::new(Family::CtLimit, command, datapath.0, |writer| {
        if zones.peek().is_none() {
            return;
        }
        writer.nested(ZONE_LIMIT, |writer| {
            for (zone, limit) in zones {
                writer.bytes(&zone.to_ne_bytes());
                writer.bytes(&limit.to_ne_bytes());
                writer.bytes(&[0; 4]);
            }
        });
    })
}

//! Meters: they let through so much in a time, and drop the rest.

use super::{Family, Request, keep, u32_of, u64_at, u64_of};
use crate::attribute::{DecodeError, Raw, attributes};
use crate::id::{DatapathId, MeterId};

const FEATURES: u8 = 1;
const SET: u8 = 2;
const DEL: u8 = 3;
const GET: u8 = 4;

const ID: u16 = 1;
const KBPS: u16 = 2;
const STATS: u16 = 3;
const BANDS: u16 = 4;
const USED: u16 = 5;
const CLEAR: u16 = 6;
const MAX_METERS: u16 = 7;
const MAX_BANDS: u16 = 8;
const PAD: u16 = 9;

const BAND_TYPE: u16 = 1;
const BAND_RATE: u16 = 2;
const BAND_BURST: u16 = 3;
const BAND_STATS: u16 = 4;

/// The one type of bands that the kernel has: what is too much is dropped.
const DROP: u32 = 1;

/// What a meter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MeterUnit {
    /// Kilobits a second.
    #[default]
    Kbps,
    /// Packets a second.
    Pps,
}

/// A rate beyond which packets are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Band {
    /// The rate, in the meter's unit a second.
    pub rate: u32,
    /// How much may come at once, in the meter's unit.
    pub burst: u32,
}

/// A meter to be made or changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meter {
    /// Its number.
    pub id: MeterId,
    /// What it counts.
    pub unit: MeterUnit,
    /// Its rates. The kernel takes up to [`MeterFeatures::max_bands`].
    pub bands: Vec<Band>,
    /// Set its counters to zero.
    pub clear: bool,
}

impl Meter {
    /// Has it made, or changed.
    #[must_use]
    pub fn set(&self, datapath: DatapathId) -> Request {
        let request = Request::new(Family::Meter, SET, datapath.0, |writer| {
            writer.u32(ID, self.id.0);
            writer.flag(KBPS, self.unit == MeterUnit::Kbps);
            writer.flag(CLEAR, self.clear);
            writer.nested(BANDS, |writer| {
                for band in &self.bands {
                    writer.nested(0, |writer| {
                        writer.u32(BAND_TYPE, DROP);
                        writer.u32(BAND_RATE, band.rate);
                        writer.u32(BAND_BURST, band.burst);
                    });
                }
            });
        });
        request.echo()
    }
}

impl MeterId {
    /// Asks what it has counted.
    #[must_use]
    pub fn get(self, datapath: DatapathId) -> Request {
        Request::new(Family::Meter, GET, datapath.0, |writer| {
            writer.u32(ID, self.0);
        })
    }

    /// Has it removed.
    #[must_use]
    pub fn delete(self, datapath: DatapathId) -> Request {
        Request::new(Family::Meter, DEL, datapath.0, |writer| {
            writer.u32(ID, self.0);
        })
    }
}

/// What a band has dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct BandStats {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What a meter has counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeterStats {
    /// Its number.
    pub id: MeterId,
    /// Packets that came to it.
    pub packets: u64,
    /// Bytes that came to it.
    pub bytes: u64,
    /// When the last came, in milliseconds of the monotonic clock.
    pub used: Option<u64>,
    /// What each band has dropped.
    pub bands: Vec<BandStats>,
    /// What nobody here knows.
    pub unknown: Vec<Raw>,
}

fn counts(bytes: &[u8]) -> Option<(u64, u64)> {
    u64_at(bytes, 0).zip(u64_at(bytes, 8))
}

fn read_band(bytes: &[u8]) -> Result<BandStats, DecodeError> {
    let mut band = BandStats::default();
    for attribute in attributes(bytes) {
        let attribute = attribute?;
        if attribute.kind() == BAND_STATS
            && let Some((packets, bytes)) = counts(attribute.value)
        {
            band = BandStats { packets, bytes };
        }
    }
    Ok(band)
}

impl MeterStats {
    /// Reads a meter; nothing, where the answer is that there is none.
    ///
    /// # Errors
    /// When the bytes are no attributes.
    pub fn decode(body: &[u8]) -> Result<Option<Self>, DecodeError> {
        let (_, rest) = super::split_datapath(body, "a meter")?;
        let mut meter = Self::default();
        let mut counted = false;
        for attribute in attributes(rest) {
            let attribute = attribute?;
            let value = attribute.value;
            let known = match attribute.kind() {
                ID => u32_of(value).map(|id| meter.id = MeterId(id)),
                STATS => counts(value).map(|(packets, bytes)| {
                    counted = true;
                    meter.packets = packets;
                    meter.bytes = bytes;
                }),
                USED => u64_of(value).map(|used| meter.used = (used != 0).then_some(used)),
                BANDS => {
                    let bands = attributes(value).map(|band| read_band(band?.value));
                    keep(&mut meter.bands, Some(bands.collect::<Result<_, _>>()?))
                }
                PAD => Some(()),
                _ => None,
            };
            if known.is_none() {
                meter.unknown.push(attribute.to_raw());
            }
        }
        Ok(counted.then_some(meter))
    }
}

/// What the kernel's meters can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MeterFeatures {
    /// How many there may be.
    pub max_meters: u32,
    /// How many bands each may have.
    pub max_bands: u32,
}

impl MeterFeatures {
    /// Asks for them.
    #[must_use]
    pub fn get(datapath: DatapathId) -> Request {
        Request::new(Family::Meter, FEATURES, datapath.0, |_| {})
    }

    /// Reads them.
    ///
    /// # Errors
    /// When the bytes are no attributes.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let (_, rest) = super::split_datapath(body, "the features of meters")?;
        let mut features = Self::default();
        for attribute in attributes(rest) {
            let attribute = attribute?;
            let number = u32_of(attribute.value);
            match (attribute.kind(), number) {
                (MAX_METERS, Some(number)) => features.max_meters = number,
                (MAX_BANDS, Some(number)) => features.max_bands = number,
                _ => {}
            }
        }
        Ok(features)
    }
}

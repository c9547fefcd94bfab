//! A change of a meter, and how a meter looks in bytes (OpenFlow 1.5, section 7.3.4.5).

use super::Body;
use crate::error::{Error, Result};
use crate::wire::{Reader, Writer};

/// What to do with a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MeterCommand {
    /// Add it; it must not exist.
    #[default]
    Add,
    /// Replace it; it must exist.
    Modify,
    /// Remove it, with the flows that use it.
    Delete,
}

/// What a meter does above a rate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MeterBand {
    /// Drop packets.
    Drop {
        /// The rate, in the meter's unit.
        rate: u32,
        /// The burst, in the meter's unit.
        burst: u32,
    },
    /// Make packets likelier to be dropped.
    DscpRemark {
        /// The rate, in the meter's unit.
        rate: u32,
        /// The burst, in the meter's unit.
        burst: u32,
        /// By how much.
        level: u8,
    },
    /// A band that is not understood, header included.
    Unknown(Box<[u8]>),
}

/// A meter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Meter {
    /// Its number.
    pub id: u32,
    /// Its unit and what it keeps: see the constants.
    pub flags: u16,
    /// What it does.
    pub bands: Vec<MeterBand>,
}

impl Meter {
    /// Flag: rates are kilobits a second.
    pub const KBPS: u16 = 1;
    /// Flag: rates are packets a second.
    pub const PACKETS: u16 = 1 << 1;
    /// Flag: bursts are given.
    pub const BURST: u16 = 1 << 2;
    /// Flag: statistics are kept.
    pub const STATISTICS: u16 = 1 << 3;
    /// The number that means every meter.
    pub const ALL: u32 = 0xffff_ffff;

    /// Whether both do the same. Bursts count only where [`Meter::BURST`] says so; elsewhere a switch
    /// chooses them, and tells what it chose.
    #[must_use]
    pub fn does_as(&self, other: &Self) -> bool {
        let has_burst = self.flags & Self::BURST != 0;
        let band = |(ours, theirs): (&MeterBand, &MeterBand)| {
            ours == theirs || !has_burst && ours.without_burst() == theirs.without_burst()
        };
        self.flags == other.flags
            && self.bands.len() == other.bands.len()
            && self.bands.iter().zip(&other.bands).all(band)
    }
}

impl MeterBand {
    fn without_burst(&self) -> Self {
        let mut out = self.clone();
        match &mut out {
            Self::Drop { burst, .. } | Self::DscpRemark { burst, .. } => *burst = 0,
            Self::Unknown(_) => {}
        }
        out
    }
}

/// A change of a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterMod {
    /// What to do.
    pub command: MeterCommand,
    /// The meter.
    pub meter: Meter,
}

impl MeterMod {
    /// Removes the meter with this number, and the flows that use it.
    #[must_use]
    pub fn delete(id: u32) -> Self {
        Self {
            command: MeterCommand::Delete,
            meter: Meter {
                id,
                ..Meter::default()
            },
        }
    }
}

const DROP: u16 = 1;
const DSCP_REMARK: u16 = 2;

/// Reads bands until the reader ends.
pub(super) fn read_bands(reader: &mut Reader<'_>) -> Result<Vec<MeterBand>> {
    let mut out = Vec::new();
    while !reader.is_empty() {
        let mut header = *reader;
        let kind = header.u16()?;
        let length = usize::from(header.u16()?);
        if length < 12 {
            return Err(Error::BadLength {
                what: "meter band",
                length,
            });
        }
        let bytes = reader.take(length)?;
        let mut body = Reader::new(&bytes[4..]);
        let (rate, burst) = (body.u32()?, body.u32()?);
        out.push(match (kind, body.u8()) {
            (DROP, _) => MeterBand::Drop { rate, burst },
            (DSCP_REMARK, Ok(level)) => MeterBand::DscpRemark { rate, burst, level },
            _ => MeterBand::Unknown(bytes.into()),
        });
    }
    Ok(out)
}

pub(super) fn write_bands(out: &mut Writer, bands: &[MeterBand]) {
    for band in bands {
        let (kind, rate, burst, level) = match band {
            MeterBand::Drop { rate, burst } => (DROP, rate, burst, 0),
            MeterBand::DscpRemark { rate, burst, level } => (DSCP_REMARK, rate, burst, *level),
            MeterBand::Unknown(bytes) => {
                out.bytes(bytes);
                continue;
            }
        };
        out.u16(kind);
        out.u16(16);
        out.u32(*rate);
        out.u32(*burst);
        out.u8(level);
        out.zeros(3);
    }
}

impl Body for MeterMod {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let command = match reader.u16()? {
            0 => MeterCommand::Add,
            1 => MeterCommand::Modify,
            2 => MeterCommand::Delete,
            other => {
                return Err(Error::BadValue {
                    what: "meter command",
                    value: other.into(),
                });
            }
        };
        let flags = reader.u16()?;
        let id = reader.u32()?;
        Ok(Self {
            command,
            meter: Meter {
                id,
                flags,
                bands: read_bands(reader)?,
            },
        })
    }

    fn write(&self, out: &mut Writer) {
        out.u16(self.command as u16);
        out.u16(self.meter.flags);
        out.u32(self.meter.id);
        write_bands(out, &self.meter.bands);
    }
}

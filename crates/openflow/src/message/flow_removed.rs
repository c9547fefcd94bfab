//! A flow has gone (OpenFlow 1.5, section 7.4.2).

use super::Body;
use super::match10::{read_fixed, read_nxm, write_nxm};
use super::multipart::FlowCounters;
use crate::error::Result;
use crate::flow::FlowKey;
use crate::matching::Match;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// Why a flow has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RemovedReason {
    /// No packet came for long enough.
    #[default]
    IdleTimeout,
    /// Its time was over.
    HardTimeout,
    /// Somebody removed it.
    Delete,
    /// Its group was removed.
    GroupDelete,
    /// Its meter was removed.
    MeterDelete,
    /// It made place for another.
    Eviction,
    /// Something this crate has no name for.
    Unknown(u8),
}

impl RemovedReason {
    const ALL: [Self; 6] = [
        Self::IdleTimeout,
        Self::HardTimeout,
        Self::Delete,
        Self::GroupDelete,
        Self::MeterDelete,
        Self::Eviction,
    ];

    /// The reason of a number on the wire.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        let known = Self::ALL.get(usize::from(code)).copied();
        known.unwrap_or(Self::Unknown(code))
    }

    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::IdleTimeout => 0,
            Self::HardTimeout => 1,
            Self::Delete => 2,
            Self::GroupDelete => 3,
            Self::MeterDelete => 4,
            Self::Eviction => 5,
            Self::Unknown(code) => code,
        }
    }
}

/// A flow has gone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowRemoved {
    /// Which; table 255 where the switch does not say the table.
    pub key: FlowKey,
    /// Its cookie.
    pub cookie: u64,
    /// Why.
    pub reason: RemovedReason,
    /// Its idle timeout.
    pub idle_timeout: u16,
    /// Its hard timeout; OpenFlow 1.0 does not say it.
    pub hard_timeout: u16,
    /// What it had counted.
    pub counters: FlowCounters,
}

/// The parts that stand in all older forms.
struct Old {
    cookie: u64,
    priority: u16,
    reason: u8,
    table: u8,
    duration: (u32, u32),
    idle_timeout: u16,
    /// The hard timeout, or the length of the match.
    other: u16,
    packets: u64,
    bytes: u64,
}

impl Old {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            cookie: reader.u64()?,
            priority: reader.u16()?,
            reason: reader.u8()?,
            table: reader.u8()?,
            duration: (reader.u32()?, reader.u32()?),
            idle_timeout: reader.u16()?,
            other: reader.u16()?,
            packets: reader.u64()?,
            bytes: reader.u64()?,
        })
    }

    fn finish(self, matches: Match, hard_timeout: u16) -> FlowRemoved {
        let unknown = |count: u64| Some(count).filter(|count| *count != u64::MAX);
        FlowRemoved {
            key: FlowKey {
                table: self.table,
                priority: self.priority,
                matches,
            },
            cookie: self.cookie,
            reason: RemovedReason::from_code(self.reason),
            idle_timeout: self.idle_timeout,
            hard_timeout,
            counters: FlowCounters {
                duration: Some(self.duration),
                packets: unknown(self.packets),
                bytes: unknown(self.bytes),
                ..FlowCounters::default()
            },
        }
    }
}

impl Body for FlowRemoved {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        if reader.extension != 0 {
            let mut old = Old::read(reader)?;
            // Nicira's form counts tables from one, so that zero means that it does not say.
            old.table = old.table.wrapping_sub(1);
            let (matches, ..) = read_nxm(reader, old.other)?;
            return Ok(old.finish(matches, 0));
        }
        match reader.version {
            Version::V10 => {
                let matches = read_fixed(reader)?;
                let mut old = Old::read(reader)?;
                old.table = u8::MAX;
                Ok(old.finish(matches, 0))
            }
            Version::V13 | Version::V14 => {
                let old = Old::read(reader)?;
                let matches = Match::read(reader)?;
                let hard_timeout = old.other;
                Ok(old.finish(matches, hard_timeout))
            }
            Version::V15 => {
                let table = reader.u8()?;
                let reason = RemovedReason::from_code(reader.u8()?);
                let priority = reader.u16()?;
                let (idle_timeout, hard_timeout) = (reader.u16()?, reader.u16()?);
                let cookie = reader.u64()?;
                let matches = Match::read(reader)?;
                let counters = FlowCounters::read(reader)?;
                let key = FlowKey {
                    table,
                    priority,
                    matches,
                };
                Ok(Self {
                    key,
                    cookie,
                    reason,
                    idle_timeout,
                    hard_timeout,
                    counters,
                })
            }
        }
    }

    fn write(&self, out: &mut Writer) {
        if out.version == Version::V15 {
            out.u8(self.key.table);
            out.u8(self.reason.code());
            out.u16(self.key.priority);
            out.u16(self.idle_timeout);
            out.u16(self.hard_timeout);
            out.u64(self.cookie);
            self.key.matches.write(out);
            self.counters.write(out);
            return;
        }
        let nxm = out.version == Version::V10;
        out.u64(self.cookie);
        out.u16(self.key.priority);
        out.u8(self.reason.code());
        out.u8(if nxm {
            self.key.table.wrapping_add(1)
        } else {
            self.key.table
        });
        let (seconds, nanoseconds) = self.counters.duration.unwrap_or_default();
        out.u32(seconds);
        out.u32(nanoseconds);
        out.u16(self.idle_timeout);
        let length_at = out.len();
        out.u16(if nxm { 0 } else { self.hard_timeout });
        out.u64(self.counters.packets.unwrap_or(u64::MAX));
        out.u64(self.counters.bytes.unwrap_or(u64::MAX));
        if nxm {
            write_nxm(out, length_at, &self.key.matches, 0, 0);
        } else {
            self.key.matches.write(out);
        }
    }
}

//! How a table is set, and a change of that (OpenFlow 1.5, sections 7.3.3 and 7.3.5.17).

use super::Body;
use crate::error::Result;
use crate::property::{Properties, put_property};
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// How a table is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableConfig {
    /// What happens to a packet that matches nothing (up to OpenFlow 1.3: bits 0 and 1), whether flows
    /// may make place for others (bit 2), whether its filling is told (bit 3).
    pub config: u32,
    /// By what flows are chosen that make place: 1 other, 2 importance, 4 lifetime.
    pub eviction: Option<u32>,
    /// When its filling is told: emptier than, fuller than, and how it is, in percent.
    pub vacancy: Option<(u8, u8, u8)>,
    /// Properties that are not understood: type and value.
    pub other: Vec<(u16, Box<[u8]>)>,
}

impl TableConfig {
    /// A packet that matches nothing goes on in the next table.
    pub const MISS_CONTINUE: u32 = 1;
    /// A packet that matches nothing is dropped.
    pub const MISS_DROP: u32 = 2;
    /// The bits of these two; without either, the packet goes to the controller.
    pub const MISS_MASK: u32 = 3;
    /// Flows may make place for others.
    pub const EVICTION: u32 = 1 << 2;
    /// Its filling is told.
    pub const VACANCY_EVENTS: u32 = 1 << 3;

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self {
            config: reader.u32()?,
            ..Self::default()
        };
        // Properties are an invention of OpenFlow 1.4.
        if reader.version == Version::V13 {
            return Ok(out);
        }
        for property in Properties::new(reader) {
            let (kind, mut value) = property?;
            match (kind, value.len()) {
                (EVICTION, 4) => out.eviction = Some(value.u32()?),
                (VACANCY, 4) => {
                    out.vacancy = Some((value.u8()?, value.u8()?, value.u8()?));
                }
                _ => out.other.push((kind, value.rest().into())),
            }
        }
        Ok(out)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.u32(self.config);
        if out.version == Version::V13 {
            return;
        }
        if let Some(flags) = self.eviction {
            put_property(out, EVICTION, |out| out.u32(flags));
        }
        if let Some((down, up, now)) = self.vacancy {
            put_property(out, VACANCY, |out| {
                out.bytes(&[down, up, now, 0]);
            });
        }
        for (kind, value) in &self.other {
            put_property(out, *kind, |out| out.bytes(value));
        }
    }
}

const EVICTION: u16 = 2;
const VACANCY: u16 = 3;

/// A change of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableMod {
    /// The table, or 255 for all.
    pub table: u8,
    /// How it shall be set.
    pub config: TableConfig,
}

impl Body for TableMod {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let table = reader.u8()?;
        reader.skip(3)?;
        Ok(Self {
            table,
            config: TableConfig::read(reader)?,
        })
    }

    fn write(&self, out: &mut Writer) {
        out.u8(self.table);
        out.zeros(3);
        self.config.write(out);
    }
}

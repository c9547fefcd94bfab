//! What tables count, can do, and how they are set (OpenFlow 1.5, sections 7.3.5.5, 7.3.5.16, 7.3.5.17).

use crate::error::{Error, Result};
use crate::message::table_mod::TableConfig;
use crate::property::{Properties, put_property};
use crate::version::Version;
use crate::wire::{Reader, Writer, fixed_name};

/// How long a table's name may be.
const NAME: usize = 32;

/// What a table has counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableStats {
    /// The table.
    pub table: u8,
    /// How many flows it holds.
    pub active: u32,
    /// How many packets were looked up in it.
    pub lookups: u64,
    /// How many of them matched.
    pub matched: u64,
    /// What only OpenFlow 1.0 says here; later versions say it in [`TableFeatures`].
    pub old: Option<TableStats10>,
}

/// What OpenFlow 1.0 says of a table beside its counters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableStats10 {
    /// Its name.
    pub name: String,
    /// The fields that need not be matched, a bit each.
    pub wildcards: u32,
    /// How many flows it can hold.
    pub max_entries: u32,
}

impl TableStats {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let table = reader.u8()?;
        reader.skip(3)?;
        let old = match reader.version {
            Version::V10 => Some(TableStats10 {
                name: fixed_name(reader.take(NAME)?),
                wildcards: reader.u32()?,
                max_entries: reader.u32()?,
            }),
            _ => None,
        };
        let active = reader.u32()?;
        Ok(Self {
            table,
            active,
            lookups: reader.u64()?,
            matched: reader.u64()?,
            old,
        })
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.u8(self.table);
        out.zeros(3);
        if out.version == Version::V10 {
            let old = self.old.clone().unwrap_or_default();
            out.name(&old.name, NAME);
            out.u32(old.wildcards);
            out.u32(old.max_entries);
        }
        out.u32(self.active);
        out.u64(self.lookups);
        out.u64(self.matched);
    }
}

/// What a table can do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableFeatures {
    /// The table.
    pub table: u8,
    /// In a request of OpenFlow 1.5: 0 replace all tables, [`TableFeatures::MODIFY`] these, 2 enable, 3 disable.
    pub command: u8,
    /// Its name.
    pub name: String,
    /// The bits of metadata that it can match.
    pub metadata_match: u64,
    /// The bits of metadata that it can write.
    pub metadata_write: u64,
    /// How it can be set: see [`TableConfig`].
    pub capabilities: u32,
    /// How many flows it can hold.
    pub max_entries: u32,
    /// Everything else: type and value, as the constants say.
    pub properties: Vec<(u16, Box<[u8]>)>,
}

impl TableFeatures {
    /// The command that changes some tables; without properties these stay as they are.
    pub const MODIFY: u8 = 1;
    /// How many bytes a name has at the most.
    pub const LONGEST_NAME: usize = NAME - 1;
    /// Property: the instructions, each a type and a length.
    pub const INSTRUCTIONS: u16 = 0;
    /// Property: the tables that a flow can lead to, a byte each.
    pub const NEXT_TABLES: u16 = 2;
    /// Property: the actions for the action set.
    pub const WRITE_ACTIONS: u16 = 4;
    /// Property: the actions that are done at once.
    pub const APPLY_ACTIONS: u16 = 6;
    /// Property: the headers of the fields that can be matched.
    pub const MATCH: u16 = 8;
    /// Property: the headers of the fields that need not be matched.
    pub const WILDCARDS: u16 = 10;
    /// Property: the headers of the fields that the action set can write.
    pub const WRITE_SET_FIELD: u16 = 12;
    /// Property: the headers of the fields that actions can write.
    pub const APPLY_SET_FIELD: u16 = 14;

    /// The value of a property.
    #[must_use]
    pub fn property(&self, kind: u16) -> Option<&[u8]> {
        let found = self.properties.iter().find(|(known, _)| *known == kind);
        found.map(|(_, value)| value.as_ref())
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self {
            table: reader.u8()?,
            command: reader.u8()?,
            ..Self::default()
        };
        reader.skip(4)?;
        out.name = fixed_name(reader.take(NAME)?);
        out.metadata_match = reader.u64()?;
        out.metadata_write = reader.u64()?;
        out.capabilities = reader.u32()?;
        out.max_entries = reader.u32()?;
        for property in Properties::new(reader) {
            let (kind, value) = property?;
            out.properties.push((kind, value.rest().into()));
        }
        Ok(out)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.u8(self.table);
        out.u8(self.command);
        out.zeros(4);
        out.name(&self.name, NAME);
        out.u64(self.metadata_match);
        out.u64(self.metadata_write);
        out.u32(self.capabilities);
        out.u32(self.max_entries);
        for (kind, value) in &self.properties {
            put_property(out, *kind, |out| out.bytes(value));
        }
    }
}

/// How a table is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableDesc {
    /// The table.
    pub table: u8,
    /// How it is set.
    pub config: TableConfig,
}

impl TableDesc {
    /// Reads one out of the bytes of [`crate::message::TableStatus`].
    ///
    /// # Errors
    /// When the lengths contradict the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let length = usize::from(reader.u16()?);
        let rest = length.checked_sub(2).ok_or(Error::BadLength {
            what: "table",
            length,
        })?;
        Self::read(&mut reader.sub(rest)?)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let table = reader.u8()?;
        reader.skip(1)?;
        Ok(Self {
            table,
            config: TableConfig::read(reader)?,
        })
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.u8(self.table);
        out.zeros(1);
        self.config.write(out);
    }
}

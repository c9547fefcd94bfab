//! The small messages of Nicira's extensions.

use super::Body;
use crate::error::{Error, Result};
use crate::wire::{Reader, Writer};

/// Messages that are one number, behind some padding.
macro_rules! one_number {
    ($($name:ident { $field:tt: $read:ident } behind $padding:literal;)*) => {
        $(impl Body for $name {
            fn read(reader: &mut Reader<'_>) -> Result<Self> {
                reader.skip($padding)?;
                Ok(Self {
                    $field: reader.$read()?,
                })
            }

            fn write(&self, out: &mut Writer) {
                out.zeros($padding);
                out.$read(self.$field);
            }
        })*
    };
}

one_number! {
    SetPacketInFormat { format: u32 } behind 0;
    SetFlowFormat { format: u32 } behind 0;
    MonitorId { 0: u32 } behind 0;
    SetControllerId { id: u16 } behind 6;
    CtFlushZone { zone: u16 } behind 6;
}

/// The form in which packets come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetPacketInFormat {
    /// The form: see the constants.
    pub format: u32,
}

impl SetPacketInFormat {
    /// The form of OpenFlow itself.
    pub const STANDARD: Self = Self { format: 0 };
    /// Nicira's older form, [`super::PacketInNxm`].
    pub const NXT_PACKET_IN: Self = Self { format: 1 };
    /// Nicira's newer form, [`super::PacketIn`].
    pub const NXT_PACKET_IN2: Self = Self { format: 2 };
}

/// The form in which an OpenFlow 1.0 switch speaks of flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetFlowFormat {
    /// The form: see the constants.
    pub format: u32,
}

impl SetFlowFormat {
    /// The form of OpenFlow 1.0 itself.
    pub const OPENFLOW10: Self = Self { format: 0 };
    /// Nicira's, which knows all fields.
    pub const NXM: Self = Self { format: 2 };
}

/// Whether changes of flows name their table in OpenFlow 1.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowModTableId {
    /// Whether they do.
    pub set: bool,
}

impl Body for FlowModTableId {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let set = reader.u8()? != 0;
        reader.skip(7)?;
        Ok(Self { set })
    }

    fn write(&self, out: &mut Writer) {
        out.u8(self.set.into());
        out.zeros(7);
    }
}

/// The number of a flow monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonitorId(pub u32);

/// The id that controller actions name a connection by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetControllerId {
    /// The id.
    pub id: u16,
}

/// A connection-tracking zone to be emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CtFlushZone {
    /// The zone.
    pub zone: u16,
}

/// A tunnel option and the field it is matched by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TlvMap {
    /// The option's class.
    pub class: u16,
    /// The option's type.
    pub kind: u8,
    /// The option's length in bytes, a multiple of four.
    pub length: u8,
    /// The number of the tunnel metadata field.
    pub index: u16,
}

fn read_maps(reader: &mut Reader<'_>) -> Result<Vec<TlvMap>> {
    let mut out = Vec::new();
    while !reader.is_empty() {
        let (class, kind, length, index) =
            (reader.u16()?, reader.u8()?, reader.u8()?, reader.u16()?);
        reader.skip(2)?;
        out.push(TlvMap {
            class,
            kind,
            length,
            index,
        });
    }
    Ok(out)
}

fn write_maps(out: &mut Writer, maps: &[TlvMap]) {
    for map in maps {
        out.u16(map.class);
        out.u8(map.kind);
        out.u8(map.length);
        out.u16(map.index);
        out.zeros(2);
    }
}

/// A change of the mapping of tunnel options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlvTableMod {
    /// Add these.
    Add(Vec<TlvMap>),
    /// Remove those with these numbers.
    Delete(Vec<TlvMap>),
    /// Remove all.
    Clear,
}

impl Body for TlvTableMod {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let command = reader.u16()?;
        reader.skip(6)?;
        let maps = read_maps(reader)?;
        match command {
            0 => Ok(Self::Add(maps)),
            1 => Ok(Self::Delete(maps)),
            2 => Ok(Self::Clear),
            other => Err(Error::BadValue {
                what: "option command",
                value: other.into(),
            }),
        }
    }

    fn write(&self, out: &mut Writer) {
        let (command, maps): (u16, &[TlvMap]) = match self {
            Self::Add(maps) => (0, maps),
            Self::Delete(maps) => (1, maps),
            Self::Clear => (2, &[]),
        };
        out.u16(command);
        out.zeros(6);
        write_maps(out, maps);
    }
}

/// How tunnel options are mapped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlvTable {
    /// How many bytes of options can be mapped altogether.
    pub max_space: u32,
    /// How many fields there are.
    pub max_fields: u16,
    /// The mapping.
    pub maps: Vec<TlvMap>,
}

impl TlvTable {
    /// The field that an option is mapped to.
    #[must_use]
    pub fn index(&self, class: u16, kind: u8) -> Option<u16> {
        self.maps
            .iter()
            .find(|map| (map.class, map.kind) == (class, kind))
            .map(|map| map.index)
    }

    /// The lowest number that is not taken.
    #[must_use]
    pub fn first_free(&self) -> Option<u16> {
        (0..self.max_fields).find(|index| self.maps.iter().all(|map| map.index != *index))
    }
}

impl Body for TlvTable {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let max_space = reader.u32()?;
        let max_fields = reader.u16()?;
        reader.skip(10)?;
        Ok(Self {
            max_space,
            max_fields,
            maps: read_maps(reader)?,
        })
    }

    fn write(&self, out: &mut Writer) {
        out.u32(self.max_space);
        out.u16(self.max_fields);
        out.zeros(10);
        write_maps(out, &self.maps);
    }
}

//! Meters: what they are, have counted and can be (OpenFlow 1.5, sections 7.3.5.13 to 7.3.5.15).

use crate::error::{Error, Result};
use crate::message::meter_mod::{Meter, read_bands, write_bands};
use crate::wire::{Reader, Writer};

pub(super) fn read_meter(reader: &mut Reader<'_>) -> Result<Meter> {
    let flags = reader.u16()?;
    let id = reader.u32()?;
    Ok(Meter {
        id,
        flags,
        bands: read_bands(reader)?,
    })
}

pub(super) fn write_meter(out: &mut Writer, meter: &Meter) {
    out.u16(meter.flags);
    out.u32(meter.id);
    write_bands(out, &meter.bands);
}

/// What a meter has counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeterStats {
    /// The meter.
    pub id: u32,
    /// How many flows use it.
    pub flows: u32,
    /// How many packets came to it.
    pub packets: u64,
    /// How many bytes came to it.
    pub bytes: u64,
    /// For how long it has been there: seconds and nanoseconds.
    pub duration: (u32, u32),
    /// Packets and bytes that each band caught.
    pub bands: Vec<(u64, u64)>,
}

impl MeterStats {
    pub(super) fn read_all(reader: &mut Reader<'_>) -> Result<Vec<Self>> {
        let mut out = Vec::new();
        while !reader.is_empty() {
            let id = reader.u32()?;
            let length = usize::from(reader.u16()?);
            let rest = length.checked_sub(6).ok_or(Error::BadLength {
                what: "meter statistics",
                length,
            })?;
            let mut body = reader.sub(rest)?;
            body.skip(6)?;
            let mut one = Self {
                id,
                flows: body.u32()?,
                packets: body.u64()?,
                bytes: body.u64()?,
                duration: (body.u32()?, body.u32()?),
                bands: Vec::new(),
            };
            while !body.is_empty() {
                one.bands.push((body.u64()?, body.u64()?));
            }
            out.push(one);
        }
        Ok(out)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        let start = out.len();
        out.u32(self.id);
        out.zeros(8);
        out.u32(self.flows);
        out.u64(self.packets);
        out.u64(self.bytes);
        out.u32(self.duration.0);
        out.u32(self.duration.1);
        for (packets, bytes) in &self.bands {
            out.u64(*packets);
            out.u64(*bytes);
        }
        out.patch_len(start + 4, start);
    }
}

/// What meters can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MeterFeatures {
    /// How many meters there can be.
    pub max_meters: u32,
    /// The kinds of bands, a bit for each type.
    pub bands: u32,
    /// The flags that a meter can have.
    pub capabilities: u32,
    /// How many bands a meter can have.
    pub max_bands: u8,
    /// How many colours there are.
    pub max_color: u8,
    /// More of them (OpenFlow 1.5).
    pub features: u32,
}

impl MeterFeatures {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self {
            max_meters: reader.u32()?,
            bands: reader.u32()?,
            capabilities: reader.u32()?,
            max_bands: reader.u8()?,
            max_color: reader.u8()?,
            features: 0,
        };
        reader.skip(2)?;
        // Open vSwitch leaves out what OpenFlow 1.5 added.
        if reader.len() >= 8 {
            out.features = reader.u32()?;
            reader.skip(4)?;
        }
        Ok(out)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.u32(self.max_meters);
        out.u32(self.bands);
        out.u32(self.capabilities);
        out.u8(self.max_bands);
        out.u8(self.max_color);
        out.zeros(2);
        if self.features != 0 {
            out.u32(self.features);
            out.zeros(4);
        }
    }
}

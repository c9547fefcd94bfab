//! Network service headers (RFC 8300).

use crate::attribute::{Raw, Writer, attributes};
use crate::layout::{Layout, layouts, take};
use crate::message::keep;

const BASE: u16 = 1;
const MD1: u16 = 2;
const MD2: u16 = 3;

layouts! {
    /// What each network service header begins with.
    NshBase[8] {
        /// The flags.
        flags: u8 = "flags" Dec,
        /// Time to live.
        ttl: u8 = "ttl" Dec,
        /// Which metadata follows: 1 or 2.
        mdtype: u8 = "mdtype" Dec,
        /// What is inside: 3 for Ethernet.
        np: u8 = "np" Dec,
        /// The service path, 24 bits, and the service index, 8 bits.
        path: u32 = "path" Hex,
    }
}

impl NshBase {
    /// The service path identifier, 24 bits.
    #[must_use]
    pub const fn path_id(&self) -> u32 {
        self.path >> 8
    }

    /// The service index.
    #[must_use]
    pub const fn service_index(&self) -> u8 {
        (self.path & 0xff) as u8
    }
}

/// A network service header: in a key, or to be put before a packet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Nsh {
    /// What it begins with.
    pub base: Option<NshBase>,
    /// Metadata of type 1: four words.
    pub md1: Option<[u32; 4]>,
    /// Metadata of type 2: a list of type, length and value, as on the wire.
    pub md2: Option<Vec<u8>>,
    /// What nobody here knows.
    pub unknown: Vec<Raw>,
}

fn words(bytes: &[u8]) -> Option<[u32; 4]> {
    let mut rest = (bytes.len() == 16).then_some(bytes)?;
    Some([
        take(&mut rest)?,
        take(&mut rest)?,
        take(&mut rest)?,
        take(&mut rest)?,
    ])
}

impl Nsh {
    /// The mask by which all that is there counts.
    #[must_use]
    pub fn exact_mask(&self) -> Self {
        let raws = self.unknown.iter().map(Raw::exact_mask);
        Self {
            base: self.base.map(|_| NshBase::EXACT),
            md1: self.md1.map(|_| [u32::MAX; 4]),
            md2: self.md2.as_ref().map(|bytes| vec![0xff; bytes.len()]),
            unknown: raws.collect(),
        }
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut nsh = Self::default();
        for attribute in attributes(bytes) {
            let attribute = attribute.ok()?;
            let value = attribute.value;
            let known = match attribute.kind() {
                BASE => NshBase::read(value).map(|base| nsh.base = Some(base)),
                MD1 => words(value).map(|words| nsh.md1 = Some(words)),
                MD2 => keep(&mut nsh.md2, Some(Some(value.to_vec()))),
                _ => None,
            };
            if known.is_none() {
                nsh.unknown.push(attribute.to_raw());
            }
        }
        Some(nsh)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        self.write_with(&Self::default(), writer);
    }

    /// A masked set: behind each value stands its mask.
    pub(crate) fn write_masked(&self, mask: &Self, writer: &mut Writer) {
        let mask = Self {
            base: self.base.map(|_| mask.base.unwrap_or_default()),
            md1: self.md1.map(|_| mask.md1.unwrap_or_default()),
            ..Self::default()
        };
        self.write_with(&mask, writer);
    }

    fn write_with(&self, mask: &Self, writer: &mut Writer) {
        if let Some(base) = self.base {
            let mut bytes = Vec::with_capacity(16);
            base.write(&mut bytes);
            if let Some(mask) = mask.base {
                mask.write(&mut bytes);
            }
            writer.attribute(BASE, &bytes);
        }
        if let Some(words) = self.md1 {
            let words = words.into_iter().chain(mask.md1.into_iter().flatten());
            let bytes: Vec<u8> = words.flat_map(u32::to_be_bytes).collect();
            writer.attribute(MD1, &bytes);
        }
        if let Some(metadata) = &self.md2 {
            writer.attribute(MD2, metadata);
        }
        for raw in &self.unknown {
            writer.raw(raw);
        }
    }

    /// Takes a masked set apart: the values and their masks, if it is nothing but base and words.
    pub(crate) fn read_masked(bytes: &[u8]) -> Option<(Self, Self)> {
        let (mut nsh, mut mask) = (Self::default(), Self::default());
        for attribute in attributes(bytes) {
            let attribute = attribute.ok()?;
            let (value, bits) = attribute.value.split_at(attribute.value.len() / 2);
            match attribute.kind() {
                BASE => {
                    nsh.base = Some(NshBase::read(value)?);
                    mask.base = Some(NshBase::read(bits)?);
                }
                MD1 => {
                    nsh.md1 = Some(words(value)?);
                    mask.md1 = Some(words(bits)?);
                }
                _ => return None,
            }
        }
        Some((nsh, mask))
    }
}

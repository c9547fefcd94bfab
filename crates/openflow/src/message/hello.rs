//! The greeting, with the versions that its sender speaks (OpenFlow 1.5, section 7.5.1).

use super::Body;
use crate::error::{Error, Result};
use crate::version::{Version, Versions};
use crate::wire::{Reader, Writer};

const VERSION_BITMAP: u16 = 1;

/// A greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Bit `n` is set if version `n` is spoken. Versions above 31 do not exist.
    pub versions: u32,
}

impl Default for Hello {
    fn default() -> Self {
        Self::new(Versions::ALL)
    }
}

impl Hello {
    /// A greeting from somebody who speaks these versions.
    #[must_use]
    pub fn new(versions: Versions) -> Self {
        Self {
            versions: versions.bitmap(),
        }
    }

    /// The newest version that both sides speak. A greeting without a bitmap speaks its header's
    /// version and all before it.
    #[must_use]
    pub fn agree(&self, header: u8, ours: Versions) -> Option<Version> {
        let theirs = |version: Version| match self.versions {
            0 => version.number() <= header,
            _ => self.speaks(version.number()),
        };
        ours.iter().rev().find(|version| theirs(*version))
    }

    /// Whether a version is spoken.
    #[must_use]
    pub const fn speaks(&self, version: u8) -> bool {
        version < 32 && self.versions & 1 << version != 0
    }
}

impl Body for Hello {
    /// A greeting without a bitmap says nothing here: its header's version counts.
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut versions = 0;
        while !reader.is_empty() {
            let kind = reader.u16()?;
            let length = usize::from(reader.u16()?);
            let value = length.checked_sub(4).ok_or(Error::BadLength {
                what: "hello element",
                length,
            })?;
            let mut value = reader.sub(value)?;
            reader.skip_padding(length.next_multiple_of(8) - length);
            if kind == VERSION_BITMAP {
                versions = value.u32()?;
            }
        }
        Ok(Self { versions })
    }

    fn write(&self, out: &mut Writer) {
        out.u16(VERSION_BITMAP);
        out.u16(8);
        out.u32(self.versions);
    }
}

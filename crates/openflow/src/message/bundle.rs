//! Bundles: several messages that take effect together (OpenFlow 1.5, section 7.3.9).

use super::{Body, HEADER, Message};
use crate::error::{Error, Result};
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// How a bundle takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct BundleFlags(pub u16);

impl BundleFlags {
    /// All or nothing, and at once.
    pub const ATOMIC: Self = Self(1);
    /// In the order of the messages.
    pub const ORDERED: Self = Self(1 << 1);
    /// Both.
    pub const ATOMIC_ORDERED: Self = Self(3);
}

/// A step in the life of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BundleControlKind {
    /// Begin.
    OpenRequest,
    /// It has begun.
    OpenReply,
    /// No more messages will come.
    CloseRequest,
    /// So be it.
    CloseReply,
    /// Let it take effect.
    CommitRequest,
    /// It has taken effect.
    CommitReply,
    /// Forget it.
    DiscardRequest,
    /// It is forgotten.
    DiscardReply,
    /// A step this crate has no name for.
    Unknown(u16),
}

const KINDS: [BundleControlKind; 8] = [
    BundleControlKind::OpenRequest,
    BundleControlKind::OpenReply,
    BundleControlKind::CloseRequest,
    BundleControlKind::CloseReply,
    BundleControlKind::CommitRequest,
    BundleControlKind::CommitReply,
    BundleControlKind::DiscardRequest,
    BundleControlKind::DiscardReply,
];

impl BundleControlKind {
    fn from_code(code: u16) -> Self {
        KINDS
            .get(usize::from(code))
            .copied()
            .unwrap_or(Self::Unknown(code))
    }

    fn code(self) -> u16 {
        match self {
            Self::Unknown(code) => code,
            _ => KINDS
                .iter()
                .zip(0..)
                .find(|(kind, _)| **kind == self)
                .map_or(0, |(_, n)| n),
        }
    }
}

/// A step in the life of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BundleControl {
    /// The bundle's number.
    pub id: u32,
    /// The step.
    pub kind: BundleControlKind,
    /// How it takes effect.
    pub flags: BundleFlags,
}

impl Body for BundleControl {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            id: reader.u32()?,
            kind: BundleControlKind::from_code(reader.u16()?),
            flags: BundleFlags(reader.u16()?),
        })
    }

    fn write(&self, out: &mut Writer) {
        out.u32(self.id);
        out.u16(self.kind.code());
        out.u16(self.flags.0);
    }
}

/// A message for a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleAdd {
    /// The bundle's number.
    pub id: u32,
    /// How it takes effect; the same as when it was opened.
    pub flags: BundleFlags,
    /// The message in bytes, header included. Its transaction number is that of the outer message.
    pub message: Box<[u8]>,
}

impl BundleAdd {
    /// How many bytes a message gains by standing in a bundle.
    #[must_use]
    pub const fn overhead(version: Version) -> usize {
        match version {
            Version::V10 | Version::V13 => HEADER + 16,
            Version::V14 | Version::V15 => HEADER + 8,
        }
    }

    /// Writes what stands before the message.
    pub(super) fn write_head(out: &mut Writer, id: u32, flags: BundleFlags) {
        out.u32(id);
        out.zeros(2);
        out.u16(flags.0);
    }

    /// The message inside.
    ///
    /// # Errors
    /// When its bytes contradict themselves.
    pub fn inner(&self) -> Result<Message> {
        // A bundle cannot hold a bundle, so there is no deeper nesting to guard against.
        Message::decode(&self.message).map(|(_, message)| message)
    }
}

impl Body for BundleAdd {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let id = reader.u32()?;
        reader.skip(2)?;
        let flags = BundleFlags(reader.u16()?);
        let mut header = *reader;
        header.skip(2)?;
        let length = usize::from(header.u16()?);
        if length < HEADER {
            return Err(Error::BadLength {
                what: "message in a bundle",
                length,
            });
        }
        Ok(Self {
            id,
            flags,
            message: reader.take(length)?.into(),
        })
    }

    fn write(&self, out: &mut Writer) {
        Self::write_head(out, self.id, self.flags);
        out.bytes(&self.message);
    }
}

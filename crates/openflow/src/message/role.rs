//! What a controller may do (OpenFlow 1.5, section 7.3.8).

use super::Body;
use crate::error::Result;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// A controller's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// As it is; a question. OpenFlow 1.0 has no such question.
    NoChange,
    /// One among several that may do everything.
    Equal,
    /// The one that may do everything.
    Primary,
    /// One that may look only.
    Secondary,
    /// A role this crate has no name for.
    Unknown(u32),
}

impl Role {
    pub(super) const fn from_code(code: u32) -> Self {
        match code {
            0 => Self::NoChange,
            1 => Self::Equal,
            2 => Self::Primary,
            3 => Self::Secondary,
            other => Self::Unknown(other),
        }
    }

    pub(super) const fn code(self) -> u32 {
        match self {
            Self::NoChange => 0,
            Self::Equal => 1,
            Self::Primary => 2,
            Self::Secondary => 3,
            Self::Unknown(other) => other,
        }
    }
}

/// A role, asked for or given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleMessage {
    /// The role.
    pub role: Role,
    /// The number of this controller (OpenFlow 1.5.1); zero where it has none.
    pub short_id: u16,
    /// The election that it comes from; OpenFlow 1.0 has none.
    pub generation: u64,
}

impl Body for RoleMessage {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let code = reader.u32()?;
        if reader.version == Version::V10 {
            // Nicira's form counts from the role of one among several.
            return Ok(Self {
                role: Role::from_code(code.saturating_add(1)),
                short_id: 0,
                generation: 0,
            });
        }
        let short_id = reader.u16()?;
        reader.skip(2)?;
        Ok(Self {
            role: Role::from_code(code),
            short_id,
            generation: reader.u64()?,
        })
    }

    fn write(&self, out: &mut Writer) {
        let code = self.role.code();
        if out.version == Version::V10 {
            match code.checked_sub(1) {
                Some(code) => out.u32(code),
                None => out.unsayable("a question for the role"),
            }
            return;
        }
        out.u32(code);
        out.u16(self.short_id);
        out.zeros(2);
        out.u64(self.generation);
    }
}

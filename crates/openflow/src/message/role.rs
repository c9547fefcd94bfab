//! What a controller may do (OpenFlow 1.5, section 7.3.8).

use super::Body;
use crate::error::Result;
use crate::wire::{Put, Reader};

/// A controller's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// As it is; a question.
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

/// A role, asked for or given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleMessage {
    /// The role.
    pub role: Role,
    /// The number of this controller (OpenFlow 1.5.1); zero where it has none.
    pub short_id: u16,
    /// The election that it comes from.
    pub generation: u64,
}

impl Body for RoleMessage {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let role = match reader.u32()? {
            0 => Role::NoChange,
            1 => Role::Equal,
            2 => Role::Primary,
            3 => Role::Secondary,
            other => Role::Unknown(other),
        };
        let short_id = reader.u16()?;
        reader.skip(2)?;
        Ok(Self {
            role,
            short_id,
            generation: reader.u64()?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.u32(match self.role {
            Role::NoChange => 0,
            Role::Equal => 1,
            Role::Primary => 2,
            Role::Secondary => 3,
            Role::Unknown(other) => other,
        });
        out.u16(self.short_id);
        out.zeros(2);
        out.u64(self.generation);
    }
}

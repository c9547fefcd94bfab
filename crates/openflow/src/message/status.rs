//! What a switch tells of its controllers and tables unasked (OpenFlow 1.5, sections 7.4.4 to 7.4.6).

use super::role::Role;
use super::{Body, HEADER, Message};
use crate::error::{Error, Result};
use crate::wire::{Reader, Writer};

/// The role of this controller has changed without its asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleStatus {
    /// The role it has now.
    pub role: Role,
    /// 0 another became primary, 1 by configuration, 2 by an extension.
    pub reason: u8,
    /// The election.
    pub generation: u64,
    /// Its properties, as they came.
    pub properties: Box<[u8]>,
}

impl Body for RoleStatus {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let role = Role::from_code(reader.u32()?);
        let reason = reader.u8()?;
        reader.skip(3)?;
        Ok(Self {
            role,
            reason,
            generation: reader.u64()?,
            properties: reader.rest().into(),
        })
    }

    fn write(&self, out: &mut Writer) {
        out.u32(self.role.code());
        out.u8(self.reason);
        out.zeros(3);
        out.u64(self.generation);
        out.bytes(&self.properties);
    }
}

/// A table has become emptier or fuller than it was told to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableStatus {
    /// 3 emptier, 4 fuller.
    pub reason: u8,
    /// The table as [`super::multipart::Part::TableDescs`] describes it, in bytes.
    pub table: Box<[u8]>,
}

impl Body for TableStatus {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let reason = reader.u8()?;
        reader.skip(7)?;
        Ok(Self {
            reason,
            table: reader.rest().into(),
        })
    }

    fn write(&self, out: &mut Writer) {
        out.u8(self.reason);
        out.zeros(7);
        out.bytes(&self.table);
    }
}

/// Another controller changed a group or a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestForward {
    /// The request in bytes, header included.
    pub request: Box<[u8]>,
}

impl RequestForward {
    /// The request inside.
    ///
    /// # Errors
    /// When its bytes contradict themselves, or it is another such message.
    pub fn inner(&self) -> Result<Message> {
        match Message::decode(&self.request)? {
            (_, Message::RequestForward(_)) => Err(Error::TooDeep),
            (_, message) => Ok(message),
        }
    }
}

impl Body for RequestForward {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let length = reader.len();
        if length < HEADER {
            return Err(Error::BadLength {
                what: "forwarded request",
                length,
            });
        }
        Ok(Self {
            request: reader.take(length)?.into(),
        })
    }

    fn write(&self, out: &mut Writer) {
        out.bytes(&self.request);
    }
}

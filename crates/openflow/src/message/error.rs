//! Why a request was refused (OpenFlow 1.5, section 7.5.4).

use std::fmt;

use super::{Body, BundleAdd, Message, Space, error_table};
use crate::error::Result;
use crate::version::Version;
use crate::wire::{Reader, Writer};
use crate::{NICIRA, ONF};

/// The type of an extension's errors.
const EXPERIMENTER: u16 = 0xffff;
/// The same in OpenFlow 1.0, where Nicira's errors have a type of their own.
const VENDOR_10: u16 = 0xb0c2;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorMessage {
    /// The version in which type and code have their meaning.
    pub version: Version,
    /// The type.
    pub kind: u16,
    /// The code within the type.
    pub code: u16,
    /// Whose type it is, for an extension.
    pub experimenter: Option<u32>,
    /// The beginning of the request that was refused.
    pub data: Box<[u8]>,
}

impl ErrorMessage {
    /// The error of this name, such as `OFPBMC_BAD_PREREQ`, about a request. `None` if the version has
    /// no such error.
    #[must_use]
    pub fn named(version: Version, name: &str, request: &[u8]) -> Option<Self> {
        let (space, kind, code) = error_table::numbers(version, name)?;
        let experimenter = match space {
            Space::Standard => None,
            Space::Nicira => Some(NICIRA),
            Space::Onf => Some(ONF),
        };
        Some(Self {
            version,
            kind: match experimenter {
                Some(_) if version != Version::V10 => EXPERIMENTER,
                _ => kind,
            },
            code,
            experimenter,
            data: request[..request.len().min(64)].into(),
        })
    }

    /// The error's name, such as `OFPBMC_BAD_PREREQ`.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        let space = match self.experimenter {
            None => Space::Standard,
            Some(NICIRA) => Space::Nicira,
            Some(ONF) => Space::Onf,
            Some(_) => return None,
        };
        let kind = match space {
            Space::Standard => self.kind,
            _ if self.version == Version::V10 => self.kind,
            _ => 0,
        };
        error_table::name(self.version, space, kind, self.code)
    }

    /// Type and transaction number of the refused request, if enough of it came back.
    #[must_use]
    pub fn request(&self) -> Option<(u8, u32)> {
        let mut reader = Reader::new(&self.data);
        let kind = reader.skip(1).and_then(|()| reader.u8()).ok()?;
        let xid = reader.skip(2).and_then(|()| reader.u32()).ok()?;
        Some((kind, xid))
    }

    /// The refused request, if all of it came back. A switch sends at least its first 64 bytes.
    #[must_use]
    pub fn refused(&self) -> Option<Message> {
        let length = self.data.get(2..4)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let bytes = self.data.get(..length)?;
        Message::decode(bytes).ok().map(|(_, message)| message)
    }

    /// The name of the refused request's type, if its beginning came back; of a message in a bundle, that
    /// message's.
    #[must_use]
    pub fn refused_kind(&self) -> Option<&'static str> {
        let outer = Message::kind_of(&self.data)?.name;
        let version = Version::from_number(*self.data.first()?)?;
        let inner = self.data.get(BundleAdd::overhead(version)..);
        match inner.and_then(Message::kind_of) {
            Some(inner) if outer == "BundleAdd" => Some(inner.name),
            _ => Some(outer),
        }
    }
}

impl fmt::Display for ErrorMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self.experimenter) {
            (Some(name), _) => f.write_str(name),
            (None, None) => write!(f, "error of type {} code {}", self.kind, self.code),
            (None, Some(e)) => write!(f, "error of experimenter {e:#x} code {}", self.code),
        }
    }
}

impl Body for ErrorMessage {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let version = reader.version;
        let mut kind = reader.u16()?;
        let mut code = reader.u16()?;
        let experimenter = match (version, kind) {
            (Version::V10, VENDOR_10) => {
                let experimenter = reader.u32()?;
                (kind, code) = (reader.u16()?, reader.u16()?);
                Some(experimenter)
            }
            (Version::V10, _) => None,
            (_, EXPERIMENTER) => Some(reader.u32()?),
            _ => None,
        };
        Ok(Self {
            version,
            kind,
            code,
            experimenter,
            data: reader.rest().into(),
        })
    }

    fn write(&self, out: &mut Writer) {
        match self.experimenter {
            Some(experimenter) if out.version == Version::V10 => {
                out.u16(VENDOR_10);
                out.u16(0);
                out.u32(experimenter);
                out.u16(self.kind);
                out.u16(self.code);
            }
            Some(experimenter) => {
                out.u16(EXPERIMENTER);
                out.u16(self.code);
                out.u32(experimenter);
            }
            None => {
                out.u16(self.kind);
                out.u16(self.code);
            }
        }
        out.bytes(&self.data);
    }
}

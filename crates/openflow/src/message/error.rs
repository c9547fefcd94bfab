//! Why a request was refused (OpenFlow 1.5, section 7.5.4).

use std::fmt;

use super::{Body, error_names};
use crate::NICIRA;
use crate::error::Result;
use crate::wire::{Put, Reader};

const EXPERIMENTER: u16 = 0xffff;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorMessage {
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
    /// The error's name, such as `OFPBMC_BAD_PREREQ`.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        match self.experimenter {
            None => error_names::standard(self.kind, self.code),
            Some(NICIRA) => error_names::nicira(self.code),
            Some(_) => None,
        }
    }

    /// Type and transaction number of the refused request, if enough of it came back.
    #[must_use]
    pub fn request(&self) -> Option<(u8, u32)> {
        let mut reader = Reader::new(&self.data);
        let kind = reader.skip(1).and_then(|()| reader.u8()).ok()?;
        let xid = reader.skip(2).and_then(|()| reader.u32()).ok()?;
        Some((kind, xid))
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
        let kind = reader.u16()?;
        let code = reader.u16()?;
        let experimenter = if kind == EXPERIMENTER {
            Some(reader.u32()?)
        } else {
            None
        };
        Ok(Self {
            kind,
            code,
            experimenter,
            data: reader.rest().into(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.u16(if self.experimenter.is_some() {
            EXPERIMENTER
        } else {
            self.kind
        });
        out.u16(self.code);
        if let Some(experimenter) = self.experimenter {
            out.u32(experimenter);
        }
        out.bytes(&self.data);
    }
}

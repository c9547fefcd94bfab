//! Attributes of netlink: type, length, value, padded to four bytes (`netlink(7)`).
//!
//! Invariant: a value whose type nobody here knows is kept as [`Raw`], its flag bits too, and goes back as
//! it came.

use netlink_packet_core::NlasIterator;

/// The bit in an attribute's type that says: there are attributes inside.
pub(crate) const NESTED: u16 = netlink_packet_core::NLA_F_NESTED;
/// How deep attributes of the same meaning may stand in each other: VLANs in VLANs, actions in actions.
/// What is deeper is kept as bytes.
pub(crate) const MAX_DEPTH: usize = 32;

/// Bytes that should be attributes are not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// An attribute is longer than what holds it, or shorter than its own header.
    #[error("the bytes are not attributes: {0}")]
    Framing(String),
    /// A message is shorter than its headers.
    #[error("a message of {what} has {length} bytes, which is less than its header")]
    Short {
        /// What the message is about.
        what: &'static str,
        /// How many bytes there are.
        length: usize,
    },
    /// An attribute that a message cannot do without is missing, or has the wrong length.
    #[error("a message of {what} has no good attribute {attribute}")]
    Missing {
        /// What the message is about.
        what: &'static str,
        /// The attribute's name.
        attribute: &'static str,
    },
}

/// An attribute in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attribute<'a> {
    /// Its type as it stands there, with the flag bits.
    pub(crate) raw_kind: u16,
    pub(crate) value: &'a [u8],
}

impl Attribute<'_> {
    /// Its type.
    pub(crate) const fn kind(&self) -> u16 {
        self.raw_kind & netlink_packet_core::NLA_TYPE_MASK
    }

    pub(crate) fn to_raw(self) -> Raw {
        Raw {
            kind: self.raw_kind,
            bytes: self.value.to_vec(),
        }
    }
}

/// The attributes that the bytes consist of. The first fault ends them.
pub(crate) fn attributes(bytes: &[u8]) -> impl Iterator<Item = Result<Attribute<'_>, DecodeError>> {
    NlasIterator::new(bytes).map(|attribute| {
        let attribute = attribute.map_err(|error| DecodeError::Framing(error.to_string()))?;
        let length = usize::from(attribute.length());
        let whole = attribute.into_inner();
        let (Some(kind), Some(value)) = (whole.get(2..4), whole.get(4..length)) else {
            return Err(DecodeError::Framing("an attribute ends too early".into()));
        };
        Ok(Attribute {
            raw_kind: u16::from_ne_bytes([kind[0], kind[1]]),
            value,
        })
    })
}

/// All of them, or nothing when one is broken.
pub(crate) fn all(bytes: &[u8]) -> Option<Vec<Attribute<'_>>> {
    attributes(bytes).collect::<Result<_, _>>().ok()
}

/// An attribute that nobody here understands: a newer kernel's, for example.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Raw {
    /// Its type, with netlink's flag bits if it has any.
    pub kind: u16,
    /// Its value.
    pub bytes: Vec<u8>,
}

impl Raw {
    /// The mask by which all of it counts.
    #[must_use]
    pub fn exact_mask(&self) -> Self {
        Self {
            kind: self.kind,
            bytes: vec![0xff; self.bytes.len()],
        }
    }

    /// Its type without the flag bits.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.kind & netlink_packet_core::NLA_TYPE_MASK
    }
}

/// A growing message.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// One attribute whose value `fill` writes.
    pub(crate) fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        fill(self);
        let length = self.bytes.len() - start;
        // A length beyond sixteen bits cannot be said; the kernel refuses what it then finds.
        let said = u16::try_from(length).unwrap_or(u16::MAX);
        self.bytes[start..start + 2].copy_from_slice(&said.to_ne_bytes());
        self.bytes[start + 2..start + 4].copy_from_slice(&kind.to_ne_bytes());
        self.bytes.resize(start + length.next_multiple_of(4), 0);
    }

    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.nested(kind, |writer| writer.bytes(value));
    }

    /// An attribute that says something by being there.
    pub(crate) fn flag(&mut self, kind: u16, set: bool) {
        if set {
            self.attribute(kind, &[]);
        }
    }

    pub(crate) fn u32(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_ne_bytes());
    }

    /// A text and the zero byte that ends it.
    pub(crate) fn text(&mut self, kind: u16, text: &str) {
        self.nested(kind, |writer| {
            writer.bytes(text.as_bytes());
            writer.bytes(&[0]);
        });
    }

    pub(crate) fn raw(&mut self, raw: &Raw) {
        self.attribute(raw.kind, &raw.bytes);
    }
}

/// A text up to the zero byte that ends it, or to the end.
pub(crate) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}

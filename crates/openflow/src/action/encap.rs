//! Headers around a packet (`ovs-actions(7)`, "encap" and "decap").

use super::Action;
use crate::error::{Error, Result};
use crate::wire::{Reader, Writer};

/// A header that can be put before a packet, by its packet type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Header {
    /// Ethernet.
    Ethernet,
    /// A network service header.
    Nsh,
    /// MPLS.
    Mpls,
    /// MPLS for several receivers.
    MplsMulticast,
    /// A packet type this crate has no name for: name space and type.
    Unknown(u32),
}

/// The name space of Ethernet types, in the upper half of a packet type.
const ETHER_TYPES: u32 = 1 << 16;

impl Header {
    /// The packet type.
    #[must_use]
    pub const fn packet_type(self) -> u32 {
        match self {
            Self::Ethernet => 0,
            Self::Nsh => ETHER_TYPES | 0x894f,
            Self::Mpls => ETHER_TYPES | 0x8847,
            Self::MplsMulticast => ETHER_TYPES | 0x8848,
            Self::Unknown(packet_type) => packet_type,
        }
    }

    /// The header of a packet type.
    #[must_use]
    pub fn from_packet_type(packet_type: u32) -> Self {
        [Self::Ethernet, Self::Nsh, Self::Mpls, Self::MplsMulticast]
            .into_iter()
            .find(|header| header.packet_type() == packet_type)
            .unwrap_or(Self::Unknown(packet_type))
    }
}

/// Something about a header that is put before a packet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EncapProperty {
    /// The kind of a network service header's metadata: 1 of fixed length, 2 of options.
    NshMdType(u8),
    /// One of its options.
    NshTlv {
        /// The class.
        class: u16,
        /// The type.
        kind: u8,
        /// The value, of at most 127 bytes.
        value: Vec<u8>,
    },
    /// A property that is not understood.
    Unknown {
        /// Its class.
        class: u16,
        /// Its type.
        kind: u8,
        /// Its value.
        value: Box<[u8]>,
    },
}

/// A header to be put before a packet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Encap {
    /// Which.
    pub header: Header,
    /// Its size in bytes; zero leaves it to the switch.
    pub size: u16,
    /// What else there is to say about it.
    pub properties: Vec<EncapProperty>,
}

impl Encap {
    /// A header with nothing else to say about it.
    #[must_use]
    pub const fn new(header: Header) -> Self {
        Self {
            header,
            size: 0,
            properties: Vec::new(),
        }
    }
}

const NSH: u16 = 4;
const MD_TYPE: u8 = 1;
const TLV: u8 = 2;
const HEADER: usize = 4;

/// What [`Action::Decap`] says when the switch shall see for itself.
const NEXT_PROTOCOL: u32 = 0xfffe;

pub(super) fn read_encap(body: &mut Reader<'_>) -> Result<Action> {
    let mut out = Encap {
        size: body.u16()?,
        header: Header::from_packet_type(body.u32()?),
        properties: Vec::new(),
    };
    while !body.is_empty() {
        let (class, kind, length) = (body.u16()?, body.u8()?, usize::from(body.u8()?));
        let rest = length.checked_sub(HEADER).ok_or(Error::BadLength {
            what: "property of a header",
            length,
        })?;
        let mut value = body.sub(rest)?;
        body.skip_padding(length.next_multiple_of(8) - length);
        out.properties.push(match (class, kind) {
            (NSH, MD_TYPE) => EncapProperty::NshMdType(value.u8()?),
            (NSH, TLV) => {
                let (class, kind) = (value.u16()?, value.u8()?);
                let length = usize::from(value.u8()?);
                EncapProperty::NshTlv {
                    class,
                    kind,
                    value: value.take(length)?.into(),
                }
            }
            _ => EncapProperty::Unknown {
                class,
                kind,
                value: value.rest().into(),
            },
        });
    }
    Ok(Action::Encap(Box::new(out)))
}

pub(super) fn write_encap(out: &mut Writer, encap: &Encap) {
    out.u16(encap.size);
    out.u32(encap.header.packet_type());
    for property in &encap.properties {
        let start = out.len();
        match property {
            EncapProperty::NshMdType(md_type) => {
                out.u16(NSH);
                out.bytes(&[MD_TYPE, 0, *md_type]);
            }
            EncapProperty::NshTlv { class, kind, value } => {
                out.u16(NSH);
                out.bytes(&[TLV, 0]);
                out.u16(*class);
                out.u8(*kind);
                if value.len() > 127 {
                    out.unsayable("an option of a network service header beyond 127 bytes");
                }
                out.u8(value.len() as u8);
                out.bytes(value);
                // The length of this one counts its padding.
                out.pad8(start);
            }
            EncapProperty::Unknown { class, kind, value } => {
                out.u16(*class);
                out.bytes(&[*kind, 0]);
                out.bytes(value);
            }
        }
        let length = out.len() - start;
        out[start + 3] = u8::try_from(length).unwrap_or(u8::MAX);
        out.pad8(start);
    }
}

pub(super) fn read_decap(body: &mut Reader<'_>) -> Result<Action> {
    body.skip(2)?;
    let packet_type = body.u32()?;
    Ok(Action::Decap(
        Some(packet_type).filter(|packet_type| *packet_type != NEXT_PROTOCOL),
    ))
}

pub(super) fn write_decap(out: &mut Writer, packet_type: Option<u32>) {
    out.zeros(2);
    out.u32(packet_type.unwrap_or(NEXT_PROTOCOL));
}

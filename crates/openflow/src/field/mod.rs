//! Match fields: a table, and the values and sub-fields that speak of it.
//!
//! `table` says everything that is particular to a field. This file gives the table's columns their
//! types and knows how a field's value looks in bytes (OpenFlow 1.5, section 7.2.3).

mod oxm;
mod table;

pub(crate) use oxm::{
    Entry, EntryBytes, Raw, plain_entry, plain_header, read_entry, read_header, write_entry,
    write_header,
};
pub use table::Field;

use std::net::{Ipv4Addr, Ipv6Addr};

/// The experimenter number of the fields of the network service header.
const NSH: u32 = 0x005a_d650;

/// The name space of a field's code point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// 0x0000: Nicira's copy of the OpenFlow 1.0 fields.
    Nxm0,
    /// 0x0001: Nicira's extensions.
    Nxm1,
    /// 0x1000: Ericsson's fields.
    Ericsson,
    /// 0x8000: the fields of OpenFlow 1.2 and later.
    Basic,
    /// 0x8001: packet registers.
    PacketRegs,
    /// 0xffff with Nicira's experimenter number.
    Nicira,
    /// 0xffff with the ONF's experimenter number.
    Onf,
    /// 0xffff with the experimenter number of the network service header.
    Nsh,
}

impl Class {
    /// The 16-bit class, and the experimenter number where the class has one.
    #[must_use]
    pub const fn code(self) -> (u16, Option<u32>) {
        match self {
            Self::Nxm0 => (0, None),
            Self::Nxm1 => (1, None),
            Self::Ericsson => (0x1000, None),
            Self::Basic => (0x8000, None),
            Self::PacketRegs => (0x8001, None),
            Self::Nicira => (0xffff, Some(crate::NICIRA)),
            Self::Onf => (0xffff, Some(crate::ONF)),
            Self::Nsh => (0xffff, Some(NSH)),
        }
    }

    /// The class of a header.
    #[must_use]
    pub const fn from_code(class: u16, experimenter: Option<u32>) -> Option<Self> {
        Some(match (class, experimenter) {
            (0, None) => Self::Nxm0,
            (1, None) => Self::Nxm1,
            (0x1000, None) => Self::Ericsson,
            (0x8000, None) => Self::Basic,
            (0x8001, None) => Self::PacketRegs,
            (0xffff, Some(crate::NICIRA)) => Self::Nicira,
            (0xffff, Some(crate::ONF)) => Self::Onf,
            (0xffff, Some(NSH)) => Self::Nsh,
            _ => return None,
        })
    }
}

/// One of the numbers by which a field is known on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodePoint {
    /// The name in `ovs-fields(7)`; for a numbered family, without the number.
    pub name: &'static str,
    /// The name space.
    pub class: Class,
    /// The number; for a numbered family, that of its first member.
    pub number: u8,
}

/// How a field's value is written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A decimal number.
    Decimal,
    /// A hexadecimal number.
    Hex,
    /// `00:11:22:33:44:55`.
    Ethernet,
    /// `192.0.2.1`, with a prefix length or an address as mask.
    Ipv4,
    /// `2001:db8::1`, with a prefix length or an address as mask.
    Ipv6,
    /// A 16-bit port number.
    Port16,
    /// A 32-bit port number.
    Port,
    /// `no`, `yes`, `first`, `later`, `not_later`.
    Frag,
    /// `+oam-oam`.
    TunFlags,
    /// `+syn-ack`.
    TcpFlags,
    /// `+trk-new`.
    CtState,
    /// `(name space,type)`.
    PacketType,
}

/// What a match must already say before a switch accepts a field in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    None,
    /// A valid connection-tracking state.
    Ct,
    /// A VLAN header.
    VlanVid,
    /// An MPLS Ethernet type.
    Mpls,
    /// Ethernet type 0x0800.
    Ipv4,
    /// Ethernet type 0x86dd.
    Ipv6,
    /// Either of the two.
    Ip,
    /// Ethernet type 0x0806 or 0x8035.
    Arp,
    /// Either IP, and protocol 6.
    Tcp,
    /// Either IP, and protocol 17.
    Udp,
    /// Either IP, and protocol 132.
    Sctp,
    /// IPv4, and protocol 1.
    Icmp4,
    /// IPv6, and protocol 58.
    Icmp6,
    /// ICMPv6 of type 135 or 136.
    Nd,
    /// ICMPv6 of type 135.
    NdSolicit,
    /// ICMPv6 of type 136.
    NdAdvert,
    /// Ethernet type 0x894f.
    Nsh,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldInfo {
    /// The name in text; for a numbered family, without the number.
    pub name: &'static str,
    /// How many members the family has; one for an ordinary field.
    pub count: u8,
    /// The width of the value on the wire, in bytes. Tunnel metadata is at most this wide.
    pub bytes: u8,
    /// How many of those bits, the low ones, mean anything.
    pub bits: u8,
    /// Whether a match may look at some of the bits only.
    pub maskable: bool,
    /// How it is written.
    pub format: Format,
    /// What it presupposes.
    pub needs: Needs,
    /// Whether actions can change it.
    pub writable: bool,
    /// Its code points; the first is the one written in OpenFlow 1.5.
    pub codes: &'static [CodePoint],
}

/// What a code point names.
#[derive(Clone, Copy)]
struct Named {
    field: Option<Field>,
    /// How wide its value is: zero where that is left open.
    bytes: u8,
    /// Whether this is the code point that is written, of a field whose width is not left open.
    written: bool,
    /// Whether each bit of the value's bytes means something.
    full: bool,
    /// Where the field stands in the table, every member of a family counted.
    place: u8,
}

/// The fields of each class by number.
static BY_CODE: [[Named; 128]; 8] = {
    let nobody = Named {
        field: None,
        bytes: 0,
        written: false,
        full: false,
        place: 0,
    };
    let mut table = [[nobody; 128]; 8];
    let mut at = 0;
    while at < Field::COUNT {
        let field = Field::EVERY[at];
        let codes = field.info().codes;
        let mut n = 0;
        while n < codes.len() {
            let number = codes[n].number.wrapping_add(field.index()) & 0x7f;
            let fixed = !field.is_variable();
            let bytes = if fixed { field.info().bytes } else { 0 };
            table[codes[n].class as usize][number as usize] = Named {
                field: Some(field),
                bytes,
                written: fixed && n == 0,
                full: fixed && field.info().bits == bytes.wrapping_mul(8),
                place: at as u8,
            };
            n += 1;
        }
        at += 1;
    }
    table
};

impl Field {
    /// The field of a code point.
    #[must_use]
    pub fn from_code(class: Class, number: u8) -> Option<Self> {
        let named = BY_CODE[class as usize].get(usize::from(number));
        named.and_then(|named| named.field)
    }

    /// The class and number written in OpenFlow 1.5.
    #[must_use]
    pub fn code(self) -> (Class, u8) {
        let code = self.info().codes[0];
        (code.class, code.number.wrapping_add(self.index()) & 0x7f)
    }

    /// Whether this is tunnel metadata, whose width is that of the option it is mapped to.
    #[must_use]
    pub const fn is_variable(self) -> bool {
        matches!(self, Self::TunMetadata(_))
    }

    /// Whether a match holds it as itself; the others are said with these.
    pub(crate) const fn stands_for_itself(self) -> bool {
        !matches!(
            self,
            Self::XReg(_)
                | Self::XxReg(_)
                | Self::InPort
                | Self::IpTos
                | Self::VlanTci
                | Self::PacketType
        )
    }

    /// The number of bits.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.info().bits as u16
    }

    /// The mask of an exact match. For tunnel metadata it is that of a four-byte option, the common
    /// case; say the mask for another. For a VLAN it includes the "present" bit.
    #[must_use]
    pub const fn full_mask(self) -> u128 {
        match self {
            Self::TunMetadata(_) => 0xffff_ffff,
            Self::VlanVid => 0x1fff,
            _ => ones(self.info().bits as u32),
        }
    }

    /// The whole field as a sub-field.
    #[must_use]
    pub const fn whole(self) -> Subfield {
        let bits = match self {
            Self::TunMetadata(_) => 32,
            _ => self.info().bits as u16,
        };
        Subfield {
            field: self,
            offset: 0,
            bits,
        }
    }

    /// The bits from `offset`, the lowest being bit zero, `bits` of them.
    #[must_use]
    pub const fn slice(self, offset: u16, bits: u16) -> Subfield {
        Subfield {
            field: self,
            offset,
            bits,
        }
    }

    /// The name that sub-fields use in text, such as `NXM_NX_REG0`.
    #[must_use]
    pub fn code_name(self) -> String {
        match self.code_parts() {
            (name, true) => format!("{name}{}", self.index()),
            (name, false) => name.to_owned(),
        }
    }

    /// That name, and whether its number is to be put behind it.
    pub(crate) fn code_parts(self) -> (&'static str, bool) {
        let info = self.info();
        let legacy = |code: &&CodePoint| matches!(code.class, Class::Nxm0 | Class::Nxm1);
        let code = info.codes.iter().find(legacy).unwrap_or(&info.codes[0]);
        (code.name, info.count > 1)
    }
}

/// The fields that a list of headers names, as table features have them, and whether with a mask. None where a
/// field is not known.
pub fn headers(bytes: &[u8]) -> impl Iterator<Item = (Option<Field>, bool)> {
    let mut reader = crate::wire::Reader::new(bytes);
    std::iter::from_fn(move || {
        let header = read_header(&mut reader).ok()?;
        Some((header.field, header.has_mask))
    })
}

/// The lowest `bits` bits.
#[must_use]
pub(crate) const fn ones(bits: u32) -> u128 {
    if bits >= 128 {
        u128::MAX
    } else {
        (1 << bits) - 1
    }
}

/// A run of bits within a field: `Field[offset..offset+bits-1]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subfield {
    /// The field.
    pub field: Field,
    /// The lowest bit, counted from zero.
    pub offset: u16,
    /// The number of bits, at least one.
    pub bits: u16,
}

impl Subfield {
    /// Whether it is the whole field.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        !self.field.is_variable() && self.offset == 0 && self.bits == self.field.bits()
    }

    /// The mask of these bits within the field.
    #[must_use]
    pub const fn mask(self) -> u128 {
        if self.offset >= 128 {
            0
        } else {
            ones(self.bits as u32) << self.offset
        }
    }
}

impl From<Field> for Subfield {
    fn from(field: Field) -> Self {
        field.whole()
    }
}

/// A field with a value and the mask of the bits that count. Bits outside the mask are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldValue {
    field: Field,
    // Bytes instead of `u128`, for half the size: a switch holds tens of thousands of matches.
    value: [u8; 16],
    mask: [u8; 16],
}

impl FieldValue {
    /// All of the field.
    #[must_use]
    pub fn exact(field: Field, value: u128) -> Self {
        Self::masked(field, value, field.full_mask())
    }

    /// Some bits of the field. Bits that the field does not have are ignored.
    #[must_use]
    pub fn masked(field: Field, value: u128, mask: u128) -> Self {
        let mask = match field {
            Field::TunMetadata(_) => mask,
            _ => mask & field.full_mask(),
        };
        Self {
            field,
            value: (value & mask).to_be_bytes(),
            mask: mask.to_be_bytes(),
        }
    }

    /// The field.
    #[must_use]
    pub const fn field(self) -> Field {
        self.field
    }

    /// The value, as a number.
    #[must_use]
    pub const fn value(self) -> u128 {
        u128::from_be_bytes(self.value)
    }

    /// The bits that count.
    #[must_use]
    pub const fn mask(self) -> u128 {
        u128::from_be_bytes(self.mask)
    }

    /// This where `over` says nothing, and what `over` says.
    pub(crate) fn overlaid(self, over: Self) -> Self {
        let value = self.value() & !over.mask() | over.value();
        Self::masked(self.field, value, self.mask() | over.mask())
    }

    /// Whether every bit counts.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.mask() == self.field.full_mask()
    }
}

/// Something that can be a field's value: a number, an address, a port.
pub trait IntoValue {
    /// The value as a number, the first byte on the wire being the most significant.
    fn into_value(self) -> u128;
}

macro_rules! numbers {
    ($($number:ty)*) => {
        $(impl IntoValue for $number {
            fn into_value(self) -> u128 {
                self.into()
            }
        })*
    };
}

numbers!(u8 u16 u32 u64 u128 Ipv6Addr bool);

impl IntoValue for Ipv4Addr {
    fn into_value(self) -> u128 {
        self.to_bits().into()
    }
}

impl IntoValue for [u8; 6] {
    fn into_value(self) -> u128 {
        self.iter()
            .fold(0, |sum, byte| sum << 8 | u128::from(*byte))
    }
}

impl IntoValue for crate::Port {
    fn into_value(self) -> u128 {
        self.0.into()
    }
}

//! The binary form of a field with its value: one OXM or NXM entry.

use std::ops::Deref;

use super::{BY_CODE, Class, Field, FieldValue, Named};
use crate::error::Result;
use crate::wire::{Reader, Writer};

/// An entry of a match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Known(FieldValue),
    /// Header, value and mask of a field that is not in the table, or not of the width it says.
    Opaque(Box<[u8]>),
}

/// The header of an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) field: Option<Field>,
    pub(crate) has_mask: bool,
    /// The bytes that follow the header.
    pub(crate) payload: usize,
}

/// Reads a header alone, as actions hold it to name a field.
pub(crate) fn read_header(reader: &mut Reader<'_>) -> Result<Header> {
    let class = reader.u16()?;
    let number = reader.u8()?;
    let mut payload = usize::from(reader.u8()?);
    let experimenter = match class {
        0xffff if payload >= 4 => {
            payload -= 4;
            Some(reader.u32()?)
        }
        _ => None,
    };
    let field =
        Class::from_code(class, experimenter).and_then(|c| Field::from_code(c, number >> 1));
    Ok(Header {
        field,
        has_mask: number & 1 != 0,
        payload,
    })
}

/// Writes the header that names `field` for a value of `bytes` bytes.
pub(crate) fn write_header(out: &mut Writer, field: Field, has_mask: bool, bytes: usize) {
    out.bytes(&EntryBytes::header(field, has_mask, bytes));
}

/// The width with which a value is written. Tunnel metadata takes as many words as its mask needs.
pub(crate) fn width(field: Field, mask: u128) -> usize {
    if field.is_variable() {
        (128 - mask.leading_zeros() as usize).div_ceil(32).max(1) * 4
    } else {
        usize::from(field.info().bytes)
    }
}

/// An entry as it stands in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw<'a> {
    /// Header, value and mask.
    pub(crate) whole: &'a [u8],
    /// The field, if it is in the table and of the width that the table says.
    pub(crate) field: Option<Field>,
    has_mask: bool,
    payload: &'a [u8],
}

impl<'a> Raw<'a> {
    /// Takes the next entry.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self> {
        if let Some((raw, rest)) = Self::split(reader.rest()) {
            *reader = reader.over(rest);
            return Ok(raw);
        }
        let all = reader.rest();
        let header = read_header(reader)?;
        let payload = reader.take(header.payload)?;
        let bytes = payload.len() >> u8::from(header.has_mask);
        let fits = |field: &Field| {
            if field.is_variable() {
                (1..=16).contains(&bytes)
            } else {
                bytes == usize::from(field.info().bytes)
            }
        };
        Ok(Self {
            whole: &all[..all.len() - reader.len()],
            field: header.field.filter(fits),
            has_mask: header.has_mask,
            payload,
        })
    }

    /// The commonest entries: of a class without an experimenter, of a known field of a fixed width. And what
    /// stands behind the entry.
    pub(crate) fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let header = *bytes.first_chunk()?;
        let named = named(header)?;
        let [_, _, number, length] = header;
        let (has_mask, length) = (number & 1 != 0, usize::from(length));
        let fits = length == usize::from(named.bytes) << u8::from(has_mask);
        let field = named.field.filter(|_| fits && named.bytes != 0)?;
        let (whole, rest) = bytes.split_at_checked(4 + length)?;
        let raw = Self {
            whole,
            field: Some(field),
            has_mask,
            payload: &whole[4..],
        };
        Some((raw, rest))
    }

    /// The value, if the field is known.
    pub(crate) fn value(&self) -> Option<FieldValue> {
        let field = self.field?;
        let bytes = self.payload.len() >> u8::from(self.has_mask);
        let (value, mask) = self.payload.split_at(bytes);
        let mask = if self.has_mask {
            number(&mask[..bytes])
        } else if field.is_variable() {
            // A switch leaves out leading zero bytes of an exact value; options are whole words.
            super::ones(8 * bytes.next_multiple_of(4) as u32)
        } else {
            field.full_mask()
        };
        Some(FieldValue::masked(field, number(value), mask))
    }
}

/// What a header names, if it is of a class without an experimenter.
fn named([high, low, number, _]: [u8; 4]) -> Option<&'static Named> {
    let class = match (high, low) {
        (0x80, 0) => Class::Basic,
        (0, 1) => Class::Nxm1,
        (0, 0) => Class::Nxm0,
        (0x80, 1) => Class::PacketRegs,
        _ => return None,
    };
    Some(&BY_CODE[class as usize][usize::from(number >> 1)])
}

/// An entry that is just as [`EntryBytes::of`] would write what it says.
pub(crate) struct Plain {
    /// How many bytes it has.
    pub(crate) length: usize,
    /// The field.
    pub(crate) field: Field,
    /// Where the field stands in the table, every member of a family counted.
    pub(crate) place: u8,
}

/// The entry with which `bytes` begin, if it is of one of the commonest classes and just as it would be
/// written. Of others nothing is said.
pub(crate) fn plain_entry(bytes: &[u8]) -> Option<Plain> {
    let header = *bytes.first_chunk()?;
    let named = named(header).filter(|named| named.written)?;
    let field = named.field?;
    let width = usize::from(named.bytes);
    let masked = header[2] & 1 != 0;
    let length = if masked { 2 * width } else { width };
    let payload = bytes.get(4..4 + length)?;
    let plain = usize::from(header[3]) == length
        && if masked {
            let (value, mask) = payload.split_at(width);
            mask_is_plain(number(value), number(mask), field.full_mask())
        } else {
            named.full || number(payload) & !field.full_mask() == 0
        };
    plain.then_some(Plain {
        length: 4 + length,
        field,
        place: named.place,
    })
}

/// Whether some bits count, not all, only those that there are, and the value has no other.
const fn mask_is_plain(value: u128, mask: u128, full: u128) -> bool {
    mask != 0 && mask != full && mask & !full == 0 && value & !mask == 0
}

/// Whether a header that names a field in an action is just as it would be written.
pub(crate) fn plain_header(header: [u8; 4]) -> bool {
    named(header)
        .is_some_and(|named| named.written && header[2] & 1 == 0 && header[3] == named.bytes)
}

/// A number of at most sixteen bytes.
fn number(bytes: &[u8]) -> u128 {
    match bytes {
        [a] => u128::from(*a),
        [a, b] => u128::from(u16::from_be_bytes([*a, *b])),
        [a, b, c, d] => u128::from(u32::from_be_bytes([*a, *b, *c, *d])),
        [a, b, c, d, e, f, g, h] => {
            u128::from(u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))
        }
        bytes => {
            let mut out = [0; 16];
            out[16 - bytes.len()..].copy_from_slice(bytes);
            u128::from_be_bytes(out)
        }
    }
}

/// Reads one entry.
pub(crate) fn read_entry(reader: &mut Reader<'_>) -> Result<Entry> {
    let raw = Raw::read(reader)?;
    Ok(match raw.value() {
        Some(value) => Entry::Known(value),
        None => Entry::Opaque(raw.whole.into()),
    })
}

/// The longest entry: a header with an experimenter, a value and a mask.
const LONGEST: usize = 8 + 2 * 16;

/// A written entry.
pub(crate) struct EntryBytes {
    bytes: [u8; LONGEST],
    length: usize,
}

impl EntryBytes {
    /// The header that names `field` for a value of `bytes` bytes.
    fn header(field: Field, has_mask: bool, bytes: usize) -> Self {
        let (class, number) = field.code();
        let (class, experimenter) = class.code();
        let payload = if has_mask { 2 * bytes } else { bytes };
        let extra = if experimenter.is_some() { 4 } else { 0 };
        let [high, low] = class.to_be_bytes();
        let length = u8::try_from(payload + extra).unwrap_or(u8::MAX);
        let mut out = Self {
            bytes: [0; LONGEST],
            length: 4 + extra,
        };
        out.bytes[..4].copy_from_slice(&[high, low, number << 1 | u8::from(has_mask), length]);
        if let Some(experimenter) = experimenter {
            out.bytes[4..8].copy_from_slice(&experimenter.to_be_bytes());
        }
        out
    }

    /// An entry, without a mask where the value is exact.
    pub(crate) fn of(entry: &FieldValue) -> Self {
        let (field, mask) = (entry.field(), entry.mask());
        let bytes = width(field, mask);
        let exact = if field.is_variable() {
            mask == super::ones(8 * bytes as u32)
        } else {
            entry.is_exact()
        };
        let mut out = Self::header(field, !exact, bytes);
        out.push(entry.value(), bytes);
        if !exact {
            out.push(mask, bytes);
        }
        out
    }

    /// Appends the low `n` bytes of a number. All sixteen places are written, those behind the number with
    /// zeros, so that there is one copy of one size.
    fn push(&mut self, number: u128, n: usize) {
        let aligned = number << (8 * (16 - n.clamp(1, 16)));
        if let Some(places) = self.bytes[self.length..].first_chunk_mut() {
            *places = aligned.to_be_bytes();
        }
        self.length += n;
    }
}

impl Deref for EntryBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Writes one entry, without a mask where the value is exact.
pub(crate) fn write_entry(out: &mut Writer, entry: &FieldValue) {
    out.bytes(&EntryBytes::of(entry));
}

//! The binary form of a field with its value: one OXM or NXM entry.

use super::{Class, Field, FieldValue};
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
    let (class, number) = field.code();
    let (class, experimenter) = class.code();
    let payload = if has_mask { 2 * bytes } else { bytes };
    let extra = if experimenter.is_some() { 4 } else { 0 };
    out.u16(class);
    out.u8(number << 1 | u8::from(has_mask));
    out.u8(u8::try_from(payload + extra).unwrap_or(u8::MAX));
    if let Some(experimenter) = experimenter {
        out.u32(experimenter);
    }
}

/// The width with which a value is written. Tunnel metadata takes as many words as its mask needs.
pub(crate) fn width(field: Field, mask: u128) -> usize {
    if field.is_variable() {
        (128 - mask.leading_zeros() as usize).div_ceil(32).max(1) * 4
    } else {
        usize::from(field.info().bytes)
    }
}

/// Reads one entry.
pub(crate) fn read_entry(reader: &mut Reader<'_>) -> Result<Entry> {
    let start = *reader;
    let header = read_header(reader)?;
    let mut payload = reader.sub(header.payload)?;
    let bytes = if header.has_mask {
        header.payload / 2
    } else {
        header.payload
    };
    let fits = |field: Field| {
        if field.is_variable() {
            (1..=16).contains(&bytes)
        } else {
            bytes == usize::from(field.info().bytes)
        }
    };
    let Some(field) = header.field.filter(|field| fits(*field)) else {
        let used = start.len() - reader.len();
        return Ok(Entry::Opaque(start.rest()[..used].into()));
    };
    let value = payload.uint(bytes)?;
    let mask = if header.has_mask {
        payload.uint(bytes)?
    } else if field.is_variable() {
        // A switch leaves out leading zero bytes of an exact value; options are whole words.
        super::ones(8 * bytes.next_multiple_of(4) as u32)
    } else {
        field.full_mask()
    };
    Ok(Entry::Known(FieldValue::masked(field, value, mask)))
}

/// Writes one entry, without a mask where the value is exact.
pub(crate) fn write_entry(out: &mut Writer, entry: &FieldValue) {
    let (field, mask) = (entry.field(), entry.mask());
    let bytes = width(field, mask);
    let exact = if field.is_variable() {
        mask == super::ones(8 * bytes as u32)
    } else {
        entry.is_exact()
    };
    write_header(out, field, !exact, bytes);
    out.uint(entry.value(), bytes);
    if !exact {
        out.uint(mask, bytes);
    }
}

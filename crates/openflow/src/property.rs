//! Properties: the type-length-value lists of OpenFlow 1.4 and later (section 7.1.2 of 1.5).
//!
//! The length counts the header and the value but not the padding to eight bytes.

use crate::error::{Error, Result};
use crate::wire::{Reader, Writer};

/// Goes through the properties that fill the rest of a message.
pub(crate) struct Properties<'a, 'b> {
    reader: &'b mut Reader<'a>,
}

impl<'a, 'b> Properties<'a, 'b> {
    pub(crate) const fn new(reader: &'b mut Reader<'a>) -> Self {
        Self { reader }
    }

    fn step(&mut self) -> Result<(u16, Reader<'a>)> {
        let kind = self.reader.u16()?;
        let length = usize::from(self.reader.u16()?);
        let value = length.checked_sub(4).ok_or(Error::BadLength {
            what: "property",
            length,
        })?;
        let value = self.reader.sub(value)?;
        self.reader
            .skip_padding(length.next_multiple_of(8) - length);
        Ok((kind, value))
    }
}

impl<'a> Iterator for Properties<'a, '_> {
    type Item = Result<(u16, Reader<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let step = self.step();
        if step.is_err() {
            // What follows cannot be found any more.
            self.reader.skip_padding(self.reader.len());
        }
        Some(step)
    }
}

/// Writes one property with its padding.
pub(crate) fn put_property(out: &mut Writer, kind: u16, value: impl FnOnce(&mut Writer)) {
    let start = out.len();
    out.u16(kind);
    out.u16(0);
    value(out);
    out.patch_len(start + 2, start);
    out.pad8(start);
}

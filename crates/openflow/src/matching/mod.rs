//! What a flow matches: a sorted set of fields with values and masks, in one canonical form.
//!
//! The canonical form is the finest that the switch itself distinguishes: packet registers in words of
//! 32 bits, one kind of input port, VLAN identifier and priority apart, no field that is wholly
//! wildcarded, and no packet type where it is Ethernet. So equality means equality for the switch.

mod builder;
mod needs;
mod with;

use std::fmt;
use std::ops::Range;

use smallvec::SmallVec;

use crate::error::{Error, Result};
use crate::field::{EntryBytes, Field, FieldValue, Needs, Raw, plain_entry};
use crate::wire::{Reader, Writer};

pub(crate) use builder::Builder;
use builder::each_part;
pub use needs::MissingPrerequisite;
use needs::{Said, check};
pub use with::port_masks;

/// The conditions of a flow. Usable as a map key; equal exactly where a switch sees no difference.
///
/// They are kept in the bytes in which messages have them, so that writing, comparing and hashing is
/// work on bytes, and most matches need no memory of their own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Match {
    /// First those that the table of fields knows, each field once, in the table's order; then the others,
    /// sorted.
    entries: SmallVec<[u8; INLINE]>,
}

/// As many bytes as the conditions of nearly every flow have.
const INLINE: usize = 56;

impl fmt::Debug for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.fields())
            .entries(self.opaque())
            .finish()
    }
}

impl Match {
    /// Matches every packet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: SmallVec::new_const(),
        }
    }

    /// Whether every packet matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The conditions in the bytes in which they are kept.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.entries
    }

    /// The match that is kept in these bytes.
    pub(crate) fn of_own(bytes: &[u8]) -> Self {
        Self {
            entries: SmallVec::from_slice(bytes),
        }
    }

    fn raw(&self) -> impl Iterator<Item = Raw<'_>> {
        let mut reader = Reader::new(&self.entries);
        // Only whole entries are ever put in.
        std::iter::from_fn(move || Raw::read(&mut reader).ok())
    }

    /// The fields, in the table's order.
    pub fn fields(&self) -> impl Iterator<Item = FieldValue> {
        self.raw().map_while(|raw| raw.value())
    }

    /// The entries that are not understood: header, value and mask as received.
    pub fn opaque(&self) -> impl Iterator<Item = &[u8]> {
        let others = self.raw().filter(|raw| raw.field.is_none());
        others.map(|raw| raw.whole)
    }

    /// The condition on a field. Ask for the canonical field: registers of 32 bits, for example.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<FieldValue> {
        self.find(field).ok().and_then(|(_, raw)| raw.value())
    }

    /// The value of a field all of whose bits are fixed.
    #[must_use]
    pub fn exact(&self, field: Field) -> Option<u128> {
        self.get(field)
            .filter(FieldValue::is_exact)
            .map(|entry| entry.value())
    }

    /// Where a field stands, or would stand.
    fn find(&self, field: Field) -> Result<(Range<usize>, Raw<'_>), usize> {
        let mut at = 0;
        for raw in self.raw() {
            let end = at + raw.whole.len();
            match raw.field {
                Some(known) if known < field => at = end,
                Some(known) if known == field => return Ok((at..end, raw)),
                _ => return Err(at),
            }
        }
        Err(at)
    }

    /// What it says about what other fields presuppose.
    fn said(&self) -> Said {
        let mut out = Said::default();
        for raw in self.raw() {
            let Some(field) = raw.field else { break };
            out.note(field, || raw.value());
        }
        out
    }

    /// Sets one field in canonical form, replacing only the bits that `entry` speaks of.
    fn put(&mut self, entry: FieldValue) {
        let field = entry.field();
        if entry.mask() == 0 {
            return;
        }
        if field.index() >= field.info().count {
            // There is no such field: it is what its bytes say it is.
            let bytes = EntryBytes::of(&entry);
            if let Ok(raw) = Raw::read(&mut Reader::new(&bytes)) {
                self.take(&raw);
            }
            return;
        }
        match self.find(field) {
            Err(at) => self.entries.insert_from_slice(at, &EntryBytes::of(&entry)),
            Ok((range, raw)) => {
                let entry = raw.value().map_or(entry, |old| old.overlaid(entry));
                self.entries.drain(range.clone());
                self.entries
                    .insert_from_slice(range.start, &EntryBytes::of(&entry));
            }
        }
    }

    /// Adds an entry that is not understood.
    fn put_opaque(&mut self, bytes: &[u8]) {
        let mut at = 0;
        for raw in self.raw() {
            if raw.field.is_none() && raw.whole >= bytes {
                break;
            }
            at += raw.whole.len();
        }
        self.entries.insert_from_slice(at, bytes);
    }

    /// Adds a condition, whatever the form in which it is given. Bits already fixed are replaced.
    pub fn insert(&mut self, entry: FieldValue) {
        each_part(entry, |part| self.put(part));
    }

    /// Whether a switch would accept every field: a TCP port, for example, needs an IP version too.
    ///
    /// # Errors
    /// The first field whose prerequisite is missing.
    pub fn check(&self) -> Result<(), MissingPrerequisite> {
        check(self.raw().map_while(|raw| raw.field), || self.said())
    }

    pub(crate) fn satisfies(&self, needs: Needs) -> bool {
        needs == Needs::None || self.said().satisfies(needs)
    }
}

/// How many of these bytes are conditions just as a match keeps them. Of what switches say that is all but
/// always the whole.
pub(crate) fn own_length(bytes: &[u8]) -> usize {
    let (mut at, mut last) = (0, None);
    while let Some(entry) = bytes.get(at..).and_then(plain_entry) {
        if !entry.field.stands_for_itself() || last.replace(entry.place) >= Some(entry.place) {
            break;
        }
        at += entry.length;
    }
    at
}

/// The binary form.
impl Match {
    /// Reads entries until the reader ends.
    pub(crate) fn read_entries(reader: &mut Reader<'_>) -> Result<Self> {
        let bytes = reader.rest();
        let (own, others) = bytes.split_at(own_length(bytes));
        let mut out = Self::of_own(own);
        *reader = reader.over(others);
        while !reader.is_empty() {
            out.read_one(reader)?;
        }
        Ok(out)
    }

    /// Reads one entry.
    pub(crate) fn read_one(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let raw = Raw::read(reader)?;
        self.take(&raw);
        Ok(())
    }

    fn take(&mut self, raw: &Raw<'_>) {
        match raw.value() {
            Some(entry) => self.insert(entry),
            None => self.put_opaque(raw.whole),
        }
    }

    /// Reads entries that stand alone.
    pub(crate) fn decode_entries(bytes: &[u8]) -> Result<Self> {
        Self::read_entries(&mut Reader::new(bytes))
    }

    /// Writes the entries alone, in an order in which prerequisites come first.
    pub(crate) fn write_entries(&self, out: &mut Writer) {
        out.bytes(&self.entries);
    }

    /// Reads a `struct ofp_match` with its padding (OpenFlow 1.5, section 7.2.3.1).
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let kind = reader.u16()?;
        if kind != 1 {
            return Err(Error::BadValue {
                what: "match type",
                value: kind.into(),
            });
        }
        let length = usize::from(reader.u16()?);
        let entries = length.checked_sub(4).ok_or(Error::BadLength {
            what: "match",
            length,
        })?;
        let out = Self::read_entries(&mut reader.sub(entries)?)?;
        reader.skip_padding(length.next_multiple_of(8) - length);
        Ok(out)
    }

    /// Writes a `struct ofp_match` with its padding.
    pub(crate) fn write(&self, out: &mut Writer) {
        let start = out.len();
        out.u16(1);
        out.u16(0);
        self.write_entries(out);
        out.patch_len(start + 2, start);
        out.pad8(start);
    }
}

//! Conditions in any order, on their way into a match.

use smallvec::SmallVec;

use super::Match;
use super::needs::{MissingPrerequisite, Said, check};
use crate::field::{EntryBytes, Field, FieldValue, IntoValue};
use crate::port::Port;

/// Calls `put` with the parts of a condition in the form in which a match keeps it.
pub(super) fn each_part(entry: FieldValue, mut put: impl FnMut(FieldValue)) {
    let (field, value, mask) = (entry.field(), entry.value(), entry.mask());
    let mut words = |first: u8, words: u8| {
        for word in 0..words {
            let shift = 32 * u32::from(words - 1 - word);
            put(FieldValue::masked(
                Field::Reg(first.wrapping_add(word)),
                value >> shift,
                mask >> shift & 0xffff_ffff,
            ));
        }
    };
    match field {
        Field::XReg(n) => words(n.wrapping_mul(2), 2),
        Field::XxReg(n) => words(n.wrapping_mul(4), 4),
        Field::InPort => {
            let port = Port::from_u16(u16::try_from(value).unwrap_or(u16::MAX));
            put(FieldValue::exact(Field::InPortOxm, port.into_value()));
        }
        Field::IpTos => put(FieldValue::masked(Field::IpDscp, value >> 2, mask >> 2)),
        Field::VlanTci => {
            put(FieldValue::masked(Field::VlanVid, value, mask));
            // Where there is no VLAN there is no priority either.
            if mask & 0x1000 == 0 || value & 0x1000 != 0 {
                put(FieldValue::masked(Field::VlanPcp, value >> 13, mask >> 13));
            }
        }
        // Ethernet is what a packet is unless something else is said.
        Field::PacketType if value == 0 => {}
        _ => put(entry),
    }
}

/// Conditions on fields that exist, in any order, on their way into a match.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    parts: SmallVec<[FieldValue; 12]>,
    /// Those that are not understood.
    opaque: Match,
}

impl Builder {
    /// Adds a condition, as [`Match::insert`] does.
    pub(crate) fn insert(&mut self, entry: FieldValue) {
        each_part(entry, |part| {
            let mut known = self.parts.iter_mut();
            match known.find(|known| known.field() == part.field()) {
                _ if part.mask() == 0 => {}
                Some(known) => *known = known.overlaid(part),
                None => self.parts.push(part),
            }
        });
    }

    /// Adds the conditions of a match.
    pub(crate) fn extend(&mut self, other: &Match) {
        other.fields().for_each(|entry| self.insert(entry));
        for bytes in other.opaque() {
            self.opaque.put_opaque(bytes);
        }
    }

    /// The condition on a field, in the form in which a match keeps it.
    pub(crate) fn get(&self, field: Field) -> Option<FieldValue> {
        let mut parts = self.parts.iter();
        parts.find(|part| part.field() == field).copied()
    }

    /// The value of a field all of whose bits are fixed.
    pub(crate) fn exact(&self, field: Field) -> Option<u128> {
        let found = self.get(field).filter(FieldValue::is_exact);
        found.map(FieldValue::value)
    }

    /// What [`Match::check`] says of it.
    pub(crate) fn check(&self) -> Result<(), MissingPrerequisite> {
        check(self.parts.iter().map(|part| part.field()), || {
            let mut said = Said::default();
            for part in &self.parts {
                said.note(part.field(), || Some(*part));
            }
            said
        })
    }

    /// The match.
    pub(crate) fn finish(&mut self) -> Match {
        self.parts.sort_unstable_by_key(|part| part.field());
        let mut out = Match::new();
        for part in &self.parts {
            out.entries.extend_from_slice(&EntryBytes::of(part));
        }
        out.entries.extend_from_slice(&self.opaque.entries);
        out
    }
}

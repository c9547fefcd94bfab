//! The text language of `ovs-ofctl`: how fields, matches, actions, flows and groups are written.
//!
//! The aim is the very text that `ovs-ofctl --no-names dump-flows` prints, so that the two can be
//! compared line by line.

mod action;
mod flow;
mod matching;
mod parse;

pub use parse::{FlowSpec, ParseError, Parser, PortNames};

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::field::{Field, FieldValue, Format, ones};
use crate::port::Port;

/// A number in hexadecimal; zero has no prefix.
pub(crate) struct Hex(pub(crate) u128);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            f.write_str("0")
        } else {
            write!(f, "{:#x}", self.0)
        }
    }
}

impl From<u64> for Hex {
    fn from(value: u64) -> Self {
        Self(value.into())
    }
}

/// Bytes in hexadecimal with dots between them.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if n == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}

/// Items with commas between them.
pub(crate) struct List<'a, T>(pub(crate) &'a [T]);

impl<T: fmt::Display> fmt::Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, item) in self.0.iter().enumerate() {
            write!(f, "{}{item}", if n == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// Parts that each end with a comma; the last comma is cut off.
#[derive(Default)]
pub(crate) struct Parts(String);

impl Parts {
    pub(crate) fn push(&mut self, part: impl fmt::Display) {
        use fmt::Write;
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{part},");
    }

    pub(crate) fn finish(mut self) -> String {
        self.0.pop();
        self.0
    }
}

pub(crate) const CT_STATE: &[&str] = &["new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"];
const TCP_FLAGS: &[&str] = &[
    "fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns", "[200]", "[400]", "[800]",
];
/// More flags exist than a controller sees, so that never all of them count.
const TUN_FLAGS: &[&str] = &["oam", "[2]"];

/// Flags: `+set-unset` where only some count, `set|set` where all do.
fn flags(f: &mut fmt::Formatter<'_>, names: &[&str], value: u128, mask: u128) -> fmt::Result {
    let all = ones(u32::try_from(names.len()).unwrap_or(u32::MAX));
    let bits = || (0..128).filter(|bit| mask >> bit & 1 != 0);
    if mask & all == all && value & mask == 0 {
        return f.write_str("0");
    }
    if mask & all == all {
        let set: Vec<_> = names
            .iter()
            .zip(0..)
            .filter(|(_, bit)| value >> bit & 1 != 0)
            .collect();
        for (n, (name, _)) in set.iter().enumerate() {
            write!(f, "{}{name}", if n == 0 { "" } else { "|" })?;
        }
        return Ok(());
    }
    for bit in bits() {
        f.write_str(if value >> bit & 1 != 0 { "+" } else { "-" })?;
        match names.get(bit) {
            Some(name) => f.write_str(name)?,
            None => write!(f, "{:#x}", 1u128 << bit)?,
        }
    }
    Ok(())
}

pub(crate) fn ethernet(value: u128) -> String {
    let bytes = value.to_be_bytes();
    let text: Vec<_> = bytes[10..]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    text.join(":")
}

/// The highest `count` of `width` bits.
fn ones_at(count: u32, width: u32) -> Option<u128> {
    Some(ones(width) & !ones(width.checked_sub(count)?))
}

/// The length of a prefix mask of `width` bits.
fn prefix(mask: u128, width: u32) -> Option<u32> {
    let ones = (mask << (128 - width)).leading_ones();
    // No bits at all is a prefix too, and no shift of 128 bits is one.
    let prefix = ones_at(ones, width)?;
    (mask == prefix).then_some(ones)
}

fn ipv4(value: u128) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::try_from(value & 0xffff_ffff).unwrap_or(0))
}

fn address(
    f: &mut fmt::Formatter<'_>,
    width: u32,
    value: u128,
    mask: u128,
    show: impl Fn(u128) -> String,
) -> fmt::Result {
    f.write_str(&show(value))?;
    match prefix(mask, width) {
        Some(length) if length == width => Ok(()),
        Some(length) => write!(f, "/{length}"),
        None => write!(f, "/{}", show(mask)),
    }
}

fn frag(value: u128, mask: u128) -> &'static str {
    match (value & mask, mask & 3) {
        (0, 3 | 1) => "no",
        (1, 1) => "yes",
        (1, 3) => "first",
        (3, 3) | (2, 2) => "later",
        (0, 2) => "not_later",
        _ => "<error>",
    }
}

/// The value of a field, with the mask where it is not exact.
pub(crate) struct Value<'a>(pub(crate) &'a FieldValue);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (field, value, mask) = (self.0.field(), self.0.value(), self.0.mask());
        let bits = match field {
            Field::TunMetadata(_) => (128 - mask.leading_zeros()).div_ceil(8) * 8,
            _ => field.bits().into(),
        };
        let exact = mask & ones(bits) == ones(bits);
        match field.info().format {
            Format::Ethernet if exact => f.write_str(&ethernet(value)),
            Format::Ethernet => write!(f, "{}/{}", ethernet(value), ethernet(mask)),
            Format::Ipv4 => address(f, 32, value, mask, |value| ipv4(value).to_string()),
            Format::Ipv6 => address(f, 128, value, mask, |value| {
                Ipv6Addr::from_bits(value).to_string()
            }),
            Format::Frag => f.write_str(frag(value, mask)),
            Format::TunFlags => flags(f, TUN_FLAGS, value, mask),
            Format::TcpFlags => flags(f, TCP_FLAGS, value, mask),
            Format::CtState => flags(f, CT_STATE, value, mask),
            Format::Port if exact => {
                write!(f, "{}", Port(u32::try_from(value).unwrap_or(u32::MAX)))
            }
            Format::Port16 if exact => {
                write!(
                    f,
                    "{}",
                    Port::from_u16(u16::try_from(value).unwrap_or(u16::MAX))
                )
            }
            Format::PacketType => write!(f, "({},{})", value >> 16, Hex(value & 0xffff)),
            Format::Decimal | Format::Port | Format::Port16 if exact => write!(f, "{value}"),
            Format::Decimal | Format::Port | Format::Port16 => write!(f, "{value}/{}", Hex(mask)),
            Format::Hex if exact => write!(f, "{}", Hex(value)),
            Format::Hex => write!(f, "{}/{}", Hex(value), Hex(mask)),
        }
    }
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.field(), Value(self))
    }
}

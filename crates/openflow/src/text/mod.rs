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
use std::net::Ipv6Addr;

use crate::field::{Field, FieldValue, Format, ones};
use crate::port::Port;

/// A number in hexadecimal; zero has no prefix.
pub(crate) struct Hex(pub(crate) u128);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(value) = u64::try_from(self.0) else {
            return write!(f, "{:#x}", self.0);
        };
        if value == 0 {
            return f.write_str("0");
        }
        let digits = 16 - value.leading_zeros() as usize / 4;
        let mut out = [0; 18];
        out[..2].copy_from_slice(b"0x");
        for (place, digit) in out[2..2 + digits].iter_mut().rev().enumerate() {
            *digit = hex_digit((value >> (4 * place)) as u8);
        }
        ascii(f, &out[..2 + digits])
    }
}

/// The digit of the low four bits.
const fn hex_digit(bits: u8) -> u8 {
    b"0123456789abcdef"[(bits & 0xf) as usize]
}

/// Writes bytes that are ASCII.
fn ascii(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    f.write_str(std::str::from_utf8(bytes).unwrap_or_default())
}

/// A number in decimal. Writing it does not go through the machinery of formats.
pub(crate) struct Dec(pub(crate) u64);

impl fmt::Display for Dec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = [0; 20];
        let (mut at, mut rest) = (out.len(), self.0);
        loop {
            at -= 1;
            out[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                return ascii(f, &out[at..]);
            }
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

/// Parts with commas between them, as they are written.
pub(crate) struct Parts<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    any: bool,
}

impl<'a, 'b> Parts<'a, 'b> {
    pub(crate) const fn new(f: &'a mut fmt::Formatter<'b>) -> Self {
        Self { f, any: false }
    }

    pub(crate) fn push(&mut self, part: impl fmt::Display) -> fmt::Result {
        part.fmt(self.begin()?)
    }

    /// Where the next part is to be written.
    fn begin(&mut self) -> Result<&mut fmt::Formatter<'b>, fmt::Error> {
        if self.any {
            self.f.write_str(",")?;
        }
        self.any = true;
        Ok(self.f)
    }

    /// Whether there is any part.
    pub(crate) const fn any(&self) -> bool {
        self.any
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
    let mut rest = mask;
    while rest != 0 {
        let bit = rest.trailing_zeros() as usize;
        rest &= rest - 1;
        f.write_str(if value >> bit & 1 != 0 { "+" } else { "-" })?;
        match names.get(bit) {
            Some(name) => f.write_str(name)?,
            None => write!(f, "{:#x}", 1u128 << bit)?,
        }
    }
    Ok(())
}

/// An Ethernet address.
struct Ethernet(u128);

impl fmt::Display for Ethernet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = [b':'; 17];
        for (place, byte) in self.0.to_be_bytes()[10..].iter().enumerate() {
            out[3 * place] = hex_digit(byte >> 4);
            out[3 * place + 1] = hex_digit(*byte);
        }
        ascii(f, &out)
    }
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

/// An IPv4 address. Writing it does not go through the machinery of formats.
struct Ip(u32);

impl fmt::Display for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.to_be_bytes().into_iter().enumerate() {
            if place > 0 {
                f.write_str(".")?;
            }
            Dec(byte.into()).fmt(f)?;
        }
        Ok(())
    }
}

fn ipv4(value: u128) -> Ip {
    Ip(u32::try_from(value & 0xffff_ffff).unwrap_or(0))
}

fn address<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    width: u32,
    value: u128,
    mask: u128,
    show: impl Fn(u128) -> T,
) -> fmt::Result {
    show(value).fmt(f)?;
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
            Format::Ethernet if exact => Ethernet(value).fmt(f),
            Format::Ethernet => write!(f, "{}/{}", Ethernet(value), Ethernet(mask)),
            Format::Ipv4 => address(f, 32, value, mask, ipv4),
            Format::Ipv6 => address(f, 128, value, mask, Ipv6Addr::from_bits),
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
            Format::Decimal | Format::Port | Format::Port16 if exact => {
                match u64::try_from(value) {
                    Ok(value) => Dec(value).fmt(f),
                    Err(_) => value.fmt(f),
                }
            }
            Format::Decimal | Format::Port | Format::Port16 => write!(f, "{value}/{}", Hex(mask)),
            Format::Hex if exact => Hex(value).fmt(f),
            Format::Hex => write!(f, "{}/{}", Hex(value), Hex(mask)),
        }
    }
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.field().fmt(f)?;
        f.write_str("=")?;
        Value(self).fmt(f)
    }
}

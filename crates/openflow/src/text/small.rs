//! Numbers, addresses and bytes as text.

use std::fmt;
use std::net::Ipv6Addr;

use super::{Say, put, show};

/// A number in hexadecimal; zero has no prefix.
pub(crate) struct Hex(pub(crate) u128);

impl Say for Hex {
    fn say(&self, out: &mut String) {
        let Ok(value) = u64::try_from(self.0) else {
            return put!(out, "{:#x}", self.0);
        };
        if value == 0 {
            return out.push('0');
        }
        let digits = 16 - value.leading_zeros() as usize / 4;
        let mut text = [0; 18];
        text[..2].copy_from_slice(b"0x");
        for (place, digit) in text[2..2 + digits].iter_mut().rev().enumerate() {
            *digit = hex_digit((value >> (4 * place)) as u8);
        }
        ascii(out, &text[..2 + digits]);
    }
}

/// The digit of the low four bits.
const fn hex_digit(bits: u8) -> u8 {
    b"0123456789abcdef"[(bits & 0xf) as usize]
}

/// Writes bytes that are ASCII.
fn ascii(out: &mut String, bytes: &[u8]) {
    out.push_str(std::str::from_utf8(bytes).unwrap_or_default());
}

/// A number in decimal.
pub(crate) struct Dec(pub(crate) u64);

impl Say for Dec {
    fn say(&self, out: &mut String) {
        let (mut text, mut at, mut rest) = ([0; 20], 20, self.0);
        loop {
            at -= 1;
            text[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                return ascii(out, &text[at..]);
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

impl Say for Bytes<'_> {
    fn say(&self, out: &mut String) {
        for (n, byte) in self.0.iter().enumerate() {
            put!(out, "{}{byte:02x}", if n == 0 { "" } else { "." });
        }
    }
}

/// Items with commas between them.
pub(crate) struct List<'a, T>(pub(crate) &'a [T]);

impl<T: fmt::Display> Say for List<'_, T> {
    fn say(&self, out: &mut String) {
        for (n, item) in self.0.iter().enumerate() {
            put!(out, "{}{item}", if n == 0 { "" } else { "," });
        }
    }
}

impl<T: fmt::Display> fmt::Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self, f)
    }
}

/// An Ethernet address.
pub(super) struct Ethernet(pub(super) u128);

impl Say for Ethernet {
    fn say(&self, out: &mut String) {
        let mut text = [b':'; 17];
        for (place, byte) in self.0.to_be_bytes()[10..].iter().enumerate() {
            text[3 * place] = hex_digit(byte >> 4);
            text[3 * place + 1] = hex_digit(*byte);
        }
        ascii(out, &text);
    }
}

/// An IPv4 address.
pub(super) struct Ip(pub(super) u32);

impl Say for Ip {
    fn say(&self, out: &mut String) {
        for (place, byte) in self.0.to_be_bytes().into_iter().enumerate() {
            if place > 0 {
                out.push('.');
            }
            Dec(byte.into()).say(out);
        }
    }
}

impl Say for Ipv6Addr {
    fn say(&self, out: &mut String) {
        put!(out, "{self}");
    }
}

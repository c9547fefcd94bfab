//! Constants: numbers in the notations of the field, and quoted texts.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::Error;
use crate::bits::ones;

/// The notation of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// `80`
    Decimal,
    /// `0x50`
    Hex,
    /// `00:00:5e:00:53:01`
    Ethernet,
    /// `192.0.2.1`
    Ip4,
    /// `2001:db8::1`
    Ip6,
}

/// A number with its notation and, optionally, a mask: `80`, `10.0.0.0/8`, `0x1/0x3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Constant {
    /// The number; nothing outside the mask.
    pub value: u128,
    /// The bits that matter, when not all.
    pub mask: Option<u128>,
    /// How it was written.
    pub format: Format,
}

impl Format {
    /// Width of the addresses written like this.
    pub const fn width(self) -> Option<u8> {
        match self {
            Self::Decimal | Self::Hex => None,
            Self::Ethernet => Some(48),
            Self::Ip4 => Some(32),
            Self::Ip6 => Some(128),
        }
    }
}

impl Constant {
    /// A plain number.
    pub const fn number(value: u128) -> Self {
        Self {
            value,
            mask: None,
            format: Format::Decimal,
        }
    }

    /// The mask, all ones when there is none.
    pub const fn mask_or_exact(&self) -> u128 {
        match self.mask {
            Some(mask) => mask,
            None => u128::MAX,
        }
    }

    /// How many bits it takes to write it down.
    pub fn significant_bits(&self) -> u8 {
        let bits = 128
            - self
                .value
                .leading_zeros()
                .min(self.mask.unwrap_or(0).leading_zeros());
        bits as u8
    }

    /// Whether it belongs to a field of that width: addresses only to a field of just their width,
    /// plain numbers to any that has room.
    pub fn fits(&self, width: u8) -> bool {
        self.format.width().unwrap_or(width) == width && self.significant_bits() <= width
    }

    /// As an IPv4 address, when it is written as one.
    pub fn ip4(&self) -> Option<Ipv4Addr> {
        (self.format == Format::Ip4).then(|| Ipv4Addr::from_bits(self.value as u32))
    }

    /// As an IPv6 address, when it is written as one.
    pub fn ip6(&self) -> Option<Ipv6Addr> {
        (self.format == Format::Ip6).then(|| Ipv6Addr::from_bits(self.value))
    }
}

impl From<Ipv4Addr> for Constant {
    fn from(address: Ipv4Addr) -> Self {
        Self {
            value: address.to_bits().into(),
            mask: None,
            format: Format::Ip4,
        }
    }
}

impl From<Ipv6Addr> for Constant {
    fn from(address: Ipv6Addr) -> Self {
        Self {
            value: address.to_bits(),
            mask: None,
            format: Format::Ip6,
        }
    }
}

impl FromStr for Constant {
    type Err = Error;

    /// Reads one constant, as the members of an address set are written.
    fn from_str(text: &str) -> Result<Self, Error> {
        crate::lexer::single_constant(text)
    }
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_number(f, self.value, self.format)?;
        let Some(mask) = self.mask else { return Ok(()) };
        f.write_str("/")?;
        match self.format {
            Format::Ip4 | Format::Ip6 => {
                let width = self.format.width().unwrap_or(128);
                let host = ones(width) & !mask;
                if host & (host.wrapping_add(1)) == 0 {
                    write!(f, "{}", u32::from(width) - host.count_ones())
                } else {
                    write_number(f, mask, self.format)
                }
            }
            _ => write_number(f, mask, self.format),
        }
    }
}

fn write_number(f: &mut fmt::Formatter<'_>, value: u128, format: Format) -> fmt::Result {
    match format {
        Format::Decimal => write!(f, "{value}"),
        Format::Hex => write!(f, "{value:#x}"),
        Format::Ip4 => write!(f, "{}", Ipv4Addr::from_bits(value as u32)),
        Format::Ip6 => write!(f, "{}", Ipv6Addr::from_bits(value)),
        Format::Ethernet => {
            let [_, _, bytes @ ..] = (value as u64).to_be_bytes();
            for (i, byte) in bytes.iter().enumerate() {
                write!(f, "{}{byte:02x}", if i == 0 { "" } else { ":" })?;
            }
            Ok(())
        }
    }
}

/// A text as the language writes it, in quotes with JSON's escapes.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

//! Single values: how each kind of value is written and read, with its mask.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use packet::Mac;

use super::scanner::{Result, Scanner};
use crate::layout::Value;

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// In the one way that there is: addresses.
    Plain,
    /// A decimal number.
    Dec,
    /// A hexadecimal number.
    Hex,
    /// Whether a packet is a fragment: `no`, `first` or `later`.
    Frag,
    /// An IPv6 flow label: twenty bits.
    Label,
}

impl Style {
    pub(crate) const fn of_mask(self) -> Self {
        match self {
            Self::Frag => Self::Hex,
            style => style,
        }
    }
}

const LABEL: u64 = 0xf_ffff;

/// A value that can stand in text.
pub(crate) trait TextValue: Value {
    fn print(self, style: Style, out: &mut String);
    /// As a mask behind a slash.
    fn print_mask(self, style: Style, out: &mut String);
    fn parse(scanner: &mut Scanner<'_>, style: Style) -> Result<Self>;

    /// The mask of a value of which all counts.
    fn exact(_style: Style) -> Self {
        Self::ONES
    }

    /// True if the mask takes all of the value.
    fn is_full(self, style: Style) -> bool {
        self == Self::exact(style)
    }
}

/// A number as C's `%#x` writes it: zero has no prefix.
pub(crate) fn hex(number: impl Into<u64>, out: &mut String) {
    let number = number.into();
    let _ = match number {
        0 => out.write_str("0"),
        _ => write!(out, "{number:#x}"),
    };
}

/// A thing as it prints itself.
pub(crate) fn plain(thing: impl std::fmt::Display, out: &mut String) {
    // Writing into a string does not fail.
    let _ = write!(out, "{thing}");
}

const FRAGS: [&str; 3] = ["no", "first", "later"];

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl TextValue for $number {
            fn print(self, style: Style, out: &mut String) {
                let frag = usize::try_from(self).ok().and_then(|number| FRAGS.get(number));
                match (style, frag) {
                    (Style::Frag, Some(name)) => out.push_str(name),
                    (Style::Dec | Style::Plain, _) => plain(self, out),
                    _ => hex(u64::from(self), out),
                }
            }

            fn print_mask(self, _style: Style, out: &mut String) {
                hex(u64::from(self), out);
            }

            fn parse(scanner: &mut Scanner<'_>, style: Style) -> Result<Self> {
                if style == Style::Frag
                    && let Some(found) = FRAGS.iter().position(|name| scanner.word(name))
                {
                    return Ok(Self::try_from(found).unwrap_or_default());
                }
                let max = match style {
                    Style::Label => LABEL,
                    _ => u64::from(Self::MAX),
                };
                Ok(Self::try_from(scanner.number(max)?).unwrap_or_default())
            }

            fn exact(style: Style) -> Self {
                match style {
                    Style::Label => Self::try_from(LABEL).unwrap_or(Self::MAX),
                    _ => Self::MAX,
                }
            }

            fn is_full(self, style: Style) -> bool {
                self & Self::exact(style) == Self::exact(style)
            }
        }
    )*};
}
numbers!(u8 u16 u32 u64);

/// Addresses: each prints itself, and is made of certain characters.
macro_rules! addresses {
    ($($address:ty, $print:expr, $characters:expr, $what:literal;)*) => {$(
        impl TextValue for $address {
            fn print(self, _style: Style, out: &mut String) {
                $print(self, out);
            }

            fn print_mask(self, style: Style, out: &mut String) {
                self.print(style, out);
            }

            fn parse(scanner: &mut Scanner<'_>, _style: Style) -> Result<Self> {
                scanner.parse($characters, $what)
            }
        }
    )*};
}

addresses! {
    Mac, plain, |c| c.is_ascii_hexdigit() || c == ':', "an Ethernet address";
    Ipv4Addr, plain, |c| c.is_ascii_digit() || c == '.', "an IPv4 address";
    Ipv6Addr, ipv6, |c| c.is_ascii_hexdigit() || c == ':' || c == '.', "an IPv6 address";
}

/// As `inet_ntop` of the C library writes it: what could be an embedded IPv4 address ends as one.
pub(crate) fn ipv6(address: Ipv6Addr, out: &mut String) {
    let words = address.segments();
    let embedded = words[..6].iter().all(|word| *word == 0) && words[6] != 0;
    if embedded {
        let o = address.octets();
        plain(
            format_args!("::{}", Ipv4Addr::new(o[12], o[13], o[14], o[15])),
            out,
        );
    } else {
        plain(address, out);
    }
}

/// Named fields with commas between.
pub(crate) struct List<'o> {
    out: &'o mut String,
    /// Write what does not count too.
    pub(crate) more: bool,
    any: bool,
}

impl<'o> List<'o> {
    pub(crate) const fn new(out: &'o mut String, more: bool) -> Self {
        Self {
            out,
            more,
            any: false,
        }
    }

    /// Begins the next item.
    pub(crate) fn next(&mut self) -> &mut String {
        if self.any {
            self.out.push(',');
        }
        self.any = true;
        self.out
    }

    /// A field under the first of the names that bars separate, if any of it counts.
    pub(crate) fn field<T: TextValue>(
        &mut self,
        names: &str,
        style: Style,
        value: T,
        mask: Option<T>,
    ) {
        let counts = mask.is_none_or(|mask| mask != T::ZERO);
        // It has no way to write a fragment that does not count.
        let shown = counts || (self.more && style != Style::Frag);
        if !shown {
            return;
        }
        let name = names.split('|').next().unwrap_or(names);
        let out = self.next();
        out.push_str(name);
        out.push('=');
        value.print(style, out);
        if let Some(mask) = mask.filter(|mask| !mask.is_full(style)) {
            out.push('/');
            mask.print_mask(style, out);
        }
    }
}

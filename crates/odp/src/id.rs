//! Numbers that name things.

use std::fmt;
use std::str::FromStr;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($number:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $number);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// A datapath: the index of its local port's network device, in the network namespace of the one who
    /// asks.
    DatapathId(u32);
    /// A port of a datapath. Zero is the local port. As a mask, [`PortNo::EXACT`] or zero.
    PortNo(u32);
    /// A meter of a datapath.
    MeterId(u32);
    /// A zone of the connection tracker.
    Zone(u16);
}

impl PortNo {
    /// The port that has the datapath's own name.
    pub const LOCAL: Self = Self(0);
    /// As a mask: the port counts.
    pub const EXACT: Self = Self(u32::MAX);
}

/// The identifier of a flow, chosen by who makes it: sixteen bytes. The kernel then finds the flow by it,
/// whatever its key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ufid(pub [u8; 16]);

impl fmt::Debug for Ufid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Four words of the machine's byte order, as `ovs-dpctl` prints them.
impl fmt::Display for Ufid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |n: usize| {
            let b = &self.0[n * 4..];
            u32::from_ne_bytes([b[0], b[1], b[2], b[3]])
        };
        let (a, b, c, d) = (word(0), word(1), word(2), word(3));
        write!(
            f,
            "ufid:{a:08x}-{:04x}-{:04x}-{:04x}-{:04x}{d:08x}",
            b >> 16,
            b & 0xffff,
            c >> 16,
            c & 0xffff
        )
    }
}

/// A text is not a UFID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a UFID: expected ufid:01234567-89ab-cdef-0123-456789abcdef")]
pub struct ParseUfidError(String);

impl FromStr for Ufid {
    type Err = ParseUfidError;

    fn from_str(text: &str) -> Result<Self, ParseUfidError> {
        let wrong = || ParseUfidError(text.to_owned());
        let digits = text.strip_prefix("ufid:").unwrap_or(text);
        let dashes: Vec<usize> = digits.match_indices('-').map(|(at, _)| at).collect();
        if digits.len() != 36 || dashes != [8, 13, 18, 23] {
            return Err(wrong());
        }
        let digits = digits.replace('-', "");
        let mut bytes = [0; 16];
        for (n, place) in bytes.chunks_exact_mut(4).enumerate() {
            let word = digits.get(n * 8..n * 8 + 8).ok_or_else(wrong)?;
            if !word.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(wrong());
            }
            let word = u32::from_str_radix(word, 16).map_err(|_| wrong())?;
            place.copy_from_slice(&word.to_ne_bytes());
        }
        Ok(Self(bytes))
    }
}

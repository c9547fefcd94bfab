//! Ethernet addresses.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// An Ethernet (EUI-48) address, in transmission order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

/// The text is not six hexadecimal octets with colons between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an Ethernet address (expected xx:xx:xx:xx:xx:xx)")]
pub struct ParseMacError;

impl Mac {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// `00:00:00:00:00:00`.
    pub const ZERO: Self = Self([0; 6]);

    /// True for group addresses, the broadcast address included.
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// True for the all-zero address.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// The address as an integer below 2^48.
    pub fn to_u64(self) -> u64 {
        self.0.iter().fold(0, |n, b| n << 8 | u64::from(*b))
    }

    /// From the low 48 bits of an integer.
    pub fn from_u64(n: u64) -> Self {
        let b = n.to_be_bytes();
        Self([b[2], b[3], b[4], b[5], b[6], b[7]])
    }

    /// The IPv6 link-local address of this interface (RFC 4291 appendix A, modified EUI-64).
    pub fn link_local(self) -> Ipv6Addr {
        let m = self.0;
        let mut a = [0; 16];
        a[..2].copy_from_slice(&[0xfe, 0x80]);
        a[8..].copy_from_slice(&[m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]]);
        Ipv6Addr::from(a)
    }

    /// The group address that carries an IPv6 multicast destination (RFC 2464 section 7).
    pub fn of_ipv6_multicast(ip: Ipv6Addr) -> Self {
        let o = ip.octets();
        Self([0x33, 0x33, o[12], o[13], o[14], o[15]])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let m = self.0;
        write!(
            f,
            "{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}",
            m[0], m[1], m[2], m[3], m[4], m[5]
        )
    }
}

impl FromStr for Mac {
    type Err = ParseMacError;

    fn from_str(text: &str) -> Result<Self, ParseMacError> {
        let mut mac = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut mac {
            let part = parts.next().ok_or(ParseMacError)?;
            let digits = part.bytes().all(|b| b.is_ascii_hexdigit());
            if part.is_empty() || part.len() > 2 || !digits {
                return Err(ParseMacError);
            }
            *octet = u8::from_str_radix(part, 16).map_err(|_| ParseMacError)?;
        }
        if parts.next().is_some() {
            Err(ParseMacError)
        } else {
            Ok(Self(mac))
        }
    }
}

impl From<[u8; 6]> for Mac {
    fn from(octets: [u8; 6]) -> Self {
        Self(octets)
    }
}

//! Port numbers.

use std::fmt;

/// An OpenFlow port number, in the 32-bit numbering of OpenFlow 1.1 and later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Port(pub u32);

impl Port {
    /// The highest number that can belong to a port.
    pub const MAX: Self = Self(0xffff_ff00);
    /// The port that is absent from every match: "unset".
    pub const UNSET: Self = Self(0xffff_fff7);
    /// Back to where the packet came from.
    pub const IN_PORT: Self = Self(0xffff_fff8);
    /// Through the flow tables (packet-out only).
    pub const TABLE: Self = Self(0xffff_fff9);
    /// The switch's own learning.
    pub const NORMAL: Self = Self(0xffff_fffa);
    /// Every port that floods.
    pub const FLOOD: Self = Self(0xffff_fffb);
    /// Every port but the one of arrival.
    pub const ALL: Self = Self(0xffff_fffc);
    /// The controller.
    pub const CONTROLLER: Self = Self(0xffff_fffd);
    /// The bridge's own port.
    pub const LOCAL: Self = Self(0xffff_fffe);
    /// No port, or any port, by context.
    pub const ANY: Self = Self(0xffff_ffff);

    /// The port of a 16-bit number, as in OpenFlow 1.0 and the Nicira extensions.
    #[must_use]
    pub const fn from_u16(number: u16) -> Self {
        if number >= 0xff00 {
            Self(0xffff_0000 | number as u32)
        } else {
            Self(number as u32)
        }
    }

    /// The 16-bit number; a port that has none becomes "no port".
    #[must_use]
    pub const fn to_u16(self) -> u16 {
        if self.0 < 0xff00 || self.0 >= 0xffff_ff00 {
            (self.0 & 0xffff) as u16
        } else {
            0xffff
        }
    }

    /// The name that `ovs-ofctl` uses for a reserved port.
    #[must_use]
    pub const fn reserved_name(self) -> Option<&'static str> {
        Some(match self {
            Self::UNSET => "UNSET",
            Self::IN_PORT => "IN_PORT",
            Self::TABLE => "TABLE",
            Self::NORMAL => "NORMAL",
            Self::FLOOD => "FLOOD",
            Self::ALL => "ALL",
            Self::CONTROLLER => "CONTROLLER",
            Self::LOCAL => "LOCAL",
            Self::ANY => "ANY",
            _ => return None,
        })
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reserved_name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

impl From<u32> for Port {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bit_numbers_map_onto_the_reserved_range() {
        assert_eq!(Port::from_u16(0xfff8), Port::IN_PORT);
        assert_eq!(Port::IN_PORT.to_u16(), 0xfff8);
        assert_eq!(Port(7).to_u16(), 7);
        assert_eq!(Port(0x1_0000).to_u16(), 0xffff);
        assert_eq!(Port::LOCAL.to_string(), "LOCAL");
    }
}

//! The versions of the protocol.
//!
//! The types of this crate are the same in all of them; only the codec asks which one is spoken.

use std::fmt;

/// A version of OpenFlow that this crate speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Version {
    /// OpenFlow 1.0, with Nicira's extensions wherever it cannot say something itself.
    V10,
    /// OpenFlow 1.3, with the ONF's extensions for bundles and flow monitors.
    V13,
    /// OpenFlow 1.4.
    V14,
    /// OpenFlow 1.5.
    #[default]
    V15,
}

impl Version {
    /// Every version, the oldest first.
    pub const ALL: [Self; 4] = [Self::V10, Self::V13, Self::V14, Self::V15];

    /// The number in a message's header.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V10 => 1,
            Self::V13 => 4,
            Self::V14 => 5,
            Self::V15 => 6,
        }
    }

    /// The version of a number in a header.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|version| version.number() == number)
    }

    /// The name that Open vSwitch uses, such as `OpenFlow13`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V10 => "OpenFlow10",
            Self::V13 => "OpenFlow13",
            Self::V14 => "OpenFlow14",
            Self::V15 => "OpenFlow15",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Versions(u8);

impl Versions {
    /// All that this crate speaks.
    pub const ALL: Self = Self(0b1111);

    /// None of them.
    pub const NONE: Self = Self(0);

    /// Whether there is none in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One version alone.
    #[must_use]
    pub const fn only(version: Version) -> Self {
        Self(1 << version as u8)
    }

    /// These versions and another.
    #[must_use]
    pub const fn and(self, version: Version) -> Self {
        Self(self.0 | 1 << version as u8)
    }

    /// Whether a version is in the set.
    #[must_use]
    pub const fn contains(self, version: Version) -> bool {
        self.0 & 1 << version as u8 != 0
    }

    /// The versions, the oldest first.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Version> {
        Version::ALL
            .into_iter()
            .filter(move |version| self.contains(*version))
    }

    /// As a bitmap of version numbers, as a greeting holds it.
    #[must_use]
    pub fn bitmap(self) -> u32 {
        self.iter()
            .fold(0, |sum, version| sum | 1 << version.number())
    }
}

impl Default for Versions {
    fn default() -> Self {
        Self::ALL
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, version) in self.iter().enumerate() {
            write!(f, "{}{version}", if n == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

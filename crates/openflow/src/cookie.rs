//! Cookies that say by which version of a program's scheme they are to be read.
//!
//! The highest four bits of a flow's cookie are the version; the other sixty are the scheme's own. So a
//! program finds its older flows with one masked query, and never takes another version's for its own.

use crate::ranged::OutOfRange;

/// How many bits a scheme has for itself.
const BITS: u32 = 60;

/// A cookie with a version.
///
/// ```
/// use openflow::Cookie;
/// let cookie = Cookie::new(2, 0x1234)?;
/// assert_eq!(cookie.to_bits(), 0x2000_0000_0000_1234);
/// assert_eq!(Cookie::from_bits(cookie.to_bits()), cookie);
/// # Ok::<(), openflow::OutOfRange>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cookie {
    version: u8,
    payload: u64,
}

impl Cookie {
    /// The bits of the version.
    pub const VERSION_MASK: u64 = 0xf << BITS;
    /// The bits that a scheme has for itself.
    pub const PAYLOAD_MASK: u64 = !Self::VERSION_MASK;

    /// A cookie of a version from 0 to 15 with up to sixty bits.
    ///
    /// # Errors
    /// When one of the numbers is too great.
    pub fn new(version: u8, payload: u64) -> Result<Self, OutOfRange> {
        let check = |field, value: u64, max: u64| match value > max {
            true => Err(OutOfRange {
                field,
                value: value.into(),
                max: max.into(),
            }),
            false => Ok(()),
        };
        check("cookie version", version.into(), 15)?;
        check("cookie", payload, Self::PAYLOAD_MASK)?;
        Ok(Self { version, payload })
    }

    /// The cookie of a flow.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self {
            version: (bits >> BITS) as u8,
            payload: bits & Self::PAYLOAD_MASK,
        }
    }

    /// As a flow holds it.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        (self.version as u64) << BITS | self.payload
    }

    /// By which version it is to be read.
    #[must_use]
    pub const fn version(self) -> u8 {
        self.version
    }

    /// The scheme's own bits.
    #[must_use]
    pub const fn payload(self) -> u64 {
        self.payload
    }

    /// The scheme's own bits, if the cookie is of this version.
    #[must_use]
    pub const fn payload_of(self, version: u8) -> Option<u64> {
        if self.version == version {
            Some(self.payload)
        } else {
            None
        }
    }
}

impl From<Cookie> for u64 {
    fn from(cookie: Cookie) -> Self {
        cookie.to_bits()
    }
}

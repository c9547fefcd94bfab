//! Whose a flow is, in its cookie: which machine's, which card's, and what it is for.
//!
//! | bits | what |
//! |---|---|
//! | 63-60 | the version, 1 |
//! | 59 | 1 for a machine's flow, 0 for the host's own |
//! | 58-27 | the machine's number; 0 for the host's own |
//! | 26 | 1 for a private card, 0 for a public one |
//! | 25-19 | which of the machine's cards of that type, counted from zero |
//! | 18-12 | the [`Kind`] |
//! | 11-0 | which part of the parameters made it: the place of an address or a rule in its list |
//!
//! Everything of a machine, of a card or of one kind is selected by a value and a mask ([`Selection`]), by this crate
//! as well as by `ovs-ofctl del-flows br cookie=VALUE/MASK`. From left to right the bits say ever more, so that what is
//! of a machine, a card, or a card's kind stands together where cookies are in order. What has another version is
//! never touched.
//!
//! ```
//! use hvflow::cookie::{Cookie, InterfaceId, Kind, Selection};
//! use hvflow::params::InterfaceType;
//!
//! let interface = InterfaceId::new(InterfaceType::Private, 0).expect("a small number");
//! let cookie = Cookie::Machine { machine: 7, interface, kind: Kind::Ipv4, detail: 2 };
//! let bits = cookie.marshal()?;
//! assert_eq!(bits, 0x1800_0000_3c00_2002);
//! assert_eq!(Cookie::unmarshal(bits)?, cookie);
//! assert!(Selection::Machine(7).selects(bits));
//! assert_eq!(Selection::Machine(7).to_string(), "cookie=0x1800000038000000/0xfffffffff8000000");
//! # Ok::<(), hvflow::cookie::CookieError>(())
//! ```

use std::fmt;

use openflow::Flow;
use openflow::message::{FlowCommand, FlowMod};

use crate::params::InterfaceType;

/// The version of the scheme that this crate writes.
pub const VERSION: u8 = 1;

const MACHINE_FLAG: u64 = 1 << 59;
const MACHINE_SHIFT: u32 = 27;
const PRIVATE_FLAG: u64 = 1 << 26;
const ORDINAL_SHIFT: u32 = 19;
const KIND_SHIFT: u32 = 12;

const KIND_MASK: u64 = 0x7f << KIND_SHIFT;
const MACHINE_MASK: u64 = 0xffff_ffff << MACHINE_SHIFT;
const ORDINAL_MASK: u64 = 0x7f << ORDINAL_SHIFT;
const DETAIL_MASK: u64 = 0xfff;

/// One of a machine's cards: its type, and which of that type, in the order of the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceId {
    interface_type: InterfaceType,
    ordinal: u8,
}

impl InterfaceId {
    /// The greatest ordinal that a cookie can hold.
    pub const MAX_ORDINAL: u8 = 127;

    /// The card of this type and ordinal, counted from zero; none beyond [`Self::MAX_ORDINAL`].
    #[must_use]
    pub const fn new(interface_type: InterfaceType, ordinal: u8) -> Option<Self> {
        if ordinal > Self::MAX_ORDINAL {
            return None;
        }
        Some(Self {
            interface_type,
            ordinal,
        })
    }

    /// Its type.
    #[must_use]
    pub const fn interface_type(self) -> InterfaceType {
        self.interface_type
    }

    /// Which of that type.
    #[must_use]
    pub const fn ordinal(self) -> u8 {
        self.ordinal
    }

    fn bits(self) -> u64 {
        type_bits(self.interface_type) | u64::from(self.ordinal) << ORDINAL_SHIFT
    }

    const fn from_bits(bits: u64) -> Self {
        Self {
            interface_type: match bits & PRIVATE_FLAG {
                0 => InterfaceType::Public,
                _ => InterfaceType::Private,
            },
            ordinal: (bits >> ORDINAL_SHIFT & 0x7f) as u8,
        }
    }
}

const fn type_bits(interface_type: InterfaceType) -> u64 {
    match interface_type {
        InterfaceType::Public => 0,
        InterfaceType::Private => PRIVATE_FLAG,
    }
}

impl fmt::Display for InterfaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.interface_type, self.ordinal)
    }
}

/// What a machine's flow is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The card's place on the switch, its Ethernet address and its rate.
    Link,
    /// The own IPv4 addresses.
    Ipv4,
    /// The own IPv6 addresses.
    Ipv6,
    /// The floating IPv4 addresses.
    FloatingIpv4,
    /// The floating IPv6 addresses.
    FloatingIpv6,
    /// The security policies.
    Policy,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Link,
        Self::Ipv4,
        Self::Ipv6,
        Self::FloatingIpv4,
        Self::FloatingIpv6,
        Self::Policy,
    ];

    const fn code(self) -> u64 {
        match self {
            Self::Link => 1,
            Self::Ipv4 => 2,
            Self::Ipv6 => 3,
            Self::FloatingIpv4 => 4,
            Self::FloatingIpv6 => 5,
            Self::Policy => 6,
        }
    }

    fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
            Self::FloatingIpv4 => "floating IPv4",
            Self::FloatingIpv6 => "floating IPv6",
            Self::Policy => "policy",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a cookie says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cookie {
    /// The flow is the host's own: one that every machine needs.
    Host,
    /// The flow is a machine's.
    Machine {
        /// The machine's number, 1 to 4294967295.
        machine: u32,
        /// Its card.
        interface: InterfaceId,
        /// What the flow is for.
        kind: Kind,
        /// Which address or rule made it, 0 to 4095: its place in the list of the parameters.
        detail: u16,
    },
}

/// Why something is no cookie of this scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CookieError {
    /// Another version's, or another program's.
    #[error("cookie {bits:#018x} has version {}, not {VERSION}", bits >> 60)]
    Version {
        /// The cookie.
        bits: u64,
    },
    /// Of this version, but with bits that it does not use.
    #[error("cookie {bits:#018x} is none that version {VERSION} writes")]
    Unknown {
        /// The cookie.
        bits: u64,
    },
    /// The part of the parameters has too great a number.
    #[error("detail {0} of a cookie is not in 0..=4095")]
    Detail(u16),
    /// A machine's number.
    #[error("machine 0 of a cookie is not in 1..=4294967295")]
    Machine,
}

const fn version_bits() -> u64 {
    (VERSION as u64) << 60
}

impl Cookie {
    /// As a flow holds it.
    ///
    /// # Errors
    /// When a number does not fit into its bits.
    pub fn marshal(self) -> Result<u64, CookieError> {
        match self {
            Self::Host => Ok(version_bits()),
            Self::Machine { machine: 0, .. } => Err(CookieError::Machine),
            Self::Machine { detail, .. } if u64::from(detail) > DETAIL_MASK => {
                Err(CookieError::Detail(detail))
            }
            Self::Machine {
                machine,
                interface,
                kind,
                detail,
            } => Ok(version_bits()
                | MACHINE_FLAG
                | u64::from(machine) << MACHINE_SHIFT
                | interface.bits()
                | kind.code() << KIND_SHIFT
                | u64::from(detail)),
        }
    }

    /// Reads a flow's cookie.
    ///
    /// # Errors
    /// When it is not of this scheme: such flows are to be left alone.
    pub fn unmarshal(bits: u64) -> Result<Self, CookieError> {
        if bits >> 60 != u64::from(VERSION) {
            return Err(CookieError::Version { bits });
        }
        if bits == version_bits() {
            return Ok(Self::Host);
        }
        let machine = (bits >> MACHINE_SHIFT & 0xffff_ffff) as u32;
        let kind = Kind::from_code((bits & KIND_MASK) >> KIND_SHIFT);
        match kind {
            Some(kind) if bits & MACHINE_FLAG != 0 && machine != 0 => Ok(Self::Machine {
                machine,
                interface: InterfaceId::from_bits(bits),
                kind,
                detail: (bits & DETAIL_MASK) as u16,
            }),
            _ => Err(CookieError::Unknown { bits }),
        }
    }
}

impl fmt::Display for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Machine {
                machine,
                interface,
                kind,
                detail,
            } => write!(f, "machine {machine}, {interface}, {kind} {detail}"),
        }
    }
}

/// Flows that are selected by the bits of their cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selection {
    /// Everything of this scheme, the host's own flows included.
    All,
    /// The host's own.
    Host,
    /// Those of all machines.
    Machines,
    /// Those of all machines that are of one kind.
    KindOfAll(Kind),
    /// Those of one machine.
    Machine(u32),
    /// Those of one machine's cards of a type.
    InterfaceType(u32, InterfaceType),
    /// Those of one card.
    Interface(u32, InterfaceId),
    /// Those of one card that are of one kind.
    Kind(u32, InterfaceId, Kind),
}

impl Selection {
    /// The value that a cookie must have, and the bits in which it must.
    #[must_use]
    pub fn value_and_mask(self) -> (u64, u64) {
        let version = openflow::Cookie::VERSION_MASK;
        let machines = version | MACHINE_FLAG;
        let number = |machine: u32| u64::from(machine) << MACHINE_SHIFT;
        let (value, mask) = match self {
            Self::All => (0, version),
            Self::Host => (0, machines),
            Self::Machines => (MACHINE_FLAG, machines),
            Self::KindOfAll(kind) => (
                MACHINE_FLAG | kind.code() << KIND_SHIFT,
                machines | KIND_MASK,
            ),
            Self::Machine(machine) => (MACHINE_FLAG | number(machine), machines | MACHINE_MASK),
            Self::InterfaceType(machine, interface_type) => (
                MACHINE_FLAG | number(machine) | type_bits(interface_type),
                machines | MACHINE_MASK | PRIVATE_FLAG,
            ),
            Self::Interface(machine, interface) => (
                MACHINE_FLAG | number(machine) | interface.bits(),
                machines | MACHINE_MASK | PRIVATE_FLAG | ORDINAL_MASK,
            ),
            Self::Kind(machine, interface, kind) => (
                MACHINE_FLAG | number(machine) | interface.bits() | kind.code() << KIND_SHIFT,
                machines | MACHINE_MASK | PRIVATE_FLAG | ORDINAL_MASK | KIND_MASK,
            ),
        };
        (version_bits() | value, mask)
    }

    /// From the least to the greatest cookie that can be among them; all between are, unless kinds of all machines
    /// are selected.
    #[must_use]
    pub fn range(self) -> std::ops::RangeInclusive<u64> {
        let (value, mask) = self.value_and_mask();
        value..=value | !mask
    }

    /// Whether a flow with this cookie is among them.
    #[must_use]
    pub fn selects(self, bits: u64) -> bool {
        let (value, mask) = self.value_and_mask();
        bits & mask == value
    }

    /// The change that removes them all, whatever they are, without looking at the switch first.
    #[must_use]
    pub fn delete(self) -> FlowMod {
        let (value, mask) = self.value_and_mask();
        let mut key = Flow::default();
        key.key.table = FlowMod::ALL_TABLES;
        FlowMod {
            cookie_mask: mask,
            ..FlowMod::new(FlowCommand::Delete, key.cookie(value))
        }
    }
}

/// As `ovs-ofctl` selects them.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, mask) = self.value_and_mask();
        write!(f, "cookie={value:#x}/{mask:#x}")
    }
}

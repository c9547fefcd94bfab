//! Groups as values.

use crate::action::Action;
use crate::field::Field;
use crate::port::Port;

/// How a group picks among its buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum GroupKind {
    /// A copy to each.
    #[default]
    All,
    /// One, by hash and weight.
    Select,
    /// The only one.
    Indirect,
    /// The first that is alive.
    FastFailover,
    /// A type this crate has no name for.
    Unknown(u8),
}

impl GroupKind {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::All => 0,
            Self::Select => 1,
            Self::Indirect => 2,
            Self::FastFailover => 3,
            Self::Unknown(code) => code,
        }
    }

    /// The type of a number on the wire.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::All,
            1 => Self::Select,
            2 => Self::Indirect,
            3 => Self::FastFailover,
            code => Self::Unknown(code),
        }
    }
}

/// One choice of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Bucket {
    /// Its number, unique within the group. Before OpenFlow 1.5 buckets have none on the wire: read
    /// there, they are numbered from zero.
    pub id: u32,
    /// Its share in a select group.
    pub weight: u16,
    /// The port whose state says whether it is alive.
    pub watch_port: Option<Port>,
    /// The group whose state says whether it is alive.
    pub watch_group: Option<u32>,
    /// What it does.
    pub actions: Vec<Action>,
    /// Properties that are not understood: type and value (OpenFlow 1.5).
    pub other: Vec<(u16, Box<[u8]>)>,
}

/// How Open vSwitch computes the hash of a select group (`ovs-ofctl(8)`, "selection_method").
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct SelectionMethod {
    /// `hash` or `dp_hash`.
    pub method: String,
    /// The method's parameter.
    pub param: u64,
    /// The fields that `hash` looks at, with the mask of the bits that count.
    pub fields: Vec<(Field, u128)>,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Group {
    /// Its number.
    pub id: u32,
    /// How it picks.
    pub kind: GroupKind,
    /// What it picks among.
    pub buckets: Vec<Bucket>,
    /// How it hashes, if that is said.
    pub selection: Option<SelectionMethod>,
    /// Properties that are not understood: type and value (OpenFlow 1.5).
    pub other: Vec<(u16, Box<[u8]>)>,
}

impl Group {
    /// The number that means every group.
    pub const ALL: u32 = 0xffff_fffc;
    /// The number that means any group.
    pub const ANY: u32 = 0xffff_ffff;
}

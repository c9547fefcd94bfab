//! Flows as values.

use crate::action::Actions;
use crate::matching::Match;

/// What tells one flow of a switch from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FlowKey {
    /// The table.
    pub table: u8,
    /// The priority; the highest match wins.
    pub priority: u16,
    /// The conditions.
    pub matches: Match,
}

/// Flags of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FlowFlags(pub u16);

impl FlowFlags {
    /// Tell the controller when the flow goes.
    pub const SEND_FLOW_REM: Self = Self(1);
    /// Refuse the flow if it overlaps one of the same priority.
    pub const CHECK_OVERLAP: Self = Self(1 << 1);
    /// Reset the counters (modification only).
    pub const RESET_COUNTS: Self = Self(1 << 2);
    /// Do not count packets.
    pub const NO_PACKET_COUNTS: Self = Self(1 << 3);
    /// Do not count bytes.
    pub const NO_BYTE_COUNTS: Self = Self(1 << 4);

    /// Every flag with its name in the flow language.
    pub const NAMES: [(Self, &'static str); 5] = [
        (Self::SEND_FLOW_REM, "send_flow_rem"),
        (Self::CHECK_OVERLAP, "check_overlap"),
        (Self::RESET_COUNTS, "reset_counts"),
        (Self::NO_PACKET_COUNTS, "no_packet_counts"),
        (Self::NO_BYTE_COUNTS, "no_byte_counts"),
    ];

    /// The names of those that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let set = Self::NAMES.into_iter();
        set.filter_map(move |(flag, name)| self.contains(flag).then_some(name))
    }

    /// Whether every flag of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A flow: what it matches and what it does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Flow {
    /// Its identity.
    pub key: FlowKey,
    /// The controller's own number for it.
    pub cookie: u64,
    /// What it does; nothing means drop.
    pub actions: Actions,
    /// Seconds without a packet after which it goes; zero for never.
    pub idle_timeout: u16,
    /// Seconds after which it goes; zero for never.
    pub hard_timeout: u16,
    /// Its flags.
    pub flags: FlowFlags,
    /// How precious it is when the table is full.
    pub importance: u16,
}

impl Flow {
    /// A permanent flow.
    #[must_use]
    pub fn new(table: u8, priority: u16, matches: Match, actions: impl Into<Actions>) -> Self {
        Self {
            key: FlowKey {
                table,
                priority,
                matches,
            },
            cookie: 0,
            actions: actions.into(),
            idle_timeout: 0,
            hard_timeout: 0,
            flags: FlowFlags(0),
            importance: 0,
        }
    }

    /// The same flow with a cookie.
    #[must_use]
    pub fn cookie(mut self, cookie: u64) -> Self {
        self.cookie = cookie;
        self
    }
}

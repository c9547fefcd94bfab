//! A flow that a switch told, read from where it stands.
//!
//! Invariant: the bytes of a view are those that [`FlowDesc::write`] writes, behind their length.

use std::cmp::Reverse;
use std::fmt;

use super::counters::FlowCounters;
use super::flow::FlowDesc;
use crate::action::{Actions, Iter};
use crate::error::Result;
use crate::flow::{Flow, FlowFlags, FlowKey};
use crate::matching::Match;
use crate::text::FlowText;
use crate::wire::Reader;

/// Where the parts of a flow stand: behind the length and two bytes of padding.
const TABLE: usize = 4;
const PRIORITY: usize = 6;
const IDLE_TIMEOUT: usize = 8;
const HARD_TIMEOUT: usize = 10;
const FLAGS: usize = 12;
const IMPORTANCE: usize = 14;
const COOKIE: usize = 16;
pub(super) const MATCH: usize = 24;

/// The bytes of the conditions, the counters and the instructions of a flow.
pub(super) fn behind_key(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let length = usize::from(number(bytes, MATCH + 2));
    let entries = bytes.get(MATCH + 4..MATCH + length)?;
    let counters = MATCH + length.next_multiple_of(8);
    let length = usize::from(u16::from_be_bytes(
        *bytes.get(counters + 2..)?.first_chunk()?,
    ));
    let behind = counters + length.next_multiple_of(8);
    Some((entries, bytes.get(counters..behind)?, bytes.get(behind..)?))
}

/// The number of two bytes at a place; zero beyond the end.
pub(super) fn number(bytes: &[u8], at: usize) -> u16 {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.map_or(0, |bytes| u16::from_be_bytes(*bytes))
}

/// A flow that a switch told, with what it has counted, read from where it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FlowView<'a>(pub(super) Repr<'a>);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repr<'a> {
    Bytes(&'a [u8]),
    Other(&'a FlowDesc),
}

impl<'a> FlowView<'a> {
    /// The table.
    #[must_use]
    pub fn table(self) -> u8 {
        match self.0 {
            Repr::Bytes(bytes) => bytes.get(TABLE).copied().unwrap_or(0),
            Repr::Other(desc) => desc.flow.key.table,
        }
    }

    /// The priority.
    #[must_use]
    pub fn priority(self) -> u16 {
        match self.0 {
            Repr::Bytes(bytes) => number(bytes, PRIORITY),
            Repr::Other(desc) => desc.flow.key.priority,
        }
    }

    /// The cookie.
    #[must_use]
    pub fn cookie(self) -> u64 {
        match self.0 {
            Repr::Bytes(bytes) => {
                let found = bytes.get(COOKIE..).and_then(|rest| rest.first_chunk());
                found.map_or(0, |bytes| u64::from_be_bytes(*bytes))
            }
            Repr::Other(desc) => desc.flow.cookie,
        }
    }

    /// By what flows are put in order: tables, the greatest priority first, conditions.
    #[must_use]
    pub fn place(self) -> impl Ord + use<'a> {
        (self.table(), Reverse(self.priority()), self.conditions())
    }

    /// The conditions in bytes, as [`Match::as_bytes`] has them.
    pub(crate) fn conditions(self) -> &'a [u8] {
        match self.0 {
            Repr::Bytes(bytes) => behind_key(bytes).map_or(&[], |(entries, ..)| entries),
            Repr::Other(desc) => desc.flow.key.matches.as_bytes(),
        }
    }

    /// The conditions.
    #[must_use]
    pub fn matches(self) -> Match {
        Match::of_own(self.conditions())
    }

    /// What it has counted.
    #[must_use]
    pub fn counters(self) -> FlowCounters {
        match self.0 {
            Repr::Bytes(bytes) => {
                let counters = behind_key(bytes).map(|(_, counters, _)| counters);
                let read = counters.map(|counters| FlowCounters::read(&mut Reader::new(counters)));
                // Such as cannot be read are not kept in bytes.
                read.and_then(Result::ok).unwrap_or_default()
            }
            Repr::Other(desc) => desc.counters,
        }
    }

    /// The text of the flow with what it has counted.
    #[must_use]
    pub const fn with_counters(self) -> WithCounters<'a> {
        WithCounters(self)
    }

    /// The flow, as a value of its own.
    #[must_use]
    pub fn to_flow(self) -> Flow {
        let bytes = match self.0 {
            Repr::Other(desc) => return desc.flow.clone(),
            Repr::Bytes(bytes) => bytes,
        };
        let (entries, _, behind) = behind_key(bytes).unwrap_or_default();
        Flow {
            key: FlowKey {
                table: self.table(),
                priority: self.priority(),
                matches: Match::of_own(entries),
            },
            cookie: self.cookie(),
            actions: Actions::of_own(behind),
            idle_timeout: number(bytes, IDLE_TIMEOUT),
            hard_timeout: number(bytes, HARD_TIMEOUT),
            flags: FlowFlags(number(bytes, FLAGS)),
            importance: number(bytes, IMPORTANCE),
        }
    }

    /// The flow and what it has counted, as a value of its own.
    #[must_use]
    pub fn to_desc(self) -> FlowDesc {
        match self.0 {
            Repr::Other(desc) => desc.clone(),
            Repr::Bytes(_) => FlowDesc {
                flow: self.to_flow(),
                counters: self.counters(),
                hard_age: None,
            },
        }
    }

    /// Whether this is the flow with that key.
    #[must_use]
    pub fn has_key(self, key: &FlowKey) -> bool {
        self.table() == key.table
            && self.priority() == key.priority
            && self.conditions() == key.matches.as_bytes()
    }

    /// Whether this is that flow, whatever it has counted.
    #[must_use]
    pub fn is(self, flow: &Flow) -> bool {
        let bytes = match self.0 {
            Repr::Other(desc) => return desc.flow == *flow,
            Repr::Bytes(bytes) => bytes,
        };
        let behind = behind_key(bytes).map_or(&[][..], |(.., behind)| behind);
        self.cookie() == flow.cookie
            && number(bytes, IDLE_TIMEOUT) == flow.idle_timeout
            && number(bytes, HARD_TIMEOUT) == flow.hard_timeout
            && number(bytes, FLAGS) == flow.flags.0
            && number(bytes, IMPORTANCE) == flow.importance
            && flow.actions.are(behind)
            && self.has_key(&flow.key)
    }
}

/// As [`Flow`] is written.
impl fmt::Display for FlowView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, false)
    }
}

/// A flow as [`FlowDesc`] is written.
#[derive(Debug, Clone, Copy)]
pub struct WithCounters<'a>(FlowView<'a>);

impl fmt::Display for WithCounters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, true)
    }
}

impl FlowView<'_> {
    fn write(self, f: &mut fmt::Formatter<'_>, counters: bool) -> fmt::Result {
        let bytes = match self.0 {
            Repr::Other(desc) if counters => return fmt::Display::fmt(desc, f),
            Repr::Other(desc) => return fmt::Display::fmt(&desc.flow, f),
            Repr::Bytes(bytes) => bytes,
        };
        let behind = behind_key(bytes).map_or(&[][..], |(.., behind)| behind);
        let text = FlowText {
            cookie: self.cookie(),
            table: self.table(),
            idle_timeout: number(bytes, IDLE_TIMEOUT),
            hard_timeout: number(bytes, HARD_TIMEOUT),
            flags: FlowFlags(number(bytes, FLAGS)),
            importance: number(bytes, IMPORTANCE),
            priority: self.priority(),
            matches: &self.matches(),
            actions: Iter::of_own(behind),
            counted: counters.then(|| (self.counters(), None)),
        };
        fmt::Display::fmt(&text, f)
    }
}

impl fmt::Debug for FlowView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_desc().fmt(f)
    }
}

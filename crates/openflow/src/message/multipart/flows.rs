//! Flows as a switch told them, kept in bytes.
//!
//! A switch may tell a hundred thousand flows, of which whoever asked looks at a few, or compares all with
//! what should be there. So an answer is kept in the bytes in which OpenFlow 1.5 says it, most of it copied
//! as a whole, and a [`FlowView`] reads from there what somebody wants to know.
//!
//! Invariant: the bytes of a flow are those that [`FlowDesc::write`] writes; a flow that they do not say
//! exactly is kept beside them.

use std::cmp::Reverse;
use std::fmt;

use super::flow::{FlowCounters, FlowDesc};
use super::{read_entry, write_entry};
use crate::action::{Actions, Iter, instructions_are_plain};
use crate::error::Result;
use crate::flow::{Flow, FlowFlags, FlowKey};
use crate::matching::{Match, own_length};
use crate::text::FlowText;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// Flows that a switch told, in the order in which it told them. Cheap to walk through, and as large as what
/// came from the switch.
///
/// ```
/// use openflow::message::multipart::{FlowDesc, FlowList};
///
/// let told = FlowDesc {
///     flow: "table=3,tcp actions=output:2".parse()?,
///     ..FlowDesc::default()
/// };
/// let list: FlowList = [told.clone()].into_iter().collect();
/// let view = list.iter().next().expect("one");
/// assert_eq!((view.table(), view.to_string().as_str()), (3, "table=3, tcp actions=output:2"));
/// assert_eq!(view.to_desc(), told);
/// # Ok::<(), openflow::ParseError>(())
/// ```
#[derive(Clone, Default)]
pub struct FlowList {
    parts: Vec<Part>,
    len: usize,
}

/// What one message told.
#[derive(Clone, Default)]
struct Part {
    /// Flows, each behind its length; a length of zero stands for the next of the others.
    bytes: Vec<u8>,
    others: Vec<FlowDesc>,
}

/// Where the parts of a flow stand: behind the length and two bytes of padding.
const TABLE: usize = 4;
const PRIORITY: usize = 6;
const IDLE_TIMEOUT: usize = 8;
const HARD_TIMEOUT: usize = 10;
const FLAGS: usize = 12;
const IMPORTANCE: usize = 14;
const COOKIE: usize = 16;
const MATCH: usize = 24;

impl FlowList {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The flows.
    pub fn iter(&self) -> impl Iterator<Item = FlowView<'_>> {
        self.parts.iter().flat_map(Part::iter)
    }

    /// The flows as values of their own, without what they have counted.
    pub fn flows(&self) -> impl Iterator<Item = Flow> {
        self.iter().map(FlowView::to_flow)
    }

    /// The flows as values of their own.
    #[must_use]
    pub fn to_vec(&self) -> Vec<FlowDesc> {
        let mut out = Vec::with_capacity(self.len);
        out.extend(self.iter().map(FlowView::to_desc));
        out
    }

    /// Puts those of another list behind these.
    pub fn append(&mut self, mut other: Self) {
        self.len += other.len;
        self.parts.append(&mut other.parts);
    }

    /// Reads flows until the reader ends.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let (mut part, mut len) = (Part::default(), 0);
        while !reader.is_empty() {
            let plain = plain_flows(reader);
            if plain.count > 0 {
                part.bytes.extend_from_slice(reader.take(plain.length)?);
                len += plain.count;
                continue;
            }
            let desc = read_entry(reader, "flow", FlowDesc::read)?;
            part.push(desc);
            len += 1;
        }
        let parts = if len > 0 { vec![part] } else { Vec::new() };
        Ok(Self { parts, len })
    }

    pub(super) fn write(&self, out: &mut Writer) {
        for flow in self.iter() {
            match flow.0 {
                Repr::Bytes(bytes) if out.version == Version::V15 => out.bytes(bytes),
                _ => write_entry(out, &flow.to_desc(), |out, desc| desc.write(out)),
            }
        }
    }
}

/// How many flows with which bytes begin are just as they would be written, and how long these are.
struct Plain {
    length: usize,
    count: usize,
}

fn plain_flows(reader: &Reader<'_>) -> Plain {
    let mut out = Plain {
        length: 0,
        count: 0,
    };
    if reader.version != Version::V15 {
        return out;
    }
    let mut rest = reader.rest();
    while let Some(length) = plain_flow(rest) {
        rest = &rest[length..];
        out.length += length;
        out.count += 1;
    }
    out
}

/// How long the flow is with which bytes begin, if it is just as it would be written.
fn plain_flow(bytes: &[u8]) -> Option<usize> {
    let length = usize::from(u16::from_be_bytes(*bytes.first_chunk()?));
    let bytes = bytes.get(..length)?;
    let conditions = number(bytes, MATCH) == 1 && bytes[2..4] == [0; 2] && bytes[5] == 0;
    let (entries, counters, behind) = behind_key(bytes)?;
    (conditions
        && own_length(entries) == entries.len()
        && FlowCounters::are_plain(counters)
        && instructions_are_plain(behind))
    .then_some(length)
}

/// The bytes of the conditions, the counters and the instructions of a flow.
fn behind_key(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
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
fn number(bytes: &[u8], at: usize) -> u16 {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.map_or(0, |bytes| u16::from_be_bytes(*bytes))
}

impl Part {
    fn iter(&self) -> impl Iterator<Item = FlowView<'_>> {
        let (mut rest, mut others) = (self.bytes.as_slice(), self.others.iter());
        std::iter::from_fn(move || {
            let length = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
            let (bytes, behind) = rest.split_at_checked(length.max(2))?;
            rest = behind;
            Some(FlowView(match length {
                0 => Repr::Other(others.next()?),
                _ => Repr::Bytes(bytes),
            }))
        })
    }

    fn push(&mut self, desc: FlowDesc) {
        let bytes = std::mem::take(&mut self.bytes);
        let start = bytes.len();
        let mut out = Writer::behind(bytes, Version::V15);
        write_entry(&mut out, &desc, |out, desc| desc.write(out));
        let good = desc.hard_age.is_none()
            && desc.flow.actions.are_bytes()
            && out.len() - start <= usize::from(u16::MAX);
        self.bytes = out.into_bytes();
        if !good {
            self.bytes.truncate(start);
            self.bytes.extend_from_slice(&[0; 2]);
            self.others.push(desc);
        }
    }
}

impl FromIterator<FlowDesc> for FlowList {
    fn from_iter<T: IntoIterator<Item = FlowDesc>>(flows: T) -> Self {
        let (mut part, mut len) = (Part::default(), 0);
        for desc in flows {
            part.push(desc);
            len += 1;
        }
        Self {
            parts: vec![part],
            len,
        }
    }
}

impl fmt::Debug for FlowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl PartialEq for FlowList {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl Eq for FlowList {}

/// A flow that a switch told, with what it has counted, read from where it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FlowView<'a>(Repr<'a>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Repr<'a> {
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
        let bytes = match self.0 {
            Repr::Other(desc) => return desc.flow.fmt(f),
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
        };
        text.fmt(f)
    }
}

impl fmt::Debug for FlowView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_desc().fmt(f)
    }
}

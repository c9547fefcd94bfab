//! Flows as a switch told them, kept in bytes.
//!
//! A switch may tell a hundred thousand flows, of which whoever asked looks at a few, or compares all with
//! what should be there. So an answer is kept in the bytes in which OpenFlow 1.5 says it, most of it copied
//! as a whole, and a [`FlowView`] reads from there what somebody wants to know.
//!
//! Invariant: the bytes of a flow are those that [`FlowDesc::write`] writes; a flow that they do not say
//! exactly is kept beside them.

use std::fmt;

use super::counters::FlowCounters;
use super::flow::FlowDesc;
use super::flow_view::{FlowView, MATCH, Repr, behind_key, number};
use super::{read_entry, write_entry};
use crate::action::instructions_are_plain;
use crate::error::Result;
use crate::flow::Flow;
use crate::matching::{Match, own_length};
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
            len += 1;
            if let Some(entry) = NearlyPlain::of(reader)
                && part.push_nearly(&entry)
            {
                reader.skip(entry.length)?;
                continue;
            }
            part.push(read_entry(reader, "flow", FlowDesc::read)?);
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
    let entry = NearlyPlain::split(bytes)?;
    let plain = own_length(entry.conditions) == entry.conditions.len() && entry.rest_is_plain();
    plain.then_some(entry.length)
}

/// A flow that is as it would be written but for its conditions, perhaps: Open vSwitch says registers two by
/// two.
struct NearlyPlain<'a> {
    length: usize,
    /// What stands before the conditions, without the length.
    head: &'a [u8],
    conditions: &'a [u8],
    counters: &'a [u8],
    instructions: &'a [u8],
}

impl<'a> NearlyPlain<'a> {
    /// The parts of the flow with which bytes begin.
    fn split(bytes: &'a [u8]) -> Option<Self> {
        let length = usize::from(u16::from_be_bytes(*bytes.first_chunk()?));
        let bytes = bytes.get(..length)?;
        let head = bytes.get(2..MATCH)?;
        let (conditions, counters, instructions) = behind_key(bytes)?;
        (number(bytes, MATCH) == 1 && head[..2] == [0; 2] && head[3] == 0).then_some(Self {
            length,
            head,
            conditions,
            counters,
            instructions,
        })
    }

    fn rest_is_plain(&self) -> bool {
        FlowCounters::are_plain(self.counters) && instructions_are_plain(self.instructions)
    }

    /// The next flow, if it is nearly plain.
    fn of(reader: &Reader<'a>) -> Option<Self> {
        let new = reader.version == Version::V15;
        let entry = new.then(|| Self::split(reader.rest())).flatten();
        entry.filter(Self::rest_is_plain)
    }
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

    /// Takes a flow whose conditions have to be put into the form in which they are kept. False where these
    /// cannot be read, or are too long then.
    fn push_nearly(&mut self, entry: &NearlyPlain<'_>) -> bool {
        let Ok(conditions) = Match::decode_entries(entry.conditions) else {
            return false;
        };
        let bytes = std::mem::take(&mut self.bytes);
        let start = bytes.len();
        let mut out = Writer::behind(bytes, Version::V15);
        out.u16(0);
        out.bytes(entry.head);
        conditions.write(&mut out);
        out.bytes(entry.counters);
        out.bytes(entry.instructions);
        out.patch_len(start, start);
        self.bytes = out.into_bytes();
        let good = self.bytes.len() - start <= usize::from(u16::MAX);
        if !good {
            self.bytes.truncate(start);
        }
        good
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

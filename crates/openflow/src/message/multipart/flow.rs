//! Flows and what they have counted, one by one or in sum (OpenFlow 1.5, sections 7.3.5.2 to 7.3.5.4).

use super::super::match10::{read_fixed, read_nxm, write_nxm};
use crate::action::Actions;
use crate::error::{Error, Result};
use crate::flow::{Flow, FlowFlags};
use crate::group::Group;
use crate::matching::Match;
use crate::port::Port;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// Which flows to tell about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowQuery {
    /// The table, or 255 for all.
    pub table: u8,
    /// Only flows that output here.
    pub out_port: Option<Port>,
    /// Only flows that use this group.
    pub out_group: Option<u32>,
    /// Only flows whose cookie has this value ...
    pub cookie: u64,
    /// ... in these bits.
    pub cookie_mask: u64,
    /// Only flows that this covers.
    pub matches: Match,
}

impl Default for FlowQuery {
    fn default() -> Self {
        Self {
            table: 255,
            out_port: None,
            out_group: None,
            cookie: 0,
            cookie_mask: 0,
            matches: Match::new(),
        }
    }
}

impl FlowQuery {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        if reader.version == Version::V10 {
            return Self::read_10(reader);
        }
        let table = reader.u8()?;
        reader.skip(3)?;
        let out_port = Some(Port(reader.u32()?)).filter(|port| *port != Port::ANY);
        let out_group = Some(reader.u32()?).filter(|group| *group != Group::ANY);
        reader.skip(4)?;
        let (cookie, cookie_mask) = (reader.u64()?, reader.u64()?);
        Ok(Self {
            table,
            out_port,
            out_group,
            cookie,
            cookie_mask,
            matches: Match::read(reader)?,
        })
    }

    fn read_10(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self::default();
        let port = |number| Some(Port::from_u16(number)).filter(|port| *port != Port::ANY);
        if reader.extension == 0 {
            out.matches = read_fixed(reader)?;
            out.table = reader.u8()?;
            reader.skip(1)?;
            out.out_port = port(reader.u16()?);
        } else {
            out.out_port = port(reader.u16()?);
            let match_len = reader.u16()?;
            out.table = reader.u8()?;
            reader.skip(3)?;
            (out.matches, out.cookie, out.cookie_mask) = read_nxm(reader, match_len)?;
        }
        Ok(out)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        let port = self.out_port.unwrap_or(Port::ANY);
        if out.version == Version::V10 {
            out.port16(port);
            let length_at = out.len();
            out.u16(0);
            out.u8(self.table);
            out.zeros(3);
            write_nxm(out, length_at, &self.matches, self.cookie, self.cookie_mask);
            if self.out_group.is_some() {
                out.unsayable("out_group");
            }
            return;
        }
        out.u8(self.table);
        out.zeros(3);
        out.u32(port.0);
        out.u32(self.out_group.unwrap_or(Group::ANY));
        out.zeros(4);
        out.u64(self.cookie);
        out.u64(self.cookie_mask);
        self.matches.write(out);
    }
}

/// What a flow has counted. `None` where the switch does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlowCounters {
    /// For how long it has been there: seconds and nanoseconds.
    pub duration: Option<(u32, u32)>,
    /// For how long it has matched nothing: seconds and nanoseconds.
    pub idle: Option<(u32, u32)>,
    /// How many packets.
    pub packets: Option<u64>,
    /// How many bytes.
    pub bytes: Option<u64>,
}

const OXS_CLASS: u16 = 0x8002;
const OXS_DURATION: u8 = 0;
const OXS_IDLE: u8 = 1;
const OXS_FLOWS: u8 = 3;
const OXS_PACKETS: u8 = 4;
const OXS_BYTES: u8 = 5;

/// Goes through an OXS list with its padding (OpenFlow 1.5, section 7.2.4).
fn read_oxs(
    reader: &mut Reader<'_>,
    mut each: impl FnMut(u8, &mut Reader<'_>) -> Result<()>,
) -> Result<()> {
    reader.skip(2)?;
    let length = usize::from(reader.u16()?);
    let rest = length.checked_sub(4).ok_or(Error::BadLength {
        what: "statistics",
        length,
    })?;
    let mut body = reader.sub(rest)?;
    reader.skip_padding(length.next_multiple_of(8) - length);
    while !body.is_empty() {
        let class = body.u16()?;
        let field = body.u8()? >> 1;
        let bytes = usize::from(body.u8()?);
        let mut value = body.sub(bytes)?;
        if class == OXS_CLASS {
            each(field, &mut value)?;
        }
    }
    Ok(())
}

fn write_oxs(out: &mut Writer, entries: &[(u8, u8, Option<u64>)]) {
    let start = out.len();
    out.zeros(4);
    for (field, bytes, value) in entries {
        if let Some(value) = value {
            out.u16(OXS_CLASS);
            out.u8(field << 1);
            out.u8(*bytes);
            out.uint((*value).into(), usize::from(*bytes));
        }
    }
    out.patch_len(start + 2, start);
    out.pad8(start);
}

impl FlowCounters {
    /// Whether counters are just as they would be written.
    pub(super) fn are_plain(bytes: &[u8]) -> bool {
        let [_, _, high, low, rest @ ..] = bytes else {
            return false;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((list, padding)) = length
            .checked_sub(4)
            .and_then(|at| rest.split_at_checked(at))
        else {
            return false;
        };
        let mut last = None;
        let (entries, odd) = list.as_chunks::<12>();
        odd.is_empty()
            && bytes[..2] == [0; 2]
            && padding.iter().all(|byte| *byte == 0)
            && entries.iter().all(|[class, of, field, bytes, ..]| {
                let known = matches!(
                    *field >> 1,
                    OXS_DURATION | OXS_IDLE | OXS_PACKETS | OXS_BYTES
                );
                known
                    && [*class, *of, *bytes] == [0x80, 0x02, 8]
                    && field & 1 == 0
                    && last.replace(*field) < Some(*field)
            })
    }

    pub(in super::super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self::default();
        read_oxs(reader, |field, value| {
            match field {
                OXS_DURATION => out.duration = Some((value.u32()?, value.u32()?)),
                OXS_IDLE => out.idle = Some((value.u32()?, value.u32()?)),
                OXS_PACKETS => out.packets = Some(value.u64()?),
                OXS_BYTES => out.bytes = Some(value.u64()?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(out)
    }

    pub(in super::super) fn write(&self, out: &mut Writer) {
        let pair =
            |pair: Option<(u32, u32)>| pair.map(|(s, ns)| u64::from(s) << 32 | u64::from(ns));
        write_oxs(
            out,
            &[
                (OXS_DURATION, 8, pair(self.duration)),
                (OXS_IDLE, 8, pair(self.idle)),
                (OXS_PACKETS, 8, self.packets),
                (OXS_BYTES, 8, self.bytes),
            ],
        );
    }

    fn set_counts(&mut self, packets: u64, bytes: u64) {
        let known = |count: u64| Some(count).filter(|count| *count != u64::MAX);
        (self.packets, self.bytes) = (known(packets), known(bytes));
    }

    fn write_counts(&self, out: &mut Writer) {
        out.u64(self.packets.unwrap_or(u64::MAX));
        out.u64(self.bytes.unwrap_or(u64::MAX));
    }
}

/// A flow and what it has counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowDesc {
    /// The flow.
    pub flow: Flow,
    /// What it has counted.
    pub counters: FlowCounters,
    /// For how many seconds it has not been changed; Nicira's form for OpenFlow 1.0 alone says it, if
    /// [`crate::Message::FlowAge`] asked for it.
    pub hard_age: Option<u16>,
}

/// Reads the priority and the timeouts.
fn read_times(reader: &mut Reader<'_>, flow: &mut Flow) -> Result<()> {
    flow.key.priority = reader.u16()?;
    flow.idle_timeout = reader.u16()?;
    flow.hard_timeout = reader.u16()?;
    Ok(())
}

fn write_times(out: &mut Writer, flow: &Flow) {
    out.u16(flow.key.priority);
    out.u16(flow.idle_timeout);
    out.u16(flow.hard_timeout);
}

/// Reads what the older forms say of how long a flow has been there, and may be.
fn read_life(reader: &mut Reader<'_>, flow: &mut Flow) -> Result<Option<(u32, u32)>> {
    let duration = (reader.u32()?, reader.u32()?);
    read_times(reader, flow)?;
    Ok(Some(duration))
}

impl FlowDesc {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        match reader.version {
            Version::V10 if reader.extension == 0 => Self::read_fixed(reader),
            Version::V10 => Self::read_nxm(reader),
            Version::V13 | Version::V14 => Self::read_13(reader),
            Version::V15 => Self::read_15(reader),
        }
    }

    fn read_fixed(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self::default();
        let flow = &mut out.flow;
        flow.key.table = reader.u8()?;
        reader.skip(1)?;
        flow.key.matches = read_fixed(reader)?;
        out.counters.duration = read_life(reader, flow)?;
        reader.skip(6)?;
        flow.cookie = reader.u64()?;
        out.counters.set_counts(reader.u64()?, reader.u64()?);
        flow.actions = Actions::read_flow_actions(reader, &flow.key.matches)?;
        Ok(out)
    }

    fn read_nxm(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self::default();
        let flow = &mut out.flow;
        flow.key.table = reader.u8()?;
        reader.skip(1)?;
        out.counters.duration = read_life(reader, flow)?;
        let match_len = reader.u16()?;
        // Ages are counted from one; zero is unknown.
        let idle = reader.u16()?.checked_sub(1);
        out.counters.idle = idle.map(|seconds| (seconds.into(), 0));
        out.hard_age = reader.u16()?.checked_sub(1);
        flow.cookie = reader.u64()?;
        out.counters.set_counts(reader.u64()?, reader.u64()?);
        (flow.key.matches, ..) = read_nxm(reader, match_len)?;
        flow.actions = Actions::read_flow_actions(reader, &flow.key.matches)?;
        Ok(out)
    }

    fn read_13(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self::default();
        let flow = &mut out.flow;
        flow.key.table = reader.u8()?;
        reader.skip(1)?;
        out.counters.duration = read_life(reader, flow)?;
        flow.flags = FlowFlags(reader.u16()?);
        flow.set_importance(reader)?;
        reader.skip(2)?;
        flow.cookie = reader.u64()?;
        out.counters.set_counts(reader.u64()?, reader.u64()?);
        flow.key.matches = Match::read(reader)?;
        flow.actions = Actions::read_instructions(reader)?;
        Ok(out)
    }

    fn read_15(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self::default();
        let flow = &mut out.flow;
        reader.skip(2)?;
        flow.key.table = reader.u8()?;
        reader.skip(1)?;
        read_times(reader, flow)?;
        flow.flags = FlowFlags(reader.u16()?);
        flow.set_importance(reader)?;
        flow.cookie = reader.u64()?;
        flow.key.matches = Match::read(reader)?;
        out.counters = FlowCounters::read(reader)?;
        flow.actions = Actions::read_instructions(reader)?;
        Ok(out)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        match out.version {
            Version::V10 => self.write_nxm(out),
            Version::V13 | Version::V14 => self.write_13(out),
            Version::V15 => self.write_15(out),
        }
    }

    /// Writes what the older forms begin with, up to the timeouts.
    fn write_life(&self, out: &mut Writer) {
        out.u8(self.flow.key.table);
        out.zeros(1);
        let (seconds, nanoseconds) = self.counters.duration.unwrap_or_default();
        out.u32(seconds);
        out.u32(nanoseconds);
        write_times(out, &self.flow);
    }

    fn write_nxm(&self, out: &mut Writer) {
        let (flow, counters) = (&self.flow, &self.counters);
        self.write_life(out);
        let length_at = out.len();
        out.u16(0);
        let age = |seconds: Option<u16>| seconds.map_or(0, |seconds| seconds.saturating_add(1));
        let idle = counters.idle.map(|(seconds, _)| seconds);
        out.u16(age(idle.map(|s| u16::try_from(s).unwrap_or(u16::MAX - 1))));
        out.u16(age(self.hard_age));
        out.u64(flow.cookie);
        counters.write_counts(out);
        write_nxm(out, length_at, &flow.key.matches, 0, 0);
        flow.actions.write_flow_actions(out);
    }

    fn write_13(&self, out: &mut Writer) {
        let (flow, counters) = (&self.flow, &self.counters);
        self.write_life(out);
        out.u16(flow.flags.0);
        if out.version == Version::V14 {
            out.u16(flow.importance);
        } else {
            out.u16(0);
        }
        out.zeros(2);
        out.u64(flow.cookie);
        counters.write_counts(out);
        flow.key.matches.write(out);
        flow.actions.write_instructions(out);
    }

    fn write_15(&self, out: &mut Writer) {
        out.zeros(2);
        out.u8(self.flow.key.table);
        out.zeros(1);
        write_times(out, &self.flow);
        out.u16(self.flow.flags.0);
        out.u16(self.flow.importance);
        out.u64(self.flow.cookie);
        self.flow.key.matches.write(out);
        self.counters.write(out);
        self.flow.actions.write_instructions(out);
    }
}

/// What several flows have counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Aggregate {
    /// How many packets; `None` if the switch cannot say.
    pub packets: Option<u64>,
    /// How many bytes; `None` if the switch cannot say.
    pub bytes: Option<u64>,
    /// How many flows.
    pub flows: u32,
}

impl Aggregate {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let mut out = Self::default();
        let known = |count: u64| Some(count).filter(|count| *count != u64::MAX);
        if reader.version == Version::V15 {
            read_oxs(reader, |field, value| {
                match field {
                    OXS_FLOWS => out.flows = value.u32()?,
                    OXS_PACKETS => out.packets = known(value.u64()?),
                    OXS_BYTES => out.bytes = known(value.u64()?),
                    _ => {}
                }
                Ok(())
            })?;
            return Ok(out);
        }
        out.packets = known(reader.u64()?);
        out.bytes = known(reader.u64()?);
        out.flows = reader.u32()?;
        reader.skip(4)?;
        Ok(out)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        if out.version == Version::V15 {
            write_oxs(
                out,
                &[
                    (OXS_FLOWS, 4, Some(self.flows.into())),
                    (OXS_PACKETS, 8, self.packets),
                    (OXS_BYTES, 8, self.bytes),
                ],
            );
            return;
        }
        out.u64(self.packets.unwrap_or(u64::MAX));
        out.u64(self.bytes.unwrap_or(u64::MAX));
        out.u32(self.flows);
        out.zeros(4);
    }
}

//! Which flows to tell about, and what is told of each (OpenFlow 1.5, sections 7.3.5.2 and 7.3.5.3).

use super::super::match10::{read_fixed, read_nxm, write_nxm};
use super::counters::FlowCounters;
use crate::action::Actions;
use crate::error::Result;
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

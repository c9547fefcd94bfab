//! A change of flows (OpenFlow 1.5, section 7.3.4.2).

use super::Body;
use super::match10::{read_fixed, read_nxm, write_nxm};
use crate::action::Actions;
use crate::error::{Error, Result};
use crate::flow::{Flow, FlowFlags, FlowKey};
use crate::group::Group;
use crate::matching::Match;
use crate::port::Port;
use crate::version::Version;
use crate::wire::{Reader, Writer};

/// What to do with the flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FlowCommand {
    /// Add the flow, in place of one with the same key.
    #[default]
    Add,
    /// Change the actions of every flow that the match covers.
    Modify,
    /// Change the actions of the flow with this key.
    ModifyStrict,
    /// Remove every flow that the match covers.
    Delete,
    /// Remove the flow with this key.
    DeleteStrict,
}

/// A change of flows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowMod {
    /// What to do.
    pub command: FlowCommand,
    /// The flow, or what tells which flows.
    pub flow: Flow,
    /// The bits of the cookie that must agree, except for [`FlowCommand::Add`].
    pub cookie_mask: u64,
    /// A packet kept by the switch to apply the flow to.
    pub buffer: Option<u32>,
    /// For removal: only flows that output here.
    pub out_port: Option<Port>,
    /// For removal: only flows that use this group.
    pub out_group: Option<u32>,
}

impl FlowMod {
    /// The table number that means every table, for removal.
    pub const ALL_TABLES: u8 = 255;

    /// A change with no further condition.
    #[must_use]
    pub const fn new(command: FlowCommand, flow: Flow) -> Self {
        Self {
            command,
            flow,
            cookie_mask: 0,
            buffer: None,
            out_port: None,
            out_group: None,
        }
    }

    /// Adds a flow, in place of one with the same key.
    #[must_use]
    pub const fn add(flow: Flow) -> Self {
        Self::new(FlowCommand::Add, flow)
    }

    /// Removes the flow with this key.
    #[must_use]
    pub fn delete(key: FlowKey) -> Self {
        let flow = Flow::new(key.table, key.priority, key.matches, Actions::drop());
        Self::new(FlowCommand::DeleteStrict, flow)
    }

    /// Removes every flow of every table.
    #[must_use]
    pub fn delete_all() -> Self {
        let flow = Flow::new(Self::ALL_TABLES, 0, Match::new(), Actions::drop());
        Self::new(FlowCommand::Delete, flow)
    }
}

impl Flow {
    /// Reads the importance, in whose place OpenFlow 1.3 has padding.
    pub(super) fn set_importance(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let importance = reader.u16()?;
        if reader.version != Version::V13 {
            self.importance = importance;
        }
        Ok(())
    }
}

impl FlowCommand {
    const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Add,
            1 => Self::Modify,
            2 => Self::ModifyStrict,
            3 => Self::Delete,
            4 => Self::DeleteStrict,
            _ => return None,
        })
    }
}

fn read_command(code: u8) -> Result<FlowCommand> {
    FlowCommand::from_code(code).ok_or_else(|| Error::BadValue {
        what: "flow command",
        value: code.into(),
    })
}

/// The flags in the numbering of a version.
fn write_flags(out: &mut Writer, flags: FlowFlags) {
    if out.version == Version::V10 && flags.0 & !3 != 0 {
        out.unsayable("flags of a flow other than send_flow_rem and check_overlap");
    }
    out.u16(flags.0);
}

/// Nicira's form, whose match holds the cookie to look for.
impl FlowMod {
    fn read_nxm(reader: &mut Reader<'_>) -> Result<Self> {
        let new_cookie = reader.u64()?;
        let mut out = Self::read_middle(reader)?;
        let match_len = reader.u16()?;
        reader.skip(6)?;
        let key = &mut out.flow.key;
        (key.matches, out.flow.cookie, out.cookie_mask) = read_nxm(reader, match_len)?;
        out.flow.actions = Actions::read_flow_actions(reader, &key.matches)?;
        if out.cookie_mask == 0 {
            out.flow.cookie = new_cookie;
        }
        Ok(out)
    }

    /// Reads what both forms of OpenFlow 1.0 say in the same way: from the table to the flags.
    fn read_middle(reader: &mut Reader<'_>) -> Result<Self> {
        let mut flow = Flow::default();
        flow.key.table = reader.u8()?;
        let command = read_command(reader.u8()?)?;
        (flow.idle_timeout, flow.hard_timeout) = (reader.u16()?, reader.u16()?);
        flow.key.priority = reader.u16()?;
        let buffer = Some(reader.u32()?).filter(|buffer| *buffer != u32::MAX);
        let out_port = Some(Port::from_u16(reader.u16()?)).filter(|port| *port != Port::ANY);
        flow.flags = FlowFlags(reader.u16()? & 3);
        Ok(Self {
            buffer,
            out_port,
            ..Self::new(command, flow)
        })
    }

    fn write_nxm(&self, out: &mut Writer) {
        let flow = &self.flow;
        out.u64(flow.cookie);
        // The table takes the upper byte, once the switch was told so by `FlowModTableId`.
        out.u8(flow.key.table);
        out.u8(self.command as u8);
        out.u16(flow.idle_timeout);
        out.u16(flow.hard_timeout);
        out.u16(flow.key.priority);
        out.u32(self.buffer.unwrap_or(u32::MAX));
        out.port16(self.out_port.unwrap_or(Port::ANY));
        write_flags(out, flow.flags);
        let length_at = out.len();
        out.zeros(8);
        let mask = match self.command {
            FlowCommand::Add => 0,
            _ => self.cookie_mask,
        };
        write_nxm(out, length_at, &flow.key.matches, flow.cookie, mask);
        flow.actions.write_flow_actions(out);
        if self.out_group.is_some() {
            out.unsayable("out_group");
        }
        if flow.importance != 0 {
            out.unsayable("importance");
        }
    }

    /// OpenFlow 1.0's own form, which is only read.
    fn read_fixed(reader: &mut Reader<'_>) -> Result<Self> {
        let matches = read_fixed(reader)?;
        let cookie = reader.u64()?;
        let mut out = Self::read_middle(reader)?;
        out.flow.actions = Actions::read_flow_actions(reader, &matches)?;
        (out.flow.key.matches, out.flow.cookie) = (matches, cookie);
        Ok(out)
    }
}

impl Body for FlowMod {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        if reader.extension != 0 {
            return Self::read_nxm(reader);
        }
        if reader.version == Version::V10 {
            return Self::read_fixed(reader);
        }
        let mut flow = Flow {
            cookie: reader.u64()?,
            ..Flow::default()
        };
        let cookie_mask = reader.u64()?;
        flow.key.table = reader.u8()?;
        let command = read_command(reader.u8()?)?;
        flow.idle_timeout = reader.u16()?;
        flow.hard_timeout = reader.u16()?;
        flow.key.priority = reader.u16()?;
        let buffer = Some(reader.u32()?).filter(|buffer| *buffer != u32::MAX);
        let out_port = Some(Port(reader.u32()?)).filter(|port| *port != Port::ANY);
        let out_group = Some(reader.u32()?).filter(|group| *group != Group::ANY);
        flow.flags = FlowFlags(reader.u16()?);
        flow.set_importance(reader)?;
        flow.key.matches = Match::read(reader)?;
        flow.actions = Actions::read_instructions(reader)?;
        Ok(Self {
            command,
            flow,
            cookie_mask,
            buffer,
            out_port,
            out_group,
        })
    }

    fn write(&self, out: &mut Writer) {
        if out.version == Version::V10 {
            return self.write_nxm(out);
        }
        let flow = &self.flow;
        out.u64(flow.cookie);
        out.u64(self.cookie_mask);
        out.u8(flow.key.table);
        out.u8(self.command as u8);
        out.u16(flow.idle_timeout);
        out.u16(flow.hard_timeout);
        out.u16(flow.key.priority);
        out.u32(self.buffer.unwrap_or(u32::MAX));
        out.u32(self.out_port.unwrap_or(Port::ANY).0);
        out.u32(self.out_group.unwrap_or(Group::ANY));
        out.u16(flow.flags.0);
        if out.version == Version::V13 && flow.importance != 0 {
            out.unsayable("importance");
        }
        out.u16(flow.importance);
        flow.key.matches.write(out);
        flow.actions.write_instructions(out);
    }
}

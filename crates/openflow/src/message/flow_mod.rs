//! A change of flows (OpenFlow 1.5, section 7.3.4.2).

use super::Body;
use crate::action::{read_instructions, write_instructions};
use crate::error::{Error, Result};
use crate::flow::{Flow, FlowFlags, FlowKey};
use crate::group::Group;
use crate::matching::Match;
use crate::port::Port;
use crate::wire::{Put, Reader};

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
        let flow = Flow::new(key.table, key.priority, key.matches, Vec::new());
        Self::new(FlowCommand::DeleteStrict, flow)
    }

    /// Removes every flow of every table.
    #[must_use]
    pub const fn delete_all() -> Self {
        let flow = Flow::new(Self::ALL_TABLES, 0, Match::new(), Vec::new());
        Self::new(FlowCommand::Delete, flow)
    }
}

impl Body for FlowMod {
    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let cookie = reader.u64()?;
        let cookie_mask = reader.u64()?;
        let table = reader.u8()?;
        let command = match reader.u8()? {
            0 => FlowCommand::Add,
            1 => FlowCommand::Modify,
            2 => FlowCommand::ModifyStrict,
            3 => FlowCommand::Delete,
            4 => FlowCommand::DeleteStrict,
            other => {
                return Err(Error::BadValue {
                    what: "flow command",
                    value: other.into(),
                });
            }
        };
        let idle_timeout = reader.u16()?;
        let hard_timeout = reader.u16()?;
        let priority = reader.u16()?;
        let buffer = Some(reader.u32()?).filter(|buffer| *buffer != u32::MAX);
        let out_port = Some(Port(reader.u32()?)).filter(|port| *port != Port::ANY);
        let out_group = Some(reader.u32()?).filter(|group| *group != Group::ANY);
        let flags = FlowFlags(reader.u16()?);
        let importance = reader.u16()?;
        let matches = Match::read(reader)?;
        let actions = read_instructions(reader)?;
        let key = FlowKey {
            table,
            priority,
            matches,
        };
        let flow = Flow {
            key,
            cookie,
            actions,
            idle_timeout,
            hard_timeout,
            flags,
            importance,
        };
        Ok(Self {
            command,
            flow,
            cookie_mask,
            buffer,
            out_port,
            out_group,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
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
        out.u16(flow.importance);
        flow.key.matches.write(out);
        write_instructions(out, &flow.actions);
    }
}

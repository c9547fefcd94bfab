//! Lines that are flows, or tell which flows.

use super::lexer::{Item, Joint, Text};
use super::matching::Conditions;
use super::{Parser, Result, action};
use crate::action::Actions;
use crate::flow::{Flow, FlowFlags};
use crate::message::multipart::FlowQuery;
use crate::message::{FlowCommand, FlowMod};
use crate::port::Port;

/// A line of the flow language, with what it leaves open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowSpec {
    /// The flow; what the line does not say has its default.
    pub flow: Flow,
    /// The table, where the line says one.
    pub table: Option<u8>,
    /// The bits of the cookie that are to be compared, where the line says `cookie=value/mask`.
    pub cookie_mask: Option<u64>,
    /// Only flows that output here.
    pub out_port: Option<Port>,
    /// Only flows that use this group.
    pub out_group: Option<u32>,
    /// Whether the line says a priority.
    pub has_priority: bool,
    /// Whether the line says actions.
    pub has_actions: bool,
}

impl FlowSpec {
    /// A question about the flows that this tells.
    #[must_use]
    pub fn query(self) -> FlowQuery {
        FlowQuery {
            table: self.table.unwrap_or(FlowMod::ALL_TABLES),
            out_port: self.out_port,
            out_group: self.out_group,
            cookie: self.flow.cookie,
            cookie_mask: self.cookie_mask.unwrap_or(0),
            matches: self.flow.key.matches,
        }
    }

    /// A change of the flows that this tells.
    #[must_use]
    pub fn change(self, command: FlowCommand) -> FlowMod {
        let mut change = FlowMod::new(command, self.flow);
        change.cookie_mask = self.cookie_mask.unwrap_or(0);
        change.out_port = self.out_port;
        change.out_group = self.out_group;
        let deletes = matches!(command, FlowCommand::Delete | FlowCommand::DeleteStrict);
        if deletes && self.table.is_none() {
            change.flow.key.table = FlowMod::ALL_TABLES;
        }
        change
    }
}

pub(super) fn read<'a>(parser: Parser<'a>, line: Text<'a>) -> Result<FlowSpec> {
    let mut spec = FlowSpec::default();
    spec.flow.key.priority = 0x8000;
    let mut conditions = Conditions::default();
    let mut actions = None;
    let mut items = line.items();
    loop {
        if items.begins_with(b'a') {
            actions = actions_behind(&items);
            if actions.is_some() {
                break;
            }
        }
        let Some(item) = items.next() else {
            break;
        };
        let item = item?;
        if !attribute(parser, &mut spec, &item)? {
            conditions.add(parser, item)?;
        }
    }
    spec.flow.key.matches = conditions.finish()?;
    if let Some(actions) = actions {
        let vlan = spec.flow.key.matches.get(crate::Field::VlanVid);
        let vlan = vlan.is_some_and(|entry| entry.value() & 0x1000 != 0);
        spec.has_actions = true;
        let mut list = action::Reader::new(parser, vlan).all(actions)?;
        spec.flow.actions = Actions::of(&mut list);
    }
    Ok(spec)
}

/// The actions, if the next item begins them.
fn actions_behind<'a>(items: &super::lexer::Items<'a>) -> Option<Text<'a>> {
    let rest = items.rest_trimmed();
    rest.strip_prefix("actions=")
        .or_else(|| rest.strip_prefix("action="))
}

/// Takes an item that is no condition. False where it is one.
fn attribute(parser: Parser<'_>, spec: &mut FlowSpec, item: &Item<'_>) -> Result<bool> {
    let flag = match item.key.str() {
        "send_flow_rem" => Some(FlowFlags::SEND_FLOW_REM),
        "check_overlap" => Some(FlowFlags::CHECK_OVERLAP),
        "reset_counts" => Some(FlowFlags::RESET_COUNTS),
        "no_packet_counts" => Some(FlowFlags::NO_PACKET_COUNTS),
        "no_byte_counts" => Some(FlowFlags::NO_BYTE_COUNTS),
        _ => None,
    };
    if let Some(flag) = flag {
        item.bare()?;
        spec.flow.flags.0 |= flag.0;
        return Ok(true);
    }
    if item.joint != Joint::Equals {
        return Ok(false);
    }
    let value = item.value;
    match item.key.str() {
        "table" => {
            let table = value.u8()?;
            spec.flow.key.table = table;
            spec.table = Some(table).filter(|table| *table != FlowMod::ALL_TABLES);
        }
        "priority" => {
            spec.flow.key.priority = value.u16()?;
            spec.has_priority = true;
        }
        "cookie" => match value.split("/") {
            Some((cookie, mask)) => {
                spec.flow.cookie = cookie.u64()?;
                spec.cookie_mask = Some(match mask.str() {
                    "-1" => u64::MAX,
                    _ => mask.u64()?,
                });
            }
            None => spec.flow.cookie = value.u64()?,
        },
        "idle_timeout" => spec.flow.idle_timeout = value.u16()?,
        "hard_timeout" => spec.flow.hard_timeout = value.u16()?,
        "importance" => spec.flow.importance = value.u16()?,
        "out_port" => spec.out_port = Some(parser.port(value)?),
        "out_group" => spec.out_group = Some(value.u32()?),
        // What a dump says of a flow's life is no part of the flow.
        "duration" | "n_packets" | "n_bytes" | "idle_age" | "hard_age" => {}
        _ => return Ok(false),
    }
    Ok(true)
}

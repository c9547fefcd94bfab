//! Lines that are flows, or tell which flows.

use super::lexer::{Joint, Text};
use super::matching::Conditions;
use super::words::{Attribute, Word, word};
use super::{Parser, Result, action};
use crate::flow::Flow;
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

/// Reads a line into a new `spec`.
pub(super) fn read<'a>(parser: Parser<'a>, line: Text<'a>, spec: &mut FlowSpec) -> Result<()> {
    spec.flow.key.priority = 0x8000;
    let mut conditions = Conditions::new(parser);
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
        match (word(item.key.str()), item.joint) {
            (Some(Word::Flag(flag)), _) => {
                item.bare()?;
                spec.flow.flags.0 |= flag.0;
            }
            (Some(Word::Attribute(attribute)), Joint::Equals) => {
                set(parser, spec, attribute, item.value)?;
            }
            (word, _) => conditions.add(&item, word)?,
        }
    }
    let vlan = conditions.has_vlan();
    spec.flow.key.matches = conditions.finish()?;
    if let Some(actions) = actions {
        spec.has_actions = true;
        spec.flow.actions = action::Reader::new(parser, vlan).flow(actions)?;
    }
    Ok(())
}

/// The actions, if the next item begins them.
fn actions_behind<'a>(items: &super::lexer::Items<'a>) -> Option<Text<'a>> {
    let rest = items.rest_trimmed();
    rest.strip_prefix("actions=")
        .or_else(|| rest.strip_prefix("action="))
}

fn set(
    parser: Parser<'_>,
    spec: &mut FlowSpec,
    attribute: Attribute,
    value: Text<'_>,
) -> Result<()> {
    let flow = &mut spec.flow;
    match attribute {
        Attribute::Table => {
            let table = value.u8()?;
            flow.key.table = table;
            spec.table = Some(table).filter(|table| *table != FlowMod::ALL_TABLES);
        }
        Attribute::Priority => {
            flow.key.priority = value.u16()?;
            spec.has_priority = true;
        }
        Attribute::Cookie => match value.split("/") {
            Some((cookie, mask)) => {
                flow.cookie = cookie.u64()?;
                spec.cookie_mask = Some(match mask.str() {
                    "-1" => u64::MAX,
                    _ => mask.u64()?,
                });
            }
            None => flow.cookie = value.u64()?,
        },
        Attribute::IdleTimeout => flow.idle_timeout = value.u16()?,
        Attribute::HardTimeout => flow.hard_timeout = value.u16()?,
        Attribute::Importance => flow.importance = value.u16()?,
        Attribute::OutPort => spec.out_port = Some(parser.port(value)?),
        Attribute::OutGroup => spec.out_group = Some(value.u32()?),
        Attribute::Counter => {}
    }
    Ok(())
}

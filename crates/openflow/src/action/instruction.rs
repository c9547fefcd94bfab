//! Instructions, which hold a flow's actions (OpenFlow 1.5, section 7.2.5).

use super::Action;
use super::wire::{read_actions, write_action, write_actions};
use crate::error::{Error, Result};
use crate::matching::Match;
use crate::version::Version;
use crate::wire::{Reader, Writer};

pub(super) const GOTO_TABLE: u16 = 1;
pub(super) const WRITE_METADATA: u16 = 2;
pub(super) const WRITE_ACTIONS: u16 = 3;
pub(super) const APPLY_ACTIONS: u16 = 4;
pub(super) const CLEAR_ACTIONS: u16 = 5;
/// An instruction before OpenFlow 1.5, where it became an action.
const METER: u16 = 6;

/// The place of an instruction in the order in which a switch executes them.
pub(crate) const fn rank(action: &Action) -> u8 {
    match action {
        Action::ClearActions => 1,
        Action::WriteActions(_) => 2,
        Action::WriteMetadata { .. } => 3,
        Action::GotoTable(_) => 4,
        Action::UnknownInstruction(_) => 5,
        _ => 0,
    }
}

/// The rank of what is executed last.
const LAST_RANK: u8 = 5;

/// Takes the next instruction: its type, its arguments, and all of it.
pub(super) fn next_instruction<'a>(reader: &mut Reader<'a>) -> Result<(u16, Reader<'a>, &'a [u8])> {
    let mut header = *reader;
    let kind = header.u16()?;
    let length = usize::from(header.u16()?);
    if length < 8 || !length.is_multiple_of(8) {
        return Err(Error::BadLength {
            what: "instruction",
            length,
        });
    }
    let bytes = reader.take(length)?;
    Ok((kind, reader.over(&bytes[4..]), bytes))
}

/// Reads instructions until the reader ends: the actions to apply, then the others in their order.
pub(crate) fn read_instructions(reader: &mut Reader<'_>) -> Result<Vec<Action>> {
    let mut out = Vec::new();
    while !reader.is_empty() {
        let (kind, mut body, bytes) = next_instruction(reader)?;
        match kind {
            APPLY_ACTIONS => {
                body.skip(4)?;
                out.extend(read_actions(&mut body)?);
            }
            // It comes before any action, wherever it stands.
            METER if reader.version != Version::V15 => out.insert(0, Action::Meter(body.u32()?)),
            _ => out.push(read_other(kind, body, bytes)?),
        }
    }
    out.sort_by_key(rank);
    Ok(out)
}

/// Reads an instruction that is not "apply these actions".
pub(super) fn read_other(kind: u16, mut body: Reader<'_>, bytes: &[u8]) -> Result<Action> {
    Ok(match kind {
        GOTO_TABLE => Action::GotoTable(body.u8()?),
        WRITE_METADATA => {
            body.skip(4)?;
            Action::WriteMetadata {
                value: body.u64()?,
                mask: body.u64()?,
            }
        }
        WRITE_ACTIONS => {
            body.skip(4)?;
            Action::WriteActions(read_actions(&mut body)?)
        }
        CLEAR_ACTIONS => Action::ClearActions,
        _ => Action::UnknownInstruction(bytes.into()),
    })
}

/// Reads the actions of a flow where there are no instructions, as in OpenFlow 1.0. The match says what
/// the older actions mean that speak of "the port" or of a VLAN that may be missing.
pub(crate) fn read_flow_actions(reader: &mut Reader<'_>, matches: &Match) -> Result<Vec<Action>> {
    let mut out = read_actions(reader)?;
    super::old::settle(&mut out, matches);
    out.sort_by_key(rank);
    Ok(out)
}

/// Writes them.
pub(crate) fn write_flow_actions(out: &mut Writer, actions: &[Action]) {
    for action in actions {
        match action {
            Action::GotoTable(table) => write_action(out, &Action::resubmit(*table)),
            Action::WriteMetadata { .. } => write_action(out, action),
            Action::ClearActions => out.unsayable("clear_actions"),
            Action::WriteActions(_) => out.unsayable("write_actions"),
            Action::UnknownInstruction(_) => out.unsayable("an instruction"),
            action => write_action(out, action),
        }
    }
}

/// Begins the actions to apply; the length is left open.
pub(super) fn begin_actions(out: &mut Writer) {
    out.u16(APPLY_ACTIONS);
    out.zeros(6);
}

pub(super) fn instruction(out: &mut Writer, kind: u16, body: impl FnOnce(&mut Writer)) {
    let start = out.len();
    out.u16(kind);
    out.u16(0);
    body(out);
    out.pad8(start);
    out.patch_len(start + 2, start);
}

/// Writes a flow's actions as instructions. A flow that drops has none.
pub(crate) fn write_instructions(out: &mut Writer, actions: &[Action]) {
    let mut actions = actions;
    if let (Version::V13 | Version::V14, [Action::Meter(meter), rest @ ..]) = (out.version, actions)
    {
        instruction(out, METER, |out| out.u32(*meter));
        actions = rest;
    }
    if actions.iter().any(|action| rank(action) == 0) {
        instruction(out, APPLY_ACTIONS, |out| {
            out.zeros(4);
            write_actions(out, actions);
        });
    }
    for wanted in 1..=LAST_RANK {
        for action in actions.iter().filter(|action| rank(action) == wanted) {
            write_other(out, action);
        }
    }
}

/// Writes an instruction that is not "apply these actions".
pub(super) fn write_other(out: &mut Writer, action: &Action) {
    match action {
        Action::ClearActions => instruction(out, CLEAR_ACTIONS, |out| out.zeros(4)),
        Action::WriteActions(actions) => instruction(out, WRITE_ACTIONS, |out| {
            out.zeros(4);
            write_actions(out, actions);
        }),
        Action::WriteMetadata { value, mask } => instruction(out, WRITE_METADATA, |out| {
            out.zeros(4);
            out.u64(*value);
            out.u64(*mask);
        }),
        Action::GotoTable(table) => instruction(out, GOTO_TABLE, |out| {
            out.u8(*table);
            out.zeros(3);
        }),
        Action::UnknownInstruction(bytes) => out.bytes(bytes),
        _ => {}
    }
}

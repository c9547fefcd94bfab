//! Actions on their way into the bytes in which a flow keeps them.
//!
//! Invariant: what is written without being tried is said exactly by its bytes.

use super::instruction::{begin_actions, rank, read_instructions, write_other};
use super::wire::write_action;
use super::{Action, Actions, Ct, CtZone};
use crate::field::{Field, Subfield};
use crate::port::Port;
use crate::wire::{Reader, Writer};

/// Actions on their way into a list. The common ones are written as they come.
pub(crate) struct Builder<'a> {
    out: &'a mut Writer,
    /// The place of the last instruction in their order, once there is one.
    rank: Option<u8>,
    /// All actions, once one of them is not common or not in its place.
    others: Option<Vec<Action>>,
    /// Whether bytes say exactly what comes, even if it is not common.
    pub(super) sure: bool,
}

impl<'a> Builder<'a> {
    /// A builder that writes into this, which is empty.
    pub(super) const fn new(out: &'a mut Writer) -> Self {
        Self {
            out,
            rank: None,
            others: None,
            sure: false,
        }
    }

    /// Takes the next action.
    pub(crate) fn push(&mut self, action: Action) {
        if let Some(others) = &mut self.others {
            return others.push(action);
        }
        let rank = rank(&action);
        let in_place = match self.rank {
            None | Some(0) => true,
            Some(last) => last < rank,
        };
        if !in_place || !(self.sure || is_plain(&action)) {
            return self.take_out(action);
        }
        let before = self.out.len();
        if rank > 0 {
            self.end_actions();
            write_other(self.out, &action);
        } else {
            if self.rank.is_none() {
                begin_actions(self.out);
            }
            write_action(self.out, &action);
        }
        // Beyond this no length can say it.
        if self.out.len() > usize::from(u16::MAX) {
            self.out.truncate(before);
            return self.take_out(action);
        }
        self.rank = Some(rank);
    }

    /// Goes on with actions in place of bytes.
    fn take_out(&mut self, action: Action) {
        self.end_actions();
        let mut others = read_instructions(&mut Reader::new(self.out)).unwrap_or_default();
        others.push(action);
        self.others = Some(others);
    }

    /// Says how long the actions to apply are, if they are what was written last.
    fn end_actions(&mut self) {
        if self.rank == Some(0) {
            self.out.patch_len(2, 0);
        }
    }

    pub(super) fn finish(mut self) -> Actions {
        match self.others.take() {
            Some(others) => Actions::of(others),
            None => {
                self.end_actions();
                Actions::of_own(self.out)
            }
        }
    }
}

/// Whether an action is one of the common ones that bytes say exactly. Of others it has to be tried.
fn is_plain(action: &Action) -> bool {
    match action {
        Action::Output { port, max_len } => *port == Port::CONTROLLER || *max_len == 0,
        Action::SetField(value) => exists(value.field()),
        Action::Resubmit { in_port, table, .. } => {
            *table != Some(u8::MAX) && in_port.is_none_or(|port| port.0 < 0xff00)
        }
        Action::Group(_)
        | Action::Conjunction { .. }
        | Action::PopVlan
        | Action::PushVlan(_)
        | Action::DecTtl
        | Action::CtClear
        | Action::ClearActions
        | Action::WriteMetadata { .. }
        | Action::GotoTable(_)
        | Action::Nat(_) => true,
        Action::Ct(ct) => is_plain_ct(ct),
        Action::Move {
            source,
            destination,
        } => source.bits == destination.bits && is_whole_or_part(*source, *destination),
        _ => false,
    }
}

fn is_plain_ct(ct: &Ct) -> bool {
    let zone = match ct.zone {
        CtZone::Immediate(_) => true,
        CtZone::Field(field) => {
            exists(field.field)
                && !field.field.is_variable()
                && field.offset < 64
                && field.bits == 16
        }
    };
    zone && ct.table != Some(u8::MAX) && ct.actions.iter().all(is_plain)
}

fn is_whole_or_part(source: Subfield, destination: Subfield) -> bool {
    [source.field, destination.field]
        .iter()
        .all(|field| exists(*field) && !field.is_variable())
}

fn exists(field: Field) -> bool {
    field.index() < field.info().count
}

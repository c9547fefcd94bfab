//! What a flow does, kept in the bytes in which OpenFlow 1.5 says it.
//!
//! A host holds tens of thousands of flows, and what is done with nearly all of them is to compare them
//! and to send them. So the bytes are what is kept, and typed actions are read from them when somebody
//! looks. A list that those bytes do not say exactly, such as one with an action of OpenFlow 1.0 alone, is
//! kept as it was given.
//!
//! Invariant: [`Actions::iter`] gives the actions from which the list was made, instructions in the order
//! in which a switch executes them; lists are equal where these are.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use super::Action;
use super::builder::Builder;
use super::instruction::{
    APPLY_ACTIONS, next_instruction, rank, read_instructions, read_other, write_flow_actions,
    write_instructions,
};
use super::plain::instructions_are_plain;
use super::wire::read_next;
use crate::error::Result;
use crate::matching::Match;
use crate::version::Version;
use crate::wire::{Reader, Writer, with_scratch};

/// What a flow does; nothing means drop. Cheap to clone.
///
/// ```
/// use openflow::{Action, Actions};
/// let actions = Actions::from([Action::DecTtl, Action::output(2)]);
/// assert_eq!(actions.iter().last(), Some(Action::output(2)));
/// assert_eq!(actions.to_string(), "dec_ttl,output:2");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Actions(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    /// Instructions as [`write_instructions`] writes them for OpenFlow 1.5.
    Bytes(Arc<[u8]>),
    /// What these would not say exactly.
    #[allow(
        clippy::rc_buffer,
        reason = "a thin pointer keeps flows small, and this is rare"
    )]
    Typed(Arc<Vec<Action>>),
}

impl Actions {
    /// Nothing: drop.
    #[must_use]
    pub fn drop() -> Self {
        Self(Repr::Bytes(Arc::default()))
    }

    /// Whether the packet is dropped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Repr::Bytes(bytes) => bytes.is_empty(),
            Repr::Typed(actions) => actions.is_empty(),
        }
    }

    /// The actions, in their order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        match &self.0 {
            Repr::Bytes(bytes) => Iter::of_own(bytes),
            Repr::Typed(actions) => Iter(Rest::Typed(actions.iter())),
        }
    }

    /// The list that is kept in these bytes.
    pub(crate) fn of_own(bytes: &[u8]) -> Self {
        Self(Repr::Bytes(bytes.into()))
    }

    /// Whether bytes say the list exactly.
    pub(crate) const fn are_bytes(&self) -> bool {
        matches!(self.0, Repr::Bytes(_))
    }

    /// Whether these are the bytes in which the list is kept.
    pub(crate) fn are(&self, bytes: &[u8]) -> bool {
        matches!(&self.0, Repr::Bytes(own) if **own == *bytes)
    }

    /// The actions as a list of their own.
    #[must_use]
    pub fn to_vec(&self) -> Vec<Action> {
        self.iter().collect()
    }

    /// Reads instructions until the reader ends.
    pub(crate) fn read_instructions(reader: &mut Reader<'_>) -> Result<Self> {
        if reader.version != Version::V15 {
            return read_instructions(reader).map(Self::from);
        }
        if instructions_are_plain(reader.rest()) {
            return Ok(Self::of_own(reader.take(reader.len())?));
        }
        Self::build(|out| {
            // What was read from these bytes can be said in them.
            out.sure = true;
            while !reader.is_empty() {
                let (kind, mut body, bytes) = next_instruction(reader)?;
                if kind != APPLY_ACTIONS {
                    out.push(read_other(kind, body, bytes)?);
                    continue;
                }
                body.skip(4)?;
                while !body.is_empty() {
                    out.push(read_next(&mut body)?);
                }
            }
            Ok(())
        })
    }

    /// Reads the actions of a flow where there are no instructions, as in OpenFlow 1.0.
    pub(crate) fn read_flow_actions(reader: &mut Reader<'_>, matches: &Match) -> Result<Self> {
        super::read_flow_actions(reader, matches).map(Self::from)
    }

    /// Writes them as instructions.
    pub(crate) fn write_instructions(&self, out: &mut Writer) {
        match &self.0 {
            Repr::Bytes(bytes) if out.version == Version::V15 => out.bytes(bytes),
            Repr::Bytes(_) => write_instructions(out, &self.to_vec()),
            Repr::Typed(actions) => write_instructions(out, actions),
        }
    }

    /// Writes them where there are no instructions.
    pub(crate) fn write_flow_actions(&self, out: &mut Writer) {
        write_flow_actions(out, &self.to_vec());
    }

    /// The list of what `fill` gives, instructions put into their order. Nothing but the list takes memory
    /// where the actions are common ones.
    pub(crate) fn build<E>(
        fill: impl FnOnce(&mut Builder<'_>) -> Result<(), E>,
    ) -> Result<Self, E> {
        with_scratch(Version::V15, |out| {
            let mut builder = Builder::new(out);
            fill(&mut builder)?;
            Ok(builder.finish())
        })
    }

    /// A list with actions that are not common, or not in their places.
    pub(super) fn of(mut actions: Vec<Action>) -> Self {
        actions.sort_by_key(rank);
        let mut out = Writer::new(Version::V15);
        write_instructions(&mut out, &actions);
        let good = out.first_unsayable().is_none()
            && out.len() <= usize::from(u16::MAX)
            && says(&out, &actions);
        Self(if good {
            Repr::Bytes(Arc::from(out.as_slice()))
        } else {
            Repr::Typed(Arc::new(actions))
        })
    }
}

/// Whether these bytes say exactly these actions.
fn says(bytes: &[u8], actions: &[Action]) -> bool {
    read_instructions(&mut Reader::new(bytes)).is_ok_and(|read| read == actions)
}

/// The actions of a list.
#[derive(Debug, Clone)]
pub struct Iter<'a>(Rest<'a>);

#[derive(Debug, Clone)]
enum Rest<'a> {
    Bytes {
        instructions: Reader<'a>,
        /// What is left of the actions to apply.
        actions: Reader<'a>,
    },
    Typed(std::slice::Iter<'a, Action>),
}

impl<'a> Iter<'a> {
    /// The actions of a list that is kept in these bytes.
    pub(crate) const fn of_own(bytes: &'a [u8]) -> Self {
        Self(Rest::Bytes {
            instructions: Reader::new(bytes),
            actions: Reader::new(&[]),
        })
    }
}

impl Iterator for Iter<'_> {
    type Item = Action;

    fn next(&mut self) -> Option<Action> {
        let (instructions, actions) = match &mut self.0 {
            Rest::Typed(rest) => return rest.next().cloned(),
            Rest::Bytes {
                instructions,
                actions,
            } => (instructions, actions),
        };
        if actions.is_empty() {
            if instructions.is_empty() {
                return None;
            }
            // These bytes were written here, so that nothing in them can fail.
            let (kind, mut body, bytes) = next_instruction(instructions).ok()?;
            if kind != APPLY_ACTIONS {
                return read_other(kind, body, bytes).ok();
            }
            body.skip(4).ok()?;
            *actions = body;
        }
        read_next(actions).ok()
    }
}

impl<'a> IntoIterator for &'a Actions {
    type Item = Action;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl Default for Actions {
    fn default() -> Self {
        Self::drop()
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<T: IntoIterator<Item = Action>>(actions: T) -> Self {
        let built = Self::build(|out| {
            actions.into_iter().for_each(|action| out.push(action));
            Ok::<(), Infallible>(())
        });
        built.unwrap_or_else(|never| match never {})
    }
}

impl From<Vec<Action>> for Actions {
    fn from(actions: Vec<Action>) -> Self {
        actions.into_iter().collect()
    }
}

impl From<&[Action]> for Actions {
    fn from(actions: &[Action]) -> Self {
        actions.iter().cloned().collect()
    }
}

impl<const N: usize> From<[Action; N]> for Actions {
    fn from(actions: [Action; N]) -> Self {
        actions.into_iter().collect()
    }
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Port;

    #[test]
    fn a_list_is_small() {
        assert_eq!(size_of::<Actions>(), 16);
    }

    #[test]
    fn what_bytes_do_not_say_is_kept_as_it_was_given() {
        let lists = [
            vec![Action::ModVlanVid(5), Action::output(2)],
            vec![Action::Unknown(
                [0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0].into(),
            )],
            vec![Action::Resubmit {
                in_port: Some(Port(70_000)),
                table: None,
                ct: false,
            }],
            vec![Action::Note(vec![0; 70_000])],
        ];
        for list in lists {
            let actions = Actions::from(list.clone());
            assert!(matches!(actions.0, Repr::Typed(_)), "{list:?}");
            assert_eq!(actions.to_vec(), list);
            assert_eq!(actions, Actions::from(list));
        }
    }

    #[test]
    fn instructions_stand_in_the_order_in_which_they_are_executed() {
        let list = vec![
            Action::GotoTable(3),
            Action::output(1),
            Action::ClearActions,
            Action::output(2),
        ];
        let actions = Actions::from(list);
        let texts: Vec<_> = actions.iter().map(|action| action.to_string()).collect();
        assert_eq!(
            texts,
            ["output:1", "output:2", "clear_actions", "goto_table:3"]
        );
    }
}

//! Reading the language that the other half of this module writes, and the rest of what `ovs-ofctl`
//! understands.
//!
//! Invariants: no text makes it panic; nesting is bounded; every error has a place in the text.

mod action;
mod encap;
mod field;
mod flow;
mod group;
mod large;
mod learn;
mod lexer;
mod matching;
mod words;

use std::fmt;
use std::str::FromStr;

use crate::action::Action;
use crate::flow::Flow;
use crate::group::Group;
use crate::matching::Match;
use crate::message::Meter;
use crate::port::Port;
pub use flow::FlowSpec;
use lexer::Text;

/// How deep actions may contain actions: as deep as in bytes.
const MAX_DEPTH: usize = 16;

/// A text that is not in the language, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: `{token}`: expected {expected}")]
pub struct ParseError {
    /// The place, in characters, counted from one.
    pub column: usize,
    /// What stands there.
    pub token: String,
    /// What should stand there.
    pub expected: String,
}

type Result<T, E = ParseError> = std::result::Result<T, E>;

/// Finds a port by its name.
pub type PortNames<'a> = dyn Fn(&str) -> Option<Port> + 'a;

/// Reads flows, matches, actions, groups and meters. Without names of ports, ports are numbers.
#[derive(Clone, Copy, Default)]
pub struct Parser<'a> {
    names: Option<&'a PortNames<'a>>,
}

impl fmt::Debug for Parser<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parser")
            .field("names", &self.names.is_some())
            .finish()
    }
}

impl<'a> Parser<'a> {
    /// A parser that knows the names of ports.
    #[must_use]
    pub const fn with_names(names: &'a PortNames<'a>) -> Self {
        Self { names: Some(names) }
    }

    /// Reads a match, such as `priority=5,tcp,tp_dst=80` without the priority.
    ///
    /// # Errors
    /// When the text is not a match, or a field lacks what it presupposes.
    pub fn matches(self, text: &str) -> Result<Match> {
        let mut conditions = matching::Conditions::new(self);
        for item in Text::new(text).items() {
            let item = item?;
            conditions.add(&item, words::word(item.key.str()))?;
        }
        conditions.finish()
    }

    /// Reads a list of actions.
    ///
    /// # Errors
    /// When the text is not one.
    pub fn actions(self, text: &str) -> Result<Vec<Action>> {
        action::Reader::new(self, false).vec(Text::new(text))
    }

    /// Reads a flow with its actions.
    ///
    /// # Errors
    /// When the text is not one.
    pub fn flow(self, line: &str) -> Result<Flow> {
        let mut spec = FlowSpec::default();
        flow::read(self, Text::new(line), &mut spec)?;
        if !spec.has_actions {
            return Err(Text::new(line).end().error("actions="));
        }
        Ok(spec.flow)
    }

    /// Reads what tells which flows: a flow whose parts are all optional.
    ///
    /// # Errors
    /// When the text is not one.
    pub fn flow_spec(self, line: &str) -> Result<FlowSpec> {
        let mut spec = FlowSpec::default();
        flow::read(self, Text::new(line), &mut spec)?;
        Ok(spec)
    }

    /// Reads a group.
    ///
    /// # Errors
    /// When the text is not one.
    pub fn group(self, line: &str) -> Result<Group> {
        group::read(self, Text::new(line))
    }

    /// Reads a meter.
    ///
    /// # Errors
    /// When the text is not one.
    pub fn meter(self, line: &str) -> Result<Meter> {
        group::read_meter(Text::new(line))
    }
}

macro_rules! from_str {
    ($($type:ty, $method:ident;)*) => {
        $(impl FromStr for $type {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self> {
                Parser::default().$method(text)
            }
        })*
    };
}

from_str! {
    Match, matches;
    Flow, flow;
    Group, group;
    Meter, meter;
}

//! The language of `ovs-dpctl`: keys, masks, actions and flows as people write them.
//!
//! What is printed here, `ovs-dpctl` (3.1) prints too, but for bytes that it can only call an error; what
//! either prints, is read here.

mod action;
mod cookie;
mod flow;
mod key;
mod names;
mod nested;
mod nsh;
mod read_action;
mod read_ct;
mod read_key;
mod read_nested;
mod scanner;
mod value;

pub use flow::FlowText;
pub use names::PortNames;
pub use scanner::ParseError;

pub(crate) use scanner::Scanner;
pub(crate) use value::{List, Style, TextValue};

use crate::action::Action;
use crate::key::{Key, Match};

/// A structure whose fields stand in parentheses after its name.
pub(crate) trait Fields: Sized {
    /// Writes the fields that count; all of them where there is no mask.
    fn print(&self, mask: Option<&Self>, list: &mut List<'_>);

    /// Reads them: the value, and in `mask` what counts.
    fn parse(scanner: &mut Scanner<'_>, mask: &mut Self) -> Result<Self, ParseError>;
}

/// How things are written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Format<'a> {
    /// Write what does not count too, as `ovs-dpctl -m` does.
    pub more: bool,
    /// Names in place of the numbers of ports.
    pub names: Option<&'a PortNames>,
}

impl Format<'_> {
    /// A key and its mask. Without a mask all of the key counts.
    ///
    /// ```
    /// use odp::{Format, Match};
    ///
    /// let web: Match = "in_port(1),eth(),eth_type(0x800),ipv4(dst=10.0.0.0/255.0.0.0,proto=6)".parse()?;
    /// assert_eq!(
    ///     Format::default().key(&web.key, web.mask.as_ref()),
    ///     "in_port(1),eth(),eth_type(0x0800),ipv4(dst=10.0.0.0/255.0.0.0,proto=6)"
    /// );
    /// # Ok::<(), odp::ParseError>(())
    /// ```
    #[must_use]
    pub fn key(&self, key: &Key, mask: Option<&Key>) -> String {
        let mut out = String::new();
        key::print(key, mask, self, &mut out);
        out
    }

    /// Actions; an empty list is `drop`.
    ///
    /// ```
    /// use odp::{Action, Format};
    ///
    /// let actions = odp::Actions::default().parse("push_vlan(vid=7,pcp=0),2,ct(commit,zone=5)")?;
    /// assert_eq!(actions[1], Action::Output(odp::PortNo(2)));
    /// assert_eq!(Format::default().actions(&actions), "push_vlan(vid=7,pcp=0),2,ct(commit,zone=5)");
    /// # Ok::<(), odp::ParseError>(())
    /// ```
    #[must_use]
    pub fn actions(&self, actions: &[Action]) -> String {
        let mut out = String::new();
        action::print(actions, self, &mut out);
        out
    }
}

/// Reads keys and actions, with the names of ports if they are known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Actions<'a> {
    /// Numbers of the ports that may be named.
    pub names: Option<&'a PortNames>,
}

impl Actions<'_> {
    /// A list of actions; `drop` is an empty one.
    ///
    /// # Errors
    /// When something else stands there: the error says what, and where.
    pub fn parse(&self, text: &str) -> Result<Vec<Action>, ParseError> {
        read_action::all(text, self.names)
    }

    /// A key with its mask, after a UFID or without one.
    ///
    /// # Errors
    /// When something else stands there: the error says what, and where.
    pub fn key(&self, text: &str) -> Result<Match, ParseError> {
        read_key::all(text, self.names)
    }
}

impl std::str::FromStr for Match {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        read_key::all(text, None)
    }
}

impl std::fmt::Display for Match {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&Format::default().key(&self.key, self.mask.as_ref()))
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let format = Format {
            more: true,
            names: None,
        };
        f.write_str(&format.key(self, None))
    }
}

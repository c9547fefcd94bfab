//! Writing flows.

use std::fmt;

use super::Format;
use crate::message::{Flow, FlowStats};

/// A flow as a line of text.
///
/// ```
/// use odp::{Action, Flow, FlowText, Format, Match, PortNo};
///
/// let flow = Flow {
///     matches: Match::new(PortNo(1)),
///     actions: Some(vec![Action::Output(PortNo(2))]),
///     ..Flow::default()
/// };
/// let text = FlowText { flow: &flow, format: Format::default(), now: 0 };
/// assert_eq!(text.to_string(), "in_port(1),eth(), packets:0, bytes:0, used:never, actions:2");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct FlowText<'a> {
    /// The flow.
    pub flow: &'a Flow,
    /// How it is written; with more, its UFID too.
    pub format: Format<'a>,
    /// The time, in milliseconds of the monotonic clock.
    pub now: u64,
}

impl fmt::Display for FlowText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flow = self.flow;
        if self.format.more
            && let Some(ufid) = flow.ufid
        {
            write!(f, "{ufid}, ")?;
        }
        let matches = &flow.matches;
        let key = self.format.key(&matches.key, matches.mask.as_ref());
        write!(f, "{key}, {}", StatsText(&flow.stats, self.now))?;
        if self.format.more {
            f.write_str(", dp:ovs")?;
        }
        let actions = flow.actions.as_deref().unwrap_or_default();
        write!(f, ", actions:{}", self.format.actions(actions))
    }
}

/// What a flow has counted, with the time in milliseconds of the monotonic clock.
struct StatsText<'a>(&'a FlowStats, u64);

impl fmt::Display for StatsText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(stats, now) = self;
        write!(f, "packets:{}, bytes:{}, used:", stats.packets, stats.bytes)?;
        match stats.used {
            Some(used) => {
                let ago = now.saturating_sub(used);
                write!(f, "{}.{:03}s", ago / 1000, ago % 1000)?;
            }
            None => f.write_str("never")?,
        }
        if stats.tcp_flags != 0 {
            f.write_str(", flags:")?;
            for (bit, letter) in LETTERS {
                if stats.tcp_flags & bit != 0 {
                    f.write_str(letter)?;
                }
            }
        }
        Ok(())
    }
}

/// The letters of TCP's flags, in the order of `tcpdump`.
const LETTERS: [(u8, &str); 8] = [
    (0x02, "S"),
    (0x01, "F"),
    (0x08, "P"),
    (0x04, "R"),
    (0x20, "U"),
    (0x10, "."),
    (0x40, "E"),
    (0x80, "C"),
];

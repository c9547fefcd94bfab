//! What stands in `outcomes` of an action about one hypervisor, and what it means.
//!
//! Invariant: what is written is read as it was; a hypervisor of which nothing stands there is still to be told.

use std::fmt;

use crate::rollout::Progress;

const DONE: &str = "done";
const AWAY: &str = "away: ";
const REFUSED: &str = "refused: ";
const HELD: &str = "held";
/// How many characters a reason has at most: it is kept for long, and a daemon may say much.
const LONGEST: usize = 400;

/// What came of an action on one hypervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It has done it.
    Done,
    /// It could not be reached, for this reason; it does it when it is back.
    Away(String),
    /// It has refused, for this reason.
    Refused(String),
    /// It is not told, because the action stopped.
    Held,
}

impl Verdict {
    /// What is known once a hypervisor is that far; nothing while it is still told.
    pub fn of(progress: &Progress) -> Option<Self> {
        Some(match progress {
            Progress::Waiting | Progress::Telling { .. } | Progress::Again { .. } => return None,
            Progress::Done { .. } => Self::Done,
            Progress::Away { reason } => Self::Away(brief(reason)),
            Progress::Refused { reason } => Self::Refused(brief(reason)),
            Progress::Held => Self::Held,
        })
    }

    /// What a text in `outcomes` means; nothing if it is none of ours.
    pub fn read(text: &str) -> Option<Self> {
        match text {
            DONE => Some(Self::Done),
            HELD => Some(Self::Held),
            _ => text.strip_prefix(AWAY).map_or_else(
                || {
                    text.strip_prefix(REFUSED)
                        .map(|it| Self::Refused(it.into()))
                },
                |reason| Some(Self::Away(reason.into())),
            ),
        }
    }
}

fn brief(reason: &str) -> String {
    match reason.char_indices().nth(LONGEST) {
        None => reason.to_owned(),
        Some((end, _)) => format!("{}...", &reason[..end]),
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str(DONE),
            Self::Away(reason) => write!(f, "{AWAY}{reason}"),
            Self::Refused(reason) => write!(f, "{REFUSED}{reason}"),
            Self::Held => f.write_str(HELD),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let reason = || "away: no answer; held".to_owned();
        for verdict in [
            Verdict::Done,
            Verdict::Away(reason()),
            Verdict::Refused(reason()),
            Verdict::Refused(String::new()),
            Verdict::Held,
        ] {
            assert_eq!(Verdict::read(&verdict.to_string()), Some(verdict));
        }
        for other in ["", "Done", "away", "refusal: x"] {
            assert_eq!(Verdict::read(other), None);
        }
    }
}

//! What can go wrong between user space and the datapath.

use std::io;
use std::time::Duration;

use nix::errno::Errno;

use super::remedy::{self, Remedy};
use crate::attribute::DecodeError;
use crate::message::Request;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel has no datapath.
    #[error(
        "this kernel has no Open vSwitch datapath (generic netlink knows no family {family}): \
         the module is not loaded, and could not be loaded by itself; \
         run `modprobe openvswitch`, as root and outside of containers. \
         If there is no such module, the kernel was built without CONFIG_OPENVSWITCH"
    )]
    ModuleMissing {
        /// The family that was looked for.
        family: &'static str,
    },
    /// The kernel's datapath cannot do that.
    #[error("not supported: {what} (this kernel's datapath is too old: {since})")]
    NotSupported {
        /// What.
        what: &'static str,
        /// Since when the kernel can.
        since: &'static str,
    },
    /// The kernel refused a request.
    #[error("cannot {what}: {}{}{}", .reason.why, in_words(.said), todo(.reason))]
    Refused {
        /// What was asked.
        what: String,
        /// The kernel's code.
        errno: i32,
        /// What that means here.
        reason: Reason,
        /// What the kernel says itself.
        said: Option<String>,
    },
    /// The kernel did not answer in time.
    #[error("cannot {what}: the kernel did not answer within {after:?}")]
    Timeout {
        /// What was asked.
        what: String,
        /// How long the answer was waited for.
        after: Duration,
    },
    /// The answer lacks what was asked for.
    #[error("cannot {what}: the kernel did it, but did not say what came of it")]
    NoAnswer {
        /// What was asked.
        what: String,
    },
    /// What the kernel said cannot be read.
    #[error("cannot read what the kernel says about {what}")]
    Decode {
        /// About what.
        what: &'static str,
        /// Why not.
        #[source]
        source: DecodeError,
    },
    /// A socket does not work.
    #[error("cannot {doing} for netlink")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Why the kernel refused something, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Why.
    pub why: String,
    /// What to do.
    pub remedy: Option<&'static str>,
}

fn in_words(said: &Option<String>) -> String {
    said.as_ref()
        .map_or_else(String::new, |said| format!(" (the kernel says: {said})"))
}

fn todo(reason: &Reason) -> String {
    reason
        .remedy
        .map_or_else(String::new, |remedy| format!("; {remedy}"))
}

impl Error {
    pub(super) const fn io(doing: &'static str, source: io::Error) -> Self {
        Self::Io { doing, source }
    }

    pub(super) const fn decode(what: &'static str, source: DecodeError) -> Self {
        Self::Decode { what, source }
    }

    pub(super) fn refused(
        what: String,
        request: &Request,
        errno: i32,
        said: Option<String>,
    ) -> Self {
        let Remedy { why, remedy } = remedy::of(request.family, request.command, errno);
        let code = Errno::from_raw(errno);
        Self::Refused {
            what,
            errno,
            reason: Reason {
                why: match why {
                    Some(why) => format!("{why} ({code:?})"),
                    None => format!("{} ({code:?})", code.desc()),
                },
                remedy,
            },
            said,
        }
    }

    /// The kernel's code, if it refused something.
    #[must_use]
    pub const fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            _ => None,
        }
    }

    fn is(&self, codes: &[Errno]) -> bool {
        self.errno()
            .is_some_and(|errno| codes.contains(&Errno::from_raw(errno)))
    }

    /// True if there is no such datapath, port, flow or meter.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.is(&[Errno::ENODEV, Errno::ENOENT])
    }

    /// True if there is one already.
    #[must_use]
    pub fn is_existing(&self) -> bool {
        self.is(&[Errno::EEXIST])
    }

    /// True if the caller may not do it.
    #[must_use]
    pub fn is_not_permitted(&self) -> bool {
        self.is(&[Errno::EPERM])
    }
}

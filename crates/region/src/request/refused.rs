//! Why a request is not carried out.

/// Which kind of reason there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The request makes no sense, whatever is there.
    Invalid,
    /// What it names is not there.
    Missing,
    /// It does not fit what is there now.
    Conflict,
}

/// Why a request is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {text}")]
pub struct Refused {
    /// The kind of reason.
    pub reason: Reason,
    /// The part of the request, with its value: `customer "acme"`.
    pub what: String,
    /// What is wrong with it, and what would be right.
    pub text: String,
}

impl Refused {
    fn new(reason: Reason, what: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            reason,
            what: what.into(),
            text: text.into(),
        }
    }

    pub(super) fn invalid(what: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Reason::Invalid, what, text)
    }

    pub(super) fn missing(what: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Reason::Missing, what, text)
    }

    pub(super) fn conflict(what: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Reason::Conflict, what, text)
    }

    pub(super) fn unknown(kind: &str, name: &dyn std::fmt::Debug) -> Self {
        Self::missing(format!("{kind} {name:?}"), "there is none of that name")
    }
}

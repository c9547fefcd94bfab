//! The errors that a peer may see, as RFC 7047 names them.

use serde::ser::{Serialize, SerializeMap, Serializer};

/// What went wrong, as the `error` member of an error object names it.
///
/// RFC 7047 sections 4.1 and 5.2, and `ovsdb-server(7)` for those that only Open vSwitch has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The JSON is not of the form that its place requires.
    Syntax,
    /// A database that this server does not have.
    UnknownDatabase,
    /// A column that the table does not have.
    UnknownColumn,
    /// A function of a condition that is not one.
    UnknownFunction,
    /// A mutator that is not one.
    UnknownMutator,
    /// A value or a table breaks a constraint of the schema.
    Constraint,
    /// A strong reference would dangle.
    ReferentialIntegrity,
    /// Two inserts of a transaction have the same `uuid-name`.
    DuplicateUuidName,
    /// An insert asks for a UUID that is taken.
    DuplicateUuid,
    /// A mutation has no result, for example a division by zero.
    Domain,
    /// The result of a mutation is too large or too small.
    Range,
    /// A `wait` that did not come true in time.
    TimedOut,
    /// What is asked for does not exist here.
    NotSupported,
    /// The transaction asked for its own end.
    Aborted,
    /// The session does not hold the lock that it asserts.
    NotOwner,
    /// A database that this server does not have yet.
    NotAvailable,
    /// The operation is not permitted on this database.
    NotAllowed,
    /// The role of the client does not allow it.
    Permission,
    /// The transaction was cancelled.
    Canceled,
    /// The log could not be written.
    Io,
    /// A method that is not one.
    UnknownMethod,
    /// A monitor that this session does not have.
    UnknownMonitor,
    /// Parameters that do not go together.
    Parameters,
    /// A value that is wrong in itself, without a tag of its own (a set with duplicates).
    Other,
}

impl ErrorKind {
    /// The word of the protocol.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Syntax => "syntax error",
            Self::UnknownDatabase => "unknown database",
            Self::UnknownColumn => "unknown column",
            Self::UnknownFunction => "unknown function",
            Self::UnknownMutator => "unknown mutator",
            Self::Constraint => "constraint violation",
            Self::ReferentialIntegrity => "referential integrity violation",
            Self::DuplicateUuidName => "duplicate uuid-name",
            Self::DuplicateUuid => "duplicate uuid",
            Self::Domain => "domain error",
            Self::Range => "range error",
            Self::TimedOut => "timed out",
            Self::NotSupported => "not supported",
            Self::Aborted => "aborted",
            Self::NotOwner => "not owner",
            Self::NotAvailable => "database not available",
            Self::NotAllowed => "not allowed",
            Self::Permission => "permission error",
            Self::Canceled => "canceled",
            Self::Io => "I/O error",
            Self::UnknownMethod => "unknown method",
            Self::UnknownMonitor => "unknown monitor",
            Self::Parameters => "invalid parameters",
            Self::Other => "ovsdb error",
        }
    }
}

/// An error object: `{"error": <tag>, "details": <text>, "syntax": <JSON text>}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {details}", kind.tag())]
pub struct Error {
    /// What went wrong.
    pub kind: ErrorKind,
    /// What exactly, for a person.
    pub details: String,
    /// The JSON text that was refused, at most [`Error::MAX_SYNTAX`] bytes of it.
    pub syntax: Option<String>,
}

impl Error {
    /// How much of the refused text an error repeats.
    pub const MAX_SYNTAX: usize = 1024;

    /// An error of `kind`.
    pub fn new(kind: ErrorKind, details: impl Into<String>) -> Self {
        Self {
            kind,
            details: details.into(),
            syntax: None,
        }
    }

    /// A syntax error.
    pub fn syntax(details: impl Into<String>) -> Self {
        Self::new(ErrorKind::Syntax, details)
    }

    /// A constraint violation.
    pub fn constraint(details: impl Into<String>) -> Self {
        Self::new(ErrorKind::Constraint, details)
    }

    /// The same error, naming the JSON that caused it unless it names one already.
    #[must_use]
    pub fn about(mut self, json: &serde_json::Value) -> Self {
        if self.syntax.is_none() {
            let mut text = json.to_string();
            if text.len() > Self::MAX_SYNTAX {
                let end = (0..=Self::MAX_SYNTAX)
                    .rev()
                    .find(|&at| text.is_char_boundary(at));
                text.truncate(end.unwrap_or(0));
            }
            self.syntax = Some(text);
        }
        self
    }
}

impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.details.is_empty() {
            map.serialize_entry("details", &self.details)?;
        }
        map.serialize_entry("error", self.kind.tag())?;
        if let Some(syntax) = &self.syntax {
            map.serialize_entry("syntax", syntax)?;
        }
        map.end()
    }
}

//! The text that asks for a relay: `relay:DB:REMOTE[,REMOTE]...` (`ovsdb(7)`, "Relay Service Model").

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use ovsdb::Str;
use transport::{Remote, RemoteError};

/// Which database to relay, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The name of the database.
    pub database: Str,
    /// The servers that have it: the members of a cluster, or relays.
    pub remotes: Vec<Remote>,
}

/// Why a text asks for no relay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It has another form.
    #[error("{0}: write DB:REMOTE[,REMOTE]..., for example OVN_Southbound:tcp:10.0.0.1:6642")]
    Form(String),
    /// One of the addresses is none.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// One of the addresses is to listen at.
    #[error("{0}: is a place to listen; name the server by unix:, tcp: or ssl:")]
    Passive(Remote),
}

impl Source {
    /// The same with relative names of sockets taken within `run`.
    #[must_use]
    pub(crate) fn within(self, run: &Path) -> Self {
        let remotes = self.remotes.into_iter().map(|it| it.within(run));
        Self {
            remotes: remotes.collect(),
            ..self
        }
    }

    /// Reads a relay from an argument that can name a file as well; nothing when it names a file.
    pub(crate) fn of_argument(text: &str) -> Option<Result<Self, SourceError>> {
        text.strip_prefix("relay:").map(str::parse)
    }
}

/// `DB:REMOTE[,REMOTE]...`
impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let form = || SourceError::Form(text.to_owned());
        let (database, remotes) = text.split_once(':').ok_or_else(form)?;
        let remotes = Remote::parse_list(remotes)?;
        if database.is_empty() || database.starts_with('_') || remotes.is_empty() {
            return Err(form());
        }
        match remotes.iter().find(|remote| remote.is_passive()) {
            Some(passive) => Err(SourceError::Passive(passive.clone())),
            None => Ok(Self {
                database: database.into(),
                remotes,
            }),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "relay:{}", self.database)?;
        for (at, remote) in self.remotes.iter().enumerate() {
            write!(f, "{}{remote}", if at == 0 { ":" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_stock() {
        let text = "relay:OVN_Southbound:tcp:10.0.0.1:6642,unix:/run/sb.sock";
        let source = Source::of_argument(text).unwrap().unwrap();
        assert_eq!(source.database, "OVN_Southbound");
        assert_eq!(source.remotes.len(), 2);
        assert_eq!(source.to_string(), text);
        assert_eq!(Source::of_argument("/var/lib/ovn/sb.db"), None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("OVN_Southbound", "DB:REMOTE"),
            (":tcp:1.2.3.4:5", "DB:REMOTE"),
            ("_Server:tcp:1.2.3.4:5", "DB:REMOTE"),
            ("D:", "DB:REMOTE"),
            ("D:ptcp:6642", "place to listen"),
            ("D:http:x", "http:x"),
        ] {
            let error = text.parse::<Source>().unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}

//! Who calls, and what a caller may do.

use std::collections::BTreeSet;
use std::sync::Arc;

use tonic::Status;

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rights {
    /// Nothing.
    None,
    /// Look.
    Read,
    /// Look and change.
    Change,
}

/// Who calls. In the extensions of each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name in the certificate, or where the call came from.
    pub name: Arc<str>,
    /// What it may do.
    pub rights: Rights,
}

impl Caller {
    /// Somebody on this machine.
    #[must_use]
    pub fn local(name: &str) -> Self {
        Self {
            name: name.into(),
            rights: Rights::Change,
        }
    }

    /// Whether a request may change something.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` if not.
    pub fn may_change(&self) -> Result<(), Status> {
        match self.rights {
            Rights::Change => Ok(()),
            Rights::Read | Rights::None => Err(Status::permission_denied(format!(
                "{}: may look and not change; name it with --allow-client",
                self.name
            ))),
        }
    }

    /// Whether it may call at all.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` if not.
    pub fn may_call(&self) -> Result<(), Status> {
        match self.rights {
            Rights::Change | Rights::Read => Ok(()),
            Rights::None => Err(Status::permission_denied(format!(
                "{}: the name in the certificate is not one that may call; name it with --allow-client or --allow-reader",
                self.name
            ))),
        }
    }
}

/// The names that may call with a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Those that may change something; `*` is everybody with a certificate.
    pub clients: BTreeSet<String>,
    /// Those that may look.
    pub readers: BTreeSet<String>,
}

impl Access {
    /// Whether anybody may call.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.readers.is_empty()
    }

    /// What the owner of a certificate with these names may do.
    #[must_use]
    pub fn rights<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) -> Rights {
        let listed = |list: &BTreeSet<String>| {
            list.contains("*") || names.clone().any(|name| list.contains(name))
        };
        if listed(&self.clients) {
            Rights::Change
        } else if listed(&self.readers) {
            Rights::Read
        } else {
            Rights::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_whole_and_the_greater_right_counts() {
        let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let access = Access {
            clients: list(&["region", "both"]),
            readers: list(&["monitor", "both"]),
        };
        let rights = |names: &[&'static str]| access.rights(names.iter().copied());
        assert_eq!(rights(&["region"]), Rights::Change);
        assert_eq!(rights(&["host-7", "monitor"]), Rights::Read);
        assert_eq!(rights(&["both"]), Rights::Change);
        assert_eq!(rights(&["regio", "region2", ""]), Rights::None);
        assert_eq!(rights(&[]), Rights::None);
        let everybody = Access {
            clients: list(&["*"]),
            ..Access::default()
        };
        assert_eq!(everybody.rights(["x"].into_iter()), Rights::Change);
    }
}

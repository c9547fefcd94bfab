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
    /// The name in the certificate; `local:` and the user at the other end of a unix socket; or where the call came from.
    pub name: Arc<str>,
    /// What it may do.
    pub rights: Rights,
    /// Whether it may speak for itself, beside what it may do: what a service allows to the name in a certificate about
    /// just that name.
    pub is_member: bool,
}

impl Caller {
    /// Somebody on this machine.
    #[must_use]
    pub fn local(name: &str) -> Self {
        Self {
            name: name.into(),
            rights: Rights::Change,
            is_member: false,
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
                "{}: may not change this; name it with --allow-client",
                self.name
            ))),
        }
    }

    /// Whether a request may look.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` if not.
    pub fn may_look(&self) -> Result<(), Status> {
        match self.rights {
            Rights::Change | Rights::Read => Ok(()),
            Rights::None => Err(Status::permission_denied(format!(
                "{}: may not look; name it with --allow-reader",
                self.name
            ))),
        }
    }

    /// Whether a request may speak for the caller.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` if not.
    pub fn may_speak_for_itself(&self) -> Result<(), Status> {
        if self.is_member {
            return Ok(());
        }
        Err(Status::permission_denied(format!(
            "{}: is no name in a certificate that may speak for itself",
            self.name
        )))
    }

    /// Whether it may call at all.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` if not.
    pub fn may_call(&self) -> Result<(), Status> {
        match self.rights {
            Rights::Change | Rights::Read => Ok(()),
            Rights::None if self.is_member => Ok(()),
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
    /// Those that may speak for themselves, with a service where there is something to say.
    pub members: BTreeSet<String>,
}

impl Access {
    /// Whether anybody may call.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        [&self.clients, &self.readers, &self.members]
            .iter()
            .all(|list| list.is_empty())
    }

    /// What the owner of a certificate with these names may do.
    #[must_use]
    pub fn rights<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) -> Rights {
        if listed(&self.clients, names.clone()) {
            Rights::Change
        } else if listed(&self.readers, names) {
            Rights::Read
        } else {
            Rights::None
        }
    }

    /// Whether the owner of a certificate with this name may speak for it.
    #[must_use]
    pub fn is_member(&self, name: &str) -> bool {
        listed(&self.members, std::iter::once(name))
    }
}

/// Whether one of the names is on a list, or everybody is.
fn listed<'a>(list: &BTreeSet<String>, mut names: impl Iterator<Item = &'a str>) -> bool {
    list.contains("*") || names.any(|name| list.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_right_has_what_those_below_it_have() {
        let may = |rights, is_member| {
            let caller = Caller {
                name: "x".into(),
                rights,
                is_member,
            };
            let may = [caller.may_call(), caller.may_look(), caller.may_change()];
            (
                may.map(|may| may.is_ok()),
                caller.may_speak_for_itself().is_ok(),
            )
        };
        assert_eq!(may(Rights::None, false), ([false, false, false], false));
        assert_eq!(may(Rights::None, true), ([true, false, false], true));
        assert_eq!(may(Rights::Read, false), ([true, true, false], false));
        assert_eq!(may(Rights::Change, false), ([true, true, true], false));
    }

    #[test]
    fn names_are_looked_up_whole_and_the_greater_right_counts() {
        let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let access = Access {
            clients: list(&["region", "both"]),
            readers: list(&["monitor", "both"]),
            members: list(&["host-7", "host-8"]),
        };
        let rights = |names: &[&'static str]| access.rights(names.iter().copied());
        assert_eq!(rights(&["region"]), Rights::Change);
        assert_eq!(rights(&["host-7", "monitor"]), Rights::Read);
        assert_eq!(rights(&["both"]), Rights::Change);
        assert_eq!(rights(&["host-8"]), Rights::None);
        assert!(access.is_member("host-8") && !access.is_member("both"));
        assert_eq!(rights(&["regio", "region2", ""]), Rights::None);
        assert_eq!(rights(&[]), Rights::None);
        let everybody = Access {
            clients: list(&["*"]),
            ..Access::default()
        };
        assert_eq!(everybody.rights(["x"].into_iter()), Rights::Change);
    }
}

//! What comes of a request, for whoever asked.

use std::fmt;

use model::region::{Customer, FloatingAddress, Hypervisor, Machine, Rule};
use model::{Set, Str, Table};
use ovsdb::RowChange;
use ovsdb::client::TransactError;

use super::state::Lead;
use crate::request::{Reason, Refused};
use crate::view::View;

/// What a request does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The number of its action; none if nothing was to be changed.
    pub action: Option<i64>,
    /// Names of the hypervisors that it concerns: they are being told when this is answered.
    pub hypervisors: Set<Str>,
    /// What it changes; nothing for an answer that was given before.
    pub edited: Vec<Edited>,
    /// Whether the same request with the same key was carried out before.
    pub repeated: bool,
}

/// Something in the database that a request changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The table.
    pub table: &'static str,
    /// What people call the row: a name, a number, an address; a rule's own text.
    pub name: String,
    /// What happens to it.
    pub how: How,
}

/// What happens to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It is new.
    Added,
    /// It is another than before.
    Changed,
    /// It goes.
    Removed,
}

/// Which kind of reason a refusal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The request makes no sense, whatever is there.
    Invalid,
    /// What it names is not there.
    NotFound,
    /// It does not fit what is there now.
    Conflict,
    /// Another service leads; ask that one.
    NotLeader,
    /// It cannot be now; the same request with the same key may succeed later.
    Unavailable,
}

/// Why a request is not carried out. Nothing has changed, but for [`RefusalKind::Unavailable`] after which nobody knows:
/// a key makes sure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// The kind of reason.
    pub kind: RefusalKind,
    /// The part of the request that is wrong, with its value, if it is one.
    pub what: Option<String>,
    /// What is wrong, and what to do.
    pub text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(what) = &self.what {
            write!(f, "{what}: ")?;
        }
        f.write_str(&self.text)
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let kind = match refused.reason {
            Reason::Invalid => RefusalKind::Invalid,
            Reason::Missing => RefusalKind::NotFound,
            Reason::Conflict => RefusalKind::Conflict,
        };
        Self {
            kind,
            what: Some(refused.what),
            text: refused.text,
        }
    }
}

impl Refusal {
    pub(super) fn new(kind: RefusalKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            what: None,
            text: text.into(),
        }
    }

    pub(super) fn of(kind: RefusalKind, what: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            what: Some(what.into()),
            ..Self::new(kind, text)
        }
    }

    pub(super) fn ended() -> Self {
        Self::new(
            RefusalKind::Unavailable,
            "the service ends; ask again when it is back",
        )
    }

    pub(super) fn not_leader(lead: Lead<'_>) -> Self {
        let text = match lead {
            Lead::Elsewhere(name) => format!("the service {name:?} leads; ask that one"),
            Lead::Here | Lead::Nobody => "no service leads at the moment; try again".to_owned(),
        };
        Self::new(RefusalKind::NotLeader, text)
    }

    pub(super) fn of_database(error: &TransactError) -> Self {
        let text = format!("the database does not take it: {error}; ask again, with the same key");
        Self::new(RefusalKind::Unavailable, text)
    }
}

/// What changes, for people; the actions themselves are not among it.
pub(super) fn edited(view: &View, changes: &[RowChange]) -> Vec<Edited> {
    let one = |change: &RowChange| {
        let how = match (&change.old, &change.new) {
            (None, _) => How::Added,
            (_, None) => How::Removed,
            _ => How::Changed,
        };
        let (table, name) = name(view, change)?;
        Some(Edited { table, name, how })
    };
    changes.iter().filter_map(one).collect()
}

fn name(view: &View, change: &RowChange) -> Option<(&'static str, String)> {
    let row = change.new.as_deref().or(change.old.as_deref())?;
    Some(match change.table.as_str() {
        Hypervisor::NAME => (
            Hypervisor::NAME,
            Hypervisor::from_row(row).ok()?.name.to_string(),
        ),
        Customer::NAME => (
            Customer::NAME,
            Customer::from_row(row).ok()?.name.to_string(),
        ),
        Machine::NAME => (
            Machine::NAME,
            Machine::from_row(row).ok()?.number.to_string(),
        ),
        FloatingAddress::NAME => {
            let row = FloatingAddress::from_row(row).ok()?;
            (FloatingAddress::NAME, row.address.to_string())
        }
        Rule::NAME => (Rule::NAME, rule(view, &Rule::from_row(row).ok()?)),
        _ => return None,
    })
}

/// A rule, and for which machines it is.
fn rule(view: &View, row: &Rule) -> String {
    let mut text = row.rule.to_string();
    if let Some(machine) = row.machine.and_then(|of| view.machines.get(&of.uuid())) {
        text.push_str(&format!(" for machine {}", machine.number));
    }
    if let Some(customer) = row.customer.and_then(|of| view.customers.get(&of.uuid())) {
        text.push_str(&format!(" for customer {}", customer.name));
    }
    if let Some(tag) = &row.tag {
        text.push_str(&format!(" for tag {tag}"));
    }
    text
}

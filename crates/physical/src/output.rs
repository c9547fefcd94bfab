//! What comes out: OpenFlow flows by key, groups by number, and what could not be expressed.

use std::cmp::Ordering;

use model::Uuid;
use openflow::{Action, Actions, Flow, FlowKey, Group};
use ovsdb::Str;

/// What a flow does, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Body {
    /// The first 32 bits of the UUID of the row that it comes from; zero where there is none.
    pub cookie: u64,
    /// What it does; nothing means drop.
    pub actions: Actions,
}

impl Body {
    /// The flow with this key.
    pub fn to_flow(&self, key: FlowKey) -> Flow {
        Flow {
            key,
            cookie: self.cookie,
            actions: self.actions.clone(),
            ..Flow::default()
        }
    }
}

/// How the flow of one key differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowChange {
    /// The key.
    pub key: FlowKey,
    /// What it did.
    pub old: Option<Body>,
    /// What it does now.
    pub new: Option<Body>,
}

/// How the group of one number differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupChange {
    /// The number.
    pub id: u32,
    /// What it was.
    pub old: Option<Group>,
    /// What it is now.
    pub new: Option<Group>,
}

/// Everything that differs since the last call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Flows, in the order of their keys.
    pub flows: Vec<FlowChange>,
    /// Groups, in the order of their numbers. New ones must be there before flows that use them.
    pub groups: Vec<GroupChange>,
}

/// Why a logical flow is not on the switch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Diagnostic {
    /// The row.
    pub flow: Uuid,
    /// What is wrong with it, one sentence.
    pub message: Str,
}

/// The cookie of flows that come from a row.
pub(crate) fn cookie(row: Uuid) -> u64 {
    u64::from(row.as_fields().0)
}

/// One claim on a flow key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Who claims it: the smallest wins.
    pub(crate) owner: Uuid,
    pub(crate) claim: Claim,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The whole flow.
    Flow(Body),
    /// One clause of a conjunction, beside those of others.
    Clause { id: u32, clause: u8, clauses: u8 },
}

impl Candidate {
    pub(crate) fn flow(owner: Uuid, actions: impl Into<Actions>) -> Self {
        let body = Body {
            cookie: cookie(owner),
            actions: actions.into(),
        };
        Self {
            owner,
            claim: Claim::Flow(body),
        }
    }

    /// The flow that the claims on one key amount to. A whole flow beats clauses: at one priority the
    /// packets that reach it are its own, whatever else the clauses would ask of them.
    pub(crate) fn settle<'a>(claims: impl IntoIterator<Item = &'a Self>) -> Option<Body> {
        let mut clauses = Vec::new();
        for candidate in claims {
            match &candidate.claim {
                Claim::Flow(body) => return Some(body.clone()),
                Claim::Clause {
                    id,
                    clause,
                    clauses: of,
                } => {
                    clauses.push(Action::Conjunction {
                        id: *id,
                        clause: *clause,
                        clauses: *of,
                    });
                }
            }
        }
        (!clauses.is_empty()).then(|| Body {
            cookie: 0,
            actions: clauses.into(),
        })
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    /// Whole flows before clauses, then by owner. Two different flows of one owner with one key are a
    /// rarity that only has to be ordered somehow, by something that does not depend on history.
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.claim, &other.claim) {
            (Claim::Flow(_), Claim::Clause { .. }) => Ordering::Less,
            (Claim::Clause { .. }, Claim::Flow(_)) => Ordering::Greater,
            (
                Claim::Clause {
                    id,
                    clause,
                    clauses,
                },
                Claim::Clause {
                    id: id2,
                    clause: clause2,
                    clauses: clauses2,
                },
            ) => (id, clause, clauses, self.owner).cmp(&(id2, clause2, clauses2, other.owner)),
            (Claim::Flow(a), Claim::Flow(b)) => self.owner.cmp(&other.owner).then_with(|| {
                if a == b {
                    Ordering::Equal
                } else {
                    format!("{a:?}").cmp(&format!("{b:?}"))
                }
            }),
        }
    }
}

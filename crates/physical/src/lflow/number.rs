//! Numbers that the switch needs and nothing in the network gives: of conjunctions and groups.
//!
//! A number is a function of all that claim one, not of history: a hash leads to a bucket, and the place
//! within the bucket, which is nearly always its first, makes the number unique. So a restart gives the
//! same numbers, and a newcomer can move at most those few that share its bucket.

use std::cmp::Ordering;
use std::sync::Arc;

use incremental::{Builder, Collected, Context, Rule};
use model::Uuid;
use openflow::{Action, Actions, Group};

use super::{Encoded, Instance, Trouble};

/// Conjunctions that one flow may have, and flows that may share a bucket: four bits each.
const SLOTS: usize = 16;

/// The groups of a bucket with their numbers.
pub(crate) type Numbered = Arc<[Group]>;

/// A group without its number, ordered by its content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Content {
    /// What the switch would be told, without the number: the same in every build.
    bytes: Arc<[u8]>,
    group: Arc<Group>,
}

impl Content {
    fn new(group: &Group) -> Self {
        Self {
            bytes: group.content().into(),
            group: Arc::new(group.clone()),
        }
    }

    fn bucket(&self) -> u32 {
        hash(&self.bytes) & 0x07ff_ffff
    }
}

impl PartialOrd for Content {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Content {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

/// FNV-1a, the same in every build and on every machine.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// Claims of conjunction numbers by the flows that may need one.
pub(super) fn conjunctions<V: incremental::Value>(
    build: &mut Builder,
    flows: Rule<Uuid, V>,
    may_need: impl Fn(&V) -> bool + Send + Sync + 'static,
) -> Collected<u32, Uuid> {
    build.collect("conjunction numbers", flows, move |flow, value| {
        may_need(value).then(|| (bucket_of(*flow), *flow))
    })
}

/// Never zero, because no conjunction has number zero.
fn bucket_of(flow: Uuid) -> u32 {
    (hash(flow.as_bytes()) >> 8).max(1)
}

/// The first of `count` numbers for the conjunctions of a flow.
pub(crate) fn conjunction_ids(
    cx: &Context<'_>,
    claims: Collected<u32, Uuid>,
    flow: Uuid,
    count: usize,
) -> Result<u32, Trouble> {
    let bucket = bucket_of(flow);
    let place = cx
        .items(claims, &bucket)
        .take(SLOTS)
        .position(|other| *other == flow);
    let place = place
        .filter(|_| count <= SLOTS)
        .ok_or(Trouble::TooManyConjunctions)?;
    Ok(bucket << 8 | u32::try_from(place).expect("below 16") << 4)
}

/// Groups by bucket, with their numbers.
pub(super) fn groups(
    build: &mut Builder,
    encoded: Rule<Instance, Result<Arc<Encoded>, Trouble>>,
) -> Rule<u32, Numbered> {
    let contents = build.collect("group contents", encoded, |_, encoded| {
        let groups = encoded.as_ref().map_or(&[][..], |encoded| &encoded.groups);
        let keyed = |group| {
            let content = Content::new(group);
            (content.bucket(), content)
        };
        groups.iter().map(keyed).collect::<Vec<_>>()
    });
    let numbered = build.rule("groups", contents, move |cx, bucket| {
        let number = |(place, content): (u32, &Content)| Group {
            id: bucket << 4 | place,
            ..Group::clone(&content.group)
        };
        (0..)
            .zip(cx.items(contents, bucket).take(SLOTS))
            .map(number)
            .collect::<Numbered>()
    });
    build.watch(numbered);
    numbered
}

/// The actions with the numbers of their groups.
pub(super) fn resolve(
    cx: &Context<'_>,
    groups: Rule<u32, Numbered>,
    encoded: &Encoded,
) -> Result<Actions, Trouble> {
    let mut ids = Vec::new();
    for group in &encoded.groups {
        let content = Content::new(group);
        let mut numbered = cx
            .get(groups, &content.bucket())
            .into_iter()
            .flat_map(|g| g.iter());
        let same = |other: &&Group| {
            Group {
                id: group.id,
                ..Group::clone(other)
            } == *group
        };
        ids.push(numbered.find(same).ok_or(Trouble::TooManyGroups)?.id);
    }
    Ok(encoded
        .actions
        .iter()
        .map(|action| renumber(action, &ids))
        .collect())
}

fn renumber(action: &Action, ids: &[u32]) -> Action {
    match action {
        Action::Group(index) => {
            Action::Group(ids.get(*index as usize).copied().unwrap_or(Group::ANY))
        }
        Action::Clone(inner) => Action::Clone(inner.iter().map(|a| renumber(a, ids)).collect()),
        other => other.clone(),
    }
}

//! Tunnel keys.
//!
//! Which key a datapath or port has is state, not a function of the Northbound: a key must stay as it
//! is while its owner lives. So keys are decided here, between two runs of the rules, and are an input
//! to them. The same demands in the same order give the same keys.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use ovsdb::Str;
use rustc_hash::FxHashMap;
use uuid::Uuid;

/// Keys of datapaths that are given out; the ones above, up to 2^24 - 1, are given on request only.
const DATAPATHS: RangeInclusive<u32> = 1..=16_711_680;
const REQUESTED_DATAPATHS: RangeInclusive<u32> = 1..=16_777_215;
/// Keys of ports; the ones above are those of multicast groups.
const PORTS: RangeInclusive<u32> = 1..=32_767;

/// Somebody who needs a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Demand {
    /// The datapath within which the key is unique; none for the key of a datapath itself.
    pub datapath: Option<Uuid>,
    /// The name: a port's is what it is known by in the Southbound.
    pub name: Str,
    /// The key that the user wants it to have.
    pub requested: Option<u32>,
}

/// A key that was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Who asked.
    pub owner: Uuid,
    /// The key; none when it was given back, or when there is none left.
    pub key: Option<u32>,
    /// Why the demand was not met as it was put.
    pub problem: Option<Str>,
}

/// Who has which key of one space.
#[derive(Debug, Default)]
struct Pool {
    by_key: BTreeMap<u32, Uuid>,
    by_owner: FxHashMap<Uuid, u32>,
    last: u32,
}

impl Pool {
    /// Gives `key` to `owner`; says which other key it gave back for it.
    fn take(&mut self, owner: Uuid, key: u32) -> Option<u32> {
        let before = self.release(owner);
        self.by_key.insert(key, owner);
        self.by_owner.insert(owner, key);
        before.filter(|before| *before != key)
    }

    fn release(&mut self, owner: Uuid) -> Option<u32> {
        let key = self.by_owner.remove(&owner)?;
        self.by_key.remove(&key);
        Some(key)
    }

    /// The next free key after the one given out last, so that keys are not used again at once.
    fn free(&mut self, range: &RangeInclusive<u32>) -> Option<u32> {
        let after = (self.last + 1).max(*range.start());
        let found = first_gap(&self.by_key, after, *range.end())
            .or_else(|| first_gap(&self.by_key, *range.start(), *range.end()))?;
        self.last = found;
        Some(found)
    }
}

fn first_gap(taken: &BTreeMap<u32, Uuid>, from: u32, to: u32) -> Option<u32> {
    let mut candidate = from;
    for key in taken.range(from..).map(|(key, _)| *key) {
        if key != candidate {
            break;
        }
        candidate += 1;
    }
    (candidate <= to).then_some(candidate)
}

/// The keys that are given out to whoever has this demand, and those that it may request.
fn ranges(demand: &Demand) -> (RangeInclusive<u32>, RangeInclusive<u32>) {
    match demand.datapath {
        None => (DATAPATHS, REQUESTED_DATAPATHS),
        Some(_) => (PORTS, PORTS),
    }
}

/// In which keys are unique: a datapath, or none for the keys of the datapaths themselves.
type Space = Option<Uuid>;

/// Requests that could not be met, by space and key.
#[derive(Debug, Default)]
struct Waiting(BTreeMap<(Space, u32), BTreeSet<(Demand, Uuid)>>);

impl Waiting {
    fn insert(&mut self, space: Space, key: u32, request: (Demand, Uuid)) {
        self.0.entry((space, key)).or_default().insert(request);
    }

    fn remove(&mut self, space: Space, key: u32, request: &(Demand, Uuid)) {
        if let Some(requests) = self.0.get_mut(&(space, key)) {
            requests.remove(request);
            if requests.is_empty() {
                self.0.remove(&(space, key));
            }
        }
    }

    /// Forgets what these owners requested.
    fn forget(&mut self, owners: &BTreeSet<Uuid>) {
        self.0.retain(|_, requests| {
            requests.retain(|(_, owner)| !owners.contains(owner));
            !requests.is_empty()
        });
    }

    fn first(&self, key: (Space, u32)) -> Option<(Demand, Uuid)> {
        self.0.get(&key).and_then(BTreeSet::first).cloned()
    }

    fn take(&mut self, key: (Space, u32)) -> impl Iterator<Item = (Demand, Uuid)> + use<> {
        self.0.remove(&key).into_iter().flatten()
    }
}

/// All keys.
#[derive(Debug, Default)]
pub(crate) struct Allocator {
    pools: FxHashMap<Space, Pool>,
    /// In which space an owner has its key.
    space_of: FxHashMap<Uuid, Space>,
    /// Keys found in the Southbound, by space and name, until their owners show up.
    known: FxHashMap<(Space, Str), u32>,
    /// Requests for keys that others have. None of these keys is free between two calls of `decide`:
    /// that is why it does not matter whether a key was freed before or after a request for it came.
    waiting: Waiting,
    /// Keys given back since requests for them were looked at.
    freed: Vec<(Space, u32)>,
}

impl Allocator {
    /// Remembers a key that the Southbound holds; the demand of that name will get it. The name of a
    /// datapath is its Northbound UUID here.
    pub(crate) fn remember(&mut self, datapath: Option<Uuid>, name: Str, key: u32) {
        self.known.insert((datapath, name), key);
    }

    /// Forgets the keys of the Southbound that nobody asked for.
    pub(crate) fn forget(&mut self) {
        self.known = FxHashMap::default();
    }

    /// Decides about owners whose demands changed; without a demand the owner gives its key back.
    pub(crate) fn decide(&mut self, changed: Vec<(Uuid, Option<Demand>)>) -> Vec<Decision> {
        let mut decisions = Vec::new();
        let owners: BTreeSet<Uuid> = changed.iter().map(|(owner, _)| *owner).collect();
        self.waiting.forget(&owners);
        for (owner, demand) in &changed {
            let space = self.space_of.get(owner);
            let leaves = space.is_some_and(|space| {
                demand
                    .as_ref()
                    .is_none_or(|demand| demand.datapath != *space)
            });
            if leaves {
                self.release(*owner);
            }
            if demand.is_none() {
                decisions.push(Decision {
                    owner: *owner,
                    key: None,
                    problem: None,
                });
            }
        }
        let mut demands: Vec<(Demand, Uuid)> = (changed.into_iter())
            .filter_map(|(owner, demand)| Some((demand?, owner)))
            .collect();
        for key in std::mem::take(&mut self.freed) {
            demands.extend(self.waiting.take(key));
        }
        self.take_known(&mut demands);
        // Who keeps its key comes first, then who asks for one, then the rest, each by name: the order
        // in which demands came does not matter, and nobody takes what another has.
        demands.sort_by_cached_key(|(demand, owner)| {
            (self.precedence(*owner, demand), demand.clone(), *owner)
        });
        for (demand, owner) in demands {
            decisions.push(self.assign(owner, &demand));
            while let Some(key) = self.freed.pop() {
                if let Some((demand, owner)) = self.waiting.first(key) {
                    decisions.push(self.assign(owner, &demand));
                }
            }
        }
        decisions
    }

    /// Lets those whose keys the Southbound holds have them, before anybody asks for one.
    fn take_known(&mut self, demands: &mut [(Demand, Uuid)]) {
        demands.sort_unstable();
        for (demand, owner) in demands {
            let Some(key) = self.known_key(*owner, demand) else {
                continue;
            };
            let pool = self.pools.entry(demand.datapath).or_default();
            if !pool.by_owner.contains_key(owner) && !pool.by_key.contains_key(&key) {
                pool.take(*owner, key);
                self.space_of.insert(*owner, demand.datapath);
            }
        }
    }

    fn known_key(&self, owner: Uuid, demand: &Demand) -> Option<u32> {
        let name = match demand.datapath {
            None => owner.to_string().into(),
            Some(_) => demand.name.clone(),
        };
        let key = self.known.get(&(demand.datapath, name)).copied()?;
        ranges(demand).1.contains(&key).then_some(key)
    }

    /// The lower goes first.
    fn precedence(&self, owner: Uuid, demand: &Demand) -> u8 {
        let pool = self.pools.get(&demand.datapath);
        let own = pool.and_then(|pool| pool.by_owner.get(&owner)).copied();
        match (own, demand.requested) {
            (Some(key), requested) if requested.is_none_or(|requested| requested == key) => 0,
            (Some(_), _) => 1,
            (None, Some(_)) => 2,
            (None, None) => 3,
        }
    }

    fn release(&mut self, owner: Uuid) {
        let Some(space) = self.space_of.remove(&owner) else {
            return;
        };
        if let Some(pool) = self.pools.get_mut(&space) {
            self.freed
                .extend(pool.release(owner).map(|key| (space, key)));
            if pool.by_owner.is_empty() && space.is_some() {
                self.pools.remove(&space);
            }
        }
    }

    fn assign(&mut self, owner: Uuid, demand: &Demand) -> Decision {
        let (range, requestable) = ranges(demand);
        let space = demand.datapath;
        let pool = self.pools.entry(space).or_default();
        let is_free = |key: &u32| pool.by_key.get(key).is_none_or(|it| *it == owner);
        let mut problem = None;
        let requested = demand
            .requested
            .filter(|key| requestable.contains(key) && is_free(key));
        if let Some(key) = demand.requested {
            let request = (demand.clone(), owner);
            if requested.is_some() {
                self.waiting.remove(space, key, &request);
            } else {
                self.waiting.insert(space, key, request);
                let why = format!("requested-tnl-key {key} is taken or out of range");
                problem = Some(Str::from(why));
            }
        }
        let key = requested
            .or_else(|| pool.by_owner.get(&owner).copied())
            .or_else(|| pool.free(&range));
        match key {
            Some(key) => {
                self.freed
                    .extend(pool.take(owner, key).map(|before| (space, before)));
                self.space_of.insert(owner, space);
            }
            None => problem = Some("there is no tunnel key left".into()),
        }
        Decision {
            owner,
            key,
            problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn want(name: &str, requested: Option<u32>) -> Option<Demand> {
        Some(Demand {
            datapath: Some(id(9)),
            name: name.into(),
            requested,
        })
    }

    fn keys(decisions: Vec<Decision>) -> Vec<(u128, Option<u32>)> {
        let mut keys: Vec<_> = decisions
            .into_iter()
            .map(|it| (it.owner.as_u128(), it.key))
            .collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn keys_stay_and_are_not_used_again_at_once() {
        let mut alloc = Allocator::default();
        let two = vec![(id(1), want("b", None)), (id(2), want("a", None))];
        assert_eq!(keys(alloc.decide(two)), [(1, Some(2)), (2, Some(1))]);
        assert_eq!(keys(alloc.decide(vec![(id(2), None)])), [(2, None)]);
        assert_eq!(
            keys(alloc.decide(vec![(id(3), want("c", None))])),
            [(3, Some(3))]
        );
        assert_eq!(
            keys(alloc.decide(vec![(id(1), want("renamed", None))])),
            [(1, Some(2))]
        );
    }

    #[test]
    fn a_request_is_honoured_unless_the_key_is_taken() {
        let mut alloc = Allocator::default();
        let all = vec![(id(1), want("a", None)), (id(2), want("b", Some(1)))];
        assert_eq!(keys(alloc.decide(all)), [(1, Some(2)), (2, Some(1))]);
        let late = alloc.decide(vec![(id(3), want("c", Some(2)))]);
        assert!(late[0].problem.is_some());
        assert_eq!(keys(late), [(3, Some(3))]);
        assert_eq!(
            keys(alloc.decide(vec![(id(1), want("a", Some(77)))])),
            [(1, Some(77)), (3, Some(2))],
            "who waited for key 2 gets it"
        );
    }

    #[test]
    fn a_request_is_met_when_the_key_becomes_free() {
        let mut alloc = Allocator::default();
        alloc.decide(vec![
            (id(1), want("a", Some(7))),
            (id(2), want("b", Some(7))),
        ]);
        let later = alloc.decide(vec![(id(1), None)]);
        assert_eq!(keys(later), [(1, None), (2, Some(7))]);
        let moved = alloc.decide(vec![
            (id(3), want("c", Some(7))),
            (id(2), want("b", Some(8))),
        ]);
        assert_eq!(
            moved.last().map(|it| (it.owner, it.key)),
            Some((id(3), Some(7)))
        );
        assert!(alloc.waiting.0.is_empty() && alloc.freed.is_empty());
    }

    #[test]
    fn keys_of_the_southbound_are_kept() {
        let mut alloc = Allocator::default();
        alloc.remember(Some(id(9)), "z".into(), 1);
        alloc.remember(Some(id(9)), "y".into(), 40_000);
        let all = vec![
            (id(1), want("a", None)),
            (id(2), want("z", None)),
            (id(3), want("y", None)),
        ];
        assert_eq!(
            keys(alloc.decide(all)),
            [(1, Some(2)), (2, Some(1)), (3, Some(3))]
        );
    }

    #[test]
    fn a_full_space_is_said() {
        let mut alloc = Allocator::default();
        let all = (0..32_768)
            .map(|n| (id(n + 100), want(&format!("{n:05}"), None)))
            .collect();
        let decisions = alloc.decide(all);
        assert_eq!(decisions.iter().filter(|it| it.key.is_none()).count(), 1);
        assert_eq!(
            decisions.iter().filter(|it| it.problem.is_some()).count(),
            1
        );
        alloc.decide(vec![(id(105), None)]);
        assert_eq!(
            keys(alloc.decide(vec![(id(1), want("late", None))])),
            [(1, Some(6))]
        );
    }
}

//! Numbers of connection tracking zones: one for each port bound here, two for each local datapath.
//!
//! Numbers are kept in `Bridge.external_ids` (`ct-zone-<name>`), so that a restart changes none: a port
//! whose zone changes loses its connections. A number that is given to someone new is flushed first.

use std::collections::{BTreeMap, BTreeSet};

use model::vswitch::Bridge;
use model::{Str, Uuid};
use ovsdb::Operation;
use physical::Zone;

use crate::ops;

const PREFIX: &str = "ct-zone-";
/// Zone 0 is what everything without a zone shares.
const FIRST: u16 = 1;

/// The name under which a zone is stored and shown.
pub fn name(zone: &Zone) -> Str {
    match zone {
        Zone::Port(port) => port.clone(),
        Zone::Dnat(datapath) => format!("{datapath}_dnat").into(),
        Zone::Snat(datapath) => format!("{datapath}_snat").into(),
    }
}

/// The numbers that are stored, by name.
pub fn stored(bridge: &Bridge) -> BTreeMap<Str, u16> {
    bridge
        .external_ids
        .iter()
        .filter_map(|(key, value)| {
            let number = value.parse::<u16>().ok().filter(|n| *n >= FIRST)?;
            Some((Str::from(key.strip_prefix(PREFIX)?), number))
        })
        .collect()
}

/// The zones that exist, and their numbers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Zones {
    numbers: BTreeMap<Zone, u16>,
}

/// What giving out numbers came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Zones that got a number, and the number, to be flushed before use.
    pub new: Vec<(Zone, u16)>,
    /// Zones that are no longer needed.
    pub gone: Vec<Zone>,
    /// Zones for which there is no number.
    pub refused: Vec<Zone>,
    /// Zones that had a number of before; nothing is flushed.
    pub kept: Vec<(Zone, u16)>,
}

impl Zones {
    /// The numbers.
    pub fn numbers(&self) -> &BTreeMap<Zone, u16> {
        &self.numbers
    }

    /// Makes the zones what is wanted. `stored` are numbers from before a restart; `fixed` are numbers
    /// that the user chose for some zones.
    pub fn update(
        &mut self,
        wanted: &BTreeSet<Zone>,
        stored: &BTreeMap<Str, u16>,
        fixed: &BTreeMap<Zone, u16>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let stale: Vec<Zone> = self
            .numbers
            .keys()
            .filter(|zone| !wanted.contains(zone))
            .cloned()
            .collect();
        for zone in stale {
            self.numbers.remove(&zone);
            outcome.gone.push(zone);
        }
        // A number that the user chose is taken from whoever else has it.
        for (zone, number) in fixed.iter().filter(|(zone, _)| wanted.contains(zone)) {
            self.numbers
                .retain(|other, has| other == zone || has != number);
            if self.numbers.get(zone) != Some(number) {
                self.numbers.insert(zone.clone(), *number);
                outcome.new.push((zone.clone(), *number));
            }
        }
        let mut used: BTreeSet<u16> = self.numbers.values().copied().collect();
        let missing = wanted
            .iter()
            .filter(|zone| !self.numbers.contains_key(zone));
        let missing: Vec<Zone> = missing.cloned().collect();
        let mut fresh = Vec::new();
        for zone in missing {
            match stored
                .get(&name(&zone))
                .filter(|number| !used.contains(number))
            {
                Some(number) => {
                    used.insert(*number);
                    self.numbers.insert(zone.clone(), *number);
                    outcome.kept.push((zone, *number));
                }
                None => fresh.push(zone),
            }
        }
        // Stored numbers stay reserved for their names while there are others.
        let reserved: BTreeSet<u16> = stored.values().copied().collect();
        let mut free = (FIRST..=u16::MAX)
            .filter(|n| !used.contains(n) && !reserved.contains(n))
            .chain((FIRST..=u16::MAX).filter(|n| !used.contains(n) && reserved.contains(n)));
        for zone in fresh {
            match free.next() {
                Some(number) => {
                    self.numbers.insert(zone.clone(), number);
                    outcome.new.push((zone, number));
                }
                None => outcome.refused.push(zone),
            }
        }
        outcome
    }

    /// What must be written so that a restart finds the numbers. Names that are not needed any more go
    /// only when the view is complete.
    pub fn plan(&self, uuid: Uuid, bridge: &Bridge, complete: bool) -> Option<Operation> {
        let stored = stored(bridge);
        let named: BTreeMap<Str, u16> = self.numbers.iter().map(|(z, n)| (name(z), *n)).collect();
        let key = |name: &Str| Str::from(format!("{PREFIX}{name}"));
        let mut keys: Vec<(Str, Option<Str>)> = named
            .iter()
            .filter(|(name, number)| stored.get(*name) != Some(number))
            .map(|(name, number)| (key(name), Some(number.to_string().into())))
            .collect();
        let gone = stored
            .keys()
            .filter(|name| complete && !named.contains_key(*name));
        keys.extend(gone.map(|name| (key(name), None)));
        (!keys.is_empty()).then(|| ops::set_keys::<Bridge>(uuid, "external_ids", keys))
    }

    /// The lines of `ct-zone-list`.
    pub fn list(&self) -> String {
        let lines: BTreeMap<Str, u16> = self.numbers.iter().map(|(z, n)| (name(z), *n)).collect();
        lines
            .iter()
            .map(|(name, number)| format!("{name} {number}\n"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(name: &str) -> Zone {
        Zone::Port(name.into())
    }

    fn wanted(names: &[&str]) -> BTreeSet<Zone> {
        names.iter().map(|name| port(name)).collect()
    }

    #[test]
    fn numbers_stay_and_are_not_shared() {
        let mut zones = Zones::default();
        let none = BTreeMap::new();
        let first = zones.update(&wanted(&["a", "b"]), &none, &BTreeMap::new());
        assert_eq!(first.new, [(port("a"), 1), (port("b"), 2)]);
        let second = zones.update(&wanted(&["b", "c"]), &none, &BTreeMap::new());
        assert_eq!(
            (second.gone, second.new),
            (vec![port("a")], vec![(port("c"), 1)])
        );
        assert_eq!(zones.numbers()[&port("b")], 2);
    }

    #[test]
    fn a_restart_finds_them_again() {
        let stored = [("a".into(), 7), ("gone".into(), 1)].into_iter().collect();
        let mut zones = Zones::default();
        let outcome = zones.update(&wanted(&["a", "n"]), &stored, &BTreeMap::new());
        assert_eq!(outcome.kept, [(port("a"), 7)]);
        // The number of a name that may come back is not given to another.
        assert_eq!(outcome.new, [(port("n"), 2)]);
    }

    #[test]
    fn a_number_that_the_user_chose_is_taken_from_others() {
        let mut zones = Zones::default();
        zones.update(&wanted(&["a"]), &BTreeMap::new(), &BTreeMap::new());
        let snat = Zone::Snat(Uuid::nil());
        let both: BTreeSet<Zone> = [port("a"), snat.clone()].into_iter().collect();
        let fixed = [(snat.clone(), 1)].into_iter().collect();
        let outcome = zones.update(&both, &BTreeMap::new(), &fixed);
        assert_eq!(zones.numbers()[&snat], 1);
        assert_eq!(outcome.new, [(snat, 1), (port("a"), 2)]);
    }

    #[test]
    fn what_is_stored_follows() {
        let mut zones = Zones::default();
        zones.update(&wanted(&["a"]), &BTreeMap::new(), &BTreeMap::new());
        let bridge = Bridge::default();
        assert!(zones.plan(Uuid::nil(), &bridge, true).is_some());
        let mut kept = bridge.clone();
        kept.external_ids.insert("ct-zone-a".into(), "1".into());
        assert_eq!(zones.plan(Uuid::nil(), &kept, true), None);
        kept.external_ids.insert("ct-zone-b".into(), "2".into());
        assert_eq!(zones.plan(Uuid::nil(), &kept, false), None);
        assert!(zones.plan(Uuid::nil(), &kept, true).is_some());
    }
}

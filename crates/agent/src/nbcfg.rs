//! How far this chassis has come: `Chassis_Private.nb_cfg` follows `SB_Global.nb_cfg` once the flows that
//! belong to it are installed.

use std::collections::{BTreeMap, BTreeSet};

use model::{Uuid, sb};
use ovsdb::Operation;

use crate::ops;
use crate::view::Southbound;

/// What waits for the switch. A *step* is a change handed to it; steps are confirmed in order.
#[derive(Debug, Default)]
pub struct Progress {
    /// Configuration numbers, by the step that includes them.
    configurations: BTreeMap<u64, i64>,
    /// The newest configuration that was handed to the switch.
    seen: Option<i64>,
    /// The newest configuration that is installed.
    installed: Option<i64>,
    /// Ports whose flows are on the way, by their step.
    ports: BTreeMap<Uuid, u64>,
    /// Ports whose flows are installed.
    ready: BTreeSet<Uuid>,
}

impl Progress {
    /// Step `step`, now handed to the switch, includes this configuration and these ports.
    pub fn handed(
        &mut self,
        step: u64,
        nb_cfg: Option<i64>,
        ports: impl IntoIterator<Item = Uuid>,
    ) {
        if let Some(nb_cfg) = nb_cfg
            && self.seen != Some(nb_cfg)
        {
            self.seen = Some(nb_cfg);
            self.configurations.insert(step, nb_cfg);
        }
        let ports: BTreeSet<Uuid> = ports.into_iter().collect();
        self.keep(&ports);
        for port in ports {
            if !self.ready.contains(&port) {
                self.ports.entry(port).or_insert(step);
            }
        }
    }

    /// No other ports than these are here any more.
    pub fn keep(&mut self, ports: &BTreeSet<Uuid>) {
        self.ports.retain(|port, _| ports.contains(port));
        self.ready.retain(|port| ports.contains(port));
    }

    /// The switch has confirmed every step up to this one.
    pub fn confirmed(&mut self, step: u64) {
        let later = self.configurations.split_off(&(step + 1));
        if let Some((_, nb_cfg)) = self.configurations.pop_last() {
            self.installed = Some(nb_cfg);
        }
        self.configurations = later;
        let done: Vec<Uuid> = self
            .ports
            .iter()
            .filter(|(_, at)| **at <= step)
            .map(|(port, _)| *port)
            .collect();
        for port in done {
            self.ports.remove(&port);
            self.ready.insert(port);
        }
    }

    /// The ports whose flows are installed.
    pub fn ready(&self) -> &BTreeSet<Uuid> {
        &self.ready
    }

    /// Whether the switch still has something to confirm.
    pub fn waits(&self) -> bool {
        !self.configurations.is_empty() || !self.ports.is_empty()
    }

    /// What says in the Southbound how far we are. `stamp` is milliseconds since 1970.
    pub fn plan(&self, chassis: &str, sb: &Southbound, stamp: i64) -> Option<Operation> {
        let nb_cfg = self.installed?;
        let (uuid, old) = sb.private_named(chassis)?;
        if old.nb_cfg == nb_cfg {
            return None;
        }
        let new = sb::ChassisPrivate {
            nb_cfg,
            nb_cfg_timestamp: stamp,
            ..(**old).clone()
        };
        ops::update(uuid, &**old, &new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_counts_when_its_step_is_confirmed() {
        let mut progress = Progress::default();
        progress.handed(1, Some(5), []);
        progress.handed(2, Some(5), []);
        progress.handed(3, Some(6), []);
        assert_eq!(progress.installed, None);
        progress.confirmed(2);
        assert_eq!((progress.installed, progress.waits()), (Some(5), true));
        progress.confirmed(3);
        assert_eq!((progress.installed, progress.waits()), (Some(6), false));
    }

    #[test]
    fn a_port_is_ready_after_its_first_step_and_until_it_leaves() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut progress = Progress::default();
        progress.handed(1, None, [a]);
        progress.handed(2, None, [a, b]);
        progress.confirmed(1);
        assert_eq!(progress.ready().iter().collect::<Vec<_>>(), [&a]);
        progress.handed(3, None, [b]);
        progress.confirmed(3);
        assert_eq!(progress.ready().iter().collect::<Vec<_>>(), [&b]);
        progress.handed(4, None, [a, b]);
        assert_eq!(progress.ready().iter().collect::<Vec<_>>(), [&b]);
    }
}

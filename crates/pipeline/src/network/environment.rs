//! What a match on a datapath may ask: address sets, port groups, keys of ports, who resides where.

use std::sync::Arc;

use logic::{Constant, Environment};
use ovsdb::Str;

use super::{ChassisId, DatapathId, Network};

/// What a match calls the port of a packet that has none.
const NOBODY: &str = "none";

/// A datapath as the place of a match, on a chassis or in the whole network as one place.
pub(super) struct Place<'a> {
    network: &'a Network,
    datapath: DatapathId,
    chassis: Option<ChassisId>,
}

impl<'a> Place<'a> {
    pub(super) const fn new(
        network: &'a Network,
        datapath: DatapathId,
        chassis: Option<ChassisId>,
    ) -> Self {
        Self {
            network,
            datapath,
            chassis,
        }
    }
}

impl Place<'_> {
    /// The chassis; none for the whole network as one place.
    pub(super) const fn chassis(&self) -> Option<ChassisId> {
        self.chassis
    }
}

impl Environment for Place<'_> {
    fn address_set(&self, name: &str) -> Option<Arc<[Constant]>> {
        self.network.address_sets.get(name).cloned()
    }

    fn port_group(&self, name: &str) -> Option<Arc<[Str]>> {
        // Each switch has its own part of a group.
        let groups = &self.network.port_groups;
        let part = format!("{}_{name}", self.network[self.datapath].key);
        groups
            .get(part.as_str())
            .or_else(|| groups.get(name))
            .cloned()
    }

    fn port_key(&self, name: &str) -> Option<u32> {
        if name == NOBODY {
            return Some(0);
        }
        // A port of another datapath has a key there, which here would be another port's.
        let port = self.network.port(name).map(|id| &self.network[id]);
        let port = port.filter(|port| port.datapath == self.datapath);
        let group = || self.network[self.datapath].group_keys.get(name).copied();
        port.map(|port| port.key).or_else(group)
    }

    fn is_resident(&self, port: &str) -> bool {
        let Some(port) = self.network.port(port) else {
            return false;
        };
        // Where the whole network is one place, everybody is there.
        self.chassis
            .is_none_or(|chassis| self.network[port].place == Some(chassis))
    }
}

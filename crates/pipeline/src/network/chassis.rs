//! Chassis: where a port is, and how packets get from one chassis to another.

use std::collections::BTreeMap;

use model::{Uuid, sb};
use ovsdb::Str;
use rustc_hash::FxHashMap;

use super::{ChassisId, DatapathId, Network, PortId, Rows};

/// How a packet is wrapped between two chassis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encapsulation {
    /// The datapath is the network identifier, both ports are in an option.
    Geneve,
    /// Datapath and output port share the network identifier; the input port is lost.
    Vxlan,
}

impl Encapsulation {
    /// Its name in the databases.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Geneve => "geneve",
            Self::Vxlan => "vxlan",
        }
    }
}

/// A hypervisor or gateway.
#[derive(Debug, Clone)]
pub struct Chassis {
    /// Its name.
    pub name: Str,
    /// Where tunnels to it end, with their kinds; the preferred kind first.
    pub tunnels: Vec<(Encapsulation, Str)>,
    /// Whether it belongs to another cloud that this one is connected with.
    pub is_remote: bool,
}

/// Where an output goes from a chassis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It stays on the chassis.
    Here,
    /// Through a tunnel to this chassis.
    Tunnel(ChassisId),
    /// Out of this port into a physical network, to which this chassis is connected too.
    Wire(PortId, ChassisId),
    /// No chassis has the port.
    Nowhere,
}

/// Rows by their UUID, to follow references.
fn by_uuid<T>(rows: &[(Uuid, T)]) -> FxHashMap<Uuid, &T> {
    rows.iter().map(|(uuid, row)| (*uuid, row)).collect()
}

/// Finds the chassis that ports are on.
pub(super) struct Finder<'a> {
    ids: FxHashMap<Uuid, ChassisId>,
    gateways: FxHashMap<Uuid, &'a sb::GatewayChassis>,
    groups: FxHashMap<Uuid, &'a sb::HaChassisGroup>,
    members: FxHashMap<Uuid, &'a sb::HaChassis>,
}

impl Finder<'_> {
    /// The chassis of a row that refers to one.
    fn id(&self, uuid: Uuid) -> Option<ChassisId> {
        self.ids.get(&uuid).copied()
    }

    /// The chassis that a port is on: the one that claimed it, else the best of those that may.
    pub(super) fn place(&self, row: &sb::PortBinding) -> Option<ChassisId> {
        let claimed = row.chassis.and_then(|it| self.id(it.uuid()));
        claimed.or_else(|| self.best(row))
    }

    /// The chassis of the highest priority that may have a port; of equals the one that was first in the database.
    fn best(&self, row: &sb::PortBinding) -> Option<ChassisId> {
        let group = row
            .ha_chassis_group
            .and_then(|it| self.groups.get(&it.uuid()));
        let members = group.into_iter().flat_map(|it| it.ha_chassis.iter());
        let members = members.filter_map(|it| self.members.get(&it.uuid()));
        let members = members.map(|it| (it.priority, it.chassis));
        let gateways = row.gateway_chassis.iter();
        let gateways = gateways.filter_map(|it| self.gateways.get(&it.uuid()));
        let gateways = gateways.map(|it| (it.priority, it.chassis));
        let by_priority: BTreeMap<_, _> = members
            .chain(gateways)
            .filter_map(|(priority, chassis)| Some((priority, self.id(chassis?.uuid())?)))
            .collect();
        by_priority.into_values().next_back()
    }

    /// Other chassis that have the port as well, while it moves from one to another.
    pub(super) fn also(&self, row: &sb::PortBinding) -> Vec<ChassisId> {
        let more = row.additional_chassis.iter();
        more.filter_map(|it| self.id(it.uuid())).collect()
    }
}

impl Network {
    /// Takes in the chassis.
    pub(super) fn add_chassis<'a>(&mut self, rows: &'a Rows) -> Finder<'a> {
        let encaps = by_uuid(&rows.encaps);
        let mut ids = FxHashMap::default();
        for (uuid, row) in &rows.chassis {
            let tunnels = row.encaps.iter().filter_map(|it| encaps.get(&it.uuid()));
            let mut tunnels: Vec<_> = tunnels.map(|it| (kind(it.type_), it.ip.clone())).collect();
            tunnels.sort();
            ids.insert(*uuid, ChassisId(self.chassis.len() as u32));
            self.chassis.push(Chassis {
                name: row.name.clone(),
                tunnels,
                is_remote: row
                    .other_config
                    .get("is-remote")
                    .is_some_and(|it| it == "true"),
            });
        }
        Finder {
            ids,
            gateways: by_uuid(&rows.gateway_chassis),
            groups: by_uuid(&rows.ha_chassis_groups),
            members: by_uuid(&rows.ha_chassis),
        }
    }

    /// Takes in what template variables stand for.
    pub(super) fn add_templates(&mut self, rows: &Rows) {
        let text = |it: &Str| logic::Str::from(it.as_str());
        let mut all = BTreeMap::new();
        for chassis in &self.chassis {
            let own = rows
                .templates
                .iter()
                .filter(|it| it.1.chassis == chassis.name);
            let values = own.flat_map(|it| it.1.variables.iter());
            let values: BTreeMap<_, _> = values.map(|it| (text(it.0), text(it.1))).collect();
            for (name, value) in &values {
                all.entry(name.clone()).or_insert_with(|| value.clone());
            }
            self.templates.push(values);
        }
        self.templates.push(all);
    }

    /// The chassis of that name.
    pub fn chassis_named(&self, name: &str) -> Option<ChassisId> {
        self.chassis().find(|it| it.1.name == name).map(|it| it.0)
    }

    /// All chassis.
    pub fn chassis(&self) -> impl Iterator<Item = (ChassisId, &Chassis)> {
        (0..).map(ChassisId).zip(&self.chassis)
    }

    /// Where an output to a port goes from a chassis; where the whole network is one place, it stays.
    pub(crate) fn reach(&self, from: Option<ChassisId>, port: PortId) -> Reach {
        let row = &self[port];
        let Some(from) = from else {
            return Reach::Here;
        };
        // These are on every chassis.
        if matches!(&*row.kind, "patch" | "localport" | "localnet") {
            return Reach::Here;
        }
        let Some(to) = row.place else {
            return Reach::Nowhere;
        };
        if to == from || row.also.contains(&from) {
            return Reach::Here;
        }
        match self[row.datapath].localnet {
            Some(wire) if !self.always_tunnel && row.kind.is_empty() => Reach::Wire(wire, to),
            _ => Reach::Tunnel(to),
        }
    }

    /// How packets are wrapped on the way to a chassis: as the sender can and the receiver prefers.
    pub(crate) fn encapsulation(
        &self,
        from: ChassisId,
        to: ChassisId,
    ) -> Option<&(Encapsulation, Str)> {
        let can = |kind| self[from].tunnels.iter().any(|it| it.0 == kind);
        self[to].tunnels.iter().find(|it| can(it.0))
    }

    /// The port of a switch that leads into a physical network.
    pub(super) fn find_localnet(&mut self) {
        for (id, port) in (0..).map(PortId).zip(&self.ports) {
            if port.kind == "localnet" {
                let DatapathId(at) = port.datapath;
                self.datapaths[at as usize].localnet.get_or_insert(id);
            }
        }
    }
}

const fn kind(kind: sb::EncapType) -> Encapsulation {
    match kind {
        sb::EncapType::Geneve => Encapsulation::Geneve,
        sb::EncapType::Vxlan => Encapsulation::Vxlan,
    }
}

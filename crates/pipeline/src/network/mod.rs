//! A logical network as the Southbound describes it: datapaths, ports, flows, and what is known of neighbours.
//!
//! Flows are parsed and tables are made ready when a packet first comes to them: a trace needs few of many.

mod build;
mod chassis;
mod environment;
mod flow;
mod names;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use logic::{Constant, Environment, Pipeline};
use model::address::Owned;
use model::{Uuid, sb};
use ovsdb::Str;
use packet::Mac;
use rustc_hash::FxHashMap;

use environment::Place;
use flow::Table;

pub(crate) use chassis::Reach;
pub use chassis::{Chassis, Encapsulation};
pub use flow::Flow;
pub(crate) use names::{NameAnswer, Names};

/// A datapath of a [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatapathId(pub(crate) u32);

/// A port of a [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortId(pub(crate) u32);

/// A flow of a [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub(crate) u32);

/// A chassis of a [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChassisId(pub(crate) u32);

/// The rows that a network is made of.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)] // Each is the table of its name.
pub struct Rows {
    pub datapaths: Vec<(Uuid, sb::DatapathBinding)>,
    pub datapath_groups: Vec<(Uuid, sb::LogicalDpGroup)>,
    pub flows: Vec<(Uuid, sb::LogicalFlow)>,
    pub ports: Vec<(Uuid, sb::PortBinding)>,
    pub multicast_groups: Vec<(Uuid, sb::MulticastGroup)>,
    pub address_sets: Vec<(Uuid, sb::AddressSet)>,
    pub port_groups: Vec<(Uuid, sb::PortGroup)>,
    pub chassis: Vec<(Uuid, sb::Chassis)>,
    pub mac_bindings: Vec<(Uuid, sb::MacBinding)>,
    pub static_mac_bindings: Vec<(Uuid, sb::StaticMacBinding)>,
    pub fdb: Vec<(Uuid, sb::Fdb)>,
    pub load_balancers: Vec<(Uuid, sb::LoadBalancer)>,
    pub global: Vec<(Uuid, sb::SbGlobal)>,
    pub encaps: Vec<(Uuid, sb::Encap)>,
    pub gateway_chassis: Vec<(Uuid, sb::GatewayChassis)>,
    pub ha_chassis: Vec<(Uuid, sb::HaChassis)>,
    pub ha_chassis_groups: Vec<(Uuid, sb::HaChassisGroup)>,
    pub mirrors: Vec<(Uuid, sb::Mirror)>,
    pub dns: Vec<(Uuid, sb::Dns)>,
    pub templates: Vec<(Uuid, sb::ChassisTemplateVar)>,
}

/// Which names datapaths and ports go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Naming {
    /// Names for people, where the database has a UUID for a name and knows a better one.
    #[default]
    Friendly,
    /// Names as the database has them.
    Exact,
}

/// Whether a datapath is a switch or a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A logical switch.
    Switch,
    /// A logical router.
    Router,
}

/// A logical switch or router.
#[derive(Debug)]
pub struct Datapath {
    /// The UUID of its `Datapath_Binding`.
    pub uuid: Uuid,
    /// The UUID of the Northbound row.
    pub northbound: Option<Uuid>,
    /// Switch or router.
    pub kind: Kind,
    /// Its tunnel key.
    pub key: u32,
    /// The name for people.
    pub name: Str,
    /// Whether it is a gateway router.
    pub is_gateway: bool,
    /// By key.
    pub(crate) ports: FxHashMap<u32, PortId>,
    /// By key.
    pub(crate) groups: FxHashMap<u32, Group>,
    group_keys: FxHashMap<Str, u32>,
    tables: BTreeMap<(Pipeline, u8), Table>,
    /// Names of stages that some flow tells.
    stages: FxHashMap<(Pipeline, u8), Str>,
    /// Its port into a physical network.
    localnet: Option<PortId>,
    /// What its chassis answer to questions for names.
    pub(crate) names: Names,
}

/// A multicast group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: Str,
    /// In the order of their names.
    pub(crate) ports: Vec<PortId>,
}

/// A logical port.
#[derive(Debug)]
pub struct Port {
    /// Its name in the database.
    pub logical_name: Str,
    /// The name for people.
    pub name: Str,
    /// Whose it is.
    pub datapath: DatapathId,
    /// Its tunnel key.
    pub key: u32,
    /// `Port_Binding.type`.
    pub kind: Str,
    /// The other end, of a port that leads to another datapath.
    pub peer: Option<PortId>,
    /// The name of the chassis that it is on.
    pub chassis: Option<Str>,
    /// The chassis that it is on, or would be: of a port that moves between gateways the best.
    pub place: Option<ChassisId>,
    /// Other chassis that have it as well.
    pub(crate) also: Vec<ChassisId>,
    /// Of a localnet port: the name of the physical network.
    pub physical_network: Option<Str>,
    /// Of what it sends or is sent copies are made for these: the name of the mirror, and who sees them.
    pub(crate) mirrors: Vec<Mirror>,
    /// What it may claim to be; empty for no check.
    pub(crate) security: Vec<Owned>,
    /// Whether the check is there although no entry can be read.
    pub(crate) is_secured: bool,
    /// Of a chassisredirect port: the port that it stands for.
    pub(crate) distributed: Option<PortId>,
    /// `Port_Binding.mac`, as the database has it.
    pub addresses: Vec<Str>,
    /// The UUID of its `Port_Binding`, whose beginning is the cookie of the flows that a chassis has for it.
    pub uuid: Uuid,
}

/// A mirror of a port.
#[derive(Debug, Clone)]
pub(crate) struct Mirror {
    pub(crate) name: Str,
    pub(crate) sink: Str,
    /// Of what the port sends, of what it is sent.
    pub(crate) sent: bool,
    pub(crate) received: bool,
}

/// A logical network.
#[derive(Debug, Default)]
pub struct Network {
    datapaths: Vec<Datapath>,
    ports: Vec<Port>,
    flows: Vec<Flow>,
    chassis: Vec<Chassis>,
    /// The values of template variables on each chassis, and at the end all of them, of each the first.
    templates: Vec<BTreeMap<logic::Str, logic::Str>>,
    /// Whether tunnels are used where a physical network would do.
    always_tunnel: bool,
    /// Whether registers have the places that they have since OVN 25.09.
    pub(crate) new_registers: bool,
    datapath_names: FxHashMap<Str, DatapathId>,
    port_names: FxHashMap<Str, PortId>,
    address_sets: FxHashMap<Str, Arc<[Constant]>>,
    port_groups: FxHashMap<Str, Arc<[Str]>>,
    neighbours: FxHashMap<(PortId, IpAddr), Mac>,
    learned: FxHashMap<(DatapathId, Mac), u32>,
    /// The virtual addresses of load balancers, with their ports (0 for any).
    pub(crate) vips: Vec<(IpAddr, u16)>,
}

impl Network {
    /// Makes a network of the rows of a Southbound. What refers to nothing is left out.
    pub fn new(rows: &Rows) -> Self {
        Self::named(rows, Naming::Friendly)
    }

    /// The same, with the names of one's choice.
    pub fn named(rows: &Rows, naming: Naming) -> Self {
        let mut network = Self::default();
        network.add_settings(rows);
        let by_uuid = network.add_datapaths(rows, naming);
        network.add_ports(rows, &by_uuid, naming);
        network.find_localnet();
        network.add_templates(rows);
        network.add_groups(rows, &by_uuid);
        network.add_flows(rows, &by_uuid);
        network.add_knowledge(rows, &by_uuid);
        network.add_names(rows, &by_uuid);
        network
    }

    /// The port of that name: as the database has it, or the name for people.
    pub fn port(&self, name: &str) -> Option<PortId> {
        self.port_names.get(name).copied()
    }

    /// The datapath of that name, or of that UUID in either database.
    pub fn datapath(&self, name: &str) -> Option<DatapathId> {
        self.datapath_names.get(name).copied()
    }

    /// All ports.
    pub fn ports(&self) -> impl Iterator<Item = (PortId, &Port)> {
        (0..).map(PortId).zip(&self.ports)
    }

    /// All datapaths.
    pub fn datapaths(&self) -> impl Iterator<Item = (DatapathId, &Datapath)> {
        (0..).map(DatapathId).zip(&self.datapaths)
    }

    /// All flows.
    pub fn flows(&self) -> impl Iterator<Item = (FlowId, &Flow)> {
        (0..).map(FlowId).zip(&self.flows)
    }

    /// The port with that key on a datapath.
    pub fn port_with_key(&self, datapath: DatapathId, key: u32) -> Option<PortId> {
        self[datapath].ports.get(&key).copied()
    }

    /// The name of the port or multicast group with that key on a datapath.
    pub fn port_or_group(&self, datapath: DatapathId, key: u32) -> Option<&Str> {
        let port = self.port_with_key(datapath, key).map(|id| &self[id].name);
        port.or_else(|| self[datapath].groups.get(&key).map(|it| &it.name))
    }

    /// The name of a stage, if any of its flows tells.
    pub fn stage(&self, datapath: DatapathId, pipeline: Pipeline, table: u8) -> Option<&Str> {
        self[datapath].stages.get(&(pipeline, table))
    }

    /// Who has an address behind a port, as far as the database knows.
    pub(crate) fn neighbour(&self, port: PortId, ip: IpAddr) -> Option<Mac> {
        self.neighbours.get(&(port, ip)).copied()
    }

    /// Behind which port a switch knows a MAC address, as far as the database knows.
    pub(crate) fn learned(&self, datapath: DatapathId, mac: Mac) -> Option<u32> {
        self.learned.get(&(datapath, mac)).copied()
    }

    /// What a match on a datapath may ask.
    pub fn environment(&self, datapath: DatapathId) -> impl Environment + '_ {
        Place::new(self, datapath, None)
    }
}

macro_rules! index {
    ($($id:ident $field:ident $item:ident)*) => {$(
        impl std::ops::Index<$id> for Network {
            type Output = $item;
            fn index(&self, id: $id) -> &$item {
                &self.$field[id.0 as usize]
            }
        }
    )*};
}

index! { DatapathId datapaths Datapath  PortId ports Port  FlowId flows Flow  ChassisId chassis Chassis }

/// Reads `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`; without a port it is 0.
pub fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    if let Ok(address) = text.parse() {
        return Some((address, 0));
    }
    let socket: std::net::SocketAddr = text.parse().ok()?;
    Some((socket.ip(), socket.port()))
}

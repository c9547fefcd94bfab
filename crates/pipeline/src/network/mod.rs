//! A logical network as the Southbound describes it: datapaths, ports, flows, and what is known of neighbours.
//!
//! Flows are parsed and tables are made ready when a packet first comes to them: a trace needs few of many.

mod build;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use logic::{Actions, Constant, Environment, Expr, Limits, Pipeline};
use model::address::Owned;
use model::{Uuid, sb};
use ovsdb::Str;
use packet::Mac;
use rustc_hash::FxHashMap;

use crate::classifier::{Builder, Classifier, Consulted};
use crate::fields::Fields;

/// A datapath of a [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatapathId(pub(crate) u32);

/// A port of a [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortId(pub(crate) u32);

/// A flow of a [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub(crate) u32);

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
    /// What it may claim to be; empty for no check.
    pub(crate) security: Vec<Owned>,
    /// Whether the check is there although no entry can be read.
    pub(crate) is_secured: bool,
    /// Of a chassisredirect port: the port that it stands for.
    pub(crate) distributed: Option<PortId>,
    /// `Port_Binding.mac`, as the database has it.
    pub addresses: Vec<Str>,
}

/// A logical flow.
#[derive(Debug)]
pub struct Flow {
    /// The UUID of its `Logical_Flow`.
    pub uuid: Uuid,
    /// Of which pipeline.
    pub pipeline: Pipeline,
    /// In which table.
    pub table: u8,
    /// Its priority.
    pub priority: u16,
    /// The match as it stands in the database.
    pub matches: Str,
    /// The actions as they stand in the database.
    pub actions: Str,
    /// The name of the stage.
    pub stage: Option<Str>,
    /// Where the code is that made it.
    pub source: Option<Str>,
    /// The beginning of the UUID of the Northbound row that it is for.
    pub hint: Option<Str>,
    parsed: OnceLock<Result<Parsed, String>>,
}

#[derive(Debug)]
struct Parsed {
    matches: Expr,
    actions: Actions,
}

#[derive(Debug, Default)]
struct Table {
    /// The best first.
    flows: Vec<FlowId>,
    ready: OnceLock<Classifier>,
}

/// A logical network.
#[derive(Debug, Default)]
pub struct Network {
    datapaths: Vec<Datapath>,
    ports: Vec<Port>,
    flows: Vec<Flow>,
    datapath_names: FxHashMap<Str, DatapathId>,
    port_names: FxHashMap<Str, PortId>,
    address_sets: FxHashMap<Str, Arc<[Constant]>>,
    port_groups: FxHashMap<Str, Arc<[Str]>>,
    neighbours: FxHashMap<(PortId, IpAddr), Mac>,
    learned: FxHashMap<(DatapathId, Mac), u32>,
    /// The virtual addresses of load balancers, with their ports (0 for any).
    pub(crate) vips: Vec<(IpAddr, u16)>,
}

impl Flow {
    fn parsed(&self) -> Result<&Parsed, &str> {
        let parse = || {
            let matches = logic::parse_match_with(&self.matches)
                .map_err(|error| format!("match: {error}"))?;
            let actions = logic::parse_actions(&self.actions, logic::Symbols::ovn())
                .map_err(|error| format!("actions: {error}"))?;
            Ok(Parsed { matches, actions })
        };
        self.parsed
            .get_or_init(parse)
            .as_ref()
            .map_err(String::as_str)
    }

    /// The actions; none when the flow cannot be read.
    pub(crate) fn parsed_actions(&self) -> &[logic::Action] {
        self.parsed().map_or(&[], |parsed| &parsed.actions.0)
    }

    /// Whether the match holds for every packet.
    pub(crate) fn is_catch_all(&self) -> bool {
        matches!(self.parsed(), Ok(parsed) if parsed.matches == Expr::Const(true))
    }
}

impl Network {
    /// Makes a network of the rows of a Southbound. What refers to nothing is left out.
    pub fn new(rows: &Rows) -> Self {
        let mut network = Self::default();
        let by_uuid = network.add_datapaths(rows);
        network.add_ports(rows, &by_uuid);
        network.add_groups(rows, &by_uuid);
        network.add_flows(rows, &by_uuid);
        network.add_knowledge(rows, &by_uuid);
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

    /// The flows that cannot be read, with what is wrong with them. Reads all of them.
    pub fn unreadable(&self) -> impl Iterator<Item = (&Flow, &str)> {
        self.flows
            .iter()
            .filter_map(|flow| Some((flow, flow.parsed().err()?)))
    }

    /// The flow of a table that a packet matches.
    pub(crate) fn look_up(
        &self,
        datapath: DatapathId,
        pipeline: Pipeline,
        table: u8,
        packet: &Fields,
        consulted: &mut Consulted,
    ) -> Option<FlowId> {
        let table = self[datapath].tables.get(&(pipeline, table))?;
        let ready = table
            .ready
            .get_or_init(|| self.prepare(datapath, &table.flows));
        let rank = ready.find(packet, consulted)?;
        table.flows.get(rank as usize).copied()
    }

    fn prepare(&self, datapath: DatapathId, flows: &[FlowId]) -> Classifier {
        let mut builder = Builder::default();
        let place = Place {
            network: self,
            datapath,
        };
        for (rank, id) in (0..).zip(flows) {
            let Ok(parsed) = self[*id].parsed() else {
                continue;
            };
            // A flow whose actions need something of a packet is not for others.
            let guarded = Expr::and([parsed.matches.clone(), parsed.actions.prerequisites()]);
            // A set that does not exist matches nothing, nor does a match that is too large to be tried.
            if let Ok(form) = guarded.normalise(&place, Limits::default()) {
                builder.add(rank, &form);
            }
        }
        builder.finish()
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
        Place {
            network: self,
            datapath,
        }
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

index! { DatapathId datapaths Datapath  PortId ports Port  FlowId flows Flow }

/// A datapath as the place of a match.
struct Place<'a> {
    network: &'a Network,
    datapath: DatapathId,
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
        // A port of another datapath has a key there, which here would be another port's.
        let port = self
            .network
            .port_names
            .get(name)
            .map(|id| &self.network[*id]);
        let port = port.filter(|port| port.datapath == self.datapath);
        let group = || self.network[self.datapath].group_keys.get(name).copied();
        port.map(|port| port.key).or_else(group)
    }

    fn is_resident(&self, port: &str) -> bool {
        // The whole network is one place here.
        self.network.port_names.contains_key(port)
    }
}

/// Reads `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`; without a port it is 0.
pub fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    if let Ok(address) = text.parse() {
        return Some((address, 0));
    }
    let socket: std::net::SocketAddr = text.parse().ok()?;
    Some((socket.ip(), socket.port()))
}

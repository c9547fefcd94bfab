//! Facts for tests: from a recorded Southbound, or built by hand.

#![allow(unreachable_pub, reason = "shared by test binaries")]
#![allow(clippy::unwrap_used, reason = "part of tests")]
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod bridge;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use model::{Map, Set, Strong, Uuid, Weak, sb};
use openflow::{FlowKey, Port};
use ovsdb::{Datum, Row, RowChange, Str};
use physical::{Body, Encapsulation, Endpoint, Fact, Physical, Settings, Tunnel, Zone};
use serde_json::Value;

/// The facts that were recorded beside the flows of a stock agent.
pub fn stock() -> Vec<Fact> {
    recorded(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stock"))
}

/// The facts of the record in this directory.
pub fn recorded(directory: &Path) -> Vec<Fact> {
    let read = |name: &str| -> Value {
        let text = std::fs::read_to_string(directory.join(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let mut facts = southbound(&read("southbound.json"));
    facts.extend(local(&read("local.json")));
    facts
}

fn southbound(json: &Value) -> Vec<Fact> {
    let schema = sb::schema();
    let mut facts = Vec::new();
    for (name, rows) in json.as_object().unwrap() {
        let table = schema.table(name).unwrap();
        for (uuid, columns) in rows.as_object().unwrap() {
            let mut row = Row::default_of(table);
            for (at, column) in table.columns().iter().enumerate() {
                if let Some(value) = columns.get(column.name.as_str()) {
                    row.set(at, Datum::from_json(&column.column_type, value).unwrap());
                }
            }
            let change = RowChange {
                table: name.into(),
                uuid: uuid.parse().unwrap(),
                old: None,
                new: Some(Arc::new(row)),
            };
            facts.extend(Fact::from_change(&change).unwrap());
        }
    }
    facts
}

fn local(json: &Value) -> Vec<Fact> {
    let port = |value: &Value| Some(Port(value.as_u64().unwrap() as u32));
    let object = |name: &str| json[name].as_object().unwrap();
    let mut facts = vec![Fact::Settings(Some(Settings::new(
        json["chassis"].as_str().unwrap(),
    )))];
    for (id, ofport) in object("interfaces") {
        facts.push(Fact::Interface(id.into(), port(ofport)));
    }
    for (id, ofport) in object("patch") {
        facts.push(Fact::Patch(id.into(), port(ofport)));
    }
    for (chassis, tunnel) in object("tunnels") {
        let ip = tunnel[0].as_str().unwrap();
        facts.push(tunnel_fact(chassis, ip, port(&tunnel[1]).unwrap()));
    }
    for (name, number) in object("zones") {
        let datapath = |uuid: &str| uuid.parse().unwrap();
        let zone = match name.rsplit_once('_') {
            Some((uuid, "dnat")) => Zone::Dnat(datapath(uuid)),
            Some((uuid, "snat")) => Zone::Snat(datapath(uuid)),
            _ => Zone::Port(name.into()),
        };
        facts.push(Fact::Zone(zone, Some(number.as_u64().unwrap() as u16)));
    }
    facts
}

pub fn tunnel_fact(chassis: &str, ip: &str, port: Port) -> Fact {
    let endpoint = Endpoint {
        chassis: chassis.into(),
        ip: ip.into(),
    };
    Fact::Tunnel(
        endpoint,
        Some(Tunnel {
            encapsulation: Encapsulation::Geneve,
            port,
        }),
    )
}

/// The fact that takes this one back.
pub fn taken_back(fact: &Fact) -> Fact {
    match fact.clone() {
        Fact::Settings(_) => Fact::Settings(None),
        Fact::Interface(key, _) => Fact::Interface(key, None),
        Fact::Patch(key, _) => Fact::Patch(key, None),
        Fact::Tunnel(key, _) => Fact::Tunnel(key, None),
        Fact::Zone(key, _) => Fact::Zone(key, None),
        Fact::LogicalFlow(key, _) => Fact::LogicalFlow(key, None),
        Fact::DatapathGroup(key, _) => Fact::DatapathGroup(key, None),
        Fact::Datapath(key, _) => Fact::Datapath(key, None),
        Fact::Port(key, _) => Fact::Port(key, None),
        Fact::Multicast(key, _) => Fact::Multicast(key, None),
        Fact::AddressSet(key, _) => Fact::AddressSet(key, None),
        Fact::PortGroup(key, _) => Fact::PortGroup(key, None),
        Fact::Chassis(key, _) => Fact::Chassis(key, None),
        Fact::HaGroup(key, _) => Fact::HaGroup(key, None),
        Fact::HaChassis(key, _) => Fact::HaChassis(key, None),
        Fact::Encap(key, _) => Fact::Encap(key, None),
        Fact::MacBinding(key, _) => Fact::MacBinding(key, None),
        Fact::StaticMacBinding(key, _) => Fact::StaticMacBinding(key, None),
        Fact::Fdb(key, _) => Fact::Fdb(key, None),
        Fact::Template(key, _) => Fact::Template(key, None),
    }
}

/// Everything that comes out, by key.
pub fn flows(physical: &Physical) -> BTreeMap<FlowKey, Body> {
    physical
        .flows()
        .map(|(key, body)| (key.clone(), body))
        .collect()
}

pub fn computed(facts: impl IntoIterator<Item = Fact>) -> Physical {
    let mut physical = Physical::new();
    facts.into_iter().for_each(|fact| physical.apply(fact));
    physical.run();
    physical
}

/// A network built by hand. Names stand for UUIDs.
#[derive(Default)]
pub struct Net {
    pub facts: Vec<Fact>,
}

pub fn template_fact(chassis: &str, variables: &[(&str, &str)]) -> Fact {
    let row = sb::ChassisTemplateVar {
        chassis: chassis.into(),
        variables: map(variables),
    };
    Fact::Template(
        uuid(&format!("variables of {chassis}")),
        Some(Arc::new(row)),
    )
}

pub fn uuid(name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

pub fn map(pairs: &[(&str, &str)]) -> Map<Str, Str> {
    pairs
        .iter()
        .map(|(key, value)| (Str::from(*key), Str::from(*value)))
        .collect()
}

impl Net {
    /// Two chassis, `here` and `there`, with a tunnel between.
    pub fn new() -> Self {
        let mut net = Self::default();
        net.facts.push(Fact::Settings(Some(Settings::new("here"))));
        for name in ["here", "there", "elsewhere"] {
            let row = sb::Chassis {
                name: name.into(),
                ..chassis()
            };
            net.facts
                .push(Fact::Chassis(uuid(name), Some(Arc::new(row))));
        }
        net.facts.push(tunnel_fact("there", "192.0.2.2", Port(100)));
        net.facts
            .push(tunnel_fact("elsewhere", "192.0.2.3", Port(101)));
        net
    }

    pub fn datapath(mut self, name: &str, key: i64, is_switch: bool) -> Self {
        let kind = if is_switch {
            "logical-switch"
        } else {
            "logical-router"
        };
        let row = sb::DatapathBinding {
            tunnel_key: key,
            external_ids: map(&[(kind, &uuid(name).to_string())]),
            ..datapath()
        };
        self.facts
            .push(Fact::Datapath(uuid(name), Some(Arc::new(row))));
        self
    }

    pub fn port(mut self, datapath: &str, name: &str, key: i64) -> Self {
        self.facts.push(port_fact(datapath, name, key, |_| {}));
        self
    }

    pub fn port_with(
        mut self,
        datapath: &str,
        name: &str,
        key: i64,
        edit: impl FnOnce(&mut sb::PortBinding),
    ) -> Self {
        self.facts.push(port_fact(datapath, name, key, edit));
        self
    }

    /// A port that another chassis has bound.
    pub fn remote(self, datapath: &str, name: &str, key: i64, chassis: &str) -> Self {
        self.port_with(datapath, name, key, |row| {
            row.chassis = Some(Weak::new(uuid(chassis)));
        })
    }

    /// A port with an interface here.
    pub fn local(mut self, datapath: &str, name: &str, key: i64, ofport: u32) -> Self {
        self.facts
            .push(Fact::Interface(name.into(), Some(Port(ofport))));
        self.port_with(datapath, name, key, |row| {
            row.chassis = Some(Weak::new(uuid("here")));
        })
    }

    /// A router port and a switch port that are each other's peers.
    pub fn joined(self, switch: &str, router: &str, key: i64) -> Self {
        let (to_router, to_switch) = (format!("{switch}-{router}"), format!("{router}-{switch}"));
        self.port_with(switch, &to_router, key, |row| {
            row.type_ = "patch".into();
            row.options = map(&[("peer", &to_switch)]);
        })
        .port_with(router, &to_switch, key, |row| {
            row.type_ = "patch".into();
            row.options = map(&[("peer", &to_router)]);
        })
    }

    pub fn multicast(mut self, datapath: &str, name: &str, key: i64, ports: &[&str]) -> Self {
        let row = sb::MulticastGroup {
            datapath: Strong::new(uuid(datapath)),
            name: name.into(),
            tunnel_key: key,
            ports: ports.iter().map(|port| Weak::new(uuid(port))).collect(),
        };
        self.facts
            .push(Fact::Multicast(uuid(name), Some(Arc::new(row))));
        self
    }

    /// A group of chassis with this one member.
    pub fn gateway(self, group: &str, chassis: &str) -> Self {
        let member = uuid(&format!("{group} {chassis}"));
        let row = sb::HaChassis {
            chassis: Some(Weak::new(uuid(chassis))),
            ..empty()
        };
        let of_group = sb::HaChassisGroup {
            name: group.into(),
            ha_chassis: [Strong::new(member)].into_iter().collect(),
            ..empty()
        };
        self.fact(Fact::HaChassis(member, Some(Arc::new(row))))
            .fact(Fact::HaGroup(uuid(group), Some(Arc::new(of_group))))
    }

    pub fn zone(mut self, zone: Zone, number: u16) -> Self {
        self.facts.push(Fact::Zone(zone, Some(number)));
        self
    }

    /// A flow of one datapath; `stage` is `in:3` or `out:3`.
    pub fn flow(mut self, datapath: &str, stage: &str, priority: i64, text: &str) -> Self {
        self.facts.push(flow_fact(datapath, stage, priority, text));
        self
    }

    pub fn address_set(mut self, name: &str, addresses: &[&str]) -> Self {
        self.facts.push(address_set_fact(name, addresses));
        self
    }

    /// What template variables stand for on a chassis.
    pub fn template(mut self, chassis: &str, variables: &[(&str, &str)]) -> Self {
        self.facts.push(template_fact(chassis, variables));
        self
    }

    pub fn port_group(mut self, name: &str, ports: &[&str]) -> Self {
        let ports = ports.iter().map(|port| Str::from(*port)).collect();
        let row = sb::PortGroup {
            name: name.into(),
            ports,
        };
        self.facts
            .push(Fact::PortGroup(uuid(name), Some(Arc::new(row))));
        self
    }

    pub fn fact(mut self, fact: Fact) -> Self {
        self.facts.push(fact);
        self
    }
}

pub fn port_fact(
    datapath: &str,
    name: &str,
    key: i64,
    edit: impl FnOnce(&mut sb::PortBinding),
) -> Fact {
    let mut row = sb::PortBinding {
        logical_port: name.into(),
        datapath: Strong::new(uuid(datapath)),
        tunnel_key: key,
        ..port()
    };
    edit(&mut row);
    Fact::Port(uuid(name), Some(Arc::new(row)))
}

/// A flow whose text is `MATCH -> ACTIONS`.
pub fn flow_fact(datapath: &str, stage: &str, priority: i64, text: &str) -> Fact {
    let (pipeline, table) = stage.split_once(':').unwrap();
    let (matches, actions) = text.split_once(" -> ").unwrap();
    let row = sb::LogicalFlow {
        logical_datapath: Some(Strong::new(uuid(datapath))),
        pipeline: if pipeline == "in" {
            sb::Pipeline::Ingress
        } else {
            sb::Pipeline::Egress
        },
        table_id: table.parse().unwrap(),
        priority,
        match_: matches.into(),
        actions: actions.into(),
        logical_dp_group: None,
        tags: Map::default(),
        controller_meter: None,
        external_ids: Map::default(),
        flow_desc: None,
    };
    let name = format!("{datapath} {stage} {priority} {text}");
    Fact::LogicalFlow(uuid(&name), Some(Arc::new(row)))
}

pub fn address_set_fact(name: &str, addresses: &[&str]) -> Fact {
    let addresses: Set<Str> = addresses
        .iter()
        .map(|address| Str::from(*address))
        .collect();
    let row = sb::AddressSet {
        name: name.into(),
        addresses,
    };
    Fact::AddressSet(uuid(name), Some(Arc::new(row)))
}

fn empty<T: model::Table>() -> T {
    T::from_row(&Row::default_of(&T::schema())).unwrap()
}

fn chassis() -> sb::Chassis {
    empty()
}

fn datapath() -> sb::DatapathBinding {
    empty()
}

fn port() -> sb::PortBinding {
    empty()
}

//! Makes a network of the rows of a Southbound, one kind of rows after the other.

use std::collections::BTreeMap;

use logic::Pipeline;
use model::address::Owned;
use model::{Uuid, sb};
use ovsdb::Str;
use rustc_hash::FxHashMap;

use super::flow::Readings;
use super::{
    Datapath, DatapathId, Flow, FlowId, Group, Kind, Mirror, Names, Naming, Network, Port, PortId,
    Rows, endpoint,
};

impl Network {
    pub(super) fn add_settings(&mut self, rows: &Rows) {
        let set = |key: &str| {
            let mut all = rows.global.iter();
            all.any(|(_, row)| row.options.get(key).is_some_and(|it| it == "true"))
        };
        self.always_tunnel = set("always_tunnel");
        self.new_registers = set("register_consolidation");
    }

    pub(super) fn add_datapaths(
        &mut self,
        rows: &Rows,
        naming: Naming,
    ) -> FxHashMap<Uuid, DatapathId> {
        let mut by_uuid = FxHashMap::default();
        for (uuid, row) in &rows.datapaths {
            let id = DatapathId(self.datapaths.len() as u32);
            let external = |key: &str| row.external_ids.get(key).filter(|text| !text.is_empty());
            let (kind, northbound) = match external("logical-router") {
                Some(router) => (Kind::Router, Some(router)),
                None => (Kind::Switch, external("logical-switch")),
            };
            let kind = match row.type_ {
                Some(sb::DatapathType::LogicalRouter) => Kind::Router,
                Some(sb::DatapathType::LogicalSwitch) => Kind::Switch,
                None => kind,
            };
            let northbound = northbound.and_then(|text| text.parse::<Uuid>().ok());
            let northbound = row.nb_uuid.or(northbound);
            let unnamed = || Str::from(northbound.unwrap_or(*uuid).to_string());
            let full = external("name").cloned().unwrap_or_else(unnamed);
            let name = match naming {
                Naming::Friendly => shortened(external("name2").unwrap_or(&full)),
                Naming::Exact => unnamed(),
            };
            for alias in [full, name.clone()].into_iter().filter(|it| !it.is_empty()) {
                self.datapath_names.entry(alias).or_insert(id);
            }
            for uuid in northbound.iter().chain([uuid]) {
                self.datapath_names.insert(uuid.to_string().into(), id);
            }
            by_uuid.insert(*uuid, id);
            self.datapaths.push(Datapath {
                uuid: *uuid,
                northbound,
                kind,
                key: row.tunnel_key as u32,
                name,
                is_gateway: false,
                ports: FxHashMap::default(),
                groups: FxHashMap::default(),
                group_keys: FxHashMap::default(),
                tables: BTreeMap::new(),
                stages: FxHashMap::default(),
                localnet: None,
                names: Names::default(),
            });
        }
        by_uuid
    }

    pub(super) fn add_ports(
        &mut self,
        rows: &Rows,
        by_uuid: &FxHashMap<Uuid, DatapathId>,
        naming: Naming,
    ) {
        let finder = self.add_chassis(rows);
        let mirrors: FxHashMap<Uuid, Mirror> = rows
            .mirrors
            .iter()
            .map(|(uuid, row)| (*uuid, mirror(row)))
            .collect();
        let mut others = Vec::new();
        for (uuid, row) in &rows.ports {
            let Some(&datapath) = by_uuid.get(&row.datapath.uuid()) else {
                continue;
            };
            let id = PortId(self.ports.len() as u32);
            let key = row.tunnel_key as u32;
            let nice = row.external_ids.get("name").filter(|it| !it.is_empty());
            let name = match naming {
                Naming::Friendly => {
                    let nice = nice.filter(|_| is_uuid(&row.logical_port));
                    shortened(nice.unwrap_or(&row.logical_port))
                }
                Naming::Exact => row.logical_port.clone(),
            };
            let place = finder.place(row);
            let mirrored = row.mirror_rules.iter();
            let mirrored = mirrored.filter_map(|it| mirrors.get(&it.uuid()).cloned());
            for alias in [&row.logical_port].into_iter().chain(nice) {
                self.port_names.entry(alias.clone()).or_insert(id);
            }
            self.port_names.insert(row.logical_port.clone(), id);
            let at = &mut self.datapaths[datapath.0 as usize];
            at.ports.insert(key, id);
            at.is_gateway |= row.type_ == "l3gateway";
            let other = |key| row.options.get(key).cloned();
            others.push((other("peer"), other("distributed-port")));
            let security = row.port_security.iter();
            self.ports.push(Port {
                uuid: *uuid,
                logical_name: row.logical_port.clone(),
                name,
                datapath,
                key,
                kind: row.type_.clone(),
                peer: None,
                chassis: place.map(|it| self[it].name.clone()),
                place,
                also: finder.also(row),
                physical_network: row.options.get("network_name").cloned(),
                mirrors: mirrored.collect(),
                security: security.filter_map(|entry| Owned::parse(entry)).collect(),
                is_secured: !row.port_security.is_empty(),
                distributed: None,
                addresses: row.mac.iter().cloned().collect(),
            });
        }
        for (port, (peer, distributed)) in self.ports.iter_mut().zip(others) {
            let find = |name: Option<Str>| name.and_then(|it| self.port_names.get(&it).copied());
            if matches!(&*port.kind, "patch" | "l3gateway") {
                port.peer = find(peer);
            }
            port.distributed = find(distributed);
        }
    }

    pub(super) fn add_groups(&mut self, rows: &Rows, by_uuid: &FxHashMap<Uuid, DatapathId>) {
        let names: FxHashMap<Uuid, PortId> = rows
            .ports
            .iter()
            .filter_map(|(uuid, row)| Some((*uuid, *self.port_names.get(&row.logical_port)?)))
            .collect();
        for (_, row) in &rows.multicast_groups {
            let Some(id) = by_uuid.get(&row.datapath.uuid()) else {
                continue;
            };
            let members = row.ports.iter().filter_map(|port| names.get(&port.uuid()));
            let mut ports: Vec<PortId> = members.copied().collect();
            ports.sort_by_key(|port| &self.ports[port.0 as usize].logical_name);
            let key = row.tunnel_key as u32;
            let datapath = &mut self.datapaths[id.0 as usize];
            datapath.group_keys.insert(row.name.clone(), key);
            let name = row.name.clone();
            datapath.groups.insert(key, Group { name, ports });
        }
        for (_, row) in &rows.address_sets {
            let members = row.addresses.iter().filter_map(|it| it.parse().ok());
            self.address_sets
                .insert(row.name.clone(), members.collect());
        }
        for (_, row) in &rows.port_groups {
            let members = row.ports.iter().cloned();
            self.port_groups.insert(row.name.clone(), members.collect());
        }
    }

    pub(super) fn add_flows(&mut self, rows: &Rows, by_uuid: &FxHashMap<Uuid, DatapathId>) {
        let groups: FxHashMap<Uuid, &sb::LogicalDpGroup> = rows
            .datapath_groups
            .iter()
            .map(|(uuid, row)| (*uuid, row))
            .collect();
        for (uuid, row) in &rows.flows {
            let (Ok(table), Ok(priority)) =
                (u8::try_from(row.table_id), u16::try_from(row.priority))
            else {
                continue;
            };
            let pipeline = match row.pipeline {
                sb::Pipeline::Ingress => Pipeline::Ingress,
                sb::Pipeline::Egress => Pipeline::Egress,
            };
            let id = FlowId(self.flows.len() as u32);
            let external = |key: &str| row.external_ids.get(key).cloned();
            let stage = external("stage-name");
            let single = row.logical_datapath.iter().map(|it| it.uuid());
            let group = row.logical_dp_group.and_then(|it| groups.get(&it.uuid()));
            let many = group
                .into_iter()
                .flat_map(|it| it.datapaths.iter())
                .map(|it| it.uuid());
            for datapath in single.chain(many).filter_map(|uuid| by_uuid.get(&uuid)) {
                let datapath = &mut self.datapaths[datapath.0 as usize];
                datapath
                    .tables
                    .entry((pipeline, table))
                    .or_default()
                    .flows
                    .push(id);
                if let Some(stage) = &stage {
                    datapath
                        .stages
                        .entry((pipeline, table))
                        .or_insert_with(|| stage.clone());
                }
            }
            self.flows.push(Flow {
                uuid: *uuid,
                pipeline,
                table,
                priority,
                matches: row.match_.clone(),
                actions: row.actions.clone(),
                stage,
                source: external("source"),
                hint: external("stage-hint"),
                readings: Readings::new(&row.match_, &row.actions, self.chassis.len()),
            });
        }
        for table in self
            .datapaths
            .iter_mut()
            .flat_map(|it| it.tables.values_mut())
        {
            let order = |id: &FlowId| {
                let flow = &self.flows[id.0 as usize];
                (std::cmp::Reverse(flow.priority), flow.uuid)
            };
            table.flows.sort_by_key(order);
        }
    }

    pub(super) fn add_knowledge(&mut self, rows: &Rows, by_uuid: &FxHashMap<Uuid, DatapathId>) {
        let fixed = rows.static_mac_bindings.iter();
        let fixed =
            fixed.map(|(_, it)| (&it.logical_port, &it.ip, &it.mac, it.override_dynamic_mac));
        let dynamic = rows.mac_bindings.iter();
        let dynamic = dynamic.map(|(_, it)| (&it.logical_port, &it.ip, &it.mac, true));
        let weak: Vec<_> = fixed.clone().filter(|it| !it.3).collect();
        let strong = fixed.filter(|it| it.3);
        // What is learned gives way to what is set, unless that says otherwise.
        for (port, ip, mac, _) in weak.into_iter().chain(dynamic).chain(strong) {
            let port = self.port_names.get(port);
            if let (Some(port), Ok(ip), Ok(mac)) = (port, ip.parse(), mac.parse()) {
                self.neighbours.insert((*port, ip), mac);
            }
        }
        let keys: FxHashMap<u32, DatapathId> =
            by_uuid.values().map(|id| (self[*id].key, *id)).collect();
        for (_, row) in &rows.fdb {
            let datapath = keys.get(&(row.dp_key as u32));
            if let (Some(datapath), Ok(mac)) = (datapath, row.mac.parse()) {
                self.learned.insert((*datapath, mac), row.port_key as u32);
            }
        }
        let vips = rows
            .load_balancers
            .iter()
            .flat_map(|(_, row)| row.vips.iter());
        self.vips = vips.filter_map(|(vip, _)| endpoint(vip)).collect();
    }
}

fn mirror(row: &sb::Mirror) -> Mirror {
    let to = match row.filter {
        sb::MirrorFilter::FromLport => (true, false),
        sb::MirrorFilter::ToLport => (false, true),
        sb::MirrorFilter::Both => (true, true),
    };
    Mirror {
        name: row.name.clone(),
        sink: row.sink.clone(),
        sent: to.0,
        received: to.1,
    }
}

/// A name of which only the beginning is kept of a UUID at its end, as `ovn-trace` has it.
fn shortened(name: &Str) -> Str {
    const UUID: usize = 36;
    const KEPT: usize = 6;
    let at = name.len().checked_sub(UUID);
    let at = at.filter(|at| name.get(*at..).is_some_and(is_uuid));
    match at.and_then(|at| name.get(..at + KEPT)) {
        Some(short) => short.into(),
        None => name.clone(),
    }
}

fn is_uuid(text: &str) -> bool {
    text.parse::<Uuid>().is_ok()
}

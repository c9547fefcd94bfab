//! Tunnels: one port of the integration bridge for each end of each other chassis.
//!
//! A tunnel port carries `external_ids:ovn-chassis-id=<chassis>@<ip>`; that is how it is found again.

use std::collections::{BTreeMap, BTreeSet};

use model::vswitch::Bridge;
use model::{Map, Str, Uuid, sb};
use openflow::Port;
use ovsdb::Operation;
use physical::{Encapsulation, Endpoint, Tunnel};

use crate::config::Config;
use crate::ports::{self, Wanted};
use crate::view::{Southbound, Vswitch};

/// The key that makes a tunnel port ours.
pub const KEY: &str = "ovn-chassis-id";

/// A tunnel that shall exist.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Far {
    kind: sb::EncapType,
    options: Map<Str, Str>,
}

/// Creates and changes tunnels and, when `complete` says that every chassis is in view, removes those
/// that lead nowhere.
pub fn plan(config: &Config, ovs: &Vswitch, sb: &Southbound, complete: bool) -> Vec<Operation> {
    let Some((bridge, row)) = ovs.bridge(&config.bridge) else {
        return Vec::new();
    };
    let wanted = wanted(config, sb);
    let mut present = BTreeMap::<Str, Str>::new();
    let mut surplus = Vec::new();
    for (uuid, port) in ovs.ports_of(row) {
        let Some(id) = port.external_ids.get(KEY) else {
            continue;
        };
        if wanted.contains_key(id) && !present.contains_key(id) {
            present.insert(id.clone(), port.name.clone());
        } else {
            surplus.push(uuid);
        }
    }
    let named = name_all(&wanted, &present, ovs, row);
    let mut plan = ports::ensure(ovs, bridge, row, named);
    if complete {
        plan.extend(ports::remove(bridge, surplus));
    }
    plan
}

/// The tunnels that shall exist, by `<chassis>@<ip>`.
fn wanted(config: &Config, sb: &Southbound) -> BTreeMap<Str, Far> {
    let mut wanted = BTreeMap::new();
    for (_, chassis) in sb
        .chassis
        .iter()
        .filter(|(_, row)| row.name != config.chassis)
    {
        if !zones_overlap(config, chassis) || chassis.other_config.is_true("is-remote") {
            continue;
        }
        let ends: Vec<&sb::Encap> = chassis
            .encaps
            .iter()
            .filter_map(|encap| sb.encaps.get(encap.uuid()))
            .map(|encap| &**encap)
            .collect();
        // Geneve carries more than VXLAN, so it is taken where both sides can.
        let both = |kind: &sb::EncapType| ends.iter().any(|end| end.type_ == *kind);
        let mut ours = config.encap_types.clone();
        ours.sort_unstable();
        let Some(kind) = ours.into_iter().find(both) else {
            continue;
        };
        for end in ends.iter().filter(|end| end.type_ == kind) {
            let id = format!("{}@{}", chassis.name, end.ip);
            wanted.insert(
                id.into(),
                Far {
                    kind,
                    options: options(config, end),
                },
            );
        }
    }
    wanted
}

fn zones_overlap(config: &Config, chassis: &sb::Chassis) -> bool {
    (config.transport_zones.is_empty() && chassis.transport_zones.is_empty())
        || config
            .transport_zones
            .iter()
            .any(|zone| chassis.transport_zones.contains(zone))
}

fn options(config: &Config, end: &sb::Encap) -> Map<Str, Str> {
    let mut options = Map::default();
    let mut set = |key: &'static str, value: Option<&Str>| {
        if let Some(value) = value {
            options.insert(Str::new_static(key), value.clone());
        }
    };
    set("remote_ip", Some(&end.ip));
    set("key", Some(&Str::new_static("flow")));
    set(
        "csum",
        end.options
            .get("csum")
            .filter(|v| matches!(v.as_str(), "true" | "false")),
    );
    set("dst_port", end.options.get("dst_port"));
    set("tos", config.encap_tos.as_ref());
    set("df_default", config.encap_df.as_ref());
    set(
        "local_ip",
        config.encap_ips.first().filter(|_| config.set_local_ip),
    );
    options
}

/// Names for all tunnels: those in use stay, new ones are the first free of `ovn-<chassis>-<n>`.
fn name_all(
    wanted: &BTreeMap<Str, Far>,
    present: &BTreeMap<Str, Str>,
    ovs: &Vswitch,
    bridge: &Bridge,
) -> Vec<Wanted> {
    let mut taken: BTreeSet<Str> = ovs
        .ports
        .iter()
        .map(|(_, port)| port.name.clone())
        .collect();
    taken.insert(bridge.name.clone());
    let mut named = Vec::new();
    for (id, far) in wanted {
        let name = match present.get(id) {
            Some(name) => name.clone(),
            None => {
                let chassis = id
                    .rsplit_once('@')
                    .map_or(id.as_str(), |(chassis, _)| chassis);
                let stem: String = chassis.chars().take(6).collect();
                let free = (0..=u16::MAX)
                    .map(|n| Str::from(format!("ovn-{stem}-{n:x}")))
                    .find(|name| !taken.contains(name));
                let Some(name) = free else { continue };
                name
            }
        };
        taken.insert(name.clone());
        named.push(Wanted {
            name,
            kind: far.kind.as_str().into(),
            options: far.options.clone(),
            external_ids: [(Str::new_static(KEY), id.clone())].into_iter().collect(),
        });
    }
    named
}

/// The tunnels that work: those with an OpenFlow port.
pub fn tunnels(ovs: &Vswitch, bridge: &str) -> BTreeMap<Endpoint, Tunnel> {
    let mut found = BTreeMap::new();
    let Some((_, bridge)) = ovs.bridge(bridge) else {
        return found;
    };
    for (_, port) in ovs.ports_of(bridge) {
        let Some((chassis, ip)) = port
            .external_ids
            .get(KEY)
            .and_then(|id| id.rsplit_once('@'))
        else {
            continue;
        };
        for (_, interface) in ovs.interfaces_of(port) {
            let encapsulation = match interface.type_.as_str() {
                "geneve" => Encapsulation::Geneve,
                "vxlan" => Encapsulation::Vxlan,
                _ => continue,
            };
            let number = interface
                .ofport
                .and_then(|n| u32::try_from(n).ok())
                .filter(|n| *n > 0);
            if let Some(number) = number {
                let end = Endpoint {
                    chassis: chassis.into(),
                    ip: ip.into(),
                };
                found.insert(
                    end,
                    Tunnel {
                        encapsulation,
                        port: Port(number),
                    },
                );
            }
        }
    }
    found
}

/// The tunnel ports of a bridge, ours by their key.
pub fn ours(ovs: &Vswitch, bridge: &Bridge) -> Vec<Uuid> {
    let is_ours = |port: &model::vswitch::Port| port.external_ids.get(KEY).is_some();
    ovs.ports_of(bridge)
        .filter(|(_, port)| is_ours(port))
        .map(|(uuid, _)| uuid)
        .collect()
}

//! Patch ports between the integration bridge and the bridges of physical networks, a pair for each
//! `localnet` port of a local datapath and each `l2gateway` port that is bound here.

use std::collections::{BTreeMap, BTreeSet};

use model::{Map, Str, Uuid, Weak, sb};
use openflow::Port;
use ovsdb::Operation;

use crate::config::Config;
use crate::ports::{self, Wanted};
use crate::view::{Southbound, Vswitch};

const KEYS: [&str; 2] = ["ovn-localnet-port", "ovn-l2gateway-port"];

/// What must be written to the local database, and what is missing in the settings.
pub fn plan(
    config: &Config,
    ovs: &Vswitch,
    sb: &Southbound,
    here: Option<Uuid>,
    local: &BTreeSet<Uuid>,
    complete: bool,
) -> (Vec<Operation>, Vec<String>) {
    let mut problems = Vec::new();
    // Every bridge that could hold a patch port of ours, with what it shall hold.
    let mut wanted: BTreeMap<Str, Vec<Wanted>> = ovs
        .bridges
        .iter()
        .map(|(_, bridge)| (bridge.name.clone(), Vec::new()))
        .collect();
    let kinds = ["localnet".into(), "l2gateway".into()];
    for (_, row) in kinds.iter().flat_map(|kind| sb.ports_of_type(kind)) {
        let Some(key) = key(row, here, local) else {
            continue;
        };
        match physical_bridge(config, row) {
            Ok(bridge) if wanted.contains_key(&bridge) => {
                let (inner, outer) = (&config.bridge, &bridge);
                let port = &row.logical_port;
                let (near, far) = (
                    format!("patch-{inner}-to-{port}"),
                    format!("patch-{port}-to-{inner}"),
                );
                wanted
                    .entry(inner.clone())
                    .or_default()
                    .push(side(key, port, &near, &far));
                wanted
                    .entry(outer.clone())
                    .or_default()
                    .push(side(key, port, &far, &near));
            }
            Ok(bridge) => problems.push(format!(
                "bridge not found for {} port '{}' with network name '{}' (bridge '{bridge}')",
                row.type_,
                row.logical_port,
                row.options.get("network_name").map_or("", Str::as_str)
            )),
            Err(problem) => problems.push(problem),
        }
    }
    let mut plan = Vec::new();
    for (uuid, bridge) in ovs.bridges.iter() {
        let wanted = wanted.remove(&bridge.name).unwrap_or_default();
        let names: BTreeSet<Str> = wanted.iter().map(|want| want.name.clone()).collect();
        plan.extend(ports::ensure(ovs, uuid, bridge, wanted));
        let surplus = ovs.ports_of(bridge).filter(|(_, port)| {
            KEYS.iter().any(|key| port.external_ids.get(*key).is_some())
                && !names.contains(&port.name)
        });
        if complete {
            plan.extend(ports::remove(uuid, surplus.map(|(uuid, _)| uuid)));
        }
    }
    (plan, problems)
}

/// The key of the pair that a port needs, if it needs one here.
fn key(row: &sb::PortBinding, here: Option<Uuid>, local: &BTreeSet<Uuid>) -> Option<&'static str> {
    match row.type_.as_str() {
        "localnet" if local.contains(&row.datapath.uuid()) => Some(KEYS[0]),
        "l2gateway" if here.is_some() && row.chassis == here.map(Weak::new) => Some(KEYS[1]),
        _ => None,
    }
}

fn physical_bridge(config: &Config, row: &sb::PortBinding) -> Result<Str, String> {
    let (kind, port) = (&row.type_, &row.logical_port);
    let network = row
        .options
        .get("network_name")
        .ok_or_else(|| format!("{kind} port '{port}' has no network name."))?;
    config.bridge_mappings.get(network).cloned().ok_or_else(|| {
        format!("bridge not found for {kind} port '{port}' with network name '{network}'")
    })
}

fn side(key: &'static str, port: &Str, name: &str, peer: &str) -> Wanted {
    let options: Map<Str, Str> = [(Str::new_static("peer"), Str::from(peer))]
        .into_iter()
        .collect();
    let external_ids = [(Str::new_static(key), port.clone())].into_iter().collect();
    Wanted {
        name: name.into(),
        kind: "patch".into(),
        options,
        external_ids,
    }
}

/// The OpenFlow ports of patch ports on the integration bridge, by logical port.
pub fn patches(ovs: &Vswitch, bridge: &str) -> BTreeMap<Str, Port> {
    let mut found = BTreeMap::new();
    let Some((_, bridge)) = ovs.bridge(bridge) else {
        return found;
    };
    for (_, port) in ovs.ports_of(bridge) {
        let Some(name) = KEYS.iter().find_map(|key| port.external_ids.get(*key)) else {
            continue;
        };
        for (_, interface) in ovs.interfaces_of(port) {
            let number = interface
                .ofport
                .and_then(|n| u32::try_from(n).ok())
                .filter(|n| *n > 0);
            if let Some(number) = number {
                found.insert(name.clone(), Port(number));
            }
        }
    }
    found
}

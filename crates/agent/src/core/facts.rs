//! Facts of this host that `physical` needs, and what it was told of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::{Str, Uuid, sb};
use openflow::Port;
use packet::Mac;
use physical::{Endpoint, Fact, Physical, Settings, Tunnel, Zone};

use crate::config::Config;
use crate::local::{Binding, Effect, Local};
use crate::view::{Southbound, Vswitch};
use crate::{binding, encaps, patch};

/// What `physical` was told, so that it hears only of what changed.
#[derive(Debug, Default)]
pub(super) struct Told {
    settings: Option<Settings>,
    interfaces: BTreeMap<Str, Port>,
    patches: BTreeMap<Str, Port>,
    tunnels: BTreeMap<Endpoint, Tunnel>,
}

impl Told {
    pub(super) fn tell(
        &mut self,
        settings: Settings,
        ovs: &Vswitch,
        bridge: &str,
        physical: &mut Physical,
    ) {
        if self.settings.as_ref() != Some(&settings) {
            self.settings = Some(settings.clone());
            physical.apply(Fact::Settings(Some(settings)));
        }
        let vifs = binding::vifs(ovs, bridge);
        let interfaces = vifs
            .into_iter()
            .map(|(name, vif)| (name, vif.port))
            .collect();
        difference(&mut self.interfaces, interfaces, |k, v| {
            physical.apply(Fact::Interface(k, v));
        });
        let patches = patch::patches(ovs, bridge);
        difference(&mut self.patches, patches, |k, v| {
            physical.apply(Fact::Patch(k, v));
        });
        let tunnels = encaps::tunnels(ovs, bridge);
        difference(&mut self.tunnels, tunnels, |k, v| {
            physical.apply(Fact::Tunnel(k, v));
        });
    }
}

/// Makes `old` into `new`, and names each key whose value differs.
fn difference<K: Ord + Clone, V: PartialEq + Clone>(
    old: &mut BTreeMap<K, V>,
    new: BTreeMap<K, V>,
    mut changed: impl FnMut(K, Option<V>),
) {
    for key in old.keys().filter(|key| !new.contains_key(key)) {
        changed(key.clone(), None);
    }
    for (key, value) in &new {
        if old.get(key) != Some(value) {
            changed(key.clone(), Some(value.clone()));
        }
    }
    *old = new;
}

/// The zones that this chassis needs.
pub(super) fn zones(
    sb: &Southbound,
    ovs: &Vswitch,
    config: &Config,
    local: &BTreeSet<Uuid>,
) -> BTreeSet<Zone> {
    let mut wanted = BTreeSet::new();
    for datapath in local {
        wanted.insert(Zone::Dnat(*datapath));
        wanted.insert(Zone::Snat(*datapath));
    }
    // A port gets its zone when it is plugged in, so that it is there before the first packet.
    for name in binding::vifs(ovs, &config.bridge).into_keys() {
        let children = sb
            .children_of(&name)
            .map(|(_, row)| row.logical_port.clone());
        wanted.extend(children.map(Zone::Port));
        if sb.port_named(&name).is_some() {
            wanted.insert(Zone::Port(name));
        }
    }
    if let Some((chassis, _)) = sb.chassis_named(&config.chassis) {
        let bound = sb
            .ports_on(&chassis)
            .filter(|(_, row)| row.type_.is_empty());
        wanted.extend(bound.map(|(_, row)| Zone::Port(row.logical_port.clone())));
    }
    wanted
}

/// The numbers that users chose for source translation.
pub(super) fn fixed_zones(sb: &Southbound, local: &BTreeSet<Uuid>) -> BTreeMap<Zone, u16> {
    let number = |uuid: &Uuid| {
        let chosen = sb.datapaths.get(*uuid)?.external_ids.get("snat-ct-zone")?;
        Some((
            Zone::Snat(*uuid),
            chosen.parse::<u16>().ok().filter(|n| *n > 0)?,
        ))
    };
    local.iter().filter_map(number).collect()
}

/// The datapath type of the integration bridge, as it is.
pub(super) fn datapath_type(ovs: &Vswitch, config: &Config) -> Str {
    ovs.bridge(&config.bridge)
        .map(|(_, row)| row.datapath_type.clone())
        .unwrap_or_default()
}

/// The Ethernet address that the Southbound has for a neighbour that a packet waits for.
pub(super) fn known(sb: &Southbound, key: Binding) -> Option<Mac> {
    let datapath = i64::try_from(key.datapath).ok()?;
    let (_, port) = sb.port_keyed(datapath, i64::from(key.port))?;
    // Neighbours of a distributed port are written under its own name.
    let name = port.logical_port.as_str();
    let name = Str::from(name.strip_prefix("cr-").unwrap_or(name));
    let ip = Str::from(key.ip.to_string());
    let row = [&port.logical_port, &name]
        .into_iter()
        .find_map(|name| sb.mac_binding(name, &ip));
    row?.1.mac.parse().ok()
}

/// What is to be done with packets that waited for a neighbour that the Southbound now shows. A
/// neighbour of a distributed port is waited for on the port that stands for it on its gateway, too.
pub(super) fn resolved(sb: &Southbound, local: &mut Local, row: &sb::MacBinding) -> Vec<Effect> {
    let (Ok(ip), Ok(mac)) = (row.ip.parse::<IpAddr>(), row.mac.parse::<Mac>()) else {
        return Vec::new();
    };
    let redirect = Str::from(format!("cr-{}", row.logical_port));
    let mut effects = Vec::new();
    for name in [&row.logical_port, &redirect] {
        let Some((_, port)) = sb.port_named(name) else {
            continue;
        };
        let datapath = sb
            .datapaths
            .get(port.datapath.uuid())
            .map(|row| row.tunnel_key);
        let keys = (datapath.map(u64::try_from), u32::try_from(port.tunnel_key));
        if let (Some(Ok(datapath)), Ok(port)) = keys {
            effects.extend(local.resolved(Binding { datapath, port, ip }, mac));
        }
    }
    effects
}

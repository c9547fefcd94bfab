//! Which logical ports are here: `Port_Binding.chassis` and `up`, `ovn-installed` on interfaces.
//!
//! A port is ours when an interface of the integration bridge names it in `external_ids:iface-id`, has
//! an OpenFlow port, and the port may be on this chassis. It is `up` when the flows that make it work
//! are installed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::vswitch::Interface;
use model::{Str, Uuid, Weak, sb};
use openflow::Port;
use ovsdb::Operation;

use crate::config::Config;
use crate::local::Now;
use crate::ops;
use crate::view::{Southbound, Vswitch};

/// A port that another chassis has taken from us is taken back at most this often, so that two hosts with
/// the same `iface-id` do not fill the database with their quarrel.
const QUARREL_PAUSE: Duration = Duration::from_millis(500);
/// How many ports the memory of recent claims holds.
const MAX_RECENT: usize = 1000;

/// An interface of the integration bridge that is a logical port's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vif {
    /// The row of the interface.
    pub interface: Uuid,
    /// Its OpenFlow port.
    pub port: Port,
    /// `iface-id-ver`.
    pub version: Option<Str>,
    /// Whether it says that its port works.
    pub installed: bool,
}

/// The logical ports' interfaces, by `iface-id`. Of several with one id the one that came up first, that
/// is with the lowest OpenFlow port, counts.
pub fn vifs(ovs: &Vswitch, bridge: &str) -> BTreeMap<Str, Vif> {
    let mut found = BTreeMap::<Str, Vif>::new();
    let Some((_, bridge)) = ovs.bridge(bridge) else {
        return found;
    };
    for (_, port) in ovs.ports_of(bridge) {
        for (interface, row) in ovs.interfaces_of(port) {
            let Some((id, vif)) = vif(interface, row) else {
                continue;
            };
            match found.get(&id) {
                Some(other) if other.port <= vif.port => {}
                _ => drop(found.insert(id, vif)),
            }
        }
    }
    found
}

fn vif(interface: Uuid, row: &Interface) -> Option<(Str, Vif)> {
    let id = row
        .external_ids
        .get("iface-id")
        .filter(|id| !id.is_empty())?;
    let number = u32::try_from(row.ofport?).ok().filter(|n| *n > 0)?;
    let version = row.external_ids.get("iface-id-ver").cloned();
    let installed = row.external_ids.is_true("ovn-installed");
    Some((
        id.clone(),
        Vif {
            interface,
            port: Port(number),
            version,
            installed,
        },
    ))
}

/// What we know of ourselves in the Southbound.
#[derive(Clone, Copy, Debug)]
pub struct Here<'a> {
    /// Our row in `Chassis`.
    pub chassis: Uuid,
    /// The settings.
    pub config: &'a Config,
}

/// When ports were claimed from other chassis.
#[derive(Debug, Default)]
pub struct Recent(BTreeMap<Uuid, Now>);

impl Recent {
    fn may_claim(&mut self, port: Uuid, now: Now) -> bool {
        self.0.retain(|_, at| now < *at + QUARREL_PAUSE);
        if self.0.contains_key(&port) || self.0.len() >= MAX_RECENT {
            return false;
        }
        self.0.insert(port, now);
        true
    }

    /// When a claim that had to wait can be made.
    pub fn deadline(&self) -> Option<Now> {
        self.0.values().map(|at| *at + QUARREL_PAUSE).min()
    }
}

/// What must be written, and what the log says about it.
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    /// For the Southbound.
    pub operations: Vec<Operation>,
    /// Lines for the log.
    pub lines: Vec<String>,
    /// A claim had to wait; ask again at [`Recent::deadline`].
    pub postponed: bool,
}

/// Claims and releases.
pub fn plan(
    here: Here<'_>,
    vifs: &BTreeMap<Str, Vif>,
    sb: &Southbound,
    recent: &mut Recent,
    now: Now,
) -> Plan {
    let mut plan = Plan::default();
    for uuid in candidates(here, vifs, sb) {
        let Some(row) = sb.ports.get(uuid) else {
            continue;
        };
        let ours = row.chassis == Some(Weak::new(here.chassis));
        let wanted = wanted(here, vifs, sb, row);
        if wanted && !ours {
            claim(here, uuid, row, sb, recent, now, &mut plan);
        } else if ours && !wanted && is_bound_by_us(row) {
            release(uuid, row, &mut plan);
        }
    }
    plan
}

/// The ports that could have to be claimed or released: so many as there are here, not in the world.
fn candidates(here: Here<'_>, vifs: &BTreeMap<Str, Vif>, sb: &Southbound) -> BTreeSet<Uuid> {
    let mut found: BTreeSet<Uuid> = sb.ports_on(&here.chassis).map(|(uuid, _)| uuid).collect();
    for name in vifs.keys() {
        found.extend(sb.port_named(name).map(|(uuid, _)| uuid));
        found.extend(sb.children_of(name).map(|(uuid, _)| uuid));
    }
    for kind in ["l2gateway", "l3gateway"] {
        found.extend(sb.ports_of_type(&kind.into()).map(|(uuid, _)| uuid));
    }
    found
}

/// Types of ports whose `chassis` column agents write.
fn is_bound_by_us(row: &sb::PortBinding) -> bool {
    matches!(row.type_.as_str(), "" | "l2gateway" | "l3gateway")
}

/// Whether a port belongs on this chassis.
fn wanted(
    here: Here<'_>,
    vifs: &BTreeMap<Str, Vif>,
    sb: &Southbound,
    row: &sb::PortBinding,
) -> bool {
    let names = |key| {
        row.options
            .get(key)
            .is_some_and(|name| *name == here.config.chassis)
    };
    match row.type_.as_str() {
        "l2gateway" => names("l2gateway-chassis"),
        "l3gateway" => names("l3gateway-chassis"),
        "" => match row.parent_port.as_ref().filter(|parent| !parent.is_empty()) {
            // A container's port is where the virtual machine around it is.
            Some(parent) => sb
                .port_named(parent)
                .is_some_and(|(_, parent)| has_interface(here, vifs, parent)),
            None => has_interface(here, vifs, row),
        },
        _ => false,
    }
}

fn has_interface(here: Here<'_>, vifs: &BTreeMap<Str, Vif>, row: &sb::PortBinding) -> bool {
    let Some(vif) = vifs.get(&row.logical_port) else {
        return false;
    };
    let version = row
        .options
        .get("iface-id-ver")
        .filter(|version| !version.is_empty());
    let same = version.is_none_or(|version| vif.version.as_ref() == Some(version));
    same && may_be_here(here.config, row)
}

/// Whether `requested-chassis` allows this one, by name or host name.
fn may_be_here(config: &Config, row: &sb::PortBinding) -> bool {
    let requested = row.options.get("requested-chassis").map_or("", Str::as_str);
    let mut names = requested
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .peekable();
    names.peek().is_none() || names.any(|name| name == config.chassis || name == config.hostname)
}

fn claim(
    here: Here<'_>,
    uuid: Uuid,
    row: &sb::PortBinding,
    sb: &Southbound,
    recent: &mut Recent,
    now: Now,
    plan: &mut Plan,
) {
    let name = &row.logical_port;
    let other = row
        .chassis
        .and_then(|chassis| sb.chassis.get(chassis.uuid()));
    if other.is_some() && !recent.may_claim(uuid, now) {
        plan.postponed = true;
        return;
    }
    let new = sb::PortBinding {
        chassis: Some(Weak::new(here.chassis)),
        encap: None,
        up: row.up.map(|_| false),
        ..row.clone()
    };
    plan.operations.extend(ops::update(uuid, row, &new));
    let mine = &here.config.chassis;
    plan.lines.push(match other {
        Some(other) => format!(
            "Changing chassis for lport {name} from {} to {mine}.",
            other.name
        ),
        None => format!("Claiming lport {name} for this chassis."),
    });
    plan.lines
        .extend(row.mac.iter().map(|mac| format!("{name}: Claiming {mac}")));
}

fn release(uuid: Uuid, row: &sb::PortBinding, plan: &mut Plan) {
    let new = sb::PortBinding {
        chassis: None,
        encap: None,
        up: row.up.map(|_| false),
        ..row.clone()
    };
    plan.operations.extend(ops::update(uuid, row, &new));
    plan.lines.push(format!(
        "Releasing lport {} from this chassis.",
        row.logical_port
    ));
}

/// Says `up` for ports whose flows are installed.
pub fn plan_up(sb: &Southbound, chassis: Uuid, installed: &BTreeSet<Uuid>) -> Plan {
    let mut plan = Plan::default();
    for (uuid, row) in sb.ports_on(&chassis) {
        if row.up == Some(false) && installed.contains(&uuid) {
            let new = sb::PortBinding {
                up: Some(true),
                ..(**row).clone()
            };
            plan.operations.extend(ops::update(uuid, &**row, &new));
            let name = &row.logical_port;
            plan.lines
                .push(format!("Setting lport {name} up in Southbound"));
        }
    }
    plan
}

/// Says `ovn-installed` on the interfaces whose ports are bound and work, and takes it from those whose
/// ports are not bound here any more. `stamp` is milliseconds since 1970.
pub fn plan_installed(
    here: Here<'_>,
    vifs: &BTreeMap<Str, Vif>,
    sb: &Southbound,
    installed: &BTreeSet<Uuid>,
    stamp: i64,
) -> Plan {
    let mut plan = Plan::default();
    for (name, vif) in vifs {
        let port = sb.port_named(name);
        let ours = port.filter(|(_, row)| row.chassis == Some(Weak::new(here.chassis)));
        let works = ours.is_some_and(|(uuid, _)| installed.contains(&uuid));
        let keys = |installed: Option<Str>, stamp: Option<Str>| {
            let keys = [
                ("ovn-installed".into(), installed),
                ("ovn-installed-ts".into(), stamp),
            ];
            ops::set_keys::<Interface>(vif.interface, "external_ids", keys)
        };
        if works && !vif.installed {
            plan.operations
                .push(keys(Some("true".into()), Some(stamp.to_string().into())));
            plan.lines
                .push(format!("Setting lport {name} ovn-installed in OVS"));
        } else if vif.installed && ours.is_none() {
            plan.operations.push(keys(None, None));
            plan.lines
                .push(format!("Removing lport {name} ovn-installed in OVS"));
        }
    }
    plan
}

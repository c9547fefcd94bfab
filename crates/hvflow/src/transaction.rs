//! Operations that accumulate, and take effect together or not at all.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use openflow::message::Meter;
use openflow::{Flow, FlowKey};

use crate::commit::{Commit, Extras};
use crate::cookie::{Cookie, InterfaceId, Kind, Selection};
use crate::host::{Host, Ports};
use crate::installed::Installed;
use crate::params::{InterfaceType, NetworkParams, Problems, bounds};
use crate::pipeline::{Announcement, Nic, announcements, aspects, host_flows, meters, resolve};

/// Why a transaction comes to nothing. The switch has seen none of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The host's own description makes no sense, or does not fit its bridge.
    #[error("the hypervisor's {0}")]
    Host(Problems),
    /// A flow would take the place of another's: two cards of one network have an address in common, for example.
    #[error("{wants} and {has} cannot both have {flow}")]
    Conflict {
        /// Who would have the flow.
        wants: String,
        /// Who has it.
        has: String,
        /// What it matches.
        flow: String,
    },
}

/// One aspect of one card.
type Part = (u32, InterfaceId, Kind);

/// What an aspect comes to.
#[derive(Debug, Clone, Default)]
struct Made {
    flows: Vec<Flow>,
    meters: Vec<Meter>,
    announcements: Vec<Announcement>,
}

/// Operations on the network of machines. Dropped without [`Transaction::commit`], they change nothing.
///
/// Each operation replaces what stood for the same aspect of the same card before, in the switch or earlier in the
/// transaction; so those of different aspects or cards may come in any order. An operation that is refused leaves the
/// transaction as it was.
///
/// ```
/// use hvflow::params::{InterfaceType, NetworkParams};
/// use hvflow::{Host, Installed, Ports, Transaction, Uplink};
///
/// let host = Host {
///     public: Some(Uplink { port: "eth0".to_owned(), vlan: 100, router_mac: None }),
///     ..Host::default()
/// };
/// let ports: Ports = [("eth0", 1), ("tapext1", 10)].into_iter().collect();
/// let params = NetworkParams::from_json(br#"{
///     "droplet_id": 1,
///     "vnics": [{
///         "mac": "de:ad:be:ef:de:ad", "enabled": 1, "name": "tapext1", "interface_type": "public",
///         "addresses": {"ipv4": [{"ip_address": "10.0.0.10", "masklen": 20, "gateway": "10.0.0.1"}]}
///     }]
/// }"#)?;
///
/// let mut installed = Installed::default();
/// let mut tx = Transaction::new(&host, &ports);
/// let addresses = tx.enable_ipv4(&params, InterfaceType::Public)?;
/// assert_eq!(addresses, 1);
/// let commit = tx.commit(&installed)?;
/// // Send `commit.before`, `commit.bundle` and `commit.after`; then:
/// installed.apply(&commit);
///
/// // The same again changes nothing.
/// let mut tx = Transaction::new(&host, &ports);
/// tx.enable_ipv4(&params, InterfaceType::Public)?;
/// assert!(tx.commit(&installed)?.is_empty());
///
/// // And all of it goes as it came.
/// let mut tx = Transaction::new(&host, &ports);
/// tx.disable(1, InterfaceType::Public);
/// let (added, removed) = tx.commit(&installed)?.count();
/// assert_eq!((added, removed), (0, 10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a transaction that is not committed changes nothing"]
pub struct Transaction<'a> {
    host: &'a Host,
    ports: &'a Ports,
    /// What goes, unless it is among the parts.
    wiped: BTreeSet<Selection>,
    /// Machines that are left as they are, whatever is wiped.
    spared: BTreeSet<u32>,
    parts: BTreeMap<Part, Made>,
}

impl<'a> Transaction<'a> {
    /// Nothing yet.
    pub const fn new(host: &'a Host, ports: &'a Ports) -> Self {
        Self {
            host,
            ports,
            wiped: BTreeSet::new(),
            spared: BTreeSet::new(),
            parts: BTreeMap::new(),
        }
    }

    /// Connects the machine's cards of a type with their IPv4 addresses. Cards that are not `enabled` lose all they
    /// have. Gives the number of addresses.
    ///
    /// # Errors
    /// When the parameters make no sense or do not fit the bridge.
    pub fn enable_ipv4(
        &mut self,
        params: &NetworkParams,
        interface_type: InterfaceType,
    ) -> Result<usize, Problems> {
        self.enable(params, interface_type, Kind::Ipv4)
    }

    /// The same with IPv6 addresses.
    ///
    /// # Errors
    /// As [`Transaction::enable_ipv4`].
    pub fn enable_ipv6(
        &mut self,
        params: &NetworkParams,
        interface_type: InterfaceType,
    ) -> Result<usize, Problems> {
        self.enable(params, interface_type, Kind::Ipv6)
    }

    /// Lets floating IPv4 addresses stand for those of the machine's cards of a type. The addresses that they stand
    /// for are enabled with [`Transaction::enable_ipv4`].
    ///
    /// # Errors
    /// As [`Transaction::enable_ipv4`].
    pub fn enable_floating_ipv4(
        &mut self,
        params: &NetworkParams,
        interface_type: InterfaceType,
    ) -> Result<usize, Problems> {
        self.enable(params, interface_type, Kind::FloatingIpv4)
    }

    /// The same with floating IPv6 addresses.
    ///
    /// # Errors
    /// As [`Transaction::enable_ipv4`].
    pub fn enable_floating_ipv6(
        &mut self,
        params: &NetworkParams,
        interface_type: InterfaceType,
    ) -> Result<usize, Problems> {
        self.enable(params, interface_type, Kind::FloatingIpv6)
    }

    /// Puts the security policies of the machine's cards of a type in place of those that they had; a card without
    /// any may do everything. Connections that the new ones do not allow end. Gives the number of rules.
    ///
    /// # Errors
    /// As [`Transaction::enable_ipv4`], and when the rules come to too many flows.
    pub fn apply_security_policies(
        &mut self,
        params: &NetworkParams,
        interface_type: InterfaceType,
    ) -> Result<usize, Problems> {
        self.enable(params, interface_type, Kind::Policy)
    }

    /// Takes the security policies of the machine's cards of a type away: everything is allowed.
    pub fn reset_security_policies(&mut self, droplet_id: u32, interface_type: InterfaceType) {
        for ordinal in 0..=InterfaceId::MAX_ORDINAL {
            let Some(interface) = InterfaceId::new(interface_type, ordinal) else {
                continue;
            };
            let part = (droplet_id, interface, Kind::Policy);
            if usize::from(ordinal) < bounds::VNICS {
                self.parts.insert(part, Made::default());
            }
        }
    }

    /// Takes everything from the machine's cards of a type.
    pub fn disable(&mut self, droplet_id: u32, interface_type: InterfaceType) {
        self.wipe(Selection::InterfaceType(droplet_id, interface_type));
    }

    /// Takes everything from all cards of a machine.
    pub fn disable_machine(&mut self, droplet_id: u32) {
        self.wipe(Selection::Machine(droplet_id));
    }

    /// Takes everything from all machines.
    pub fn disable_all(&mut self) {
        self.wipe(Selection::Machines);
    }

    /// Gives a machine exactly what its parameters say, in place of all it had.
    ///
    /// # Errors
    /// As [`Transaction::apply_security_policies`].
    pub fn set(&mut self, params: &NetworkParams) -> Result<(), Problems> {
        params.check()?;
        self.set_where(params, |_| true)
    }

    /// The same for those cards alone that `wanted` picks by their names; the others lose all they had.
    pub(crate) fn set_where(
        &mut self,
        params: &NetworkParams,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(), Problems> {
        let mut parts = BTreeMap::new();
        for card in params.interfaces() {
            if card.2.enabled && wanted(&card.2.name) {
                let nic = resolve(self.host, self.ports, params, card)?;
                for kind in Kind::ALL {
                    parts.insert(part(&nic, kind), made(&nic, kind)?);
                }
            }
        }
        self.wipe(Selection::Machine(params.droplet_id));
        self.parts.append(&mut parts);
        Ok(())
    }

    /// Leaves a machine as it is on the switch, whatever was said of all machines.
    pub(crate) fn spare(&mut self, droplet_id: u32) {
        self.spared.insert(droplet_id);
    }

    fn enable(
        &mut self,
        params: &NetworkParams,
        interface_type: InterfaceType,
        kind: Kind,
    ) -> Result<usize, Problems> {
        params.check()?;
        let (mut count, mut parts, mut wiped) = (0, BTreeMap::new(), Vec::new());
        for card in params.interfaces() {
            let (_, interface, vnic) = card;
            if vnic.interface_type != interface_type {
                continue;
            }
            if !vnic.enabled {
                wiped.push(Selection::Interface(params.droplet_id, interface));
                continue;
            }
            let nic = resolve(self.host, self.ports, params, card)?;
            count += said(&nic, kind);
            // Policies say nothing of where the card is.
            let link = (kind != Kind::Policy).then_some(Kind::Link);
            for kind in [Some(kind), link].into_iter().flatten() {
                parts.insert(part(&nic, kind), made(&nic, kind)?);
            }
        }
        wiped.into_iter().for_each(|selection| self.wipe(selection));
        self.parts.append(&mut parts);
        Ok(count)
    }

    fn wipe(&mut self, selection: Selection) {
        self.parts.retain(|(machine, interface, kind), _| {
            let cookie = Cookie::Machine {
                machine: *machine,
                interface: *interface,
                kind: *kind,
                detail: 0,
            };
            !cookie.marshal().is_ok_and(|bits| selection.selects(bits))
        });
        self.wiped.insert(selection);
    }

    /// What is to be sent to a switch that holds `installed`, and nothing that it has already.
    ///
    /// # Errors
    /// When the host does not fit its bridge, or a flow would take the place of somebody else's.
    pub fn commit(self, installed: &Installed) -> Result<Commit, CommitError> {
        let host = host_flows(self.host, self.ports).map_err(CommitError::Host)?;
        let old = self.replaced(installed);
        let (mut new, mut all) = (HashMap::new(), Extras::default());
        let parts = self.parts.into_iter();
        let spared = self.spared;
        let parts = parts.filter(|((machine, ..), _)| !spared.contains(machine));
        for (_, made) in parts {
            for flow in made.flows {
                claim(&mut new, flow)?;
            }
            let meters = made.meters.into_iter().map(|meter| (meter.id, meter));
            all.meters.extend(meters);
            all.announcements.extend(made.announcements);
        }
        for flow in host {
            claim(&mut new, flow)?;
        }
        let going: BTreeSet<u64> = old.iter().map(|flow| flow.cookie).collect();
        for flow in new.values() {
            match installed.cookie_of(&flow.key) {
                Some(has) if !going.contains(&has) => return Err(conflict(flow, has)),
                _ => {}
            }
        }
        Ok(Commit::between(installed, old, new, all))
    }

    /// The flows of the switch that this transaction speaks of.
    fn replaced(&self, installed: &Installed) -> Vec<Flow> {
        let kinds = self
            .parts
            .keys()
            .map(|part| Selection::Kind(part.0, part.1, part.2));
        let all: BTreeSet<Selection> = kinds
            .chain(self.wiped.iter().copied())
            .chain([Selection::Host])
            .collect();
        let spared = |flow: &&Flow| match Cookie::unmarshal(flow.cookie) {
            Ok(Cookie::Machine { machine, .. }) => !self.spared.contains(&machine),
            _ => true,
        };
        let flows = all
            .into_iter()
            .flat_map(|selection| installed.flows(selection));
        let unique: HashMap<&FlowKey, &Flow> =
            flows.filter(spared).map(|flow| (&flow.key, flow)).collect();
        unique.into_values().cloned().collect()
    }
}

/// How much the parameters say of an aspect: addresses or rules.
fn said(nic: &Nic<'_>, kind: Kind) -> usize {
    let vnic = nic.vnic;
    match kind {
        Kind::Link => 1,
        Kind::Ipv4 => vnic.addresses.ipv4.len(),
        Kind::Ipv6 => vnic.addresses.ipv6.len(),
        Kind::FloatingIpv4 => vnic.floating_ips.ipv4.len(),
        Kind::FloatingIpv6 => vnic.floating_ips.ipv6.len(),
        Kind::Policy => vnic
            .security_policies
            .as_ref()
            .map_or(0, |policies| policies.rules.len()),
    }
}

fn part(nic: &Nic<'_>, kind: Kind) -> Part {
    let (machine, interface) = nic.owner();
    (machine, interface, kind)
}

fn made(nic: &Nic<'_>, kind: Kind) -> Result<Made, Problems> {
    let meters = match kind {
        Kind::Link => meters(nic),
        _ => Vec::new(),
    };
    Ok(Made {
        flows: aspects(nic, kind)?,
        meters,
        announcements: announcements(nic, kind),
    })
}

/// Adds a flow, unless somebody else wants one with the same key.
fn claim(flows: &mut HashMap<FlowKey, Flow>, flow: Flow) -> Result<(), CommitError> {
    match flows.get(&flow.key) {
        // One card may say a thing twice.
        Some(other) if card(other) == card(&flow) && other.actions == flow.actions => Ok(()),
        Some(other) => Err(conflict(&flow, other.cookie)),
        None => {
            flows.insert(flow.key.clone(), flow);
            Ok(())
        }
    }
}

fn card(flow: &Flow) -> Option<(u32, InterfaceId)> {
    match Cookie::unmarshal(flow.cookie) {
        Ok(Cookie::Machine {
            machine, interface, ..
        }) => Some((machine, interface)),
        _ => None,
    }
}

fn conflict(flow: &Flow, has: u64) -> CommitError {
    CommitError::Conflict {
        wants: owner(flow.cookie),
        has: owner(has),
        flow: flow.key.to_string(),
    }
}

fn owner(bits: u64) -> String {
    match Cookie::unmarshal(bits) {
        Ok(cookie) => cookie.to_string(),
        Err(_) => format!("the owner of cookie {bits:#x}"),
    }
}

//! A card in its place on the switch: what its flows are made from.

use openflow::{Action, Flow, Match};
use packet::Mac;

use super::{CARD, MAX_PORT, NETWORK, floating, ipv4, ipv6, link, policy};
use crate::cookie::{Cookie, InterfaceId, Kind};
use crate::host::{Host, Ports};
use crate::params::{Findings, InterfaceType, NetworkParams, Path, Problems, Vnic};

/// A card of a machine, with the numbers that it has on this switch.
pub(crate) struct Nic<'a> {
    pub(crate) params: &'a NetworkParams,
    pub(crate) vnic: &'a Vnic,
    /// Its place in the list of the parameters.
    pub(crate) index: usize,
    pub(crate) interface: InterfaceId,
    /// The number of its port, at most [`MAX_PORT`].
    pub(crate) port: u16,
    /// The number of its uplink's port.
    pub(crate) uplink: u16,
    /// The VLAN on the uplink; zero for none.
    pub(crate) vlan: u16,
    /// The address of the routers, if the host answers for them.
    pub(crate) router: Option<Mac>,
    /// Its connection-tracking zone.
    pub(crate) zone: u16,
}

/// The flows of one aspect of a card. None where the parameters say nothing of it.
pub(crate) fn aspects(nic: &Nic<'_>, aspect: Kind) -> Result<Vec<Flow>, Problems> {
    Ok(match aspect {
        Kind::Link => link::flows(nic),
        Kind::Ipv4 => ipv4::flows(nic),
        Kind::Ipv6 => ipv6::flows(nic),
        Kind::FloatingIpv4 => floating::ipv4(nic),
        Kind::FloatingIpv6 => floating::ipv6(nic),
        Kind::Policy => return policy::flows(nic),
    })
}

impl NetworkParams {
    /// The machine's cards with their places in the list and their identities.
    pub(crate) fn interfaces(&self) -> impl Iterator<Item = (usize, InterfaceId, &Vnic)> {
        let mut next = [0u8; 2];
        self.vnics
            .iter()
            .enumerate()
            .filter_map(move |(index, vnic)| {
                let counter = &mut next[vnic.interface_type as usize];
                let interface = InterfaceId::new(vnic.interface_type, *counter)?;
                *counter = counter.saturating_add(1);
                Some((index, interface, vnic))
            })
    }
}

/// Finds a card's place on the switch.
pub(crate) fn resolve<'a>(
    host: &Host,
    ports: &Ports,
    params: &'a NetworkParams,
    (index, interface, vnic): (usize, InterfaceId, &'a Vnic),
) -> Result<Nic<'a>, Problems> {
    let at = Path::root().field("vnics").index(index);
    let mut found = Findings::default();
    let uplink = host.uplink(vnic.interface_type);
    if uplink.is_none() {
        let text = format_args!("the hypervisor has no {} uplink", vnic.interface_type);
        found.add(&at.field("interface_type"), text);
    }
    let uplink_port = uplink.and_then(|uplink| ports.number(&uplink.port));
    if let (Some(uplink), None) = (uplink, uplink_port) {
        let text = format_args!("its uplink, {}, is no port of the bridge", uplink.port);
        found.add(&at.field("interface_type"), text);
    }
    let vlan = vnic.vlan.or_else(|| uplink.map(|uplink| uplink.vlan));
    let other =
        InterfaceType::ALL.map(|kind| host.uplink(kind).filter(|_| kind != vnic.interface_type));
    if let Some(other) = other.into_iter().flatten().next()
        && uplink.map(|uplink| &uplink.port) == Some(&other.port)
        && vlan == Some(other.vlan)
    {
        let text = format_args!(
            "{} is the VLAN of the cards that are not {}",
            other.vlan, vnic.interface_type
        );
        found.add(&at.field("vlan"), text);
    }
    let port = ports.number(&vnic.name);
    let zone = port.and_then(|port| host.zone_base.0.checked_add(port));
    match (port, zone) {
        (None, _) => found.add(
            &at.field("name"),
            format_args!("{} is no port of the bridge", vnic.name),
        ),
        (Some(port), None) => found.add(
            &at.field("name"),
            too_great(port, u16::MAX - host.zone_base.0),
        ),
        (Some(port), _) if port > MAX_PORT => {
            found.add(&at.field("name"), too_great(port, MAX_PORT));
        }
        _ => {}
    }
    found.finish()?;
    Ok(Nic {
        params,
        vnic,
        index,
        interface,
        port: port.unwrap_or_default(),
        uplink: uplink_port.unwrap_or_default(),
        vlan: vlan.unwrap_or_default(),
        router: uplink.and_then(|uplink| uplink.router_mac),
        zone: zone.unwrap_or_default(),
    })
}

fn too_great(port: u16, most: u16) -> String {
    format!(
        "its port has number {port}, more than {most}; ask for another by Interface's ofport_request"
    )
}

impl Nic<'_> {
    /// A flow of this card. `detail` is the place in the parameters' list that it is made from.
    pub(super) fn flow(
        &self,
        (kind, detail): (Kind, usize),
        (table, priority): (u8, u16),
        matches: Match,
        actions: Vec<Action>,
    ) -> Flow {
        let cookie = Cookie::Machine {
            machine: self.params.droplet_id,
            interface: self.interface,
            kind,
            detail: u16::try_from(detail).unwrap_or(u16::MAX),
        };
        let bits = cookie.marshal();
        let bits = bits.expect("parameters that passed their check have small enough numbers");
        Flow::new(table, priority, matches, actions).cookie(bits)
    }

    /// What is for or from this card, where the register says so.
    pub(super) fn card(&self) -> Match {
        Match::new().with(CARD, u32::from(self.port))
    }

    /// What is on this card's network.
    pub(super) fn on_network(&self) -> Match {
        Match::new().with(NETWORK, self.network())
    }

    /// The number of its network.
    pub(super) fn network(&self) -> u32 {
        u32::from(self.uplink) << 16 | u32::from(self.vlan)
    }

    /// The card as it is seen by those who look for where a flow came from.
    pub(crate) const fn owner(&self) -> (u32, InterfaceId) {
        (self.params.droplet_id, self.interface)
    }
}

//! The document's machines as VMs.

use std::net::IpAddr;

use anyhow::Result;
use api::Document;
use api::document::{self, Machine};

use crate::cloud::Cloud;
use crate::vm::Addressing;

/// Starts all machines. With other hypervisors than the document's they are dealt out in turn.
pub(super) fn start(cloud: &mut Cloud, document: &Document, hypervisors: &[&str]) -> Result<()> {
    let machines = document.testbed.iter().flat_map(|bed| &bed.machines);
    for (number, machine) in machines.enumerate() {
        let name = machine.port.value.as_str();
        let written = machine.on.value.as_str();
        let host = if hypervisors.contains(&written) {
            written
        } else {
            hypervisors[number % hypervisors.len()]
        };
        cloud.add_machine(name, host, addressing(document, machine))?;
    }
    Ok(())
}

/// What the testbed sets by hand: everything, or just IPv6 for a machine that asks by DHCP.
fn addressing(document: &Document, machine: &Machine) -> Addressing {
    let name = &machine.port.value;
    let asks = machine.addressing == document::Addressing::Dhcp;
    let by_hand = |address: &IpAddr| !asks || address.is_ipv6();
    let found = document.switches.iter().find_map(|switch| {
        let port = switch.ports.iter().find(|port| port.name.value == *name)?;
        Some((switch, port))
    });
    let Some((switch, port)) = found else {
        return Addressing::default();
    };
    // The document was checked: every address is in a subnet of its switch.
    let prefix = |address: &IpAddr| {
        let net = switch
            .subnets
            .iter()
            .find(|net| net.value.contains(address));
        net.map(|net| net.value.prefix_len()).unwrap_or_default()
    };
    let addresses = port
        .addresses
        .iter()
        .map(|address| address.value)
        .filter(by_hand);
    let gateways = document
        .routers
        .iter()
        .flat_map(|router| &router.ports)
        .filter(|port| port.switch.value == switch.name.value)
        .flat_map(|port| port.networks.iter().map(|net| net.value.addr()))
        .filter(by_hand);
    Addressing {
        addresses: addresses
            .map(|address| (address, prefix(&address)))
            .collect(),
        gateways: one_a_family(gateways),
    }
}

fn one_a_family(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut kept: Vec<IpAddr> = vec![];
    for address in addresses {
        if kept
            .iter()
            .all(|other| other.is_ipv4() != address.is_ipv4())
        {
            kept.push(address);
        }
    }
    kept
}

/// Names of the machines that ask by DHCP.
pub(super) fn asking(document: &Document) -> Vec<&str> {
    let machines = document.testbed.iter().flat_map(|bed| &bed.machines);
    machines
        .filter(|machine| machine.addressing == document::Addressing::Dhcp)
        .map(|machine| machine.port.value.as_str())
        .collect()
}

/// Lets a machine ask, and use what it is granted.
pub(super) fn lease(cloud: &Cloud, machine: &str) -> Result<()> {
    cloud.vm(machine)?.lease().map(drop)
}

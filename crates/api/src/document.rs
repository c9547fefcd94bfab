//! What a document says, as types. The format is described in `docs/yaml.md`.
//!
//! Invariant: a value that [`crate::read()`] gives back holds no dangling name, no name twice, and no address
//! outside its network.

use std::net::IpAddr;

use ipnet::IpNet;
use ovsdb::Str;
use packet::Mac;

use crate::fields::{Located, Position};

/// A whole document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Whose objects these are; a later document of the same name replaces this one.
    pub name: Str,
    /// Named sets of addresses, `$name` in matches.
    pub address_sets: Vec<AddressSet>,
    /// Named sets of ports, `@name` in matches.
    pub port_groups: Vec<PortGroup>,
    /// Ethernet networks.
    pub switches: Vec<Switch>,
    /// Routers between them.
    pub routers: Vec<Router>,
    /// Machines and expectations for `heddle demo`; nothing of it goes to the Northbound.
    pub testbed: Option<Testbed>,
}

/// A named set of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressSet {
    /// The name.
    pub name: Located<Str>,
    /// Addresses and prefixes.
    pub addresses: Vec<IpNet>,
}

/// A named set of ports, with rules for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortGroup {
    /// The name.
    pub name: Located<Str>,
    /// Names of ports of any switch.
    pub ports: Vec<Located<Str>>,
    /// The rules.
    pub acls: Vec<Acl>,
}

/// An Ethernet network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// The name.
    pub name: Located<Str>,
    /// The prefixes that its ports have addresses of; at most one of each family.
    pub subnets: Vec<Located<IpNet>>,
    /// What DHCPv4 answers on it.
    pub dhcp: Option<Dhcp>,
    /// Its ports, without those towards routers.
    pub ports: Vec<Port>,
    /// Rules for all its ports.
    pub acls: Vec<Acl>,
}

/// What DHCPv4 answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dhcp {
    /// Where it stands.
    pub at: Position,
    /// The default gateway; also the address that the answers come from.
    pub router: Option<IpAddr>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// Lease time in seconds.
    pub lease: u32,
    /// The MTU to use, in bytes.
    pub mtu: Option<u16>,
    /// The domain to search.
    pub domain: Option<Str>,
}

/// A port of a switch for one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The name, unique over all switches; an interface with this `iface-id` is plugged into it.
    pub name: Located<Str>,
    /// The MAC address; made from the name when absent.
    pub mac: Option<Mac>,
    /// The IP addresses, at most one of each family.
    pub addresses: Vec<Located<IpAddr>>,
    /// Whether only these addresses may be used as source.
    pub port_security: bool,
    /// Whether it gets frames for MAC addresses that no port has.
    pub unknown: bool,
    /// Whether DHCP answers it (if its switch has DHCP).
    pub dhcp: bool,
    /// Whether traffic passes at all.
    pub enabled: bool,
}

/// An access rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl {
    /// The name, unique within its switch or port group.
    pub name: Located<Str>,
    /// From or to the port.
    pub direction: model::nb::Direction,
    /// 0 to 32767; the highest that matches decides.
    pub priority: u16,
    /// The match, in the logical language.
    pub match_: Located<Str>,
    /// What happens.
    pub action: model::nb::AclAction,
    /// Whether packets that it decides on are logged.
    pub log: bool,
}

/// A router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router {
    /// The name.
    pub name: Located<Str>,
    /// One port a switch.
    pub ports: Vec<RouterPort>,
    /// Static routes.
    pub routes: Vec<Route>,
}

/// A port of a router on a switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterPort {
    /// The switch.
    pub switch: Located<Str>,
    /// The MAC address; made from the names when absent.
    pub mac: Option<Mac>,
    /// The router's own addresses with their prefixes.
    pub networks: Vec<Located<IpNet>>,
}

/// A static route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub to: IpNet,
    /// The next hop.
    pub via: Located<IpAddr>,
}

/// Machines and expectations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Testbed {
    /// Names of the hypervisors.
    pub hypervisors: Vec<Located<Str>>,
    /// The virtual machines, one a port.
    pub machines: Vec<Machine>,
    /// What traffic between them should do.
    pub expectations: Vec<Expectation>,
}

/// A virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The name of the machine, which is the name of its port.
    pub port: Located<Str>,
    /// The hypervisor that it is on.
    pub on: Located<Str>,
    /// How it gets its IPv4 address.
    pub addressing: Addressing,
}

/// How a machine gets its IPv4 address. IPv6 addresses are always set by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing {
    /// The testbed sets what the port says.
    Static,
    /// It asks by DHCP.
    Dhcp,
}

/// What some traffic should do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// Where it stands.
    pub at: Position,
    /// The machine that sends.
    pub from: Located<Str>,
    /// The source address to use instead of the machine's own.
    pub spoof: Option<IpAddr>,
    /// Where it sends to.
    pub to: Target,
    /// What it sends.
    pub probe: Probe,
    /// The time to live that it sends with.
    pub ttl: Option<u8>,
    /// What should come of it.
    pub should: Outcome,
}

/// Where traffic is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A machine, at its address of the family.
    Machine {
        /// The machine.
        name: Located<Str>,
        /// Whether its IPv6 address is meant.
        ipv6: bool,
    },
    /// An address, for example that of a router.
    Address(IpAddr),
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// An ICMP echo request.
    Ping,
    /// A connection to this port.
    Tcp(u16),
    /// A request to this port that is answered.
    Udp(u16),
}

/// What should come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The answer arrives.
    Pass,
    /// No answer arrives.
    Fail,
    /// A router says that the time to live was exceeded.
    Expire,
}

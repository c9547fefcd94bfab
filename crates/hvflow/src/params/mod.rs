//! Network parameters: everything that a hypervisor must know to connect one machine.
//!
//! The JSON form is the one that control planes of this family already write: `droplet_id`, and `vnics` with `mac`,
//! `enabled`, `name`, `interface_type` and `addresses`. What they leave out has a default, and what is added here
//! (floating addresses, security policies, address groups, anti-spoofing, VLANs, rate limits) is optional.
//!
//! What it must not know: flows, ports of a switch, how the parameters arrive.
//!
//! Invariant: what [`NetworkParams::from_json`] gives has passed [`NetworkParams::check`]. Values made in code are
//! checked when a transaction takes them.
//!
//! ```
//! use hvflow::params::NetworkParams;
//! let params = NetworkParams::from_json(br#"{
//!     "droplet_id": 1,
//!     "vnics": [{
//!         "mac": "de:ad:be:ef:de:ad", "enabled": 1, "name": "tapext1", "interface_type": "public",
//!         "addresses": {"ipv4": [{"ip_address": "10.0.0.10", "masklen": 33, "gateway": "10.0.0.1"}]}
//!     }]
//! }"#);
//! let problems = params.unwrap_err().to_string();
//! assert!(problems.contains("vnics[0].addresses.ipv4[0].masklen: 33 is not in 0..=32"));
//! ```

mod check;
mod policy;
mod problems;
mod read;
mod text;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use packet::Mac;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use policy::{Direction, IcmpType, PortRange, Protocol, Rule, RuleAction, SecurityPolicies};
pub(crate) use problems::{Findings, Path};
pub use problems::{Problem, Problems};
pub use read::{ReadError, json_schema};
pub use text::{ParsePrefixError, Prefix};

/// Bounds of one message. What is beyond is refused by name, before anything is allocated for it.
pub mod bounds {
    /// The greatest length of the JSON form, in bytes: 1 MiB.
    pub const MESSAGE: usize = 1 << 20;
    /// Virtual network cards of a machine, of both types together.
    pub const VNICS: usize = 16;
    /// Addresses of one family on one card.
    pub const ADDRESSES: usize = 32;
    /// Floating addresses of one family on one card.
    pub const FLOATING: usize = 32;
    /// Rules of one card.
    pub const RULES: usize = 1000;
    /// Addresses and prefixes in one rule, and networks beside the own ones of one card.
    pub const PREFIXES: usize = 256;
    /// Ranges of ports in one rule.
    pub const PORTS: usize = 64;
    /// Address groups of a machine, and groups that one rule names.
    pub const GROUPS: usize = 64;
    /// Members of one address group.
    pub const MEMBERS: usize = 4096;
    /// The length of a name of an interface, as Linux has it, in bytes.
    pub const INTERFACE_NAME: usize = 15;
    /// The length of other names, in bytes.
    pub const NAME: usize = 64;
    /// Flows that one machine may need; rules multiply with their ports and addresses.
    pub const FLOWS: usize = 65_536;
}

/// All that a hypervisor must know of one machine's network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkParams {
    /// The machine's number, from 1 to 4294967295, unique on the hypervisor: its flows are found by it.
    #[schemars(range(min = 1))]
    pub droplet_id: u32,
    /// The machine's virtual network cards, at most 16. Their order within one interface type is part of their
    /// identity: card 0 of a type stays card 0.
    #[schemars(length(max = bounds::VNICS))]
    pub vnics: Vec<Vnic>,
    /// Sets of addresses that rules name, at most 64 of at most 4096 members each. Names have 1 to 64 bytes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = bounds::GROUPS))]
    pub address_groups: BTreeMap<String, Vec<Prefix>>,
}

/// Which of the hypervisor's two networks a card is on.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum InterfaceType {
    /// The network that everybody can reach.
    #[default]
    Public,
    /// The network of machines alone: only the networks of the card's own addresses and its
    /// [`Vnic::peer_networks`] are reached from it and reach it.
    Private,
}

impl InterfaceType {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Public, Self::Private];

    /// The name, as parameters write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }
}

impl fmt::Display for InterfaceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A virtual network card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vnic {
    /// The card's Ethernet address: neither zero nor a group address.
    #[serde(with = "text::as_text")]
    #[schemars(
        with = "String",
        regex(pattern = r"^[0-9A-Fa-f]{1,2}(:[0-9A-Fa-f]{1,2}){5}$")
    )]
    pub mac: Mac,
    /// Whether the card has a network at all: 1 or 0, `true` or `false`. Written as 1 or 0. Default: 1.
    #[serde(default = "yes", with = "text::flag")]
    #[schemars(with = "text::Flag")]
    pub enabled: bool,
    /// The name of the card's interface on the hypervisor, 1 to 15 bytes.
    #[schemars(length(min = 1, max = bounds::INTERFACE_NAME))]
    pub name: String,
    /// Which of the hypervisor's networks the card is on.
    pub interface_type: InterfaceType,
    /// The card's own addresses.
    #[serde(default)]
    pub addresses: Addresses,
    /// Addresses of the network that are translated to the card's own.
    #[serde(default, skip_serializing_if = "FloatingIps::is_empty")]
    pub floating_ips: FloatingIps,
    /// Which connections are allowed. Default: none given, everything is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_policies: Option<SecurityPolicies>,
    /// Whether what the machine sends must bear its own addresses, in Ethernet, ARP, neighbour discovery, IPv4 and
    /// IPv6. Without it the card may also send and get what belongs to others, as a router does. Default: true.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub anti_spoofing: bool,
    /// The VLAN of the card's network on the uplink, 1 to 4094, or 0 for none. Default: the uplink's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 4094))]
    pub vlan: Option<u16>,
    /// Networks that a private card may talk to beside those of its own addresses, at most 256. A public card has
    /// none here, as it may talk to all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = bounds::PREFIXES))]
    pub peer_networks: Vec<Prefix>,
    /// How fast the machine may send and receive.
    #[serde(default, skip_serializing_if = "RateLimits::is_empty")]
    pub rate_limits: RateLimits,
    /// Whether the machine is still elsewhere, on its way here: its flows stand ready, but this host neither answers
    /// ARP and neighbour discovery for it nor delivers to it what other machines of the host send. Default: false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub passive: bool,
}

impl Default for Vnic {
    fn default() -> Self {
        Self {
            mac: Mac::ZERO,
            enabled: true,
            name: String::new(),
            interface_type: InterfaceType::default(),
            addresses: Addresses::default(),
            floating_ips: FloatingIps::default(),
            security_policies: None,
            anti_spoofing: true,
            vlan: None,
            peer_networks: Vec::new(),
            rate_limits: RateLimits::default(),
            passive: false,
        }
    }
}

/// The addresses of a card.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    /// At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = bounds::ADDRESSES))]
    pub ipv4: Vec<Ipv4Address>,
    /// At most 32. The link-local address that is made of the card's Ethernet address (RFC 4291, appendix A) is the
    /// card's as soon as one stands here; other link-local ones must be listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = bounds::ADDRESSES))]
    pub ipv6: Vec<Ipv6Address>,
}

/// An IPv4 address of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ipv4Address {
    /// The address: neither unspecified, loopback, multicast nor broadcast.
    pub ip_address: Ipv4Addr,
    /// The length of the network's prefix, 0 to 32.
    #[schemars(range(max = 32))]
    pub masklen: u8,
    /// The router, inside the network and not the address itself. Default: none, and then it is found by ARP as any
    /// other neighbour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Ipv4Addr>,
}

/// An IPv6 address of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ipv6Address {
    /// The address: neither unspecified, loopback, multicast nor IPv4-mapped.
    pub ip_address: Ipv6Addr,
    /// The length of the network's prefix, 0 to 128.
    #[schemars(range(max = 128))]
    pub masklen: u8,
    /// The router, inside the network or link-local, and not the address itself. Default: none, and then it is found
    /// by neighbour discovery as any other neighbour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Ipv6Addr>,
}

/// Floating addresses of a card.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FloatingIps {
    /// At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = bounds::FLOATING))]
    pub ipv4: Vec<FloatingIpv4>,
    /// At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = bounds::FLOATING))]
    pub ipv6: Vec<FloatingIpv6>,
}

impl FloatingIps {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ipv4.is_empty() && self.ipv6.is_empty()
    }
}

/// A floating IPv4 address: who connects to it reaches a machine that does not know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FloatingIpv4 {
    /// The floating address; no address of a card.
    pub ip_address: Ipv4Addr,
    /// The card's own address that it stands for. Default: the card's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_address: Option<Ipv4Addr>,
    /// Whether connections that the machine opens from the fixed address bear the floating one. At most one for each
    /// fixed address. Default: true.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub outbound: bool,
}

/// A floating IPv6 address: who connects to it reaches a machine that does not know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FloatingIpv6 {
    /// The floating address; no address of a card, and not link-local.
    pub ip_address: Ipv6Addr,
    /// The card's own address that it stands for. Default: the card's first that is not link-local.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_address: Option<Ipv6Addr>,
    /// Whether connections that the machine opens from the fixed address bear the floating one. At most one for each
    /// fixed address. Default: true.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub outbound: bool,
}

/// How fast a card may be, both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimits {
    /// Of what comes to the machine. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbound: Option<RateLimit>,
    /// Of what the machine sends. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbound: Option<RateLimit>,
}

impl RateLimits {
    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.inbound.is_none() && self.outbound.is_none()
    }
}

/// A rate. What is beyond is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// In kilobits (1000 bits) a second, 1 to 4294967295.
    #[schemars(range(min = 1))]
    pub kbps: u32,
    /// What may come at once after a silence, in kilobits, 1 to 4294967295. Default: as much as in one second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub burst_kbits: Option<u32>,
}

const fn yes() -> bool {
    true
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_true(flag: &bool) -> bool {
    *flag
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

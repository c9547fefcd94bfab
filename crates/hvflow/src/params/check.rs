//! What is wrong with network parameters: all of it at once, each with the path of its field.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::policy::{Direction, Protocol, Rule, SecurityPolicies};
use super::problems::{Findings, Path, Problems};
use super::text::Prefix;
use super::{InterfaceType, NetworkParams, Vnic, bounds};

/// Whether an address can be a host's.
fn host_address(found: &mut Findings, path: &Path, address: IpAddr) {
    if let Some(kind) = unusable(address) {
        found.add(
            path,
            format_args!("{address} is {kind}, not the address of a host"),
        );
    }
}

/// Why an address cannot be a host's.
fn unusable(address: IpAddr) -> Option<&'static str> {
    Some(match address {
        _ if address.is_unspecified() => "the unspecified address",
        _ if address.is_loopback() => "a loopback address",
        _ if address.is_multicast() => "a multicast address",
        IpAddr::V4(Ipv4Addr::BROADCAST) => "the broadcast address",
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => "an IPv4-mapped address",
        _ => return None,
    })
}

/// Who has what already: each value by its network, with the path of who has it.
type Taken<T> = BTreeMap<((InterfaceType, Option<u16>), T), Path>;

impl NetworkParams {
    /// Whether the parameters make sense in themselves.
    ///
    /// # Errors
    /// All that does not, by its path.
    pub fn check(&self) -> Result<(), Problems> {
        let mut found = Findings::default();
        let root = Path::root();
        found.in_range(
            &root.field("droplet_id"),
            self.droplet_id.into(),
            1,
            u32::MAX.into(),
        );
        found.at_most(&root.field("vnics"), self.vnics.len(), bounds::VNICS);
        for (index, vnic) in self.vnics.iter().enumerate() {
            vnic.check(&mut found, &root.field("vnics").index(index), self);
        }
        self.check_unique(&mut found);
        let groups = root.field("address_groups");
        found.at_most(&groups, self.address_groups.len(), bounds::GROUPS);
        for (name, members) in &self.address_groups {
            let path = groups.field(name);
            found.length(&path, name, 1, bounds::NAME);
            found.at_most(&path, members.len(), bounds::MEMBERS);
        }
        found.finish()
    }

    /// Names, and on one network also Ethernet and IP addresses, belong to one card.
    fn check_unique(&self, found: &mut Findings) {
        let (mut names, mut macs) = (BTreeMap::new(), Taken::new());
        let mut addresses = Taken::new();
        for (index, vnic) in self.vnics.iter().enumerate() {
            let at = Path::root().field("vnics").index(index);
            let network = (vnic.interface_type, vnic.vlan);
            let name = at.field("name");
            if let Some(other) = names.insert(vnic.name.as_str(), name.clone()) {
                found.add(&name, format_args!("{} is also {other}", vnic.name));
            }
            let mac = at.field("mac");
            if let Some(other) = macs.insert((network, vnic.mac), mac.clone()) {
                found.add(&mac, format_args!("{} is also {other}", vnic.mac));
            }
            for (path, address) in vnic.all_addresses(&at) {
                if let Some(other) = addresses.insert((network, address), path.clone()) {
                    found.add(&path, format_args!("{address} is also {other}"));
                }
            }
        }
    }
}

impl Vnic {
    /// Every address of the card, floating ones included, with its path.
    fn all_addresses(&self, at: &Path) -> Vec<(Path, IpAddr)> {
        let (own, floating) = (at.field("addresses"), at.field("floating_ips"));
        let of = |list: Path, addresses: Vec<IpAddr>| {
            let entry = |index| list.index(index).field("ip_address");
            (0..).map(entry).zip(addresses).collect::<Vec<_>>()
        };
        let own4 = self
            .addresses
            .ipv4
            .iter()
            .map(|entry| entry.ip_address.into());
        let own6 = self
            .addresses
            .ipv6
            .iter()
            .map(|entry| entry.ip_address.into());
        let floating4 = self
            .floating_ips
            .ipv4
            .iter()
            .map(|entry| entry.ip_address.into());
        let floating6 = self
            .floating_ips
            .ipv6
            .iter()
            .map(|entry| entry.ip_address.into());
        [
            of(own.field("ipv4"), own4.collect()),
            of(own.field("ipv6"), own6.collect()),
            of(floating.field("ipv4"), floating4.collect()),
            of(floating.field("ipv6"), floating6.collect()),
        ]
        .concat()
    }

    fn check(&self, found: &mut Findings, at: &Path, params: &NetworkParams) {
        let mac = at.field("mac");
        if self.mac.is_zero() || self.mac.is_multicast() {
            found.add(
                &mac,
                format_args!("{} is not the address of one card", self.mac),
            );
        }
        let name = at.field("name");
        found.length(&name, &self.name, 1, bounds::INTERFACE_NAME);
        let bad = |c: char| c == '/' || c.is_whitespace() || c.is_control();
        if self.name.contains(bad) || self.name == "." || self.name == ".." {
            found.add(&name, "no interface can have this name");
        }
        found.in_range(&at.field("vlan"), self.vlan.unwrap_or(0).into(), 0, 4094);
        for (path, address) in self.all_addresses(at) {
            host_address(found, &path, address);
        }
        self.check_addresses(found, &at.field("addresses"));
        self.check_floating(found, &at.field("floating_ips"));
        self.check_peers(found, &at.field("peer_networks"));
        self.check_rates(found, &at.field("rate_limits"));
        if let Some(policies) = &self.security_policies {
            policies.check(found, &at.field("security_policies"), params);
        }
    }

    fn check_addresses(&self, found: &mut Findings, at: &Path) {
        let (ipv4, ipv6) = (at.field("ipv4"), at.field("ipv6"));
        found.at_most(&ipv4, self.addresses.ipv4.len(), bounds::ADDRESSES);
        found.at_most(&ipv6, self.addresses.ipv6.len(), bounds::ADDRESSES);
        for (index, entry) in self.addresses.ipv4.iter().enumerate() {
            let at = ipv4.index(index);
            found.in_range(&at.field("masklen"), entry.masklen.into(), 0, 32);
            let gateway = entry.gateway.map(IpAddr::from);
            check_gateway(found, &at, entry.ip_address.into(), entry.masklen, gateway);
        }
        for (index, entry) in self.addresses.ipv6.iter().enumerate() {
            let at = ipv6.index(index);
            found.in_range(&at.field("masklen"), entry.masklen.into(), 0, 128);
            let gateway = entry.gateway.map(IpAddr::from);
            check_gateway(found, &at, entry.ip_address.into(), entry.masklen, gateway);
        }
    }

    fn check_floating(&self, found: &mut Findings, at: &Path) {
        let (ipv4, ipv6) = (at.field("ipv4"), at.field("ipv6"));
        found.at_most(&ipv4, self.floating_ips.ipv4.len(), bounds::FLOATING);
        found.at_most(&ipv6, self.floating_ips.ipv6.len(), bounds::FLOATING);
        let own4: Vec<IpAddr> = self
            .addresses
            .ipv4
            .iter()
            .map(|own| own.ip_address.into())
            .collect();
        let own6: Vec<IpAddr> = self
            .addresses
            .ipv6
            .iter()
            .map(|own| own.ip_address.into())
            .collect();
        let mut outbound = BTreeMap::new();
        let floating4 = self
            .floating_ips
            .ipv4
            .iter()
            .enumerate()
            .map(|(index, entry)| {
                let fixed = self.fixed_ipv4(entry).map(IpAddr::from);
                (ipv4.index(index), fixed, entry.outbound, &own4)
            });
        let floating6 = self
            .floating_ips
            .ipv6
            .iter()
            .enumerate()
            .map(|(index, entry)| {
                let link_local = entry.ip_address.is_unicast_link_local();
                let fixed = self.fixed_ipv6(entry).map(IpAddr::from);
                let path = ipv6.index(index);
                (path, fixed.filter(|_| !link_local), entry.outbound, &own6)
            });
        for (path, fixed, is_outbound, own) in floating4.chain(floating6) {
            let Some(fixed) = fixed.filter(|fixed| own.contains(fixed)) else {
                let text = "the card has no such address that a floating one could stand for";
                found.add(&path.field("fixed_address"), text);
                continue;
            };
            if !is_outbound {
                continue;
            }
            if let Some(other) = outbound.insert(fixed, path.clone()) {
                let text =
                    format_args!("connections from {fixed} bear {other} already; set one to false");
                found.add(&path.field("outbound"), text);
            }
        }
    }

    fn check_peers(&self, found: &mut Findings, at: &Path) {
        found.at_most(at, self.peer_networks.len(), bounds::PREFIXES);
        if self.interface_type == InterfaceType::Public && !self.peer_networks.is_empty() {
            found.add(at, "a public card talks to all networks; leave it out");
        }
    }

    fn check_rates(&self, found: &mut Findings, at: &Path) {
        let limits = [
            ("inbound", self.rate_limits.inbound),
            ("outbound", self.rate_limits.outbound),
        ];
        for (name, limit) in limits {
            let Some(limit) = limit else { continue };
            let at = at.field(name);
            found.in_range(&at.field("kbps"), limit.kbps.into(), 1, u32::MAX.into());
            let burst = limit.burst_kbits.unwrap_or(1);
            found.in_range(&at.field("burst_kbits"), burst.into(), 1, u32::MAX.into());
        }
    }
}

fn check_gateway(
    found: &mut Findings,
    at: &Path,
    own: IpAddr,
    length: u8,
    gateway: Option<IpAddr>,
) {
    let (Some(gateway), Some(network)) = (gateway, Prefix::new(own, length)) else {
        return;
    };
    let at = at.field("gateway");
    let link_local = matches!(gateway, IpAddr::V6(gateway) if gateway.is_unicast_link_local());
    host_address(found, &at, gateway);
    if gateway == own {
        found.add(&at, format_args!("{gateway} is the card's own address"));
    } else if !link_local && !network.contains(gateway) {
        found.add(&at, format_args!("{gateway} is not in {network}"));
    }
}

impl SecurityPolicies {
    fn check(&self, found: &mut Findings, at: &Path, params: &NetworkParams) {
        let rules = at.field("rules");
        found.at_most(&rules, self.rules.len(), bounds::RULES);
        for (index, rule) in self.rules.iter().enumerate() {
            rule.check(found, &rules.index(index), params);
        }
    }
}

impl Rule {
    /// Whether the rule makes sense for any machine: by itself, and without groups, which belong to one.
    ///
    /// # Errors
    /// All that does not, by its path within the rule.
    pub fn check_alone(&self) -> Result<(), Problems> {
        let mut found = Findings::default();
        self.check(&mut found, &Path::root(), &NetworkParams::default());
        found.finish()
    }

    fn check(&self, found: &mut Findings, at: &Path, params: &NetworkParams) {
        found.length(
            &at.field("name"),
            self.name.as_deref().unwrap_or_default(),
            0,
            bounds::NAME,
        );
        found.at_most(&at.field("remote"), self.remote.len(), bounds::PREFIXES);
        let ports = at.field("ports");
        found.at_most(&ports, self.ports.len(), bounds::PORTS);
        if !self.ports.is_empty() && !self.protocol.has_ports() {
            let protocol = self.protocol;
            found.add(
                &ports,
                format_args!("{protocol} has no ports; tcp, udp and sctp have"),
            );
        }
        for (index, range) in self.ports.iter().enumerate() {
            let (first, last) = (range.first.into(), range.last.into());
            found.in_range(
                &ports.index(index).field("last"),
                last,
                first,
                u16::MAX.into(),
            );
        }
        let has_types = matches!(self.protocol, Protocol::ICMP | Protocol::ICMPV6);
        if self.icmp.is_some() && !has_types {
            let text = format_args!("{} has no such types; icmp and icmpv6 have", self.protocol);
            found.add(&at.field("icmp"), text);
        }
        let groups = at.field("remote_groups");
        found.at_most(&groups, self.remote_groups.len(), bounds::GROUPS);
        for (index, name) in self.remote_groups.iter().enumerate() {
            if !params.address_groups.contains_key(name) {
                let text = format_args!("there is no group {name:?} in address_groups");
                found.add(&groups.index(index), text);
            }
        }
        self.check_family(found, at);
    }

    /// ICMP is of IPv4 and ICMPv6 of IPv6: with addresses of the other family alone, a rule would say nothing.
    fn check_family(&self, found: &mut Findings, at: &Path) {
        let ipv6 = match self.protocol {
            Protocol::ICMP => false,
            Protocol::ICMPV6 => true,
            _ => return,
        };
        for (index, prefix) in self.remote.iter().enumerate() {
            if matches!(prefix.net(), ipnet::IpNet::V6(_)) != ipv6 {
                let text = format_args!("{prefix} is of another family than {}", self.protocol);
                found.add(&at.field("remote").index(index), text);
            }
        }
    }
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Inbound, Self::Outbound];
}

impl Vnic {
    /// The own address that a floating one stands for.
    #[must_use]
    pub fn fixed_ipv4(&self, floating: &super::FloatingIpv4) -> Option<Ipv4Addr> {
        let first = self.addresses.ipv4.first().map(|own| own.ip_address);
        floating.fixed_address.or(first)
    }

    /// The own address that a floating one stands for.
    #[must_use]
    pub fn fixed_ipv6(&self, floating: &super::FloatingIpv6) -> Option<Ipv6Addr> {
        let mut own = self.addresses.ipv6.iter().map(|own| own.ip_address);
        let first = own.find(|own| !own.is_unicast_link_local());
        floating.fixed_address.or(first)
    }
}

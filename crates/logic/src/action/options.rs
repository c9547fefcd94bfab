//! The options of DHCPv4, DHCPv6, router advertisements and events: name, code and type, declared
//! once. The names are OVN's (ovn-nb(5), "DHCP_Options"), the codes IANA's except where noted.

use OptionKind::*;

/// What the values of an option are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OptionKind {
    /// 0 or 1.
    Bool,
    /// One byte.
    Uint8,
    /// Two bytes.
    Uint16,
    /// Four bytes.
    Uint32,
    /// One or more IPv4 addresses.
    Ip4,
    /// One or more IPv6 addresses.
    Ip6,
    /// A MAC address.
    Mac,
    /// A text.
    Text,
    /// Domain names separated by commas, in RFC 3397's compressed form on the wire.
    Domains,
    /// One domain name, in DNS form on the wire.
    Domain,
    /// Pairs of an IPv4 network and a router (RFC 3442).
    StaticRoutes,
    /// An IPv4 address or a host name.
    HostId,
}

/// An option.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct OptionDef {
    /// The name in the language.
    pub name: &'static str,
    /// The code on the wire.
    pub code: u16,
    /// The type of its values.
    pub kind: OptionKind,
}

const fn option(name: &'static str, code: u16, kind: OptionKind) -> OptionDef {
    OptionDef { name, code, kind }
}

/// DHCPv4. Code 0 is the offered address, 253 the header field `siaddr`, 254 an alternative boot
/// file for iPXE clients; the others are RFC 2132's and later ones.
#[rustfmt::skip]
pub static DHCP_V4_OPTIONS: &[OptionDef] = &[
    option("offerip", 0, Ip4),
    option("netmask", 1, Ip4),
    option("router", 3, Ip4),
    option("dns_server", 6, Ip4),
    option("log_server", 7, Ip4),
    option("lpr_server", 9, Ip4),
    option("hostname", 12, Text),
    option("domain_name", 15, Text),
    option("swap_server", 16, Ip4),
    option("ip_forward_enable", 19, Bool),
    option("policy_filter", 21, Ip4),
    option("default_ttl", 23, Uint8),
    option("mtu", 26, Uint16),
    option("broadcast_address", 28, Ip4),
    option("router_discovery", 31, Bool),
    option("router_solicitation", 32, Ip4),
    option("arp_cache_timeout", 35, Uint32),
    option("ethernet_encap", 36, Bool),
    option("tcp_ttl", 37, Uint8),
    option("tcp_keepalive_interval", 38, Uint32),
    option("nis_server", 41, Ip4),
    option("ntp_server", 42, Ip4),
    option("netbios_name_server", 44, Ip4),
    option("netbios_node_type", 46, Uint8),
    option("lease_time", 51, Uint32),
    option("server_id", 54, Ip4),
    option("T1", 58, Uint32),
    option("T2", 59, Uint32),
    option("tftp_server", 66, HostId),
    option("bootfile_name", 67, Text),
    option("domain_search_list", 119, Domains),
    option("classless_static_route", 121, StaticRoutes),
    option("tftp_server_address", 150, Ip4),
    option("path_prefix", 210, Text),
    option("ms_classless_static_route", 249, StaticRoutes),
    option("wpad", 252, Text),
    option("next_server", 253, Ip4),
    option("bootfile_name_alt", 254, Text),
];

/// DHCPv6. Code 254 is an alternative boot file for iPXE clients.
#[rustfmt::skip]
pub static DHCP_V6_OPTIONS: &[OptionDef] = &[
    option("server_id", 2, Mac),
    option("ia_addr", 5, Ip6),
    option("dns_server", 23, Ip6),
    option("domain_search", 24, Text),
    option("fqdn", 39, Domain),
    option("bootfile_name", 59, Text),
    option("bootfile_name_alt", 254, Text),
];

/// Which part of a router advertisement an option of [`RA_OPTIONS`] sets, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouterAdvertisement {
    /// `addr_mode`: "slaac", "dhcpv6_stateful" or "dhcpv6_stateless".
    AddressMode,
    /// `router_preference`: "LOW", "MEDIUM" or "HIGH".
    Preference,
    /// `slla`: the router's MAC address.
    SourceLinkLayer,
    /// `prefix`: a network.
    Prefix,
    /// `mtu`
    Mtu,
    /// `rdnss`: a DNS server.
    DnsServer,
    /// `dnssl`: search domains.
    DnsSearch,
    /// `route_info`: routes.
    RouteInfo,
}

/// Router advertisements. The codes are RFC 4861's, RFC 8106's and RFC 4191's option types; 253 and
/// 254 stand for bits of the header.
#[rustfmt::skip]
pub static RA_OPTIONS: &[OptionDef] = &[
    option("slla", 1, Mac),
    option("prefix", 3, Ip6),
    option("mtu", 5, Uint32),
    option("route_info", 24, Text),
    option("rdnss", 25, Ip6),
    option("dnssl", 31, Text),
    option("router_preference", 253, Text),
    option("addr_mode", 254, Text),
];

/// What an `empty_lb_backends` event tells.
#[rustfmt::skip]
pub(crate) static EVENT_OPTIONS: &[OptionDef] = &[
    option("vip", 1, Text),
    option("protocol", 2, Text),
    option("load_balancer", 3, Text),
];

impl OptionDef {
    /// What the option sets, when it is one of [`RA_OPTIONS`].
    pub fn router_advertisement(&self) -> Option<RouterAdvertisement> {
        Some(match self.name {
            "addr_mode" => RouterAdvertisement::AddressMode,
            "router_preference" => RouterAdvertisement::Preference,
            "slla" => RouterAdvertisement::SourceLinkLayer,
            "prefix" => RouterAdvertisement::Prefix,
            "mtu" => RouterAdvertisement::Mtu,
            "rdnss" => RouterAdvertisement::DnsServer,
            "dnssl" => RouterAdvertisement::DnsSearch,
            "route_info" => RouterAdvertisement::RouteInfo,
            _ => return None,
        })
    }
}

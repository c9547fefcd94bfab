//! From protobuf to `hvflow`. What is no address, no number of its size or not said is refused by its path.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::str::FromStr;

use hvflow::params::{
    Addresses, Direction, FloatingIps, FloatingIpv4, FloatingIpv6, IcmpType, InterfaceType,
    Ipv4Address, Ipv6Address, NetworkParams, PortRange, Problems, Protocol, RateLimit, RateLimits,
    Rule, RuleAction, SecurityPolicies, Vnic,
};

use crate::hv::v1;

type Result<T> = std::result::Result<T, Problems>;

/// Where a field is. Nothing is written before something is wrong.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root,
    Field(&'a Self, &'a str),
    Index(&'a Self, usize),
}

impl Path<'_> {
    fn wrong<T>(&self, message: impl Display) -> Result<T> {
        Err(Problems::one(self.to_string(), message.to_string()))
    }
}

impl Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(above, name) => write!(f, "{above}.{name}"),
            Self::Index(above, index) => write!(f, "{above}[{index}]"),
        }
    }
}

/// Each element with its path.
fn each<T, U>(list: &[T], at: Path<'_>, of: impl Fn(&T, Path<'_>) -> Result<U>) -> Result<Vec<U>> {
    let elements = list.iter().enumerate();
    elements
        .map(|(index, element)| of(element, Path::Index(&at, index)))
        .collect()
}

fn text<T: FromStr<Err: Display>>(text: &str, at: Path<'_>) -> Result<T> {
    text.parse().or_else(|error| at.wrong(error))
}

/// A text of the list of texts.
fn texts<T: FromStr<Err: Display>>(list: &[String], at: Path<'_>) -> Result<Vec<T>> {
    each(list, at, |element, at| text(element, at))
}

fn optional<T: FromStr<Err: Display>>(given: Option<&str>, at: Path<'_>) -> Result<Option<T>> {
    given.map(|given| text(given, at)).transpose()
}

/// A word of an enumeration. One that is not known is refused: what it would mean is not known either.
fn word<T: TryFrom<i32>>(number: i32, at: Path<'_>) -> Result<T> {
    T::try_from(number)
        .or_else(|_| at.wrong(format_args!("{number} is no word that is known here")))
}

/// A number that protobuf has no type of the size for.
fn small<T: TryFrom<u32>>(number: u32, at: Path<'_>) -> Result<T> {
    T::try_from(number).or_else(|_| {
        let bits = size_of::<T>() * 8;
        at.wrong(format_args!("{number} has more than {bits} bits"))
    })
}

pub(super) fn params(from: &v1::NetworkParams) -> Result<NetworkParams> {
    let root = Path::Root;
    let groups = Path::Field(&root, "address_groups");
    let mut address_groups = BTreeMap::new();
    for (name, group) in &from.address_groups {
        let at = Path::Field(&groups, name);
        address_groups.insert(name.clone(), texts(&group.members, at)?);
    }
    Ok(NetworkParams {
        droplet_id: from.droplet_id,
        vnics: each(&from.vnics, Path::Field(&root, "vnics"), vnic)?,
        address_groups,
    })
}

pub(super) fn rule_alone(from: &v1::Rule) -> Result<Rule> {
    rule(from, Path::Root)
}

fn vnic(from: &v1::Vnic, at: Path<'_>) -> Result<Vnic> {
    let field = |name| Path::Field(&at, name);
    let policies = from.security_policies.as_ref();
    Ok(Vnic {
        mac: text(&from.mac, field("mac"))?,
        enabled: from.enabled.unwrap_or(true),
        name: from.name.clone(),
        interface_type: match word(from.interface_type, field("interface_type"))? {
            v1::InterfaceType::Public => InterfaceType::Public,
            v1::InterfaceType::Private => InterfaceType::Private,
            v1::InterfaceType::Unspecified => {
                return field("interface_type").wrong("must be public or private");
            }
        },
        addresses: addresses(from.addresses.as_ref(), field("addresses"))?,
        floating_ips: floating_ips(from.floating_ips.as_ref(), field("floating_ips"))?,
        security_policies: policies
            .map(|policies| security_policies(policies, field("security_policies")))
            .transpose()?,
        anti_spoofing: from.anti_spoofing.unwrap_or(true),
        vlan: from
            .vlan
            .map(|vlan| small(vlan, field("vlan")))
            .transpose()?,
        peer_networks: texts(&from.peer_networks, field("peer_networks"))?,
        rate_limits: rate_limits(from.rate_limits.as_ref()),
        passive: from.passive,
    })
}

fn addresses(from: Option<&v1::Addresses>, at: Path<'_>) -> Result<Addresses> {
    let Some(from) = from else {
        return Ok(Addresses::default());
    };
    Ok(Addresses {
        ipv4: each(&from.ipv4, Path::Field(&at, "ipv4"), |from, at| {
            Ok(Ipv4Address {
                ip_address: text(&from.ip_address, Path::Field(&at, "ip_address"))?,
                masklen: small(from.masklen, Path::Field(&at, "masklen"))?,
                gateway: optional(from.gateway.as_deref(), Path::Field(&at, "gateway"))?,
            })
        })?,
        ipv6: each(&from.ipv6, Path::Field(&at, "ipv6"), |from, at| {
            Ok(Ipv6Address {
                ip_address: text(&from.ip_address, Path::Field(&at, "ip_address"))?,
                masklen: small(from.masklen, Path::Field(&at, "masklen"))?,
                gateway: optional(from.gateway.as_deref(), Path::Field(&at, "gateway"))?,
            })
        })?,
    })
}

fn floating_ips(from: Option<&v1::FloatingIps>, at: Path<'_>) -> Result<FloatingIps> {
    let Some(from) = from else {
        return Ok(FloatingIps::default());
    };
    Ok(FloatingIps {
        ipv4: each(&from.ipv4, Path::Field(&at, "ipv4"), |from, at| {
            Ok(FloatingIpv4 {
                ip_address: text(&from.ip_address, Path::Field(&at, "ip_address"))?,
                fixed_address: fixed(from, at)?,
                outbound: from.outbound.unwrap_or(true),
            })
        })?,
        ipv6: each(&from.ipv6, Path::Field(&at, "ipv6"), |from, at| {
            Ok(FloatingIpv6 {
                ip_address: text(&from.ip_address, Path::Field(&at, "ip_address"))?,
                fixed_address: fixed(from, at)?,
                outbound: from.outbound.unwrap_or(true),
            })
        })?,
    })
}

fn fixed<T: FromStr<Err: Display>>(from: &v1::FloatingIp, at: Path<'_>) -> Result<Option<T>> {
    optional(
        from.fixed_address.as_deref(),
        Path::Field(&at, "fixed_address"),
    )
}

fn security_policies(from: &v1::SecurityPolicies, at: Path<'_>) -> Result<SecurityPolicies> {
    Ok(SecurityPolicies {
        rules: each(&from.rules, Path::Field(&at, "rules"), rule)?,
        default_inbound: rule_action(
            from.default_inbound,
            RuleAction::Deny,
            Path::Field(&at, "default_inbound"),
        )?,
        default_outbound: rule_action(
            from.default_outbound,
            RuleAction::Deny,
            Path::Field(&at, "default_outbound"),
        )?,
    })
}

fn rule_action(from: i32, default: RuleAction, at: Path<'_>) -> Result<RuleAction> {
    Ok(match word(from, at)? {
        v1::RuleAction::Unspecified => default,
        v1::RuleAction::Allow => RuleAction::Allow,
        v1::RuleAction::Deny => RuleAction::Deny,
    })
}

fn rule(from: &v1::Rule, at: Path<'_>) -> Result<Rule> {
    let field = |name| Path::Field(&at, name);
    Ok(Rule {
        name: from.name.clone(),
        direction: match word(from.direction, field("direction"))? {
            v1::Direction::Inbound => Direction::Inbound,
            v1::Direction::Outbound => Direction::Outbound,
            v1::Direction::Unspecified => {
                return field("direction").wrong("must be inbound or outbound");
            }
        },
        action: rule_action(from.action, RuleAction::Allow, field("action"))?,
        protocol: match from.protocol {
            None => Protocol::Any,
            Some(number) => Protocol::Number(small(number, field("protocol"))?),
        },
        ports: each(&from.ports, field("ports"), |range, at| {
            Ok(PortRange {
                first: small(range.first, Path::Field(&at, "first"))?,
                last: small(range.last, Path::Field(&at, "last"))?,
            })
        })?,
        icmp: from
            .icmp
            .map(|icmp| icmp_type(icmp, field("icmp")))
            .transpose()?,
        remote: texts(&from.remote, field("remote"))?,
        remote_groups: from.remote_groups.clone(),
    })
}

fn icmp_type(from: v1::IcmpType, at: Path<'_>) -> Result<IcmpType> {
    Ok(IcmpType {
        kind: small(from.r#type, Path::Field(&at, "type"))?,
        code: from
            .code
            .map(|code| small(code, Path::Field(&at, "code")))
            .transpose()?,
    })
}

fn rate_limits(from: Option<&v1::RateLimits>) -> RateLimits {
    let limit = |from: v1::RateLimit| RateLimit {
        kbps: from.kbps,
        burst_kbits: from.burst_kbits,
    };
    from.map_or_else(RateLimits::default, |from| RateLimits {
        inbound: from.inbound.map(limit),
        outbound: from.outbound.map(limit),
    })
}

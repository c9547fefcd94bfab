//! From `hvflow` to protobuf. Nothing can go wrong.

use hvflow::params::{
    Addresses, Direction, FloatingIps, InterfaceType, NetworkParams, Prefix, Protocol, RateLimit,
    RateLimits, Rule, RuleAction, SecurityPolicies, Vnic,
};

use crate::hv::v1;

pub(super) fn params(from: &NetworkParams) -> v1::NetworkParams {
    let group = |members: &Vec<Prefix>| v1::AddressGroup {
        members: texts(members),
    };
    let groups = from.address_groups.iter();
    v1::NetworkParams {
        droplet_id: from.droplet_id,
        vnics: from.vnics.iter().map(vnic).collect(),
        address_groups: groups
            .map(|(name, members)| (name.clone(), group(members)))
            .collect(),
    }
}

fn vnic(from: &Vnic) -> v1::Vnic {
    v1::Vnic {
        mac: from.mac.to_string(),
        enabled: Some(from.enabled),
        name: from.name.clone(),
        interface_type: interface_type(from.interface_type).into(),
        addresses: Some(addresses(&from.addresses)),
        floating_ips: (!from.floating_ips.is_empty()).then(|| floating_ips(&from.floating_ips)),
        security_policies: from.security_policies.as_ref().map(security_policies),
        anti_spoofing: Some(from.anti_spoofing),
        vlan: from.vlan.map(u32::from),
        peer_networks: texts(&from.peer_networks),
        rate_limits: (!from.rate_limits.is_empty()).then(|| rate_limits(&from.rate_limits)),
        passive: from.passive,
    }
}

const fn interface_type(from: InterfaceType) -> v1::InterfaceType {
    match from {
        InterfaceType::Public => v1::InterfaceType::Public,
        InterfaceType::Private => v1::InterfaceType::Private,
    }
}

fn texts<T: ToString>(from: &[T]) -> Vec<String> {
    from.iter().map(T::to_string).collect()
}

fn address(ip: impl ToString, masklen: u8, gateway: Option<impl ToString>) -> v1::Address {
    v1::Address {
        ip_address: ip.to_string(),
        masklen: masklen.into(),
        gateway: gateway.map(|gateway| gateway.to_string()),
    }
}

fn addresses(from: &Addresses) -> v1::Addresses {
    let ipv4 = from.ipv4.iter();
    let ipv6 = from.ipv6.iter();
    v1::Addresses {
        ipv4: ipv4
            .map(|it| address(it.ip_address, it.masklen, it.gateway))
            .collect(),
        ipv6: ipv6
            .map(|it| address(it.ip_address, it.masklen, it.gateway))
            .collect(),
    }
}

fn floating(ip: impl ToString, fixed: Option<impl ToString>, outbound: bool) -> v1::FloatingIp {
    v1::FloatingIp {
        ip_address: ip.to_string(),
        fixed_address: fixed.map(|fixed| fixed.to_string()),
        outbound: Some(outbound),
    }
}

fn floating_ips(from: &FloatingIps) -> v1::FloatingIps {
    let ipv4 = from.ipv4.iter();
    let ipv6 = from.ipv6.iter();
    v1::FloatingIps {
        ipv4: ipv4
            .map(|it| floating(it.ip_address, it.fixed_address, it.outbound))
            .collect(),
        ipv6: ipv6
            .map(|it| floating(it.ip_address, it.fixed_address, it.outbound))
            .collect(),
    }
}

fn security_policies(from: &SecurityPolicies) -> v1::SecurityPolicies {
    v1::SecurityPolicies {
        rules: from.rules.iter().map(rule).collect(),
        default_inbound: rule_action(from.default_inbound).into(),
        default_outbound: rule_action(from.default_outbound).into(),
    }
}

const fn rule_action(from: RuleAction) -> v1::RuleAction {
    match from {
        RuleAction::Allow => v1::RuleAction::Allow,
        RuleAction::Deny => v1::RuleAction::Deny,
    }
}

pub(super) fn rule(from: &Rule) -> v1::Rule {
    let direction = match from.direction {
        Direction::Inbound => v1::Direction::Inbound,
        Direction::Outbound => v1::Direction::Outbound,
    };
    let ports = from.ports.iter().map(|range| v1::PortRange {
        first: range.first.into(),
        last: range.last.into(),
    });
    v1::Rule {
        name: from.name.clone(),
        direction: direction.into(),
        action: rule_action(from.action).into(),
        protocol: match from.protocol {
            Protocol::Any => None,
            Protocol::Number(number) => Some(number.into()),
        },
        ports: ports.collect(),
        icmp: from.icmp.map(|icmp| v1::IcmpType {
            r#type: icmp.kind.into(),
            code: icmp.code.map(u32::from),
        }),
        remote: texts(&from.remote),
        remote_groups: from.remote_groups.clone(),
    }
}

fn rate_limits(from: &RateLimits) -> v1::RateLimits {
    let limit = |from: RateLimit| v1::RateLimit {
        kbps: from.kbps,
        burst_kbits: from.burst_kbits,
    };
    v1::RateLimits {
        inbound: from.inbound.map(limit),
        outbound: from.outbound.map(limit),
    }
}

//! Network parameters come back from protobuf and from JSON as they went in.

#![allow(clippy::unwrap_used)] // These are tests, though not marked so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hvflow::params::{
    Addresses, Direction, FloatingIps, FloatingIpv4, FloatingIpv6, IcmpType, InterfaceType,
    Ipv4Address, Ipv6Address, NetworkParams, PortRange, Prefix, Protocol, RateLimit, RateLimits,
    Rule, RuleAction, SecurityPolicies, Vnic,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use prost::Message;
use rpc::hv::v1;

fn ipv4(card: u8, host: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, card, 0, host)
}

fn ipv6(card: u8, host: u8) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, card.into(), 0, 0, 0, 0, host.into())
}

fn prefix() -> impl Strategy<Value = Prefix> {
    let any_ip = prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits))),
        any::<u128>().prop_map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits))),
    ];
    (any_ip, 0..=32u8).prop_map(|(ip, length)| Prefix::new(ip, length).unwrap())
}

fn rule() -> impl Strategy<Value = Rule> {
    let range = (any::<u16>(), any::<u16>());
    let range = range.prop_map(|(a, b)| PortRange {
        first: a.min(b),
        last: a.max(b),
    });
    let icmp = (any::<u8>(), option::of(any::<u8>()));
    let icmp = icmp.prop_map(|(kind, code)| IcmpType { kind, code });
    let what = prop_oneof![
        vec(range, 0..3).prop_map(|ports| (Protocol::TCP, ports, None)),
        option::of(icmp).prop_map(|icmp| (Protocol::ICMPV6, Vec::new(), icmp)),
        (200..=255u8).prop_map(|number| (Protocol::Number(number), Vec::new(), None)),
        Just((Protocol::Any, Vec::new(), None)),
    ];
    let groups = prop_oneof![Just(Vec::new()), Just(vec!["known".to_owned()])];
    let name = option::of("[a-z]{1,9}");
    let who = (any::<bool>(), any::<bool>(), vec(prefix(), 0..3), groups);
    (name, what, who).prop_map(
        |(name, what, (inbound, deny, remote, remote_groups))| Rule {
            name,
            direction: if inbound {
                Direction::Inbound
            } else {
                Direction::Outbound
            },
            action: if deny {
                RuleAction::Deny
            } else {
                RuleAction::Allow
            },
            protocol: what.0,
            ports: what.1,
            icmp: what.2,
            // A rule of ICMPv6 speaks of IPv6 alone.
            remote: remote
                .into_iter()
                .filter(|it| what.0 != Protocol::ICMPV6 || it.net().addr().is_ipv6())
                .collect(),
            remote_groups,
        },
    )
}

fn limit() -> impl Strategy<Value = RateLimit> {
    let numbers = (1..=u32::MAX, option::of(1..=u32::MAX));
    numbers.prop_map(|(kbps, burst_kbits)| RateLimit { kbps, burst_kbits })
}

fn addresses() -> impl Strategy<Value = (bool, bool, bool, bool)> {
    any::<(bool, bool, bool, bool)>()
}

/// A card; `card` makes its names and addresses its own.
fn vnic(card: u8) -> impl Strategy<Value = Vnic> {
    let action = |deny| {
        if deny {
            RuleAction::Deny
        } else {
            RuleAction::Allow
        }
    };
    let policies = (vec(rule(), 0..4), any::<bool>(), any::<bool>());
    let policies = policies.prop_map(move |(rules, inbound, outbound)| SecurityPolicies {
        rules,
        default_inbound: action(inbound),
        default_outbound: action(outbound),
    });
    let limits = (option::of(limit()), option::of(limit()));
    let limits = limits.prop_map(|(inbound, outbound)| RateLimits { inbound, outbound });
    let flags = any::<(bool, bool, bool, bool)>();
    let rest = (
        option::of(policies),
        limits,
        option::of(0..=4094u16),
        vec(prefix(), 0..3),
    );
    (flags, addresses(), addresses(), rest).prop_map(move |(flags, own, floating, rest)| {
        let (enabled, private, anti_spoofing, passive) = flags;
        let (has4, has6, gateway, second) = own;
        let (floats4, floats6, fixed, outbound) = floating;
        let hosts = if second { 2..=3 } else { 2..=2 };
        let mut own = Addresses::default();
        let mut floating_ips = FloatingIps::default();
        if has4 {
            own.ipv4.extend(hosts.clone().map(|host| Ipv4Address {
                ip_address: ipv4(card, host),
                masklen: 24,
                gateway: gateway.then(|| ipv4(card, 1)),
            }));
            floating_ips.ipv4.extend(floats4.then(|| FloatingIpv4 {
                ip_address: ipv4(card + 100, 1),
                fixed_address: fixed.then(|| ipv4(card, 2)),
                outbound,
            }));
        }
        if has6 {
            own.ipv6.extend(hosts.map(|host| Ipv6Address {
                ip_address: ipv6(card, host),
                masklen: 64,
                gateway: gateway.then(|| ipv6(card, 1)),
            }));
            floating_ips.ipv6.extend(floats6.then(|| FloatingIpv6 {
                ip_address: ipv6(card + 100, 1),
                fixed_address: fixed.then(|| ipv6(card, 2)),
                outbound,
            }));
        }
        let (security_policies, rate_limits, vlan, peer_networks) = rest;
        Vnic {
            mac: format!("02:00:00:00:00:{card:02x}").parse().unwrap(),
            enabled,
            name: format!("tap{card}"),
            interface_type: if private {
                InterfaceType::Private
            } else {
                InterfaceType::Public
            },
            addresses: own,
            floating_ips,
            security_policies,
            anti_spoofing,
            vlan,
            peer_networks: if private { peer_networks } else { Vec::new() },
            rate_limits,
            passive,
        }
    })
}

fn params() -> impl Strategy<Value = NetworkParams> {
    let cards = (vnic(1), vnic(2), vnic(3), 0..=3usize);
    let cards = cards.prop_map(|(a, b, c, count)| [a, b, c].into_iter().take(count).collect());
    let groups = btree_map("[a-z]{1,8}", vec(prefix(), 0..4), 0..3);
    (1..=u32::MAX, cards, groups, vec(prefix(), 0..3)).prop_map(
        |(droplet_id, vnics, mut address_groups, known)| {
            address_groups.insert("known".to_owned(), known);
            NetworkParams {
                droplet_id,
                vnics,
                address_groups,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn protobuf_loses_nothing(params in params()) {
        prop_assert_eq!(params.check(), Ok(()));
        let proto = v1::NetworkParams::from(&params);
        let bytes = proto.encode_to_vec();
        let back = v1::NetworkParams::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!(&back, &proto);
        prop_assert_eq!(NetworkParams::try_from(&back).unwrap(), params);
        rpc::codec::check("heddle.hv.v1.NetworkParams", bytes.into()).unwrap();
    }

    #[test]
    fn in_json_both_are_the_same(params in params()) {
        let proto = v1::NetworkParams::from(&params);
        let json = serde_json::to_value(&proto).unwrap();
        prop_assert_eq!(&json, &serde_json::to_value(&params).unwrap());
        prop_assert_eq!(serde_json::from_value::<v1::NetworkParams>(json).unwrap(), proto);
    }

    #[test]
    fn a_rule_alone_is_the_same_in_both(rule in rule()) {
        let rule = Rule { remote_groups: Vec::new(), ..rule };
        let proto = v1::Rule::from(&rule);
        prop_assert_eq!(&Rule::try_from(&proto).unwrap(), &rule);
        let json = serde_json::to_value(&proto).unwrap();
        prop_assert_eq!(&json, &serde_json::to_value(&rule).unwrap());
        prop_assert_eq!(serde_json::from_value::<v1::Rule>(json).unwrap(), proto);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(proto) = v1::NetworkParams::decode(bytes.as_slice()) {
            let _ = NetworkParams::try_from(&proto);
        }
        let _ = rpc::codec::check("heddle.hv.v1.AddRequest", bytes.into());
    }
}

/// The parameters of one public card, as protobuf.
fn card() -> v1::NetworkParams {
    v1::NetworkParams {
        droplet_id: 1,
        vnics: vec![v1::Vnic {
            mac: "de:ad:be:ef:de:ad".to_owned(),
            name: "tapext1".to_owned(),
            interface_type: v1::InterfaceType::Public.into(),
            ..v1::Vnic::default()
        }],
        ..v1::NetworkParams::default()
    }
}

#[test]
fn what_protobuf_leaves_out_is_the_default() {
    let params = NetworkParams::try_from(&card()).unwrap();
    let vnic = &params.vnics[0];
    assert!(vnic.enabled && vnic.anti_spoofing && !vnic.passive);
    assert_eq!(vnic.security_policies, None);
    let mut proto = card();
    proto.vnics[0].security_policies = Some(v1::SecurityPolicies::default());
    let params = NetworkParams::try_from(&proto).unwrap();
    assert_eq!(
        params.vnics[0].security_policies,
        Some(SecurityPolicies {
            rules: Vec::new(),
            default_inbound: RuleAction::Deny,
            default_outbound: RuleAction::Deny,
        })
    );
}

/// A change of a card, and what is said of it.
type Case<'a> = (&'a dyn Fn(&mut v1::Vnic), &'a str);

#[test]
fn what_cannot_be_is_refused_by_its_path() {
    let refused = |change: &dyn Fn(&mut v1::Vnic)| {
        let mut proto = card();
        change(&mut proto.vnics[0]);
        NetworkParams::try_from(&proto).unwrap_err().to_string()
    };
    let address = |text: &str| v1::Address {
        ip_address: text.to_owned(),
        ..v1::Address::default()
    };
    let cases: [Case<'_>; 8] = [
        (&|it| it.mac = "de:ad".to_owned(), "vnics[0].mac: "),
        (
            &|it| it.interface_type = 0,
            "vnics[0].interface_type: must be public or private",
        ),
        (
            &|it| it.interface_type = 9,
            "vnics[0].interface_type: 9 is no word that is known here",
        ),
        (
            &|it| it.vlan = Some(1 << 16),
            "vnics[0].vlan: 65536 has more than 16 bits",
        ),
        (&|it| it.name = String::new(), "vnics[0].name: "),
        (
            &|it| {
                it.addresses = Some(v1::Addresses {
                    ipv4: vec![address("::1")],
                    ipv6: Vec::new(),
                });
            },
            "vnics[0].addresses.ipv4[0].ip_address: ",
        ),
        (
            &|it| {
                it.addresses = Some(v1::Addresses {
                    ipv4: Vec::new(),
                    ipv6: vec![address("::1")],
                });
            },
            "vnics[0].addresses.ipv6[0].ip_address: ::1 is a loopback address",
        ),
        (
            &|it| {
                let rule = v1::Rule {
                    action: 7,
                    direction: 1,
                    ..v1::Rule::default()
                };
                let rules = vec![rule];
                it.security_policies = Some(v1::SecurityPolicies {
                    rules,
                    ..Default::default()
                });
            },
            "vnics[0].security_policies.rules[0].action: 7 is no word that is known here",
        ),
    ];
    for (change, expected) in cases {
        let problem = refused(change);
        assert!(
            problem.starts_with(expected),
            "{problem} in place of {expected}"
        );
    }
}

#[test]
fn json_with_an_unknown_field_is_refused_by_its_path() {
    let read = |text: &str| {
        serde_json::from_str::<v1::AddRequest>(text)
            .unwrap_err()
            .to_string()
    };
    let inside = read(r#"{"params": {"droplet_id": 1, "vnics": [{"color": 1}]}}"#);
    assert!(
        inside.starts_with("vnics[0].color: unknown field `color`"),
        "{inside}"
    );
    let outside = read(r#"{"parameters": {}}"#);
    assert!(
        outside.starts_with("unknown field `parameters`, expected one of `params`"),
        "{outside}"
    );
}

#[test]
fn the_json_of_existing_control_planes_is_read_as_it_is() {
    let text = r#"{"droplet_id": 1, "vnics": [{"mac": "de:ad:be:ef:de:ad", "enabled": 1,
        "name": "tapext1", "interface_type": "public", "addresses": {"ipv4":
        [{"ip_address": "10.0.0.10", "masklen": 20, "gateway": "10.0.0.1"}]}}]}"#;
    let proto: v1::NetworkParams = serde_json::from_str(text).unwrap();
    assert_eq!(proto.vnics[0].enabled, Some(true));
    assert_eq!(
        proto.vnics[0].addresses.as_ref().unwrap().ipv4[0].masklen,
        20
    );
    let back = serde_json::to_value(&proto).unwrap();
    assert_eq!(
        back,
        serde_json::from_str::<serde_json::Value>(text).unwrap()
    );
}

//! What holds for all cookies, parameters and transactions.

#![allow(
    clippy::unwrap_used,
    reason = "what cannot be is a failure of the test"
)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use hvflow::cookie::{Cookie, InterfaceId, Kind, Selection};
use hvflow::params::{
    Direction, FloatingIpv4, IcmpType, InterfaceType, Ipv4Address, Ipv6Address, NetworkParams,
    PortRange, Prefix, Protocol, RateLimit, Rule, RuleAction, SecurityPolicies, Vnic,
};
use hvflow::{Desired, Host, Installed, Ports, Transaction, Uplink};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngSeed};

fn config(cases: u32) -> Config {
    Config {
        cases,
        rng_seed: RngSeed::Fixed(0x6865_6464_6c65),
        failure_persistence: None,
        ..Config::default()
    }
}

fn interface_type() -> impl Strategy<Value = InterfaceType> {
    select(&InterfaceType::ALL)
}

fn cookie() -> impl Strategy<Value = Cookie> {
    let parts = (
        1u32..,
        interface_type(),
        0u8..128,
        select(&Kind::ALL),
        0u16..4096,
    );
    parts.prop_map(
        |(machine, interface_type, ordinal, kind, detail)| Cookie::Machine {
            machine,
            interface: InterfaceId::new(interface_type, ordinal).unwrap(),
            kind,
            detail,
        },
    )
}

type Meaning = Box<dyn Fn(Cookie) -> bool>;

/// Every selection, with what it means in words of the cookie's parts.
fn selections(of: Cookie) -> Vec<(Selection, Meaning)> {
    let Cookie::Machine {
        machine,
        interface,
        kind,
        ..
    } = of
    else {
        unreachable!("only machines' cookies are made")
    };
    let parts = |cookie| match cookie {
        Cookie::Machine {
            machine,
            interface,
            kind,
            ..
        } => Some((machine, interface, kind)),
        Cookie::Host => None,
    };
    let interface_type = interface.interface_type();
    vec![
        (Selection::All, Box::new(|_| true)),
        (
            Selection::Host,
            Box::new(move |cookie| parts(cookie).is_none()),
        ),
        (
            Selection::Machines,
            Box::new(move |cookie| parts(cookie).is_some()),
        ),
        (
            Selection::KindOfAll(kind),
            Box::new(move |cookie| parts(cookie).is_some_and(|p| p.2 == kind)),
        ),
        (
            Selection::Machine(machine),
            Box::new(move |cookie| parts(cookie).is_some_and(|p| p.0 == machine)),
        ),
        (
            Selection::InterfaceType(machine, interface_type),
            Box::new(move |cookie| {
                parts(cookie)
                    .is_some_and(|p| p.0 == machine && p.1.interface_type() == interface_type)
            }),
        ),
        (
            Selection::Interface(machine, interface),
            Box::new(move |cookie| {
                parts(cookie).is_some_and(|p| (p.0, p.1) == (machine, interface))
            }),
        ),
        (
            Selection::Kind(machine, interface, kind),
            Box::new(move |cookie| parts(cookie) == Some((machine, interface, kind))),
        ),
    ]
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn a_cookie_is_read_as_it_was_written(cookie in cookie()) {
        let bits = cookie.marshal().unwrap();
        prop_assert_eq!(Cookie::unmarshal(bits), Ok(cookie));
    }

    /// Whatever the bits: either they are a cookie that is written the same again, or they are nobody's.
    #[test]
    fn any_bits_are_one_cookie_or_none(bits: u64, version in 0u64..16) {
        for bits in [bits, bits & !(0xf << 60) | version << 60, bits & !(0x7f << 12) | 3 << 12] {
            match Cookie::unmarshal(bits) {
                Ok(cookie) => prop_assert_eq!(cookie.marshal(), Ok(bits)),
                Err(_) => {
                    let machines = Selection::Machines.selects(bits);
                    prop_assert!(!machines || bits >> 60 == 1);
                }
            }
        }
    }

    /// Masks find what the words say, and only what is of this version; and ranges hold all of it.
    #[test]
    fn selections_mean_what_they_say(of in cookie(), other in cookie(), same in 0u8..8) {
        let (Cookie::Machine { machine: m1, interface: i1, kind: k1, .. },
             Cookie::Machine { machine: m2, interface: i2, kind: k2, detail }) = (of, other) else {
            unreachable!("only machines' cookies are made")
        };
        // Often alike in part.
        let other = Cookie::Machine {
            machine: if same & 1 != 0 { m1 } else { m2 },
            interface: if same & 2 != 0 { i1 } else { i2 },
            kind: if same & 4 != 0 { k1 } else { k2 },
            detail,
        };
        for cookie in [of, other, Cookie::Host] {
            let bits = cookie.marshal().unwrap();
            for (selection, meant) in selections(of) {
                prop_assert_eq!(selection.selects(bits), meant(cookie), "{:?} {}", selection, cookie);
                prop_assert!(!selection.selects(bits) || selection.range().contains(&bits));
                prop_assert!(!selection.selects(bits ^ 3 << 60), "another version");
                let (value, mask) = selection.value_and_mask();
                let delete = selection.delete();
                prop_assert_eq!((delete.flow.cookie, delete.cookie_mask), (value, mask));
            }
        }
    }
}

fn host() -> Host {
    let uplink = |vlan| {
        Some(Uplink {
            port: "eth0".to_owned(),
            vlan,
            router_mac: None,
        })
    };
    Host {
        public: uplink(100),
        private: uplink(200),
        ..Host::default()
    }
}

/// Three machines with two cards each.
const CARDS: u16 = 6;

fn ports() -> Ports {
    let taps = (0..CARDS).map(|n| (format!("tap{n}"), 10 + n));
    taps.chain([("eth0".to_owned(), 1)]).collect()
}

fn prefix() -> impl Strategy<Value = Prefix> {
    let ipv4 =
        (any::<u32>(), 8u8..=32).prop_map(|(bits, length)| (Ipv4Addr::from(bits).into(), length));
    let ipv6 = (any::<u128>(), 16u8..=128)
        .prop_map(|(bits, length)| (Ipv6Addr::from(bits).into(), length));
    prop_oneof![ipv4, ipv6].prop_map(|(address, length)| Prefix::new(address, length).unwrap())
}

fn rule() -> impl Strategy<Value = Rule> {
    let directions = select(&Direction::ALL);
    let actions = select(&[RuleAction::Allow, RuleAction::Deny]);
    let protocols = select(&[
        Protocol::Any,
        Protocol::TCP,
        Protocol::UDP,
        Protocol::ICMP,
        Protocol::Number(47),
    ]);
    let ports = prop::collection::vec((any::<u16>(), 0u16..2000), 0..4);
    let remotes = prop::collection::vec(prefix(), 0..4);
    (
        directions,
        actions,
        protocols,
        ports,
        remotes,
        any::<bool>(),
    )
        .prop_map(|(direction, action, protocol, ports, remote, group)| Rule {
            name: None,
            direction,
            action,
            protocol,
            ports: ports
                .into_iter()
                .filter(|_| protocol.has_ports())
                .map(|(first, more)| PortRange {
                    first,
                    last: first.saturating_add(more),
                })
                .collect(),
            icmp: (protocol == Protocol::ICMP).then_some(IcmpType {
                kind: 8,
                code: None,
            }),
            remote: remote
                .into_iter()
                .filter(|prefix| protocol != Protocol::ICMP || prefix.net().addr().is_ipv4())
                .collect(),
            remote_groups: group.then(|| "all".to_owned()).into_iter().collect(),
        })
}

fn card() -> impl Strategy<Value = Vnic> {
    let flags = (
        prop::bool::weighted(0.9),
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.1),
    );
    let policies = prop::option::of(prop::collection::vec(rule(), 0..4));
    let counts = (0u8..3, 0u8..3, any::<bool>());
    let limit = prop::option::of(1u32..100_000);
    (flags, policies, counts, limit).prop_map(
        |((enabled, guarded, passive), rules, counts, limit)| {
            let (ipv4, ipv6, floating) = counts;
            let mut card = Vnic {
                enabled,
                anti_spoofing: guarded,
                passive,
                security_policies: rules.map(|rules| SecurityPolicies {
                    rules,
                    default_inbound: RuleAction::Deny,
                    default_outbound: RuleAction::Allow,
                }),
                ..Vnic::default()
            };
            card.addresses.ipv4 = (0..ipv4)
                .map(|n| Ipv4Address {
                    ip_address: Ipv4Addr::new(10, 0, n, 0),
                    masklen: 8,
                    gateway: None,
                })
                .collect();
            card.addresses.ipv6 = (0..ipv6)
                .map(|n| Ipv6Address {
                    ip_address: Ipv6Addr::new(0xfd00, 0, 0, n.into(), 0, 0, 0, 0),
                    masklen: 32,
                    gateway: None,
                })
                .collect();
            if floating && ipv4 > 0 {
                card.floating_ips.ipv4.push(FloatingIpv4 {
                    ip_address: Ipv4Addr::new(192, 0, 2, 0),
                    fixed_address: None,
                    outbound: true,
                });
            }
            card.rate_limits.inbound = limit.map(|kbps| RateLimit {
                kbps,
                burst_kbits: None,
            });
            card
        },
    )
}

/// A machine whose names and addresses no other has.
fn machine(droplet_id: u32) -> impl Strategy<Value = NetworkParams> {
    prop::collection::vec(card(), 2).prop_map(move |mut vnics| {
        for (n, vnic) in (0u8..).zip(&mut vnics) {
            let number = (droplet_id as u8 - 1) * 2 + n;
            vnic.name = format!("tap{number}");
            vnic.mac = [0x0a, 0, 0, 0, 0, number + 1].into();
            vnic.interface_type = InterfaceType::ALL[usize::from(n)];
            for own in &mut vnic.addresses.ipv4 {
                let [a, b, c, _] = own.ip_address.octets();
                own.ip_address = [a, b, c, number + 1].into();
            }
            for own in &mut vnic.addresses.ipv6 {
                own.ip_address = (own.ip_address.to_bits() | u128::from(number + 1)).into();
            }
            for floating in &mut vnic.floating_ips.ipv4 {
                floating.ip_address = [192, 0, 2, number + 1].into();
            }
        }
        let members =
            ["198.51.100.1", "198.51.100.7", "2001:db8::7"].map(|text| text.parse().unwrap());
        NetworkParams {
            droplet_id,
            vnics,
            address_groups: BTreeMap::from([("all".to_owned(), members.into())]),
        }
    })
}

fn machines() -> impl Strategy<Value = Vec<NetworkParams>> {
    (machine(1), machine(2), machine(3))
        .prop_map(|(first, second, third)| vec![first, second, third])
}

type Operation = Box<dyn Fn(&mut Transaction<'_>)>;

/// All operations that together give a machine its network.
fn operations(params: &NetworkParams) -> Vec<Operation> {
    let mut out: Vec<Operation> = Vec::new();
    for interface_type in InterfaceType::ALL {
        for which in 0..5 {
            let params = params.clone();
            out.push(Box::new(move |tx| {
                let done = match which {
                    0 => tx.enable_ipv4(&params, interface_type),
                    1 => tx.enable_ipv6(&params, interface_type),
                    2 => tx.enable_floating_ipv4(&params, interface_type),
                    3 => tx.enable_floating_ipv6(&params, interface_type),
                    _ => tx.apply_security_policies(&params, interface_type),
                };
                done.unwrap();
            }));
        }
    }
    out
}

/// What a switch holds in the end: flows as text, and meters.
fn held(installed: &Installed) -> (Vec<String>, Vec<String>) {
    let mut flows: Vec<_> = installed
        .flows(Selection::All)
        .map(ToString::to_string)
        .collect();
    flows.sort_unstable();
    let meters = installed
        .meters()
        .values()
        .map(ToString::to_string)
        .collect();
    (flows, meters)
}

fn committed(host: &Host, ports: &Ports, installed: &mut Installed, operations: &[&Operation]) {
    let mut transaction = Transaction::new(host, ports);
    operations
        .iter()
        .for_each(|operation| operation(&mut transaction));
    let commit = transaction.commit(installed).unwrap();
    installed.apply(&commit);
}

proptest! {
    #![proptest_config(config(60))]

    /// The state that is asked for at once is the sum of the operations, in whatever order they come, and in however
    /// many transactions.
    #[test]
    fn the_desired_state_is_the_sum_of_transactions_in_any_order(
        machines in machines(),
        order in prop::collection::vec(any::<Index>(), 30),
        cut in any::<Index>(),
    ) {
        let (host, ports) = (host(), ports());
        let mut desired = Installed::default();
        let commit = Desired::new(&host, &ports, &machines).commit(&desired).unwrap();
        desired.apply(&commit);

        let mut all: Vec<Operation> = machines.iter().flat_map(operations).collect();
        let mut shuffled = Vec::new();
        for place in order {
            shuffled.push(all.swap_remove(place.index(all.len())));
        }
        prop_assert!(all.is_empty());
        let (first, second) = shuffled.split_at(cut.index(shuffled.len()));
        let mut sum = Installed::default();
        for part in [first, second] {
            committed(&host, &ports, &mut sum, &part.iter().collect::<Vec<_>>());
        }
        prop_assert_eq!(held(&sum), held(&desired));
    }

    /// From any state to any other: what is held afterwards depends on where it went, not on where it came from; and
    /// once there, nothing is left to do.
    #[test]
    fn what_is_held_is_no_matter_of_history(before in machines(), after in machines(), gone in 0usize..3) {
        let (host, ports) = (host(), ports());
        let mut installed = Installed::default();
        let commit = Desired::new(&host, &ports, &before).commit(&installed).unwrap();
        installed.apply(&commit);
        let mut wanted = after.clone();
        wanted.remove(gone);
        let commit = Desired::new(&host, &ports, &wanted).commit(&installed).unwrap();
        installed.apply(&commit);

        let mut fresh = Installed::default();
        let commit = Desired::new(&host, &ports, &wanted).commit(&fresh).unwrap();
        fresh.apply(&commit);
        prop_assert_eq!(held(&installed), held(&fresh));
        prop_assert!(Desired::new(&host, &ports, &wanted).commit(&installed).unwrap().is_empty());

        // One after the other comes to the same.
        let mut transaction = Transaction::new(&host, &ports);
        transaction.disable_machine(after[gone].droplet_id);
        for params in wanted.iter().rev() {
            transaction.set(params).unwrap();
        }
        let mut stepwise = Installed::default();
        let commit = Desired::new(&host, &ports, &before).commit(&stepwise).unwrap();
        stepwise.apply(&commit);
        let commit = transaction.commit(&stepwise).unwrap();
        stepwise.apply(&commit);
        prop_assert_eq!(held(&stepwise), held(&fresh));
    }

    /// The later of two operations on one thing counts.
    #[test]
    fn later_operations_replace_earlier_ones(before in machine(1), after in machine(1)) {
        let (host, ports) = (host(), ports());
        let (mut once, mut twice) = (Installed::default(), Installed::default());
        let mut transaction = Transaction::new(&host, &ports);
        transaction.set(&before).unwrap();
        transaction.disable(1, InterfaceType::Public);
        transaction.set(&after).unwrap();
        twice.apply(&transaction.commit(&twice).unwrap());
        let mut transaction = Transaction::new(&host, &ports);
        transaction.set(&after).unwrap();
        once.apply(&transaction.commit(&once).unwrap());
        prop_assert_eq!(held(&once), held(&twice));
    }

    /// No switch would refuse any of the flows, and their text is read as the same flow.
    #[test]
    fn every_flow_is_one_that_a_switch_takes(machines in machines()) {
        let (host, ports) = (host(), ports());
        let commit = Desired::new(&host, &ports, &machines).commit(&Installed::default()).unwrap();
        for change in &commit.bundle {
            let openflow::sync::Mod::Flow(change) = change else {
                panic!("only flows are in a bundle")
            };
            change.flow.check().unwrap();
            let read: openflow::Flow = change.flow.to_string().parse().unwrap();
            prop_assert_eq!(&read, &change.flow);
        }
    }

    #[test]
    fn parameters_are_written_as_they_were_read(params in machine(7)) {
        let json = serde_json::to_vec(&params).unwrap();
        prop_assert_eq!(NetworkParams::from_json(&json).unwrap(), params);
    }
}

/// Values that are often wrong, and sometimes right.
fn values() -> impl Strategy<Value = serde_json::Value> {
    let numbers = select(&[0u64, 1, 32, 33, 128, 255, 4095, 65_535, 1 << 32]).prop_map(Into::into);
    let texts = select(&[
        "",
        "tap0",
        "::",
        "10.0.0.1",
        "fe80::1",
        "10.0.0.0/8",
        "private",
        "icmp",
        "deny",
    ]);
    prop_oneof![
        numbers,
        texts.prop_map(Into::into),
        Just(serde_json::json!([])),
        Just(serde_json::json!({})),
        Just(serde_json::Value::Null),
    ]
}

/// Puts a value in the place that a walk by these steps comes to.
fn put(into: &mut serde_json::Value, steps: &[Index], new: serde_json::Value) {
    let Some((step, rest)) = steps.split_first() else {
        *into = new;
        return;
    };
    match into {
        serde_json::Value::Array(entries) if !entries.is_empty() => {
            put(step.get_mut(entries), rest, new);
        }
        serde_json::Value::Object(fields) if !fields.is_empty() => {
            let at = step.index(fields.len());
            let field = fields.values_mut().nth(at).expect("it has so many fields");
            put(field, rest, new);
        }
        other => *other = new,
    }
}

proptest! {
    #![proptest_config(config(3000))]

    /// Whatever is written in the place of a value or a byte: it is refused by the name of a field, or what comes of
    /// it is flows that a switch takes.
    #[test]
    fn mutilated_parameters_are_refused_or_good(
        changes in prop::collection::vec((prop::collection::vec(any::<Index>(), 1..6), values()), 0..4),
        bytes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..3),
    ) {
        let mut json: serde_json::Value = serde_json::from_str(include_str!("data/full.json")).unwrap();
        for (steps, new) in changes {
            put(&mut json, &steps, new);
        }
        let mut text = serde_json::to_vec(&json).unwrap();
        for (at, byte) in bytes {
            *at.get_mut(&mut text) = byte;
        }
        match NetworkParams::from_json(&text) {
            Err(error) => prop_assert!(error.to_string().contains(':'), "{error}"),
            Ok(params) => {
                let (host, mut ports) = (host(), vec![("eth0".to_owned(), 1)]);
                ports.extend(params.vnics.iter().map(|vnic| vnic.name.clone()).zip(10..));
                let ports: Ports = ports.into_iter().collect();
                let mut transaction = Transaction::new(&host, &ports);
                if transaction.set(&params).is_ok() {
                    for change in transaction.commit(&Installed::default()).unwrap().bundle {
                        let openflow::sync::Mod::Flow(change) = change else {
                            panic!("only flows are in a bundle")
                        };
                        change.flow.check().unwrap();
                    }
                }
            }
        }
    }
}

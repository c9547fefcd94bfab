//! How the flows look, in the text of `ovs-ofctl`.

#![allow(
    clippy::unwrap_used,
    reason = "what cannot be is a failure of the test"
)]

use hvflow::cookie::Selection;
use hvflow::params::{InterfaceType, NetworkParams};
use hvflow::{Commit, CommitError, Desired, Host, Installed, Ports, Transaction, Uplink};
use serde_json::{Value, json};

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

fn ports() -> Ports {
    let ports = [
        ("eth0", 1),
        ("tapext1", 10),
        ("tapint1", 11),
        ("tapext2", 12),
    ];
    ports.into_iter().collect()
}

fn seed() -> Value {
    json!({
        "droplet_id": 1,
        "vnics": [{
            "mac": "de:ad:be:ef:de:ad", "enabled": 1, "name": "tapext1", "interface_type": "public",
            "addresses": {"ipv4": [{"ip_address": "10.0.0.10", "masklen": 20, "gateway": "10.0.0.1"}]}
        }]
    })
}

fn params(value: &Value) -> NetworkParams {
    NetworkParams::from_json(value.to_string().as_bytes()).unwrap()
}

/// The seed's card with one field more.
fn with(field: &str, value: Value) -> NetworkParams {
    let mut json = seed();
    json["vnics"][0][field] = value;
    params(&json)
}

fn committed(host: &Host, operations: impl FnOnce(&mut Transaction<'_>)) -> Commit {
    let ports = ports();
    let mut transaction = Transaction::new(host, &ports);
    operations(&mut transaction);
    let commit = transaction.commit(&Installed::default()).unwrap();
    for change in &commit.bundle {
        let openflow::sync::Mod::Flow(change) = change else {
            panic!("only flows are in a bundle")
        };
        change
            .flow
            .check()
            .unwrap_or_else(|error| panic!("{}: {error}", change.flow));
    }
    commit
}

/// The flows that a selection has, a line each, by table and falling priority.
fn text(commit: &Commit, selection: Selection) -> String {
    let mut installed = Installed::default();
    installed.apply(commit);
    let mut flows: Vec<_> = installed.flows(selection).cloned().collect();
    flows.sort_by_key(|flow| (flow.key.table, !flow.key.priority, flow.to_string()));
    let lines = flows.into_iter().map(|flow| flow.cookie(0).to_string());
    lines.collect::<Vec<_>>().join("\n")
}

fn machine(operations: impl FnOnce(&mut Transaction<'_>)) -> String {
    text(&committed(&host(), operations), Selection::Machines)
}

#[test]
fn of_the_host() {
    insta::assert_snapshot!(text(&committed(&host(), |_| {}), Selection::Host));
}

#[test]
fn of_the_seed() {
    insta::assert_snapshot!(machine(|tx| {
        tx.enable_ipv4(&params(&seed()), InterfaceType::Public)
            .unwrap();
    }));
}

#[test]
fn of_ipv6() {
    let addresses =
        json!({"ipv6": [{"ip_address": "2001:db8::10", "masklen": 64, "gateway": "fe80::1"}]});
    insta::assert_snapshot!(machine(|tx| {
        tx.enable_ipv6(&with("addresses", addresses), InterfaceType::Public)
            .unwrap();
    }));
}

#[test]
fn of_floating_addresses() {
    let params = with(
        "floating_ips",
        json!({"ipv4": [{"ip_address": "192.0.2.100"}]}),
    );
    let commit = committed(&host(), |tx| {
        tx.enable_floating_ipv4(&params, InterfaceType::Public)
            .unwrap();
    });
    let kind = hvflow::cookie::Kind::FloatingIpv4;
    insta::assert_snapshot!(text(&commit, Selection::KindOfAll(kind)));
}

#[test]
fn of_security_policies() {
    let policies = json!({
        "rules": [
            {"direction": "inbound", "protocol": "tcp", "ports": [{"first": 22, "last": 22}]},
            {"direction": "inbound", "protocol": "tcp",
             "ports": [{"first": 80, "last": 80}, {"first": 81, "last": 81}, {"first": 8080, "last": 8090}],
             "remote": ["198.51.100.0/25", "198.51.100.128/25", "203.0.113.7", "2001:db8::/32"]},
            {"direction": "inbound", "protocol": "icmp", "icmp": {"type": 8, "code": 0}},
            {"direction": "inbound", "action": "deny", "remote": ["203.0.113.99"]},
            {"direction": "outbound", "protocol": 47, "remote": ["0.0.0.0/0"]}
        ],
        "default_outbound": "allow"
    });
    insta::assert_snapshot!(machine(|tx| {
        let params = with("security_policies", policies);
        let rules = tx
            .apply_security_policies(&params, InterfaceType::Public)
            .unwrap();
        assert_eq!(rules, 5);
    }));
}

#[test]
fn of_a_private_card_without_a_guard() {
    let value = json!({
        "droplet_id": 2,
        "vnics": [{
            "mac": "0a:00:00:00:00:02", "name": "tapint1", "interface_type": "private", "anti_spoofing": false,
            "addresses": {"ipv4": [{"ip_address": "10.60.5.5", "masklen": 16}]},
            "peer_networks": ["10.61.0.0/16", "10.99.0.0/16"],
            "rate_limits": {"inbound": {"kbps": 1000}, "outbound": {"kbps": 500, "burst_kbits": 100}}
        }]
    });
    let commit = committed(&host(), |tx| tx.set(&params(&value)).unwrap());
    let meters: Vec<_> = commit
        .before
        .iter()
        .map(|message| format!("{message:?}"))
        .collect();
    // Before the meters the switch is told how to match fragments.
    assert_eq!(meters.len(), 3);
    insta::assert_snapshot!(text(&commit, Selection::Machines));
}

#[test]
fn of_a_gateway_that_the_host_answers_for() {
    let mut host = host();
    host.public.as_mut().unwrap().router_mac = "00:00:5e:00:01:01".parse().ok();
    let commit = committed(&host, |tx| {
        tx.enable_ipv4(&params(&seed()), InterfaceType::Public)
            .unwrap();
    });
    let all = text(&commit, Selection::Machines);
    let gateway: Vec<_> = all
        .lines()
        .filter(|line| line.contains("arp_tpa=10.0.0.1,"))
        .collect();
    insta::assert_snapshot!(gateway.join("\n"));
}

/// Dry run: what a commit would do, as text that `ovs-ofctl bundle` reads.
#[test]
fn of_a_change_alone() {
    let (host, ports) = (host(), ports());
    let mut installed = Installed::default();
    let mut apply = |operations: &dyn Fn(&mut Transaction<'_>)| {
        let mut transaction = Transaction::new(&host, &ports);
        operations(&mut transaction);
        let commit = transaction.commit(&installed).unwrap();
        installed.apply(&commit);
        commit.to_string()
    };
    let mut limited = seed();
    limited["vnics"][0]["rate_limits"] = json!({"inbound": {"kbps": 1000}});
    apply(&|tx| tx.set(&params(&limited)).unwrap());
    let mut moved = seed();
    moved["vnics"][0]["addresses"]["ipv4"][0]["ip_address"] = json!("10.0.0.11");
    insta::assert_snapshot!("change", apply(&|tx| tx.set(&params(&moved)).unwrap()));
    insta::assert_snapshot!("removal", apply(&|tx| tx.disable_machine(1)));
}

#[test]
fn a_port_that_is_missing_is_named_and_waited_for() {
    let mut value = seed();
    value["vnics"][0]["name"] = json!("tapext9");
    value["vnics"][0]["interface_type"] = json!("private");
    let params = params(&value);
    let mut host = host();
    let ports = ports();
    let mut transaction = Transaction::new(&host, &ports);
    let error = transaction.set(&params).unwrap_err();
    assert_eq!(
        error.to_string(),
        "vnics[0].name: tapext9 is no port of the bridge"
    );
    let desired = Desired::new(&host, &ports, [&params]);
    assert_eq!(desired.waiting()[0].name, "tapext9");
    assert!(desired.refused().is_empty());
    host.private = None;
    let mut transaction = Transaction::new(&host, &ports);
    let error = transaction.set(&params).unwrap_err().to_string();
    assert!(
        error.starts_with("vnics[0].interface_type: the hypervisor has no private uplink"),
        "{error}"
    );
}

#[test]
fn no_card_strays_into_the_network_of_the_other_type() {
    let (host, ports) = (host(), ports());
    let mut transaction = Transaction::new(&host, &ports);
    assert!(transaction.set(&with("vlan", json!(300))).is_ok());
    let error = transaction.set(&with("vlan", json!(200))).unwrap_err();
    let text = "vnics[0].vlan: 200 is the VLAN of the cards that are not public";
    assert_eq!(error.to_string(), text);
}

#[test]
fn ports_beyond_the_zones_are_refused_with_a_remedy() {
    let host = host();
    let ports: Ports = [("eth0", 1), ("tapext1", 40_000)].into_iter().collect();
    let error = Transaction::new(&host, &ports)
        .set(&params(&seed()))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "vnics[0].name: its port has number 40000, more than 32767; ask for another by Interface's ofport_request"
    );
}

#[test]
fn a_refused_operation_leaves_the_transaction_as_it_was() {
    let (host, ports) = (host(), ports());
    let mut transaction = Transaction::new(&host, &ports);
    transaction
        .enable_ipv4(&params(&seed()), InterfaceType::Public)
        .unwrap();
    let before = transaction.clone().commit(&Installed::default()).unwrap();
    let mut bad = params(&seed());
    bad.vnics[0].addresses.ipv4[0].masklen = 33;
    let error = transaction
        .enable_ipv4(&bad, InterfaceType::Public)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "vnics[0].addresses.ipv4[0].masklen: 33 is not in 0..=32"
    );
    assert!(transaction.set(&bad).is_err());
    assert_eq!(transaction.commit(&Installed::default()).unwrap(), before);
}

#[test]
fn what_is_not_committed_changes_nothing() {
    let (host, ports) = (host(), ports());
    let mut installed = Installed::default();
    installed.apply(&committed(&host, |_| {}));
    let mut transaction = Transaction::new(&host, &ports);
    transaction.set(&params(&seed())).unwrap();
    drop(transaction);
    assert!(installed.machines().is_empty());
    let nothing = Transaction::new(&host, &ports).commit(&installed).unwrap();
    assert!(nothing.is_empty(), "{nothing}");
}

#[test]
fn a_card_that_is_not_enabled_loses_all_it_had() {
    let (host, ports) = (host(), ports());
    let mut installed = Installed::default();
    installed.apply(&committed(&host, |tx| tx.set(&params(&seed())).unwrap()));
    let disabled = with("enabled", json!(0));
    let mut transaction = Transaction::new(&host, &ports);
    transaction
        .enable_ipv4(&disabled, InterfaceType::Public)
        .unwrap();
    installed.apply(&transaction.commit(&installed).unwrap());
    assert!(installed.machines().is_empty());
}

#[test]
fn policies_are_reset_and_nothing_else() {
    let (host, ports) = (host(), ports());
    let policies = json!({"rules": [{"direction": "inbound", "protocol": "udp"}]});
    let closed = with("security_policies", policies);
    let mut installed = Installed::default();
    installed.apply(&committed(&host, |tx| tx.set(&closed).unwrap()));
    let mut transaction = Transaction::new(&host, &ports);
    transaction.reset_security_policies(1, InterfaceType::Public);
    let commit = transaction.commit(&installed).unwrap();
    // One rule for each version of IP, and the defaults of both directions.
    assert_eq!(commit.count(), (0, 4));
    installed.apply(&commit);
    let mut open = Installed::default();
    open.apply(&committed(&host, |tx| tx.set(&params(&seed())).unwrap()));
    let machine = |installed: &Installed| installed.flows(Selection::Machine(1)).count();
    assert_eq!(machine(&installed), machine(&open));
}

#[test]
fn two_machines_with_one_address_are_refused() {
    let (host, ports) = (host(), ports());
    let mut other = params(&seed());
    other.droplet_id = 2;
    other.vnics[0].name = "tapext2".to_owned();
    other.vnics[0].mac = "0a:00:00:00:00:02".parse().unwrap();
    let mut installed = Installed::default();
    let mut transaction = Transaction::new(&host, &ports);
    transaction.set(&params(&seed())).unwrap();
    installed.apply(&transaction.commit(&installed).unwrap());
    let mut transaction = Transaction::new(&host, &ports);
    transaction.set(&other).unwrap();
    let error = transaction
        .clone()
        .commit(&installed)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(
            "machine 2, public 0, IPv4 0 and machine 1, public 0, IPv4 0 cannot both have"
        ),
        "{error}"
    );
    transaction.set(&params(&seed())).unwrap();
    let both = transaction.commit(&Installed::default());
    assert!(
        matches!(both, Err(CommitError::Conflict { .. })),
        "{both:?}"
    );
}

/// Flows of other owners and of other versions of the cookie stay, and nobody takes their place.
#[test]
fn flows_of_others_are_left_alone() {
    let (host, ports) = (host(), ports());
    let foreign = [
        "cookie=0x2800000008000000,table=4,priority=7,ip,actions=drop",
        "table=9,arp,actions=NORMAL",
    ];
    let foreign = foreign.map(|text| text.parse::<openflow::Flow>().unwrap());
    let mut installed = Installed::new(foreign.clone(), []);
    let mut transaction = Transaction::new(&host, &ports);
    transaction.disable_all();
    transaction.set(&params(&seed())).unwrap();
    let commit = transaction.commit(&installed).unwrap();
    assert_eq!(commit.count().1, 0);
    installed.apply(&commit);
    for flow in &foreign {
        assert_eq!(installed.cookie_of(&flow.key), Some(flow.cookie));
    }
    // A flow of somebody else's where one of ours belongs.
    let ours = installed
        .flows(Selection::Machine(1))
        .next()
        .unwrap()
        .clone();
    let installed = Installed::new([ours.cookie(0x99)], []);
    let mut transaction = Transaction::new(&host, &ports);
    transaction.set(&params(&seed())).unwrap();
    let error = transaction.commit(&installed).unwrap_err().to_string();
    assert!(error.contains("the owner of cookie 0x99"), "{error}");
}

/// A port that another machine gets is no way to the connections of the one before.
#[test]
fn connections_are_forgotten_when_a_port_changes_hands() {
    let (host, ports) = (host(), ports());
    let mut installed = Installed::default();
    let mut transaction = Transaction::new(&host, &ports);
    transaction.set(&params(&seed())).unwrap();
    installed.apply(&transaction.commit(&installed).unwrap());
    let mut other = params(&seed());
    other.droplet_id = 2;
    let mut transaction = Transaction::new(&host, &ports);
    transaction.disable_machine(1);
    transaction.set(&other).unwrap();
    let commit = transaction.commit(&installed).unwrap().to_string();
    assert!(
        commit.starts_with("connections of zone 32778 forgotten"),
        "{commit}"
    );
    let mut transaction = Transaction::new(&host, &ports);
    transaction.disable_machine(1);
    let commit = transaction.commit(&installed).unwrap().to_string();
    assert!(
        commit.ends_with("connections of zone 32778 forgotten\n"),
        "{commit}"
    );
}

#[test]
fn too_many_flows_are_refused_by_the_rule_that_is_too_much() {
    let addresses: Vec<String> = (0..256).map(|n| format!("10.{n}.0.1")).collect();
    let groups: Vec<String> = (0..4000)
        .map(|n| format!("172.16.{}.{}", n / 100, 1 + n % 100 * 2))
        .collect();
    let rule = |n: u16| {
        json!({"direction": "inbound", "protocol": "tcp", "remote": addresses, "remote_groups": ["g"],
               "ports": [{"first": n, "last": n}]})
    };
    let rules: Vec<Value> = (1..=20).map(rule).collect();
    let mut json = seed();
    json["address_groups"] = json!({"g": groups});
    json["vnics"][0]["security_policies"] = json!({"rules": rules});
    let (host, ports) = (host(), ports());
    let error = Transaction::new(&host, &ports)
        .set(&params(&json))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("vnics[0].security_policies.rules[")
            && error.contains("more than 65536 flows"),
        "{error}"
    );
}

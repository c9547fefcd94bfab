//! The laws: incremental equals fresh; the order of edits cannot be seen.
#![allow(clippy::unwrap_used)] // Helpers of tests.

mod common;

use std::sync::Arc;

use common::*;
use model::nb::{self, AclAction, Direction};
use model::{Strong, Table, Weak};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Edit {
    Switch(u8),
    NoSwitch(u8),
    SwitchConfig(u8, bool),
    Port { switch: u8, port: u8, shape: u8 },
    NoPort(u8),
    Attach { router: u8, switch: u8, wide: bool },
    Detach { router: u8, switch: u8 },
    NoRouter(u8),
    RouterOptions(u8, u8),
    Gateway { router: u8, switch: u8, on: bool },
    Route { router: u8, route: u8, shape: u8 },
    Policy { router: u8, shape: u8 },
    Acl { switch: u8, acl: u8, shape: u8 },
    GroupAcl { group: u8, acl: u8, shape: u8 },
    Member { group: u8, port: u8, on: bool },
    NoGroup(u8),
    Set(u8, u8),
    Dhcp(u8, bool),
    Chassis(u8, bool),
    Global(u8),
    Run,
}

fn edit() -> impl Strategy<Value = Edit> {
    let (s, r, p, g, a) = (0u8..4, 0u8..3, 0u8..10, 0u8..3, 0u8..6);
    prop_oneof![
        3 => s.clone().prop_map(Edit::Switch),
        1 => s.clone().prop_map(Edit::NoSwitch),
        1 => (s.clone(), any::<bool>()).prop_map(|(s, on)| Edit::SwitchConfig(s, on)),
        9 => (s.clone(), p.clone(), any::<u8>())
            .prop_map(|(switch, port, shape)| Edit::Port { switch, port, shape }),
        2 => p.clone().prop_map(Edit::NoPort),
        5 => (r.clone(), s.clone(), any::<bool>())
            .prop_map(|(router, switch, wide)| Edit::Attach { router, switch, wide }),
        1 => (r.clone(), s.clone()).prop_map(|(router, switch)| Edit::Detach { router, switch }),
        1 => r.clone().prop_map(Edit::NoRouter),
        2 => (r.clone(), any::<u8>()).prop_map(|(r, shape)| Edit::RouterOptions(r, shape)),
        2 => (r.clone(), s.clone(), any::<bool>())
            .prop_map(|(router, switch, on)| Edit::Gateway { router, switch, on }),
        4 => (r.clone(), a.clone(), any::<u8>())
            .prop_map(|(router, route, shape)| Edit::Route { router, route, shape }),
        1 => (r, any::<u8>()).prop_map(|(router, shape)| Edit::Policy { router, shape }),
        4 => (s, a.clone(), any::<u8>())
            .prop_map(|(switch, acl, shape)| Edit::Acl { switch, acl, shape }),
        3 => (g.clone(), a, any::<u8>())
            .prop_map(|(group, acl, shape)| Edit::GroupAcl { group, acl, shape }),
        5 => (g.clone(), p.clone(), any::<bool>())
            .prop_map(|(group, port, on)| Edit::Member { group, port, on }),
        1 => g.clone().prop_map(Edit::NoGroup),
        1 => (g, any::<u8>()).prop_map(|(g, shape)| Edit::Set(g, shape)),
        2 => (p.clone(), any::<bool>()).prop_map(|(p, on)| Edit::Dhcp(p, on)),
        1 => (0u8..2, any::<bool>()).prop_map(|(c, on)| Edit::Chassis(c, on)),
        1 => any::<u8>().prop_map(Edit::Global),
        6 => Just(Edit::Run),
    ]
}

fn apply(cloud: &mut Cloud, edit: &Edit) {
    match *edit {
        Edit::Switch(s) => cloud.switch(&format!("s{s}")),
        Edit::NoSwitch(s) => cloud.remove::<nb::LogicalSwitch>(&format!("s{s}")),
        Edit::SwitchConfig(s, on) => cloud.edit::<nb::LogicalSwitch>(&format!("s{s}"), |row| {
            row.name = format!("s{s}").into();
            row.other_config = map(on.then_some(("vlan-passthru", "true")));
        }),
        Edit::Port {
            switch,
            port,
            shape,
        } => self::port(cloud, switch, port, shape),
        Edit::NoPort(port) => cloud.remove::<nb::LogicalSwitchPort>(&format!("p{port}")),
        Edit::Attach {
            router,
            switch,
            wide,
        } => {
            let (v4, v6) = (
                format!("10.{router}.{switch}.1/24"),
                format!("fd0{router}:{switch}::1/64"),
            );
            let other = format!("172.16.{switch}.{router}/16");
            let nets: &[&str] = if wide { &[&v4, &v6, &other] } else { &[&v4] };
            let mac = format!("0a:00:00:00:0{router}:0{switch}");
            cloud.attach(&format!("r{router}"), &format!("s{switch}"), &mac, nets);
        }
        Edit::Detach { router, switch } => {
            let name = format!("r{router}-s{switch}");
            cloud.edit::<nb::LogicalRouter>(&format!("r{router}"), |row| {
                row.name = format!("r{router}").into();
                row.ports.remove(&Strong::new(id(&name)));
            });
            cloud.remove::<nb::LogicalRouterPort>(&name);
        }
        Edit::NoRouter(r) => cloud.remove::<nb::LogicalRouter>(&format!("r{r}")),
        Edit::RouterOptions(r, shape) => {
            cloud.edit::<nb::LogicalRouter>(&format!("r{r}"), |row| {
                row.name = format!("r{r}").into();
                row.enabled = [None, Some(true), Some(false)][usize::from(shape) % 3];
                row.options = match shape / 3 % 4 {
                    0 => map([("chassis", "hv0")]),
                    1 => map([("always_learn_from_arp_request", "false")]),
                    _ => map([]),
                };
            });
        }
        Edit::Gateway { router, switch, on } => gateway(cloud, router, switch, on),
        Edit::Route {
            router,
            route,
            shape,
        } => self::route(cloud, router, route, shape),
        Edit::Policy { router, shape } => policy(cloud, router, shape),
        Edit::Acl { switch, acl, shape } => {
            cloud.acl(
                &format!("s{switch}"),
                &format!("a{acl}"),
                self::acl_of(acl, shape),
            );
        }
        Edit::GroupAcl { group, acl, shape } => {
            let name = format!("ga{acl}");
            cloud.put(&name, &acl_of(acl, shape));
            cloud.edit::<nb::PortGroup>(&format!("g{group}"), |row| {
                row.name = format!("g{group}").into();
                row.acls.insert(Strong::new(id(&name)));
            });
        }
        Edit::Member { group, port, on } => {
            cloud.edit::<nb::PortGroup>(&format!("g{group}"), |row| {
                row.name = format!("g{group}").into();
                let port = Weak::new(id(&format!("p{port}")));
                let _ = if on {
                    row.ports.insert(port)
                } else {
                    row.ports.remove(&port)
                };
            });
        }
        Edit::NoGroup(g) => cloud.remove::<nb::PortGroup>(&format!("g{g}")),
        Edit::Set(g, shape) => cloud.edit::<nb::AddressSet>(&format!("set{g}"), |row| {
            // One of them has the name of the set of a port group.
            row.name = [format!("set{g}"), "g1_ip4".into()][usize::from(g == 2)]
                .as_str()
                .into();
            row.addresses = texts([["10.0.0.1", "10.0.0.2"][usize::from(shape) % 2]]);
        }),
        Edit::Dhcp(port, on) => {
            cloud.edit::<nb::DhcpOptions>("dhcp", |row| {
                row.cidr = "10.0.0.0/8".into();
                row.options = map([
                    ("server_id", "10.0.0.1"),
                    ("server_mac", "02:00:00:00:00:01"),
                    ("lease_time", "60"),
                ]);
            });
            let name = format!("p{port}");
            if cloud.get::<nb::LogicalSwitchPort>(&name).is_some() {
                cloud.edit::<nb::LogicalSwitchPort>(&name, |row| {
                    row.dhcpv4_options = on.then(|| Weak::new(id("dhcp")));
                });
            }
        }
        Edit::Chassis(c, on) => chassis(cloud, c, on),
        Edit::Global(n) => {
            cloud.edit::<nb::NbGlobal>("global", |row| {
                row.nb_cfg = i64::from(n);
                row.options = map(n.is_multiple_of(2).then_some(("default_acl_drop", "true")));
            });
        }
        Edit::Run => {
            cloud.run_and_write_back();
        }
    }
}

fn port(cloud: &mut Cloud, switch: u8, port: u8, shape: u8) {
    let name = format!("p{port}");
    let addresses = match shape % 6 {
        0 => "unknown".to_string(),
        1 => "nonsense".to_string(),
        2 => format!("02:00:00:00:00:{port:02x}"),
        3 => format!("02:00:00:00:00:{port:02x} 10.0.{switch}.{port} fd00:{switch}::{port}"),
        _ => format!("02:00:00:00:00:{port:02x} 10.0.{switch}.{}", shape / 6),
    };
    cloud.port(&format!("s{switch}"), &name, &addresses);
    cloud.edit::<nb::LogicalSwitch>(&format!("s{switch}"), |row| {
        row.name = format!("s{switch}").into();
    });
    cloud.edit::<nb::LogicalSwitchPort>(&name, |row| {
        row.enabled = shape.is_multiple_of(7).then_some(false);
        row.type_ =
            ["", "", "", "localnet", "localport", "virtual"][usize::from(shape / 8) % 6].into();
        row.port_security = texts(shape.is_multiple_of(5).then_some(addresses.as_str()));
        row.options = map(shape
            .is_multiple_of(11)
            .then_some(("requested-tnl-key", "7")));
    });
}

fn gateway(cloud: &mut Cloud, router: u8, switch: u8, on: bool) {
    let port = format!("r{router}-s{switch}");
    if cloud.get::<nb::LogicalRouterPort>(&port).is_none() {
        return;
    }
    cloud.put(
        &format!("gc-{port}"),
        &nb::GatewayChassis {
            name: format!("gc-{port}").into(),
            chassis_name: "hv1".into(),
            priority: i64::from(router),
            ..nb::GatewayChassis::default()
        },
    );
    cloud.edit::<nb::LogicalRouterPort>(&port, |row| {
        row.gateway_chassis = refs(on.then_some(format!("gc-{port}").as_str()));
    });
}

fn route(cloud: &mut Cloud, router: u8, route: u8, shape: u8) {
    let prefixes = [
        "0.0.0.0/0",
        "192.168.0.0/16",
        "192.168.0.0/24",
        "::/0",
        "nonsense",
    ];
    let hops = [
        "10.0.0.9",
        "10.1.1.9",
        "172.16.3.3",
        "discard",
        "fd00:1::9",
        "",
        "1.2.3.4",
    ];
    let name = format!("route{route}");
    cloud.put(
        &name,
        &nb::LogicalRouterStaticRoute {
            ip_prefix: prefixes[usize::from(shape) % prefixes.len()].into(),
            nexthop: hops[usize::from(shape / 5) % hops.len()].into(),
            policy: shape
                .is_multiple_of(4)
                .then_some(nb::LogicalRouterStaticRoutePolicy::SrcIp),
            output_port: shape
                .is_multiple_of(3)
                .then(|| format!("r{router}-s{}", shape % 4).into()),
            ..nb::LogicalRouterStaticRoute::default()
        },
    );
    cloud.edit::<nb::LogicalRouter>(&format!("r{router}"), |row| {
        row.name = format!("r{router}").into();
        row.static_routes.insert(Strong::new(id(&name)));
    });
}

fn policy(cloud: &mut Cloud, router: u8, shape: u8) {
    use nb::LogicalRouterPolicyAction::{Allow, Drop, Jump, Reroute};
    let name = format!("policy{router}");
    cloud.put(
        &name,
        &nb::LogicalRouterPolicy {
            priority: i64::from(shape),
            match_: ["ip4.src == 10.0.0.0/8", "ip6", "bad("][usize::from(shape) % 3].into(),
            action: [Allow, Drop, Reroute, Jump][usize::from(shape / 3) % 4],
            nexthops: texts([["10.0.0.9", "10.1.1.9"][usize::from(shape / 12) % 2]]),
            ..nb::LogicalRouterPolicy::default()
        },
    );
    cloud.edit::<nb::LogicalRouter>(&format!("r{router}"), |row| {
        row.name = format!("r{router}").into();
        row.policies.insert(Strong::new(id(&name)));
    });
}

fn acl_of(acl: u8, shape: u8) -> nb::Acl {
    let direction = [Direction::FromLport, Direction::ToLport][usize::from(shape) % 2];
    let action = [
        AclAction::AllowRelated,
        AclAction::Allow,
        AclAction::Drop,
        AclAction::Reject,
        AclAction::AllowStateless,
    ][usize::from(shape / 2) % 5];
    let matches = [
        "ip4",
        "tcp.dst == 80 && ip4.src == $set1",
        "((",
        "inport == @g1",
        "icmp",
    ];
    nb::Acl {
        log: shape.is_multiple_of(7),
        label: i64::from(shape % 3),
        ..common::acl(
            direction,
            i64::from(acl),
            matches[usize::from(shape / 10) % 5],
            action,
        )
    }
}

fn chassis(cloud: &mut Cloud, c: u8, on: bool) {
    let row = model::sb::Chassis {
        name: format!("hv{c}").into(),
        ..<_>::default()
    };
    let (uuid, row) = (id(&format!("hv{c}")), Arc::new(row.to_row()));
    let key = ("Chassis".into(), uuid);
    let old = match on {
        true => cloud.southbound.insert(key.clone(), row.clone()),
        false => cloud.southbound.remove(&key),
    };
    let new = on.then_some(row);
    if old != new {
        cloud.compiler.apply_sb(&[ovsdb::RowChange {
            table: key.0,
            uuid,
            old,
            new,
        }]);
    }
}

/// Runs until nothing is left to write back.
fn settle(cloud: &mut Cloud) {
    for _ in 0..3 {
        cloud.run_and_write_back();
    }
    let last = cloud.run_and_write_back();
    assert_eq!(
        (last.sb, last.nb),
        (vec![], vec![]),
        "a run without edits changes nothing"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// A fresh compiler, with no more than the databases, agrees with one that went through all edits,
    /// in every row and in what it remembers.
    #[test]
    fn incremental_equals_fresh(edits in proptest::collection::vec(edit(), 0..60)) {
        let mut cloud = Cloud::default();
        for edit in &edits {
            apply(&mut cloud, edit);
        }
        settle(&mut cloud);
        let mut fresh = cloud.restarted();
        let first = fresh.run();
        prop_assert_eq!(first.sb, vec![]);
        prop_assert_eq!(&fresh.southbound, &cloud.southbound);
        settle(&mut fresh);
        let said = |cloud: &Cloud| cloud.compiler.diagnostics().cloned().collect::<Vec<_>>();
        // A key that was asked for and refused is said once, to whom it was refused.
        let keys = |list: Vec<compiler::Diagnostic>| {
            list.into_iter().filter(|it| !it.message.contains("tnl-key")).collect::<Vec<_>>()
        };
        prop_assert_eq!(keys(said(&cloud)), keys(said(&fresh)));
        let (a, b) = (cloud.compiler.footprint(), fresh.compiler.footprint());
        prop_assert_eq!((a.cells, a.reads), (b.cells, b.reads));
    }

    /// The same rows in another order, and in other batches, give the same Southbound.
    #[test]
    fn order_does_not_matter(
        edits in proptest::collection::vec(edit(), 0..60),
        seed in any::<u64>(),
        batch in 1usize..9,
    ) {
        let mut cloud = Cloud::default();
        for edit in edits.iter().filter(|edit| !matches!(edit, Edit::Run)) {
            apply(&mut cloud, edit);
        }
        settle(&mut cloud);
        let mut rows: Vec<_> = cloud.northbound.clone().into_iter().collect();
        rows.sort_by_key(|((_, uuid), _)| uuid.as_u128().wrapping_mul(u128::from(seed | 1)));
        // Tunnel keys are state: the other one gets those that were given out.
        let keys = cloud.southbound.clone().into_iter().filter(|((table, _), _)| {
            ["Datapath_Binding", "Port_Binding", "Chassis"].contains(&table.as_str())
        });
        let mut other = Cloud::on(keys.collect());
        let first = rows.len() / 2;
        for ((table, uuid), row) in rows.iter().cloned() {
            other.edit_row(table, uuid, Some(row));
        }
        settle(&mut other);
        prop_assert_eq!(&other.southbound, &cloud.southbound);
        // Take half of the rows away in small batches, and put them back.
        for (at, ((table, uuid), _)) in rows[..first].iter().cloned().enumerate() {
            if table != "Logical_Switch" && table != "Logical_Router" && !table.ends_with("_Port") {
                other.edit_row(table, uuid, None);
            }
            if at % batch == 0 {
                other.run();
            }
        }
        for ((table, uuid), row) in rows[..first].iter().rev().cloned() {
            other.edit_row(table, uuid, Some(row));
        }
        settle(&mut other);
        prop_assert_eq!(&other.southbound, &cloud.southbound);
    }
}

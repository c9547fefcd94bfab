//! What an edit costs: which rule instances run, and how many flows there are.
#![allow(clippy::unwrap_used)] // Helpers of tests.

mod common;

use std::collections::BTreeMap;

use common::*;
use model::nb::{self, AclAction, Direction};
use model::{Strong, Weak, sb};

/// A switch of 100 ports in a port group with ACLs, and a router, behind two other switches.
fn large() -> Cloud {
    let mut cloud = two_tier();
    for port in 0..100 {
        let addresses = format!("02:00:00:01:00:{port:02x} 10.0.1.{}", port + 100);
        cloud.port("web", &format!("p{port:02}"), &addresses);
    }
    let names: Vec<_> = (0..100).map(|port| format!("p{port:02}")).collect();
    cloud.put(
        "pg",
        &nb::PortGroup {
            name: "pg".into(),
            ports: refs(names.iter().map(String::as_str)),
            acls: refs(["acl1", "acl2"]),
            ..nb::PortGroup::default()
        },
    );
    cloud.put(
        "acl1",
        &acl(
            Direction::ToLport,
            2,
            "outport == @pg && ip4",
            AclAction::AllowRelated,
        ),
    );
    cloud.put(
        "acl2",
        &acl(Direction::ToLport, 1, "outport == @pg", AclAction::Drop),
    );
    cloud.run_and_write_back();
    cloud.run_and_write_back();
    cloud.compiler.set_log(true);
    cloud
}

/// How many instances of which rule ran.
fn ran(cloud: &mut Cloud) -> BTreeMap<&'static str, usize> {
    let mut count = BTreeMap::new();
    for ran in cloud.compiler.log() {
        *count.entry(ran.rule).or_insert(0) += 1;
    }
    count
}

#[test]
fn one_port_more_on_a_switch_of_a_hundred() {
    let mut cloud = large();
    cloud.port("web", "new", "02:00:00:01:01:00 10.0.1.250");
    let output = cloud.run();
    insta::assert_debug_snapshot!("one_port", ran(&mut cloud));
    let tables: Vec<_> = output
        .sb
        .iter()
        .map(|change| change.table.as_str())
        .collect();
    insta::assert_debug_snapshot!("one_port_rows", tables);
}

#[test]
fn one_member_more_in_a_port_group() {
    let mut cloud = large();
    cloud.edit::<nb::PortGroup>("pg", |row| {
        row.ports.insert(Weak::new(id("web1")));
    });
    cloud.run();
    insta::assert_debug_snapshot!("one_member", ran(&mut cloud));
}

#[test]
fn what_no_flow_depends_on_costs_nearly_nothing() {
    let mut cloud = large();
    cloud.edit::<nb::LogicalSwitchPort>("p07", |row| row.up = Some(true));
    cloud.run();
    let rules = ran(&mut cloud);
    assert!(rules.values().sum::<usize>() <= 8, "{rules:?}");
}

#[test]
fn one_acl_more() {
    let mut cloud = large();
    cloud.acl(
        "web",
        "acl3",
        acl(Direction::ToLport, 3, "udp", AclAction::Drop),
    );
    let output = cloud.run();
    insta::assert_debug_snapshot!("one_acl", ran(&mut cloud));
    let flows = output
        .sb
        .iter()
        .filter(|change| change.table == "Logical_Flow");
    assert_eq!(flows.count(), 2);
}

/// Routers on one join switch: flows and rows are linear in their number, and one more costs a fixed
/// number of instances.
#[test]
fn routers_on_one_switch_cost_linearly() {
    let join = |count: u32| {
        let mut cloud = Cloud::default();
        cloud.switch("join");
        for router in 0..count {
            add_router(&mut cloud, router);
        }
        cloud.run_and_write_back();
        cloud.run_and_write_back();
        cloud
    };
    let flows = |cloud: &Cloud| cloud.rows::<sb::LogicalFlow>().count();
    let reads = |cloud: &Cloud| cloud.compiler.footprint().reads;
    let (small, middle, large) = (join(10), join(20), join(40));
    assert_eq!(
        flows(&large) - flows(&middle),
        2 * (flows(&middle) - flows(&small))
    );
    assert_eq!(
        reads(&large) - reads(&middle),
        2 * (reads(&middle) - reads(&small))
    );
    let cost = |mut cloud: Cloud, new| {
        cloud.compiler.set_log(true);
        add_router(&mut cloud, new);
        let changes = cloud.run().sb.len();
        (changes, ran(&mut cloud))
    };
    assert_eq!(cost(small, 10), cost(large, 40));
}

fn add_router(cloud: &mut Cloud, router: u32) {
    let name = format!("r{router}");
    let mac = format!("0a:00:00:00:00:{router:02x}");
    cloud.attach(
        &name,
        "join",
        &mac,
        &[&format!("100.64.0.{router}/16"), "fd00:64::1/64"],
    );
    let route = format!("route{router}");
    cloud.put(
        &route,
        &nb::LogicalRouterStaticRoute {
            ip_prefix: "0.0.0.0/0".into(),
            nexthop: "100.64.255.254".into(),
            ..nb::LogicalRouterStaticRoute::default()
        },
    );
    cloud.edit::<nb::LogicalRouter>(&name, |row| {
        row.static_routes.insert(Strong::new(id(&route)));
    });
}

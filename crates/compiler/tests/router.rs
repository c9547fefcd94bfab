//! The pipeline of routers, on small clouds.
#![allow(clippy::unwrap_used)] // Helpers of tests.

mod common;

use common::*;
use model::nb;
use model::{Strong, sb};

fn of_routers(flow: &sb::LogicalFlow) -> bool {
    flow.external_ids
        .get("stage-name")
        .is_some_and(|name| name.starts_with("lr_"))
}

fn route(cloud: &mut Cloud, name: &str, prefix: &str, next: &str) {
    cloud.put(
        name,
        &nb::LogicalRouterStaticRoute {
            ip_prefix: prefix.into(),
            nexthop: next.into(),
            ..nb::LogicalRouterStaticRoute::default()
        },
    );
    cloud.edit::<nb::LogicalRouter>("r1", |row| {
        row.static_routes.insert(Strong::new(id(name)));
    });
}

fn stage(cloud: &Cloud, part: &str) -> String {
    cloud.flows(|flow| {
        of_routers(flow) && flow.external_ids.get("stage-name").unwrap().contains(part)
    })
}

#[test]
fn a_router_between_two_switches() {
    let mut cloud = two_tier();
    cloud.run();
    insta::assert_snapshot!(cloud.flows(of_routers));
}

#[test]
fn static_routes() {
    let mut cloud = two_tier();
    route(&mut cloud, "one", "192.168.0.0/16", "10.0.1.99");
    route(&mut cloud, "two", "192.168.0.0/16", "10.0.2.99");
    route(&mut cloud, "six", "::/0", "fd00:2::99");
    route(&mut cloud, "drop", "192.168.7.0/24", "discard");
    route(&mut cloud, "lost", "1.0.0.0/8", "9.9.9.9");
    let output = cloud.run();
    insta::assert_snapshot!(stage(&cloud, "ip_routing"));
    let said: Vec<_> = output.diagnostics.iter().map(ToString::to_string).collect();
    insta::assert_debug_snapshot!("lost_route", said);
}

#[test]
fn a_distributed_gateway_port() {
    let mut cloud = two_tier();
    cloud.put(
        "gc",
        &nb::GatewayChassis {
            name: "gc".into(),
            chassis_name: "hv1".into(),
            priority: 20,
            ..nb::GatewayChassis::default()
        },
    );
    cloud.edit::<nb::LogicalRouterPort>("r1-db", |row| row.gateway_chassis = refs(["gc"]));
    cloud.run();
    let gateway =
        |flow: &sb::LogicalFlow| of_routers(flow) && format!("{flow:?}").contains("cr-r1-db");
    insta::assert_snapshot!(cloud.flows(gateway));
    insta::assert_snapshot!(
        "gateway_bindings",
        cloud.listing(|row: sb::PortBinding| {
            format!(
                "{} {:?} {:?} {}",
                row.logical_port,
                row.type_,
                row.options,
                row.ha_chassis_group.is_some()
            )
        })
    );
}

#[test]
fn policies_and_advertisements() {
    let mut cloud = two_tier();
    cloud.edit::<nb::LogicalRouterPort>("r1-web", |row| {
        row.ipv6_ra_configs = map([("address_mode", "slaac"), ("mtu", "1400")]);
    });
    cloud.put(
        "policy",
        &nb::LogicalRouterPolicy {
            priority: 10,
            match_: "ip4.src == 10.0.1.0/24".into(),
            action: nb::LogicalRouterPolicyAction::Reroute,
            nexthops: texts(["10.0.2.99"]),
            ..nb::LogicalRouterPolicy::default()
        },
    );
    cloud.edit::<nb::LogicalRouter>("r1", |row| row.policies = refs(["policy"]));
    cloud.run();
    insta::assert_snapshot!(stage(&cloud, "policy") + &stage(&cloud, "nd_ra"));
}

//! How long the compiler takes for a cloud of the shape of DESIGN's budgets, without databases: a switch
//! a node with its pods, one cluster router, a join switch and a gateway router a node.
//!
//! `cargo bench -p compiler --bench k8s -- nodes=250 pods=50` prints figures and holds no assertion.
#![allow(missing_docs, clippy::print_stdout, unreachable_pub)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use compiler::{Compiler, Output};
use model::nb::{self, AclAction, Direction};
use model::{Map, Set, Strong, Table};
use ovsdb::{Row, RowChange, Str};
use uuid::Uuid;

fn id(name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

fn one(text: impl Into<Str>) -> Set<Str> {
    [text.into()].into_iter().collect()
}

/// Rows that are still being written.
#[derive(Default)]
struct Rows(Vec<RowChange>);

impl Rows {
    fn put<T: Table>(&mut self, name: &str, row: &T) {
        let new: Option<Arc<Row>> = Some(Arc::new(row.to_row()));
        self.0.push(RowChange {
            table: T::NAME.into(),
            uuid: id(name),
            old: None,
            new,
        });
    }
}

fn refs<T: Table>(names: &[String]) -> Set<Strong<T>> {
    names.iter().map(|name| Strong::new(id(name))).collect()
}

fn pod(node: usize, pod: usize) -> nb::LogicalSwitchPort {
    let address = format!(
        "0a:58:{:02x}:{:02x}:{:02x}:{:02x} 10.{}.{}.{}",
        10,
        128 + node / 256,
        node % 256,
        pod + 2,
        128 + node / 256,
        node % 256,
        pod + 2
    );
    nb::LogicalSwitchPort {
        name: format!("pod-{node}-{pod}").into(),
        addresses: one(address.as_str()),
        port_security: one(address.as_str()),
        ..<_>::default()
    }
}

fn router_side(name: &str, router_port: &str) -> nb::LogicalSwitchPort {
    let options = [("router-port".into(), router_port.into())];
    nb::LogicalSwitchPort {
        name: name.into(),
        type_: "router".into(),
        options: options.into_iter().collect(),
        addresses: one("router"),
        ..<_>::default()
    }
}

fn router_port(name: &str, mac: String, network: String) -> nb::LogicalRouterPort {
    nb::LogicalRouterPort {
        name: name.into(),
        mac: mac.into(),
        networks: one(network),
        ..<_>::default()
    }
}

fn switch(name: &str, ports: &[String], acls: &[String]) -> nb::LogicalSwitch {
    nb::LogicalSwitch {
        name: name.into(),
        ports: refs(ports),
        acls: refs(acls),
        ..<_>::default()
    }
}

fn cloud(nodes: usize, pods: usize) -> Vec<RowChange> {
    let mut rows = Rows::default();
    rows.put("global", &nb::NbGlobal::default());
    let (mut join, mut cluster_ports, mut cluster_routes) = (Vec::new(), Vec::new(), Vec::new());
    for node in 0..nodes {
        let mut ports = vec![format!("stor-{node}")];
        let rtos = format!("rtos-{node}");
        rows.put(&ports[0], &router_side(&ports[0], &rtos));
        for at in 0..pods {
            let name = format!("pod-{node}-{at}");
            rows.put(&name, &pod(node, at));
            ports.push(name);
        }
        let acl = format!("acl-{node}");
        let match_ = format!("ip4.src==10.{}.{}.1", 128 + node / 256, node % 256);
        rows.put(
            &acl,
            &nb::Acl {
                priority: 1001,
                direction: Direction::ToLport,
                match_: match_.into(),
                action: AclAction::AllowRelated,
                ..<_>::default()
            },
        );
        rows.put(
            &format!("node-{node}"),
            &switch(&format!("node-{node}"), &ports, &[acl]),
        );
        let net = format!("10.{}.{}", 128 + node / 256, node % 256);
        let mac = format!("0a:58:0a:{:02x}:{:02x}:01", 128 + node / 256, node % 256);
        let gc = format!("{rtos}-gc");
        rows.put(
            &gc,
            &nb::GatewayChassis {
                name: gc.as_str().into(),
                chassis_name: format!("chassis-{node}").into(),
                priority: 1,
                ..<_>::default()
            },
        );
        let mut port = router_port(&rtos, mac, format!("{net}.1/24"));
        port.gateway_chassis = refs(&[gc]);
        rows.put(&rtos, &port);
        cluster_ports.push(rtos);
        let route = format!("route-{node}");
        rows.put(
            &route,
            &nb::LogicalRouterStaticRoute {
                ip_prefix: format!("{net}.0/24").into(),
                nexthop: format!("100.64.{}.{}", (node + 2) / 256, (node + 2) % 256).into(),
                policy: Some(nb::LogicalRouterStaticRoutePolicy::SrcIp),
                ..<_>::default()
            },
        );
        cluster_routes.push(route);
        gateway(&mut rows, node, &mut join);
    }
    rows.put("jtor-cluster", &router_side("jtor-cluster", "rtoj-cluster"));
    join.push("jtor-cluster".into());
    rows.put(
        "rtoj-cluster",
        &router_port(
            "rtoj-cluster",
            "0a:58:64:40:00:01".into(),
            "100.64.0.1/16".into(),
        ),
    );
    cluster_ports.push("rtoj-cluster".into());
    rows.put("join", &switch("join", &join, &[]));
    rows.put(
        "cluster",
        &nb::LogicalRouter {
            name: "cluster".into(),
            ports: refs(&cluster_ports),
            static_routes: refs(&cluster_routes),
            ..<_>::default()
        },
    );
    rows.0
}

fn gateway(rows: &mut Rows, node: usize, join: &mut Vec<String>) {
    let (high, low) = ((node + 2) / 256, (node + 2) % 256);
    let (rtoj, rtoe) = (format!("rtoj-{node}"), format!("rtoe-{node}"));
    rows.put(
        &rtoj,
        &router_port(
            &rtoj,
            format!("0a:58:64:40:{high:02x}:{low:02x}"),
            format!("100.64.{high}.{low}/16"),
        ),
    );
    rows.put(
        &rtoe,
        &router_port(
            &rtoe,
            format!("0a:58:ac:10:{high:02x}:{low:02x}"),
            format!("172.16.{high}.{low}/16"),
        ),
    );
    let (r1, r2) = (format!("gr-{node}-in"), format!("gr-{node}-out"));
    for (name, prefix, next) in [
        (&r1, "10.128.0.0/9", "100.64.0.1"),
        (&r2, "0.0.0.0/0", "172.16.255.254"),
    ] {
        rows.put(
            name,
            &nb::LogicalRouterStaticRoute {
                ip_prefix: prefix.into(),
                nexthop: next.into(),
                ..<_>::default()
            },
        );
    }
    let options: Map<Str, Str> = [("chassis".into(), format!("chassis-{node}").into())]
        .into_iter()
        .collect();
    rows.put(
        &format!("gr-{node}"),
        &nb::LogicalRouter {
            name: format!("gr-{node}").into(),
            ports: refs(&[rtoj.clone(), rtoe.clone()]),
            static_routes: refs(&[r1, r2]),
            options,
            ..<_>::default()
        },
    );
    let (jtor, etor, ext) = (
        format!("jtor-{node}"),
        format!("etor-{node}"),
        format!("ext-{node}"),
    );
    rows.put(&jtor, &router_side(&jtor, &rtoj));
    join.push(jtor);
    rows.put(&etor, &router_side(&etor, &rtoe));
    rows.put(
        &ext,
        &nb::LogicalSwitchPort {
            name: ext.as_str().into(),
            type_: "localnet".into(),
            addresses: one("unknown"),
            ..<_>::default()
        },
    );
    rows.put(
        &format!("exts-{node}"),
        &switch(&ext, &[etor, ext.clone()], &[]),
    );
}

fn timed(work: impl FnOnce() -> Output) -> (Duration, Output) {
    let start = Instant::now();
    let output = work();
    (start.elapsed(), output)
}

fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}

fn main() {
    let number = |key: &str, or| {
        let mut words = std::env::args();
        words
            .find_map(|word| word.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
            .unwrap_or(or)
    };
    let (nodes, pods) = (number("nodes", 250), number("pods", 50));
    let rows = cloud(nodes, pods);
    let before = memory();
    let mut compiler = Compiler::new([]);
    compiler.set_threads(number("threads", 2));
    let (cold, output) = timed(|| {
        compiler.apply_nb(&rows);
        compiler.run()
    });
    let flows = output
        .sb
        .iter()
        .filter(|change| change.table == "Logical_Flow")
        .count();
    println!(
        "nodes={nodes} pods={pods}: {flows} flows, {} rows",
        output.sb.len()
    );
    println!("  cold            {:9.1} ms", cold.as_secs_f64() * 1e3);
    compiler.apply_sb(&output.sb);
    drop(output);
    compiler.run();
    println!(
        "  memory          {:9} MB besides the Northbound, {:?}",
        memory() - before,
        compiler.footprint()
    );
    edits(&mut compiler, rows, pods);
}

fn edits(compiler: &mut Compiler, rows: Vec<RowChange>, pods: usize) {
    let row = |name: &str| {
        rows.iter()
            .find(|row| row.uuid == id(name))
            .and_then(|row| row.new.clone())
    };
    let mut run = |what: &str, changes: Vec<RowChange>| {
        compiler.set_log(true);
        let (time, output) = timed(|| {
            compiler.apply_nb(&changes);
            compiler.run()
        });
        let ran = compiler.log().len();
        println!(
            "  {what:15} {:9.3} ms, {ran} instances, {} rows",
            time.as_secs_f64() * 1e3,
            output.sb.len()
        );
        compiler.apply_sb(&output.sb);
        compiler.run();
    };
    let change = |name: &str, new: Row, old| RowChange {
        table: "".into(),
        uuid: id(name),
        old,
        new: Some(Arc::new(new)),
    };
    let named = |table: &str, change: RowChange| RowChange {
        table: table.into(),
        ..change
    };
    for _ in 0..2 {
        let old = row("node-0");
        let mut node = old
            .as_deref()
            .and_then(|row| nb::LogicalSwitch::from_row(row).ok())
            .unwrap_or_default();
        node.ports.insert(Strong::new(id("pod-new")));
        let mut port = pod(0, pods + 1);
        port.name = "pod-new".into();
        run(
            "one port",
            vec![
                named(
                    "Logical_Switch_Port",
                    change("pod-new", port.to_row(), None),
                ),
                named(
                    "Logical_Switch",
                    change("node-0", node.to_row(), old.clone()),
                ),
            ],
        );
        run(
            "port removed",
            vec![
                RowChange {
                    table: "Logical_Switch_Port".into(),
                    uuid: id("pod-new"),
                    old: None,
                    new: None,
                },
                RowChange {
                    table: "Logical_Switch".into(),
                    uuid: id("node-0"),
                    old: None,
                    new: old,
                },
            ],
        );
    }
    let old = row("cluster");
    let mut cluster = old
        .as_deref()
        .and_then(|row| nb::LogicalRouter::from_row(row).ok())
        .unwrap_or_default();
    cluster.static_routes.insert(Strong::new(id("route-new")));
    let route = nb::LogicalRouterStaticRoute {
        ip_prefix: "192.168.0.0/16".into(),
        nexthop: "100.64.0.9".into(),
        ..<_>::default()
    };
    run(
        "one route",
        vec![
            named(
                "Logical_Router_Static_Route",
                change("route-new", route.to_row(), None),
            ),
            named("Logical_Router", change("cluster", cluster.to_row(), old)),
        ],
    );
    let old = Some(Arc::new(cluster.to_row()));
    cluster.ports.insert(Strong::new(id("rtos-new")));
    let port = router_port(
        "rtos-new",
        "0a:58:0a:ff:ff:01".into(),
        "10.255.255.1/24".into(),
    );
    run(
        "one router port",
        vec![
            named(
                "Logical_Router_Port",
                change("rtos-new", port.to_row(), None),
            ),
            named("Logical_Router", change("cluster", cluster.to_row(), old)),
        ],
    );
}

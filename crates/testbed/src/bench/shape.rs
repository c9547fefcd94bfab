//! The shape of a Kubernetes cluster as its network plugin writes it: a switch a node behind one cluster
//! router, a join switch, and a gateway router with an external switch a node; services in one load
//! balancer group on all of them.

use std::net::Ipv4Addr;

use anyhow::Result;
use serde_json::{Value, json};

use crate::database::Database;

/// How large a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Kubernetes {
    /// Nodes, each with a switch and a gateway router.
    pub nodes: u32,
    /// Pods on each node, 250 at most.
    pub pods: u32,
    /// Services, with two backends each.
    pub services: u32,
}

const PODS: u32 = 0x0a80_0000; // 10.128.0.0
const JOIN: u32 = 0x6440_0000; // 100.64.0.0
const OUTSIDE: u32 = 0xac10_0000; // 172.16.0.0
const SERVICES: u32 = 0xac1e_0000; // 172.30.0.0

/// The operations of one transaction. Rows made in it are referred to by name.
#[derive(Default)]
struct Batch {
    operations: Vec<Value>,
}

impl Batch {
    fn insert(&mut self, table: &str, row: Value) -> Value {
        let name = format!("row{}", self.operations.len());
        self.operations
            .push(json!({"op": "insert", "table": table, "row": row, "uuid-name": name}));
        json!(["named-uuid", name])
    }

    /// Adds references to a column of the row with this name.
    fn add(&mut self, table: &str, name: &str, column: &str, rows: &[Value]) {
        self.operations.push(json!({
            "op": "mutate", "table": table, "where": [["name", "==", name]],
            "mutations": [[column, "insert", set(rows)]],
        }));
    }
}

impl Kubernetes {
    /// Makes it: a transaction for what all nodes share, then one a node.
    ///
    /// # Errors
    /// When the database refuses one.
    pub(super) fn load(self, northbound: &mut Database) -> Result<()> {
        let results = northbound.transact(self.shared())?;
        // The group is the first row after the services.
        let group = results
            .get(self.services as usize)
            .map(|result| result["uuid"].clone());
        for node in 0..self.nodes {
            northbound.transact(self.node(node, group.clone().unwrap_or_default()))?;
        }
        Ok(())
    }

    fn shared(self) -> Vec<Value> {
        let mut batch = Batch::default();
        let balancers: Vec<Value> = (0..self.services)
            .map(|number| self.service(&mut batch, number))
            .collect();
        batch.insert(
            "Load_Balancer_Group",
            json!({"name": "cluster", "load_balancer": set(&balancers)}),
        );
        let port = batch.insert(
            "Logical_Router_Port",
            json!({"name": "rtoj-cluster", "mac": mac(JOIN + 1),
                   "networks": format!("{}/16", ip(JOIN + 1))}),
        );
        batch.insert("Logical_Router", json!({"name": "cluster", "ports": port}));
        let join = router_port(&mut batch, "jtor-cluster", "rtoj-cluster");
        batch.insert("Logical_Switch", json!({"name": "join", "ports": join}));
        batch.operations
    }

    fn service(self, batch: &mut Batch, number: u32) -> Value {
        let backend = |which: u32| {
            let place = (number * 7 + which * 131) % (self.nodes * self.pods).max(1);
            let pod = PODS + place / self.pods.max(1) * 256 + place % self.pods.max(1) + 2;
            format!("{}:8080", ip(pod))
        };
        let backends = format!("{},{}", backend(0), backend(1));
        let vips = map([(format!("{}:80", ip(SERVICES + number)), backends)]);
        batch.insert(
            "Load_Balancer",
            json!({"name": format!("svc{number}"), "vips": vips, "protocol": "tcp"}),
        )
    }

    /// A node; `group` is the row with the services.
    fn node(self, node: u32, group: Value) -> Vec<Value> {
        let mut batch = Batch::default();
        self.node_switch(&mut batch, node, &group);
        cluster_side(&mut batch, node);
        gateway(&mut batch, node, &group);
        batch.operations
    }

    fn node_switch(self, batch: &mut Batch, node: u32, group: &Value) {
        let base = PODS + node * 256;
        let mut ports = vec![router_port(
            batch,
            &format!("stor-{node}"),
            &format!("rtos-{node}"),
        )];
        for pod in 0..self.pods {
            let address = format!("{} {}", mac(base + pod + 2), ip(base + pod + 2));
            ports.push(batch.insert(
                "Logical_Switch_Port",
                json!({"name": format!("pod-{node}-{pod}"), "addresses": address,
                       "port_security": address}),
            ));
        }
        let acl = batch.insert(
            "ACL",
            json!({"direction": "to-lport", "priority": 1001, "action": "allow-related",
                   "match": format!("ip4.src=={}", ip(base + 1))}),
        );
        batch.insert(
            "Logical_Switch",
            json!({"name": format!("node-{node}"), "ports": set(&ports), "acls": acl,
                   "load_balancer_group": group,
                   "other_config": map([("subnet", format!("{}/24", ip(base)))])}),
        );
    }
}

/// The node's port and route on the cluster router.
fn cluster_side(batch: &mut Batch, node: u32) {
    let base = PODS + node * 256;
    let chassis = batch.insert(
        "Gateway_Chassis",
        json!({"name": format!("rtos-{node}-c{node}"), "chassis_name": format!("chassis-{node}"),
               "priority": 1}),
    );
    let port = batch.insert(
        "Logical_Router_Port",
        json!({"name": format!("rtos-{node}"), "mac": mac(base + 1),
               "networks": format!("{}/24", ip(base + 1)), "gateway_chassis": chassis}),
    );
    let route = batch.insert(
        "Logical_Router_Static_Route",
        json!({"ip_prefix": format!("{}/24", ip(base)), "nexthop": ip(JOIN + node + 2),
               "policy": "src-ip"}),
    );
    batch.add("Logical_Router", "cluster", "ports", &[port]);
    batch.add("Logical_Router", "cluster", "static_routes", &[route]);
}

/// The node's gateway router, its place on the join switch, and its external switch.
fn gateway(batch: &mut Batch, node: u32, group: &Value) {
    let (inside, outside) = (JOIN + node + 2, OUTSIDE + node + 2);
    let mut port = |name: String, address: u32| {
        batch.insert(
            "Logical_Router_Port",
            json!({"name": name, "mac": mac(address), "networks": format!("{}/16", ip(address))}),
        )
    };
    let ports = [
        port(format!("rtoj-{node}"), inside),
        port(format!("rtoe-{node}"), outside),
    ];
    let nat = batch.insert(
        "NAT",
        json!({"type": "snat", "external_ip": ip(outside),
               "logical_ip": format!("{}/24", ip(PODS + node * 256))}),
    );
    let mut route = |prefix: &str, nexthop: &str| {
        let row = json!({"ip_prefix": prefix, "nexthop": nexthop});
        batch.insert("Logical_Router_Static_Route", row)
    };
    let routes = [
        route("10.128.0.0/9", "100.64.0.1"),
        route("0.0.0.0/0", "172.16.255.254"),
    ];
    batch.insert(
        "Logical_Router",
        json!({"name": format!("gr-{node}"), "ports": set(&ports), "nat": nat,
               "static_routes": set(&routes), "load_balancer_group": group,
               "options": map([("chassis", format!("chassis-{node}"))])}),
    );
    let join = router_port(batch, &format!("jtor-{node}"), &format!("rtoj-{node}"));
    batch.add("Logical_Switch", "join", "ports", &[join]);
    let inner = router_port(batch, &format!("etor-{node}"), &format!("rtoe-{node}"));
    let outer = batch.insert(
        "Logical_Switch_Port",
        json!({"name": format!("ext-{node}"), "type": "localnet", "addresses": "unknown",
               "options": map([("network_name", "phys".to_owned())])}),
    );
    batch.insert(
        "Logical_Switch",
        json!({"name": format!("ext-{node}"), "ports": set(&[inner, outer])}),
    );
}

fn router_port(batch: &mut Batch, name: &str, peer: &str) -> Value {
    batch.insert(
        "Logical_Switch_Port",
        json!({"name": name, "type": "router", "addresses": "router",
               "options": map([("router-port", peer.to_owned())])}),
    )
}

/// A pod more on the first node.
pub(super) fn one_port(number: usize) -> Vec<Value> {
    let mut batch = Batch::default();
    let host = 0x0a0a_0000 + u32::try_from(number).unwrap_or_default();
    let address = format!("{} {}", mac(host), ip(host));
    let port = batch.insert(
        "Logical_Switch_Port",
        json!({"name": format!("one-{number}"), "addresses": address, "port_security": address}),
    );
    batch.add("Logical_Switch", "node-0", "ports", &[port]);
    batch.operations
}

/// A route more on the cluster router.
pub(super) fn one_route(number: usize) -> Vec<Value> {
    let mut batch = Batch::default();
    let prefix = format!(
        "{}/24",
        ip(0x0ac8_0000 + u32::try_from(number).unwrap_or_default() * 256)
    );
    let route = batch.insert(
        "Logical_Router_Static_Route",
        json!({"ip_prefix": prefix, "nexthop": ip(JOIN + 2)}),
    );
    batch.add("Logical_Router", "cluster", "static_routes", &[route]);
    batch.operations
}

/// A port more on the cluster router, with a switch of its own behind it.
pub(super) fn one_router_port(number: usize) -> Vec<Value> {
    let mut batch = Batch::default();
    let address = 0x0ae0_0001 + u32::try_from(number).unwrap_or_default() * 256;
    let name = format!("one-{number}");
    let port = batch.insert(
        "Logical_Router_Port",
        json!({"name": format!("rto-{name}"), "mac": mac(address),
               "networks": format!("{}/24", ip(address))}),
    );
    batch.add("Logical_Router", "cluster", "ports", &[port]);
    let back = router_port(&mut batch, &format!("sto-{name}"), &format!("rto-{name}"));
    batch.insert(
        "Logical_Switch",
        json!({"name": format!("switch-{name}"), "ports": back}),
    );
    batch.operations
}

fn mac(number: u32) -> String {
    let [a, b, c, d] = number.to_be_bytes();
    format!("0a:58:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

fn ip(number: u32) -> String {
    Ipv4Addr::from_bits(number).to_string()
}

fn set(members: &[Value]) -> Value {
    json!(["set", members])
}

fn map<K: Into<String>, const N: usize>(entries: [(K, String); N]) -> Value {
    let pairs: Vec<Value> = entries
        .into_iter()
        .map(|(key, value)| json!([key.into(), value]))
        .collect();
    json!(["map", pairs])
}

//! What OpenFlow flows come from, told by their cookies.
//!
//! A flow of the integration bridge carries the first 32 bits of the UUID of the Southbound row that it comes from:
//! a logical flow, or a port, a neighbour or another row that only a chassis makes flows of.

use std::collections::HashMap;

use model::sb;
use ovsdb::Uuid;
use pipeline::Network;
use serde_json::{Value, json};

use super::origin::Origins;
use super::source::{Source, SourceArgs};

/// What a row is, for people and for programs.
#[derive(Debug, Clone)]
pub(crate) struct Meaning {
    /// One line.
    pub(crate) text: String,
    /// The same in its parts.
    pub(crate) json: Value,
}

/// The rows of a Southbound by the cookies of their flows. Two rows in four thousand million have one cookie.
pub(crate) struct Annotations {
    rows: HashMap<u64, Vec<Meaning>>,
}

impl Annotations {
    /// Reads the Southbound, and for names the Northbound.
    pub(crate) async fn connect(args: &SourceArgs) -> anyhow::Result<Self> {
        let source = Source::connect(args).await?;
        let rows = source.rows();
        let mut out = Self {
            rows: HashMap::new(),
        };
        out.logical_flows(&Network::new(&rows), &Origins::connect(args).await);
        let names: HashMap<Uuid, &str> = rows
            .datapaths
            .iter()
            .map(|(id, it)| (*id, name(it)))
            .collect();
        let datapath = |id: Uuid| names.get(&id).copied().unwrap_or("an unknown datapath");
        for (id, port) in &rows.ports {
            let on = datapath(port.datapath.uuid());
            out.row(
                "Port_Binding",
                *id,
                format!("port \"{}\" of {on}", port.logical_port),
            );
        }
        for (id, group) in &rows.multicast_groups {
            let on = datapath(group.datapath.uuid());
            out.row(
                "Multicast_Group",
                *id,
                format!("multicast group \"{}\" of {on}", group.name),
            );
        }
        for (id, chassis) in &rows.chassis {
            out.row("Chassis", *id, format!("chassis \"{}\"", chassis.name));
        }
        for (id, it) in &rows.mac_bindings {
            out.row(
                "MAC_Binding",
                *id,
                neighbour(&it.ip, &it.mac, &it.logical_port),
            );
        }
        for (id, it) in &rows.static_mac_bindings {
            let text = neighbour(&it.ip, &it.mac, &it.logical_port);
            out.row("Static_MAC_Binding", *id, text);
        }
        for (id, it) in &rows.fdb {
            out.row("FDB", *id, format!("learned address {}", it.mac));
        }
        for (id, it) in &rows.load_balancers {
            out.row(
                "Load_Balancer",
                *id,
                format!("load balancer \"{}\"", it.name),
            );
        }
        Ok(out)
    }

    fn logical_flows(&mut self, network: &Network, origins: &Origins) {
        for (_, flow) in network.flows() {
            let stage = flow.stage.as_deref().unwrap_or("(no stage)");
            let origin = origins.of_flow(flow);
            let mut text = format!(
                "{stage} ({} table {}), priority {}, match `{}`",
                flow.pipeline, flow.table, flow.priority, flow.matches
            );
            if let Some(origin) = &origin {
                text.push_str(&format!(", for {origin}"));
            }
            if let Some(source) = &flow.source {
                text.push_str(&format!(", made by {source}"));
            }
            let json = json!({
                "table": "Logical_Flow", "uuid": flow.uuid.to_string(), "stage": flow.stage.as_deref(),
                "pipeline": flow.pipeline.to_string(), "logical_table": flow.table,
                "priority": flow.priority, "match": flow.matches.as_str(),
                "actions": flow.actions.as_str(), "for": origin, "made_by": flow.source.as_deref(),
            });
            self.put(flow.uuid, Meaning { text, json });
        }
    }

    fn row(&mut self, table: &str, id: Uuid, text: String) {
        let json = json!({"table": table, "uuid": id.to_string(), "is": text});
        self.put(id, Meaning { text, json });
    }

    fn put(&mut self, id: Uuid, meaning: Meaning) {
        let cookie = u64::from(id.as_fields().0);
        self.rows.entry(cookie).or_default().push(meaning);
    }

    /// The rows that a cookie may mean.
    pub(crate) fn of(&self, cookie: u64) -> &[Meaning] {
        self.rows.get(&cookie).map_or(&[], Vec::as_slice)
    }
}

/// What people call a datapath.
fn name(datapath: &sb::DatapathBinding) -> &str {
    let id = &datapath.external_ids;
    id.get("name2")
        .or_else(|| id.get("name"))
        .map_or("a datapath", |name| name.as_str())
}

fn neighbour(ip: &str, mac: &str, port: &str) -> String {
    format!("neighbour {ip} at {mac} behind port \"{port}\"")
}

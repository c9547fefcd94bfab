//! A trace as JSON: one object a packet.

use logic::Pipeline;
use pipeline::{End, Network, Node, NodeKind};
use serde_json::{Map, Value, json};

use super::Answer;
use super::origin::Origins;

/// Prints the answers, one line each.
pub(crate) fn print(network: &Network, origins: &Origins, answers: &[Answer]) -> String {
    let printer = Printer { network, origins };
    let lines = answers.iter().map(|it| format!("{}\n", printer.answer(it)));
    lines.collect()
}

struct Printer<'a> {
    network: &'a Network,
    origins: &'a Origins,
}

impl Printer<'_> {
    fn answer(&self, answer: &Answer) -> Value {
        let trace = &answer.trace;
        let fields = |iter: &mut dyn Iterator<Item = (logic::Field, u128)>| -> Value {
            let map: Map<String, Value> = iter
                .map(|(field, value)| (field.to_string(), format!("{value:#x}").into()))
                .collect();
            map.into()
        };
        let ends: Vec<Value> = trace.ends.iter().map(|it| self.end(it)).collect();
        let nodes: Vec<Value> = trace.nodes.iter().map(|it| self.node(it)).collect();
        json!({
            "verdict": answer.sentence,
            "inport": self.network[trace.inport].logical_name.as_str(),
            "packet": pipeline::packet_text(&trace.packet),
            "fields": fields(&mut trace.packet.iter()),
            "consulted": fields(&mut trace.consulted.iter()),
            "tables": trace.steps,
            "live": answer.live.as_ref().map(|it| self.live(it)),
            "ends": ends,
            "trace": nodes,
        })
    }

    fn live(&self, outcome: &super::live::Outcome) -> Value {
        let name =
            |chassis: Option<pipeline::ChassisId>| chassis.map(|it| self.network[it].name.as_str());
        let hits = outcome.hits.iter().map(|hit| {
            json!({
                "chassis": name(hit.chassis),
                "packets": hit.packets,
                "bytes": hit.bytes,
                "only_ours": hit.is_ours,
                "flow": hit.flow.flow.to_string(),
            })
        });
        let expected = outcome.expected.iter().map(|it| {
            let flow = self.network[it.flow].uuid.to_string();
            json!({"chassis": name(it.chassis), "flow": flow, "hit": it.was_hit})
        });
        let out = outcome
            .out
            .iter()
            .map(|it| self.network[*it].logical_name.as_str());
        json!({
            "length": outcome.length,
            "out": out.collect::<Vec<_>>(),
            "differences": outcome.differences,
            "not_looked_at": outcome.unseen.iter().map(|it| name(Some(*it))).collect::<Vec<_>>(),
            "expected": expected.collect::<Vec<_>>(),
            "hits": hits.collect::<Vec<_>>(),
        })
    }

    fn flow(&self, id: pipeline::FlowId) -> Value {
        let flow = &self.network[id];
        json!({
            "uuid": flow.uuid.to_string(),
            "stage": flow.stage.as_deref(),
            "priority": flow.priority,
            "match": flow.matches.as_str(),
            "actions": flow.actions.as_str(),
            "source": flow.source.as_deref(),
            "for": self.origins.of_flow(flow),
        })
    }

    fn end(&self, end: &End) -> Value {
        match end {
            End::Delivered {
                port,
                place,
                packet,
            } => {
                let port = &self.network[*port];
                let place = place.map(|it| self.network[it].name.as_str());
                json!({
                    "end": "delivered",
                    "port": port.logical_name.as_str(),
                    "type": port.kind.as_str(),
                    "chassis": place.or(port.chassis.as_deref()),
                    "packet": pipeline::packet_text(packet),
                })
            }
            End::Dropped { why, packet, .. } => {
                let flow = match why {
                    pipeline::Drop::Flow(flow) | pipeline::Drop::TtlExceeded(flow) => {
                        self.flow(*flow)
                    }
                    _ => Value::Null,
                };
                json!({
                    "end": "dropped",
                    "why": format!("{why:?}").split([' ', '(']).next(),
                    "flow": flow,
                    "packet": pipeline::packet_text(packet),
                })
            }
            End::Replaced { by, flow, .. } => {
                json!({"end": "replaced", "by": format!("{by:?}"), "flow": self.flow(*flow)})
            }
            End::Consumed { what, flow, .. } => {
                json!({"end": "consumed", "what": what, "flow": self.flow(*flow)})
            }
        }
    }

    fn node(&self, node: &Node) -> Value {
        let network = self.network;
        let name = |pipeline: &Pipeline| pipeline.to_string();
        let mut value = match &node.kind {
            NodeKind::Pipeline {
                datapath, pipeline, ..
            } => json!({"pipeline": name(pipeline), "datapath": network[*datapath].name.as_str()}),
            NodeKind::Multicast { datapath, group } => {
                json!({"multicast": group.as_str(), "datapath": network[*datapath].name.as_str()})
            }
            NodeKind::Table {
                table, flow, place, ..
            } => json!({
                "table": table,
                "chassis": place.map(|it| network[it].name.as_str()),
                "flow": flow.map(|it| self.flow(it)),
            }),
            NodeKind::Tunnel(tunnel) => json!({"tunnel": {
                "from": network[tunnel.from].name.as_str(),
                "to": network[tunnel.to].name.as_str(),
                "type": tunnel.encapsulation.map(pipeline::Encapsulation::name),
                "identifier": tunnel.identifier(network[tunnel.datapath].key),
                "inport": tunnel.inport,
                "outport": tunnel.outport,
            }}),
            NodeKind::Wire { from, to, port } => json!({"wire": {
                "from": network[*from].name.as_str(),
                "to": network[*to].name.as_str(),
                "network": network[*port].physical_network.as_deref(),
            }}),
            NodeKind::Delivered(port) => json!({"delivered": network[*port].logical_name.as_str()}),
            NodeKind::Action(text) => json!({"action": text}),
            NodeKind::Remark(text) => json!({"remark": text}),
            NodeKind::Modify(text) => json!({"modify": text}),
            NodeKind::Transformation(text) => json!({"becomes": text}),
            NodeKind::Output(text) => json!({"output": text}),
            NodeKind::Error(text) => json!({"error": text}),
        };
        if !node.inside.is_empty() {
            let inside: Vec<Value> = node.inside.iter().map(|it| self.node(it)).collect();
            value["inside"] = inside.into();
        }
        value
    }
}

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
            "ends": ends,
            "trace": nodes,
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
            End::Delivered { port, packet } => {
                let port = &self.network[*port];
                json!({
                    "end": "delivered",
                    "port": port.logical_name.as_str(),
                    "type": port.kind.as_str(),
                    "chassis": port.chassis.as_deref(),
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
            NodeKind::Table { table, flow, .. } => {
                json!({"table": table, "flow": flow.map(|it| self.flow(it))})
            }
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

//! A trace as text, in the three forms of `ovn-trace` (ovn-trace(8), "OUTPUT").

use std::fmt::Write as _;

use logic::{Action, Pipeline};
use ovsdb::Str;

use crate::network::{Encapsulation, Flow, Network};
use crate::packet_text::packet_text;
use crate::trace::{Node, NodeKind, Trace, Tunnel};

/// A form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Every table that says something, with its flow and actions.
    Detailed,
    /// Pipelines and actions.
    Summary,
    /// What changed the packet, and where it went.
    Minimal,
}

/// How a node takes part in the forms.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Pipeline,
    Table,
    Transformation,
    Action,
    Output,
    Modify,
    Error,
}

/// Prints a trace in some forms; more than one are told apart by headings.
pub fn print(network: &Network, trace: &Trace, forms: &[Form]) -> String {
    let mut text = format!("# {}\n", packet_text(&trace.packet));
    let printer = Printer { network };
    for form in [Form::Detailed, Form::Summary, Form::Minimal] {
        if !forms.contains(&form) {
            continue;
        }
        if forms.len() > 1 {
            let _ = writeln!(text, "# {form:?} trace.");
        }
        match form {
            Form::Detailed => printer.details(&mut text, &trace.nodes, 0),
            _ => printer.summary(&mut text, &trace.nodes, form, 0),
        }
    }
    text
}

struct Printer<'a> {
    network: &'a Network,
}

impl NodeKind {
    const fn role(&self) -> Role {
        match self {
            Self::Pipeline { .. } | Self::Multicast { .. } => Role::Pipeline,
            Self::Table { .. } => Role::Table,
            Self::Transformation(_) => Role::Transformation,
            Self::Action(_) | Self::Remark(_) => Role::Action,
            Self::Output(_) | Self::Tunnel(_) | Self::Wire { .. } => Role::Output,
            Self::Modify(_) | Self::Delivered(_) => Role::Modify,
            Self::Error(_) => Role::Error,
        }
    }

    const fn is_jump(&self) -> bool {
        matches!(self, Self::Pipeline { jumped: true, .. })
    }
}

/// Whether a flow does nothing but go on, whatever the packet.
fn is_trivial(network: &Network, flow: &Flow) -> bool {
    let onward = match flow.parsed_actions(network, None) {
        [Action::Next { pipeline, table }] => {
            pipeline.is_none_or(|it| it == flow.pipeline)
                && table.is_none_or(|it| it == flow.table.saturating_add(1))
        }
        _ => false,
    };
    onward && flow.is_catch_all(network)
}

impl Printer<'_> {
    fn is_trivial(&self, node: &Node) -> bool {
        match node.kind {
            NodeKind::Table { flow: Some(id), .. } => is_trivial(self.network, &self.network[id]),
            _ => false,
        }
    }

    fn details(&self, text: &mut String, nodes: &[Node], level: usize) {
        let shown = |node: &&Node| !self.is_trivial(node);
        for (at, node) in nodes.iter().enumerate().filter(|it| shown(&it.1)) {
            let role = node.kind.role();
            if role == Role::Modify {
                continue;
            }
            let is_terminal = matches!(role, Role::Output | Role::Action | Role::Error);
            let always = matches!(node.kind, NodeKind::Pipeline { copy: true, .. });
            // What a table leads on to stands behind it, as part of it.
            let onward = |it: &Node| it.kind.role() == Role::Table || it.kind.is_jump();
            let more = is_terminal || always || !nodes[at + 1..].iter().all(onward);
            let level = level + usize::from(more);
            let title = matches!(role, Role::Pipeline | Role::Transformation);
            let name = self.name(node);
            if title {
                text.push('\n');
            }
            let _ = writeln!(text, "{:1$}{name}", "", level * 4);
            if title {
                let line = "-".repeat(name.len());
                let _ = writeln!(text, "{:1$}{line}", "", level * 4);
            }
            self.details(text, &node.inside, level + usize::from(more));
        }
    }

    fn summary(&self, text: &mut String, nodes: &[Node], form: Form, level: usize) {
        for node in nodes.iter().filter(|node| !self.is_trivial(node)) {
            let role = node.kind.role();
            let pruned = match form {
                Form::Minimal => matches!(
                    role,
                    Role::Action | Role::Pipeline | Role::Table | Role::Output
                ),
                _ => matches!(role, Role::Modify | Role::Table),
            };
            if pruned {
                self.summary(text, &node.inside, form, level);
                continue;
            }
            let name = self.name(node);
            if role == Role::Action && name.starts_with("next(") {
                continue;
            }
            let _ = write!(text, "{:1$}{name}", "", level * 4);
            let mut inside = String::new();
            self.summary(&mut inside, &node.inside, form, level + 1);
            if !inside.is_empty() {
                let _ = write!(text, " {{\n{inside}{:1$}}}", "", level * 4);
            }
            text.push_str(if role == Role::Action { "\n" } else { ";\n" });
        }
    }

    fn name(&self, node: &Node) -> String {
        let network = self.network;
        match &node.kind {
            NodeKind::Pipeline {
                datapath,
                pipeline,
                inport,
                outport,
                jumped,
                ..
            } => {
                let port = |key: u32| match network.port_with_key(*datapath, key) {
                    Some(port) => network[port].name.to_string(),
                    None if key == 0 => String::new(),
                    None => "(unnamed)".into(),
                };
                let name = match pipeline {
                    Pipeline::Ingress => "ingress",
                    Pipeline::Egress => "egress",
                };
                let mut text = format!("{name}(dp=\"{}\"", network[*datapath].name);
                if !jumped || outport.is_none() {
                    let _ = write!(text, ", inport=\"{}\"", port(*inport));
                }
                if let Some(outport) = outport {
                    let _ = write!(text, ", outport=\"{}\"", port(*outport));
                }
                text.push(')');
                text
            }
            NodeKind::Multicast { datapath, group } => {
                let dp = &network[*datapath].name;
                format!("multicast(dp=\"{dp}\", mcgroup=\"{group}\")")
            }
            NodeKind::Table {
                datapath,
                pipeline,
                table,
                flow,
                ..
            } => match flow {
                None => {
                    let stage = network.stage(*datapath, *pipeline, *table);
                    let stage = stage.map_or(String::new(), |it| format!("{it}: "));
                    format!("{table:2}. {stage}no match (implicit drop)")
                }
                Some(flow) => table_line(network, &network[*flow]),
            },
            NodeKind::Tunnel(tunnel) => tunnel_text(network, tunnel),
            NodeKind::Wire { from, to, port } => format!(
                "/* over the network \"{}\" from {} to {} */",
                network[*port]
                    .physical_network
                    .as_deref()
                    .unwrap_or_default(),
                network[*from].name,
                network[*to].name
            ),
            NodeKind::Delivered(port) => format!("output(\"{}\")", network[*port].name),
            NodeKind::Action(text)
            | NodeKind::Remark(text)
            | NodeKind::Modify(text)
            | NodeKind::Transformation(text)
            | NodeKind::Output(text)
            | NodeKind::Error(text) => text.clone(),
        }
    }
}

fn tunnel_text(network: &Network, tunnel: &Tunnel) -> String {
    let (from, to) = (&network[tunnel.from].name, &network[tunnel.to].name);
    let Some(kind) = tunnel.encapsulation else {
        return format!("*** no tunnel from {from} to {to}");
    };
    let end = network.encapsulation(tunnel.from, tunnel.to);
    let end = end.map_or("", |it| it.1.as_str());
    let name = |key: u32| match network.port_or_group(tunnel.datapath, key) {
        Some(name) => format!("{name} ({key})"),
        None => key.to_string(),
    };
    let identifier = tunnel.identifier(network[tunnel.datapath].key);
    let ports = match kind {
        Encapsulation::Geneve => {
            let (inport, outport) = (name(tunnel.inport), name(tunnel.outport));
            format!("in {inport}, out {outport}")
        }
        // The output port is part of the identifier, and the input port is lost.
        Encapsulation::Vxlan => format!("out {}", name(tunnel.outport)),
    };
    let kind = kind.name();
    format!("/* {kind} tunnel from {from} to {to} at {end}: identifier {identifier}, {ports} */")
}

fn table_line(network: &Network, flow: &Flow) -> String {
    let place = match (&flow.stage, &flow.source) {
        (Some(stage), Some(source)) => format!("{stage} ({source}): "),
        (Some(stage), None) => format!("{stage}: "),
        (None, Some(source)) => format!("({source}): "),
        (None, None) => String::new(),
    };
    let head = flow.uuid.as_fields().0;
    let matches = with_names(network, &flow.matches);
    format!(
        "{:2}. {place}{matches}, priority {}, uuid {head:08x}",
        flow.table, flow.priority
    )
}

/// A match with the names for people of the ports that it names.
fn with_names(network: &Network, matches: &Str) -> Str {
    let mut parts = Vec::new();
    let mut is_quoted = false;
    for part in matches.split('"') {
        let port = network.port(part).filter(|_| is_quoted);
        parts.push(port.map_or(part, |port| network[port].name.as_str()));
        is_quoted = !is_quoted;
    }
    parts.join("\"").into()
}

//! A trace as text, in the three forms of `ovn-trace` (ovn-trace(8), "OUTPUT").

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use logic::{Action, Field, Pipeline};

use crate::actions::from_number;
use crate::fields::Fields;
use crate::network::{Flow, Network};
use crate::trace::{Node, NodeKind, Trace};

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
            Self::Output(_) => Role::Output,
            Self::Modify(_) | Self::Delivered(_) => Role::Modify,
            Self::Error(_) => Role::Error,
        }
    }

    const fn is_jump(&self) -> bool {
        matches!(self, Self::Pipeline { jumped: true, .. })
    }
}

/// Whether a flow does nothing but go on, whatever the packet.
fn is_trivial(flow: &Flow) -> bool {
    let onward = match flow.parsed_actions() {
        [Action::Next { pipeline, table }] => {
            pipeline.is_none_or(|it| it == flow.pipeline)
                && table.is_none_or(|it| it == flow.table.saturating_add(1))
        }
        _ => false,
    };
    onward && flow.is_catch_all()
}

impl Printer<'_> {
    fn is_trivial(&self, node: &Node) -> bool {
        match node.kind {
            NodeKind::Table { flow: Some(id), .. } => is_trivial(&self.network[id]),
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
                Some(flow) => table_line(&network[*flow]),
            },
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

fn table_line(flow: &Flow) -> String {
    let place = match (&flow.stage, &flow.source) {
        (Some(stage), Some(source)) => format!("{stage} ({source}): "),
        (Some(stage), None) => format!("{stage}: "),
        (None, Some(source)) => format!("({source}): "),
        (None, None) => String::new(),
    };
    let head = flow.uuid.as_fields().0;
    format!(
        "{:2}. {place}{}, priority {}, uuid {head:08x}",
        flow.table, flow.matches, flow.priority
    )
}

/// A value in the notation of its field.
pub(crate) fn value(field: Field, value: u128) -> String {
    use Field::*;
    match field {
        EthSrc | EthDst | ArpSha | ArpTha | NdSll | NdTll => from_number(value).to_string(),
        Ip4Src | Ip4Dst | ArpSpa | ArpTpa => Ipv4Addr::from_bits(value as u32).to_string(),
        Ip6Src | Ip6Dst | NdTarget => Ipv6Addr::from_bits(value).to_string(),
        InPort | OutPort | RemoteOutPort | Reg(_) | XReg(_) | XxReg(_) | Flags | CtState
        | CtMark | CtLabel | VlanTci | EthType | PktMark => format!("{value:#x}"),
        _ => value.to_string(),
    }
}

/// A packet in the notation of Open vSwitch's flows.
pub fn packet_text(packet: &Fields) -> String {
    use Field::*;
    let get = |field| packet.get(field);
    let show = |field| value(field, get(field));
    let mut parts: Vec<String> = Vec::new();
    let (kind, protocol) = (get(EthType), get(IpProto));
    let word = match (kind, protocol) {
        (0x800, 1) => "icmp",
        (0x800, 6) => "tcp",
        (0x800, 17) => "udp",
        (0x800, 132) => "sctp",
        (0x800, _) => "ip",
        (0x86dd, 58) => "icmp6",
        (0x86dd, 6) => "tcp6",
        (0x86dd, 17) => "udp6",
        (0x86dd, 132) => "sctp6",
        (0x86dd, _) => "ipv6",
        (0x806, _) => "arp",
        (0x8035, _) => "rarp",
        _ => "",
    };
    if !word.is_empty() {
        parts.push(word.into());
    }
    for (field, name) in [
        (CtState, "ct_state"),
        (CtMark, "ct_mark"),
        (CtLabel, "ct_label"),
    ] {
        if get(field) != 0 {
            parts.push(match field {
                CtState => format!("ct_state={}", crate::actions::state_text(get(field) as u32)),
                _ => format!("{name}={}", show(field)),
            });
        }
    }
    for number in 0..10 {
        if get(Reg(number)) != 0 {
            parts.push(format!("reg{number}={}", show(Reg(number))));
        }
    }
    for (field, name) in [(Flags, "reg10"), (InPort, "reg14"), (OutPort, "reg15")] {
        if get(field) != 0 {
            parts.push(format!("{name}={}", show(field)));
        }
    }
    if get(VlanTci) & 0x1000 == 0 {
        parts.push("vlan_tci=0x0000".into());
    } else {
        parts.push(format!("dl_vlan={}", get(VlanTci) & 0xfff));
        parts.push(format!("dl_vlan_pcp={}", get(VlanTci) >> 13));
    }
    parts.push(format!("dl_src={}", show(EthSrc)));
    parts.push(format!("dl_dst={}", show(EthDst)));
    match kind {
        0x800 => {
            parts.push(format!("nw_src={}", show(Ip4Src)));
            parts.push(format!("nw_dst={}", show(Ip4Dst)));
        }
        0x86dd => {
            parts.push(format!("ipv6_src={}", show(Ip6Src)));
            parts.push(format!("ipv6_dst={}", show(Ip6Dst)));
            parts.push(format!("ipv6_label={:#07x}", get(Ip6Label)));
        }
        0x806 | 0x8035 => {
            parts.push(format!("arp_spa={}", show(ArpSpa)));
            parts.push(format!("arp_tpa={}", show(ArpTpa)));
            parts.push(format!("arp_op={}", get(ArpOp)));
            parts.push(format!("arp_sha={}", show(ArpSha)));
            parts.push(format!("arp_tha={}", show(ArpTha)));
        }
        other => parts.push(format!("dl_type={other:#06x}")),
    }
    if matches!(kind, 0x800 | 0x86dd) {
        if matches!(word, "ip" | "ipv6") {
            parts.push(format!("nw_proto={protocol}"));
        }
        parts.push(format!("nw_tos={}", get(IpDscp) << 2));
        parts.push(format!("nw_ecn={}", get(IpEcn)));
        parts.push(format!("nw_ttl={}", get(IpTtl)));
        let fragment = match get(IpFrag) {
            0 => "no",
            1 => "first",
            _ => "later",
        };
        parts.push(format!("nw_frag={fragment}"));
        transport_text(packet, protocol, &mut parts);
    }
    parts.join(",")
}

fn transport_text(packet: &Fields, protocol: u128, parts: &mut Vec<String>) {
    use Field::*;
    let get = |field| packet.get(field);
    let ports = match protocol {
        6 => Some((TcpSrc, TcpDst)),
        17 => Some((UdpSrc, UdpDst)),
        132 => Some((SctpSrc, SctpDst)),
        _ => None,
    };
    if let Some((src, dst)) = ports {
        parts.push(format!("tp_src={},tp_dst={}", get(src), get(dst)));
    }
    match protocol {
        6 => parts.push(format!("tcp_flags={}", tcp_flags(get(TcpFlags)))),
        1 => parts.push(format!(
            "icmp_type={},icmp_code={}",
            get(Icmp4Type),
            get(Icmp4Code)
        )),
        58 => {
            let kind = get(Icmp6Type);
            parts.push(format!("icmp_type={kind},icmp_code={}", get(Icmp6Code)));
            if matches!(kind, 135 | 136) {
                parts.push(format!("nd_target={}", value(NdTarget, get(NdTarget))));
                if kind == 135 {
                    parts.push(format!("nd_sll={}", value(NdSll, get(NdSll))));
                } else {
                    parts.push(format!("nd_tll={}", value(NdTll, get(NdTll))));
                }
            }
        }
        _ => {}
    }
}

fn tcp_flags(flags: u128) -> String {
    let names = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns"];
    let set = names
        .iter()
        .enumerate()
        .filter(|(at, _)| flags >> at & 1 == 1);
    let text = set.map(|it| *it.1).collect::<Vec<_>>().join("|");
    if text.is_empty() { "0".into() } else { text }
}

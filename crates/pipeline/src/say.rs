//! What became of a packet, in one sentence for people.

use logic::Nest;

use crate::network::{ChassisId, DatapathId, Flow, FlowId, Network};
use crate::trace::{Drop, End, Trace};

/// Says what became of a packet. `origin` names the Northbound object that a flow is for, if it is known.
pub fn sentence(
    network: &Network,
    trace: &Trace,
    origin: &dyn Fn(&Flow) -> Option<String>,
) -> String {
    let teller = Teller { network, origin };
    let mut delivered: Vec<String> = Vec::new();
    let mut came_back = false;
    let mut rest = None;
    let mut replaced = None;
    for end in &trace.ends {
        match end {
            End::Delivered { port, place, .. } => {
                let text = teller.port(*port, *place);
                came_back |= *port == trace.inport;
                if !delivered.contains(&text) {
                    delivered.push(text);
                }
            }
            End::Replaced {
                by,
                datapath,
                flow,
                after,
            } => {
                let place = || teller.place(*datapath, *flow, after);
                replaced.get_or_insert_with(|| (*by, place()));
            }
            End::Dropped {
                datapath,
                why,
                after,
                ..
            } => {
                rest.get_or_insert_with(|| teller.why(*datapath, why, after));
            }
            End::Consumed {
                what,
                datapath,
                flow,
            } => {
                let place = || teller.place(*datapath, *flow, &[]);
                rest.get_or_insert_with(|| format!("taken in {what}, {}", place()));
            }
        }
    }
    let to = delivered.join(", ");
    let reaches = if delivered.is_empty() {
        "which reaches nobody".to_owned()
    } else {
        format!("which goes to {to}")
    };
    match (replaced, delivered.len()) {
        (Some((Nest::Arp | Nest::NdNs, place)), _) => {
            format!("held back {place} until the next hop is resolved by a request {reaches}")
        }
        (Some((by, place)), _) => format!("answered with {} {place}, {reaches}", answer(by)),
        (None, 0) => rest.unwrap_or_else(|| "ended nowhere".into()),
        (None, 1) if came_back => format!("answered; the answer goes to {to}"),
        (None, 1) => format!("delivered to {to}"),
        (None, count) => format!("delivered to {count} ports: {to}"),
    }
}

fn answer(by: Nest) -> &'static str {
    use Nest::*;
    match by {
        Clone => "a copy",
        Arp => "an ARP request",
        NdNs => "a neighbour solicitation",
        NdNa | NdNaRouter => "a neighbour advertisement",
        Icmp4 | Icmp4Error | Icmp6 | Icmp6Error => "an ICMP error",
        TcpReset => "a TCP reset",
        SctpAbort => "an SCTP abort",
        Reject => "a refusal (TCP reset or ICMP unreachable)",
    }
}

/// Why a stage drops packets, where that is always for one reason.
fn reason(stage: &str) -> Option<&'static str> {
    Some(match stage {
        "ls_in_apply_port_sec" | "ls_out_apply_port_sec" => "by port security",
        "lr_in_ip_routing" => "for want of a route",
        "lr_in_admission" => "because it is not addressed to the router",
        "ls_in_l2_unknown" => "because nobody has its destination address",
        _ => return None,
    })
}

struct Teller<'a> {
    network: &'a Network,
    origin: &'a dyn Fn(&Flow) -> Option<String>,
}

impl Teller<'_> {
    fn port(&self, port: crate::PortId, place: Option<ChassisId>) -> String {
        let port = &self.network[port];
        let kind = match &port.physical_network {
            Some(network) => format!(" ({}, to the network \"{network}\")", port.kind),
            None if port.kind.is_empty() => String::new(),
            None => format!(" ({})", port.kind),
        };
        let place = place.map(|it| &self.network[it].name);
        match place.or(port.chassis.as_ref()) {
            Some(chassis) => format!("{}{kind} on {chassis}", port.name),
            None => format!("{}{kind}", port.name),
        }
    }

    /// Where a flow is: the object that it is for, the datapath and the stage. What an ACL decides is carried out a
    /// stage later, for all ACLs alike.
    fn place(&self, datapath: DatapathId, flow: FlowId, after: &[FlowId]) -> String {
        let is_in = |id: FlowId, part: &str| {
            let stage = self.network[id].stage.as_ref();
            stage.is_some_and(|it| it.contains(part))
        };
        let decided = is_in(flow, "acl_action") || is_in(flow, "acl_after_lb_action");
        let decision = || {
            let mut before = after.iter().rev().copied();
            before.find(|id| is_in(*id, "_eval"))
        };
        let flow = if decided {
            decision().unwrap_or(flow)
        } else {
            flow
        };
        let flow = &self.network[flow];
        let stage = match &flow.stage {
            Some(stage) => stage.to_string(),
            None => format!("{} table {}", flow.pipeline, flow.table),
        };
        let name = &self.network[datapath].name;
        let place = format!("in {name} at stage {stage}, priority {}", flow.priority);
        let reason = flow.stage.as_deref().and_then(reason);
        match ((self.origin)(flow), reason) {
            (_, Some(reason)) => format!("{reason}, {place}"),
            (Some(origin), None) => format!("by {origin}, {place}"),
            (None, None) => format!("{place}, match `{}`", flow.matches),
        }
    }

    fn why(&self, datapath: DatapathId, why: &Drop, after: &[FlowId]) -> String {
        let network = self.network;
        let name = &network[datapath].name;
        match why {
            Drop::Flow(flow) => format!("dropped {}", self.place(datapath, *flow, after)),
            Drop::NoFlow {
                pipeline, table, ..
            } => {
                let stage = network.stage(datapath, *pipeline, *table);
                let stage =
                    stage.map_or_else(|| format!("{pipeline} table {table}"), ToString::to_string);
                format!("dropped in {name}: no flow of stage {stage} matches")
            }
            Drop::Loopback(port) => format!(
                "dropped in {name}: it would have gone back to {}, where it came from",
                network[*port].name
            ),
            Drop::NoPort { key: 0, .. } => {
                format!("dropped in {name}: nothing there has its destination address")
            }
            Drop::NoPort { key, .. } => {
                format!("dropped in {name}: its output port {key} does not exist")
            }
            Drop::Unbound(port) => {
                format!("dropped in {name}: no chassis has {}", network[*port].name)
            }
            Drop::NoTunnel(from, to) => format!(
                "dropped in {name}: {} and {} have no kind of tunnel in common",
                network[*from].name, network[*to].name
            ),
            Drop::NobodyElse { .. } => {
                format!("dropped in {name}: nobody else is there to receive it")
            }
            Drop::TtlExceeded(flow) => {
                let place = self.place(datapath, *flow, after);
                format!("dropped: its time to live was over, {place}")
            }
            Drop::Loop => format!("dropped in {name}: it goes round in circles"),
        }
    }
}

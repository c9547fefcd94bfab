//! `lr_in_policy`: policies that override routes.

use std::net::IpAddr;

use incremental::Context;
use model::nb::{self, LogicalRouterPolicyAction as Action};
use ovsdb::Str;
use uuid::Uuid;

use crate::diagnostic::Diagnostic;
use crate::program::Program;
use crate::router::hop::{self, Networks};
use crate::scope::{Class, Scope};
use crate::stage::Stage::LrInPolicy;
use crate::topology::Topology;

pub(super) fn declare(program: &mut Program, networks: Networks) {
    program.router_class_flows("router/policy", |class, out| {
        if class == Class::AllRouters {
            out.on(Scope::class(class)).add(LrInPolicy, 0, "1", "next;");
        }
    });
    let topology = program.topology;
    let input = topology.nb.policy;
    program.flows("router/policy row", input, move |cx, id, out| {
        let Some(row) = cx.get(input, id) else { return };
        let Some(router) = cx
            .get(topology.router_of_policy, id)
            .and_then(|it| it.first())
        else {
            return;
        };
        match actions(cx, topology, networks, *router, row) {
            Ok(actions) => {
                let priority = u16::try_from(row.priority.clamp(0, 32_767)).unwrap_or_default();
                let mut flows = out.of(Scope::Datapath(*router), *id);
                flows.add(LrInPolicy, priority, &row.match_, actions);
            }
            Err(message) => {
                let name = format!("{} {}", row.priority, row.match_);
                let table = "Logical_Router_Policy";
                out.diagnose(Diagnostic::new(table, *id, name, message));
            }
        }
    });
}

fn actions(
    cx: &Context<'_>,
    topology: Topology,
    networks: Networks,
    router: Uuid,
    row: &nb::LogicalRouterPolicy,
) -> Result<String, Str> {
    if row.chain.is_some() || row.action == Action::Jump {
        return Err("not supported: chain; the policy is left out".into());
    }
    if !row.bfd_sessions.is_empty() {
        return Err("not supported: bfd_sessions; the policy is left out".into());
    }
    if let Err(error) = logic::check_match(&row.match_, logic::Symbols::ovn()) {
        return Err(format!("match does not parse: {error}").into());
    }
    let mark = match row.options.get("pkt_mark") {
        Some(mark) if mark.parse::<u32>().is_ok() => format!("pkt.mark = {mark}; "),
        Some(mark) => return Err(format!("options:pkt_mark {mark:?} is not a number").into()),
        None => String::new(),
    };
    match row.action {
        Action::Drop => Ok("drop;".into()),
        Action::Allow | Action::Jump => Ok(format!("{mark}next;")),
        Action::Reroute => {
            let hops: Vec<&Str> = match row.nexthops.iter().collect::<Vec<_>>() {
                several if !several.is_empty() => several,
                _ => row.nexthop.iter().collect(),
            };
            let [hop] = hops.as_slice() else {
                return Err("not supported: reroute to other than one next hop".into());
            };
            let next: IpAddr = hop
                .parse()
                .map_err(|_| Str::from(format!("nexthop {hop:?} is not an address")))?;
            let port = row.output_port.map(|port| port.uuid());
            let port = port.or_else(|| networks.find(cx, router, next));
            let port = port.and_then(|port| cx.get(topology.router_port, &port));
            let port = port.filter(|port| port.router == router);
            let send = port.and_then(|port| hop::send(port, Some(next), next.is_ipv6()));
            let send = send.ok_or_else(|| {
                Str::from(format!(
                    "no port of the router has a network with the next hop {next}"
                ))
            })?;
            Ok(format!("{mark}{send}next;"))
        }
    }
}

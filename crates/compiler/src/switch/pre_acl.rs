//! `ls_in_pre_acl`, `ls_out_pre_acl`, `ls_in_pre_stateful`, `ls_out_pre_stateful`: which packets go
//! through the connection tracker before ACLs look at them.

use model::nb::{AclAction, Direction};

use crate::program::Program;
use crate::scope::{Class, Scope};
use crate::stage::Stage::{self, *};
use crate::stage::Way;
use crate::switch::acl_eval;
use crate::switch::bit::{STATELESS, TRACK};
use crate::topology::{AclKind, PortKind};

const PRE_ACL: [Stage; 2] = [LsInPreAcl, LsOutPreAcl];
const PRE_STATEFUL: [Stage; 2] = [LsInPreStateful, LsOutPreStateful];

/// Connection tracking of neighbour discovery, multicast listeners and DHCPv6 does not work.
const UNTRACKED: &str =
    "nd || nd_rs || nd_ra || mldv1 || mldv2 || (udp && udp.src == 546 && udp.dst == 547)";

pub(super) fn declare(program: &mut Program) {
    program.switch_class_flows("switch/pre_acl", |class, out| {
        let mut flows = out.on(Scope::class(class));
        for way in Way::BOTH {
            let (pre_acl, pre_stateful) = (way.pick(PRE_ACL), way.pick(PRE_STATEFUL));
            match class {
                Class::AllSwitches => {
                    flows
                        .add(pre_acl, 0, "1", "next;")
                        .add(pre_stateful, 0, "1", "next;");
                }
                Class::Stateful => {
                    flows.add(pre_acl, 110, UNTRACKED, "next;");
                    flows.add(pre_acl, 110, "eth.mcast", "next;");
                    flows.add(pre_acl, 100, "ip", format!("{TRACK} = 1; next;"));
                    flows.add(pre_stateful, 100, format!("{TRACK} == 1"), "ct_next;");
                }
                _ => {}
            }
        }
    });
    ports(program);
    stateless(program);
}

/// Ports of routers and physical networks are not tracked: the two directions of a connection may
/// pass them on different chassis.
fn ports(program: &mut Program) {
    let topology = program.topology;
    program.flows(
        "switch/pre_acl port",
        topology.switch_port,
        move |cx, id, out| {
            let Some(port) = cx.get(topology.switch_port, id) else {
                return;
            };
            if !matches!(port.kind, PortKind::Router | PortKind::Localnet)
                || cx.get(topology.acl_kind, &port.switch) != Some(&AclKind::Stateful)
            {
                return;
            }
            let mut flows = out.of(Scope::Datapath(port.switch), *id);
            for way in Way::BOTH {
                let matches = format!("ip && {} == {}", way.port(), port.quoted);
                flows.add(way.pick(PRE_ACL), 110, matches, "next;");
            }
        },
    );
}

/// What a stateless ACL allows is not tracked.
fn stateless(program: &mut Program) {
    let topology = program.topology;
    program.flows(
        "switch/pre_acl stateless",
        topology.nb.acl,
        move |cx, id, out| {
            let Some(acl) = cx.get(topology.nb.acl, id) else {
                return;
            };
            if acl.action != AclAction::AllowStateless || cx.get(topology.acl_error, id).is_some() {
                return;
            }
            let stage = match acl.direction {
                Direction::FromLport => LsInPreAcl,
                Direction::ToLport => LsOutPreAcl,
            };
            for (scope, stateful) in acl_eval::scopes(cx, topology, id) {
                if stateful {
                    let priority = acl_eval::priority(acl);
                    let actions = format!("{STATELESS} = 1; next;");
                    out.of(scope, *id)
                        .add(stage, priority, &acl.match_, actions);
                }
            }
        },
    );
}

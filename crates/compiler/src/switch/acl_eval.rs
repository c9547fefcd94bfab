//! `ls_in_acl_eval`, `ls_in_acl_after_lb_eval`, `ls_out_acl_eval`: which ACL decides about a packet,
//! and how. The verdict goes to a register; `acl_action` carries it out.

use incremental::Context;
use model::nb::{Acl, AclAction, Direction};
use uuid::Uuid;

use crate::flow::{Flows, quote};
use crate::program::Program;
use crate::scope::{Class, Group, Scope};
use crate::stage::Stage::{self, *};
use crate::stage::Way;
use crate::switch::bit::{
    ALLOW, COMMIT, DROP, LABEL, MAY_ALLOW, MAY_ALLOW_NEW, MAY_BLOCK, MAY_DROP, REJECT, RELATED,
};
use crate::topology::{AclKind, Topology};

const ACL_EVAL: [Stage; 2] = [LsInAclEval, LsOutAclEval];
/// Above all ACLs.
const ALWAYS: u16 = 65_532;
/// What IPv6 cannot do without.
const NEIGHBOURS: &str = "nd || nd_ra || nd_rs || mldv1 || mldv2";

pub(super) fn declare(program: &mut Program) {
    program.switch_class_flows("switch/acl_eval", |class, out| {
        let mut flows = out.on(Scope::class(class));
        match class {
            Class::AllSwitches => {
                for stage in [LsInAclEval, LsInAclAfterLbEval, LsOutAclEval] {
                    flows.add(stage, 0, "1", "next;");
                }
            }
            Class::WithAcls => {
                for stage in [LsInAclEval, LsInAclAfterLbEval, LsOutAclEval] {
                    flows.add(stage, ALWAYS, NEIGHBOURS, format!("{ALLOW} = 1; next;"));
                }
            }
            Class::Stateful => stateful(&mut flows),
            _ => {}
        }
    });
    let topology = program.topology;
    program.flows(
        "switch/acl_eval acl",
        topology.nb.acl,
        move |cx, id, out| {
            let Some(acl) = cx.get(topology.nb.acl, id) else {
                return;
            };
            if cx.get(topology.acl_error, id).is_some() {
                return;
            }
            for (scope, stateful) in scopes(cx, topology, id) {
                let mut flows = out.of(scope, *id);
                if stateful {
                    with_tracking(acl, &mut flows);
                } else {
                    without_tracking(acl, &mut flows);
                }
            }
        },
    );
}

/// Where an ACL holds, and whether the switches there track connections.
pub(super) fn scopes(cx: &Context<'_>, topology: Topology, acl: &Uuid) -> Vec<(Scope, bool)> {
    let own = cx.items(topology.switches_of_acl, acl).map(|switch| {
        let stateful = cx.get(topology.acl_kind, switch) == Some(&AclKind::Stateful);
        (Scope::Datapath(*switch), stateful)
    });
    let groups = cx
        .items(topology.port_groups_of_acl, acl)
        .flat_map(|group| {
            [false, true].into_iter().filter_map(move |stateful| {
                let scope = Group::PortGroup {
                    port_group: *group,
                    stateful,
                };
                cx.get(topology.port_group_scope, &scope)?;
                Some((Scope::Group(scope), stateful))
            })
        });
    own.chain(groups).collect()
}

/// The priority of the flows of an ACL, between those of the stage's own.
pub(super) fn priority(acl: &Acl) -> u16 {
    u16::try_from(acl.priority.clamp(0, 32_767)).unwrap_or_default() + 1000
}

fn stateful(flows: &mut Flows<'_>) {
    for way in Way::BOTH {
        let stage = way.pick(ACL_EVAL);
        // Without a commit, the replies to what is allowed by default would be invalid.
        flows.add(stage, 1, "ip && !ct.est", format!("{COMMIT} = 1; next;"));
        let again = format!("{COMMIT} = 1; next;");
        flows.add(stage, 1, "ip && ct.est && ct_mark.blocked == 1", again);
        let cut = "ct.inv || (ct.est && ct.rpl && ct_mark.blocked == 1)";
        flows.add(stage, ALWAYS, cut, format!("{DROP} = 1; next;"));
        let hints = match way {
            Way::In => format!("{MAY_DROP} = 0; {MAY_BLOCK} = 0; {RELATED} = 1; "),
            Way::Out => String::new(),
        };
        let allow = format!("{hints}{ALLOW} = 1; next;");
        let reply = "ct.est && !ct.rel && !ct.new && !ct.inv && ct.rpl && ct_mark.blocked == 0";
        flows.add(stage, ALWAYS, reply, &allow);
        let related = "!ct.est && ct.rel && !ct.new && !ct.inv && ct_mark.blocked == 0";
        flows.add(stage, ALWAYS, related, &allow);
    }
    let related = format!("{RELATED} == 1");
    flows.add(
        LsInAclAfterLbEval,
        ALWAYS,
        related,
        format!("{ALLOW} = 1; next;"),
    );
}

fn stage(acl: &Acl) -> Stage {
    match acl.direction {
        Direction::ToLport => LsOutAclEval,
        Direction::FromLport if acl.options.is_true("apply-after-lb") => LsInAclAfterLbEval,
        Direction::FromLport => LsInAclEval,
    }
}

/// The verdict of an ACL, with the note in the log that goes before it.
fn verdict(acl: &Acl) -> String {
    let (bit, word) = match acl.action {
        AclAction::Drop => (DROP, "drop"),
        AclAction::Reject => (REJECT, "reject"),
        _ => (ALLOW, "allow"),
    };
    let mut actions = String::new();
    if acl.log {
        actions.push_str("log(");
        if let Some(name) = &acl.name {
            actions.push_str(&format!("name={}, ", quote(name)));
        }
        let severity = acl.severity.map_or("info", |severity| severity.as_str());
        actions.push_str(&format!("severity={severity}, verdict={word}"));
        if let Some(meter) = &acl.meter {
            actions.push_str(&format!(", meter={}", quote(meter)));
        }
        actions.push_str("); ");
    }
    actions + &format!("{bit} = 1; ")
}

fn without_tracking(acl: &Acl, flows: &mut Flows<'_>) {
    let matches = format!("({})", acl.match_);
    flows.add(stage(acl), priority(acl), matches, verdict(acl) + "next;");
}

fn with_tracking(acl: &Acl, flows: &mut Flows<'_>) {
    let (stage, priority, verdict) = (stage(acl), priority(acl), verdict(acl));
    let when = |hint: &str| format!("{hint} == 1 && ({})", acl.match_);
    let label = match acl.label {
        0 => String::new(),
        label => format!("{LABEL} = 1; reg3 = {label}; "),
    };
    match acl.action {
        AclAction::AllowStateless => without_tracking(acl, flows),
        AclAction::Drop | AclAction::Reject => {
            flows.add(stage, priority, when(MAY_DROP), format!("{verdict}next;"));
            // A connection allowed before is cut in both directions, by a mark on it.
            let block = format!("{verdict}ct_commit {{ ct_mark.blocked = 1; }}; next;");
            flows.add(stage, priority, when(MAY_BLOCK), block);
        }
        _ => {
            let new = format!("{verdict}{COMMIT} = 1; {label}next;");
            flows.add(stage, priority, when(MAY_ALLOW_NEW), new);
            let commit = if acl.label == 0 {
                String::new()
            } else {
                format!("{COMMIT} = 1; {label}")
            };
            flows.add(
                stage,
                priority,
                when(MAY_ALLOW),
                format!("{verdict}{commit}next;"),
            );
        }
    }
}

//! `ls_in_acl_hint`, `ls_out_acl_hint`: what ACLs could do to a packet, given what the connection
//! tracker knows of it. With that, an ACL needs two flows and not one for every state.

use crate::program::Program;
use crate::scope::{Class, Scope};
use crate::stage::Stage::{self, *};
use crate::stage::Way;
use crate::switch::bit::{MAY_ALLOW, MAY_ALLOW_NEW, MAY_BLOCK, MAY_DROP};

const ACL_HINT: [Stage; 2] = [LsInAclHint, LsOutAclHint];

/// Priority, state, and the hints that follow from it.
const HINTS: &[(u16, &str, &[&str])] = &[
    (7, "ct.new && !ct.est", &[MAY_ALLOW_NEW, MAY_DROP]),
    // A connection that was cut is like a new one, should it be allowed again.
    (
        6,
        "!ct.new && ct.est && !ct.rpl && ct_mark.blocked == 1",
        &[MAY_ALLOW_NEW, MAY_DROP],
    ),
    (5, "!ct.trk", &[MAY_ALLOW, MAY_DROP]),
    (
        4,
        "!ct.new && ct.est && !ct.rpl && ct_mark.blocked == 0",
        &[MAY_ALLOW, MAY_BLOCK],
    ),
    (3, "!ct.est", &[MAY_DROP]),
    (2, "ct.est && ct_mark.blocked == 1", &[MAY_DROP]),
    (1, "ct.est && ct_mark.blocked == 0", &[MAY_BLOCK]),
];

pub(super) fn declare(program: &mut Program) {
    program.switch_class_flows("switch/acl_hint", |class, out| {
        let mut flows = out.on(Scope::class(class));
        for way in Way::BOTH {
            let stage = way.pick(ACL_HINT);
            match class {
                Class::AllSwitches => {
                    flows.add(stage, 0, "1", "next;");
                }
                Class::Stateful => {
                    for (priority, state, hints) in HINTS {
                        let set = hints.iter().map(|hint| format!("{hint} = 1; "));
                        let actions = set.collect::<String>() + "next;";
                        flows.add(stage, *priority, state, actions);
                    }
                }
                _ => {}
            }
        }
    });
}

//! `ls_in_acl_action`, `ls_in_acl_after_lb_action`, `ls_out_acl_action`: carries out the verdict of
//! the ACLs.

use crate::program::Program;
use crate::scope::{Class, Scope};
use crate::stage::Stage::*;
use crate::switch::bit::{ALLOW, DROP, REJECT};

pub(super) fn declare(program: &mut Program) {
    let topology = program.topology;
    program.flows(
        "switch/acl_action",
        topology.switch_classes,
        move |cx, class, out| {
            let class = *class;
            let mut flows = out.on(Scope::class(class));
            let settings = cx.get(topology.settings, &()).copied().unwrap_or_default();
            if class == Class::WithAcls && settings.default_acl_drop {
                flows
                    .add(LsInAclAction, 1, "1", "drop;")
                    .add(LsOutAclAction, 1, "1", "drop;");
            }
            for stage in [LsInAclAction, LsInAclAfterLbAction, LsOutAclAction] {
                match class {
                    Class::AllSwitches => {
                        flows.add(stage, 0, "1", "next;");
                    }
                    Class::WithAcls => {
                        let clear = format!("{ALLOW} = 0; {DROP} = 0; {REJECT} = 0; ");
                        flows.add(
                            stage,
                            1000,
                            format!("{ALLOW} == 1"),
                            format!("{clear}next;"),
                        );
                        flows.add(stage, 1000, format!("{DROP} == 1"), "drop;");
                        // The answer to a packet on its way in leaves by the port it came from; the
                        // answer to one on its way out crosses the switch again.
                        let back = match stage {
                            LsOutAclAction => LsInL2Lkup.jump(),
                            _ => LsOutApplyPortSec.jump(),
                        };
                        let answer =
                            format!("{clear}reg0 = 0; reject {{ outport <-> inport; {back} }};");
                        flows.add(stage, 1000, format!("{REJECT} == 1"), answer);
                    }
                    _ => {}
                }
            }
        },
    );
}

//! `ls_in_stateful`, `ls_out_stateful`: commits the connections that ACLs allowed.

use crate::program::Program;
use crate::scope::{Class, Scope};
use crate::stage::Stage::{self, *};
use crate::stage::Way;
use crate::switch::bit::{COMMIT, LABEL};

const STATEFUL: [Stage; 2] = [LsInStateful, LsOutStateful];

pub(super) fn declare(program: &mut Program) {
    program.switch_class_flows("switch/stateful", |class, out| {
        let mut flows = out.on(Scope::class(class));
        for way in Way::BOTH {
            let stage = way.pick(STATEFUL);
            match class {
                Class::AllSwitches => {
                    flows.add(stage, 0, "1", "next;");
                }
                Class::Stateful => {
                    flows
                        .add(
                            stage,
                            100,
                            format!("{COMMIT} == 1 && {LABEL} == 0"),
                            "ct_commit { ct_mark.blocked = 0; }; next;",
                        )
                        .add(
                            stage,
                            100,
                            format!("{COMMIT} == 1 && {LABEL} == 1"),
                            "ct_commit { ct_mark.blocked = 0; ct_label.label = reg3; }; next;",
                        );
                }
                _ => {}
            }
        }
    });
}

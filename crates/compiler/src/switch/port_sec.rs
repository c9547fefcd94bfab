//! `ls_in_check_port_sec`, `ls_in_apply_port_sec`, `ls_out_check_port_sec`, `ls_out_apply_port_sec`:
//! what a port may send and receive at all.
//!
//! The addresses themselves are checked by agents, from `Port_Binding.port_security`.

use crate::program::Program;
use crate::scope::{Class, Scope};
use crate::stage::Stage::*;
use crate::stage::Way;
use crate::switch::bit::PORT_SEC_DROP;

const CHECK: [crate::stage::Stage; 2] = [LsInCheckPortSec, LsOutCheckPortSec];
const APPLY: [crate::stage::Stage; 2] = [LsInApplyPortSec, LsOutApplyPortSec];

pub(super) fn declare(program: &mut Program) {
    program.switch_class_flows("switch/port_sec", |class, out| {
        let mut flows = out.on(Scope::class(class));
        match class {
            Class::AllSwitches => {
                // No packet comes from a group address.
                flows.add(LsInCheckPortSec, 100, "eth.src[40]", "drop;");
                let check = format!("{PORT_SEC_DROP} = check_in_port_sec(); next;");
                flows.add(LsInCheckPortSec, 50, "1", check);
                flows.add(
                    LsOutCheckPortSec,
                    100,
                    "eth.mcast",
                    format!("{PORT_SEC_DROP} = 0; next;"),
                );
                let check = format!("{PORT_SEC_DROP} = check_out_port_sec(); next;");
                flows.add(LsOutCheckPortSec, 0, "1", check);
                for (way, go_on) in [(Way::In, "next;"), (Way::Out, "output;")] {
                    let refused = format!("{PORT_SEC_DROP} == 1");
                    flows.add(way.pick(APPLY), 50, refused, "drop;");
                    flows.add(way.pick(APPLY), 0, "1", go_on);
                }
            }
            Class::Untagged => {
                flows.add(LsInCheckPortSec, 100, "vlan.present", "drop;");
            }
            _ => {}
        }
    });
    let topology = program.topology;
    program.flows(
        "switch/port_sec disabled",
        topology.switch_port,
        move |cx, id, out| {
            let Some(port) = cx
                .get(topology.switch_port, id)
                .filter(|port| !port.enabled)
            else {
                return;
            };
            let mut flows = out.of(Scope::Datapath(port.switch), *id);
            for (way, priority) in [(Way::In, 100), (Way::Out, 150)] {
                let matches = format!("{} == {}", way.port(), port.quoted);
                flows.add(
                    way.pick(CHECK),
                    priority,
                    matches,
                    format!("{PORT_SEC_DROP} = 1; next;"),
                );
            }
        },
    );
}

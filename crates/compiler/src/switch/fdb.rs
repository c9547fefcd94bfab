//! `ls_in_lookup_fdb`, `ls_in_put_fdb`: learning which addresses are behind ports for unknown
//! destinations.

use crate::program::Program;
use crate::scope::{Class, Scope};
use crate::stage::Stage::*;
use crate::switch::bit::FDB_KNOWN;
use crate::topology::PortKind;

pub(super) fn declare(program: &mut Program) {
    program.switch_class_flows("switch/fdb", |class, out| {
        if class == Class::AllSwitches {
            let mut flows = out.on(Scope::class(class));
            flows
                .add(LsInLookupFdb, 0, "1", "next;")
                .add(LsInPutFdb, 0, "1", "next;");
        }
    });
    let topology = program.topology;
    program.flows(
        "switch/fdb port",
        topology.switch_port,
        move |cx, id, out| {
            let Some(port) = cx.get(topology.switch_port, id) else {
                return;
            };
            let learns = match port.kind {
                PortKind::Vif => !port.secured,
                PortKind::Localnet => port.learn_fdb,
                _ => false,
            };
            if !(port.unknown && port.enabled && learns) {
                return;
            }
            let from = format!("inport == {}", port.quoted);
            let lookup = format!("{FDB_KNOWN} = lookup_fdb(inport, eth.src); next;");
            out.of(Scope::Datapath(port.switch), *id)
                .add(LsInLookupFdb, 100, &from, lookup)
                .add(
                    LsInPutFdb,
                    100,
                    format!("{from} && {FDB_KNOWN} == 0"),
                    "put_fdb(inport, eth.src); next;",
                );
        },
    );
}

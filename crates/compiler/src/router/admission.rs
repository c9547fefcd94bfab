//! `lr_in_admission`: which frames a router takes.

use crate::program::Program;
use crate::router::reg::IN_MAC;
use crate::scope::{Class, Scope};
use crate::stage::Stage::LrInAdmission;

pub(super) fn declare(program: &mut Program) {
    program.router_class_flows("router/admission", |class, out| {
        if class == Class::AllRouters {
            out.on(Scope::class(class))
                .add(LrInAdmission, 100, "vlan.present || eth.src[40]", "drop;")
                .add(LrInAdmission, 0, "1", "drop;");
        }
    });
    let topology = program.topology;
    program.flows(
        "router/admission port",
        topology.router_port,
        move |cx, id, out| {
            let Some(port) = cx.get(topology.router_port, id).filter(|port| port.enabled) else {
                return;
            };
            // Later stages answer from this address; the frame's own may be a group's.
            let accept = format!("{IN_MAC} = {}; next;", port.mac);
            let unicast = format!(
                "eth.dst == {} && inport == {}{}",
                port.mac,
                port.quoted,
                port.and_resident()
            );
            out.of(Scope::Datapath(port.router), *id)
                .add(
                    LrInAdmission,
                    50,
                    format!("eth.mcast && inport == {}", port.quoted),
                    &accept,
                )
                .add(LrInAdmission, 50, unicast, &accept);
        },
    );
}

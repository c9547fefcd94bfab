//! `lr_out_delivery`: the way out of a router.

use crate::program::Program;
use crate::scope::{Class, Scope};
use crate::stage::Stage::LrOutDelivery;

pub(super) fn declare(program: &mut Program) {
    program.router_class_flows("router/delivery", |class, out| {
        if class == Class::AllRouters {
            out.on(Scope::class(class))
                .add(LrOutDelivery, 0, "1", "drop;");
        }
    });
    let topology = program.topology;
    program.flows(
        "router/delivery port",
        topology.router_port,
        move |cx, id, out| {
            let Some(port) = cx.get(topology.router_port, id).filter(|port| port.enabled) else {
                return;
            };
            let matches = format!("outport == {}", port.quoted);
            out.of(Scope::Datapath(port.router), *id)
                .add(LrOutDelivery, 100, matches, "output;");
        },
    );
}

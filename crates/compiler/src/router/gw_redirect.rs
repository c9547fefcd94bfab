//! `lr_in_gw_redirect`: sends what leaves by a distributed gateway port to the chassis that hosts it.

use crate::program::Program;
use crate::scope::{Class, Scope};
use crate::stage::Stage::LrInGwRedirect;

pub(super) fn declare(program: &mut Program) {
    program.router_class_flows("router/gw_redirect", |class, out| {
        if class == Class::AllRouters {
            out.on(Scope::class(class))
                .add(LrInGwRedirect, 0, "1", "next;");
        }
    });
    let topology = program.topology;
    program.flows(
        "router/gw_redirect port",
        topology.router_port,
        move |cx, id, out| {
            let Some(port) = cx.get(topology.router_port, id) else {
                return;
            };
            if let Some(redirect) = &port.redirect {
                let matches = format!("outport == {}", port.quoted);
                let actions = format!("outport = {redirect}; next;");
                let mut flows = out.of(Scope::Datapath(port.router), *id);
                flows.add(LrInGwRedirect, 50, matches, actions);
            }
        },
    );
}

//! `lr_in_arp_request`: asks for the Ethernet address of a next hop that is not known.

use crate::program::Program;
use crate::scope::{Class, Scope};
use crate::stage::Stage::LrInArpRequest;

pub(super) fn declare(program: &mut Program) {
    program.router_class_flows("router/arp_request", |class, out| {
        if class != Class::AllRouters {
            return;
        }
        let arp = "arp { eth.dst = ff:ff:ff:ff:ff:ff; arp.spa = reg1; arp.tpa = reg0; \
                   arp.op = 1; output; };";
        let nd = "nd_ns { nd.target = xxreg0; output; };";
        out.on(Scope::class(class))
            .add(
                LrInArpRequest,
                100,
                "eth.dst == 00:00:00:00:00:00 && ip4",
                arp,
            )
            .add(
                LrInArpRequest,
                100,
                "eth.dst == 00:00:00:00:00:00 && ip6",
                nd,
            )
            .add(LrInArpRequest, 0, "1", "output;");
    });
}

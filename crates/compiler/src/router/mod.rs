//! The pipeline of logical routers, one file a stage.

mod admission;
mod arp_request;
mod arp_resolve;
mod delivery;
mod gw_redirect;
mod hop;
mod ip_input;
mod ip_routing;
mod nd_ra;
mod neighbor;
mod policy;
mod route;

use crate::program::Program;

/// Declares all stages.
pub(crate) fn declare(program: &mut Program) {
    admission::declare(program);
    neighbor::declare(program);
    ip_input::declare(program);
    nd_ra::declare(program);
    let networks = hop::declare(program);
    let routes = route::declare(program, networks);
    ip_routing::declare(program, routes);
    policy::declare(program, networks);
    arp_resolve::declare(program);
    gw_redirect::declare(program);
    arp_request::declare(program);
    delivery::declare(program);
}

/// Registers by which stages of a router tell each other something. Their places are those of OVN
/// where it has them.
mod reg {
    /// The address of the port that a packet came in by.
    pub(super) const IN_MAC: &str = "xreg0[0..47]";
    /// The packet comes back from the way out.
    pub(super) const LOOPED: &str = "reg9[0]";
    /// The neighbour is known as it says.
    pub(super) const KNOWN: &str = "reg9[2]";
    /// The neighbour's IP address is known, whatever its Ethernet address.
    pub(super) const KNOWN_IP: &str = "reg9[3]";
    /// Several next hops are equal; which one is left to the next stage.
    pub(super) const ECMP: &str = "reg9[7]";
    /// Which of the equal next hops.
    pub(super) const MEMBER: &str = "reg8[16..31]";
    /// Options of a router advertisement were put.
    pub(super) const RA: &str = "reg0[5]";
    /// The switch on which the next hop is, see [`super::hop::place`].
    pub(super) const PLACE: &str = "reg8";
}

//! Southbound rows, one file for each kind.

pub(crate) mod datapath;
mod dhcp;
mod gateway;
pub(crate) mod global;
mod multicast;
pub(crate) mod port;
mod rbac;
mod sets;
mod static_mac;
mod template;
pub(crate) mod write_back;

use crate::program::Program;

/// Declares all rows but those with keys, which the compiler declares itself.
pub(crate) fn declare(program: &mut Program) {
    multicast::declare(program);
    sets::declare(program);
    gateway::declare(program);
    static_mac::declare(program);
    template::declare(program);
    dhcp::declare(program);
    rbac::declare(program);
}

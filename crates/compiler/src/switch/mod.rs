//! The pipeline of logical switches, one file a stage.

mod acl_action;
mod acl_eval;
mod acl_hint;
mod arp_rsp;
mod dhcp;
mod fdb;
mod l2_lkup;
mod port_sec;
mod pre_acl;
mod stateful;

use crate::program::Program;

/// Declares all stages.
pub(crate) fn declare(program: &mut Program) {
    port_sec::declare(program);
    fdb::declare(program);
    pre_acl::declare(program);
    acl_hint::declare(program);
    acl_eval::declare(program);
    acl_action::declare(program);
    stateful::declare(program);
    arp_rsp::declare(program);
    dhcp::declare(program);
    l2_lkup::declare(program);
}

/// Bits of registers by which stages of a switch tell each other something. Their places are those
/// of OVN, so that traces read as usual.
mod bit {
    /// Send the packet through the connection tracker.
    pub(super) const TRACK: &str = "reg0[0]";
    /// Commit the connection.
    pub(super) const COMMIT: &str = "reg0[1]";
    /// The DHCP options were put.
    pub(super) const DHCP: &str = "reg0[3]";
    /// Hints: a new connection may be allowed, a known one may be; a packet may be dropped outright,
    /// a known connection may be cut.
    pub(super) const MAY_ALLOW_NEW: &str = "reg0[7]";
    pub(super) const MAY_ALLOW: &str = "reg0[8]";
    pub(super) const MAY_DROP: &str = "reg0[9]";
    pub(super) const MAY_BLOCK: &str = "reg0[10]";
    /// The source is known where it is.
    pub(super) const FDB_KNOWN: &str = "reg0[11]";
    /// The connection gets a label.
    pub(super) const LABEL: &str = "reg0[13]";
    /// Port security refuses the packet.
    pub(super) const PORT_SEC_DROP: &str = "reg0[15]";
    /// A stateless ACL allows the packet: no connection tracking.
    pub(super) const STATELESS: &str = "reg0[16]";
    /// A reply or related packet was allowed.
    pub(super) const RELATED: &str = "reg0[17]";
    /// Verdicts of ACLs.
    pub(super) const ALLOW: &str = "reg8[16]";
    pub(super) const DROP: &str = "reg8[17]";
    pub(super) const REJECT: &str = "reg8[18]";
}

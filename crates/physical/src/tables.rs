//! OpenFlow table numbers, register roles and flag bits: the layout of OVN 23.03.
//!
//! These numbers are a contract with `ovn-trace --ovs`, `ovn-detrace` and people who read
//! `ovs-ofctl dump-flows`; nothing here is computed.

/// Physical to logical: input port (and VLAN or tunnel key) to datapath and logical input port.
pub const PHY_TO_LOG: u8 = 0;
/// First table of the logical ingress pipeline.
pub const LOG_INGRESS: u8 = 8;
/// Notices packets too large for the tunnel that they would leave by; entry of the output section.
pub const OUTPUT_LARGE_DETECT: u8 = 37;
/// Answers packets found too large.
pub const OUTPUT_LARGE_PROCESS: u8 = 38;
/// Output to other chassis.
pub const REMOTE_OUTPUT: u8 = 39;
/// Output to ports of this chassis.
pub const LOCAL_OUTPUT: u8 = 40;
/// Drops what would leave by the port that it came in by.
pub const CHECK_LOOPBACK: u8 = 41;
/// First table of the logical egress pipeline.
pub const LOG_EGRESS: u8 = 42;
/// Hides the input port where a packet may go back to it.
pub const SAVE_INPORT: u8 = 64;
/// Logical to physical: logical output port to OpenFlow port or into the peer datapath.
pub const LOG_TO_PHY: u8 = 65;
/// `get_arp`, `get_nd`: (output port, reg0 or xxreg0) to `eth.dst`.
pub const MAC_BINDING: u8 = 66;
/// `lookup_arp`, `lookup_nd`: is this binding known?
pub const MAC_LOOKUP: u8 = 67;
/// `get_fdb`: destination address to output port.
pub const GET_FDB: u8 = 71;
/// `lookup_fdb`: is this source address known at this port?
pub const LOOKUP_FDB: u8 = 72;
/// `check_in_port_sec`.
pub const CHECK_IN_PORT_SECURITY: u8 = 73;
/// `check_in_port_sec` for ARP and neighbour discovery.
pub const CHECK_IN_PORT_SECURITY_ND: u8 = 74;
/// `check_out_port_sec`.
pub const CHECK_OUT_PORT_SECURITY: u8 = 75;

/// How many tables a logical pipeline may have in this layout: ingress.
pub const INGRESS_STAGES: u8 = OUTPUT_LARGE_DETECT - LOG_INGRESS;
/// How many tables a logical pipeline may have in this layout: egress.
pub const EGRESS_STAGES: u8 = SAVE_INPORT - LOG_EGRESS;

/// Register of the flags ([`flag`]).
pub const FLAGS: u8 = 10;
/// Register of the DNAT connection tracking zone of the datapath.
pub const DNAT_ZONE: u8 = 11;
/// Register of the SNAT connection tracking zone of the datapath.
pub const SNAT_ZONE: u8 = 12;
/// Register of the connection tracking zone of the port.
pub const CT_ZONE: u8 = 13;
/// Register of the logical input port.
pub const INPORT: u8 = 14;
/// Register of the logical output port.
pub const OUTPORT: u8 = 15;
/// Registers 0 up to this one (exclusive) belong to logical flows.
pub const LOGICAL_REGISTERS: u8 = 10;

/// First tunnel key of multicast groups.
pub const FIRST_MULTICAST_KEY: u16 = 32768;

/// Bits of the flags register.
pub mod flag {
    /// The packet may leave by the port that it came in by.
    pub const LOOPBACK: u8 = 0;
    /// Came from a VTEP switch, whose tunnels carry no output port.
    pub const FROM_RAMP: u8 = 1;
    /// Deliver to ports of this chassis only.
    pub const LOCAL_ONLY: u8 = 4;
    /// Came from a container nested in a virtual machine.
    pub const NESTED_CONTAINER: u8 = 5;
    /// Result of a look-up in the MAC binding tables.
    pub const LOOKUP_MAC: u8 = 6;
    /// Result of a look-up in the FDB.
    pub const LOOKUP_FDB: u8 = 8;
    /// Came from a localport.
    pub const LOCALPORT: u8 = 10;
    /// Result of a port security check: set means that the packet fails.
    pub const PORT_SECURITY_FAILED: u8 = 12;
}

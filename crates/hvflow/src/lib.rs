//! What one hypervisor does for its virtual machines: network parameters become OpenFlow flows, in transactions.
//! It knows no RPC and no sockets.

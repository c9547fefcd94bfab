//! The Linux Open vSwitch datapath over generic netlink: `ovs_datapath`, `ovs_vport`, `ovs_flow`, `ovs_packet`,
//! `ovs_ct_limit` and `ovs_meter`. It knows no OVSDB and no OpenFlow.

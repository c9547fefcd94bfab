//! The library on stock kernels, in a machine of the testbed, beside Debian's `ovs-dpctl` on the same datapaths.

#![allow(
    clippy::print_stdout,
    reason = "figures, for whoever runs these tests by hand"
)]

mod datapaths;
mod flows;
mod lab;
mod listing;
mod misses;
mod ports;
mod pressure;
mod scale;
mod speech;
mod tunnels;

use datapaths::*;
use flows::*;
use misses::*;
use ports::*;
use pressure::*;
use scale::*;
use speech::*;
use tunnels::*;

use testbed::qemu::Machine;

/// What every theme needs.
fn machine() -> Machine {
    Machine::new()
        .loads(&["openvswitch", "veth"])
        .programs(&["ovs-dpctl", "ethtool"])
}

/// With tunnels, which the kernel loads when they are first asked for.
fn with_tunnels() -> Machine {
    machine().carries(&[
        "vport-vxlan",
        "vport-geneve",
        "vport-gre",
        "vxlan",
        "geneve",
        "ip_gre",
    ])
}

testbed::kernel_tests! {
    objects on with_tunnels() => [
        a_datapath_is_made_found_and_removed,
        a_datapath_of_ovs_dpctl_is_ours_too,
        features_and_the_cache_of_masks_can_be_set,
        every_kind_of_port_is_made_and_listed,
        ports_come_and_go_as_events,
        a_port_cannot_be_in_two_datapaths,
        errors_say_what_and_why,
        probes_say_what_this_kernel_has,
        meters_are_set_read_and_removed,
        limits_of_connections_are_set_read_and_removed,
    ]
}

testbed::kernel_tests! {
    flow_table on machine().carries(&["nf_conntrack_ftp", "nf_nat_ftp"]) => [
        a_flow_with_the_same_key_replaces_the_actions,
        modes_of_putting_are_kept,
        counters_are_cleared_and_the_last_are_given_back,
        flows_are_found_by_their_identifier,
        one_bad_flow_does_not_spoil_a_batch,
        every_key_and_action_reads_back_as_ovs_dpctl_reads_it,
        every_key_and_action_of_ovs_dpctl_is_read,
    ]
}

testbed::kernel_tests! {
    packets on machine() => [
        misses_come_with_their_keys,
        a_packet_is_executed,
        an_action_sends_packets_up_with_its_data,
        two_machines_speak_through_a_learning_switch,
        no_packet_is_lost_uncounted_per_cpu,
        no_packet_is_lost_uncounted_per_port,
        no_packet_is_lost_where_there_is_room,
    ]
}

testbed::kernel_tests! {
    hosts on with_tunnels() => [
        vxlan_joins_two_hosts,
        vxlan_over_ipv6_joins_two_hosts,
        geneve_carries_its_options,
        gre_joins_two_hosts,
    ]
}

testbed::kernel_tests! {
    memory on machine().case_limit(scale::limit()).limit(scale::limit()) => [
        flows_come_and_go_and_memory_stays,
    ]
}

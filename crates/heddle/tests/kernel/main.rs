//! `heddle odp` as people type it, on stock kernels, beside Debian's `ovs-dpctl`.

mod tool;
mod walk;

use std::time::Duration;

use testbed::qemu::Machine;

use tool::*;
use walk::*;

/// A machine with the binary under test.
fn machine() -> Machine {
    Machine::new()
        .binary(env!("CARGO_BIN_EXE_heddle"))
        .programs(&["ovs-dpctl", "ethtool", "rmmod"])
        .carries(&[
            "openvswitch",
            "veth",
            "vport-vxlan",
            "vport-geneve",
            "vport-gre",
            "vxlan",
            "geneve",
            "ip_gre",
        ])
}

testbed::kernel_tests! {
    odp_tool on machine().limit(Duration::from_secs(300)) => [
        the_module_is_loaded_at_the_first_request,
        datapaths_are_added_listed_and_deleted,
        ports_of_every_kind_are_listed_as_they_are_added,
        changes_of_ports_are_printed,
        flows_are_listed_as_they_are_added,
        both_tools_print_the_same_flows,
        misses_are_printed_with_their_keys,
        misses_are_a_capture,
        meters_limits_and_statistics_are_printed,
        errors_name_object_reason_and_remedy,
        what_the_kernel_can_do_is_printed,
    ]
}

testbed::kernel_tests! {
    odp_walk on machine() => [
        the_walk_through_of_go_odp_joins_two_hosts,
    ]
}

testbed::kernel_tests! {
    odp_without_module on Machine::new().binary(env!("CARGO_BIN_EXE_heddle")) => [
        a_kernel_without_the_module_is_named_with_the_remedy,
    ]
}

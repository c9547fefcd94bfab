//! RBAC_Role and RBAC_Permission: what an agent may change, under the role that stock agents use.

use model::{Weak, sb};
use ovsdb::Str;
use uuid::Uuid;

use crate::identity;
use crate::program::{Program, SbRow};

const ROLE: &str = "ovn-controller";

/// The rights on one table: who may (the columns that must name the client, or anyone), whether rows
/// may be made and removed, and which columns may be written.
struct Right(
    &'static str,
    &'static [&'static str],
    bool,
    &'static [&'static str],
);

#[rustfmt::skip]
const RIGHTS: &[Right] = &[
    Right("Chassis", &["name"], true,
        &["encaps", "external_ids", "nb_cfg", "other_config", "transport_zones", "vtep_logical_switches"]),
    Right("Chassis_Private", &["name"], true,
        &["chassis", "external_ids", "nb_cfg", "nb_cfg_timestamp"]),
    Right("Controller_Event", &[""], true, &["chassis", "event_info", "event_type", "seq_num"]),
    Right("Encap", &["chassis_name"], true, &["ip", "options", "type"]),
    Right("FDB", &[""], true, &["dp_key", "mac", "port_key", "timestamp"]),
    Right("Port_Binding", &[""], false,
        &["additional_chassis", "additional_encap", "chassis", "encap", "options", "up", "virtual_parent"]),
    Right("MAC_Binding", &[""], true, &["datapath", "ip", "logical_port", "mac", "timestamp"]),
    Right("Service_Monitor", &["chassis_name"], false, &["status"]),
    Right("IGMP_Group", &["chassis_name"], true, &["address", "chassis", "datapath", "ports", "protocol"]),
    Right("BFD", &["chassis_name"], false, &["status"]),
    Right("Learned_Route", &[""], true,
        &["datapath", "external_ids", "ip_prefix", "logical_port", "nexthop"]),
];

fn permission(table: &str) -> Uuid {
    identity::derived("RBAC_Permission", table)
}

/// The rows exist while the Northbound has its one row of settings.
pub(crate) fn declare(program: &mut Program) {
    let global = program.topology.nb.global;
    for right in RIGHTS {
        program.rows("rows/rbac permission", global, move |_, _| {
            let words = |list: &'static [&str]| list.iter().copied().map(Str::new_static).collect();
            let row = sb::RbacPermission {
                table: Str::new_static(right.0),
                authorization: words(right.1),
                insert_delete: right.2,
                update: words(right.3),
            };
            Some(SbRow {
                uuid: permission(right.0),
                row,
            })
        });
    }
    program.rows("rows/rbac role", global, |_, _| {
        let permissions = RIGHTS
            .iter()
            .map(|right| (Str::new_static(right.0), Weak::new(permission(right.0))));
        let row = sb::RbacRole {
            name: Str::new_static(ROLE),
            permissions: permissions.collect(),
        };
        Some(SbRow {
            uuid: identity::derived("RBAC_Role", ROLE),
            row,
        })
    });
}

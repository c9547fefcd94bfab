//! Static_MAC_Binding: neighbours that are not resolved.

use model::{Strong, sb};

use crate::program::{Program, SbRow};

pub(crate) fn declare(program: &mut Program) {
    let topology = program.topology;
    let identity = program.identity.clone();
    let input = topology.nb.static_mac_binding;
    program.rows("rows/static_mac", input, move |cx, id| {
        let row = cx.get(input, id)?;
        let port = cx
            .get(topology.router_port_by_name, &row.logical_port)?
            .first()?;
        let router = cx.get(topology.router_port, port)?.router;
        let key = format!("{} {}", row.logical_port, row.ip);
        let row = sb::StaticMacBinding {
            logical_port: row.logical_port.clone(),
            ip: row.ip.clone(),
            mac: row.mac.clone(),
            override_dynamic_mac: row.override_dynamic_mac,
            datapath: Strong::new(identity.datapath(router)),
        };
        Some(SbRow {
            uuid: identity.of::<sb::StaticMacBinding>(&key),
            row,
        })
    });
}

//! Multicast_Group: where a switch floods.

use incremental::Collected;
use model::{Strong, Weak, sb};
use ovsdb::Str;
use uuid::Uuid;

use crate::identity::multicast_key;
use crate::program::{Program, SbRow};
use crate::topology::PortKind;

/// A set of ports that receive copies. The keys are those that agents know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Flood {
    /// All enabled ports.
    All,
    /// Those for unknown destinations.
    Unknown,
    /// All that are not ports of routers.
    L2,
}

impl Flood {
    fn name(self) -> &'static str {
        match self {
            Self::All => "_MC_flood",
            Self::Unknown => "_MC_unknown",
            Self::L2 => "_MC_flood_l2",
        }
    }

    fn key(self) -> i64 {
        match self {
            Self::All => 32_768,
            Self::Unknown => 32_769,
            Self::L2 => 32_772,
        }
    }
}

pub(crate) fn declare(program: &mut Program) {
    let topology = program.topology;
    let identity = program.identity.clone();
    // A port without a key has no row that a group could name.
    let bound = program
        .build
        .filter("port with key", topology.switch_port, move |cx, id| {
            let port = cx.get(topology.switch_port, id)?;
            cx.get(topology.port_key, id)?;
            port.enabled.then(|| port.clone())
        });
    let members: Collected<(Uuid, Flood), Str> =
        program.build.collect("members of flood", bound, |_, port| {
            let l2 = (port.kind != PortKind::Router).then_some(Flood::L2);
            let unknown = port.unknown.then_some(Flood::Unknown);
            let floods = [Some(Flood::All), l2, unknown].into_iter().flatten();
            floods
                .map(|flood| ((port.switch, flood), port.name.clone()))
                .collect::<Vec<_>>()
        });
    program.rows("rows/multicast", members, move |cx, key| {
        let (switch, flood) = *key;
        cx.get(topology.datapath_key, &switch)?;
        let datapath = identity.datapath(switch);
        let row = sb::MulticastGroup {
            datapath: Strong::new(datapath),
            name: Str::new_static(flood.name()),
            tunnel_key: flood.key(),
            ports: cx
                .items(members, key)
                .map(|name| Weak::new(identity.port(name)))
                .collect(),
        };
        let uuid = identity.of::<sb::MulticastGroup>(&multicast_key(datapath, flood.name()));
        Some(SbRow { uuid, row })
    });
}

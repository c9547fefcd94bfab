//! Address_Set and Port_Group: the sets that matches refer to.
//!
//! A Northbound port group has one row for each switch that it has ports on, so that an agent needs
//! only the ports of switches it knows; and two address sets with the addresses of its ports.

use model::{Set, sb};
use ovsdb::Str;

use crate::program::{Program, SbRow};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Family {
    V4,
    V6,
}

pub(crate) fn declare(program: &mut Program) {
    address_sets(program);
    port_groups(program);
}

fn address_sets(program: &mut Program) {
    let topology = program.topology;
    let identity = program.identity.clone();
    program.rows("rows/sets address set", topology.nb.address_set, {
        let identity = identity.clone();
        move |cx, id| {
            let row = cx.get(topology.nb.address_set, id)?;
            let row = sb::AddressSet {
                name: row.name.clone(),
                addresses: row.addresses.clone(),
            };
            Some(SbRow {
                uuid: identity.of::<sb::AddressSet>(&row.name),
                row,
            })
        }
    });
    let of_port = program
        .build
        .rule("addresses of port", topology.switch_port, move |cx, id| {
            let groups: Vec<_> = cx
                .items(topology.port_groups_of_port, id)
                .copied()
                .collect();
            let port = (!groups.is_empty())
                .then(|| cx.get(topology.switch_port, id))
                .flatten();
            let stations = port.map(|port| port.stations.clone()).unwrap_or_default();
            (groups, stations)
        });
    let of_group = program.build.collect(
        "addresses of port group",
        of_port,
        |_, (groups, stations)| {
            let mut addresses = Vec::new();
            for station in stations {
                let v4 = station
                    .v4
                    .iter()
                    .map(|ip| (Family::V4, Str::from(ip.to_string())));
                let v6 = station
                    .v6
                    .iter()
                    .map(|ip| (Family::V6, Str::from(ip.to_string())));
                for (family, ip) in v4.chain(v6) {
                    addresses.extend(groups.iter().map(|group| ((*group, family), ip.clone())));
                }
            }
            addresses
        },
    );
    let by_name = program
        .build
        .index("address set by name", topology.nb.address_set, |_, row| {
            [row.name.clone()]
        });
    // Both sets exist while the group does, empty or not: matches may name them.
    for (family, suffix) in [(Family::V4, "_ip4"), (Family::V6, "_ip6")] {
        let name = match family {
            Family::V4 => "rows/sets group's IPv4",
            Family::V6 => "rows/sets group's IPv6",
        };
        let identity = identity.clone();
        program.rows(name, topology.nb.port_group, move |cx, id| {
            let group = cx.get(topology.nb.port_group, id)?;
            let name = Str::from(format!("{}{suffix}", group.name));
            if cx.get(by_name, &name).is_some() {
                return None; // Who wrote a set of that name means that one.
            }
            let addresses: Set<Str> = cx.items(of_group, &(*id, family)).cloned().collect();
            let row = sb::AddressSet { name, addresses };
            Some(SbRow {
                uuid: identity.of::<sb::AddressSet>(&row.name),
                row,
            })
        });
    }
}

fn port_groups(program: &mut Program) {
    let topology = program.topology;
    let identity = program.identity.clone();
    let of_port = program.build.rule(
        "port groups of port",
        topology.switch_port,
        move |cx, id| {
            let groups: Vec<_> = cx
                .items(topology.port_groups_of_port, id)
                .copied()
                .collect();
            let port = (!groups.is_empty())
                .then(|| cx.get(topology.switch_port, id))
                .flatten();
            (groups, port.map(|port| (port.switch, port.name.clone())))
        },
    );
    let ports = program
        .build
        .collect("ports of port group", of_port, |_, (groups, port)| {
            let pairs = port.iter().flat_map(|(switch, name)| {
                groups
                    .iter()
                    .map(move |group| ((*group, *switch), name.clone()))
            });
            pairs.collect::<Vec<_>>()
        });
    program.rows("rows/sets port group", ports, move |cx, key| {
        let (group, switch) = key;
        let name = &cx.get(topology.nb.port_group, group)?.name;
        let datapath = cx.get(topology.datapath_key, switch)?;
        let name = Str::from(format!("{datapath}_{name}"));
        let row = sb::PortGroup {
            name,
            ports: cx.items(ports, key).cloned().collect(),
        };
        Some(SbRow {
            uuid: identity.of::<sb::PortGroup>(&row.name),
            row,
        })
    });
}

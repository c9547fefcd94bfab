//! Flows of learned and configured neighbours and of learned addresses: the tables that `get_arp`,
//! `lookup_arp`, `get_fdb` and their kin look into.

use std::net::IpAddr;

use incremental::{Builder, Context, Rule};
use model::Uuid;
use openflow::{Action, Field, Match};
use ovsdb::Str;

use crate::emit::{Emit, Flows, entering, leaving, set_flag, set_reg};
use crate::tables::{self, flag};
use crate::world::World;
use model::address::parse_mac;

/// Learned neighbours.
pub(crate) fn learned(build: &mut Builder, world: World) -> Rule<Uuid, Flows> {
    build.filter(
        "neighbour flows",
        world.inputs.mac_binding,
        move |cx, binding| {
            let row = cx.get(world.inputs.mac_binding, binding)?;
            flows(
                cx,
                world,
                *binding,
                (&row.logical_port, &row.ip, &row.mac),
                100,
            )
        },
    )
}

/// Configured neighbours, which go before learned ones or behind them.
pub(crate) fn configured(build: &mut Builder, world: World) -> Rule<Uuid, Flows> {
    build.filter(
        "static neighbour flows",
        world.inputs.static_mac_binding,
        move |cx, binding| {
            let row = cx.get(world.inputs.static_mac_binding, binding)?;
            let priority = if row.override_dynamic_mac { 150 } else { 50 };
            flows(
                cx,
                world,
                *binding,
                (&row.logical_port, &row.ip, &row.mac),
                priority,
            )
        },
    )
}

fn flows(
    cx: &Context<'_>,
    world: World,
    owner: Uuid,
    (port, ip, mac): (&Str, &Str, &Str),
    priority: u16,
) -> Option<Flows> {
    let port = cx.get(world.port_named, port)?;
    let datapath = cx.get(world.datapath, &port.datapath)?.key;
    let mac = parse_mac(mac)?;
    let ip: IpAddr = ip.parse().ok()?;
    let with_ip = |matches: Match| match ip {
        IpAddr::V4(ip) => matches.with(Field::Reg(0), ip),
        IpAddr::V6(ip) => matches.with(Field::XxReg(0), ip),
    };
    let found = set_flag(flag::LOOKUP_MAC, true);

    let mut emit = Emit::new(owner);
    let resolve = vec![Action::set_field(Field::EthDst, mac), found.clone()];
    emit.flow(
        tables::MAC_BINDING,
        priority,
        with_ip(leaving(datapath, port.key)),
        resolve,
    );
    let known = with_ip(entering(datapath, port.key)).eth_src(mac);
    let known = match ip {
        IpAddr::V4(_) => known.arp(),
        IpAddr::V6(_) => known.with(Field::Icmpv6Code, 0u8),
    };
    emit.flow(tables::MAC_LOOKUP, priority, known, vec![found]);
    Some(emit.finish())
}

/// Learned addresses of switches.
pub(crate) fn fdb(build: &mut Builder, world: World) -> Rule<Uuid, Flows> {
    build.filter("FDB flows", world.inputs.fdb, move |cx, entry| {
        let row = cx.get(world.inputs.fdb, entry)?;
        let datapath = *cx.items(world.datapath_by_key, &row.dp_key).next()?;
        let datapath = cx.get(world.datapath, &datapath)?.key;
        let mac = parse_mac(&row.mac)?;
        let port = u32::try_from(row.port_key).ok()?;

        let mut emit = Emit::new(*entry);
        let to = Match::new().metadata(datapath.into()).eth_dst(mac);
        emit.flow(
            tables::GET_FDB,
            100,
            to,
            vec![set_reg(tables::OUTPORT, port)],
        );
        let from = entering(datapath, port).eth_src(mac);
        emit.flow(
            tables::LOOKUP_FDB,
            100,
            from,
            vec![set_flag(flag::LOOKUP_FDB, true)],
        );
        Some(emit.finish())
    })
}

//! Which datapaths are joined, and which are local by themselves: the input of the search in
//! [`crate::local`].

use incremental::{Builder, Context, Rule};
use model::{Uuid, sb};

use crate::world::World;

/// The relations that the search follows.
#[derive(Clone, Copy)]
pub(crate) struct Reach {
    /// By patch port that packets pass here: its datapath and that of its peer.
    pub(crate) edges: Rule<Uuid, (Uuid, Uuid)>,
    /// By port that is here: its datapath.
    pub(crate) roots: Rule<Uuid, Uuid>,
}

impl Reach {
    pub(crate) fn new(build: &mut Builder, world: World) -> Self {
        let ports = world.inputs.port;
        Self {
            edges: build.filter("edge", ports, move |cx, port| {
                let row = cx.get(ports, port)?;
                let (_, peer) = peer(cx, world, row)?;
                passes(cx, world, row).then_some((row.datapath.uuid(), peer.datapath.uuid()))
            }),
            roots: build.filter("root", ports, move |cx, port| {
                let row = cx.get(ports, port)?;
                is_root(cx, world, port, row).then(|| row.datapath.uuid())
            }),
        }
    }
}

/// The port at the other end of a patch port, if the two agree that they are a pair and both are on
/// this chassis. Patch ports are everywhere; those of a gateway router only where the router is.
pub(crate) fn peer<'a>(
    cx: &Context<'a>,
    world: World,
    row: &sb::PortBinding,
) -> Option<(Uuid, &'a sb::PortBinding)> {
    let is_here = match &*row.type_ {
        "patch" => true,
        "l3gateway" => world.is_here(cx, row),
        _ => false,
    };
    if !is_here {
        return None;
    }
    let identity = cx.get(world.port_named, row.options.get("peer")?)?;
    let peer = cx.get(world.inputs.port, &identity.port)?;
    let paired = peer.type_ == row.type_ && peer.options.get("peer") == Some(&row.logical_port);
    paired.then_some((identity.port, &**peer))
}

/// Whether packets that leave a datapath by this patch port do so here: not by the port of a router that sends all of
/// them to its gateway, unless this chassis may be that.
fn passes(cx: &Context<'_>, world: World, row: &sb::PortBinding) -> bool {
    let Some(redirect) = row.options.get("chassis-redirect-port") else {
        return true;
    };
    let Some(identity) = cx.get(world.port_named, redirect) else {
        return false;
    };
    let Some(redirect) = cx.get(world.inputs.port, &identity.port) else {
        return false;
    };
    redirect
        .options
        .get("always-redirect")
        .is_none_or(|always| always != "true")
        || claimed(cx, world, redirect)
        || may_be_gateway(cx, world, redirect)
}

fn may_be_gateway(cx: &Context<'_>, world: World, redirect: &sb::PortBinding) -> bool {
    let group = redirect
        .ha_chassis_group
        .and_then(|group| cx.get(world.inputs.ha_group, &group.uuid()));
    let (Some(group), Some(here)) = (group, cx.get(world.here, &())) else {
        return false;
    };
    group.ha_chassis.iter().any(|member| {
        let member = cx.get(world.inputs.ha_chassis, &member.uuid());
        member.is_some_and(|member| member.chassis.is_some_and(|c| c.uuid() == here.chassis))
    })
}

/// Whether the port makes its datapath local.
fn is_root(cx: &Context<'_>, world: World, port: &Uuid, row: &sb::PortBinding) -> bool {
    match &*row.type_ {
        // An interface that is plugged in counts before the Southbound says so: the flows can be
        // there by the time that the port is announced as up.
        "" => cx.get(world.attachment, port).is_some() || claimed(cx, world, row),
        // These are on every chassis and so say nothing of this one.
        "patch" | "localnet" | "localport" | "remote" => false,
        _ => claimed(cx, world, row),
    }
}

fn claimed(cx: &Context<'_>, world: World, row: &sb::PortBinding) -> bool {
    let Some(here) = cx.get(world.here, &()) else {
        return false;
    };
    world.is_here(cx, row)
        || row
            .additional_chassis
            .iter()
            .any(|c| c.uuid() == here.chassis)
}

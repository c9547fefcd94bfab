//! Tunnels: how a packet's place in the logical network is written into its encapsulation and read back.
//!
//! Geneve: the network identifier is the datapath's key, and an option (class 0x0102, type 0x80, four
//! bytes) holds 15 bits of input port and 16 bits of output port. VXLAN has only the 24 bits of its
//! network identifier: twelve of datapath and twelve of output port, of which the highest says "multicast
//! group".

use std::sync::Arc;

use incremental::{Builder, Context, Rule};
use model::{Uuid, sb};
use openflow::{Action, Field, Match};
use ovsdb::Str;

use crate::emit::{Emit, Flows};
use crate::facts::{Encapsulation, Endpoint, Settings, Tunnel};
use crate::tables::{self, FIRST_MULTICAST_KEY};
use crate::world::World;

/// The bit of a VXLAN network identifier that says "multicast group".
const VXLAN_MULTICAST: u32 = 1 << 11;

/// Flows for what comes out of a tunnel.
pub(crate) fn rule(build: &mut Builder, world: World) -> Rule<Endpoint, Flows> {
    build.filter("tunnel flows", world.inputs.tunnel, move |cx, endpoint| {
        let tunnel = cx.get(world.inputs.tunnel, endpoint)?;
        Some(arrive(world.settings(cx)?, *tunnel))
    })
}

fn arrive(settings: &Settings, tunnel: Tunnel) -> Flows {
    let mut emit = Emit::new(Uuid::nil());
    let datapath = Field::Metadata;
    let (inport, outport) = (Field::Reg(tables::INPORT), Field::Reg(tables::OUTPORT));
    let matches = Match::new().in_port(tunnel.port);
    let deliver = Action::resubmit(tables::LOCAL_OUTPUT);
    match tunnel.encapsulation {
        Encapsulation::Geneve => {
            let option = Field::TunMetadata(settings.tunnel_metadata);
            let decode = vec![
                Action::mov(Field::TunId.slice(0, 24), datapath.slice(0, 24)),
                Action::mov(option.slice(16, 15), inport.slice(0, 15)),
                Action::mov(option.slice(0, 16), outport.slice(0, 16)),
                deliver,
            ];
            emit.flow(tables::PHY_TO_LOG, 100, matches, decode);
        }
        Encapsulation::Vxlan => {
            let decode = vec![
                Action::mov(Field::TunId.slice(12, 12), outport.slice(0, 12)),
                Action::mov(Field::TunId.slice(0, 12), datapath.slice(0, 12)),
                deliver.clone(),
            ];
            emit.flow(tables::PHY_TO_LOG, 100, matches.clone(), decode);
            let bit = VXLAN_MULTICAST << 12;
            let decode_group = vec![
                Action::load(1u32, outport.slice(15, 1)),
                Action::mov(Field::TunId.slice(12, 11), outport.slice(0, 11)),
                Action::mov(Field::TunId.slice(0, 12), datapath.slice(0, 12)),
                deliver,
            ];
            let to_group = matches.with_masked(Field::TunId, bit, bit);
            emit.flow(tables::PHY_TO_LOG, 105, to_group, decode_group);
        }
    }
    emit.finish()
}

/// Writes a packet's place into the encapsulation that it will get.
pub(crate) fn encapsulate(
    settings: &Settings,
    encapsulation: Encapsulation,
    datapath: u32,
    outport: u32,
) -> Vec<Action> {
    let identifier = Field::TunId.slice(0, 24);
    match encapsulation {
        Encapsulation::Geneve => {
            let option = Field::TunMetadata(settings.tunnel_metadata);
            vec![
                Action::load(datapath, identifier),
                Action::load(outport, option.slice(0, 32)),
                Action::mov(
                    Field::Reg(tables::INPORT).slice(0, 15),
                    option.slice(16, 15),
                ),
            ]
        }
        Encapsulation::Vxlan => {
            let outport = if outport < u32::from(FIRST_MULTICAST_KEY) {
                outport
            } else {
                VXLAN_MULTICAST | outport & (VXLAN_MULTICAST - 1)
            };
            vec![Action::load(datapath | outport << 12, identifier)]
        }
    }
}

/// Writes the encapsulation and sends the packet out of each tunnel; tunnels of one kind share it.
pub(crate) fn send(
    settings: &Settings,
    tunnels: impl IntoIterator<Item = Tunnel>,
    datapath: u32,
    outport: u32,
) -> Vec<Action> {
    let mut tunnels: Vec<Tunnel> = tunnels.into_iter().collect();
    tunnels.sort_unstable();
    tunnels.dedup();
    let mut actions = Vec::new();
    let mut written = None;
    for Tunnel {
        encapsulation,
        port,
    } in tunnels
    {
        if written.replace(encapsulation) != Some(encapsulation) {
            actions.extend(encapsulate(settings, encapsulation, datapath, outport));
        }
        actions.push(Action::output(port));
    }
    actions
}

/// The tunnel to a chassis, by preference to this address of it.
pub(crate) fn to_chassis(
    cx: &Context<'_>,
    world: World,
    chassis: Uuid,
    address: Option<&Str>,
) -> Option<Tunnel> {
    let tunnels: &Arc<[(Str, Tunnel)]> = cx.get(world.tunnels, &chassis)?;
    let preferred = tunnels.iter().find(|(ip, _)| Some(ip) == address);
    preferred
        .or_else(|| tunnels.first())
        .map(|(_, tunnel)| *tunnel)
}

/// The tunnels to every other chassis that a port is on.
pub(crate) fn to_port(cx: &Context<'_>, world: World, row: &sb::PortBinding) -> Vec<Tunnel> {
    let here = cx.get(world.here, &()).map(|here| here.chassis);
    let encap = |encap: Uuid| cx.get(world.inputs.encap, &encap);
    let mut tunnels = Vec::new();
    if let Some(chassis) = row.chassis.map(|c| c.uuid()).filter(|c| Some(*c) != here) {
        let address = row.encap.and_then(|e| encap(e.uuid())).map(|e| &e.ip);
        tunnels.extend(to_chassis(cx, world, chassis, address));
    }
    for chassis in row
        .additional_chassis
        .iter()
        .map(|c| c.uuid())
        .filter(|c| Some(*c) != here)
    {
        let name = cx.get(world.inputs.chassis, &chassis).map(|row| &row.name);
        let mut encaps = row.additional_encap.iter().filter_map(|e| encap(e.uuid()));
        let address = encaps
            .find(|e| Some(&e.chassis_name) == name)
            .map(|e| &e.ip);
        tunnels.extend(to_chassis(cx, world, chassis, address));
    }
    tunnels
}

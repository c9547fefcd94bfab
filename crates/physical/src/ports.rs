//! Flows of a logical port: in from the wire, out to it, or on to where it is.
//!
//! How a port is reached decides everything: it is a way into the next datapath, it stands for a port of
//! a router that is here, it has an interface here, or it is somewhere else.

use incremental::{Builder, Context, Rule};
use model::{Uuid, sb};
use openflow::{Action, Field, Match, VlanId};
use ovsdb::Str;

use crate::emit::{
    Emit, Flows, Zones, clear_registers, enter, entering, hide_input_port, leaving, mark_nested,
    set_flag, set_reg, with_flag,
};
use crate::reach::peer;
use crate::tables::{self, flag};
use crate::tunnels;
use crate::world::{Attachment, Local, World, port_key};

pub(crate) fn rule(build: &mut Builder, world: World) -> Rule<Uuid, Flows> {
    build.filter("port flows", world.inputs.port, move |cx, port| {
        let row = cx.get(world.inputs.port, port)?;
        let datapath = *cx.get(world.datapath, &row.datapath.uuid())?;
        let subject = Subject {
            cx,
            world,
            row,
            datapath,
            key: port_key(row)?,
        };
        let mut emit = Emit::new(*port);
        subject.flows(port, &mut emit);
        Some(emit.finish())
    })
}

/// The port at hand.
struct Subject<'a, 'c> {
    cx: &'a Context<'c>,
    world: World,
    row: &'a sb::PortBinding,
    datapath: Local,
    key: u32,
}

impl Subject<'_, '_> {
    fn flows(&self, port: &Uuid, emit: &mut Emit) {
        let kind = &*self.row.type_;
        if let Some((_, peer)) = peer(self.cx, self.world, self.row) {
            self.patch(peer, emit);
        } else if kind == "patch" {
            // Its peer is missing: nothing can pass.
        } else if kind == "chassisredirect" && self.world.is_here(self.cx, self.row) {
            self.redirect(emit);
        } else if let Some(attachment) = self.cx.get(self.world.attachment, port) {
            self.attached(*attachment, emit);
            // A port that moves is in two places for a while, and both get its packets.
            self.remote(emit);
        } else if !self.through_localnet(emit) {
            self.remote(emit);
        }
    }

    fn leaving(&self) -> Match {
        leaving(self.datapath.key, self.key)
    }

    /// What every port that can be reached here has: zones on the way to it, no way back to where a
    /// packet came from, and the exception to that.
    fn common(&self, nested_in: Option<u32>, emit: &mut Emit) {
        let zones = Zones::of(self.cx, self.world, self.row);
        let deliver = zones
            .load()
            .chain([Action::resubmit(tables::CHECK_LOOPBACK)]);
        emit.flow(
            tables::LOCAL_OUTPUT,
            100,
            self.leaving(),
            deliver.collect::<Vec<_>>(),
        );
        let back = self.leaving().reg(tables::INPORT, self.key);
        emit.flow(
            tables::CHECK_LOOPBACK,
            100,
            with_flag(back, flag::LOOPBACK, false),
            vec![],
        );
        // Nested ports share an OpenFlow port with their parent and with each other, so between those a
        // packet always goes back to where it came from.
        if let Some(parent) = nested_in {
            emit.flow(tables::SAVE_INPORT, 100, self.leaving(), hide_input_port());
            let to_parent = with_flag(
                leaving(self.datapath.key, parent),
                flag::NESTED_CONTAINER,
                true,
            );
            emit.shared(tables::SAVE_INPORT, 100, to_parent, hide_input_port());
        } else {
            let looping = with_flag(self.leaving(), flag::LOOPBACK, true);
            emit.flow(tables::SAVE_INPORT, 100, looping, hide_input_port());
        }
    }

    /// Into the peer's datapath, as if the packet had just come in there.
    fn patch(&self, peer: &sb::PortBinding, emit: &mut Emit) {
        let Some(there) = self.cx.get(self.world.datapath, &peer.datapath.uuid()) else {
            return;
        };
        let Some(peer_key) = port_key(peer) else {
            return;
        };
        self.common(None, emit);
        let zones = [tables::DNAT_ZONE, tables::SNAT_ZONE, tables::CT_ZONE];
        let mut inside = vec![Action::CtClear];
        inside.extend(zones.map(|register| set_reg(register, 0)));
        inside.extend(enter(
            Zones::of(self.cx, self.world, peer),
            there.key,
            peer_key,
        ));
        inside.extend([set_reg(tables::FLAGS, 0), set_reg(tables::OUTPORT, 0)]);
        inside.extend(clear_registers());
        inside.push(Action::resubmit(tables::LOG_INGRESS));
        emit.flow(
            tables::LOG_TO_PHY,
            100,
            self.leaving(),
            vec![Action::Clone(inside)],
        );
    }

    /// A gateway port that is on this chassis: the distributed port that it stands for.
    fn redirect(&self, emit: &mut Emit) {
        let target = self.row.options.get("distributed-port");
        let target = target.and_then(|name| self.cx.get(self.world.port_named, name));
        let target = target.filter(|target| target.datapath == self.row.datapath.uuid());
        let row = target.and_then(|target| self.cx.get(self.world.inputs.port, &target.port));
        let (Some(target), Some(row)) = (target, row) else {
            return;
        };
        let mut actions = vec![set_reg(tables::OUTPORT, target.key)];
        actions.extend(Zones::of(self.cx, self.world, row).load());
        actions.push(Action::resubmit(tables::CHECK_LOOPBACK));
        emit.flow(tables::LOCAL_OUTPUT, 100, self.leaving(), actions);
    }

    /// A port with an interface on this bridge.
    fn attached(&self, attachment: Attachment, emit: &mut Emit) {
        self.common(attachment.parent, emit);
        self.arrive(attachment, emit);
        self.deliver(attachment, emit);
        match &*self.row.type_ {
            "localnet" => self.guard_localnet(emit),
            // Each chassis has one of these with the same address, so what it sends stays here.
            "localport" => {
                let from = entering(self.datapath.key, self.key);
                let stay = vec![Action::resubmit(tables::LOCAL_OUTPUT)];
                emit.flow(tables::REMOTE_OUTPUT, 150, from, stay);
            }
            _ => {}
        }
    }

    fn arrive(&self, attachment: Attachment, emit: &mut Emit) {
        let zones = Zones::of(self.cx, self.world, self.row);
        let mut ingress: Vec<Action> = enter(zones, self.datapath.key, self.key).collect();
        if self.row.type_ == "localport" {
            ingress.push(set_flag(flag::LOCALPORT, true));
        }
        ingress.push(Action::resubmit(tables::LOG_INGRESS));

        let from = Match::new().in_port(attachment.port);
        let is_wire = matches!(&*self.row.type_, "localnet" | "l2gateway");
        // No other tag can be in a packet, or in the database.
        if let Some(tag) = attachment.tag.and_then(|tag| VlanId::new(tag).ok()) {
            let mut actions = vec![];
            actions.extend(attachment.parent.map(|_| mark_nested()));
            actions.push(Action::PopVlan);
            actions.extend(ingress);
            emit.flow(tables::PHY_TO_LOG, 150, from.vlan_vid(tag), actions);
        } else if is_wire && !self.row.options.is_true("vlan-passthru") {
            // A tag of VLAN 0 carries a priority and nothing else.
            let mut untag = vec![Action::PopVlan];
            untag.extend(ingress.iter().cloned());
            emit.flow(
                tables::PHY_TO_LOG,
                100,
                from.clone().vlan_vid(VlanId::default()),
                untag,
            );
            let untagged = from.with_masked(Field::VlanVid, 0u16, 0x1000u16);
            emit.flow(tables::PHY_TO_LOG, 100, untagged, ingress);
        } else {
            emit.flow(tables::PHY_TO_LOG, 100, from, ingress);
        }
    }

    fn deliver(&self, attachment: Attachment, emit: &mut Emit) {
        let mut actions = vec![Action::output(attachment.port)];
        if let Some(tag) = attachment.tag {
            let push = [
                Action::PushVlan(self.vlan_type()),
                Action::set_field(Field::VlanVid, 0x1000 | tag),
            ];
            actions.splice(0..0, push);
            // Other receivers of the same multicast packet want it without.
            actions.push(Action::PopVlan);
        }
        emit.flow(tables::LOG_TO_PHY, 100, self.leaving(), actions);
    }

    /// The Ethernet type of the tags of a wire.
    fn vlan_type(&self) -> u16 {
        let wire = self.world.localnet(self.cx, self.row.datapath.uuid());
        let named = wire
            .and_then(|(_, row)| row.options.get("ethtype"))
            .map(Str::as_str);
        if named.is_some_and(|name| name.eq_ignore_ascii_case("802.11ad")) {
            0x88a8
        } else {
            0x8100
        }
    }

    /// What must not reach the wire: packets of localports, which every chassis has, and packets that
    /// are to stay on this chassis.
    fn guard_localnet(&self, emit: &mut Emit) {
        for bit in [flag::LOCALPORT, flag::LOCAL_ONLY] {
            let kept = with_flag(self.leaving(), bit, true);
            emit.flow(tables::CHECK_LOOPBACK, 160, kept, vec![]);
        }
    }

    /// A port elsewhere on a switch that has a wire of its own is reached over that. Says whether it is.
    fn through_localnet(&self, emit: &mut Emit) -> bool {
        let Some((port, row)) = self.world.localnet(self.cx, self.row.datapath.uuid()) else {
            return false;
        };
        // The wire's own switches would not bring a packet to both places of a port that moves.
        if !self.row.additional_chassis.is_empty() {
            return false;
        }
        if self.cx.get(self.world.attachment, &port).is_some()
            && let Some(wire) = port_key(row)
        {
            let actions = vec![
                set_reg(tables::OUTPORT, wire),
                Action::resubmit(tables::LOCAL_OUTPUT),
            ];
            emit.flow(tables::LOCAL_OUTPUT, 100, self.leaving(), actions);
        }
        true
    }

    /// Through the tunnels to wherever else the port is.
    fn remote(&self, emit: &mut Emit) {
        if self.row.type_ == "localport" {
            return;
        }
        let Some(settings) = self.world.settings(self.cx) else {
            return;
        };
        let there = tunnels::to_port(self.cx, self.world, self.row);
        if there.is_empty() {
            return;
        }
        let mut actions = tunnels::send(settings, there, self.datapath.key, self.key);
        actions.push(Action::resubmit(tables::LOCAL_OUTPUT));
        emit.flow(tables::REMOTE_OUTPUT, 100, self.leaving(), actions);
    }
}

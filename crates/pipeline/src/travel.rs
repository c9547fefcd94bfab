//! From one chassis to another: through a tunnel, or over a physical network.

use logic::Field;

use crate::machine::{Machine, Moving};
use crate::network::{ChassisId, DatapathId, Encapsulation, PortId};
use crate::trace::{Drop, Node, NodeKind, Tunnel};

impl Machine<'_> {
    /// Sends a packet through a tunnel, with what a tunnel carries, and does `act` with it there.
    pub(crate) fn through_tunnel(
        &mut self,
        to: ChassisId,
        (datapath, outport): (DatapathId, u32),
        moving: &Moving,
        out: &mut Vec<Node>,
        act: impl FnOnce(&mut Self, &mut Moving, &mut Vec<Node>),
    ) {
        let Some(from) = moving.place else {
            return;
        };
        let encapsulation = self.network.encapsulation(from, to).map(|it| it.0);
        let tunnel = Tunnel {
            from,
            to,
            encapsulation,
            datapath,
            inport: moving.fields.get(Field::InPort) as u32,
            outport,
        };
        if encapsulation.is_none() {
            out.push(NodeKind::Tunnel(tunnel).into());
            return self.dropped(datapath, Drop::NoTunnel(from, to), moving);
        }
        let mut there = moving.clone();
        there.place = Some(to);
        there.visited.clear();
        // Neither flags nor marks nor what was tracked are on the wire.
        there.set(Field::Flags, 0);
        there.set(Field::PktMark, 0);
        if self.state.is_modelled() {
            there.forget_connection();
        }
        if encapsulation == Some(Encapsulation::Vxlan) {
            there.set(Field::InPort, 0);
        }
        self.within(datapath, NodeKind::Tunnel(tunnel), &mut there, out, act);
    }

    /// Over a physical network to a chassis, where the packet comes in by the port that leads out of it.
    pub(crate) fn over_wire(
        &mut self,
        port: PortId,
        to: ChassisId,
        moving: &Moving,
        out: &mut Vec<Node>,
    ) {
        let row = &self.network[port];
        let (datapath, key) = (row.datapath, row.key);
        let mut there = moving.clone();
        there.place = Some(to);
        there.onward = None;
        there.visited.clear();
        there.fields.clear_registers();
        there.set(Field::Flags, 0);
        there.set(Field::PktMark, 0);
        there.forget_connection();
        there.set(Field::InPort, key.into());
        there.set(Field::OutPort, 0);
        let kind = match moving.place {
            Some(from) => NodeKind::Wire { from, to, port },
            None => NodeKind::Delivered(port),
        };
        self.within(datapath, kind, &mut there, out, |machine, there, inside| {
            machine.enter(datapath, there, inside);
        });
    }
}

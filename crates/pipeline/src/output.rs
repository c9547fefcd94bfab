//! Output: from the ingress to the egress pipeline, to the copies of a group, out of a port, into the next datapath.

use std::collections::BTreeMap;

use logic::{Field, Pipeline};

use crate::machine::{At, Machine, Moving};
use crate::network::{ChassisId, DatapathId, PortId, Reach};
use crate::trace::{Drop, End, Node, NodeKind};

/// `flags.loopback`
const LOOPBACK: u128 = 1;

impl Machine<'_> {
    /// `output;`
    pub(crate) fn output(&mut self, at: At, moving: &Moving, out: &mut Vec<Node>) {
        let key = moving.fields.get(Field::OutPort) as u32;
        let datapath = at.datapath;
        let port = self.network.port_with_key(datapath, key);
        self.consult(moving, Field::OutPort, u128::MAX);
        match (at.pipeline, port) {
            (Pipeline::Egress, Some(port)) => self.leave(port, moving, out),
            (Pipeline::Ingress, Some(port)) => self.output_to(port, moving, out),
            (Pipeline::Ingress, None) if self.network[datapath].groups.contains_key(&key) => {
                self.multicast(datapath, key, moving, out);
            }
            _ => {
                let text = if key == 0 {
                    "*** output to null logical port".to_owned()
                } else {
                    format!("*** unknown port or multicast group {key}")
                };
                out.push(NodeKind::Error(text).into());
                self.dropped(datapath, Drop::NoPort { datapath, key }, moving);
            }
        }
    }

    /// To one port, wherever it is.
    fn output_to(&mut self, port: PortId, moving: &Moving, out: &mut Vec<Node>) {
        let datapath = self.network[port].datapath;
        match self.network.reach(moving.place, port) {
            Reach::Here => {
                if let Some(port) = self.stand_in(port, moving, out) {
                    self.egress(datapath, port, moving, false, out);
                }
                // While a port moves, all chassis that have it get a copy.
                for to in self.elsewhere(port, moving) {
                    self.tunnel(to, port, moving, out);
                }
            }
            Reach::Tunnel(to) => {
                self.tunnel(to, port, moving, out);
                for to in self.elsewhere(port, moving).filter(|it| *it != to) {
                    self.tunnel(to, port, moving, out);
                }
            }
            Reach::Wire(wire, to) => {
                let mut there = moving.clone();
                there.onward = Some(to);
                self.egress(datapath, wire, &there, false, out);
            }
            Reach::Nowhere => {
                let text = format!("*** no chassis has \"{}\"", self.network[port].name);
                out.push(NodeKind::Error(text).into());
                self.dropped(datapath, Drop::Unbound(port), moving);
            }
        }
    }

    /// Other chassis that have a port that is on the move.
    fn elsewhere(&self, port: PortId, moving: &Moving) -> impl Iterator<Item = ChassisId> + use<> {
        let (row, here) = (&self.network[port], moving.place);
        let all = row.place.into_iter().chain(row.also.iter().copied());
        let moves = here.is_some() && !row.also.is_empty();
        all.filter(|it| moves && Some(*it) != here)
            .collect::<Vec<_>>()
            .into_iter()
    }

    fn tunnel(&mut self, to: ChassisId, port: PortId, moving: &Moving, out: &mut Vec<Node>) {
        let (datapath, key) = (self.network[port].datapath, self.network[port].key);
        self.through_tunnel(
            to,
            (datapath, key),
            moving,
            out,
            |machine, there, inside| {
                if let Some(port) = machine.stand_in(port, there, inside) {
                    machine.egress(datapath, port, there, false, inside);
                }
            },
        );
    }

    /// Copies for each port of a group: on this chassis, and for the others through one tunnel each.
    fn multicast(&mut self, datapath: DatapathId, key: u32, moving: &Moving, out: &mut Vec<Node>) {
        let network = self.network;
        let Some(group) = network[datapath].groups.get(&key) else {
            return;
        };
        let kind = NodeKind::Multicast {
            datapath,
            group: group.name.clone(),
        };
        let (mut inside, before) = (Vec::new(), self.ends.len());
        let mut remote: BTreeMap<ChassisId, Vec<PortId>> = BTreeMap::new();
        for port in &group.ports {
            match network.reach(moving.place, *port) {
                Reach::Here => self.egress(datapath, *port, moving, true, &mut inside),
                Reach::Tunnel(to) => remote.entry(to).or_default().push(*port),
                // The copy for the port to the physical network is for them, too; nobody has the others.
                Reach::Wire(..) | Reach::Nowhere => {}
            }
        }
        for (to, ports) in remote {
            let act = |machine: &mut Self, there: &mut Moving, inside: &mut Vec<Node>| {
                for port in &ports {
                    machine.egress(datapath, *port, there, true, inside);
                }
            };
            self.through_tunnel(to, (datapath, key), moving, &mut inside, act);
        }
        out.push(Node { kind, inside });
        if self.ends.len() == before {
            self.dropped(datapath, Drop::NobodyElse { datapath, key }, moving);
        }
    }

    /// The port that a redirecting port stands for.
    fn stand_in(&mut self, port: PortId, moving: &Moving, out: &mut Vec<Node>) -> Option<PortId> {
        let row = &self.network[port];
        if row.kind != "chassisredirect" {
            return Some(port);
        }
        let Some(real) = row.distributed else {
            let text = format!(
                "*** output to type \"{}\" port \"{}\" with no or invalid distributed port",
                row.kind, row.name
            );
            out.push(NodeKind::Error(text).into());
            let (datapath, key) = (row.datapath, row.key);
            self.dropped(datapath, Drop::NoPort { datapath, key }, moving);
            return None;
        };
        let text = format!(
            "/* Replacing type \"{}\" outport \"{}\" with distributed port \"{}\". */",
            row.kind, row.name, self.network[real].name
        );
        out.push(NodeKind::Output(text).into());
        Some(real)
    }

    /// Into the egress pipeline to one port.
    fn egress(
        &mut self,
        datapath: DatapathId,
        port: PortId,
        moving: &Moving,
        copy: bool,
        out: &mut Vec<Node>,
    ) {
        let key = self.network[port].key;
        let inport = moving.fields.get(Field::InPort) as u32;
        let returns = key == inport && moving.fields.get(Field::Flags) & LOOPBACK == 0;
        let kind = NodeKind::Pipeline {
            datapath,
            pipeline: Pipeline::Egress,
            inport,
            outport: Some(key),
            jumped: false,
            copy: copy && !returns,
        };
        if returns {
            let text = "/* omitting output because inport == outport && !flags.loopback */";
            let omitted = Node::from(NodeKind::Output(text.into()));
            if copy {
                let inside = vec![omitted];
                out.push(Node { kind, inside });
            } else {
                out.push(omitted);
                self.dropped(datapath, Drop::Loopback(port), moving);
            }
            return;
        }
        let mut copied = moving.clone();
        copied.fields.clear_registers();
        copied.visited.clear();
        copied.set(Field::OutPort, key.into());
        for register in 0..10 {
            copied.written.add(Field::Reg(register), u128::MAX);
        }
        let at = At {
            datapath,
            pipeline: Pipeline::Egress,
            table: 0,
        };
        self.within(
            datapath,
            kind,
            &mut copied,
            out,
            |machine, moving, inside| {
                machine.tables(at, moving, inside);
            },
        );
    }

    /// A copy for the port of a mirror, as if it came from nowhere.
    pub(crate) fn copy_to(&mut self, port: PortId, moving: &Moving, out: &mut Vec<Node>) {
        let mut copied = moving.clone();
        copied.set(Field::InPort, 0);
        self.output_to(port, &copied, out);
    }

    /// Out of a port: to who is there, or into the datapath behind it.
    fn leave(&mut self, port: PortId, moving: &Moving, out: &mut Vec<Node>) {
        let row = &self.network[port];
        let text = format!("/* output to \"{}\", type \"{}\" */", row.name, row.kind);
        out.push(NodeKind::Output(text).into());
        self.mirrored(port, false, out);
        let Some(peer) = row.peer else {
            if let Some(to) = moving.onward {
                return self.over_wire(port, to, moving, out);
            }
            out.push(NodeKind::Delivered(port).into());
            let packet = Box::new(moving.fields.clone());
            let place = moving.place;
            self.ends.push(End::Delivered {
                port,
                place,
                packet,
            });
            return;
        };
        let peer = &self.network[peer];
        let mut there = moving.clone();
        there.visited.clear();
        there.fields.clear_registers();
        there.set(Field::Flags, 0);
        // A switch forgets what it tracked in another datapath. What is only assumed holds everywhere.
        if self.state.is_modelled() {
            there.forget_connection();
        }
        there.set(Field::InPort, peer.key.into());
        there.set(Field::OutPort, 0);
        self.enter(peer.datapath, &mut there, out);
    }

    /// Tells of the mirrors that see what a port sends (`sent`), or is sent.
    pub(crate) fn mirrored(&mut self, port: PortId, sent: bool, out: &mut Vec<Node>) {
        if !self.state.is_modelled() {
            return;
        }
        let mirrors = self.network[port].mirrors.iter();
        for mirror in mirrors.filter(|it| if sent { it.sent } else { it.received }) {
            let text = format!(
                "/* a copy to {} by mirror \"{}\" */",
                mirror.sink, mirror.name
            );
            out.push(NodeKind::Output(text).into());
        }
    }
}

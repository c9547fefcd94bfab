//! Output: from the ingress to the egress pipeline, to the copies of a group, out of a port, into the next datapath.

use logic::{Field, Pipeline};

use crate::machine::{At, Machine, Moving};
use crate::network::{DatapathId, PortId};
use crate::state::Tracking;
use crate::trace::{Drop, End, Node, NodeKind};

/// `flags.loopback`
const LOOPBACK: u128 = 1;

impl Machine<'_> {
    /// `output;`
    pub(crate) fn output(&mut self, at: At, moving: &Moving, out: &mut Vec<Node>) {
        let key = moving.fields.get(Field::OutPort) as u32;
        let datapath = at.datapath;
        let port = self.network.port_with_key(datapath, key);
        let group = self.network[datapath].groups.get(&key);
        self.consult(moving, Field::OutPort, u128::MAX);
        match (at.pipeline, port, group) {
            (Pipeline::Egress, Some(port), _) => self.leave(port, moving, out),
            (Pipeline::Ingress, Some(port), _) => {
                if let Some(port) = self.stand_in(port, moving, out) {
                    self.egress(datapath, port, moving, false, out);
                }
            }
            (Pipeline::Ingress, None, Some(group)) => {
                let kind = NodeKind::Multicast {
                    datapath,
                    group: group.name.clone(),
                };
                let (mut inside, before) = (Vec::new(), self.ends.len());
                for port in &group.ports {
                    self.egress(datapath, *port, moving, true, &mut inside);
                }
                out.push(Node { kind, inside });
                if self.ends.len() == before {
                    self.dropped(datapath, Drop::NobodyElse { datapath, key }, moving);
                }
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

    /// Out of a port: to who is there, or into the datapath behind it.
    fn leave(&mut self, port: PortId, moving: &Moving, out: &mut Vec<Node>) {
        let row = &self.network[port];
        let text = format!("/* output to \"{}\", type \"{}\" */", row.name, row.kind);
        out.push(NodeKind::Output(text).into());
        let Some(peer) = row.peer else {
            out.push(NodeKind::Delivered(port).into());
            let packet = Box::new(moving.fields.clone());
            self.ends.push(End::Delivered { port, packet });
            return;
        };
        let peer = &self.network[peer];
        let mut there = moving.clone();
        there.visited.clear();
        there.fields.clear_registers();
        there.set(Field::Flags, 0);
        // A switch forgets what it tracked in another datapath. What is only assumed holds everywhere.
        if self.state.tracking == Tracking::Modelled {
            there.forget_connection();
        }
        there.set(Field::InPort, peer.key.into());
        there.set(Field::OutPort, 0);
        self.enter(peer.datapath, &mut there, out);
    }
}

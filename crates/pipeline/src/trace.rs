//! What happened to a packet: a tree, and the places where it ended.

use ovsdb::Str;

use crate::classifier::Consulted;
use crate::fields::Fields;
use crate::network::{ChassisId, DatapathId, Encapsulation, FlowId, PortId};

/// The record of one packet's way.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Where it came in.
    pub inport: PortId,
    /// The packet as it came in.
    pub packet: Fields,
    /// What happened, in order.
    pub nodes: Vec<Node>,
    /// Where it and what was made of it ended, in order; at least one.
    pub ends: Vec<End>,
    /// The bits of the packet as it came in or was made that any decision looked at.
    pub consulted: Consulted,
    /// How many tables were visited.
    pub steps: usize,
}

impl Trace {
    /// Puts what `beside` gives for it, and for the chassis that it was looked up on, before what each flow did.
    pub fn beside_flows(&mut self, beside: &mut dyn FnMut(FlowId, Option<ChassisId>) -> Vec<Node>) {
        put_beside(&mut self.nodes, beside);
    }

    /// The flows that were matched, with the chassis that they were looked up on, in order.
    pub fn matched(&self) -> Vec<(FlowId, Option<ChassisId>)> {
        let mut found = Vec::new();
        collect(&self.nodes, &mut found);
        found
    }
}

fn put_beside(nodes: &mut [Node], beside: &mut dyn FnMut(FlowId, Option<ChassisId>) -> Vec<Node>) {
    for node in nodes {
        put_beside(&mut node.inside, beside);
        if let NodeKind::Table {
            flow: Some(flow),
            place,
            ..
        } = node.kind
        {
            node.inside.splice(0..0, beside(flow, place));
        }
    }
}

fn collect(nodes: &[Node], found: &mut Vec<(FlowId, Option<ChassisId>)>) {
    for node in nodes {
        if let NodeKind::Table {
            flow: Some(flow),
            place,
            ..
        } = node.kind
        {
            found.push((flow, place));
        }
        collect(&node.inside, found);
    }
}

/// One thing that happened, and what it led to.
#[derive(Debug, Clone)]
pub struct Node {
    /// What.
    pub kind: NodeKind,
    /// What it led to.
    pub inside: Vec<Self>,
}

/// What can happen.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// The packet enters the pipeline of a datapath.
    Pipeline {
        /// Whose.
        datapath: DatapathId,
        /// Ingress or egress.
        pipeline: logic::Pipeline,
        /// The input port's key.
        inport: u32,
        /// The output port's key, in an egress pipeline.
        outport: Option<u32>,
        /// Whether only the output port is known by a jump.
        jumped: bool,
        /// One of several copies.
        copy: bool,
    },
    /// Copies for each port of a group.
    Multicast {
        /// Whose.
        datapath: DatapathId,
        /// Its name.
        group: Str,
    },
    /// Through a tunnel to another chassis.
    Tunnel(Tunnel),
    /// Over a physical network, by its name, from one chassis to another.
    Wire {
        /// From.
        from: ChassisId,
        /// To.
        to: ChassisId,
        /// The port of the switch that leads there.
        port: PortId,
    },
    /// A table was looked up.
    Table {
        /// Whose.
        datapath: DatapathId,
        /// Of which pipeline.
        pipeline: logic::Pipeline,
        /// Its number.
        table: u8,
        /// On which chassis, unless the whole network is one place.
        place: Option<ChassisId>,
        /// The flow that the packet matched.
        flow: Option<FlowId>,
        /// What the look-up consulted.
        consulted: Box<Consulted>,
    },
    /// An action as the flow has it.
    Action(String),
    /// A remark on an action.
    Remark(String),
    /// A change of the packet with the values that it had.
    Modify(String),
    /// A packet made of this one, or this one after connection tracking.
    Transformation(String),
    /// Output to a port, or why not.
    Output(String),
    /// Delivered to a port that is no patch port.
    Delivered(PortId),
    /// Something that a network should not do, or that is not modelled.
    Error(String),
}

/// How a packet gets from one chassis to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tunnel {
    /// From.
    pub from: ChassisId,
    /// To.
    pub to: ChassisId,
    /// How it is wrapped; none when the two have no kind of tunnel in common.
    pub encapsulation: Option<Encapsulation>,
    /// Whose output it is.
    pub datapath: DatapathId,
    /// The key of the input port, which VXLAN loses.
    pub inport: u32,
    /// The key of the output port or multicast group.
    pub outport: u32,
}

impl Tunnel {
    /// The network identifier on the wire.
    pub const fn identifier(&self, datapath: u32) -> u32 {
        // Of a multicast group only the low bits are kept, and a bit that says that it is one.
        const GROUP: u32 = 1 << 15;
        let outport = if self.outport & GROUP == 0 {
            self.outport
        } else {
            1 << 11 | self.outport & 0x7ff
        };
        match self.encapsulation {
            Some(Encapsulation::Vxlan) => (outport << 12 | datapath & 0xfff) & 0xff_ffff,
            _ => datapath,
        }
    }
}

/// Where a packet ended.
#[derive(Debug, Clone)]
pub enum End {
    /// It left by a logical port.
    Delivered {
        /// The port.
        port: PortId,
        /// On which chassis, unless the whole network is one place.
        place: Option<ChassisId>,
        /// As it left.
        packet: Box<Fields>,
    },
    /// It was not let through.
    Dropped {
        /// Where.
        datapath: DatapathId,
        /// Why.
        why: Drop,
        /// The flows that it matched before, in the same pipeline, in order.
        after: Vec<FlowId>,
        /// As it was then.
        packet: Box<Fields>,
    },
    /// Another packet was made in its place.
    Replaced {
        /// What by.
        by: logic::Nest,
        /// Where.
        datapath: DatapathId,
        /// The flow that said so.
        flow: FlowId,
        /// The flows that it matched before, in the same pipeline, in order.
        after: Vec<FlowId>,
    },
    /// The controller of the chassis took it in, and nothing comes of it on the wire.
    Consumed {
        /// What for.
        what: &'static str,
        /// Where.
        datapath: DatapathId,
        /// The flow that said so.
        flow: FlowId,
    },
}

/// Why a packet was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drop {
    /// A flow without an action that leads on.
    Flow(FlowId),
    /// No flow of a table matched.
    NoFlow {
        /// Whose table.
        datapath: DatapathId,
        /// Of which pipeline.
        pipeline: logic::Pipeline,
        /// Its number.
        table: u8,
    },
    /// It would have gone back to where it came from.
    Loopback(PortId),
    /// Its output port does not exist.
    NoPort {
        /// Whose port.
        datapath: DatapathId,
        /// The key; 0 when none was set.
        key: u32,
    },
    /// No chassis has its output port.
    Unbound(PortId),
    /// Two chassis have no kind of tunnel in common.
    NoTunnel(ChassisId, ChassisId),
    /// Its multicast group has no port but the one it came from.
    NobodyElse {
        /// Whose group.
        datapath: DatapathId,
        /// The group's key.
        key: u32,
    },
    /// Its time to live was over.
    TtlExceeded(FlowId),
    /// The run was cut off because it was too deep or too long: a loop in the network.
    Loop,
}

//! The machine: tables, one after the other, and what bounds them.

use std::sync::Arc;

use logic::{Action, Field, Pipeline};

use crate::choice::Choice;
use crate::classifier::Consulted;
use crate::conntrack::Tuple;
use crate::fields::Fields;
use crate::network::{ChassisId, DatapathId, FlowId, Network, PortId};
use crate::payload::Payload;
use crate::state::{Seat, State};
use crate::trace::{Drop, End, Node, NodeKind, Trace};

/// What a run may be told beside the packet.
#[derive(Debug, Clone)]
pub struct Options {
    /// The backend that load balancers prefer, with its port or 0.
    pub backend: Option<(std::net::IpAddr, u16)>,
    /// The number that `select` prefers.
    pub select: Option<u16>,
    /// How a backend or member is chosen that is not said.
    pub choice: Choice,
    /// Length of the packet in bytes, for `check_pkt_larger`.
    pub length: Option<u32>,
    /// What the packet carries behind its headers.
    pub payload: Payload,
    /// Whether chassis are places, with tunnels between them. Otherwise the whole network is one place, as it is for
    /// a packet that comes in at a port that no chassis has.
    pub places: bool,
    /// At most so many tables are visited.
    pub max_steps: usize,
    /// At most so deep may pipelines and packets made of packets be nested.
    pub max_depth: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            backend: None,
            select: None,
            choice: Choice::Addresses,
            length: None,
            payload: Payload::Unknown,
            places: true,
            max_steps: 20_000,
            max_depth: 96,
        }
    }
}

/// A packet on its way, with what goes along with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moving {
    pub(crate) fields: Fields,
    /// Bits that are no longer those that came in.
    pub(crate) written: Consulted,
    /// The connection's first direction, since it was tracked.
    pub(crate) original: Option<Tuple>,
    /// The flows that it matched in this pipeline.
    pub(crate) visited: Vec<FlowId>,
    /// Values saved by `push`.
    pub(crate) stack: Vec<u128>,
    /// The chassis that has it; none where the whole network is one place.
    pub(crate) place: Option<ChassisId>,
    /// The chassis that it is on its way to over a physical network.
    pub(crate) onward: Option<ChassisId>,
    /// Its length in bytes, if it is known.
    pub(crate) length: Option<u32>,
    /// What it carries behind its headers.
    pub(crate) payload: Arc<Payload>,
}

impl Moving {
    /// What an ICMP error tells of.
    pub(crate) fn about(&self) -> Option<Tuple> {
        match *self.payload {
            Payload::About(tuple) => Some(tuple),
            _ => None,
        }
    }
}

/// A table of a datapath.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) datapath: DatapathId,
    pub(crate) pipeline: Pipeline,
    pub(crate) table: u8,
}

/// What the actions of a flow come to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The last of them goes on at this table.
    pub(crate) tail: Option<At>,
    /// Something went on, or a reason was given why not.
    pub(crate) led_on: bool,
    /// What comes behind is not carried out.
    pub(crate) stopped: bool,
    /// The controller has it.
    pub(crate) consumed: Option<&'static str>,
}

impl At {
    /// Where something about a packet is remembered.
    pub(crate) const fn seat(self, moving: &Moving) -> Seat {
        (self.datapath, moving.place)
    }
}

pub(crate) struct Machine<'a> {
    pub(crate) network: &'a Network,
    pub(crate) state: &'a mut State,
    pub(crate) options: &'a Options,
    pub(crate) ends: Vec<End>,
    consulted: Consulted,
    steps: usize,
    depth: usize,
}

impl Network {
    /// Runs a packet that comes in at the logical port `inport`; what `packet` says about ports is not looked at.
    pub fn run(
        &self,
        inport: PortId,
        packet: &Fields,
        state: &mut State,
        options: &Options,
    ) -> Trace {
        let datapath = self[inport].datapath;
        let mut fields = packet.clone();
        fields.set(Field::InPort, self[inport].key.into());
        fields.set(Field::OutPort, 0);
        let mut moving = Moving {
            fields: fields.clone(),
            place: self[inport].place.filter(|_| options.places),
            length: options.length,
            payload: Arc::new(options.payload.clone()),
            ..Moving::default()
        };
        let mut machine = Machine {
            network: self,
            state,
            options,
            ends: Vec::new(),
            consulted: Consulted::default(),
            steps: 0,
            depth: 0,
        };
        let mut nodes = Vec::new();
        machine.enter(datapath, &mut moving, &mut nodes);
        Trace {
            inport,
            packet: fields,
            nodes,
            ends: machine.ends,
            consulted: machine.consulted,
            steps: machine.steps,
        }
    }
}

impl Machine<'_> {
    /// Into the ingress pipeline of a datapath, by the input port that is set.
    pub(crate) fn enter(&mut self, datapath: DatapathId, moving: &mut Moving, out: &mut Vec<Node>) {
        let inport = moving.fields.get(Field::InPort) as u32;
        let kind = NodeKind::Pipeline {
            datapath,
            pipeline: Pipeline::Ingress,
            inport,
            outport: None,
            jumped: false,
            copy: false,
        };
        let at = At {
            datapath,
            pipeline: Pipeline::Ingress,
            table: 0,
        };
        let port = self.network.port_with_key(datapath, inport);
        self.within(at.datapath, kind, moving, out, |machine, moving, inside| {
            if let Some(port) = port {
                machine.mirrored(port, true, inside);
            }
            machine.tables(at, moving, inside);
        });
    }

    /// Runs `act` inside of a new node, unless that would be too deep.
    pub(crate) fn within(
        &mut self,
        datapath: DatapathId,
        kind: NodeKind,
        moving: &mut Moving,
        out: &mut Vec<Node>,
        act: impl FnOnce(&mut Self, &mut Moving, &mut Vec<Node>),
    ) {
        let mut inside = Vec::new();
        if self.depth >= self.options.max_depth {
            self.cut_off(datapath, moving, &mut inside);
        } else {
            self.depth += 1;
            act(self, moving, &mut inside);
            self.depth -= 1;
        }
        out.push(Node { kind, inside });
    }

    fn cut_off(&mut self, datapath: DatapathId, moving: &Moving, out: &mut Vec<Node>) {
        let text = "*** cut off: the packet goes round in circles".to_owned();
        out.push(NodeKind::Error(text).into());
        self.dropped(datapath, Drop::Loop, moving);
    }

    pub(crate) fn dropped(&mut self, datapath: DatapathId, why: Drop, moving: &Moving) {
        let packet = Box::new(moving.fields.clone());
        let after = moving.visited.clone();
        self.ends.push(End::Dropped {
            datapath,
            why,
            after,
            packet,
        });
    }

    /// Notes that bits of the packet were looked at, as far as they are those that came in.
    pub(crate) fn consult(&mut self, moving: &Moving, field: Field, mask: u128) {
        for part in field.parts() {
            let mask = if part == field { mask } else { part.mask() };
            self.consulted.add(part, mask & !moving.written.mask(part));
        }
    }

    /// Goes through tables until nothing leads on.
    pub(crate) fn tables(&mut self, mut at: At, moving: &mut Moving, out: &mut Vec<Node>) {
        loop {
            if self.steps >= self.options.max_steps {
                return self.cut_off(at.datapath, moving, out);
            }
            self.steps += 1;
            let At {
                datapath,
                pipeline,
                table,
            } = at;
            let mut consulted = Box::<Consulted>::default();
            let stage = (pipeline, table);
            let place = moving.place;
            let flow = self
                .network
                .look_up(datapath, place, stage, &moving.fields, &mut consulted);
            for (field, mask) in consulted.iter() {
                self.consult(moving, field, mask);
            }
            let mut inside = Vec::new();
            let tail = match flow {
                Some(flow) => self.flow(at, flow, moving, &mut inside),
                None => {
                    let why = Drop::NoFlow {
                        datapath,
                        pipeline,
                        table,
                    };
                    self.dropped(datapath, why, moving);
                    None
                }
            };
            let kind = NodeKind::Table {
                datapath,
                pipeline,
                table,
                place,
                flow,
                consulted,
            };
            out.push(Node { kind, inside });
            match tail {
                None => return,
                Some(next) if next.pipeline == pipeline => at = next,
                Some(next) => return self.jump(next, moving, out),
            }
        }
    }

    fn flow(
        &mut self,
        at: At,
        flow: FlowId,
        moving: &mut Moving,
        inside: &mut Vec<Node>,
    ) -> Option<At> {
        let network = self.network;
        let actions = network[flow].parsed_actions(network, moving.place);
        if actions.is_empty() {
            inside.push(NodeKind::Action("drop;".into()).into());
        }
        let outcome = self.actions(at, flow, actions, moving, inside);
        moving.visited.push(flow);
        if !outcome.led_on {
            match outcome.consumed {
                Some(what) => self.ends.push(End::Consumed {
                    what,
                    datapath: at.datapath,
                    flow,
                }),
                None => self.dropped(at.datapath, Drop::Flow(flow), moving),
            }
        }
        outcome.tail
    }

    /// Into the other pipeline of the same datapath, at a table.
    fn jump(&mut self, at: At, moving: &mut Moving, out: &mut Vec<Node>) {
        let outport = moving.fields.get(Field::OutPort) as u32;
        let kind = NodeKind::Pipeline {
            datapath: at.datapath,
            pipeline: at.pipeline,
            inport: moving.fields.get(Field::InPort) as u32,
            outport: (at.pipeline == Pipeline::Egress).then_some(outport),
            jumped: true,
            copy: false,
        };
        self.within(at.datapath, kind, moving, out, |machine, moving, inside| {
            machine.tables(at, moving, inside);
        });
    }

    /// Runs a list of actions; where the last one is `next`, says where to.
    pub(crate) fn actions(
        &mut self,
        at: At,
        flow: FlowId,
        actions: &[Action],
        moving: &mut Moving,
        out: &mut Vec<Node>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        for (number, action) in (1..).zip(actions) {
            out.push(NodeKind::Action(action.to_string()).into());
            if let Action::Next { pipeline, table } = action {
                let to = At {
                    datapath: at.datapath,
                    pipeline: pipeline.unwrap_or(at.pipeline),
                    table: table.unwrap_or_else(|| at.table.saturating_add(1)),
                };
                outcome.led_on = true;
                if number == actions.len() {
                    outcome.tail = Some(to);
                } else if to.pipeline == at.pipeline {
                    self.tables(to, moving, out);
                } else {
                    self.jump(to, moving, out);
                }
            } else {
                self.action(at, flow, action, moving, out, &mut outcome);
            }
            if outcome.stopped {
                break;
            }
        }
        outcome
    }
}

impl From<NodeKind> for Node {
    fn from(kind: NodeKind) -> Self {
        Self {
            kind,
            inside: Vec::new(),
        }
    }
}

//! What each action does to a packet (ovn-sb(5), Logical_Flow `actions`): here those that need nothing but the packet.

mod connection;
mod marks;
mod memory;
mod question;
mod service;

use logic::{Action, Field, Nest, Pipeline, Slice, Value};
use packet::Mac;

use crate::conntrack::Tuple;
use crate::machine::{At, Machine, Moving, Outcome};
use crate::network::FlowId;
use crate::trace::{Drop, End, Node, NodeKind};

pub(crate) use connection::state_text;

/// The next table, to which some actions lead by themselves.
const fn next(at: At) -> At {
    At {
        table: at.table.saturating_add(1),
        ..at
    }
}

fn remark(out: &mut Vec<Node>, text: impl Into<String>) {
    out.push(NodeKind::Remark(text.into()).into());
}

fn modify(out: &mut Vec<Node>, text: String) {
    out.push(NodeKind::Modify(text).into());
}

/// Says by name what has no model, and what is assumed in its place.
fn unmodelled(out: &mut Vec<Node>, what: &str, assumed: &str) {
    let text = format!("*** {what} is not modelled: {assumed}");
    out.push(NodeKind::Error(text).into());
}

/// Whether a change of the field is one of the packet, not of what goes along with it.
fn is_packet(slice: &Slice) -> bool {
    use Field::*;
    !matches!(
        slice.bits().field,
        InPort | OutPort | RemoteOutPort | Reg(_) | XReg(_) | XxReg(_) | Flags
    )
}

impl Moving {
    /// Sets bits, and remembers that they are not those that came in.
    pub(crate) fn write(&mut self, slice: &Slice, value: u128) {
        self.fields.write(slice, value);
        let bits = slice.bits();
        self.written.add(bits.field, bits.mask());
    }

    /// Sets a field.
    pub(crate) fn set(&mut self, field: Field, value: u128) {
        self.fields.set(field, value);
        self.written.add(field, field.mask());
    }

    /// Forgets what connection tracking said.
    pub(crate) fn forget_connection(&mut self) {
        self.remember_original(None);
        for field in [Field::CtState, Field::CtMark, Field::CtLabel] {
            self.set(field, 0);
        }
    }

    /// Notes the first direction of the connection that it belongs to.
    pub(crate) fn remember_original(&mut self, original: Option<Tuple>) {
        self.original = original;
        let (protocol, src, dst) =
            original.map_or((0, 0, 0), |it| (it.protocol, it.src_port, it.dst_port));
        self.set(Field::CtProto, protocol.into());
        self.set(Field::CtTpSrc, src.into());
        self.set(Field::CtTpDst, dst.into());
    }

    /// Notes that addresses and ports are not those that came in.
    pub(crate) fn written_addresses(&mut self) {
        use Field::*;
        let fields = [
            Ip4Src, Ip4Dst, Ip6Src, Ip6Dst, TcpSrc, TcpDst, UdpSrc, UdpDst, SctpSrc, SctpDst,
        ];
        for field in fields {
            self.written.add(field, field.mask());
        }
    }
}

impl Machine<'_> {
    /// Runs one action other than `next`.
    pub(crate) fn action(
        &mut self,
        at: At,
        flow: FlowId,
        action: &Action,
        moving: &mut Moving,
        out: &mut Vec<Node>,
        outcome: &mut Outcome,
    ) {
        match action {
            Action::Output => {
                outcome.led_on = true;
                self.output(at, moving, out);
            }
            Action::Load { target, value } => self.load(target, value, at, moving, out),
            Action::Move { target, source } => {
                let value = self.read(source, moving);
                if is_packet(target) {
                    modify(out, format!("{target} = {}", shown(source, value)));
                }
                moving.write(target, value);
            }
            Action::Exchange(left, right) => {
                let (a, b) = (self.read(left, moving), self.read(right, moving));
                for (slice, from, value) in [(left, right, b), (right, left, a)] {
                    if is_packet(slice) {
                        modify(out, format!("{slice} = {}", shown(from, value)));
                    }
                    moving.write(slice, value);
                }
            }
            Action::DecrementTtl => self.decrement_ttl(at, flow, moving, out, outcome),
            Action::Push(slice) => {
                let value = self.read(slice, moving);
                modify(out, format!("push({slice}) -> {value:#x}"));
                moving.stack.push(value);
            }
            Action::Pop(slice) => match moving.stack.pop() {
                Some(value) => {
                    modify(out, format!("pop({slice}) <- {value:#x}"));
                    moving.write(slice, value);
                }
                None => modify(out, format!("pop({slice}) <- /* empty stack */")),
            },
            Action::CheckPktLarger { target, length } => {
                let larger = moving.length.is_some_and(|it| it > (*length).into());
                if moving.length.is_none() {
                    self.note(out, || "/* Nobody said how long the packet is. */".into());
                }
                moving.write(target, larger.into());
            }
            Action::Nested(Nest::Clone, inner) => {
                let mut copy = moving.clone();
                let mut inside = Vec::new();
                self.list(at, flow, &inner.0, &mut copy, &mut inside);
                let kind = NodeKind::Transformation("clone".into());
                out.push(Node { kind, inside });
                outcome.led_on = true;
            }
            Action::Nested(nest, inner) => {
                outcome.led_on = true;
                self.ends.push(End::Replaced {
                    by: *nest,
                    datapath: at.datapath,
                    flow,
                    after: moving.visited.clone(),
                });
                self.answer(at, flow, *nest, &inner.0, moving, out);
            }
            Action::Log {
                name,
                verdict,
                severity,
                ..
            } => {
                let text = format!(
                    "LOG: ACL name={}, direction={}, verdict={verdict}, severity={severity}, packet=\"{}\"",
                    name.as_deref().unwrap_or("<unnamed>"),
                    match at.pipeline {
                        Pipeline::Ingress => "IN",
                        Pipeline::Egress => "OUT",
                    },
                    crate::packet_text::packet_text(&moving.fields),
                );
                out.push(NodeKind::Transformation(text).into());
            }
            _ => self.connection(at, flow, action, moving, out, outcome),
        }
    }

    /// Runs a list of actions to its end, wherever the last one leads.
    pub(crate) fn list(
        &mut self,
        at: At,
        flow: FlowId,
        actions: &[Action],
        moving: &mut Moving,
        out: &mut Vec<Node>,
    ) {
        let outcome = self.actions(at, flow, actions, moving, out);
        if let Some(tail) = outcome.tail {
            self.tables(tail, moving, out);
        } else if !outcome.led_on {
            self.dropped(at.datapath, Drop::Flow(flow), moving);
        }
    }

    fn read(&mut self, slice: &Slice, moving: &Moving) -> u128 {
        let bits = slice.bits();
        self.consult(moving, bits.field, bits.mask());
        moving.fields.read(slice)
    }

    fn load(
        &mut self,
        target: &Slice,
        value: &Value,
        at: At,
        moving: &mut Moving,
        out: &mut Vec<Node>,
    ) {
        if is_packet(target) {
            modify(out, format!("{target} = {value}"));
        }
        match value {
            Value::Number(constant) => {
                let mask = constant.mask_or_exact();
                moving.fields.write_masked(target, constant.value, mask);
                let bits = target.bits();
                moving
                    .written
                    .add(bits.field, mask << bits.first & bits.mask());
            }
            Value::Text(name) => {
                let key =
                    logic::Environment::port_key(&self.network.environment(at.datapath), name);
                moving.write(target, key.unwrap_or(0).into());
            }
            Value::AddressSet(_) | Value::PortGroup(_) => {}
        }
    }

    fn decrement_ttl(
        &mut self,
        at: At,
        flow: FlowId,
        moving: &mut Moving,
        out: &mut Vec<Node>,
        outcome: &mut Outcome,
    ) {
        self.consult(moving, Field::IpTtl, u128::MAX);
        let ttl = moving.fields.get(Field::IpTtl);
        // A switch stops at what cannot be passed on; `ovn-trace` only remarks upon it, and only on 0.
        if self.state.is_modelled() && ttl <= 1 {
            out.push(NodeKind::Error("*** TTL exceeded".into()).into());
            (outcome.led_on, outcome.stopped) = (true, true);
            self.dropped(at.datapath, Drop::TtlExceeded(flow), moving);
        } else if ttl == 0 {
            out.push(NodeKind::Error("*** TTL underflow".into()).into());
        } else {
            moving.set(Field::IpTtl, ttl - 1);
            modify(out, "ip.ttl--".into());
        }
    }

    /// A remark on what `ovn-trace` passes over in silence.
    fn note(&self, out: &mut Vec<Node>, text: impl FnOnce() -> String) {
        if self.state.is_modelled() {
            remark(out, text());
        }
    }

    /// Goes on at the next table with what a packet has become.
    fn transformed(&mut self, at: At, title: String, moving: &mut Moving, out: &mut Vec<Node>) {
        let kind = NodeKind::Transformation(title);
        let act = |machine: &mut Self, moving: &mut Moving, inside: &mut Vec<Node>| {
            machine.tables(next(at), moving, inside);
        };
        self.within(at.datapath, kind, moving, out, act);
    }
}

pub(crate) fn number(mac: Mac) -> u128 {
    mac.0
        .iter()
        .fold(0, |value, byte| value << 8 | u128::from(*byte))
}

pub(crate) fn from_number(value: u128) -> Mac {
    let [_, _, bytes @ ..] = (value as u64).to_be_bytes();
    Mac(bytes)
}

/// A value in the notation of the field that it was read from.
fn shown(from: &Slice, value: u128) -> String {
    crate::packet_text::value(from.bits().field, value)
}

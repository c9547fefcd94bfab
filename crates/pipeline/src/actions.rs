//! What each action does to a packet (ovn-sb(5), Logical_Flow `actions`).

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use logic::{
    Action, Backend, Family, Field, LbFlag, LbKind, NatKind, Nest, Pipeline, Query, Slice, Value,
    Zone,
};
use packet::Mac;

use crate::conntrack::{Tuple, ZoneId, bit, ports, set_address};
use crate::machine::{At, Machine, Moving, Outcome};
use crate::network::{FlowId, Kind, PortId};
use crate::state::Tracking;
use crate::trace::{Drop, End, Node, NodeKind};

/// Bits of `ct_mark` and `ct_label` that load balancing sets.
const NATTED: u32 = 1 << 1;
const SKIP_SNAT: u32 = 1 << 2;
const FORCE_SNAT: u32 = 1 << 3;

/// `Some` with an implied step to the next table.
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

fn unmodelled(out: &mut Vec<Node>, what: &str) {
    let text = format!("*** {what} is not modelled; it is taken to find nothing");
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
                let larger = self.options.length.is_some_and(|it| it > (*length).into());
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
                    crate::print::packet_text(&moving.fields),
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
        let modelled = self.state.tracking == Tracking::Modelled;
        if modelled && ttl <= 1 {
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

    /// The zone in which a datapath tracks a packet.
    fn zone(&self, at: At, moving: &Moving, wanted: Option<Zone>) -> ZoneId {
        let datapath = &self.network[at.datapath];
        match (datapath.kind, wanted) {
            (_, Some(Zone::Snat)) => ZoneId::Snat(at.datapath),
            (_, Some(Zone::Dnat)) | (Kind::Router, None) => ZoneId::Dnat(at.datapath),
            (Kind::Switch, None) => {
                let field = match at.pipeline {
                    Pipeline::Ingress => Field::InPort,
                    Pipeline::Egress => Field::OutPort,
                };
                let key = moving.fields.get(field) as u32;
                let port = self.network.port_with_key(at.datapath, key);
                port.map_or(ZoneId::Dnat(at.datapath), ZoneId::Port)
            }
        }
    }

    fn nat_zone(&self, at: At, moving: &Moving, kind: NatKind) -> ZoneId {
        let is_router = self.network[at.datapath].kind == Kind::Router;
        let wanted = match kind {
            NatKind::Snat if is_router => Some(Zone::Snat),
            _ => None,
        };
        self.zone(at, moving, wanted)
    }

    /// The next state that connection tracking is assumed to have, if that is how it is modelled.
    fn assumed(&mut self) -> Option<(u32, &'static str)> {
        let Tracking::Assumed(states) = &mut self.state.tracking else {
            return None;
        };
        if states.is_empty() {
            let default = " /* default (use --ct to customize) */";
            return Some((bit::EST | bit::TRK, default));
        }
        Some((states.remove(0) | bit::TRK, ""))
    }

    /// Tracks a packet, translates it as the zone remembers, and goes on at the next table.
    fn track(&mut self, at: At, zone: ZoneId, title: &str, moving: &Moving, out: &mut Vec<Node>) {
        self.consult_tuple(moving);
        let mut tracked = moving.clone();
        let mut title = title.to_owned();
        if let Some((state, comment)) = self.assumed() {
            if title == "ct_next" {
                title = format!("ct_next(ct_state={}{comment})", state_text(state));
                tracked.set(Field::CtState, state.into());
            } else {
                let old = tracked.fields.get(Field::CtState) as u32;
                tracked.set(Field::CtState, (old | state).into());
                title.push_str(comment);
            }
            tracked.original = tracked.original.or_else(|| Tuple::of(&tracked.fields));
        } else {
            let state = self.remembered(zone, &mut tracked, title != "ct_next");
            title = format!("{title}(ct_state={})", state_text(state));
        }
        let kind = NodeKind::Transformation(title);
        self.within(
            at.datapath,
            kind,
            &mut tracked,
            out,
            |machine, tracked, inside| {
                machine.tables(next(at), tracked, inside);
            },
        );
    }

    fn consult_tuple(&mut self, moving: &Moving) {
        let protocol = moving.fields.get(Field::IpProto) as u8;
        let (src, dst) = if moving.fields.get(Field::EthType) == 0x86dd {
            (Field::Ip6Src, Field::Ip6Dst)
        } else {
            (Field::Ip4Src, Field::Ip4Dst)
        };
        let fields = [Field::EthType, Field::IpProto, src, dst];
        let ports = ports(protocol).map(|(src, dst)| [src, dst]);
        for field in fields.into_iter().chain(ports.into_iter().flatten()) {
            self.consult(moving, field, u128::MAX);
        }
    }

    /// Gives a packet the state that its connection has, and with `translate` its addresses.
    fn remembered(&mut self, zone: ZoneId, moving: &mut Moving, translate: bool) -> u32 {
        let connections = &mut self.state.connections;
        let found = connections.find(zone, &moving.fields);
        let mut state = found.state;
        moving.original = Tuple::of(&moving.fields);
        moving.set(Field::CtMark, 0);
        moving.set(Field::CtLabel, 0);
        if let Some(connection) = found.id.and_then(|id| connections.get(id)) {
            let translated = connection.reply.reversed();
            if connection.original.src != translated.src
                || connection.original.src_port != translated.src_port
            {
                state |= bit::SNAT;
            }
            if connection.original.dst != translated.dst
                || connection.original.dst_port != translated.dst_port
            {
                state |= bit::DNAT;
            }
            let (mark, label) = (connection.mark, connection.label);
            let other = if found.is_reply {
                connection.original.reversed()
            } else {
                translated
            };
            moving.original = Some(connection.original);
            moving.set(Field::CtMark, mark.into());
            moving.set(Field::CtLabel, label);
            if translate {
                other.apply(&mut moving.fields);
                moving.written_addresses();
            }
        }
        moving.set(Field::CtState, state.into());
        state
    }

    fn connection(
        &mut self,
        at: At,
        flow: FlowId,
        action: &Action,
        moving: &mut Moving,
        out: &mut Vec<Node>,
        outcome: &mut Outcome,
    ) {
        match action {
            Action::CtNext(wanted) => {
                outcome.led_on = true;
                let zone = self.zone(at, moving, *wanted);
                self.track(at, zone, "ct_next", moving, out);
            }
            Action::CtCommit(inner) => {
                let zone = self.zone(at, moving, None);
                self.commit(at, flow, zone, &inner.0, moving);
                outcome.consumed = outcome.consumed.or(Some("to remember its connection"));
            }
            Action::CtCommitToZone(wanted) => {
                let zone = self.zone(at, moving, Some(*wanted));
                self.commit(at, flow, zone, &[], moving);
            }
            Action::CtCommitNat(wanted) => {
                outcome.led_on = true;
                let zone = self.zone(at, moving, *wanted);
                self.commit(at, flow, zone, &[], moving);
                let title = "ct_commit_nat /* assuming no un-nat entry, so no change */";
                let modelled = self.state.tracking == Tracking::Modelled;
                let title = if modelled { "ct_commit_nat" } else { title };
                self.track(at, zone, title, moving, out);
            }
            Action::Nat { kind, target } => {
                let is_source = matches!(kind, NatKind::Snat | NatKind::SnatInCommonZone);
                let assumed = self.state.tracking != Tracking::Modelled;
                if is_source && target.is_none() && assumed && self.network[at.datapath].is_gateway
                {
                    // Nothing is known that could be undone, and it is no look-up of its own there.
                    return;
                }
                outcome.led_on = true;
                let address = target
                    .as_ref()
                    .map(|it| (it.address, it.ports.map_or(0, |p| p.0)));
                self.nat(at, *kind, address, moving, out);
            }
            Action::CtLb {
                kind,
                backends,
                flag,
                ..
            } => {
                outcome.led_on = true;
                self.balance(at, *kind, backends, *flag, moving, out);
            }
            Action::CtClear => moving.forget_connection(),
            Action::CtSnatToVip => {
                if let Some(vip) = moving.original.map(|it| it.dst) {
                    remark(out, format!("/* nat(src={vip}) */"));
                    set_address(&mut moving.fields, false, vip);
                    moving.written_addresses();
                }
            }
            _ => self.question(at, flow, action, moving, out, outcome),
        }
    }

    /// Remembers a connection, with what the actions inside of the commit say about it.
    fn commit(
        &mut self,
        at: At,
        flow: FlowId,
        zone: ZoneId,
        inner: &[Action],
        moving: &mut Moving,
    ) {
        let (Tracking::Modelled, Some(tuple)) = (&self.state.tracking, Tuple::of(&moving.fields))
        else {
            return;
        };
        let found = self.state.connections.find(zone, &moving.fields);
        let id = match found.id {
            Some(id) => id,
            None => self.state.connections.commit(zone, tuple, tuple),
        };
        let mut told = moving.clone();
        if let Some(connection) = self.state.connections.get(id) {
            told.set(Field::CtMark, connection.mark.into());
            told.set(Field::CtLabel, connection.label);
        }
        self.actions(at, flow, inner, &mut told, &mut Vec::new());
        if let Some(connection) = self.state.connections.get_mut(id) {
            connection.mark = told.fields.get(Field::CtMark) as u32;
            connection.label = told.fields.get(Field::CtLabel);
        }
    }

    /// Translates to an address and, unless it is 0, a port; or undoes what is remembered.
    fn nat(
        &mut self,
        at: At,
        kind: NatKind,
        target: Option<(IpAddr, u16)>,
        moving: &Moving,
        out: &mut Vec<Node>,
    ) {
        let is_source = matches!(kind, NatKind::Snat | NatKind::SnatInCommonZone);
        let common = matches!(kind, NatKind::DnatInCommonZone | NatKind::SnatInCommonZone);
        let letter = if is_source { 's' } else { 'd' };
        let name = format!("ct_{letter}nat{}", if common { "in_czone" } else { "" });
        let zone = self.nat_zone(at, moving, kind);
        if self.state.tracking == Tracking::Modelled {
            if let (Some((address, port)), Some(from)) = (target, Tuple::of(&moving.fields))
                && self
                    .state
                    .connections
                    .find(zone, &moving.fields)
                    .id
                    .is_none()
            {
                let to = translated(from, is_source, address, port);
                self.state.connections.commit(zone, from, to);
            }
            return self.track(at, zone, &name, moving, out);
        }
        self.consult_tuple(moving);
        let mut there = moving.clone();
        let mut title = name;
        let mut state = there.fields.get(Field::CtState) as u32;
        match target {
            Some((address, port)) => {
                let direction = if is_source { "src" } else { "dst" };
                let family = if address.is_ipv4() { "ip4" } else { "ip6" };
                title = format!("{title}({family}.{direction}={address})");
                if let Some(from) = Tuple::of(&there.fields) {
                    translated(from, is_source, address, port).apply(&mut there.fields);
                    there.written_addresses();
                }
                state |= if is_source { bit::SNAT } else { bit::DNAT };
            }
            None => {
                let text = format!(" /* assuming no un-{letter}nat entry, so no change */");
                title.push_str(&text);
            }
        }
        if state & bit::TRK == 0
            && let Some((assumed, comment)) = self.assumed()
        {
            state |= assumed;
            title.push_str(comment);
        }
        there.set(Field::CtState, state.into());
        let kind = NodeKind::Transformation(title);
        self.within(
            at.datapath,
            kind,
            &mut there,
            out,
            |machine, there, inside| {
                machine.tables(next(at), there, inside);
            },
        );
    }

    fn balance(
        &mut self,
        at: At,
        kind: LbKind,
        backends: &[Backend],
        flag: Option<LbFlag>,
        moving: &Moving,
        out: &mut Vec<Node>,
    ) {
        let name = match kind {
            LbKind::Label => "ct_lb",
            LbKind::Mark => "ct_lb_mark",
            LbKind::MarkLocal => "ct_lb_mark_local",
        };
        let zone = self.zone(at, moving, None);
        let chosen = self.backend(backends, moving);
        if chosen.is_none() && !backends.is_empty() {
            let text = "*** no load balancing destination (use --lb-dst)";
            out.push(NodeKind::Error(text.into()).into());
        }
        let from = Tuple::of(&moving.fields);
        if self.state.tracking == Tracking::Modelled {
            if let (Some((address, port)), Some(from)) = (chosen, from)
                && self
                    .state
                    .connections
                    .find(zone, &moving.fields)
                    .id
                    .is_none()
            {
                let to = translated(from, false, address, port);
                let id = self.state.connections.commit(zone, from, to);
                let marks = NATTED
                    | match flag {
                        Some(LbFlag::SkipSnat) => SKIP_SNAT,
                        Some(LbFlag::ForceSnat) => FORCE_SNAT,
                        None => 0,
                    };
                if let Some(connection) = self.state.connections.get_mut(id) {
                    match kind {
                        LbKind::Label => connection.label |= u128::from(marks),
                        LbKind::Mark | LbKind::MarkLocal => connection.mark |= marks,
                    }
                }
            }
            return self.track(at, zone, name, moving, out);
        }
        let mut there = moving.clone();
        let mut title = name.to_owned();
        if let (Some((address, port)), Some(from)) = (chosen, from) {
            there.original = Some(from);
            translated(from, false, address, port).apply(&mut there.fields);
            there.written_addresses();
            let state = there.fields.get(Field::CtState) | u128::from(bit::DNAT);
            there.set(Field::CtState, state);
        }
        if let Some((assumed, comment)) = self.assumed() {
            let state = there.fields.get(Field::CtState) | u128::from(assumed);
            there.set(Field::CtState, state);
            title.push_str(comment);
        }
        let kind = NodeKind::Transformation(title);
        self.within(
            at.datapath,
            kind,
            &mut there,
            out,
            |machine, there, inside| {
                machine.tables(next(at), there, inside);
            },
        );
    }

    /// The backend for a packet: the one that is preferred, else one that its addresses decide on.
    fn backend(&self, backends: &[Backend], moving: &Moving) -> Option<(IpAddr, u16)> {
        let from = Tuple::of(&moving.fields)?;
        let of_family: Vec<(IpAddr, u16)> = backends
            .iter()
            .filter(|it| it.address.is_ipv4() == from.src.is_ipv4())
            .map(|it| (it.address, it.port.unwrap_or(0)))
            .collect();
        if let Some((address, port)) = self.options.backend {
            let suits = |it: &&(IpAddr, u16)| it.0 == address && (port == 0 || it.1 == port);
            if let Some(chosen) = of_family.iter().find(suits) {
                return Some(*chosen);
            }
            if backends.is_empty() && address.is_ipv4() == from.src.is_ipv4() {
                return Some((address, port));
            }
        }
        let at = hash(&from) as usize % of_family.len().max(1);
        of_family.get(at).copied()
    }

    fn question(
        &mut self,
        at: At,
        flow: FlowId,
        action: &Action,
        moving: &mut Moving,
        out: &mut Vec<Node>,
        outcome: &mut Outcome,
    ) {
        match action {
            Action::GetNeighbour { port, ip, .. } => {
                let found = self.neighbour(at, port, ip, moving);
                let mac = found.unwrap_or(Mac::ZERO);
                remark(
                    out,
                    match found {
                        Some(mac) => format!("/* MAC binding to {mac}. */"),
                        None => "/* No MAC binding. */".into(),
                    },
                );
                modify(out, format!("eth.dst = {mac}"));
                moving.set(Field::EthDst, number(mac));
            }
            Action::LookupNeighbour {
                target,
                port,
                ip,
                mac,
                ..
            } => {
                let found = self.neighbour(at, port, ip, moving);
                let wanted = mac.as_ref().map(|mac| self.read(mac, moving));
                let hit = found.is_some_and(|it| wanted.is_none_or(|mac| number(it) == mac));
                remark(
                    out,
                    if hit {
                        "/* MAC binding found. */"
                    } else {
                        "/* lookup failed - No MAC binding. */"
                    },
                );
                moving.write(target, hit.into());
            }
            Action::PutNeighbour {
                family,
                port,
                ip,
                mac,
            } => {
                let (address, mac) = (self.address(*family, ip, moving), self.read(mac, moving));
                let port = self.port(at, port, moving);
                if let (Tracking::Modelled, Some(port)) = (&self.state.tracking, port) {
                    self.state
                        .neighbours
                        .insert((port, address), from_number(mac));
                }
                outcome.consumed = Some("to learn a neighbour");
            }
            Action::GetFdb { target, mac, .. } => {
                let mac = from_number(self.read(mac, moving));
                let key = self.learned(at, mac).unwrap_or(0);
                moving.write(target, key.into());
            }
            Action::LookupFdb { target, port, mac } => {
                let mac = from_number(self.read(mac, moving));
                let port = self.read(port, moving);
                let hit = self
                    .learned(at, mac)
                    .is_some_and(|key| u128::from(key) == port);
                remark(
                    out,
                    if hit {
                        format!("/* MAC lookup for {mac} found in FDB. */")
                    } else {
                        "/* lookup mac failed in mac learning table. */".into()
                    },
                );
                moving.write(target, hit.into());
            }
            Action::PutFdb { port, mac } => {
                let (key, mac) = (self.read(port, moving), self.read(mac, moving));
                if self.state.tracking == Tracking::Modelled {
                    let learned = (at.datapath, from_number(mac));
                    self.state.learned.insert(learned, key as u32);
                }
                outcome.consumed = Some("to learn an address");
            }
            Action::Query { target, query } => self.query(at, target, *query, moving, out),
            Action::Select {
                target, members, ..
            } => {
                outcome.led_on = true;
                self.select(at, target, members, moving, out);
            }
            _ => self.rest(at, flow, action, moving, out, outcome),
        }
    }

    fn query(
        &mut self,
        at: At,
        target: &Slice,
        query: Query,
        moving: &mut Moving,
        out: &mut Vec<Node>,
    ) {
        let original = moving.original;
        let number = |address: Option<IpAddr>| match address {
            Some(IpAddr::V4(it)) => it.to_bits().into(),
            Some(IpAddr::V6(it)) => it.to_bits(),
            None => 0,
        };
        let value = match query {
            Query::CheckInPortSec => self.refused_in(at, moving).into(),
            Query::CheckOutPortSec => self.refused_out(at, moving).into(),
            Query::CtNwDst => number(original.map(|it| it.dst).filter(IpAddr::is_ipv4)),
            Query::CtIp6Dst => number(original.map(|it| it.dst).filter(IpAddr::is_ipv6)),
            Query::CtTpDst => original.map_or(0, |it| it.dst_port.into()),
            Query::CtProto => original.map_or(0, |it| it.protocol.into()),
            Query::CtStateSave => moving.fields.get(Field::CtState) & 0xff,
            Query::ChkLbHairpin | Query::ChkLbHairpinReply => {
                let hit = self.hairpin(query == Query::ChkLbHairpin, moving);
                modify(out, format!("{target} = {}", u8::from(hit)));
                hit.into()
            }
            Query::DnsLookup | Query::ChkEcmpNhMac | Query::ChkEcmpNh | Query::ChkLbAff => {
                unmodelled(out, query_name(query));
                0
            }
        };
        moving.write(target, value);
    }

    /// Whether a load balancer sends a packet back to who sent it (or `original` is false: the reply to that).
    fn hairpin(&mut self, original: bool, moving: &Moving) -> bool {
        self.consult_tuple(moving);
        let (Some(now), Some(first)) = (Tuple::of(&moving.fields), moving.original) else {
            return false;
        };
        let port = if original {
            first.dst_port
        } else {
            now.dst_port
        };
        let translated = moving.fields.get(Field::CtState) as u32 & bit::DNAT != 0;
        let is_vip = |vip: &(IpAddr, u16)| vip.0 == first.dst && vip.1 == port;
        translated && now.src == now.dst && self.network.vips.iter().any(is_vip)
    }

    fn select(
        &mut self,
        at: At,
        target: &Slice,
        members: &[(u16, u16)],
        moving: &Moving,
        out: &mut Vec<Node>,
    ) {
        self.consult_tuple(moving);
        let preferred = members.iter().find(|it| Some(it.0) == self.options.select);
        let total: u64 = members.iter().map(|it| u64::from(it.1)).sum();
        let mut point = Tuple::of(&moving.fields).map_or(0, |it| hash(&it)) % total.max(1);
        let by_weight = members.iter().find(|(_, weight)| {
            let hit = point < u64::from(*weight);
            point = point.saturating_sub((*weight).into());
            hit
        });
        let Some((chosen, _)) = preferred.or(by_weight) else {
            return self.dropped(at.datapath, Drop::Loop, moving);
        };
        let comment = if preferred.is_some() {
            ""
        } else {
            " /* Chosen by the addresses. Use --select-id to specify. */"
        };
        let kind = NodeKind::Transformation(format!("select: {target} = {chosen}{comment}"));
        let mut there = moving.clone();
        there.write(target, (*chosen).into());
        self.within(
            at.datapath,
            kind,
            &mut there,
            out,
            |machine, there, inside| {
                machine.tables(next(at), there, inside);
            },
        );
    }

    /// What needs no look-up: answers of the agent, and marks that have no effect here.
    fn rest(
        &mut self,
        at: At,
        flow: FlowId,
        action: &Action,
        moving: &mut Moving,
        out: &mut Vec<Node>,
        outcome: &mut Outcome,
    ) {
        let _ = (at, flow);
        match action {
            Action::PutDhcpV4 { target, .. } | Action::PutDhcpV6 { target, .. } => {
                let text = "/* We assume that this packet is DHCPDISCOVER or DHCPREQUEST. */";
                out.push(NodeKind::Error(text.into()).into());
                self.options_given(action, target, moving, out);
            }
            Action::PutNdRa { target, .. } => self.options_given(action, target, moving, out),
            Action::DhcpRelay { target, .. } => {
                unmodelled(out, "the check of a relayed DHCP message");
                moving.write(target, 0);
            }
            Action::FwdGroup { child_ports, .. } => {
                let from = Tuple::of(&moving.fields).map_or(0, |it| hash(&it)) as usize;
                let port = child_ports.get(from % child_ports.len().max(1));
                let key = port.and_then(|name| self.network.port(name));
                let key = key.map_or(0, |port| self.network[port].key);
                let mut there = moving.clone();
                there.set(Field::OutPort, key.into());
                outcome.led_on = true;
                self.output(at, &there, out);
            }
            Action::Igmp => outcome.consumed = Some("for multicast snooping"),
            Action::HandleDhcpV6Reply => outcome.consumed = Some("for prefix delegation"),
            Action::HandleBfd => outcome.consumed = Some("for BFD"),
            Action::HandleSvcCheck(_) => outcome.consumed = Some("for a health check"),
            Action::BindVport { .. } => outcome.consumed = Some("to bind a virtual port"),
            Action::TriggerEvent { .. } => outcome.consumed = Some("to report an event"),
            Action::CommitLbAff { .. } => unmodelled(out, "the affinity of a load balancer"),
            Action::CommitEcmpNh { .. } => unmodelled(out, "the memory of ECMP next hops"),
            Action::FloodRemote => unmodelled(out, "flood_remote"),
            Action::Mirror(port) => remark(out, format!("/* a copy to \"{port}\" */")),
            // Queues, meters, samples and logs change nothing about where a packet goes.
            _ => {}
        }
    }

    fn options_given(
        &mut self,
        action: &Action,
        target: &Slice,
        moving: &mut Moving,
        out: &mut Vec<Node>,
    ) {
        let text = action.to_string();
        let call = text.split_once(" = ").map_or(&*text, |it| it.1);
        modify(out, call.trim_end_matches(';').to_owned());
        moving.write(target, 1);
    }

    fn port(&mut self, at: At, slice: &Slice, moving: &Moving) -> Option<PortId> {
        let key = self.read(slice, moving) as u32;
        self.network.port_with_key(at.datapath, key)
    }

    fn address(&mut self, family: Family, slice: &Slice, moving: &Moving) -> IpAddr {
        let value = self.read(slice, moving);
        match family {
            Family::V4 => IpAddr::V4((value as u32).into()),
            Family::V6 => IpAddr::V6(value.into()),
        }
    }

    fn neighbour(&mut self, at: At, port: &Slice, ip: &Slice, moving: &Moving) -> Option<Mac> {
        let family = if ip.width() == 32 {
            Family::V4
        } else {
            Family::V6
        };
        let address = self.address(family, ip, moving);
        let port = self.port(at, port, moving)?;
        let learned = self.state.neighbours.get(&(port, address)).copied();
        learned.or_else(|| self.network.neighbour(port, address))
    }

    fn learned(&self, at: At, mac: Mac) -> Option<u32> {
        let learned = self.state.learned.get(&(at.datapath, mac)).copied();
        learned.or_else(|| self.network.learned(at.datapath, mac))
    }
}

impl Moving {
    /// Forgets what connection tracking said.
    pub(crate) fn forget_connection(&mut self) {
        self.original = None;
        for field in [Field::CtState, Field::CtMark, Field::CtLabel] {
            self.set(field, 0);
        }
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

fn translated(mut tuple: Tuple, source: bool, address: IpAddr, port: u16) -> Tuple {
    let (to, to_port) = if source {
        (&mut tuple.src, &mut tuple.src_port)
    } else {
        (&mut tuple.dst, &mut tuple.dst_port)
    };
    *to = address;
    if port != 0 {
        *to_port = port;
    }
    tuple
}

/// The same for the same tuple in every process.
fn hash(tuple: &Tuple) -> u64 {
    let mut hasher = rustc_hash::FxHasher::default();
    tuple.hash(&mut hasher);
    hasher.finish()
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

fn query_name(query: Query) -> &'static str {
    match query {
        Query::DnsLookup => "dns_lookup",
        Query::ChkEcmpNhMac => "chk_ecmp_nh_mac",
        Query::ChkEcmpNh => "chk_ecmp_nh",
        _ => "chk_lb_aff",
    }
}

/// The names of the bits of a connection state, as `ovn-trace` has them.
pub(crate) fn state_text(state: u32) -> String {
    let names = ["new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"];
    let set = names
        .iter()
        .enumerate()
        .filter(|(at, _)| state >> at & 1 == 1);
    set.map(|it| *it.1).collect::<Vec<_>>().join("|")
}

/// A value in the notation of the field that it was read from.
fn shown(from: &Slice, value: u128) -> String {
    crate::print::value(from.bits().field, value)
}

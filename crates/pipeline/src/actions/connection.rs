//! Connection tracking, address translation and load balancing.
//!
//! Where the state is assumed, the texts and what follows are those of `ovn-trace`; where it is modelled, what a
//! switch does with a zone for each port of a switch and two for each router.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use logic::{Action, Backend, Field, LbFlag, LbKind, NatKind, Pipeline, Zone};

use super::{next, remark};
use crate::conntrack::{STATE_NAMES, Tuple, ZoneId, bit, ports, set_address};
use crate::machine::{At, Machine, Moving, Outcome};
use crate::network::{FlowId, Kind};
use crate::state::Tracking;
use crate::trace::{Node, NodeKind};

/// Bits of `ct_mark` and `ct_label` that load balancing sets.
const NATTED: u32 = 1 << 1;
const SKIP_SNAT: u32 = 1 << 2;
const FORCE_SNAT: u32 = 1 << 3;

impl Machine<'_> {
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

    pub(super) fn consult_tuple(&mut self, moving: &Moving) {
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

    pub(super) fn connection(
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
            _ => self.question(at, action, moving, out, outcome),
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
pub(super) fn hash(tuple: &Tuple) -> u64 {
    let mut hasher = rustc_hash::FxHasher::default();
    tuple.hash(&mut hasher);
    hasher.finish()
}

/// The names of the bits of a connection state, as `ovn-trace` has them.
pub(crate) fn state_text(state: u32) -> String {
    let set = STATE_NAMES
        .iter()
        .enumerate()
        .filter(|(at, _)| state >> at & 1 == 1);
    set.map(|it| *it.1).collect::<Vec<_>>().join("|")
}

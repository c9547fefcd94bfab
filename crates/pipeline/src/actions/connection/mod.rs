//! Connection tracking, address translation and load balancing.
//!
//! Where the state is assumed, the texts and what follows are those of `ovn-trace`; where it is modelled, what a
//! switch does with a zone for each port of a switch and two for each router.

mod balance;
mod nat;

use logic::{Action, Field, NatKind, Pipeline, Zone};

use super::remark;
use crate::conntrack::{Connection, Found, PlacedZone, STATE_NAMES, Tuple, ZoneId, bit};
use crate::conntrack::{ports, set_address};
use crate::machine::{At, Machine, Moving, Outcome};
use crate::network::{FlowId, Kind};
use crate::payload::Payload;
use crate::state::Tracking;
use crate::trace::Node;

impl Machine<'_> {
    /// The zone in which a datapath tracks a packet.
    fn zone(&self, at: At, moving: &Moving, wanted: Option<Zone>) -> PlacedZone {
        let datapath = &self.network[at.datapath];
        let zone = match (datapath.kind, wanted) {
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
        };
        (zone, moving.place)
    }

    fn nat_zone(&self, at: At, moving: &Moving, kind: NatKind) -> PlacedZone {
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
    fn track(
        &mut self,
        at: At,
        zone: PlacedZone,
        title: &str,
        moving: &Moving,
        out: &mut Vec<Node>,
    ) {
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
            let original = tracked.original.or_else(|| Tuple::of(&tracked.fields));
            tracked.remember_original(original);
        } else {
            let state = self.remembered(zone, &mut tracked, title != "ct_next");
            title = format!("{title}(ct_state={})", state_text(state));
        }
        self.transformed(at, title, &mut tracked, out);
    }

    pub(crate) fn consult_tuple(&mut self, moving: &Moving) {
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

    /// What a zone knows of a packet.
    fn known(&mut self, zone: PlacedZone, moving: &Moving) -> Found {
        let about = moving.about();
        self.state.connections.find(zone, &moving.fields, about)
    }

    /// Gives a packet the state that its connection has, and with `translate` its addresses.
    fn remembered(&mut self, zone: PlacedZone, moving: &mut Moving, translate: bool) -> u32 {
        let found = self.known(zone, moving);
        let mut state = found.state;
        moving.remember_original(Tuple::of(&moving.fields));
        moving.set(Field::CtMark, 0);
        moving.set(Field::CtLabel, 0);
        let connection = found.id.and_then(|id| self.state.connections.get(id));
        if let Some(connection) = connection {
            let translated = connection.reply.reversed();
            let original = connection.original;
            if (original.src, original.src_port) != (translated.src, translated.src_port) {
                state |= bit::SNAT;
            }
            if (original.dst, original.dst_port) != (translated.dst, translated.dst_port) {
                state |= bit::DNAT;
            }
            let (mark, label) = (connection.mark, connection.label);
            if translate && found.is_related {
                turn_error_back(connection, found.is_reply, moving);
            } else if translate {
                let other = if found.is_reply {
                    original.reversed()
                } else {
                    translated
                };
                other.apply(&mut moving.fields);
                moving.written_addresses();
            }
            moving.remember_original(Some(original));
            moving.set(Field::CtMark, mark.into());
            moving.set(Field::CtLabel, label);
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
                self.untrack(moving);
                outcome.consumed = outcome.consumed.or(Some("to remember its connection"));
            }
            Action::CtCommitToZone(wanted) => {
                let zone = self.zone(at, moving, Some(*wanted));
                self.commit(at, flow, zone, &[], moving);
                self.untrack(moving);
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
                hash_fields,
                flag,
            } => {
                outcome.led_on = true;
                let among = (backends.as_slice(), hash_fields.as_deref());
                self.balance(at, (*kind, *flag), among, moving, out);
            }
            Action::CtClear => moving.forget_connection(),
            Action::CtSnatToVip => {
                if let Some(vip) = moving.original.map(|it| it.dst) {
                    remark(out, format!("/* nat(src={vip}) */"));
                    let zone = self.zone(at, moving, Some(Zone::Snat));
                    self.commit_translated(zone, (true, vip, 0), moving);
                    set_address(&mut moving.fields, false, vip);
                    moving.written_addresses();
                    self.untrack(moving);
                }
            }
            _ => self.question(at, action, moving, out, outcome),
        }
    }

    /// What a switch does after a look-up that does not lead on: the packet goes on as one that was never tracked.
    fn untrack(&self, moving: &mut Moving) {
        if self.state.is_modelled() {
            moving.forget_connection();
        }
    }

    /// Remembers a connection, with what the actions inside of the commit say about it.
    fn commit(
        &mut self,
        at: At,
        flow: FlowId,
        zone: PlacedZone,
        inner: &[Action],
        moving: &mut Moving,
    ) {
        let (Tracking::Modelled, Some(tuple)) = (&self.state.tracking, Tuple::of(&moving.fields))
        else {
            return;
        };
        let found = self.known(zone, moving);
        let id = match found.id {
            // An error is no connection of its own, nor does it change the one that it is about.
            _ if found.is_related => return,
            None if found.state & bit::INV != 0 => return,
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
}

/// The names of the bits of a connection state, as `ovn-trace` has them.
pub(crate) fn state_text(state: u32) -> String {
    let set = STATE_NAMES
        .iter()
        .enumerate()
        .filter(|(at, _)| state >> at & 1 == 1);
    set.map(|it| *it.1).collect::<Vec<_>>().join("|")
}

/// Gives an ICMP error the addresses that it would have had before translation, in the header and in what it quotes.
fn turn_error_back(connection: &Connection, is_reply: bool, moving: &mut Moving) {
    let translated = connection.reply.reversed();
    // The packet that it is about, as its sender knows it, and as it was seen here.
    let (sent, seen) = if is_reply {
        (connection.original, translated)
    } else {
        (connection.reply, connection.original.reversed())
    };
    if sent.src != seen.src {
        set_address(&mut moving.fields, true, sent.src);
    }
    if sent.dst != seen.dst {
        set_address(&mut moving.fields, false, sent.dst);
    }
    moving.payload = Payload::About(sent).into();
    moving.written_addresses();
}

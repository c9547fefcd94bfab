//! Load balancing.

use std::net::IpAddr;

use logic::{Backend, Field, LbFlag, LbKind};

use super::nat::translated;
use crate::conntrack::{Tuple, bit};
use crate::machine::{At, Machine, Moving};
use crate::trace::{Node, NodeKind};

/// Bits of `ct_mark` and `ct_label` that load balancing sets.
const NATTED: u32 = 1 << 1;
const SKIP_SNAT: u32 = 1 << 2;
const FORCE_SNAT: u32 = 1 << 3;

impl Machine<'_> {
    /// `ct_lb` and its kin: a backend for a new connection, for others the one that they have.
    pub(super) fn balance(
        &mut self,
        at: At,
        (kind, flag): (LbKind, Option<LbFlag>),
        (backends, hash_fields): (&[Backend], Option<&str>),
        moving: &Moving,
        out: &mut Vec<Node>,
    ) {
        let name = match kind {
            LbKind::Label => "ct_lb",
            LbKind::Mark => "ct_lb_mark",
            LbKind::MarkLocal => "ct_lb_mark_local",
        };
        let zone = self.zone(at, moving, None);
        let chosen = self.backend(kind, backends, hash_fields, moving);
        if chosen.is_none() && !backends.is_empty() {
            let text = "*** no load balancing destination (use --lb-dst)";
            out.push(NodeKind::Error(text.into()).into());
        }
        self.consult_tuple(moving);
        let from = Tuple::of(&moving.fields);
        if self.state.is_modelled() {
            if let Some((address, port)) = chosen
                && let Some(id) = self.commit_translated(zone, (false, address, port), moving)
                && let Some(connection) = self.state.connections.get_mut(id)
            {
                let marks = marks(flag);
                match kind {
                    LbKind::Label => connection.label |= u128::from(marks),
                    LbKind::Mark | LbKind::MarkLocal => connection.mark |= marks,
                }
            }
            return self.track(at, zone, name, moving, out);
        }
        let mut there = moving.clone();
        let mut title = name.to_owned();
        if let (Some((address, port)), Some(from)) = (chosen, from) {
            there.remember_original(Some(from));
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
        self.transformed(at, title, &mut there, out);
    }

    /// The backend for a packet: the one that is preferred, else one that its fields decide on.
    fn backend(
        &mut self,
        kind: LbKind,
        backends: &[Backend],
        hash_fields: Option<&str>,
        moving: &Moving,
    ) -> Option<(IpAddr, u16)> {
        let from = Tuple::of(&moving.fields)?;
        let suits: Vec<(IpAddr, u16)> = backends
            .iter()
            .filter(|it| it.address.is_ipv4() == from.src.is_ipv4())
            .filter(|it| kind != LbKind::MarkLocal || self.is_local(it, moving))
            .map(|it| (it.address, it.port.unwrap_or(0)))
            .collect();
        if let Some((address, port)) = self.options.backend {
            let wanted = |it: &&(IpAddr, u16)| it.0 == address && (port == 0 || it.1 == port);
            if let Some(chosen) = suits.iter().find(wanted) {
                return Some(*chosen);
            }
            if backends.is_empty() && address.is_ipv4() == from.src.is_ipv4() {
                return Some((address, port));
            }
        }
        if suits.is_empty() {
            return None;
        }
        let at = self.choose(moving, hash_fields, suits.len() as u64);
        suits.get(at as usize).copied()
    }

    /// Whether a backend is on the chassis that has the packet; one whose port nobody says is.
    fn is_local(&self, backend: &Backend, moving: &Moving) -> bool {
        let port = backend.port_name.as_ref();
        let port = port.and_then(|name| self.network.port(name));
        match (moving.place, port) {
            (Some(here), Some(port)) => self.network[port].place == Some(here),
            _ => true,
        }
    }
}

/// The bits of `ct_mark` or `ct_label` that say how a connection was balanced.
const fn marks(flag: Option<LbFlag>) -> u32 {
    NATTED
        | match flag {
            Some(LbFlag::SkipSnat) => SKIP_SNAT,
            Some(LbFlag::ForceSnat) => FORCE_SNAT,
            None => 0,
        }
}

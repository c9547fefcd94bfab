//! Address translation.

use std::net::IpAddr;

use logic::{Field, NatKind};

use crate::conntrack::{PlacedZone, Tuple, bit};
use crate::machine::{At, Machine, Moving};
use crate::trace::Node;

impl Machine<'_> {
    /// Remembers a new connection whose source or destination is translated, where connections are remembered. Gives
    /// the connection; none when it was known already, or cannot be one.
    pub(super) fn commit_translated(
        &mut self,
        zone: PlacedZone,
        (is_source, address, port): (bool, IpAddr, u16),
        moving: &Moving,
    ) -> Option<u32> {
        if !self.state.is_modelled() {
            return None;
        }
        let from = Tuple::of(&moving.fields)?;
        let found = self.known(zone, moving);
        if found.id.is_some() || found.state & bit::INV != 0 {
            return None;
        }
        let to = translated(from, is_source, address, port);
        Some(self.state.connections.commit(zone, from, to))
    }

    /// Translates to an address and, unless it is 0, a port; or undoes what is remembered.
    pub(super) fn nat(
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
        if self.state.is_modelled() {
            if let Some((address, port)) = target {
                self.commit_translated(zone, (is_source, address, port), moving);
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
        self.transformed(at, title, &mut there, out);
    }
}

pub(super) fn translated(mut tuple: Tuple, source: bool, address: IpAddr, port: u16) -> Tuple {
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

//! Look-ups: neighbours, learned addresses, port security, hairpins, the choice among members.

use std::net::IpAddr;

use logic::{Action, Family, Field, Query, Slice};
use packet::Mac;

use super::{from_number, modify, number, remark, unmodelled};
use crate::conntrack::{Tuple, bit};
use crate::machine::{At, Machine, Moving, Outcome};
use crate::network::PortId;
use crate::trace::{Drop, Node};

impl Machine<'_> {
    pub(super) fn question(
        &mut self,
        at: At,
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
                if self.state.is_modelled()
                    && let Some(port) = port
                {
                    self.state
                        .neighbours
                        .insert((port, address), from_number(mac));
                }
                outcome.consumed = Some("to learn a neighbour");
            }
            Action::GetFdb {
                target,
                remote: true,
                ..
            } => {
                let assumed =
                    "what a chassis has learned from VXLAN ends outside is not in the database";
                unmodelled(out, "get_remote_fdb", assumed);
                moving.write(target, 0);
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
                if self.state.is_modelled() {
                    let learned = (at.datapath, from_number(mac));
                    self.state.learned.insert(learned, key as u32);
                }
                outcome.consumed = Some("to learn an address");
            }
            Action::Query { target, query } => self.query(at, target, *query, moving, out),
            Action::Select {
                target,
                members,
                hash_fields,
            } => {
                outcome.led_on = true;
                let among = (members.as_slice(), hash_fields.as_deref());
                self.select(at, target, among, moving, out);
            }
            _ => self.remember(at, action, moving, out, outcome),
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
            Query::DnsLookup => self.dns_lookup(at, moving, out).into(),
            Query::ChkEcmpNhMac => self.comes_from_next_hop(at, moving).into(),
            Query::ChkEcmpNh => self.goes_to_next_hop(at, moving).into(),
            Query::ChkLbAff => self.stays_with_backend(at, moving, out).into(),
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
        (members, hash_fields): (&[(u16, u16)], Option<&str>),
        moving: &Moving,
        out: &mut Vec<Node>,
    ) {
        let preferred = members.iter().find(|it| Some(it.0) == self.options.select);
        let total: u64 = members.iter().map(|it| u64::from(it.1)).sum();
        let mut point = self.choose(moving, hash_fields, total);
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
        let mut there = moving.clone();
        there.write(target, (*chosen).into());
        let title = format!("select: {target} = {chosen}{comment}");
        self.transformed(at, title, &mut there, out);
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

//! Floating addresses: they are answered for and delivered as own ones, and translated by the connection tracker.
//!
//! The tracker does it because an address may stand for another in one direction and not in the other: an answer
//! bears the floating address only where the question was for it.

use std::net::IpAddr;

use openflow::action::{Nat, NatDirection, NatRange};
use openflow::{Flow, Match};

use super::build::{Side, commit, with_address, with_bits};
use super::nic::Nic;
use super::{LOCATE, NAT, REWRITE, bit};
use crate::cookie::Kind;

pub(super) fn ipv4(nic: &Nic<'_>) -> Vec<Flow> {
    let floating = nic.vnic.floating_ips.ipv4.iter();
    let entries = floating.map(|entry| {
        let fixed = nic.vnic.fixed_ipv4(entry).map(IpAddr::from);
        (entry.ip_address.into(), fixed, entry.outbound)
    });
    all(nic, Kind::FloatingIpv4, entries)
}

pub(super) fn ipv6(nic: &Nic<'_>) -> Vec<Flow> {
    let floating = nic.vnic.floating_ips.ipv6.iter();
    let entries = floating.map(|entry| {
        let fixed = nic.vnic.fixed_ipv6(entry).map(IpAddr::from);
        (entry.ip_address.into(), fixed, entry.outbound)
    });
    all(nic, Kind::FloatingIpv6, entries)
}

fn all(
    nic: &Nic<'_>,
    kind: Kind,
    entries: impl Iterator<Item = (IpAddr, Option<IpAddr>, bool)>,
) -> Vec<Flow> {
    let mut out = Vec::new();
    for (place, (floating, fixed, outbound)) in entries.enumerate() {
        let (by, Some(fixed)) = ((kind, place), fixed) else {
            continue;
        };
        out.extend(nic.answer(by, floating));
        out.extend(nic.locate(by, floating));
        out.push(translate(nic, by, (floating, fixed), true));
        if outbound {
            out.push(translate(nic, by, (floating, fixed), false));
        }
    }
    out
}

/// New connections to the floating address go to the fixed one; those from the fixed one bear the floating one.
fn translate(
    nic: &Nic<'_>,
    by: (Kind, usize),
    (floating, fixed): (IpAddr, IpAddr),
    inbound: bool,
) -> Flow {
    let (half, side, found, direction, put, table) = match inbound {
        true => {
            let half = bit::TO_MACHINE;
            (
                half,
                Side::Destination,
                floating,
                NatDirection::Destination,
                fixed,
                REWRITE,
            )
        }
        false => (
            0,
            Side::Source,
            fixed,
            NatDirection::Source,
            floating,
            LOCATE,
        ),
    };
    let matches: Match = with_bits(nic.card(), half, bit::TO_MACHINE);
    let matches = with_address(matches, side, found.into());
    let range = match put {
        IpAddr::V4(address) => NatRange::V4(address, None),
        IpAddr::V6(address) => NatRange::V6(address, None),
    };
    let nat = Nat {
        direction: Some(direction),
        range: Some(range),
        ..Nat::default()
    };
    nic.flow(
        by,
        (NAT, 100),
        matches,
        vec![commit(inbound, Some((nat, table)))],
    )
}

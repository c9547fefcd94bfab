//! What the pipeline has for every machine: the flows that belong to the host itself.

use std::collections::BTreeSet;

use openflow::{Action, Field, Flow, Match, Port, Vlan};

use super::answer::{finish, to_uplink};
use super::build::{
    FAMILIES, MLD_TYPES, ND_ADVERT, ND_SOLICIT, ND_TYPES, commit, copy, from_machine, goto, icmpv6,
    set_bits, track, with_bits,
};
use super::{
    ANSWER, ANSWER_ND, CLASSIFY, GUARD, LOCATE, MARK_INBOUND, NAT, NETWORK, OUTPUT, POLICY,
    REWRITE, STATE, TRACK, VERDICT, bit, out_port, part, uplink_of_network, vlan_of_network,
};
use crate::cookie::{Cookie, CookieError};
use crate::host::{Host, Ports};
use crate::params::{Findings, InterfaceType, Path, Problems};

/// Bits of a connection's state (`ovs-fields(7)`, `ct_state`).
mod ct {
    pub(super) const NEW: u32 = 1;
    pub(super) const EST: u32 = 1 << 1;
    pub(super) const REL: u32 = 1 << 2;
    pub(super) const INV: u32 = 1 << 4;
    pub(super) const TRK: u32 = 1 << 5;
}

/// A fragment that is not the first (`ovs-fields(7)`, `ip_frag`).
const LATER: u8 = 3;

type Entry = (u8, u16, Match, Vec<Action>);

/// The host's own flows.
///
/// # Errors
/// When the host makes no sense, or an uplink is no port of the bridge.
pub(crate) fn host_flows(host: &Host, ports: &Ports) -> Result<Vec<Flow>, Problems> {
    host.check()?;
    let mut found = Findings::default();
    let mut uplinks = BTreeSet::new();
    for interface_type in InterfaceType::ALL {
        let Some(uplink) = host.uplink(interface_type) else {
            continue;
        };
        match ports.number(&uplink.port) {
            Some(number) => _ = uplinks.insert(number),
            None => found.add(
                &Path::root().field(interface_type).field("port"),
                format_args!("{} is no port of the bridge", uplink.port),
            ),
        }
    }
    found.finish()?;
    let per_uplink = uplinks.into_iter().flat_map(uplink);
    let all = [
        guard(),
        answer(),
        tracking(),
        state(),
        verdict(),
        nat(),
        locate(),
        output(),
    ];
    let entries = per_uplink.chain(all.into_iter().flatten());
    let flow = |(table, priority, matches, actions): Entry| -> Result<Flow, CookieError> {
        Ok(Flow::new(table, priority, matches, actions).cookie(Cookie::Host.marshal()?))
    };
    let flows: Result<_, _> = entries.map(flow).collect();
    Ok(flows.expect("the host's cookie has no numbers"))
}

/// In and out of an uplink, with and without a VLAN.
fn uplink(number: u16) -> Vec<Entry> {
    let port = Port(number.into());
    let from = |more: Vec<Action>| {
        let mut actions = vec![
            set_bits(bit::FROM_UPLINK, bit::FROM_UPLINK),
            Action::load(number, uplink_of_network()),
        ];
        actions.extend(more);
        actions.push(Action::GotoTable(ANSWER));
        actions
    };
    let tagged = vec![
        copy(part(Field::VlanVid, 0, 12), vlan_of_network()),
        Action::PopVlan,
    ];
    let arrives = Match::new().in_port(port);
    let leaves = Match::new().with_masked(Field::Reg(4), u32::from(number), 0xffffu32);
    let untagged = leaves.clone().with_masked(NETWORK, 0u32, 0xfffu32);
    let tagged_out = tag().into_iter().chain([Action::output(port)]).collect();
    vec![
        (
            CLASSIFY,
            100,
            arrives.clone().vlan(Vlan::Present),
            from(tagged),
        ),
        (CLASSIFY, 100, arrives.no_vlan(), from(Vec::new())),
        (OUTPUT, 110, untagged, vec![Action::output(port)]),
        (OUTPUT, 100, leaves, tagged_out),
    ]
}

/// Puts the network's VLAN on the packet.
fn tag() -> [Action; 2] {
    [
        Action::PushVlan(0x8100),
        copy(vlan_of_network(), part(Field::VlanVid, 0, 12)),
    ]
}

/// What speaks of neighbours or routers and no machine may send.
fn guard() -> Vec<Entry> {
    let forbidden = |kind| (GUARD, 60, icmpv6(Match::new(), kind), Vec::new());
    ND_TYPES.map(forbidden).into()
}

/// What is not answered here goes on: ARP to where it is for, what a machine listens to to the network, the rest of a
/// machine through its connections.
fn answer() -> Vec<Entry> {
    let from_uplink = with_bits(Match::new(), bit::FROM_UPLINK, bit::FROM_UPLINK);
    let mut out = vec![
        (ANSWER, 20, from_uplink, goto(LOCATE)),
        (ANSWER, 20, Match::new().arp(), goto(LOCATE)),
        (ANSWER, 10, Match::new(), goto(TRACK)),
    ];
    let answers =
        finish().map(|(priority, matches, actions)| (ANSWER_ND, priority, matches, actions));
    out.extend(answers);
    let listens = |kind| (ANSWER, 20, icmpv6(from_machine(), kind), to_uplink());
    out.extend(MLD_TYPES.map(listens));
    out
}

/// Neighbour discovery has no connections; all else of IP is tracked.
fn tracking() -> Vec<Entry> {
    let half = |to_machine: bool| {
        let value = if to_machine { bit::TO_MACHINE } else { 0 };
        let next = if to_machine { REWRITE } else { LOCATE };
        let base = with_bits(Match::new(), value, bit::TO_MACHINE);
        [ND_SOLICIT, ND_ADVERT].map(|kind| (TRACK, 20, icmpv6(base.clone(), kind), goto(next)))
    };
    let ip = |family: super::build::Family| {
        let matches = family.packets(Match::new());
        (TRACK, 10, matches, vec![track(STATE)])
    };
    let mut out: Vec<Entry> = FAMILIES.map(ip).into();
    out.extend(half(false).into_iter().chain(half(true)));
    out
}

/// Asks the policies of the direction in which the connection was opened, with the addresses and ports of its first
/// packet.
fn ask(inbound: bool) -> Vec<Action> {
    let value = if inbound { bit::INBOUND } else { 0 };
    vec![
        set_bits(value, bit::INBOUND),
        Action::Resubmit {
            in_port: None,
            table: Some(POLICY),
            ct: true,
        },
        Action::GotoTable(VERDICT),
    ]
}

fn state() -> Vec<Entry> {
    let known = ct::TRK | ct::INV;
    let invalid = Match::new().ct_state(known, known);
    let mut out = vec![(STATE, 100, invalid, Vec::new())];
    for inbound in [false, true] {
        // Errors that speak of a connection, and its packets both ways, go by who opened it.
        let mark = if inbound { MARK_INBOUND } else { 0 };
        for (priority, state) in [(90, ct::REL), (80, ct::EST)] {
            let matches = Match::new()
                .ct_state(ct::TRK | state, known | state)
                .with_masked(Field::CtMark, mark, MARK_INBOUND);
            out.push((STATE, priority, matches, ask(inbound)));
        }
        let half = if inbound { bit::TO_MACHINE } else { 0 };
        let opens = with_bits(Match::new(), half, bit::TO_MACHINE)
            .ct_state(ct::TRK | ct::NEW, known | ct::NEW);
        out.push((STATE, 60, opens, ask(inbound)));
    }
    // The kernel's datapath shows whole packets here; that in user space shows fragments, of which the later have no
    // ports, not even those of their connection. They are worth nothing without the first, which is looked at: neither
    // to the receiver nor to the tracker, which makes a connection known by whole packets alone.
    for family in FAMILIES {
        let later = family
            .packets(Match::new())
            .with(Field::IpFrag, LATER)
            .ct_state(ct::TRK, known);
        let actions = vec![
            set_bits(bit::ALLOWED, bit::ALLOWED),
            Action::GotoTable(VERDICT),
        ];
        out.push((STATE, 95, later, actions));
    }
    // A card without policies may do everything: they are what closes it.
    let open = vec![set_bits(bit::ALLOWED, bit::ALLOWED)];
    out.push((POLICY, 0, Match::new(), open));
    out
}

fn verdict() -> Vec<Entry> {
    let allowed =
        |value: u32, mask: u32| with_bits(Match::new(), bit::ALLOWED | value, bit::ALLOWED | mask);
    let new = allowed(0, 0).ct_state(ct::TRK | ct::NEW, ct::TRK | ct::NEW);
    vec![
        (VERDICT, 20, new, goto(NAT)),
        (VERDICT, 10, allowed(0, bit::TO_MACHINE), goto(LOCATE)),
        (
            VERDICT,
            10,
            allowed(bit::TO_MACHINE, bit::TO_MACHINE),
            goto(REWRITE),
        ),
    ]
}

/// New connections without a translation.
fn nat() -> Vec<Entry> {
    let mut out = Vec::new();
    for family in FAMILIES {
        for (half, next) in [(0, LOCATE), (bit::TO_MACHINE, REWRITE)] {
            let matches = with_bits(family.packets(Match::new()), half, bit::TO_MACHINE);
            let known = commit(half != 0, None);
            out.push((NAT, 10, matches, vec![known, Action::GotoTable(next)]));
        }
    }
    out
}

/// What no machine of this host gets goes to the network if a machine sent it. IP multicast goes nowhere.
fn locate() -> Vec<Entry> {
    let group = [1, 0, 0, 0, 0, 0];
    let multicast = |base: Match| base.with_masked(Field::EthDst, group, group);
    let neighbours = |kind| {
        (
            LOCATE,
            160,
            multicast(icmpv6(from_machine(), kind)),
            to_uplink(),
        )
    };
    let mut out: Vec<Entry> = [ND_SOLICIT, ND_ADVERT].map(neighbours).into();
    for family in FAMILIES {
        let matches = multicast(family.packets(from_machine()));
        out.push((LOCATE, 150, matches, Vec::new()));
    }
    out.push((LOCATE, 10, from_machine(), to_uplink()));
    out
}

/// Answers go back by the port of the question, with its VLAN; the rest where the register says.
fn output() -> Vec<Entry> {
    let back = || Action::output(Port::IN_PORT);
    let reflect =
        |value: u32, mask: u32| with_bits(Match::new(), bit::REFLECT | value, bit::REFLECT | mask);
    let outside = reflect(bit::FROM_UPLINK, bit::FROM_UPLINK);
    let untagged = outside.clone().with_masked(NETWORK, 0u32, 0xfffu32);
    let tagged = tag().into_iter().chain([back()]).collect();
    let by_register = Action::OutputReg {
        source: out_port(),
        max_len: u16::MAX,
    };
    let any = with_bits(Match::new(), 0, bit::REFLECT);
    vec![
        (OUTPUT, 220, untagged, vec![back()]),
        (OUTPUT, 210, outside, tagged),
        (OUTPUT, 200, reflect(0, 0), vec![back()]),
        (OUTPUT, 10, any, vec![by_register]),
    ]
}

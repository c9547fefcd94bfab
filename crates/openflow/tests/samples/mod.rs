//! One flow for each field and each action, and one group of each kind.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use openflow::action::{
    Bundle, BundleAlgorithm, Controller, Ct, CtZone, HashFields, Learn, LearnSource, LearnSpec,
    LearnTarget, Multipath, Nat, NatDirection, NatRange, Sample,
};
use openflow::field::Needs;
use openflow::group::SelectionMethod;
use openflow::{
    Action, Bucket, Field, FieldValue, Flow, FlowFlags, Group, GroupKind, Match, Port, VlanId,
};

pub(crate) const MAC: [u8; 6] = [0x0a, 0, 0, 0, 0, 1];

fn v6(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)
}

/// A match that satisfies what a field presupposes.
fn base(needs: Needs) -> Match {
    let nd = |kind: u8| {
        Match::new()
            .ipv6()
            .ip_proto(58)
            .with(Field::Icmpv6Type, kind)
    };
    match needs {
        Needs::None => Match::new(),
        Needs::Ct => Match::new()
            .ip()
            .ct_state(0x22, 0x22)
            .with(Field::CtNwProto, 6u8),
        Needs::VlanVid => Match::new().vlan_vid(VlanId::new(5).expect("in range")),
        Needs::Mpls => Match::new().eth_type(0x8847),
        Needs::Ipv4 | Needs::Ip => Match::new().ip(),
        Needs::Ipv6 => Match::new().ipv6(),
        Needs::Arp => Match::new().arp(),
        Needs::Tcp => Match::new().ip().ip_proto(6),
        Needs::Udp => Match::new().ip().ip_proto(17),
        Needs::Sctp => Match::new().ipv6().ip_proto(132),
        Needs::Icmp4 => Match::new().ip().ip_proto(1),
        Needs::Icmp6 => Match::new().ipv6().ip_proto(58),
        Needs::Nd => nd(135),
        Needs::NdSolicit => nd(135),
        Needs::NdAdvert => nd(136),
        Needs::Nsh => Match::new().eth_type(0x894f),
    }
}

/// A value that a field can have.
fn value(field: Field) -> u128 {
    match field {
        Field::ArpOp => 2,
        Field::VlanTci => 0x3a0b,
        Field::CtState => 0x22,
        Field::PacketType => 0x1_0800,
        Field::InPort | Field::InPortOxm | Field::ActsetOutput => 2,
        Field::EthType => 0x88cc,
        Field::VlanVid => 0x1007,
        Field::IpTos => 0x40,
        Field::TunErspanVer => 1,
        Field::NshMdtype => 1,
        Field::CtNwProto | Field::IpProto => 17,
        Field::Icmpv6Type => 128,
        Field::TunMetadata(_) => 0x1234_5678,
        Field::NdTarget | Field::Ipv6Src | Field::Ipv6Dst => v6(9).to_bits(),
        _ => 0x1_0203_0405_0607_0809_0a0b & field.full_mask(),
    }
}

/// Fields that cannot stand alone in a match.
fn skipped(field: Field) -> bool {
    matches!(
        field,
        // Set by the datapath: a controller must not match it.
        Field::RecircId
            // Only one tunnel option is mapped.
            | Field::TunMetadata(1..)
            // Bits of the datapath alone.
            | Field::DpHash
            // In place of Ethernet, which the switch here needs.
            | Field::PacketType
            // Open vSwitch 3.1 takes the value for the mask, so that something else comes back.
            | Field::TunErspanVer
            | Field::TunErspanHwid
            | Field::TunGtpuFlags
            | Field::TunGtpuMsgtype
    )
}

/// One match for each field, and one with a mask where the field has masks.
fn matches() -> Vec<Match> {
    let mut out = vec![
        Match::new(),
        Match::new().ip(),
        Match::new().ipv6(),
        Match::new().arp(),
    ];
    for field in Field::all().filter(|field| !skipped(*field)) {
        let info = field.info();
        let base = || match field {
            Field::CtIpv6Src | Field::CtIpv6Dst => Match::new()
                .ipv6()
                .ct_state(0x22, 0x22)
                .with(Field::CtNwProto, 6u8),
            _ => base(info.needs),
        };
        // Some bits of the state have no meaning, and the switch refuses to look at them.
        if field != Field::CtState {
            out.push(base().with_value(FieldValue::exact(field, value(field))));
        }
        if info.maskable {
            let mask = match field {
                Field::VlanTci => 0x1fff,
                Field::CtState => 0x2f,
                _ => 0xaaaa_aaaa_aaaa_aaaa_aaaa_aaaa_aaaa_aaaa & field.full_mask(),
            };
            out.push(base().with_value(FieldValue::masked(field, value(field), mask)));
        }
    }
    out.extend([
        base(Needs::Ipv4).with_masked(Field::IpSrc, 0xc000_0200_u32, 0xffff_ff00_u32),
        base(Needs::Ipv6).with_masked(Field::Ipv6Src, v6(0), u128::MAX << 64),
        Match::new().with_masked(Field::EthDst, 1u128 << 40, 1u128 << 40),
        Match::new().no_vlan(),
        Match::new().with_masked(Field::VlanVid, 0x1000u16, 0x1000u16),
        base(Needs::Ip).with_masked(Field::IpFrag, 1u8, 1u8),
        base(Needs::Ip).with(Field::IpFrag, 0u8),
        base(Needs::Ip).with(Field::IpFrag, 3u8),
        base(Needs::Tcp).with_masked(Field::TcpFlags, 0x12u16, 0x17u16),
        Match::new().ip().ct_state(0x21, 0x2f),
        Match::new().in_port(Port::LOCAL),
        Match::new().eth_type(0x8035).with(Field::ArpOp, 3u8),
        Match::new().ip().ip_proto(47),
        Match::new().ipv6().ip_proto(17).with(Field::UdpDst, 547u16),
    ]);
    out
}

/// The fields that some sample matches, as their canonical parts or as themselves.
pub(crate) fn matches_by_field() -> BTreeSet<Field> {
    Field::all().filter(|field| !skipped(*field)).collect()
}

fn nat(direction: NatDirection, range: Option<NatRange>) -> Nat {
    Nat {
        direction: Some(direction),
        range,
        ..Nat::default()
    }
}

fn ct(actions: Vec<Action>) -> Action {
    Action::Ct(Box::new(Ct {
        commit: true,
        zone: CtZone::Immediate(5),
        actions,
        ..Ct::default()
    }))
}

fn nats() -> Vec<Action> {
    let v4 = |last| Ipv4Addr::new(192, 0, 2, last);
    let list = [
        Nat::default(),
        nat(NatDirection::Source, None),
        nat(NatDirection::Source, Some(NatRange::V4(v4(1), None))),
        Nat {
            ports: Some((1000, Some(2000))),
            random: true,
            ..nat(NatDirection::Source, Some(NatRange::V4(v4(1), Some(v4(9)))))
        },
    ];
    list.into_iter()
        .map(|nat| ct(vec![Action::Nat(Box::new(nat))]))
        .collect()
}

/// The same for IPv6.
fn nats6() -> Vec<Action> {
    let list = [
        Nat {
            persistent: true,
            hash: true,
            ..nat(
                NatDirection::Destination,
                Some(NatRange::V6(v6(1), Some(v6(9)))),
            )
        },
        Nat {
            ports: Some((80, None)),
            ..nat(NatDirection::Destination, Some(NatRange::V6(v6(1), None)))
        },
    ];
    list.into_iter()
        .map(|nat| ct(vec![Action::Nat(Box::new(nat))]))
        .collect()
}

fn learn() -> Learn {
    let spec = |bits, source, target| LearnSpec {
        bits,
        source,
        target,
    };
    Learn {
        idle_timeout: 10,
        hard_timeout: 20,
        priority: 77,
        cookie: 0xabcd,
        table: 9,
        fin_idle_timeout: 1,
        fin_hard_timeout: 2,
        send_flow_rem: true,
        delete_learned: true,
        limit: 0,
        result: None,
        specs: vec![
            spec(
                16,
                LearnSource::Value(0x0800),
                LearnTarget::Match(Field::EthType.whole()),
            ),
            spec(
                48,
                LearnSource::Field(Field::EthSrc.whole()),
                LearnTarget::Match(Field::EthDst.whole()),
            ),
            spec(
                12,
                LearnSource::Field(Field::VlanTci.slice(0, 12)),
                LearnTarget::Match(Field::VlanTci.slice(0, 12)),
            ),
            spec(
                5,
                LearnSource::Value(0x15),
                LearnTarget::Load(Field::Reg(3).slice(3, 5)),
            ),
            spec(
                16,
                LearnSource::Field(Field::InPort.whole()),
                LearnTarget::Load(Field::Reg(4).slice(0, 16)),
            ),
            spec(
                16,
                LearnSource::Field(Field::InPort.whole()),
                LearnTarget::Output,
            ),
        ],
    }
}

fn controllers() -> Vec<Action> {
    let default = Controller::default();
    [
        Controller {
            userdata: vec![0, 0, 0, 1, 0, 0, 0, 0],
            ..default.clone()
        },
        Controller {
            userdata: vec![1, 2, 3],
            pause: true,
            meter_id: Some(7),
            ..default.clone()
        },
        Controller {
            max_len: 128,
            controller_id: 3,
            reason: 2,
            ..default
        },
    ]
    .into_iter()
    .map(|controller| Action::Controller(Box::new(controller)))
    .collect()
}

/// Action lists, each a flow.
fn actions() -> Vec<Vec<Action>> {
    let reg = |n, offset, bits| Field::Reg(n).slice(offset, bits);
    let bundle = |destination| {
        Action::Bundle(Box::new(Bundle {
            algorithm: BundleAlgorithm::ActiveBackup,
            fields: HashFields(0),
            basis: 0,
            members: vec![Port(1), Port(2), Port(3)],
            destination,
        }))
    };
    let sample = |port, direction| {
        Action::Sample(Box::new(Sample {
            probability: 100,
            collector_set: 1,
            domain: 2.into(),
            point: 3.into(),
            port,
            direction,
        }))
    };
    let mut out: Vec<Vec<Action>> = [
        Action::output(2),
        Action::output(Port::CONTROLLER),
        Action::output(Port::IN_PORT),
        Action::output(Port::LOCAL),
        Action::OutputTrunc {
            port: Port(3),
            max_len: 100,
        },
        Action::OutputReg {
            source: reg(15, 0, 16),
            max_len: 0,
        },
        Action::resubmit(9),
        Action::Resubmit {
            in_port: Some(Port(2)),
            table: Some(9),
            ct: false,
        },
        Action::Resubmit {
            in_port: Some(Port(2)),
            table: None,
            ct: false,
        },
        Action::set_field(Field::Reg(14), 7u32),
        Action::load(1u8, reg(10, 3, 1)),
        Action::set_field(Field::XxReg(1), v6(1)),
        Action::set_field(Field::XReg(1), 0x0102_0304_0506_0708u64),
        Action::set_field(Field::EthDst, MAC),
        Action::set_field(Field::Metadata, 9u64),
        Action::set_field(Field::TunId, 10u64),
        Action::set_field(Field::TunMetadata(0), 0x0001_0002u32),
        Action::load(0x7fffu16, Field::TunMetadata(0).slice(16, 15)),
        Action::set_field(Field::PktMark, 3u32),
        Action::set_field(Field::InPort, 0u16),
        Action::set_field(Field::TunDst, Ipv4Addr::new(192, 0, 2, 1)),
        Action::mov(reg(14, 0, 15), Field::TunMetadata(0).slice(16, 15)),
        Action::mov(reg(15, 0, 16), Field::TunMetadata(0).slice(0, 16)),
        Action::mov(Field::EthSrc, Field::EthDst),
        Action::mov(Field::TunId.slice(0, 24), Field::Metadata.slice(0, 24)),
        Action::Push(Field::InPort.whole()),
        Action::Push(reg(1, 4, 8)),
        Action::PushVlan(0x8100),
        Action::PushMpls(0x8847),
        Action::CtClear,
        Action::Group(1),
        Action::Meter(1),
        Action::SetQueue(5),
        Action::PopQueue,
        Action::Note(vec![1, 2, 3, 4, 5, 6]),
        sample(None, 0),
        sample(Some(Port(1)), 0),
        sample(Some(Port(1)), 2),
        Action::CheckPktLarger {
            len: 1400,
            destination: reg(9, 1, 1),
        },
        bundle(None),
        bundle(Some(reg(2, 0, 16))),
        Action::Multipath(Box::new(Multipath {
            fields: HashFields(1),
            basis: 50,
            algorithm: 2,
            max_link: 11,
            argument: 0,
            destination: reg(2, 0, 16),
        })),
        Action::Exit,
        Action::DeleteField(Field::TunMetadata(0)),
        Action::Learn(Box::new(learn())),
        Action::Learn(Box::new(Learn {
            limit: 5,
            result: Some(reg(1, 2, 1)),
            ..learn()
        })),
        Action::Clone(vec![
            Action::CtClear,
            Action::Clone(vec![Action::output(1)]),
        ]),
        Action::WriteMetadata {
            value: 5,
            mask: u64::MAX,
        },
        Action::WriteMetadata {
            value: 5,
            mask: 0xff,
        },
        Action::GotoTable(40),
        Action::ClearActions,
        Action::WriteActions(vec![Action::output(3)]),
    ]
    .into_iter()
    .map(|action| vec![action])
    .collect();
    out.extend(controllers().into_iter().map(|action| vec![action]));
    out.push(vec![
        Action::Push(Field::InPort.whole()),
        Action::load(0u8, Field::InPort),
        Action::resubmit(65),
        Action::Pop(Field::InPort.whole()),
    ]);
    out.push(vec![
        Action::output(1),
        Action::WriteActions(vec![Action::output(2)]),
        Action::GotoTable(41),
    ]);
    out
}

/// Actions that need an IP packet.
fn ip_actions() -> Vec<Vec<Action>> {
    let mark = FieldValue::masked(Field::CtMark, 1, 1);
    let label = FieldValue::exact(Field::CtLabel, 0x1234_0000_0000_0000_0000_0001);
    let mut out: Vec<Vec<Action>> = [
        Action::DecTtl,
        Action::DecTtlTo(vec![1, 2]),
        Action::set_field(Field::IpTtl, 64u8),
        Action::set_field(Field::IpSrc, Ipv4Addr::new(192, 0, 2, 9)),
        Action::mov(Field::IpSrc, Field::IpDst),
        Action::set_field(Field::IpDscp, 10u8),
        Action::Ct(Box::default()),
        Action::Ct(Box::new(Ct {
            table: Some(12),
            zone: CtZone::Field(Field::Reg(13).slice(0, 16)),
            ..Ct::default()
        })),
        Action::Ct(Box::new(Ct {
            commit: true,
            force: true,
            ..Ct::default()
        })),
        ct(vec![mark.into(), label.into()]),
        Action::Resubmit {
            in_port: None,
            table: Some(9),
            ct: true,
        },
    ]
    .into_iter()
    .map(|action| vec![action])
    .collect();
    out.extend(nats().into_iter().map(|action| vec![action]));
    out.push(vec![ct(vec![Action::Nat(Box::default()), mark.into()])]);
    out
}

/// Every match and every list of actions as a flow of its own.
pub(crate) fn flows() -> Vec<Flow> {
    let mut out = Vec::new();
    let mut seen = BTreeSet::new();
    for matches in matches() {
        // Several ways to write a field give one match.
        if seen.insert(matches.clone()) {
            let cookie = out.len() as u64;
            out.push(Flow::new(20, 1000, matches, vec![Action::output(1)]).cookie(cookie));
        }
    }
    for (n, actions) in (1u16..).zip(actions()) {
        out.push(Flow::new(30, n, Match::new(), actions));
    }
    let ip = Match::new().ip().ct_state(0x22, 0x22);
    for (n, actions) in (1u16..).zip(ip_actions()) {
        out.push(Flow::new(31, n, ip.clone(), actions));
    }
    for (n, action) in (1u16..).zip(nats6()) {
        let key = Match::new().ipv6().ct_state(0x22, 0x22);
        out.push(Flow::new(36, n, key, vec![action]));
    }
    let tcp = Match::new().ip().ip_proto(6);
    let alg = Ct {
        commit: true,
        alg: 21,
        ..Ct::default()
    };
    out.push(Flow::new(
        32,
        1,
        tcp.clone(),
        vec![Action::Ct(Box::new(alg))],
    ));
    out.push(Flow::new(
        32,
        2,
        tcp.clone(),
        vec![Action::FinTimeout { idle: 5, hard: 0 }],
    ));
    let conjunction = |clause| Action::Conjunction {
        id: 7,
        clause,
        clauses: 2,
    };
    out.push(Flow::new(
        33,
        5,
        Match::new().reg(0, 1),
        vec![conjunction(0)],
    ));
    out.push(Flow::new(
        33,
        5,
        Match::new().reg(0, 2),
        vec![
            conjunction(1),
            Action::Conjunction {
                id: 8,
                clause: 2,
                clauses: 3,
            },
        ],
    ));
    let vlan = Match::new().vlan_vid(VlanId::new(5).expect("in range"));
    out.push(Flow::new(
        34,
        1,
        vlan,
        vec![Action::PopVlan, Action::output(1)],
    ));
    let mpls = Match::new().eth_type(0x8847);
    out.push(Flow::new(
        34,
        2,
        mpls.clone(),
        vec![Action::PopMpls(0x0800)],
    ));
    out.push(Flow::new(34, 3, mpls, vec![Action::DecMplsTtl]));
    let vid = Action::set_field(Field::VlanVid, 0x1000u16 | 9);
    out.push(Flow::new(
        34,
        4,
        Match::new(),
        vec![Action::PushVlan(0x8100), vid],
    ));
    let timed = Flow {
        idle_timeout: 600,
        hard_timeout: 1200,
        importance: 3,
        flags: FlowFlags::SEND_FLOW_REM,
        cookie: 0x1234_5678_9abc_def0,
        ..Flow::new(35, 0x8000, tcp.with(Field::TcpDst, 80u16), Vec::new())
    };
    out.push(timed);
    out
}

pub(crate) fn group(id: u32, kind: GroupKind, selection: Option<SelectionMethod>) -> Group {
    let bucket = |id| Bucket {
        id,
        weight: if kind == GroupKind::Select { 100 } else { 0 },
        watch_port: (kind == GroupKind::FastFailover).then_some(Port(1)),
        watch_group: None,
        actions: vec![Action::output(id + 1)],
        ..Bucket::default()
    };
    let buckets = if kind == GroupKind::Indirect {
        vec![bucket(0)]
    } else {
        vec![bucket(0), bucket(1)]
    };
    Group {
        id,
        kind,
        buckets,
        selection,
        ..Group::default()
    }
}

pub(crate) fn groups() -> Vec<Group> {
    let selection = |method: &str, param, fields| {
        Some(SelectionMethod {
            method: method.to_owned(),
            param,
            fields,
        })
    };
    vec![
        group(1, GroupKind::All, None),
        group(2, GroupKind::Indirect, None),
        group(3, GroupKind::FastFailover, None),
        group(4, GroupKind::Select, selection("dp_hash", 0, Vec::new())),
        group(
            5,
            GroupKind::Select,
            selection(
                "hash",
                0,
                vec![
                    (Field::IpSrc, Field::IpSrc.full_mask()),
                    (Field::IpDst, Field::IpDst.full_mask()),
                ],
            ),
        ),
    ]
}

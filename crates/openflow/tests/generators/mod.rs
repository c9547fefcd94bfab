//! Random flows and groups, whether a switch would take them or not.

#![allow(dead_code, reason = "each test uses a part of it")]

use openflow::action::{
    Controller, Ct, CtZone, Learn, LearnSource, LearnSpec, LearnTarget, Nat, NatDirection, NatRange,
};
use openflow::group::SelectionMethod;
use openflow::{Action, Bucket, Field, FieldValue, Flow, Group, GroupKind, Match, Port};
use proptest::prelude::*;

pub(crate) fn field() -> impl Strategy<Value = Field> {
    let all: Vec<Field> = Field::all().collect();
    proptest::sample::select(all)
}

pub(crate) fn field_value() -> impl Strategy<Value = FieldValue> {
    let mask = prop_oneof![2 => Just(u128::MAX), 1 => any::<u128>()];
    (field(), any::<u128>(), mask).prop_map(|(field, value, mask)| match mask {
        u128::MAX => FieldValue::exact(field, value),
        mask => FieldValue::masked(field, value, mask),
    })
}

pub(crate) fn matches() -> impl Strategy<Value = Match> {
    proptest::collection::vec(field_value(), 0..8).prop_map(|entries| {
        entries.into_iter().fold(Match::new(), |mut sum, entry| {
            sum.insert(entry);
            sum
        })
    })
}

pub(crate) fn nat() -> impl Strategy<Value = Action> {
    (
        any::<Option<bool>>(),
        any::<u32>(),
        any::<Option<u32>>(),
        any::<Option<(u16, Option<u16>)>>(),
        any::<[bool; 3]>(),
    )
        .prop_map(|(source, min, max, ports, [persistent, hash, random])| {
            Action::Nat(Box::new(Nat {
                direction: source.map(|s| {
                    if s {
                        NatDirection::Source
                    } else {
                        NatDirection::Destination
                    }
                }),
                range: Some(NatRange::V4(min.into(), max.map(Into::into))),
                ports,
                persistent,
                hash,
                random,
            }))
        })
}

pub(crate) fn learn() -> impl Strategy<Value = Action> {
    let spec = (1u16..=64, any::<u64>(), 0u8..3).prop_map(|(bits, value, kind)| {
        let source = if kind == 1 {
            LearnSource::Value(u128::from(value) & ((1 << bits) - 1))
        } else {
            LearnSource::Field(Field::Metadata.slice(0, bits))
        };
        let target = match kind {
            0 => LearnTarget::Match(Field::TunId.slice(0, bits)),
            1 => LearnTarget::Load(Field::XReg(2).slice(0, bits)),
            _ => LearnTarget::Output,
        };
        LearnSpec {
            bits,
            source,
            target,
        }
    });
    (
        any::<(u16, u16, u64, u8, u32)>(),
        proptest::collection::vec(spec, 0..5),
    )
        .prop_map(|((idle_timeout, priority, cookie, table, limit), specs)| {
            let learn = Learn {
                idle_timeout,
                priority,
                cookie,
                table,
                limit,
                specs,
                ..Learn::default()
            };
            Action::Learn(Box::new(learn))
        })
}

pub(crate) fn plain_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        any::<u32>().prop_map(Action::output),
        field_value().prop_map(Action::SetField),
        (any::<Option<u8>>(), any::<bool>()).prop_map(|(table, ct)| Action::Resubmit {
            in_port: None,
            table: table.filter(|table| *table != 255),
            ct
        }),
        (any::<u32>(), any::<u8>(), any::<u8>()).prop_map(|(id, clause, clauses)| {
            Action::Conjunction {
                id,
                clause,
                clauses,
            }
        }),
        any::<u32>().prop_map(Action::Group),
        Just(Action::DecTtl),
        Just(Action::CtClear),
        proptest::collection::vec(any::<u16>(), 0..5).prop_map(Action::DecTtlTo),
        (
            proptest::collection::vec(any::<u8>(), 0..40),
            any::<bool>(),
            any::<u16>(),
            any::<Option<u32>>()
        )
            .prop_map(|(userdata, pause, controller_id, meter_id)| {
                let default = Controller::default();
                Action::Controller(Box::new(Controller {
                    userdata,
                    pause,
                    controller_id,
                    meter_id,
                    ..default
                }))
            }),
        nat(),
        learn(),
        (field(), field()).prop_map(|(from, to)| Action::mov(from.slice(0, 1), to.slice(0, 1))),
    ]
}

pub(crate) fn action() -> impl Strategy<Value = Action> {
    plain_action().prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Action::Clone),
            (
                proptest::collection::vec(inner, 0..4),
                any::<u16>(),
                any::<Option<u8>>()
            )
                .prop_map(|(actions, zone, table)| {
                    let zone = CtZone::Immediate(zone);
                    let table = table.filter(|table| *table != 255);
                    Action::Ct(Box::new(Ct {
                        zone,
                        table,
                        actions,
                        ..Ct::default()
                    }))
                }),
        ]
    })
}

pub(crate) fn actions() -> impl Strategy<Value = Vec<Action>> {
    proptest::collection::vec(action(), 0..5)
}

pub(crate) fn flow() -> impl Strategy<Value = Flow> {
    (
        any::<u8>(),
        any::<u16>(),
        matches(),
        actions(),
        any::<u64>(),
        any::<u16>(),
    )
        .prop_map(
            |(table, priority, matches, actions, cookie, idle_timeout)| Flow {
                cookie,
                idle_timeout,
                ..Flow::new(table, priority, matches, actions)
            },
        )
}

pub(crate) fn group() -> impl Strategy<Value = Group> {
    let bucket = (any::<u32>(), any::<u16>(), actions()).prop_map(|(id, weight, actions)| Bucket {
        id,
        weight,
        watch_port: (id % 2 == 0).then_some(Port(3)),
        watch_group: (id % 3 == 0).then_some(4),
        actions,
        other: Vec::new(),
    });
    (
        any::<u32>(),
        proptest::collection::vec(bucket, 0..4),
        any::<u64>(),
    )
        .prop_map(|(id, buckets, param)| Group {
            id,
            kind: GroupKind::Select,
            buckets,
            selection: (param % 2 == 0).then(|| SelectionMethod {
                method: "hash".to_owned(),
                param,
                fields: vec![(Field::IpSrc, 0xffff_ffff), (Field::IpProto, 0xff)],
            }),
            other: Vec::new(),
        })
}

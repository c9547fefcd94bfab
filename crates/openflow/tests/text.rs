//! What is printed is read as the same; whatever is read, reading ends well; errors have a place.

mod generators;
mod samples;

use openflow::action::Nat;
use openflow::message::{Meter, MeterBand};
use openflow::{Action, Bucket, Field, FieldValue, Flow, Group, Match, Parser, Port, port_masks};
use proptest::prelude::*;

/// Values of a field that its text can say. Flags and fragments have fewer names than bits.
fn sayable(entry: FieldValue) -> FieldValue {
    let (field, value, mask) = (entry.field(), entry.value(), entry.mask());
    match field {
        Field::CtState if mask & 0xff == 0 => FieldValue::masked(field, value, 0xff),
        Field::CtState => FieldValue::masked(field, value, mask & 0xff),
        // Without a name: another that differs as little as can be.
        Field::IpFrag if mask == 0 || value == 0 && mask == 1 => FieldValue::masked(field, 0, 3),
        Field::IpFrag if value & 2 != 0 => FieldValue::masked(field, 3, 3),
        Field::TcpFlags | Field::TunFlags if mask == 0 => FieldValue::exact(field, value),
        _ => exact_where_unmasked(entry),
    }
}

fn exact_where_unmasked(entry: FieldValue) -> FieldValue {
    let field = entry.field();
    if field.info().maskable && field != Field::VlanVid {
        entry
    } else {
        FieldValue::exact(field, entry.value())
    }
}

fn nat(nat: Nat) -> Nat {
    if nat.direction.is_none() {
        return Nat::default();
    }
    nat
}

fn sayable_action(action: Action) -> Action {
    match action {
        Action::SetField(entry) if entry.field().info().writable => {
            Action::SetField(sayable(entry))
        }
        Action::SetField(_) => Action::DecTtl,
        Action::Nat(inner) => Action::Nat(Box::new(nat(*inner))),
        Action::Clone(actions) => Action::Clone(sayable_actions(actions)),
        Action::Ct(mut ct) => {
            ct.actions = sayable_actions(ct.actions);
            Action::Ct(ct)
        }
        Action::Output { port, .. } => Action::output(Port(port.0)),
        // The text does not say how much of the packet a controller would get.
        Action::OutputReg { source, .. } => Action::OutputReg {
            source,
            max_len: u16::MAX,
        },
        other => other,
    }
}

fn sayable_actions(actions: Vec<Action>) -> Vec<Action> {
    actions.into_iter().map(sayable_action).collect()
}

/// As much of a match as a switch would accept.
fn valid(matches: &Match) -> Match {
    matches.fields().fold(Match::new(), |sum, entry| {
        let entry = sayable(entry);
        // The IP version, where it is open, is the fourth.
        let ip = |sum: &Match| match sum.get(Field::EthType) {
            None => sum.clone().ip(),
            Some(_) => sum.clone(),
        };
        let tries = [sum.clone().with_value(entry), ip(&sum).with_value(entry)];
        let good = tries.into_iter().find(|next| {
            // No VLAN has no priority.
            let vlan = next
                .get(Field::VlanVid)
                .is_none_or(|v| v.value() & 0x1000 != 0);
            let pcp = next.get(Field::VlanPcp).is_some();
            next.check().is_ok() && (vlan || !pcp)
        });
        good.unwrap_or(sum)
    })
}

fn sayable_flow(mut flow: Flow) -> Flow {
    flow.key.matches = valid(&flow.key.matches);
    flow.actions = sayable_actions(flow.actions.to_vec()).into();
    flow
}

fn sayable_group(mut group: Group) -> Group {
    group.buckets = group
        .buckets
        .into_iter()
        .map(|bucket| Bucket {
            weight: bucket.weight.max(1),
            actions: sayable_actions(bucket.actions),
            ..bucket
        })
        .collect();
    group
}

/// A text of the flow language with something else put into it.
fn spoilt() -> impl Strategy<Value = String> {
    let pieces = proptest::sample::select(vec![
        "(",
        ")",
        "[",
        "]",
        "=",
        ":",
        ",",
        "->",
        "/",
        "..",
        "0x",
        "-",
        "+",
        "|",
        "ct",
        "\"",
        "actions=",
        "bucket=",
        "99999999999999999999",
        "é",
        "\0",
        "learn(",
        "nat(src=[",
        "]:",
    ]);
    (
        generators::flow(),
        proptest::collection::vec((any::<prop::sample::Index>(), pieces, 0usize..4), 1..5),
    )
        .prop_map(|(flow, changes)| {
            let mut text: Vec<char> = flow.to_string().chars().collect();
            for (place, piece, cut) in changes {
                let at = place.index(text.len());
                let end = (at + cut).min(text.len());
                text.splice(at..end, piece.chars());
            }
            text.into_iter().collect()
        })
}

fn read_as_everything(text: &str) {
    let names = |name: &str| (name == "p1").then_some(Port(1));
    let parser = Parser::with_names(&names);
    let length = text.chars().count();
    for result in [
        parser.flow_spec(text).map(drop),
        parser.flow(text).map(drop),
        parser.group(text).map(drop),
        parser.meter(text).map(drop),
        parser.actions(text).map(drop),
        parser.matches(text).map(drop),
    ] {
        if let Err(error) = result {
            assert!((1..=length + 1).contains(&error.column), "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_printed_flow_is_read_as_the_same(flow in generators::flow()) {
        let flow = sayable_flow(flow);
        let text = flow.to_string();
        let read = text.parse::<Flow>();
        prop_assert_eq!(read.as_ref(), Ok(&flow), "{}", text);
    }

    #[test]
    fn a_printed_group_is_read_as_the_same(group in generators::group()) {
        let group = sayable_group(group);
        let text = group.to_string();
        let read = text.parse::<Group>();
        prop_assert_eq!(read.as_ref(), Ok(&group), "{}", text);
    }

    #[test]
    fn spoilt_texts_do_no_harm(text in spoilt()) {
        read_as_everything(&text);
    }

    #[test]
    fn random_texts_do_no_harm(text in "\\PC{0,60}") {
        read_as_everything(&text);
    }

    #[test]
    fn masks_of_ports_are_the_range_and_nothing_else(a in any::<u16>(), b in any::<u16>()) {
        let (first, last) = (a.min(b), a.max(b));
        let masks = port_masks(first, last);
        prop_assert!(masks.len() <= 30);
        let mut next = u32::from(first);
        for (value, mask) in masks {
            prop_assert_eq!(u32::from(value), next);
            prop_assert_eq!(value & !mask, 0);
            next += u32::from(!mask) + 1;
        }
        prop_assert_eq!(next, u32::from(last) + 1);
    }
}

#[test]
fn every_field_action_and_group_kind_is_read_as_it_was_printed() {
    for mut flow in samples::flows() {
        flow.actions = sayable_actions(flow.actions.to_vec()).into();
        // A switch has two values for later fragments, and the language one name.
        let frag = flow.key.matches.get(Field::IpFrag);
        if frag.is_some_and(|entry| entry.mask() == 2 && entry.value() == 2) {
            continue;
        }
        let text = flow.to_string();
        assert_eq!(text.parse().as_ref(), Ok(&flow), "{text}");
    }
    for group in samples::groups() {
        let text = group.to_string();
        assert_eq!(text.parse().as_ref(), Ok(&group), "{text}");
    }
}

#[test]
fn headers_around_a_packet_are_read_as_they_were_printed() {
    for text in [
        "encap(ethernet)",
        "encap(nsh)",
        "encap(nsh(md_type=1))",
        "encap(nsh(md_type=2,tlv(0x1000,10,0x12345678),tlv(0x2000,20,0xfedcba9876543210)))",
        "encap(mpls)",
        "encap(mpls_mc)",
        "encap(packet_type(ns=1,type=0x1234))",
        "decap()",
        "decap(packet_type(ns=1,type=0x894f))",
    ] {
        let actions = Parser::default().actions(text).expect(text);
        assert_eq!(actions[0].to_string(), text);
    }
}

#[test]
fn a_printed_meter_is_read_as_the_same() {
    let meter = Meter {
        id: 3,
        flags: Meter::KBPS | Meter::BURST,
        bands: vec![
            MeterBand::Drop { rate: 1, burst: 2 },
            MeterBand::DscpRemark {
                rate: 3,
                burst: 4,
                level: 5,
            },
        ],
    };
    assert_eq!(meter.to_string().parse().as_ref(), Ok(&meter));
}

#[test]
fn an_error_says_column_token_and_what_was_expected() {
    let cases = [
        ("tcp,tp_dst=99999 actions=drop", 12, "99999"),
        ("table=256,actions=drop", 7, "256"),
        ("ip,nw_src=10.0.0.300 actions=drop", 11, "10.0.0.300"),
        ("ip,nosuch=1 actions=drop", 4, "nosuch"),
        ("nosuch actions=drop", 1, "nosuch"),
        ("tcp_dst=80 actions=drop", 1, "tcp_dst"),
        ("actions=output:1,nosuch", 18, "nosuch"),
        ("actions=drop,output:1", 9, "drop"),
        ("actions=load:256->NXM_NX_REG0[0..7]", 14, "256"),
        ("actions=load:1->NXM_NX_REG0[8..40]", 32, "40"),
        ("actions=load:1->NXM_NX_REG0[9..3]", 29, "9..3"),
        ("actions=clone(output:1", 23, ""),
        ("actions=set_field:1->dl_type", 22, "dl_type"),
        ("actions=encap(gre)", 15, "gre"),
        ("actions=encap(nsh(md_type=3))", 27, "3"),
        ("actions=encap(mpls(md_type=1))", 20, "md_type"),
        ("actions=decap(ethernet)", 15, "ethernet"),
        ("ip", 3, ""),
        ("actions=ct(nat(src=10.0.0.1-fd00::1))", 29, "fd00::1"),
    ];
    for (text, column, token) in cases {
        let error = text.parse::<Flow>().expect_err(text);
        assert_eq!(
            (error.column, error.token.as_str()),
            (column, token),
            "{text}: {error}"
        );
        assert!(!error.expected.is_empty());
    }
    let error = "tcp,tp_dst=x actions=drop"
        .parse::<Flow>()
        .expect_err("no port");
    assert_eq!(
        error.to_string(),
        "column 12: `x`: expected a number up to 65535"
    );
}

#[test]
fn nesting_ends() {
    for depth in [8, 17, 10_000] {
        let text = format!("actions={}{}", "clone(".repeat(depth), ")".repeat(depth));
        assert_eq!(text.parse::<Flow>().is_ok(), depth <= 16, "{depth}");
    }
}

//! Beside a stock agent: the flows that OVN 23.03's `ovn-controller` made of the recorded Southbound, and
//! ours of the same, compared table by table. What differs is listed, with the reason.
//!
//! `tests/stock` holds the record: the rows, the facts of the chassis, and the flows as OpenFlow messages.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use openflow::action::decode;
use openflow::message::{HEADER, Message};
use openflow::{Action, Field, FieldValue, Flow, FlowKey, Subfield};
use physical::opcode::{Opcode, OptionsRequest, Userdata};
use physical::tables;

fn recorded() -> Vec<Flow> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stock/flows.bin");
    let bytes = std::fs::read(path).unwrap();
    let mut rest = bytes.as_slice();
    let mut flows = Vec::new();
    while !rest.is_empty() {
        let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        assert!(length >= HEADER);
        let (message, tail) = rest.split_at(length);
        rest = tail;
        match Message::decode(message).unwrap() {
            (_, Message::FlowMod(change)) => flows.push(change.flow),
            other => panic!("{other:?} in the record"),
        }
    }
    flows
}

/// Registers have names of three widths; gives bits the narrowest that holds them.
fn narrow(bits: Subfield) -> Subfield {
    let (first, words) = match bits.field {
        Field::XReg(n) => (n * 2, 2),
        Field::XxReg(n) => (n * 4, 4),
        _ => return bits,
    };
    let (low, high) = (bits.offset / 32, (bits.offset + bits.bits - 1) / 32);
    if low == high {
        let register = first + (words - 1 - low as u8);
        return Field::Reg(register).slice(bits.offset % 32, bits.bits);
    }
    if words == 4 && low / 2 == high / 2 {
        let register = first / 2 + (1 - (low / 2) as u8);
        return Field::XReg(register).slice(bits.offset % 64, bits.bits);
    }
    bits
}

fn narrow_value(value: &FieldValue) -> FieldValue {
    let mask = value.mask();
    let offset = mask.trailing_zeros() as u16;
    let bits = (128 - mask.leading_zeros()) as u16 - offset;
    let narrow = narrow(Subfield {
        field: value.field(),
        offset,
        bits,
    });
    let back = |wide: u128| wide >> offset << narrow.offset;
    FieldValue::masked(narrow.field, back(value.value()), back(mask))
}

/// What an action means, as text; what is only written differently reads the same.
fn meaning(action: &Action) -> String {
    match action {
        Action::SetField(value) => {
            let value = narrow_value(value);
            format!("{}={:#x}/{:#x}", value.field(), value.value(), value.mask())
        }
        Action::Move {
            source,
            destination,
        } => {
            format!("{}<-{}", narrow(*destination), narrow(*source))
        }
        Action::Push(bits) => format!("push {}", narrow(*bits)),
        Action::Pop(bits) => format!("pop {}", narrow(*bits)),
        Action::Clone(inner) => format!("clone({})", meanings(inner)),
        Action::Ct(ct) => {
            let table = ct.table;
            format!(
                "ct({} {:?} {table:?} {})",
                ct.commit,
                ct.zone,
                meanings(&ct.actions)
            )
        }
        Action::Controller(controller) => {
            let data = Userdata::decode(&controller.userdata).unwrap();
            let arguments = match data.opcode {
                Opcode::PutDhcpOpts | Opcode::PutDhcpv6Opts | Opcode::PutNdRaOpts => {
                    let request = OptionsRequest::decode(&data.arguments).unwrap();
                    format!(
                        "{:?} {:?}",
                        request.result.narrow(),
                        sorted(&data, &request.body)
                    )
                }
                Opcode::Log => format!("{:?}", data.arguments),
                _ => meanings(&decode(&data.arguments).unwrap()),
            };
            format!("{}({} {arguments})", data.opcode, controller.pause)
        }
        // Numbers and order of clauses are each side's own; that there is one is not.
        Action::Conjunction { clauses, .. } => format!("clause of {clauses}"),
        other => format!("{other:?}"),
    }
}

/// Options are a set: the order in which they are asked for does not matter.
fn sorted(data: &Userdata, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    if data.opcode != Opcode::PutNdRaOpts {
        body.sort_unstable();
    }
    body
}

/// Copies out of several ports in a row are a set.
fn meanings(actions: &[Action]) -> String {
    let is_output = |action: &Action| matches!(action, Action::Output { .. });
    let runs = actions.chunk_by(|a, b| is_output(a) && is_output(b));
    let words = runs.flat_map(|run| {
        let mut words: Vec<String> = run.iter().map(meaning).collect();
        words.sort_unstable();
        words
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A flow's key without the number of its conjunction.
fn key(key: &FlowKey) -> String {
    let mut text = format!("table={} priority={}", key.table, key.priority);
    for value in key.matches.fields() {
        let number = match value.field() {
            Field::ConjId => "any".into(),
            _ if value.is_exact() => format!("{:#x}", value.value()),
            _ => format!("{:#x}/{:#x}", value.value(), value.mask()),
        };
        write!(text, " {}={number}", value.field()).unwrap();
    }
    text
}

/// What is meant to differ, by table and priority.
fn is_expected(table: u8, flow: &str) -> bool {
    let has = |text: &str| flow.contains(text);
    let is_listener_report = ["0x82", "0x83", "0x84", "0x8f"]
        .iter()
        .any(|kind| has(&format!("icmpv6_type={kind}")));
    match table {
        // The MAC addresses of other chassis on a shared wire are not replaced.
        tables::PHY_TO_LOG => has("priority=180"),
        // Localports get their zone in the copy that goes to them, not in the one before.
        tables::REMOTE_OUTPUT | tables::LOCAL_OUTPUT => has("metadata=0x1") && has("reg15=0x80"),
        // Neighbour discovery is checked in full: for solicitations too, with the valid hop limit.
        tables::CHECK_IN_PORT_SECURITY_ND => has("eth_type=0x86dd"),
        // Listener reports are multicast, by a newer definition of the predicate.
        _ if is_listener_report => true,
        // A register that holds its argument already is not saved and restored.
        25 => has("priority=1 eth_type=0x800"),
        // Two ports times two addresses are multiplied out.
        46 => has("priority=2002"),
        _ => false,
    }
}

#[test]
fn tables_agree_with_a_stock_agent() {
    let physical = support::computed(support::stock());
    assert_eq!(physical.diagnostics(), []);
    let by_key = |flows: Vec<Flow>| -> BTreeMap<(u8, String), BTreeSet<(u64, String)>> {
        let mut map: BTreeMap<(u8, String), BTreeSet<(u64, String)>> = BTreeMap::new();
        for flow in flows {
            let at = (flow.key.table, key(&flow.key));
            map.entry(at)
                .or_default()
                .insert((flow.cookie, meanings(&flow.actions.to_vec())));
        }
        map
    };
    let ours = by_key(
        physical
            .flows()
            .map(|(key, body)| body.to_flow(key.clone()))
            .collect(),
    );
    let stock = by_key(recorded());
    let mut differences = String::new();
    let mut equal = 0;
    for at in ours.keys().chain(stock.keys()).collect::<BTreeSet<_>>() {
        if ours.get(at) == stock.get(at) {
            equal += 1;
        } else if !is_expected(at.0, &at.1) {
            writeln!(
                differences,
                "{}\n  ours  {:?}\n  stock {:?}",
                at.1,
                ours.get(at),
                stock.get(at)
            )
            .unwrap();
        }
    }
    assert_eq!(differences, "");
    assert!(equal > 850, "{equal} keys are equal");
}

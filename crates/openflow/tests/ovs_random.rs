//! Random flows over the whole language on a real switch: what we write, it holds and `ovs-ofctl` prints;
//! what `ovs-ofctl` writes out of our text, we read.

mod samples;
mod switch;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use openflow::message::{
    FlowMod, GroupCommand, GroupMod, Meter, MeterBand, MeterCommand, MeterMod, TlvMap, TlvTableMod,
};
use openflow::{Action, Field, Flow, Match, Message};
use switch::{Connection, Switch};

/// How many flows are tried. `RANDOM_FLOWS` makes it more.
fn count() -> usize {
    let more = std::env::var("RANDOM_FLOWS").ok();
    more.and_then(|text| text.parse().ok()).unwrap_or(1500)
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// Whether `ovs-ofctl` writes all of a flow and reads it again: of some fields it leaves out parts, and it
/// wants meters before all else.
fn is_told(flow: &Flow) -> bool {
    let meter = |action: &Action| matches!(action, Action::Meter(_));
    let meters_first = !flow.actions.iter().skip(1).any(|action| meter(&action));
    meters_first
        && flow.key.matches.fields().all(|entry| {
            !matches!(
                entry.field(),
                Field::NshC1
                    | Field::NshC2
                    | Field::NshC3
                    | Field::NshC4
                    | Field::TunErspanIdx
                    | Field::TunErspanDir
                    | Field::TunGbpFlags
            )
        })
}

/// Flows out of pieces of the samples, each of which uses a field or an action.
fn flows(dice: &mut Dice, wanted: usize) -> Vec<Flow> {
    let samples = samples::flows();
    let mut out: Vec<Flow> = Vec::new();
    for priority in 1..=u16::try_from(wanted).expect("few") {
        let mut matches = Match::new();
        for _ in 0..=dice.roll(4) {
            let sample = &samples[dice.roll(samples.len())].key.matches;
            let next =
                sample
                    .fields()
                    .fold(matches.clone(), |sum, entry| match sum.get(entry.field()) {
                        Some(_) => sum,
                        None => sum.with_value(entry),
                    });
            if next.check().is_ok() {
                matches = next;
            }
        }
        let mut actions: Vec<Action> = Vec::new();
        for _ in 0..dice.roll(4) {
            let sample = &samples[dice.roll(samples.len())].actions;
            let next: Vec<Action> = actions.iter().cloned().chain(sample).collect();
            let flow = Flow::new(10, priority, matches.clone(), next.clone());
            if flow.check().is_ok() {
                actions = next;
            }
        }
        let flow = Flow::new(10, priority, matches, actions).cookie(dice.roll(1 << 30) as u64);
        // The text puts instructions behind the other actions.
        let text = flow.to_string();
        let read: Flow = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        out.push(read);
    }
    out
}

fn prepare(connection: &mut Connection) {
    let map = TlvMap {
        class: 0x0102,
        kind: 0x80,
        length: 4,
        index: 0,
    };
    let meter = |id| {
        Message::MeterMod(MeterMod {
            command: MeterCommand::Add,
            meter: Meter {
                id,
                flags: Meter::KBPS | Meter::BURST,
                bands: vec![MeterBand::Drop {
                    rate: 1000,
                    burst: 100,
                }],
            },
        })
    };
    let mut messages = vec![
        Message::TlvTableMod(TlvTableMod::Add(vec![map])),
        meter(1),
        meter(7),
    ];
    for group in samples::groups() {
        let add = GroupMod::new(GroupCommand::Add, group);
        messages.push(Message::GroupMod(Box::new(add)));
    }
    assert_eq!(connection.send_all(&messages), []);
}

#[test]
fn random_flows_are_the_same_to_us_to_the_switch_and_to_ovs_ofctl() {
    let switch = Switch::start();
    let mut connection = switch.connect();
    prepare(&mut connection);
    let flows = flows(&mut Dice(7), count());
    let adds: Vec<Message> = flows
        .iter()
        .map(|flow| Message::FlowMod(Box::new(FlowMod::add(flow.clone()))))
        .collect();
    let refused: BTreeMap<usize, String> = connection
        .send_all(&adds)
        .into_iter()
        .map(|(place, error)| (place, format!("{error}: {}", flows[place])))
        .collect();
    // A few contradict themselves in ways that only the switch knows.
    assert!(
        refused.len() * 5 < flows.len(),
        "{} of {}: {refused:#?}",
        refused.len(),
        flows.len()
    );
    let good: Vec<&Flow> = flows
        .iter()
        .enumerate()
        .filter(|(place, _)| !refused.contains_key(place))
        .map(|(_, flow)| flow)
        .collect();
    let held = connection.flows_by_key();
    let mut different = String::new();
    for flow in &good {
        match held.get(&flow.key) {
            Some(got) if got == *flow => {}
            Some(got) => different += &format!("ours:     {flow}\nswitch's: {got}\n"),
            None => different += &format!("missing:  {flow}\n"),
        }
    }
    assert!(different.is_empty(), "{different}");

    let printed: BTreeSet<String> = switch
        .ofctl(&["--no-stats", "dump-flows", "br0"])
        .into_iter()
        .filter(|line| line.contains("actions="))
        .collect();
    let told: Vec<&Flow> = good.iter().copied().filter(|flow| is_told(flow)).collect();
    let missing: Vec<String> = told
        .iter()
        .map(ToString::to_string)
        .filter(|line| !printed.contains(line))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}\n{printed:#?}");

    let clear = Message::FlowMod(Box::new(FlowMod::delete_all()));
    assert_eq!(connection.send_all(&[clear]), []);
    let lines: Vec<String> = told.iter().map(ToString::to_string).collect();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("flows");
    fs::write(&file, lines.join("\n")).expect("a file");
    switch.ofctl(&["add-flows", "br0", file.to_str().expect("plain")]);
    let theirs = connection.flows_by_key();
    assert_eq!(theirs.len(), told.len());
    for flow in told {
        assert_eq!(theirs.get(&flow.key), Some(flow), "{flow}");
    }
}

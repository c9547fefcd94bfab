//! What the crate does with flows, a step at a time: `cargo bench -p openflow`.
//!
//! The flows are such as a host has many of. Figures only. With the name of a step and a number just that is done, the
//! number of times: for counting instructions.

#![allow(clippy::print_stdout, missing_docs, reason = "a command-line tool")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use openflow::message::multipart::{FlowCounters, FlowDesc, FlowList, Part};
use openflow::message::{FlowMod, MultipartReply};
use openflow::sync::State;
use openflow::{Flow, Message};

/// A flow such as a host has many of.
fn line(number: u32) -> String {
    let (a, b, c) = (number >> 16 & 0xff, number >> 8 & 0xff, number & 0xff);
    let port = number % 997 + 1;
    let cookie = 0x1000_0000 + number;
    match number % 4 {
        0 => format!(
            "cookie={cookie:#x},table=33,priority=100,reg15={port:#x},metadata={:#x} \
             actions=load:{port:#x}->NXM_NX_REG13[],load:{:#x}->NXM_NX_REG11[],resubmit(,40)",
            number / 4 + 1,
            port + 1
        ),
        1 => format!(
            "cookie={cookie:#x},table=17,priority=2002,ip,reg14={port:#x},metadata={:#x},\
             nw_src=10.{a}.{b}.{c} actions=load:0x1->NXM_NX_XXREG0[97],resubmit(,40)",
            number % 251 + 1
        ),
        2 => format!(
            "cookie={cookie:#x},table=25,priority=50,metadata={:#x},dl_dst=0a:58:0a:{a:02x}:{b:02x}:{c:02x} \
             actions=load:{port:#x}->NXM_NX_REG15[],resubmit(,40)",
            number % 251 + 1
        ),
        _ => format!(
            "cookie={cookie:#x},table=14,priority=120,ct_state=+new+trk,tcp,metadata={:#x},\
             nw_dst=172.{a}.{b}.{c},tp_dst={} actions=ct(commit,table=40,zone=NXM_NX_REG11[0..15],\
             nat(dst=10.{a}.{b}.{c}:8080))",
            number % 251 + 1,
            port + 1024
        ),
    }
}

/// The flows in every form.
struct World {
    lines: Vec<String>,
    flows: Vec<Flow>,
    changes: Vec<FlowMod>,
    /// Messages that add the flows, one each.
    messages: Vec<Vec<u8>>,
    /// Answers that tell of them.
    answers: Vec<Vec<u8>>,
    state: State,
}

impl World {
    fn new(count: u32) -> Self {
        let lines: Vec<String> = (0..count).map(line).collect();
        let flows: Vec<Flow> = lines
            .iter()
            .map(|line| line.parse().expect("a flow"))
            .collect();
        let changes: Vec<FlowMod> = flows.iter().cloned().map(FlowMod::add).collect();
        let messages = changes.iter().map(|change| {
            let message = Message::FlowMod(Box::new(change.clone()));
            message.encode(7).expect("bytes")
        });
        let answers = flows.chunks(300).map(|some| {
            let counters = FlowCounters {
                duration: Some((5, 7)),
                idle: Some((5, 0)),
                packets: Some(1),
                bytes: Some(60),
            };
            let told = |flow: &Flow| FlowDesc {
                flow: flow.clone(),
                counters,
                hard_age: None,
            };
            let part = Part::Flows(some.iter().map(told).collect());
            let reply = MultipartReply { more: true, part };
            Message::MultipartReply(reply).encode(7).expect("bytes")
        });
        Self {
            messages: messages.collect(),
            answers: answers.collect(),
            state: State::new(flows.iter().cloned(), []),
            lines,
            flows,
            changes,
        }
    }
}

/// Calls `take` with the flows of each answer.
fn each_list(world: &World, mut take: impl FnMut(FlowList)) {
    for answer in &world.answers {
        let Ok((_, Message::MultipartReply(reply))) = Message::decode(answer) else {
            continue;
        };
        if let Part::Flows(list) = reply.part {
            take(list);
        }
    }
}

/// A step's name, and what it does with every flow once.
type Step = (&'static str, fn(&World));

const STEPS: [Step; 7] = [
    ("read", |world| {
        for line in &world.lines {
            black_box(line.parse::<Flow>().is_ok());
        }
    }),
    ("print", |world| {
        let mut line = String::new();
        for flow in &world.flows {
            line.clear();
            let _ = write!(line, "{flow}");
            black_box(&line);
        }
    }),
    ("decode", |world| {
        for message in &world.messages {
            black_box(Message::decode(message).is_ok());
        }
    }),
    ("decode-dump", |world| {
        for answer in &world.answers {
            black_box(Message::decode(answer).is_ok());
        }
    }),
    ("compare", |world| {
        let actual = State::new(world.flows.iter().cloned(), []);
        black_box(world.state.diff(&actual).len());
    }),
    ("decode-dump-compare", |world| {
        let mut told = FlowList::default();
        each_list(world, |list| told.append(list));
        black_box(world.state.diff_told(&told).len());
    }),
    ("decode-dump-print", |world| {
        let mut line = String::new();
        each_list(world, |list| {
            for flow in list.iter() {
                line.clear();
                let _ = write!(line, "{flow}");
                black_box(&line);
            }
        });
    }),
];

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let count = 20_000;
    let world = World::new(count);
    if let [name, times] = arguments.as_slice() {
        let step = STEPS.iter().find(|(known, _)| known == name);
        let (_, step) = step.expect("the name of a step");
        for _ in 0..times.parse().expect("a number") {
            step(&world);
        }
        return;
    }
    println!("| a flow | ns |\n|---|---|");
    for (name, step) in STEPS {
        let mut all: Vec<u128> = (0..15)
            .map(|_| {
                let start = Instant::now();
                step(&world);
                start.elapsed().as_nanos() / u128::from(count)
            })
            .collect();
        all.sort_unstable();
        println!("| {name} | {} |", all[0]);
    }
    black_box(world.changes.len());
}

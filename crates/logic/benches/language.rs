//! How fast the language is read and normalised, and how much memory a million flows take: `cargo bench -p logic`.
//!
//! The flows are such as a cluster of nodes and pods has, each address and port its own. Figures only, in processor
//! time. A number as argument is how many flows; with `parse`, `actions` or `normalise` just that is done, and the number
//! is how often all 2,400 texts: for counting instructions.

#![allow(clippy::print_stdout, missing_docs, reason = "a command-line tool")]

use std::alloc::System;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use cap::Cap;
use logic::{
    About, Constant, Environment, Expr, Flow, FlowText, Interner, Limits, Pipeline, Stage, Str,
    Symbols, parse_actions, parse_match,
};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

const LONG: Duration = Duration::from_secs(1);

/// Match, actions and the line of code that it comes from, of flow `n`.
fn text(n: u32) -> (String, String, &'static str) {
    let (node, pod) = (n / 12 / 50, n / 12 % 50);
    let port = format!("pod-{node}-{pod}");
    let mac = |kind: u8| {
        format!(
            "0a:58:{kind:02x}:{:02x}:{:02x}:{:02x}",
            node >> 8 & 0xff,
            node & 0xff,
            pod + 2
        )
    };
    let ip = Ipv4Addr::from_bits(0x0a80_0000 + node * 256 + pod + 2);
    let service = Ipv4Addr::from_bits(0xac1e_0000 + n / 12);
    match n % 12 {
        0 => (
            format!("eth.dst == {}", mac(10)),
            format!("outport = \"{port}\"; output;"),
            "northd.c:9001",
        ),
        1 => (
            format!("arp.tpa == {ip} && arp.op == 1"),
            format!(
                "eth.dst = eth.src; eth.src = {0}; arp.op = 2; /* ARP reply */ arp.tha = arp.sha; arp.sha = {0}; \
                 arp.tpa = arp.spa; arp.spa = {ip}; outport = inport; flags.loopback = 1; output;",
                mac(10)
            ),
            "northd.c:8002",
        ),
        2 => (
            format!("arp.tpa == {ip} && arp.op == 1 && inport == \"{port}\""),
            "next;".into(),
            "northd.c:8003",
        ),
        3 => (
            format!("outport == \"rtos-{node}\" && reg0 == {ip}"),
            format!("eth.dst = {}; next;", mac(10)),
            "northd.c:12004",
        ),
        4 => (
            format!("reg7 == 0 && ip4.dst == {ip}/32"),
            format!(
                "ip.ttl--; reg8[0..15] = 0; reg0 = ip4.dst; reg1 = {ip}; eth.src = {}; outport = \"rtos-{node}\"; \
                 flags.loopback = 1; next;",
                mac(11)
            ),
            "northd.c:10005",
        ),
        5 => (
            format!(
                "reg0[7] == 1 && (outport == @pg_{node} && ip4 && ip4.src == $as_{node}_{pod} && tcp.dst == {{80, 443}})"
            ),
            "reg0[1] = 1; next;".into(),
            "northd.c:6006",
        ),
        6 => (
            format!("ct.new && ip4.dst == {service} && tcp.dst == 80"),
            format!(
                "reg0[1] = 0; reg1 = {service}; reg2[0..15] = 80; ct_lb_mark(backends={ip}:8080,10.128.7.9:8080);"
            ),
            "northd.c:7007",
        ),
        7 => (
            format!("inport == \"{port}\""),
            "reg0[15] = check_in_port_sec(); next;".into(),
            "northd.c:5008",
        ),
        8 => (
            format!("ip4 && ip4.src == {ip}/32 && is_chassis_resident(\"cr-rtos-{node}\")"),
            format!("ct_snat({service});"),
            "northd.c:13009",
        ),
        9 => ("!ct.trk || !ct.new".into(), "next;".into(), "northd.c:6010"),
        10 => (
            format!("eth.dst == {} && !ip4.mcast", mac(12)),
            "next;".into(),
            "northd.c:11011",
        ),
        _ => (
            "ct.est && !ct.rel && !ct.new && !ct.inv && ct.rpl && ct_mark.blocked == 0".into(),
            "reg0[9] = 0; reg0[10] = 0; reg0[17] = 1; next;".into(),
            "northd.c:6012",
        ),
    }
}

struct World(Arc<[Constant]>, Arc<[Str]>);

impl Environment for World {
    fn address_set(&self, _: &str) -> Option<Arc<[Constant]>> {
        Some(self.0.clone())
    }

    fn port_group(&self, _: &str) -> Option<Arc<[Str]>> {
        Some(self.1.clone())
    }

    fn port_key(&self, name: &str) -> Option<u32> {
        Some(name.len() as u32)
    }

    fn is_resident(&self, _: &str) -> bool {
        true
    }
}

fn world() -> World {
    let addresses = (0..8).map(|n| Ipv4Addr::from_bits(0x0a80_0000 + n * 3).into());
    World(
        addresses.collect(),
        ["a".into(), "bb".into(), "ccc".into()].into(),
    )
}

/// The processor time of this thread, which other load on the machine changes little.
fn processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    // The first number is nanoseconds on a processor (Documentation/scheduler/sched-stats.rst).
    let first = text.split(' ').next().and_then(|it| it.parse().ok());
    Duration::from_nanos(first.expect("Linux tells how long a thread has run"))
}

/// Does it over and over for a while; how many of `items` a second of processor time.
fn rate<T>(items: &[T], rounds: Option<u32>, mut work: impl FnMut(&T)) -> f64 {
    let start = processor();
    let mut count = 0_u32;
    while rounds.map_or_else(|| processor() - start < LONG, |rounds| count < rounds) {
        items.iter().for_each(&mut work);
        count += 1;
    }
    f64::from(count) * items.len() as f64 / (processor() - start).as_secs_f64()
}

fn say(what: &str, per_second: f64, bytes: usize) {
    let each = 1e9 / per_second;
    let megabytes = per_second * bytes as f64 / 1e6;
    println!(
        "{what}: {:.2} million/s, {each:.0} ns each, {megabytes:.0} MB/s",
        per_second / 1e6
    );
}

fn read(text: &str) -> Expr {
    parse_match(text, Symbols::ovn()).expect("a match of the benchmark is in the language")
}

fn speed(only: Option<&str>, rounds: Option<u32>) {
    let texts: Vec<_> = (0..2400).map(text).collect();
    let wanted = |part: &str| only.is_none_or(|only| only == part);
    let length = |of: fn(&(String, String, &str)) -> usize| {
        texts.iter().map(of).sum::<usize>() / texts.len()
    };
    if wanted("parse") {
        let per_second = rate(&texts, rounds, |it| drop(black_box(read(&it.0))));
        say("matches read", per_second, length(|it| it.0.len()));
    }
    if wanted("actions") {
        let per_second = rate(&texts, rounds, |it| {
            drop(black_box(parse_actions(&it.1, Symbols::ovn())));
        });
        say("actions read", per_second, length(|it| it.1.len()));
    }
    if wanted("normalise") {
        let world = world();
        let exprs: Vec<Expr> = texts.iter().map(|it| read(&it.0)).collect();
        let per_second = rate(&exprs, rounds, |expr| {
            drop(black_box(expr.normalise(&world, Limits::default())));
        });
        say("matches normalised", per_second, 0);
    }
}

/// Makes `count` values and says how much memory each holds.
fn held<T>(what: &str, count: u32, make: impl Fn(u32) -> T) {
    let mut values = Vec::with_capacity(count as usize);
    let before = ALLOCATOR.allocated();
    values.extend((0..count).map(make));
    let each = (ALLOCATOR.allocated() - before) as f64 / f64::from(count) + size_of::<T>() as f64;
    println!(
        "{what}: {each:.0} bytes a flow, {:.0} MB for {count}",
        each * f64::from(count) / 1e6
    );
    drop(black_box(values));
}

fn memory(count: u32) {
    held("as texts", count, |n| {
        let (matches, actions, _) = text(n);
        (matches.into_boxed_str(), actions.into_boxed_str())
    });
    held("read", count, |n| {
        let (matches, actions, _) = text(n);
        (read(&matches), parse_actions(&actions, Symbols::ovn()))
    });
    let interner = Interner::default();
    held("as flows", count, |n| flow(&interner, n));
    println!("different actions and remarks: {}", interner.len());
}

fn flow(interner: &Interner, n: u32) -> Flow<[u8; 17]> {
    let (matches, actions, source) = text(n);
    let text = FlowText {
        datapaths: [0; 17],
        stage: Stage {
            pipeline: Pipeline::Ingress,
            table: (n % 12) as u8,
        },
        priority: 100,
        hint: NonZeroU32::new(n / 12 + 1),
        matches: &matches,
        actions: &actions,
    };
    let about = About {
        source: Some(source.into()),
        ..About::default()
    };
    interner
        .read(text, about, &())
        .expect("a flow of the benchmark is in the language")
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let count = arguments.iter().find_map(|it| it.parse().ok());
    let part = arguments
        .iter()
        .map(String::as_str)
        .find(|it| ["parse", "actions", "normalise"].contains(it));
    if part.is_some() {
        return speed(part, count);
    }
    speed(None, None);
    memory(count.unwrap_or(1_000_000));
}

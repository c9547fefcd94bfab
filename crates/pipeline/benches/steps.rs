//! How many tables a second the interpreter goes through: `cargo bench -p pipeline`.
//!
//! A switch of 24 ingress and 10 egress tables, each with flows that look at different bits, one of them with 10,000
//! addresses; packets of a conversation, with connection tracking. Figures only.

#![allow(clippy::print_stdout, reason = "a command-line tool")]

#[path = "../tests/maker/mod.rs"]
mod maker;

use std::time::{Duration, Instant};

use logic::Field;
use maker::Maker;
use pipeline::{Fields, Network, Options, State};

const LONG: Duration = Duration::from_secs(2);
const ADDRESSES: u32 = 10_000;

fn network() -> Network {
    let mut maker = Maker::default();
    let s = maker.datapath("s", "logical-switch");
    maker.port(s, "a", 1, "", None);
    maker.port(s, "b", 2, "", None);
    for (pipeline, tables) in [("in", 24), ("out", 10)] {
        for table in 0..tables - 1 {
            maker.flow(s, (pipeline, table, 0), "1", "next;");
            let port = format!("ip4 && tcp.dst == {}", 2000 + table);
            maker.flow(s, (pipeline, table, 100), &port, "drop;");
            let net = format!("ip4.src == 192.168.{table}.0/24 && ip.ttl == 1");
            maker.flow(s, (pipeline, table, 50), &net, "drop;");
            maker.flow(s, (pipeline, table, 10), "eth.mcast", "reg0[5] = 1; next;");
        }
        maker.flow(s, (pipeline, 5, 200), "ip && !ct.trk", "ct_next;");
        maker.flow(
            s,
            (pipeline, 7, 200),
            "ct.new",
            "ct_commit { ct_mark = 1; }; next;",
        );
    }
    for at in 0..ADDRESSES {
        let matches = format!("ip4.dst == 10.1.{}.{}", at >> 8, at & 255);
        maker.flow(s, ("in", 23, 50), &matches, "outport = \"b\"; output;");
    }
    maker.flow(s, ("out", 9, 0), "1", "output;");
    maker.network()
}

fn main() {
    let network = network();
    let options = Options::default();
    let Some(inport) = network.port("a") else {
        return println!("the network has no port");
    };
    let packets: Vec<Fields> = (0..64_u32)
        .map(|at| {
            Fields::default()
                .with(Field::EthType, 0x800_u32)
                .with(Field::IpProto, 6_u32)
                .with(Field::IpTtl, 64_u32)
                .with(Field::Ip4Src, 0x0a00_0001_u32)
                .with(Field::Ip4Dst, 0x0a01_0000 + at * 100)
                .with(Field::TcpSrc, 40_000 + at)
                .with(Field::TcpDst, 80_u32)
        })
        .collect();
    let mut state = State::default();
    let begin = Instant::now();
    let first = network.run(inport, &packets[0], &mut state, &options);
    println!(
        "first packet, tables made ready: {:?}, {} tables",
        begin.elapsed(),
        first.steps
    );
    let (begin, mut steps, mut runs) = (Instant::now(), 0, 0_u32);
    while begin.elapsed() < LONG {
        for packet in &packets {
            steps += network.run(inport, packet, &mut state, &options).steps;
            runs += 1;
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{:.2} million tables a second, {:.0} packets a second",
        steps as f64 / seconds / 1e6,
        f64::from(runs) / seconds
    );
}

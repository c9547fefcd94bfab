//! Beside stock `ovn-trace` on what stock `ovn-northd` makes of rich random networks: translation at a distributed
//! gateway, load balancers, routes and policies with several next hops, names, DHCPv6, router advertisements. Each
//! packet ends at the same places, but for differences that have a name here.

mod support;
mod trace_networks;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use support::heddle;
use testbed::{Central, Centre, Database, Scratch, run};
use trace_networks::{Dice, Network, words};

/// How many networks, and packets in each; a packet costs two processes that read a whole database.
const NETWORKS: u64 = 3;
const PACKETS: usize = 30;

/// Where a packet ends, and what is made of it: to which ports it goes, which answers are made.
fn ends(trace: &str) -> BTreeSet<String> {
    let made = [
        "arp {",
        "nd_ns {",
        "nd_na {",
        "icmp4 {",
        "icmp6 {",
        "tcp_reset {",
    ];
    let lines = trace.lines().map(str::trim);
    let lines = lines.filter(|it| it.starts_with("output(") || made.contains(it));
    lines
        .map(|it| it.trim_end_matches(';').to_owned())
        .collect()
}

/// Why two traces may end at different places, by the text that is then in the one of stock.
const ACCEPTED: [(&str, &str); 5] = [
    // Stock keeps the protocol of the packet that a solicitation is made for; an agent makes ICMPv6.
    ("the protocol of a solicitation", "nd_ns {"),
    // Stock does not swap the ports of a segment that is reset; an agent does.
    ("the ports of a reset", "tcp_reset {"),
    // Stock has no model of these: it does nothing, and drops what it does not pass on.
    ("forwarding groups", "fwd_group("),
    // Stock does not read `Static_MAC_Binding`; switches do.
    ("static neighbours", "MAC binding to 00:00:00:00:fd:77"),
    // Stock takes a backend at random once it has used the one that was asked for.
    ("a second choice of a backend", "ct_lb_mark(backends="),
];

/// The name of the difference that explains two traces; none where nothing does.
fn accepted(stock: &str, ours: &str) -> Option<&'static str> {
    let explains = |(name, text): &(&'static str, &str)| {
        let times = stock.matches(text).count();
        let needed = if name.contains("second") { 2 } else { 1 };
        let either = times.max(ours.matches(text).count());
        (either >= needed).then_some(*name)
    };
    ACCEPTED.iter().find_map(explains)
}

/// The name of the program under which the binary takes its place.
fn as_ovn_trace(scratch: &Scratch) -> Result<std::path::PathBuf> {
    let link = scratch.path().join("ovn-trace");
    std::os::unix::fs::symlink(heddle(), &link)?;
    Ok(link)
}

fn start(network: &Network, scratch: &Scratch) -> Result<(Centre, String)> {
    let centre = Centre::start(Central::Stock, heddle(), scratch)?;
    Database::open(&centre.southbound(), "OVN_Southbound")?;
    let db = format!("--db={}", centre.southbound());
    for (chassis, address) in [("hv1", "127.0.0.1"), ("hv2", "127.0.0.2")] {
        run(Command::new("ovn-sbctl")
            .arg(&db)
            .args(["chassis-add", chassis, "geneve", address]))?;
    }
    run(Command::new("ovn-nbctl")
        .arg(format!("--db={}", centre.northbound()))
        .arg("--wait=sb")
        .args(words(&network.commands)))?;
    Ok((centre, db))
}

#[test]
fn rich_networks_end_packets_where_stock_does() -> Result<()> {
    let first = std::env::var("HEDDLE_TRACE_SEED").map_or(Ok(1), |it| it.parse())?;
    let mut different = Vec::new();
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    let mut fates = BTreeSet::new();
    for seed in first..first + NETWORKS {
        let mut dice = Dice(seed.wrapping_mul(1_000_003));
        let network = Network::rich(&mut dice);
        let scratch = Scratch::new()?;
        let (_centre, db) = start(&network, &scratch)?;
        let ours = as_ovn_trace(&scratch)?;
        for _ in 0..PACKETS {
            let packet = network.rich_packet(&mut dice);
            let trace = |program: &Path| {
                run(Command::new(program)
                    .arg(&db)
                    .args(["--summary", "--minimal", "-vconsole:off"])
                    .args(&packet))
            };
            let (stock, ours) = (trace("ovn-trace".as_ref())?, trace(&ours)?);
            let (expected, found) = (ends(&stock), ends(&ours));
            fates.insert(expected.clone());
            if expected == found {
                continue;
            }
            match accepted(&stock, &ours) {
                Some(name) => *named.entry(name).or_default() += 1,
                None => different.push(format!(
                    "seed {seed}: {packet:?}\n  stock: {expected:?}\n  ours:  {found:?}\n{ours}"
                )),
            }
        }
    }
    let all = PACKETS * NETWORKS as usize;
    ensure!(
        different.is_empty(),
        "{} of {all} (beside {named:?}):\n{}",
        different.len(),
        different.join("\n")
    );
    let count: usize = named.values().sum();
    ensure!(count * 5 <= all, "too much is explained away: {named:?}");
    ensure!(
        fates.len() >= 8,
        "packets of one fate say little: {fates:?}"
    );
    Ok(())
}

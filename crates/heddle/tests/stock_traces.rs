//! The example compiled by stock `ovn-northd` and by ours: stock `ovn-trace` says the same of each packet.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use support::heddle;
use testbed::{Central, Centre, Database, Scratch, run};

/// How many packets; each costs two runs of `ovn-trace`.
const PACKETS: usize = 150;

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/two-tier.yaml")
}

/// Port, switch, and its IPv4 and IPv6 address.
const PORTS: [(&str, &str, &str, &str); 6] = [
    ("web1", "web", "10.0.1.11", "fd00:1::11"),
    ("web2", "web", "10.0.1.12", "fd00:1::12"),
    ("web3", "web", "10.0.1.13", "fd00:1::13"),
    ("db1", "db", "10.0.2.21", "fd00:2::21"),
    ("db2", "db", "10.0.2.22", "fd00:2::22"),
    ("op1", "office", "10.0.3.31", "fd00:3::31"),
];

/// The router's addresses, and some that nobody has.
const OTHERS: [(&str, &str); 6] = [
    ("10.0.1.1", "fd00:1::1"),
    ("10.0.2.1", "fd00:2::1"),
    ("10.0.3.1", "fd00:3::1"),
    ("10.0.2.99", "fd00:2::99"),
    ("8.8.8.8", "2001:db8::1"),
    ("224.0.0.9", "ff02::9"),
];

/// One side: its databases, with the example in them.
struct Side {
    centre: Centre,
    _scratch: Scratch,
}

impl Side {
    fn start(kind: Central) -> Result<Self> {
        let scratch = Scratch::new()?;
        let centre = Centre::start(kind, heddle(), &scratch)?;
        Database::open(&centre.southbound(), "OVN_Southbound")?;
        let (file, db) = (example(), centre.northbound());
        run(Command::new(heddle())
            .args(["apply", "--wait=sb", "--db", &db, "-f"])
            .arg(file))?;
        Ok(Self {
            centre,
            _scratch: scratch,
        })
    }

    /// What becomes of a packet: to which ports it goes, and which answers are made.
    fn trace(&self, switch: &str, state: &str, packet: &str) -> Result<Vec<String>> {
        let text = run(Command::new("ovn-trace")
            .arg(format!("--db={}", self.centre.southbound()))
            .args(["--minimal", "-vconsole:off"])
            // One for each time that the packet may meet connection tracking.
            .args([state, state, state, switch, packet]))?;
        let outcome = |line: &str| {
            let answer = ["icmp4 {", "icmp6 {", "tcp_reset {", "arp.op = 2", "nd_na {"];
            let dhcp = line
                .contains("put_dhcp_opts(")
                .then(|| "put_dhcp_opts".to_owned());
            let wanted =
                line.starts_with("output(") || answer.iter().any(|it| line.starts_with(it));
            dhcp.or_else(|| wanted.then(|| line.to_owned()))
        };
        let mut lines: Vec<String> = text.lines().map(str::trim).filter_map(outcome).collect();
        lines.sort_unstable();
        Ok(lines)
    }

    /// The Ethernet address of a port of a switch, or of a router.
    fn mac(&self, table: &str, port: &str, column: &str) -> Result<String> {
        let text = run(Command::new("ovn-nbctl")
            .arg(format!("--db={}", self.centre.northbound()))
            .args(["--bare", "get", table, port, column]))?;
        let word = text
            .split(['"', ' ', '[', ']'])
            .find(|word| word.contains(':'));
        Ok(word
            .with_context(|| format!("no address of {port}: {text}"))?
            .trim()
            .to_owned())
    }
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % limit
    }

    fn of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// The Ethernet addresses of ports, in their order, and of the router's ports.
struct Macs {
    ports: Vec<String>,
    router: Vec<(&'static str, String)>,
}

impl Macs {
    fn new(side: &Side) -> Result<Self> {
        let port =
            |(port, ..): &(&str, _, _, _)| side.mac("Logical_Switch_Port", port, "addresses");
        let router = |switch| {
            let mac = side.mac("Logical_Router_Port", &format!("edge-{switch}"), "mac")?;
            Ok((switch, mac))
        };
        Ok(Self {
            ports: PORTS.iter().map(port).collect::<Result<_>>()?,
            router: ["web", "db", "office"]
                .into_iter()
                .map(router)
                .collect::<Result<_>>()?,
        })
    }

    fn gateway(&self, switch: &str) -> &str {
        let found = self.router.iter().find(|(name, _)| *name == switch);
        found.map_or("", |(_, mac)| mac)
    }
}

/// A packet of IP, from anyone to anyone: now and then from a wrong address, or at the end of its life.
fn ip(dice: &mut Dice, macs: &Macs) -> (&'static str, String) {
    let from = dice.below(PORTS.len());
    let (port, switch, from4, from6) = PORTS[from];
    let to = dice.below(PORTS.len() + 2);
    let (mac, to4, to6) = match PORTS.get(to) {
        Some((_, other, to4, to6)) if *other == switch => (macs.ports[to].as_str(), *to4, *to6),
        Some((_, _, to4, to6)) => (macs.gateway(switch), *to4, *to6),
        None => {
            let (to4, to6) = dice.of(&OTHERS);
            (macs.gateway(switch), to4, to6)
        }
    };
    let (from4, from6) = match dice.below(10) {
        0 => ("10.0.1.99", "fd00:1::99"),
        1 => dice.of(&[("0.0.0.0", "::"), ("10.0.2.1", "fd00:2::1")]),
        _ => (from4, from6),
    };
    let (addresses, icmp) = if dice.below(2) == 0 {
        (
            format!("ip4.src == {from4} && ip4.dst == {to4}"),
            "icmp4.type == 8 && icmp4.code == 0",
        )
    } else {
        (
            format!("ip6.src == {from6} && ip6.dst == {to6}"),
            "icmp6.type == 128 && icmp6.code == 0",
        )
    };
    let upper = match dice.below(5) {
        0 | 1 => format!("tcp && tcp.dst == {}", dice.of(&[80, 5432, 22])),
        2 => format!("udp && udp.dst == {}", dice.of(&[7000, 53])),
        _ => icmp.to_owned(),
    };
    let ttl = dice.of(&[64, 64, 64, 2, 1, 0, 255]);
    let source = if dice.below(12) == 0 {
        "0a:00:00:00:00:99"
    } else {
        &macs.ports[from]
    };
    let packet = format!(
        "inport == \"{port}\" && eth.src == {source} && eth.dst == {mac} && ip.ttl == {ttl} && \
         {addresses} && {upper}"
    );
    (switch, packet)
}

/// A request for the address of a machine: answered on the spot, flooded, or refused to a liar. Those for
/// the router are left out: stock answers on the switch where ours asks the router.
fn neighbour(dice: &mut Dice, macs: &Macs) -> (&'static str, String) {
    let from = dice.below(PORTS.len());
    let (port, switch, from4, from6) = PORTS[from];
    let to = dice.below(PORTS.len() + 1);
    let (to4, to6) = PORTS
        .get(to)
        .map_or(("10.0.1.99", "fd00:1::99"), |(_, _, v4, v6)| (*v4, *v6));
    let mac = &macs.ports[from];
    let (from4, from6) = if dice.below(6) == 0 {
        ("10.0.1.98", "fd00:1::98")
    } else {
        (from4, from6)
    };
    let said = if dice.below(6) == 0 {
        "0a:00:00:00:00:99"
    } else {
        mac
    };
    let packet = if dice.below(2) == 0 {
        format!(
            "inport == \"{port}\" && eth.src == {mac} && eth.dst == ff:ff:ff:ff:ff:ff && arp.op == 1 && \
             arp.sha == {said} && arp.spa == {from4} && arp.tpa == {to4}"
        )
    } else {
        let last = to6.rsplit(':').next().unwrap_or_default();
        format!(
            "inport == \"{port}\" && eth.src == {mac} && eth.dst == 33:33:ff:00:00:{last} && \
             ip6.src == {from6} && ip6.dst == ff02::1:ff00:{last} && ip.ttl == 255 && nd_ns && \
             nd.target == {to6} && nd.sll == {said}"
        )
    };
    (switch, packet)
}

/// DHCP, where it is served and where it is not.
fn dhcp(dice: &mut Dice, macs: &Macs) -> (&'static str, String) {
    let from = dice.below(PORTS.len());
    let (port, switch, own, _) = PORTS[from];
    let source = dice.of(&["0.0.0.0", own, "10.0.1.98"]);
    let packet = format!(
        "inport == \"{port}\" && eth.src == {} && eth.dst == ff:ff:ff:ff:ff:ff && ip4.src == {source} && \
         ip4.dst == 255.255.255.255 && udp.src == 68 && udp.dst == 67 && ip.ttl == 64",
        macs.ports[from]
    );
    (switch, packet)
}

#[test]
fn each_packet_goes_where_stock_sends_it() -> Result<()> {
    let (stock, ours) = (Side::start(Central::Stock)?, Side::start(Central::Heddle)?);
    let macs = Macs::new(&ours)?;
    let mut dice = Dice(1);
    let (mut reached, mut dropped, mut different) = (0, 0, vec![]);
    for _ in 0..PACKETS {
        let (switch, packet) = match dice.below(12) {
            0..=2 => neighbour(&mut dice, &macs),
            3 => dhcp(&mut dice, &macs),
            _ => ip(&mut dice, &macs),
        };
        let state = dice.of(&[
            "--ct=trk,new",
            "--ct=trk,new",
            "--ct=trk,est",
            "--ct=trk,est,rpl",
            "--ct=trk,inv",
        ]);
        let expected = stock.trace(switch, state, &packet)?;
        let found = ours.trace(switch, state, &packet)?;
        let goes = expected.iter().any(|line| line.starts_with("output("));
        *(if goes { &mut reached } else { &mut dropped }) += 1;
        if found != expected {
            different.push(format!(
                "{state} {packet}\n  stock: {expected:?}\n  ours:  {found:?}"
            ));
        }
    }
    ensure!(different.is_empty(), "{}", different.join("\n"));
    // Packets of one fate would say little.
    ensure!(
        reached * 5 > PACKETS && dropped * 5 > PACKETS,
        "{reached} reached, {dropped} dropped"
    );
    Ok(())
}

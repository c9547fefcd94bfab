//! `heddle` as `ovn-trace` beside the stock one, on random networks that stock `ovn-northd` compiled: every form of
//! every trace is the same text. And `heddle trace` as people use it.

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use support::heddle;
use testbed::{Central, Centre, Database, Scratch, run};

/// How many networks, and packets in each; a packet costs two processes that read a whole database.
const NETWORKS: u64 = 3;
const PACKETS: usize = 25;

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

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn of<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// A machine of a network.
#[derive(Clone)]
struct Machine {
    port: String,
    switch: usize,
    mac: String,
    ip4: String,
    ip6: String,
}

/// A network: the commands that make it, and what packets can be about.
struct Network {
    commands: String,
    machines: Vec<Machine>,
    switches: usize,
    /// Virtual addresses with a port, and one of the backends.
    vips: Vec<(String, u16, String)>,
}

fn router_mac(switch: usize) -> String {
    format!("00:00:00:00:ff:{switch:02x}")
}

impl Network {
    fn random(dice: &mut Dice) -> Self {
        let mut network = Self {
            commands: String::from("lr-add r0"),
            machines: Vec::new(),
            switches: 2 + dice.below(3),
            vips: Vec::new(),
        };
        for switch in 0..network.switches {
            network.switch(switch, dice);
        }
        network.filters(dice);
        network.services(dice);
        network.gateway(dice);
        network
    }

    fn say(&mut self, command: impl AsRef<str>) {
        let _ = write!(self.commands, " -- {}", command.as_ref());
    }

    fn switch(&mut self, s: usize, dice: &mut Dice) {
        self.say(format!("ls-add s{s}"));
        let mac = router_mac(s);
        self.say(format!(
            "lrp-add r0 r0-s{s} {mac} 10.0.{s}.1/24 fd00:{s}::1/64"
        ));
        self.say(format!("lsp-add s{s} s{s}-r0"));
        self.say(format!("lsp-set-type s{s}-r0 router"));
        self.say(format!("lsp-set-addresses s{s}-r0 router"));
        self.say(format!("lsp-set-options s{s}-r0 router-port=r0-s{s}"));
        if dice.chance(30) {
            self.say(format!("lsp-add s{s} s{s}-wire"));
            self.say(format!("lsp-set-type s{s}-wire localnet"));
            self.say(format!("lsp-set-addresses s{s}-wire unknown"));
            self.say(format!("lsp-set-options s{s}-wire network_name=phys"));
        }
        for p in 0..2 + dice.below(3) {
            let machine = Machine {
                port: format!("s{s}-p{p}"),
                switch: s,
                mac: format!("00:00:00:00:{s:02x}:{:02x}", p + 16),
                ip4: format!("10.0.{s}.{}", p + 16),
                ip6: format!("fd00:{s}::{:x}", p + 16),
            };
            let Machine {
                port,
                mac,
                ip4,
                ip6,
                ..
            } = &machine;
            self.say(format!("lsp-add s{s} {port}"));
            let unknown = if dice.chance(15) { " unknown" } else { "" };
            self.say(format!(
                "lsp-set-addresses {port} \"{mac} {ip4} {ip6}\"{unknown}"
            ));
            match dice.below(4) {
                0 => self.say(format!("lsp-set-port-security {port} {mac}")),
                1 => self.say(format!(
                    "lsp-set-port-security {port} \"{mac} {ip4} {ip6}\""
                )),
                2 => self.say(format!("lsp-set-port-security {port} \"{mac} {ip4}\"")),
                _ => {}
            }
            if dice.chance(10) {
                self.say(format!("lsp-set-enabled {port} disabled"));
            }
            self.machines.push(machine);
        }
    }

    fn filters(&mut self, dice: &mut Dice) {
        let members: Vec<String> = self
            .machines
            .iter()
            .filter(|_| dice.chance(60))
            .map(|it| it.port.clone())
            .collect();
        self.say(format!("pg-add pg0 {}", members.join(" ")));
        let set: Vec<String> = self
            .machines
            .iter()
            .filter(|_| dice.chance(50))
            .map(|it| format!("\\\"{}\\\"", it.ip4))
            .collect();
        self.say(format!(
            "create Address_Set name=as0 addresses={}",
            set.join(",")
        ));
        for n in 0..3 + dice.below(6) {
            let inward = dice.chance(50);
            let group = dice.chance(50);
            let (direction, port) = if inward {
                ("to-lport", "outport")
            } else {
                ("from-lport", "inport")
            };
            let who = if group {
                "@pg0".to_owned()
            } else {
                format!("\\\"{}\\\"", dice.of(&self.machines).port)
            };
            let what = dice.of(&[
                "ip4.src == $as0 && tcp.dst == 80",
                "tcp.dst >= 1000 && tcp.dst < 1100",
                "ip4",
                "ip6 && udp",
                "icmp4.type == 8 || icmp6.type == 128",
                "ip4.dst == {10.0.0.0/28, 10.0.1.16} && udp.dst != 53",
                "ip.ttl > 3 && tcp",
                "!(tcp.dst == {22, 80}) && ip",
            ]);
            let verdict = dice.of(&[
                "allow",
                "allow-related",
                "drop",
                "reject",
                "allow-stateless",
            ]);
            let priority = 1000 + dice.below(5);
            let target = if group {
                "pg0".to_owned()
            } else {
                format!("s{}", dice.below(self.switches))
            };
            let kind = if group { "port-group" } else { "switch" };
            let log = if dice.chance(20) {
                format!("--log --name=acl{n} ")
            } else {
                String::new()
            };
            self.say(format!(
                "--may-exist --type={kind} {log}acl-add {target} {direction} {priority} \"{port} == {who} && ({what})\" {verdict}"
            ));
        }
    }

    fn services(&mut self, dice: &mut Dice) {
        if dice.chance(70) {
            let backend = dice.of(&self.machines).ip4;
            self.vips.push(("172.16.0.10".into(), 80, backend.clone()));
            self.say(format!("lb-add lb0 172.16.0.10:80 {backend}:8080 tcp"));
            for s in 0..self.switches {
                if dice.chance(70) {
                    self.say(format!("ls-lb-add s{s} lb0"));
                }
            }
        }
        let s = dice.below(self.switches);
        let cidr = format!("10.0.{s}.0/24");
        self.say(format!(
            "--id=@dhcp create DHCP_Options cidr={cidr} options=\"lease_time=3600 router=10.0.{s}.1 server_id=10.0.{s}.1 server_mac=\\\"{}\\\"\"",
            router_mac(s)
        ));
        let there: Vec<String> = self
            .machines
            .iter()
            .filter(|it| it.switch == s)
            .map(|it| it.port.clone())
            .collect();
        for port in there {
            self.say(format!(
                "set Logical_Switch_Port {port} dhcpv4_options=@dhcp"
            ));
        }
        if dice.chance(50) {
            self.say("lr-route-add r0 192.168.0.0/16 10.0.0.17");
            self.say("lr-route-add r0 2001:db8::/32 fd00:1::11");
        }
        if dice.chance(40) {
            self.say(
                "lr-policy-add r0 100 \"ip4.src == 10.0.0.0/24 && ip4.dst == 10.0.1.0/24\" drop",
            );
        }
        if dice.chance(40) {
            self.say("lr-policy-add r0 90 \"ip4.dst == 192.168.7.0/24\" reroute 10.0.1.16");
        }
    }

    /// A gateway router behind a switch that joins it to the first one, with translation.
    fn gateway(&mut self, dice: &mut Dice) {
        if dice.chance(40) {
            return;
        }
        self.say("lr-add gw");
        self.say("set Logical_Router gw options:chassis=hv1");
        self.say("ls-add join");
        for (router, last) in [("r0", 1), ("gw", 2)] {
            let mac = format!("00:00:00:00:fe:0{last}");
            self.say(format!(
                "lrp-add {router} {router}-join {mac} 100.64.0.{last}/24"
            ));
            self.say(format!("lsp-add join join-{router}"));
            self.say(format!("lsp-set-type join-{router} router"));
            self.say(format!("lsp-set-addresses join-{router} router"));
            self.say(format!(
                "lsp-set-options join-{router} router-port={router}-join"
            ));
        }
        self.say("ls-add outside");
        self.say("lrp-add gw gw-outside 00:00:00:00:fd:01 203.0.113.1/24");
        self.say("lsp-add outside outside-gw");
        self.say("lsp-set-type outside-gw router");
        self.say("lsp-set-addresses outside-gw router");
        self.say("lsp-set-options outside-gw router-port=gw-outside");
        self.say("lsp-add outside outside-p0");
        self.say("lsp-set-addresses outside-p0 \"00:00:00:00:fd:10 203.0.113.16\"");
        self.say("lr-route-add r0 0.0.0.0/0 100.64.0.2");
        self.say("lr-route-add gw 10.0.0.0/8 100.64.0.1");
        self.say("lr-nat-add gw snat 203.0.113.1 10.0.0.0/16");
        let inside = dice.of(&self.machines).ip4;
        self.say(format!("lr-nat-add gw dnat_and_snat 203.0.113.5 {inside}"));
    }

    fn packet(&self, dice: &mut Dice) -> Vec<String> {
        let from = dice.of(&self.machines);
        let mut args: Vec<String> = Vec::new();
        let states = [
            "--ct=trk,new",
            "--ct=trk,est",
            "--ct=trk,est,rpl",
            "--ct=trk,inv",
        ];
        for _ in 0..dice.below(5) {
            args.push(dice.of(&states).into());
        }
        let to = dice.of(&self.machines);
        let neighbour = to.switch == from.switch;
        let mac = if neighbour {
            to.mac.clone()
        } else {
            router_mac(from.switch)
        };
        let source = if dice.chance(8) {
            "00:00:00:00:99:99".to_owned()
        } else {
            from.mac.clone()
        };
        let mut text = format!("inport == \"{}\" && eth.src == {source} && ", from.port);
        if dice.chance(15) {
            let (said, asked) = (
                from.ip4.clone(),
                dice.of(&[to.ip4.clone(), format!("10.0.{}.1", from.switch)]),
            );
            let _ = write!(
                text,
                "eth.dst == ff:ff:ff:ff:ff:ff && arp.op == 1 && arp.sha == {} && arp.spa == {said} && arp.tpa == {asked}",
                from.mac
            );
        } else if dice.chance(8) {
            text.push_str(
                "eth.dst == ff:ff:ff:ff:ff:ff && ip4.src == 0.0.0.0 && ip4.dst == 255.255.255.255 && \
                 udp.src == 68 && udp.dst == 67 && ip.ttl == 64",
            );
        } else {
            let _ = write!(text, "ip.ttl == {} && ", dice.of(&[64, 64, 64, 1, 0, 255]));
            let upper = dice.of(&[
                "tcp && tcp.src == 4000 && tcp.dst == 80",
                "tcp && tcp.dst == 1050",
                "udp && udp.dst == 53",
                "udp && udp.dst == 5000",
            ]);
            if dice.chance(30) {
                let icmp = dice.chance(40);
                let upper = if icmp {
                    "icmp6.type == 128 && icmp6.code == 0"
                } else {
                    upper
                };
                let _ = write!(
                    text,
                    "eth.dst == {mac} && ip6.src == {} && ip6.dst == {} && {upper}",
                    from.ip6, to.ip6
                );
            } else {
                let (mac, ip) = match dice.below(8) {
                    0 => (router_mac(from.switch), format!("10.0.{}.1", from.switch)),
                    1 => (
                        router_mac(from.switch),
                        dice.of(&["8.8.8.8", "192.168.7.9", "203.0.113.5", "10.0.1.99"])
                            .to_owned(),
                    ),
                    2 if !self.vips.is_empty() => {
                        let (vip, _, backend) = self.vips[0].clone();
                        args.push(format!("--lb-dst={backend}:8080"));
                        (router_mac(from.switch), vip)
                    }
                    _ => (mac, to.ip4.clone()),
                };
                let icmp = dice.chance(30);
                let upper = if icmp {
                    "icmp4.type == 8 && icmp4.code == 0"
                } else {
                    upper
                };
                let spoofed = dice.chance(8);
                let src = if spoofed {
                    "10.9.9.9".to_owned()
                } else {
                    from.ip4.clone()
                };
                let _ = write!(
                    text,
                    "eth.dst == {mac} && ip4.src == {src} && ip4.dst == {ip} && {upper}"
                );
            }
        }
        if dice.chance(50) {
            args.push(format!("s{}", from.switch));
        }
        args.push(text);
        args
    }
}

/// Splits a line of commands into words as a shell does with double quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
    for c in line.chars() {
        match c {
            _ if escaped => {
                word.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            _ => word.push(c),
        }
    }
    words.push(word);
    words.retain(|it| !it.is_empty());
    words
}

/// The binary under the name of the program that it replaces.
fn as_ovn_trace(scratch: &Scratch) -> Result<PathBuf> {
    let link = scratch.path().join("ovn-trace");
    std::os::unix::fs::symlink(heddle(), &link)?;
    Ok(link)
}

/// A trace without what may differ. Of flows with one priority that match alike either may be named, and stock
/// takes whichever comes first. And what stock makes of a packet is not what its own agent makes in two cases: a
/// solicitation keeps the protocol of the packet that it is made for, and a reset does not swap ports; so from
/// there on other flows may match. Of copies for many ports only where they go is compared: stock lets what one copy
/// leaves in registers be seen by the next.
fn comparable(trace: &str) -> String {
    let made = ["\nnd_ns\n", "\ntcp_reset\n"];
    let ends = made.iter().filter_map(|title| trace.find(title));
    let trace = &trace[..ends.min().unwrap_or(trace.len())];
    if trace.contains("multicast(") {
        let outputs = trace.lines().map(str::trim);
        let outputs: BTreeSet<&str> = outputs.filter(|it| it.starts_with("output(\"")).collect();
        return outputs.into_iter().collect::<Vec<_>>().join("\n");
    }
    let is_table = |line: &str| line.trim_start().starts_with(|c: char| c.is_ascii_digit());
    let name = |line: &str| {
        let stage = line.split(" (").next().unwrap_or_default().to_owned();
        let priority = line.rsplit(", priority ").next().unwrap_or_default();
        format!("{stage} {}", priority.split(',').next().unwrap_or_default())
    };
    let lines = trace.lines();
    let lines = lines.map(|line| {
        if is_table(line) {
            name(line)
        } else {
            line.to_owned()
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_form_of_every_trace_is_that_of_stock() -> Result<()> {
    let first = std::env::var("HEDDLE_TRACE_SEED").map_or(Ok(1), |it| it.parse())?;
    let (mut fates, mut different) = (BTreeSet::new(), Vec::new());
    for seed in first..first + NETWORKS {
        let mut dice = Dice(seed);
        let network = Network::random(&mut dice);
        let scratch = Scratch::new()?;
        let centre = Centre::start(Central::Stock, heddle(), &scratch)?;
        Database::open(&centre.southbound(), "OVN_Southbound")?;
        let db = format!("--db={}", centre.southbound());
        run(Command::new("ovn-sbctl").arg(&db).args([
            "chassis-add",
            "hv1",
            "geneve",
            "127.0.0.1",
        ]))?;
        run(Command::new("ovn-nbctl")
            .arg(format!("--db={}", centre.northbound()))
            .arg("--wait=sb")
            .args(words(&network.commands)))?;
        let ours = as_ovn_trace(&scratch)?;
        for _ in 0..PACKETS {
            let packet = network.packet(&mut dice);
            let trace = |program: &std::path::Path| {
                run(Command::new(program)
                    .arg(&db)
                    .args(["--all", "-vconsole:off"])
                    .args(&packet))
            };
            let (expected, found) = (trace("ovn-trace".as_ref())?, trace(&ours)?);
            fates.insert((
                expected.contains("output(\""),
                expected.contains("clone"),
                expected.contains("icmp4 {"),
            ));
            let (expected, found) = (comparable(&expected), comparable(&found));
            if expected != found {
                let at = expected
                    .lines()
                    .zip(found.lines())
                    .position(|it| it.0 != it.1);
                let line = |text: &str| {
                    text.lines()
                        .nth(at.unwrap_or(0))
                        .unwrap_or_default()
                        .to_owned()
                };
                different.push(format!(
                    "seed {seed}: {packet:?}\n  line {at:?}\n  stock: {}\n  ours:  {}",
                    line(&expected),
                    line(&found)
                ));
            }
        }
    }
    ensure!(
        different.is_empty(),
        "{} of {}:\n{}",
        different.len(),
        PACKETS * NETWORKS as usize,
        different.join("\n")
    );
    // Traces that all end alike would say little.
    ensure!(fates.len() >= 3, "{fates:?}");
    Ok(())
}

/// The server with the example in it.
struct Example {
    centre: Centre,
    _scratch: Scratch,
}

impl Example {
    fn start() -> Result<Self> {
        let scratch = Scratch::new()?;
        let centre = Centre::start(Central::Heddle, heddle(), &scratch)?;
        Database::open(&centre.southbound(), "OVN_Southbound")?;
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/two-tier.yaml");
        run(Command::new(heddle()).args([
            "apply",
            "--wait=sb",
            "-f",
            file,
            "--db",
            &centre.northbound(),
        ]))?;
        Ok(Self {
            centre,
            _scratch: scratch,
        })
    }

    fn heddle(&self, args: &[&str]) -> Command {
        let mut command = Command::new(heddle());
        command.args(args);
        command.args([
            "--db",
            &self.centre.southbound(),
            "--nb-db",
            &self.centre.northbound(),
        ]);
        command
    }

    fn trace(&self, args: &[&str]) -> Result<String> {
        let mut words = vec!["trace"];
        words.extend(args);
        run(&mut self.heddle(&words))
    }

    fn error(&self, args: &[&str]) -> Result<String> {
        let mut words = vec!["trace"];
        words.extend(args);
        let output = self.heddle(&words).output()?;
        ensure!(!output.status.success(), "it should fail: {args:?}");
        Ok(String::from_utf8(output.stderr)?)
    }
}

#[test]
fn people_are_told_in_one_sentence() -> Result<()> {
    let example = Example::start()?;
    for (question, answer) in [
        (
            &["web1", "--to", "10.0.2.21", "tcp/5432"][..],
            "delivered to db1\n",
        ),
        (
            &["web1", "--to", "10.0.2.21", "tcp/22"],
            "dropped by ACL \"db-closed\" of port group \"db\", in db at stage ls_out_acl_eval, priority 2001\n",
        ),
        (
            &["web1", "--to", "fd00:2::21", "tcp/5432", "--both"],
            "there: delivered to db1\nback: delivered to web1\n",
        ),
        (
            &["web1", "--to", "10.0.1.1", "ping"],
            "answered; the answer goes to web1\n",
        ),
        (
            &["web1", "--to", "10.0.1.12", "arp"],
            "answered; the answer goes to web1\n",
        ),
    ] {
        let said = example.trace(question)?;
        ensure!(said == answer, "{question:?}: {said}");
    }
    let json = example.trace(&["web1", "--to", "10.0.2.21", "tcp/22", "--json"])?;
    let json: serde_json::Value = serde_json::from_str(&json)?;
    let flow = &json["ends"][0]["flow"];
    let uuid = flow["uuid"].as_str().unwrap_or_default();
    let explained = run(&mut example.heddle(&["explain", uuid]))?;
    ensure!(explained.contains("ls_out_acl_action"), "{explained}");
    Ok(())
}

#[test]
fn a_question_that_makes_no_sense_is_told_why() -> Result<()> {
    let example = Example::start()?;
    for (question, said) in [
        (&["wbe1", "--to", "10.0.0.1"][..], "did you mean"),
        (&["web1"], "--to"),
        (&["web1", "--to", "10.0.0.1", "http"], "not a service"),
        (
            &["web1", "--to", "fd00::1", "--from", "10.0.0.1"],
            "not of the same family",
        ),
        (&["inport == \"web1\" && tcp.dst == 80"], "ambiguous"),
        (&["inport == \"web1\" && ip4 && ip6"], "contradicts itself"),
        (&["inport == \"web1\" && tcp.dst = 80"], "column"),
        (
            &["nowhere", "inport == \"web1\" && ip4"],
            "unknown datapath",
        ),
        (&["web1", "--pcap", "/dev/null"], "not a capture"),
    ] {
        let error = example.error(question)?;
        ensure!(error.contains(said), "{question:?}: {error}");
    }
    Ok(())
}

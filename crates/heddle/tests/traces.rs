//! `heddle` as `ovn-trace` beside the stock one, on random networks that stock `ovn-northd` compiled: every form of
//! every trace is the same text. And `heddle trace` as people use it.

mod support;
mod trace_networks;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use support::heddle;
use testbed::{Central, Centre, Database, Scratch, run};
use trace_networks::{Dice, Network, words};

/// How many networks, and packets in each; a packet costs two processes that read a whole database.
const NETWORKS: u64 = 3;
const PACKETS: usize = 25;

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

/// The commands of a document, with what it says that they print.
fn dialogues(document: &str) -> Vec<(String, String)> {
    let blocks = document.split("```console\n").skip(1);
    let blocks = blocks.filter_map(|it| it.split("```").next());
    let dialogues = blocks.filter_map(|it| it.strip_prefix("$ heddle ")?.split_once('\n'));
    dialogues
        .map(|(command, output)| (command.to_owned(), output.to_owned()))
        .collect()
}

#[test]
fn the_document_says_what_is_printed() -> Result<()> {
    let example = Example::start()?;
    let document = include_str!("../../../docs/tracing.md");
    let dialogues = dialogues(document);
    ensure!(dialogues.len() >= 5, "{dialogues:?}");
    for (command, output) in dialogues {
        let words: Vec<&str> = command.split(' ').collect();
        let said = run(&mut example.heddle(&words))?;
        ensure!(said == output, "{command}: {said}");
    }
    Ok(())
}

#[test]
fn a_trace_in_json_leads_to_its_flow() -> Result<()> {
    let example = Example::start()?;
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

/// A capture of one Geneve packet with a ping inside, as pcap-savefile(5) has it.
fn capture(vni: u8, inport: u8, outport: u8) -> Vec<u8> {
    let inner = [
        &[0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1, 8, 0][..],
        &[
            0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 1, 11, 10, 0, 1, 12,
        ],
        &[8, 0, 0, 0, 0, 1, 0, 1],
    ]
    .concat();
    let option = [1, 2, 0x80, 1, 0, inport, 0, outport];
    let geneve = [&[2, 0x40, 0x65, 0x58, 0, 0, vni, 0][..], &option, &inner].concat();
    let length = u8::try_from(geneve.len() + 8).unwrap_or_default();
    let frame = [
        &[0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 1, 8, 0][..],
        &[
            0x45,
            0,
            0,
            length + 20,
            0,
            0,
            0,
            0,
            64,
            17,
            0,
            0,
            192,
            0,
            2,
            1,
            192,
            0,
            2,
            2,
        ],
        &[0x12, 0x34, 0x17, 0xc1, 0, length, 0, 0],
        &geneve,
    ]
    .concat();
    let size = u32::try_from(frame.len()).unwrap_or_default().to_le_bytes();
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
    file.extend([0; 8]);
    file.extend([0xff, 0xff, 0, 0, 1, 0, 0, 0]);
    file.extend([0; 8]);
    file.extend(size);
    file.extend(size);
    file.extend(frame);
    file
}

#[test]
fn a_capture_is_read_with_logical_names() -> Result<()> {
    let example = Example::start()?;
    let key = |table: &str, condition: &str| -> Result<u8> {
        let text = run(Command::new("ovn-sbctl")
            .arg(format!("--db={}", example.centre.southbound()))
            .args(["--bare", "--columns=tunnel_key", "find", table, condition]))?;
        Ok(text.trim().parse()?)
    };
    let datapath = key("Datapath_Binding", "external_ids:name=web")?;
    let (from, to) = (
        key("Port_Binding", "logical_port=web1")?,
        key("Port_Binding", "logical_port=web2")?,
    );
    let scratch = Scratch::new()?;
    let file = scratch.path().join("tunnel.pcap");
    std::fs::write(&file, capture(datapath, from, to))?;
    let file = file.to_string_lossy().into_owned();
    let text =
        run(Command::new(heddle()).args(["pcap", &file, "--db", &example.centre.southbound()]))?;
    let start = format!(
        "1: 192.0.2.1 > 192.0.2.2 datapath web ({datapath}) in web1 ({from}) out web2 ({to}): icmp,"
    );
    ensure!(
        text.starts_with(&start) && text.contains("nw_src=10.0.1.11"),
        "{text}"
    );
    let text = run(Command::new(heddle()).args(["pcap", &file, "--numbers"]))?;
    ensure!(
        text.contains(&format!("datapath {datapath} in {from} out {to}: icmp")),
        "{text}"
    );
    Ok(())
}

//! Real packets through real switches end where the interpreter says.
//!
//! Machines without addresses are plugged into the switches of a cloud, so that nothing but the network answers. Each
//! frame is marked; it goes in past the machine's own stack, and every frame that comes out anywhere is kept. The
//! interpreter is asked about the same frames, as a capture. Compared are the ports at which something came out, and
//! the headers that it had.

mod packet_maker;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use packet_maker::{Made, Maker};
use support::{file, heddle};
use testbed::{Addressing, Cloud, Scratch, VmSpec, Wire, run, until};

/// How many packets a network is asked about.
const PACKETS: usize = 150;
/// When nothing has come for so long, nothing more comes: agents answer within it.
const QUIET: Duration = Duration::from_millis(1500);

/// What came out for a packet: at which ports, with which headers.
type Found = BTreeMap<usize, BTreeSet<(String, String)>>;

/// The network of a document with its machines on hypervisors, none of which has an address.
fn cloud(document: &str, machines: &[(String, String)], hypervisors: &[&str]) -> Result<Cloud> {
    let mut cloud = Cloud::start(heddle(), hypervisors)?;
    cloud.apply(file(document)?.path())?;
    for (port, hypervisor) in machines {
        cloud.add_machine(port, hypervisor, Addressing::default())?;
    }
    cloud.settle()?;
    Ok(cloud)
}

/// The Ethernet address of a machine.
fn mac(spec: &VmSpec) -> &str {
    &spec.mac
}

/// Sends the frames, and collects what comes out until nothing more does. A request for a next hop is that of the
/// packets that `waits` says wait for it.
fn send(cloud: &Cloud, made: &[Made], waits: &dyn Fn(usize, IpAddr) -> bool) -> Result<Found> {
    let wires: BTreeMap<&str, Wire> = cloud
        .vms()
        .iter()
        .map(|vm| Ok((vm.name(), Wire::open(vm.namespace())?)))
        .collect::<Result<_>>()?;
    for packet in made {
        wires[packet.from.as_str()].send(&packet.frame)?;
    }
    let count = || wires.values().map(|it| it.frames().len()).sum::<usize>();
    let mut before = 0;
    until(Duration::from_secs(30), "the wires to be quiet", || {
        let now = count();
        let is_quiet = now == before;
        before = now;
        std::thread::sleep(QUIET);
        Ok((is_quiet && count() == now).then_some(()))
    })?;
    let mut found = Found::new();
    for (port, wire) in &wires {
        for frame in wire.frames() {
            let packet = pipeline::from_bytes(&frame).context("a frame that was captured")?;
            let text = headers(&pipeline::packet_text(&packet));
            let numbers: Vec<usize> = match packet_maker::sought(&frame, made) {
                Some(target) => (0..made.len()).filter(|it| waits(*it, target)).collect(),
                None => packet_maker::number(&frame, made).into_iter().collect(),
            };
            for number in numbers {
                let is_own = made[number].from == *port && made[number].frame == frame;
                if !is_own {
                    let end = ((*port).to_owned(), text.clone());
                    found.entry(number).or_default().insert(end);
                }
            }
        }
    }
    Ok(found)
}

/// What of a packet is on the wire, and not only in a switch.
fn headers(text: &str) -> String {
    let inner = ["ct_state=", "ct_mark=", "ct_label=", "reg", "nw_frag="];
    let parts = text
        .split(',')
        .filter(|it| !inner.iter().any(|name| it.starts_with(name)));
    parts.collect::<Vec<_>>().join(",")
}

/// The frames of one machine as a capture (pcap-savefile(5)).
fn capture<'a>(frames: impl Iterator<Item = &'a Made>) -> Result<Vec<u8>> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
    file.extend([0; 8]);
    file.extend([0xff, 0xff, 0, 0, 1, 0, 0, 0]);
    for made in frames {
        let length = u32::try_from(made.frame.len())?.to_le_bytes();
        file.extend([0; 8]);
        file.extend(length);
        file.extend(length);
        file.extend(&made.frame);
    }
    Ok(file)
}

/// What the interpreter says of the frames, with its sentences.
fn interpret(cloud: &Cloud, made: &[Made]) -> Result<(Found, Vec<String>)> {
    let scratch = Scratch::new()?;
    let (mut found, mut sentences) = (Found::new(), vec![String::new(); made.len()]);
    let machines: BTreeSet<&str> = made.iter().map(|it| it.from.as_str()).collect();
    for machine in machines {
        let own = || made.iter().enumerate().filter(|it| it.1.from == machine);
        let path = scratch.path().join(format!("{machine}.pcap"));
        std::fs::write(&path, capture(own().map(|it| it.1))?)?;
        let packets = format!("1-{}", own().count());
        let mut command = Command::new(heddle());
        command.arg("trace").arg(machine).arg("--pcap").arg(&path);
        command.args(["--json", "--packet", &packets]);
        command.args([
            "--db",
            &cloud.southbound_remote(),
            "--nb-db",
            &cloud.northbound_remote(),
        ]);
        let text = run(&mut command)?;
        for ((number, _), line) in own().zip(text.lines()) {
            let answer: serde_json::Value = serde_json::from_str(line)?;
            sentences[number] = answer["verdict"].as_str().unwrap_or_default().to_owned();
            for end in answer["ends"].as_array().into_iter().flatten() {
                if end["end"] == "delivered" {
                    let text = |key: &str| end[key].as_str().unwrap_or_default().to_owned();
                    let packet = headers(&text("packet"));
                    found
                        .entry(number)
                        .or_default()
                        .insert((text("port"), packet));
                }
            }
        }
    }
    Ok((found, sentences))
}

/// Sends packets through a network and compares; gives how many kinds of ends there were.
fn compare(cloud: &Cloud, maker: &Maker, packets: usize, seed: u64) -> Result<BTreeSet<String>> {
    let made = maker.packets(packets, seed);
    let (expected, sentences) = interpret(cloud, &made)?;
    let waits = |number: usize, target: IpAddr| {
        let asked = [format!("arp_tpa={target},"), format!("nd_target={target},")];
        let ends = expected.get(&number).into_iter().flatten();
        let mut texts = ends.map(|it| &it.1);
        texts.any(|text| asked.iter().any(|it| text.contains(it.as_str())))
    };
    let found = send(cloud, &made, &waits)?;
    let mut different = Vec::new();
    let none = BTreeSet::new();
    for (number, packet) in made.iter().enumerate() {
        let (expected, found) = (
            expected.get(&number).unwrap_or(&none),
            found.get(&number).unwrap_or(&none),
        );
        if expected != found {
            different.push(format!(
                "{} from {}: {}\n  the interpreter: {expected:?}\n  the switches:    {found:?}",
                packet.said, packet.from, sentences[number]
            ));
        }
    }
    let (differ, all) = (different.len(), made.len());
    ensure!(
        different.is_empty(),
        "{differ} of {all} (seed {seed}):\n{}",
        different.join("\n")
    );
    let words = |it: &String| it.split([' ', ';']).take(2).collect::<Vec<_>>().join(" ");
    Ok(sentences.iter().map(words).collect())
}

#[test]
fn the_example_sends_packets_where_the_interpreter_says() -> Result<()> {
    let document = include_str!("../../../examples/two-tier.yaml");
    let places = [
        ("web1", "hv1"),
        ("web2", "hv2"),
        ("web3", "hv2"),
        ("db1", "hv2"),
        ("db2", "hv1"),
        ("op1", "hv1"),
    ];
    let machines = places.map(|it| (it.0.to_owned(), it.1.to_owned()));
    let cloud = cloud(document, &machines, &["hv1", "hv2"])?;
    let mut maker = Maker::default();
    for vm in cloud.vms() {
        let (net, host) = match vm.name() {
            "web1" => (1, 0x11),
            "web2" => (1, 0x12),
            "web3" => (1, 0x13),
            "db1" => (2, 0x21),
            "db2" => (2, 0x22),
            _ => (3, 0x31),
        };
        maker.machine(vm.name(), mac(vm.spec()), net, host);
    }
    maker.routers(&cloud.nbctl(&[
        "--columns=mac,networks",
        "--format=csv",
        "list",
        "Logical_Router_Port",
    ])?);
    let ends = compare(&cloud, &maker, PACKETS, 1)?;
    ensure!(ends.len() >= 4, "packets of one fate say little: {ends:?}");
    Ok(())
}

#[test]
fn random_networks_send_packets_where_the_interpreter_says() -> Result<()> {
    let first = std::env::var("HEDDLE_PACKET_SEED").map_or(Ok(1), |it| it.parse())?;
    for seed in first..first + 2 {
        let network = packet_maker::Network::random(seed);
        let cloud = cloud(&network.document, &network.machines, &["hv1", "hv2"])?;
        let mut maker = Maker::default();
        for (vm, (net, host)) in cloud.vms().iter().zip(&network.addresses) {
            maker.machine(vm.name(), mac(vm.spec()), *net, *host);
        }
        maker.routers(&cloud.nbctl(&[
            "--columns=mac,networks",
            "--format=csv",
            "list",
            "Logical_Router_Port",
        ])?);
        compare(&cloud, &maker, PACKETS, seed)?;
    }
    Ok(())
}

//! Each subcommand.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use testbed::{Namespace, run};

const HEDDLE: &str = env!("CARGO_BIN_EXE_heddle");

/// `heddle odp` with words that need no quoting; gives what it prints.
pub(crate) fn odp(words: &str) -> Result<String> {
    run(Command::new(HEDDLE)
        .arg("odp")
        .args(words.split_whitespace()))
}

/// What it says when it refuses.
fn refusal(words: &str) -> Result<String> {
    match odp(words) {
        Ok(said) => bail!("heddle odp {words} was done: {said}"),
        Err(error) => Ok(format!("{error:#}")),
    }
}

fn dpctl(words: &str) -> Result<String> {
    run(Command::new("ovs-dpctl").args(words.split_whitespace()))
}

/// A datapath with two machines; it goes when this is dropped.
struct Bed {
    machines: Vec<Namespace>,
}

impl Bed {
    fn new() -> Result<Self> {
        std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")?;
        // One case that fails must not be the end of all.
        for left in ["dp0", "dp1"] {
            let _ = odp(&format!("datapath delete {left}"));
        }
        odp("datapath add dp0")?;
        let mut bed = Self {
            machines: Vec::new(),
        };
        for number in 1..=2 {
            let machine = Namespace::new(&format!("m{number}"))?;
            machine.sysctl("ipv6/conf/default/disable_ipv6", "1")?;
            let inside = machine.path();
            let words = format!(
                "link add eth{number} type veth peer name e0 address 02:00:00:00:00:0{number} netns {}",
                inside.display()
            );
            ip(&words)?;
            ip(&format!("link set eth{number} up"))?;
            machine.ip(&format!("addr add 10.0.0.{number}/24 dev e0"))?;
            machine.ip("link set e0 up")?;
            odp(&format!("vport add netdev dp0 eth{number}"))?;
            bed.machines.push(machine);
        }
        Ok(bed)
    }

    /// What comes up is not answered, and ping says so.
    fn ping(&self) {
        let _ = self.machines[0].command("ping -c 1 -W 1 10.0.0.2");
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        // A case may have removed it.
        let _ = odp("datapath delete dp0");
        for number in 1..=2 {
            let _ = ip(&format!("link del eth{number}"));
        }
    }
}

fn ip(words: &str) -> Result<String> {
    run(Command::new("ip").args(words.split_whitespace()))
}

/// `heddle odp` that goes on; it ends when this is dropped.
struct Listener(Child);

impl Listener {
    fn start(words: &str) -> Result<Self> {
        let child = Command::new(HEDDLE)
            .arg("odp")
            .args(words.split_whitespace())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self(child))
    }

    /// What it prints, until it ends by itself.
    fn lines(mut self) -> Result<Vec<String>> {
        let out = self.0.stdout.take().context("it has an output")?;
        let lines = BufReader::new(out).lines().collect::<Result<_, _>>()?;
        let status = self.0.wait()?;
        ensure!(status.success(), "it ended with {status}");
        Ok(lines)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // It has ended in most cases.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn the_module_is_loaded_at_the_first_request() -> Result<()> {
    ensure!(!Path::new("/sys/module/openvswitch").exists());
    ensure!(odp("datapath")?.is_empty());
    ensure!(Path::new("/sys/module/openvswitch").exists());
    Ok(())
}

pub(crate) fn datapaths_are_added_listed_and_deleted() -> Result<()> {
    odp("datapath add dp0")?;
    odp("d a dp1")?;
    let listed = odp("datapath list")?;
    ensure!(
        listed == odp("d")? && listed == odp("data list")?,
        "{listed}"
    );
    let mut names = Vec::new();
    for line in listed.lines() {
        let (number, name) = line.split_once(": ").context("a line has a name")?;
        let index = std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex"))?;
        ensure!(index.trim() == number, "{line}");
        names.push(name);
    }
    names.sort_unstable();
    ensure!(names == ["dp0", "dp1"], "{listed}");
    let values: Vec<serde_json::Value> = odp("--json datapath")?
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    ensure!(
        values.iter().any(|value| value["name"] == "dp1"),
        "{values:?}"
    );
    let (number, _) = listed.split_once(':').context("a line has a number")?;
    odp(&format!("datapath delete {number}"))?;
    ensure!(odp("datapath")?.lines().count() == 1);
    let rest = odp("datapath")?;
    let (_, name) = rest.trim().split_once(": ").context("one is left")?;
    odp(&format!("d d system@{name}"))?;
    ensure!(dpctl("dump-dps")?.trim().is_empty());
    Ok(())
}

pub(crate) fn ports_of_every_kind_are_listed_as_they_are_added() -> Result<()> {
    let _bed = Bed::new()?;
    let ports = [
        "internal dp0 in0",
        "gre dp0 gr1",
        "vxlan dp0 vx0 --port=4789",
        "vxlan dp0 vx1 --port=4790 --gbp",
        "geneve dp0 gen0 --port=6081",
    ];
    for port in ports {
        odp(&format!("vport add {port}"))?;
    }
    let expected = [
        ["internal dp0 dp0", "netdev dp0 eth1", "netdev dp0 eth2"].as_slice(),
        &ports,
    ]
    .concat();
    let listed = odp("vport list dp0")?;
    ensure!(listed.lines().eq(expected.iter().copied()), "{listed}");
    ensure!(odp("v")? == listed && odp("vp list")? == listed);
    let shown = dpctl("show dp0")?;
    for name in [
        "in0 (internal)",
        "gr1 (gre",
        "vx0 (vxlan",
        "vx1 (vxlan",
        "gen0 (geneve",
    ] {
        ensure!(shown.contains(name), "no {name} in {shown}");
    }
    for port in ports {
        let name = port
            .split_whitespace()
            .nth(2)
            .context("a port has a name")?;
        odp(&format!("vport delete {name}"))?;
    }
    ensure!(odp("vport")?.lines().eq(expected[..3].iter().copied()));
    Ok(())
}

pub(crate) fn changes_of_ports_are_printed() -> Result<()> {
    let _bed = Bed::new()?;
    let listener = Listener::start("vport listen --count 2")?;
    // It says nothing until it hears; what comes before that is not printed.
    listens(&listener)?;
    odp("vport add vxlan dp0 vx0")?;
    odp("vport delete vx0")?;
    let lines = listener.lines()?;
    let expected = [
        "add vxlan dp0 vx0 --port=4789",
        "delete vxlan dp0 vx0 --port=4789",
    ];
    ensure!(lines == expected, "{lines:?}");
    Ok(())
}

/// Waits until a process has joined a group of netlink's.
fn listens(listener: &Listener) -> Result<()> {
    let own = listener.0.id().to_string();
    testbed::until(std::time::Duration::from_secs(30), "a listener", || {
        let sockets = std::fs::read_to_string("/proc/net/netlink")?;
        // Columns: sk Eth Pid Groups ...; generic netlink is 16. Only one of its sockets has the process's id.
        let joined = sockets.lines().skip(1).any(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            columns.get(1) == Some(&"16")
                && columns.get(3).is_some_and(|groups| *groups != "00000000")
        });
        let alive = Path::new("/proc").join(&own).exists();
        ensure!(alive, "the listener has ended");
        Ok(joined.then_some(()))
    })
}

pub(crate) fn flows_are_listed_as_they_are_added() -> Result<()> {
    let _bed = Bed::new()?;
    odp("vport add vxlan dp0 vx")?;
    let flows = [
        "--in-port=eth1 --eth-src=02:00:00:00:00:01 --output=eth2",
        "--in-port=eth1 --eth-dst=01:00:00:00:00:00/01:00:00:00:00:00 --output=eth2,dp0",
        "--in-port=eth2 --set-tunnel-id=000000000000002a --set-tunnel-ipv4-src=10.0.0.112 --set-tunnel-ipv4-dst=10.0.0.113 --set-tunnel-ttl=64 --output=vx",
    ];
    for flow in flows {
        odp(&format!("flow add dp0 {flow}"))?;
    }
    let listed = odp("flow list dp0")?;
    ensure!(listed.lines().count() == 3, "{listed}");
    // What is listed can be added as it is, and is then the same.
    odp("del-flows dp0")?;
    ensure!(odp("flow list dp0")?.is_empty());
    for flow in listed.lines() {
        odp(&format!("flow add dp0 {flow}"))?;
    }
    let mut again: Vec<String> = odp("f l dp0")?.lines().map(str::to_owned).collect();
    let mut before: Vec<String> = listed.lines().map(str::to_owned).collect();
    again.sort();
    before.sort();
    ensure!(again == before, "{again:#?}\n{before:#?}");
    // The same key gets other actions; another key is another flow.
    odp("flow add dp0 --in-port=eth1 --eth-src=02:00:00:00:00:01 --output=dp0")?;
    let listed = odp("flow list dp0 --stats")?;
    ensure!(
        listed.lines().count() == 3 && listed.contains(": 0 packets, 0 bytes, used never"),
        "{listed}"
    );
    odp("flow clear dp0 --in-port=eth1 --eth-src=02:00:00:00:00:01")?;
    odp("flow delete dp0 --in-port=eth1 --eth-src=02:00:00:00:00:01")?;
    ensure!(odp("flow list dp0")?.lines().count() == 2);
    Ok(())
}

pub(crate) fn both_tools_print_the_same_flows() -> Result<()> {
    let bed = Bed::new()?;
    let key = "in_port(eth1),eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp(dst=53)";
    odp(&format!("add-flow dp0 {key} push_vlan(vid=7,pcp=1),2"))?;
    odp("flow add dp0 --in-port=eth2 --output=eth1")?;
    odp("flow add dp0 --in-port=eth1 --output=eth2")?;
    bed.ping();
    dpctl(
        "add-flow dp0 in_port(9),eth(),eth_type(0x0806),arp(op=1/0xff) set(eth(src=02:00:00:00:00:09)),1",
    )?;
    for flags in ["", "-m", "--names"] {
        let mut ours = without_times(&odp(&format!("dump-flows {flags} dp0"))?);
        let mut theirs = without_times(&dpctl(&format!("dump-flows {flags} dp0"))?);
        ours.sort();
        theirs.sort();
        ensure!(
            ours.len() == 4 && ours == theirs,
            "{flags}: {ours:#?}\n{theirs:#?}"
        );
    }
    ensure!(refusal(&format!("add-flow dp0 {key} 2"))?.contains("EEXIST"));
    odp(&format!("mod-flow dp0 {key} 1"))?;
    ensure!(dpctl("dump-flows dp0")?.contains("actions:1\n"));
    odp(&format!("del-flow dp0 {key}"))?;
    dpctl("del-flows dp0")?;
    ensure!(odp("dump-flows dp0")?.is_empty());
    Ok(())
}

/// Lines without the time since they were used, which passes between two calls.
fn without_times(text: &str) -> Vec<String> {
    let line = |line: &str| match line.split_once("used:") {
        Some((before, after)) => {
            let (_, after) = after.split_once(", ").unwrap_or_default();
            format!("{before}{after}")
        }
        None => line.to_owned(),
    };
    text.lines().map(line).collect()
}

pub(crate) fn misses_are_printed_with_their_keys() -> Result<()> {
    let bed = Bed::new()?;
    let listener = Listener::start("datapath listen dp0 --keys --count 1")?;
    let lines = ping_until(&bed, listener)?;
    let [keys, packet] = lines.as_slice() else {
        bail!("{lines:?}");
    };
    let expected = "[dp0 --in-port=eth1 --eth-src=02:00:00:00:00:01 --eth-dst=ff:ff:ff:ff:ff:ff";
    ensure!(keys.starts_with(expected) && keys.ends_with(']'), "{keys}");
    ensure!(
        keys.contains("arp(sip=10.0.0.1,tip=10.0.0.2,op=1"),
        "{keys}"
    );
    ensure!(
        packet.contains("arp") && packet.contains("length 42"),
        "{packet}"
    );
    Ok(())
}

pub(crate) fn misses_are_a_capture() -> Result<()> {
    let bed = Bed::new()?;
    let listener = Listener::start("datapath listen dp0 --count 1 --pcap /tmp/misses.pcap")?;
    ping_until(&bed, listener)?;
    let bytes = std::fs::read("/tmp/misses.pcap")?;
    ensure!(
        bytes.get(..4) == Some(&0xa1b2_3c4d_u32.to_ne_bytes()),
        "{bytes:?}"
    );
    ensure!(bytes.len() == 24 + 16 + 42, "{bytes:?}");
    ensure!(bytes[24 + 16 + 12..24 + 16 + 14] == [8, 6], "{bytes:?}");
    Ok(())
}

/// Sends packets until the listener has ended, and gives what it printed.
fn ping_until(bed: &Bed, mut listener: Listener) -> Result<Vec<String>> {
    testbed::until(std::time::Duration::from_secs(40), "a miss", || {
        bed.ping();
        Ok(listener.0.try_wait()?)
    })?;
    listener.lines()
}

pub(crate) fn meters_limits_and_statistics_are_printed() -> Result<()> {
    let _bed = Bed::new()?;
    odp("meter set dp0 7 --pps 1000:200")?;
    ensure!(odp("meter get dp0 7")?.contains('7'));
    ensure!(odp("meter features dp0")?.contains("bands"));
    odp("meter delete dp0 7")?;
    odp("ct-limits set --default=10000 5=200")?;
    let theirs = dpctl("ct-get-limits system@dp0 zone=5")?;
    ensure!(theirs.contains("zone=5,limit=200"), "{theirs}");
    ensure!(odp("ct-limits get")?.contains("200"));
    let ours = odp("stats dp0")?;
    let theirs = dpctl("show dp0")?;
    // One counts what the other's look has added; all else is the same.
    let shape = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| {
                line.chars()
                    .filter(|letter| !letter.is_ascii_digit())
                    .collect()
            })
            .collect()
    };
    for line in ["lookups:", "flows:", "masks:", "port 1: eth1"] {
        ensure!(
            ours.contains(line) && theirs.contains(line),
            "{ours}\n{theirs}"
        );
    }
    ensure!(
        shape(&ours).first() == shape(&theirs).first(),
        "{ours}\n{theirs}"
    );
    Ok(())
}

pub(crate) fn errors_name_object_reason_and_remedy() -> Result<()> {
    let _bed = Bed::new()?;
    for (words, said) in [
        ("datapath add dp0", ["dp0", "EEXIST", "choose another"]),
        (
            "datapath delete absent",
            ["absent", "ENODEV", "datapath list"],
        ),
        ("vport delete absent", ["absent", "ENODEV", "vport list"]),
        (
            "vport add netdev dp0 absent",
            ["absent", "ENODEV", "ip link"],
        ),
        (
            "vport add netdev dp0 lo",
            ["lo", "EINVAL", "choose another"],
        ),
        (
            "flow delete dp0 --in-port=eth1",
            ["flow", "ENOENT", "no flow"],
        ),
        (
            "flow add dp0 --in-port=absent --output=eth1",
            ["absent", "port", ""],
        ),
        (
            "flow add dp0 --in-port=eth1 --eth-src=zz --eth-dst=02:00:00:00:00:01",
            ["eth-src", "zz", ""],
        ),
    ] {
        let text = refusal(words)?;
        for part in said {
            ensure!(
                text.contains(part),
                "heddle odp {words}: no {part:?} in {text}"
            );
        }
    }
    Ok(())
}

pub(crate) fn what_the_kernel_can_do_is_printed() -> Result<()> {
    let text = odp("probe")?;
    for name in ["ct", "recirculation", "tunnel"] {
        ensure!(text.contains(name), "no {name} in {text}");
    }
    ensure!(
        odp("datapath")?.is_empty(),
        "the probe left its datapath behind"
    );
    Ok(())
}

pub(crate) fn a_kernel_without_the_module_is_named_with_the_remedy() -> Result<()> {
    for words in ["datapath", "vport list", "flow list dp0", "probe"] {
        let said = refusal(words)?;
        ensure!(
            said.contains("modprobe openvswitch"),
            "heddle odp {words}: {said}"
        );
    }
    Ok(())
}

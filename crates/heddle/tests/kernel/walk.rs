//! The walk-through of go-odp's introduction: VXLAN by hand, on two hosts.

use anyhow::{Result, ensure};
use testbed::Namespace;

const HEDDLE: &str = env!("CARGO_BIN_EXE_heddle");

/// What is typed on a host. `@` is the other host, `%` this one.
const TYPED: &[&str] = &[
    "datapath add dp",
    "vport add netdev dp ethx",
    "vport add vxlan dp vx",
    "flow add dp --in-port=ethx --set-tunnel-ipv4-src=10.0.0.% --set-tunnel-ipv4-dst=10.0.0.@ --set-tunnel-ttl=64 --output=vx",
    "flow add dp --in-port=vx --tunnel-ipv4-src=10.0.0.@ --tunnel-ipv4-dst=10.0.0.% --output=ethx",
];

pub(crate) fn the_walk_through_of_go_odp_joins_two_hosts() -> Result<()> {
    let hosts = [Namespace::new("a")?, Namespace::new("b")?];
    let machines = [Namespace::new("machine-a")?, Namespace::new("machine-b")?];
    let there = hosts[1].path();
    hosts[0].ip(&format!(
        "link add e0 type veth peer name e0 netns {}",
        there.display()
    ))?;
    for (at, (host, machine)) in hosts.iter().zip(&machines).enumerate() {
        host.ip(&format!("addr add 10.0.0.{}/24 dev e0", 112 + at))?;
        host.ip("link set e0 up")?;
        let inside = machine.path();
        host.ip(&format!(
            "link add ethx type veth peer name e0 netns {}",
            inside.display()
        ))?;
        host.ip("link set ethx up")?;
        machine.command("ethtool -K e0 tx off")?;
        machine.ip(&format!("addr add 10.9.0.{}/24 dev e0", 1 + at))?;
        machine.ip("link set e0 mtu 1400 up")?;
        for words in TYPED {
            let words = words
                .replace('@', &(113 - at).to_string())
                .replace('%', &(112 + at).to_string());
            host.command(&format!("{HEDDLE} odp {words}"))?;
        }
    }
    machines[0].command("ping -c 5 -i 0.1 -W 10 10.9.0.2")?;
    for host in &hosts {
        let flows = host.command(&format!("{HEDDLE} odp flow list dp --stats"))?;
        ensure!(flows.lines().count() == 2, "{flows}");
        ensure!(!flows.contains(": 0 packets"), "{flows}");
        let ports = host.command(&format!("{HEDDLE} odp vport"))?;
        ensure!(ports.contains("vxlan dp vx --port=4789"), "{ports}");
    }
    Ok(())
}

//! Stock `ovn-controller` under our server: every flow that we write is one that it can read.

mod support;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use support::{expect_fail, expect_pass, heddle};
use testbed::{Addressing, Agent, Central, Cloud, Kind};

/// What a stock agent complains about on any machine without such hardware.
const USUAL: &str = "|vif_plug_provider|";

/// The warnings and errors in the logs of the agents.
fn complaints(cloud: &Cloud) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for hypervisor in cloud.hypervisors() {
        let log = std::fs::read_to_string(hypervisor.folder().join("agent.log"))?;
        ensure!(
            log.contains("Claiming lport"),
            "{} has no port: {log}",
            hypervisor.name()
        );
        let bad = |line: &&str| line.contains("|WARN|") || line.contains("|ERR|");
        let lines = log.lines().filter(bad).filter(|line| !line.contains(USUAL));
        all.extend(lines.map(str::to_owned));
    }
    Ok(all)
}

#[test]
fn a_stock_agent_understands_every_flow() -> Result<()> {
    let agents = [("hv1", Agent::Stock), ("hv2", Agent::Stock)];
    let mut cloud = Cloud::start_mixed(heddle(), Central::Heddle, &agents)?;
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/two-tier.yaml");
    cloud.apply(&example)?;
    let machines = [
        (
            "web1",
            "hv1",
            ["10.0.1.11/24", "fd00:1::11/64"],
            ["10.0.1.1", "fd00:1::1"],
        ),
        (
            "db1",
            "hv2",
            ["10.0.2.21/24", "fd00:2::21/64"],
            ["10.0.2.1", "fd00:2::1"],
        ),
        (
            "op1",
            "hv2",
            ["10.0.3.31/24", "fd00:3::31/64"],
            ["10.0.3.1", "fd00:3::1"],
        ),
    ];
    for (port, hypervisor, addresses, gateways) in machines {
        cloud.add_machine(port, hypervisor, Addressing::parse(&addresses, &gateways)?)?;
    }
    cloud.add_machine("web3", "hv2", Addressing::default())?;
    cloud.settle()?;
    expect_pass(&cloud, "op1", Kind::Ping, "10.0.1.11")?;
    expect_pass(&cloud, "op1", Kind::Ping, "fd00:1::11")?;
    expect_pass(&cloud, "db1", Kind::Ping, "10.0.1.1")?;
    expect_fail(&cloud, "web1", Kind::Ping, "10.0.2.21")?;
    let lease = cloud.vm("web3")?.lease().context("the lease of web3")?;
    ensure!(lease.address.to_string() == "10.0.1.13", "{lease:?}");

    // What the example does not use.
    let changes = [
        "--type=switch acl-add web to-lport 2000 tcp.dst=={8000,8080}&&ip4.src!=10.0.9.0/24 allow-stateless",
        "--log --severity=info --name=seen acl-add office from-lport 1500 udp.dst==5353 drop",
        "acl-add office to-lport 1400 icmp4.type==13 reject",
        "lr-route-add edge 10.9.0.0/16 10.0.3.31",
        "lr-route-add edge fd00:9::/64 fd00:3::31",
        "--ecmp lr-route-add edge 10.8.0.0/16 10.0.3.31",
        "--ecmp lr-route-add edge 10.8.0.0/16 10.0.2.21",
        "lr-route-add edge 10.7.0.0/16 discard",
        "lr-policy-add edge 100 ip4.dst==10.0.9.0/24 drop",
        "ls-add plain -- lsp-add plain any -- lsp-set-addresses any unknown",
        "lrp-add edge edge-plain 00:00:00:00:ee:01 10.0.9.1/24",
        "lsp-add plain plain-edge -- lsp-set-type plain-edge router -- lsp-set-addresses plain-edge router \
         -- lsp-set-options plain-edge router-port=edge-plain",
    ];
    for change in changes {
        cloud.nbctl(&change.split_whitespace().collect::<Vec<_>>())?;
    }
    cloud.nbctl(&["--wait=hv", "sync"])?;
    expect_pass(&cloud, "db1", Kind::Ping, "10.0.9.1")?;
    let complaints = complaints(&cloud)?;
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(())
}

//! Agents that have the Southbound from a relay: a stock one and ours, with real switches and packets.
//!
//! Needs root, Open vSwitch and OVN's programs.

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use support::{expect_pass, file, heddle};
use testbed::{Addressing, Agent, Central, Cloud, Kind, Namespace, Process, until};

const LIMIT: Duration = Duration::from_secs(60);

/// A relay of the Southbound, as a process.
struct Relay {
    process: Process,
    socket: std::path::PathBuf,
    namespace: Namespace,
}

impl Relay {
    fn start(cloud: &Cloud) -> Result<Self> {
        let namespace = Namespace::new("relay")?;
        let socket = cloud.folder().join("relay.sock");
        let process = Self::run(&namespace, cloud, &socket)?;
        Ok(Self {
            process,
            socket,
            namespace,
        })
    }

    fn run(namespace: &Namespace, cloud: &Cloud, socket: &Path) -> Result<Process> {
        let mut command = Command::new(heddle());
        let file = |kind: &str| cloud.folder().join(format!("relay.{kind}"));
        command
            .arg("relay")
            .arg(format!("OVN_Southbound:{}", cloud.southbound_remote()))
            .arg(format!("--remote=punix:{}", socket.display()))
            .arg(format!("--unixctl={}", file("ctl").display()))
            .arg(format!("--log-file={}", file("log").display()))
            .env("OVN_RUNDIR", cloud.folder())
            .env("OVS_RUNDIR", cloud.folder());
        let process = Process::start(namespace, "relay", &command, &file("out"))?;
        until(LIMIT, "the relay to have a schema", || {
            let mut schema = Command::new("ovsdb-client");
            schema
                .arg("get-schema-version")
                .arg(format!("unix:{}", socket.display()));
            schema.arg("OVN_Southbound");
            Ok(testbed::run(&mut schema).ok())
        })?;
        Ok(process)
    }

    /// Whether somebody of every hypervisor is connected to it.
    fn has_all(&self, cloud: &Cloud) -> Result<bool> {
        let path = self.socket.display().to_string();
        // The sixth column is the state: 03 for one that is connected.
        let is_one = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.get(5) == Some(&"03") && words.get(7) == Some(&&*path)
        };
        for hypervisor in cloud.hypervisors() {
            // A connection belongs to the network namespace of who asked for it.
            let process = hypervisor.processes()[0];
            let sockets = std::fs::read_to_string(format!("/proc/{process}/net/unix"))?;
            if !sockets.lines().any(is_one) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[test]
fn agents_of_both_kinds_live_by_a_relay() -> Result<()> {
    let agents = [("hv1", Agent::Stock), ("hv2", Agent::Heddle)];
    let mut cloud = Cloud::start_mixed(heddle(), Central::Heddle, &agents)?;
    let mut relay = Relay::start(&cloud)?;
    let remote = format!("external_ids:ovn-remote=unix:{}", relay.socket.display());
    for hypervisor in cloud.hypervisors() {
        hypervisor.vsctl(&["set", "open_vswitch", ".", &remote])?;
    }
    until(LIMIT, "both agents at the relay", || {
        Ok(relay.has_all(&cloud)?.then_some(()))
    })?;
    cloud.apply(file(support::NETWORK)?.path())?;
    for (port, hypervisor, address, gateway) in [
        ("a1", "hv1", "10.0.1.11/24", "10.0.1.1"),
        ("b1", "hv2", "10.0.2.21/24", "10.0.2.1"),
    ] {
        cloud.add_machine(port, hypervisor, Addressing::parse(&[address], &[gateway])?)?;
    }
    // That they have bound their ports, and followed, is written through the relay.
    cloud.settle()?;
    expect_pass(&cloud, "a1", Kind::Ping, "10.0.2.21")?;
    expect_pass(&cloud, "b1", Kind::Ping, "10.0.1.11")?;

    // The relay is killed: packets go on, and its next life is taken up.
    relay.process.kill();
    expect_pass(&cloud, "a1", Kind::Ping, "10.0.2.21")?;
    relay.process = Relay::run(&relay.namespace, &cloud, &relay.socket)?;
    cloud.nbctl(&[
        "acl-add",
        "a",
        "to-lport",
        "1001",
        "icmp4 && ip4.src==10.0.2.21",
        "drop",
    ])?;
    cloud.settle()?;
    support::expect_fail(&cloud, "b1", Kind::Ping, "10.0.1.11")?;
    ensure!(relay.has_all(&cloud)?);
    cloud.expect_alive()
}

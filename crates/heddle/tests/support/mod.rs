//! What the system tests share: a network of two switches and a router on two hypervisors.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::path::{Path, PathBuf};

use anyhow::Result;
use testbed::{Addressing, Agent, Central, Cloud, Kind, Outcome, Probe, Scratch};

/// The binary under test.
pub(crate) fn heddle() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_heddle"))
}

/// Two switches, a router between them, and three ports.
pub(crate) const NETWORK: &str = "
version: 1
name: test
port_groups:
  servers:
    ports: [a2]
    acls: []
switches:
  a:
    subnets: [10.0.1.0/24, fd00:1::/64]
    ports:
      a1: {addresses: [10.0.1.11, fd00:1::11]}
      a2: {addresses: [10.0.1.12, fd00:1::12]}
  b:
    subnets: [10.0.2.0/24, fd00:2::/64]
    ports:
      b1: {addresses: [10.0.2.21, fd00:2::21]}
routers:
  r:
    ports:
      a: [10.0.1.1/24, fd00:1::1/64]
      b: [10.0.2.1/24, fd00:2::1/64]
";

/// Which machine is where, with its addresses and its gateways.
const MACHINES: [(&str, &str, [&str; 2], [&str; 2]); 3] = [
    (
        "a1",
        "hv1",
        ["10.0.1.11/24", "fd00:1::11/64"],
        ["10.0.1.1", "fd00:1::1"],
    ),
    (
        "a2",
        "hv2",
        ["10.0.1.12/24", "fd00:1::12/64"],
        ["10.0.1.1", "fd00:1::1"],
    ),
    (
        "b1",
        "hv2",
        ["10.0.2.21/24", "fd00:2::21/64"],
        ["10.0.2.1", "fd00:2::1"],
    ),
];

/// A document in a file of its own.
pub(crate) struct Document {
    path: PathBuf,
    _scratch: Scratch,
}

impl Document {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// A file with this text.
pub(crate) fn file(text: &str) -> Result<Document> {
    let scratch = Scratch::new()?;
    Ok(Document {
        path: scratch.write("net.yaml", text)?,
        _scratch: scratch,
    })
}

/// The network, running: a1 on hv1, a2 and b1 on hv2.
pub(crate) fn cloud() -> Result<Cloud> {
    mixed(Central::Heddle, [Agent::Heddle, Agent::Heddle])
}

/// The same network, with other programs in places.
pub(crate) fn mixed(central: Central, [first, second]: [Agent; 2]) -> Result<Cloud> {
    let agents = [("hv1", first), ("hv2", second)];
    let mut cloud = Cloud::start_mixed(heddle(), central, &agents)?;
    cloud.apply(file(NETWORK)?.path())?;
    for (port, hypervisor, addresses, gateways) in MACHINES {
        cloud.add_machine(port, hypervisor, Addressing::parse(&addresses, &gateways)?)?;
    }
    cloud.settle()?;
    Ok(cloud)
}

/// Asks from a machine. Twice if need be: a machine that does not know its neighbour yet asks for it
/// again only after a second.
pub(crate) fn ask(cloud: &Cloud, from: &str, kind: Kind, to: &str) -> Result<Outcome> {
    let probe = Probe::new(kind, to.parse()?);
    let namespace = cloud.vm(from)?.namespace();
    match probe.ask(namespace)? {
        Outcome::Silence => probe.ask(namespace),
        outcome => Ok(outcome),
    }
}

/// Fails unless the answer comes.
pub(crate) fn expect_pass(cloud: &Cloud, from: &str, kind: Kind, to: &str) -> Result<()> {
    let outcome = ask(cloud, from, kind, to)?;
    anyhow::ensure!(
        outcome.is_answered(),
        "{from} to {to}, {kind:?}: {outcome:?}"
    );
    Ok(())
}

/// Fails if an answer comes.
pub(crate) fn expect_fail(cloud: &Cloud, from: &str, kind: Kind, to: &str) -> Result<()> {
    let outcome = Probe::new(kind, to.parse()?).ask(cloud.vm(from)?.namespace())?;
    anyhow::ensure!(
        !outcome.is_answered(),
        "{from} to {to}, {kind:?}: {outcome:?}"
    );
    Ok(())
}

/// Everything that the network should do, over tunnels and through the router, in both families.
pub(crate) fn expect_network(cloud: &Cloud) -> Result<()> {
    for to in [
        "10.0.1.12",
        "fd00:1::12",
        "10.0.2.21",
        "fd00:2::21",
        "10.0.1.1",
        "fd00:2::1",
    ] {
        expect_pass(cloud, "a1", Kind::Ping, to)?;
    }
    expect_pass(cloud, "b1", Kind::Ping, "10.0.1.11")
}

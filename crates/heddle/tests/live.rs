//! Changes while traffic runs: what is changed takes effect, and nobody else loses a packet.

mod support;

use std::time::Duration;

use anyhow::Result;
use support::{cloud, expect_fail, expect_network, expect_pass};
use testbed::{Addressing, Cloud, Echo, Kind, Pinging, Responder, VmSpec};

/// A steady ping on one switch, and one through the router.
fn traffic(cloud: &Cloud) -> Result<[Pinging; 2]> {
    // Neighbours are known before the count begins.
    expect_network(cloud)?;
    let sender = cloud.vm("a1")?.namespace();
    let every = Duration::from_millis(10);
    Ok([
        Echo::start(sender, "10.0.1.12".parse()?, every)?,
        Echo::start(sender, "10.0.2.21".parse()?, every)?,
    ])
}

fn expect_no_loss(traffic: [Pinging; 2]) -> Result<()> {
    for pinging in traffic {
        let echo = pinging.finish()?;
        // The quicker the change, the fewer packets there were to lose.
        assert!(echo.received > 5 && echo.lost == 0, "{echo:?}");
        // Not everything since some moment is on its way: answers still come.
        assert!(echo.sent - echo.received < 50, "{echo:?}");
    }
    Ok(())
}

#[test]
fn ports_rules_and_router_ports_change_without_loss() -> Result<()> {
    let mut cloud = cloud()?;
    let _responder = Responder::start(cloud.vm("a2")?.namespace(), "a2", 80)?;
    // Plugged in before its logical port exists, and before the count begins: the datapath in user space
    // itself may lose a packet when it gets or loses an interface.
    let machine = VmSpec {
        name: "a3".to_owned(),
        port: "a3".to_owned(),
        mac: "0a:00:00:00:00:13".to_owned(),
        addressing: Addressing::parse(&["10.0.1.13/24"], &["10.0.1.1"])?,
    };
    cloud.add_vm(machine, "hv1")?;
    let traffic = traffic(&cloud)?;

    // A port comes and goes.
    expect_fail(&cloud, "a3", Kind::Ping, "10.0.1.12")?;
    let address = "0a:00:00:00:00:13 10.0.1.13";
    cloud.nbctl(&[
        "lsp-add",
        "a",
        "a3",
        "--",
        "lsp-set-addresses",
        "a3",
        address,
    ])?;
    cloud.settle()?;
    expect_pass(&cloud, "a3", Kind::Ping, "10.0.1.12")?;
    expect_pass(&cloud, "b1", Kind::Ping, "10.0.1.13")?;
    cloud.nbctl(&["--wait=hv", "lsp-del", "a3"])?;
    expect_fail(&cloud, "a3", Kind::Ping, "10.0.1.12")?;

    // A rule that has nothing to do with the pings.
    expect_pass(&cloud, "a1", Kind::Tcp(80), "10.0.1.12")?;
    let rule = "outport == @servers && tcp.dst == 80";
    cloud.nbctl(&[
        "--wait=hv",
        "acl-add",
        "servers",
        "to-lport",
        "1001",
        rule,
        "drop",
    ])?;
    expect_fail(&cloud, "a1", Kind::Tcp(80), "10.0.1.12")?;
    cloud.nbctl(&["--wait=hv", "acl-del", "servers"])?;
    expect_pass(&cloud, "a1", Kind::Tcp(80), "10.0.1.12")?;

    // A router port with a switch behind it.
    expect_fail(&cloud, "a1", Kind::Ping, "10.0.3.1")?;
    cloud.nbctl(&["lrp-add", "r", "r-c", "0a:00:00:00:03:01", "10.0.3.1/24"])?;
    cloud.nbctl(&[
        "--wait=hv",
        "ls-add",
        "c",
        "--",
        "lsp-add",
        "c",
        "c-r",
        "--",
        "lsp-set-type",
        "c-r",
        "router",
        "--",
        "lsp-set-addresses",
        "c-r",
        "router",
        "--",
        "lsp-set-options",
        "c-r",
        "router-port=r-c",
    ])?;
    expect_pass(&cloud, "a1", Kind::Ping, "10.0.3.1")?;
    cloud.nbctl(&["--wait=hv", "ls-del", "c", "--", "lrp-del", "r-c"])?;
    expect_fail(&cloud, "a1", Kind::Ping, "10.0.3.1")?;

    expect_no_loss(traffic)
}

#[test]
fn agents_and_the_server_restart_without_loss() -> Result<()> {
    let mut cloud = cloud()?;
    let traffic = traffic(&cloud)?;

    cloud.restart_agent("hv1")?;
    cloud.settle()?;
    cloud.restart_agent("hv2")?;
    cloud.settle()?;
    cloud.restart_centre()?;
    cloud.settle()?;
    expect_network(&cloud)?;

    expect_no_loss(traffic)
}

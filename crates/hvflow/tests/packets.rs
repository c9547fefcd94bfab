//! Packets that are not plain: errors, fragments; and what a switch keeps of them.

mod support;

use std::process::Command;

use anyhow::{Context, Result, ensure};
use hvflow::cookie::Selection;
use serde_json::json;
use support::World;
use testbed::{Kind, Outcome, run};

/// Nobody listens there: the error comes back in spite of what is denied inbound, and through a translation.
#[test]
fn errors_about_a_connection_come_back_to_who_opened_it() -> Result<()> {
    let mut world = World::new()?;
    world.rules(4, json!([]))?;
    world.expect_fail("d1", Kind::Ping, "192.0.2.40")?;
    for address in ["192.0.2.10", "192.0.2.110", "2001:db8::10", "2001:db8::110"] {
        let outcome = world.ask(("d4", None), Kind::Udp(999), address)?;
        ensure!(
            matches!(outcome, Outcome::Refused(_)),
            "{address}: {outcome:?}"
        );
    }
    Ok(())
}

#[test]
fn fragments_pass_where_their_connection_may() -> Result<()> {
    let mut world = World::new()?;
    world.rules(
        4,
        json!([{"direction": "inbound", "protocol": "icmp", "icmp": {"type": 8}, "remote": ["192.0.2.10", "192.0.2.110"]},
               {"direction": "inbound", "protocol": "icmpv6", "remote": ["2001:db8::10", "2001:db8::110"]}]),
    )?;
    // The datapath in user space loses the first packet of a connection if it is fragmented; the next ones count.
    let answered = |from: &str, to: &str| -> Result<bool> {
        let words = format!("ping -q -n -c 5 -i 0.2 -w 3 -s 4000 {to}");
        let mut ping = Command::new("env");
        ping.arg("LC_ALL=C").args(words.split(' '));
        let output = world.namespace(from)?.run(move || ping.output())??;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let count = said
            .split(", ")
            .find_map(|part| part.strip_suffix(" received"));
        Ok(count.context(said.clone())? != "0")
    };
    for address in ["192.0.2.40", "2001:db8::40"] {
        ensure!(answered("d1", address)?, "d1 to {address}");
        ensure!(!answered("d2", address)?, "d2 to {address}");
    }
    Ok(())
}

/// Zones are common to all bridges of a datapath; OVN's begin at 1.
#[test]
fn connections_are_in_the_zones_that_are_stated() -> Result<()> {
    let mut world = World::new()?;
    world.expect_pass("d1", Kind::Ping, "192.0.2.20")?;
    world.expect_pass("out", Kind::Ping, "192.0.2.110")?;
    let names: Vec<String> = [1, 2]
        .map(|number| world.params(number).vnics[0].name.clone())
        .into();
    let site = world.site(0);
    let mut wanted: Vec<u16> = names
        .iter()
        .filter_map(|name| Some(0x8000 + site.bridge.ports.number(name)?))
        .collect();
    let dump = site.hypervisor.appctl(&["dpctl/dump-conntrack"])?;
    let zone = |line: &str| -> Option<u16> {
        let (_, rest) = line.split_once("zone=")?;
        rest.split(',').next()?.parse().ok()
    };
    let mut zones: Vec<u16> = dump
        .lines()
        .filter(|line| line.contains("icmp"))
        .filter_map(zone)
        .collect();
    for list in [&mut zones, &mut wanted] {
        list.sort_unstable();
        list.dedup();
    }
    ensure!(
        zones == wanted && zones.len() == 2,
        "{zones:?} instead of {wanted:?}: {dump}"
    );
    ensure!(
        !dump
            .lines()
            .any(|line| line.contains("icmp") && zone(line).is_none()),
        "{dump}"
    );
    Ok(())
}

/// What a hook of libvirt's does when a machine ends: it knows the machine's number and nothing else.
#[test]
fn a_hook_removes_a_machine_by_its_cookie() -> Result<()> {
    let mut world = World::new()?;
    world.expect_pass("out", Kind::Ping, "192.0.2.10")?;
    let site = world.site(0);
    let count = |selection| site.bridge.installed.flows(selection).count();
    let (other, host) = (count(Selection::Machine(2)), count(Selection::Host));
    ensure!(
        count(Selection::Machine(1)) > 0,
        "there is nothing to remove"
    );
    let target = site.hypervisor.folder().join("br-hv.mgmt");
    let target = format!("unix:{}", target.to_str().context("a plain path")?);
    let machine = Selection::Machine(1).to_string();
    run(Command::new("ovs-ofctl").args(["-O", "OpenFlow15", "del-flows", &target, &machine]))?;
    world.read(0)?;
    let site = world.site(0);
    let count = |selection| site.bridge.installed.flows(selection).count();
    ensure!(count(Selection::Machine(1)) == 0, "flows are left");
    ensure!(
        (count(Selection::Machine(2)), count(Selection::Host)) == (other, host),
        "too much went"
    );
    world.expect_fail("out", Kind::Ping, "192.0.2.10")?;
    world.expect_pass("out", Kind::Ping, "192.0.2.20")
}

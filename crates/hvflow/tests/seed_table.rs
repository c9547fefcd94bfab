//! The table of the first system of this kind: who reaches whom, over three hypervisors with real switches.

mod support;

use std::time::Duration;

use anyhow::{Result, ensure};
use hvflow::params::FloatingIps;
use serde_json::json;
use support::World;
use testbed::{Kind, Outcome, Responder, until};

#[test]
fn outside_to_public_passes() -> Result<()> {
    let world = World::new()?;
    for (number, address) in [(1, "192.0.2.10"), (3, "192.0.2.30")] {
        let outcome = world.ask(("out", Some("8.8.8.8")), Kind::Ping, address)?;
        ensure!(outcome.is_answered(), "machine {number}: {outcome:?}");
    }
    world.expect_pass("d1", Kind::Ping, "8.8.8.8")
}

#[test]
fn outside_to_public_passes_by_ipv6() -> Result<()> {
    let world = World::new()?;
    for address in ["2001:db8::10", "2001:db8::30"] {
        let outcome = world.ask(("out", Some("2001:4860::8")), Kind::Ping, address)?;
        ensure!(outcome.is_answered(), "{address}: {outcome:?}");
    }
    world.expect_pass("d1", Kind::Ping, "2001:4860::8")
}

#[test]
fn outside_to_floating_passes() -> Result<()> {
    let world = World::new()?;
    let _responder = Responder::start(world.namespace("d3")?, "d3", 80)?;
    for kind in [Kind::Ping, Kind::Tcp(80), Kind::Udp(80)] {
        let outcome = world.ask(("out", Some("8.8.8.8")), kind, "192.0.2.130")?;
        ensure!(outcome.is_answered(), "{kind:?}: {outcome:?}");
        let outcome = world.ask(("out", Some("2001:4860::8")), kind, "2001:db8::130")?;
        ensure!(outcome.is_answered(), "IPv6, {kind:?}: {outcome:?}");
    }
    Ok(())
}

/// Whoever sends it: on the public network to the card's own Ethernet address, or on the private one from outside.
#[test]
fn outside_to_private_fails() -> Result<()> {
    let world = World::new()?;
    let out = world.namespace("out")?;
    for private in ["10.60.5.1", "fd00:60::5:1"] {
        let family = if private.contains(':') { "-6" } else { "-4" };
        let mac = &world.vm("p1").spec().mac;
        out.ip(&format!("{family} route add {private} dev eth0"))?;
        out.ip(&format!(
            "{family} neigh replace {private} lladdr {mac} dev eth0 nud permanent"
        ))?;
        world.expect_fail("out", Kind::Ping, private)?;
    }
    // Who is on the private network itself gets through, but not for somebody outside.
    let inside = world.ask(("inner", Some("10.60.0.1")), Kind::Ping, "10.60.5.1")?;
    ensure!(inside.is_answered(), "{inside:?}");
    let outside = world.ask(("inner", Some("8.8.4.4")), Kind::Ping, "10.60.5.1")?;
    ensure!(outside == Outcome::Silence, "{outside:?}");
    let inside = world.ask(("inner", Some("fd00:60::1")), Kind::Ping, "fd00:60::5:1")?;
    ensure!(inside.is_answered(), "{inside:?}");
    let outside = world.ask(("inner", Some("2001:4860::4")), Kind::Ping, "fd00:60::5:1")?;
    ensure!(outside == Outcome::Silence, "{outside:?}");
    Ok(())
}

#[test]
fn private_to_outside_fails() -> Result<()> {
    let world = World::new()?;
    world.expect_pass("p1", Kind::Ping, "10.60.0.1")?;
    let card = world.namespace("p1")?;
    card.ip("route add 8.8.4.4 via 10.60.0.1 dev eth0")?;
    let reached = world.hears("inner", ipv4_from([10, 60, 5, 1]), || {
        world.expect_fail("p1", Kind::Ping, "8.8.4.4")
    })?;
    ensure!(!reached, "it left the private network");
    Ok(())
}

fn ipv4_from(source: [u8; 4]) -> impl Fn(&[u8]) -> bool {
    move |frame| frame.get(12..14) == Some(&[8, 0]) && frame.get(26..30) == Some(&source)
}

#[test]
fn private_to_private_passes_within_and_across_hypervisors() -> Result<()> {
    let world = World::new()?;
    for to in ["10.60.5.2", "10.60.5.3", "fd00:60::5:2", "fd00:60::5:3"] {
        world.expect_pass("p1", Kind::Ping, to)?;
    }
    // The two networks of a hypervisor have nothing in common.
    let card = world.namespace("p1")?;
    card.ip("route add 192.0.2.20 dev eth0")?;
    world.expect_fail("p1", Kind::Ping, "192.0.2.20")
}

fn machine_to_machine(to: u32, (ipv4, ipv6): (&str, &str)) -> Result<()> {
    let mut world = World::new()?;
    let name = format!("d{to}");
    let _web = Responder::start(world.namespace(&name)?, &name, 80)?;
    let _ssh = Responder::start(world.namespace(&name)?, &name, 22)?;
    // Without policies everything passes.
    for address in [ipv4, ipv6] {
        world.expect_pass("d1", Kind::Tcp(22), address)?;
        world.expect_pass("d1", Kind::Udp(80), address)?;
    }
    world.rules(
        to,
        json!([{"direction": "inbound", "protocol": "tcp", "ports": [{"first": 80, "last": 88}],
                "remote": ["192.0.2.10", "2001:db8::10", "192.0.2.110", "2001:db8::110", "198.51.100.0/24"]},
               {"direction": "inbound", "protocol": "tcp", "ports": [{"first": 22, "last": 22}],
                "remote": ["192.0.2.1", "2001:db8::1"]}]),
    )?;
    for address in [ipv4, ipv6] {
        world.expect_pass("d1", Kind::Tcp(80), address)?;
        world.expect_fail("d1", Kind::Tcp(22), address)?;
        world.expect_fail("d1", Kind::Udp(80), address)?;
        world.expect_fail("d1", Kind::Ping, address)?;
        world.expect_fail("d3", Kind::Tcp(80), address)?;
        world.expect_pass("out", Kind::Tcp(22), address)?;
        world.expect_fail("out", Kind::Tcp(80), address)?;
    }
    // What the machine opens itself is answered, in spite of what is denied inbound.
    world.expect_pass(&name, Kind::Ping, "192.0.2.30")?;
    world.expect_pass(&name, Kind::Ping, "2001:db8::30")
}

#[test]
fn machine_to_machine_of_another_hypervisor_as_policies_say() -> Result<()> {
    machine_to_machine(4, ("192.0.2.40", "2001:db8::40"))
}

#[test]
fn machine_to_machine_of_the_same_hypervisor_as_policies_say() -> Result<()> {
    machine_to_machine(2, ("192.0.2.20", "2001:db8::20"))
}

#[test]
fn outbound_policies_and_denials_hold() -> Result<()> {
    let mut world = World::new()?;
    let _web = Responder::start(world.namespace("d3")?, "d3", 80)?;
    let policies = json!({
        "rules": [
            {"direction": "outbound", "protocol": "tcp", "remote_groups": ["friends"]},
            {"direction": "outbound", "protocol": "icmp", "icmp": {"type": 8}},
            {"direction": "outbound", "protocol": "icmpv6", "icmp": {"type": 128}},
            {"direction": "outbound", "action": "deny", "remote": ["192.0.2.40"]}
        ]
    });
    world.change(2, |params| {
        let friends = ["192.0.2.30", "2001:db8::30"].map(|text| text.parse().unwrap());
        params
            .address_groups
            .insert("friends".to_owned(), friends.into());
        params.vnics[0].security_policies = serde_json::from_value(policies).unwrap();
    })?;
    for (friend, stranger) in [("192.0.2.30", "192.0.2.1"), ("2001:db8::30", "2001:db8::1")] {
        world.expect_pass("d2", Kind::Tcp(80), friend)?;
        world.expect_fail("d2", Kind::Udp(80), friend)?;
        world.expect_pass("d2", Kind::Ping, friend)?;
        world.expect_pass("d2", Kind::Ping, stranger)?;
        world.expect_fail("d2", Kind::Tcp(80), stranger)?;
    }
    world.expect_fail("d2", Kind::Ping, "192.0.2.40")?;
    // Nobody is let in.
    world.expect_fail("out", Kind::Ping, "192.0.2.20")
}

/// Both sides are seen by the other under their floating addresses.
#[test]
fn floating_to_floating_passes() -> Result<()> {
    let world = World::new()?;
    let _responder = Responder::start(world.namespace("d3")?, "d3", 80)?;
    let seen = world.hears("d3", ipv4_from([192, 0, 2, 110]), || {
        world.expect_pass("d1", Kind::Ping, "192.0.2.130")
    })?;
    ensure!(seen, "the source is not the floating address");
    world.expect_pass("d1", Kind::Tcp(80), "192.0.2.130")?;
    world.expect_pass("d1", Kind::Tcp(80), "2001:db8::130")?;
    world.expect_pass("d1", Kind::Udp(80), "2001:db8::130")?;
    world.expect_pass("d3", Kind::Ping, "192.0.2.110")?;
    world.expect_pass("d3", Kind::Ping, "2001:db8::110")
}

/// The router is told where it is now: it forgets nothing by itself here.
#[test]
fn a_floating_address_moves_within_and_across_hypervisors() -> Result<()> {
    let mut world = World::new()?;
    let out = world.namespace("out")?;
    out.sysctl("ipv4/neigh/eth0/locktime", "0")?;
    out.sysctl("ipv6/neigh/eth0/locktime", "0")?;
    let floating = world.params(1).vnics[0].floating_ips.clone();
    let expect_at = |world: &World, name: &str| -> Result<()> {
        for address in ["192.0.2.110", "2001:db8::110"] {
            let mac = world.vm(name).spec().mac.clone();
            until(Duration::from_secs(20), "the router to know", || {
                let known = world
                    .namespace("out")?
                    .ip(&format!("neigh show {address}"))?;
                Ok(known.contains(&mac).then_some(()))
            })?;
            let heard = world.hears(name, echo_request, || {
                world.expect_pass("out", Kind::Ping, address)
            })?;
            ensure!(heard, "{name} did not hear it");
        }
        Ok(())
    };
    for address in ["192.0.2.110", "2001:db8::110"] {
        world.expect_pass("out", Kind::Ping, address)?;
    }
    expect_at(&world, "d1")?;
    let mut from = 1;
    for (to, name) in [(2, "d2"), (4, "d4"), (1, "d1")] {
        world.change(from, |params| {
            params.vnics[0].floating_ips = FloatingIps::default();
        })?;
        let floating = floating.clone();
        world.change(to, |params| params.vnics[0].floating_ips = floating)?;
        expect_at(&world, name)?;
        from = to;
    }
    world.change(1, |params| params.vnics[0].floating_ips.ipv4.clear())?;
    world.expect_fail("out", Kind::Ping, "192.0.2.110")
}

fn echo_request(frame: &[u8]) -> bool {
    match frame.get(12..14) {
        Some([0x08, 0]) => frame.get(34) == Some(&8),
        Some([0x86, 0xdd]) => frame.get(54) == Some(&128),
        _ => false,
    }
}

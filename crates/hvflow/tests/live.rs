//! Changes while traffic runs.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hvflow::cookie::Selection;
use hvflow::params::{InterfaceType, RateLimit};
use serde_json::{Value, json};
use support::World;
use testbed::{Echo, Kind, Responder, until};

const PATIENCE: Duration = Duration::from_secs(20);

/// A connection between two machines, one end each.
struct Talk {
    client: TcpStream,
    server: TcpStream,
}

impl Talk {
    fn open(world: &World, (from, to): (&str, &str), address: &str) -> Result<Self> {
        let address: SocketAddr = address.parse()?;
        let any: SocketAddr = ("::".parse::<std::net::Ipv6Addr>()?, address.port()).into();
        let listener = world.namespace(to)?.run(move || TcpListener::bind(any))??;
        let connect = move || TcpStream::connect_timeout(&address, PATIENCE);
        let client = world
            .namespace(from)?
            .run(connect)?
            .context("cannot connect")?;
        let (server, _) = listener.accept()?;
        for end in [&client, &server] {
            end.set_read_timeout(Some(Duration::from_millis(1500)))?;
            end.set_nodelay(true)?;
        }
        Ok(Self { client, server })
    }

    /// Whether a word gets through in time, each way. What comes late counts for the next time.
    fn flows(&mut self) -> Result<[bool; 2]> {
        Ok([
            word(&mut self.client, &mut self.server)?,
            word(&mut self.server, &mut self.client)?,
        ])
    }

    fn expect_goes_on(&mut self) -> Result<()> {
        let both = self.flows()?;
        ensure!(both == [true, true], "client to server, and back: {both:?}");
        Ok(())
    }

    /// The switch looks at what it has cached when a bundle has taken effect, not before.
    fn expect_ends(&mut self) -> Result<()> {
        until(PATIENCE, "the connection to end", || {
            Ok((self.flows()? == [false, false]).then_some(()))
        })
    }
}

fn word(from: &mut TcpStream, to: &mut TcpStream) -> Result<bool> {
    from.write_all(b"w")?;
    match to.read(&mut [0; 64]) {
        Ok(length) => Ok(length > 0),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

fn open_to(remote: &Value) -> Value {
    json!([{"direction": "inbound", "protocol": "tcp", "ports": [{"first": 80, "last": 80}], "remote": remote}])
}

#[test]
fn an_established_connection_survives_a_change_that_still_allows_it() -> Result<()> {
    for (address, before, after) in [
        (
            "192.0.2.40:80",
            json!(["0.0.0.0/0"]),
            json!(["192.0.2.10", "192.0.2.110", "192.0.2.77"]),
        ),
        (
            "[2001:db8::40]:80",
            json!(["::/0"]),
            json!(["2001:db8::10", "2001:db8::110", "2001:db8::77"]),
        ),
    ] {
        let mut world = World::new()?;
        world.rules(4, open_to(&before))?;
        let mut talk = Talk::open(&world, ("d1", "d4"), address)?;
        talk.expect_goes_on()?;
        world.rules(4, open_to(&after))?;
        for _ in 0..5 {
            talk.expect_goes_on()?;
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    Ok(())
}

#[test]
fn an_established_connection_ends_at_a_change_that_does_not_allow_it() -> Result<()> {
    for (address, all, other) in [
        ("192.0.2.40:80", json!(["0.0.0.0/0"]), json!(["192.0.2.77"])),
        (
            "[2001:db8::40]:80",
            json!(["::/0"]),
            json!(["2001:db8::77"]),
        ),
    ] {
        let mut world = World::new()?;
        world.rules(4, open_to(&all))?;
        let mut talk = Talk::open(&world, ("d1", "d4"), address)?;
        talk.expect_goes_on()?;
        world.rules(4, open_to(&other))?;
        talk.expect_ends()?;
        // It is ended by what holds now, not by what happened: allowed again, it goes on.
        world.rules(4, open_to(&all))?;
        until(PATIENCE, "the connection to go on", || {
            Ok((talk.flows()? == [true, true]).then_some(()))
        })?;
    }
    Ok(())
}

/// The machine itself opened it, and its floating address is in between.
#[test]
fn an_outbound_connection_ends_at_a_change_that_does_not_allow_it() -> Result<()> {
    let mut world = World::new()?;
    let mut talk = Talk::open(&world, ("d1", "out"), "8.8.8.8:80")?;
    let only = |remote: &str| json!({"rules": [{"direction": "outbound", "remote": [remote]}]});
    for (remote, allowed) in [("8.8.8.0/24", true), ("8.8.4.0/24", false)] {
        let policies = serde_json::from_value(only(remote))?;
        world.change(1, |params| {
            params.vnics[0].security_policies = Some(policies);
        })?;
        match allowed {
            true => talk.expect_goes_on()?,
            false => talk.expect_ends()?,
        }
    }
    Ok(())
}

#[test]
fn changes_of_one_machine_lose_no_packet_of_another() -> Result<()> {
    let mut world = World::new()?;
    world.expect_pass("d1", Kind::Ping, "192.0.2.40")?;
    world.expect_pass("out", Kind::Ping, "192.0.2.110")?;
    let every = Duration::from_millis(10);
    let steady = [
        Echo::start(world.namespace("d1")?, "192.0.2.40".parse()?, every)?,
        Echo::start(world.namespace("out")?, "192.0.2.110".parse()?, every)?,
    ];
    for round in 0..5 {
        world.rules(2, open_to(&json!([format!("198.51.100.{round}")])))?;
        world.transact(0, |tx| {
            tx.disable(2, InterfaceType::Public);
            Ok(())
        })?;
        let params = world.params(2);
        world.set(0, params)?;
        // The machine itself, too: everything is said again, and nothing changes.
        let same = world.params(1);
        let commit = world.transact(0, |tx| Ok(tx.set(&same)?))?;
        ensure!(commit.is_empty(), "{commit}");
        std::thread::sleep(Duration::from_millis(100));
    }
    for pinging in steady {
        let echo = pinging.finish()?;
        ensure!(echo.received > 20 && echo.lost == 0, "{echo:?}");
    }
    Ok(())
}

#[test]
fn what_is_disabled_is_cut_off_and_forgotten() -> Result<()> {
    let mut world = World::new()?;
    let mut talk = Talk::open(&world, ("out", "d1"), "192.0.2.10:80")?;
    world.transact(0, |tx| {
        tx.disable(1, InterfaceType::Public);
        Ok(())
    })?;
    talk.expect_ends()?;
    world.namespace("out")?.ip("neigh flush dev eth0")?;
    world.expect_fail("out", Kind::Ping, "192.0.2.10")?;
    world.expect_fail("out", Kind::Ping, "192.0.2.110")?;
    world.expect_pass("p1", Kind::Ping, "10.60.5.2")?;
    world.read(0)?;
    let site = world.site(0);
    let public = Selection::InterfaceType(1, InterfaceType::Public);
    ensure!(
        site.bridge.installed.flows(public).count() == 0,
        "flows are left"
    );
    let other = Selection::InterfaceType(1, InterfaceType::Private);
    ensure!(
        site.bridge.installed.flows(other).count() > 0,
        "too much went"
    );
    world.transact(0, |tx| {
        tx.disable_all();
        Ok(())
    })?;
    world.expect_fail("p1", Kind::Ping, "10.60.5.2")?;
    world.read(0)?;
    ensure!(
        world.site(0).bridge.installed.machines().is_empty(),
        "machines are left"
    );
    Ok(())
}

/// What was sent is what is read back: after a restart of whoever sends, nothing changes.
#[test]
fn what_the_switch_tells_is_what_it_was_told() -> Result<()> {
    let mut world = World::new()?;
    world.change(1, |params| {
        let full = include_bytes!("data/full.json");
        let full = hvflow::params::NetworkParams::from_json(full).unwrap();
        params.address_groups = full.address_groups;
        params.vnics[0].security_policies = full.vnics[0].security_policies.clone();
        params.vnics[0].rate_limits = full.vnics[0].rate_limits;
        params.vnics[0].addresses.ipv4[0].gateway = "192.0.2.1".parse().ok();
        params.vnics[0].addresses.ipv6[0].gateway = "2001:db8::1".parse().ok();
        params.vnics[1].anti_spoofing = false;
    })?;
    world.site(0).host.public.as_mut().unwrap().router_mac = "0a:00:00:00:ff:01".parse().ok();
    let params = world.params(1);
    world.set(0, params.clone())?;
    world.read(0)?;
    let commit = world.transact(0, |tx| Ok(tx.set(&params)?))?;
    ensure!(commit.is_empty(), "{commit}");
    Ok(())
}

/// The host answers for gateways whose Ethernet address it knows: the network is not asked.
#[test]
fn gateways_are_answered_for_where_their_address_is_known() -> Result<()> {
    let mut world = World::new()?;
    let asked = |frame: &[u8]| match frame.get(12..14) {
        Some([8, 6]) => frame.get(21) == Some(&1) && frame.get(38..42) == Some(&[192, 0, 2, 1]),
        _ => frame.get(54) == Some(&135) && frame.get(62..64) == Some(&[0x20, 1]),
    };
    for known in [false, true] {
        let site = world.site(0);
        let router = "0a:00:00:00:ff:01".parse().ok();
        site.host.public.as_mut().unwrap().router_mac = router.filter(|_| known);
        world.change(1, |params| {
            params.vnics[0].addresses.ipv4[0].gateway = "192.0.2.1".parse().ok();
            params.vnics[0].addresses.ipv6[0].gateway = "2001:db8::1".parse().ok();
        })?;
        let card = world.namespace("d1")?;
        for (family, outside) in [("-4", "8.8.8.8"), ("-6", "2001:4860::8")] {
            card.ip(&format!("{family} neigh flush dev eth0"))?;
            let heard = world.hears("out", asked, || {
                world.expect_pass("d1", Kind::Ping, outside)
            })?;
            ensure!(heard != known, "{outside}: known {known}, asked {heard}");
        }
    }
    Ok(())
}

/// While a machine is on its way, its flows stand ready on the host where it will be, and traffic goes to the old one.
#[test]
fn a_passive_card_is_silent_until_it_is_activated() -> Result<()> {
    let mut world = World::new()?;
    let mut coming = world.params(4);
    coming.vnics.truncate(1);
    // A second card with the addresses of machine 4, on the first hypervisor.
    let twin = world.card(
        0,
        InterfaceType::Public,
        "twin",
        &["192.0.2.40/24"],
        &["192.0.2.1"],
    )?;
    coming.vnics[0].name = twin.name;
    coming.vnics[0].mac = twin.mac;
    coming.vnics[0].passive = true;
    world.transact(0, |tx| Ok(tx.set(&coming)?))?;
    let reached = |world: &World| {
        let echo = |frame: &[u8]| frame.get(26..30) == Some(&[192, 0, 2, 20]);
        world.namespace("d2")?.ip("neigh flush dev eth0")?;
        let passes = || world.expect_pass("d2", Kind::Ping, "192.0.2.40");
        world.hears("twin", echo, passes)
    };
    ensure!(!reached(&world)?, "the machine is still elsewhere");
    coming.vnics[0].passive = false;
    world.transact(0, |tx| Ok(tx.set(&coming)?))?;
    ensure!(reached(&world)?, "the machine is here");
    Ok(())
}

/// The state of its connections stays behind; on the new host, packets in their middle make them known again.
#[test]
fn a_machine_moves_to_another_hypervisor_with_its_connections() -> Result<()> {
    let mut world = World::new()?;
    world.change(1, |params| {
        params.vnics.truncate(1);
        let policies = json!({"rules": open_to(&json!(["0.0.0.0/0"]))});
        params.vnics[0].security_policies = serde_json::from_value(policies).ok();
    })?;
    let mut talk = Talk::open(&world, ("out", "d1"), "192.0.2.10:80")?;
    talk.expect_goes_on()?;
    for to in [2, 1] {
        world.migrate(1, "d1", to)?;
        until(PATIENCE, "the connection to go on", || {
            Ok((talk.flows()? == [true, true]).then_some(()))
        })?;
        talk.expect_goes_on()?;
    }
    // What is not allowed is not allowed there either.
    world.expect_fail("out", Kind::Ping, "192.0.2.10")
}

#[test]
fn rates_are_limited_both_ways() -> Result<()> {
    let mut world = World::new()?;
    let _responder = Responder::start(world.namespace("d1")?, "d1", 80)?;
    let limit = Some(RateLimit {
        kbps: 8,
        burst_kbits: Some(80),
    });
    // 1.6 megabits, of which a twentieth may pass at once, and hardly more however long it takes.
    let answered = |world: &World, name: &str, to: &str| -> Result<u32> {
        let flood = format!("ping -q -n -i 0.005 -c 200 -s 1000 -W 1 {to}");
        let output = world.namespace(name)?.run(move || {
            let mut words = flood.split(' ');
            let program = words.next().unwrap_or_default();
            std::process::Command::new(program)
                .args(words)
                .env("LC_ALL", "C")
                .output()
        })??;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let count = said
            .split(", ")
            .find_map(|part| part.strip_suffix(" received"));
        count.context(said.clone())?.parse().context(said)
    };
    ensure!(
        answered(&world, "out", "192.0.2.10")? > 190,
        "without a limit"
    );
    for inbound in [true, false] {
        world.change(1, |params| {
            let limits = &mut params.vnics[0].rate_limits;
            limits.inbound = limit.filter(|_| inbound);
            limits.outbound = limit.filter(|_| !inbound);
        })?;
        let count = answered(&world, "out", "192.0.2.10")?;
        ensure!(
            (1..100).contains(&count),
            "inbound: {inbound}, answered: {count}"
        );
        world.read(0)?;
        ensure!(
            world.site(0).bridge.installed.meters().len() == 1,
            "one meter"
        );
    }
    world.change(1, |params| params.vnics[0].rate_limits.outbound = None)?;
    ensure!(
        answered(&world, "out", "192.0.2.10")? > 190,
        "without a limit again"
    );
    world.read(0)?;
    ensure!(
        world.site(0).bridge.installed.meters().is_empty(),
        "no meter is left"
    );
    Ok(())
}

//! What bears somebody else's address never leaves the card it came from. Each case is also tried without the guard,
//! where it does: so what is not heard was sent.

mod support;

use anyhow::{Result, ensure};
use support::World;
use testbed::{Kind, Probe};

/// Where the parts of a frame are that say who it is from.
const ETH_SRC: usize = 6;
const IPV4_SRC: usize = 26;
const ARP_SPA: usize = 28;
const IPV6_SRC: usize = 22;

/// A frame of this Ethernet type with these bytes at a place.
fn frame(eth_type: u16, at: usize, bytes: &[u8]) -> impl Fn(&[u8]) -> bool + use<> {
    let bytes = bytes.to_vec();
    move |frame| {
        frame.get(12..14) == Some(&eth_type.to_be_bytes())
            && frame.get(at..at + bytes.len()) == Some(&bytes)
    }
}

/// Whether `to` hears a frame when the machine `d1` does what `prepare` says and then pings.
fn heard(
    guarded: bool,
    prepare: &[String],
    (from, target): (Option<&str>, &str),
    (to, wanted): (&str, impl Fn(&[u8]) -> bool),
) -> Result<bool> {
    let mut world = World::new()?;
    world.change(1, |params| params.vnics[0].anti_spoofing = guarded)?;
    let sender = world.namespace("d1")?;
    for command in prepare {
        sender.ip(command)?;
    }
    let probe = Probe {
        from: from.map(str::parse).transpose()?,
        ..Probe::new(Kind::Ping, target.parse()?)
    };
    world.hears(to, wanted, || {
        // Whether it is answered does not matter; a sender whose neighbour is silent may fail to send.
        let _ = probe.ask(sender);
        Ok(())
    })
}

fn expect_guarded(
    prepare: &[String],
    probe: (Option<&str>, &str),
    to: &str,
    wanted: impl Fn(&[u8]) -> bool,
) -> Result<()> {
    ensure!(
        heard(false, prepare, probe, (to, &wanted))?,
        "it was not even sent"
    );
    ensure!(
        !heard(true, prepare, probe, (to, &wanted))?,
        "it got through"
    );
    Ok(())
}

/// How `d1` gets an address that is not its own.
fn stolen(address: &str) -> String {
    let nodad = if address.contains(':') { "nodad" } else { "" };
    format!("addr add {address} dev eth0 {nodad}")
}

#[test]
fn spoofed_ipv4_sources_are_dropped() -> Result<()> {
    let prepare = [
        stolen("192.0.2.99/32"),
        "neigh replace 192.0.2.1 lladdr 0a:00:00:00:ff:01 dev eth0 nud permanent".to_owned(),
    ];
    let probe = (Some("192.0.2.99"), "192.0.2.1");
    expect_guarded(
        &prepare,
        probe,
        "out",
        frame(0x0800, IPV4_SRC, &[192, 0, 2, 99]),
    )
}

#[test]
fn spoofed_arp_is_dropped() -> Result<()> {
    let probe = (Some("192.0.2.99"), "192.0.2.1");
    let wanted = frame(0x0806, ARP_SPA, &[192, 0, 2, 99]);
    expect_guarded(&[stolen("192.0.2.99/32")], probe, "out", wanted)
}

#[test]
fn spoofed_ipv6_sources_are_dropped() -> Result<()> {
    let prepare = [
        stolen("2001:db8::99/128"),
        "-6 neigh replace 2001:db8::1 lladdr 0a:00:00:00:ff:01 dev eth0 nud permanent".to_owned(),
    ];
    let source: std::net::Ipv6Addr = "2001:db8::99".parse()?;
    let probe = (Some("2001:db8::99"), "2001:db8::1");
    expect_guarded(
        &prepare,
        probe,
        "out",
        frame(0x86dd, IPV6_SRC, &source.octets()),
    )
}

#[test]
fn spoofed_neighbour_discovery_is_dropped() -> Result<()> {
    let source: std::net::Ipv6Addr = "2001:db8::99".parse()?;
    let probe = (Some("2001:db8::99"), "2001:db8::1");
    let solicitation = |frame: &[u8]| frame.get(54) == Some(&135);
    let from = frame(0x86dd, IPV6_SRC, &source.octets());
    let wanted = move |frame: &[u8]| from(frame) && solicitation(frame);
    expect_guarded(&[stolen("2001:db8::99/128")], probe, "out", wanted)
}

/// A neighbour's advertisement about an address that is not its own: the kernel sends one when it is asked.
#[test]
fn spoofed_advertisements_are_dropped() -> Result<()> {
    let target: std::net::Ipv6Addr = "2001:db8::99".parse()?;
    let about = frame(0x86dd, 62, &target.octets());
    let wanted = move |frame: &[u8]| frame.get(54) == Some(&136) && about(frame);
    for guarded in [false, true] {
        let mut world = World::new()?;
        world.change(1, |params| params.vnics[0].anti_spoofing = guarded)?;
        let card = world.namespace("d1")?;
        card.ip(&stolen("2001:db8::99/128"))?;
        let mac = world.vm("d1").spec().mac.clone();
        // Asked at its Ethernet address, it answers; its guard decides whether anybody hears it.
        let out = world.namespace("out")?;
        out.sysctl("ipv6/neigh/eth0/delay_first_probe_time", "1")?;
        out.ip(&format!(
            "-6 neigh replace 2001:db8::99 lladdr {mac} dev eth0 nud stale"
        ))?;
        let heard = world.hears("out", &wanted, || {
            let _ = Probe::new(Kind::Ping, target.into()).ask(out);
            std::thread::sleep(std::time::Duration::from_secs(4));
            Ok(())
        })?;
        ensure!(heard != guarded, "guarded: {guarded}, heard: {heard}");
    }
    Ok(())
}

#[test]
fn spoofed_ethernet_sources_are_dropped() -> Result<()> {
    let prepare = [
        "link set eth0 address 0a:00:00:00:00:99".to_owned(),
        "route replace default via 192.0.2.1 dev eth0".to_owned(),
    ];
    let wanted = |frame: &[u8]| frame.get(ETH_SRC..ETH_SRC + 6) == Some(&[0x0a, 0, 0, 0, 0, 0x99]);
    expect_guarded(&prepare, (None, "192.0.2.1"), "out", wanted)
}

/// A card gets what is for its addresses, and nothing that is for its neighbour on the same host.
#[test]
fn machines_of_one_network_do_not_hear_what_is_for_others() -> Result<()> {
    let world = World::new()?;
    world.expect_pass("out", Kind::Ping, "192.0.2.10")?;
    let wanted = frame(0x0800, IPV4_SRC, &[192, 0, 2, 1]);
    let heard = world.hears("d2", wanted, || {
        world.expect_pass("out", Kind::Ping, "192.0.2.10")
    })?;
    ensure!(!heard, "the neighbour listens in");
    Ok(())
}

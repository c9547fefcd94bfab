//! Tunnels between two hosts, each a network namespace with a datapath of its own: the walk-through of go-odp's
//! README, and the same for other kinds.

use anyhow::{Result, ensure};
use odp::{Connection, DatapathId, NewDatapath, NewVport, PortNo};
use testbed::Namespace;

use crate::lab::flow;

/// A host: the underlay is `e0`, the machine's end is `e0` in `machine`.
struct Host {
    namespace: Namespace,
    machine: Namespace,
}

/// Two hosts with a machine each, joined by a cable. The addresses of the underlay end in .112 and .113, as those
/// of the walk-through; those of the machines are 10.9.0.1 and 10.9.0.2.
fn hosts() -> Result<[Host; 2]> {
    let hosts = [host("a")?, host("b")?];
    let there = hosts[1].namespace.path();
    let cable = format!(
        "link add e0 type veth peer name e0 netns {}",
        there.display()
    );
    hosts[0].namespace.ip(&cable)?;
    for (number, host) in (1..).zip(&hosts) {
        host.namespace
            .ip(&format!("addr add 10.0.0.{}/24 dev e0", 111 + number))?;
        host.namespace
            .ip(&format!("addr add fd00::{number}/64 dev e0 nodad"))?;
        host.namespace.ip("link set e0 up")?;
        let inside = host.machine.path();
        host.namespace.ip(&format!(
            "link add ethx type veth peer name e0 address 02:00:00:00:00:0{number} netns {}",
            inside.display()
        ))?;
        host.namespace.ip("link set ethx up")?;
        host.machine.command("ethtool -K e0 tx off")?;
        host.machine
            .ip(&format!("addr add 10.9.0.{number}/24 dev e0"))?;
        host.machine.ip("link set e0 mtu 1400 up")?;
    }
    Ok(hosts)
}

fn host(name: &str) -> Result<Host> {
    let host = Host {
        namespace: Namespace::new(name)?,
        machine: Namespace::new(&format!("machine-{name}"))?,
    };
    host.machine.sysctl("ipv6/conf/default/disable_ipv6", "1")?;
    Ok(host)
}

/// On a host: a datapath of `ethx` and a tunnel, and flows both ways.
fn tunnel(
    host: &Host,
    vport: NewVport,
    out: &str,
    inward: &str,
) -> Result<(Connection, DatapathId)> {
    let (out, inward) = (out.to_owned(), inward.to_owned());
    host.namespace.run(move || {
        let connection = Connection::open()?;
        let id = connection.create_datapath(&NewDatapath::new("dp"))?.id;
        let ethx = connection
            .create_vport(id, &NewVport::netdev("ethx"))?
            .number;
        let tunnel = connection.create_vport(id, &vport)?.number;
        for (matches, actions) in [
            (
                format!("in_port({ethx}),eth()"),
                format!("set(tunnel({out})),{tunnel}"),
            ),
            (
                format!("tunnel({inward}),in_port({tunnel}),eth()"),
                ethx.to_string(),
            ),
        ] {
            connection.put_flow(id, &flow(&matches, &actions)?)?;
        }
        anyhow::Ok((connection, id))
    })?
}

/// Makes the tunnel on both hosts: what stands for `@` is the other's number, for `%` the own; `^` and `~` the
/// same, as the underlay's last digit.
fn join(vport: &NewVport, out: &str, inward: &str) -> Result<()> {
    let hosts = hosts()?;
    let mut ends = Vec::new();
    for (own, host) in (1..).zip(&hosts) {
        let text = |text: &str| {
            let words = [('@', 3 - own), ('%', own), ('^', 4 - own), ('~', 1 + own)];
            words.iter().fold(text.to_owned(), |text, (sign, number)| {
                text.replace(*sign, &number.to_string())
            })
        };
        ends.push(tunnel(host, vport.clone(), &text(out), &text(inward))?);
    }
    hosts[0]
        .machine
        .command("ping -c 5 -i 0.1 -W 10 10.9.0.2")?;
    hosts[1]
        .machine
        .command("ping -c 3 -i 0.1 -W 10 -s 1300 10.9.0.1")?;
    for (connection, id) in ends {
        let flows = connection
            .flows(id, odp::Omit::default())?
            .collect::<Result<Vec<_>, _>>()?;
        ensure!(
            flows.len() == 2 && flows.iter().all(|flow| flow.stats.packets >= 8),
            "{flows:?}"
        );
        let tunnel = connection.vport((id, PortNo(2)))?;
        ensure!(
            tunnel.stats.rx_packets >= 8 && tunnel.stats.tx_packets >= 8,
            "{tunnel:?}"
        );
    }
    Ok(())
}

pub(crate) fn vxlan_joins_two_hosts() -> Result<()> {
    join(
        &NewVport::vxlan("vx", 4789),
        "tun_id=0x2a,src=10.0.0.11~,dst=10.0.0.11^,ttl=64,flags(key)",
        "tun_id=0x2a,src=10.0.0.11^,dst=10.0.0.11~,ttl=64/0,flags(+key)",
    )
}

pub(crate) fn vxlan_over_ipv6_joins_two_hosts() -> Result<()> {
    join(
        &NewVport::vxlan("vx", 4789),
        "tun_id=0x2a,ipv6_src=fd00::%,ipv6_dst=fd00::@,ttl=64,flags(csum|key)",
        "tun_id=0x2a,ipv6_src=fd00::@,ipv6_dst=fd00::%,ttl=64/0,flags(+key)",
    )
}

pub(crate) fn geneve_carries_its_options() -> Result<()> {
    join(
        &NewVport::geneve("gn", 6081),
        "tun_id=0x7,dst=10.0.0.11^,ttl=64,geneve({class=0x102,type=0x80,len=4,0x1000%}),flags(key)",
        "tun_id=0x7,src=10.0.0.11^,dst=10.0.0.11~,ttl=64/0,geneve({class=0x102,type=0x80,len=4,0x1000@/0xffffffff}),flags(+key)",
    )
}

pub(crate) fn gre_joins_two_hosts() -> Result<()> {
    join(
        &NewVport::gre("gr"),
        "tun_id=0x9,dst=10.0.0.11^,ttl=64,flags(key)",
        "tun_id=0x9,src=10.0.0.11^,dst=10.0.0.11~,ttl=64/0,flags(+key)",
    )
}

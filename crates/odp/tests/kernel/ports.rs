//! Ports of every kind, and the events of their coming and going.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use odp::{Change, Connection, Event, Events, Family, NewVport, PortNo, Vport, VportKind};

use crate::lab::{Lab, NAME, dpctl, ip};

/// How long an event may take on a busy machine.
const LONG: Duration = Duration::from_secs(20);

fn every_kind() -> Vec<NewVport> {
    vec![
        NewVport::netdev("d0"),
        NewVport::internal("i0"),
        NewVport::gre("g0"),
        NewVport::vxlan("x0", 4789),
        NewVport::vxlan("x1", 4790).group_policy(),
        NewVport::geneve("n0", 6081).number(PortNo(77)),
    ]
}

pub(crate) fn every_kind_of_port_is_made_and_listed() -> Result<()> {
    let lab = Lab::new(0)?;
    ip("link add d0 type veth peer name d1")?;
    for new in every_kind() {
        let made = lab.connection.create_vport(lab.id, &new)?;
        is_as_asked(&made, &new)?;
    }
    let listed = lab.connection.vports(lab.id)?;
    ensure!(listed.len() == 7, "{listed:?}");
    let shown = dpctl(&["show", NAME])?;
    for new in every_kind() {
        let vport = listed.iter().find(|vport| vport.name == new.name);
        let vport = vport.with_context(|| format!("{} is not listed", new.name))?;
        is_as_asked(vport, &new)?;
        let one = lab.connection.vport(new.name.as_str())?;
        ensure!(one.number == vport.number && one.kind == vport.kind);
        let line = match new.kind {
            VportKind::Netdev => format!("port {}: {}", vport.number, new.name),
            kind => format!("port {}: {} ({kind}", vport.number, new.name),
        };
        ensure!(shown.contains(&line), "no {line:?} in {shown}");
    }
    for new in every_kind() {
        lab.connection.delete_vport(new.name.as_str())?;
        let gone = lab.connection.vport(new.name.as_str());
        ensure!(gone.as_ref().is_err_and(odp::Error::is_missing), "{gone:?}");
    }
    let local = lab.connection.vports(lab.id)?;
    ensure!(
        local.len() == 1 && local[0].number == PortNo::LOCAL,
        "{local:?}"
    );
    ensure!(
        lab.connection.delete_vport(NAME).is_err(),
        "the local port went alone"
    );
    ip("link del d0")?;
    Ok(())
}

fn is_as_asked(vport: &Vport, new: &NewVport) -> Result<()> {
    ensure!(
        vport.name == new.name && vport.kind == new.kind,
        "{vport:?}"
    );
    ensure!(vport.options == new.options, "{vport:?}");
    ensure!(
        new.number.is_none_or(|number| number == vport.number),
        "{vport:?}"
    );
    // What 6.1 and 6.12 say of a port is all known.
    ensure!(vport.unknown.is_empty(), "{vport:?}");
    Ok(())
}

pub(crate) fn ports_come_and_go_as_events() -> Result<()> {
    let lab = Lab::new(0)?;
    let mut events = Connection::open()?.events(&[Family::Vport, Family::Datapath])?;
    // By others, and by ourselves.
    dpctl(&["add-if", NAME, "i1,type=internal"])?;
    lab.connection
        .create_vport(lab.id, &NewVport::vxlan("x1", 5000))?;
    dpctl(&["del-if", NAME, "i1"])?;
    lab.connection.delete_vport("x1")?;
    let expected = [
        (Change::Added, "i1", VportKind::Internal),
        (Change::Added, "x1", VportKind::Vxlan),
        (Change::Removed, "i1", VportKind::Internal),
        (Change::Removed, "x1", VportKind::Vxlan),
    ];
    for (change, name, kind) in expected {
        let vport = next_port(&mut events, change)?;
        ensure!(
            vport.name == name && vport.kind == kind && vport.datapath == lab.id,
            "{vport:?}"
        );
        ensure!(
            kind != VportKind::Vxlan || vport.options.port == Some(5000),
            "{vport:?}"
        );
    }
    // A device that goes takes its port along.
    ip("link add d0 type veth peer name d1")?;
    lab.connection
        .create_vport(lab.id, &NewVport::netdev("d0"))?;
    ensure!(next_port(&mut events, Change::Added)?.name == "d0");
    ip("link del d0")?;
    ensure!(next_port(&mut events, Change::Removed)?.name == "d0");
    lab.connection.delete_datapath(lab.id)?;
    loop {
        match events
            .next(Some(LONG))?
            .context("no event of the datapath")?
        {
            Event::Datapath(Change::Removed, datapath) if datapath.name == NAME => return Ok(()),
            Event::Lost => bail!("events were lost"),
            _ => {}
        }
    }
}

/// The next event of a port that says such a change. `ovs-dpctl` sets ports too, which says others.
fn next_port(events: &mut Events, wanted: Change) -> Result<Vport> {
    loop {
        match events.next(Some(LONG))?.context("no event of a port")? {
            Event::Vport(change, vport) if change == wanted => return Ok(vport),
            Event::Vport(Change::Changed, _) | Event::Datapath(..) => {}
            other => bail!("{other:?}"),
        }
    }
}

pub(crate) fn a_port_cannot_be_in_two_datapaths() -> Result<()> {
    let lab = Lab::new(1)?;
    let other = lab
        .connection
        .create_datapath(&odp::NewDatapath::new("dp1"))?;
    let taken = lab
        .connection
        .create_vport(other.id, &NewVport::netdev("v1"));
    ensure!(taken.is_err(), "{taken:?}");
    lab.connection
        .create_vport(lab.id, &NewVport::vxlan("x0", 4789))?;
    let taken = lab
        .connection
        .create_vport(other.id, &NewVport::vxlan("x1", 4789));
    ensure!(taken.is_err(), "two ports have one UDP port: {taken:?}");
    lab.connection.delete_datapath(other.id)?;
    Ok(())
}

//! Packets that come to user space and go back.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use odp::{
    Action, Dispatch, Execute, Key, KeyField, Upcall, UpcallOptions, UpcallReader, UpcallReason,
    Userspace,
};
use testbed::Namespace;

use crate::lab::{Lab, NAME, mac};

#[allow(
    dead_code,
    reason = "the example's own arguments are those of its process"
)]
#[path = "../../examples/learning_switch.rs"]
mod learning_switch;

/// How long a packet may take on a busy machine.
const LONG: Duration = Duration::from_secs(20);

fn reader(lab: &Lab, dispatch: Dispatch) -> Result<UpcallReader> {
    let options = UpcallOptions {
        dispatch: Some(dispatch),
        ..UpcallOptions::default()
    };
    let upcalls = lab.connection.upcalls(lab.id, options)?;
    ensure!(upcalls.dispatch() == dispatch);
    upcalls.into_readers().pop().context("there is a reader")
}

/// The next packet.
fn next(reader: &mut UpcallReader) -> Result<Upcall> {
    reader.next(Some(LONG))?.context("no packet came")
}

/// Pings without waiting for the answer.
fn ping(machine: &Namespace, count: u32, address: &str) {
    // What matters is what the datapath sees; nobody answers.
    let _ = machine.command(&format!("ping -c {count} -i 0.05 -W 1 {address}"));
}

pub(crate) fn misses_come_with_their_keys() -> Result<()> {
    for dispatch in [Dispatch::PerCpu, Dispatch::PerVport] {
        let lab = Lab::new(2)?;
        let mut reader = reader(&lab, dispatch)?;
        ping(&lab.machines[0], 1, "10.0.0.2");
        let upcall = next(&mut reader)?;
        ensure!(
            upcall.datapath == lab.id && upcall.reason == UpcallReason::Miss,
            "{upcall:?}"
        );
        ensure!(upcall.unknown.is_empty(), "{upcall:?}");
        let text = upcall.key.to_string();
        let port = lab.ports[0];
        for part in [
            format!("in_port({port})"),
            format!("eth(src={},dst=ff:ff:ff:ff:ff:ff)", mac(1)),
            "eth_type(0x0806)".to_owned(),
            format!(
                "arp(sip=10.0.0.1,tip=10.0.0.2,op=1,sha={},tha=00:00:00:00:00:00)",
                mac(1)
            ),
            "recirc_id(0)".to_owned(),
        ] {
            ensure!(text.contains(&part), "no {part} in {text}");
        }
        ensure!(
            upcall.packet.len() >= 42 && upcall.packet[12..14] == [8, 6],
            "{:?}",
            upcall.packet
        );
        // The key of a miss is a flow for what comes next.
        let put = odp::FlowPut::new(upcall.key.clone(), Vec::new());
        lab.connection.put_flow(lab.id, &put)?;
        ping(&lab.machines[0], 1, "10.0.0.2");
        let flow = lab.connection.flow(lab.id, &put.id())?;
        ensure!(flow.stats.packets > 0, "{flow:?}");
    }
    Ok(())
}

pub(crate) fn a_packet_is_executed() -> Result<()> {
    let lab = Lab::new(2)?;
    lab.introduce()?;
    lab.cross()?;
    let mut reader = reader(&lab, Dispatch::PerCpu)?;
    // To the second machine, out of nothing: its answer to the first is what comes up.
    let (left, right) = (lab.ports[0], lab.ports[1]);
    let mut packet = Vec::new();
    packet.extend([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 6]);
    packet.extend([
        0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 77, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
    ]);
    lab.put(&format!("in_port({right}),eth()"), "userspace(pid=1)")?;
    let mut execute = Execute {
        key: Key(vec![KeyField::InPort(left)]),
        packet,
        actions: vec![Action::Output(right)],
        ..Execute::default()
    };
    lab.connection.execute(lab.id, &execute)?;
    let upcall = next(&mut reader)?;
    ensure!(upcall.reason == UpcallReason::Action, "{upcall:?}");
    ensure!(
        upcall
            .key
            .to_string()
            .contains("arp(sip=10.0.0.2,tip=10.0.0.77,op=2"),
        "{}",
        upcall.key
    );
    // What cannot be done is refused, and the next one goes.
    execute.actions = vec![Action::Trunc(3)];
    ensure!(
        lab.connection.execute(lab.id, &execute).is_err(),
        "nothing is cut to three bytes"
    );
    execute.actions = vec![Action::Output(right)];
    lab.connection.execute(lab.id, &execute)?;
    next(&mut reader).map(drop)
}

pub(crate) fn an_action_sends_packets_up_with_its_data() -> Result<()> {
    let lab = Lab::new(2)?;
    lab.introduce()?;
    let mut reader = reader(&lab, Dispatch::PerVport)?;
    let userspace = Userspace {
        pid: reader.pid(),
        data: Some(b"why it came".to_vec()),
        with_actions: true,
        ..Userspace::default()
    };
    let actions = vec![
        Action::Userspace(Box::new(userspace)),
        Action::Output(lab.ports[1]),
    ];
    let matches = odp::Match::new(lab.ports[0]);
    lab.connection
        .put_flow(lab.id, &odp::FlowPut::new(matches, actions.clone()))?;
    ping(&lab.machines[0], 1, "10.0.0.2");
    let upcall = next(&mut reader)?;
    ensure!(upcall.reason == UpcallReason::Action, "{upcall:?}");
    ensure!(
        upcall.userdata.as_deref() == Some(b"why it came"),
        "{upcall:?}"
    );
    ensure!(upcall.actions == Some(actions), "{upcall:?}");
    ensure!(
        upcall.key.to_string().contains("icmp(type=8,code=0)"),
        "{}",
        upcall.key
    );
    Ok(())
}

pub(crate) fn two_machines_speak_through_a_learning_switch() -> Result<()> {
    // The example makes its datapath of devices that are there.
    let lab = Lab::new(3)?;
    for port in ["v1", "v2", "v3"] {
        lab.connection.delete_vport(port)?;
    }
    lab.connection.delete_datapath(NAME)?;
    std::thread::spawn(|| {
        let devices = ["v1", "v2", "v3"].map(str::to_owned);
        let ended = learning_switch::run(NAME.to_owned(), devices.into_iter());
        println!("the switch ended: {ended:?}");
    });
    let switch = testbed::until(LONG, "the switch", || {
        let found = lab.connection.datapath(NAME).ok();
        Ok(found.filter(|found| {
            lab.connection
                .vports(found.id)
                .is_ok_and(|ports| ports.len() == 4)
        }))
    })?;
    // The first packets may come before the switch listens.
    testbed::until(LONG, "an answer", || {
        Ok(lab.machines[0].command("ping -c 1 -W 1 10.0.0.2").ok())
    })?;
    lab.machines[0].command("ping -c 5 -i 0.05 -W 10 10.0.0.2")?;
    lab.machines[1].command("ping -c 5 -i 0.05 -W 10 10.0.0.3")?;
    let flows = lab.connection.flows(switch.id, odp::Omit::default())?;
    let flows = flows.collect::<Result<Vec<_>, _>>()?;
    ensure!(flows.len() >= 4, "it learned {} flows", flows.len());
    let stats = lab.connection.datapath(switch.id)?.stats;
    ensure!(stats.hit > 0 && stats.lost == 0, "{stats:?}");
    let other = format!("in_port({})", 1);
    let Some(first) = flows
        .iter()
        .find(|flow| flow.matches.to_string().contains(&other))
    else {
        bail!("no flow of the first machine");
    };
    ensure!(
        first.actions == Some(vec![Action::Output(odp::PortNo(2))]),
        "{first:?}"
    );
    lab.connection.delete_datapath(switch.id)?;
    Ok(())
}

//! The testbed by itself: two hypervisors whose switches are programmed by hand. What holds here does not
//! depend on any part of Heddle, so a failure elsewhere is not the testbed's.

use std::time::Duration;

use anyhow::Result;
use testbed::{
    Addressing, Echo, Hypervisor, HypervisorSpec, Kind, Outcome, Probe, Responder, Scratch,
    Underlay, Vm, VmSpec,
};

struct Bed {
    // Dropped in this order.
    vms: Vec<Vm>,
    hypervisors: Vec<Hypervisor>,
    _underlay: Underlay,
    scratch: Scratch,
}

fn bed() -> Result<Bed> {
    let scratch = Scratch::new()?;
    let underlay = Underlay::new()?;
    let mut hypervisors = Vec::new();
    for name in ["hv1", "hv2"] {
        let folder = scratch.folder(name)?;
        let spec = HypervisorSpec {
            name,
            folder: &folder,
            underlay: &underlay,
            southbound: None,
        };
        hypervisors.push(Hypervisor::start(&spec)?);
    }
    hypervisors[0].meet(&hypervisors[1])?;
    hypervisors[1].meet(&hypervisors[0])?;
    let mut vms = Vec::new();
    for (number, hypervisor) in hypervisors.iter().enumerate() {
        let other = hypervisors[1 - number].address();
        hypervisor.vsctl(&[
            "set",
            "Bridge",
            "br-int",
            "fail_mode=standalone",
            "--",
            "add-port",
            "br-int",
            "tunnel",
            "--",
            "set",
            "Interface",
            "tunnel",
            "type=geneve",
            "options:key=flow",
            &format!("options:remote_ip={other}"),
        ])?;
        let host = number + 1;
        let addresses = vec![
            (format!("10.0.0.{host}").parse()?, 24),
            (format!("fd00::{host}").parse()?, 64),
        ];
        let spec = VmSpec {
            name: format!("vm{host}"),
            port: format!("port{host}"),
            mac: format!("02:00:00:00:00:0{host}"),
            addressing: Addressing {
                addresses,
                gateways: vec![],
            },
        };
        vms.push(Vm::start(spec, hypervisor)?);
    }
    Ok(Bed {
        vms,
        hypervisors,
        _underlay: underlay,
        scratch,
    })
}

fn probe(kind: Kind, to: &str) -> Probe {
    Probe::new(kind, to.parse().expect("an address"))
}

#[test]
fn packets_cross_a_tunnel_between_two_switches() -> Result<()> {
    let bed = bed()?;
    let [first, second] = bed.vms.as_slice() else {
        panic!("two VMs")
    };
    let sender = first.namespace();

    for address in ["10.0.0.2", "fd00::2"] {
        let outcome = probe(Kind::Ping, address).ask(sender)?;
        assert!(outcome.is_answered(), "{address}: {outcome:?}");
    }
    assert_eq!(probe(Kind::Ping, "10.0.0.3").ask(sender)?, Outcome::Silence);

    let _responder = Responder::start(second.namespace(), "vm2", 8080)?;
    for address in ["10.0.0.2", "fd00::2"] {
        for kind in [Kind::Tcp(8080), Kind::Udp(8080)] {
            let outcome = probe(kind, address).ask(sender)?;
            let Outcome::Answered(answer) = &outcome else {
                panic!("{kind:?}: {outcome:?}")
            };
            assert_eq!(answer.by.as_deref(), Some("vm2"));
        }
    }
    let closed = probe(Kind::Tcp(9), "10.0.0.2").ask(sender)?;
    assert!(matches!(closed, Outcome::Refused(_)), "{closed:?}");
    Ok(())
}

#[test]
fn what_the_switch_drops_is_silence() -> Result<()> {
    let bed = bed()?;
    let [first, second] = bed.vms.as_slice() else {
        panic!("two VMs")
    };
    let _responder = Responder::start(second.namespace(), "vm2", 8080)?;
    let steady = Echo::start(
        first.namespace(),
        "10.0.0.2".parse()?,
        Duration::from_millis(20),
    )?;
    assert!(
        probe(Kind::Ping, "10.0.0.2")
            .ask(first.namespace())?
            .is_answered()
    );

    second.unplug(&bed.hypervisors[1])?;
    for kind in [Kind::Ping, Kind::Tcp(8080), Kind::Udp(8080)] {
        let outcome = probe(kind, "10.0.0.2").ask(first.namespace())?;
        assert!(!outcome.is_answered(), "{kind:?}: {outcome:?}");
    }
    second.plug(&bed.hypervisors[1])?;
    assert!(
        probe(Kind::Ping, "10.0.0.2")
            .ask(first.namespace())?
            .is_answered()
    );
    let echo = steady.finish()?;
    assert!(
        echo.received > 0 && echo.sent - echo.received > 50,
        "{echo:?}"
    );
    Ok(())
}

#[test]
fn a_testbed_that_is_dropped_leaves_nothing() -> Result<()> {
    let bed = bed()?;
    let folder = bed.scratch.path().to_owned();
    let processes: Vec<u32> = bed
        .hypervisors
        .iter()
        .flat_map(Hypervisor::processes)
        .collect();
    let namespace = bed.vms[0].namespace().path();
    assert!(folder.exists() && namespace.exists());
    drop(bed);
    assert!(!folder.exists() && !namespace.exists());
    for id in processes {
        assert!(
            !std::path::Path::new(&format!("/proc/{id}")).exists(),
            "process {id} is there"
        );
    }
    Ok(())
}

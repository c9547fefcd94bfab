//! `heddle region` as a program, over the daemons of two hosts with real switches, and real packets.

#![allow(clippy::unwrap_used)] // These are tests, though not marked so.

mod guide_common;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use testbed::{
    Hypervisor, HypervisorSpec, Kind, Namespace, Outcome, Probe, Process, Responder, Scratch,
    Underlay, until,
};

const HEDDLE: &str = env!("CARGO_BIN_EXE_heddle");
const PATIENCE: Duration = Duration::from_secs(60);

/// Two hosts with a bridge each, a network outside of them, and a service.
struct World {
    // Dropped in this order.
    service: Process,
    daemons: BTreeMap<usize, Process>,
    machines: Vec<(Responder, Namespace)>,
    hosts: Vec<Hypervisor>,
    outside: Namespace,
    _underlay: Underlay,
    scratch: Scratch,
}

impl World {
    fn new() -> Self {
        let (scratch, underlay) = (Scratch::new().unwrap(), Underlay::new().unwrap());
        let outside = Namespace::new("outside").unwrap();
        for words in [
            "link add fabric type bridge",
            "addr add 10.0.0.1/24 dev fabric",
            "link set fabric up",
        ] {
            outside.ip(words).unwrap();
        }
        outside.command("ethtool -K fabric tx off").unwrap();
        let host = |number: usize| host(&scratch, &underlay, &outside, number);
        let hosts: Vec<Hypervisor> = (1..=2).map(host).collect();
        let mut command = Command::new(HEDDLE);
        command
            .args(["region", "run", "--retry=1"])
            .arg(format!("--db={}/region.db", scratch.path().display()))
            .arg(format!("--listen=punix:{}", socket(&scratch).display()));
        let service = hosts[0].spawn("region", &mut command).unwrap();
        let mut world = Self {
            service,
            daemons: BTreeMap::new(),
            machines: Vec::new(),
            hosts,
            outside,
            _underlay: underlay,
            scratch,
        };
        until(PATIENCE, "the service to lead", || {
            world.service.expect_alive()?;
            let output = world.region(&["status"]);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok(said.contains("this service").then_some(()))
        })
        .unwrap();
        for number in 1..=2 {
            world.daemon(number);
            let endpoint = format!("unix:{}", world.daemon_socket(number).display());
            world.good(&["hypervisor", "put", &format!("hv{number}"), &endpoint]);
        }
        world.connected(2);
        world.good(&["customer", "put", "acme"]);
        world
    }

    fn daemon_socket(&self, number: usize) -> PathBuf {
        self.hosts[number - 1].folder().join("heddle-hvd.sock")
    }

    /// Starts the daemon of a host.
    fn daemon(&mut self, number: usize) {
        let mut command = Command::new(HEDDLE);
        command
            .arg("hvd")
            .arg("--host")
            .arg(self.scratch.path().join("host.json"));
        let daemon = self.hosts[number - 1].spawn("hvd", &mut command).unwrap();
        self.daemons.insert(number, daemon);
    }

    /// Waits until the service is connected to so many hypervisors.
    fn connected(&self, count: u64) {
        until(PATIENCE, "hypervisors to be connected", || {
            let said = self.json(&["status"]);
            // What is 0 is left out.
            let connected = said["connected"].as_u64().unwrap_or_default();
            Ok((connected == count).then_some(()))
        })
        .unwrap();
    }

    fn region(&self, arguments: &[&str]) -> Output {
        Command::new(HEDDLE)
            .arg("region")
            .arg(format!(
                "--service=unix:{}",
                socket(&self.scratch).display()
            ))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The exit status of a command, and what it prints.
    fn said(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.region(arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap();
        (code, text(&output.stdout), text(&output.stderr))
    }

    /// A command that succeeds, and says nothing beside what it prints: there is no terminal for a bar.
    fn good(&self, arguments: &[&str]) -> String {
        let (code, said, error) = self.said(arguments);
        assert_eq!((code, error.as_str()), (0, ""), "{arguments:?}: {said}");
        said
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let said = self.good(&[&["--json"], arguments].concat());
        serde_json::from_str(&said).unwrap()
    }

    /// Starts a machine on a host, where it answers at port 22 with the name of the host.
    fn plug(&mut self, number: u8, on: usize) -> usize {
        let machine = Namespace::new("machine").unwrap();
        let host = &self.hosts[on - 1];
        let far = machine.path();
        let far = far.display();
        let link = format!(
            "link add tap{number} type veth peer name eth0 address 02:00:00:00:00:0{number} netns {far}"
        );
        host.namespace().ip(&link).unwrap();
        host.namespace()
            .ip(&format!("link set tap{number} up"))
            .unwrap();
        machine.command("ethtool -K eth0 tx off").unwrap();
        machine
            .ip(&format!("addr add 10.0.0.1{number}/24 dev eth0"))
            .unwrap();
        machine.ip("link set eth0 up").unwrap();
        host.vsctl(&["add-port", "br-hv", &format!("tap{number}")])
            .unwrap();
        let responder = Responder::start(&machine, &format!("hv{on}"), 22).unwrap();
        self.machines.push((responder, machine));
        self.machines.len() - 1
    }

    /// Has a machine's parameters in the service.
    fn put(&self, number: u8, on: usize) {
        let params = format!(
            r#"{{"droplet_id": {number}, "vnics": [{{"mac": "02:00:00:00:00:0{number}", "enabled": 1, "name": "tap{number}",
            "interface_type": "public", "addresses": {{"ipv4": [{{"ip_address": "10.0.0.1{number}", "masklen": 24}}]}},
            "security_policies": {{"rules": [{{"direction": "outbound"}}]}}}}]}}"#
        );
        let file = self.scratch.write("machine.json", &params).unwrap();
        let (file, host) = (file.to_str().unwrap(), format!("hv{on}"));
        let words = [
            "machine",
            "put",
            file,
            "--customer",
            "acme",
            "--hypervisor",
            &host,
        ];
        self.good(&words);
    }

    /// Who answers a machine's address at port 22, if anybody does.
    fn answer(&self, number: u8) -> Option<String> {
        let to = IpAddr::from(Ipv4Addr::new(10, 0, 0, 10 + number));
        match Probe::new(Kind::Tcp(22), to).ask(&self.outside).unwrap() {
            Outcome::Answered(answer) => answer.by,
            Outcome::Silence => None,
            other => panic!("{other:?}"),
        }
    }
}

fn socket(scratch: &Scratch) -> PathBuf {
    scratch.path().join("region.sock")
}

/// A host with a bridge whose uplink leads outside.
fn host(scratch: &Scratch, underlay: &Underlay, outside: &Namespace, number: usize) -> Hypervisor {
    let folder = scratch.folder(&format!("h{number}")).unwrap();
    let spec = HypervisorSpec {
        name: &format!("hv{number}"),
        folder: &folder,
        underlay,
        southbound: None,
    };
    let host = Hypervisor::start(&spec).unwrap();
    let far = host.namespace().path();
    let far = far.display();
    outside
        .ip(&format!(
            "link add hv{number} type veth peer name up0 netns {far}"
        ))
        .unwrap();
    outside
        .ip(&format!("link set hv{number} master fabric up"))
        .unwrap();
    host.namespace().ip("link set up0 up").unwrap();
    let words = "add-br br-hv -- set bridge br-hv fail_mode=secure datapath_type=netdev -- add-port br-hv up0";
    host.vsctl(&words.split(' ').collect::<Vec<_>>()).unwrap();
    scratch
        .write("host.json", r#"{ "public": { "port": "up0" } }"#)
        .unwrap();
    host
}

fn by(name: &str) -> Option<String> {
    Some(name.to_owned())
}

#[test]
fn a_port_is_opened_and_closed_on_all_hypervisors_of_a_customer() {
    let mut world = World::new();
    for number in 1..=2 {
        world.plug(number, number.into());
        world.put(number, number.into());
    }
    assert_eq!((world.answer(1), world.answer(2)), (None, None));
    let dry = world.good(&["open", "tcp/22", "--customer", "acme", "--dry-run"]);
    assert!(
        dry.contains("would be added: rule")
            && dry.contains("would concern 2 hypervisors: hv1, hv2"),
        "{dry}"
    );
    assert_eq!(world.answer(1), None);
    let said = world.good(&["open", "tcp/22", "--customer", "acme"]);
    for line in ["added rule", "hv1", "hv2", "done: 2 of 2 hypervisors done"] {
        assert!(said.contains(line), "{said}");
    }
    assert_eq!((world.answer(1), world.answer(2)), (by("hv1"), by("hv2")));
    // Only from elsewhere, then from everywhere for one of them.
    world.good(&["close", "tcp/22", "--customer", "acme"]);
    assert_eq!((world.answer(1), world.answer(2)), (None, None));
    world.good(&[
        "open",
        "tcp/22",
        "--customer",
        "acme",
        "--from",
        "192.0.2.0/24",
    ]);
    world.good(&["open", "tcp/22", "--machine", "2"]);
    assert_eq!((world.answer(1), world.answer(2)), (None, by("hv2")));
    let action = world.json(&["disable", "--customer", "acme"]);
    assert_eq!(action["state"], "ACTION_STATE_DONE");
    assert_eq!(action["results"].as_array().unwrap().len(), 2);
    assert_eq!(world.answer(2), None);
    world.good(&["enable", "--customer", "acme"]);
    assert_eq!(world.answer(2), by("hv2"));
    // What is refused, and what was done before.
    let (code, _, error) = world.said(&["close", "udp/22", "--customer", "acme"]);
    assert_eq!(code, 3);
    assert!(error.contains("there is no such rule"), "{error}");
    assert_eq!(world.said(&["disable"]).0, 2);
    let log = world.json(&["audit"]);
    let log = log.as_array().unwrap();
    let last = &log[log.len() - 1];
    assert_eq!(
        (&last["what"], &last["counts"]["done"]),
        (&"enable".into(), &2.into())
    );
    assert!(last["who"].as_str().unwrap().starts_with("local:"));
    // A copy in service is whole.
    let (db, copy) = (
        world.scratch.path().join("region.db"),
        world.scratch.path().join("copy.db"),
    );
    let mut backup = Command::new(HEDDLE);
    backup.args(["db", "backup"]).arg(db).arg("-o").arg(&copy);
    testbed::run(&mut backup).unwrap();
    let rows = testbed::run(Command::new(HEDDLE).args(["db", "dump"]).arg(&copy)).unwrap();
    assert!(rows.contains("add rule"), "{rows}");
}

#[test]
fn a_daemon_that_was_down_is_told_of_and_converges_when_it_is_back() {
    let mut world = World::new();
    for number in 1..=2 {
        world.plug(number, number.into());
        world.put(number, number.into());
    }
    drop(world.daemons.remove(&2));
    let words = [
        "open",
        "tcp/22",
        "--all",
        "--attempts=2",
        "--deadline=2s",
        "--backoff=100ms",
    ];
    let (code, said, _) = world.said(&words);
    assert_eq!(code, 5, "{said}");
    assert!(
        said.contains("done: 1 of 2 hypervisors done, 1 failed"),
        "{said}"
    );
    let line = said.lines().find(|line| line.trim().starts_with("hv2"));
    assert!(line.is_some_and(|line| line.contains("away")), "{said}");
    assert_eq!((world.answer(1), world.answer(2)), (by("hv1"), None));
    let down = world.json(&["hypervisor", "get", "hv2"]);
    assert_eq!(down["link"], "LINK_DOWN");
    world.daemon(2);
    until(PATIENCE, "hypervisor 2 to have converged", || {
        Ok((world.answer(2) == by("hv2")).then_some(()))
    })
    .unwrap();
    // The service itself can be killed without anybody noticing.
    world.service.kill();
    assert_eq!((world.answer(1), world.answer(2)), (by("hv1"), by("hv2")));
    let (code, _, error) = world.said(&["status"]);
    assert_eq!(code, 4);
    assert!(error.contains("is heddle region running?"), "{error}");
}

#[test]
fn a_machine_is_migrated_and_stays_when_that_fails() {
    let mut world = World::new();
    let old = world.plug(1, 1);
    world.put(1, 1);
    world.good(&["open", "tcp/22", "--machine", "1"]);
    assert_eq!(world.answer(1), by("hv1"));
    // It is ready on the other one, and nobody notices: the one there is passive.
    let new = world.plug(1, 2);
    world.good(&["machine", "move", "1", "hv2"]);
    assert_eq!(world.answer(1), by("hv1"));
    let machine = world.json(&["machine", "get", "1"]);
    assert_eq!(
        (&machine["hypervisor"], &machine["leaving"]),
        (&"hv2".into(), &"hv1".into())
    );
    assert_eq!(machine["told"]["vnics"][0]["passive"], true);
    // It runs there from now on, and says so.
    world.machines[old].1.ip("link set eth0 down").unwrap();
    world.good(&["machine", "finish-move", "1"]);
    let outside = Probe::new(Kind::Ping, Ipv4Addr::new(10, 0, 0, 1).into());
    until(PATIENCE, "the machine to be heard outside", || {
        Ok(outside
            .ask(&world.machines[new].1)?
            .is_answered()
            .then_some(()))
    })
    .unwrap();
    assert_eq!(world.answer(1), by("hv2"));
    let machines = |on: usize| {
        let socket = format!("--daemon=unix:{}", world.daemon_socket(on).display());
        testbed::run(Command::new(HEDDLE).args(["hv", &socket, "--json", "list"])).unwrap()
    };
    assert_eq!(machines(1), "[]\n");
    // What moves it fails: it stays, and is forgotten where it did not go.
    let (code, said, error) = world.said(&["machine", "migrate", "1", "hv1", "--", "false"]);
    assert_eq!(code, 5, "{said}");
    assert!(
        error.contains("machine 1 stays where it was: false: exit status: 1"),
        "{error}"
    );
    assert_eq!(machines(1), "[]\n");
    assert_eq!(world.answer(1), by("hv2"));
    // Without a terminal nobody can be asked.
    let (code, _, error) = world.said(&["machine", "migrate", "1", "hv1"]);
    assert_eq!(code, 1);
    assert!(error.contains("--yes"), "{error}");
    world.good(&["machine", "migrate", "1", "hv1", "--", "true"]);
    assert_eq!(machines(2), "[]\n");
    assert_ne!(machines(1), "[]\n");
}

#[test]
fn the_guide_leads_to_an_open_port() {
    let (scratch, underlay) = (Scratch::new().unwrap(), Underlay::new().unwrap());
    let folder = scratch.folder("h").unwrap();
    let spec = HypervisorSpec {
        name: "hv1",
        folder: &folder,
        underlay: &underlay,
        southbound: None,
    };
    let hypervisor = Hypervisor::start(&spec).unwrap();
    guide_common::offer(&scratch, HEDDLE);
    let said = guide_common::follow(&hypervisor, &scratch, "region.md");
    assert!(
        said.contains("would concern 2 hypervisors: hv1, hv2"),
        "{said}"
    );
    assert!(said.contains("done: 2 of 2 hypervisors done"), "{said}");
    assert!(said.contains("machines: 0"), "{said}");
}

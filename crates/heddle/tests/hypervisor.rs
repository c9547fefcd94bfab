//! `heddle hvd` and `heddle hv` as programs, on a host with a real switch.

#![allow(clippy::unwrap_used)] // These are tests, though not marked so.

mod guide_common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use testbed::{Hypervisor, HypervisorSpec, Process, Scratch, Underlay, until};

const HEDDLE: &str = env!("CARGO_BIN_EXE_heddle");
const PATIENCE: Duration = Duration::from_secs(60);

/// A host with the bridge `br-hv`, and a folder with `heddle` for scripts to find.
struct Host {
    // Dropped in this order.
    hypervisor: Hypervisor,
    _underlay: Underlay,
    scratch: Scratch,
}

impl Host {
    fn new() -> Self {
        let scratch = Scratch::new().unwrap();
        let underlay = Underlay::new().unwrap();
        let folder = scratch.folder("h").unwrap();
        let spec = HypervisorSpec {
            name: "hv1",
            folder: &folder,
            underlay: &underlay,
            southbound: None,
        };
        let hypervisor = Hypervisor::start(&spec).unwrap();
        guide_common::offer(&scratch, HEDDLE);
        Self {
            hypervisor,
            _underlay: underlay,
            scratch,
        }
    }

    fn with_bridge() -> Self {
        let host = Self::new();
        let words = "add-br br-hv -- set bridge br-hv fail_mode=secure datapath_type=netdev";
        host.hypervisor
            .vsctl(&words.split(' ').collect::<Vec<_>>())
            .unwrap();
        for name in ["up0", "tap1", "tap2"] {
            host.hypervisor
                .namespace()
                .ip(&format!("link add {name} type veth peer name {name}x"))
                .unwrap();
            host.hypervisor.vsctl(&["add-port", "br-hv", name]).unwrap();
        }
        host.scratch
            .write("host.json", r#"{ "public": { "port": "up0" } }"#)
            .unwrap();
        host
    }

    fn socket(&self) -> PathBuf {
        self.hypervisor.folder().join("heddle-hvd.sock")
    }

    /// Starts the daemon and waits until it has read the switch.
    fn daemon(&self) -> Process {
        let mut command = Command::new(HEDDLE);
        command
            .arg("hvd")
            .arg("--host")
            .arg(self.scratch.path().join("host.json"));
        let mut daemon = self.hypervisor.spawn("hvd", &mut command).unwrap();
        until(PATIENCE, "the daemon to have read the switch", || {
            daemon.expect_alive()?;
            // With nothing to remove this succeeds as soon as anything can.
            let output = self.hv(&["remove", "--if-exists", "4000000"]);
            Ok(output.status.success().then_some(()))
        })
        .unwrap();
        daemon
    }

    fn hv(&self, arguments: &[&str]) -> Output {
        Command::new(HEDDLE)
            .arg("hv")
            .arg(format!("--daemon=unix:{}", self.socket().display()))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// A call that succeeds, and what it prints.
    fn good(&self, arguments: &[&str]) -> String {
        let output = self.hv(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The flows of the bridge, without counters.
    fn flows(&self) -> Vec<String> {
        let target = format!(
            "unix:{}",
            self.hypervisor.folder().join("br-hv.mgmt").display()
        );
        let mut command = Command::new("ovs-ofctl");
        command
            .args(["-O", "OpenFlow15", "--no-stats", "dump-flows"])
            .arg(target);
        let said = testbed::run(&mut command).unwrap();
        let mut flows: Vec<String> = said.lines().map(|line| line.trim().to_owned()).collect();
        flows.sort();
        flows
    }

    /// Runs a script on this host.
    fn script(&self, script: &Path, arguments: &[&str], input: Stdio) -> Output {
        guide_common::script(&self.hypervisor, &self.scratch, script, arguments, input)
    }
}

fn params(number: u32, name: &str) -> String {
    format!(
        r#"{{"droplet_id": {number}, "vnics": [{{"mac": "02:00:00:00:00:{number:02x}", "enabled": 1,
            "name": "{name}", "interface_type": "public", "addresses": {{"ipv4":
            [{{"ip_address": "192.0.2.{number}", "masklen": 24}}]}}}}]}}"#
    )
}

#[test]
fn the_guide_leads_to_ping() {
    let host = Host::new();
    let said = guide_common::follow(&host.hypervisor, &host.scratch, "hvd.md");
    let results: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("packet loss"))
        .collect();
    let loss = |line: &&str| line.split(", ").nth(2).unwrap().to_owned();
    let results: Vec<String> = results.iter().map(loss).collect();
    assert_eq!(
        results,
        ["0% packet loss", "100% packet loss", "0% packet loss"],
        "{said}"
    );
    assert!(said.contains("flow add cookie=0x1"), "{said}");
    assert!(said.contains("installed"), "{said}");
}

#[test]
fn killed_at_any_moment_it_loses_nothing_that_was_answered() {
    let host = Host::with_bridge();
    let file = host.scratch.write("one.json", &params(1, "tap1")).unwrap();
    let file = file.to_str().unwrap().to_owned();
    let mut daemon = host.daemon();
    let base = host.flows();
    host.good(&["add", &file, "--key", "first"]);
    let with = host.flows();
    assert!(with.len() > base.len());
    daemon.kill();
    assert_eq!(host.flows(), with);
    let mut daemon = host.daemon();
    assert_eq!(host.flows(), with);
    assert!(
        host.good(&["add", &file, "--key", "first"])
            .contains("done before")
    );
    // Killed while requests come in: what was answered is in force, and the flows are those of what is listed.
    for round in 0..5u64 {
        let second = host.scratch.write("two.json", &params(2, "tap2")).unwrap();
        let second = second.to_str().unwrap().to_owned();
        std::thread::scope(|scope| {
            let host = &host;
            let caller = scope.spawn(move || {
                let added = host.hv(&["add", &second]).status.success();
                let removed = added && host.hv(&["remove", "2"]).status.success();
                (added, removed)
            });
            std::thread::sleep(Duration::from_millis(7 * round));
            daemon.kill();
            let (added, removed) = caller.join().unwrap();
            daemon = host.daemon();
            let listed = host.good(&["list"]).contains("192.0.2.2/24");
            assert!(!removed || !listed, "it was removed");
            assert!(
                !added || removed || listed || host.flows() == with,
                "it was added"
            );
            assert_eq!(listed, host.flows() != with, "flows are as it is listed");
            host.good(&["remove", "--if-exists", "2"]);
        });
        assert_eq!(host.flows(), with);
    }
}

#[test]
fn the_exit_status_says_whether_to_try_again() {
    let host = Host::with_bridge();
    let daemon = host.daemon();
    let status = |arguments: &[&str]| {
        let output = host.hv(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap(), error)
    };
    let bad = params(1, "tap1").replace("24", "33");
    let bad = host.scratch.write("bad.json", &bad).unwrap();
    let (code, error) = status(&["add", bad.to_str().unwrap()]);
    assert_eq!(code, 3);
    assert!(
        error.contains("vnics[0].addresses.ipv4[0].masklen: 33 is not in 0..=32"),
        "{error}"
    );
    let (code, error) = status(&["remove", "7"]);
    assert_eq!(
        (code, error.as_str()),
        (3, "heddle: machine_id: there is no machine 7\n")
    );
    assert_eq!(status(&["remove"]).0, 2);
    assert_eq!(status(&["add", "/nonexistent"]).0, 1);
    let json = host.good(&["--json", "list"]);
    assert_eq!(json, "[]\n");
    drop(daemon);
    let (code, error) = status(&["list"]);
    assert_eq!(code, 4);
    assert!(error.contains("is heddle hvd running?"), "{error}");
}

#[test]
fn what_would_let_in_anybody_or_take_anothers_place_does_not_start() {
    let host = Host::with_bridge();
    let _daemon = host.daemon();
    let start = |arguments: &[&str]| {
        let output = Command::new(HEDDLE)
            .arg("hvd")
            .args(arguments)
            .env("OVS_RUNDIR", host.hypervisor.folder())
            .env("OVS_DBDIR", host.hypervisor.folder())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let error = start(&["--listen", "ptcp:0:0.0.0.0"]);
    assert!(error.contains("--insecure-listen"), "{error}");
    let error = start(&["--listen", "pssl:0"]);
    assert!(error.contains("--allow-client"), "{error}");
    let other = host.scratch.path().join("other.db");
    let other = ["--bridge", "br-none", "--store", other.to_str().unwrap()];
    let without = ["--listen", "pssl:0", "--allow-client", "region"];
    let error = start(&[without, other].concat());
    assert!(error.contains("ssl needs a private key"), "{error}");
    // A second one, with the same store.
    let error = start(&[]);
    assert!(
        error.contains("another process is using this database"),
        "{error}"
    );
    // The first one's socket is still there.
    assert_eq!(host.good(&["--json", "list"]), "[]\n");
}

#[test]
fn libvirts_hook_connects_machines_and_removes_them_by_their_number() {
    let host = Host::with_bridge();
    let _daemon = host.daemon();
    host.scratch.write("web.json", &params(7, "tap1")).unwrap();
    let definition = |number: &str| {
        format!(
            "<domain type='kvm'>\n  <name>web</name>\n  <metadata>\n    <heddle:machine\n      xmlns:heddle=\"https://heddle.example/libvirt\" id='{number}'/>\n  </metadata>\n  <devices/>\n</domain>\n"
        )
    };
    let hook = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/libvirt-hook/qemu"
    ));
    let call = |definition: &str, operation: &[&str]| {
        let file = host.scratch.write("domain.xml", definition).unwrap();
        let input = std::fs::File::open(file).unwrap();
        let arguments: Vec<&str> = ["web"].iter().chain(operation).copied().collect();
        let output = host.script(&hook, &arguments, input.into());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{error}");
    };
    let base = host.flows();
    call(&definition("7"), &["prepare", "begin", "-"]);
    assert_eq!(host.flows(), base);
    call(&definition("7"), &["started", "begin", "-"]);
    let with = host.flows();
    assert!(with.len() > base.len());
    // Machines that are not ours are left alone.
    call(
        "<domain type='kvm'><name>web</name></domain>",
        &["release", "end", "-"],
    );
    call(&definition("8"), &["release", "end", "-"]);
    assert_eq!(host.flows(), with);
    call(&definition("7"), &["stopped", "end", "-"]);
    assert_eq!(host.flows(), with);
    call(&definition("7"), &["release", "end", "-"]);
    assert_eq!(host.flows(), base);
    // It is called again when a start has failed.
    call(&definition("7"), &["release", "end", "-"]);
}

//! The agent as a process, in the place of `ovn-controller`: the databases and the compiler are those of
//! the stock packages, the switches are real, and so are the packets.
//!
//! Needs root, Open vSwitch and OVN's programs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use testbed::{
    Addressing, Echo, Hypervisor, HypervisorSpec, Kind, Namespace, Outcome, Probe, Process,
    Scratch, Underlay, Vm, VmSpec, run, until,
};

const LIMIT: Duration = Duration::from_secs(20);

/// Stock databases and compiler.
struct Central {
    _processes: Vec<Process>,
    folder: PathBuf,
    _namespace: Namespace,
}

impl Central {
    fn start(folder: &Path) -> Result<Self> {
        let namespace = Namespace::new("central")?;
        let mut processes = Vec::new();
        for (name, schema) in [("nb", "ovn-nb"), ("sb", "ovn-sb")] {
            let file = folder.join(format!("{name}.db"));
            let schema = format!("/usr/share/ovn/{schema}.ovsschema");
            run(Command::new("ovsdb-tool")
                .arg("create")
                .arg(&file)
                .arg(schema))?;
            let mut server = Command::new("ovsdb-server");
            server
                .arg(&file)
                .arg(format!("--remote=p{}", remote(folder, name)));
            server.arg(format!(
                "--unixctl={}",
                folder.join(format!("{name}.ctl")).display()
            ));
            let output = folder.join(format!("{name}.out"));
            processes.push(Process::start(&namespace, name, &server, &output)?);
            let socket = folder.join(format!("{name}.sock"));
            until(LIMIT, "a database", || Ok(socket.exists().then_some(())))?;
        }
        let mut northd = Command::new("ovn-northd");
        northd.arg(format!("--ovnnb-db={}", remote(folder, "nb")));
        northd.arg(format!("--ovnsb-db={}", remote(folder, "sb")));
        northd.arg(format!("--unixctl={}", folder.join("northd.ctl").display()));
        northd.env("OVN_RUNDIR", folder).env("OVN_LOGDIR", folder);
        let output = folder.join("northd.out");
        processes.push(Process::start(&namespace, "northd", &northd, &output)?);
        Ok(Self {
            _processes: processes,
            folder: folder.to_owned(),
            _namespace: namespace,
        })
    }

    fn southbound(&self) -> String {
        remote(&self.folder, "sb")
    }

    /// Runs `ovn-nbctl` and waits until every hypervisor has followed.
    fn nbctl(&self, line: &str) -> Result<String> {
        let database = format!("--db={}", remote(&self.folder, "nb"));
        let words = line.split_whitespace();
        run(Command::new("ovn-nbctl")
            .arg(database)
            .args(["--wait=hv", "--timeout=20"])
            .args(words))
    }

    fn sbctl(&self, line: &str) -> Result<String> {
        let database = format!("--db={}", self.southbound());
        run(Command::new("ovn-sbctl")
            .arg(database)
            .arg("--timeout=20")
            .args(line.split_whitespace()))
    }
}

fn remote(folder: &Path, name: &str) -> String {
    format!("unix:{}", folder.join(format!("{name}.sock")).display())
}

struct Bed {
    // Dropped in this order.
    vms: Vec<Vm>,
    agents: Vec<Process>,
    central: Central,
    hypervisors: Vec<Hypervisor>,
    _underlay: Underlay,
    _scratch: Scratch,
}

impl Bed {
    fn start() -> Result<Self> {
        let scratch = Scratch::new()?;
        let underlay = Underlay::new()?;
        let central = Central::start(&scratch.folder("c")?)?;
        let southbound = central.southbound();
        let mut hypervisors = Vec::new();
        for name in ["hv1", "hv2"] {
            let folder = scratch.folder(name)?;
            let southbound = Some(southbound.as_str());
            let spec = HypervisorSpec {
                name,
                folder: &folder,
                underlay: &underlay,
                southbound,
            };
            hypervisors.push(Hypervisor::start(&spec)?);
        }
        hypervisors[0].meet(&hypervisors[1])?;
        hypervisors[1].meet(&hypervisors[0])?;
        let agents = hypervisors.iter().map(agent).collect::<Result<_>>()?;
        let vms = Vec::new();
        Ok(Self {
            vms,
            agents,
            central,
            hypervisors,
            _underlay: underlay,
            _scratch: scratch,
        })
    }

    fn vm(&mut self, host: usize, port: &str, mac: &str, addresses: &str) -> Result<()> {
        let mut addressing = Addressing::default();
        for pair in addresses.split_whitespace() {
            let (address, gateway) = pair.split_once(',').context("address,gateway")?;
            let prefix = if address.contains(':') { 64 } else { 24 };
            addressing.addresses.push((address.parse()?, prefix));
            addressing.gateways.push(gateway.parse()?);
        }
        let spec = VmSpec {
            name: port.into(),
            port: port.into(),
            mac: mac.into(),
            addressing,
        };
        self.vms.push(Vm::start(spec, &self.hypervisors[host])?);
        Ok(())
    }

    fn of(&self, name: &str) -> &Vm {
        self.vms
            .iter()
            .find(|vm| vm.name() == name)
            .expect("a VM of that name")
    }

    fn ask(&self, from: &str, kind: Kind, to: &str) -> Result<Outcome> {
        Probe::new(kind, to.parse()?).ask(self.of(from).namespace())
    }

    fn control(&self, host: usize, command: &[&str]) -> Result<String> {
        let socket = self.hypervisors[host].folder().join("agent.ctl");
        run(Command::new("ovs-appctl")
            .arg("-t")
            .arg(socket)
            .args(command))
    }
}

fn agent(hypervisor: &Hypervisor) -> Result<Process> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heddle"));
    let socket = hypervisor.folder().join("agent.ctl");
    command
        .arg("agent")
        .arg(format!("--unixctl={}", socket.display()))
        .arg("--log-file");
    hypervisor.spawn("agent", &mut command)
}

const NETWORK: &str = "ls-add sw0 -- lsp-add sw0 a -- lsp-set-addresses a unknown \
    -- lsp-add sw0 b -- lsp-set-addresses b 02:00:00:00:00:0b\\ 10.0.0.12 \
    -- ls-add sw1 -- lsp-add sw1 c -- lr-add r \
    -- lrp-add r r0 02:00:00:00:01:00 10.0.0.1/24 2001:db8::1/64 \
    -- lrp-add r r1 02:00:00:00:01:01 10.0.1.1/24 2001:db8:1::1/64 \
    -- lsp-add sw0 s0 -- lsp-set-type s0 router -- lsp-set-addresses s0 router \
    -- lsp-set-options s0 router-port=r0 \
    -- lsp-add sw1 s1 -- lsp-set-type s1 router -- lsp-set-addresses s1 router \
    -- lsp-set-options s1 router-port=r1";

/// Two switches, a router, three VMs on two hosts; one VM gets its address by DHCP.
fn network(bed: &mut Bed) -> Result<()> {
    let database = format!("--db={}", remote(&bed.central.folder, "nb"));
    let nbctl = |words: &[&str]| run(Command::new("ovn-nbctl").arg(&database).args(words));
    let words: Vec<String> = NETWORK
        .replace("\\ ", "\0")
        .split_whitespace()
        .map(|w| w.replace('\0', " "))
        .collect();
    nbctl(&words.iter().map(String::as_str).collect::<Vec<_>>())?;
    let options = "options={server_id=\"10.0.1.1\",server_mac=\"02:00:00:00:01:01\",\
                   lease_time=\"3600\",router=\"10.0.1.1\"}";
    let uuid = nbctl(&["create", "DHCP_Options", "cidr=10.0.1.0/24", options])?;
    nbctl(&[
        "lsp-set-addresses",
        "c",
        "02:00:00:00:00:0c 10.0.1.13 2001:db8:1::c",
    ])?;
    nbctl(&["lsp-set-dhcpv4-options", "c", uuid.trim()])?;
    bed.vm(
        0,
        "a",
        "02:00:00:00:00:0a",
        "10.0.0.11,10.0.0.1 2001:db8::a,2001:db8::1",
    )?;
    bed.vm(1, "b", "02:00:00:00:00:0b", "10.0.0.12,10.0.0.1")?;
    bed.vm(1, "c", "02:00:00:00:00:0c", "2001:db8:1::c,2001:db8:1::1")?;
    bed.central
        .nbctl("wait-until Logical_Switch_Port a up=true")?;
    bed.central
        .nbctl("wait-until Logical_Switch_Port c up=true")?;
    bed.central.nbctl("sync")?;
    Ok(())
}

#[test]
fn packets_go_where_a_stock_compiler_says() -> Result<()> {
    let mut bed = Bed::start()?;
    network(&mut bed)?;

    let lease = bed.of("c").lease()?;
    assert_eq!((lease.address, lease.seconds), ("10.0.1.13".parse()?, 3600));
    for (from, to) in [
        ("a", "10.0.0.12"),
        ("a", "10.0.0.1"),
        ("a", "10.0.1.13"),
        ("c", "10.0.0.11"),
        ("a", "2001:db8::1"),
        ("a", "2001:db8:1::c"),
    ] {
        let outcome = bed.ask(from, Kind::Ping, to)?;
        assert!(outcome.is_answered(), "{from} to {to}: {outcome:?}");
    }
    let short = Probe {
        ttl: Some(1),
        ..Probe::new(Kind::Ping, "10.0.1.13".parse()?)
    };
    let outcome = short.ask(bed.of("a").namespace())?;
    assert!(
        matches!(&outcome, Outcome::Expired(by) if by.contains("10.0.0.1")),
        "{outcome:?}"
    );

    // The address of a port that says "unknown" was learned, and that of the neighbour.
    assert!(
        bed.central
            .sbctl("--columns=mac list FDB")?
            .contains("02:00:00:00:00:0a")
    );
    assert!(
        bed.central
            .sbctl("--columns=ip list MAC_Binding")?
            .contains("10.0.0.11")
    );

    // Refused, and said so; then allowed, with the connection tracked.
    bed.central.nbctl("pg-add pg b")?;
    bed.central
        .nbctl("acl-add pg to-lport 1000 outport==@pg&&tcp reject")?;
    let outcome = bed.ask("a", Kind::Tcp(80), "10.0.0.12")?;
    assert!(
        matches!(&outcome, Outcome::Refused(why) if why.contains("refused")),
        "{outcome:?}"
    );
    bed.central
        .nbctl("acl-add pg to-lport 2000 outport==@pg&&icmp4 drop")?;
    assert_eq!(bed.ask("a", Kind::Ping, "10.0.0.12")?, Outcome::Silence);
    bed.central
        .nbctl("acl-add pg to-lport 3000 outport==@pg&&icmp4 allow-related")?;
    assert!(bed.ask("a", Kind::Ping, "10.0.0.12")?.is_answered());

    for host in [0, 1] {
        assert_eq!(
            bed.control(host, &["connection-status"])?.trim(),
            "connected"
        );
        let flows = bed.hypervisors[host].flows()?.lines().count();
        bed.control(host, &["recompute"])?;
        bed.central.nbctl("sync")?;
        assert_eq!(bed.hypervisors[host].flows()?.lines().count(), flows);
        let audit = bed.control(host, &["audit"])?;
        assert!(
            audit.contains(" 0 missing, 0 foreign, 0 different, 0 groups"),
            "{audit}"
        );
    }
    Ok(())
}

#[test]
fn an_agent_that_dies_loses_no_packet_and_one_that_leaves_takes_its_rows() -> Result<()> {
    let mut bed = Bed::start()?;
    network(&mut bed)?;
    let target = "2001:db8:1::c";
    assert!(bed.ask("a", Kind::Ping, target)?.is_answered());
    // What that taught is written and in force everywhere before the count begins: a packet that an
    // agent holds, because its next hop is not known yet, dies with that agent, as it may.
    for (table, lesson) in [("MAC_Binding", "2001:db8::a"), ("FDB", "02:00:00:00:00:0a")] {
        until(LIMIT, lesson, || {
            let rows = bed.central.sbctl(&format!("list {table}"))?;
            Ok(rows.contains(lesson).then_some(()))
        })?;
    }
    bed.central.nbctl("sync")?;
    let steady = Echo::start(
        bed.of("a").namespace(),
        target.parse()?,
        Duration::from_millis(20),
    )?;
    for host in [0, 1] {
        bed.agents[host].kill();
        bed.agents[host] = agent(&bed.hypervisors[host])?;
    }
    // Whatever is asked of them now proves that both are back and have caught up.
    bed.central.nbctl("sync")?;
    bed.central.nbctl("ls-add more")?;
    let echo = steady.finish()?;
    assert!(echo.received > 3 && echo.lost == 0, "{echo:?}");

    bed.control(0, &["exit", "--restart"])?;
    until(LIMIT, "the agent to end", || bed.agents[0].ended())?;
    assert!(
        bed.central
            .sbctl("--columns=name list Chassis")?
            .contains("hv1")
    );
    bed.agents[0] = agent(&bed.hypervisors[0])?;
    bed.central.nbctl("sync")?;
    bed.control(0, &["exit"])?;
    until(LIMIT, "the agent to end", || bed.agents[0].ended())?;
    assert!(
        !bed.central
            .sbctl("--columns=name list Chassis")?
            .contains("hv1")
    );
    let tunnels = |bed: &Bed| bed.hypervisors[1].vsctl(&["list-ports", "br-int"]);
    until(LIMIT, "the tunnel to go", || {
        Ok((!tunnels(&bed)?.contains("ovn-hv1")).then_some(()))
    })?;
    Ok(())
}

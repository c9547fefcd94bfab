//! Stock clients and stock programs, unchanged, with ours.

mod support;

use std::process::Command;

use anyhow::{Context, Result, ensure};
use support::{cloud, expect_network, expect_pass, mixed};
use testbed::{Addressing, Agent, Central, Cloud, Kind, run};

#[test]
fn a_port_added_with_ovn_nbctl_works() -> Result<()> {
    let mut cloud = cloud()?;
    let address = "0a:00:00:00:00:55 10.0.1.55";
    cloud.nbctl(&[
        "--wait=hv",
        "lsp-add",
        "a",
        "new",
        "--",
        "lsp-set-addresses",
        "new",
        address,
        "--",
        "lsp-set-port-security",
        "new",
        address,
    ])?;
    cloud.add_machine(
        "new",
        "hv1",
        Addressing::parse(&["10.0.1.55/24"], &["10.0.1.1"])?,
    )?;
    cloud.settle()?;
    expect_pass(&cloud, "new", Kind::Ping, "10.0.1.12")?;
    expect_pass(&cloud, "b1", Kind::Ping, "10.0.1.55")
}

#[test]
fn stock_clients_read_and_write() -> Result<()> {
    let cloud = cloud()?;
    let shown = cloud.nbctl(&["show"])?;
    for name in ["(a)", "(b)", "(r)", "port a1", "port r-a"] {
        ensure!(
            shown.contains(name),
            "ovn-nbctl show has no {name}: {shown}"
        );
    }
    let shown = cloud.sbctl(&["show"])?;
    for line in [
        "Chassis hv1",
        "Chassis hv2",
        "Port_Binding a1",
        "Encap geneve",
    ] {
        ensure!(
            shown.contains(line),
            "ovn-sbctl show has no {line}: {shown}"
        );
    }
    let flows = cloud.sbctl(&["lflow-list", "a"])?;
    for stage in [
        "ls_in_check_port_sec",
        "ls_in_arp_rsp",
        "ls_in_l2_lkup",
        "ls_out_check_port_sec",
    ] {
        ensure!(flows.contains(stage), "no flow of {stage}");
    }
    for table in [
        "Chassis",
        "Encap",
        "Port_Binding",
        "Datapath_Binding",
        "Multicast_Group",
    ] {
        ensure!(
            !cloud
                .sbctl(&["--bare", "--columns=_uuid", "list", table])?
                .trim()
                .is_empty(),
            "{table}"
        );
    }

    cloud.nbctl(&["--wait=sb", "ls-add", "x", "--", "lsp-add", "x", "x1"])?;
    cloud.nbctl(&[
        "lr-add",
        "y",
        "--",
        "lrp-add",
        "y",
        "y1",
        "0a:00:00:00:00:77",
        "192.0.2.1/24",
    ])?;
    cloud.nbctl(&[
        "--wait=hv",
        "acl-add",
        "x",
        "to-lport",
        "1000",
        "ip4",
        "allow-related",
    ])?;
    ensure!(cloud.nbctl(&["acl-list", "x"])?.contains("allow-related"));
    ensure!(cloud.sbctl(&["lflow-list", "x"])?.contains("ls_out_acl"));
    cloud.nbctl(&["--wait=sb", "ls-del", "x", "--", "lr-del", "y"])?;
    ensure!(!cloud.nbctl(&["show"])?.contains("(x)"));
    Ok(())
}

#[test]
fn stock_ovn_trace_explains() -> Result<()> {
    let cloud = cloud()?;
    let mac = |name: &str| Ok::<_, anyhow::Error>(cloud.vm(name)?.spec().mac.clone());
    let packet = format!(
        "inport == \"a1\" && eth.src == {} && eth.dst == {} && ip4.src == 10.0.1.11 && \
         ip4.dst == 10.0.1.12 && ip.ttl == 64 && icmp4.type == 8",
        mac("a1")?,
        mac("a2")?
    );
    let said = trace(&cloud, &packet)?;
    ensure!(said.contains("output to \"a2\""), "{said}");
    let spoofed = packet.replace("10.0.1.11", "10.0.1.99");
    let said = trace(&cloud, &spoofed)?;
    ensure!(!said.contains("output to"), "{said}");
    Ok(())
}

fn trace(cloud: &Cloud, packet: &str) -> Result<String> {
    let db = format!("--db={}", cloud.southbound_remote());
    run(Command::new("ovn-trace").args([&db, "a", packet]))
}

/// Prints the ports of each switch as Python's IDL sees them, then adds one and waits for the compiler.
const PYTHON: &str = r#"
import sys
import ovs.db.idl, ovs.poller
remote, schema = sys.argv[1:3]
helper = ovs.db.idl.SchemaHelper(schema)
helper.register_all()
idl = ovs.db.idl.Idl(remote, helper)

def until(condition):
    while not condition():
        sequence = idl.change_seqno
        idl.run()
        if sequence == idl.change_seqno:
            poller = ovs.poller.Poller()
            idl.wait(poller)
            poller.block()

until(lambda: idl.has_ever_connected())
switch = [s for s in idl.tables["Logical_Switch"].rows.values() if s.name == "a"][0]
print(sorted(port.name for port in switch.ports))
transaction = ovs.db.idl.Transaction(idl)
port = transaction.insert(idl.tables["Logical_Switch_Port"])
port.name = "from-python"
switch.addvalue("ports", port)
world = list(idl.tables["NB_Global"].rows.values())[0]
wanted = world.nb_cfg + 1
world.nb_cfg = wanted
print(transaction.commit_block())
until(lambda: list(idl.tables["NB_Global"].rows.values())[0].sb_cfg >= wanted)
print("compiled")
"#;

#[test]
fn pythons_idl_reads_and_writes() -> Result<()> {
    let cloud = cloud()?;
    let said = run(Command::new("timeout")
        .args(["60", "/usr/bin/python3", "-c", PYTHON])
        .args([
            &cloud.northbound_remote(),
            "/usr/share/ovn/ovn-nb.ovsschema",
        ]))?;
    let mut lines = said.lines();
    assert_eq!(lines.next(), Some("['a-r', 'a1', 'a2']"), "{said}");
    assert_eq!(lines.next(), Some("success"), "{said}");
    assert_eq!(lines.next(), Some("compiled"), "{said}");
    let bindings = cloud.sbctl(&["--bare", "--columns=logical_port", "list", "Port_Binding"])?;
    bindings
        .contains("from-python")
        .then_some(())
        .context("no binding for the new port")
}

#[test]
fn a_stock_agent_and_ours_share_a_network() -> Result<()> {
    expect_network(&mixed(Central::Heddle, [Agent::Heddle, Agent::Stock])?)
}

#[test]
fn stock_agents_run_under_our_server() -> Result<()> {
    expect_network(&mixed(Central::Heddle, [Agent::Stock, Agent::Stock])?)
}

#[test]
fn our_agents_run_under_stock_programs() -> Result<()> {
    expect_network(&mixed(Central::Stock, [Agent::Heddle, Agent::Heddle])?)
}

#[test]
fn our_northd_runs_on_stock_servers() -> Result<()> {
    expect_network(&mixed(
        Central::HeddleNorthd,
        [Agent::Heddle, Agent::Stock],
    )?)
}

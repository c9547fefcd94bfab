//! `heddle of dump-flows --explain` on the integration bridge of a hypervisor whose flows an agent has made.

mod support;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use support::cloud;

#[test]
fn each_flow_of_an_agent_leads_to_its_row() -> Result<()> {
    let mut cloud = cloud()?;
    let rule = [
        "acl-add",
        "servers",
        "to-lport",
        "1001",
        "outport == @servers && tcp.dst == 80",
        "drop",
    ];
    cloud.nbctl(&[&["--wait=hv", "--name=no-web"][..], &rule].concat())?;
    cloud.settle()?;
    let bridge = cloud.hypervisor("hv2")?.folder().join("br-int.mgmt");
    let bridge = format!("unix:{}", bridge.display());
    let southbound = format!("--sb-db={}", cloud.southbound_remote());
    let northbound = format!("--nb-db={}", cloud.northbound_remote());
    let words = [
        "of",
        "dump-flows",
        &bridge,
        "--explain",
        &southbound,
        &northbound,
    ];
    let text = cloud.heddle(&words)?;
    let lines: Vec<&str> = text.lines().collect();
    let before = |wanted: &dyn Fn(&str) -> bool| -> Result<String> {
        let at = lines
            .iter()
            .position(|line| wanted(line))
            .context("such a flow")?;
        Ok(lines[at - 1].to_owned())
    };
    // The rule's flow leads to the rule, with its name and what it is a rule of.
    let explained = before(&|line| {
        line.starts_with("cookie=") && line.contains("tp_dst=80") && line.contains("tcp,")
    })?;
    ensure!(
        explained.starts_with("# ls_out_acl")
            && explained.contains("ACL \"no-web\" of port group \"servers\""),
        "{explained}"
    );
    // A machine's port leads to the port.
    ensure!(
        lines
            .iter()
            .any(|line| line.starts_with("# port \"a2\" of a")),
        "no flow of port a2:\n{text}"
    );
    // Every flow is explained, none by a row that there is not.
    for pair in lines.windows(2) {
        let is_flow = |line: &str| line.contains("actions=") && !line.starts_with('#');
        ensure!(
            !is_flow(pair[1]) || pair[0].starts_with('#'),
            "not explained: {}",
            pair[1]
        );
        ensure!(
            !pair[0].contains("of no row of this Southbound"),
            "{}",
            pair[1]
        );
    }
    // The same as JSON; and without comments what is printed is flows.
    let json = cloud.heddle(&[&words[..], &["--json"]].concat())?;
    let json = json.lines().map(serde_json::from_str::<Value>);
    let json: Vec<Value> = json.collect::<Result<_, _>>()?;
    let of_rule = json
        .iter()
        .flat_map(|flow| flow["explained"].as_array().into_iter().flatten());
    let of_rule = of_rule.filter(|row| row["for"] == "ACL \"no-web\" of port group \"servers\"");
    ensure!(of_rule.count() >= 1, "no flow of the rule");
    for line in lines.iter().filter(|line| !line.starts_with('#')) {
        line.parse::<openflow::Flow>().context((*line).to_owned())?;
    }
    Ok(())
}

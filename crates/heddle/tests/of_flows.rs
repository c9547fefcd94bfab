//! `heddle of` against a real switch, compared with `ovs-ofctl`.

#[path = "../../openflow/tests/switch/mod.rs"]
mod switch;

use std::fs;
use std::process::{Command, Output};

use switch::Switch;

const FLOWS: &str = "\
# Where packets come in.
table=0,priority=5,in_port=p1,tcp,tp_dst=80 actions=load:7->NXM_NX_REG0[],resubmit(,1)
table=0,priority=4,ip,nw_src=10.0.0.0/8 actions=ct(commit,zone=5,nat(src=10.0.0.1))

cookie=0x5,table=1,priority=3,reg0=7 actions=output:p2,output:3
";

fn heddle(switch: &Switch, arguments: &[&str]) -> Output {
    let remote = format!("unix:{}", switch.management().display());
    let arguments = arguments
        .iter()
        .map(|a| if *a == "SWITCH" { remote.as_str() } else { a });
    Command::new(env!("CARGO_BIN_EXE_heddle"))
        .arg("of")
        .args(arguments)
        .output()
        .expect("heddle runs")
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    text.lines().map(str::to_owned).collect()
}

fn good(switch: &Switch, arguments: &[&str]) -> Vec<String> {
    let output = heddle(switch, arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {error}");
    lines(&output.stdout)
}

fn bad(switch: &Switch, arguments: &[&str]) -> String {
    let output = heddle(switch, arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The flows as `ovs-ofctl` prints them, in our order.
fn theirs(switch: &Switch, filter: &str) -> Vec<String> {
    let printed = switch.ofctl(&["--no-stats", "dump-flows", "br0", filter]);
    let mut flows: Vec<_> = printed
        .into_iter()
        .filter(|line| line.contains("actions="))
        .collect();
    flows.sort();
    flows
}

fn ours(switch: &Switch, filter: &str) -> Vec<String> {
    let mut flows = good(switch, &["dump-flows", "SWITCH", filter]);
    flows.sort();
    flows
}

#[test]
fn flows_come_are_seen_change_and_go() {
    let switch = Switch::start();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("flows");
    let file = file.to_str().expect("plain");
    fs::write(file, FLOWS).expect("a file");
    good(&switch, &["add-flows", "SWITCH", file]);
    assert_eq!(theirs(&switch, "").len(), 3);
    for filter in [
        "",
        "table=0",
        "tcp",
        "cookie=5/-1",
        "out_port=2",
        "in_port=1,tcp",
    ] {
        assert_eq!(ours(&switch, filter), theirs(&switch, filter), "{filter}");
    }
    assert_eq!(ours(&switch, "table=1").len(), 1);
    assert_eq!(good(&switch, &["diff-flows", "SWITCH", file]), [""; 0]);
    good(
        &switch,
        &["add-flow", "SWITCH", "table=2,priority=1,arp actions=p3"],
    );
    let output = heddle(&switch, &["diff-flows", "SWITCH", file]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(lines(&output.stdout), ["-table=2, priority=1,arp"]);
    good(&switch, &["replace-flows", "SWITCH", file]);
    assert_eq!(theirs(&switch, "").len(), 3);
    switch.ofctl(&["add-group", "br0", "group_id=7,type=all,bucket=output:1"]);
    let groups = switch.ofctl(&["dump-groups", "br0"]);
    let groups: Vec<_> = groups
        .into_iter()
        .filter(|line| line.starts_with("group_id"))
        .collect();
    assert_eq!(good(&switch, &["dump-groups", "SWITCH"]), groups);
    good(&switch, &["del-flows", "SWITCH", "tcp"]);
    assert_eq!(theirs(&switch, "").len(), 2);
    good(&switch, &["del-flows", "SWITCH", ""]);
    assert_eq!(theirs(&switch, "").len(), 0);
}

#[test]
fn a_refused_file_changes_nothing_and_its_line_is_named() {
    let switch = Switch::start();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("flows");
    let file = file.to_str().expect("plain");
    fs::write(file, format!("{FLOWS}priority=9 actions=group:77\n")).expect("a file");
    let error = bad(&switch, &["add-flows", "SWITCH", file]);
    assert!(error.contains("nothing was changed"), "{error}");
    assert!(
        error.contains("line 6: ") && error.contains("OFPBAC_BAD_OUT_GROUP"),
        "{error}"
    );
    assert_eq!(theirs(&switch, "").len(), 0);
    fs::write(file, "tcp,tp_dst=x actions=drop\n").expect("a file");
    let error = bad(&switch, &["add-flows", "SWITCH", file]);
    assert!(
        error.contains("line 1: column 12: `x`: expected a number"),
        "{error}"
    );
}

#[test]
fn texts_are_checked_and_messages_decoded_without_a_switch() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_heddle"))
            .arg("of")
            .args(arguments)
            .output()
            .expect("heddle runs");
        (
            output.status.success(),
            lines(&output.stdout),
            output.stderr,
        )
    };
    let (good, said, _) = run(&["parse", "tcp,tp_dst=80 actions=mod_nw_src:10.0.0.1,2"]);
    assert!(good);
    assert_eq!(
        said,
        ["tcp,tp_dst=80 actions=set_field:10.0.0.1->ip_src,output:2"]
    );
    let (good, said, _) = run(&["decode", "06140008 00000007"]);
    assert!(good);
    assert_eq!(said, ["BarrierRequest (xid=0x7): BarrierRequest"]);
    for hex in ["0", "xx", "0614000900000007", "+6"] {
        let (good, _, error) = run(&["decode", hex]);
        assert!(!good && !error.is_empty(), "{hex}");
    }
}

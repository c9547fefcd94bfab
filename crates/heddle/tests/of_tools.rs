//! The tools of `heddle of` beside `ovs-ofctl` on the same switch: what one changes the other sees the same.

#[path = "../../openflow/tests/switch/mod.rs"]
mod switch;

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use switch::Switch;

fn command(switch: &Switch, arguments: &[&str]) -> Command {
    let remote = format!("unix:{}", switch.management().display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_heddle"));
    command.arg("of");
    for argument in arguments {
        command.arg(match *argument {
            "SWITCH" => remote.as_str(),
            argument => argument,
        });
    }
    command
}

fn heddle(switch: &Switch, arguments: &[&str]) -> Output {
    command(switch, arguments).output().expect("heddle runs")
}

fn good(switch: &Switch, arguments: &[&str]) -> Vec<String> {
    let output = heddle(switch, arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {error}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(|line| line.trim().to_owned()).collect()
}

fn bad(switch: &Switch, arguments: &[&str]) -> String {
    let output = heddle(switch, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A line without what differs from one moment to the next.
fn still(line: &str) -> String {
    let mut out = line.to_owned();
    for key in ["duration=", "duration:", "idle_age=", "dpid:"] {
        if let Some(at) = out.find(key) {
            let from = at + key.len();
            let end = out[from..]
                .find([',', ' '])
                .map_or(out.len(), |end| from + end);
            out.replace_range(from..end, "*");
        }
    }
    out
}

/// The lines in order, without the headers that `ovs-ofctl` puts before them.
fn body(lines: Vec<String>) -> Vec<String> {
    let mut out = Vec::new();
    for line in lines {
        // What follows a header on its line is the same as on the next.
        let line = match line.split_once("(xid=") {
            Some((_, behind)) => behind
                .split_once(':')
                .map_or("", |(_, text)| text)
                .trim()
                .to_owned(),
            None => line,
        };
        let counted = [" ports", " queues", " ids"];
        let counted = counted.iter().any(|what| line.ends_with(what));
        if !line.is_empty() && !counted {
            out.push(still(&line));
        }
    }
    out.sort();
    out
}

/// Both say the same of the switch.
fn same(switch: &Switch, ours: &[&str], theirs: &[&str]) {
    let theirs = body(switch.ofctl(theirs));
    let ours = body(good(switch, ours));
    assert_eq!(theirs, ours, "left ovs-ofctl, right heddle of");
    assert!(!ours.is_empty());
}

/// A switch with something of everything.
fn full() -> Switch {
    let switch = Switch::start();
    for (tool, what) in [
        (
            "add-flow",
            "table=1,priority=5,in_port=p1,tcp,tp_dst=80,idle_timeout=1000,send_flow_rem actions=output:p2,resubmit(,2)",
        ),
        (
            "add-flow",
            "cookie=0x5,table=0,priority=3,hard_timeout=3000,importance=7 actions=goto_table:1",
        ),
        ("add-flow", "table=2 actions=group:7"),
        (
            "add-group",
            "group_id=7,type=select,selection_method=hash,bucket=bucket_id:1,weight:5,actions=output:1,bucket=bucket_id:2,actions=output:2",
        ),
        ("add-group", "group_id=8,type=all,bucket=actions=output:p3"),
        (
            "add-meter",
            "meter=1,kbps,burst,stats,band=type=drop,rate=1000,burst_size=10",
        ),
        ("add-meter", "meter=5,pktps,band=type=drop,rate=10"),
    ] {
        // A flow that uses a group needs it first.
        if what.contains("group:7") {
            continue;
        }
        good(&switch, &[tool, "SWITCH", what]);
    }
    good(&switch, &["add-flow", "SWITCH", "table=2 actions=group:7"]);
    switch
}

#[test]
fn what_ovs_ofctl_prints_we_print() {
    let switch = full();
    let pairs: [(&[&str], &[&str]); 18] = [
        (&["dump-flows", "SWITCH", "--stats"], &["dump-flows", "br0"]),
        (
            &["dump-flows", "SWITCH", "--no-stats"],
            &["--no-stats", "dump-flows", "br0"],
        ),
        (
            &["dump-flows", "SWITCH", "tcp", "--stats"],
            &["dump-flows", "br0", "tcp"],
        ),
        (&["dump-groups", "SWITCH"], &["dump-groups", "br0"]),
        (
            &["dump-groups", "SWITCH", "8"],
            &["dump-groups", "br0", "8"],
        ),
        (
            &["dump-group-stats", "SWITCH"],
            &["dump-group-stats", "br0"],
        ),
        (
            &["dump-group-features", "SWITCH"],
            &["dump-group-features", "br0"],
        ),
        (&["dump-ports-desc", "SWITCH"], &["dump-ports-desc", "br0"]),
        (
            &["dump-ports-desc", "SWITCH", "p2"],
            &["dump-ports-desc", "br0", "2"],
        ),
        (&["show", "SWITCH"], &["show", "br0"]),
        (&["dump-desc", "SWITCH"], &["dump-desc", "br0"]),
        (&["dump-aggregate", "SWITCH"], &["dump-aggregate", "br0"]),
        (
            &["dump-aggregate", "SWITCH", "table=1"],
            &["dump-aggregate", "br0", "table=1"],
        ),
        (&["meter-stats", "SWITCH"], &["meter-stats", "br0"]),
        (
            &["meter-stats", "SWITCH", "meter=5"],
            &["meter-stats", "br0", "meter=5"],
        ),
        (&["meter-features", "SWITCH"], &["meter-features", "br0"]),
        (&["queue-stats", "SWITCH"], &["queue-stats", "br0"]),
        (&["get-frags", "SWITCH"], &["get-frags", "br0"]),
    ];
    for (ours, theirs) in pairs {
        same(&switch, ours, theirs);
    }
    // The counters of ports; theirs breaks the lines of further counters elsewhere.
    let only = |lines: Vec<String>| -> Vec<String> {
        let counters = |line: &String| line.contains("pkts=") || line.contains("duration");
        body(lines).into_iter().filter(counters).collect()
    };
    assert_eq!(
        only(switch.ofctl(&["dump-ports", "br0"])),
        only(good(&switch, &["dump-ports", "SWITCH"]))
    );
    let tables = good(&switch, &["dump-tables", "SWITCH"]);
    assert_eq!(tables[..2], ["table 0:", "active=1, lookup=0, matched=0"]);
    let meters = good(&switch, &["dump-meters", "SWITCH", "1"]);
    assert_eq!(
        meters,
        ["meter=1,kbps,burst,stats,bands=type=drop,rate=1000,burst_size=10"]
    );
    // Names of ports in the place of numbers.
    let theirs = Command::new("ovs-ofctl")
        .env("OVS_RUNDIR", switch.directory())
        .args([
            "-O",
            "OpenFlow15",
            "--names",
            "--no-stats",
            "dump-flows",
            "br0",
        ])
        .output()
        .expect("ovs-ofctl runs");
    let theirs = String::from_utf8(theirs.stdout).expect("text");
    let theirs = theirs.lines().map(|line| line.trim().to_owned()).collect();
    assert_eq!(
        body(theirs),
        body(good(&switch, &["dump-flows", "SWITCH", "--names"]))
    );
}

#[test]
fn json_has_what_the_text_has() {
    let switch = full();
    for (arguments, pointer, value) in [
        (
            &["dump-flows", "SWITCH", "table=1", "--json"][..],
            "/match",
            "tcp,in_port=1,tp_dst=80",
        ),
        (
            &["dump-flows", "SWITCH", "cookie=5/-1", "--json"],
            "/actions",
            "goto_table:1",
        ),
        (
            &["dump-groups", "SWITCH", "7", "--json"],
            "/buckets/0/actions",
            "output:1",
        ),
        (
            &["dump-ports-desc", "SWITCH", "p2", "--json"],
            "/name",
            "p2",
        ),
        (&["dump-ports", "SWITCH", "p2", "--json"], "/port", "2"),
        (
            &["dump-desc", "SWITCH", "--json"],
            "/hardware",
            "Open vSwitch",
        ),
        (
            &["dump-meters", "SWITCH", "1", "--json"],
            "/bands/0/type",
            "drop",
        ),
        (&["get-frags", "SWITCH", "--json"], "/frags", "normal"),
        (&["show", "SWITCH", "--json"], "/ports/0/name", "p1"),
    ] {
        let lines = good(&switch, arguments);
        let json: Value = serde_json::from_str(&lines[0]).expect("JSON");
        assert_eq!(
            json.pointer(pointer),
            Some(&Value::from(value)),
            "{arguments:?}: {json}"
        );
    }
    for what in [
        "dump-tables",
        "dump-aggregate",
        "dump-group-stats",
        "dump-group-features",
        "meter-stats",
        "meter-features",
        "queue-stats",
        "dump-tlv-map",
    ] {
        for line in good(&switch, &[what, "SWITCH", "--json"]) {
            let json: Value = serde_json::from_str(&line).expect("JSON");
            assert!(json.is_object(), "{what}: {line}");
        }
    }
}

#[test]
fn flows_are_sorted_by_fields() {
    let switch = Switch::start();
    for (priority, port) in [(1, 300), (3, 100), (2, 200)] {
        let flow = format!("priority={priority},tcp,tp_dst={port} actions=drop");
        good(&switch, &["add-flow", "SWITCH", &flow]);
    }
    good(
        &switch,
        &["add-flow", "SWITCH", "priority=9,arp actions=drop"],
    );
    let order = |flags: &[&str]| -> Vec<String> {
        let lines = good(&switch, &[&["dump-flows", "SWITCH"], flags].concat());
        let first = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
        lines.iter().map(first).collect()
    };
    let by_priority = [
        "priority=1,tcp,tp_dst=300",
        "priority=2,tcp,tp_dst=200",
        "priority=3,tcp,tp_dst=100",
        "priority=9,arp",
    ];
    assert_eq!(order(&["--sort"]), by_priority);
    let mut reverse = by_priority;
    reverse.reverse();
    assert_eq!(order(&["--rsort"]), reverse);
    assert_eq!(
        order(&["--sort=tcp_dst"]),
        [
            by_priority[2],
            by_priority[1],
            by_priority[0],
            by_priority[3]
        ]
    );
    let error = bad(&switch, &["dump-flows", "SWITCH", "--sort=nonsense"]);
    assert!(error.contains("nonsense: no such field"), "{error}");
}

#[test]
fn flows_groups_meters_and_ports_change() {
    let switch = full();
    let ofctl = |arguments: &[&str]| switch.ofctl(arguments).join("\n");
    good(
        &switch,
        &["mod-flows", "SWITCH", "table=1,tcp actions=output:3"],
    );
    assert!(ofctl(&["dump-flows", "br0", "tcp"]).contains("actions=output:3"));
    good(
        &switch,
        &[
            "mod-flows",
            "--strict",
            "SWITCH",
            "table=1,priority=6,in_port=1,tcp,tp_dst=80 actions=drop",
        ],
    );
    assert!(ofctl(&["dump-flows", "br0", "tcp"]).contains("actions=output:3"));
    good(
        &switch,
        &[
            "del-flows",
            "--strict",
            "SWITCH",
            "table=1,priority=6,in_port=1,tcp,tp_dst=80",
        ],
    );
    good(
        &switch,
        &[
            "del-flows",
            "--strict",
            "SWITCH",
            "table=1,priority=5,in_port=1,tcp,tp_dst=80",
        ],
    );
    assert!(!ofctl(&["dump-flows", "br0"]).contains("tcp"));
    good(
        &switch,
        &[
            "mod-group",
            "SWITCH",
            "group_id=8,type=all,bucket=actions=output:1",
        ],
    );
    assert!(ofctl(&["dump-groups", "br0", "8"]).contains("output:1"));
    let error = bad(&switch, &["mod-group", "SWITCH", "group_id=9,type=all"]);
    assert!(
        error.contains("the group: ") && error.contains("OFPGMFC_UNKNOWN_GROUP"),
        "{error}"
    );
    good(
        &switch,
        &["mod-group", "--may-create", "SWITCH", "group_id=9,type=all"],
    );
    good(
        &switch,
        &[
            "insert-buckets",
            "SWITCH",
            "group_id=7,command_bucket_id=last,bucket=bucket_id:3,weight:1,actions=output:3",
        ],
    );
    assert!(ofctl(&["dump-groups", "br0", "7"]).contains("bucket_id:3"));
    good(
        &switch,
        &["remove-buckets", "SWITCH", "group_id=7,command_bucket_id=2"],
    );
    assert!(!ofctl(&["dump-groups", "br0", "7"]).contains("bucket_id:2"));
    good(&switch, &["del-groups", "SWITCH", "group_id=7"]);
    good(&switch, &["del-groups", "SWITCH"]);
    assert!(!ofctl(&["dump-groups", "br0"]).contains("group_id"));
    good(
        &switch,
        &[
            "mod-meter",
            "SWITCH",
            "meter=1,kbps,band=type=drop,rate=2000",
        ],
    );
    assert!(ofctl(&["dump-meters", "br0"]).contains("rate=2000"));
    let error = bad(
        &switch,
        &[
            "add-meter",
            "SWITCH",
            "meter=1,kbps,band=type=drop,rate=2000",
        ],
    );
    assert!(
        error.contains("meter 1 was refused") && error.contains("METER_EXISTS"),
        "{error}"
    );
    good(&switch, &["del-meters", "SWITCH", "meter=1"]);
    good(&switch, &["del-meters", "SWITCH"]);
    assert!(!ofctl(&["dump-meters", "br0"]).contains("meter="));
    for (action, shown) in [
        ("down", "PORT_DOWN"),
        ("no-forward", "NO_FWD"),
        ("no-receive", "NO_RECV"),
    ] {
        good(&switch, &["mod-port", "SWITCH", "p2", action]);
        assert!(
            ofctl(&["dump-ports-desc", "br0", "2"]).contains(shown),
            "{action}"
        );
    }
    for action in ["up", "forward", "receive", "no-packet-in", "packet-in"] {
        good(&switch, &["mod-port", "SWITCH", "2", action]);
    }
    assert!(ofctl(&["dump-ports-desc", "br0", "2"]).contains("config:     0"));
    // What only the oldest version can say is not silently left undone.
    let error = bad(&switch, &["mod-port", "SWITCH", "p2", "no-flood"]);
    assert!(
        error.contains("no-flood of port p2") && error.contains("-O OpenFlow10"),
        "{error}"
    );
    good(
        &switch,
        &["mod-port", "SWITCH", "p2", "no-flood", "-O", "OpenFlow10"],
    );
    let old = good(
        &switch,
        &["dump-ports-desc", "SWITCH", "p2", "-O", "OpenFlow10"],
    );
    assert_eq!(old[1], "config:     NO_FLOOD");
    good(
        &switch,
        &["mod-port", "SWITCH", "p2", "flood", "-O", "OpenFlow10"],
    );
    let error = bad(
        &switch,
        &["add-flow", "SWITCH", "actions=drop", "-O", "OpenFlow10"],
    );
    assert!(
        error.contains("OpenFlow10 cannot say") && error.contains("-O OpenFlow15"),
        "{error}"
    );
    let error = bad(&switch, &["mod-port", "SWITCH", "p2", "sideways"]);
    assert!(error.contains("sideways: no such action"), "{error}");
    let error = bad(&switch, &["mod-port", "SWITCH", "p9", "up"]);
    assert!(
        error.contains("no port p9; it has br0, p1, p2, p3"),
        "{error}"
    );
    good(
        &switch,
        &[
            "add-tlv-map",
            "SWITCH",
            "{class=0xffff,type=0,len=4}->tun_metadata0,{class=0xffff,type=1,len=8}->tun_metadata1",
        ],
    );
    same(
        &switch,
        &["dump-tlv-map", "SWITCH"],
        &["dump-tlv-map", "br0"],
    );
    good(
        &switch,
        &[
            "del-tlv-map",
            "SWITCH",
            "{class=0xffff,type=1,len=8}->tun_metadata1",
        ],
    );
    same(
        &switch,
        &["dump-tlv-map", "SWITCH"],
        &["dump-tlv-map", "br0"],
    );
    good(&switch, &["del-tlv-map", "SWITCH"]);
    good(&switch, &["set-frags", "SWITCH", "drop"]);
    assert_eq!(switch.ofctl(&["get-frags", "br0"]), ["drop"]);
    good(&switch, &["ct-flush", "SWITCH", "zone=5"]);
    good(
        &switch,
        &[
            "ct-flush",
            "SWITCH",
            "zone=5",
            "ct_nw_src=10.0.0.1,ct_nw_proto=6",
        ],
    );
    let error = bad(&switch, &["ct-flush", "SWITCH", "zone=x"]);
    assert!(error.contains("zone=x"), "{error}");
}

#[test]
fn a_bundle_is_all_or_nothing() {
    let switch = Switch::start();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("bundle");
    let file = file.to_str().expect("plain");
    let text = "\
# Lines of three kinds.
group add group_id=7,type=all,bucket=actions=output:1
flow add table=1,tcp actions=group:7
flow table=2,udp actions=drop
flow modify table=2 actions=output:2
flow delete table=9
packet-out in_port=1,packet=ffffffffffff0102030405060800,actions=output:2
";
    fs::write(file, text).expect("a file");
    good(&switch, &["bundle", "SWITCH", file]);
    assert_eq!(
        good(&switch, &["dump-flows", "SWITCH"]),
        [
            "table=1, tcp actions=group:7",
            "table=2, udp actions=output:2"
        ]
    );
    let before = good(&switch, &["save", "SWITCH"]);
    let refused = format!("{text}flow table=3 actions=group:9\n");
    fs::write(file, refused.replace("group add", "group add_or_mod")).expect("a file");
    let error = bad(&switch, &["bundle", "SWITCH", file]);
    assert!(
        error.contains("nothing was changed") && error.contains("line 8: "),
        "{error}"
    );
    assert_eq!(good(&switch, &["save", "SWITCH"]), before);
    fs::write(file, "flow tcp\n").expect("a file");
    let error = bad(&switch, &["bundle", "SWITCH", file]);
    assert!(
        error.contains("line 1: column 4: expected actions="),
        "{error}"
    );
    fs::write(file, "nonsense\n").expect("a file");
    let error = bad(&switch, &["bundle", "SWITCH", file]);
    assert!(
        error.contains("line 1: a line begins with flow, group or packet-out"),
        "{error}"
    );
}

#[test]
fn what_is_saved_is_restored() {
    let switch = full();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("saved");
    let file = file.to_str().expect("plain");
    let saved = good(&switch, &["save", "SWITCH"]);
    assert_eq!(saved.len(), 7, "{saved:?}");
    fs::write(file, saved.join("\n")).expect("a file");
    good(&switch, &["del-flows", "SWITCH", ""]);
    good(&switch, &["del-groups", "SWITCH"]);
    good(&switch, &["del-meters", "SWITCH"]);
    assert!(good(&switch, &["save", "SWITCH"]).is_empty());
    good(&switch, &["add-flow", "SWITCH", "table=9 actions=drop"]);
    good(
        &switch,
        &["add-meter", "SWITCH", "meter=9,kbps,band=type=drop,rate=1"],
    );
    good(&switch, &["restore", "SWITCH", file]);
    assert_eq!(good(&switch, &["save", "SWITCH"]), saved);
    // One that is refused leaves everything, the meters too, as it was.
    let text = format!(
        "{}\nmeter meter=11,kbps,band=type=drop,rate=1\nflow table=3 actions=group:99\n",
        saved.join("\n")
    );
    fs::write(file, text).expect("a file");
    let error = bad(&switch, &["restore", "SWITCH", file]);
    assert!(
        error.contains("nothing was changed") && error.contains("group:99"),
        "{error}"
    );
    assert_eq!(good(&switch, &["save", "SWITCH"]), saved);
}

#[test]
fn versions_that_are_asked_for_are_spoken() {
    let switch = full();
    for version in ["OpenFlow13", "OpenFlow14", "OpenFlow15"] {
        let flows = good(&switch, &["dump-flows", "SWITCH", "-O", version]);
        assert_eq!(flows.len(), 3, "{version}: {flows:?}");
    }
    let error = heddle(&switch, &["dump-flows", "SWITCH", "-O", "OpenFlow99"]);
    assert_eq!(error.status.code(), Some(2));
}

#[test]
fn how_tables_are_set_is_what_ovs_ofctl_says() {
    let switch = full();
    let theirs = switch.ofctl(&["dump-table-desc", "br0"]);
    let at = theirs.iter().position(|line| line == "table 2:");
    let theirs = &theirs[at.expect("the table")..][..3];
    let ours = good(&switch, &["dump-table-desc", "SWITCH", "2"]);
    assert_eq!(ours, theirs);
}

/// Words in which parts that differ stand in braces, and runs of numbers with dots, written out.
fn written_out(text: &str) -> Vec<String> {
    let (mut out, mut depth, mut word) = (Vec::new(), 0, String::new());
    for c in text.chars().chain([' ']) {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if !(c == ' ' || c == ',') || depth > 0 {
            word.push(c);
            continue;
        }
        let whole = std::mem::take(&mut word);
        match (whole.split_once('{'), whole.split_once("...")) {
            (Some((before, inner)), _) => {
                let inner = inner.strip_suffix('}').expect("a closing brace");
                let inner = written_out(inner).into_iter();
                out.extend(inner.map(|part| format!("{before}{part}")));
            }
            (None, Some((first, last))) => {
                let at = first.find(|c: char| c.is_ascii_digit()).expect("a number");
                let number = |text: &str| text[at..].parse::<u32>().expect("a number");
                let all = number(first)..=number(last);
                out.extend(all.map(|number| format!("{}{number}", &first[..at])));
            }
            (None, None) if whole.is_empty() => {}
            (None, None) => out.push(whole),
        }
    }
    out.sort();
    out
}

#[test]
fn what_tables_can_do_is_what_ovs_ofctl_says() {
    let switch = Switch::start();
    let theirs = switch.ofctl(&["dump-table-features", "br0"]);
    let end = theirs.iter().position(String::is_empty);
    let theirs = &theirs[..end.expect("one table")];
    let ours = good(&switch, &["dump-table-features", "SWITCH", "0"]);
    assert!(theirs.len() > 10, "{theirs:?}");
    let words = |lines: &[String]| -> Vec<Vec<String>> {
        lines.iter().map(|line| written_out(line)).collect()
    };
    assert_eq!(words(theirs), words(&ours));
    let all = good(&switch, &["dump-table-features", "SWITCH", "--json"]);
    let last: Value = serde_json::from_str(all.last().expect("tables")).expect("JSON");
    assert_eq!(last["table"], 253);
    assert_eq!(last["flows"]["next_tables"], Value::Array(Vec::new()));
    let error = bad(&switch, &["dump-table-features", "SWITCH", "254"]);
    assert!(error.contains("no table 254"), "{error}");
}

#[test]
fn tables_are_set() {
    let switch = Switch::start();
    let set = |setting: &str| good(&switch, &["mod-table", "SWITCH", "1", setting]);
    let theirs = || {
        let lines = switch.ofctl(&["dump-table-desc", "br0"]);
        let at = lines.iter().position(|line| line == "table 1:");
        lines[at.expect("the table") + 1..][..2].join(" ")
    };
    let flags = "eviction_flags=OTHER|IMPORTANCE|LIFETIME";
    set("evict");
    assert_eq!(theirs(), format!("eviction=on {flags} vacancy=off"));
    set("vacancy:20,80");
    let range = "vacancy_down=20% vacancy_up=80% vacancy=100%";
    assert_eq!(theirs(), format!("eviction=on {flags} vacancy=on {range}"));
    set("noevict");
    assert_eq!(theirs(), format!("eviction=off {flags} vacancy=on {range}"));
    set("novacancy");
    assert_eq!(theirs(), format!("eviction=off {flags} vacancy=off"));
    // A full table refuses flows, unless those that may go make place.
    switch.vsctl(&[
        "--",
        "--id=@t",
        "create",
        "Flow_Table",
        "flow_limit=2",
        "--",
        "set",
        "bridge",
        "br0",
        "flow_tables:1=@t",
    ]);
    let add = |priority: u32| {
        let flow = format!("table=1,priority={priority},idle_timeout=1000 actions=drop");
        heddle(&switch, &["add-flow", "SWITCH", &flow])
    };
    assert!(add(1).status.success() && add(2).status.success());
    let full = String::from_utf8_lossy(&add(3).stderr).into_owned();
    assert!(full.contains("TABLE_FULL"), "{full}");
    good(&switch, &["mod-table", "SWITCH", "all", "evict"]);
    assert!(add(3).status.success());
    assert_eq!(good(&switch, &["dump-flows", "SWITCH"]).len(), 2);
    // Names, in the newest version.
    good(&switch, &["mod-table", "SWITCH", "2", "name:web"]);
    let features = switch.ofctl(&["dump-table-features", "br0"]);
    assert!(
        features.contains(&"table 2 (\"web\"):".to_owned()),
        "{features:?}"
    );
    good(&switch, &["mod-table", "SWITCH", "web", "vacancy:0,1"]);
    let json = good(&switch, &["dump-table-desc", "SWITCH", "2", "--json"]);
    let json: Value = serde_json::from_str(&json[0]).expect("JSON");
    assert_eq!(json["vacancy"]["up"], 1);
    assert_eq!(json["eviction"], true);
    for (arguments, expected) in [
        (
            &["mod-table", "SWITCH", "1", "drop"][..],
            "not supported: drop",
        ),
        (
            &["mod-table", "SWITCH", "1", "vacancy:80,20"],
            "vacancy:LOW,HIGH",
        ),
        (
            &["mod-table", "SWITCH", "1", "sideways"],
            "sideways: no such setting",
        ),
        (&["mod-table", "SWITCH", "mail", "evict"], "no table mail"),
        (&["mod-table", "SWITCH", "254", "evict"], "no table 254"),
        (&["mod-table", "SWITCH", "all", "name:x"], "say which"),
        (
            &["mod-table", "SWITCH", "1", "name:x", "-O", "OpenFlow13"],
            "use -O OpenFlow15",
        ),
        (
            &["mod-table", "SWITCH", "1", "evict", "-O", "OpenFlow13"],
            "use -O OpenFlow15",
        ),
    ] {
        let error = bad(&switch, arguments);
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn what_is_exported_is_told() {
    let switch = Switch::start();
    for kind in ["dump-ipfix-bridge", "dump-ipfix-flow"] {
        let error = bad(&switch, &[kind, "SWITCH"]);
        assert!(error.contains("NXST_NOT_CONFIGURED"), "{kind}: {error}");
    }
    let exporter = |id: &'static str| ["--", id, "create", "ipfix", "targets=\"127.0.0.1:4739\""];
    let bridge = ["--", "set", "bridge", "br0", "ipfix=@i"];
    switch.vsctl(&[&exporter("--id=@i")[..], &bridge].concat());
    let set =
        "-- --id=@br get bridge br0 -- create Flow_Sample_Collector_Set id=7 bridge=@br ipfix=@i";
    let set: Vec<&str> = set.split(' ').collect();
    switch.vsctl(&[&exporter("--id=@i")[..], &set].concat());
    for kind in ["dump-ipfix-bridge", "dump-ipfix-flow"] {
        same(&switch, &[kind, "SWITCH"], &[kind, "br0"]);
        for version in ["OpenFlow10", "OpenFlow13", "OpenFlow14"] {
            let old = good(&switch, &[kind, "SWITCH", "-O", version]);
            assert_eq!(old, good(&switch, &[kind, "SWITCH"]), "{version}");
        }
        let json = good(&switch, &[kind, "SWITCH", "--json"]);
        assert_eq!(json.len(), 1, "{json:?}");
        let json: Value = serde_json::from_str(&json[0]).expect("JSON");
        assert!(json.is_object(), "{json}");
    }
}

#[test]
fn queues_are_told() {
    let switch = Switch::start();
    let told = |arguments: &[&str]| {
        good(
            &switch,
            &[&["queue-get-config", "SWITCH"], arguments].concat(),
        )
    };
    let mut all = vec!["port 1 queue 0:", "port 2 queue 0:", "port 3 queue 0:"];
    assert_eq!(told(&["-O", "OpenFlow10"]), all);
    // The bridge's own port has a queue in newer versions alone.
    all.push("port LOCAL queue 0:");
    for version in ["OpenFlow13", "OpenFlow14", "OpenFlow15"] {
        assert_eq!(told(&["-O", version]), all, "{version}");
        assert_eq!(told(&["p2", "-O", version]), all[1..2], "{version}");
        assert_eq!(told(&["2", "0", "-O", version]), all[1..2], "{version}");
    }
}

#[test]
fn what_others_say_to_a_bridge_is_heard() {
    let switch = Switch::start();
    // A bridge shows only what it says to controllers that it has.
    let path = switch.directory().join("controller.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    switch.vsctl(&["set-controller", "br0", &format!("unix:{}", path.display())]);
    let (mut peer, _) = listener.accept().expect("the switch connects");
    let mut say = |message: openflow::Message| {
        peer.write_all(&message.encode(77).expect("bytes"))
            .expect("sent");
    };
    let hello = openflow::message::Hello::new(openflow::Versions::ALL);
    say(openflow::Message::Hello(hello));
    let snoop = format!("unix:{}", switch.directory().join("br0.snoop").display());
    let (_running, mut next) = start(&switch, &["snoop", &snoop]);
    // The question is asked until the answer is heard: what was said before is not shown.
    let done = std::sync::atomic::AtomicBool::new(false);
    let heard = std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..500 {
                if done.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                say(openflow::Message::FeaturesRequest);
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        });
        let heard = std::iter::repeat_with(&mut next);
        let heard = heard
            .take(50)
            .find(|line| line.starts_with("Features (xid=0x4d)"));
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        heard
    });
    let heard = heard.expect("the answer of the switch");
    assert!(heard.contains("datapath_id"), "{heard}");
}

/// The certificates of one name, as `ovs-pki` makes them.
fn certificates(switch: &Switch, name: &str) -> [String; 3] {
    let folder = switch.directory();
    let pki = |args: &[&str]| {
        let mut command = Command::new("ovs-pki");
        command
            .current_dir(folder)
            .arg("--dir=pki")
            .arg("--log=log")
            .args(args);
        let output = command.output().expect("ovs-pki runs");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {error}");
    };
    if !folder.join("pki").exists() {
        pki(&["init"]);
    }
    pki(&["-b", "-u", "req+sign", name, "switch"]);
    let path = |name: String| folder.join(name).display().to_string();
    [
        path(format!("{name}-privkey.pem")),
        path(format!("{name}-cert.pem")),
        path("pki/switchca/cacert.pem".to_owned()),
    ]
}

#[test]
fn a_switch_is_reached_over_tls() {
    let switch = Switch::start();
    let [key, certificate, authority] = certificates(&switch, "switch");
    switch.vsctl(&["set-ssl", &key, &certificate, &authority]);
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let target = format!("pssl:{port}:127.0.0.1");
    switch.vsctl(&["set-controller", "br0", &target]);
    let remote = format!("ssl:127.0.0.1:{port}");
    let [key, certificate, authority] = certificates(&switch, "tool");
    let tls = ["-p", &key, "-c", &certificate, "-C", &authority];
    good(
        &switch,
        &[&["add-flow", &remote, "table=3,tcp actions=drop"][..], &tls].concat(),
    );
    let flows = good(&switch, &[&["dump-flows", &remote][..], &tls].concat());
    assert_eq!(flows, ["table=3, tcp actions=drop"]);
    // Many flows in one bundle go out in more than one record.
    let lines: String = (0..5000)
        .map(|n| format!("table=4,priority={n},tcp actions=output:2\n"))
        .collect();
    let file = switch.directory().join("many");
    fs::write(&file, lines).expect("a file");
    good(
        &switch,
        &[
            &["add-flows", &remote, &file.display().to_string()][..],
            &tls,
        ]
        .concat(),
    );
    let flows = good(
        &switch,
        &[&["dump-flows", &remote, "table=4"][..], &tls].concat(),
    );
    assert_eq!(flows.len(), 5000);
    // Without a certificate, or trusting nobody, there is no connection.
    for words in [
        &["dump-flows", &remote, "--timeout=2"][..],
        &[
            "dump-flows",
            &remote,
            "--timeout=2",
            "-p",
            &key,
            "-c",
            &certificate,
            "-C",
            &certificate,
        ],
    ] {
        bad(&switch, words);
    }
}

/// A tool that goes on until it is ended.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(switch: &Switch, arguments: &[&str]) -> (Running, impl FnMut() -> String + use<>) {
    let mut child = command(switch, arguments)
        .stdout(Stdio::piped())
        .spawn()
        .expect("heddle runs");
    let out = child.stdout.take().expect("a pipe");
    let mut lines = BufReader::new(out).lines();
    (Running(child), move || {
        lines.next().expect("a line").expect("text")
    })
}

#[test]
fn changes_of_flows_are_told() {
    let switch = Switch::start();
    switch.ofctl(&["add-flow", "br0", "table=1,tcp actions=drop"]);
    let (mut running, mut next) = start(&switch, &["watch", "SWITCH", "table=1", "--count=3"]);
    assert_eq!(next(), "INITIAL table=1, tcp actions=drop");
    switch.ofctl(&["add-flow", "br0", "table=2,tcp actions=drop"]);
    switch.ofctl(&["add-flow", "br0", "table=1,udp actions=output:2"]);
    assert_eq!(next(), "ADDED table=1, udp actions=output:2");
    switch.ofctl(&["mod-flows", "br0", "table=1,udp actions=output:3"]);
    assert_eq!(next(), "MODIFIED table=1, udp actions=output:3");
    switch.ofctl(&["del-flows", "br0", "table=1,tcp"]);
    assert_eq!(next(), "DELETED table=1, tcp actions=drop");
    assert!(running.0.wait().expect("it ends").success());
}

#[test]
fn packets_are_told() {
    let switch = Switch::start();
    let (_running, mut next) = start(&switch, &["monitor", "SWITCH"]);
    let (mut counted, mut json) = start(&switch, &["monitor", "SWITCH", "--json", "--count=1"]);
    let packet = "in_port=1,packet=ffffffffffff01020304050608060001080006040001\
                  0102030405060a000001000000000000\
                  0a000002,actions=controller";
    let packet = packet.replace(' ', "");
    // Packets are sent until both have heard one: those before they listen are not kept for them.
    let done = std::sync::atomic::AtomicBool::new(false);
    let send = std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..500 {
                if done.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                good(&switch, &["packet-out", "SWITCH", &packet]);
            }
        });
        let seen = (next(), next(), next(), json());
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        seen
    });
    let (first, second, third, json) = send;
    assert_eq!(
        first,
        "PACKET_IN total_len=42 table_id=0 in_port=1 (via packet_out)"
    );
    assert_eq!(
        second,
        "arp,dl_src=01:02:03:04:05:06,dl_dst=ff:ff:ff:ff:ff:ff,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_op=1,\
         arp_sha=01:02:03:04:05:06,arp_tha=00:00:00:00:00:00"
    );
    assert!(third.starts_with("ffffffffffff010203040506"), "{third}");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["reason"], "packet_out");
    assert_eq!(json["in_port"], "1");
    assert!(counted.0.wait().expect("it ends").success());
}

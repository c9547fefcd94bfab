//! Every logical flow that a stock `ovn-northd` writes is in the language, and what is printed of
//! it reads the same. Needs Debian's `ovn-central` and `ovn-common` packages; without them the test
//! says so and passes over.

mod network;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{
    Actions, Packed, Str, Symbols, expand_actions, expand_match, parse_actions, parse_match,
};

/// A process that ends with its owner.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // Failing means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .output()
        .expect("the program starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {stderr}");
    String::from_utf8(output.stdout).expect("the output is UTF-8")
}

fn installed() -> bool {
    [
        "/usr/bin/ovn-northd",
        "/usr/bin/ovn-nbctl",
        "/usr/bin/ovsdb-tool",
        "/usr/sbin/ovsdb-server",
    ]
    .iter()
    .chain(&["/usr/share/ovn/ovn-nb.ovsschema"])
    .all(|path| Path::new(path).exists())
}

fn start(program: &str, directory: &Path, args: &[&str]) -> Guard {
    let child = Command::new(program)
        .args(args)
        .arg("--no-chdir")
        .arg("--log-file=/dev/null")
        .env("OVS_RUNDIR", directory)
        .env("OVN_RUNDIR", directory)
        .env("OVN_DBDIR", directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Guard(child.expect("the program starts"))
}

fn wait_for(path: &Path) {
    let started = Instant::now();
    while !path.exists() {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{} does not appear",
            path.display()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Words of a command line: spaces between, double quotes around, backslash before a quote.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => word.extend(chars.next()),
            '"' => (quoted, any) = (!quoted, true),
            ' ' if !quoted => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            c => word.push(c),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    words
}

/// Match and actions of every logical flow that stock northd makes after any of [`network::STEPS`].
fn stock_flows() -> BTreeSet<(String, String)> {
    let directory = tempfile::tempdir().expect("a directory for temporary files");
    let file = |name: &str| directory.path().join(name).display().to_string();
    for database in ["nb", "sb"] {
        let schema = format!("/usr/share/ovn/ovn-{database}.ovsschema");
        run("ovsdb-tool", &["create", &file(database), &schema]);
    }
    let socket = file("db.sock");
    let control = file("server.ctl");
    let remote = format!("--remote=punix:{socket}");
    let _server = start(
        "/usr/sbin/ovsdb-server",
        directory.path(),
        &[
            &remote,
            &format!("--unixctl={control}"),
            &file("nb"),
            &file("sb"),
        ],
    );
    wait_for(Path::new(&socket));
    let db = format!("unix:{socket}");
    let _northd = start(
        "/usr/bin/ovn-northd",
        directory.path(),
        &[
            &format!("--ovnnb-db={db}"),
            &format!("--ovnsb-db={db}"),
            &format!("--unixctl={}", file("northd.ctl")),
        ],
    );
    let database = format!("--db={db}");
    let mut flows = BTreeSet::new();
    for (number, step) in network::STEPS.into_iter().enumerate() {
        for line in step.lines().filter(|line| !line.is_empty()) {
            let words = words(line);
            // What follows belongs to the command, options in front of it included.
            let words: Vec<&str> = std::iter::once("--")
                .chain(words.iter().map(String::as_str))
                .collect();
            control_program("ovn-nbctl", &database, &words);
        }
        match number {
            0 => {
                add_dhcp_and_dns(&database);
                control_program(
                    "ovn-sbctl",
                    &database,
                    &["chassis-add", "ch1", "geneve", "127.0.0.1"],
                );
                // Queues are for ports that are somewhere.
                control_program("ovn-sbctl", &database, &["lsp-bind", "p2", "ch1"]);
            }
            // A chassis that can do more gets other flows.
            1 => {
                let able = "other_config={ct-no-masked-label=true,ovn-ct-lb-related=true,mac-binding-timestamp=true}";
                control_program("ovn-sbctl", &database, &["set", "Chassis", "ch1", able]);
            }
            _ => {}
        }
        control_program("ovn-nbctl", &database, &["--wait=sb", "sync"]);
        flows.extend(flows_of(&database));
    }
    flows
}

fn control_program(program: &str, database: &str, words: &[&str]) -> String {
    run(
        program,
        &[&["--no-leader-only", "--timeout=30", database], words].concat(),
    )
}

fn flows_of(database: &str) -> Vec<(String, String)> {
    let list = ["--bare", "--columns=match,actions", "list", "Logical_Flow"];
    let text = control_program("ovn-sbctl", database, &list);
    let records = text
        .split("\n\n")
        .filter_map(|record| record.trim().split_once('\n'));
    records
        .map(|(matches, actions)| (matches.to_owned(), actions.to_owned()))
        .collect()
}

fn add_dhcp_and_dns(database: &str) {
    let nbctl = |words: &[&str]| {
        run(
            "ovn-nbctl",
            &[&["--no-leader-only", "--timeout=30", database][..], words].concat(),
        )
        .trim()
        .to_owned()
    };
    let v4 = nbctl(&[
        "create",
        "DHCP_Options",
        "cidr=10.0.0.0/24",
        "options=\"server_id\"=\"10.0.0.1\" \"server_mac\"=\"00:00:00:00:ff:01\" \
         \"lease_time\"=\"3600\" \"router\"=\"10.0.0.1\" \"dns_server\"=\"{8.8.8.8,8.8.4.4}\" \
         \"mtu\"=\"1442\" \"domain_name\"=\"\\\"example.org\\\"\" \
         \"classless_static_route\"=\"{30.0.0.0/24,10.0.0.4,0.0.0.0/0,10.0.0.1}\"",
    ]);
    nbctl(&["lsp-set-dhcpv4-options", "p1", &v4]);
    let v6 = nbctl(&[
        "create",
        "DHCP_Options",
        "cidr=\"fd00::/64\"",
        "options=\"server_id\"=\"00:00:00:00:ff:01\" \"dns_server\"=\"fd00::53\"",
    ]);
    nbctl(&["lsp-set-dhcpv6-options", "p1", &v6]);
    let dns = nbctl(&[
        "create",
        "DNS",
        "records={\"vm1.example.org\"=\"10.0.0.2\"}",
    ]);
    nbctl(&["add", "Logical_Switch", "sw0", "dns_records", &dns]);
    let check = nbctl(&[
        "--",
        "--id=@hc",
        "create",
        "Load_Balancer_Health_Check",
        "vip=\"10.0.0.100:80\"",
        "--",
        "add",
        "Load_Balancer",
        "lb0",
        "health_check",
        "@hc",
    ]);
    assert!(!check.is_empty());
    nbctl(&[
        "set",
        "Load_Balancer",
        "lb0",
        "ip_port_mappings:10.0.0.2=p1:10.0.0.254",
    ]);
}

/// What templates stand for, where a flow has some.
fn variables() -> BTreeMap<Str, Str> {
    let pairs = [
        ("vip", "10.9.9.9"),
        ("port", "80"),
        ("backends", "10.0.0.2:80,10.0.0.3:80"),
    ];
    pairs
        .map(|(name, value)| (name.into(), value.into()))
        .into()
}

fn collect(actions: &Actions, names: &mut BTreeSet<&'static str>) {
    for action in &actions.0 {
        names.insert(action.name());
        if let Some(inner) = action.inner() {
            collect(inner, names);
        }
    }
}

#[test]
fn every_flow_of_stock_northd_is_understood() {
    assert!(
        installed(),
        "install the packages ovn-central and openvswitch-common"
    );
    let flows = stock_flows();
    assert!(flows.len() > 750, "only {} flows", flows.len());
    let (variables, symbols) = (variables(), Symbols::ovn());
    let mut troubles = Vec::new();
    let mut names = BTreeSet::new();
    let mut templates = 0;
    for (matches, actions) in &flows {
        templates += usize::from(matches.contains('^') || actions.contains('^'));
        match expand_match(matches, symbols, &variables) {
            Ok(expr) => {
                assert_eq!(Packed::new(&expr).unpack(), expr);
                let printed = expr.to_string();
                assert_eq!(parse_match(&printed, symbols), Ok(expr), "{matches}");
            }
            Err(error) => troubles.push(format!("{matches}\n    {error}")),
        }
        match expand_actions(actions, symbols, &variables) {
            Ok(parsed) => {
                collect(&parsed, &mut names);
                let printed = parsed.to_string();
                assert_eq!(parse_actions(&printed, symbols), Ok(parsed), "{actions}");
            }
            Err(error) => troubles.push(format!("{actions}\n    {error}")),
        }
    }
    assert!(troubles.is_empty(), "{}", troubles.join("\n"));
    assert!(templates >= 4, "only {templates} flows with variables");
    insta::assert_snapshot!(names.into_iter().collect::<Vec<_>>().join("\n"));
}

//! `heddle vs` with a real switch behind the database, and with others who change it at the same time.

#[path = "../../openflow/tests/switch/mod.rs"]
mod switch;

mod db_common;

use std::process::{Command, Output};

use db_common::Sandbox;
use switch::Switch;

fn run(server: &str, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_heddle"))
        .args(["vs", "-t", "60", &format!("--db={server}")])
        .args(args)
        .output()
        .expect("heddle runs")
}

fn good(server: &str, args: &[&str]) -> String {
    let output = run(server, args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {error}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn it_waits_for_the_switch_and_says_what_failed() {
    let switch = Switch::start();
    let server = format!("unix:{}", switch.directory().join("db.sock").display());
    // When the command returns, the switch has the bridge and the port.
    let words = "add-br br1 -- set bridge br1 datapath_type=dummy -- add-port br1 q1 \
                 -- set interface q1 type=dummy ofport_request=7";
    good(&server, &words.split_whitespace().collect::<Vec<_>>());
    assert!(switch.directory().join("br1.mgmt").exists());
    assert_eq!(good(&server, &["get", "interface", "q1", "ofport"]), "7\n");
    assert_eq!(good(&server, &["iface-to-br", "q1"]), "br1\n");
    // A port without a peer is in the database, but the switch cannot make it.
    let words = [
        "add-port",
        "br1",
        "bad0",
        "--",
        "set",
        "interface",
        "bad0",
        "type=nonsense",
    ];
    let output = run(&server, &words);
    assert_eq!(output.status.code(), Some(65));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        error.contains("interface bad0") && error.contains("did not set it up"),
        "{error}"
    );
    // A condition that comes true later ends the wait.
    let waiter = Command::new(env!("CARGO_BIN_EXE_heddle"))
        .args(["vs", "-t", "60", &format!("--db={server}")])
        .args([
            "wait-until",
            "interface",
            "later",
            "ofport=9",
            "--",
            "port-to-br",
            "later",
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("heddle runs");
    let words = "add-port br1 later -- set interface later type=dummy ofport_request=9";
    good(&server, &words.split_whitespace().collect::<Vec<_>>());
    let output = waiter.wait_with_output().expect("it ends");
    assert!(output.status.success());
    assert_eq!(output.stdout, b"br1\n");
}

#[test]
fn those_who_change_the_same_bridge_at_once_all_succeed() {
    let mut sandbox = Sandbox::new();
    let schema = "/usr/share/openvswitch/vswitch.ovsschema";
    sandbox.run("ovsdb-tool", &["create", "v.db", schema]);
    // Our own server, so that both sides of the protocol are ours once.
    let server = sandbox.serve(false, "v", &["v.db"], &[]);
    good(&server, &["--no-wait", "add-br", "br0"]);
    let children: Vec<_> = (0..12)
        .map(|n| {
            Command::new(env!("CARGO_BIN_EXE_heddle"))
                .args(["vs", "-t", "60", "--no-wait", &format!("--db={server}")])
                .args(["add-port", "br0", &format!("p{n:02}"), "--"])
                .args(["add", "bridge", "br0", "flood_vlans", &n.to_string()])
                .spawn()
                .expect("heddle runs")
        })
        .collect();
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
    let ports: String = (0..12).map(|n| format!("p{n:02}\n")).collect();
    assert_eq!(good(&server, &["list-ports", "br0"]), ports);
    let vlans = good(&server, &["get", "bridge", "br0", "flood_vlans"]);
    assert_eq!(vlans, "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]\n");
}

#[test]
fn failures_say_what_to_do() {
    let mut sandbox = Sandbox::new();
    let schema = "/usr/share/openvswitch/vswitch.ovsschema";
    sandbox.run("ovsdb-tool", &["create", "v.db", schema]);
    let server = sandbox.serve(false, "v", &["v.db"], &[]);
    let db = format!("--db={server}");
    let cases: [(&[&str], &str); 7] = [
        (
            &["add-br", "b", "--", "add-port", "c", "d"],
            "no bridge named c",
        ),
        (&["--no-wait", "create", "bridge", "name=b"], "without --id"),
        (
            &["--format=html", "list", "bridge"],
            "not supported: --format=html",
        ),
        (&["-t", "1", "add-br", "b"], "use --no-wait"),
        (&["-t", "1", "wait-until", "bridge", "nope"], "--timeout"),
        (&["--id=@q", "create", "queue", "dscp=64"], "64"),
        (
            &["set", "bridge", "b", "ports=[]", "name=x"],
            "read-only column name",
        ),
    ];
    for (args, word) in cases {
        let args = [&["vs", &db], args].concat();
        let (_, _, error) = sandbox.all("heddle", &args);
        assert!(error.contains(word), "{args:?}: {error}");
    }
    // The fourth was done; only the switch was not there to take it in. Of the first nothing was.
    assert_eq!(good(&server, &["list-br"]), "b\n");
    let (code, _, error) = sandbox.all("heddle", &["vs", "--db=unix:nowhere.sock", "show"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("unix:nowhere.sock"), "{error}");
}

#[test]
fn tools_reach_databases_over_tls() {
    let mut sandbox = Sandbox::new();
    // One certificate for everybody, and its own authority.
    let request =
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -keyout key.pem -out cert.pem";
    let request: Vec<&str> = request.split(' ').collect();
    sandbox.run("openssl", &request);
    let vswitch = "/usr/share/openvswitch/vswitch.ovsschema";
    sandbox.run("ovsdb-tool", &["create", "v.db", vswitch]);
    let southbound = "/usr/share/ovn/ovn-sb.ovsschema";
    sandbox.run("ovsdb-tool", &["create", "sb.db", southbound]);
    let tls = ["-p", "key.pem", "-c", "cert.pem", "-C", "cert.pem"];
    let flags = [&["--remote=pssl:0:127.0.0.1"][..], &tls].concat();
    sandbox.serve(true, "v", &["v.db", "sb.db"], &flags);
    let log = sandbox.log("v");
    let (_, port) = log.rsplit_once("listening on port ").expect("a port");
    let port = port.lines().next().expect("a line").trim();
    let db = format!("--db=ssl:127.0.0.1:{port}");

    let vs = [&["vs", &*db, "--no-wait"][..], &tls].concat();
    sandbox.run("heddle", &[&vs[..], &["add-br", "b"]].concat());
    let listed = sandbox.run("heddle", &[&vs[..], &["list-br"]].concat());
    assert_eq!(listed, "b\n");
    // What the database has nothing of is known only after it was read.
    for (words, answer) in [
        (&["trace", "nobody", "--to", "10.0.0.1"][..], "nobody"),
        (&["explain", "0x12"], "no logical flow of the Southbound"),
    ] {
        let words = [words, &[&*db], &tls].concat();
        let (code, _, error) = sandbox.all("heddle", &words);
        assert!(
            code == Some(1) && error.contains(answer),
            "{words:?}: {error}"
        );
    }
    for words in [
        &["vs", &*db, "show"][..],
        &["explain", "0x12", &*db, "--timeout=1"],
    ] {
        let (code, _, error) = sandbox.all("heddle", words);
        assert!(
            code == Some(1) && error.contains("ssl"),
            "{words:?}: {error}"
        );
    }
}

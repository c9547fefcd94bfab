//! The binary by the name `ovsdb-server`: scripts' flags, commands, remotes from a database, and Open vSwitch
//! itself with its configuration in it.

mod db_common;

use std::path::Path;

use db_common::{ROWS, Sandbox};

const VSWITCH: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// The flags of `ovs-ctl` that name certificates in the database.
const PKI: [&str; 3] = [
    "--private-key=db:Open_vSwitch,SSL,private_key",
    "--certificate=db:Open_vSwitch,SSL,certificate",
    "--bootstrap-ca-cert=db:Open_vSwitch,SSL,ca_cert",
];

/// The port in the line that scripts look for.
fn ports(log: &str) -> Vec<&str> {
    let ports = log
        .lines()
        .filter_map(|line| line.split("listening on port ").nth(1));
    ports.collect()
}

#[test]
fn started_and_stopped_as_scripts_do() {
    let sandbox = Sandbox::new();
    sandbox.db(&["create", "conf.db", VSWITCH]);
    let server = sandbox.text("ovsdb-server");
    let socket = sandbox.text("db.sock");
    let remote = format!("--remote=punix:{socket}");
    let flags = [
        "conf.db",
        "-vconsole:emer",
        "-vsyslog:err",
        "-vfile:info",
        &remote,
        "--remote=ptcp:0:127.0.0.1",
        "--no-chdir",
        "--log-file",
        "--pidfile",
        "--detach",
        "--monitor",
    ];
    sandbox.run(&server, &[&flags[..], &PKI].concat());
    // It is ready when the command has returned.
    let pid = std::fs::read_to_string(sandbox.file("ovsdb-server.pid")).unwrap();
    let address = format!("unix:{socket}");
    assert_eq!(
        sandbox.run("ovsdb-client", &["list-dbs", &address]),
        "Open_vSwitch\n_Server\n"
    );
    let log = std::fs::read_to_string(sandbox.file("ovsdb-server.log")).unwrap();
    let tcp = format!("tcp:127.0.0.1:{}", ports(&log)[0]);
    sandbox.run(
        "ovsdb-client",
        &["-t", "10", "wait", &tcp, "Open_vSwitch", "connected"],
    );
    assert_eq!(
        sandbox.run(
            "ovs-appctl",
            &["-t", "ovsdb-server", "ovsdb-server/sync-status"]
        ),
        "state: active\n"
    );
    // A second server must not take the file.
    let (code, _, error) = sandbox.all(&server, &["conf.db", "--remote=punix:other.sock"]);
    assert_eq!(code, Some(1));
    assert!(
        error.contains("conf.db") && error.contains("another process"),
        "{error}"
    );
    sandbox.run("ovs-appctl", &["-t", "ovsdb-server", "exit"]);
    let process = format!("/proc/{}", pid.trim());
    sandbox.wait("the end", || !Path::new(&process).exists());
    assert!(!Path::new(&socket).exists() && !sandbox.file("ovsdb-server.pid").exists());
    let log = std::fs::read_to_string(sandbox.file("ovsdb-server.log")).unwrap();
    assert!(!log.contains("|WARN|") && !log.contains("|ERR|"), "{log}");
}

#[test]
fn what_is_absent_is_named() {
    let sandbox = Sandbox::new();
    sandbox.db(&["create", "conf.db", VSWITCH]);
    let server = sandbox.text("ovsdb-server");
    for (flags, name) in [
        (
            &["--sync-from=tcp:127.0.0.1:1"][..],
            "not supported: --sync-from",
        ),
        (&["--ssl-protocols=SSLv3"], "not supported: SSLv3"),
        (
            &["--private-key=db:Open_vSwitch,SSL,x"],
            "has no column \"x\"",
        ),
        (
            &["--remote=db:Open_vSwitch,Open_vSwitch,x"],
            "has no column \"x\"",
        ),
        (&["--user=nobody"], "not supported: --user"),
    ] {
        let (code, _, error) = sandbox.all(&server, &[&["conf.db"], flags].concat());
        assert_eq!(code, Some(1), "{flags:?}");
        assert!(error.contains(name), "{flags:?}: {error}");
    }
}

#[test]
fn databases_and_remotes_come_and_go() {
    let mut sandbox = Sandbox::new();
    sandbox.db(&["create", "t.db", "t.ovsschema"]);
    sandbox.db(&["transact", "t.db", ROWS]);
    let address = sandbox.serve(false, "s", &[], &["--no-dbs"]);
    assert_eq!(sandbox.appctl("s", &["ovsdb-server/list-dbs"]), "_Server\n");
    sandbox.appctl("s", &["ovsdb-server/add-db", "t.db"]);
    assert_eq!(
        sandbox.appctl("s", &["ovsdb-server/list-dbs"]),
        "T\n_Server\n"
    );
    let before = sandbox.db(&["dump", &address]);
    assert!(before.contains("b,c"));
    assert!(
        sandbox
            .appctl_fails("s", &["ovsdb-server/add-db", "t.db"])
            .contains("t.db")
    );
    assert!(
        sandbox
            .appctl_fails("s", &["ovsdb-server/add-db", "nosuch"])
            .contains("No such file")
    );
    // Who waits for its end hears of it, and the file is free.
    sandbox.start(
        "waits",
        env!("CARGO_BIN_EXE_heddle"),
        &["db", "-t", "20", "wait", &address, "T", "removed"],
    );
    sandbox.appctl("s", &["ovsdb-server/remove-db", "T"]);
    assert!(sandbox.child("waits").wait().unwrap().success());
    assert!(
        sandbox
            .appctl_fails("s", &["ovsdb-server/remove-db", "T"])
            .contains("Failed to find")
    );
    sandbox.db(&["compact", "t.db"]);
    sandbox.appctl("s", &["ovsdb-server/add-db", "t.db"]);
    assert_eq!(before, sandbox.db(&["dump", &address]));

    let other = format!("punix:{}", sandbox.text("other.sock"));
    sandbox.appctl("s", &["ovsdb-server/add-remote", &other]);
    assert!(
        sandbox
            .appctl("s", &["ovsdb-server/list-remotes"])
            .contains(&other)
    );
    // A connection of a remote ends with it.
    sandbox.start(
        "watches",
        env!("CARGO_BIN_EXE_heddle"),
        &["db", "-t", "20", "monitor", &other[1..], "ALL"],
    );
    sandbox.appctl("s", &["ovsdb-server/remove-remote", &other]);
    assert!(!sandbox.child("watches").wait().unwrap().success());
    assert!(!sandbox.file("other.sock").exists());
    assert!(
        sandbox
            .appctl_fails("s", &["ovsdb-server/remove-remote", &other])
            .contains("no such remote")
    );
    assert!(
        sandbox
            .appctl_fails("s", &["ovsdb-server/add-remote", "foo"])
            .contains("foo")
    );
    sandbox.exit("s");
}

/// `ovs-vsctl set-manager` makes the server listen and connect, at once and while it runs.
#[test]
fn remotes_from_the_database() {
    let mut sandbox = Sandbox::new();
    sandbox.db(&["create", "conf.db", VSWITCH]);
    let column = "--remote=db:Open_vSwitch,Open_vSwitch,manager_options";
    let address = sandbox.serve(false, "s", &["conf.db"], &[column]);
    let vsctl = |args: &[&str]| {
        let db = format!("--db={address}");
        sandbox.run("ovs-vsctl", &[&[db.as_str(), "--no-wait"], args].concat())
    };
    vsctl(&["init"]);
    let manager = format!("punix:{}", sandbox.text("manager.sock"));
    vsctl(&["set-manager", "ptcp:0:127.0.0.1", &manager]);
    sandbox.wait("the socket", || sandbox.file("manager.sock").exists());
    sandbox.wait("the port", || !ports(&sandbox.log("s")).is_empty());
    let log = sandbox.log("s");
    let tcp = format!("tcp:127.0.0.1:{}", ports(&log)[0]);
    assert!(sandbox.db(&["list-dbs", &tcp]).contains("Open_vSwitch"));
    let columns = [
        "--columns=status",
        "find",
        "manager",
        "target=\"ptcp:0:127.0.0.1\"",
    ];
    sandbox.wait("the status", || vsctl(&columns).contains(ports(&log)[0]));
    // A manager that listens is connected to.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("tcp:{}", listener.local_addr().unwrap());
    vsctl(&["set-manager", &target]);
    let (mut stream, _) = listener.accept().unwrap();
    use std::io::{Read, Write};
    stream
        .write_all(br#"{"id":1,"method":"list_dbs","params":[]}"#)
        .unwrap();
    let mut reply = [0; 1024];
    let count = stream.read(&mut reply).unwrap();
    assert!(String::from_utf8_lossy(&reply[..count]).contains("Open_vSwitch"));
    sandbox.wait("the status", || {
        vsctl(&["show"]).contains("is_connected: true")
    });
    // The others have gone.
    assert!(!sandbox.file("manager.sock").exists());
    sandbox.db_fails(1, &["list-dbs", &tcp]);
    vsctl(&["del-manager"]);
    assert_eq!(stream.read(&mut reply).unwrap(), 0);
    sandbox.exit("s");
}

/// `heddle server` takes the same remotes and commands; its databases are part of the program.
#[test]
fn heddle_server_follows_connections() {
    let mut sandbox = Sandbox::new();
    let socket = format!("--remote=punix:{}", sandbox.text("sb.sock"));
    let control = format!("--unixctl={}", sandbox.control("central"));
    let folder = format!("--db-dir={}", sandbox.text(""));
    let column = "--remote=db:OVN_Southbound,SB_Global,connections";
    let args = [
        "server",
        &folder,
        &socket,
        column,
        &control,
        "-vconsole:off",
    ];
    sandbox.start("central", env!("CARGO_BIN_EXE_heddle"), &args);
    let sb = format!("--db=unix:{}", sandbox.text("sb.sock"));
    let ready = || sandbox.all("ovn-sbctl", &[&sb, "init"]).0 == Some(0);
    sandbox.wait("the server", ready);
    let target = format!("punix:{}", sandbox.text("more.sock"));
    let exists = || sandbox.file("more.sock").exists();
    let set = |rights: &str| sandbox.run("ovn-sbctl", &[&sb, "set-connection", rights, &target]);
    set("read-write");
    sandbox.wait("the socket", exists);
    sandbox.run("ovn-sbctl", &[&format!("--db={}", &target[1..]), "show"]);
    set("read-only");
    let more = format!("--db={}", &target[1..]);
    sandbox.wait("its end", || {
        let write = [
            "--timeout=10",
            "--may-exist",
            "chassis-add",
            "hv1",
            "geneve",
            "1.1.1.1",
        ];
        let (_, _, error) = sandbox.all("ovn-sbctl", &[&[more.as_str()], &write[..]].concat());
        error.contains("read only mode")
    });
    set("read-write");
    sandbox.wait("the socket", exists);
    sandbox.run("ovn-sbctl", &[&sb, "del-connection"]);
    sandbox.wait("its end", || !exists());
    let error = sandbox.appctl_fails("central", &["ovsdb-server/remove-db", "OVN_Southbound"]);
    assert!(
        error.contains("not supported: ovsdb-server/remove-db"),
        "{error}"
    );
    sandbox.exit("central");
}

/// What the switch has for an interface, once it has it.
fn ofport(sandbox: &Sandbox, vsctl: &[&str], interface: &str) -> String {
    let mut port = String::new();
    sandbox.wait(interface, || {
        let get = ["get", "interface", interface, "ofport"];
        port = sandbox
            .run("ovs-vsctl", &[vsctl, &get].concat())
            .trim()
            .to_owned();
        port.parse::<u16>().is_ok()
    });
    port
}

/// Open vSwitch runs with its configuration in our server, which is stopped, killed and started again.
#[test]
fn ovs_vswitchd() {
    let mut sandbox = Sandbox::new();
    sandbox.db(&["create", "conf.db", VSWITCH]);
    let address = sandbox.serve(false, "s", &["conf.db"], &PKI);
    let db = format!("--db={address}");
    let vsctl = [db.as_str(), "--timeout=20"];
    let run = |sandbox: &Sandbox, args: &[&str]| sandbox.run("ovs-vsctl", &[&vsctl, args].concat());
    run(&sandbox, &["--no-wait", "init"]);
    let control = format!("--unixctl={}", sandbox.control("switch"));
    let log = format!("--log-file={}", sandbox.text("switch.log"));
    let flags = [
        "--enable-dummy=override",
        "--disable-system",
        "-vconsole:off",
    ];
    let args = [&[address.as_str(), &control, &log], &flags[..]].concat();
    sandbox.start("switch", "ovs-vswitchd", &args);
    // ovs-vsctl returns when the switch has written that it has done it.
    run(
        &sandbox,
        &[
            "add-br",
            "br0",
            "--",
            "set",
            "bridge",
            "br0",
            "datapath_type=dummy",
        ],
    );
    run(
        &sandbox,
        &[
            "add-port",
            "br0",
            "p1",
            "--",
            "set",
            "interface",
            "p1",
            "type=dummy",
        ],
    );
    let first = ofport(&sandbox, &vsctl, "p1");
    assert_eq!(run(&sandbox, &["list-ports", "br0"]), "p1\n");
    let management = format!("unix:{}", sandbox.text("br0.mgmt"));
    let show = |sandbox: &Sandbox| sandbox.run("ovs-ofctl", &["show", &management]);
    assert!(show(&sandbox).contains(&format!("{first}(p1)")));
    let configured = sandbox.db(&["dump", &address, "Bridge", "datapath_id"]);
    assert!(
        configured.lines().last().unwrap().len() > 16,
        "{configured}"
    );

    // Ended as scripts do it, then as crashes do it: the switch goes on, and finds everything again.
    sandbox.exit("s");
    sandbox.serve(false, "s", &["conf.db"], &PKI);
    run(
        &sandbox,
        &[
            "add-port",
            "br0",
            "p2",
            "--",
            "set",
            "interface",
            "p2",
            "type=dummy",
        ],
    );
    let second = ofport(&sandbox, &vsctl, "p2");
    sandbox.kill("s");
    std::fs::remove_file(sandbox.file("s.sock")).unwrap();
    std::fs::remove_file(sandbox.control("s")).unwrap();
    sandbox.serve(false, "s", &["conf.db"], &PKI);
    run(
        &sandbox,
        &[
            "add-port",
            "br0",
            "p3",
            "--",
            "set",
            "interface",
            "p3",
            "type=dummy",
        ],
    );
    ofport(&sandbox, &vsctl, "p3");
    assert_eq!(run(&sandbox, &["list-ports", "br0"]), "p1\np2\np3\n");
    assert_eq!(ofport(&sandbox, &vsctl, "p1"), first);
    assert_eq!(ofport(&sandbox, &vsctl, "p2"), second);
    run(&sandbox, &["del-port", "p1"]);
    sandbox.wait("the port to go", || !show(&sandbox).contains("(p1)"));
    assert!(
        sandbox.child("switch").try_wait().unwrap().is_none(),
        "the switch has ended"
    );
    let log = sandbox.log("switch");
    assert!(!log.contains("|ERR|") && !log.contains("|EMER|"), "{log}");
    // What the switch has written into the database, stock reads.
    sandbox.exit("s");
    let select = r#"["Open_vSwitch",{"op":"select","table":"Port","where":[["name","==","p3"]],"columns":["name"]}]"#;
    let rows = sandbox.run("ovsdb-tool", &["query", "conf.db", select]);
    assert_eq!(rows.trim(), r#"[{"rows":[{"name":"p3"}]}]"#);
}

//! The compiler between databases: in the server's process, and alone between stock servers.

#![allow(clippy::unwrap_used)] // These are tests, though not all marked so.

mod support;

use support::Sandbox;

#[test]
fn role_body() {
    support::role_body();
}

/// A small network, as a user makes it.
fn make_network(sandbox: &Sandbox) {
    sandbox.line("ovn-nbctl ls-add sw0 -- lsp-add sw0 p1 -- lsp-add sw0 p2");
    sandbox.line("ovn-nbctl --timeout=20 --wait=sb lsp-set-addresses p1 00:00:00:00:00:01");
}

#[test]
fn beside_the_server() {
    let mut sandbox = Sandbox::new();
    let server = sandbox.serve("");
    make_network(&sandbox);
    let ports = sandbox.line("ovn-sbctl --bare --columns=logical_port list Port_Binding");
    assert!(ports.contains("p1") && ports.contains("p2"), "{ports}");
    assert!(
        sandbox
            .line("ovn-sbctl lflow-list")
            .contains("ls_in_l2_lkup")
    );
    let status = sandbox.line("ovn-appctl -t heddle-server status");
    assert_eq!(status, "Status: active\n");
    others_change_nothing(&sandbox);
    // A restart finds everything as it should be and writes nothing.
    sandbox.line("ovn-appctl -t heddle-server exit");
    assert!(sandbox.ended(server));
    let size = |it: &Sandbox| std::fs::metadata(it.file("ovnsb_db.db")).unwrap().len();
    let before = size(&sandbox);
    sandbox.serve("");
    sandbox.wait("the compiler", |it| {
        it.line("ovn-appctl -t heddle-server inc-engine/show-stats")
            .contains("runs: 1")
    });
    assert_eq!(size(&sandbox), before);
}

/// What somebody writes into rows of the compiler is undone while it runs.
fn others_change_nothing(sandbox: &Sandbox) {
    let flows =
        |it: &Sandbox| it.line("ovn-sbctl --bare --columns=_uuid,match,priority list Logical_Flow");
    let before = flows(sandbox);
    let mut uuids = before.lines().filter(|line| line.len() == 36);
    let (changed, gone) = (uuids.next().unwrap(), uuids.next().unwrap());
    sandbox.line(&format!(
        "ovn-sbctl set Logical_Flow {changed} match=0 priority=7"
    ));
    sandbox.line(&format!("ovn-sbctl destroy Logical_Flow {gone}"));
    sandbox.line("ovn-sbctl set Port_Binding p1 mac=nonsense external_ids:x=y");
    sandbox.wait("the flows", |it| flows(it) == before);
    let port = "ovn-sbctl --bare --columns=mac,external_ids find Port_Binding logical_port=p1";
    sandbox.wait("the port", |it| it.line(port).trim() == "00:00:00:00:00:01");
    let stats = sandbox.line("ovn-appctl -t heddle-server inc-engine/show-stats");
    assert!(stats.contains("repairs: 3\n"), "{stats}");
}

#[test]
fn the_first_thing_is_a_sync() {
    let mut sandbox = Sandbox::new();
    sandbox.serve("");
    sandbox.line("ovn-nbctl --timeout=20 --wait=sb sync");
    assert_eq!(sandbox.line("ovn-sbctl get SB_Global . nb_cfg"), "1\n");
    let log = sandbox.log("heddle-server");
    assert!(!log.contains("|WARN|") && !log.contains("|ERR|"), "{log}");
}

/// A stock agent waits for a server that is not there yet.
#[test]
fn a_stock_agent_comes_first() {
    let mut sandbox = Sandbox::new();
    let socket = sandbox.switch_database(&sandbox.sb());
    let db = format!("--db={socket}");
    let quiet = ["-vconsole:off", "-vsyslog:off"];
    sandbox.start_stock("ovn-controller", &[&socket, quiet[0], quiet[1]]);
    sandbox.wait("the agent", |it| {
        it.run("ovs-vsctl", &[&db, "list-br"]).contains("br-int")
    });
    sandbox.serve("");
    sandbox.wait("the chassis", |it| {
        it.line("ovn-sbctl show").contains("hv1")
    });
    sandbox.line("ovn-nbctl --timeout=20 --wait=sb sync");
    assert_eq!(sandbox.line("ovn-sbctl get SB_Global . nb_cfg"), "1\n");
}

#[test]
fn sequence_numbers() {
    let mut sandbox = Sandbox::new();
    sandbox.serve("");
    sandbox.line("ovn-sbctl chassis-add ch1 geneve 10.1.1.1");
    let chassis = sandbox.line("ovn-sbctl --bare --columns=_uuid find Chassis name=ch1");
    let chassis = format!("chassis={}", chassis.trim());
    sandbox.run(
        "ovn-sbctl",
        &["create", "Chassis_Private", "name=ch1", &chassis],
    );
    sandbox.line("ovn-nbctl --timeout=20 --wait=sb ls-add sw0");
    let (success, _) = sandbox.try_run("ovn-nbctl", &["--timeout=1", "--wait=hv", "ls-add", "sw1"]);
    assert!(!success, "no agent has said that it is done");
    let nb_cfg = sandbox.line("ovn-nbctl get NB_Global . nb_cfg");
    assert_eq!(sandbox.line("ovn-sbctl get SB_Global . nb_cfg"), nb_cfg);
    assert_eq!(sandbox.line("ovn-nbctl get NB_Global . sb_cfg"), nb_cfg);
    let set = format!("nb_cfg={}", nb_cfg.trim());
    sandbox.run(
        "ovn-sbctl",
        &[
            "set",
            "Chassis_Private",
            "ch1",
            &set,
            "nb_cfg_timestamp=12345",
        ],
    );
    sandbox.wait("hv_cfg", |it| {
        it.line("ovn-nbctl get NB_Global . hv_cfg") == nb_cfg
    });
    assert_eq!(
        sandbox
            .line("ovn-nbctl get NB_Global . hv_cfg_timestamp")
            .trim(),
        "12345"
    );
    for column in ["nb_cfg_timestamp", "sb_cfg_timestamp"] {
        let time = sandbox.line(&format!("ovn-nbctl get NB_Global . {column}"));
        assert!(
            time.trim().parse::<u64>().unwrap() > 1_600_000_000_000,
            "{column}: {time}"
        );
    }
}

/// Starts a Northbound and a Southbound server of stock OVN; gives the latter.
fn stock_servers(sandbox: &mut Sandbox) -> usize {
    let mut last = 0;
    for (name, schema) in [("ovnnb_db", "ovn-nb"), ("ovnsb_db", "ovn-sb")] {
        let file = sandbox.file(name);
        let schema = format!("/usr/share/ovn/{schema}.ovsschema");
        sandbox.run("ovsdb-tool", &["create", file.to_str().unwrap(), &schema]);
        let remote = format!("--remote=punix:{}.sock", file.display());
        let file = file.to_str().unwrap().to_owned();
        last = sandbox.start_stock(
            "ovsdb-server",
            &[
                &file,
                &remote,
                "--unixctl=none",
                "-vconsole:off",
                "-vsyslog:off",
            ],
        );
    }
    sandbox.wait("the servers", |it| {
        it.try_run("ovsdb-client", &["list-dbs", &it.nb()]).0
            && it.try_run("ovsdb-client", &["list-dbs", &it.sb()]).0
    });
    last
}

#[test]
fn between_stock_servers() {
    let mut sandbox = Sandbox::new();
    stock_servers(&mut sandbox);
    let started = sandbox.start("northd -vconsole:off --detach --no-chdir --pidfile --log-file");
    assert!(sandbox.ended(started), "{}", sandbox.log("ovn-northd"));
    let ctl = |it: &Sandbox, line: &str| it.line(&format!("ovn-appctl -t ovn-northd {line}"));
    sandbox.wait("the lock", |it| ctl(it, "status") == "Status: active\n");
    make_network(&sandbox);
    assert!(
        sandbox
            .line("ovn-sbctl lflow-list")
            .contains("ls_in_l2_lkup")
    );
    assert_eq!(ctl(&sandbox, "nb-connection-status"), "connected\n");
    assert_eq!(ctl(&sandbox, "sb-connection-status"), "connected\n");

    assert_eq!(ctl(&sandbox, "is-paused"), "false\n");
    ctl(&sandbox, "pause");
    sandbox.wait("the pause", |it| ctl(it, "status") == "Status: paused\n");
    sandbox.line("ovn-nbctl lsp-add sw0 p3");
    let find = "ovn-sbctl --bare --columns=logical_port find Port_Binding logical_port=p3";
    assert_eq!(sandbox.line(find), "");
    ctl(&sandbox, "resume");
    sandbox.wait("p3", |it| it.line(find).trim() == "p3");

    ctl(&sandbox, "inc-engine/clear-stats");
    let flows = |it: &Sandbox| it.line("ovn-sbctl --bare --columns=_uuid,match list Logical_Flow");
    let before = flows(&sandbox);
    ctl(&sandbox, "inc-engine/recompute");
    sandbox.wait("a run", |it| {
        !ctl(it, "inc-engine/show-stats").contains("runs: 0")
    });
    assert_eq!(flows(&sandbox), before);
    let (success, text) = sandbox.try_run(
        "ovn-appctl",
        &["-t", "ovn-northd", "sb-cluster-state-reset"],
    );
    assert!(
        !success && text.contains("not supported: sb-cluster-state-reset"),
        "{text}"
    );

    // A second one waits for the first to end.
    let second = sandbox.start("northd -vconsole:off --unixctl=second.ctl --log-file=/dev/null");
    let second_ctl = sandbox.file("second.ctl").display().to_string();
    sandbox.wait("the second", |it| {
        it.try_run("ovn-appctl", &["-t", &second_ctl, "status"]).1 == "Status: standby\n"
    });
    ctl(&sandbox, "exit");
    sandbox.wait("the second's turn", |it| {
        it.run("ovn-appctl", &["-t", &second_ctl, "status"]) == "Status: active\n"
    });
    sandbox.wait("the end", |it| !it.file("ovn-northd.pid").exists());
    sandbox.line("ovn-nbctl --timeout=20 --wait=sb lsp-add sw0 p4");
    sandbox.line("ovn-nbctl --timeout=20 --wait=sb ls-del sw0");
    assert_eq!(sandbox.line("ovn-sbctl --bare list Port_Binding"), "");
    sandbox.kill(second);
    let log = sandbox.log("ovn-northd");
    assert!(!log.contains("|WARN|") && !log.contains("|ERR|"), "{log}");
}

#[test]
fn a_southbound_that_comes_back_empty_is_filled() {
    let mut sandbox = Sandbox::new();
    let southbound = stock_servers(&mut sandbox);
    sandbox.start("northd -vconsole:off --log-file");
    make_network(&sandbox);
    sandbox.kill(southbound);
    std::fs::remove_file(sandbox.file("ovnsb_db")).unwrap();
    let file = sandbox.file("ovnsb_db").display().to_string();
    sandbox.run(
        "ovsdb-tool",
        &["create", &file, "/usr/share/ovn/ovn-sb.ovsschema"],
    );
    let remote = format!("--remote=punix:{file}.sock");
    sandbox.start_stock(
        "ovsdb-server",
        &[
            &file,
            &remote,
            "--unixctl=none",
            "-vconsole:off",
            "-vsyslog:off",
        ],
    );
    sandbox.wait("the ports", |it| {
        let list = it.try_run(
            "ovn-sbctl",
            &["--bare", "--columns=logical_port", "list", "Port_Binding"],
        );
        list.0 && list.1.contains("p1") && list.1.contains("p2")
    });
    sandbox.line("ovn-nbctl --timeout=20 --wait=sb lsp-add sw0 p3");
}

#[test]
fn flags_that_are_not_there_end_it_and_files_that_are_not_there_are_told_of() {
    let mut sandbox = Sandbox::new();
    let child = sandbox.start("northd --no-such-flag");
    assert!(!sandbox.ended(child));
    // As the stock one it goes on: the files may come later.
    let child = sandbox.start(
        "northd -vconsole:off --log-file --ovnsb-db=ssl:127.0.0.1:9 -p /none/key -c /none/cert -C /none/ca",
    );
    sandbox.wait("a line about a file", |it| {
        it.log("ovn-northd").contains("/none/") && it.log("ovn-northd").contains("cannot be read")
    });
    assert!(!sandbox.has_ended(child));
}

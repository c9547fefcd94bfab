//! Stock clients against our server core.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::process::Command;

use ovsdb::DatabaseSchema;
use ovsdb::log::FileLog;
use serde_json::{Value, json};
use support::shell::OurServer;
use support::{Client, run, schema, stock};

fn text(command: &mut Command) -> String {
    String::from_utf8(run(command).stdout).unwrap()
}

#[test]
fn ovsdb_client_works() {
    let dir = tempfile::tempdir().unwrap();
    let opened = FileLog::create(&dir.path().join("db"), schema().into()).unwrap();
    let server = OurServer::start(dir.path(), vec![opened]);
    let remote = format!("unix:{}", server.socket.display());
    let client = |args: &[&str]| {
        let mut command = stock("ovsdb-client");
        command.arg("--timeout=20").args(args);
        text(&mut command)
    };
    assert_eq!(client(&["list-dbs", &remote]), "Rich\n_Server\n");
    let printed: Value = serde_json::from_str(&client(&["get-schema", &remote, "Rich"])).unwrap();
    let ours: Value = serde_json::from_str(&schema().to_json_text()).unwrap();
    assert_eq!(printed, ours);
    let insert = json!(["Rich",
        {"op": "insert", "table": "Kid", "uuid-name": "k", "row": {"name": "kid"}},
        {"op": "insert", "table": "Root", "row": {"name": "r", "kids": ["named-uuid", "k"], "ratio": 1.5}}]);
    let results: Value =
        serde_json::from_str(&client(&["transact", &remote, &insert.to_string()])).unwrap();
    assert!(results[1]["uuid"].is_array(), "{results}");
    let dump = client(&["dump", &remote, "Rich", "Root", "name", "ratio"]);
    assert!(dump.contains("r    1.5"), "{dump}");
    // It reads `_Server` before it says that the database is there.
    client(&["wait", &remote, "Rich", "connected"]);
    assert!(!client(&["get-schema-version", &remote, "Rich"]).is_empty());
    let lock = client(&[
        "query",
        &remote,
        r#"["Rich", {"op": "assert", "lock": "none"}]"#,
    ]);
    assert!(lock.contains("not owner"), "{lock}");
}

#[test]
fn ovn_nbctl_works() {
    let dir = tempfile::tempdir().unwrap();
    let schema = std::fs::read_to_string("/usr/share/ovn/ovn-nb.ovsschema")
        .expect("install the Debian package ovn-common");
    let schema = DatabaseSchema::from_json_text(&schema).unwrap();
    let opened = FileLog::create(&dir.path().join("nb"), schema.into()).unwrap();
    let server = OurServer::start(dir.path(), vec![opened]);
    let remote = format!("--db=unix:{}", server.socket.display());
    let nbctl = |args: &str| {
        let mut command = stock("ovn-nbctl");
        command
            .arg("--no-leader-only")
            .arg("--timeout=20")
            .arg(&remote)
            .args(args.split(' '));
        text(&mut command)
    };
    nbctl("init");
    nbctl("ls-add ls0 -- lsp-add ls0 p0 -- lsp-set-addresses p0 dynamic -- lsp-add ls0 p1");
    nbctl("lr-add lr0 -- lrp-add lr0 lrp0 02:00:00:00:00:01 192.0.2.1/24");
    nbctl("acl-add ls0 to-lport 1000 ip4 allow-related");
    nbctl("pg-add pg0 p0 p1");
    let shown = nbctl("show");
    assert!(
        shown.contains("port p1") && shown.contains("port lrp0"),
        "{shown}"
    );
    assert_eq!(nbctl("--bare --columns=name list Port_Group"), "pg0\n");
    nbctl("lsp-del p1");
    let group = nbctl("--bare --columns=ports list Port_Group");
    assert_eq!(
        group.split_whitespace().count(),
        1,
        "the weak reference went: {group}"
    );
    nbctl("ls-del ls0");
    assert_eq!(nbctl("--bare --columns=_uuid list Logical_Switch_Port"), "");
    assert_eq!(nbctl("--bare --columns=_uuid list ACL"), "");
}

/// The Python IDL: a transaction, and the replica that follows.
const PYTHON: &str = r#"
import sys, ovs.db.idl, ovs.poller
helper = ovs.db.idl.SchemaHelper(location=sys.argv[2])
helper.register_all()
idl = ovs.db.idl.Idl(sys.argv[1], helper, leader_only=False)
def wait(condition):
    while not condition():
        idl.run()
        if condition(): break
        poller = ovs.poller.Poller()
        idl.wait(poller)
        poller.timer_wait(20000)
        poller.block()
wait(idl.has_ever_connected)
def commit(change):
    while True:
        txn = ovs.db.idl.Transaction(idl)
        change(txn)
        status = txn.commit_block()
        if status != ovs.db.idl.Transaction.TRY_AGAIN:
            assert status in (txn.SUCCESS, txn.UNCHANGED), (status, txn.get_error())
            return
def insert(txn):
    kid = txn.insert(idl.tables["Kid"]); kid.name = "kid"
    root = txn.insert(idl.tables["Root"]); root.name = "py"; root.kids = [kid]; root.options = {"a": "b"}
commit(insert)
def root(): return next((r for r in idl.tables["Root"].rows.values() if r.name == "py"), None)
wait(lambda: root() is not None)
def change(txn):
    root().verify("name"); root().num = 5; root().setkey("options", "c", "d"); root().kids = []
commit(change)
wait(lambda: root().num == 5)
assert root().options == {"a": "b", "c": "d"}, root().options
assert not idl.tables["Kid"].rows
idl.set_lock("the_lock")
wait(lambda: idl.has_lock)
commit(lambda txn: root().addvalue("tags", "t"))
print("done", root().tags)
"#;

#[test]
fn the_python_idl_works() {
    let dir = tempfile::tempdir().unwrap();
    let schema_file = dir.path().join("schema");
    std::fs::write(&schema_file, support::SCHEMA).unwrap();
    let opened = FileLog::create(&dir.path().join("db"), schema().into()).unwrap();
    let server = OurServer::start(dir.path(), vec![opened]);
    let remote = format!("unix:{}", server.socket.display());
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", PYTHON, &remote]).arg(&schema_file);
    // Needs the Debian package python3-openvswitch.
    assert_eq!(text(&mut python), "done ['t']\n");
}

#[test]
fn a_client_that_comes_back_gets_what_it_missed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let opened = FileLog::create(&path, schema().into()).unwrap();
    let server = OurServer::start(dir.path(), vec![opened]);
    let add = |client: &mut Client, name: &str| {
        let insert = json!(["Rich", {"op": "insert", "table": "Few", "row": {"name": name}}]);
        client.call("transact", insert)["result"][0]["uuid"][1]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let monitor = |client: &mut Client, last: &str| {
        let requests = json!({"Few": [{"columns": ["name"]}]});
        client.call("monitor_cond_since", json!(["Rich", 0, requests, last]))["result"].take()
    };
    let mut client = Client::connect(&server.socket);
    let zero = "00000000-0000-0000-0000-000000000000";
    assert_eq!(monitor(&mut client, zero), json!([false, zero, {}]));
    let one = add(&mut client, "one");
    let notification = client.notifications.pop().unwrap();
    assert_eq!(notification["method"], "update3");
    assert_eq!(
        notification["params"][2],
        json!({"Few": {&one: {"insert": {"name": "one"}}}})
    );
    let known = notification["params"][1].as_str().unwrap().to_owned();
    drop(client);

    let mut client = Client::connect(&server.socket);
    let two = add(&mut client, "two");
    let last = server.last_id("Rich");
    let expected = json!([true, last.to_string(), {"Few": {&two: {"insert": {"name": "two"}}}}]);
    assert_eq!(monitor(&mut client, &known), expected);
    assert_eq!(
        monitor(
            &mut Client::connect(&server.socket),
            &zero.replace('0', "1")
        )[0],
        false
    );

    // The ids are a function of the log, so a server that starts again knows them.
    server.stop();
    std::fs::remove_file(dir.path().join("ours.sock")).unwrap();
    let server = OurServer::start(dir.path(), vec![FileLog::open(&path).unwrap()]);
    assert_eq!(
        monitor(&mut Client::connect(&server.socket), &known),
        expected
    );
}

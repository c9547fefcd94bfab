//! The server as stock clients see it.

#![allow(clippy::unwrap_used)] // These are tests, though not all marked so.

mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use support::Sandbox;

#[test]
fn role_body() {
    support::role_body();
}

#[test]
fn ovn_nbctl_and_sbctl() {
    let mut sandbox = Sandbox::new();
    let server = sandbox.serve("--no-northd");
    sandbox.line("ovn-nbctl init");
    sandbox.line("ovn-nbctl ls-add sw0 -- lsp-add sw0 p1 -- lsp-set-addresses p1 dynamic");
    sandbox.line("ovn-nbctl acl-add sw0 to-lport 1000 tcp drop");
    sandbox.line("ovn-nbctl lr-add r0 -- lrp-add r0 r0-sw0 00:00:00:00:00:01 10.0.0.1/24");
    sandbox.line("ovn-nbctl --may-exist ls-add sw0");
    let show = sandbox.line("ovn-nbctl show");
    assert!(
        show.contains("(sw0)") && show.contains("port p1") && show.contains("(r0)"),
        "{show}"
    );
    let (success, text) = sandbox.try_run("ovn-nbctl", &["lsp-add", "nosuch", "p"]);
    assert!(!success && text.contains("switch name not found"), "{text}");
    sandbox.line("ovn-sbctl chassis-add ch1 geneve 10.1.1.1");
    assert!(sandbox.line("ovn-sbctl show").contains("Chassis ch1"));
    let name = sandbox.line("ovn-nbctl --bare --columns=name list logical_switch");
    assert_eq!(name.trim(), "sw0");
    sandbox.line("ovn-nbctl ls-del sw0");
    // Ports and ACLs of the switch go with it.
    assert_eq!(
        sandbox
            .line("ovn-nbctl --bare list logical_switch_port")
            .trim(),
        ""
    );
    assert_eq!(sandbox.line("ovn-nbctl --bare list acl").trim(), "");
    assert_eq!(
        sandbox.line("ovn-appctl -t heddle-server ovsdb-server/list-dbs"),
        "OVN_Northbound\nOVN_Southbound\n_Server\n"
    );
    sandbox.line("ovn-appctl -t heddle-server ovsdb-server/compact");
    sandbox.line("ovn-appctl -t heddle-server exit");
    assert!(sandbox.ended(server));
    assert!(!sandbox.file("ovnnb_db.sock").exists());
    // Stock tools read the file that is left.
    let file = sandbox.file("ovnnb_db.db");
    let query = r#"["OVN_Northbound",{"op":"select","table":"Logical_Router","where":[],"columns":["name"]}]"#;
    let rows = sandbox.run("ovsdb-tool", &["query", file.to_str().unwrap(), query]);
    assert_eq!(rows.trim(), r#"[{"rows":[{"name":"r0"}]}]"#);
    let log = sandbox.log("heddle-server");
    assert!(!log.contains("|WARN|") && !log.contains("|ERR|"), "{log}");
}

#[test]
fn the_global_rows_are_there() {
    let mut sandbox = Sandbox::new();
    let rows = |it: &Sandbox| {
        let nb = it.line("ovn-nbctl --bare --columns=_uuid list NB_Global");
        nb + &it.line("ovn-sbctl --bare --columns=_uuid list SB_Global")
    };
    let server = sandbox.serve("--no-northd");
    let before = rows(&sandbox);
    assert_eq!(before.lines().count(), 2, "{before}");
    sandbox.line("ovn-nbctl init");
    sandbox.line("ovn-sbctl init");
    sandbox.kill(server);
    sandbox.serve("--no-northd");
    assert_eq!(rows(&sandbox), before);
}

#[test]
fn what_stock_wrote_is_read() {
    let mut sandbox = Sandbox::new();
    let file = sandbox.file("ovnnb_db.db");
    let schema = "/usr/share/ovn/ovn-nb.ovsschema";
    sandbox.run("ovsdb-tool", &["create", file.to_str().unwrap(), schema]);
    let insert =
        r#"["OVN_Northbound",{"op":"insert","table":"Logical_Switch","row":{"name":"old"}}]"#;
    sandbox.run("ovsdb-tool", &["transact", file.to_str().unwrap(), insert]);
    sandbox.serve("--no-northd");
    assert!(sandbox.line("ovn-nbctl show").contains("(old)"));
    assert!(
        sandbox
            .log("heddle-server")
            .contains("converted from schema version 7.")
    );
}

#[test]
fn ovsdb_client_monitors_and_dumps() {
    let mut sandbox = Sandbox::new();
    sandbox.serve("--no-northd --remote=ptcp:0:127.0.0.1 --remote=punix:ovnnb_db.sock");
    let log = sandbox.log("heddle-server");
    let port = log
        .lines()
        .find_map(|line| line.split("0:127.0.0.1: listening on port ").nth(1));
    let tcp = format!(
        "tcp:127.0.0.1:{}",
        port.expect("the line that scripts look for")
    );
    assert!(
        sandbox
            .run("ovsdb-client", &["list-dbs", &tcp])
            .contains("OVN_Southbound")
    );
    let version = sandbox.run(
        "ovsdb-client",
        &["get-schema-version", &tcp, "OVN_Southbound"],
    );
    assert!(version.starts_with("21."), "{version}");
    let mut monitor = sandbox
        .command("ovsdb-client")
        .args([
            "--timeout=10",
            "monitor",
            &tcp,
            "OVN_Northbound",
            "Logical_Switch",
            "name",
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    sandbox.run("ovn-nbctl", &["--db", &tcp, "ls-add", "seen"]);
    let mut stdout = monitor.stdout.take().unwrap();
    let mut text = String::new();
    while !text.contains("seen") {
        let mut piece = [0; 4096];
        let count = stdout.read(&mut piece).unwrap();
        assert!(count > 0, "monitor ended: {text}");
        text.push_str(std::str::from_utf8(&piece[..count]).unwrap());
    }
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    let dump = sandbox.run(
        "ovsdb-client",
        &["dump", &tcp, "OVN_Northbound", "Logical_Switch", "name"],
    );
    assert!(dump.contains("seen"));
}

#[test]
fn the_python_idl() {
    let mut sandbox = Sandbox::new();
    sandbox.serve("--no-northd");
    let program = r#"
import sys, ovs.db.idl, ovs.poller
schema = ovs.db.idl.SchemaHelper("/usr/share/ovn/ovn-nb.ovsschema")
schema.register_all()
idl = ovs.db.idl.Idl(sys.argv[1], schema)
def wait(condition):
    while not condition():
        idl.run()
        if condition(): return
        poller = ovs.poller.Poller()
        poller.timer_wait(10000)
        idl.wait(poller)
        poller.block()
wait(lambda: idl.has_ever_connected())
def commit(act):
    txn = ovs.db.idl.Transaction(idl)
    result = act(txn)
    status = txn.commit_block()
    assert status in ("success", "unchanged"), (status, txn.get_error())
    return result
def make(txn):
    switch = txn.insert(idl.tables["Logical_Switch"])
    switch.name = "py"
    port = txn.insert(idl.tables["Logical_Switch_Port"])
    port.name = "pyport"
    switch.addvalue("ports", port)
    switch.setkey("other_config", "subnet", "10.0.0.0/24")
commit(make)
switch = next(iter(idl.tables["Logical_Switch"].rows.values()))
assert switch.ports[0].name == "pyport", switch.ports
assert switch.other_config == {"subnet": "10.0.0.0/24"}
def change(txn):
    switch.verify("name")
    switch.setkey("other_config", "exclude_ips", "x")
    switch.delkey("other_config", "subnet")
commit(change)
assert switch.other_config == {"exclude_ips": "x"}, switch.other_config
commit(lambda txn: switch.delete())
assert not idl.tables["Logical_Switch_Port"].rows
print("ok")
"#;
    let text = sandbox.run("/usr/bin/python3", &["-c", program, &sandbox.nb()]);
    assert_eq!(text, "ok\n");
}

#[test]
fn garbage_costs_one_connection_and_one_line() {
    let mut sandbox = Sandbox::new();
    sandbox.serve("--no-northd");
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"{\"id\":1,\"method\":\"x\"",
        b"{\"id\":1}",
        b"\xff\xfe\x00",
        b"{]",
    ] {
        let mut stream = UnixStream::connect(sandbox.file("ovnnb_db.sock")).unwrap();
        stream.write_all(garbage).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        // It ends: a reset is as good as an end.
        let _ = stream.read_to_end(&mut rest);
        assert!(sandbox.line("ovn-nbctl show").is_empty());
    }
    let mut deep = UnixStream::connect(sandbox.file("ovnnb_db.sock")).unwrap();
    let _ = deep.write_all(b"{\"a\":");
    let _ = deep.write_all(&[b'['; 100_000]);
    let _ = deep.read_to_end(&mut Vec::new());
    assert!(sandbox.line("ovn-nbctl show").is_empty());
    let log = sandbox.log("heddle-server");
    // One was cut short, which is an end like any other, and one looks like a reply.
    assert_eq!(log.matches("disconnected:").count(), 4, "{log}");
}

/// A client that asks for much and does not read holds up nobody, and gets all of it when it reads.
#[test]
fn a_slow_reader() {
    let mut sandbox = Sandbox::new();
    sandbox.serve("--no-northd");
    for n in 0..20 {
        let value = format!("external_ids:big={}", "x".repeat(60_000));
        sandbox.run(
            "ovn-nbctl",
            &["create", "Address_Set", &format!("name=a{n}"), &value],
        );
    }
    let mut slow = UnixStream::connect(sandbox.file("ovnnb_db.sock")).unwrap();
    let requests = 40;
    for n in 0..requests {
        let params = format!(r#"["OVN_Northbound",{n},{{"Address_Set":{{}}}}]"#);
        let request = format!(r#"{{"id":{n},"method":"monitor","params":{params}}}"#);
        slow.write_all(request.as_bytes()).unwrap();
    }
    // The others are served while some fifty megabytes wait.
    sandbox.line("ovn-nbctl ls-add quick");
    assert!(sandbox.line("ovn-nbctl show").contains("(quick)"));
    slow.set_read_timeout(Some(std::time::Duration::from_secs(30)))
        .unwrap();
    let (mut total, mut piece) = (0, vec![0; 1 << 16]);
    let least = requests * 20 * 60_000;
    while total < least {
        let count = slow.read(&mut piece).unwrap();
        assert!(count > 0, "cut off after {total} bytes");
        total += count;
    }
}

/// The memory of a process, in MiB.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() / 1024
}

/// A client that asks much and reads nothing waits itself; nobody else does, and no memory grows.
#[test]
fn a_flood_of_requests() {
    let mut sandbox = Sandbox::new();
    let server = sandbox.serve("--no-northd");
    let flood = UnixStream::connect(sandbox.file("ovnnb_db.sock")).unwrap();
    let request = br#"{"id":1,"method":"get_schema","params":["OVN_Southbound"]}"#;
    let before = memory(sandbox.pid(server));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (&flood).write_all(&request.repeat(110_000)));
        for n in 0..10 {
            sandbox.line(&format!("ovn-nbctl --timeout=20 ls-add quick{n}"));
        }
        let grown = memory(sandbox.pid(server)).saturating_sub(before);
        assert!(grown < 64, "{grown} MiB more");
        flood.shutdown(std::net::Shutdown::Both).unwrap();
        assert!(writer.join().unwrap().is_err(), "all of it was read");
    });
    assert!(sandbox.line("ovn-nbctl show").contains("(quick9)"));
}

/// One that sends all its requests before it reads gets all answers, in order.
#[test]
fn pipelined_requests() {
    let mut sandbox = Sandbox::new();
    sandbox.serve("--no-northd");
    let stream = UnixStream::connect(sandbox.file("ovnnb_db.sock")).unwrap();
    let count = 20_000;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let requests =
                (0..count).map(|n| format!(r#"{{"id":{n},"method":"echo","params":[]}}"#));
            (&stream)
                .write_all(requests.collect::<String>().as_bytes())
                .unwrap();
        });
        sandbox.line("ovn-nbctl ls-add quick");
        let mut text = Vec::new();
        let last = format!(r#"{{"id":{},"result":[],"error":null}}"#, count - 1);
        let mut piece = vec![0; 1 << 16];
        while !text.ends_with(last.as_bytes()) {
            let read = (&stream).read(&mut piece).unwrap();
            assert!(read > 0, "cut off after {} bytes", text.len());
            text.extend_from_slice(&piece[..read]);
        }
        let wanted: String = (0..count)
            .map(|n| format!(r#"{{"id":{n},"result":[],"error":null}}"#))
            .collect();
        assert!(text == wanted.as_bytes());
    });
}

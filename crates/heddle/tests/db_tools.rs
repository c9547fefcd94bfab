//! `heddle db` beside `ovsdb-tool` and `ovsdb-client`, on the same files and servers.

mod db_common;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use db_common::{ROWS, Sandbox};

/// Database files that stock made, with rows.
fn with_rows() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run("ovsdb-tool", &["create", "t.db", "t.ovsschema"]);
    sandbox.run("ovsdb-tool", &["transact", "t.db", ROWS]);
    let update = r#"["T",{"op":"update","table":"Host","where":[["n","==",2]],"row":{"n":7}}]"#;
    sandbox.run("ovsdb-tool", &["transact", "t.db", update]);
    sandbox
}

/// The lines in order: the order of rows with equal columns is not part of the form.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn files_are_those_of_stock() {
    let sandbox = with_rows();
    // What stock made, ours reads: names, records, rows.
    let pairs: [(&[&str], &[&str]); 6] = [
        (&["db-name", "t.db"], &["schema", "--name", "t.db"]),
        (&["db-version", "t.db"], &["schema", "--version", "t.db"]),
        (&["db-cksum", "t.db"], &["schema", "--cksum", "t.db"]),
        (&["show-log", "t.db"], &["show-log", "t.db"]),
        (&["-m", "show-log", "t.db"], &["show-log", "-m", "t.db"]),
        (&["-mm", "show-log", "t.db"], &["show-log", "-mm", "t.db"]),
    ];
    for (stock, ours) in pairs {
        let stock = sandbox.run("ovsdb-tool", stock);
        let ours = sandbox.db(ours);
        assert_eq!(sorted(&stock), sorted(&ours), "{stock}\n{ours}");
    }
    let select =
        r#"["T",{"op":"select","table":"Host","where":[["n","==",7]],"columns":["name"]}]"#;
    let rows = sandbox.run("ovsdb-tool", &["query", "t.db", select]);
    assert_eq!(rows, sandbox.db(&["query", "t.db", select]));
    // What ours made, stock reads.
    sandbox.db(&["create", "ours.db", "t.ovsschema"]);
    sandbox.db(&["transact", "ours.db", ROWS]);
    let select = select.replace('7', "2");
    let rows = sandbox.run("ovsdb-tool", &["query", "ours.db", &select]);
    assert_eq!(rows.trim(), r#"[{"rows":[{"name":"b,c"}]}]"#);
    sandbox.db(&["compact", "ours.db"]);
    assert_eq!(
        rows,
        sandbox.run("ovsdb-tool", &["query", "ours.db", &select])
    );
}

#[test]
fn transactions_print_what_stock_prints() {
    let mut sandbox = with_rows();
    let server = sandbox.serve(true, "stock", &["t.db"], &[]);
    for transaction in [
        r#"["T",{"op":"select","table":"Host","where":[],"columns":["n"]}]"#,
        r#"["T",{"op":"update","table":"Host","where":[["n","==",3]],"row":{"b":false}},{"op":"comment","comment":"x"}]"#,
        r#"["T",{"op":"mutate","table":"Host","where":[["n","<",3]],"mutations":[["n","+=",0]]}]"#,
    ] {
        let stock = sandbox.run("ovsdb-client", &["transact", &server, transaction]);
        assert_eq!(stock, sandbox.db(&["transact", &server, transaction]));
    }
    // An operation that fails is a failure of the command, where stock ends with 0.
    let bad = r#"["T",{"op":"insert","table":"Host","row":{"name":"true"}}]"#;
    let (_, stock, _) = sandbox.all("ovsdb-client", &["transact", &server, bad]);
    let (status, ours, _) = sandbox.all("heddle", &["db", "transact", &server, bad]);
    assert_eq!(status, Some(1));
    assert!(stock.contains("constraint violation") && ours.contains("constraint violation"));
    // A query changes nothing, at a server as in a file.
    let insert = r#"["T",{"op":"insert","table":"Port","row":{"n":9}}]"#;
    sandbox.db(&["query", &server, insert]);
    assert!(!sandbox.db(&["dump", &server, "Port", "n"]).contains('9'));
    sandbox.exit("stock");
    let error = sandbox.all("heddle", &["db", "query", "t.db", insert]);
    assert_eq!(error.0, Some(1));
    assert!(error.1.contains("use transact"), "{}", error.1);
}

#[test]
fn dumps_print_what_stock_prints() {
    let mut sandbox = with_rows();
    let stock = sandbox.serve(true, "stock", &["t.db"], &[]);
    sandbox.db(&["export", &stock, "copy.db"]);
    let ours = sandbox.serve(false, "ours", &["copy.db"], &[]);
    for format in [
        &["-f", "table"][..],
        &["-f", "list"],
        &["-f", "csv"],
        &["-f", "csv", "--data=json"],
        &["-f", "table", "--data=bare"],
        &["-f", "table", "--no-headings"],
    ] {
        for what in [&[][..], &["Host"], &["Host", "name", "n", "_uuid"]] {
            let client = [format, &["dump", &stock, "T"], what].concat();
            let expected = sandbox.run("ovsdb-client", &client);
            for target in [&stock, &ours, "t.db", "copy.db"] {
                let got = sandbox.db(&[&["dump"], format, &[target], what].concat());
                assert_eq!(sorted(&expected), sorted(&got), "{expected}\n{got}");
            }
        }
    }
    let all = sandbox.run("ovsdb-client", &["-f", "json", "dump", &stock, "T", "Host"]);
    assert_eq!(all, sandbox.db(&["dump", "-f", "json", &ours, "Host"]));
    for args in [["list-dbs", &ours], ["list-dbs", &stock]] {
        assert_eq!(sandbox.db(&args), "T\n_Server\n");
    }
    let columns = sandbox.run("ovsdb-client", &["list-columns", &stock, "T"]);
    let own = sandbox.db(&["schema", "--columns", &ours]);
    assert_eq!(sorted(&columns), sorted(&own));
}

#[test]
fn errors_name_object_reason_and_remedy() {
    let mut sandbox = with_rows();
    let server = sandbox.serve(false, "ours", &["t.db"], &[]);
    let cases: [(&[&str], &[&str]); 9] = [
        (&["dump", &server, "Nosuch"], &["no table named Nosuch"]),
        (
            &["dump", &server, "Port", "x"],
            &["table Port has no column x"],
        ),
        (
            &["dump", &server, "--db", "U"],
            &["no database named U", "there is: T"],
        ),
        (
            &["dump", "unix:/nosuch.sock"],
            &["unix:/nosuch.sock", "No such file", "running"],
        ),
        (&["dump", "nosuch.db"], &["nosuch.db", "No such file"]),
        (
            &["create", "t.db", "t.ovsschema"],
            &["t.db", "another process"],
        ),
        (&["compact", &server], &["ovsdb-server/compact"]),
        (
            &["transact", &server, "{}"],
            &["begins with the name of the database"],
        ),
        (
            &["restore", &server, "t.ovsschema"],
            &["t.ovsschema", "not an OVSDB database"],
        ),
    ];
    for (args, words) in cases {
        let error = sandbox.db_fails(1, args);
        assert_eq!(error.lines().count(), 1, "{error}");
        for word in words {
            assert!(error.contains(word), "{args:?}: {error}");
        }
    }
    let error = sandbox.db_fails(2, &["monitor", "ptcp:6640", "Host"]);
    assert!(error.contains("use unix:, tcp: or ssl:"), "{error}");
    let error = sandbox.db_fails(1, &["-t", "1", "wait", &server, "Nosuch", "added"]);
    assert!(error.contains("--timeout"), "{error}");
}

#[test]
fn copies_are_whole() {
    let mut sandbox = with_rows();
    let before = sandbox.db(&["dump", "t.db"]);
    let server = sandbox.serve(false, "ours", &["t.db"], &[]);
    sandbox.db(&["backup", &server, "--output", "backup.db"]);
    sandbox.run("ovsdb-tool", &["query", "backup.db", r#"["T"]"#]);
    assert_eq!(before, sandbox.db(&["dump", "backup.db"]));
    // Rows that came, went and changed since then.
    let change = r#"["T",{"op":"delete","table":"Host","where":[["n","==",7]]},
        {"op":"update","table":"Host","where":[],"row":{"n":0}},{"op":"insert","table":"Port","row":{}}]"#;
    sandbox.db(&["transact", &server, change]);
    sandbox.db(&["restore", &server, "backup.db"]);
    assert_eq!(before, sandbox.db(&["dump", &server]));
    // Rows are added by import; those that are there already are refused as a whole.
    let error = sandbox.db_fails(1, &["import", &server, "backup.db"]);
    assert!(
        error.contains("duplicate uuid") && error.contains("as it was"),
        "{error}"
    );
    sandbox.db(&["transact", &server, r#"["T",{"op":"delete","table":"Host","where":[]},{"op":"delete","table":"Port","where":[]}]"#]);
    sandbox.db(&["import", &server, "backup.db"]);
    assert_eq!(before, sandbox.db(&["dump", &server]));
    // The same for files.
    sandbox.exit("ours");
    sandbox.db(&["create", "new.db", "t.ovsschema"]);
    sandbox.db(&["import", "new.db", "backup.db"]);
    assert_eq!(before, sandbox.db(&["dump", "new.db"]));
    sandbox.db(&["transact", "new.db", change]);
    assert_ne!(before, sandbox.db(&["dump", "new.db"]));
    sandbox.db(&["restore", "new.db", "backup.db"]);
    assert_eq!(before, sandbox.db(&["dump", "new.db"]));
    assert_eq!(before, sandbox.db(&["dump", "t.db"]));
}

#[test]
fn schemas_change() {
    let mut sandbox = with_rows();
    let schema = db_common::SCHEMA;
    let newer = schema
        .replace("1.2.3", "1.3.0")
        .replace(r#""n":{"type":"integer"}}"#, r#""m":{"type":"string"}}"#);
    std::fs::write(sandbox.file("newer.ovsschema"), newer).unwrap();
    std::fs::copy(sandbox.file("t.db"), sandbox.file("stock.db")).unwrap();
    sandbox.run("ovsdb-tool", &["convert", "stock.db", "newer.ovsschema"]);
    let (code, _, note) = sandbox.all(
        "heddle",
        &["db", "convert", "t.db", "newer.ovsschema", "-o", "new.db"],
    );
    assert_eq!(code, Some(0));
    assert!(note.contains("column n of table Port"), "{note}");
    assert_eq!(sandbox.db(&["schema", "--version", "t.db"]), "1.2.3\n");
    sandbox.db(&["convert", "t.db", "newer.ovsschema"]);
    for file in ["t.db", "new.db"] {
        assert_eq!(
            sandbox.db(&["dump", "stock.db"]),
            sandbox.db(&["dump", file])
        );
        assert_eq!(sandbox.run("ovsdb-tool", &["db-version", file]), "1.3.0\n");
    }
    // What does not fit is named, and nothing has changed.
    let narrow = schema.replace(
        r#""n":{"type":"integer"},"#,
        r#""n":{"type":{"key":{"type":"integer","maxInteger":2}}},"#,
    );
    std::fs::write(sandbox.file("narrow.ovsschema"), narrow).unwrap();
    let before = std::fs::read(sandbox.file("t.db")).unwrap();
    let error = sandbox.db_fails(1, &["convert", "t.db", "narrow.ovsschema"]);
    assert!(
        error.contains("table Host, row") && error.contains("column n"),
        "{error}"
    );
    assert_eq!(before, std::fs::read(sandbox.file("t.db")).unwrap());
    // A stock server converts when it is asked by ours.
    sandbox.db(&["create", "old.db", "t.ovsschema"]);
    let server = sandbox.serve(true, "stock", &["old.db"], &[]);
    sandbox.db(&["convert", &server, "newer.ovsschema"]);
    assert_eq!(sandbox.db(&["schema", "--version", &server]), "1.3.0\n");
}

#[test]
fn a_damaged_file_is_told_of() {
    let sandbox = with_rows();
    let good = sandbox.db(&["check", "t.db"]);
    assert!(good.contains("2 tables, 4 rows, no fault"), "{good}");
    let bytes = std::fs::read(sandbox.file("t.db")).unwrap();
    std::fs::write(sandbox.file("torn.db"), &bytes[..bytes.len() - 5]).unwrap();
    let error = sandbox.db_fails(3, &["check", "torn.db"]);
    assert!(
        error.contains("torn.db") && error.contains("cut off"),
        "{error}"
    );
    assert_eq!(
        std::fs::read(sandbox.file("torn.db")).unwrap().len(),
        bytes.len() - 5
    );
    let log = sandbox.db(&["show-log", "torn.db"]);
    assert!(log.contains("record 2: at byte"), "{log}");
    let text = String::from_utf8(bytes).unwrap();
    std::fs::write(sandbox.file("bad.db"), text.replacen("first", "worst", 1)).unwrap();
    let error = sandbox.db_fails(1, &["check", "bad.db"]);
    assert!(error.contains("checksum"), "{error}");
    std::fs::write(sandbox.file("foreign.db"), "OVSDB CLUSTER 1 x\n").unwrap();
    let error = sandbox.db_fails(1, &["check", "foreign.db"]);
    assert!(
        error.contains("not supported: a clustered database"),
        "{error}"
    );
}

#[test]
fn changes_are_printed_as_they_come() {
    let mut sandbox = with_rows();
    let server = sandbox.serve(false, "ours", &["t.db"], &[]);
    let initial = sandbox.db(&["monitor", &server, "Host", "name", "n", "--changes=0"]);
    let stock = sandbox.all(
        "ovsdb-client",
        &["-t", "1", "monitor", &server, "T", "Host", "name,n"],
    );
    assert_eq!(sorted(initial.trim()), sorted(stock.1.trim()));
    let mut monitor = Command::new(env!("CARGO_BIN_EXE_heddle"))
        .args([
            "db",
            "-t",
            "20",
            "monitor",
            "-f",
            "csv",
            &server,
            "Host",
            "name",
            "n",
            "--changes=2",
        ])
        .args(["--where", r#"["name","==","a b"]"#])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(monitor.stdout.take().unwrap()).lines();
    let mut next = || loop {
        let line = lines.next().unwrap().unwrap();
        if line.contains("a b") || line.contains("modify") || line.contains("delete") {
            return line;
        }
    };
    assert!(next().contains(r#"initial,"""a b""",1"#));
    for change in [
        r#"{"op":"update","table":"Host","where":[["name","==","a b"]],"row":{"n":5}}"#,
        r#"{"op":"delete","table":"Host","where":[["name","==","a b"]]}"#,
    ] {
        sandbox.db(&["transact", &server, &format!(r#"["T",{change}]"#)]);
    }
    assert!(next().contains("modify,,5"));
    assert!(next().contains("delete"));
    assert!(monitor.wait().unwrap().success());
}

#[test]
fn locks_and_states() {
    let mut sandbox = with_rows();
    let server = sandbox.serve(false, "ours", &["t.db"], &[]);
    sandbox.db(&["-t", "10", "wait", &server, "T", "connected"]);
    sandbox.db(&["-t", "10", "wait", &server, "Nosuch", "removed"]);
    let start = |args: &[&str]| {
        let mut holder = Command::new(env!("CARGO_BIN_EXE_heddle"))
            .args([&["db", "-t", "20", "lock", &server, "l"], args].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(holder.stdout.take().unwrap()).lines();
        (holder, lines)
    };
    let (mut first, mut first_says) = start(&[]);
    assert_eq!(first_says.next().unwrap().unwrap(), "locked");
    let (mut second, mut second_says) = start(&["--once"]);
    assert_eq!(second_says.next().unwrap().unwrap(), "waiting");
    let (mut thief, mut thief_says) = start(&["--steal"]);
    assert_eq!(thief_says.next().unwrap().unwrap(), "locked");
    assert_eq!(first_says.next().unwrap().unwrap(), "stolen");
    assert_eq!(first.wait().unwrap().code(), Some(1));
    thief.kill().unwrap();
    thief.wait().unwrap();
    assert_eq!(second_says.next().unwrap().unwrap(), "locked");
    assert!(second.wait().unwrap().success());
}

//! TLS and roles beside stock programs, with certificates of the real `ovs-pki`.

#![allow(clippy::unwrap_used)] // These are tests, though not marked so.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::{Sandbox, role_body as body};

#[test]
fn role_body() {
    body();
}

/// An authority in the sandbox's folder `pki`, or in another.
struct Pki<'a> {
    sandbox: &'a Sandbox,
    name: &'static str,
}

impl<'a> Pki<'a> {
    fn new(sandbox: &'a Sandbox, name: &'static str) -> Self {
        let pki = Self { sandbox, name };
        pki.run(&["init"]);
        pki
    }

    fn run(&self, args: &[&str]) {
        let done = Command::new("ovs-pki")
            .arg(format!("--dir={}", self.sandbox.file(self.name).display()))
            .arg(format!("--log={}", self.sandbox.file("pki.log").display()))
            .args(["-u", "-f"])
            .args(args)
            .current_dir(self.sandbox.path())
            .stdout(Stdio::null())
            .status();
        assert!(done.unwrap().success(), "ovs-pki {args:?}");
    }

    /// A key and a certificate of that name.
    fn issue(&self, name: &str) {
        self.run(&["-b", "req+sign", name, "switch"]);
    }

    fn ca(&self) -> PathBuf {
        let dir = self.sandbox.file(self.name);
        dir.join("switchca/cacert.pem")
    }

    /// The flags of somebody with the certificate of that name.
    fn flags(&self, name: &str) -> Vec<String> {
        let file = |kind| self.sandbox.file(&format!("{name}-{kind}.pem"));
        vec![
            format!("--private-key={}", file("privkey").display()),
            format!("--certificate={}", file("cert").display()),
            format!("--ca-cert={}", self.ca().display()),
        ]
    }
}

/// Runs a stock program with more flags than words.
fn try_stock(sandbox: &Sandbox, program: &str, flags: &[String], words: &[&str]) -> (bool, String) {
    let mut args: Vec<&str> = flags.iter().map(String::as_str).collect();
    args.extend(words);
    sandbox.try_run(program, &args)
}

/// The port of the last remote that listens, as the log has it.
fn port(sandbox: &Sandbox, program: &str) -> String {
    let find = |log: &str| {
        let (_, rest) = log.rsplit_once("listening on port ")?;
        Some(rest.lines().next()?.trim().to_owned())
    };
    sandbox.wait("a port", |it| find(&it.log(program)).is_some());
    find(&sandbox.log(program)).unwrap()
}

#[test]
fn stock_clients_are_let_in_by_their_certificate_only() {
    let mut sandbox = Sandbox::new();
    let (server, client) = {
        let pki = Pki::new(&sandbox, "pki");
        pki.issue("server");
        pki.issue("client");
        (pki.flags("server").join(" "), pki.flags("client"))
    };
    let stranger = {
        let other = Pki::new(&sandbox, "other");
        other.issue("stranger");
        let mut flags = other.flags("stranger");
        // It trusts the server, but the server does not know it.
        flags[2].clone_from(&client[2]);
        flags
    };
    sandbox.serve(&format!(
        "--no-northd --remote=pssl:0:127.0.0.1 --remote=punix:{} {server}",
        sandbox.file("ovnnb_db.sock").display()
    ));
    let port = port(&sandbox, "heddle-server");
    let db = format!("--db=ssl:127.0.0.1:{port}");
    let nbctl = |flags: &[String], words: &[&str]| {
        let words: Vec<&str> = ["--timeout=20", &db]
            .into_iter()
            .chain(words.iter().copied())
            .collect();
        try_stock(&sandbox, "ovn-nbctl", flags, &words)
    };
    let (ok, text) = nbctl(&client, &["ls-add", "sw"]);
    assert!(ok, "{text}");
    // More than a socket holds at once, in both directions.
    let long = "x".repeat(60_000);
    for at in 0..20 {
        let set = format!("external_ids:k{at}={long}");
        let (ok, text) = nbctl(&client, &["set", "Logical_Switch", "sw", &set]);
        assert!(ok, "{text}");
    }
    let (ok, text) = nbctl(&client, &["get", "Logical_Switch", "sw", "external_ids"]);
    assert!(ok && text.len() > 1_200_000, "{} bytes", text.len());
    let mut old = client.clone();
    old.push("--ssl-protocols=TLSv1.2".to_owned());
    let remote = format!("ssl:127.0.0.1:{port}");
    let (ok, text) = try_stock(&sandbox, "ovsdb-client", &old, &["list-dbs", &remote]);
    assert!(ok && text.contains("OVN_Northbound"), "{text}");

    let short = ["--timeout=2", "ls-list"];
    assert!(!nbctl(&stranger, &short).0);
    sandbox.wait("a line about the stranger", |it| {
        it.log("heddle-server")
            .contains("not issued by an authority")
    });
    // Somebody who speaks no TLS is cut off, and one who says nothing is in nobody's way.
    let silent = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    let mut plain = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    plain
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    plain
        .write_all(b"{\"id\":1,\"method\":\"list_dbs\",\"params\":[]}")
        .unwrap();
    let mut rest = Vec::new();
    let _ = plain.read_to_end(&mut rest);
    assert!(!rest.windows(6).any(|it| it == b"result"));
    assert!(nbctl(&client, &["ls-list"]).0);
    drop(silent);
}

#[test]
fn certificates_are_renewed_in_service() {
    let mut sandbox = Sandbox::new();
    let (server, client, ca) = {
        let pki = Pki::new(&sandbox, "pki");
        pki.issue("server");
        pki.issue("client");
        (pki.flags("server").join(" "), pki.flags("client"), pki.ca())
    };
    sandbox.serve(&format!(
        "--no-northd --remote=pssl:0:127.0.0.1 --remote=punix:{} {server}",
        sandbox.file("ovnnb_db.sock").display()
    ));
    let port = port(&sandbox, "heddle-server");
    let db = format!("--db=ssl:127.0.0.1:{port}");
    let works = |sandbox: &Sandbox, flags: &[String]| {
        try_stock(
            sandbox,
            "ovn-nbctl",
            flags,
            &["--timeout=5", &db, "ls-list"],
        )
        .0
    };
    assert!(works(&sandbox, &client));
    // A broken file changes nothing.
    let certificate = sandbox.file("server-cert.pem");
    let good = std::fs::read(&certificate).unwrap();
    std::fs::write(&certificate, "broken").unwrap();
    assert!(works(&sandbox, &client));
    assert!(
        sandbox
            .log("heddle-server")
            .contains("what was read before stays in use")
    );
    std::fs::write(&certificate, good).unwrap();
    // Another authority on both sides; it takes the place of the files.
    let renewed = {
        let other = Pki::new(&sandbox, "other");
        other.issue("server");
        other.issue("renewed");
        std::fs::copy(other.ca(), &ca).unwrap();
        let mut flags = other.flags("renewed");
        flags[2] = format!("--ca-cert={}", ca.display());
        flags
    };
    assert!(works(&sandbox, &renewed));
    assert!(!works(&sandbox, &client));
}

#[test]
fn a_database_names_the_files_and_a_server_is_trusted_on_first_use() {
    let mut sandbox = Sandbox::new();
    let client = {
        let pki = Pki::new(&sandbox, "pki");
        pki.issue("server");
        pki.issue("client");
        pki.flags("client")
    };
    let ca = sandbox.file("pki/switchca/cacert.pem");
    sandbox.serve(&format!(
        "--no-northd --remote=punix:{} --remote=db:OVN_Northbound,NB_Global,connections \
         --private-key=db:OVN_Northbound,SSL,private_key --certificate=db:OVN_Northbound,SSL,certificate \
         --ca-cert=db:OVN_Northbound,SSL,ca_cert --peer-ca-cert={}",
        sandbox.file("ovnnb_db.sock").display(), ca.display()
    ));
    sandbox.line("ovn-nbctl set-connection pssl:0:127.0.0.1");
    sandbox.line(&format!(
        "ovn-nbctl set-ssl {} {} {}",
        sandbox.file("server-privkey.pem").display(),
        sandbox.file("server-cert.pem").display(),
        ca.display()
    ));
    let port = port(&sandbox, "heddle-server");
    let db = format!("--db=ssl:127.0.0.1:{port}");
    let learnt = sandbox.file("learnt.pem");
    let mut flags = client.clone();
    flags[2] = format!("--bootstrap-ca-cert={}", learnt.display());
    // The stock program ends the first connection, on which it learns, as a failure.
    sandbox.wait("trust", |it| {
        try_stock(it, "ovn-nbctl", &flags, &["--timeout=20", &db, "ls-list"]).0
    });
    assert!(learnt.exists());
}

/// Starts a stock server with the Southbound, and returns its port.
fn stock_southbound(sandbox: &mut Sandbox, flags: &[String]) {
    let file = sandbox.file("stock.db");
    let schema = "/usr/share/ovn/ovn-sb.ovsschema";
    sandbox.run("ovsdb-tool", &["create", file.to_str().unwrap(), schema]);
    let socket = format!("--remote=punix:{}", sandbox.file("stock.sock").display());
    let log = format!("--log-file={}", sandbox.file("stock.log").display());
    let control = format!("--unixctl={}", sandbox.file("stock.ctl").display());
    let mut args: Vec<&str> = vec![&socket, &log, &control, "-vconsole:off"];
    args.extend(flags.iter().map(String::as_str));
    args.extend([
        "--remote=db:OVN_Southbound,SB_Global,connections",
        file.to_str().unwrap(),
    ]);
    sandbox.start_stock("ovsdb-server", &args);
    sandbox.wait("the stock server", |it| it.file("stock.sock").exists());
}

#[test]
fn roles_decide_as_stock_does() {
    let mut sandbox = Sandbox::new();
    let (server, client) = {
        let pki = Pki::new(&sandbox, "pki");
        pki.issue("server");
        pki.issue("hv1");
        (pki.flags("server"), pki.flags("hv1"))
    };
    stock_southbound(&mut sandbox, &server);
    sandbox.serve(&format!(
        "--no-northd --remote=punix:{} --remote=punix:{} --remote=db:OVN_Southbound,SB_Global,connections {}",
        sandbox.file("ovnnb_db.sock").display(),
        sandbox.file("ovnsb_db.sock").display(),
        server.join(" ")
    ));
    let both = [
        sandbox.sb(),
        format!("unix:{}", sandbox.file("stock.sock").display()),
    ];
    // The rows that the compiler makes, and a way in for each server.
    for at in &both {
        let db = format!("--db={at}");
        let mut words = vec!["--no-leader-only", &db];
        words.extend("init -- set-connection role=ovn-controller pssl:0:127.0.0.1".split(' '));
        words.extend("-- --id=@c create RBAC_Permission table=Chassis authorization=name insert_delete=true update=nb_cfg,external_ids".split(' '));
        words.extend("-- --id=@e create RBAC_Permission table=Encap authorization=chassis_name insert_delete=true update=ip".split(' '));
        words.extend("-- --id=@m create RBAC_Permission table=MAC_Binding authorization=\"\" insert_delete=false update=mac".split(' '));
        words.extend("-- create RBAC_Role name=ovn-controller permissions:Chassis=@c permissions:Encap=@e permissions:MAC_Binding=@m".split(' '));
        sandbox.run("ovn-sbctl", &words);
    }
    let ours = port(&sandbox, "heddle-server");
    let stock = port(&sandbox, "stock");
    let chassis = |name: &str| {
        format!(
            r#"{{"op":"insert","table":"Encap","uuid-name":"e","row":{{"type":"geneve","ip":"1.1.1.1","chassis_name":"{name}"}}}},
               {{"op":"insert","table":"Chassis","row":{{"name":"{name}","encaps":["named-uuid","e"]}}}}"#
        )
    };
    let of = |table: &str, rest: &str| format!(r#"{{"op":"{rest},"table":"{table}"}}"#);
    let transactions = [
        chassis("hv2"),
        chassis("hv1"),
        of(
            "Chassis",
            r#"update","where":[["name","==","hv1"]],"row":{"nb_cfg":3}"#,
        ),
        of("Chassis", r#"update","where":[],"row":{"hostname":"x"}"#),
        of(
            "Chassis",
            r#"update","where":[["name","==","hv9"]],"row":{"hostname":"x"}"#,
        ),
        of(
            "Chassis",
            r#"mutate","where":[],"mutations":[["nb_cfg","+=",1]]"#,
        ),
        of(
            "Chassis",
            r#"mutate","where":[],"mutations":[["vtep_logical_switches","insert","z"]]"#,
        ),
        of(
            "Chassis",
            r#"mutate","where":[],"mutations":[["transport_zones","insert","z"]]"#,
        ),
        of("Encap", r#"update","where":[],"row":{"ip":"2.2.2.2"}"#),
        of(
            "Encap",
            r#"update","where":[],"row":{"chassis_name":"hv2"}"#,
        ),
        of("MAC_Binding", r#"delete","where":[]"#),
        of("Port_Binding", r#"delete","where":[]"#),
        of("SB_Global", r#"update","where":[],"row":{"nb_cfg":9}"#),
        of("RBAC_Role", r#"delete","where":[]"#),
        of(
            "Chassis",
            r#"select","where":[],"columns":["name","nb_cfg"]"#,
        ),
        of("Chassis", r#"delete","where":[["name","==","hv1"]]"#),
        of(
            "Chassis",
            r#"select","where":[],"columns":["name","nb_cfg"]"#,
        ),
    ];
    let mut refused = 0;
    for transaction in &transactions {
        let text = format!(r#"["OVN_Southbound",{transaction}]"#);
        let ask = |port: &str| {
            let remote = format!("ssl:127.0.0.1:{port}");
            let (ok, text) = try_stock(
                &sandbox,
                "ovsdb-client",
                &client,
                &["transact", &remote, &text],
            );
            assert!(ok, "{text}");
            without_uuids(&text)
        };
        let (stock, ours) = (ask(&stock), ask(&ours));
        assert_eq!(ours, stock, "{transaction}");
        refused += usize::from(ours.contains("permission error"));
    }
    assert!(refused >= 7, "{refused}");
}

/// The same text with UUIDs that stand for nothing replaced.
fn without_uuids(text: &str) -> String {
    let words = text.split('"').map(|word| {
        let is_uuid = word.len() == 36 && word.matches('-').count() == 4;
        if is_uuid { "UUID" } else { word }
    });
    words.collect::<Vec<_>>().join("\"")
}

#[test]
fn a_read_only_connection_reads() {
    let mut sandbox = Sandbox::new();
    sandbox.serve(&format!(
        "--no-northd --remote=punix:{} --remote=punix:{} --remote=db:OVN_Southbound,SB_Global,connections",
        sandbox.file("ovnnb_db.sock").display(),
        sandbox.file("ovnsb_db.sock").display()
    ));
    sandbox.line(
        "ovn-sbctl chassis-add hv1 geneve 1.1.1.1 -- set-connection read-only ptcp:0:127.0.0.1",
    );
    let port = port(&sandbox, "heddle-server");
    let remote = format!("tcp:127.0.0.1:{port}");
    let transact = |operation: &str| {
        let text = format!(r#"["OVN_Southbound",{operation}]"#);
        sandbox.run("ovsdb-client", &["transact", &remote, &text])
    };
    let rows = transact(r#"{"op":"select","table":"Chassis","where":[],"columns":["name"]}"#);
    assert!(rows.contains(r#""hv1""#), "{rows}");
    let refused = transact(r#"{"op":"delete","table":"Chassis","where":[]}"#);
    let text = "delete operation not allowed when database server is in read only mode";
    assert!(refused.contains(text), "{refused}");
}

#[test]
fn the_compiler_reaches_stock_databases_over_tls() {
    let mut sandbox = Sandbox::new();
    let flags = {
        let pki = Pki::new(&sandbox, "pki");
        pki.issue("server");
        pki.flags("server")
    };
    let mut databases = Vec::new();
    for name in ["nb", "sb"] {
        let file = sandbox.file(&format!("{name}.db"));
        let schema = format!("/usr/share/ovn/ovn-{name}.ovsschema");
        sandbox.run("ovsdb-tool", &["create", file.to_str().unwrap(), &schema]);
        databases.push(file.display().to_string());
    }
    let log = format!("--log-file={}", sandbox.file("stock.log").display());
    let socket = format!("--remote=punix:{}", sandbox.file("ovnnb_db.sock").display());
    let mut args: Vec<&str> = vec![
        &log,
        &socket,
        "--remote=pssl:0:127.0.0.1",
        "-vconsole:off",
        "--unixctl=none",
    ];
    args.extend(flags.iter().chain(&databases).map(String::as_str));
    sandbox.start_stock("ovsdb-server", &args);
    let port = port(&sandbox, "stock");
    sandbox.start(&format!(
        "northd -vconsole:off --log-file --ovnnb-db=ssl:127.0.0.1:{port} --ovnsb-db=ssl:127.0.0.1:{port} {}",
        flags.join(" ")
    ));
    sandbox.line("ovn-nbctl --timeout=30 --wait=sb ls-add sw");
}

/// What `openssl s_client` gets when it asks a server for its databases: all until the answer or the end.
fn databases_seen_by(sandbox: &Sandbox, port: &str, flags: &[&str]) -> String {
    let mut client = sandbox
        .command("openssl")
        .args(["s_client", "-quiet", "-connect"])
        .arg(format!("127.0.0.1:{port}"))
        .args(flags)
        .current_dir(sandbox.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let question = b"{\"id\":1,\"method\":\"list_dbs\",\"params\":[]}";
    // Whoever is refused may have gone already.
    let _ = client.stdin.as_mut().unwrap().write_all(question);
    let mut answer = client.stdout.take().unwrap();
    let (mut text, mut piece) = (Vec::new(), [0; 1024]);
    while !text.ends_with(b"}") {
        match answer.read(&mut piece).unwrap() {
            0 => break,
            read => text.extend_from_slice(&piece[..read]),
        }
    }
    client.kill().unwrap();
    client.wait().unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn no_certificate_is_refused_and_each_version_alone_is_spoken() {
    let mut sandbox = Sandbox::new();
    let server = {
        let pki = Pki::new(&sandbox, "pki");
        pki.issue("server");
        pki.issue("client");
        pki.flags("server").join(" ")
    };
    sandbox.serve(&format!(
        "--no-northd --remote=pssl:0:127.0.0.1 --remote=punix:{} {server}",
        sandbox.file("ovnnb_db.sock").display()
    ));
    let port = port(&sandbox, "heddle-server");
    let own = ["-key", "client-privkey.pem", "-cert", "client-cert.pem"];
    for version in ["-tls1_2", "-tls1_3"] {
        let seen = |flags: &[&str]| {
            let flags = [&[version], flags].concat();
            databases_seen_by(&sandbox, &port, &flags)
        };
        let (known, unknown) = (seen(&own), seen(&[]));
        assert!(known.contains("OVN_Northbound"), "{version}: {known}");
        assert_eq!(unknown, "", "{version}");
    }
}

/// A stock agent with the certificate of `hv1`, at a server that gives it the role of an agent.
#[test]
fn an_agent_may_be_its_own_chassis_only() {
    let mut sandbox = Sandbox::new();
    let (server, agent) = {
        let pki = Pki::new(&sandbox, "pki");
        pki.issue("server");
        pki.issue("hv1");
        (pki.flags("server").join(" "), pki.flags("hv1"))
    };
    sandbox.serve(&format!(
        "--remote=punix:{} --remote=punix:{} --remote=db:OVN_Southbound,SB_Global,connections {server}",
        sandbox.file("ovnnb_db.sock").display(),
        sandbox.file("ovnsb_db.sock").display()
    ));
    sandbox.line("ovn-nbctl --timeout=30 --wait=sb sync");
    sandbox.line(
        "ovn-sbctl set-connection role=ovn-controller pssl:0:127.0.0.1 -- chassis-add hv2 geneve 192.0.2.2",
    );
    let port = port(&sandbox, "heddle-server");
    let socket = sandbox.switch_database(&format!("ssl:127.0.0.1:{port}"));
    let log = format!("--log-file={}", sandbox.file("agent.log").display());
    let mut args = vec![&*socket, &*log, "-vconsole:off", "-vsyslog:off"];
    args.extend(agent.iter().map(String::as_str));
    sandbox.start_stock("ovn-controller", &args);
    let encap = |sandbox: &Sandbox, name: &str| {
        let find = format!("ovn-sbctl --bare --columns=ip find Encap chassis_name={name}");
        sandbox.line(&find)
    };
    sandbox.wait("the chassis", |it| encap(it, "hv1") == "192.0.2.1\n");
    assert!(!sandbox.log("agent").contains("permission error"));
    // It claims to be another one now.
    sandbox.line(&format!(
        "ovs-vsctl --db={socket} --no-wait set Open_vSwitch . external_ids:system-id=hv2"
    ));
    sandbox.wait("a refusal", |it| {
        it.log("agent").contains("permission error")
    });
    assert_eq!(encap(&sandbox, "hv2"), "192.0.2.2\n");
}

/// The common name in the certificate that the server shows to somebody with these flags.
fn shown(sandbox: &Sandbox, port: &str, flags: &[String]) -> String {
    let at = format!("127.0.0.1:{port}");
    let file = |flag: &str| flag.split_once('=').unwrap().1.to_owned();
    let [key, certificate, ca] = [0, 1, 2].map(|at| file(&flags[at]));
    let args = [
        "s_client",
        "-connect",
        &at,
        "-key",
        &key,
        "-cert",
        &certificate,
        "-CAfile",
        &ca,
    ];
    let (_, text) = sandbox.try_run("openssl", &args);
    let subject = text
        .lines()
        .find(|line| line.trim_start().starts_with("subject="));
    let subject = subject.unwrap_or_default();
    subject
        .rsplit_once("CN")
        .map_or("", |(_, name)| name.trim_start_matches([' ', '=']))
        .to_owned()
}

/// Certificates that a database names are those of its rows: after a change, after a conversion that puts the
/// columns elsewhere, and a change after that. When the database goes, its last word stays.
#[test]
fn certificates_of_a_database_follow_its_changes_and_its_conversion() {
    let mut sandbox = Sandbox::new();
    let client = {
        let pki = Pki::new(&sandbox, "pki");
        ["one", "two", "client"]
            .iter()
            .for_each(|name| pki.issue(name));
        pki.flags("client")
    };
    let ca = sandbox
        .file("pki/switchca/cacert.pem")
        .display()
        .to_string();
    let schema = "/usr/share/openvswitch/vswitch.ovsschema";
    let (file, control) = (sandbox.file("conf.db"), sandbox.file("ctl"));
    let socket = format!("unix:{}", sandbox.file("db.sock").display());
    sandbox.run(
        "ovsdb-tool",
        &["create", &file.display().to_string(), schema],
    );
    sandbox.start(&format!(
        "ovsdb-server -vconsole:off --log-file --unixctl={} --remote=p{socket} --remote=pssl:0:127.0.0.1 \
         --private-key=db:Open_vSwitch,SSL,private_key --certificate=db:Open_vSwitch,SSL,certificate \
         --ca-cert=db:Open_vSwitch,SSL,ca_cert {}",
        control.display(),
        file.display()
    ));
    let port = port(&sandbox, "ovsdb-server");
    let db = format!("--db={socket}");
    let set = |name: &str| {
        let file = |kind: &str| {
            sandbox
                .file(&format!("{name}-{kind}.pem"))
                .display()
                .to_string()
        };
        let (key, certificate) = (file("privkey"), file("cert"));
        sandbox.run(
            "ovs-vsctl",
            &[&db, "--no-wait", "set-ssl", &key, &certificate, &ca],
        );
    };
    let becomes = |name: &str| {
        sandbox.wait(&format!("the certificate {name}"), |it| {
            shown(it, &port, &client) == name
        });
    };
    sandbox.run("ovs-vsctl", &[&db, "--no-wait", "init"]);
    set("one");
    becomes("one");
    set("two");
    becomes("two");
    // Columns are found by their names, wherever they are now.
    let text = std::fs::read_to_string(schema).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["tables"]["SSL"]["columns"]["a_new_one"] = serde_json::json!({"type": "string"});
    json["tables"]["AAA"] = serde_json::json!({"columns": {"n": {"type": "integer"}}});
    json["version"] = "99.0.0".into();
    let wider = sandbox.file("wider.ovsschema");
    std::fs::write(&wider, json.to_string()).unwrap();
    sandbox.run(
        "ovsdb-client",
        &["convert", &socket, &wider.display().to_string()],
    );
    becomes("two");
    set("one");
    becomes("one");
    let remove = [
        "-t",
        &control.display().to_string(),
        "ovsdb-server/remove-db",
        "Open_vSwitch",
    ];
    sandbox.run("ovs-appctl", &remove);
    becomes("one");
    let log = sandbox.log("ovsdb-server");
    assert!(log.contains("what was said before stays in force"), "{log}");
}

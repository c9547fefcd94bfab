//! `heddle relay` as people run it, with clients of every kind.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod db_common;

use std::time::Duration;

use db_common::Sandbox;

const SOUTHBOUND: &str = "/usr/share/ovn/ovn-sb.ovsschema";

/// A stock server with a Southbound, whether it runs or not, and a relay of it.
struct Bed {
    sandbox: Sandbox,
    source: String,
    relay: String,
}

impl Bed {
    fn new(flags: &[&str]) -> Self {
        let mut sandbox = Sandbox::new();
        sandbox.db(&["create", "sb.db", SOUTHBOUND]);
        let source = format!("unix:{}", sandbox.text("source.sock"));
        let relay = format!("unix:{}", sandbox.text("relay.sock"));
        let what = format!("OVN_Southbound:{source}");
        let remote = format!("--remote=p{relay}");
        let control = format!("--unixctl={}", sandbox.control("relay"));
        let log = format!("--log-file={}", sandbox.text("relay.log"));
        let args = [&["relay", &what, &remote, &control, &log][..], flags].concat();
        let program = env!("CARGO_BIN_EXE_heddle");
        sandbox.start("relay", program, &args);
        let bed = Self {
            sandbox,
            source,
            relay,
        };
        bed.sandbox.wait("the relay", || {
            bed.sandbox.all("ovsdb-client", &["list-dbs", &bed.relay]).0 == Some(0)
        });
        bed
    }

    /// Starts the source; somebody waits for the relay to be connected, from before that.
    fn start_source(&mut self) {
        let wait = ["wait", &self.relay, "OVN_Southbound", "connected"];
        self.sandbox.start("waiter", "ovsdb-client", &wait);
        let address = self.sandbox.serve(true, "source", &["sb.db"], &[]);
        assert_eq!(address, self.source);
        let mut ended = None;
        testbed::until(Duration::from_secs(60), "the relay to be connected", || {
            ended = self.sandbox.child("waiter").try_wait()?;
            Ok(ended.map(drop))
        })
        .unwrap();
        assert!(ended.unwrap().success());
        self.sandbox.forget("waiter");
    }

    fn sbctl(&self, db: &str, args: &[&str]) -> String {
        let db = format!("--db={db}");
        let args = [&[db.as_str(), "--no-leader-only", "--timeout=20"], args].concat();
        self.sandbox.run("ovn-sbctl", &args)
    }
}

#[test]
fn clients_of_every_kind_use_a_relay() {
    let mut bed = Bed::new(&[]);
    // Before its source is there it says so, and serves on.
    let (code, _, said) = bed.sandbox.all(
        "ovsdb-client",
        &["get-schema", &bed.relay, "OVN_Southbound"],
    );
    assert!(
        code != Some(0) && said.contains("not yet available"),
        "{said}"
    );
    bed.start_source();
    bed.sbctl(&bed.relay, &["chassis-add", "hv1", "geneve", "10.0.0.1"]);
    let shown = bed.sbctl(&bed.source, &["show"]);
    assert!(shown.contains("Chassis hv1"), "{shown}");
    assert_eq!(bed.sbctl(&bed.relay, &["show"]), shown);
    let dump = |at: &str| {
        bed.sandbox
            .run("ovsdb-client", &["dump", at, "OVN_Southbound", "Chassis"])
    };
    assert_eq!(dump(&bed.relay), dump(&bed.source));
    let ours = bed.sandbox.db(&["dump", &bed.relay, "Encap", "ip", "type"]);
    assert!(ours.contains("10.0.0.1"), "{ours}");
    let python = format!(
        "import ovs.db.idl, ovs.poller, time\n\
         helper = ovs.db.idl.SchemaHelper('{SOUTHBOUND}')\n\
         helper.register_table('Chassis')\n\
         idl = ovs.db.idl.Idl('{}', helper, leader_only=False)\n\
         end = time.time() + 20\n\
         while not idl.has_ever_connected() and time.time() < end:\n\
         \x20   idl.run()\n\
         \x20   poller = ovs.poller.Poller(); idl.wait(poller); poller.timer_wait(1000); poller.block()\n\
         print([row.name for row in idl.tables['Chassis'].rows.values()])\n",
        bed.relay
    );
    let names = bed.sandbox.run("/usr/bin/python3", &["-c", &python]);
    assert_eq!(names.trim(), "['hv1']");
    bed.sbctl(&bed.relay, &["chassis-del", "hv1"]);
    assert!(!bed.sbctl(&bed.source, &["show"]).contains("hv1"));
    bed.sandbox.exit("relay");
}

/// Remotes that the relayed database names begin when it is there, follow it, and outlive its source; what the
/// relay tells of them is not written, since other relays would tell something else.
#[test]
fn remotes_of_a_relayed_database_begin_when_it_is_there() {
    let mut bed = Bed::new(&["--remote=db:OVN_Southbound,SB_Global,connections"]);
    bed.start_source();
    bed.sbctl(&bed.source, &["init"]);
    bed.sbctl(
        &bed.source,
        &["set-connection", "read-only", "ptcp:0:127.0.0.1"],
    );
    let ports = |log: &str| -> Vec<String> {
        let ports = log
            .lines()
            .filter_map(|line| line.split("listening on port ").nth(1));
        ports.map(str::to_owned).collect()
    };
    bed.sandbox
        .wait("the port", || !ports(&bed.sandbox.log("relay")).is_empty());
    let at = format!("tcp:127.0.0.1:{}", ports(&bed.sandbox.log("relay"))[0]);
    assert!(
        bed.sandbox
            .run("ovsdb-client", &["list-dbs", &at])
            .contains("OVN_Southbound")
    );
    // It may only read, as the row says.
    let insert = r#"["OVN_Southbound",{"op":"insert","table":"DNS","row":{}}]"#;
    let refused = bed.sandbox.run("ovsdb-client", &["transact", &at, insert]);
    assert!(refused.contains("not allowed"), "{refused}");
    bed.sandbox.kill("source");
    assert!(
        bed.sandbox
            .run("ovsdb-client", &["list-dbs", &at])
            .contains("OVN_Southbound")
    );
    std::fs::remove_file(bed.sandbox.file("source.sock")).unwrap();
    bed.start_source();
    let status = bed.sbctl(
        &bed.source,
        &[
            "--bare",
            "--columns=is_connected,status",
            "list",
            "connection",
        ],
    );
    assert_eq!(status.trim(), "false", "{status}");
    bed.sbctl(&bed.source, &["del-connection"]);
    bed.sandbox.wait("the end of the port", || {
        bed.sandbox.all("ovsdb-client", &["list-dbs", &at]).0 != Some(0)
    });
    let log = bed.sandbox.log("relay");
    assert!(!log.contains("its remotes end"), "{log}");
    bed.sandbox.exit("relay");
}

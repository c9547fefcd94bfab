//! The stock scripts `ovs-ctl` and `ovn-ctl`, unchanged, with our binary as the `ovsdb-server` on the path.

mod db_common;

use db_common::Sandbox;

const OVS_CTL: &str = "/usr/share/openvswitch/scripts/ovs-ctl";
const OVN_CTL: &str = "/usr/share/ovn/scripts/ovn-ctl";

/// Runs a script with everything that it makes in the folder.
fn script(sandbox: &Sandbox, line: &str) -> String {
    let folder = sandbox.file("");
    let folder = folder.display().to_string();
    let folder = folder.trim_end_matches('/');
    let variables = ["RUNDIR", "LOGDIR", "DBDIR", "SYSCONFDIR"];
    let variables = variables.map(|name| format!("OVS_{name}={folder} OVN_{name}={folder}"));
    let command = format!("{} PATH={folder}:$PATH {line}", variables.join(" "));
    sandbox.run("sh", &["-c", &command])
}

/// What is running, if a test ends too early, is ended by what its pidfile says.
struct Stopped<'a>(&'a Sandbox, &'static str);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(self.0.file(self.1)).unwrap_or_default();
        if !pid.trim().is_empty() {
            let _ = std::process::Command::new("kill").arg(pid.trim()).status();
        }
    }
}

#[test]
fn ovs_ctl() {
    let sandbox = Sandbox::new();
    let _stopped = Stopped(&sandbox, "ovsdb-server.pid");
    std::fs::create_dir(sandbox.file("openvswitch")).unwrap();
    let start =
        format!("{OVS_CTL} --no-ovs-vswitchd --no-record-hostname --system-id=random start");
    let said = script(&sandbox, &start);
    assert!(said.contains("Starting ovsdb-server"), "{said}");
    assert!(
        script(&sandbox, &format!("{OVS_CTL} status; true")).contains("ovsdb-server is running")
    );
    assert!(script(&sandbox, &format!("{OVS_CTL} version")).contains("(Heddle)"));
    let id = script(
        &sandbox,
        "ovs-vsctl --no-wait get open_vswitch . external_ids:system-id",
    );
    assert_eq!(id.trim().len(), 38, "{id}");
    // The scripts add this remote to the server that is running.
    let remotes = script(
        &sandbox,
        "ovs-appctl -t ovsdb-server ovsdb-server/list-remotes",
    );
    assert!(remotes.contains("punix:"), "{remotes}");
    script(
        &sandbox,
        &format!("{OVS_CTL} --no-ovs-vswitchd --no-record-hostname --system-id=random restart"),
    );
    script(&sandbox, "ovs-vsctl --no-wait show");
    let said = script(&sandbox, &format!("{OVS_CTL} --no-ovs-vswitchd stop"));
    assert!(said.contains("ovsdb-server"), "{said}");
    assert!(!sandbox.file("ovsdb-server.pid").exists() && !sandbox.file("db.sock").exists());
}

#[test]
fn ovn_ctl() {
    let sandbox = Sandbox::new();
    let _stopped = Stopped(&sandbox, "ovnnb_db.pid");
    script(&sandbox, &format!("{OVN_CTL} start_nb_ovsdb"));
    let nb = format!("unix:{}", sandbox.text("ovnnb_db.sock"));
    let nbctl = |args: &[&str]| sandbox.run("ovn-nbctl", &[&["--db", &nb], args].concat());
    nbctl(&["ls-add", "sw0"]);
    nbctl(&["set-connection", "ptcp:0:127.0.0.1"]);
    let log = || std::fs::read_to_string(sandbox.file("ovsdb-server-nb.log")).unwrap_or_default();
    sandbox.wait("the port", || log().contains("listening on port"));
    let text = log();
    let port = text
        .lines()
        .find_map(|line| line.split("listening on port ").nth(1))
        .unwrap();
    let tcp = format!("tcp:127.0.0.1:{port}");
    assert!(
        sandbox
            .run("ovn-nbctl", &["--db", &tcp, "show"])
            .contains("(sw0)")
    );
    assert!(
        script(&sandbox, &format!("{OVN_CTL} status_ovsdb; true"))
            .contains("Northbound DB is running")
    );
    script(&sandbox, &format!("{OVN_CTL} stop_nb_ovsdb"));
    assert!(!sandbox.file("ovnnb_db.pid").exists() && !sandbox.file("ovnnb_db.sock").exists());
    // What is there is there when it starts again.
    script(&sandbox, &format!("{OVN_CTL} restart_nb_ovsdb"));
    assert!(nbctl(&["show"]).contains("(sw0)"));
    script(&sandbox, &format!("{OVN_CTL} stop_nb_ovsdb"));
    let text = log();
    assert!(
        !text.contains("|WARN|") && !text.contains("|ERR|"),
        "{text}"
    );
}

//! `heddle server` over an etcd that wants a name and a password.

#[path = "etcd_common/mod.rs"]
mod common;

use anyhow::{Result, ensure};
use common::{Client, Server};
use serde_json::json;
use testbed::{Etcd, Scratch};

const PASSWORD: &str = "open-sesame-7319";

#[test]
fn the_password_comes_from_a_file_and_is_shown_nowhere() -> Result<()> {
    let (mut etcd, scratch) = (Etcd::start(1)?, Scratch::new()?);
    for line in [
        &["user", "add", "root:toor"][..],
        &["role", "add", "keeper"],
        &[
            "role",
            "grant-permission",
            "keeper",
            "readwrite",
            "--prefix=true",
            "heddle/",
        ],
        &["user", "add", &format!("keeper:{PASSWORD}")],
        &["user", "grant-role", "keeper", "keeper"],
        &["auth", "enable"],
    ] {
        etcd.ctl(line)?;
    }
    etcd.log_in("root:toor");
    let file = scratch.write("password", &format!("{PASSWORD}\n"))?;
    let flags = [
        "--etcd-user=keeper".to_owned(),
        format!("--etcd-password-file={}", file.display()),
        "-vdbg".to_owned(),
    ];
    let refused = Server::start(&scratch, "nobody", &etcd.endpoints()).err();
    let refused = refused
        .map(|error| format!("{error:#}"))
        .unwrap_or_default();
    ensure!(
        refused.contains("user name is empty") || refused.contains("refuses"),
        "{refused}"
    );

    let server = Server::start_with(&scratch, "keeper", &etcd.endpoints(), &flags)?;
    let mut client = Client::connect(&server.socket())?;
    let insert = json!({"op": "insert", "table": "DHCP_Options", "row": {"cidr": "10.0.0.0/8"}});
    client.transact("OVN_Northbound", &insert)?;
    let keys = etcd.ctl(&[
        "get",
        "heddle/db/OVN_Northbound/",
        "--prefix",
        "--keys-only",
    ])?;
    ensure!(keys.contains("/log/"), "{keys}");
    // Neither the list of processes nor the log has it.
    let line = std::fs::read(format!("/proc/{}/cmdline", server.id()?))?;
    let environment = std::fs::read(format!("/proc/{}/environ", server.id()?))?;
    let log = std::fs::read(server.log())?;
    ensure!(!log.is_empty());
    for text in [line, environment, log] {
        let text = String::from_utf8_lossy(&text).into_owned();
        ensure!(!text.contains(PASSWORD), "{text}");
    }
    let log = std::fs::read_to_string(server.log())?;
    ensure!(log.contains("without encryption"), "{log}");
    Ok(())
}

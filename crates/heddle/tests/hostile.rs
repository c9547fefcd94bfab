//! What a bad peer sends costs it its connection, and nobody else anything.

mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use support::heddle;
use testbed::{Central, Centre, Database, Scratch};

/// Sends bytes to a fresh connection, and gives whether the server closed it.
fn is_refused(remote: &str, bytes: &[u8]) -> Result<bool> {
    let path = remote.strip_prefix("unix:").context("a unix socket")?;
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    // The server may close before it has read all.
    let _ = stream.write_all(bytes);
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(true),
        Err(_) => Ok(false),
    }
}

#[test]
fn garbage_ends_one_connection_and_is_logged() -> Result<()> {
    let scratch = Scratch::new()?;
    let mut centre = Centre::start(Central::Heddle, heddle(), &scratch)?;
    let remote = centre.northbound();
    let mut bystander = Database::open(&remote, "OVN_Northbound")?;

    let deep = "[".repeat(1_000_000);
    let garbage: [&[u8]; 6] = [
        b"\x00\xff\xfe garbage",
        b"{\"method\": 7}",
        b"{\"id\": 1, \"method\": \"transact\"",
        b"]",
        deep.as_bytes(),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ];
    for (number, bytes) in garbage.iter().enumerate() {
        // The third is cut off, not wrong: its peer is waited for.
        if number != 2 {
            ensure!(
                is_refused(&remote, bytes)?,
                "garbage {number} was not refused"
            );
        }
        bystander
            .sync("sb_cfg", Duration::from_secs(10))
            .context("the bystander")?;
    }
    centre.expect_alive()?;
    let log = std::fs::read_to_string(scratch.path().join("server.log"))?;
    ensure!(
        log.lines().any(|line| line.contains("|WARN|")),
        "nothing in the log: {log}"
    );
    Ok(())
}

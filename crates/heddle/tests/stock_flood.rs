//! A client that asks without reading costs nobody anything: it is not read from until it reads.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use support::heddle;
use testbed::{Central, Centre, Database, Scratch};

/// A short question with a long answer.
const ASK: &[u8] = br#"{"id":7,"method":"get_schema","params":["OVN_Southbound"]}"#;
/// How long a client floods.
const FLOOD: Duration = Duration::from_secs(2);
/// How much the server may hold; a flood that is taken in whole costs gigabytes.
const MEMORY: u64 = 400 << 20;

fn connect(remote: &str) -> Result<UnixStream> {
    let path = remote.strip_prefix("unix:").context("a unix socket")?;
    Ok(UnixStream::connect(path)?)
}

/// Sends as much as is taken within [`FLOOD`]; gives how many bytes that were.
fn flood(stream: &mut UnixStream) -> Result<usize> {
    let (many, end) = (ASK.repeat(1000), Instant::now() + FLOOD);
    stream.set_write_timeout(Some(Duration::from_millis(100)))?;
    let mut sent = 0;
    while Instant::now() < end {
        // Goes on in the middle of a question where the last write ended.
        match stream.write(&many[sent % many.len()..]) {
            Ok(written) => sent += written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(sent)
}

/// Reads until that many answers have come.
fn answers(stream: &mut UnixStream, wanted: usize) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let (mut found, mut buffer, mut matched) = (0, vec![0; 1 << 20], 0);
    let mark = br#""id":7"#;
    while found < wanted {
        let count = stream.read(&mut buffer)?;
        ensure!(count > 0, "closed after {found} of {wanted} answers");
        for byte in &buffer[..count] {
            matched = if *byte == mark[matched] {
                matched + 1
            } else {
                usize::from(*byte == mark[0])
            };
            if matched == mark.len() {
                (found, matched) = (found + 1, 0);
            }
        }
    }
    Ok(())
}

#[test]
fn who_does_not_read_is_not_read_from() -> Result<()> {
    let scratch = Scratch::new()?;
    let mut centre = Centre::start(Central::Heddle, heddle(), &scratch)?;
    let remote = centre.northbound();
    let mut bystander = Database::open(&remote, "OVN_Northbound")?;
    let mut rude = connect(&remote)?;
    let sent = flood(&mut rude)?;
    bystander
        .sync("sb_cfg", Duration::from_secs(5))
        .context("the bystander")?;
    // It is heard again as soon as it reads, and nothing that it asked is lost.
    answers(&mut rude, (sent / ASK.len()).min(1000))?;
    let mut ruder = connect(&remote)?;
    flood(&mut ruder)?;
    drop(ruder);
    bystander
        .sync("sb_cfg", Duration::from_secs(5))
        .context("the bystander, after a flood")?;
    centre.expect_alive()?;
    let peak = centre.peak_memory()?;
    ensure!(peak < MEMORY, "the server held {} MiB", peak >> 20);
    Ok(())
}

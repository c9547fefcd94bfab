//! `snoop`: what a bridge and its controllers say to each other.
//!
//! A bridge shows this at a socket of its own, `BRIDGE.snoop`. Nothing is asked there, and nothing answered: after
//! the greeting there is only listening.

use std::process::ExitCode;

use anyhow::{Context, bail};
use openflow::Message;
use openflow::message::{HEADER, Hello};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport::stream::Reader;

use super::look::print_lines;
use super::switch::SwitchArgs;
use super::texts::describe;
use super::watch::MonitorArgs;

pub(super) async fn run(args: &SwitchArgs, how: &MonitorArgs) -> anyhow::Result<ExitCode> {
    let mut connection = args.connect_to_snoop().await?;
    let versions = args.versions();
    let newest = versions.iter().next_back().unwrap_or_default();
    let greeting = Message::Hello(Hello::new(versions)).encode_as(newest, 0)?;
    connection.writer.write_all(&greeting).await?;
    connection.writer.flush().await?;
    let mut left = how.count.unwrap_or(u64::MAX);
    while left > 0 {
        let bytes = next(&mut connection.reader).await;
        let bytes = bytes.with_context(|| args.name().to_owned())?;
        let (text, json) = match Message::decode(&bytes) {
            // The greeting is said to us.
            Ok((_, Message::Hello(_))) => continue,
            Ok((xid, message)) => (
                describe(xid, &message),
                json!({"message": message.name(), "xid": xid, "text": describe(xid, &message)}),
            ),
            Err(error) => (
                format!("a message that makes no sense: {error}"),
                json!({"error": error.to_string()}),
            ),
        };
        left -= 1;
        print_lines([if how.look.json {
            json.to_string()
        } else {
            text
        }])?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The bytes of the next message.
async fn next(reader: &mut Reader) -> anyhow::Result<Vec<u8>> {
    let mut bytes = vec![0; HEADER];
    let header = reader.read_exact(&mut bytes).await;
    header.context("the connection ended")?;
    let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
    if length < HEADER {
        bail!("a message cannot be {length} bytes long");
    }
    bytes.resize(length, 0);
    let body = reader.read_exact(&mut bytes[HEADER..]).await;
    body.context("the connection ended within a message")?;
    Ok(bytes)
}

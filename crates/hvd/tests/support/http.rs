//! REST, without a library that would know better.

#![allow(dead_code, clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// How long an answer may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The answer to a request over HTTP/1.1 at a unix socket: status and body.
pub(crate) async fn http(socket: &Path, head: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let head = format!(
        "{head}\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // One that refuses a body need not read it.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    let split = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8_lossy(&answer[..split]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer[split + 4..].to_vec())
}

/// The answer in JSON to a request with a body in JSON, or with none.
pub(crate) async fn rest(socket: &Path, verb: &str, path: &str, body: &Value) -> (u16, Value) {
    let text = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let head = format!("{verb} {path} HTTP/1.1\r\ncontent-type: application/json");
    let (status, body) = http(socket, &head, text.as_bytes()).await;
    (status, serde_json::from_slice(&body).unwrap())
}

//! A stock `ovsdb-server` for tests, and a client that speaks JSON-RPC to it.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(dead_code, reason = "not every test uses all of it")]

pub(crate) mod node;
pub(crate) mod pair;
pub(crate) mod random;
pub(crate) mod shared_log;
pub(crate) mod shell;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use ovsdb::server::Framer;
use ovsdb::{DatabaseSchema, Uuid};
use serde_json::{Value, json};

/// A schema with one of everything.
pub(crate) const SCHEMA: &str = include_str!("rich.ovsschema");

pub(crate) fn schema() -> DatabaseSchema {
    DatabaseSchema::from_json_text(SCHEMA).unwrap()
}

/// UUIDs in a fixed order.
pub(crate) fn uuids(mut seed: u64) -> impl FnMut() -> Uuid {
    move || {
        seed += 1;
        Uuid::new_v5(&Uuid::NAMESPACE_OID, &seed.to_be_bytes())
    }
}

/// A program of Debian's openvswitch packages.
pub(crate) fn stock(program: &str) -> Command {
    let found = ["/usr/bin", "/usr/sbin"]
        .iter()
        .map(|dir| Path::new(dir).join(program));
    let path = found.into_iter().find(|path| path.exists());
    let path = path.unwrap_or_else(|| {
        panic!("{program} is missing: install the Debian package openvswitch-common (tools) and openvswitch-switch (server)")
    });
    Command::new(path)
}

pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A running stock server; it ends with the value.
pub(crate) struct StockServer {
    child: Child,
    pub(crate) socket: PathBuf,
}

impl StockServer {
    /// Serves the database file on a socket in `dir`.
    pub(crate) fn start(dir: &Path, database: &Path) -> Self {
        let socket = dir.join("stock.sock");
        let mut command = stock("ovsdb-server");
        command
            .arg("--no-chdir")
            .arg(format!("--remote=punix:{}", socket.display()))
            .arg(format!("--unixctl={}", dir.join("stock.ctl").display()))
            .arg("--log-file=/dev/null")
            .arg("-voff")
            .arg(database)
            .stdin(Stdio::null());
        let child = command.spawn().unwrap();
        let mut server = Self { child, socket };
        let deadline = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(&server.socket).is_err() {
            assert!(
                server.child.try_wait().unwrap().is_none(),
                "ovsdb-server ended"
            );
            assert!(Instant::now() < deadline, "ovsdb-server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.socket)
    }
}

impl Drop for StockServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A JSON-RPC client.
pub(crate) struct Client {
    stream: UnixStream,
    framer: Framer,
    pub(crate) notifications: Vec<Value>,
    next: u64,
}

impl Client {
    pub(crate) fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self {
            stream,
            framer: Framer::new(1 << 28, 100),
            notifications: Vec::new(),
            next: 0,
        }
    }

    /// Sends a request and waits for its reply; notifications that come before it are kept.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        loop {
            let message = self.read();
            if message["id"] == id {
                return message;
            }
            self.notifications.push(message);
        }
    }

    /// Sends a request and gives its id.
    pub(crate) fn send(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let message = json!({"id": self.next, "method": method, "params": params});
        self.write(&message);
        json!(self.next)
    }

    /// Sends a notification.
    pub(crate) fn notify(&mut self, method: &str, params: Value) {
        self.write(&json!({"id": null, "method": method, "params": params}));
    }

    fn write(&mut self, message: &Value) {
        let text = message.to_string();
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    /// The next message.
    pub(crate) fn read(&mut self) -> Value {
        let mut buffer = [0; 65536];
        loop {
            if let Some(message) = self.framer.next_message().unwrap() {
                return serde_json::from_slice(&message).unwrap();
            }
            let count = self.stream.read(&mut buffer).unwrap();
            assert!(count > 0, "the server closed the connection");
            self.framer.push(&buffer[..count]);
        }
    }
}

//! How many clients there can be, and what becomes of those who come beyond that.

#![allow(clippy::unwrap_used)] // These are tests, though not marked so.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use support::{Sandbox, role_body as body};

#[test]
fn role_body() {
    body();
}

/// A client of a socket.
struct Client(UnixStream);

impl Client {
    fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        Self(stream)
    }

    /// Whether the server answers; else it has closed the connection.
    fn is_served(&mut self) -> bool {
        let request = br#"{"id":1,"method":"echo","params":["here"]}"#;
        let mut bytes = [0; 256];
        // One that was refused may be closed before it asks.
        self.0.write_all(request).is_ok() && matches!(self.0.read(&mut bytes), Ok(1..))
    }
}

#[test]
fn a_remote_has_so_many_clients_and_no_more() {
    let mut sandbox = Sandbox::new();
    let (socket, other) = (sandbox.file("few.sock"), sandbox.file("ovnnb_db.sock"));
    sandbox.serve(&format!(
        "--no-northd --max-connections=3 --remote=punix:{} --remote=punix:{}",
        other.display(),
        socket.display()
    ));
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(&socket)).collect();
    assert!(clients.iter_mut().all(Client::is_served));
    // Who comes beyond that is closed and told of in the log: once a second, however many there are.
    for _ in 0..50 {
        assert!(!Client::connect(&socket).is_served());
    }
    sandbox.wait("a line", |it| it.log("heddle-server").contains("refused"));
    let log = sandbox.log("heddle-server");
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("refused"))
        .collect();
    assert!(
        lines[0].contains("has 3 connections, which is the most"),
        "{log}"
    );
    assert!(lines[0].contains("--max-connections"), "{log}");
    assert!(lines.len() < 25, "{log}");
    // Those who are there are served on, and so are the clients of another remote.
    assert!(clients.iter_mut().all(Client::is_served));
    assert!(Client::connect(&other).is_served());
    // A place that becomes free is given away.
    drop(clients.pop());
    sandbox.wait("a place", |_| Client::connect(&socket).is_served());
    assert!(clients.iter_mut().all(Client::is_served));
}

/// A process starts with few file descriptors; more are asked for, so that the bound is the one that counts.
#[test]
fn there_are_descriptors_for_the_clients() {
    let mut sandbox = Sandbox::new();
    let socket = sandbox.file("ovnnb_db.sock");
    let child = sandbox.start_under(
        &["prlimit", "--nofile=64:4096"],
        &format!(
            "server -vconsole:off --no-northd --remote=punix:{}",
            socket.display()
        ),
    );
    sandbox.wait("the server", |it| {
        it.try_run("ovsdb-client", &["list-dbs", &it.nb()]).0
    });
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", sandbox.pid(child))).unwrap();
    let line = limits
        .lines()
        .find(|line| line.contains("open files"))
        .unwrap();
    assert_eq!(line.split_whitespace().nth(3), Some("4096"), "{line}");
    let mut clients: Vec<Client> = (0..200).map(|_| Client::connect(&socket)).collect();
    assert!(clients.iter_mut().all(Client::is_served));
}

/// The port of the first remote that listens, as the log has it.
fn port(sandbox: &Sandbox) -> u16 {
    let find = |log: &str| {
        let (_, rest) = log.split_once("listening on port ")?;
        rest.lines().next()?.trim().parse().ok()
    };
    sandbox.wait("a port", |it| find(&it.log("heddle-server")).is_some());
    find(&sandbox.log("heddle-server")).unwrap()
}

/// A client that is silent is asked whether it is there, stays while it answers, and is cut off when it does not.
#[test]
fn silent_clients_are_probed_and_then_cut_off() {
    let mut sandbox = Sandbox::new();
    sandbox.serve(
        "--no-northd --remote=db:OVN_Northbound,NB_Global,connections --remote=punix:ovnnb_db.sock",
    );
    sandbox.line("ovn-nbctl -- --inactivity-probe=300 set-connection ptcp:0:127.0.0.1");
    let mut client = TcpStream::connect(("127.0.0.1", port(&sandbox))).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut bytes = [0; 256];
    for _ in 0..3 {
        let count = client.read(&mut bytes).unwrap();
        let asked: serde_json::Value = serde_json::from_slice(&bytes[..count]).unwrap();
        assert_eq!(
            (&asked["method"], &asked["id"]),
            (&"echo".into(), &"echo".into())
        );
        let answer = serde_json::json!({"id": "echo", "result": [], "error": null});
        client.write_all(answer.to_string().as_bytes()).unwrap();
    }
    // One question more, and then the end.
    assert!(client.read(&mut bytes).unwrap() > 0);
    assert_eq!(client.read(&mut bytes).unwrap(), 0);
}

/// IPv6 addresses stand in brackets, for remotes that listen at a port of the kernel's choice and for those that
/// connect.
#[test]
fn remotes_with_ipv6_addresses() {
    let mut sandbox = Sandbox::new();
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let at = listener.local_addr().unwrap();
    sandbox.serve(&format!(
        "--no-northd --remote=ptcp:0:[::1] --remote=tcp:{at} --remote=punix:{}",
        sandbox.file("ovnnb_db.sock").display()
    ));
    let to = format!("tcp:[::1]:{}", port(&sandbox));
    assert!(
        sandbox
            .run("ovsdb-client", &["list-dbs", &to])
            .contains("OVN_Northbound")
    );
    let (mut server, _) = listener.accept().unwrap();
    server
        .write_all(br#"{"id":1,"method":"list_dbs","params":[]}"#)
        .unwrap();
    let mut bytes = [0; 256];
    let count = server.read(&mut bytes).unwrap();
    assert!(String::from_utf8_lossy(&bytes[..count]).contains("OVN_Northbound"));
}

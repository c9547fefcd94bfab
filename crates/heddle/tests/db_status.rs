//! What the rows of remotes are told, by a stock `ovsdb-server` and by ours: the same at the same moments.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod db_common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use db_common::Sandbox;
use serde_json::{Value, json};

/// The schema of Open vSwitch, as its package installs it.
const VSWITCH: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// A server, the address of its socket, and a listener to which its manager connects.
struct Side {
    sandbox: Sandbox,
    address: String,
    name: &'static str,
}

/// What a row is told: whether it is connected, and its status.
type Told = (bool, BTreeMap<String, String>);

impl Side {
    fn start(stock: bool) -> Self {
        let mut sandbox = Sandbox::new();
        sandbox.db(&["create", "conf.db", VSWITCH]);
        let column = "--remote=db:Open_vSwitch,Open_vSwitch,manager_options";
        let name = if stock { "stock" } else { "ours" };
        let address = sandbox.serve(stock, name, &["conf.db"], &[column]);
        let side = Self {
            sandbox,
            address,
            name,
        };
        side.vsctl(&["init"]);
        side
    }

    fn vsctl(&self, args: &[&str]) -> String {
        let db = format!("--db={}", self.address);
        let args = [&[db.as_str(), "--no-wait"], args].concat();
        self.sandbox.run("ovs-vsctl", &args)
    }

    fn told(&self, target: &str) -> Told {
        let find = format!("target={}", json!(target));
        let columns = "--columns=is_connected,status";
        let args = [
            "--format=json",
            "--data=json",
            columns,
            "find",
            "manager",
            &find,
        ];
        let text = self.vsctl(&args);
        let row: Value = serde_json::from_str::<Value>(&text).unwrap()["data"][0].take();
        let pairs = row[1][1].as_array().unwrap().iter();
        let text = |it: &Value| it.as_str().unwrap().to_owned();
        let status = pairs.map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
        (row[0] == true, status)
    }

    /// Waits until a row is told what `wanted` says.
    fn wait(&self, target: &str, what: &str, wanted: impl Fn(&Told) -> bool) -> Told {
        let mut told = Told::default();
        self.sandbox.wait(&format!("{}: {what}", self.name), || {
            told = self.told(target);
            wanted(&told)
        });
        told
    }
}

/// The same without what is different each time; a time is a number.
fn comparable((connected, mut status): Told) -> Told {
    // Of one that listens stock gives the time of nothing, as 0; why the last attempt failed it never gives.
    if !status.contains_key("state") {
        status.retain(|key, value| !(key.starts_with("sec_since") && value == "0"));
    }
    status.remove("last_error");
    let plain = |(key, value): (String, String)| {
        let is_number = value.parse::<u64>().is_ok();
        let value = match &*key {
            "sec_since_connect" | "sec_since_disconnect" | "bound_port" if is_number => {
                "number".into()
            }
            "locks_held" | "locks_waiting" | "locks_lost" => {
                let mut names: Vec<&str> = value.split(' ').collect();
                names.sort_unstable();
                names.join(" ")
            }
            _ => value,
        };
        (key, value)
    };
    (connected, status.into_iter().map(plain).collect())
}

/// A client that speaks when it is told to.
struct Speaker<S>(S);

impl<S: Read + Write> Speaker<S> {
    /// Sends a request and reads until its answer has come.
    fn ask(&mut self, id: u32, method: &str, params: &Value) {
        let request = json!({"id": id, "method": method, "params": params});
        self.0.write_all(request.to_string().as_bytes()).unwrap();
        let (mut all, mut bytes) = (Vec::new(), [0; 4096]);
        loop {
            let count = self.0.read(&mut bytes).unwrap();
            assert!(count > 0, "the server has left");
            all.extend_from_slice(&bytes[..count]);
            let messages = serde_json::Deserializer::from_slice(&all).into_iter::<Value>();
            let mut messages = messages.filter_map(Result::ok);
            if messages.any(|it| it["id"] == id && it.get("result").is_some()) {
                return;
            }
        }
    }
}

/// What the manager's row is told from the first attempt to connect until after the connection.
fn of_one_that_is_connected_to(side: &Side) -> Vec<Told> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("tcp:{}", listener.local_addr().unwrap());
    // This one does not answer probes.
    let quoted = format!("target={}", json!(target));
    side.vsctl(&[
        "--id=@m",
        "create",
        "Manager",
        &quoted,
        "inactivity_probe=0",
        "--",
        "set",
        "Open_vSwitch",
        ".",
        "manager_options=@m",
    ]);
    let (manager, _) = listener.accept().unwrap();
    let mut manager = Speaker(manager);
    let mut told = Vec::new();
    told.push(side.wait(&target, "the connection", |it| {
        it.0 && it.1.contains_key("sec_since_connect")
    }));
    // It has one lock, waits for another, and lost a third that it had stolen; a fourth it had and waits for again.
    let socket = side.address.strip_prefix("unix:").unwrap();
    let mut other = Speaker(std::os::unix::net::UnixStream::connect(socket).unwrap());
    other.ask(1, "lock", &json!(["b"]));
    other.ask(2, "lock", &json!(["c"]));
    manager.ask(1, "lock", &json!(["a"]));
    manager.ask(2, "lock", &json!(["b"]));
    manager.ask(3, "steal", &json!(["c"]));
    manager.ask(4, "lock", &json!(["d"]));
    other.ask(3, "lock", &json!(["e"]));
    manager.ask(5, "lock", &json!(["f"]));
    told.push(side.wait(&target, "locks", |it| {
        it.1.get("locks_held").is_some_and(|held| held.len() == 7)
    }));
    let mut third = Speaker(std::os::unix::net::UnixStream::connect(socket).unwrap());
    third.ask(1, "steal", &json!(["c"]));
    third.ask(2, "steal", &json!(["d"]));
    told.push(side.wait(&target, "a lost lock", |it| it.1.contains_key("locks_lost")));
    // The manager goes away, and nobody listens any more.
    drop(listener);
    drop(manager);
    let gone = side.wait(&target, "the end", |it| {
        !it.0 && it.1.get("state").is_some_and(|state| state == "BACKOFF")
    });
    told.push(gone);
    told
}

/// What a row is told whose remote listens: nobody there, one, two; and one that cannot be.
fn of_one_that_listens(side: &Side) -> Vec<Told> {
    let target = "ptcp:0:127.0.0.1";
    side.vsctl(&["set-manager", target, "foo:bar"]);
    let mut told = vec![side.wait(target, "the port", |it| it.1.contains_key("bound_port"))];
    let port: u16 = told[0].1["bound_port"].parse().unwrap();
    let connect = || TcpStream::connect(("127.0.0.1", port)).unwrap();
    let first = connect();
    told.push(side.wait(target, "one client", |it| it.0));
    let second = connect();
    told.push(side.wait(target, "two clients", |it| {
        it.1.contains_key("n_connections")
    }));
    drop(second);
    told.push(side.wait(target, "one client", |it| {
        !it.1.contains_key("n_connections")
    }));
    drop(first);
    told.push(side.wait(target, "nobody", |it| !it.0));
    // Stock tries for ever to connect to what is no address.
    told.push((side.told("foo:bar").0, BTreeMap::new()));
    told
}

#[test]
fn rows_of_remotes_are_told_what_stock_tells_them() {
    let sides = [true, false].map(Side::start);
    let told = sides.each_ref().map(|side| {
        let all = of_one_that_listens(side).into_iter();
        let all = all.chain(of_one_that_is_connected_to(side));
        all.map(comparable).collect::<Vec<_>>()
    });
    for (number, (stock, ours)) in told[0].iter().zip(&told[1]).enumerate() {
        assert_eq!(stock, ours, "stock, then ours, at moment {number}");
    }
    let locks = &told[1][7].1;
    assert_eq!(locks["locks_held"], "a c d f");
    assert_eq!(locks["locks_waiting"], "b");
    assert_eq!(told[1][8].1["locks_lost"], "c");
}

/// A server that ends leaves behind what it told; the next one takes that back where it is not true any more.
#[test]
fn what_an_earlier_process_said_is_taken_back() {
    let mut side = Side::start(false);
    side.vsctl(&["set-manager", "foo:bar"]);
    side.vsctl(&[
        "set",
        "manager",
        ".",
        "is_connected=true",
        "status:state=ACTIVE",
    ]);
    side.sandbox.exit("ours");
    let column = "--remote=db:Open_vSwitch,Open_vSwitch,manager_options";
    side.address = side.sandbox.serve(false, "ours", &["conf.db"], &[column]);
    let told = side.wait("foo:bar", "the truth", |it| !it.0);
    assert!(told.1.is_empty(), "{told:?}");
}

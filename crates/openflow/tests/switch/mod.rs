//! A real Open vSwitch in a temporary directory, and a blocking connection to it.
//!
//! The tests of other crates use it too, each a part of it.

#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use openflow::message::ErrorMessage;
use openflow::message::multipart::{FlowList, FlowQuery, MultipartRequest};
use openflow::session::{BundleFailure, Config, Event, Reply, RequestError, Session};
use openflow::{Flow, FlowKey, Message, Version, Versions};

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that ends with the test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `ovsdb-server` and `ovs-vswitchd` with dummy ports, apart from any other on the machine.
pub(crate) struct Switch {
    vswitchd: Option<Daemon>,
    _ovsdb: Daemon,
    directory: tempfile::TempDir,
}

fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !ready() {
        assert!(
            Instant::now() < end,
            "{what} did not come; is openvswitch-switch installed?"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Switch {
    /// Starts one with the bridge `br0` and the ports 1 to 3.
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path();
        let database = path.join("conf.db");
        let schema = "/usr/share/openvswitch/vswitch.ovsschema";
        let mut create = command(path, "ovsdb-tool");
        create.args(["create", &text(&database), schema]);
        assert!(create.status().expect("ovsdb-tool runs").success());
        let socket = path.join("db.sock");
        let mut ovsdb = command(path, "ovsdb-server");
        ovsdb
            .arg(&database)
            .arg(format!("--remote=punix:{}", text(&socket)));
        ovsdb.arg(format!("--unixctl={}", text(&path.join("ovsdb.ctl"))));
        let ovsdb = Daemon(ovsdb.spawn().expect("ovsdb-server runs"));
        wait_for("the database", || UnixStream::connect(&socket).is_ok());
        let mut switch = Self {
            vswitchd: None,
            _ovsdb: ovsdb,
            directory,
        };
        switch.spawn();
        let mut add: Vec<String> = vec!["--no-wait".into(), "init".into()];
        let bridge = "-- add-br br0 -- set bridge br0 datapath_type=dummy fail-mode=secure";
        add.extend(bridge.split(' ').map(Into::into));
        for n in 1..=3 {
            let port =
                format!("-- add-port br0 p{n} -- set interface p{n} type=dummy ofport_request={n}");
            add.extend(port.split(' ').map(Into::into));
        }
        let mut vsctl = command(switch.directory.path(), "ovs-vsctl");
        vsctl.arg(format!("--db=unix:{}", text(&socket))).args(add);
        assert!(vsctl.status().expect("ovs-vsctl runs").success());
        wait_for("the bridge", || {
            UnixStream::connect(switch.management()).is_ok()
        });
        switch
    }

    fn spawn(&mut self) {
        let path = self.directory.path();
        let mut vswitchd = command(path, "ovs-vswitchd");
        vswitchd.arg(format!("unix:{}", text(&path.join("db.sock"))));
        vswitchd.args(["--enable-dummy=override", "--disable-system", "--no-chdir"]);
        vswitchd.arg(format!("--unixctl={}", text(&path.join("vswitchd.ctl"))));
        self.vswitchd = Some(Daemon(vswitchd.spawn().expect("ovs-vswitchd runs")));
    }

    /// Kills `ovs-vswitchd`; with it all flows are gone.
    pub(crate) fn kill(&mut self) {
        self.vswitchd = None;
    }

    /// Starts it again.
    pub(crate) fn revive(&mut self) {
        self.spawn();
        wait_for("the bridge", || {
            UnixStream::connect(self.management()).is_ok()
        });
    }

    /// Where its sockets are.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The bridge's socket.
    pub(crate) fn management(&self) -> PathBuf {
        self.directory.path().join("br0.mgmt")
    }

    /// What `ovs-ofctl` prints, a line each.
    pub(crate) fn ofctl(&self, arguments: &[&str]) -> Vec<String> {
        let mut ofctl = command(self.directory.path(), "ovs-ofctl");
        ofctl
            .args(["-O", "OpenFlow15", "--no-names"])
            .args(arguments);
        let output = ofctl
            .stderr(Stdio::piped())
            .output()
            .expect("ovs-ofctl runs");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{error}");
        let lines = String::from_utf8(output.stdout).expect("text");
        lines.lines().map(|line| line.trim().to_owned()).collect()
    }

    /// Changes the configuration, and waits until the switch has it.
    pub(crate) fn vsctl(&self, arguments: &[&str]) {
        let path = self.directory.path();
        let mut vsctl = command(path, "ovs-vsctl");
        vsctl.arg(format!("--db=unix:{}", text(&path.join("db.sock"))));
        let status = vsctl.args(arguments).status().expect("ovs-vsctl runs");
        assert!(status.success(), "{arguments:?}");
    }

    /// Connects to the bridge in a version and waits for the greeting.
    pub(crate) fn connect_as(&self, version: Version) -> Connection {
        let config = Config {
            versions: Versions::only(version),
            ..Config::default()
        };
        self.connect_with(config)
    }

    /// Connects to the bridge and waits for the greeting.
    pub(crate) fn connect(&self) -> Connection {
        self.connect_with(Config::default())
    }

    /// Connects to the bridge and records all that is said.
    pub(crate) fn connect_recorded(&self) -> Connection {
        self.open(Config::default(), Some(Vec::new()))
    }

    fn connect_with(&self, config: Config) -> Connection {
        self.open(config, None)
    }

    fn open(&self, config: Config, record: Option<Vec<(bool, Vec<u8>)>>) -> Connection {
        let stream = UnixStream::connect(self.management()).expect("the bridge listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout can be set");
        let session = Session::new(config, Instant::now());
        let mut connection = Connection {
            stream,
            session,
            record,
        };
        assert_eq!(connection.event(), Event::Ready);
        connection
    }
}

fn text(path: &Path) -> String {
    path.to_str()
        .expect("a path of plain characters")
        .to_owned()
}

/// A program of Open vSwitch that keeps to our directory, and ends with the test even if that is killed.
fn command(directory: &Path, program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    for variable in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"] {
        command.env(variable, directory);
    }
    command
        .current_dir(directory)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// A session over a socket.
pub(crate) struct Connection {
    stream: UnixStream,
    pub(crate) session: Session,
    /// What went over the socket, if it is recorded: whether it was ours, and the bytes.
    pub(crate) record: Option<Vec<(bool, Vec<u8>)>>,
}

impl Connection {
    /// The next event.
    pub(crate) fn event(&mut self) -> Event {
        let mut buffer = vec![0; 1 << 16];
        loop {
            if let Some(event) = self.session.poll_event() {
                return event;
            }
            if let Some(bytes) = self.session.poll_transmit() {
                self.stream
                    .write_all(&bytes)
                    .expect("the switch takes bytes");
                self.note(true, &bytes);
                continue;
            }
            let read = self
                .stream
                .read(&mut buffer)
                .expect("the switch answers in time");
            assert_ne!(read, 0, "the switch closed the connection");
            self.note(false, &buffer[..read]);
            self.session
                .handle_bytes(&buffer[..read], Instant::now())
                .expect("a good session");
        }
    }

    fn note(&mut self, ours: bool, bytes: &[u8]) {
        if let Some(record) = &mut self.record {
            record.push((ours, bytes.to_vec()));
        }
    }

    /// Sends messages one by one, waits until they are done, and gives back what was refused.
    pub(crate) fn send_all(&mut self, messages: &[Message]) -> Vec<(usize, ErrorMessage)> {
        let xids: Vec<u32> = messages
            .iter()
            .map(|message| self.session.send(message).expect("it can be sent"))
            .collect();
        let id = self.session.barrier().expect("it can be sent");
        let mut refused = Vec::new();
        loop {
            match self.event() {
                Event::Reply(got, result) if got == id => {
                    assert_eq!(result, Ok(Reply::Message(Message::BarrierReply)));
                    return refused;
                }
                Event::Refused(xid, error) => {
                    let place = xids.iter().position(|known| *known == xid);
                    refused.push((place.expect("one of ours"), error));
                }
                Event::Message(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Sends a bundle and waits for its end.
    pub(crate) fn bundle(&mut self, messages: &[Message]) -> Result<(), BundleFailure> {
        let id = self
            .session
            .bundle(messages)
            .expect("the bundle can be sent");
        loop {
            match self.event() {
                Event::Bundle(got, result) if got == id => return result,
                Event::Message(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Sends a request and waits for its answer.
    pub(crate) fn ask(&mut self, message: &Message) -> Result<Reply, RequestError> {
        let id = self
            .session
            .request(message)
            .expect("the request can be sent");
        loop {
            match self.event() {
                Event::Reply(got, result) if got == id => return result,
                Event::Message(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The flows of the switch, with what they have counted.
    pub(crate) fn told(&mut self) -> FlowList {
        let ask = Message::MultipartRequest(MultipartRequest::Flows(FlowQuery::default()));
        match self.ask(&ask) {
            Ok(Reply::Flows(flows)) => flows,
            other => panic!("{other:?}"),
        }
    }

    /// The flows of the switch by their keys.
    pub(crate) fn flows_by_key(&mut self) -> BTreeMap<FlowKey, Flow> {
        let told = self.told();
        told.flows().map(|flow| (flow.key.clone(), flow)).collect()
    }
}

//! A conversation with a bridge over its management socket, and a switch of one's own to have it with.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use openflow::message::multipart::FlowQuery;
use openflow::message::{FlowMod, GroupCommand, GroupMod, Message};
use openflow::session::{Config, Event, Reply, RequestId, Session};
use openflow::{Flow, FlowKey};
use physical::Physical;

pub struct Bridge {
    socket: UnixStream,
    session: Session,
    refused: Vec<(u32, String)>,
}

impl Bridge {
    pub fn open(path: &Path) -> Self {
        let socket = UnixStream::connect(path).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let session = Session::new(Config::default(), Instant::now());
        let mut bridge = Self {
            socket,
            session,
            refused: vec![],
        };
        while !bridge.session.is_ready() {
            bridge.turn();
        }
        bridge
    }

    fn turn(&mut self) {
        if let Some(bytes) = self.session.poll_transmit() {
            self.socket.write_all(&bytes).unwrap();
        }
        let mut buffer = [0; 65536];
        let count = self.socket.read(&mut buffer).unwrap();
        assert!(count > 0, "the switch has hung up");
        self.session
            .handle_bytes(&buffer[..count], Instant::now())
            .unwrap();
    }

    fn reply(&mut self, id: RequestId) -> Reply {
        loop {
            match self.session.poll_event() {
                Some(Event::Reply(to, reply)) if to == id => return reply.unwrap(),
                Some(Event::Refused(xid, error)) => self.refused.push((xid, error.to_string())),
                Some(_) => {}
                None => self.turn(),
            }
        }
    }

    pub fn flows(&mut self) -> Vec<Flow> {
        let id = self.session.dump_flows(FlowQuery::default()).unwrap();
        match self.reply(id) {
            Reply::Flows(flows) => flows.flows().collect(),
            other => panic!("{other:?}"),
        }
    }

    /// Installs everything, and gives back what the switch refused.
    pub fn install(&mut self, physical: &Physical) -> Vec<(String, Flow)> {
        for group in physical.groups() {
            let change = GroupMod::new(GroupCommand::AddOrModify, group);
            self.session
                .send(&Message::GroupMod(Box::new(change)))
                .unwrap();
        }
        let mut sent = BTreeMap::new();
        for (key, body) in physical.flows() {
            let flow = body.to_flow(key.clone());
            let change = FlowMod::add(flow.clone());
            let xid = self
                .session
                .send(&Message::FlowMod(Box::new(change)))
                .unwrap();
            sent.insert(xid, flow);
        }
        let barrier = self.session.barrier().unwrap();
        self.reply(barrier);
        let refused = std::mem::take(&mut self.refused);
        refused
            .into_iter()
            .map(|(xid, error)| (error, sent.remove(&xid).unwrap_or_default()))
            .collect()
    }
}

pub fn by_key(flows: impl IntoIterator<Item = Flow>) -> BTreeMap<FlowKey, Flow> {
    flows
        .into_iter()
        .map(|flow| (flow.key.clone(), flow))
        .collect()
}

/// A real `ovs-vswitchd` whose devices are all dummies, so that it touches nothing of the machine.
pub struct Switch {
    dir: PathBuf,
    processes: Vec<Child>,
}

impl Switch {
    /// Starts it with a bridge `br-int` that has the ports of these numbers.
    pub fn start(name: &str, ports: &[(&str, u32)]) -> Self {
        // Socket paths are short.
        let dir = PathBuf::from(format!("/tmp/hd{}-{name}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let mut switch = Self {
            dir,
            processes: vec![],
        };
        let schema = "/usr/share/openvswitch/vswitch.ovsschema";
        switch.run("ovsdb-tool", &["create", &switch.path("conf.db"), schema]);
        let remote = format!("--remote=punix:{}", switch.path("db.sock"));
        let control = format!("--unixctl={}", switch.path("db.ctl"));
        switch.spawn(
            "ovsdb-server",
            &[&remote, &control, &switch.path("conf.db")],
        );
        switch.await_socket("db.sock");
        switch.vsctl(&["--no-wait", "init"]);
        let control = format!("--unixctl={}", switch.path("vswitchd.ctl"));
        let db = format!("unix:{}", switch.path("db.sock"));
        switch.spawn(
            "ovs-vswitchd",
            &["--enable-dummy=override", "--disable-system", &control, &db],
        );
        let mut add = vec!["add-br", "br-int", "--", "set", "bridge", "br-int"];
        add.extend([
            "datapath_type=dummy",
            "fail-mode=secure",
            "protocols=OpenFlow15",
        ]);
        switch.vsctl(&add);
        for (name, number) in ports {
            let request = format!("ofport_request={number}");
            let kind = if name.starts_with("tun") {
                "options:remote_ip=192.0.2.2 options:key=flow type=geneve"
            } else {
                "type=dummy"
            };
            let mut add = vec!["add-port", "br-int", name, "--", "set", "interface", name];
            add.push(&request);
            add.extend(kind.split(' '));
            switch.vsctl(&add);
        }
        let map = "{class=0x102,type=0x80,len=4}->tun_metadata0";
        switch.run(
            "ovs-ofctl",
            &["-OOpenFlow15", "add-tlv-map", &switch.management(), map],
        );
        switch
    }

    pub fn bridge(&self) -> Bridge {
        Bridge::open(Path::new(&self.path("br-int.mgmt")))
    }

    /// What the switch would do with a packet.
    pub fn trace(&self, flow: &str) -> String {
        let target = self.path("vswitchd.ctl");
        self.run(
            "ovs-appctl",
            &["-t", &target, "ofproto/trace", "br-int", flow],
        )
    }

    fn management(&self) -> String {
        format!("unix:{}", self.path("br-int.mgmt"))
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).to_str().unwrap().to_owned()
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        for variable in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"] {
            command.env(variable, &self.dir);
        }
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program, arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn vsctl(&self, arguments: &[&str]) {
        let db = format!("--db=unix:{}", self.path("db.sock"));
        let all: Vec<&str> = [&*db, "--timeout=30"]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        self.run("ovs-vsctl", &all);
    }

    fn spawn(&mut self, program: &str, arguments: &[&str]) {
        let log = std::fs::File::create(self.dir.join(format!("{program}.log"))).unwrap();
        let child = self
            .command(program, arguments)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.processes.push(child.unwrap());
    }

    fn await_socket(&self, name: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(self.path(name)).is_err() {
            assert!(Instant::now() < deadline, "{name} does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

//! A machine's network put on a switch in one transaction, and the same by the programs of Open vSwitch.
//!
//! Three ways to the same flows, on one switch in one run: network parameters as JSON through `hvflow` and a bundle
//! over a connection that stands; the text of those flows through `ovs-ofctl --bundle`; and one `ovs-ofctl add-flow` a
//! flow. Each is timed until the switch has said that it is done. Between two rounds the machine is removed, which is
//! timed apart. Figures only: nothing here asserts how fast anything is.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hvflow::cookie::Selection;
use hvflow::params::NetworkParams;
use hvflow::{Commit, Host, Installed, Ports, Transaction, Uplink};
use openflow::Message;
use openflow::session::{Config, Event, Session};
use serde_json::{Value, json};

use super::switch::Switch;
use crate::scratch::Scratch;

const READY: Duration = Duration::from_secs(30);
const MACHINE: u32 = 1;

/// What is measured.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// How many flows a transaction has: 12 or more, up to 60000.
    #[arg(long, value_delimiter = ',', default_values_t = [24, 400])]
    flows: Vec<usize>,
    /// How many transactions are timed, with `hvflow` and with a bundle of text each.
    #[arg(long, default_value_t = 200)]
    times: usize,
    /// How often the flows are added one by one.
    #[arg(long, default_value_t = 5)]
    singly: usize,
}

/// Parameters of a machine that come to exactly so many flows: what the rules leave open is the card itself.
fn parameters(flows: usize) -> Result<Value> {
    let of = |rules: usize| {
        let rule = |n: usize| {
            let port = 1 + n;
            json!({"direction": "inbound", "protocol": "tcp", "remote": ["198.51.100.7"],
                   "ports": [{"first": port, "last": port}]})
        };
        json!({
            "droplet_id": MACHINE,
            "vnics": [{
                "mac": "0a:00:00:00:00:01", "name": "tap1", "interface_type": "public",
                "addresses": {"ipv4": [{"ip_address": "192.0.2.10", "masklen": 24}]},
                "security_policies": {"rules": (0..rules).map(rule).collect::<Vec<_>>()}
            }]
        })
    };
    let mut side = Side::new(&of(0))?;
    let card = side.commit()?.0.count().0 - side.shared;
    let rules = flows
        .checked_sub(card)
        .context("too few flows for a machine")?;
    ensure!(
        rules <= 1000,
        "{flows} flows are more than {} rules make",
        1000
    );
    Ok(of(rules))
}

/// Our side: what it knows, and the connection.
struct Side {
    json: Vec<u8>,
    host: Host,
    ports: Ports,
    installed: Installed,
    /// How many flows the host itself has.
    shared: usize,
}

impl Side {
    fn new(params: &Value) -> Result<Self> {
        let host = Host {
            public: Some(Uplink {
                port: "eth0".to_owned(),
                vlan: 100,
                router_mac: None,
            }),
            ..Host::default()
        };
        let ports: Ports = [("eth0", 1), ("tap1", 10)].into_iter().collect();
        let bare = Transaction::new(&host, &ports).commit(&Installed::default())?;
        Ok(Self {
            json: serde_json::to_vec(params)?,
            host,
            ports,
            installed: Installed::default(),
            shared: bare.count().0,
        })
    }

    /// From the bytes of the parameters to the changes, and how long that took.
    fn commit(&mut self) -> Result<(Commit, Duration)> {
        let start = Instant::now();
        let params = NetworkParams::from_json(&self.json)?;
        let mut transaction = Transaction::new(&self.host, &self.ports);
        transaction.set(&params)?;
        let commit = transaction.commit(&self.installed)?;
        Ok((commit, start.elapsed()))
    }

    fn removal(&self) -> Result<Commit> {
        let mut transaction = Transaction::new(&self.host, &self.ports);
        transaction.disable_machine(MACHINE);
        Ok(transaction.commit(&self.installed)?)
    }
}

/// A session over a socket that waits for what it asks.
struct Connection {
    stream: UnixStream,
    session: Session,
}

impl Connection {
    fn open(socket: &str) -> Result<Self> {
        let path = socket.strip_prefix("unix:").unwrap_or(socket);
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(READY))?;
        let session = Session::new(Config::default(), Instant::now());
        let mut connection = Self { stream, session };
        match connection.event()? {
            Event::Ready => Ok(connection),
            other => bail!("instead of a greeting: {other:?}"),
        }
    }

    fn event(&mut self) -> Result<Event> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            if let Some(event) = self.session.poll_event() {
                return Ok(event);
            }
            if let Some(bytes) = self.session.poll_transmit() {
                self.stream.write_all(&bytes)?;
                continue;
            }
            let length = self.stream.read(&mut buffer)?;
            ensure!(length > 0, "the switch closed the connection");
            self.session
                .handle_bytes(&buffer[..length], Instant::now())?;
        }
    }

    /// Sends the flows of a commit, and waits until the switch has them. There are no meters here.
    fn send(&mut self, commit: &Commit) -> Result<()> {
        let mut bundle = self.session.transaction()?;
        for change in &commit.bundle {
            bundle.add(&Message::from(change.clone()))?;
        }
        let id = bundle.commit()?;
        loop {
            if let Event::Bundle(done, outcome) = self.event()?
                && done == id
            {
                return Ok(outcome?);
            }
        }
    }
}

/// Times of one way.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn quantile(&self, part: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        sorted
            .get((last as f64 * part).round() as usize)
            .copied()
            .unwrap_or_default()
    }

    /// Transactions a second, one after the other.
    fn rate(&self) -> f64 {
        let sum: Duration = self.0.iter().sum();
        self.0.len() as f64 / sum.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

fn ofctl(socket: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new("ovs-ofctl")
        .args(["-O", "OpenFlow15"])
        .args(&arguments[..arguments.len().min(2)])
        .arg(socket)
        .args(arguments.get(2..).unwrap_or_default())
        .stdin(Stdio::null())
        .output()
        .context("is Open vSwitch installed?")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "ovs-ofctl {arguments:?}: {said}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Everything of one number of flows.
struct Measured {
    made: Times,
    ours: Times,
    removed: Times,
    bundle: Times,
    singly: Times,
}

fn measure(flows: usize, arguments: &Arguments) -> Result<Measured> {
    let scratch = Scratch::in_memory()?;
    let switch = Switch::start(scratch.path())?;
    let socket = switch.socket();
    let mut side = Side::new(&parameters(flows)?)?;
    let mut connection = Connection::open(&socket)?;
    // The host's own flows stand before anything is timed.
    let bare = side.removal()?;
    connection.send(&bare)?;
    side.installed.apply(&bare);
    let mut out = Measured {
        made: Times::default(),
        ours: Times::default(),
        removed: Times::default(),
        bundle: Times::default(),
        singly: Times::default(),
    };
    for _ in 0..arguments.times {
        let start = Instant::now();
        let (commit, made) = side.commit()?;
        connection.send(&commit)?;
        out.ours.0.push(start.elapsed());
        out.made.0.push(made);
        ensure!(
            commit.count() == (flows, 0),
            "{:?} instead of {flows} flows",
            commit.count()
        );
        side.installed.apply(&commit);
        let start = Instant::now();
        let removal = side.removal()?;
        connection.send(&removal)?;
        out.removed.0.push(start.elapsed());
        side.installed.apply(&removal);
    }
    let lines = text(&mut side)?;
    let file = scratch.path().join("flows");
    fs::write(&file, lines.join("\n"))?;
    for _ in 0..arguments.times {
        out.bundle.0.push(timed(|| bundle(&socket, &file))?);
        clear(&socket, flows)?;
    }
    for _ in 0..arguments.singly {
        out.singly.0.push(timed(|| singly(&socket, &lines))?);
        clear(&socket, flows)?;
    }
    Ok(out)
}

/// The flows as text, a line each.
fn text(side: &mut Side) -> Result<Vec<String>> {
    let (commit, _) = side.commit()?;
    let text = commit.to_string();
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("flow add "));
    Ok(lines.map(str::to_owned).collect())
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

fn bundle(socket: &str, file: &Path) -> Result<()> {
    let file = file.display().to_string();
    ofctl(socket, &["--bundle", "add-flows", &file]).map(drop)
}

fn singly(socket: &str, lines: &[String]) -> Result<()> {
    for line in lines {
        ofctl(socket, &["--no-names", "add-flow", line])?;
    }
    Ok(())
}

/// Removes the machine again, and looks whether all of it was there.
fn clear(socket: &str, flows: usize) -> Result<()> {
    let machine = Selection::Machine(MACHINE).to_string();
    let there = ofctl(socket, &["--no-names", "dump-flows", &machine])?;
    let there = there
        .lines()
        .filter(|line| line.contains("actions="))
        .count();
    ensure!(there == flows, "{there} flows are there instead of {flows}");
    ofctl(socket, &["--no-names", "del-flows", &machine]).map(drop)
}

/// Measures, and writes a table for each number of flows.
///
/// # Errors
/// When the switch does not come up or refuses something.
pub fn run(out: &mut dyn Write, arguments: &Arguments) -> Result<()> {
    for flows in &arguments.flows {
        let measured = measure(*flows, arguments)?;
        let Arguments { times, singly, .. } = arguments;
        writeln!(
            out,
            "{flows} flows a transaction; {times} transactions each way, {singly} flow by flow\n"
        )?;
        writeln!(
            out,
            "| way | median | 99 % | transactions/s | times the bundle of text |\n|---|---|---|---|---|"
        )?;
        let base = measured.bundle.rate();
        let rows = [
            ("hvflow, JSON to acknowledged", &measured.ours),
            ("of that, JSON to changes", &measured.made),
            ("hvflow, the machine removed", &measured.removed),
            ("ovs-ofctl --bundle add-flows, from text", &measured.bundle),
            ("ovs-ofctl add-flow, one a flow", &measured.singly),
        ];
        for (way, times) in rows {
            let [median, most] = [0.5, 0.99].map(|part| times.quantile(part).as_secs_f64() * 1e3);
            let (rate, ratio) = (times.rate(), times.rate() / base);
            writeln!(
                out,
                "| {way} | {median:.2} ms | {most:.2} ms | {rate:.0} | {ratio:.2} |"
            )?;
        }
        writeln!(out)?;
    }
    Ok(())
}

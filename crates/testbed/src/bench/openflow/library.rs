//! The crate alone, and a program that tells a switch typed flows with it.
//!
//! The program is as simple as can be: one thread, one socket, the session. What it needs is processor time of
//! the crate and of the kernel's part of writing and reading.

use std::hint::black_box;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::resource::UsageWho;
use openflow::message::FlowMod;
use openflow::message::multipart::{FlowList, FlowQuery};
use openflow::session::{Config, Event, Reply, Session};
use openflow::sync::State;
use openflow::{Flow, Message};

use super::used;
use crate::bench::allocations;
use crate::bench::switch::Switch;
use crate::scratch::Scratch;

/// What something costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    wall: Duration,
    /// Our processor time.
    ours: Duration,
    /// The processor time of the switch.
    switch: Duration,
    allocations: u64,
}

/// Measures `what`, which may work a switch.
fn cost<T>(switch: Option<&Switch>, what: impl FnOnce() -> Result<T>) -> Result<(Cost, T)> {
    let theirs = |switch: Option<&Switch>| switch.map_or(Ok(Duration::ZERO), Switch::cpu);
    let (ours, before, allocations) = (
        used(UsageWho::RUSAGE_SELF)?,
        theirs(switch)?,
        allocations::count(),
    );
    let start = Instant::now();
    let result = what()?;
    let wall = start.elapsed();
    let cost = Cost {
        wall,
        ours: used(UsageWho::RUSAGE_SELF)?.saturating_sub(ours),
        switch: theirs(switch)?.saturating_sub(before),
        allocations: allocations::count() - allocations,
    };
    Ok((cost, result))
}

/// A session on a socket that waits.
struct Connection {
    stream: UnixStream,
    session: Session,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(switch: &Switch) -> Result<Self> {
        let mut connection = Self {
            stream: UnixStream::connect(switch.socket().trim_start_matches("unix:"))?,
            session: Session::new(Config::default(), Instant::now()),
            buffer: vec![0; 64 << 10],
        };
        match connection.event()? {
            Event::Ready => Ok(connection),
            event => bail!("not ready: {event:?}"),
        }
    }

    /// Sends what waits.
    fn send(&mut self) -> Result<()> {
        if let Some(bytes) = self.session.poll_transmit() {
            self.stream.write_all(&bytes)?;
        }
        Ok(())
    }

    fn event(&mut self) -> Result<Event> {
        loop {
            self.send()?;
            if let Some(event) = self.session.poll_event() {
                return Ok(event);
            }
            match self.stream.read(&mut self.buffer)? {
                0 => bail!("the switch has gone"),
                n => self
                    .session
                    .handle_bytes(&self.buffer[..n], Instant::now())?,
            }
        }
    }

    fn finish_bundle(&mut self) -> Result<()> {
        match self.event()? {
            Event::Bundle(_, result) => Ok(result?),
            event => bail!("not the end of a bundle: {event:?}"),
        }
    }

    /// One bundle, sent while it is made.
    fn install(&mut self, changes: &[FlowMod]) -> Result<()> {
        let id = self.session.open_bundle()?;
        for some in changes.chunks(1024) {
            for change in some {
                self.session.add_flow_to_bundle(id, change)?;
            }
            self.send()?;
        }
        self.session.commit_bundle(id)?;
        self.finish_bundle()
    }

    fn dump(&mut self) -> Result<FlowList> {
        self.session.dump_flows(FlowQuery::default())?;
        match self.event()? {
            Event::Reply(_, Ok(Reply::Flows(flows))) => Ok(flows),
            event => bail!("not flows: {event:?}"),
        }
    }
}

const STEPS: [&str; 4] = [
    "installed from bytes that were made before",
    "installed",
    "replaced: dumped, compared, changed",
    "dumped",
];

/// Each step once, each installation on a switch of its own.
fn once(flows: &[Flow], changed: &[Flow]) -> Result<[Cost; 4]> {
    let adds: Vec<FlowMod> = flows.iter().cloned().map(FlowMod::add).collect();
    let floor = {
        let scratch = Scratch::in_memory()?;
        let switch = Switch::start(scratch.path())?;
        let mut connection = Connection::open(&switch)?;
        let mut transaction = connection.session.transaction()?;
        for change in &adds {
            transaction.add_flow(change)?;
        }
        transaction.commit()?;
        cost(Some(&switch), || connection.finish_bundle())?.0
    };
    let scratch = Scratch::in_memory()?;
    let switch = Switch::start(scratch.path())?;
    let mut connection = Connection::open(&switch)?;
    let (installed, ()) = cost(Some(&switch), || connection.install(&adds))?;
    let desired = State::new(changed.iter().cloned(), []);
    let (replaced, ()) = cost(Some(&switch), || {
        let changes = desired.diff_told(&connection.dump()?);
        let messages: Vec<Message> = changes.into_iter().map(Message::from).collect();
        connection.session.bundle(&messages)?;
        connection.finish_bundle()
    })?;
    let (dumped, held) = cost(Some(&switch), || connection.dump())?;
    anyhow::ensure!(
        held.len() == desired.flows.len() && desired.diff_told(&held).is_empty(),
        "the switch holds something else"
    );
    Ok([floor, installed, replaced, dumped])
}

fn median(mut all: Vec<Cost>, figure: impl Fn(&Cost) -> Duration) -> Duration {
    all.sort_unstable_by_key(&figure);
    all.get(all.len() / 2).map(figure).unwrap_or_default()
}

/// Measures, and writes two tables.
pub(super) fn run(out: &mut dyn Write, times: usize, text: &str, changed: &str) -> Result<()> {
    let (flows, changed) = (read(text)?, read(changed)?);
    let runs = (0..times).map(|_| once(&flows, &changed));
    let runs = runs.collect::<Result<Vec<_>>>()?;
    let count = flows.len().max(1) as u64;
    writeln!(
        out,
        "\n| a program, from typed flows | wall | our CPU | ovs-vswitchd's CPU | its / ours | allocations a flow |\n\
         |---|---|---|---|---|---|"
    )?;
    for (step, name) in STEPS.iter().enumerate() {
        let all: Vec<Cost> = runs.iter().map(|run| run[step]).collect();
        let [wall, ours, switch] = [
            median(all.clone(), |cost| cost.wall),
            median(all.clone(), |cost| cost.ours),
            median(all.clone(), |cost| cost.switch),
        ]
        .map(|time| time.as_secs_f64() * 1000.0);
        let allocations = all.first().map_or(0, |cost| cost.allocations) as f64 / count as f64;
        writeln!(
            out,
            "| {name} | {wall:.1} ms | {ours:.1} ms | {switch:.1} ms | {:.1} | {allocations:.2} |",
            switch / ours
        )?;
    }
    alone(out, text, &flows, &changed)
}

/// Measures the crate alone.
fn alone(out: &mut dyn Write, text: &str, flows: &[Flow], changed: &[Flow]) -> Result<()> {
    let count = flows.len().max(1) as u64;
    writeln!(
        out,
        "\n| the crate, a flow | time | allocations |\n|---|---|---|"
    )?;
    let mut note = |name: &str, cost: Cost| {
        let nanos = cost.ours.as_nanos() / u128::from(count);
        let allocations = cost.allocations as f64 / count as f64;
        writeln!(out, "| {name} | {nanos} ns | {allocations:.2} |")
    };
    let before = allocations::bytes();
    let (parsing, parsed) = cost(None, || read(text))?;
    let memory = (allocations::bytes() - before) / count;
    note("text read", parsing)?;
    let adds: Vec<FlowMod> = parsed.into_iter().map(FlowMod::add).collect();
    let mut connection = Session::new(Config::default(), Instant::now());
    greet(&mut connection)?;
    let (encoding, length) = cost(None, || {
        let mut length = 0;
        let id = connection.open_bundle()?;
        for some in adds.chunks(1024) {
            for change in some {
                connection.add_flow_to_bundle(id, change)?;
            }
            length += connection.poll_transmit().map_or(0, |bytes| bytes.len());
        }
        Ok(length)
    })?;
    note("encoded, for a bundle", encoding)?;
    let messages: Vec<Vec<u8>> = adds
        .iter()
        .map(|add| Message::FlowMod(Box::new(add.clone())).encode(7))
        .collect::<Result<_, _>>()?;
    let (decoding, ()) = cost(None, || {
        for message in &messages {
            black_box(Message::decode(message)?);
        }
        Ok(())
    })?;
    note("decoded", decoding)?;
    let (printing, ()) = cost(None, || {
        use std::fmt::Write as _;
        let mut line = String::new();
        for flow in flows {
            line.clear();
            write!(line, "{flow}")?;
            black_box(&line);
        }
        Ok(())
    })?;
    note("text written", printing)?;
    let (desired, actual) = (changed.to_vec(), flows.to_vec());
    let (keying, (desired, actual)) = cost(None, || {
        Ok((State::new(desired, []), State::new(actual, [])))
    })?;
    note("put under its key, twice", keying)?;
    let (comparing, changes) = cost(None, || Ok(desired.diff(&actual)))?;
    note("compared", comparing)?;
    writeln!(out, "| in memory | {memory} bytes | |")?;
    writeln!(out, "| in a bundle | {} bytes | |", length as u64 / count)?;
    writeln!(out, "| changes found in all | {} | |", changes.len())?;
    Ok(())
}

/// Makes a session ready that talks to nobody.
fn greet(session: &mut Session) -> Result<()> {
    let hello = Message::Hello(openflow::message::Hello::new(openflow::Versions::ALL));
    session.handle_bytes(&hello.encode(0)?, Instant::now())?;
    let _ = session.poll_transmit();
    Ok(())
}

fn read(text: &str) -> Result<Vec<Flow>> {
    let mut flows = Vec::with_capacity(text.lines().count());
    for line in text.lines() {
        flows.push(line.parse().with_context(|| line.to_owned())?);
    }
    Ok(flows)
}

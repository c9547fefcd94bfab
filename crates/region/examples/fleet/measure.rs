//! The service, and what is measured of it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use model::{Set, Str};
use region::engine::{Ask, Engine, Handle, Lead, Pace, Settings};
use region::fleet::LinkState;
use region::request::{Request, Scope};
use region::rollout::{Counts, Policy};
use server::Place;
use testbed::{Memory, Scratch, processor};
use tokio::runtime::Runtime;
use transport::Tls;
use transport::tls::Options;

use crate::Arguments;
use crate::simulate::name;
use crate::simulated::socket;

const PATIENCE: Duration = Duration::from_secs(600);
/// How often it is looked whether something is as it should be.
const PAUSE: Duration = Duration::from_millis(5);
/// How many requests are under way at once while the region is filled.
const ASKING: usize = 16;

/// The process with the hypervisors; it ends with us, since its standard input does.
struct Fleet {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Fleet {
    fn start(folder: &Path, hosts: u32) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--hosts", &hosts.to_string(), "--simulate"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let mut fleet = Self {
            child,
            input: input.context("a pipe")?,
            output: BufReader::new(output.context("a pipe")?),
        };
        fleet.wait()?;
        Ok(fleet)
    }

    fn wait(&mut self) -> Result<()> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(line == "ready\n", "the hypervisors have ended");
        Ok(())
    }

    /// Has a hypervisor be otherwise from now on.
    fn tell(&mut self, word: &str, number: u32) -> Result<()> {
        writeln!(self.input, "{word} {number}")?;
        self.wait()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was measured of one thing.
struct Figures {
    took: Duration,
    processor: Duration,
}

/// Measures a piece of work of this process.
fn measured<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Figures)> {
    let id = std::process::id();
    let (start, before) = (Instant::now(), processor(id)?);
    let done = work()?;
    let figures = Figures {
        took: start.elapsed(),
        processor: processor(id)?.saturating_sub(before),
    };
    Ok((done, figures))
}

/// Measures all, and writes a table.
pub(crate) fn run(runtime: &Runtime, arguments: &Arguments) -> Result<()> {
    let Arguments {
        hosts,
        machines,
        parallel,
        failing,
        ..
    } = *arguments;
    let (memory, disk) = (Scratch::in_memory()?, Scratch::new()?);
    let mut fleet = Fleet::start(memory.path(), hosts)?;
    let database = region::engine::open(&Place::File(disk.path().join("region.db")))?;
    let empty = Memory::of(std::process::id())?.now;
    println!("{hosts} hypervisors with {machines} machines each; {parallel} are told at once\n");
    println!("| what | time | processor time of the service | result |\n|---|---|---|---|");

    let engine = runtime.block_on(Engine::start(database, settings()))?;
    let region = Region {
        runtime,
        handle: engine.handle(),
        parallel,
    };
    region.until("the lock", |handle| {
        handle.read(|state| state.lead() == Lead::Here)
    })?;
    let ((), figures) = measured(|| region.fill(memory.path(), hosts, machines))?;
    line(
        "filled, and every machine is where it belongs",
        &figures,
        "",
    );
    let filled = Memory::of(std::process::id())?;

    let (counts, figures) = measured(|| region.act(open(22)))?;
    line("a port opened on all", &figures, &text(counts));
    // Spread evenly.
    let fails = |number: &u32| u64::from(*number) * u64::from(failing) % 100 < failing.into();
    let failed: Vec<u32> = (0..hosts).filter(fails).collect();
    for number in &failed {
        fleet.tell("full", *number)?;
    }
    let (counts, figures) = measured(|| region.act(open(23)))?;
    line(
        &format!("the same, {failing} % refuse"),
        &figures,
        &text(counts),
    );
    for number in &failed {
        fleet.tell("good", *number)?;
        fleet.tell("away", *number)?;
    }
    let (counts, figures) = measured(|| region.act(open(24)))?;
    line(
        &format!("the same, {failing} % are away"),
        &figures,
        &text(counts),
    );
    let memory_after = Memory::of(std::process::id())?;
    let ((), figures) = measured(|| {
        for number in &failed {
            fleet.tell("good", *number)?;
        }
        region.until("all to be back", |handle| up(handle) == hosts as usize)
    })?;
    line("those are started, and linked again", &figures, "");

    let engine = {
        runtime.block_on(engine.stop());
        let database = region::engine::open(&Place::File(disk.path().join("region.db")))?;
        runtime.block_on(Engine::start(database, settings()))?
    };
    let region = Region {
        runtime,
        handle: engine.handle(),
        parallel,
    };
    let ((), figures) =
        measured(|| region.until("all links", |handle| up(handle) == hosts as usize))?;
    line(
        "the service is started again: until all links are up",
        &figures,
        "",
    );
    runtime.block_on(engine.stop());
    let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    println!(
        "\nMemory of the service: {} before, {} filled, {} after the actions, {} at most",
        mb(empty),
        mb(filled.now),
        mb(memory_after.now),
        mb(Memory::of(std::process::id())?.peak)
    );
    Ok(())
}

fn settings() -> Settings {
    Settings {
        name: "bench".into(),
        tls: Tls::new(Options {
            protocols: vec![b"h2"],
            ..Options::default()
        }),
        pace: Pace::default(),
    }
}

fn line(what: &str, figures: &Figures, result: &str) {
    let (took, processor) = (figures.took.as_secs_f64(), figures.processor.as_secs_f64());
    println!("| {what} | {took:.2} s | {processor:.2} s | {result} |");
}

fn text(counts: Counts) -> String {
    format!("{} done, {} failed", counts.done, counts.failed)
}

/// How many links are up.
fn up(handle: &Handle) -> usize {
    handle.read(|state| {
        let hosts = state.view().hypervisors.keys();
        hosts
            .filter(|host| matches!(state.link(**host), Some(LinkState::Up { .. })))
            .count()
    })
}

struct Region<'a> {
    runtime: &'a Runtime,
    handle: Handle,
    parallel: usize,
}

impl Region<'_> {
    fn until(&self, what: &str, mut look: impl FnMut(&Handle) -> bool) -> Result<()> {
        let start = Instant::now();
        while !look(&self.handle) {
            if start.elapsed() > PATIENCE {
                bail!("gave up waiting for {what}");
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn ask(&self, request: Request) -> Ask {
        Ask {
            who: "bench".into(),
            request,
            policy: Policy {
                parallel: self.parallel,
                ..Policy::default()
            },
            dry_run: false,
            key: None,
        }
    }

    /// Puts everything in, and waits until all machines are where they belong.
    fn fill(&self, folder: &Path, hosts: u32, machines: u32) -> Result<()> {
        let mut requests = vec![Request::PutCustomer {
            name: "acme".into(),
            enabled: true,
        }];
        requests.extend((0..hosts).map(|number| Request::PutHypervisor {
            name: name(number).into(),
            endpoint: format!("unix:{}", socket(folder, &name(number)).display()).into(),
            tags: Set::default(),
            enabled: true,
        }));
        self.ask_all(requests)?;
        let places = (0..hosts).flat_map(|host| (0..machines).map(move |machine| (host, machine)));
        self.ask_all(
            places
                .map(|(host, machine)| put_machine(host, machine, machines))
                .collect(),
        )?;
        let all_done = |handle: &Handle| {
            handle.read(|state| {
                let mut actions = state.view().actions.values();
                actions.all(|action| action.state == model::region::ActionState::Done)
            })
        };
        self.until("all machines to be there", all_done)
    }

    fn ask_all(&self, requests: Vec<Request>) -> Result<()> {
        let mut requests = requests.into_iter();
        self.runtime.block_on(async {
            // The first is what the others refer to.
            if let Some(first) = requests.next() {
                self.handle.ask(self.ask(first)).await?;
            }
            let mut under_way = tokio::task::JoinSet::new();
            for request in requests {
                if under_way.len() >= ASKING
                    && let Some(done) = under_way.join_next().await
                {
                    done??;
                }
                let (handle, ask) = (self.handle.clone(), self.ask(request));
                under_way.spawn(async move { handle.ask(ask).await });
            }
            while let Some(done) = under_way.join_next().await {
                done??;
            }
            Ok(())
        })
    }

    /// Carries an action out to its end.
    fn act(&self, request: Request) -> Result<Counts> {
        self.runtime.block_on(async {
            let answer = self.handle.ask(self.ask(request)).await?;
            let mut watch = self.handle.watch(answer.action.context("an action")?)?;
            let mut counts = Counts::default();
            while let Some(progress) = watch.next().await {
                counts = progress.counts;
            }
            Ok(counts)
        })
    }
}

/// Opens a port of all machines of the customer.
fn open(port: u16) -> Request {
    let rule = format!(
        r#"{{"direction":"inbound","protocol":"tcp","ports":[{{"first":{port},"last":{port}}}]}}"#
    );
    Request::AddRule {
        scope: Scope {
            customer: Some(Str::new_static("acme")),
            ..Scope::default()
        },
        rule: serde_json::from_str(&rule).expect("a rule"),
    }
}

fn put_machine(host: u32, machine: u32, machines: u32) -> Request {
    let number = host * machines + machine + 1;
    let [_, high, middle, low] = number.to_be_bytes();
    let parameters = format!(
        r#"{{"droplet_id":{number},"vnics":[{{"mac":"02:00:00:{high:02x}:{middle:02x}:{low:02x}","enabled":1,
        "name":"p{}","interface_type":"public","addresses":{{"ipv4":[{{"ip_address":"10.{high}.{middle}.{low}",
        "masklen":8}}]}},"security_policies":{{"rules":[]}}}}]}}"#,
        machine + 2
    );
    Request::PutMachine {
        parameters: parameters.into(),
        customer: Str::new_static("acme"),
        hypervisor: Some(name(host).into()),
        tags: Set::default(),
        enabled: true,
    }
}

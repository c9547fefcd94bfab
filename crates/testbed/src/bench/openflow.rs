//! Flows installed, replaced and dumped by `ovs-ofctl --bundle` and by `heddle of`, on one switch in one run.
//!
//! The switch is a real `ovs-vswitchd` with dummy ports. Figures only: nothing here asserts how fast anything is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use openflow::message::FlowMod;
use openflow::sync::State;
use openflow::{Flow, Message};

use super::switch::Switch;
use crate::scratch::Scratch;

/// What is measured.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Arguments {
    /// How many flows the switch gets.
    #[arg(long, default_value_t = 100_000)]
    flows: u32,
    /// How many of them are replaced.
    #[arg(long, default_value_t = 1_000)]
    replaced: u32,
    /// How often everything is done; the medians count.
    #[arg(long, default_value_t = 3)]
    times: usize,
}

/// One thing done by one program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    wall: Duration,
    /// The processor time of the program.
    client: Duration,
    /// The processor time of the switch.
    switch: Duration,
}

fn children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros).unwrap_or(0)))
}

fn measure(switch: &Switch, command: &mut Command, output: &Path) -> Result<Cost> {
    let (client, used) = (children()?, switch.cpu()?);
    let start = Instant::now();
    let status = command
        .stdin(Stdio::null())
        .stdout(fs::File::create(output)?)
        .status()?;
    let wall = start.elapsed();
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(Cost {
        wall,
        client: children()?.saturating_sub(client),
        switch: switch.cpu()?.saturating_sub(used),
    })
}

/// A flow such as a host has many of.
fn line(number: u32, changed: bool) -> String {
    let (a, b, c) = (number >> 16 & 0xff, number >> 8 & 0xff, number & 0xff);
    let port = number % 997 + 1;
    let cookie = 0x1000_0000 + number;
    let next = if changed { 60 } else { 40 };
    match number % 4 {
        0 => format!(
            "cookie={cookie:#x},table=33,priority=100,reg15={port:#x},metadata={:#x} \
             actions=load:{port:#x}->NXM_NX_REG13[],load:{:#x}->NXM_NX_REG11[],resubmit(,{next})",
            number / 4 + 1,
            port + 1
        ),
        1 => format!(
            "cookie={cookie:#x},table=17,priority=2002,ip,reg14={port:#x},metadata={:#x},\
             nw_src=10.{a}.{b}.{c} actions=load:0x1->NXM_NX_XXREG0[97],resubmit(,{next})",
            number % 251 + 1
        ),
        2 => format!(
            "cookie={cookie:#x},table=25,priority=50,metadata={:#x},dl_dst=0a:58:0a:{a:02x}:{b:02x}:{c:02x} \
             actions=load:{port:#x}->NXM_NX_REG15[],resubmit(,{next})",
            number % 251 + 1
        ),
        _ => format!(
            "cookie={cookie:#x},table=14,priority=120,ct_state=+new+trk,tcp,metadata={:#x},\
             nw_dst=172.{a}.{b}.{c},tp_dst={} actions=ct(commit,table={next},zone=NXM_NX_REG11[0..15],\
             nat(dst=10.{a}.{b}.{c}:8080))",
            number % 251 + 1,
            port + 1024
        ),
    }
}

fn file(scratch: &Scratch, name: &str, flows: u32, changed: u32) -> Result<PathBuf> {
    let mut text = String::new();
    for number in 0..flows {
        writeln!(text, "{}", line(number, number < changed))?;
    }
    scratch.write(name, &text)
}

/// Who does it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tool<'a> {
    Ofctl,
    Heddle(&'a Path),
}

impl Tool<'_> {
    fn command(self, switch: &Switch, name: &str, file: Option<&Path>) -> Command {
        let mut command = match self {
            Self::Ofctl => {
                let mut command = Command::new("ovs-ofctl");
                command.args(["-O", "OpenFlow15", "--no-names"]);
                if file.is_some() {
                    command.arg("--bundle");
                }
                command
            }
            Self::Heddle(heddle) => {
                let mut command = Command::new(heddle);
                command.args(["of"]);
                command
            }
        };
        command.arg(name).arg(switch.socket()).args(file);
        command
    }
}

const STEPS: [(&str, &str); 3] = [
    ("installed", "add-flows"),
    ("replaced", "replace-flows"),
    ("dumped", "dump-flows"),
];

/// Does everything once, on a switch of its own.
fn once(tool: Tool<'_>, flows: &Path, changed: &Path) -> Result<[Cost; 3]> {
    let scratch = Scratch::in_memory()?;
    let switch = Switch::start(scratch.path())?;
    let output = scratch.path().join("output");
    let mut costs = [Cost::default(); 3];
    for (cost, ((_, name), file)) in
        costs
            .iter_mut()
            .zip(STEPS.iter().zip([Some(flows), Some(changed), None]))
    {
        let mut command = tool.command(&switch, name, file);
        *cost = measure(&switch, &mut command, &output)?;
    }
    let dumped = fs::read_to_string(&output)?;
    let dumped = dumped.lines().filter(|line| line.contains("actions="));
    let wanted = fs::read_to_string(flows)?.lines().count();
    ensure!(
        dumped.count() == wanted,
        "the switch does not hold {wanted} flows"
    );
    Ok(costs)
}

/// The median of each figure.
fn median(runs: &[[Cost; 3]]) -> [Cost; 3] {
    let of = |step: usize, figure: fn(&Cost) -> Duration| {
        let mut all: Vec<Duration> = runs.iter().map(|run| figure(&run[step])).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    [0, 1, 2].map(|step| Cost {
        wall: of(step, |cost| cost.wall),
        client: of(step, |cost| cost.client),
        switch: of(step, |cost| cost.switch),
    })
}

/// Measures, and writes a table.
///
/// # Errors
/// When a program does not come up or refuses something.
pub fn run(out: &mut dyn Write, heddle: &Path, arguments: &Arguments) -> Result<()> {
    let Arguments {
        flows,
        replaced,
        times,
    } = *arguments;
    let scratch = Scratch::new()?;
    let (first, second) = (
        file(&scratch, "flows", flows, 0)?,
        file(&scratch, "changed", flows, replaced)?,
    );
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..times {
        theirs.push(once(Tool::Ofctl, &first, &second).context("ovs-ofctl")?);
        ours.push(once(Tool::Heddle(heddle), &first, &second).context("heddle of")?);
    }
    let (theirs, ours) = (median(&theirs), median(&ours));
    writeln!(
        out,
        "{flows} flows, {replaced} replaced; medians of {times}\n"
    )?;
    writeln!(
        out,
        "| what | ovs-ofctl | heddle | ovs-ofctl / heddle |\n|---|---|---|---|"
    )?;
    for (step, (title, _)) in STEPS.iter().enumerate() {
        type Figure = fn(&Cost) -> Duration;
        let figures: [(&str, Figure); 3] = [
            ("wall", |cost| cost.wall),
            ("client's CPU", |cost| cost.client),
            ("ovs-vswitchd's CPU", |cost| cost.switch),
        ];
        for (what, figure) in figures {
            let (stock, mine) = (figure(&theirs[step]), figure(&ours[step]));
            let ratio = stock.as_secs_f64() / mine.as_secs_f64();
            let [stock, mine] = [stock, mine].map(|time| time.as_secs_f64() * 1000.0);
            writeln!(
                out,
                "| {title}: {what} | {stock:.1} ms | {mine:.1} ms | {ratio:.1} |"
            )?;
        }
    }
    library(out, &first, &second)
}

/// Measures the crate alone.
fn library(out: &mut dyn Write, flows: &Path, changed: &Path) -> Result<()> {
    let [text, changed] = [flows, changed].map(fs::read_to_string);
    let (text, changed) = (text?, changed?);
    let count = text.lines().count();
    let mut table: BTreeMap<&str, String> = BTreeMap::new();
    let mut note = |name, took: Duration| {
        let nanos = took.as_nanos() / u128::try_from(count.max(1)).unwrap_or(1);
        table.insert(name, format!("{nanos} ns"));
    };
    let before = resident()?;
    let start = Instant::now();
    let parsed: Vec<Flow> = read(&text)?;
    note("1 text read", start.elapsed());
    let memory = resident()?.saturating_sub(before) / count.max(1) as u64;
    let mods: Vec<Message> = parsed
        .iter()
        .map(|flow| Message::FlowMod(Box::new(FlowMod::add(flow.clone()))))
        .collect();
    let start = Instant::now();
    let bytes: Vec<Vec<u8>> = mods
        .iter()
        .map(|message| message.encode(7))
        .collect::<Result<_, _>>()?;
    note("2 encoded", start.elapsed());
    let start = Instant::now();
    for message in &bytes {
        black_box(Message::decode(message)?);
    }
    note("3 decoded", start.elapsed());
    let start = Instant::now();
    for flow in &parsed {
        black_box(flow.to_string());
    }
    note("4 text written", start.elapsed());
    let desired = State::new(read(&changed)?, []);
    let actual = State::new(parsed, []);
    let start = Instant::now();
    let changes = desired.diff(&actual);
    note("5 compared", start.elapsed());
    let length: usize = bytes.iter().map(Vec::len).sum();
    writeln!(out, "\n| the crate, a flow | |\n|---|---|")?;
    for (name, value) in table {
        writeln!(out, "| {} | {value} |", &name[2..])?;
    }
    writeln!(out, "| in memory | {memory} bytes |")?;
    writeln!(out, "| in a message | {} bytes |", length / count.max(1))?;
    writeln!(out, "| changes found | {} |", changes.len())?;
    Ok(())
}

fn read(text: &str) -> Result<Vec<Flow>> {
    let flows = text
        .lines()
        .map(|line| line.parse().context(line.to_owned()));
    flows.collect()
}

/// The memory that this process holds, in bytes.
fn resident() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    let kilobytes: u64 = kilobytes.context("VmRSS")?.parse()?;
    Ok(kilobytes * 1024)
}

//! Flows installed, replaced and dumped by `ovs-ofctl --bundle`, by `heddle of`, and by a program that uses the
//! library, on one switch in one run.
//!
//! The switch is a real `ovs-vswitchd` with dummy ports. Figures only: nothing here asserts how fast anything is.

mod library;

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

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

/// The processor time of this process or of its children.
fn used(who: UsageWho) -> Result<Duration> {
    let usage = getrusage(who)?;
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros).unwrap_or(0)))
}

fn measure(switch: &Switch, command: &mut Command, output: &Path) -> Result<Cost> {
    let (client, before) = (used(UsageWho::RUSAGE_CHILDREN)?, switch.cpu()?);
    let start = Instant::now();
    let status = command
        .stdin(Stdio::null())
        .stdout(fs::File::create(output)?)
        .status()?;
    let wall = start.elapsed();
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(Cost {
        wall,
        client: used(UsageWho::RUSAGE_CHILDREN)?.saturating_sub(client),
        switch: switch.cpu()?.saturating_sub(before),
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
    let [first, second] = [first, second].map(fs::read_to_string);
    library::run(out, times, &first?, &second?)
}

//! Many flows, made and removed, in constant memory.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use odp::{Action, Ethernet, FlowId, FlowPut, Match, PortNo};

use crate::lab::Lab;

/// How many flows, unless the environment says otherwise; a million takes minutes when emulated.
const FLOWS: u32 = 40_000;
const VARIABLE: &str = "HEDDLE_ODP_FLOWS";

/// How many there are at a time: they come and go together.
const ROUND: u32 = 10_000;

/// How long it may take: two minutes, and a second for every thousand flows.
pub(crate) fn limit() -> Duration {
    let flows = wanted().unwrap_or(FLOWS);
    Duration::from_secs(120 + u64::from(flows / 1000))
}

fn wanted() -> Result<u32> {
    match std::env::var(VARIABLE) {
        Ok(number) => number.parse().context(VARIABLE),
        Err(_) => Ok(FLOWS),
    }
}

/// By how many kilobytes memory may differ between the halves of a run, but for the first round: allocators keep
/// some. In a million flows, a leak of a byte a flow would show.
const SLACK: u64 = 512;

pub(crate) fn flows_come_and_go_and_memory_stays() -> Result<()> {
    let flows = wanted()?;
    let lab = Lab::new(0)?;
    let puts: Vec<FlowPut> = (0..ROUND).map(put).collect();
    let ids: Vec<FlowId> = puts.iter().map(FlowPut::id).collect();
    let (mut ours, mut kernel) = (Vec::new(), Vec::new());
    let (mut putting, mut removing) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..flows.div_ceil(ROUND) {
        let began = Instant::now();
        for result in lab.connection.put_flows(lab.id, &puts)? {
            result?;
        }
        putting += began.elapsed();
        ensure!(lab.connection.datapath(lab.id)?.stats.flows == u64::from(ROUND));
        let began = Instant::now();
        for result in lab.connection.delete_flows(lab.id, &ids)? {
            result?;
        }
        removing += began.elapsed();
        ensure!(lab.connection.datapath(lab.id)?.stats.flows == 0);
        ours.push(kilobytes("/proc/self/status", "VmRSS:")?);
        kernel.push(kilobytes("/proc/meminfo", "SUnreclaim:")?);
    }
    let done = f64::from(flows.div_ceil(ROUND) * ROUND);
    println!(
        "{done} flows: {:.0} put and {:.0} removed a second; ours {ours:?} kB, kernel's slabs {kernel:?} kB",
        done / putting.as_secs_f64(),
        done / removing.as_secs_f64()
    );
    is_flat(&ours)?;
    is_flat(&kernel)
}

/// A flow of its own for each number.
fn put(number: u32) -> FlowPut {
    let [a, b, c, d] = number.to_be_bytes();
    let addresses = Ethernet {
        src: packet::Mac([2, 0, a, b, c, d]),
        dst: packet::Mac([2, 1, d, c, b, a]),
    };
    let matches = Match::new(PortNo(1 + number % 64)).ethernet(addresses);
    FlowPut::new(
        matches,
        vec![Action::Output(PortNo(2)), Action::Output(PortNo(3))],
    )
}

/// The second half needs no more than the first. The least of each counts: the kernel frees later than it is told,
/// and what leaks is in every sample.
fn is_flat(samples: &[u64]) -> Result<()> {
    let half = samples.len() / 2;
    let least = |samples: &[u64]| samples.iter().min().copied().unwrap_or_default();
    let (before, after) = (least(&samples[1..=half]), least(&samples[half..]));
    ensure!(after <= before + SLACK, "it grew: {samples:?} kB");
    Ok(())
}

fn kilobytes(file: &str, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.split_whitespace().next());
    Ok(value
        .with_context(|| format!("no {name} in {file}"))?
        .parse()?)
}

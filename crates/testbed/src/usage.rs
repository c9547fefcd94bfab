//! What a process takes of the machine, as the kernel says.

use std::time::Duration;

use anyhow::{Context, Result};

/// How much memory a process has, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Its share of it now.
    pub now: u64,
    /// The most that it ever held.
    pub peak: u64,
}

impl Memory {
    /// That of the process of this id.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(id: u32) -> Result<Self> {
        let (rollup, status) = (read(id, "smaps_rollup")?, read(id, "status")?);
        Ok(Self {
            now: kilobytes(&rollup, "Pss:")? * 1024,
            peak: kilobytes(&status, "VmHWM:")? * 1024,
        })
    }
}

/// The processor time that all threads of the process of this id have taken; the kernel counts it in ticks of 10 ms.
///
/// # Errors
/// When there is none.
pub fn processor(id: u32) -> Result<Duration> {
    let stat = read(id, "stat")?;
    // Behind the name, which may hold anything, `utime` and `stime` are the 12th and the 13th.
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    let ticks: Vec<u64> = fields
        .skip(11)
        .take(2)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 10))
}

fn read(id: u32, file: &str) -> Result<String> {
    let path = format!("/proc/{id}/{file}");
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
}

fn kilobytes(text: &str, name: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.with_context(|| format!("no {name} in what the kernel says of the process"))
}

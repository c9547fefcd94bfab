//! The other process: all hypervisors. It reads what some of them are to do from its standard input, a line each.

use std::path::Path;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::simulated::{Mood, Simulated};

/// What a hypervisor is called.
pub(crate) fn name(number: u32) -> String {
    format!("hv{number}")
}

/// Runs so many hypervisors until the standard input ends; says `ready` whenever what it was told is done.
pub(crate) async fn run(folder: &Path, count: u32) -> Result<()> {
    raise_descriptors()?;
    let mut hosts = Vec::new();
    for number in 0..count {
        hosts.push(Some(Simulated::start(folder, &name(number)).await));
    }
    println!("ready");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let (word, number) = line.split_once(' ').context("a word and a number")?;
        let number: usize = number.parse()?;
        let host = hosts.get_mut(number).context("no such hypervisor")?;
        match (word, host.take()) {
            ("good", Some(simulated)) => {
                simulated.set_mood(Mood::Good);
                *host = Some(simulated);
            }
            ("good", None) => {
                *host = Some(Simulated::start(folder, &name(u32::try_from(number)?)).await);
            }
            ("full", Some(simulated)) => {
                simulated.set_mood(Mood::Full);
                *host = Some(simulated);
            }
            ("away", Some(simulated)) => simulated.stop().await,
            _ => bail!("{line}: cannot be"),
        }
        println!("ready");
    }
    Ok(())
}

/// Each hypervisor has a handful of descriptors.
fn raise_descriptors() -> Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

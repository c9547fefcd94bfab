//! A regional service over many simulated hypervisors: how long an action over all of them takes, and what it costs.
//!
//! The service is this process, and the hypervisors are another one, so that memory and processor time are those of the
//! service alone. Between them is real gRPC over unix sockets; the daemons are real, over switches that are none.

#![allow(clippy::print_stdout, reason = "a command-line tool")]

mod measure;
mod simulate;
#[path = "../../tests/support/fleet.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod simulated;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

/// Measures an action over many simulated hypervisors.
#[derive(Parser, Clone, Debug)]
struct Arguments {
    /// How many hypervisors.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    hosts: u32,
    /// Machines on each.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=12))]
    machines: u32,
    /// How many hypervisors are told at once.
    #[arg(long, default_value_t = 64)]
    parallel: usize,
    /// How many of a hundred hypervisors fail.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(..=100))]
    failing: u32,
    /// Be the hypervisors, with their files in this folder; what the other process does by itself.
    #[arg(long, hide = true)]
    simulate: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    match &arguments.simulate {
        Some(folder) => runtime.block_on(simulate::run(folder, arguments.hosts)),
        None => measure::run(&runtime, &arguments),
    }
}

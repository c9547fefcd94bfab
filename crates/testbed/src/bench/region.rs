//! A regional service over many simulated hypervisors.
//!
//! The measurement is a program of its own, the example `fleet` of the crate `region`: it needs the service and the
//! daemons as libraries, which no other test should have to be built with.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

/// How large; what is not said is as the program's own help says.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// The program; the one beside this program, in the folder `examples`, when absent.
    #[arg(long)]
    program: Option<PathBuf>,
    /// What it is told: --hosts, --machines, --parallel, --failing.
    #[arg(last = true)]
    flags: Vec<String>,
}

/// Runs it, and passes on what it writes.
///
/// # Errors
/// When it does not start or fails.
pub fn run(arguments: &Arguments) -> Result<()> {
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => {
            let own = std::env::current_exe().context("where am I?")?;
            own.with_file_name("examples").join("fleet")
        }
    };
    let status = Command::new(&program).args(&arguments.flags).status();
    let status = status.with_context(|| {
        let program = program.display();
        format!(
            "cannot run {program}; build it with cargo build --release -p region --example fleet"
        )
    })?;
    ensure!(status.success(), "{}: {status}", program.display());
    Ok(())
}

//! `cargo xtask vm-test --shell` and `-- COMMAND`: a machine with a stock kernel, for a person.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use testbed::qemu::{Kernel, Machine, serve_if_first, visit};

/// Starts a machine with a stock kernel, and gives a shell in it or runs a command.
#[derive(Parser)]
struct Arguments {
    /// The kernel: `stock` or `newer`.
    #[arg(long, default_value = "stock")]
    kernel: String,
    /// A kernel module to load first; may be given again.
    #[arg(long = "module", value_name = "NAME", default_values = ["openvswitch", "veth"])]
    modules: Vec<String>,
    /// A program of this system to bring; may be given again.
    #[arg(long = "program", value_name = "NAME")]
    programs: Vec<String>,
    /// A binary to bring to the same path; may be given again.
    #[arg(long = "binary", value_name = "PATH")]
    binaries: Vec<PathBuf>,
    /// Megabytes of memory.
    #[arg(long, default_value_t = 768)]
    memory: u32,
    /// What to run; a shell when absent.
    #[arg(trailing_var_arg = true)]
    command: Vec<String>,
}

fn main() -> Result<ExitCode> {
    serve_if_first();
    let arguments = Arguments::parse();
    let kernel = Kernel::named(&arguments.kernel)?;
    let mut machine = Machine::new()
        .loads(&arguments.modules)
        .programs(&arguments.programs)
        .memory(arguments.memory);
    for binary in &arguments.binaries {
        machine = machine.binary(std::path::absolute(binary)?);
    }
    let code = visit(&machine, kernel, &arguments.command)?;
    Ok(ExitCode::from(code))
}

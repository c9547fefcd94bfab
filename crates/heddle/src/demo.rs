//! `heddle demo`: a document's network on this machine, checked with real packets.

use std::io::{Write, stderr, stdout};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::Subcommand;
use testbed::demo::{Demo, keep};

/// Arguments of `heddle demo`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    /// The document, with a `testbed` section.
    #[arg(value_name = "FILE", required = true)]
    file: Option<PathBuf>,
    /// Let it go on running, and say how to look into it.
    #[arg(long)]
    keep: bool,
    /// Use this many hypervisors in place of those that the document names.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    hypervisors: Option<u8>,
    /// Run as the part of a kept demo that stays.
    #[arg(long, hide = true, requires = "keep")]
    behind: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// End a demo that was kept.
    Stop {
        /// Its folder, as it was told.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if let Some(Action::Stop { folder }) = &args.action {
        keep::stop(folder)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.keep && !args.behind {
        let mut behind = Command::new(std::env::current_exe()?);
        behind.args(std::env::args_os().skip(1)).arg("--behind");
        return Ok(ExitCode::from(keep::window(&behind, &mut stdout())?));
    }
    let file = args.file.as_deref().context("which document?")?;
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let document = match api::read(&text) {
        Ok(document) => document,
        Err(problems) => {
            for problem in &problems {
                writeln!(stderr(), "{}:{problem}", file.display())?;
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    let heddle = std::env::current_exe()?;
    let hypervisors = args.hypervisors.map(usize::from);
    let demo = Demo {
        heddle: &heddle,
        file,
        document: &document,
        hypervisors,
    };
    let mut out = stdout();
    let (cloud, totals) = demo.run(&mut out)?;
    let status = u8::from(totals.differed > 0);
    if args.keep {
        keep::explain(&cloud, &heddle, &mut out)?;
        keep::stay(&cloud, &mut out, status)?;
    }
    Ok(ExitCode::from(status))
}

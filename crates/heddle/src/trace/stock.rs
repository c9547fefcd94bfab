//! As `ovn-trace`: its options and its forms (ovn-trace(8)).

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use pipeline::{Form, Network, Options, State};

use super::question::Question;
use super::source::{Source, SourceArgs};

/// Simulates the way of a packet through a logical network.
#[derive(Parser)]
#[command(name = "ovn-trace", disable_version_flag = true)]
pub(crate) struct Args {
    /// The packet, as an expression; before it, if wanted, the datapath.
    #[arg(num_args = 1..=2, value_name = "ARGUMENT", required_unless_present = "version")]
    words: Vec<String>,
    /// Where the Southbound is.
    #[arg(long, value_name = "REMOTE", env = "OVN_SB_DB")]
    db: Option<String>,
    /// Every table that says something.
    #[arg(long)]
    detailed: bool,
    /// Pipelines and actions.
    #[arg(long)]
    summary: bool,
    /// Changes of the packet, and outputs.
    #[arg(long)]
    minimal: bool,
    /// All three forms.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    assume: super::AssumeArgs,
    #[command(flatten)]
    tls: transport::TlsArgs,
    /// Names for people in place of UUIDs, which is the default.
    #[arg(long, overrides_with = "no_friendly_names")]
    friendly_names: bool,
    /// Names as the database has them.
    #[arg(long)]
    no_friendly_names: bool,
    /// Accepted for scripts.
    #[arg(long)]
    no_leader_only: bool,
    /// Accepted for scripts.
    #[arg(long)]
    leader_only: bool,
    /// The OpenFlow flows too.
    #[arg(long, num_args = 0..=1, require_equals = true, value_name = "REMOTE")]
    ovs: Option<Option<String>>,
    /// Run in the background.
    #[arg(long)]
    detach: bool,
    /// Print version information and exit.
    #[arg(short = 'V', long)]
    pub(crate) version: bool,
    /// Give up after this many seconds.
    #[arg(short = 't', long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
    /// Levels of log messages; accepted for scripts.
    #[arg(short = 'v', long, value_name = "SPEC", num_args = 0..=1, require_equals = false)]
    verbose: Vec<String>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    for (asked, name) in [
        (args.detach, "--detach"),
        (args.ovs.is_some(), "--ovs"),
        (args.no_friendly_names, "--no-friendly-names"),
    ] {
        anyhow::ensure!(!asked, "not supported: {name}");
    }
    let source = SourceArgs {
        db: args.db,
        nb_db: None,
        timeout: args.timeout,
        tls: args.tls,
    };
    let network = Network::new(&Source::connect(&source).await?.rows());
    let (datapath, text) = match args.words.as_slice() {
        [datapath, text] => (Some(datapath.as_str()), text.as_str()),
        [text, ..] => (None, text.as_str()),
        [] => (None, ""),
    };
    let question = Question::microflow(&network, datapath, text)?;
    let options: Options = args.assume.options();
    let mut state = State::assuming(args.assume.ct);
    let trace = network.run(question.inport, &question.packet, &mut state, &options);
    let wanted = [
        (args.detailed, Form::Detailed),
        (args.summary, Form::Summary),
        (args.minimal, Form::Minimal),
    ];
    let mut forms: Vec<Form> = wanted
        .iter()
        .filter(|it| it.0 || args.all)
        .map(|it| it.1)
        .collect();
    if forms.is_empty() {
        forms.push(Form::Detailed);
    }
    let text = pipeline::print(&network, &trace, &forms);
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("standard output")?;
    Ok(ExitCode::SUCCESS)
}

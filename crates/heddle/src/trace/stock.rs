//! As `ovn-trace`: its options and its forms (ovn-trace(8)).

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use daemon::{Daemon, DaemonArgs, Identity};
use pipeline::{Form, Naming, Network, State};

use super::attend;
use super::question::Question;
use super::source::{Source, SourceArgs};
use super::switches::{SwitchesArgs, of_this_host};

/// Simulates the way of a packet through a logical network.
#[derive(Parser)]
#[command(name = "ovn-trace", disable_version_flag = true)]
pub(crate) struct Args {
    /// The packet, as an expression; before it, if wanted, the datapath. None with --detach.
    #[arg(num_args = 1..=2, value_name = "ARGUMENT", required_unless_present_any = ["version", "detach"], conflicts_with = "detach")]
    words: Vec<String>,
    #[command(flatten)]
    pub(super) how: HowArgs,
    #[command(flatten)]
    pub(super) forms: FormArgs,
    /// Give up after this many seconds.
    #[arg(short = 't', long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
    /// Print version information and exit.
    #[arg(short = 'V', long)]
    pub(crate) version: bool,
    #[command(flatten)]
    daemon: DaemonArgs,
}

/// Where to look, and what is assumed.
#[derive(clap::Args, Clone)]
pub(super) struct HowArgs {
    /// Where the Southbound is.
    #[arg(long, value_name = "REMOTE", env = "OVN_SB_DB")]
    db: Option<String>,
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
    /// Only ask the leader of a cluster; any member has the same data here.
    #[arg(long, overrides_with = "no_leader_only")]
    leader_only: bool,
    /// Ask any member of a cluster, which is what is done.
    #[arg(long)]
    no_leader_only: bool,
    /// The OpenFlow flows too, of this switch [default: br-int of this host].
    #[arg(long, num_args = 0..=1, require_equals = true, value_name = "REMOTE")]
    ovs: Option<Option<String>>,
}

/// Which forms are printed.
#[derive(clap::Args, Clone, Copy, Default)]
pub(super) struct FormArgs {
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
}

impl FormArgs {
    /// The forms that are asked for; the detailed one if none is.
    pub(super) fn forms(self) -> Vec<Form> {
        let mut forms = self.named();
        if forms.is_empty() {
            forms.push(Form::Detailed);
        }
        forms
    }

    /// The forms that are asked for.
    pub(super) fn named(self) -> Vec<Form> {
        let wanted = [
            (self.detailed, Form::Detailed),
            (self.summary, Form::Summary),
            (self.minimal, Form::Minimal),
        ];
        let wanted = wanted.iter().filter(|it| it.0 || self.all);
        wanted.map(|it| it.1).collect()
    }

    /// Reads the options at the beginning of some words, and gives the words behind them.
    ///
    /// # Errors
    /// For an option that is none of these, in the words of `ovn-trace`.
    pub(super) fn read(words: &[String]) -> Result<(Self, &[String]), String> {
        let mut forms = Self::default();
        let mut rest = words;
        while let Some((word, behind)) = rest.split_first()
            && word.starts_with('-')
        {
            match word.as_str() {
                "--detailed" => forms.detailed = true,
                "--summary" => forms.summary = true,
                "--minimal" => forms.minimal = true,
                "--all" => forms.all = true,
                _ => return Err("unknown option".to_owned()),
            }
            rest = behind;
        }
        Ok((forms, rest))
    }
}

impl HowArgs {
    pub(super) fn source(&self, timeout: u64) -> SourceArgs {
        SourceArgs {
            db: self.db.clone(),
            nb_db: None,
            timeout,
            tls: self.tls.clone(),
        }
    }

    pub(super) const fn naming(&self) -> Naming {
        if self.no_friendly_names {
            Naming::Exact
        } else {
            Naming::Friendly
        }
    }

    /// The trace of a packet as text. `words` are the packet, behind the datapath if wanted.
    pub(super) async fn trace(
        &self,
        network: &Network,
        source: &SourceArgs,
        words: &[String],
        forms: &[Form],
    ) -> anyhow::Result<String> {
        let (datapath, text) = match words {
            [datapath, text] => (Some(datapath.as_str()), text.as_str()),
            [text] => (None, text.as_str()),
            _ => bail!("one or two non-option arguments are required"),
        };
        let question = Question::microflow(network, datapath, text)?;
        let mut options = self.assume.options();
        // `ovn-trace` knows no chassis.
        options.places = false;
        let mut state = State::assuming(self.assume.ct.clone());
        let mut trace = network.run(question.inport, &question.packet, &mut state, &options);
        if let Some(remote) = &self.ovs {
            let remote = remote.clone().unwrap_or_else(of_this_host);
            let none = SwitchesArgs::default();
            let switches = none.connect(network, Some(remote), source).await?;
            switches.annotate(network, &mut trace).await?;
        }
        Ok(pipeline::print(network, &trace, forms))
    }
}

/// Runs as `ovn-trace`, once or in the background. Call it before any thread exists.
pub(crate) fn main(args: &Args, identity: Identity) -> anyhow::Result<ExitCode> {
    if !args.daemon.detach {
        return crate::block_on(once(args));
    }
    let daemon = Daemon::start(identity, &args.daemon)?;
    crate::block_on(attend::serve(daemon, args.how.clone(), args.timeout))
}

async fn once(args: &Args) -> anyhow::Result<ExitCode> {
    let source = args.how.source(args.timeout);
    let rows = Source::connect(&source).await?.rows();
    let network = Network::named(&rows, args.how.naming());
    let forms = args.forms.forms();
    let text = args
        .how
        .trace(&network, &source, &args.words, &forms)
        .await?;
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("standard output")?;
    Ok(ExitCode::SUCCESS)
}

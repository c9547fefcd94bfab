//! `heddle of`: looks at a switch and changes it, in the language of `ovs-ofctl`.
//!
//! Every change of flows and groups is one bundle: all of it or nothing. A refusal names what was refused.

mod alter;
mod bundle;
mod changes;
mod explain;
mod flows;
mod headers;
mod look;
pub(crate) mod print;
mod snoop;
pub(crate) mod switch;
mod texts;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use openflow::message::FlowCommand;

use flows::Source;

/// Arguments of `heddle of`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

/// A switch, and a file.
#[derive(clap::Args)]
struct File {
    #[command(flatten)]
    switch: switch::SwitchArgs,
    /// The file; `-` is the standard input.
    file: PathBuf,
}

/// A switch, and what tells flows.
#[derive(clap::Args)]
struct Line {
    #[command(flatten)]
    switch: switch::SwitchArgs,
    /// As in `table=1,tcp,tp_dst=80 actions=output:2`; `-` reads lines from the standard input.
    flow: String,
    /// Only the flow with just this match and priority.
    #[arg(long)]
    strict: bool,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Print the flows of a switch, or those that a filter covers.
    DumpFlows {
        #[command(flatten)]
        switch: switch::SwitchArgs,
        /// Which, as in `table=1,tcp`.
        filter: Option<String>,
        #[command(flatten)]
        how: flows::FlowsArgs,
    },
    /// Add a flow, in place of one with the same table, priority and match.
    AddFlow {
        #[command(flatten)]
        switch: switch::SwitchArgs,
        /// As in `table=1,tcp,tp_dst=80 actions=output:2`; `-` reads lines from the standard input.
        flow: String,
    },
    /// Change flows as the lines of a file say, all of them or none. A line may begin with add, modify,
    /// modify_strict, delete or delete_strict.
    AddFlows(File),
    /// Change the actions of the flows that a match covers.
    ModFlows(Line),
    /// Remove the flows that a filter covers.
    DelFlows {
        #[command(flatten)]
        switch: switch::SwitchArgs,
        /// Which, as in `table=1,tcp`; an empty text for all of them; `-` reads lines from the standard input.
        filter: String,
        /// Only the flow with just this match and priority.
        #[arg(long)]
        strict: bool,
    },
    /// Make the flows of a switch those of a file, in one step and with as few changes as can be.
    ReplaceFlows(File),
    /// Print what `replace-flows` would change, and fail if that is anything.
    DiffFlows(File),
    /// Change flows and groups and send packets as a file says, all of it or nothing. Lines begin with flow,
    /// group or packet-out.
    Bundle(File),
    /// Print the meters, groups and flows of a switch, as `restore` reads them.
    Save {
        #[command(flatten)]
        switch: switch::SwitchArgs,
    },
    /// Make the meters, groups and flows of a switch those that `save` has printed into a file.
    Restore(File),
    /// Print the packets that the switch sends to controllers, and how ports change.
    Monitor {
        #[command(flatten)]
        switch: switch::SwitchArgs,
        #[command(flatten)]
        how: watch::MonitorArgs,
    },
    /// Print what a bridge and its controllers say to each other.
    Snoop {
        #[command(flatten)]
        switch: switch::SwitchArgs,
        #[command(flatten)]
        how: watch::MonitorArgs,
    },
    /// Print the flows, and then each change of them.
    Watch {
        #[command(flatten)]
        switch: switch::SwitchArgs,
        /// Which, as in `table=1,tcp`.
        filter: Option<String>,
        #[command(flatten)]
        how: watch::MonitorArgs,
    },
    /// Check a flow, and print it as a switch would be told it.
    Parse {
        /// The flow.
        flow: String,
    },
    /// Print a message that is given in hexadecimal.
    Decode {
        /// The message, with or without spaces.
        hex: String,
    },
    #[command(flatten)]
    Look(look::Look),
    #[command(flatten)]
    Alter(alter::Alter),
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let input = Path::new("-");
    match args.command {
        Command::DumpFlows {
            switch,
            filter,
            how,
        } => flows::dump(&switch, &how, filter.as_deref()).await,
        Command::AddFlow { switch, flow } => {
            flows::change(&switch, Source::Line(&flow, input), FlowCommand::Add).await
        }
        Command::AddFlows(File { switch, file }) => {
            flows::change(&switch, Source::File(&file), FlowCommand::Add).await
        }
        Command::ModFlows(line) => {
            let command = if line.strict {
                FlowCommand::ModifyStrict
            } else {
                FlowCommand::Modify
            };
            flows::change(&line.switch, Source::Line(&line.flow, input), command).await
        }
        Command::DelFlows {
            switch,
            filter,
            strict,
        } => {
            let command = if strict {
                FlowCommand::DeleteStrict
            } else {
                FlowCommand::Delete
            };
            flows::change(&switch, Source::Line(&filter, input), command).await
        }
        Command::ReplaceFlows(File { switch, file }) => flows::replace(&switch, &file).await,
        Command::DiffFlows(File { switch, file }) => flows::diff(&switch, &file).await,
        Command::Bundle(File { switch, file }) => bundle::bundle(&switch, &file).await,
        Command::Save { switch } => bundle::save(&switch).await,
        Command::Restore(File { switch, file }) => bundle::restore(&switch, &file).await,
        Command::Monitor { switch, how } => watch::monitor(&switch, &how).await,
        Command::Snoop { switch, how } => snoop::run(&switch, &how).await,
        Command::Watch {
            switch,
            filter,
            how,
        } => watch::watch(&switch, &how, filter.as_deref()).await,
        Command::Parse { flow } => texts::parse(&flow),
        Command::Decode { hex } => texts::decode(&hex),
        Command::Look(what) => look::run(&what).await,
        Command::Alter(what) => alter::run(&what).await,
    }
}

//! `heddle of`: looks at a switch's flows and changes them, in the language of `ovs-ofctl`.

mod flows;
mod switch;
mod texts;

use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `heddle of`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Print the flows of a switch, or those that a filter covers.
    DumpFlows {
        #[command(flatten)]
        switch: switch::SwitchArgs,
        /// Which, as in `table=1,tcp`.
        filter: Option<String>,
    },
    /// Print the groups of a switch.
    DumpGroups {
        #[command(flatten)]
        switch: switch::SwitchArgs,
    },
    /// Add a flow, in place of one with the same table, priority and match.
    AddFlow {
        #[command(flatten)]
        switch: switch::SwitchArgs,
        /// The flow, as in `table=1,tcp,tp_dst=80 actions=output:2`.
        flow: String,
    },
    /// Add the flows of a file, all of them or none.
    AddFlows {
        #[command(flatten)]
        switch: switch::SwitchArgs,
        /// The file, a flow a line; `-` is the standard input.
        file: PathBuf,
    },
    /// Remove the flows that a filter covers.
    DelFlows {
        #[command(flatten)]
        switch: switch::SwitchArgs,
        /// Which, as in `table=1,tcp`; an empty text for all of them.
        filter: String,
    },
    /// Make the flows of a switch those of a file, in one step and with as few changes as can be.
    ReplaceFlows {
        #[command(flatten)]
        switch: switch::SwitchArgs,
        /// The file, a flow a line; `-` is the standard input.
        file: PathBuf,
    },
    /// Print what `replace-flows` would change, and fail if that is anything.
    DiffFlows {
        #[command(flatten)]
        switch: switch::SwitchArgs,
        /// The file, a flow a line; `-` is the standard input.
        file: PathBuf,
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
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::DumpFlows { switch, filter } => flows::dump(&switch, filter.as_deref()).await,
        Command::DumpGroups { switch } => flows::dump_groups(&switch).await,
        Command::AddFlow { switch, flow } => flows::add(&switch, &flow).await,
        Command::AddFlows { switch, file } => flows::add_file(&switch, &file).await,
        Command::DelFlows { switch, filter } => flows::delete(&switch, &filter).await,
        Command::ReplaceFlows { switch, file } => flows::replace(&switch, &file).await,
        Command::DiffFlows { switch, file } => flows::diff(&switch, &file).await,
        Command::Parse { flow } => texts::parse(&flow),
        Command::Decode { hex } => texts::decode(&hex),
    }
}

//! `heddle odp`: looks at the kernel's datapath and changes it, without the daemons of Open vSwitch.
//!
//! `datapath`, `vport` and `flow` speak as the `odp` tool of go-odp does; the others as `ovs-dpctl` does.
//! Subcommands may be abbreviated as long as they are not ambiguous.

mod ct_limits;
mod datapath;
mod dpctl;
mod execute;
mod flags;
mod flow;
mod json;
mod listen;
mod meter;
mod options;
mod out;
mod pcap;
mod probe;
mod stats;
mod vport;
mod which;

use std::process::ExitCode;

use odp::Connection;

use out::Out;

/// Arguments of `heddle odp`.
#[derive(clap::Args)]
#[command(infer_subcommands = true)]
pub(crate) struct Args {
    /// Print JSON: one value a line.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List datapaths, make and delete them, and see the packets for which there is no flow.
    #[command(alias = "d", infer_subcommands = true)]
    Datapath {
        #[command(subcommand)]
        command: Option<datapath::Command>,
    },
    /// List ports, make and delete them, and see how they change.
    #[command(infer_subcommands = true)]
    Vport {
        #[command(subcommand)]
        command: Option<vport::Command>,
    },
    /// List flows, add and delete them, in the words of options.
    #[command(infer_subcommands = true)]
    Flow {
        #[command(subcommand)]
        command: flow::Command,
    },
    /// Print flows as ovs-dpctl does.
    DumpFlows(dpctl::DumpArgs),
    /// Add a flow as ovs-dpctl does: there must be none with its key.
    AddFlow(dpctl::PutArgs),
    /// Change the actions of a flow as ovs-dpctl does: there must be one with its key.
    ModFlow(dpctl::ModArgs),
    /// Print the flow of a UFID.
    GetFlow(dpctl::GetArgs),
    /// Delete a flow as ovs-dpctl does, by its key or its UFID.
    DelFlow(dpctl::DelArgs),
    /// Delete all flows of a datapath.
    DelFlows(which::Which),
    /// Print what datapaths and their ports have counted.
    Stats(which::Some),
    /// Look at the limits of connections in zones, and change them.
    #[command(infer_subcommands = true)]
    CtLimits {
        #[command(subcommand)]
        command: ct_limits::Command,
    },
    /// Look at meters, and change them.
    #[command(infer_subcommands = true)]
    Meter {
        #[command(subcommand)]
        command: meter::Command,
    },
    /// Send a packet through actions.
    Execute(execute::Args),
    /// Say what this kernel's datapath can do.
    Probe,
}

/// What each subcommand works with.
struct Context {
    connection: Connection,
    out: Out,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut context = Context {
        connection: Connection::open()?,
        out: Out::new(args.json),
    };
    let done = match args.command {
        Command::Datapath { command } => datapath::run(&mut context, command),
        Command::Vport { command } => vport::run(&mut context, command),
        Command::Flow { command } => flow::run(&mut context, command),
        Command::DumpFlows(args) => dpctl::dump(&mut context, &args),
        Command::AddFlow(args) => dpctl::add(&mut context, &args),
        Command::ModFlow(args) => dpctl::modify(&mut context, &args),
        Command::GetFlow(args) => dpctl::get(&mut context, &args),
        Command::DelFlow(args) => dpctl::delete(&mut context, &args),
        Command::DelFlows(which) => dpctl::flush(&context, &which),
        Command::Stats(which) => stats::run(&mut context, &which),
        Command::CtLimits { command } => ct_limits::run(&mut context, command),
        Command::Meter { command } => meter::run(&mut context, command),
        Command::Execute(args) => execute::run(&context, &args),
        Command::Probe => probe::run(&mut context),
    };
    // What was found is printed, even if there is no more of it.
    context.out.flush()?;
    done.map(|()| ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Tool {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &str) -> Result<Command, clap::Error> {
        let words = std::iter::once("odp").chain(line.split(' '));
        Tool::try_parse_from(words).map(|tool| tool.args.command)
    }

    #[test]
    fn subcommands_may_be_abbreviated() {
        let list = datapath::Command::List;
        let same = |command: &datapath::Command| {
            std::mem::discriminant(command) == std::mem::discriminant(&list)
        };
        for line in ["d list", "data list", "datapath list"] {
            let Ok(Command::Datapath { command }) = parse(line) else {
                panic!("{line}");
            };
            assert!(command.as_ref().is_some_and(same), "{line}");
        }
        for line in [
            "d",
            "v",
            "d a dp0",
            "d d dp0",
            "v a v dp0 vx --port=4790",
            "v a n dp0 eth0",
            "v a i dp0 in0",
            "f a dp0 --in-port=eth0 --output=vx",
            "f l dp0 --stats",
            "f c dp0",
            "dump dp0 -m",
            "ct g",
            "me f dp0",
            "p",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn what_is_ambiguous_or_nothing_is_refused() {
        for line in ["d l", "v a g dp0 x", "del", "q", "f"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    /// The peer's usage of a GRE port lacks the port.
    #[test]
    fn the_usage_of_each_port_says_its_name() {
        let mut tool = Tool::command();
        tool.build();
        let vport = tool.find_subcommand("vport").unwrap();
        let add = vport.find_subcommand("add").unwrap();
        let kinds: Vec<_> = add
            .get_subcommands()
            .filter(|kind| kind.get_name() != "help")
            .collect();
        assert_eq!(kinds.len(), 5);
        for kind in kinds {
            let usage = kind.clone().render_usage().to_string();
            assert!(usage.ends_with("<DATAPATH> <VPORT>"), "{usage}");
        }
    }
}

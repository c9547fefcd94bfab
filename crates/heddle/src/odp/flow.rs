//! `heddle odp flow`.

use odp::{FlowId, FlowPut, Omit, monotonic_milliseconds};

use super::flags::Flags;
use super::options::{self, FlowOptions};
use super::{Context, json, which};

/// A flow of a datapath.
#[derive(clap::Args)]
pub(super) struct One {
    /// The datapath, by name or number.
    datapath: String,
    #[command(flatten)]
    flags: Flags,
}

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Add a flow; one with the same key gets these actions.
    Add(One),
    /// Delete the flow of a key.
    Delete(One),
    /// Set the counters of the flow of a key to zero.
    Clear(One),
    /// List flows, as `flow add` takes them.
    List {
        /// The datapath, by name or number.
        datapath: String,
        /// Print what they have counted too.
        #[arg(long)]
        stats: bool,
    },
}

pub(super) fn run(context: &mut Context, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Add(one) => {
            let (datapath, options) = one.read(context)?;
            let mut put = FlowPut::new(options.matches, options.actions);
            put.ufid = options.ufid;
            Ok(context.connection.put_flow(datapath, &put)?)
        }
        Command::Delete(one) => {
            let (datapath, options) = one.read(context)?;
            Ok(context.connection.delete_flow(datapath, &id(options))?)
        }
        Command::Clear(one) => {
            let (datapath, options) = one.read(context)?;
            Ok(context.connection.clear_flow(datapath, &id(options))?)
        }
        Command::List { datapath, stats } => list(context, &datapath, stats),
    }
}

impl One {
    fn read(&self, context: &Context) -> anyhow::Result<(odp::DatapathId, FlowOptions)> {
        let datapath = which::find(&context.connection, &self.datapath)?;
        let names = context.connection.port_names(datapath.id)?;
        Ok((datapath.id, options::read(&self.flags, &names)?))
    }
}

fn id(options: FlowOptions) -> FlowId {
    let key = options.matches.key;
    options.ufid.map_or_else(|| FlowId::Key(key), FlowId::Ufid)
}

fn list(context: &mut Context, datapath: &str, stats: bool) -> anyhow::Result<()> {
    let datapath = which::find(&context.connection, datapath)?;
    let names = context.connection.port_names(datapath.id)?;
    let now = monotonic_milliseconds()?;
    for flow in context.connection.flows(datapath.id, Omit::default())? {
        let flow = flow?;
        let text = || {
            let actions = flow.actions.as_deref().unwrap_or_default();
            let mut text = options::write(&flow.matches, actions, &names);
            if stats {
                let used = flow.stats.used.map(|used| now.saturating_sub(used));
                let used = match used {
                    Some(ago) => format!("{}.{:03}s ago", ago / 1000, ago % 1000),
                    None => "never".to_owned(),
                };
                let (packets, bytes) = (flow.stats.packets, flow.stats.bytes);
                text.push_str(&format!(": {packets} packets, {bytes} bytes, used {used}"));
            }
            text
        };
        context.out.line(text, || json::flow(&flow, &names, now))?;
    }
    Ok(())
}

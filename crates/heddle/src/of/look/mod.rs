//! The subcommands that ask a switch something and print the answer.

mod groups;
mod ports;
mod tables;
mod whole;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use openflow::message::multipart::FlowQuery;
use serde_json::Value;

use super::switch::{Switch, SwitchArgs};
pub(super) use groups::meter_id;
pub(super) use tables::{table_descs, table_features};
pub(super) use whole::config;

/// How an answer is printed.
#[derive(Clone, Copy, clap::Args)]
pub(crate) struct LookArgs {
    /// Print JSON: one value a line.
    #[arg(long)]
    pub(super) json: bool,
}

/// Prints, at once also into a pipe.
pub(super) fn print_lines(
    lines: impl IntoIterator<Item = impl std::fmt::Display>,
) -> anyhow::Result<()> {
    let mut out = std::io::BufWriter::with_capacity(64 << 10, std::io::stdout().lock());
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

impl LookArgs {
    /// Prints items as text or as JSON.
    pub(super) fn print<T>(
        self,
        items: &[T],
        text: impl Fn(&T) -> String,
        json: impl Fn(&T) -> Value,
    ) -> anyhow::Result<ExitCode> {
        print_lines(items.iter().map(|item| match self.json {
            true => json(item).to_string(),
            false => text(item),
        }))?;
        Ok(ExitCode::SUCCESS)
    }

    fn print_one<T>(
        self,
        item: &T,
        text: impl Fn(&T) -> String,
        json: impl Fn(&T) -> Value,
    ) -> anyhow::Result<ExitCode> {
        self.print(std::slice::from_ref(item), text, json)
    }
}

/// The answer of the kind that was asked for.
macro_rules! answer {
    ($switch:expr, $reply:expr, $kind:ident) => {
        match $reply {
            Reply::$kind(answer) => answer,
            _ => anyhow::bail!(
                "{}: its answer is of another kind than the question",
                $switch.name
            ),
        }
    };
}
pub(super) use answer;

/// Which switch to look at, and how to print what is seen.
#[derive(clap::Args)]
pub(crate) struct On {
    #[command(flatten)]
    switch: SwitchArgs,
    #[command(flatten)]
    look: LookArgs,
}

/// What to look at.
#[derive(clap::Subcommand)]
pub(crate) enum Look {
    /// Print what the switch is, its ports, and how it treats fragments.
    Show {
        #[command(flatten)]
        on: On,
    },
    /// Print who made the switch.
    DumpDesc {
        #[command(flatten)]
        on: On,
    },
    /// Print what the tables have counted.
    DumpTables {
        #[command(flatten)]
        on: On,
    },
    /// Print what the tables can do, or one.
    DumpTableFeatures {
        #[command(flatten)]
        on: On,
        /// A table's number.
        table: Option<u8>,
    },
    /// Print how the tables are set, or one.
    DumpTableDesc {
        #[command(flatten)]
        on: On,
        /// A table's number.
        table: Option<u8>,
    },
    /// Print the ports of the switch, or one.
    DumpPortsDesc {
        #[command(flatten)]
        on: On,
        /// A port's name or number.
        port: Option<String>,
    },
    /// Print what the ports have counted, or one.
    DumpPorts {
        #[command(flatten)]
        on: On,
        /// A port's name or number.
        port: Option<String>,
    },
    /// Print what the queues have counted, those of one port, or one.
    QueueStats {
        #[command(flatten)]
        on: On,
        /// A port's name or number.
        port: Option<String>,
        /// A queue's number.
        queue: Option<u32>,
    },
    /// Print how the queues are set, those of one port, or one.
    QueueGetConfig {
        #[command(flatten)]
        on: On,
        /// A port's name or number.
        port: Option<String>,
        /// A queue's number.
        queue: Option<u32>,
    },
    /// Print what flows have counted together.
    DumpAggregate {
        #[command(flatten)]
        on: On,
        /// Which, as in `table=1,tcp`.
        filter: Option<String>,
    },
    /// Print the groups of the switch, or one.
    DumpGroups {
        #[command(flatten)]
        on: On,
        /// A group, as in `7` or `group_id=7`.
        group: Option<String>,
    },
    /// Print what the groups have counted, or one.
    DumpGroupStats {
        #[command(flatten)]
        on: On,
        /// A group, as in `7` or `group_id=7`.
        group: Option<String>,
    },
    /// Print what groups can be.
    DumpGroupFeatures {
        #[command(flatten)]
        on: On,
    },
    /// Print the meters of the switch, or one.
    DumpMeters {
        #[command(flatten)]
        on: On,
        /// A meter, as in `7` or `meter=7`.
        meter: Option<String>,
    },
    /// Print what the meters have counted, or one.
    MeterStats {
        #[command(flatten)]
        on: On,
        /// A meter, as in `7` or `meter=7`.
        meter: Option<String>,
    },
    /// Print what meters can be.
    MeterFeatures {
        #[command(flatten)]
        on: On,
    },
    /// Print how tunnel options are mapped to fields.
    DumpTlvMap {
        #[command(flatten)]
        on: On,
    },
    /// Print what the bridge's IPFIX exporter has done.
    DumpIpfixBridge {
        #[command(flatten)]
        on: On,
    },
    /// Print what the IPFIX exporters of flows have done.
    DumpIpfixFlow {
        #[command(flatten)]
        on: On,
    },
    /// Print how the switch treats fragments.
    GetFrags {
        #[command(flatten)]
        on: On,
    },
}

impl Look {
    fn on(&self) -> &On {
        match self {
            Self::Show { on, .. }
            | Self::DumpDesc { on, .. }
            | Self::DumpTables { on, .. }
            | Self::DumpTableFeatures { on, .. }
            | Self::DumpTableDesc { on, .. }
            | Self::DumpPortsDesc { on, .. }
            | Self::DumpPorts { on, .. }
            | Self::QueueStats { on, .. }
            | Self::QueueGetConfig { on, .. }
            | Self::DumpAggregate { on, .. }
            | Self::DumpGroups { on, .. }
            | Self::DumpGroupStats { on, .. }
            | Self::DumpGroupFeatures { on, .. }
            | Self::DumpMeters { on, .. }
            | Self::MeterStats { on, .. }
            | Self::MeterFeatures { on, .. }
            | Self::DumpTlvMap { on, .. }
            | Self::DumpIpfixBridge { on, .. }
            | Self::DumpIpfixFlow { on, .. }
            | Self::GetFrags { on, .. } => on,
        }
    }
}

pub(super) async fn run(what: &Look) -> anyhow::Result<ExitCode> {
    let on = what.on();
    let how = on.look;
    let switch = on.switch.connect().await?;
    let s = &switch;
    match what {
        Look::Show { .. } => whole::show(s, how).await,
        Look::DumpDesc { .. } => whole::description(s, how).await,
        Look::DumpTlvMap { .. } => whole::tlv_map(s, how).await,
        Look::GetFrags { .. } => whole::frags(s, how).await,
        Look::DumpIpfixBridge { .. } => whole::ipfix_bridge(s, how).await,
        Look::DumpIpfixFlow { .. } => whole::ipfix_flow(s, how).await,
        Look::DumpTables { .. } => tables::stats(s, how).await,
        Look::DumpTableFeatures { table, .. } => tables::features(s, how, *table).await,
        Look::DumpTableDesc { table, .. } => tables::descs(s, how, *table).await,
        Look::DumpAggregate { filter, .. } => tables::aggregate(s, how, filter.as_deref()).await,
        Look::DumpPortsDesc { port, .. } => ports::descs(s, how, port.as_deref()),
        Look::DumpPorts { port, .. } => ports::stats(s, how, port.as_deref()).await,
        Look::QueueStats { port, queue, .. } => {
            ports::queue_stats(s, how, port.as_deref(), *queue).await
        }
        Look::QueueGetConfig { port, queue, .. } => {
            ports::queue_config(s, how, port.as_deref(), *queue).await
        }
        Look::DumpGroups { group, .. } => groups::groups(s, how, group.as_deref()).await,
        Look::DumpGroupStats { group, .. } => groups::stats(s, how, group.as_deref()).await,
        Look::DumpGroupFeatures { .. } => groups::features(s, how).await,
        Look::DumpMeters { meter, .. } => groups::meters(s, how, meter.as_deref()).await,
        Look::MeterStats { meter, .. } => groups::meter_stats(s, how, meter.as_deref()).await,
        Look::MeterFeatures { .. } => groups::meter_features(s, how).await,
    }
}

/// What a filter selects.
pub(super) fn query(switch: &Switch, filter: Option<&str>) -> anyhow::Result<FlowQuery> {
    Ok(match filter {
        Some(filter) => switch
            .read(|parser| parser.flow_spec(filter))
            .context("the filter")?
            .query(),
        None => FlowQuery::default(),
    })
}

//! The subcommands that ask a switch something and print the answer.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use openflow::message::SwitchConfig;
use openflow::message::multipart::{FlowQuery, MultipartRequest, QueueQuery};
use openflow::session::Reply;
use openflow::{Group, Message, Port};
use serde_json::{Value, json};

use super::changes::group_id;
use super::print;
use super::switch::{Switch, SwitchArgs};

/// How an answer is printed.
#[derive(Clone, Copy, clap::Args)]
pub(crate) struct LookArgs {
    /// Print JSON: one value a line.
    #[arg(long)]
    pub(super) json: bool,
}

/// Prints, at once also into a pipe.
pub(super) fn print_lines(lines: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
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
            | Self::DumpPortsDesc { on, .. }
            | Self::DumpPorts { on, .. }
            | Self::QueueStats { on, .. }
            | Self::DumpAggregate { on, .. }
            | Self::DumpGroups { on, .. }
            | Self::DumpGroupStats { on, .. }
            | Self::DumpGroupFeatures { on, .. }
            | Self::DumpMeters { on, .. }
            | Self::MeterStats { on, .. }
            | Self::MeterFeatures { on, .. }
            | Self::DumpTlvMap { on, .. }
            | Self::GetFrags { on, .. } => on,
        }
    }
}

/// `N`, `meter=N` or `all`; nothing means all.
pub(super) fn meter_id(text: Option<&str>) -> anyhow::Result<u32> {
    let text = text.unwrap_or("all");
    match text.strip_prefix("meter=").unwrap_or(text) {
        "all" => Ok(openflow::message::Meter::ALL),
        number => number
            .parse()
            .with_context(|| format!("`{text}`: expected meter=NUMBER")),
    }
}

fn one_port(switch: &Switch, port: Option<&String>) -> anyhow::Result<Port> {
    port.map_or(Ok(Port::ANY), |port| switch.port(port))
}

pub(super) async fn config(switch: &Switch) -> anyhow::Result<SwitchConfig> {
    let reply = switch
        .ask(Message::GetConfigRequest, "its settings")
        .await?;
    match answer!(switch, reply, Message) {
        Message::Config(config) => Ok(config),
        _ => bail!("{}: its answer is no settings", switch.name),
    }
}

pub(super) async fn run(what: &Look) -> anyhow::Result<ExitCode> {
    let on = what.on();
    let how = on.look;
    let switch = on.switch.connect().await?;
    let s = &switch;
    match what {
        Look::Show { .. } => show(s, how).await,
        Look::DumpDesc { .. } => {
            let reply = s.dump(MultipartRequest::Description, "its maker").await?;
            let who = answer!(s, reply, Description);
            how.print_one(&*who, print::description, print::description_json)
        }
        Look::DumpTables { .. } => {
            let reply = s.dump(MultipartRequest::Tables, "its tables").await?;
            let tables = answer!(s, reply, Tables);
            how.print(&tables, print::table_stats, print::table_stats_json)
        }
        Look::DumpPortsDesc { port, .. } => {
            let port = one_port(s, port.as_ref())?;
            let ports = s.ports.iter();
            let ports: Vec<_> = ports
                .filter(|one| port == Port::ANY || one.number == port)
                .collect();
            how.print(
                &ports,
                |port| print::port(port),
                |port| print::port_json(port),
            )
        }
        Look::DumpPorts { port, .. } => {
            let port = one_port(s, port.as_ref())?;
            let reply = s
                .dump(MultipartRequest::PortStats(port), "its counters")
                .await?;
            let stats = answer!(s, reply, PortStats);
            how.print(&stats, print::port_stats, print::port_stats_json)
        }
        Look::QueueStats { port, queue, .. } => {
            let query = QueueQuery {
                port: one_port(s, port.as_ref())?,
                queue: queue.unwrap_or(QueueQuery::ALL),
            };
            let reply = s
                .dump(MultipartRequest::QueueStats(query), "its queues")
                .await?;
            let stats = answer!(s, reply, QueueStats);
            how.print(&stats, print::queue_stats, print::queue_stats_json)
        }
        Look::DumpAggregate { filter, .. } => {
            let query = query(s, filter.as_deref())?;
            let reply = s
                .dump(MultipartRequest::Aggregate(query), "its flows")
                .await?;
            let all = answer!(s, reply, Aggregate);
            how.print_one(&all, print::aggregate, print::aggregate_json)
        }
        Look::DumpGroups { .. } | Look::DumpGroupStats { .. } | Look::DumpGroupFeatures { .. } => {
            groups(s, how, what).await
        }
        Look::DumpMeters { .. } | Look::MeterStats { .. } | Look::MeterFeatures { .. } => {
            meters(s, how, what).await
        }
        Look::DumpTlvMap { .. } => {
            let table = s.handle.tlv_table().await;
            let table = table.with_context(|| format!("{}: its tunnel options", s.name))?;
            how.print_one(&table, print::tlv_table, print::tlv_table_json)
        }
        Look::GetFrags { .. } => {
            let config = config(s).await?;
            how.print_one(
                &config,
                |config| print::frags(config.flags).to_owned(),
                |config| json!({"frags": print::frags(config.flags)}),
            )
        }
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

async fn show(switch: &Switch, how: LookArgs) -> anyhow::Result<ExitCode> {
    let features = switch.handle.features().await;
    let features = features.with_context(|| format!("{}: what it is", switch.name))?;
    let config = config(switch).await?;
    let frags = print::frags(config.flags);
    if how.json {
        let mut all = print::features_json(&features);
        all["ports"] = switch.ports.iter().map(print::port_json).collect();
        all["frags"] = json!(frags);
        all["miss_send_len"] = json!(config.miss_send_len);
        print_lines([all.to_string()])?;
    } else {
        let first = [print::features(&features)];
        let ports = switch.ports.iter().map(print::port);
        let last = format!("frags={frags} miss_send_len={}", config.miss_send_len);
        print_lines(first.into_iter().chain(ports).chain([last]))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn groups(switch: &Switch, how: LookArgs, what: &Look) -> anyhow::Result<ExitCode> {
    let id = |text: &Option<String>| group_id(text.as_deref().unwrap_or("all"));
    match what {
        Look::DumpGroupStats { group, .. } => {
            let question = MultipartRequest::GroupStats(id(group)?);
            let reply = switch.dump(question, "its groups").await?;
            let stats = answer!(switch, reply, GroupStats);
            how.print(&stats, print::group_stats, print::group_stats_json)
        }
        Look::DumpGroups { group, .. } => {
            let id = id(group)?;
            let mut groups = all_groups(switch, id).await?;
            groups.retain(|group| id == Group::ALL || group.id == id);
            how.print(&groups, ToString::to_string, print::group_json)
        }
        _ => {
            let question = MultipartRequest::GroupFeatures;
            let reply = switch.dump(question, "what its groups can be").await?;
            let features = answer!(switch, reply, GroupFeatures);
            how.print_one(&features, print::group_features, print::group_features_json)
        }
    }
}

/// The groups of a switch in order of their numbers.
pub(super) async fn all_groups(switch: &Switch, id: u32) -> anyhow::Result<Vec<Group>> {
    let reply = switch
        .dump(MultipartRequest::Groups(id), "its groups")
        .await?;
    let mut groups = answer!(switch, reply, Groups);
    groups.sort_by_key(|group| group.id);
    Ok(groups)
}

/// The meters of a switch in order of their numbers.
pub(super) async fn all_meters(
    switch: &Switch,
    id: u32,
) -> anyhow::Result<Vec<openflow::message::Meter>> {
    let reply = switch
        .dump(MultipartRequest::Meters(id), "its meters")
        .await?;
    let mut meters = answer!(switch, reply, Meters);
    meters.sort_by_key(|meter| meter.id);
    Ok(meters)
}

async fn meters(switch: &Switch, how: LookArgs, what: &Look) -> anyhow::Result<ExitCode> {
    match what {
        Look::MeterStats { meter, .. } => {
            let question = MultipartRequest::MeterStats(meter_id(meter.as_deref())?);
            let reply = switch.dump(question, "its meters").await?;
            let stats = answer!(switch, reply, MeterStats);
            how.print(&stats, print::meter_stats, print::meter_stats_json)
        }
        Look::DumpMeters { meter, .. } => {
            let meters = all_meters(switch, meter_id(meter.as_deref())?).await?;
            how.print(&meters, ToString::to_string, print::meter_json)
        }
        _ => {
            let question = MultipartRequest::MeterFeatures;
            let reply = switch.dump(question, "what its meters can be").await?;
            let features = answer!(switch, reply, MeterFeatures);
            how.print_one(&features, print::meter_features, print::meter_features_json)
        }
    }
}

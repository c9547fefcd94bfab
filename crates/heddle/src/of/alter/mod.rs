//! The subcommands that change groups, meters, ports and settings, and send packets.

mod connections;
mod fragments;
mod port;
mod table;
mod tlv;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use openflow::Message;
use openflow::message::{GroupCommand, Meter, MeterCommand, MeterMod, TlvTableMod};

use super::changes::{Change, Lines, packet_out, read, read_file};
use super::look::meter_id;
use super::switch::{Switch, SwitchArgs};

/// What to change.
#[derive(clap::Subcommand)]
pub(crate) enum Alter {
    /// Add a group, or with `-` those of the standard input.
    AddGroup {
        #[command(flatten)]
        on: SwitchArgs,
        /// As in `group_id=1,type=all,bucket=output:1`.
        group: String,
    },
    /// Add the groups of a file, all of them or none.
    AddGroups {
        #[command(flatten)]
        on: SwitchArgs,
        /// The file, a group a line; `-` is the standard input.
        file: std::path::PathBuf,
    },
    /// Change a group.
    ModGroup {
        #[command(flatten)]
        on: SwitchArgs,
        /// As in `group_id=1,type=all,bucket=output:1`.
        group: String,
        /// Add it if it does not exist.
        #[arg(long)]
        may_create: bool,
    },
    /// Remove a group, or all.
    DelGroups {
        #[command(flatten)]
        on: SwitchArgs,
        /// As in `group_id=1`.
        group: Option<String>,
    },
    /// Add buckets to a group.
    InsertBuckets {
        #[command(flatten)]
        on: SwitchArgs,
        /// As in `group_id=1,command_bucket_id=last,bucket=bucket_id:3,actions=output:1`.
        buckets: String,
    },
    /// Remove buckets from a group.
    RemoveBuckets {
        #[command(flatten)]
        on: SwitchArgs,
        /// As in `group_id=1,command_bucket_id=3`.
        buckets: String,
    },
    /// Add a meter.
    AddMeter {
        #[command(flatten)]
        on: SwitchArgs,
        /// As in `meter=1,kbps,band=type=drop,rate=1000`.
        meter: String,
    },
    /// Change a meter.
    ModMeter {
        #[command(flatten)]
        on: SwitchArgs,
        /// As in `meter=1,kbps,band=type=drop,rate=1000`.
        meter: String,
    },
    /// Remove a meter, or all.
    DelMeters {
        #[command(flatten)]
        on: SwitchArgs,
        /// As in `meter=1`.
        meter: Option<String>,
    },
    /// Change how a port is set.
    ModPort {
        #[command(flatten)]
        on: SwitchArgs,
        /// The port's name or number.
        port: String,
        /// up, down, receive, forward, flood, packet-in, stp, receive-stp, or one of these behind `no-`.
        action: String,
    },
    /// Change how a table is set.
    ModTable {
        #[command(flatten)]
        on: SwitchArgs,
        /// The table's number or name, or `all`.
        table: String,
        /// evict, noevict, vacancy:LOW,HIGH, novacancy or name:NAME.
        setting: String,
    },
    /// Send a packet.
    PacketOut {
        #[command(flatten)]
        on: SwitchArgs,
        /// As in `in_port=1,packet=HEX,actions=output:2`.
        packet: String,
    },
    /// Map tunnel options to fields.
    AddTlvMap {
        #[command(flatten)]
        on: SwitchArgs,
        /// As in `{class=0xffff,type=0,len=4}->tun_metadata0`, several with commas between.
        map: String,
    },
    /// Remove mappings of tunnel options, or all.
    DelTlvMap {
        #[command(flatten)]
        on: SwitchArgs,
        /// As in `{class=0xffff,type=0,len=4}->tun_metadata0`.
        map: Option<String>,
    },
    /// Forget tracked connections: all, those of a zone, or those that tuples cover.
    CtFlush {
        #[command(flatten)]
        on: SwitchArgs,
        /// `zone=N`, then the original tuple, then the reply's, each as in `ct_nw_src=10.0.0.1,ct_nw_proto=6`.
        what: Vec<String>,
    },
    /// Set how the switch treats fragments.
    SetFrags {
        #[command(flatten)]
        on: SwitchArgs,
        /// normal, drop, reassemble or nx-match.
        mode: String,
    },
}

impl Alter {
    fn on(&self) -> &SwitchArgs {
        match self {
            Self::AddGroup { on, .. }
            | Self::AddGroups { on, .. }
            | Self::ModGroup { on, .. }
            | Self::DelGroups { on, .. }
            | Self::InsertBuckets { on, .. }
            | Self::RemoveBuckets { on, .. }
            | Self::AddMeter { on, .. }
            | Self::ModMeter { on, .. }
            | Self::DelMeters { on, .. }
            | Self::ModPort { on, .. }
            | Self::ModTable { on, .. }
            | Self::PacketOut { on, .. }
            | Self::AddTlvMap { on, .. }
            | Self::DelTlvMap { on, .. }
            | Self::CtFlush { on, .. }
            | Self::SetFrags { on, .. } => on,
        }
    }
}

pub(super) async fn run(what: &Alter) -> anyhow::Result<ExitCode> {
    let switch = what.on().connect().await?;
    let s = &switch;
    match what {
        Alter::AddGroup { group, .. } => groups(s, group, GroupCommand::Add).await?,
        Alter::AddGroups { file, .. } => {
            let about = Lines::Groups(GroupCommand::Add);
            s.apply(read_file(s, file, about)?).await?;
        }
        Alter::ModGroup {
            group, may_create, ..
        } => {
            let command = if *may_create {
                GroupCommand::AddOrModify
            } else {
                GroupCommand::Modify
            };
            groups(s, group, command).await?;
        }
        Alter::DelGroups { group, .. } => {
            let group = group.as_deref().unwrap_or("all");
            groups(s, group, GroupCommand::Delete).await?;
        }
        Alter::InsertBuckets { buckets, .. } => {
            groups(s, buckets, GroupCommand::InsertBucket).await?;
        }
        Alter::RemoveBuckets { buckets, .. } => {
            groups(s, buckets, GroupCommand::RemoveBucket).await?;
        }
        Alter::AddMeter { meter, .. } => meter_change(s, meter, MeterCommand::Add).await?,
        Alter::ModMeter { meter, .. } => meter_change(s, meter, MeterCommand::Modify).await?,
        Alter::DelMeters { meter, .. } => {
            let id = meter_id(meter.as_deref())?;
            tell_meter(s, MeterMod::delete(id)).await?;
        }
        Alter::ModPort { port, action, .. } => port::change(s, port, action).await?,
        Alter::ModTable { table, setting, .. } => table::change(s, table, setting).await?,
        Alter::PacketOut { packet, .. } => {
            let message = packet_out(s, packet).context("the packet-out")?;
            s.tell(message, "the packet-out").await?;
        }
        Alter::AddTlvMap { map, .. } => {
            let change = TlvTableMod::Add(tlv::maps(map)?);
            s.tell(Message::TlvTableMod(change), "the mapping").await?;
        }
        Alter::DelTlvMap { map, .. } => {
            let change = match map {
                None => TlvTableMod::Clear,
                Some(map) => TlvTableMod::Delete(tlv::maps(map)?),
            };
            s.tell(Message::TlvTableMod(change), "the mapping").await?;
        }
        Alter::CtFlush { what, .. } => s.tell(connections::flush(what)?, "the flush").await?,
        Alter::SetFrags { mode, .. } => fragments::change(s, mode).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Changes groups as one line says, or with `-` as the standard input says.
async fn groups(switch: &Switch, line: &str, command: GroupCommand) -> anyhow::Result<()> {
    let about = Lines::Groups(command);
    let changes = if line == "-" {
        read_file(switch, Path::new("-"), about)?
    } else {
        let message = read(switch, line, about).context("the group")?;
        vec![Change::new("the group", message)]
    };
    switch.apply(changes).await
}

pub(super) async fn tell_meter(switch: &Switch, change: MeterMod) -> anyhow::Result<()> {
    let what = match change.meter.id {
        Meter::ALL => "the meters".to_owned(),
        id => format!("meter {id}"),
    };
    switch.tell(Message::MeterMod(change), &what).await
}

async fn meter_change(switch: &Switch, line: &str, command: MeterCommand) -> anyhow::Result<()> {
    let meter = switch
        .read(|parser| parser.meter(line))
        .context("the meter")?;
    tell_meter(switch, MeterMod { command, meter }).await
}

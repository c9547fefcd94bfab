//! The subcommands that change groups, meters, ports and settings, and send packets.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use openflow::Message;
use openflow::message::{
    CtFlush, CtFlushZone, CtTuple, GroupCommand, Meter, MeterCommand, MeterMod, PortConfig,
    PortMod, SwitchConfig, TlvMap, TlvTableMod,
};

use super::changes::{Change, Lines, packet_out, read, read_file};
use super::look::{config, meter_id};
use super::print;
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
            let meter = Meter {
                id: meter_id(meter.as_deref())?,
                ..Meter::default()
            };
            tell_meter(s, MeterCommand::Delete, meter).await?;
        }
        Alter::ModPort { port, action, .. } => mod_port(s, port, action).await?,
        Alter::PacketOut { packet, .. } => {
            let message = packet_out(s, packet).context("the packet-out")?;
            s.tell(message, "the packet-out").await?;
        }
        Alter::AddTlvMap { map, .. } => {
            let change = TlvTableMod::Add(tlv_maps(map)?);
            s.tell(Message::TlvTableMod(change), "the mapping").await?;
        }
        Alter::DelTlvMap { map, .. } => {
            let change = match map {
                None => TlvTableMod::Clear,
                Some(map) => TlvTableMod::Delete(tlv_maps(map)?),
            };
            s.tell(Message::TlvTableMod(change), "the mapping").await?;
        }
        Alter::CtFlush { what, .. } => s.tell(ct_flush(what)?, "the flush").await?,
        Alter::SetFrags { mode, .. } => set_frags(s, mode).await?,
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

pub(super) async fn tell_meter(
    switch: &Switch,
    command: MeterCommand,
    meter: Meter,
) -> anyhow::Result<()> {
    let what = match meter.id {
        Meter::ALL => "the meters".to_owned(),
        id => format!("meter {id}"),
    };
    let message = Message::MeterMod(MeterMod { command, meter });
    switch.tell(message, &what).await
}

async fn meter_change(switch: &Switch, line: &str, command: MeterCommand) -> anyhow::Result<()> {
    let meter = switch
        .read(|parser| parser.meter(line))
        .context("the meter")?;
    tell_meter(switch, command, meter).await
}

/// What `mod-port` calls the bits, and whether the word sets them to zero.
const PORT_ACTIONS: [(&str, PortConfig, bool); 14] = [
    ("up", PortConfig::DOWN, false),
    ("down", PortConfig::DOWN, true),
    ("stp", PortConfig::NO_STP, false),
    ("no-stp", PortConfig::NO_STP, true),
    ("receive", PortConfig::NO_RECV, false),
    ("no-receive", PortConfig::NO_RECV, true),
    ("receive-stp", PortConfig::NO_RECV_STP, false),
    ("no-receive-stp", PortConfig::NO_RECV_STP, true),
    ("flood", PortConfig::NO_FLOOD, false),
    ("no-flood", PortConfig::NO_FLOOD, true),
    ("forward", PortConfig::NO_FWD, false),
    ("no-forward", PortConfig::NO_FWD, true),
    ("packet-in", PortConfig::NO_PACKET_IN, false),
    ("no-packet-in", PortConfig::NO_PACKET_IN, true),
];

async fn mod_port(switch: &Switch, port: &str, action: &str) -> anyhow::Result<()> {
    let number = switch.port(port)?;
    let found = PORT_ACTIONS.iter().find(|(name, ..)| *name == action);
    let Some((_, mask, set)) = found else {
        let names: Vec<&str> = PORT_ACTIONS.iter().map(|(name, ..)| *name).collect();
        bail!("{action}: no such action; use one of {}", names.join(", "));
    };
    let known = switch.ports.iter().find(|known| known.number == number);
    let known = known.with_context(|| format!("{}: no port {port}", switch.name))?;
    let message = PortMod {
        port: number,
        address: known.address,
        config: if *set { *mask } else { PortConfig::default() },
        mask: *mask,
        advertise: 0,
        other: Vec::new(),
    };
    let wanted = message.config;
    let what = format!("{action} of port {port}");
    switch.tell(Message::PortMod(message), &what).await?;
    // A switch ignores what it does not know, and newer versions do not know all of these.
    let ports = switch.handle.dump_ports().await;
    let ports = ports.with_context(|| format!("{}: its ports", switch.name))?;
    let now = ports.iter().find(|port| port.number == number);
    if now.is_none_or(|now| now.config.0 & mask.0 != wanted.0) {
        bail!(
            "{}: {what}: the switch did not do it; perhaps only an older version can say it: -O OpenFlow10",
            switch.name
        );
    }
    Ok(())
}

/// A number in decimal, or behind `0x` in hexadecimal.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// `{class=0xffff,type=0,len=4}->tun_metadata0`, several with commas between.
fn tlv_maps(text: &str) -> anyhow::Result<Vec<TlvMap>> {
    let one = |text: &str| {
        let (option, field) = text.trim_start_matches(',').split_once("}->tun_metadata")?;
        let mut map = TlvMap {
            class: 0,
            kind: 0,
            length: 0,
            index: field.parse().ok()?,
        };
        for part in option.strip_prefix('{')?.split(',') {
            let (key, value) = part.split_once('=')?;
            let value = number(value)?;
            match key {
                "class" => map.class = u16::try_from(value).ok()?,
                "type" => map.kind = u8::try_from(value).ok()?,
                "len" => map.length = u8::try_from(value).ok()?,
                _ => return None,
            }
        }
        Some(map)
    };
    let mut maps = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        // The next mapping begins with the next brace.
        let next = rest[1..].find('{').map_or(rest.len(), |at| at + 1);
        let map = one(rest[..next].trim_end_matches([',', ' ']));
        let form = "{class=CLASS,type=TYPE,len=LENGTH}->tun_metadataN";
        maps.push(map.with_context(|| format!("`{rest}`: expected {form}"))?);
        rest = &rest[next..];
    }
    Ok(maps)
}

fn ct_flush(what: &[String]) -> anyhow::Result<Message> {
    let (mut zone, mut tuples) = (None, Vec::new());
    for text in what {
        match text.strip_prefix("zone=") {
            Some(number) if zone.is_none() && tuples.is_empty() => {
                let number = number.parse();
                zone = Some(number.with_context(|| format!("{text}: expected zone=0 to 65535"))?);
            }
            _ => tuples.push(text.as_str()),
        }
    }
    if let (Some(zone), []) = (zone, tuples.as_slice()) {
        return Ok(Message::CtFlushZone(CtFlushZone { zone }));
    }
    if tuples.len() > 2 {
        bail!("ct-flush: a zone and at most two tuples");
    }
    let mut protocol = 0;
    let mut read = |text: Option<&&str>| match text {
        Some(text) => ct_tuple(text, &mut protocol),
        None => Ok(CtTuple::default()),
    };
    let (original, reply) = (read(tuples.first())?, read(tuples.get(1))?);
    Ok(Message::CtFlush(CtFlush {
        protocol,
        original,
        reply,
        zone,
    }))
}

fn ct_tuple(text: &str, protocol: &mut u8) -> anyhow::Result<CtTuple> {
    let mut out = CtTuple::default();
    for part in text.split([',', ' ']).filter(|part| !part.is_empty()) {
        let good = part.split_once('=').and_then(|(key, value)| {
            match key {
                "ct_nw_src" | "ct_ipv6_src" => out.source = Some(value.parse().ok()?),
                "ct_nw_dst" | "ct_ipv6_dst" => out.destination = Some(value.parse().ok()?),
                "ct_tp_src" => out.source_port = Some(value.parse().ok()?),
                "ct_tp_dst" => out.destination_port = Some(value.parse().ok()?),
                "icmp_id" => out.icmp_id = Some(value.parse().ok()?),
                "icmp_type" => out.icmp_type = Some(value.parse().ok()?),
                "icmp_code" => out.icmp_code = Some(value.parse().ok()?),
                "ct_nw_proto" => *protocol = value.parse().ok()?,
                _ => return None,
            }
            Some(())
        });
        good.with_context(|| {
            format!(
                "`{part}`: expected ct_nw_src, ct_nw_dst, ct_ipv6_src, ct_ipv6_dst, ct_nw_proto, ct_tp_src, \
                 ct_tp_dst, icmp_id, icmp_type or icmp_code with a value"
            )
        })?;
    }
    Ok(out)
}

async fn set_frags(switch: &Switch, mode: &str) -> anyhow::Result<()> {
    let found = print::FRAGS.iter().position(|name| *name == mode);
    let flags = found.and_then(|place| u16::try_from(place).ok());
    let flags = flags.with_context(|| {
        format!(
            "{mode}: no such mode; use one of {}",
            print::FRAGS.join(", ")
        )
    })?;
    let now = config(switch).await?;
    let message = Message::SetConfig(SwitchConfig { flags, ..now });
    switch.tell(message, "the setting").await?;
    let after = config(switch).await?;
    if after.flags != flags {
        let is = print::frags(after.flags);
        bail!(
            "{}: fragments are still {is}; the switch cannot {mode}",
            switch.name
        );
    }
    Ok(())
}

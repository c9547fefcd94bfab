//! `heddle odp vport`.

use std::collections::HashMap;

use anyhow::bail;
use odp::{
    Change, DatapathId, Event, Family, GENEVE_PORT, NewVport, PortNo, VXLAN_PORT, Vport, VportRef,
};

use super::{Context, json, which};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List the ports of a datapath, or of all.
    List {
        /// The datapath, by name or number.
        datapath: Option<String>,
    },
    /// Make a port.
    #[command(infer_subcommands = true)]
    Add {
        #[command(subcommand)]
        kind: Kind,
    },
    /// Delete a port.
    Delete {
        /// Its name.
        vport: String,
    },
    /// Print how ports come and go, until interrupted.
    Listen {
        /// End after so many changes.
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },
}

/// Where a port is made.
#[derive(clap::Args)]
pub(super) struct Place {
    /// The datapath, by name or number.
    datapath: String,
    /// The port's name; of a netdev port, its network device's.
    vport: String,
    /// The number that it gets; by default a free one.
    #[arg(long, value_name = "N")]
    number: Option<u32>,
}

#[derive(clap::Subcommand)]
pub(super) enum Kind {
    /// A network device of this host, which the datapath then owns.
    Netdev(Place),
    /// A network device that the datapath makes.
    Internal(Place),
    /// GRE tunnels.
    Gre(Place),
    /// VXLAN tunnels.
    Vxlan {
        #[command(flatten)]
        place: Place,
        /// The UDP port.
        #[arg(long, default_value_t = VXLAN_PORT)]
        port: u16,
        /// With a group policy in the header.
        #[arg(long)]
        gbp: bool,
    },
    /// Geneve tunnels.
    Geneve {
        #[command(flatten)]
        place: Place,
        /// The UDP port.
        #[arg(long, default_value_t = GENEVE_PORT)]
        port: u16,
    },
}

impl Kind {
    fn into_new(self) -> (Place, NewVport) {
        match self {
            Self::Netdev(place) => with(place, NewVport::netdev),
            Self::Internal(place) => with(place, NewVport::internal),
            Self::Gre(place) => with(place, NewVport::gre),
            Self::Vxlan { place, port, gbp } => with(place, |name| {
                let new = NewVport::vxlan(name, port);
                if gbp { new.group_policy() } else { new }
            }),
            Self::Geneve { place, port } => with(place, |name| NewVport::geneve(name, port)),
        }
    }
}

fn with(place: Place, make: impl FnOnce(String) -> NewVport) -> (Place, NewVport) {
    let mut new = make(place.vport.clone());
    new.number = place.number.map(PortNo);
    (place, new)
}

pub(super) fn run(context: &mut Context, command: Option<Command>) -> anyhow::Result<()> {
    match command {
        None => list(context, None),
        Some(Command::List { datapath }) => list(context, datapath.as_deref()),
        Some(Command::Add { kind }) => add(context, kind),
        Some(Command::Delete { vport }) => {
            let port = VportRef::Name(&vport);
            Ok(context.connection.delete_vport(port)?)
        }
        Some(Command::Listen { count }) => listen(context, count),
    }
}

fn list(context: &mut Context, datapath: Option<&str>) -> anyhow::Result<()> {
    let connection = &context.connection;
    let datapaths = match datapath {
        Some(name) => vec![which::find(connection, name)?],
        None => connection.datapaths()?,
    };
    for datapath in datapaths {
        let mut vports = connection.vports(datapath.id)?;
        vports.sort_by_key(|vport| vport.number);
        for vport in vports {
            context.out.line(
                || text(&vport, &datapath.name),
                || json::vport(&vport, &datapath.name),
            )?;
        }
    }
    Ok(())
}

/// As `vport add` takes it.
fn text(vport: &Vport, datapath: &str) -> String {
    let mut text = format!("{} {datapath} {}", vport.kind, vport.name);
    if let Some(port) = vport.options.port {
        text.push_str(&format!(" --port={port}"));
    }
    if vport.options.group_policy {
        text.push_str(" --gbp");
    }
    text
}

fn add(context: &mut Context, kind: Kind) -> anyhow::Result<()> {
    let (place, new) = kind.into_new();
    let datapath = which::find(&context.connection, &place.datapath)?;
    let made = context.connection.create_vport(datapath.id, &new)?;
    context.out.quiet(|| json::vport(&made, &datapath.name))
}

fn listen(context: &mut Context, count: Option<u64>) -> anyhow::Result<()> {
    let families = [Family::Vport, Family::Datapath];
    let mut events = context.connection.events(&families)?;
    let datapaths = context.connection.datapaths()?;
    let mut names: HashMap<DatapathId, String> =
        datapaths.into_iter().map(|it| (it.id, it.name)).collect();
    let mut left = count.unwrap_or(u64::MAX);
    while left > 0 {
        match events.next(None)? {
            Some(Event::Datapath(Change::Added, datapath)) => {
                names.insert(datapath.id, datapath.name);
            }
            Some(Event::Vport(change, vport)) => {
                left -= 1;
                // The datapath may be younger than what we know, and gone already.
                let known = names.get(&vport.datapath).cloned();
                let datapath = known.unwrap_or_else(|| vport.datapath.to_string());
                let word = match change {
                    Change::Added => "add",
                    Change::Removed => "delete",
                    Change::Changed => "change",
                };
                context.out.now(
                    || format!("{word} {}", text(&vport, &datapath)),
                    || json::event(word, json::vport(&vport, &datapath)),
                )?;
            }
            Some(Event::Lost) => {
                bail!("changes came faster than they were read, and some are lost")
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_listed_as_it_is_added() {
        let vport = Vport {
            datapath: DatapathId(7),
            number: PortNo(3),
            name: "vx".into(),
            kind: odp::VportKind::Vxlan,
            options: odp::VportOptions {
                port: Some(4790),
                group_policy: true,
                unknown: Vec::new(),
            },
            upcall_pids: vec![0],
            stats: odp::VportStats::default(),
            upcalls: None,
            ifindex: None,
            namespace: None,
            unknown: Vec::new(),
        };
        assert_eq!(text(&vport, "dp0"), "vxlan dp0 vx --port=4790 --gbp");
        let other = Vport {
            kind: odp::VportKind::Other(107),
            options: odp::VportOptions::default(),
            ..vport
        };
        assert_eq!(text(&other, "dp0"), "type107 dp0 vx");
    }
}

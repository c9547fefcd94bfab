//! `heddle odp ct-limits`: how many connections there may be in a zone, in all datapaths.

use anyhow::{Context as _, ensure};
use odp::{CtLimits, Zone, ZoneLimit};
use serde_json::json;

use super::Context;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Print the limits of zones; of all that have one, if none is named.
    Get {
        /// The zones.
        #[arg(value_name = "ZONE")]
        zones: Vec<u16>,
    },
    /// Set limits: 0 is none.
    Set {
        /// For zones that have none of their own.
        #[arg(long, value_name = "LIMIT")]
        default: Option<u32>,
        /// For these.
        #[arg(value_name = "ZONE=LIMIT", value_parser = limit)]
        limits: Vec<(u16, u32)>,
    },
    /// Delete the limits of zones.
    Delete {
        /// The one for zones that have none of their own too.
        #[arg(long)]
        default: bool,
        /// The zones.
        #[arg(value_name = "ZONE")]
        zones: Vec<u16>,
    },
}

fn limit(text: &str) -> anyhow::Result<(u16, u32)> {
    let (zone, limit) = text.split_once('=').context("expected ZONE=LIMIT")?;
    Ok((zone.parse()?, limit.parse()?))
}

fn zones(numbers: &[u16]) -> Vec<Zone> {
    numbers.iter().copied().map(Zone).collect()
}

pub(super) fn run(context: &mut Context, command: Command) -> anyhow::Result<()> {
    // They hold for all datapaths; the kernel is told of any.
    let datapath = context
        .connection
        .datapaths()?
        .first()
        .map(|datapath| datapath.id);
    let datapath = datapath.unwrap_or_default();
    let connection = &context.connection;
    match command {
        Command::Get { zones: numbers } => {
            let limits = connection.ct_limits(datapath, &zones(&numbers))?;
            let default = limits.default.unwrap_or(0);
            context.out.line(
                || format!("default limit={default}"),
                || json!({ "default": default }),
            )?;
            for zone in limits.zones {
                let ZoneLimit { zone, limit, count } = zone;
                context.out.line(
                    || format!("zone={zone},limit={limit},count={count}"),
                    || json!({ "zone": zone.0, "limit": limit, "count": count }),
                )?;
            }
        }
        Command::Set { default, limits } => {
            ensure!(
                default.is_some() || !limits.is_empty(),
                "say ZONE=LIMIT, or --default=LIMIT"
            );
            let zones = limits.into_iter().map(|(zone, limit)| ZoneLimit {
                zone: Zone(zone),
                limit,
                count: 0,
            });
            let limits = CtLimits {
                default,
                zones: zones.collect(),
            };
            connection.set_ct_limits(datapath, &limits)?;
        }
        Command::Delete {
            default,
            zones: numbers,
        } => {
            ensure!(default || !numbers.is_empty(), "say a zone, or --default");
            connection.delete_ct_limits(datapath, default, &zones(&numbers))?;
        }
    }
    Ok(())
}

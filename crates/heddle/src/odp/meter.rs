//! `heddle odp meter`.

use anyhow::Context as _;
use odp::{Band, Meter, MeterId, MeterUnit, monotonic_milliseconds};
use serde_json::json;

use super::{Context, which};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Print what meters can do.
    Features {
        /// The datapath, by name or number.
        datapath: String,
    },
    /// Make or change a meter.
    Set {
        /// The datapath, by name or number.
        datapath: String,
        /// The meter's number.
        meter: u32,
        /// Count packets, not kilobits.
        #[arg(long)]
        pps: bool,
        /// What a second may bring, and what may come at once beside it.
        #[arg(required = true, value_name = "RATE[:BURST]", value_parser = band)]
        bands: Vec<Band>,
    },
    /// Print what a meter has counted.
    Get {
        /// The datapath, by name or number.
        datapath: String,
        /// The meter's number.
        meter: u32,
    },
    /// Delete a meter.
    Delete {
        /// The datapath, by name or number.
        datapath: String,
        /// The meter's number.
        meter: u32,
    },
}

/// A rate; what may come at once is as much, if it is not said.
fn band(text: &str) -> anyhow::Result<Band> {
    let (rate, burst) = text.split_once(':').unwrap_or((text, text));
    let number = |text: &str| text.parse().context("expected RATE or RATE:BURST");
    Ok(Band {
        rate: number(rate)?,
        burst: number(burst)?,
    })
}

pub(super) fn run(context: &mut Context, command: Command) -> anyhow::Result<()> {
    let find = |context: &Context, name: &str| {
        which::find(&context.connection, name).map(|datapath| datapath.id)
    };
    match command {
        Command::Features { datapath } => {
            let datapath = find(context, &datapath)?;
            let features = context.connection.meter_features(datapath)?;
            let (meters, bands) = (features.max_meters, features.max_bands);
            context.out.line(
                || format!("max_meter:{meters} max_bands:{bands} band_types: drop"),
                || json!({ "max_meters": meters, "max_bands": bands }),
            )
        }
        Command::Set {
            datapath,
            meter,
            pps,
            bands,
        } => {
            let datapath = find(context, &datapath)?;
            let meter = Meter {
                id: MeterId(meter),
                unit: if pps { MeterUnit::Pps } else { MeterUnit::Kbps },
                bands,
                clear: false,
            };
            Ok(context.connection.set_meter(datapath, &meter)?)
        }
        Command::Get { datapath, meter } => {
            let datapath = find(context, &datapath)?;
            get(context, datapath, MeterId(meter))
        }
        Command::Delete { datapath, meter } => {
            let datapath = find(context, &datapath)?;
            let meter = MeterId(meter);
            Ok(context.connection.delete_meter(datapath, meter)?)
        }
    }
}

fn get(context: &mut Context, datapath: odp::DatapathId, id: MeterId) -> anyhow::Result<()> {
    let found = context.connection.meter(datapath, id)?;
    let meter = found.with_context(|| format!("datapath {datapath} has no meter {id}"))?;
    let now = monotonic_milliseconds()?;
    let ago = meter.used.map(|used| now.saturating_sub(used));
    let bands = || {
        let each = meter.bands.iter().enumerate();
        each.map(|(n, band)| (n, band.packets, band.bytes))
    };
    context.out.line(
        || {
            let (packets, bytes) = (meter.packets, meter.bytes);
            let mut text = format!("meter:{id} packet_in_count:{packets} byte_in_count:{bytes}");
            if let Some(ago) = ago {
                text.push_str(&format!(" used:{}.{:03}s", ago / 1000, ago % 1000));
            }
            for (n, packets, bytes) in bands() {
                text.push_str(&format!("\n{n}: packet_count:{packets} byte_count:{bytes}"));
            }
            text
        },
        || {
            let bands =
                bands().map(|(_, packets, bytes)| json!({ "packets": packets, "bytes": bytes }));
            json!({
                "meter": id.0,
                "packets": meter.packets,
                "bytes": meter.bytes,
                "used_ms_ago": ago,
                "bands": bands.collect::<Vec<_>>(),
            })
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_without_a_burst_has_as_much_as_its_rate() {
        assert_eq!(band("5").unwrap(), Band { rate: 5, burst: 5 });
        assert_eq!(band("5:9").unwrap(), Band { rate: 5, burst: 9 });
        assert_eq!(
            band("x").unwrap_err().to_string(),
            "expected RATE or RATE:BURST"
        );
    }
}

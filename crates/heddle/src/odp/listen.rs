//! `heddle odp datapath listen`: the packets for which there is no flow.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use odp::{PortNames, Upcall, UpcallOptions};

use super::{Context, json, options, pcap, which};

/// Arguments of `listen`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The datapath, by name or number.
    datapath: String,
    /// Print what the datapath knows of each packet before it.
    #[arg(long)]
    keys: bool,
    /// Write the packets into a capture, with nanoseconds (pcap-savefile(5)); `-` is the standard output:
    /// `heddle odp datapath listen dp0 --pcap - | tcpdump -r -`.
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// End after so many packets.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// End after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
}

pub(super) fn run(context: &mut Context, args: &Args) -> anyhow::Result<()> {
    let datapath = which::find(&context.connection, &args.datapath)?;
    let upcalls = context
        .connection
        .upcalls(datapath.id, UpcallOptions::default())?;
    let mut capture = args.pcap.as_ref().map(open).transpose()?;
    // Ports may come while it listens: what is not known by name has a number.
    let mut names = context.connection.port_names(datapath.id)?;
    let end = args.end();
    let mut left = args.count.unwrap_or(u64::MAX);
    for mut reader in upcalls.into_readers() {
        while left > 0 {
            let wait = end.map(|end| end.saturating_duration_since(Instant::now()));
            let Some(upcall) = reader.next(wait)? else {
                break;
            };
            left -= 1;
            if upcall
                .key
                .in_port()
                .is_some_and(|port| names.name(port).is_none())
            {
                names = context.connection.port_names(datapath.id)?;
            }
            let keys = args.keys.then(|| keys(&datapath.name, &upcall, &names));
            show(context, &upcall, keys, &names, capture.as_deref_mut())?;
        }
        if reader.overruns() > 0 {
            let lost = context.connection.datapath(datapath.id)?.stats.lost;
            writeln!(
                io::stderr(),
                "packets came faster than they were read: {lost} are lost in all"
            )?;
        }
    }
    Ok(())
}

impl Args {
    fn end(&self) -> Option<Instant> {
        let seconds = self.seconds.map(Duration::try_from_secs_f64)?;
        Instant::now().checked_add(seconds.ok()?)
    }
}

/// A capture with its beginning.
fn open(path: &PathBuf) -> anyhow::Result<Box<dyn Write>> {
    let mut out: Box<dyn Write> = match path.as_os_str() == "-" {
        true => Box::new(io::stdout()),
        false => Box::new(File::create(path)?),
    };
    out.write_all(&pcap::header())?;
    out.flush()?;
    Ok(out)
}

/// What the datapath knows of a packet, as `flow add` takes it.
fn keys(datapath: &str, upcall: &Upcall, names: &PortNames) -> String {
    format!("[{datapath} {}]", options::write_key(&upcall.key, names))
}

fn show(
    context: &mut Context,
    upcall: &Upcall,
    keys: Option<String>,
    names: &PortNames,
    capture: Option<&mut (dyn Write + 'static)>,
) -> anyhow::Result<()> {
    let whole = upcall
        .length
        .and_then(|length| usize::try_from(length).ok());
    match capture {
        Some(capture) => {
            if let Some(keys) = keys {
                writeln!(io::stderr(), "{keys}")?;
            }
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            let length = whole.unwrap_or(upcall.packet.len());
            capture.write_all(&pcap::record(now, &upcall.packet, length))?;
            Ok(capture.flush()?)
        }
        None => context.out.now(
            || {
                let packet = text(&upcall.packet);
                keys.map_or_else(|| packet.clone(), |keys| format!("{keys}\n{packet}"))
            },
            || json::upcall(upcall, names),
        ),
    }
}

/// A packet in a line.
fn text(packet: &[u8]) -> String {
    let text = match pipeline::from_bytes(packet) {
        Some(packet) => pipeline::packet_text(&packet),
        None => "no whole Ethernet header".to_owned(),
    };
    format!("{text}, length {}", packet.len())
}

//! `heddle pcap`: a capture between hosts, with the names of the logical network.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use packet::{Frame, Transport, geneve};
use pipeline::Network;

use super::pcap;
use super::source::{Source, SourceArgs};

/// Arguments of `heddle pcap`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The capture (pcap-savefile(5)), of the interface that carries the tunnels.
    file: PathBuf,
    /// Leave datapaths and ports as numbers; no database is asked.
    #[arg(long)]
    numbers: bool,
    #[command(flatten)]
    source: SourceArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let file = args.file.display();
    let bytes = std::fs::read(&args.file).with_context(|| file.to_string())?;
    let frames = pcap::frames(&bytes).with_context(|| file.to_string())?;
    let network = if args.numbers {
        None
    } else {
        Some(Network::new(&Source::connect(&args.source).await?.rows()))
    };
    let mut text = String::new();
    for (number, frame) in (1..).zip(frames) {
        line(&mut text, number, frame, network.as_ref());
    }
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("standard output")?;
    Ok(ExitCode::SUCCESS)
}

fn line(text: &mut String, number: usize, frame: &[u8], network: Option<&Network>) {
    let _ = write!(text, "{number}: ");
    let outer = Frame::parse(frame);
    let ip = outer.as_ref().and_then(Frame::ip);
    let tunnelled = ip.and_then(|ip| match ip.transport {
        Transport::Udp { dst, payload, .. } if dst == geneve::PORT => geneve::parse(payload),
        _ => None,
    });
    let (Some(ip), Some(inside)) = (ip, tunnelled) else {
        match pipeline::from_bytes(frame) {
            Some(packet) => text.push_str(&pipeline::packet_text(&packet)),
            None => text.push_str("no whole Ethernet header"),
        }
        text.push('\n');
        return;
    };
    let _ = write!(text, "{} > {}", ip.src, ip.dst);
    let datapath = network.and_then(|network| {
        let mut all = network.datapaths();
        all.find(|(_, it)| it.key == inside.vni).map(|it| it.0)
    });
    match (network, datapath) {
        (Some(network), Some(id)) => {
            let _ = write!(text, " datapath {} ({})", network[id].name, inside.vni);
        }
        _ => {
            let _ = write!(text, " datapath {}", inside.vni);
        }
    }
    if let Some(ports) = inside.ports {
        for (word, key) in [("in", ports.inport), ("out", ports.outport)] {
            let name = network
                .zip(datapath)
                .and_then(|(network, id)| network.port_or_group(id, key.into()));
            let _ = match name {
                Some(name) => write!(text, " {word} {name} ({key})"),
                None => write!(text, " {word} {key}"),
            };
        }
    }
    match pipeline::from_bytes(inside.inner) {
        Some(packet) => {
            let _ = write!(text, ": {}", pipeline::packet_text(&packet));
        }
        None => text.push_str(": no whole Ethernet header inside"),
    }
    text.push('\n');
}

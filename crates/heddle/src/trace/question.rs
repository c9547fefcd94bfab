//! Which packet is asked about.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use pipeline::{Description, Fields, Network, Payload, PortId, Service};

use super::{nearest, no_such_port, pcap};

/// The packet.
#[derive(clap::Args)]
pub(crate) struct QuestionArgs {
    /// A port and a service (`vm1 tcp/443`, `vm1 ping`, `vm1 arp`, `vm1 dhcp`, `vm1 dns/www.example`), or an
    /// expression in the language of logical flows, behind the name of a datapath if wanted.
    #[arg(required = true, num_args = 1..=2, value_name = "WORD")]
    words: Vec<String>,
    /// Where to.
    #[arg(long, value_name = "IP")]
    to: Option<IpAddr>,
    /// Where from, unless it is the port's address.
    #[arg(long, value_name = "IP")]
    from: Option<IpAddr>,
    /// The source port.
    #[arg(long, value_name = "PORT")]
    pub(super) source_port: Option<u16>,
    /// The time to live.
    #[arg(long, default_value_t = 64)]
    ttl: u8,
    /// Take the packet from a capture.
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Which packet of the capture, from 1; or several, as in 3-8, with what the network remembers of those before.
    #[arg(long, value_name = "N[-M]", default_value = "1", requires = "pcap", value_parser = parse_range)]
    packet: (usize, usize),
}

fn parse_range(text: &str) -> Result<(usize, usize), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if 1 <= first && first <= last => Ok((first, last)),
        _ => Err("say the number of a packet, or two with a hyphen, the first from 1".to_owned()),
    }
}

/// A packet at a port.
pub(crate) struct Question {
    pub(crate) inport: PortId,
    pub(crate) packet: Fields,
    /// What it carries behind its headers.
    pub(crate) payload: Payload,
    /// Its length, where it is known.
    pub(crate) length: Option<u32>,
}

/// The source port of packets that nobody says it of.
const SOURCE_PORT: u16 = 40_000;

impl Question {
    /// Reads what is asked about: one packet, or several of a capture.
    pub(crate) fn read(args: &QuestionArgs, network: &Network) -> anyhow::Result<Vec<Self>> {
        let is_expression = |word: &&String| word.contains("==") || word.contains("&&");
        if args.words.last().as_ref().is_some_and(is_expression) {
            ensure!(
                args.to.is_none() && args.pcap.is_none(),
                "--to and --pcap go with a port, not with an expression"
            );
            let (datapath, text) = match args.words.as_slice() {
                [datapath, text] => (Some(datapath.as_str()), text),
                [text, ..] => (None, text),
                [] => bail!("say which packet"),
            };
            return Ok(vec![Self::microflow(network, datapath, text)?]);
        }
        let name = args.words.first().map_or("", String::as_str);
        let Some(inport) = network.port(name) else {
            return no_such_port(network, name);
        };
        let service = args.words.get(1);
        if let Some(file) = &args.pcap {
            ensure!(service.is_none(), "a service and --pcap exclude each other");
            return Self::captured(inport, file, args.packet);
        }
        let service = service.map_or(Ok(Service::Ping), |it| it.parse::<Service>())?;
        let description = Description {
            from: inport,
            source: args.from,
            to: args.to,
            service,
            source_port: args.source_port.unwrap_or(SOURCE_PORT),
            ttl: args.ttl,
        };
        let (packet, payload) = network.describe(&description)?;
        Ok(vec![Self {
            inport,
            packet,
            payload,
            length: None,
        }])
    }

    /// A packet as `ovn-trace` has it described: at the datapath that is named, or that of its input port.
    pub(crate) fn microflow(
        network: &Network,
        datapath: Option<&str>,
        text: &str,
    ) -> anyhow::Result<Self> {
        let name = pipeline::microflow_inport(text)?;
        let Some(inport) = network.port(&name) else {
            return no_such_port(network, &name);
        };
        let datapath = match datapath {
            None => network[inport].datapath,
            Some(name) => match network.datapath(name) {
                Some(datapath) => datapath,
                None => {
                    let names = network.datapaths().map(|it| &*it.1.name);
                    bail!("unknown datapath \"{name}\"{}", nearest(name, names))
                }
            },
        };
        ensure!(
            network[inport].datapath == datapath,
            "port \"{name}\" is on datapath \"{}\", not on \"{}\"",
            network[network[inport].datapath].name,
            network[datapath].name
        );
        let packet = pipeline::parse_microflow(text, network, datapath)?;
        Ok(Self {
            inport,
            packet,
            payload: Payload::Unknown,
            length: None,
        })
    }

    fn captured(
        inport: PortId,
        file: &Path,
        (first, last): (usize, usize),
    ) -> anyhow::Result<Vec<Self>> {
        let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
        let frames = pcap::frames(&bytes).with_context(|| file.display().to_string())?;
        let count = frames.len();
        let Some(frames) = frames.get(first - 1..last) else {
            bail!(
                "{}: has {count} packets, so there is no packet {}",
                file.display(),
                first.max(count + 1)
            );
        };
        let read = |(number, frame): (usize, &&[u8])| {
            let Some(packet) = pipeline::from_bytes(frame) else {
                bail!(
                    "{}: packet {number} has no whole Ethernet header",
                    file.display()
                );
            };
            Ok(Self {
                inport,
                packet,
                payload: Payload::of(frame),
                length: u32::try_from(frame.len()).ok(),
            })
        };
        (first..).zip(frames).map(read).collect()
    }
}

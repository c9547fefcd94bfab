//! Which packet is asked about.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use pipeline::{Description, Fields, Network, PortId, Service};

use super::{nearest, no_such_port, pcap};

/// The packet.
#[derive(clap::Args)]
pub(crate) struct QuestionArgs {
    /// A port and a service (`vm1 tcp/443`, `vm1 ping`, `vm1 arp`), or an expression in the language of logical
    /// flows, behind the name of a datapath if wanted.
    #[arg(required = true, num_args = 1..=2, value_name = "WORD")]
    words: Vec<String>,
    /// Where to.
    #[arg(long, value_name = "IP")]
    to: Option<IpAddr>,
    /// Where from, unless it is the port's address.
    #[arg(long, value_name = "IP")]
    from: Option<IpAddr>,
    /// The source port.
    #[arg(long, value_name = "PORT", default_value_t = 40_000)]
    source_port: u16,
    /// The time to live.
    #[arg(long, default_value_t = 64)]
    ttl: u8,
    /// Take the packet from a capture.
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Which packet of the capture, from 1.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "pcap")]
    packet: usize,
}

/// A packet at a port.
pub(crate) struct Question {
    pub(crate) inport: PortId,
    pub(crate) packet: Fields,
}

impl Question {
    pub(crate) fn read(args: &QuestionArgs, network: &Network) -> anyhow::Result<Self> {
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
            return Self::microflow(network, datapath, text);
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
        let Some(to) = args.to else {
            bail!("say where to with --to, or take a packet from a capture with --pcap");
        };
        let service = service.map_or(Ok(Service::Ping), |it| it.parse::<Service>())?;
        let description = Description {
            from: inport,
            source: args.from,
            to,
            service,
            source_port: args.source_port,
            ttl: args.ttl,
        };
        let packet = network.describe(&description)?;
        Ok(Self { inport, packet })
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
        Ok(Self { inport, packet })
    }

    fn captured(inport: PortId, file: &Path, number: usize) -> anyhow::Result<Self> {
        let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
        let frames = pcap::frames(&bytes).with_context(|| file.display().to_string())?;
        let count = frames.len();
        let frame = number.checked_sub(1).and_then(|at| frames.get(at));
        let Some(frame) = frame else {
            bail!(
                "{}: has {count} packets, so there is no packet {number}",
                file.display()
            );
        };
        let Some(packet) = pipeline::from_bytes(frame) else {
            bail!(
                "{}: packet {number} has no whole Ethernet header",
                file.display()
            );
        };
        Ok(Self { inport, packet })
    }
}

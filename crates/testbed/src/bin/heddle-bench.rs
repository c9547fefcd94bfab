//! `make bench`: the stock programs and Heddle over the same Northbound, in one run on one machine.

#![allow(clippy::print_stdout, reason = "a command-line tool")]

use std::io::stdout;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use testbed::Central;
use testbed::bench::{Kubernetes, agent, hvflow, openflow, ovsdb, region, run, write};

#[global_allocator]
static ALLOCATOR: testbed::bench::Counting = testbed::bench::Counting;

/// Loads the shape of a Kubernetes cluster into stock OVN and into Heddle, and compares.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// Nodes of the cluster.
    #[arg(long, default_value_t = 50)]
    nodes: u32,
    /// Pods on each node.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=250))]
    pods: u32,
    /// Services.
    #[arg(long, default_value_t = 0)]
    services: u32,
    /// How often each edit is made; the median counts.
    #[arg(long, default_value_t = 11)]
    times: usize,
    /// The binary to measure; the one beside this program when absent.
    #[arg(long)]
    heddle: Option<PathBuf>,
    /// Measure one side alone.
    #[arg(long)]
    only: Option<Only>,
}

#[derive(clap::Subcommand)]
enum Part {
    /// Compares transactions of a hypervisor's machines with `ovs-ofctl` on one switch.
    Hvflow {
        #[command(flatten)]
        arguments: hvflow::Arguments,
    },
    /// Compares `heddle of` with `ovs-ofctl` on one switch.
    Openflow {
        #[command(flatten)]
        arguments: openflow::Arguments,
        /// The binary to measure; the one beside this program when absent.
        #[arg(long)]
        heddle: Option<PathBuf>,
    },
    /// Compares `heddle agent` with `ovn-controller` over one Southbound.
    Agent {
        #[command(flatten)]
        arguments: agent::Arguments,
        /// The binary to measure; the one beside this program when absent.
        #[arg(long)]
        heddle: Option<PathBuf>,
    },
    /// Measures a regional service over many simulated hypervisors.
    Region {
        #[command(flatten)]
        arguments: region::Arguments,
    },
    /// Compares the database servers alone.
    Ovsdb {
        #[command(flatten)]
        arguments: ovsdb::Arguments,
        /// The binary to measure; the one beside this program when absent.
        #[arg(long)]
        heddle: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Only {
    Stock,
    Heddle,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.part {
        Some(Part::Hvflow { arguments }) => {
            return hvflow::run(&mut stdout().lock(), &arguments);
        }
        Some(Part::Region { arguments }) => return region::run(&arguments),
        Some(Part::Ovsdb { arguments, heddle }) => {
            return ovsdb::run(&mut stdout().lock(), &binary(heddle)?, &arguments);
        }
        Some(Part::Agent { arguments, heddle }) => {
            return agent::run(&mut stdout().lock(), &binary(heddle)?, &arguments);
        }
        Some(Part::Openflow { arguments, heddle }) => {
            return openflow::run(&mut stdout().lock(), &binary(heddle)?, &arguments);
        }
        None => {}
    }
    let heddle = binary(arguments.heddle)?;
    let Arguments {
        nodes,
        pods,
        services,
        times,
        ..
    } = arguments;
    let shape = Kubernetes {
        nodes,
        pods,
        services,
    };
    println!("k8s nodes={nodes} pods={pods} svcs={services}; medians of {times}\n");
    let measure = |central: Central, word: Only| {
        let wanted = arguments.only.is_none_or(|only| only == word);
        wanted
            .then(|| run(central, &heddle, shape, times))
            .transpose()
    };
    let stock = measure(Central::Stock, Only::Stock).context("the stock programs")?;
    let ours = measure(Central::Heddle, Only::Heddle).context("heddle")?;
    write(&mut stdout().lock(), stock.as_ref(), ours.as_ref())
}

fn binary(given: Option<PathBuf>) -> Result<PathBuf> {
    Ok(match given {
        Some(heddle) => heddle,
        None => std::env::current_exe()
            .context("where am I?")?
            .with_file_name("heddle"),
    })
}

//! The binary: each role and each tool is a subcommand.
//!
//! Called by a name that it replaces (`ovn-northd`, `ovn-controller`, `ovsdb-server`), it behaves as that
//! program. No logic of its own is here: a subcommand reads its arguments and calls the crate that does the work.

mod apply;
mod db;
mod demo;
mod exit;
mod hv;
mod nb;
mod northbound;
mod odp;
mod of;
mod regional;
mod roles;
mod tables;
mod trace;
mod vs;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Virtual networks for fleets of hypervisors.
#[derive(Parser)]
#[command(name = "heddle", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the Northbound what a YAML document says.
    Apply(apply::Args),
    /// Look at the Northbound.
    Nb(nb::Args),
    /// Look at databases of any schema and change them, in a file or at a server.
    Db(db::Args),
    /// Look at a switch's flows and change them.
    Of(of::Args),
    /// Look at the configuration of Open vSwitch and change it, as ovs-vsctl does.
    Vs(vs::Args),
    /// Look at the kernel's datapath and change it, without a switch daemon.
    Odp(odp::Args),
    /// Ask the daemon of a hypervisor, heddle hvd.
    Hv(hv::Args),
    /// Run the service of a region of hypervisors, and ask it.
    Region(Box<regional::Args>),
    /// Say what becomes of a packet, and why.
    Trace(trace::Args),
    /// Say what a logical flow is for: by its UUID, or the cookie of an OpenFlow flow.
    Explain(trace::explain::Args),
    /// Print a capture of tunnelled packets with the names of the logical network.
    Pcap(trace::captured::Args),
    /// Build a document's network on this machine, and check it with real packets.
    Demo(demo::Args),
    /// Serve the databases, and compile the Northbound into the Southbound.
    Server(server::ServerArgs),
    /// Serve copies of databases that other servers have, for many readers.
    Relay(server::RelayArgs),
    /// Compile the Northbound of other servers into their Southbound; also as `ovn-northd`.
    Northd(server::northd::Args),
    /// Program this host as the Southbound says; also as `ovn-controller`.
    Agent(agent::args::Args),
    /// Keep a bridge of this hypervisor as its machines' network parameters say.
    Hvd(Box<hvd::Args>),
}

fn main() -> ExitCode {
    without_large_pages();
    let args = daemon::args::normalise(std::env::args_os());
    match run(args) {
        Ok(code) => code,
        Err(error) => {
            fail(&error);
            ExitCode::FAILURE
        }
    }
}

/// The allocator asks for large pages. Of many small values, most of such a page is empty: without them a server takes
/// half the memory, and an agent begins sooner, since nobody has to clear what nobody needs.
fn without_large_pages() {
    // Where that is forbidden, the program takes more memory and is otherwise the same.
    let _ = nix::sys::prctl::set_thp_disable(true);
}

fn run(args: Vec<OsString>) -> anyhow::Result<ExitCode> {
    if let Some(code) = roles::as_replaced_program(&args)? {
        return Ok(code);
    }
    match Cli::parse_from(args).command {
        Command::Apply(args) => block_on(apply::run(args)),
        Command::Nb(args) => block_on(nb::run(args)),
        Command::Db(args) => block_on(db::run(args)),
        Command::Of(args) => block_on(of::run(args)),
        Command::Vs(args) => block_on(vs::run(args)),
        Command::Odp(args) => odp::run(args),
        Command::Hv(args) => block_on(hv::run(args)),
        Command::Region(args) => regional::run(*args),
        Command::Trace(args) => block_on(trace::run(args)),
        Command::Explain(args) => block_on(trace::explain::run(args)),
        Command::Pcap(args) => block_on(trace::captured::run(args)),
        Command::Demo(args) => demo::run(&args),
        Command::Server(args) => roles::server(&args),
        Command::Relay(args) => roles::relay(&args),
        Command::Northd(args) => roles::northd("heddle-northd", &args),
        Command::Agent(args) => roles::agent("heddle-agent", &args),
        Command::Hvd(args) => roles::hvd(&args),
    }
}

/// Tools run on one thread; roles make their own runtimes, because they may detach first.
fn block_on(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

/// The error and its causes in one line.
fn fail(error: &anyhow::Error) {
    use std::io::Write;
    // Nobody is left to tell when the standard error is closed.
    let _ = writeln!(std::io::stderr(), "heddle: {error:#}");
}

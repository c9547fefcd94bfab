//! The daemons, as subcommands and under the names of the programs that they replace.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use daemon::{Family, Identity};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Compiles the Northbound into the Southbound.
#[derive(Parser)]
#[command(name = "ovn-northd", disable_version_flag = true)]
struct Northd {
    #[command(flatten)]
    args: server::northd::Args,
    /// Print version information and exit.
    #[arg(short = 'V', long)]
    version: bool,
}

/// Serves OVSDB database files.
#[derive(Parser)]
#[command(name = "ovsdb-server", disable_version_flag = true)]
struct OvsdbServer {
    #[command(flatten)]
    args: server::ovsdb_server::OvsdbServerArgs,
    /// Print version information and exit.
    #[arg(short = 'V', long)]
    version: bool,
}

/// Runs as the program by whose name the process was called, if that is one that this binary replaces.
pub(crate) fn as_replaced_program(args: &[OsString]) -> anyhow::Result<Option<ExitCode>> {
    let name = args
        .first()
        .and_then(|path| Path::new(path).file_name())
        .and_then(|n| n.to_str());
    match name {
        Some("ovn-northd") => {
            let northd = Northd::parse_from(args);
            if northd.version {
                return version("ovn-northd").map(Some);
            }
            self::northd("ovn-northd", &northd.args).map(Some)
        }
        Some("ovn-controller") => {
            let args = agent::args::Args::parse_from(args);
            self::agent("ovn-controller", &args).map(Some)
        }
        Some("ovsdb-server") => {
            let server = OvsdbServer::parse_from(args);
            if server.version {
                return version("ovsdb-server").map(Some);
            }
            let identity = Identity {
                program: "ovsdb-server".to_owned(),
                version: VERSION.to_owned(),
                family: Family::OpenvSwitch,
            };
            server::ovsdb_server::run(identity, &server.args)?;
            Ok(Some(ExitCode::SUCCESS))
        }
        Some("ovn-trace") => {
            let args = crate::trace::stock::Args::parse_from(args);
            if args.version {
                return version("ovn-trace").map(Some);
            }
            let identity = Identity::ovn("ovn-trace", VERSION);
            crate::trace::stock::main(&args, identity).map(Some)
        }
        Some("ovn-ic") => anyhow::bail!("not supported: running as ovn-ic"),
        _ => Ok(None),
    }
}

fn version(program: &str) -> anyhow::Result<ExitCode> {
    writeln!(std::io::stdout(), "{program} (Heddle) {VERSION}")?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn server(args: &server::ServerArgs) -> anyhow::Result<ExitCode> {
    server::run_server(Identity::ovn("heddle-server", VERSION), args)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn relay(args: &server::RelayArgs) -> anyhow::Result<ExitCode> {
    server::run_relay(Identity::ovn("heddle-relay", VERSION), args)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn northd(name: &str, args: &server::northd::Args) -> anyhow::Result<ExitCode> {
    server::northd::run(Identity::ovn(name, VERSION), args)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn agent(name: &str, args: &agent::args::Args) -> anyhow::Result<ExitCode> {
    if args.version {
        return version(name);
    }
    agent::run(Identity::ovn(name, VERSION), args)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn hvd(args: &hvd::Args) -> anyhow::Result<ExitCode> {
    let identity = Identity {
        program: "heddle-hvd".to_owned(),
        version: VERSION.to_owned(),
        family: Family::OpenvSwitch,
    };
    hvd::run(identity, args)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn region(args: &region::Args) -> anyhow::Result<ExitCode> {
    let identity = Identity::ovn("heddle-region", VERSION);
    region::run(identity, args)?;
    Ok(ExitCode::SUCCESS)
}

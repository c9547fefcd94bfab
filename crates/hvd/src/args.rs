//! The command line of `heddle hvd`.

use std::path::PathBuf;

use daemon::DaemonArgs;

use crate::door::DoorArgs;

/// Keeps a bridge of this hypervisor as its machines' network parameters say; gRPC and REST.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The bridge. It must be there, with fail_mode=secure, so that nobody else fills it.
    #[arg(long, value_name = "NAME", default_value = "br-hv")]
    pub bridge: String,
    /// What the host has: a JSON file with its uplinks. Without it machines reach only each other.
    #[arg(long, value_name = "FILE")]
    pub host: Option<PathBuf>,
    /// Where machines are written down [default: DBDIR/heddle-hvd.db].
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// Seconds between two comparisons of the switch with what it should hold.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub audit: u64,
    /// Where to listen, and for whom [default: --listen punix:RUNDIR/heddle-hvd.sock].
    #[command(flatten)]
    pub door: DoorArgs,
    /// What every daemon has.
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

impl Args {
    /// The same with files named from the root: a daemon that has detached is somewhere else, and reads certificates
    /// again.
    ///
    /// # Errors
    /// When the current folder is not known.
    pub fn absolute(&self) -> std::io::Result<Self> {
        let absolute =
            |path: &Option<PathBuf>| path.as_deref().map(std::path::absolute).transpose();
        let mut args = self.clone();
        args.host = absolute(&self.host)?;
        args.store = absolute(&self.store)?;
        args.door.tls = self.door.tls.absolute()?;
        Ok(args)
    }
}

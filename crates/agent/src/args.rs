//! The command line of `ovn-controller`.

use std::path::Path;

use daemon::DaemonArgs;
use transport::TlsArgs;

/// Programs Open vSwitch on this host as the Southbound says.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "ovn-controller", disable_version_flag = true)]
pub struct Args {
    /// The local Open vSwitch database [default: unix:RUNDIR/db.sock].
    #[arg(value_name = "OVS-DATABASE")]
    pub database: Option<String>,
    /// Name of this chassis, in place of external_ids:system-id.
    #[arg(short = 'n', long = "chassis", value_name = "NAME")]
    pub chassis: Option<String>,
    /// Accepted for compatibility.
    #[arg(long, hide = true)]
    pub enable_dummy_vif_plug: bool,
    /// Certificates, for a Southbound at ssl:.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// Print version information and exit.
    #[arg(short = 'V', long)]
    pub version: bool,
    /// What every daemon has.
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

impl Args {
    /// The remote of the local database.
    pub fn database(&self, rundir: &Path) -> String {
        let default = || format!("unix:{}", rundir.join("db.sock").display());
        self.database.clone().unwrap_or_else(default)
    }
}

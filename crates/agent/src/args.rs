//! The command line of `ovn-controller`.

use std::path::Path;

use daemon::DaemonArgs;

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
    /// Not supported yet.
    #[arg(short = 'p', long, value_name = "FILE", hide = true)]
    pub private_key: Option<String>,
    /// Not supported yet.
    #[arg(short = 'c', long, value_name = "FILE", hide = true)]
    pub certificate: Option<String>,
    /// Not supported yet.
    #[arg(short = 'C', long, value_name = "FILE", hide = true)]
    pub ca_cert: Option<String>,
    /// Not supported yet.
    #[arg(long, value_name = "FILE", hide = true)]
    pub bootstrap_ca_cert: Option<String>,
    /// Not supported yet.
    #[arg(long, value_name = "FILE", hide = true)]
    pub peer_ca_cert: Option<String>,
    /// Print version information and exit.
    #[arg(short = 'V', long)]
    pub version: bool,
    /// What every daemon has.
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

impl Args {
    /// Whether one of the flags asks for TLS, which is not there yet.
    pub fn asks_for_tls(&self) -> bool {
        [
            &self.private_key,
            &self.certificate,
            &self.ca_cert,
            &self.bootstrap_ca_cert,
            &self.peer_ca_cert,
        ]
        .iter()
        .any(|flag| flag.is_some())
    }

    /// The remote of the local database.
    pub fn database(&self, rundir: &Path) -> String {
        let default = || format!("unix:{}", rundir.join("db.sock").display());
        self.database.clone().unwrap_or_else(default)
    }
}

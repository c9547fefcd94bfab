//! The command line of `heddle region run`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use daemon::DaemonArgs;
use hvd::door::DoorArgs;
use server::{EtcdArgs, Place};

use crate::engine::Pace;

/// Keeps what is wanted on the hypervisors of a region, and tells them; gRPC and REST.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The database file [default: DBDIR/heddle-region.db].
    #[arg(long, value_name = "FILE", conflicts_with = "etcd")]
    pub db: Option<PathBuf>,
    /// Where the database is instead, for several services of which one leads.
    #[command(flatten)]
    pub etcd: EtcdArgs,
    /// What this service calls itself: the others name it when they refuse a change [default: the host's name].
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// A name in a certificate that may register itself as a hypervisor, and no more; `*` for each certificate that
    /// --ca-cert vouches for.
    #[arg(long, value_name = "NAME", help_heading = "Callers")]
    pub allow_hypervisor: Vec<String>,
    /// Try a hypervisor that is away again after this many seconds at most.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub retry: u64,
    /// Set up connections to so many hypervisors at once.
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub connecting: u16,
    /// Where to listen, and for whom [default: --listen punix:RUNDIR/heddle-region.sock]. The certificate is also the one
    /// that hypervisors are shown.
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
        let mut args = self.clone();
        if let Some(db) = &self.db {
            args.db = Some(std::path::absolute(db)?);
        }
        args.door.tls = self.door.tls.absolute()?;
        args.door.members.clone_from(&self.allow_hypervisor);
        let etcd = &mut args.etcd;
        let files = [
            &mut etcd.etcd_ca,
            &mut etcd.etcd_cert,
            &mut etcd.etcd_key,
            &mut etcd.etcd_password_file,
        ];
        for path in files.into_iter().flatten() {
            *path = std::path::absolute(&*path)?;
        }
        Ok(args)
    }

    /// Where the database is; a file without a name is in `folder`.
    #[must_use]
    pub fn place(&self, folder: &Path) -> Place {
        if !self.etcd.etcd.is_empty() {
            return Place::Etcd(self.etcd.clone());
        }
        let db = self.db.clone();
        Place::File(db.unwrap_or_else(|| folder.join("heddle-region.db")))
    }

    /// How soon hypervisors are tried again.
    #[must_use]
    pub fn pace(&self) -> Pace {
        Pace {
            most: Duration::from_secs(self.retry),
            connecting: self.connecting.into(),
            ..Pace::default()
        }
    }
}

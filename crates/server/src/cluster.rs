//! The databases of `heddle server` in etcd, where several servers serve the same ones.
//!
//! It must not know how etcd is used. Invariant: the process gives its locks back before it ends, so that another
//! takes over at once.

use std::path::PathBuf;

use anyhow::Context;
use etcd::{Cluster, Options, TlsFiles, User};
use ovsdb::DatabaseSchema;

use crate::core::Core;

/// The flags for databases in etcd.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct EtcdArgs {
    /// Keep the databases in etcd, at these endpoints of its members (http://HOST:PORT), in place of files. Any
    /// number of servers can serve them.
    #[arg(
        long,
        value_name = "ENDPOINT",
        num_args = 1..,
        value_delimiter = ','
    )]
    pub etcd: Vec<String>,
    /// What the keys in etcd begin with.
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = "heddle",
        requires = "etcd"
    )]
    pub etcd_prefix: String,
    /// The authorities that the members are certified by (PEM); with it TLS is used.
    #[arg(long, value_name = "FILE", requires = "etcd")]
    pub etcd_ca: Option<PathBuf>,
    /// The certificate to show to etcd (PEM).
    #[arg(long, value_name = "FILE", requires = "etcd_key", requires = "etcd_ca")]
    pub etcd_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE", requires = "etcd_cert")]
    pub etcd_key: Option<PathBuf>,
    /// As whom to log in to etcd, if it wants that.
    #[arg(
        long,
        value_name = "NAME",
        requires = "etcd",
        requires = "etcd_password_file"
    )]
    pub etcd_user: Option<String>,
    /// The file whose first line is the password of --etcd-user.
    #[arg(long, value_name = "FILE", requires = "etcd_user")]
    pub etcd_password_file: Option<PathBuf>,
}

impl EtcdArgs {
    /// Connects to etcd, if the flags say so. Blocks; not for a thread of a runtime.
    ///
    /// # Errors
    /// When a flag is wrong or no member answers.
    pub(crate) fn connect(&self) -> anyhow::Result<Option<Cluster>> {
        if self.etcd.is_empty() {
            return Ok(None);
        }
        let tls = self.etcd_ca.as_ref().map(|ca| TlsFiles {
            ca: Some(ca.clone()),
            cert: self.etcd_cert.clone(),
            key: self.etcd_key.clone(),
        });
        let user = self.etcd_user.clone().zip(self.etcd_password_file.clone());
        if user.is_some() && tls.is_none() {
            tracing::warn!(target: "etcd", "the password is sent to etcd without encryption; use https:// and --etcd-ca");
        }
        let options = Options {
            endpoints: self.etcd.clone(),
            prefix: self.etcd_prefix.clone(),
            tls,
            user: user.map(|(name, password_file)| User {
                name,
                password_file,
            }),
            ..Options::default()
        };
        let cluster = Cluster::connect(&options).context("cannot use etcd")?;
        tracing::info!(
            target: "etcd", "connected to cluster {} at {}", cluster.id(), self.etcd.join(", ")
        );
        Ok(Some(cluster))
    }
}

/// Opens the databases in etcd, and has the locks there.
pub(crate) fn open(
    core: &mut Core,
    cluster: &Cluster,
    schemas: impl IntoIterator<Item = DatabaseSchema>,
) -> anyhow::Result<()> {
    core.share_locks(Box::new(cluster.locks()));
    for schema in schemas {
        let name = schema.name.clone();
        let opened = cluster
            .open(schema)
            .with_context(|| format!("cannot open {name} in etcd"))?;
        core.add(opened.database, Box::new(opened.log))
            .context("cannot start the thread of a log")?;
    }
    Ok(())
}

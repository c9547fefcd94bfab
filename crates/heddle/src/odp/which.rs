//! Which datapath is meant.

use anyhow::bail;
use odp::{Connection, Datapath, DatapathId};

/// The datapath of a name or a number.
pub(super) fn find(connection: &Connection, name: &str) -> anyhow::Result<Datapath> {
    // `ovs-dpctl` writes names so.
    let name = name.strip_prefix("system@").unwrap_or(name);
    match name.parse() {
        // A name may be a number too; what has it as a name is meant first.
        Ok(number) => match connection.datapath(name) {
            Err(error) if error.is_missing() => Ok(connection.datapath(DatapathId(number))?),
            found => Ok(found?),
        },
        Err(_) => Ok(connection.datapath(name)?),
    }
}

/// A datapath, which need not be said if there is only one.
pub(super) fn find_or_only(
    connection: &Connection,
    name: Option<&str>,
) -> anyhow::Result<Datapath> {
    if let Some(name) = name {
        return find(connection, name);
    }
    let mut all = connection.datapaths()?;
    match (all.pop(), all.len()) {
        (Some(only), 0) => Ok(only),
        (None, _) => bail!("there is no datapath; make one with `heddle odp datapath add NAME`"),
        (Some(_), others) => bail!("there are {} datapaths: say which", others + 1),
    }
}

/// A datapath that need not be said.
#[derive(clap::Args)]
pub(super) struct Which {
    /// The datapath, by name or number; it need not be said if there is only one.
    datapath: Option<String>,
}

impl Which {
    pub(super) fn find(&self, connection: &Connection) -> anyhow::Result<Datapath> {
        find_or_only(connection, self.datapath.as_deref())
    }
}

/// Some datapaths.
#[derive(clap::Args)]
pub(super) struct Some {
    /// The datapaths, by name or number; all, if none is said.
    datapaths: Vec<String>,
}

impl Some {
    pub(super) fn find(&self, connection: &Connection) -> anyhow::Result<Vec<Datapath>> {
        if self.datapaths.is_empty() {
            return Ok(connection.datapaths()?);
        }
        let names = self.datapaths.iter();
        names.map(|name| find(connection, name)).collect()
    }
}

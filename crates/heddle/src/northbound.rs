//! A connection to a Northbound for tools that do one thing and end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::{Table, nb};
use ovsdb::{Row, Uuid};
use transport::ovsdb::Event;

use crate::tables::Tables;

/// Where the database is.
#[derive(clap::Args, Clone)]
pub(crate) struct DbArgs {
    /// The Northbound database: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT, several with commas between.
    #[arg(long, value_name = "REMOTE", env = "OVN_NB_DB")]
    db: Option<String>,
    /// Give up after this many seconds without a connection.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
    #[command(flatten)]
    tls: transport::TlsArgs,
}

/// The Northbound, with the rows of some tables.
pub(crate) struct Northbound {
    tables: Tables,
}

impl Northbound {
    /// Connects and fetches all rows of `tables`.
    pub(crate) async fn connect(args: &DbArgs, tables: &[&str]) -> anyhow::Result<Self> {
        let db = args.db.clone().unwrap_or_else(default_remote);
        let limit = Duration::from_secs(args.timeout);
        let tls = args.tls.tls()?;
        let tables = Tables::connect("--db", &db, limit, nb::schema(), tables, tls).await?;
        Ok(Self { tables })
    }

    /// Waits for the next event and takes over its changes.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Event> {
        self.tables.next().await
    }

    /// Runs a transaction.
    pub(crate) async fn transact(&self, operations: Vec<ovsdb::Operation>) -> anyhow::Result<()> {
        self.tables.transact(operations).await
    }

    /// The rows of one table as they are stored.
    pub(crate) fn raw(&self, table: &str) -> impl Iterator<Item = (Uuid, &Arc<Row>)> {
        self.tables.raw(table)
    }

    /// The rows of one table.
    pub(crate) fn rows<T: Table>(&self) -> HashMap<Uuid, T> {
        self.tables.typed().collect()
    }

    /// The row of one UUID.
    pub(crate) fn global(&self) -> Option<(Uuid, nb::NbGlobal)> {
        self.rows::<nb::NbGlobal>().into_iter().next()
    }
}

/// Where the Northbound of this machine is.
pub(crate) fn default_remote() -> String {
    let dirs = daemon::Dirs::from_env(daemon::Family::Ovn);
    format!("unix:{}", dirs.run.join("ovnnb_db.sock").display())
}

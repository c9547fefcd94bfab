//! A connection to a Northbound for tools that do one thing and end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use model::{Table, nb};
use ovsdb::client::Config;
use ovsdb::{Row, Str, Uuid};
use tokio::time::timeout;
use transport::Remote;
use transport::ovsdb::{Client, Event};

/// Where the database is.
#[derive(clap::Args, Clone)]
pub(crate) struct DbArgs {
    /// The Northbound database: unix:PATH or tcp:HOST:PORT, several with commas between.
    #[arg(long, value_name = "REMOTE", env = "OVN_NB_DB")]
    db: Option<String>,
    /// Give up after this many seconds without a connection.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
}

/// Rows of some tables, kept up to date while events are taken.
pub(crate) struct Northbound {
    client: Client,
    rows: HashMap<Str, HashMap<Uuid, Arc<Row>>>,
    db: String,
}

impl Northbound {
    /// Connects and fetches all rows of `tables`.
    pub(crate) async fn connect(args: &DbArgs, tables: &[&str]) -> anyhow::Result<Self> {
        let db = args.db.clone().unwrap_or_else(default_remote);
        let remotes = Remote::parse_list(&db).context("--db")?;
        if let Some(passive) = remotes.iter().find(|remote| remote.is_passive()) {
            bail!("--db: {passive} is a place to listen; name one to connect to, unix: or tcp:");
        }
        let config = Config::of_tables(Arc::new(nb::schema()), tables.iter().copied());
        let client = Client::new(remotes, config);
        let mut northbound = Self {
            client,
            rows: HashMap::new(),
            db,
        };
        let wait = Duration::from_secs(args.timeout);
        match timeout(wait, northbound.connected()).await {
            Ok(result) => result?,
            Err(_) => bail!(
                "{}: no connection within {} s; is the server running, and is --db right?",
                northbound.db,
                args.timeout
            ),
        }
        Ok(northbound)
    }

    async fn connected(&mut self) -> anyhow::Result<()> {
        while self.next().await? != Event::Connected {}
        Ok(())
    }

    /// Waits for the next event and takes over its changes.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Event> {
        let Some(event) = self.client.next().await else {
            bail!("{}: connection ended", self.db)
        };
        if let Event::Changes(changes) = &event {
            for change in changes {
                let table = self.rows.entry(change.table.clone()).or_default();
                match &change.new {
                    Some(row) => table.insert(change.uuid, Arc::clone(row)),
                    None => table.remove(&change.uuid),
                };
            }
        }
        Ok(event)
    }

    /// Runs a transaction.
    pub(crate) async fn transact(&self, operations: Vec<ovsdb::Operation>) -> anyhow::Result<()> {
        self.client
            .transact(operations)
            .await
            .with_context(|| self.db.clone())?;
        Ok(())
    }

    /// The rows of one table as they are stored.
    pub(crate) fn raw(&self, table: &str) -> impl Iterator<Item = (Uuid, &Arc<Row>)> {
        self.rows
            .get(table)
            .into_iter()
            .flatten()
            .map(|(uuid, row)| (*uuid, row))
    }

    /// The rows of one table.
    pub(crate) fn rows<T: Table>(&self) -> HashMap<Uuid, T> {
        let rows = self.raw(T::NAME);
        rows.filter_map(|(uuid, row)| Some((uuid, T::from_row(row).ok()?)))
            .collect()
    }

    /// The row of one UUID.
    pub(crate) fn global(&self) -> Option<(Uuid, nb::NbGlobal)> {
        self.rows::<nb::NbGlobal>().into_iter().next()
    }
}

fn default_remote() -> String {
    let dirs = daemon::Dirs::from_env(daemon::Family::Ovn);
    format!("unix:{}", dirs.run.join("ovnnb_db.sock").display())
}

//! Rows of some tables of a database, for tools that do one thing and end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use model::Table;
use ovsdb::client::Config;
use ovsdb::{DatabaseSchema, Row, Str, Uuid};
use tokio::time::timeout;
use transport::ovsdb::{Client, Event};
use transport::{Remote, Tls};

/// Rows of some tables, kept up to date while events are taken.
pub(crate) struct Tables {
    client: Client,
    rows: HashMap<Str, HashMap<Uuid, Arc<Row>>>,
    db: String,
}

impl Tables {
    /// Connects to one of the remotes in `db` and fetches all rows of `tables`; `flag` is where `db` comes from.
    pub(crate) async fn connect(
        flag: &str,
        db: &str,
        limit: Duration,
        schema: DatabaseSchema,
        tables: &[&str],
        tls: Tls,
    ) -> anyhow::Result<Self> {
        let remotes = Remote::parse_list(db).with_context(|| flag.to_owned())?;
        if let Some(passive) = remotes.iter().find(|remote| remote.is_passive()) {
            bail!(
                "{flag}: {passive} is a place to listen; name one to connect to, unix:, tcp: or ssl:"
            );
        }
        let config = Config::of_tables(Arc::new(schema), tables.iter().copied());
        let mut this = Self {
            client: Client::with_tls(remotes, config, tls),
            rows: HashMap::new(),
            db: db.to_owned(),
        };
        match timeout(limit, this.connected()).await {
            Ok(result) => result?,
            Err(_) => bail!(
                "{db}: no connection within {} s; is the server running, and is {flag} right?",
                limit.as_secs()
            ),
        }
        Ok(this)
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

    /// The rows of one table, as far as they can be read.
    pub(crate) fn typed<T: Table>(&self) -> impl Iterator<Item = (Uuid, T)> {
        let rows = self.raw(T::NAME);
        rows.filter_map(|(uuid, row)| Some((uuid, T::from_row(row).ok()?)))
    }
}
